"""Every worker begins with its share of the slow files, and nothing is lost or doubled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.order import SLOW_SECONDS, shares
from tests.parts import TESTS


def test_what_is_slow_is_there() -> None:
    assert [name for name in SLOW_SECONDS if not (TESTS / f"{name}.py").exists()] == []


@pytest.mark.parametrize(
    ("workers", "row"),
    [
        (1, ["a1", "a2", "b1", "c1", *"123456"]),
        (2, ["a1", "a2", "1", "2", "3", "b1", "c1", "4", "5", "6"]),
        (3, ["a1", "a2", "1", "b1", "2", "3", "c1", "4", "5", "6"]),
    ],
)
def test_pieces_begin_with_slow_files_the_slowest_first(workers: int, row: list[str]) -> None:
    slow = [(["c1"], 20), (["a1", "a2"], 50), (["b1"], 30)]
    assert shares(slow, list("123456"), workers) == row


@given(
    sizes=st.lists(st.tuples(st.integers(1, 9), st.integers(1, 99)), max_size=9),
    quick=st.integers(0, 60),
    workers=st.integers(1, 6),
)
def test_the_row_is_whole_and_files_stay_whole(
    sizes: list[tuple[int, int]], quick: int, workers: int
) -> None:
    slow = [([f"{file}.{place}" for place in range(size)], s) for file, (size, s) in enumerate(sizes)]
    row = shares(slow, [str(place) for place in range(quick)], workers)
    assert sorted(row) == sorted([one for tests, _ in slow for one in tests] + list(map(str, range(quick))))
    assert [one for one in row if "." not in one] == [str(place) for place in range(quick)]
    for tests, _ in slow:
        begin = row.index(tests[0])
        assert row[begin : begin + len(tests)] == tests
