"""Kill a run anywhere: the audit of what is left is clean, and going on gives the untouched report.

Every write point of the house is reached by the small pilot, and a kill of the real command there, the first time and
once later, changes nothing; nor do kills at random moments. The same pilot, and `busy.toml`, in which the tries of each
step depend on one another, are stopped at write points all along their way, in this process.

`TENGE_KILLS=200` kills at as many random moments and write points (6 of each without it; 60 points with TENGE_FULL=1).
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
from tests.sizes import FULL
from wallets.pilot import runner

# Of each point a normal run takes the first or a later time in turn, and TENGE_FULL=1 both.
EACH_POINT = [
    (point, when)
    for place, point in enumerate(WRITE_POINTS)
    for when in (("first", "later") if FULL else (("first", "later")[place % 2],))
]
KILLS = int(os.environ.get("TENGE_KILLS", "6"))
STOPS = max(KILLS, 60) if FULL else KILLS
CHANCE = random.Random(20_231_106)
MOMENTS = [CHANCE.random() for _ in range(KILLS)]
BUSY = Path(__file__).with_name("busy.toml")


class Untouched(NamedTuple):
    """A run that nobody killed: its report, how often each write point was reached, how long the command took."""

    report: bytes
    reached: Counter[str]
    seconds: float


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Untouched:
    reached: Counter[str] = Counter()
    folder = tmp_path_factory.mktemp("counted") / "run"
    runner.run("school-meals", folder, 7, kills.settings(), checkpoint=lambda name: reached.update([name]))
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


@pytest.mark.slow
@pytest.mark.parametrize(("point", "when"), EACH_POINT)
def test_a_kill_at_a_write_point(untouched: Untouched, base: Path, point: str, when: str) -> None:
    count = 1 if when == "first" else 1 + untouched.reached[point] * 2 // 3
    killed = kills.kill_at_point(base, point, count, untouched.report)
    assert killed.died, "the point was not reached"
    judge(killed)


@pytest.mark.slow
@pytest.mark.parametrize("number", range(KILLS))
def test_a_kill_at_a_random_moment(untouched: Untouched, base: Path, number: int) -> None:
    judge(kills.kill_at_moment(base, number, 0.15 + MOMENTS[number] * untouched.seconds, untouched.report))


def test_a_kill_that_comes_too_late_changes_nothing(untouched: Untouched, base: Path) -> None:
    killed = kills.kill_at_point(base, "runner.step.after", 10_000, untouched.report)
    assert not killed.died
    judge(killed)


# --- stopped in this process, at places all along the way ---


class Stop(BaseException):
    """The process ends here."""


def play_until(source: str, settings: dict[str, str], folder: Path, stop_at: int = 0) -> int:
    """Play it, stop at the write point with this number (0: never); how many were passed."""
    passed = [0]

    def checkpoint(_: str) -> None:
        passed[0] += 1
        if passed[0] == stop_at:
            raise Stop

    try:
        runner.run(source, folder, 7, settings, checkpoint=checkpoint)
    except Stop:
        assert not (folder / "report.json").exists()
    return passed[0]


class Pilot(NamedTuple):
    """A pilot that is stopped: what is played, how many write points it has, and its untouched report."""

    source: str
    settings: dict[str, str]
    points: int
    report: bytes


@pytest.fixture(scope="module", params=["busy", "school"])
def pilot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pilot:
    source, settings = (str(BUSY), {}) if request.param == "busy" else ("school-meals", kills.settings())
    folder = tmp_path_factory.mktemp(request.param) / "run"
    points = play_until(source, settings, folder)
    assert kills.audit_problems(folder) == ()
    return Pilot(source, settings, points, (folder / "report.json").read_bytes())


@pytest.mark.parametrize("number", range(STOPS))
def test_a_run_stopped_anywhere(pilot: Pilot, base: Path, number: int) -> None:
    # Evenly over the whole way; with as many stops as there are points, at each of them.
    place = 1 + (2 * number + 1) * pilot.points // (2 * STOPS) % pilot.points
    play_until(pilot.source, pilot.settings, base / "run", place)
    assert kills.audit_problems(base / "run") == ()
    runner.resume(base / "run")
    assert kills.audit_problems(base / "run") == ()
    assert (base / "run" / "report.json").read_bytes() == pilot.report
