"""The corridor's pilots, stopped inside a step at write points all over the run, end like the run nobody touched."""

from pathlib import Path

import pytest

from tests.pilot import golden
from wallets.pilot import runner
from wallets.pilot.script import quick_settings

PILOTS = ("digital-asset-corridor", "stablecoin", "gold-token")
PARTS = 4

pytestmark = pytest.mark.slow


class Death(BaseException):
    """The power went."""


@pytest.mark.parametrize("name", PILOTS)
def test_killed_inside_a_step_and_resumed_it_is_the_same(name: str, tmp_path: Path) -> None:
    points = [0]

    def count(point: str) -> None:
        points[0] += 1

    settings = quick_settings(name)
    untouched = runner.run(name, tmp_path / "untouched", golden.SEED, settings, checkpoint=count)
    report = (untouched.folder / "report.json").read_bytes()
    for part in range(1, PARTS + 1):
        left = [points[0] * part // (PARTS + 1) + part]

        def die(point: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Death

        folder = tmp_path / str(part)
        with pytest.raises(Death):
            runner.run(name, folder, golden.SEED, settings, checkpoint=die)
        finished = runner.resume(folder)
        assert (finished.folder / "report.json").read_bytes() == report, part
