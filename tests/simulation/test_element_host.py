"""kill -9 of the host's process, at any write of its rows and at any exchange with its elements' process (T6, S5).

The elements' process sees its input end and ends too. Whatever was cut, the same story played again ends in the same
states, the same rows and the same money, once.

    TENGE_KILLS=200 pytest tests/simulation/test_element_host.py        a kill at every point
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.element_host import count_points, play

KILLS = int(os.environ.get("TENGE_KILLS", "4"))


@pytest.mark.slow
def test_t6_kill_9_of_the_host(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    points = count_points(whole)
    untouched = tmp_path / "untouched"
    untouched.mkdir()
    expected = play(untouched)
    assert points > 150
    for number in range(3, points, max(1, points // KILLS)):
        folder = tmp_path / str(number)
        folder.mkdir()
        words = [sys.executable, "-m", "tests.simulation.element_host", str(folder), str(number)]
        assert subprocess.run(words, check=False, timeout=120).returncode == -signal.SIGKILL
        assert play(folder) == expected, number
        assert play(folder) == expected, "and once more: nothing happens"
