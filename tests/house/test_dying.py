"""A kill takes the whole family, and one that has ended by itself hinders nobody."""

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import psutil
import pytest

from tests.dying import family, kill_all

SLEEPER = "import time; time.sleep(600)"
BREEDER = (
    "import subprocess, sys, time\n"
    "while True:\n"
    f"    subprocess.Popen([sys.executable, '-c', {SLEEPER!r}, sys.argv[1]])\n"
    "    time.sleep(0.01)\n"
)


def started(program: str, mark: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", program, mark])


def marked(mark: str) -> Iterator[int]:
    for process in psutil.process_iter():
        try:
            if mark in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                yield process.pid
        except psutil.NoSuchProcess:
            continue


@pytest.fixture
def mark() -> Iterator[str]:
    """A word of the command line; whoever bears it is killed in the end."""
    word = uuid.uuid4().hex
    yield word
    for pid in marked(word):
        psutil.Process(pid).kill()


def test_one_that_has_ended_by_itself_hinders_nobody(mark: str) -> None:
    ended, alive = started("", mark), started(SLEEPER, mark)
    both = [psutil.Process(ended.pid), psutil.Process(alive.pid)]
    assert ended.wait(60) == 0
    kill_all(both)
    assert alive.wait(60) == -9


def test_a_family_that_grows_is_killed_whole(mark: str) -> None:
    head = started(BREEDER, mark)
    while len(list(marked(mark))) < 4:
        time.sleep(0.01)
    killed = family(head.pid)
    kill_all(killed)
    assert head.wait(60) == -9
    psutil.wait_procs(killed, 60)
    assert not list(marked(mark))
    assert family(head.pid) == []
