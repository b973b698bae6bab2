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
    "simulation/test_kills": 90,
    "exercises/test_labs": 90,
    "exercises/test_commands": 80,
    "exercises/test_cage": 70,
    "mutants/test_planter": 20,
    "fuzz/test_fuzz": 60,
    "web/test_every_page": 60,
    "web/test_wallet_faults": 50,
    "web/test_report_browser": 40,
    "web/test_shell_browser": 35,
    "web/test_watch_browser": 35,
    "site/test_fuzz_api": 30,
    "web/test_wallet_screens": 30,
    "web/test_wallet_offline": 28,
    "web/test_wallet_requests": 25,
    "pilot/test_all_pilots": 25,
    "web/test_stage_browser": 22,
    "web/test_wallet_recovery": 21,
    "web/test_lesson": 20,
    "web/test_device_cut": 18,
    "web/test_tour": 18,
    "web/test_wallet_third": 18,
    "site/test_hsm_serve": 17,
    "web/test_wallet_marked": 15,
    "site/test_partner_crash": 15,
    "web/test_wallet_cards": 15,
    "web/test_wallet_online": 13,
    "site/test_openapi": 12,
    "roles/test_kills": 12,
    "pilot/test_rails": 48,
    "pilot/test_fleet": 27,
    "pilot/test_runner": 14,
    "wallets/benches/test_run": 13,
    "site/test_drain": 10,
    "site/test_treasury": 10,
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
