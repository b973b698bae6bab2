"""The README's "Your first payment without a network", played as it is written: one browser, two tabs, an outage."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.web.test_wallet_offline import pay
from tests.web.wallet_site import PHONE, Person, WalletSite, open_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def site() -> Iterator[WalletSite]:
    with open_site() as opened:
        yield opened


class Tab(Person):
    """A wallet that is opened by the link on the bank's page, beside another one in the same browser."""

    def __init__(self, context: BrowserContext, site: WalletSite, user_id: str, link: str) -> None:
        self._link = link
        super().__init__(context, site, user_id)

    def visit(self, query: str = "", route: str = "") -> Page:
        page = self.context.new_page()
        page.on("console", self._console)
        page.goto(self._link)
        expect(page.locator("html[data-ready=yes]")).to_be_attached()
        return page


def opened(context: BrowserContext, site: WalletSite, role: str, user_id: str) -> Tab:
    """Sign in at the bank, ask for a code, follow the link, give the wallet a name."""
    page = context.new_page()
    page.goto(f"{site.url}/sign-in/{role}")
    users = site.world.users
    form = page.locator(f"form:has(input[name=user][value='{user_id}'])")
    form.locator("input[name=passcode]").fill(users.passcode(users.get(user_id)))
    form.locator("button").click()
    page.get_by_role("button", name="A code for a new wallet").click()
    link = page.locator("a[href*='/wallet/']", has_text="join=").get_attribute("href")
    assert link is not None
    tab = Tab(context, site, user_id, link)
    tab.send("join", name=user_id.capitalize())
    page.close()
    tab.heading("My money")
    return tab


def test_a_newcomer_pays_offline_by_the_readme(browser: Browser, site: WalletSite, tmp_path: Path) -> None:
    context = browser.new_context(viewport=PHONE, accept_downloads=True, locale="en-GB")  # type: ignore[arg-type]
    aigerim = opened(context, site, "person", "aigerim").top_up("5 000").take_along("2 000").kept()
    dana = opened(context, site, "shop", "dana")
    dana.open("along")
    dana.button("Make it a device")
    expect(dana.page.locator("#device-balance")).to_be_visible()
    dana.kept()
    site.world.set_outage("Almaty", True)
    pay(aigerim, dana, "500", tmp_path)
    dana.holds(50_000, "#on-device")
    site.world.set_outage("Almaty", False)
    for person in (dana, aigerim):
        person.open("along")
        person.button("Sync")
        expect(person.page.get_by_text("Synced.", exact=True)).to_be_visible()
    explorer = context.new_page()
    explorer.goto(f"{site.url}/explorer/offline")
    expect(explorer.locator("main")).to_contain_text(re.compile(r"2\D?000"))
    site.audited()
    context.close()
