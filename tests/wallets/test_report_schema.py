"""The shape of report.json, and the judge of it: a sound report passes, and each broken one is named by its place."""

from typing import Any

import pytest

from tests.conftest import ROOT
from tests.wallets.report_check import SCHEMA, check_report, problems, schema
from tests.wallets.report_sample import sample


@pytest.mark.parametrize(("days", "a_day"), [(1, 1), (3, 4), (20, 10)])
def test_a_sound_report(days: int, a_day: int) -> None:
    check_report(sample(days, a_day))


@pytest.mark.parametrize(
    "key", ["parameters", "marks", "offline", "refusals", "series", "holders", "events", "privacy"]
)
def test_what_may_be_missing(key: str) -> None:
    report = sample(2, 2)
    del report[key]
    check_report(report)


@pytest.mark.parametrize("key", ["format", "pilot", "title", "seed", "digest", "expectations", "supply"])
def test_what_must_be_there(key: str) -> None:
    report = sample(2, 2)
    del report[key]
    assert problems(report) == [f"report lacks {key}"]


def _put(report: dict[str, Any], path: str, value: Any) -> None:
    *steps, last = (int(step) if step.isdigit() else step for step in path.split("."))
    place: Any = report
    for step in steps:
        place = place[step]
    place[last] = value


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("format", 1, "report.format is not 2"),
        ("format", True, "report.format is not 2"),
        ("pilot", "School Meals", "report.pilot does not look like"),
        ("pilot", "meals\n", "report.pilot does not look like"),
        ("title", "", "report.title is shorter than 1"),
        ("seed", "7", "report.seed is not integer"),
        ("seed", -1, "report.seed is below 0"),
        ("seed", True, "report.seed is not integer"),
        ("digest", "C0FFEE", "report.digest does not look like"),
        ("more", 1, "report has more"),
        ("supply.wallets_tiyn", 1.5, "report.supply.wallets_tiyn is not integer"),
        ("supply.wallets_tiyn", -1, "report.supply.wallets_tiyn is below 0"),
        ("supply.wallets_tiyn", 2**53, "report.supply.wallets_tiyn is above"),
        ("supply.wallet_tiyn", 0, "report.supply has wallet_tiyn"),
        ("parameters.0.grade", "Z", "report.parameters[0].grade is none of"),
        ("parameters.0.value", 1.5, "report.parameters[0].value is not integer or string or boolean"),
        ("expectations.1.ok", 1, "report.expectations[1].ok is not boolean"),
        ("marks.meal.id", "ab", "report.marks.meal.id does not look like"),
        ("offline.evidence.0.file", "/etc/passwd", "report.offline.evidence[0].file does not look like"),
        ("offline.borne_by.bank x", -5, "report.offline.borne_by.bank x is below 0"),
        ("refusals.0.code", "LATE", "report.refusals[0].code does not look like"),
        ("refusals.0.count", 0, "report.refusals[0].count is below 1"),
        ("series.dates.0", "6 Nov", "report.series.dates[0] does not look like"),
        ("balance_sheets.0.after.0.side", "debit", "report.balance_sheets[0].after[0].side is none of"),
        ("events.0.time", "8:00", "report.events[0].time does not look like"),
        ("events", {}, "report.events is not array"),
        ("privacy", 5, "report.privacy is not string or null"),
    ],
)
def test_a_broken_shape_is_named(path: str, value: Any, problem: str) -> None:
    report = sample(2, 2)
    _put(report, path, value)
    found = problems(report)
    assert len(found) == 1
    assert found[0].startswith(problem)


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("supply.issued_tiyn", 1, "supply: issued - redeemed is not what is held"),
        ("series.wallets_tiyn", [1], "series: lists of [1, 2] days"),
        ("series.wallets_tiyn.1", 1, "series.wallets_tiyn does not end where supply.wallets_tiyn does"),
        ("series.dates.1", "2022-01-01", "series: the dates are out of order"),
        ("offline.borne_by.guilty holder", 1, "offline: what was borne is not the loss"),
        ("marks.meal.given_tiyn", 1, "marks.meal: what came on is not what went off and what is left"),
    ],
)
def test_a_broken_sum_is_named(path: str, value: Any, problem: str) -> None:
    report = sample(2, 2)
    _put(report, path, value)
    assert problems(report) == [problem]


def test_what_is_no_report_at_all() -> None:
    assert problems([]) == ["report is not object"]


def test_the_judge_fails_on_words_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(schema(), "oneOf", [])
    with pytest.raises(AssertionError, match="oneOf"):
        problems(sample(1, 1))


def test_the_schema_in_the_documents_is_the_one_in_the_package() -> None:
    copy = ROOT / "docs" / "pilots" / "report.schema.json"
    assert copy.read_bytes() == SCHEMA.read_bytes(), "copy wallets/pilot/report.schema.json to docs/pilots"


def test_the_schema_names_its_dialect() -> None:
    assert schema()["$schema"].endswith("2020-12/schema")
    assert SCHEMA.name == "report.schema.json"
