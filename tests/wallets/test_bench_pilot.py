"""The measurement of a pilot beside the bare ledger: what it promises is there, and no time is judged."""

import json
import sys
from typing import Any

import pytest
from click.testing import CliRunner

from cbdc.errors import Refused
from cbdc.ledger.ledger import Ledger
from wallets import bench_pilot
from wallets.cli import main


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return bench_pilot.pilot(100, 6)


def test_the_bare_ledger_takes_the_very_same_transactions(found: dict[str, Any]) -> None:
    assert found["bare_ledger"]["same_root"] is True
    assert found["errors"] == 0
    assert (found["people"], found["days"], found["payments"]) == (100, 6, 200)
    assert (found["online"]["payments"], found["offline"]["payments"]) == (190, 10)
    # Registrations, an issue, purchases, payments, loads, bookings, sales and a redemption.
    assert found["bare_ledger"]["transactions"] > 2 * 100 + 190 + 5 + 10
    assert found["bare_ledger"]["offline_transactions"] == 5 + 10


def test_every_figure_is_positive_and_fits_json(found: dict[str, Any]) -> None:
    for part in ("online", "offline", "bare_ledger"):
        figures = {name: value for name, value in found[part].items() if value is not True}
        assert all(value > 0 for value in figures.values()), part
        assert figures["p50_ms"] <= figures["p99_ms"]
    assert all(value > 0 for value in found["ratios"].values())
    assert set(found["seconds_by_verb"]) >= {"set_up", "pay", "pay_offline", "sync", "sell"}
    assert ("peak_memory_mib" in found) == (sys.platform != "win32")
    assert found["report_page_bytes"] < 5 * 2**20
    assert json.loads(json.dumps(found)) == found


def test_the_words_tell_the_ratio(found: dict[str, Any]) -> None:
    lines = list(bench_pilot.words(found))
    assert max(map(len, lines)) <= 110
    text = "\n".join(lines)
    assert f"pilot to bare ledger: {found['ratios']['online_to_bare_ledger']:.2f} online" in text
    assert "replayed to the same root, 0 errors" in text
    without = {name: value for name, value in found.items() if name != "peak_memory_mib"}
    wrong = {**without, "bare_ledger": {**found["bare_ledger"], "same_root": False}}
    text = "\n".join(bench_pilot.words(wrong))
    assert "ANOTHER ROOT" in text
    assert "memory" not in text


def test_a_refusal_of_the_bare_ledger_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare ledger that loses one payment refuses what was paid with it, and arrives at another root."""
    really = bench_pilot._submit
    lost: list[bytes] = []

    def submit(ledger: Ledger, group: list[bytes], bare: Any) -> None:
        if not lost and 25 < len(group) < 40:
            lost.append(group[-1])
            group = [*group[:-1], b"no transaction"]
        really(ledger, group, bare)

    monkeypatch.setattr(bench_pilot, "_submit", submit)
    found = bench_pilot.pilot(100, 6)
    assert lost
    assert found["errors"] > 2
    assert found["bare_ledger"]["same_root"] is False


@pytest.mark.parametrize(
    ("people", "days", "code"),
    [(99, 6, "E_SETTING"), (100, 3, "E_SCRIPT_REQUIRES"), (100, 7, "E_SCRIPT_REQUIRES")],
)
def test_sizes_that_the_script_refuses(people: int, days: int, code: str) -> None:
    with pytest.raises(Refused) as caught:
        bench_pilot.pilot(people, days)
    assert caught.value.code == code


def test_the_command(found: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_pilot, "pilot", lambda people, days: {**found, "people": people, "days": days})
    words = CliRunner().invoke(main, ["bench", "pilot", "--people", "7"])
    assert words.exit_code == 0
    assert words.output.startswith("7 people, 12 days, ")
    printed = CliRunner().invoke(main, ["bench", "pilot", "--json"])
    assert json.loads(printed.output)["people"] == 2_000
    monkeypatch.setattr(bench_pilot, "pilot", lambda people, days: {**found, "errors": 1})
    assert CliRunner().invoke(main, ["bench", "pilot"]).exit_code == 1
