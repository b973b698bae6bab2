"""`tenge offline traffic` and `tenge offline reconcile`: what is planned is found, a stop loses nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from offline.batch import make_batch
from offline.bulk.form import BatchFile
from offline.bulk.synthetic import Country, Plan
from offline.records import Note
from tests.offline.bulk_reference import Reference
from wallets import reconcile_report as report
from wallets.cli import main

TRAFFIC = (
    "--transfers",
    "300",
    "--cheats",
    "30000",
    "--parts",
    "2",
    "--workers",
    "0",
    "--algorithm",
    "ed25519",
)


def tenge(*given: str) -> Result:
    return CliRunner().invoke(main, list(given))


@pytest.fixture(scope="module")
def traffic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("traffic")
    made = tenge("offline", "traffic", str(folder), *TRAFFIC)
    assert made.exit_code == 0, made.output
    assert "300 transfers" in made.output
    return folder


def reconcile(folder: Path, out: Path, *more: str) -> Any:
    done = tenge("offline", "reconcile", str(folder), "--out", str(out), "--workers", "0", "--json", *more)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_planned_cheats_are_found_and_reported(traffic: Path, tmp_path: Path) -> None:
    expected = json.loads((traffic / report.EXPECTED).read_text(encoding="utf-8"))
    found = reconcile(traffic, tmp_path / "out")
    assert found["guilty"] == expected["guilty"]
    assert len(expected["guilty"]) > 1
    assert found["loss_tiyn"] == expected["loss_tiyn"]
    lines = [json.loads(line) for line in (tmp_path / "out" / report.BATCHES).read_text().splitlines()]
    assert len(lines) == found["batches"]
    assert sum(line["accepted"] for line in lines) == found["objects"]
    assert lines[-1]["guilty"] == len(found["guilty"])
    assert lines[-1]["float_tiyn"] == found["float_tiyn"]
    assert json.loads((tmp_path / "out" / report.REPORT).read_text())["digest"] == found["digest"]


def test_a_person_reads_it_in_words(traffic: Path, tmp_path: Path) -> None:
    said = tenge("offline", "reconcile", str(traffic), "--out", str(tmp_path), "--workers", "0").output
    assert "300 transfers" in said.replace("299", "300").replace("298", "300")
    assert "digest " in said
    assert "guilty devices" in said


def test_the_same_seed_writes_the_same_bytes(traffic: Path, tmp_path: Path) -> None:
    made = tenge("offline", "traffic", str(tmp_path), *TRAFFIC, "--json")
    assert json.loads(made.stdout)["transfers"] == 300
    for name in ("part-000.dtb", "part-001.dtb", report.AUTHORITY, report.EXPECTED):
        assert (tmp_path / name).read_bytes() == (traffic / name).read_bytes()


def test_a_stop_says_how_to_go_on_and_the_rest_ends_the_same(
    traffic: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    whole = reconcile(traffic, tmp_path / "whole")
    real = report.BulkRun.run

    def stopped(self: Any, workers: Any, tell: Any) -> None:
        def once(progress: Any) -> None:
            tell(progress)
            raise KeyboardInterrupt

        real(self, workers, once)

    monkeypatch.setattr(report.BulkRun, "run", stopped)
    said = tenge("offline", "reconcile", str(traffic), "--out", str(tmp_path / "out"), "--workers", "0")
    assert said.exit_code == 130
    assert "--resume" in said.output
    monkeypatch.undo()
    again = tenge("offline", "reconcile", str(traffic), "--out", str(tmp_path / "out"), "--workers", "0")
    assert again.exit_code == 2
    assert "E_RECONCILE_STATE" in again.output
    rest = reconcile(traffic, tmp_path / "out", "--resume")
    assert rest["digest"] == whole["digest"]
    assert rest["batches"] == whole["batches"]
    one, other = ((tmp_path / name / report.BATCHES).read_text() for name in ("whole", "out"))
    assert _without_times(one) == _without_times(other)


def _without_times(lines: str) -> list[dict[str, Any]]:
    return [{**json.loads(line), "milliseconds": 0} for line in lines.splitlines()]


def test_a_registry_decides_which_notes_count(traffic: Path, tmp_path: Path) -> None:
    authority = Country(7).authority
    reference = Reference(authority).files(sorted(traffic.glob("*.dtb")))
    notes = sorted((one for one in reference.seen if isinstance(one.record, Note)), key=lambda one: one.oid)
    for place, some in enumerate((notes, notes[1:])):
        file = BatchFile(tmp_path / f"registry{place}.dtb", authority.network)
        file.append(make_batch(bytes(16), (), some).encode(), 1)
        file.close()
    plain = reconcile(traffic, tmp_path / "plain")
    every = reconcile(traffic, tmp_path / "every", "--registry", str(tmp_path / "registry0.dtb"))
    fewer = reconcile(traffic, tmp_path / "fewer", "--registry", str(tmp_path / "registry1.dtb"))
    assert every["digest"] == plain["digest"]
    assert fewer["notes_tiyn"] == plain["notes_tiyn"] - notes[0].record.amount_tiyn


def test_what_is_wrong_with_the_authority_is_told(traffic: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.dta"
    other = tmp_path / "other.dta"
    report.write_authority(other, Country(8).authority)
    for content in (b"", b"\x92\x01\x02", b"\x93\x01\x02\x03", other.read_bytes()[:-1]):
        bad.write_bytes(content)
        said = tenge("offline", "reconcile", str(traffic), "--root", str(bad), "--json")
        assert said.exit_code == 2
        assert json.loads(said.stdout)["code"] == "E_RECONCILE_ROOT"
    said = tenge(
        "offline", "reconcile", str(traffic), "--root", str(other), "--out", str(tmp_path / "out"), "--json"
    )
    assert json.loads(said.stdout)["code"] == "E_BATCH_FILE"
    (tmp_path / "alone").mkdir()
    said = tenge("offline", "reconcile", str(tmp_path / "alone"), "--json")
    assert json.loads(said.stdout)["code"] == "E_RECONCILE_ROOT"
    assert report.read_authority(other).network == Country(8).network


def test_traffic_has_bounds(tmp_path: Path) -> None:
    for plan, parts in ((Plan(0), 1), (Plan(10), 0)):
        with pytest.raises(report.Refused) as refused:
            report.traffic(tmp_path, plan, parts, 0)
        assert refused.value.code == "E_SETTING"
