"""Two, three and four browsers pay each other with no network, by codes that are photographed and read again."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.web.wallet_site import Person, WalletSite, open_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def site() -> Iterator[WalletSite]:
    with open_site() as opened:
        yield opened


def device(person: Person) -> Person:
    """Make the browser an offline device, and wait until it needs no network."""
    person.open("along")
    person.button("Make it a device")
    expect(person.page.locator("#device-balance")).to_be_visible()
    return person.kept()


def invoice(payee: Person, amount: str, words: str = "") -> None:
    """The payee asks."""
    payee.open("ask")
    payee.send("ask", amount=amount, words=words)
    expect(payee.page.get_by_role("heading", name="2. Scan the payment")).to_be_visible()


def pay_by_sheets(payer: Person, payee: Person, amount: str, folder: Path) -> None:
    """From invoice to receipt, by the pictures that the pages save."""
    invoice(payee, amount)
    payer.open("scan")
    payer.show(payee.sheet(folder, "invoice"))
    payer.send("give")
    expect(payer.page.get_by_role("heading", name="2. Scan the receipt")).to_be_visible()
    payee.show(payer.sheet(folder, "payment"))
    expect(payee.page.locator(".checks .passed")).to_have_count(9)
    payer.show(payee.sheet(folder, "receipt"))
    payer.heading("History")


def pay(payer: Person, payee: Person, amount: str, folder: Path, lost: frozenset[int] = frozenset()) -> None:
    """The same by photographs of the screen alone. Frames in `lost` come only the second time."""
    invoice(payee, amount)
    payer.open("scan")
    payer.show(payee.pictures(folder, "invoice"))
    payer.send("give")
    expect(payer.page.get_by_role("heading", name="2. Scan the receipt")).to_be_visible()
    if lost:
        payee.show(payer.pictures(folder, "payment", lost))
        expect(payee.page.locator(".scan-progress")).to_contain_text("parts read")
        payee.show(payer.pictures(folder, "again"))
    else:
        payee.show(payer.pictures(folder, "payment"))
    expect(payee.page.locator(".checks .passed")).to_have_count(9)
    payer.show(payee.pictures(folder, "receipt"))
    payer.heading("History")


def test_three_hops_without_a_network_then_everybody_syncs(
    browser: Browser, site: WalletSite, tmp_path: Path
) -> None:
    aigerim = Person(browser, site, "aigerim").join().top_up("6 000").take_along("3 000").kept()
    bolat, madina, dana = (device(Person(browser, site, name).join()) for name in ("bolat", "madina", "dana"))
    everybody = (aigerim, bolat, madina, dana)
    for person in everybody:
        person.offline()
        person.again()

    pay_by_sheets(aigerim, bolat, "1 200", tmp_path)
    bolat.shot("payment-taken")
    pay(bolat, madina, "900", tmp_path)
    pay(madina, dana, "500.50", tmp_path, lost=frozenset({0}))

    left = (180_000, 30_000, 39_950, 50_050)
    for person, tiyn in zip(everybody, left, strict=True):
        person.holds(tiyn, "#on-device")
    expect(dana.page.get_by_text("Received offline")).to_be_visible()
    dana.shot("home-offline")

    for person in everybody:
        person.offline(False)
        person.open("along")
        person.button("Sync")
        expect(person.page.get_by_text("Synced.", exact=True)).to_be_visible()
    dana.button("Send everything home")
    expect(dana.page.get_by_text("are on their way to your wallet")).to_be_visible()
    dana.holds(50_050)
    dana.holds(0, "#on-device")
    site.audited()
    for person in everybody:
        person.close()
