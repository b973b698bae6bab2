"""One card payment as its issuer keeps it: amounts that only move between named places, and what is being done to it.

    amount   what was asked
    held     taken from the pocket and not captured
    captured what the merchant (or the machine) got
    refunded, disputed   how much of the captured money came back, or is being asked back
    claim    how much of it no signature of the card holder covers: the bank's risk, from standing in

`asked` holds the message that began it, `pending` the message whose effects are under way: written before they begin,
gone when they are done. Whoever finds it does the whole again; every effect has an id that follows from the payment
and the message.
"""

from dataclasses import dataclass, replace
from typing import Any

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row
from cbdc.cards.message import Message
from cbdc.cards.rules import channel_of
from cbdc.record import Bytes, Group, Text, Unsigned

NEW = "new"
APPROVED = "approved"
CAPTURED = "captured"
DECLINED = "declined"
REVERSED = "reversed"
EXPIRED = "expired"
PAID = "paid"  # directly, on the ledger

_PAYMENT = Group(
    (
        Text(19),
        Bytes((0, 32)),
        Text(),
        Text(11),
        Text(12),
        Text(),
        Unsigned(),
        Unsigned(),
        Unsigned(),
        Unsigned(),
        Unsigned(),
        Unsigned(),
        Text(),
        Text(6),
        Bytes(),
        Bytes(),
        Unsigned(),
        Bytes(),
        Bytes(),
    )
)


@dataclass(frozen=True, slots=True)
class Payment:
    """See the module's text. `key` is its id, `number` the device's, `card` the card's id (empty: nobody's card)."""

    key: bytes
    number: str
    card: bytes
    network: str
    acquirer: str
    reference: str
    channel: str
    amount_tiyn: int
    held_tiyn: int = 0
    captured_tiyn: int = 0
    refunded_tiyn: int = 0
    disputed_tiyn: int = 0
    claim_tiyn: int = 0
    state: str = NEW
    code: str = ""
    transaction: bytes = b""
    refusal: bytes = b""
    time: int = 0
    pending: bytes = b""
    asked: bytes = b""

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode(
            [
                self.number,
                self.card,
                self.network,
                self.acquirer,
                self.reference,
                self.channel,
                self.amount_tiyn,
                self.held_tiyn,
                self.captured_tiyn,
                self.refunded_tiyn,
                self.disputed_tiyn,
                self.claim_tiyn,
                self.state,
                self.code,
                self.transaction,
                self.refusal,
                self.time,
                self.pending,
                self.asked,
            ]
        )

    @property
    def back_tiyn(self) -> int:
        """How much of what was captured can still come back."""
        return self.captured_tiyn - self.refunded_tiyn - self.disputed_tiyn


def new_payment(message: Message, network: str, card: bytes, now: int) -> Payment:
    """The payment that a request (or an advice) begins."""
    values = message.fields
    return Payment(
        message.key,
        values[2],
        card,
        network,
        values[32],
        values[37],
        channel_of(message) if 22 in values else "",
        message.amount_tiyn,
        time=now,
        asked=message.encode(),
    )


def open_payment(key: bytes, data: bytes) -> Payment:
    """The payment in a row."""
    values: tuple[Any, ...] = _PAYMENT.load(canonical.decode(data), "payment")
    return Payment(key, *values)


class PaymentFile:
    """The payments of one issuer; those that are held or under way have a place in a drawer of their own."""

    def __init__(self, cabinet: Cabinet, bank_id: int) -> None:
        self._cabinet = cabinet
        self._all = f"bank {bank_id}/card payment"
        self._open = f"bank {bank_id}/card payment.open"

    def find(self, key: bytes) -> Payment | None:
        """The payment, or None."""
        data = self._cabinet.get(self._all, key)
        return None if data is None else open_payment(key, data)

    def open(self) -> list[Payment]:
        """Those that hold money or are under way, oldest first."""
        found = [self.find(key) for key, _ in self._cabinet.all(self._open)]
        return [payment for payment in found if payment is not None]

    def all(self) -> list[Payment]:
        """Every payment, oldest first."""
        return [open_payment(key, data) for key, data in self._cabinet.all(self._all)]

    def rows(self, payment: Payment) -> list[Row]:
        """The rows that keep it."""
        stays = bool(payment.held_tiyn or payment.pending)
        return [
            Row(self._all, payment.key, payment.encode()),
            Row(self._open, payment.key, b"" if stays else None),
        ]


def done(payment: Payment, **changes: Any) -> Payment:
    """The payment after its pending message, with these changes."""
    return replace(payment, pending=b"", **changes)
