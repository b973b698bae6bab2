"""The wallet in the pseudo-language: every text of every screen comes out of the catalogue, or this test names it.

The wallet has no pseudo-language of its own; the test hands it one in place of English.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.web.audit import PHONE, foreign_texts
from tests.web.test_wallet_screens import SCREENS
from tests.web.wallet_site import Person, open_site
from wallets.site.words import Words

NAMES = {"Aigerim", "Alatau Test Bank"}  # what the person called the wallet, and the bank's own title

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def person(browser: Browser) -> Iterator[Person]:
    with open_site() as site:
        somebody = Person(browser, site, "aigerim", service_workers="block", viewport=PHONE)
        somebody.join().top_up("5 000")
        words = Words(pseudo=True).json("xx")
        somebody.context.route(
            "**/wallet/text/en.json", lambda route: route.fulfill(body=words, content_type="application/json")
        )
        somebody.again()
        yield somebody
        somebody.context.close()


@pytest.mark.parametrize("screen", SCREENS)
def test_no_text_of_a_screen_stands_outside_the_catalogue(person: Person, screen: str) -> None:
    page = person.open(screen)
    expect(page.locator("main h1")).to_contain_text("[")
    assert [text for text in foreign_texts(page) if text not in NAMES] == []
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 0, "longer words make no page wider than a phone"
