"""What planted bugs and random runs showed to be untested in hosts."""

import pytest

from cbdc.errors import Refused
from cbdc.money import tenge
from cbdc.token import MERCHANT
from offline.journal import MemoryJournal
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
    with pytest.raises(Refused, match="^E_COINS:"):
        payer.pay(invoice, payee.certificate, bench.now)
    assert payer.balance_tiyn(bench.now) == tenge(700), "nothing was spent"
    payer.redeem(bench.order(payer.kid), bench.now)
    assert payer.balance_tiyn(bench.now) == 0
