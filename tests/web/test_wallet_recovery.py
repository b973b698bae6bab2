"""A browser wallet is lost: the bank's code, a new browser, the money again; the old one is told and pays nothing."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from cbdc.http.client import WsgiTransport
from cbdc.ports import SystemClock
from tests.site.phone import Phone
from tests.site.visitor import Visitor
from tests.web.audit import audit, each_look, walk
from tests.web.wallet_site import Person, WalletSite, open_site
from wallets.site.opening import customer_id

pytestmark = [pytest.mark.browser, pytest.mark.slow]

FORBIDDEN_WORDS = re.compile(r"undefined|NaN|\[object")


@pytest.fixture(scope="module")
def site() -> Iterator[WalletSite]:
    with open_site() as opened:
        yield opened


def recovery_link(site: WalletSite, user_id: str) -> str:
    """The clerk identifies the person at the desk's page, and the page shows the link for the new wallet."""
    user = site.world.users.get(user_id)
    customer = customer_id(user)
    bank = site.world.system.banks[user.bank_id]
    clerk = Visitor(site.whole).signed_in(f"clerk-{user.bank_id}")
    page = f"/bank/recovery/{customer.hex()}"
    document = bank.customers.get(customer).reference
    text = clerk.send(page, "recovery-code", document=document, identified="on")
    found = re.search(r"#recover=[0-9A-Z]{10}&amp;bank=\d+", text)
    assert found is not None
    return found[0].replace("&amp;", "&")


def test_lost_and_taken_over_in_another_browser(browser: Browser, site: WalletSite) -> None:
    old = Person(browser, site, "aigerim").join().top_up("5 000").take_along("1 200")
    old.holds(380_000)
    kid = old.kid
    link = recovery_link(site, "aigerim")
    new = Person(browser, site, "aigerim")
    expect(new.page.get_by_role("link", name="I lost my wallet")).to_be_visible()
    new.page.goto(f"{site.url}/wallet/{link}")
    new.page.reload()
    expect(new.page.locator("html[data-ready=yes]")).to_be_attached()
    new.heading("I lost my wallet")
    assert each_look(new.page, audit) == []
    assert walk(new.page) == []
    new.shot("recover-code")
    new.send("recover", code="0000000000")
    expect(new.page.locator(".refusal[data-code=E_JOIN_CODE]")).to_be_visible()
    code = link.removeprefix("#recover=")[:10]
    new.send("recover", code=code.lower(), name="New phone")
    new.heading("What comes back")
    assert new.tiyn("[data-of=comes]") == 380_000
    assert new.tiyn("[data-of=offline]") == 120_000
    expect(new.page.locator("main")).to_contain_text("The lost device is blocked for ever.")
    assert audit(new.page) == []
    new.shot("recover-offer")
    # A closed tab in between loses nothing: the same code goes on with the same key.
    new.page.goto(f"{site.url}/wallet/{link}")
    new.page.reload()
    expect(new.page.locator("html[data-ready=yes]")).to_be_attached()
    new.send("recover", name="New phone").heading("What comes back")
    new.send("takeOver").heading("My money")
    new.holds(380_000)
    assert new.kid != kid
    told_and_powerless(old, new)
    pays(browser, site, new)
    for person in (old, new):
        assert not FORBIDDEN_WORDS.search(person.page.locator("main").inner_text())
        person.close()
    site.audited()


def told_and_powerless(old: Person, new: Person) -> None:
    """The old browser is told at its next question, on whatever screen, and has nothing left to pay with."""
    old.again().heading("This wallet was replaced")
    expect(old.page.locator(f".replaced[data-successor='{new.kid}']")).to_be_visible()
    assert audit(old.page) == []
    old.shot("replaced")
    for route in ("pay", "along", "give", "money"):
        old.open(route)
        old.heading("This wallet was replaced")
    refused = old.page.evaluate(
        """async (kid) => {
          const id = kid.slice(0, 60) + "abcd";
          try { await window.tengeWallet.wallet.pay({ id, kid, amountTiyn: 100 }); return "paid"; }
          catch (error) { return error.code; }
        }""",
        new.kid,
    )
    assert refused == "E_FUNDS"
    topped = old.page.evaluate(
        """async (kid) => {
          const id = kid.slice(0, 60) + "dcba";
          try { await window.tengeWallet.wallet.topUp({ id, amountTiyn: 100 }); return "bought"; }
          catch (error) { return error.code; }
        }""",
        new.kid,
    )
    assert topped == "E_KEY_RETIRED"


def pays(browser: Browser, site: WalletSite, new: Person) -> None:
    """The new wallet is a wallet as any other."""
    dana = Person(browser, site, "dana").join()
    new.open("pay")
    new.send("whom", whom=dana.kid)
    new.send("pay", amount="100")
    dana.holds(10_000)
    dana.close()


@pytest.mark.parametrize(
    ("language", "title"), [("kk", "Әмиянымды жоғалттым"), ("ru", "Я потерял(а) кошелёк")]
)
def test_in_kazakh_and_russian(browser: Browser, site: WalletSite, language: str, title: str) -> None:
    person = Person(browser, site, "bolat", locale={"kk": "kk-KZ", "ru": "ru-RU"}[language])
    person.open("recover")
    person.heading(title)
    assert audit(person.page) == []
    person.shot(f"recover-{language}")
    person.close()


# What a dishonest server could offer instead of the papers: another key, another bank, another kind, another lost key.
CHECKS = """async ([papers, lost, bankId]) => {
  const { checkedPaper } = await import("/static/wallet/recovering.js");
  const { unhex } = await import("/static/wallet/core.js");
  const wallet = window.tengeWallet.wallet;
  const signer = await wallet.begin();
  const stranger = { ...signer, raw: new Uint8Array(32), kid: new Uint8Array(32) };
  const told = (type, body, key, about) => {
    try { checkedPaper(type, unhex(body), wallet.network, key, about); return "signed"; }
    catch (error) { return error.code; }
  };
  const [register, recover] = papers;
  const good = { lost, bankId };
  return [
    told(register.type, register.body, signer, good),
    told(recover.type, recover.body, signer, good),
    told(register.type, register.body, stranger, good),
    told(recover.type, recover.body, stranger, good),
    told(register.type, register.body, signer, { lost, bankId: bankId + 1 }),
    told(recover.type, recover.body, signer, { lost: "00".repeat(32), bankId }),
    told(65, recover.body, signer, good),
  ];
}"""


def test_the_browser_signs_only_what_gives_to_its_own_key(browser: Browser, site: WalletSite) -> None:
    old = Person(browser, site, "bolat").join().top_up("300")
    link = recovery_link(site, "bolat")
    code, bank_id = link.removeprefix("#recover=")[:10], int(link.rpartition("=")[2])
    new = Person(browser, site, "bolat")
    new.open("recover")
    new.page.locator("form[name=recover] select").select_option(str(bank_id))
    with new.page.expect_response(lambda answer: answer.url.endswith("/papers")) as heard:
        new.send("recover", code=code).heading("What comes back")
    answer = heard.value.json()
    papers = answer["papers"]
    told = new.page.evaluate(CHECKS, [papers, answer["lost"], bank_id])
    assert told == ["signed", "signed", *["E_PEER_ANSWER"] * 5]
    # Money that comes in between changes the papers: the person looks again, and then takes all of it.
    joining, bank_of_dana = site.code("dana")
    dana = Phone(WsgiTransport(site.whole), bank_of_dana, "dana", SystemClock())
    dana.join(joining)
    dana.fund(50)
    dana.pay(bytes.fromhex(answer["lost"]), 20)
    new.send("takeOver")
    expect(new.page.locator(".notice")).to_contain_text("Something came to the lost wallet meanwhile.")
    assert new.tiyn("[data-of=comes]") == 32_000
    new.send("takeOver").heading("My money").holds(32_000)
    expect(new.open("history").locator("main")).to_contain_text("Came back from a lost wallet")
    for person in (old, new):
        person.close()
    site.audited()
