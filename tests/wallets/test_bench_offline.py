"""`tenge bench offline`: bytes are exact, every row is there, and what goes wrong is counted. Times are not judged."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from wallets import bench_offline
from wallets.bench_offline_scene import ALGORITHMS, Scene
from wallets.cli import main

SIZES = Path(__file__).parents[1] / "vectors" / "sizes.json"


@pytest.mark.parametrize("name", ALGORITHMS)
def test_bytes_are_those_of_the_named_vectors(name: str) -> None:
    cases = json.loads(SIZES.read_text(encoding="utf-8"))["cases"]
    named = {case["id"]: case["size_bytes"] for case in cases}
    prefix = f"sizes-{name}-"
    assert Scene(name).bytes() == {
        "commit": named[f"{prefix}commit"],
        "hops_1": named[f"{prefix}hops-1"],
        "hops_5": named[f"{prefix}hops-5"],
        "evidence_e1": named[f"{prefix}E1-items"],
    }


def test_a_small_run_has_every_row_and_no_errors(monkeypatch: Any) -> None:
    monkeypatch.setattr(bench_offline, "_REPEATS", 2)
    monkeypatch.setattr(bench_offline, "_PAYMENTS", 2)
    monkeypatch.setattr(bench_offline, "_YARDSTICK", 60)
    monkeypatch.setattr(bench_offline, "ALGORITHMS", {"es256": ALGORITHMS["es256"]})
    monkeypatch.setattr(bench_offline, "all_cores", lambda: 1)
    done = CliRunner().invoke(main, ["bench", "offline", "--transfers", "400", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["errors"] == 0
    assert set(found["bytes"]) == {"es256"}
    rows = {row["name"]: row for row in found["rows"]}
    assert set(rows) == {
        *(f"check, {hops} hops" for hops in bench_offline.HOPS),
        "evidence E1",
        "element pay",
        "element accept",
        "plain loop",
        "plain loop, cryptography",
        "reconcile",
        "incremental derivation",
    }
    assert rows["check, 5 hops"]["signatures"] == 11
    assert rows["reconcile"]["transfers"] > 380
    assert rows["incremental derivation"]["history"] + rows["incremental derivation"]["transfers"] == 400
    assert [line for line in bench_offline.words(found) if "ratio" in line]


def test_a_number_out_of_range_is_refused() -> None:
    said = CliRunner().invoke(main, ["bench", "offline", "--transfers", "3", "--json"])
    assert said.exit_code == 2
    assert json.loads(said.stdout)["code"] == "E_SETTING"


def test_a_wrong_fact_is_an_error() -> None:
    from offline.bulk.synthetic import Made

    right = {"guilty": [], "loss_tiyn": 0, "transfers": 5, "refused": {}}
    made = Made(transfers=5)
    assert bench_offline._wrong(made, right) == 0
    for wrong in ({"guilty": ["00"]}, {"loss_tiyn": 1}, {"transfers": 4}, {"refused": {"E_SIG": 1}}):
        assert bench_offline._wrong(made, {**right, **wrong}) == 1
