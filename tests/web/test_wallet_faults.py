"""What goes wrong: answers lost, tabs closed, a full disk, a copied profile. Nothing is lost and nothing doubled."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserType, Route, expect

from offline.evidence import verify_evidence
from tests.web.test_wallet_offline import device, invoice, pay_by_sheets
from tests.web.wallet_site import PHONE, Person, WalletSite, open_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FULL = """() => {
  const put = IDBObjectStore.prototype.put;
  IDBObjectStore.prototype.put = function () { throw new DOMException("full", "QuotaExceededError"); };
  window.roomAgain = () => { IDBObjectStore.prototype.put = put; };
}"""


@pytest.fixture(scope="module")
def site() -> Iterator[WalletSite]:
    with open_site() as opened:
        yield opened


@pytest.fixture(scope="module")
def aigerim(browser: Browser, site: WalletSite) -> Iterator[Person]:
    person = Person(browser, site, "aigerim").join().top_up("9 000").take_along("2 000").kept()
    yield person
    person.close()


@pytest.fixture(scope="module")
def bolat(browser: Browser, site: WalletSite) -> Iterator[Person]:
    person = device(Person(browser, site, "bolat").join())
    yield person
    person.close()


def answer_lost(route: Route) -> None:
    """The request arrives, the answer does not."""
    route.fetch()
    route.abort("internetdisconnected")


def test_an_answer_is_lost_and_the_tab_closed(aigerim: Person, bolat: Person) -> None:
    before = aigerim.open("") and aigerim.tiyn()
    aigerim.context.route("**/v1/transactions", answer_lost)
    aigerim.open(f"pay/{bolat.kid}")
    aigerim.send("pay", amount="700")
    expect(aigerim.page.locator(".refusal[data-code=E_PEER_DOWN]")).to_be_visible()
    aigerim.context.unroute("**/v1/transactions")
    aigerim.again().holds(before - 70_000)
    bolat.holds(70_000)
    assert aigerim.page.evaluate("async () => (await tengeWallet.wallet.openIntents()).length") == 0


def test_a_payment_with_no_network_waits_and_goes_once(aigerim: Person, bolat: Person) -> None:
    before = aigerim.open("") and aigerim.tiyn()
    aigerim.open(f"pay/{bolat.kid}")
    aigerim.offline()
    aigerim.send("pay", amount="50")
    expect(aigerim.page.locator(".refusal[data-code=E_PEER_DOWN]")).to_be_visible()
    aigerim.again().open("")
    expect(aigerim.page.get_by_role("heading", name="Not finished")).to_be_visible()
    aigerim.shot("not-finished")
    aigerim.offline(False)
    aigerim.button("Send again")
    aigerim.holds(before - 5_000)
    bolat.holds(75_000)


def test_a_load_is_cut_off_and_taken_up_again(aigerim: Person) -> None:
    aigerim.open("")
    before = aigerim.tiyn(), aigerim.tiyn("#on-device")
    aigerim.context.route("**/v1/transactions", answer_lost)
    aigerim.open("along")
    aigerim.send("load", amount="300")
    expect(aigerim.page.locator(".refusal[data-code=E_PEER_DOWN]")).to_be_visible()
    aigerim.context.unroute("**/v1/transactions")
    aigerim.again().holds(before[1] + 30_000, "#on-device")
    aigerim.holds(before[0] - 30_000)


def test_the_disk_is_full(aigerim: Person, bolat: Person) -> None:
    aigerim.open("")
    before = aigerim.tiyn()
    aigerim.open(f"pay/{bolat.kid}")
    aigerim.page.evaluate(FULL)
    aigerim.send("pay", amount="11")
    expect(aigerim.page.locator(".refusal[data-code=E_HOST_STORE]")).to_be_visible()
    aigerim.again().holds(before)
    aigerim.open(f"pay/{bolat.kid}")
    aigerim.send("pay", amount="11")
    aigerim.heading("Paid").holds(before - 1_100)


def test_tabs_are_closed_at_every_step_between_devices(
    aigerim: Person, bolat: Person, tmp_path: Path
) -> None:
    aigerim.open("")
    before = aigerim.tiyn("#on-device")
    invoice(bolat, "120")
    bolat.again().page.get_by_text("You ask for").click()
    aigerim.open("scan")
    aigerim.show(bolat.sheet(tmp_path, "invoice")).heading("Pay 120\u00a0₸ offline")
    aigerim.again().page.get_by_text("You pay 120").click()
    aigerim.send("give")
    expect(aigerim.page.get_by_role("heading", name="2. Scan the receipt")).to_be_visible()
    aigerim.again().holds(before - 12_000, "#on-device").page.get_by_text("You pay 120").click()
    bolat.show(aigerim.sheet(tmp_path, "payment"))
    expect(bolat.page.locator(".checks .passed")).to_have_count(9)
    bolat.again().holds(12_000, "#on-device").open("history")
    bolat.page.get_by_text("Received offline").click()
    bolat.page.get_by_text("Show the receipt again").click()
    aigerim.show(bolat.sheet(tmp_path, "receipt")).heading("History")
    bolat.holds(12_000, "#on-device")


def test_a_damaged_payment_says_which_check_failed(aigerim: Person, bolat: Person, tmp_path: Path) -> None:
    invoice(bolat, "60")
    aigerim.open("scan")
    aigerim.show(bolat.sheet(tmp_path, "invoice"))
    aigerim.send("give")
    expect(aigerim.page.get_by_role("heading", name="2. Scan the receipt")).to_be_visible()
    message = aigerim.page.evaluate(
        """async () => {
          const device = await tengeWallet.pocket.device();
          const { reference } = (await device.history({ kind: "pay" }))[0];
          const bytes = await device.resend(reference);
          bytes[bytes.length - 1] ^= 1;
          const { codesOf } = await import("/static/wallet/core.js");
          return codesOf(bytes).join("\\n");
        }"""
    )
    bolat.page.locator("textarea.paste").fill(message)
    bolat.button("Use this text")
    bolat.heading("The payment was not taken")
    expect(bolat.page.locator(".checks .failed").first).to_be_visible()
    bolat.shot("payment-refused")
    bolat.holds(12_000, "#on-device")
    bolat.open("scan")
    bolat.show(aigerim.sheet(tmp_path, "payment")).heading("60\u00a0₸ received")
    bolat.holds(18_000, "#on-device")


def test_a_backup_brings_back_words_and_no_money(
    browser: Browser, aigerim: Person, site: WalletSite, tmp_path: Path
) -> None:
    aigerim.open("settings")
    with aigerim.page.expect_download() as waiting:
        aigerim.send("backup", passphrase="a long passphrase")
    file = tmp_path / "wallet.tenge"
    waiting.value.save_as(file)
    assert b"aigerim" not in file.read_bytes().lower()
    other = Person(browser, site, "yerlan").join()
    other.open("settings")
    other.page.locator("input.backup-file").set_input_files(str(file))
    other.send("restore", passphrase="wrong")
    expect(other.page.locator(".refusal[data-code=E_BACKUP]")).to_be_visible()
    other.send("restore", passphrase="a long passphrase")
    expect(other.page.locator("form[name=restore] .answer")).to_contain_text("Taken in:")
    other.holds(0).holds(0, "#on-device")
    other.open("history")
    expect(other.page.locator(".lines li").first).to_be_visible()
    other.close()


def test_a_lost_phone_is_reported_from_another(browser: Browser, site: WalletSite) -> None:
    phone = Person(browser, site, "arman").join().top_up("2 000").take_along("500")
    kid = phone.page.evaluate("() => tengeWallet.wallet.settings.device")
    other = Person(browser, site, "arman").join()
    other.open("lost")
    other.shot("lost")
    other.page.locator(f'li[data-kid="{kid}"] button').first.click()
    expect(other.page.locator(f'li[data-kid="{kid}"]')).to_contain_text("reported")
    phone.open("along")
    phone.button("Sync")
    expect(phone.page.get_by_text("The bank has blocked this device").first).to_be_visible()
    other.page.get_by_text("I want to freeze everything").click()
    other.button("Freeze everything now")
    expect(other.page.get_by_text("This wallet is frozen by order")).to_be_visible()
    phone.open(f"pay/{site.world.system.banks[2].inventory_kid.hex()}")
    phone.send("pay", amount="5")
    expect(phone.page.locator(".refusal[data-code=E_FROZEN]")).to_be_visible()
    for person in (phone, other):
        person.close()


def test_a_copied_profile_spends_twice_and_is_caught(
    browser_type: BrowserType,
    browser_type_launch_args: dict[str, Any],
    browser: Browser,
    site: WalletSite,
    bolat: Person,
    tmp_path: Path,
) -> None:
    def begin(folder: Path) -> Person:
        context = browser_type.launch_persistent_context(
            str(folder), viewport=PHONE, locale="en-GB", **browser_type_launch_args
        )
        return Person(context, site, "madina")

    first = begin(tmp_path / "first").join().top_up("3 000").take_along("1 000").kept()
    kid = first.page.evaluate("() => tengeWallet.wallet.settings.device")
    first.close()
    shutil.copytree(tmp_path / "first", tmp_path / "second", ignore=shutil.ignore_patterns("Singleton*"))
    dana = device(Person(browser, site, "dana").join())
    for folder, payee in (("first", bolat), ("second", dana)):
        thief = begin(tmp_path / folder)
        thief.offline()
        pay_by_sheets(thief, payee, "400", tmp_path)
        thief.offline(False)
        payee.open("along")
        payee.button("Sync")
        expect(payee.page.get_by_text("Synced.", exact=True)).to_be_visible()
        if folder == "second":
            thief.open("along")
            thief.button("Sync")
            expect(thief.page.get_by_text("The bank has blocked this device").first).to_be_visible()
            thief.button("See the evidence")
            expect(thief.page.get_by_text("proven.").first).to_be_visible()
            thief.shot("copied-profile-caught")
        thief.close()
    centre = site.world.sandbox.field.centre
    root = site.world.system.authority.root
    files = centre.evidence(bytes.fromhex(kid))
    assert files
    assert all(verify_evidence(data, root) for data in files)
    dana.close()


def test_the_journal_is_whole(site: WalletSite) -> None:
    site.audited()
