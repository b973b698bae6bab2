"""What the sandbox writes is its owner's alone: keys of devices, customers' names, who pays whom.

Files are born with mode 0600 and folders with 0700, so that there is no moment at which another user may read them;
SQLite gives its side files the mode of the file itself. What is there already keeps the mode its owner gave it. Where
the system knows no such modes, nothing is lost: the folder's own protection stands.
"""

import os
from contextlib import suppress
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def make_file(path: Path) -> None:
    """An empty file for its owner only, if there is none; never raises: whoever opens it says what is wrong."""
    with suppress(OSError, ValueError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, FILE_MODE))


def make_folder(path: Path) -> None:
    """A folder for its owner only, if there is none, and what is above it; raises `OSError`."""
    path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def opener(path: str, flags: int) -> int:
    """For `open(..., opener=opener)`: a file that is made is its owner's only."""
    return os.open(path, flags, FILE_MODE)
