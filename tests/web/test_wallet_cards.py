"""A card in the wallet in a real browser: linked, filled, held to a shop's simulated terminal, frozen, emptied."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web.audit import audit, each_look, walk
from tests.web.wallet_site import Person, WalletSite, open_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]


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
def till(browser: Browser, site: WalletSite) -> Iterator[Page]:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(f"{site.url}/sign-in/shop?next=/shop/card-till")
    page.locator("#passcode-dana").fill(site.world.users.passcode(site.world.users.get("dana")))
    page.get_by_role("button", name="Sign in as Dana's bakery").click()
    page.wait_for_url(f"{site.url}/shop/card-till")
    yield page
    context.close()


TICKS = """async () => {
  const { cardsOf, freezeCard } = await import("/static/wallet/cards.js");
  const { wallet } = window.tengeWallet;
  const [{ id }] = await cardsOf(wallet);
  const { now } = Date;
  const { put } = IDBObjectStore.prototype;
  const start = now.call(Date) + 5000; // Later than any word before.
  let passed = 0;
  Date.now = () => start + passed;
  IDBObjectStore.prototype.put = function (value, key) {
    passed = String(key).startsWith("card word") ? 1000 : passed;
    return put.call(this, value, key);
  };
  try {
    for (const frozen of [true, false, true, false]) {
      await freezeCard(wallet, id, frozen);
    }
  } finally {
    Date.now = now;
    IDBObjectStore.prototype.put = put;
  }
}"""


def touch(aigerim: Person, amount: str) -> str:
    """Hold the card to a terminal; the code."""
    aigerim.open("cards")
    before = aigerim.page.locator(".held .code").all_text_contents()
    aigerim.send("hold", amount=amount)
    code = aigerim.page.locator(".held .code")
    for one in before:
        expect(code).not_to_have_text(one)
    expect(code).to_be_visible()
    return code.inner_text()


def take(till: Page, code: str, amount: str, silent: bool = False) -> None:
    """The shop types it, and has its answer: whoever looks into the wallet next finds what became of it."""
    till.goto(f"{till.url.split('/shop/')[0]}/shop/card-till")
    form = till.locator("main form").first
    form.locator("[name=code]").fill(code)
    form.locator("[name=amount_tiyn]").fill(amount)
    if silent:
        form.locator("[name=silent]").check()
    with till.expect_navigation():
        form.get_by_role("button", name="Pay by card").click()


def test_linked_filled_and_paid_in_a_shop(aigerim: Person, till: Page) -> None:
    page = aigerim.open("cards")
    expect(page.get_by_text("No card is linked to this wallet.")).to_be_visible()
    expect(page.get_by_text("No scheme's software, no real card.")).to_be_visible()
    aigerim.button("Link a card")
    expect(page.locator("section[data-id]")).to_have_count(1)
    aigerim.send("fill", amount="0")
    expect(page.locator("form[name=fill] .refusal")).to_be_visible()
    aigerim.send("fill", amount="1 000")
    expect(page.locator(".pocket")).to_have_attribute("data-tiyn", "100000")
    aigerim.holds(400_000)
    take(till, touch(aigerim, "250"), "250")
    expect(till.locator("main")).to_contain_text("Paid by card")
    assert audit(till) == []
    aigerim.open("cards")
    expect(page.locator(".movements li").first).to_have_attribute("data-state", "captured")
    expect(page.locator(".movements li").first).to_contain_text("Dana's bakery")
    expect(page.locator(".pocket")).to_have_attribute("data-tiyn", "75000")
    assert each_look(page, audit) == []
    assert walk(page) == []
    aigerim.shot("cards")


def test_refused_in_words_and_the_pocket_stays(aigerim: Person, till: Page) -> None:
    page = aigerim.page
    take(till, "ZZZZ-ZZZZ", "10")
    expect(till.locator("main")).to_contain_text("No card is held to this terminal")
    take(till, touch(aigerim, "10"), "10", silent=True)
    expect(till.locator("main")).to_contain_text("it is being undone")
    aigerim.open("cards")
    expect(page.locator(".movements li").first).to_have_attribute("data-state", "reversed")
    take(till, touch(aigerim, "2 000"), "2000")
    aigerim.open("cards")
    expect(page.locator(".movements li").first).to_have_attribute("data-code", "E_CARD_FUNDS")
    code = touch(aigerim, "20")
    page.get_by_role("button", name="Freeze:").click()
    expect(page.locator("section[data-frozen=true]")).to_be_visible()
    expect(page.locator("form[name=hold]")).to_have_count(0)
    take(till, code, "20")
    aigerim.open("cards")
    row = page.locator(".movements li").first
    expect(row).to_have_attribute("data-code", "E_CARD_BLOCKED")
    expect(row).to_contain_text("is blocked")
    expect(page.locator(".pocket")).to_have_attribute("data-tiyn", "75000")
    page.get_by_role("button", name="Unfreeze:").click()
    expect(page.locator("section[data-frozen=false]")).to_be_visible()


def test_the_second_turns_while_a_word_is_said(aigerim: Person) -> None:
    """A word signed a second later than it was kept made the next one look no newer to the bank."""
    aigerim.open("cards")
    aigerim.page.evaluate(TICKS)
    aigerim.open("cards")
    expect(aigerim.page.locator("section[data-frozen=false]")).to_be_visible()


def test_the_wallet_empties_it_without_the_card(aigerim: Person, site: WalletSite) -> None:
    page = aigerim.open("cards")
    page.get_by_role("button", name="Freeze:").click()
    expect(page.locator("section[data-frozen=true]")).to_be_visible()
    aigerim.button("Take everything off the card")
    expect(page.locator(".pocket")).to_have_attribute("data-tiyn", "0")
    aigerim.holds(475_000)
    aigerim.open("history")
    expect(page.locator("main")).to_contain_text("Taken off a card")
    expect(page.locator("main")).to_contain_text("Put on a card")
    site.audited()
