"""The wallet in a real browser: third parties let in, asked by, refused and put out again; and what they may not do."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from cbdc import conditional
from cbdc.cabinet import follow
from cbdc.errors import TengeError
from cbdc.http.client import HttpGateway, WsgiTransport
from cbdc.http.partner_client import PartnerClient
from cbdc.keys import ED25519, SoftwareKey
from cbdc.partners.records import CLAIM, RELEASE
from cbdc.ports import SeededEntropy, SystemClock
from cbdc.token import HashLock, TokenId
from tests.web.audit import audit, each_look, walk
from tests.web.wallet_site import Person, WalletSite, open_site

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DAY = 86_400
SECRET = follow("test", b"secret")


class Books:
    """A third party outside the browser."""

    def __init__(self, site: WalletSite) -> None:
        signer = SoftwareKey(ED25519, follow("test", b"books"))
        gateway = HttpGateway(
            WsgiTransport(site.whole), {signer.public.kid: signer}.get, SystemClock(), SeededEntropy(5)
        )
        self.site = site
        self.client = PartnerClient(gateway, signer, SeededEntropy(5), SystemClock())
        self.client.introduce("Books & <Co>")
        self.made = 0

    @property
    def now(self) -> int:
        return self.site.world.clock.now()

    def fresh(self) -> bytes:
        self.made += 1
        return follow("test request", self.made.to_bytes(4, "big"))

    def consent(self, person: Person) -> bytes:
        """The newest consent that stands."""
        found = [one for one in self.client.consents() if not one["problem"] and one["holder"] == person.kid]
        return bytes.fromhex(found[-1]["id"])

    def ask(self, person: Person, *shares: tuple[str, int], seconds: int = 3_600) -> str:
        rows = [(bytes.fromhex(kid), tiyn) for kid, tiyn in shares]
        order = self.client.ask_to_pay(
            self.fresh(), self.consent(person), rows, "Bill 17", self.now + seconds
        )
        return str(order["id"])

    def state(self, order: str) -> str:
        return str(self.client.order(bytes.fromhex(order))["state"])


@pytest.fixture(scope="module")
def site() -> Iterator[WalletSite]:
    with open_site() as opened:
        yield opened


@pytest.fixture(scope="module")
def books(site: WalletSite) -> Books:
    return Books(site)


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


def let_in(person: Person, books: Books, days: str = "30", **limits: str) -> None:
    """Give a consent by a link, as the third party shows it."""
    kid = books.client.kid.hex()
    wish = f"consent={kid}&scopes=balance.lock.pay.split&payment=50000&day=80000"
    person.page.goto(f"{person.site.url}/wallet/#{wish}")
    person.heading("Let Books & <Co> in")
    person.send("consent", days=days, **limits)
    person.heading("Third parties")


def test_nobody_is_let_in_yet(aigerim: Person) -> None:
    page = aigerim.open("third")
    expect(page.get_by_text("You let nobody in.")).to_be_visible()
    expect(page.get_by_text("Nothing waits for you.")).to_be_visible()
    assert each_look(page, audit) == []
    assert walk(page) == []


def test_found_by_name_and_let_in(aigerim: Person, books: Books) -> None:
    aigerim.open("third")
    aigerim.send("find", who="nobody is called so")
    expect(aigerim.page.locator("form[name=find] .refusal")).to_be_visible()
    aigerim.send("find", who="books")
    aigerim.page.locator(".found a").first.click()
    aigerim.heading("Let Books & <Co> in")
    aigerim.send("consent")
    expect(aigerim.page.locator("form[name=consent] .refusal")).to_contain_text("Choose what it may do.")
    aigerim.page.get_by_label("see how much is in the wallet").check()
    assert audit(aigerim.page) == []
    aigerim.shot("consent")
    aigerim.send("consent")
    aigerim.heading("Third parties")
    expect(aigerim.page.locator(".asking")).to_contain_text("see how much is in the wallet")
    assert books.client.balance(books.consent(aigerim))["free_tiyn"] == 500_000
    with pytest.raises(TengeError, match="E_CONSENT_SCOPE"):
        books.ask(aigerim, (aigerim.kid, 100))


def test_put_out_again_at_once(aigerim: Person, books: Books) -> None:
    consent = books.consent(aigerim)
    aigerim.open("third")
    aigerim.page.get_by_role("button", name=re.compile("^Take back:")).click()
    row = aigerim.page.locator(f".asking[data-id='{consent.hex()}']")
    expect(row).to_have_attribute("data-problem", "the holder took it back")
    expect(row.get_by_role("button")).to_have_count(0)
    with pytest.raises(TengeError, match="E_CONSENT_OVER"):
        books.client.balance(consent)


def test_an_order_arrives_is_told_and_paid(aigerim: Person, dana: Person, books: Books) -> None:
    let_in(aigerim, books)
    aigerim.holds(500_000)
    order = books.ask(aigerim, (dana.kid, 150_00))
    expect(aigerim.page.locator("a.toast")).to_contain_text("Books & <Co> asks: Pay 150")
    expect(aigerim.page.locator(".unfinished")).to_contain_text("Books & <Co> asks")
    aigerim.page.locator(f".unfinished a[href='#/order/{order}']").click()
    aigerim.heading("Pay 150\u00a0₸")
    expect(aigerim.page.locator(".order")).to_contain_text("Bill 17")
    assert each_look(aigerim.page, audit) == []
    assert walk(aigerim.page) == []
    aigerim.shot("order")
    aigerim.button("Approve and sign")
    aigerim.heading("Paid")
    assert books.state(order) == "paid"
    dana.holds(150_00)
    aigerim.holds(485_000)
    aigerim.open("third")
    expect(aigerim.page.locator(".asking").first).to_contain_text("150\u00a0₸ of 800\u00a0₸ started today")


def test_a_split_pays_all_at_once(aigerim: Person, dana: Person, books: Books) -> None:
    order = books.ask(aigerim, (dana.kid, 10_00), (aigerim.kid, 1_00), (dana.kid, 5_00))
    aigerim.open(f"order/{order}")
    expect(aigerim.page.locator(".order .words li")).to_have_count(3)
    aigerim.button("Approve and sign")
    aigerim.heading("Paid")
    assert books.state(order) == "paid"
    dana.holds(165_00)


def test_refused_for_good(aigerim: Person, dana: Person, books: Books) -> None:
    order = books.ask(aigerim, (dana.kid, 20_00))
    aigerim.open(f"order/{order}")
    aigerim.button("Refuse")
    expect(aigerim.page.locator(".sum[data-state=declined]")).to_be_visible()
    expect(aigerim.page.get_by_role("button", name="Approve and sign")).to_have_count(0)
    assert books.state(order) == "declined"
    dana.holds(165_00)


def test_money_behind_a_lock_and_taken_by_its_payee(aigerim: Person, dana: Person, books: Books) -> None:
    let_in(dana, books)
    lock = conditional.hash_lock(
        conditional.hash_of(SECRET), bytes.fromhex(dana.kid), bytes.fromhex(aigerim.kid), books.now + DAY
    )
    assert isinstance(lock, HashLock)
    asked = books.client.ask_to_lock(
        books.fresh(), books.consent(aigerim), lock, 30_00, "Flat", books.now + 3_600
    )
    aigerim.open(f"order/{asked['id']}")
    expect(aigerim.page.locator(".order .words")).to_contain_text("can take it with a secret until")
    aigerim.button("Approve and sign")
    aigerim.heading("Paid")
    paid = books.client.order(bytes.fromhex(asked["id"]))
    locked = TokenId(bytes.fromhex(paid["transaction_id"]), 0)
    opening = books.client.ask_to_open(
        books.fresh(), books.consent(dana), CLAIM, locked, books.now + 3_600, SECRET
    )
    dana.open(f"order/{opening['id']}")
    dana.heading("Take 30\u00a0₸ out of a lock")
    expect(dana.page.locator(".order .words")).to_contain_text("30\u00a0₸ goes to you.")
    dana.button("Approve and sign")
    dana.heading("Taken out of a lock")
    dana.holds(195_00)


def test_a_quorum_waits_for_its_second_key(aigerim: Person, dana: Person, books: Books) -> None:
    both = [bytes.fromhex(person.kid) for person in (aigerim, dana)]
    lock = conditional.two_party_lock(*both)
    until = books.now + 3_600
    asked = books.client.ask_to_lock(books.fresh(), books.consent(aigerim), lock, 12_00, "Rent", until)
    aigerim.open(f"order/{asked['id']}")
    expect(aigerim.page.locator(".order .words")).to_contain_text("is locked until 2 of these sign")
    aigerim.button("Approve and sign")
    aigerim.heading("Paid")
    paid = books.client.order(bytes.fromhex(asked["id"]))
    locked = TokenId(bytes.fromhex(paid["transaction_id"]), 0)
    shares = [(both[1], 12_00)]
    opening = books.client.ask_to_open(
        books.fresh(), books.consent(aigerim), RELEASE, locked, until, shares=shares
    )
    aigerim.open(f"order/{opening['id']}")
    aigerim.button("Approve and sign")
    expect(aigerim.page.get_by_text("1 of those asked have signed")).to_be_visible()
    expect(aigerim.page.get_by_role("button", name="Approve and sign")).to_have_count(0)
    assert books.state(opening["id"]) == "open"
    dana.open(f"order/{opening['id']}")
    dana.heading("Release 12\u00a0₸ from a lock")
    expect(dana.page.get_by_role("button", name="Refuse")).to_have_count(0)
    dana.button("Approve and sign")
    dana.heading("Released from a lock")
    assert books.state(opening["id"]) == "paid"
    dana.holds(207_00)


def test_above_the_limits_nothing_arrives(aigerim: Person, dana: Person, books: Books) -> None:
    aigerim.open("third")
    rows = aigerim.page.locator(".third details li")
    expect(rows.first).to_be_attached()
    before = rows.count()
    for tiyn, code in ((500_01, "E_CONSENT_PAYMENT"), (500_00, ""), (400_00, "E_CONSENT_DAY")):
        if code:
            with pytest.raises(TengeError, match=code):
                books.ask(aigerim, (dana.kid, tiyn))
        else:
            order = books.ask(aigerim, (dana.kid, tiyn))
            aigerim.open(f"order/{order}")
            aigerim.button("Refuse")
            expect(aigerim.page.locator(".sum[data-state=declined]")).to_be_visible()
            books.ask(aigerim, (dana.kid, 250_00))
    aigerim.open("third")
    expect(rows).to_have_count(before + 2)


def test_an_order_of_a_consent_that_was_taken_back_is_explained(
    aigerim: Person, dana: Person, books: Books
) -> None:
    order = books.ask(aigerim, (dana.kid, 2_00))
    aigerim.open(f"order/{order}")
    approve = aigerim.page.get_by_role("button", name="Approve and sign")
    expect(approve).to_be_visible()
    consent = books.consent(aigerim)
    other = aigerim.visit("", "third")
    other.locator(f".asking[data-id='{consent.hex()}']").get_by_role("button").click()
    expect(other.locator(f".asking[data-id='{consent.hex()}']")).to_have_attribute(
        "data-problem", "the holder took it back"
    )
    other.close()
    approve.click()
    refusal = aigerim.page.locator(".refusal[data-code=E_CONSENT_OVER]")
    refusal.get_by_text("Explain").click()
    expect(refusal.get_by_text("What now")).to_be_visible()
    before = books.site.world.system.ledger.size
    dana.holds(207_00)
    assert books.site.world.system.ledger.size == before


def test_an_order_that_ran_out_is_shown_so(aigerim: Person, dana: Person, books: Books) -> None:
    let_in(aigerim, books)
    order = books.ask(aigerim, (dana.kid, 3_00), seconds=600)
    aigerim.open(f"order/{order}")
    expect(aigerim.page.get_by_role("button", name="Approve and sign")).to_be_visible()
    books.site.world.put_forward(601)
    aigerim.open("")
    aigerim.open(f"order/{order}")
    expect(aigerim.page.locator(".sum[data-state=expired]")).to_be_visible()
    expect(aigerim.page.get_by_role("button", name="Approve and sign")).to_have_count(0)
    assert books.state(order) == "expired"


def test_with_no_network_what_was_known_is_shown(aigerim: Person) -> None:
    aigerim.open("third")
    expect(aigerim.page.locator(".asking").first).to_be_visible()
    aigerim.offline()
    aigerim.open("third")
    expect(aigerim.page.locator(".asked .warning")).to_contain_text("No network. This is from")
    expect(aigerim.page.locator(".asking").first).to_be_visible()
    aigerim.open("mandates")
    expect(
        aigerim.page.get_by_text("Not known yet; the wallet asks when there is a network.").first
    ).to_be_visible()
    assert audit(aigerim.page) == []
    aigerim.shot("third-no-network")
    aigerim.offline(False)
    aigerim.open("third")
    expect(aigerim.page.locator(".asked .warning")).to_have_count(0)


def test_a_link_with_a_broken_key_is_explained(aigerim: Person) -> None:
    aigerim.open("third")
    aigerim.send("find", who="https://example.test/wallet/#consent=12&scopes=pay")
    expect(aigerim.page.locator(".refusal[data-code=E_WALLET_TEXT]")).to_be_visible()


def test_the_journal_is_whole(site: WalletSite) -> None:
    site.audited()
