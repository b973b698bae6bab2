"""One Playwright and one browser for a process of tests.

A second Playwright in the same thread is an error, whoever starts it; a second browser costs a second of a processor,
and a context of its own keeps visitors as far apart.
"""

import os

from playwright.sync_api import Browser, Playwright, expect, sync_playwright

from tests.browser import CHROMIUM, FLAGS

PATIENCE_MILLISECONDS = 20_000  # Several browsers at once on a busy machine.
# What is done in the background, an audit or a pilot's run, takes long beside other tests on a small machine.
BACKGROUND_MILLISECONDS = 1_000 * int(os.environ.get("TENGE_BROWSER_SECONDS", "120"))
KEPT_MILLISECONDS = 60_000  # A megabyte a wallet, until it is ready for a life without network.

_started: list[Playwright] = []
_browsers: list[Browser] = []


def the_playwright() -> Playwright:
    """The Playwright of this process, started when somebody first asks."""
    if not _started:
        _started.append(sync_playwright().start())
        expect.set_options(timeout=PATIENCE_MILLISECONDS)
    return _started[0]


def the_browser() -> Browser:
    """The browser of this process; another one where it has crashed or was closed."""
    while _browsers and not _browsers[0].is_connected():
        _browsers.pop()
    if not _browsers:
        _browsers.append(the_playwright().chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS)))
    return _browsers[0]


def stop_playwright() -> None:
    """Stop both, if they were started."""
    while _browsers:
        _browsers.pop().close()
    while _started:
        _started.pop().stop()
