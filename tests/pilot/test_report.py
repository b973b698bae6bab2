"""What a report says: the agreed keys and sums, nothing of the machine, and the same bytes as the kept one."""

import json
import re
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import catalogue
from tests.pilot import golden
from tests.pilot.play import SMALL, expect, played, report_of, run_text, step
from tests.wallets.report_check import check_report
from wallets.pilot import command, runner
from wallets.pilot.folder import canonical_json

SUPPLY = {
    "issued_tiyn",
    "redeemed_tiyn",
    "bank_inventory_tiyn",
    "treasury_tiyn",
    "wallets_tiyn",
    "escrow_tiyn",
    "loss_reserve_tiyn",
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> runner.Finished:
    return played(tmp_path_factory.mktemp("a folder of my own") / "run", SMALL)


@pytest.fixture(scope="module")
def report(finished: runner.Finished) -> dict[str, Any]:
    return report_of(finished.folder)


def test_the_report_is_a_report(report: dict[str, Any]) -> None:
    check_report(report)
    assert report["pilot"] == "school-meals"
    assert report["seed"] == 7


def test_the_supply_has_seven_figures_that_add_up(report: dict[str, Any]) -> None:
    supply = report["supply"]
    assert set(supply) == SUPPLY
    held = sum(value for name, value in supply.items() if name not in ("issued_tiyn", "redeemed_tiyn"))
    assert supply["issued_tiyn"] - supply["redeemed_tiyn"] == held > 0
    assert len(json.dumps(supply)) < 1_000


def test_the_value_and_the_file_are_one(finished: runner.Finished, report: dict[str, Any]) -> None:
    assert finished.report == report
    data = (finished.folder / "report.json").read_bytes()
    assert data == canonical_json(report).encode()
    assert data.endswith(b"\n")
    assert b"\r" not in data


def test_nothing_of_the_machine_is_in_it(finished: runner.Finished) -> None:
    """No path, no name of the machine or its user, no moment of the machine's clock."""
    for name in ("report.json", "report.html"):
        text = (finished.folder / name).read_text(encoding="utf-8")
        assert "a folder of my own" not in text
        assert str(finished.folder.parent.parent) not in text
        assert sys.prefix not in text
        if len(socket.gethostname()) > 3:
            assert socket.gethostname() not in text
        assert time.strftime("%Y-%m-%d") not in text
        assert not re.search(r"/(home|root|tmp|Users|work)/", text)
        # Moments of the run's own time may be told; the machine's present may not.
        assert not re.search(rf"\b{str(int(time.time()))[:5]}\d{{5}}\b", text)


def test_there_is_no_float_in_it(report: dict[str, Any]) -> None:
    def floats(value: Any) -> list[float]:
        if isinstance(value, dict):
            return [found for item in value.values() for found in floats(item)]
        if isinstance(value, list):
            return [found for item in value for found in floats(item)]
        return [value] if isinstance(value, float) else []

    assert floats(report) == []


def test_the_evidence_named_is_there(finished: runner.Finished, report: dict[str, Any]) -> None:
    rows = report["offline"]["evidence"]
    assert {row["named"] for row in rows} == {"pupil-1"}
    for row in rows:
        assert len((finished.folder / "evidence" / row["file"]).read_bytes()) == row["bytes"]


def test_refusals_are_counted_and_told(report: dict[str, Any]) -> None:
    told = {row["code"]: row for row in report["refusals"]}
    assert set(told) <= set(catalogue())
    assert told["E_MARK_EDGE"]["count"] == 1
    assert all("{" not in row["sentence"] for row in report["refusals"])


def test_marks_series_and_sheets(report: dict[str, Any]) -> None:
    meal = report["marks"]["meal"]
    assert meal["outstanding_tiyn"] == 0
    assert meal["given_tiyn"] == 9 * 2 * 80_000
    dates = report["series"]["dates"]
    assert dates == sorted(set(dates))
    assert {event["date"] for event in report["events"]} == set(dates)
    for sheet in report["balance_sheets"]:
        for when in ("before", "after"):
            sides = {"asset": 0, "liability": 0}
            for row in sheet[when]:
                sides[row["side"]] += row["tiyn"]
            assert sides["asset"] == sides["liability"], (sheet["institution"], when)


def test_the_digest_tells_runs_apart(report: dict[str, Any], tmp_path: Path) -> None:
    buy = step("buy", who="person", amount="tenge(100)")
    one = run_text(tmp_path, buy).report["digest"]
    (tmp_path / "b").mkdir()
    more = run_text(tmp_path / "b", buy, expect("supply.escrow_tiyn", 0)).report["digest"]
    (tmp_path / "c").mkdir()
    other = run_text(tmp_path / "c", step("buy", who="person", amount="tenge(101)")).report["digest"]
    assert one == more, "what is expected signs nothing"
    assert len({one, other, report["digest"]}) == 3


def test_a_run_of_nothing(tmp_path: Path) -> None:
    """No bank, no cast, no step: a report all the same."""
    head = '[pilot]\nname = "nothing"\ntitle = "Nothing"\nstart = "2023-11-06"'
    finished = run_text(tmp_path, head=head)
    assert finished.ok
    check_report(finished.report)
    assert set(finished.report["supply"].values()) == {0}
    assert finished.report["expectations"] == []


def test_the_summary_in_words(finished: runner.Finished, tmp_path: Path) -> None:
    lines = list(command.summary(finished))
    assert lines[0] == f"{finished.report['title']} (seed 7)"
    assert f"  expectations met: {len(finished.report['expectations'])} of" in "\n".join(lines)
    assert lines[-1].endswith(f"audit {finished.folder.as_posix()}")
    wrong = run_text(tmp_path, expect("supply.escrow_tiyn", 5, "five in escrow"))
    assert "  NOT MET: five in escrow: expected 5, found 0" in list(command.summary(wrong))


def test_the_kept_report_is_todays(finished: runner.Finished) -> None:
    difference = golden.difference((finished.folder / "report.json").read_bytes())
    assert difference == [], "if this was meant: python -m tests.pilot.golden --write"
