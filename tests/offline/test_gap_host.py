"""What planted bugs and random runs showed to be untested in hosts."""

import pytest

from cbdc.errors import Refused
from cbdc.money import tenge
from cbdc.record import Signed
from cbdc.token import MERCHANT
from offline.device import Device
from offline.element_rules import offer_hash
from offline.host_store import MemoryHostStore
from offline.journal import MemoryJournal
from offline.records import Invoice
from tests.offline.bench import Bench, Crash, CrashAt
from tests.offline.test_transfer_crash import CrashingStore


def test_accepted_money_has_its_history_though_the_payer_is_gone() -> None:
    """Cut at every write of the payee; nobody brings the payment again, and yet what it holds it can spend."""
    number, died = 0, True
    while died:
        number, died = number + 1, False
        bench, crash = Bench("gone"), CrashAt()
        payer = bench.device("payer")
        payee = bench.device(
            "payee", CrashingStore(crash), journal=MemoryJournal(checkpoint=crash), category=MERCHANT
        )
        bench.load(payer, tenge(1_000))
        invoice = bench.invoice(payee, tenge(400))
        payment = payer.pay(invoice, payee.certificate, bench.now)
        crash.count, crash.number = 0, number
        try:
            payee.receive(payment, invoice, bench.now)
        except Crash:
            died = True
        crash.number = 0
        payee = bench.restart("payee")
        status = payee.status(bench.now)
        assert status.balance_tiyn in (0, tenge(400))
        if status.balance_tiyn:
            assert bench.hand_over(payee, payer, tenge(400)).record.payee == payer.kid
    assert number > 6


def test_the_change_of_a_redemption_is_left_for_the_next_sync() -> None:
    """Every payee would refuse a line with a redemption in it (V5a), so the host commits no payment with it."""
    bench = Bench("redeemed")
    payer, payee = bench.device("payer"), bench.device("payee", category=MERCHANT)
    bench.load(payer, tenge(1_000))
    payer.redeem(bench.order(payer.kid), bench.now, tenge(300))
    invoice = bench.invoice(payee, tenge(400))
    with pytest.raises(Refused, match=r"^E_COINS:"):
        payer.pay(invoice, payee.certificate, bench.now)
    assert payer.balance_tiyn(bench.now) == tenge(700), "nothing was spent"
    payer.redeem(bench.order(payer.kid), bench.now)
    assert payer.balance_tiyn(bench.now) == 0


def _paid_and_forgotten() -> tuple[Bench, Device, Device, Signed[Invoice]]:
    """A payer whose element has paid and whose host has lost everything since."""
    bench = Bench("forgotten")
    payer, payee = bench.device("payer"), bench.device("payee", category=MERCHANT)
    bench.load(payer, tenge(1_000))
    invoice = bench.invoice(payee, tenge(400))
    payer.pay(invoice, payee.certificate, bench.now)
    bench.stores["payer"] = MemoryHostStore()
    return bench, Device(payer.element, bench.stores["payer"]), payee, invoice


def test_t11_a_payer_who_lost_its_histories_asks_again_and_can_still_sync() -> None:
    """What the element paid goes to settlement loose; no empty message may stand where the payment was."""
    bench, payer, payee, invoice = _paid_and_forgotten()
    with pytest.raises(Refused, match=r"^E_HISTORY_LOST:"):
        payer.pay(invoice, payee.certificate, bench.now)
    batches = payer.sync(b"sync", bench.now)
    (loose,) = payer.element.resend(invoice.oid)
    assert loose.envelope() in [list(item) for batch in batches for item in batch.objects]
    bench.sync(payer)
    assert payer.status(bench.now).outbox == ()


def test_t11_an_offer_whose_histories_are_lost_is_not_paid() -> None:
    bench = Bench("offered")
    payer, payee = bench.device("payer"), bench.device("payee", category=MERCHANT)
    bench.load(payer, tenge(1_000))
    offer = payer.offer(tenge(400), 0, 8, 24_000, bench.now)
    invoice = payee.invoice(b"asked", tenge(400), 0, bench.now, offer_hash(offer))
    bench.stores["payer"] = MemoryHostStore()
    payer = Device(payer.element, bench.stores["payer"])
    with pytest.raises(Refused, match=r"^E_OFFER:"):
        payer.pay(invoice, payee.certificate, bench.now, offer)
    assert payer.balance_tiyn(bench.now) == tenge(1_000), "nothing was spent"


def test_r39_a_late_answer_lets_go_only_what_was_handed_in_for_it() -> None:
    """The host gathers twice for one statement; the second hand-in is lost, and the answer to the first comes."""
    bench = Bench("late")
    payer, payee = bench.device("payer"), bench.device("payee", category=MERCHANT)
    bench.load(payer, tenge(1_000))
    invoice = bench.invoice(payee, tenge(400))
    payment = payer.pay(invoice, payee.certificate, bench.now)
    request = payee.sync(b"sync", bench.now)[-1].sync_request
    assert request is not None
    with pytest.raises(Refused, match=r"^E_INVOICE_UNKNOWN:"):
        payee.receive(payment, invoice, bench.now)
    again = payee.sync(b"sync", bench.now)
    assert again[-1].sync_request == request
    assert payment in again[0].bundles, "what came since is handed in too"
    payee.sync_commit(bench.ack(request), bench.now)
    assert [data for _, data in payee.inbox()] == [payment], "settlement never got it: it must stay"
    bench.sync(payee)
    assert payee.inbox() == []
