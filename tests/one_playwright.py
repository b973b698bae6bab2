"""One Playwright for a process of tests: a second one in the same thread is an error, whoever starts it."""

from playwright.sync_api import Playwright, sync_playwright

_started: list[Playwright] = []


def the_playwright() -> Playwright:
    """The Playwright of this process, started when somebody first asks."""
    if not _started:
        _started.append(sync_playwright().start())
    return _started[0]


def stop_playwright() -> None:
    """Stop it, if it was started."""
    while _started:
        _started.pop().stop()
