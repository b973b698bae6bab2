"""The wallet online, in a real browser: join, top up, pay in every way, be told, history, receipts, limits."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.web.wallet_site import Person, WalletSite, open_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]

COME_IN = (
    """async () => (await tengeWallet.store.all("history")).filter((one) => one.direction === "in").length"""
)


@pytest.fixture(scope="module")
def site() -> Iterator[WalletSite]:
    with open_site() as opened:
        yield opened


@pytest.fixture(scope="module")
def aigerim(browser: Browser, site: WalletSite) -> Iterator[Person]:
    person = Person(browser, site, "aigerim").join().top_up("5 000")
    yield person
    person.close()


@pytest.fixture(scope="module")
def dana(browser: Browser, site: WalletSite) -> Iterator[Person]:
    person = Person(browser, site, "dana").join()
    yield person
    person.close()


def test_the_keys_cannot_be_taken_out(aigerim: Person) -> None:
    found = aigerim.page.evaluate(
        """async () => {
          const { privateKey } = await window.tengeWallet.store.get("meta", "signer");
          try { await crypto.subtle.exportKey("pkcs8", privateKey); return "out"; } catch (error) { return error.name; }
        }"""
    )
    assert found == "InvalidAccessError"


def test_topped_up_from_the_deposit(aigerim: Person, site: WalletSite) -> None:
    aigerim.holds(500_000)
    expect(aigerim.page.locator("#deposit")).to_have_text("245\u00a0000\u00a0₸")
    aigerim.shot("home")


def test_paid_by_a_request_and_the_payee_is_told(aigerim: Person, dana: Person) -> None:
    dana.open("request")
    dana.send("request", amount="1 250.50", words="Bread")
    dana.heading("Ask for 1\u00a0250.50\u00a0₸")
    dana.shot("request")
    text = dana.page.locator("button.copy").get_attribute("data-text") or ""
    assert "#pay=TENGE1:" in text
    before = aigerim.holds(500_000).tiyn()
    aigerim.open("pay")
    aigerim.send("whom", whom=text)
    aigerim.heading(re.compile("^Pay [0-9a-f]{8}"))
    aigerim.send("pay")
    aigerim.heading("Paid")
    expect(dana.page.locator(".arrived")).to_contain_text("1\u00a0250.50")
    aigerim.holds(before - 125_050)
    dana.holds(125_050)


def test_two_refreshes_at_once_tell_of_a_payment_once(aigerim: Person, dana: Person) -> None:
    dana.open("")
    dana.page.evaluate("() => { tengeWallet.refreshSoon = () => undefined; }")
    before = dana.page.evaluate(COME_IN)
    aigerim.open(f"pay/{dana.kid}")
    aigerim.send("pay", amount="30")
    aigerim.heading("Paid")
    told = dana.page.evaluate(
        """async () => {
          const old = new Set(document.querySelectorAll(".toast"));
          await Promise.all([tengeWallet.refresh(), tengeWallet.refresh(), tengeWallet.refresh()]);
          const texts = [...document.querySelectorAll(".toast")].filter((one) => !old.has(one));
          delete tengeWallet.refreshSoon;
          return texts.map((one) => one.textContent);
        }"""
    )
    assert dana.page.evaluate(COME_IN) == before + 1
    assert len(told) == 1, told


def test_a_request_is_paid_once(aigerim: Person, dana: Person) -> None:
    dana.open("request")
    dana.send("request", amount="10", words="Once")
    text = dana.page.locator("button.copy").get_attribute("data-text") or ""
    for heading, code in (("Paid", ""), ("", "E_REQUEST_PAID")):
        aigerim.open("pay")
        aigerim.send("whom", whom=text)
        expect(aigerim.page.locator("form[name=pay]")).to_be_visible()
        aigerim.send("pay")
        if heading:
            aigerim.heading(heading)
        else:
            expect(aigerim.page.locator(f".refusal[data-code={code}]")).to_be_visible()


def test_a_link_opens_the_payment(aigerim: Person, dana: Person) -> None:
    dana.open("request")
    dana.send("request", amount="20", words="By link")
    link = dana.page.locator("button.copy").get_attribute("data-text") or ""
    aigerim.page.goto(link)
    aigerim.heading(re.compile("^Pay [0-9a-f]{8}"))
    expect(aigerim.page.locator("form[name=pay] [name=amount]")).to_have_value("20")
    aigerim.send("pay")
    aigerim.heading("Paid")


def test_found_by_phone_number(aigerim: Person, dana: Person) -> None:
    dana.open("settings")
    dana.send("phone", number="8 (701) 000-11-22")
    expect(dana.page.get_by_text("Others pay you by +77010001122.")).to_be_visible()
    before = aigerim.holds(aigerim.tiyn()).tiyn() if aigerim.open("") else 0
    aigerim.open("pay")
    aigerim.send("whom", whom="+7 701 000 11 22")
    aigerim.heading("Pay +77010001122")
    aigerim.send("pay", amount="99,5", words="Buns")
    aigerim.heading("Paid")
    aigerim.holds(before - 9_950)


def test_a_number_nobody_has(aigerim: Person) -> None:
    aigerim.open("pay")
    aigerim.send("whom", whom="+7 702 999 99 99")
    refusal = aigerim.page.locator(".refusal[data-code=E_ALIAS_UNKNOWN]")
    expect(refusal).to_be_visible()
    refusal.get_by_text("Explain").click()
    expect(refusal.get_by_text("What now")).to_be_visible()
    aigerim.shot("refusal")


def test_a_typed_nothing_is_explained(aigerim: Person) -> None:
    aigerim.open("pay")
    aigerim.send("whom", whom="hello there")
    expect(aigerim.page.locator(".refusal[data-code=E_WALLET_TEXT]")).to_contain_text("hello there")


def test_more_than_there_is(aigerim: Person, dana: Person) -> None:
    before = aigerim.holds(aigerim.tiyn()).tiyn() if aigerim.open("") else 0
    aigerim.open(f"pay/{dana.kid}")
    aigerim.send("pay", amount="900 000")
    expect(aigerim.page.locator(".refusal[data-code=E_FUNDS]")).to_be_visible()
    aigerim.holds(before)


def test_over_the_limit_is_the_ledgers_word(aigerim: Person, dana: Person) -> None:
    aigerim.open("limits")
    expect(aigerim.page.get_by_text("Most for one payment").first).to_be_visible()
    expect(aigerim.page.get_by_role("progressbar", name="Paid today")).to_be_visible()
    aigerim.shot("limits")


def test_the_history_is_searched_exported_and_proven(aigerim: Person) -> None:
    aigerim.open("history")
    rows = aigerim.page.locator(".lines li")
    expect(rows.first).to_be_visible()
    aigerim.page.get_by_label("Search").fill("buns")
    expect(rows).to_have_count(1)
    aigerim.shot("history")
    with aigerim.page.expect_download() as waiting:
        aigerim.button("Save as CSV")
    text = waiting.value.path().read_text(encoding="utf-8-sig")
    assert text.splitlines()[0] == "time,where,what,amount_tiyn,with,note,mark,id"
    assert len(text.splitlines()) == 2
    assert ",-9950," in text
    rows.first.locator("a").click()
    aigerim.heading("Paid")
    aigerim.button("Check it against the ledger's log")
    expect(aigerim.page.locator(".proof")).to_contain_text("It stands in the log of")
    aigerim.shot("receipt")


def test_cash_back_to_the_deposit(dana: Person) -> None:
    before = dana.holds(dana.tiyn()).tiyn() if dana.open("") else 0
    dana.open("money")
    dana.send("cashBack", amount="100")
    dana.heading("My money").holds(before - 10_000)


def test_what_is_missing_comes_from_the_deposit(aigerim: Person, dana: Person) -> None:
    aigerim.open("money")
    aigerim.page.get_by_label("When a payment needs more").check()
    aigerim.send("rules")
    before = aigerim.holds(aigerim.tiyn()).tiyn() if aigerim.open("") else 0
    aigerim.open(f"pay/{dana.kid}")
    aigerim.send("pay", amount=str(before // 100 + 500))
    aigerim.heading("Paid")


def test_contacts_name_keys(aigerim: Person, dana: Person) -> None:
    aigerim.open("contacts")
    aigerim.send("contact", name="Dana <b>", at=dana.kid)
    expect(aigerim.page.get_by_text("Dana <b>")).to_be_visible()
    aigerim.open("history")
    expect(aigerim.page.get_by_text("Dana <b>").first).to_be_visible()


def test_the_till_asks_shows_and_refunds(aigerim: Person, dana: Person) -> None:
    dana.open("till")
    dana.send("till", amount="300", words="Bill 7")
    text = dana.page.locator("button.copy").get_attribute("data-text") or ""
    aigerim.top_up("1 000")
    aigerim.open("pay")
    aigerim.send("whom", whom=text)
    aigerim.send("pay")
    aigerim.heading("Paid")
    expect(dana.page.locator(".arrived")).to_contain_text("300")
    dana.shot("till")
    dana.page.get_by_role("button", name="Refund: Refund 300").first.click()
    dana.heading(re.compile("^Pay [0-9a-f]{8}"))
    dana.send("pay")
    dana.heading("Paid")


def test_the_journal_is_whole(site: WalletSite) -> None:
    site.audited()
