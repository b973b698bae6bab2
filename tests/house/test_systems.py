"""docs/systems.md tells the truth: what it calls working has a script and a test that are there."""

from typing import Any

from tests.house import made_systems

SYSTEMS = 37


def test_every_system_has_its_row_once() -> None:
    names = [row["name"] for row in made_systems.rows()]
    assert len(names) == SYSTEMS
    assert len(set(names)) == SYSTEMS


def test_rows_hold_nothing_unknown_and_name_nothing_that_is_not_there() -> None:
    known = {"name", "works", "scripts", "tests", "code", "correction"}
    for row in made_systems.rows():
        assert set(row) <= known, row["name"]
        assert made_systems.missing(row) == [], row["name"]


def test_a_row_that_names_a_ghost_does_not_work() -> None:
    row: dict[str, Any] = {
        "name": "x",
        "works": "y",
        "scripts": ["school-meals"],
        "tests": ["tests/pilot/play.py"],
    }
    assert made_systems.works(row)
    for change in ({"scripts": ["ghost"]}, {"tests": ["tests/ghost.py"]}, {"scripts": []}, {"tests": []}):
        assert not made_systems.works({**row, **change})
