"""The real command `tenge serve` (or `tenge stage`) as a process on a free port."""

import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.conftest import ROOT


@contextmanager
def served(*arguments: str, command: str = "serve") -> Iterator[tuple[subprocess.Popen[str], int, list[str]]]:
    """The process, its port, and the lines that it printed until it was ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "wallets.cli", command, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not (lines and "Ctrl-C" in lines[-1]):
            line = process.stdout.readline()
            assert line, process.stderr.read() if process.stderr else ""
            lines.append(line.rstrip("\n"))
        found = re.search(r"https?://\S+:(\d+)/", "\n".join(lines))
        assert found
        yield process, int(found[1]), lines
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
