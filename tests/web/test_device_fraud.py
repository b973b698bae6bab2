"""Copies: a thief's copy of a whole profile is caught and named; an old copy put back signs nothing any more."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from offline.evidence import verify_evidence
from tests.web.device_desk import Desk, open_desk
from tests.web.device_phone import NAME, Phone, pay

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


def _thief(desk: Desk, browser: Browser, name: str) -> Phone:
    """A phone whose key can be taken out, as a thief who owns the machine has it."""
    phone = Phone(browser, desk, name)
    desk.member(name, 2_000)
    phone.page.evaluate(
        "async ([name, desk]) => bench.open(name, { desk, keyPair: await bench.thiefKey() })",
        [NAME, desk.sandbox.clock.now()],
    )
    phone.open()
    phone.run("join", name)
    phone.run("load", name, [100_000])
    return phone


def _copy(desk: Desk, browser: Browser, phone: Phone) -> Phone:
    """Another machine with the same profile, key and all."""
    twin = Phone(browser, desk, phone.name)
    twin.open()
    twin.call("close")
    stolen = phone.page.evaluate("(name) => bench.steal(name)", NAME)
    twin.page.evaluate("([name, text]) => bench.implant(name, text)", [NAME, stolen])
    twin.page.evaluate("() => localStorage.clear()")
    assert twin.open() == phone.kid
    return twin


def test_a_copied_profile_spends_twice_and_is_named(desk: Desk, browser: Browser) -> None:
    thief = _thief(desk, browser, "Thief")
    twin = _copy(desk, browser, thief)
    first, second = (Phone(browser, desk, name).join() for name in ("Shop one", "Shop two"))
    for phone in (thief, twin, first, second):
        phone.offline()
    pay(thief, first, b"once", 1_000)
    pay(twin, second, b"twice", 1_000)  # nothing offline can know
    assert (first.balance(), second.balance()) == (100_000, 100_000)

    for phone in (first, second):
        phone.offline(False)
        assert phone.run("sync")["droppedTiyn"] == 0
    case = desk.sandbox.reconcile()
    assert (case.double_spends, case.loss_tiyn) == (1, 100_000)
    assert {row["named"] for row in case.evidence} == {"Thief"}
    kid = bytes.fromhex(thief.kid)
    for _, proof in desk.sandbox.evidence_files():
        assert verify_evidence(proof, desk.sandbox.trusted_root).kid == kid

    thief.offline(False)
    assert thief.run("sync")["blocked"]
    assert thief.call("status")["state"] == "blocked"
    assert thief.refused("invoice", b"more", 100) == "E_ELEMENT_STATE"
    assert first.run("sync")["blocked"] is False
    desk.audit()


def test_a_device_that_sees_both_branches_keeps_the_proof(desk: Desk, browser: Browser) -> None:
    thief = _thief(desk, browser, "Forker")
    twin = _copy(desk, browser, thief)
    shop = Phone(browser, desk, "Shop three").join()
    pay(thief, shop, b"one branch", 400)
    request = shop.ask(b"other branch", 400)
    payment = bytes.fromhex(twin.call("pay", request)["payment"])
    held = shop.balance()
    assert shop.refused("receive", payment) == "E_DOUBLE_SPEND"
    assert shop.balance() == held
    (proof,) = shop.call("evidence")
    verdict = verify_evidence(bytes.fromhex(proof), desk.sandbox.trusted_root)
    assert (verdict.kid.hex(), verdict.amount_tiyn) == (thief.kid, 100_000)
    (kept,) = shop.call("inbox")
    assert (kept["code"], kept["bundle"]) == ("E_DOUBLE_SPEND", payment.hex())
    shop.run("sync")
    assert shop.call("inbox") == []
    assert thief.kid in {kid.hex() for kid in desk.sandbox.field.reconciler.guilty()}


def test_an_old_database_put_back_signs_nothing_any_more(desk: Desk, browser: Browser) -> None:
    payer = Phone(browser, desk, "Roller").join(load=(1_000,))
    payee = Phone(browser, desk, "Roller payee").join()
    payer.page.evaluate("(name) => bench.save(name)", NAME)
    pay(payer, payee, b"spent", 900)
    payer.call("close")
    payer.page.evaluate("(name) => bench.putBack(name)", NAME)
    payer.open()

    status = payer.call("status")
    assert (status["state"], status["balanceTiyn"]) == ("rolled back", 100_000)
    request = payee.ask(b"again", 100)
    for call in (("pay", request), ("invoice", b"new", 100), ("syncBatches",), ("receive", b"")):
        assert payer.refused(*call) == "E_DEVICE_ROLLBACK"
    payer.page.evaluate("() => localStorage.clear()")  # what was seen once stays seen
    payer.call("close")
    payer.open()
    assert payer.refused("pay", request) == "E_DEVICE_ROLLBACK"
    assert json.loads(bytes.fromhex(payer.call("exportBackup")).split(b"\n", 1)[1])["open"]


def test_an_old_database_is_known_even_when_another_device_came_between(desk: Desk, browser: Browser) -> None:
    payer = Phone(browser, desk, "Between").join(load=(100,))
    payee = Phone(browser, desk, "Between payee").join()
    payer.page.evaluate("(name) => bench.save(name)", NAME)
    pay(payer, payee, b"spent", 90)
    old = payer.kid
    payer.page.evaluate("(name) => bench.drop(name)", NAME)
    assert payer.open() != old
    payer.call("close")
    payer.page.evaluate("(name) => bench.putBack(name)", NAME)
    assert payer.open() == old
    assert payer.refused("pay", payee.ask(b"again", 90)) == "E_DEVICE_ROLLBACK"


def test_a_backup_carries_what_was_and_nothing_that_spends(desk: Desk, browser: Browser) -> None:
    before = desk.sandbox.reconcile().double_spends
    payer = Phone(browser, desk, "Saver").join(load=(1_000, 50))
    payee, stranger = (Phone(browser, desk, name).join() for name in ("Saver payee", "Saver other"))
    pay(payer, payee, b"known", 300)
    lost = payee.ask(b"never arrived", 200)
    undelivered = payer.call("pay", lost)
    payer.call("putContact", {"id": "k1", "name": "Payee", "kid": payee.kid})
    backup = bytes.fromhex(payer.call("exportBackup", {"passphrase": "сөз"}))
    assert payee.kid.encode() not in backup

    fresh = Phone(browser, desk, "Saver again").join()
    assert fresh.refused("importBackup", backup) == "E_BACKUP"
    assert fresh.refused("importBackup", backup, {"passphrase": "soz"}) == "E_BACKUP"
    for broken in (b"", b"x", backup[:-9], backup.replace(b"tenge", b"dollar")):
        assert fresh.refused("importBackup", broken, {"passphrase": "сөз"}) == "E_BACKUP"
    taken = fresh.call("importBackup", backup, {"passphrase": "сөз"})
    assert (taken["entries"], taken["contacts"]) == (4, 1)
    assert fresh.call("importBackup", backup, {"passphrase": "сөз"})["entries"] == 0

    assert (fresh.balance(), fresh.call("status")["purposes"]) == (0, [])
    assert fresh.refused("pay", stranger.ask(b"try", 1)) == "E_COINS"
    paid = fresh.call("history", {"text": "payee"})
    assert [(row["kind"], row["restored"]) for row in paid] == [("pay", True)] * 2
    assert any(row.get("receipt") for row in paid)
    again = fresh.call("resend", undelivered["id"])  # anyone may hand over what was paid
    assert again == undelivered["payment"]
    assert payee.call("receive", bytes.fromhex(again))["amountTiyn"] == 20_000

    fresh.run("sync")
    payer.run("sync")
    assert fresh.refused("resend", undelivered["id"]) == "E_PAYMENT_UNKNOWN"
    assert desk.sandbox.reconcile().double_spends == before
    assert payer.kid not in {kid.hex() for kid in desk.sandbox.field.reconciler.guilty()}
    desk.audit()
