"""`tenge pilot diff`: what two runs share and what they do not, figure by figure."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cbdc.errors import TengeError
from tests.pilot.play import expect, run_text, step
from wallets import cli
from wallets.pilot.compare import Difference, compare, read_report, words


def folders(tmp_path: Path) -> tuple[Path, Path]:
    found = []
    for name, people in (("a", "2"), ("b", "5")):
        (tmp_path / name).mkdir()
        parts = (
            step("buy", who="person", amount="tenge(100)"),
            step("pay", who="person", to="person", amount="tenge(900)", refused="E_FUNDS"),
            expect("wallets.person_tiyn", "people * tenge(100)", "what people hold"),
        )
        found.append(run_text(tmp_path / name, *parts, people=people).folder)
    return found[0], found[1]


def differing(rows: list[Difference]) -> dict[tuple[str, str], int | None]:
    return {(row.section, row.name): row.by for row in rows if not row.same}


def test_two_runs(tmp_path: Path) -> None:
    first, second = (read_report(folder) for folder in folders(tmp_path))
    found = differing(compare(first, second))
    assert found["parameters", "people"] == 3
    assert found["supply", "wallets_tiyn"] == 3 * 10_000
    assert found["expectations", "what people hold"] == 3 * 10_000
    assert found["facts", "steps.buy.person"] == 3
    assert ("run", "seed") not in found
    assert any(section == "refusals" and by == 3 for (section, _), by in found.items())
    assert differing(compare(first, first)) == {}
    back = differing(compare(second, first))
    assert back["parameters", "people"] == -3


def test_what_only_one_has() -> None:
    one: dict[str, Any] = {"pilot": "a", "marks": {"meal": {"given_tiyn": 5}}, "supply": {"x": 1}}
    other: dict[str, Any] = {"pilot": "a", "marks": {}, "supply": {"x": 1, "y": 2}}
    rows = {row.name: (row.first, row.second, row.by) for row in compare(one, other) if not row.same}
    assert rows == {"meal.given_tiyn": (5, None, None), "y": (None, 2, None)}


def test_rows_go_by_name_and_are_never_lost() -> None:
    rows = [{"code": "E_A", "count": 1}, {"code": "E_A", "count": 2}, {"code": "E_B", "count": 3}]
    names = [
        row.name
        for row in compare({"pilot": "a", "refusals": rows}, {"pilot": "a"})
        if row.section == "refusals"
    ]
    assert names == ["E_A.count", "E_A 1.count", "E_B.count"]


def test_the_words() -> None:
    rows = [
        Difference("supply", "x", 1, 4_000),
        Difference("supply", "y", 1, 1),
        Difference("run", "z", None, "a" * 30),
    ]
    text = "\n".join(words(rows, everything=False))
    assert "+3,999" in text
    assert "..." in text
    assert "  y" not in text
    assert text.endswith("2 of 3 figures differ")
    assert "  y" in "\n".join(words(rows, everything=True))


@pytest.mark.parametrize("content", [None, "no json", "[]", "{}", "[" * 100_000])
def test_no_report(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    if content is not None:
        file.write_text(content)
    for path in (file, tmp_path):
        with pytest.raises(TengeError) as found:
            read_report(path)
        assert found.value.code == "E_FILE"


def test_the_command(tmp_path: Path) -> None:
    first, second = folders(tmp_path)
    differ = CliRunner().invoke(cli.main, ["pilot", "diff", str(first), str(second / "report.json")])
    assert (differ.exit_code, "people" in differ.stdout) == (1, True)
    told = CliRunner().invoke(cli.main, ["pilot", "diff", str(first), str(second), "--json"])
    rows = json.loads(told.stdout)
    assert {"section": "parameters", "name": "people", "first": 2, "second": 5, "by": 3} in rows
    same = CliRunner().invoke(cli.main, ["pilot", "diff", str(first), str(first)])
    assert (same.exit_code, same.stdout.startswith("0 of ")) == (0, True)
    none = CliRunner().invoke(cli.main, ["pilot", "diff", str(first), str(tmp_path / "nothing")])
    assert none.exit_code == 2
