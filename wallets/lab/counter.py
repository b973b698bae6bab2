"""At the counter: one payment between two devices, with messages that may be lost, as two sessions play it.

Both flows of the protocol, by the real state machines (`offline.transfer`): flow Q (QR) and flow I (NFC, BLE), where
TRUST lists pass from device to device too. A message that is lost is sent again, the same bytes, up to `attempts`
times. Cut before the payer has committed, nothing happened; cut after, the money is on its way and the next sync of
the payer (or of the payee, if something reached it) brings it home.
"""

from collections.abc import Callable

from cbdc.errors import TengeError
from offline.device import Device
from offline.transfer import PayeeSession, PayerSession
from wallets.lab.settings import Link
from wallets.lab.tally import Paid

PLAIN = 0

Lost = Callable[[int], bool]
"""Whether the message sent as the given number (from 0) is lost."""


class Cut(Exception):
    """All attempts of a message were lost."""


class Air:
    """Carries messages, loses some, and counts."""

    def __init__(self, link: Link, lost: Lost) -> None:
        self._link = link
        self._lost = lost
        self._sent = 0
        self.talk_bytes = 0
        self.payment_bytes = 0
        self.repeats = 0

    def carry(self, message: bytes, counts: bool = False) -> bytes:
        """The message, once it has arrived; `Cut` when it never does. `counts`: it is the payment, or its history."""
        self.talk_bytes += len(message)
        if counts:
            self.payment_bytes += len(message)
        for attempt in range(self._link.attempts):
            number = self._sent
            self._sent += 1
            if not self._link.lost or not self._lost(number):
                self.repeats += attempt
                return message
        self.repeats += self._link.attempts - 1
        raise Cut


def pay(payer: Device, payee: Device, amount_tiyn: int, near: bool, id: bytes, now: int, air: Air) -> Paid:
    """One payment; every refusal and every cut is an outcome, never an error."""
    asking, giving = PayeeSession(payee, id, amount_tiyn, PLAIN, near), PayerSession(payer)
    try:
        message = air.carry(asking.start(now))
        if near:
            (offer,) = giving.receive(message, now)
            (message,) = asking.receive(air.carry(offer, counts=True), now)
            message = air.carry(message)
        giving.receive(message, now)
        payment = giving.confirm(now)
    except Cut:
        return Paid("link", repeats=air.repeats)
    except TengeError as error:
        short = error.code == "E_COINS" and payer.balance_tiyn(now) < amount_tiyn
        return Paid("short") if short else Paid("refused", error.code, repeats=air.repeats)
    invoice = giving.invoice
    assert invoice is not None, "what was confirmed was asked for"
    transfers = payer.transfers_for(invoice.oid)
    outcome, code = "paid", ""
    try:
        (receipt,) = asking.receive(air.carry(payment, counts=True), now)
        giving.receive(air.carry(receipt), now)
    except Cut:
        outcome = "paid" if asking.receipt is not None else "interrupted"
    except TengeError as error:
        outcome, code = "refused", error.code
    return Paid(
        outcome,
        code,
        max(transfer.record.hop for transfer in transfers),
        len(transfers),
        air.payment_bytes,
        air.talk_bytes,
        air.repeats,
        tuple(
            (*transfer.record.outpoint, transfer.oid, transfer.record.outputs[0].amount_tiyn)
            for transfer in transfers
        ),
    )
