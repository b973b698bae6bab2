"""One Playwright for a process: a second one in the same thread refuses to start.

The fixtures of pytest-playwright and the tests that open a browser of their own both take it from here.
"""

from playwright.sync_api import Playwright, sync_playwright

_running: list[Playwright] = []


def one_playwright() -> Playwright:
    """The Playwright of this process, started when it is first wanted."""
    if not _running:
        _running.append(sync_playwright().start())
    return _running[0]


def stop_playwright() -> None:
    """Stop it, if it was ever started."""
    while _running:
        _running.pop().stop()
