"""The wallet in a browser: asking people by their number, paying and declining; automatic payments; banks' names."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.web.audit import audit, each_look, walk
from tests.web.test_wallet_third import Books
from tests.web.wallet_site import Person, WalletSite, open_site
from wallets.site.bank_rules import agrees
from wallets.site.opening import bank_title
from wallets.site.words import Words

pytestmark = [pytest.mark.browser, pytest.mark.slow]

NUMBER = "+7 701 000 11 22"


@pytest.fixture(scope="module")
def site() -> Iterator[WalletSite]:
    with open_site() as opened:
        yield opened


@pytest.fixture(scope="module")
def aigerim(browser: Browser, site: WalletSite) -> Iterator[Person]:
    person = Person(browser, site, "aigerim").join().top_up("5 000")
    person.open("settings")
    person.send("phone", number=NUMBER)
    expect(person.page.get_by_text("Others pay you by")).to_be_visible()
    yield person
    person.close()


@pytest.fixture(scope="module")
def dana(browser: Browser, site: WalletSite) -> Iterator[Person]:
    person = Person(browser, site, "dana").join()
    yield person
    person.close()


def ask(person: Person, amount: str, words: str) -> str:
    """Ask Aigerim by her number; the request's id."""
    person.open("request")
    person.send("request", amount=amount, words=words, whom=NUMBER)
    person.heading("Requests to pay")
    row = person.page.locator(".asking[data-state=open]").filter(has_text=words)
    expect(row).to_be_visible()
    return row.get_attribute("data-id") or ""


def state(person: Person, id: str, wanted: str) -> None:
    """Wait until a request stands so on the screen that is open."""
    expect(person.page.locator(f".asking[data-id='{id}']")).to_have_attribute("data-state", wanted)


def test_nobody_asks_anything(aigerim: Person) -> None:
    page = aigerim.open("requests")
    expect(page.get_by_text("Nobody asks anything of you.")).to_be_visible()
    expect(page.get_by_text("You have asked nobody.")).to_be_visible()
    assert each_look(page, audit) == []
    assert walk(page) == []


def test_asked_by_number_told_and_paid(aigerim: Person, dana: Person) -> None:
    aigerim.holds(500_000)
    id = ask(dana, "250", "Tickets")
    expect(aigerim.page.locator("a.toast")).to_contain_text("asks you to pay.")
    expect(aigerim.page.locator(".unfinished")).to_contain_text("Requests to pay: 1")
    aigerim.open("requests")
    state(aigerim, id, "open")
    assert each_look(aigerim.page, audit) == []
    assert walk(aigerim.page) == []
    aigerim.shot("requests")
    aigerim.page.get_by_role("button", name=re.compile("^Pay:")).click()
    expect(aigerim.page.locator("form[name=pay] [name=amount]")).to_have_value("250")
    expect(aigerim.page.locator("form[name=pay] [name=amount]")).to_have_attribute("readonly", "")
    aigerim.send("pay")
    aigerim.heading("Paid")
    state(dana, id, "paid")
    dana.holds(25_000)
    aigerim.open("requests")
    state(aigerim, id, "paid")


def test_declined_for_good_and_the_asker_sees_it(aigerim: Person, dana: Person, site: WalletSite) -> None:
    id = ask(dana, "30", "Once more")
    aigerim.open("requests")
    aigerim.page.get_by_role("button", name=re.compile("^Decline:")).click()
    state(aigerim, id, "declined")
    state(dana, id, "declined")
    expect(dana.page.locator("a.toast").last).to_contain_text("was declined")
    dana.holds(25_000)


def test_taken_back_by_the_asker(aigerim: Person, dana: Person) -> None:
    id = ask(dana, "40", "Too late")
    aigerim.open("requests")
    state(aigerim, id, "open")
    dana.page.get_by_role("button", name=re.compile("^Take back:")).click()
    state(dana, id, "withdrawn")
    state(aigerim, id, "withdrawn")


def test_a_request_that_runs_out_is_shown_so(aigerim: Person, dana: Person, site: WalletSite) -> None:
    id = ask(dana, "15", "By tomorrow")
    aigerim.open("requests")
    state(aigerim, id, "open")
    with site.world.doing():
        site.world.clock.shift_seconds += 86_401
    for person in (aigerim, dana):
        person.open("")
        person.open("requests")
        state(person, id, "expired")
    expect(aigerim.page.get_by_role("button", name=re.compile("^Pay:"))).to_have_count(0)


def test_oneself_and_an_unknown_number_are_refused(dana: Person) -> None:
    dana.open("request")
    dana.send("request", amount="1", whom=dana.kid)
    expect(dana.page.locator("form[name=request] .refusal")).to_contain_text("your own key")
    dana.send("request", amount="1", whom="+7 702 999 99 99")
    refusal = dana.page.locator(".refusal[data-code=E_ALIAS_UNKNOWN]")
    refusal.get_by_text("Explain").click()
    expect(refusal.get_by_text("What now")).to_be_visible()


def test_an_automatic_payment_is_allowed_collected_and_ended(
    aigerim: Person, dana: Person, site: WalletSite
) -> None:
    page = aigerim.open("mandates")
    expect(page.get_by_text("Nobody may collect from you.")).to_be_visible()
    assert each_look(page, audit) == []
    assert walk(page) == []
    aigerim.send("mandate", payee=dana.kid, once="100", period="150", payments="0")
    expect(page.locator("form[name=mandate] .refusal")).to_contain_text("whole number from 1 to")
    aigerim.send("mandate", payments="2")
    row = page.locator(".asking[data-problem='']")
    expect(row).to_contain_text("at most 100\u00a0₸ at once")
    aigerim.shot("mandates")
    books = Books(site)
    aigerim.page.goto(
        f"{site.url}/wallet/#consent={books.client.kid.hex()}&scopes=mandate&payment=20000&day=20000"
    )
    aigerim.heading("Let Books & <Co> in")
    aigerim.send("consent")
    aigerim.heading("Third parties")
    aigerim.open("mandates")
    mandate = bytes.fromhex(row.get_attribute("data-id") or "")
    consent, before = books.consent(aigerim), dana.holds(25_000).tiyn()
    books.client.collect(books.fresh(), consent, mandate, 90_00)
    dana.holds(before + 90_00)
    aigerim.open("")
    aigerim.open("mandates")
    expect(row).to_contain_text("90\u00a0₸ of 150\u00a0₸ in 30 days, 1 of 2 payments")
    dana.open("mandates")
    expect(dana.page.get_by_role("heading", name="Collected for me")).to_be_visible()
    aigerim.page.get_by_role("button", name=re.compile("^End:")).click()
    expect(page.locator(".asking[data-problem='the payer revoked it']")).to_be_visible()
    code = ""
    try:
        books.client.collect(books.fresh(), consent, mandate, 1_00)
    except Exception as error:
        code = getattr(error, "code", "")
    assert code == "E_MANDATE_OVER"


def test_the_banks_top_up_is_agreed_to_and_ended(dana: Person, site: WalletSite) -> None:
    page = dana.open("mandates")
    agreed = page.locator(".agreed")
    expect(agreed).to_have_attribute("data-agreed", "false")
    dana.button("Let the bank fill it up")
    expect(agreed).to_have_attribute("data-agreed", "true")
    key = site.world.system.ledger.registered(bytes.fromhex(dana.kid))
    assert key is not None
    customer = site.world.system.banks[key.bank_id].customers.owner_of(bytes.fromhex(dana.kid))
    assert agrees(site.world, key.bank_id, customer.id)
    dana.button("End the top-up by the bank")
    expect(agreed).to_have_attribute("data-agreed", "false")
    assert not agrees(site.world, key.bank_id, customer.id)


@pytest.mark.parametrize("language", ["kk", "ru"])
def test_the_bank_has_its_name_and_the_screens_speak(
    browser: Browser, site: WalletSite, language: str
) -> None:
    user = {"kk": "yerlan", "ru": "madina"}[language]
    someone = Person(browser, site, user, locale=language)
    code, bank = site.code(user)
    title = Words().say(language, bank_title(site.world.system.banks[bank].name))
    someone.page.goto(f"{site.url}/wallet/#join={code}&bank={bank}")
    someone.page.reload()
    expect(someone.page.locator("form[name=join] [name=bank] option:checked")).to_have_text(title)
    someone.send("join", name="X")
    expect(someone.page.locator("#balance")).to_be_visible()
    for screen in ("settings", "money"):
        someone.open(screen)
        expect(someone.page.locator("main")).to_contain_text(title)
        assert site.world.system.banks[bank].name not in someone.page.locator("main").inner_text()
    for screen in ("third", "requests", "mandates", "consent"):
        someone.open(screen)
        expect(someone.page.locator("main h1")).not_to_have_text(re.compile("^[A-Za-z ]+$"))
        assert audit(someone.page) == []
    someone.close()


def test_the_journal_is_whole(site: WalletSite) -> None:
    site.audited()
