"""A real browser at the real site: the server in a thread of this process, and Chromium."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import CHROMIUM
from tests.conftest import ROOT
from tests.one_playwright import the_browser
from tests.site.visitor import opened
from wallets.site.serving import running
from wallets.site.whole import Whole

PICTURES = ROOT / "build/screenshots"


@contextmanager
def browser_at_site(**options: object) -> Iterator[tuple[Browser, Whole, str]]:
    """A browser, the server behind, and its address; skips where there is no Chromium."""
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium: apt-get install chromium")
    with (
        opened(**options) as whole,  # type: ignore[arg-type]
        running(whole, "127.0.0.1", 0) as port,
    ):
        browser = the_browser()
        there = list(browser.contexts)
        try:
            yield browser, whole, f"http://localhost:{port}"
        finally:
            for context in browser.contexts:
                if context not in there:
                    context.close()
            whole.world.hub.close()  # whoever still listens for news is let go, so that the server stops at once


def sign_in(page: Page, address: str, role: str, name: str) -> None:
    """Sign a demo user in at a desk, as a person would."""
    page.goto(f"{address}/sign-in/{role}")
    page.get_by_role("button", name=f"Sign in as {name}").click()
    page.wait_for_url(f"{address}/{role}/")


def keep_picture(page: Page, name: str) -> Path:
    """A screenshot among the artefacts of the tests."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}.png"
    page.screenshot(path=path, full_page=True, animations="disabled")
    return path


def is_full() -> bool:
    """Whether the long form of a test was asked for."""
    return bool(os.environ.get("TENGE_BROWSER_FULL"))
