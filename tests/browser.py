"""The browser of the tests: which Chromium is taken, and how it is started.

The whole browser is taken, which is what people use. `CHROMIUM` names another program, as the headless shell (Debian:
`chromium-headless-shell`): the same engine without windows, menus and profiles, which takes a third of the processor's
time. It is taken unasked only where there is no whole browser: with it two of our tests failed once in a few runs.
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


def chosen(named: str, known: Sequence[Path] = (WHOLE, SHELL)) -> Path:
    """The program that was named; else the first that is there; else the first, which is then missed by its name."""
    if named:
        return Path(named)
    return next((path for path in known if path.exists()), known[0])


CHROMIUM = chosen(os.environ.get("CHROMIUM", ""))
