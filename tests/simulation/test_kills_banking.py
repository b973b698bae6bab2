"""Stopped at write points all along, a script with every banking verb ends like the untouched run.

`TENGE_KILLS=200` stops at as many points (8 without it).
"""

import os
import random
from pathlib import Path

import pytest

from tests.simulation import kills
from wallets.pilot import runner

SCRIPT = str(Path(__file__).with_name("banking.toml"))
POINTS = int(os.environ.get("TENGE_KILLS", "8"))
CHANCE = random.Random(20_270_315)

pytestmark = pytest.mark.slow


class Death(BaseException):
    """The process dies here."""


class Point:
    """A checkpoint that counts, and dies when it was passed so often."""

    def __init__(self, dies_at: int = 0) -> None:
        self.passed = 0
        self._dies_at = dies_at

    def __call__(self, name: str) -> None:
        self.passed += 1
        if self.passed == self._dies_at:
            raise Death(name)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, int]:
    point = Point()
    finished = runner.run(SCRIPT, tmp_path_factory.mktemp("banking") / "run", 7, checkpoint=point)
    assert finished.ok, [row for row in finished.report["expectations"] if not row["ok"]]
    return (finished.folder / "report.json").read_bytes(), point.passed


@pytest.mark.parametrize("share", sorted(CHANCE.random() for _ in range(POINTS)))
def test_it_goes_on_where_it_died(untouched: tuple[bytes, int], tmp_path: Path, share: float) -> None:
    report, points = untouched
    folder = tmp_path / "run"
    with pytest.raises(Death):
        runner.run(SCRIPT, folder, 7, checkpoint=Point(1 + int(share * (points - 1))))
    assert kills.audit_problems(folder) == ()
    runner.resume(folder)
    assert kills.audit_problems(folder) == ()
    assert (folder / "report.json").read_bytes() == report
