"""What planted bugs showed to be untested in hosts: the payer who has left while the payee was dead."""

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
