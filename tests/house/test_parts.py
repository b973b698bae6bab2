"""The two parts of a run: every test is in one of them, and no file is passed over that holds one."""

from pathlib import Path

import pytest

from tests.parts import MEASURED, PARTS, TESTS, may_hold_slow, part_of, passed_over

RULES = TESTS / "cbdc" / "test_money.py"
BROWSERS = TESTS / "web" / "test_tour.py"


def test_what_is_measured_is_there() -> None:
    assert [name for name in MEASURED if not list(TESTS.glob(f"{name}*"))] == []


@pytest.mark.parametrize(
    ("path", "is_slow", "part"),
    [
        (RULES, False, "measured"),
        (RULES, True, "waiting"),
        (TESTS / "site" / "test_partners.py", False, "measured"),
        (TESTS / "site" / "test_server.py", False, "waiting"),
        (BROWSERS, False, "waiting"),
        (BROWSERS, True, "waiting"),
        (TESTS / "test_at_the_top.py", False, "waiting"),
    ],
)
def test_a_test_has_a_part(path: Path, is_slow: bool, part: str) -> None:
    assert part_of(path, is_slow) == part


def test_a_file_is_passed_over_only_where_it_holds_nothing() -> None:
    files = sorted(TESTS.glob("**/test_*.py"))
    for file in files:
        over = {part for part in PARTS if passed_over(file, part)}
        could_be = {part_of(file, False), *([part_of(file, True)] if may_hold_slow(file) else [])}
        assert over == set(PARTS) - could_be, file


def test_folders_and_files_outside_are_looked_into() -> None:
    for part in PARTS:
        assert not passed_over(TESTS, part)
        assert not passed_over(TESTS.parent, part)
        assert not passed_over(TESTS / "cbdc", part)
        assert not passed_over(TESTS / "cbdc" / "rails", part)
        assert not passed_over(TESTS / "site", part)
    assert not passed_over(TESTS / "web", "waiting")
    assert passed_over(TESTS / "web", "measured")
