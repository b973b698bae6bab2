"""A browser's device is cut off at every write point, its disk is full, its clock is wrong, and two tabs pull at it."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from playwright.sync_api import Browser

from cbdc.authority import REGISTER, Auth
from cbdc.keys import ES256, SoftwareKey
from cbdc.record import sign
from tests.web.device_desk import Desk, open_desk
from tests.web.device_phone import NAME, Phone, RefusedByDevice, pay
from wallets.desk import derived

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PLACES = ("before", "writing", "after")
DAY = 86_400


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


@pytest.fixture(scope="module")
def pair(desk: Desk, browser: Browser) -> tuple[Phone, Phone]:
    """A payer with money and a payee."""
    return Phone(browser, desk, "Payer").join(9_000, load=(4_000,)), Phone(browser, desk, "Payee").join(
        load=(100,)
    )


class Cut(NamedTuple):
    """A call that is cut off: on whose phone, at which step, and what it is asked (bench or device)."""

    phone: Phone
    step: str
    call: str
    args: tuple[Any, ...] = ()
    bench: bool = False

    def again(self) -> Any:
        """Ask once more, to the end."""
        return (self.phone.run if self.bench else self.phone.call)(self.call, *self.args)

    def at(self, place: str, crash: bool = False) -> None:
        """Ask, and be killed at a place of the step."""
        begin = (self.call,) if self.bench else ("call", self.call)
        self.phone.killed_at(f"{self.step}/{place}", *begin, *self.args, crash=crash)


def _worth(*phones: Phone) -> int:
    return sum(phone.balance() for phone in phones)


def test_killed_at_every_write_point_of_a_payment(desk: Desk, pair: tuple[Phone, Phone]) -> None:
    payer, payee = pair
    total = _worth(payer, payee)
    for number, place in enumerate(PLACES):
        name = f"payment {number}".encode()
        ask = Cut(payee, "invoice", "invoice", (name, 10_000))
        ask.at(place)
        request = bytes.fromhex(ask.again()["request"])
        assert bytes.fromhex(ask.again()["request"]) == request

        paying = Cut(payer, "pay", "pay", (request,))
        before = payer.balance()
        paying.at(place, crash=place == "writing")
        assert payer.balance() in ((before, before - 10_000) if place == "writing" else _one(place, before))
        payment = bytes.fromhex(paying.again()["payment"])
        assert bytes.fromhex(payer.call("resend", paying.again()["id"])) == payment
        assert payer.balance() == before - 10_000

        taking = Cut(payee, "receive", "receive", (payment,))
        held = payee.balance()
        taking.at(place, crash=place == "after")
        receipt = bytes.fromhex(taking.again()["receipt"])
        assert (bytes.fromhex(taking.again()["receipt"]), payee.balance()) == (receipt, held + 10_000)

        keeping = Cut(payer, "receipt", "keepReceipt", (receipt,))
        keeping.at(place)
        keeping.again()
        assert payer.call("history", {"kind": "pay"})[0]["receipt"] == receipt.hex()
        assert _worth(payer, payee) == total
    assert payee.call("inbox") == []


def _one(place: str, before: int) -> tuple[int]:
    return (before,) if place == "before" else (before - 10_000,)


def test_killed_at_every_write_point_of_load_sync_and_redemption(
    desk: Desk, pair: tuple[Phone, Phone]
) -> None:
    payer, payee = pair
    for number, place in enumerate(PLACES):
        loaded, held = 5_000, payer.balance()
        Cut(payer, "load", "load", (payer.name, [loaded]), bench=True).at(place)
        for note in desk.notes(payer.kid, payer.call("status")["loadNumber"])["notes"]:
            payer.call("loadNote", bytes.fromhex(note))
        assert payer.balance() == held + loaded

        pay(payer, payee, f"more {number}".encode(), 20)
        home = Cut(
            payer, "redeem", "redeem", (bytes.fromhex(desk.order(payer.name, number)), {"amountTiyn": 700})
        )
        home.at(place)
        assert home.again()["amountTiyn"] == 700
        assert payer.balance() == held + loaded - 2_000 - 700

        for phone in pair:
            asked = len(desk.asked)
            Cut(phone, "sync begin", "sync", bench=True).at(place)
            Cut(phone, "sync commit", "sync", bench=True).at(place)
            phone.run("sync")
            assert len(desk.asked) > asked
        assert [phone.call("status")["outbox"] for phone in pair] == [0, 0]
    assert desk.sandbox.reconcile().double_spends == 0
    desk.audit()


def _another_auth(desk: Desk, number: int) -> bytes:
    """One more certificate of ROOT: a register that this sandbox has not got."""
    system, now = desk.sandbox.system, desk.sandbox.clock.now()
    key = SoftwareKey(ES256, derived("another register", number))
    auth = Auth(REGISTER, key.public.algorithm, key.public.raw, now, now + DAY, ())
    return sign(auth, system.network, system.keys.root).encode()


def test_killed_while_papers_contacts_and_backups_are_taken(desk: Desk, browser: Browser) -> None:
    phone = Phone(browser, desk, "Papers").join(load=(5,))
    field, sandbox = desk.sandbox.field, desk.sandbox
    backup = bytes.fromhex(phone.call("exportBackup"))
    for number, place in enumerate(PLACES):
        with desk.lock:
            sandbox.clock.advance(60)
            newest = field.centre.publish(f"papers {number}".encode(), policy={7: 40 + number}).encode()
            renewed = field.centre.renew(str(number).encode(), bytes.fromhex(phone.kid)).encode()
            auth = _another_auth(desk, number)
        contact = {"id": f"c{number}", "name": "Somebody", "kid": "", "alias": "+7"}
        for step, call, args in (
            ("trust", "adoptTrust", ([newest],)),
            ("renew", "renew", (renewed,)),
            ("authority", "addAuthority", (auth,)),
            ("contact", "putContact", (contact,)),
            ("restore", "importBackup", (backup,)),
        ):
            cut = Cut(phone, step, call, args)
            cut.at(place)
            cut.again()
            cut.again()
        assert phone.call("status")["limits"]["maxCount"] == 40 + number
        assert phone.call("certificate") == renewed.hex()
        assert phone.call("contacts")[number] == contact
    assert phone.balance() == 500
    sequence = phone.call("status")["trust"]["sequence"]
    older = field.centre.lists.lists[0].encode()
    assert phone.call("adoptTrust", [older]) == sequence  # what is not newer changes nothing
    phone.run("sync")
    desk.audit()


@pytest.mark.parametrize("place", PLACES)
def test_killed_while_a_device_is_made_and_enrolled(desk: Desk, browser: Browser, place: str) -> None:
    phone = Phone(browser, desk, f"Newborn {place}")
    desk.member(phone.name)
    phone.killed_at(f"create/{place}", "open", NAME, {"desk": 1, "stopAt": f"create/{place}"})
    kid = phone.kid
    Cut(phone, "adopt", "join", (phone.name,), bench=True).at(place)
    phone.run("join", phone.name)
    assert (phone.open(), phone.call("status")["state"]) == (kid, "active")


def test_a_full_disk_refuses_and_changes_nothing(desk: Desk, browser: Browser) -> None:
    phone = Phone(browser, desk, "Full")
    phone.page.evaluate("() => bench.smallDisk(1_000_000)")
    phone.join(load=(1_000,))
    payee = Phone(browser, desk, "Full payee").join()
    requests = [payee.ask(b"full", 10), payee.ask(b"full too", 10)]
    before = phone.state()
    phone.page.evaluate("() => bench.fill()")
    phone.call("close")
    phone.open()
    with pytest.raises(RefusedByDevice) as refused:
        phone.call("pay", requests[0])
    assert refused.value.code == "E_HOST_STORE"
    assert refused.value.facts == {"store": NAME, "detail": "QuotaExceededError"}
    assert phone.state() == before

    phone.call("close")
    phone.page.evaluate("() => bench.empty()")
    phone.open()
    for request in requests:
        paid = phone.call("pay", request)
        assert payee.call("receive", bytes.fromhex(paid["payment"]))["amountTiyn"] == 1_000


def test_a_clock_set_back_is_not_believed_and_one_set_forward_only_refuses(
    desk: Desk, browser: Browser
) -> None:
    payer = Phone(browser, desk, "Clock payer").join(load=(1_000,))
    payee = Phone(browser, desk, "Clock payee").join()
    now = desk.sandbox.clock.now()
    floor = payer.call("status")["trust"]["issued"]

    payer.clock(0)
    payee.clock(0)
    assert payer.call("status")["clock"] == {"now": 0, "moment": floor, "behindSeconds": floor}
    pay(payer, payee, b"in the past", 10)  # both go by what the National Bank last signed
    before = payer.state()

    payer.clock(now + 15 * DAY)
    request = payee.ask(b"too late", 10)
    assert payer.refused("pay", request) == "E_INVOICE_EXPIRED"
    assert payer.refused("invoice", b"stale", 100) == "E_TRUST_STALE"
    later = payee.call("invoice", b"far", 1_000, {"expires": now + 400 * DAY})
    assert payer.refused("pay", bytes.fromhex(later["request"])) == "E_SYNC_AGE"
    payer.clock(now + 300 * DAY)
    assert payer.refused("pay", bytes.fromhex(later["request"])) in {"E_SYNC_AGE", "E_COINS"}
    assert payer.state() == before

    payer.clock(None)
    payee.clock(None)
    paid = payer.call("pay", bytes.fromhex(later["request"]))
    payee.call("receive", bytes.fromhex(paid["payment"]))


def test_two_tabs_take_turns_and_read_the_newest_state(desk: Desk, browser: Browser) -> None:
    payer = Phone(browser, desk, "Tabs").join(load=(300, 300))
    payee = Phone(browser, desk, "Tabs payee").join()
    other = payer.visit()
    assert payer.open(other) == payer.kid
    requests = [payee.ask(f"tab {number}".encode(), 150) for number in range(4)]

    pages = (payer.page, other)
    start: Callable[[Any, bytes], None] = lambda page, request: page.evaluate(  # noqa: E731
        "(request) => { bench.last = bench.call('pay', { hex: request }); }", request.hex()
    )
    answers = []
    for pair in (requests[:2], requests[2:]):
        for page, request in zip(pages, pair, strict=True):
            start(page, request)
        answers += [page.evaluate("() => bench.last") for page in pages]

    payments = [bytes.fromhex(answer["answer"]["payment"]) for answer in answers]
    for payment in payments:
        payee.call("receive", payment)
    assert (payer.balance(), payee.balance()) == (0, 60_000)
    assert payer.call("status", page=other)["balanceTiyn"] == 0
    again = payer.call("pay", requests[0], page=other)
    assert bytes.fromhex(again["payment"]) == payments[0]


def test_a_database_that_is_lost_is_told_and_its_money_comes_back(desk: Desk, browser: Browser) -> None:
    phone = Phone(browser, desk, "Careless").join(load=(700,))
    old = phone.kid
    backup = phone.call("exportBackup")
    phone.page.evaluate("() => bench.drop('wallet')")
    phone.page.close()
    phone.page = phone.visit()
    assert phone.open() != old
    status = phone.call("status")
    assert (status["state"], status["balanceTiyn"], status["lost"]) == ("new", 0, [old])

    desk.sandbox.field.centre.report_lost(bytes.fromhex(old))
    phone.run("join", "Careless", 1)
    assert phone.call("importBackup", bytes.fromhex(backup))["entries"] == 1
    phone.run("sync")
    desk.sandbox.wait(60 + 30 + 15 + 1)  # the note's last day, its claims, and the grace
    desk.sandbox.close_cases()
    assert desk.sandbox.group_figures("Careless")["wallets"] == 70_000
    desk.audit()
