"""The CSV files of a report: every row, whole tiyn, the same bytes, and nothing a spreadsheet would run."""

import csv
import io
from typing import Any

import pytest

from tests.wallets.report_sample import sample
from wallets.pilot import csv_tables

NAMES = [
    "events",
    "parameters",
    "expectations",
    "refusals",
    "flows",
    "series",
    "holders",
    "marks",
    "linkability",
]


def rows(report: dict[str, Any], name: str) -> list[dict[str, str]]:
    data = dict(csv_tables.files(report))[f"{name}.csv"]
    return list(csv.DictReader(io.StringIO(data.decode("utf-8"), newline="")))


def test_every_table_is_there_in_order() -> None:
    assert [name for name, _ in csv_tables.files(sample(2, 2))] == [f"{name}.csv" for name in NAMES]


@pytest.mark.parametrize("report", [sample(5, 3), {}], ids=["whole", "empty"])
def test_the_first_line_names_the_columns(report: dict[str, Any]) -> None:
    for name, data in csv_tables.files(report):
        columns = csv_tables.COLUMNS[name.removesuffix(".csv")]
        assert data.decode("utf-8").partition("\n")[0] == ",".join(columns)
        assert b"\r" not in data
        assert data.endswith(b"\n")


def test_a_row_for_everything() -> None:
    report = sample(4, 3)
    for name in ("events", "parameters", "expectations", "flows", "holders"):
        assert len(rows(report, name)) == len(report[name])
    assert len(rows(report, "series")) == 4
    assert [row["name"] for row in rows(report, "marks")] == ["meal"]
    assert len(rows(report, "linkability")) == 4


def test_amounts_are_whole_tiyn_and_add_up() -> None:
    report = sample(4, 3)
    last = rows(report, "series")[-1]
    held = sum(
        int(last[f"{name}_tiyn"])
        for name in ("bank_inventory", "treasury", "wallets", "escrow", "loss_reserve")
    )
    assert held == report["supply"]["issued_tiyn"] - report["supply"]["redeemed_tiyn"]
    assert sum(int(row["tiyn"]) for row in rows(report, "flows")) == sum(
        row["tiyn"] for row in report["flows"]
    )


def test_refusals_by_step_add_up_to_their_code() -> None:
    found = rows(sample(1, 1), "refusals")
    assert found[0] == {
        "code": "E_MARK_EDGE",
        "catalogue_rule": "G6",
        "verb": "pay",
        "who": "pupil",
        "rule": "mark.meal.chain",
        "expected": "yes",
        "count": "3",
        "first": "2023-11-06",
        "text": "Pupils try a shop.",
        "sentence": "Meal money may not go from a pupil to a shop.",
    }
    # A report of an older form names no step: the code has a row all the same.
    assert (found[1]["code"], found[1]["count"], found[1]["verb"]) == ("E_LIMIT_DAY", "12", "")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\nx", "\rx"])
def test_no_text_is_a_formula(text: str) -> None:
    report = {"holders": [{"name": text, "tiyn": -5}]}
    (row,) = rows(report, "holders")
    assert row["name"].startswith("'")
    assert row["tiyn"] == "-5", "a number stays one"


def test_commas_quotes_and_line_ends_stay_in_their_cell() -> None:
    text = 'a, "b"\nc'
    assert rows({"holders": [{"name": text, "tiyn": 1}]}, "holders")[0]["name"] == text


def test_half_a_surrogate_does_not_break_the_file() -> None:
    assert rows({"holders": [{"name": "a\ud800", "tiyn": 1}]}, "holders")[0]["name"] == "a?"


def test_the_same_report_gives_the_same_bytes() -> None:
    assert list(csv_tables.files(sample(5, 5))) == list(csv_tables.files(sample(5, 5)))
