"""A browser's device and a Python device pay each other, over QR messages and over the flow of near links."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from cbdc.record import open_envelope
from cbdc.token import CANTEEN, PUPIL, TREASURY_ACCOUNT
from offline.device import Device
from offline.records import DeviceCertificate, Invoice, Receipt
from offline.transfer import PayeeSession, PayerSession
from tests.web.device_desk import Desk, open_desk
from tests.web.device_phone import Phone
from wallets.cast import Member

DAY = 86_400

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with open_desk() as opened:
        yield opened


def _python(desk: Desk, name: str, tenge: int = 0) -> tuple[Member, Device]:
    with desk.lock:
        member = desk.sandbox.person(name, tenge)
        if tenge:
            desk.sandbox.buy_and_load(member, tenge)
    assert member.device is not None
    return member, member.device


def test_each_pays_the_other_over_qr(desk: Desk, browser: Browser) -> None:
    member, device = _python(desk, "Python", 2_000)
    phone = Phone(browser, desk, "Browser").join(load=(1_000,))
    now, network = desk.sandbox.clock.now(), desk.sandbox.system.network

    payer = PayerSession(device)
    assert payer.receive(phone.ask(b"s" * 16, 700), now) == []
    taken = phone.call("receive", payer.confirm(now))
    payer.receive(bytes.fromhex(taken["receipt"]), now)
    assert (taken["amountTiyn"], phone.balance(), device.balance_tiyn(now)) == (70_000, 170_000, 130_000)

    payee = PayeeSession(device, b"p" * 16, 150_000, 0)
    paid = phone.call("pay", payee.start(now))  # of what was received, and of a note of its own: two parts
    (receipt,) = payee.receive(bytes.fromhex(paid["payment"]), now)
    phone.call("keepReceipt", receipt)
    assert open_envelope(receipt, Receipt, network).record.payee == device.kid
    assert (phone.balance(), device.balance_tiyn(now)) == (20_000, 280_000)

    phone.run("sync")
    with desk.lock:
        desk.sandbox.sync([member])
    phone.run("sync")
    assert phone.call("status")["outbox"] == 0
    assert desk.sandbox.reconcile().double_spends == 0
    desk.audit()


def test_each_pays_the_other_over_a_near_link(desk: Desk, browser: Browser) -> None:
    _, device = _python(desk, "Near Python", 500)
    phone = Phone(browser, desk, "Near browser").join(load=(500,))
    now = desk.sandbox.clock.now()

    payer = PayerSession(device)
    (offer,) = payer.receive(bytes.fromhex(phone.run("ask", "01" * 16, 20_000)), now)
    draft = phone.run("say", "payee", offer.hex())
    assert payer.receive(bytes.fromhex(draft), now) == []
    commit = payer.confirm(now)
    receipt = phone.run("say", "payee", commit.hex())
    assert phone.run("say", "payee", commit.hex()) == receipt
    payer.receive(bytes.fromhex(receipt), now)
    assert payer.state == "done"

    payee = PayeeSession(device, b"n" * 16, 30_000, 0, near=True)
    offered = phone.run("say", "payer", payee.start(now).hex())
    (drafted,) = payee.receive(bytes.fromhex(offered), now)
    assert phone.run("say", "payer", drafted.hex()) is None
    (word,) = payee.receive(bytes.fromhex(phone.run("confirm")), now)
    assert phone.run("say", "payer", word.hex()) is None
    assert (phone.balance(), device.balance_tiyn(now)) == (40_000, 60_000)
    desk.audit()


def test_what_a_browser_signs_a_python_reader_opens(desk: Desk, browser: Browser) -> None:
    phone = Phone(browser, desk, "Reader").join()
    network = desk.sandbox.system.network
    certificate = open_envelope(bytes.fromhex(phone.call("certificate")), DeviceCertificate, network)
    assert certificate.record.limits.max_hops == 3
    invoice = open_envelope(bytes.fromhex(phone.call("invoice", b"r", 500)["invoice"]), Invoice, network)
    invoice.verify(certificate.record.key)
    assert invoice.record.max_bytes == 4_096
    assert phone.refused("invoice", b"r", 501) == "E_REQUEST_REUSED"


def test_marked_money_keeps_its_purpose_and_its_rule(desk: Desk, browser: Browser) -> None:
    with desk.lock:
        sandbox, now = desk.sandbox, desk.sandbox.clock.now()
        edges = ((TREASURY_ACCOUNT, (PUPIL,)), (PUPIL, (CANTEEN,)))
        until = now + 30 * DAY
        definition = sandbox.system.treasury.define("meals", 1, edges, now, until, max_hops=2)
        sandbox.define_mark("meals", definition)
        sandbox.publish_purposes()
    pupil = Phone(browser, desk, "Pupil")
    desk.member("Pupil", 0, PUPIL)
    with desk.lock:
        desk.sandbox.give_once("meals", desk.members["Pupil"], 500)
    desk.member("Canteen", 0, CANTEEN)
    canteen = Phone(browser, desk, "Canteen").join()
    person = Phone(browser, desk, "Passer-by").join()
    pupil.open()
    pupil.run("join", "Pupil")
    pupil.run("load", "Pupil", [40_000], "meals")
    (purse,) = pupil.call("status")["purposes"]
    assert (purse["balanceTiyn"], purse["payableTiyn"]) == (40_000, 40_000)
    purpose = purse["purpose"]
    assert purpose > 0

    assert person.refused("invoice", b"m", 100, {"purpose": purpose}) == "E_CATEGORY_IN"
    assert pupil.refused("pay", person.ask(b"plain", 10)) == "E_COINS"
    asked = canteen.call("invoice", b"lunch", 15_000, {"purpose": purpose})
    paid = pupil.call("pay", bytes.fromhex(asked["request"]))
    canteen.call("receive", bytes.fromhex(paid["payment"]))
    assert [one["balanceTiyn"] for one in canteen.call("status")["purposes"]] == [15_000]
    for phone in (pupil, canteen):
        phone.run("sync")
    desk.audit()


def test_lists_pass_from_browser_to_browser_by_qr(desk: Desk, browser: Browser) -> None:
    told, cut_off = (Phone(browser, desk, name).join() for name in ("Told", "Cut off"))
    had = cut_off.call("status")["trust"]["sequence"]
    with desk.lock:
        desk.sandbox.field.centre.revoke(bytes(32))
    told.run("sync")
    newest = told.call("status")["trust"]["sequence"]
    assert newest > had
    cut_off.offline()
    message = bytes.fromhex(told.call("trustMessage", had))
    assert len(message) <= 1_024
    assert cut_off.call("readTrustMessage", message) == newest
    assert cut_off.call("readTrustMessage", message) == newest
    assert cut_off.refused("readTrustMessage", message[:-1]) == "E_DECODE"
    assert cut_off.refused("readTrustMessage", bytes(1_025)) == "E_TRUST_QR"
