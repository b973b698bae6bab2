"""The browser of the tests: which Chromium is taken, and how it is started.

The headless shell is taken where there is one (Debian: `chromium-headless-shell`): the engine of the whole browser
without windows, menus and profiles; a new visitor costs a third of the processor's time. Else the whole browser is
taken; `CHROMIUM` names any other program. Until the end of November 2026 every run drove the whole browser, since then
the shell.
"""

import os
from collections.abc import Sequence
from pathlib import Path

SHELL = Path("/usr/lib/chromium/chromium-headless-shell")
WHOLE = Path("/usr/bin/chromium")
# Quiet, without a sandbox of its own, with a pretended camera.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)


def chosen(named: str, known: Sequence[Path] = (SHELL, WHOLE)) -> Path:
    """The program that was named; else the first that is there; else the last, which is then missed by its name."""
    if named:
        return Path(named)
    return next((path for path in known if path.exists()), known[-1])


CHROMIUM = chosen(os.environ.get("CHROMIUM", ""))
