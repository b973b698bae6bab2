"""Where tests keep their files: in memory, where the system has a file system there and room enough.

Thousands of tests make ledgers, and a ledger waits for the disk at every commit; a file system in memory answers at
once. No test proves less: whoever is killed leaves what the system has taken, written out or not, and what a disk
forgets when the power fails is played on a disk of our own (tests/faults). A test that needs a disk of a certain size
or kind mounts one itself. With TENGE_FULL=1 or TENGE_DISK=1 everything is kept where it always was.
"""

import os
import re
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import psutil

SHARED = Path("/dev/shm")
NAME = "tenge-tests-"
# A whole run leaves less than a tenth of this.
ROOM_BYTES = 4 << 30
_ours: list[Path] = []


def is_wanted(place: Path, asked_for_disk: bool, free_memory_bytes: int) -> bool:
    """Whether to keep files there: nobody asked for the disk, and neither the place nor memory is short."""
    if asked_for_disk or not (place.is_dir() and os.access(place, os.W_OK | os.X_OK)):
        return False
    return min(shutil.disk_usage(place).free, free_memory_bytes) >= ROOM_BYTES


def left_behind(place: Path, is_running: Callable[[int], bool]) -> list[Path]:
    """The folders of runs that ended without tidying up: nobody has the number in their name any more."""
    found = [(path, re.fullmatch(rf"{NAME}(\d+)-\w+", path.name)) for path in sorted(place.iterdir())]
    return [path for path, name in found if name is not None and not is_running(int(name[1]))]


def keep_in_memory(place: Path = SHARED) -> None:
    """Let this process and all that it starts make their temporary files in memory, if that is wanted."""
    asked = any(os.environ.get(name) == "1" for name in ("TENGE_FULL", "TENGE_DISK"))
    if _ours or not is_wanted(place, asked, psutil.virtual_memory().available):
        return
    for path in left_behind(place, psutil.pid_exists):
        shutil.rmtree(path, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=f"{NAME}{os.getpid()}-", dir=place))
    folder.chmod(0o711)  # servers that refuse to run as root have folders of their own below it
    _ours.append(folder)
    os.environ["TMPDIR"] = tempfile.tempdir = str(folder)


def tidy_up() -> None:
    """Give the memory back."""
    while _ours:
        os.environ.pop("TMPDIR", None)
        tempfile.tempdir = None
        shutil.rmtree(_ours.pop(), ignore_errors=True)
