"""The order of a run with several workers: each begins with its share of the slowest files.

The scheduler cuts the row of tests into equal pieces by number, and who has nothing left takes over half of another's
rest. A slow file at the end of a piece is then played by one worker while the others have nothing to do, and one that
is cut in two makes its world twice. So the slowest files are dealt out first, each whole, and what is quick fills up.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

import pytest

from tests.parts import TESTS

# Seconds that the slowest files took on two busy processors; only their order matters, and a file may be missing.
SLOW_SECONDS: Mapping[str, int] = {
    "web/test_journeys": 100,
}
_T = TypeVar("_T")


def shares(slow: Iterable[tuple[Sequence[_T], int]], quick: Sequence[_T], workers: int) -> list[_T]:
    """One row whose equal pieces each begin with slow files, dealt out so that they last equally long.

    `slow` is (tests of a file, seconds); a worker whose slow files are more than a piece goes on into the next one.
    """
    hands: list[list[_T]] = [[] for _ in range(workers)]
    burden = [0] * workers
    for tests, seconds in sorted(slow, key=lambda row: -row[1]):
        least = burden.index(min(burden))
        hands[least] += tests
        burden[least] += seconds
    left = sum(map(len, hands)) + len(quick)
    rest = iter(quick)
    for place, hand in enumerate(hands):
        piece = left // (workers - place)
        hand += itertools.islice(rest, max(0, piece - len(hand)))
        left -= len(hand)
    return [*itertools.chain(*hands), *rest]


def name_of(item: pytest.Item) -> str:
    """The path of its file below `tests`, without the ending."""
    path = item.path.with_suffix("")
    return path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else path.as_posix()


def put_in_order(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deal the tests out; every worker computes the same row. A run of one process keeps the usual order."""
    workers = int(getattr(config, "workerinput", {}).get("workercount", 1))
    if workers < 2:
        return
    slow: dict[str, list[pytest.Item]] = {}
    quick: list[pytest.Item] = []
    for item in items:
        name = name_of(item)
        (slow.setdefault(name, []) if name in SLOW_SECONDS else quick).append(item)
    items[:] = shares([(found, SLOW_SECONDS[name]) for name, found in slow.items()], quick, workers)
