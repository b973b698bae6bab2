"""The real command `tenge serve` (or `tenge stage`) as a process on a free port."""

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from tests.conftest import ROOT


@contextmanager
def served(*arguments: str, command: str = "serve") -> Iterator[tuple[subprocess.Popen[str], int, list[str]]]:
    """The process, its port, and the lines that it printed until it was ready."""
    # A file, for a pipe that nobody reads holds the server up when it is full.
    with tempfile.NamedTemporaryFile() as complaints, Path(complaints.name).open(encoding="utf-8") as told:
        process = subprocess.Popen(
            [sys.executable, "-m", "wallets.cli", command, "--port", "0", *arguments],
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            cwd=ROOT,
        )
        assert process.stdout is not None
        process.stderr = told
        try:
            yield process, *_ready(process.stdout)
        except BaseException:
            print(Path(complaints.name).read_text(encoding="utf-8"), file=sys.stderr)
            raise
        finally:
            process.kill()
            process.wait()
            process.stdout.close()


def _ready(told: IO[str]) -> tuple[int, list[str]]:
    """The port, and the lines that are printed until the process is ready."""
    lines: list[str] = []
    while not (lines and "Ctrl-C" in lines[-1]):
        line = told.readline()
        assert line, "it ended before it was ready"
        lines.append(line.rstrip("\n"))
    found = re.search(r"https?://\S+:(\d+)/", "\n".join(lines))
    assert found
    return int(found[1]), lines
