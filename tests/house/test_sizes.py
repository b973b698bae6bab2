"""A normal run plays a part of a long row; together the parts are the whole row."""

import pytest

from tests.sizes import some


@pytest.mark.parametrize("one_in", [1, 2, 3, 7])
def test_the_parts_of_a_row_are_the_row(one_in: int) -> None:
    row = list(range(100))
    parts = [some(row, one_in, begin, full=False) for begin in range(one_in)]
    assert sorted(place for part in parts for place in part) == row
    assert all(len(part) >= len(row) // one_in for part in parts)


def test_a_begin_is_counted_round() -> None:
    assert list(some(range(1, 9), 3, begin=4, full=False)) == [2, 5, 8]


def test_in_full_it_is_the_whole_row() -> None:
    assert some(range(9), 3, begin=2, full=True) == range(9)
