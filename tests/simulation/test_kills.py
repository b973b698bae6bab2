"""Kill the real command anywhere: the audit of what is left is clean, and going on gives the untouched report.

Every write point of the house is reached by the small pilot, and a kill there, the first time and once later, changes
nothing. `TENGE_KILLS=200` adds as many kills at random moments (6 without it).
"""

import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from cbdc.ports import WRITE_POINTS
from tests.simulation import kills
from wallets.pilot import runner

KILLS = int(os.environ.get("TENGE_KILLS", "6"))
CHANCE = random.Random(20_231_106)
MOMENTS = [CHANCE.random() for _ in range(KILLS)]


class Untouched(NamedTuple):
    """A run that nobody killed: its report, how often each write point was reached, how long the command took."""

    report: bytes
    reached: Counter[str]
    seconds: float


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Untouched:
    reached: Counter[str] = Counter()
    settings = dict(text.split("=") for text in kills.SETTINGS if "=" in text)
    folder = tmp_path_factory.mktemp("counted") / "run"
    runner.run("school-meals", folder, 7, settings, checkpoint=lambda name: reached.update([name]))
    started = time.monotonic()
    report = kills.untouched(tmp_path_factory.mktemp("kills"))
    seconds = time.monotonic() - started
    assert report == (folder / "report.json").read_bytes()
    return Untouched(report, reached, seconds)


@pytest.fixture
def base(tmp_path: Path) -> Iterator[Path]:
    """A folder that does not outlive its test: hundreds of killed runs would fill a disk."""
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


def judge(killed: kills.Killed) -> None:
    assert (killed.problems, killed.same) == ((), True), killed


def test_every_write_point_is_reached(untouched: Untouched) -> None:
    assert set(untouched.reached) == set(WRITE_POINTS)


@pytest.mark.parametrize("when", ["first", "later"])
@pytest.mark.parametrize("point", WRITE_POINTS)
def test_a_kill_at_a_write_point(untouched: Untouched, base: Path, point: str, when: str) -> None:
    count = 1 if when == "first" else 1 + untouched.reached[point] * 2 // 3
    killed = kills.kill_at_point(base, point, count, untouched.report)
    assert killed.died, "the point was not reached"
    judge(killed)


@pytest.mark.parametrize("number", range(KILLS))
def test_a_kill_at_a_random_moment(untouched: Untouched, base: Path, number: int) -> None:
    judge(kills.kill_at_moment(base, number, 0.15 + MOMENTS[number] * untouched.seconds, untouched.report))


def test_a_kill_that_comes_too_late_changes_nothing(untouched: Untouched, base: Path) -> None:
    killed = kills.kill_at_point(base, "runner.step.after", 10_000, untouched.report)
    assert not killed.died
    judge(killed)
