"""What a report takes from the journal of a real run: flows that add up to the supply, days, limits, tables."""

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.pilot.play import SMALL, played, report_of, run_text, step
from tests.wallets.html_tree import read
from wallets.pilot import csv_tables, report, runner
from wallets.pilot.tongue import LANGUAGES


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> runner.Finished:
    return played(tmp_path_factory.mktemp("journal") / "run", SMALL)


@pytest.fixture(scope="module")
def found(finished: runner.Finished) -> dict[str, Any]:
    return report_of(finished.folder)


def test_flows_add_up_to_the_supply(found: dict[str, Any]) -> None:
    net: Counter[str] = Counter()
    for row in found["flows"]:
        if row["action"] != "offline_payment":
            net[row["to"]] += row["tiyn"]
            net[row["from"]] -= row["tiyn"]
    supply = found["supply"]
    assert -net.pop("national_bank") == supply["issued_tiyn"] - supply["redeemed_tiyn"]
    assert net.pop("escrow") == supply["escrow_tiyn"]
    assert net.pop("treasury") == supply["treasury_tiyn"]
    assert net.pop("loss_reserve") == supply["loss_reserve_tiyn"]
    assert sum(net[name] for name in list(net) if name.startswith("bank/")) == supply["bank_inventory_tiyn"]
    assert sum(net[name] for name in list(net) if name.startswith("group/")) == supply["wallets_tiyn"]


def test_every_party_of_a_flow_has_a_name(found: dict[str, Any]) -> None:
    known = {row["id"] for row in found["parties"]}
    assert known == {row[end] for row in found["flows"] for end in ("from", "to")}


def test_a_mark_is_accounted_for_to_the_tiyn(found: dict[str, Any]) -> None:
    meal = found["marks"]["meal"]
    assert meal["covered_tiyn"] == 80_000, "one note was spent twice, and the reserve paid for the second"
    ends = ("released_tiyn", "returned_tiyn", "recovered_tiyn", "outstanding_tiyn")
    assert meal["given_tiyn"] + meal["covered_tiyn"] == sum(meal[name] for name in ends)
    assert sum(row["tiyn"] for row in meal["released_to"]) == meal["released_tiyn"]
    assert meal["days_tiyn"][-1] == meal["outstanding_tiyn"] == 0
    assert max(meal["days_tiyn"]) == meal["given_tiyn"]


def test_payments_by_day_are_all_payments(found: dict[str, Any]) -> None:
    series, linkability = found["series"], found["linkability"]
    assert sum(series["payments_online"]) == linkability["payments"]["online"] > 0
    assert sum(series["payments_offline"]) == found["offline"]["payments"]
    # Every offline payment of this pilot was handed in at last.
    assert linkability["payments"]["offline"] == found["offline"]["payments"]


def test_only_banks_that_read_the_journal_name_anybody(found: dict[str, Any]) -> None:
    for row in found["linkability"]["parties"]:
        assert (row["to_a_person"] > 0) == ((row["party"], row["reads"]) in [
            ("payer_bank", "journal"),
            ("payee_bank", "journal"),
        ]), row  # fmt: skip


def test_refusals_name_their_steps_and_rules(found: dict[str, Any]) -> None:
    for row in found["refusals"]:
        assert sum(one["count"] for one in row["steps"]) == row["count"]
        assert all(one["expected"] for one in row["steps"])
        assert len({row["sentence"], row["sentence_kk"], row["sentence_ru"]}) == 3
    (edge,) = [row for row in found["refusals"] if row["code"] == "E_MARK_EDGE"]
    assert edge["rule"] == "G6"
    assert edge["steps"][0]["rule"].startswith("mark.meal.")


def test_an_unexpected_refusal_is_told_as_one(tmp_path: Path) -> None:
    result = run_text(
        tmp_path, step("pay", who="person", to="person", to_member="0", amount="tenge(5)")
    ).report
    (row,) = result["refusals"]
    assert [one["expected"] for one in row["steps"]] == [False]
    assert not result["expectations"][-1]["ok"]


def test_the_tables_are_the_reports_and_stand_in_the_manifest(
    finished: runner.Finished, found: dict[str, Any]
) -> None:
    manifest = json.loads((finished.folder / "manifest.json").read_text(encoding="utf-8"))
    for name, data in csv_tables.files(found):
        path = finished.folder / "tables" / name
        assert path.read_bytes() == data
        assert manifest["files"][f"tables/{name}"] == hashlib.sha256(data).hexdigest()


def test_the_page_of_a_run_stands_in_every_language(finished: runner.Finished) -> None:
    page = read((finished.folder / "report.html").read_text(encoding="utf-8"))
    bodies = [e for e in page.all("div") if e.attributes.get("class") == "tongue"]
    assert [e.attributes["lang"] for e in bodies] == list(LANGUAGES)
    for section in ("map", "marks", "privacy", "limits"):
        assert all(page.all("section", id=f"{language}-{section}") for language in LANGUAGES)


def test_limits_that_were_met(tmp_path: Path) -> None:
    buy = step("buy", who="person", amount="tenge(9000)", when="i == 0")
    much = step(
        "pay", at="11:00", who="person", when="i == 0", to="person", to_member="1", amount="tenge(600000)"
    )
    limits = run_text(tmp_path, buy, much).report["limits"]
    assert limits["hits"] == [], "too little money is no limit"
    assert [row["tier"] for row in limits["tiers"]] == [1, 2, 3, 4]
    assert next(row for row in limits["tiers"] if row["tier"] == 2)["groups"] == ["person"]


@pytest.mark.parametrize(
    ("code", "limit"),
    [
        ("E_LIMIT_DAY", True),
        ("E_MARK_CAP", True),
        ("E_MARK_PERIOD", True),
        ("E_PURSE_FULL", True),
        ("E_MARK_EDGE", False),
        ("E_FUNDS", False),
        ("E_CAPTURE", False),
    ],
)
def test_which_refusals_are_about_limits(code: str, limit: bool) -> None:
    assert report.is_limit(code) is limit


def test_values_are_carried_over_days_without_any() -> None:
    values = {"2023-11-07": 5, "2023-11-09": 0}
    dates = ["2023-11-06", "2023-11-07", "2023-11-08", "2023-11-10"]
    assert report._carried_on(dates, values) == [0, 5, 5, 0]
    assert report._carried_on(dates, {}) == [0, 0, 0, 0]
