"""Inputs from outside that a review found to end in a traceback."""

import json
from pathlib import Path

import pytest

from tests.cbdc.world import answer_of
from wallets.pilot.compare import compare, read_report, words

GOOD = {"pilot": "x", "facts": {"a": 1}, "marks": [{"name": "meals", "value": 3}]}


def deep(levels: int) -> object:
    """Lists inside one another."""
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "odd",
    [
        {"facts": 3},
        {"facts": [1]},
        {"marks": [{"name": []}, {"name": []}]},
        {"marks": [{"code": {}}]},
        {"supply": deep(900)},
        {"supply": {"a": 10**4_299}},
        {"parameters": {"a": "\ud800"}},
        {"parameters": {"\udfff": 1}},
    ],
)
def test_a_report_that_cannot_be_compared_is_refused(tmp_path: Path, odd: dict[str, object]) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps({**GOOD, **odd}), encoding="utf-8")
    assert answer_of(read_report, file) == "E_FILE"


def test_a_report_that_can_be_compared_is_not(tmp_path: Path) -> None:
    for name, report in (("a", GOOD), ("b", {**GOOD, "facts": {"a": 2}})):
        (tmp_path / name).write_text(json.dumps(report), encoding="utf-8")
    rows = compare(read_report(tmp_path / "a"), read_report(tmp_path / "b"))
    assert "1 of 7 figures differ" in "\n".join(words(rows, True))
