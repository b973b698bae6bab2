"""A first visit with nothing kept: what a page weighs until it can be used, and that nothing on it jumps. No time."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.web.audit import DESKTOP, PHONE
from tests.web.cold import PAGES, Counter, counted_site, first_visit
from wallets.site.words import LANGUAGES

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FIRST_BYTES = 200 * 1_024  # what was asked of any first page
PAGE_BYTES = 40 * 1_024  # a page of a desk
KEPT_BYTES = 800 * 1_024  # the wallet with its device, its QR reader and three languages


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[Counter, str]]:
    with counted_site() as found:
        yield found


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=("phone", "desktop"))
@pytest.mark.parametrize("name", PAGES)
def test_a_first_page_is_light_and_still(
    browser: Browser, site: tuple[Counter, str], name: str, size: dict[str, int]
) -> None:
    counter, address = site
    found = first_visit(browser, counter, address + PAGES[name], size)
    assert found["shift"] == 0
    assert 1_000 < found["bytes"] < (FIRST_BYTES if name == "wallet" else PAGE_BYTES)
    if name == "wallet":
        assert found["bytes"] < found["kept_bytes"] - found["reader_bytes"] < found["kept_bytes"] < KEPT_BYTES
        # The page asks for the words of one language; the others come with what is kept for a day without network.
        assert found["words"] == ["/wallet/text/en.json"]
        assert {f"/wallet/text/{language}.json" for language in LANGUAGES} <= set(counter.sent)


def test_a_page_that_jumps_is_noticed(browser: Browser, site: tuple[Counter, str]) -> None:
    """The measure can fail: a line that comes late pushes everything down."""
    counter, address = site
    late = """window.addEventListener("load", () => setTimeout(() => {
      const line = document.createElement("p");
      line.textContent = "late";
      document.body.prepend(line);
    }, 50));"""
    found = first_visit(browser, counter, f"{address}/", PHONE, late)
    assert found["shift"] > 0
