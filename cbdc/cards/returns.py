"""Money that goes back into a pocket: reversals, what was not captured, refunds, disputes that the card holder won.

The bank owes it in its books from the moment the message is done, and pays it in digital tenge from its inventory as
soon as the inventory gives it. A pocket that may not receive it (a holding limit of the ledger, a key that was
replaced) does not keep the customer from its money: then the deposit is credited.

    owed      written down with the message that caused it
    sending   the transfer is written down before it is sent
    paid      the ledger took it, the books say so
    deposit   the ledger would not; the deposit has it

A crash anywhere is mended by `pay` again. An inventory that is empty leaves it owed.
"""

from dataclasses import dataclass, replace
from typing import Any

from cbdc import canonical
from cbdc.accounts import Books, Line, Posting, credit, debit, deposit, inventory
from cbdc.cabinet import Cabinet, Row, follow, follow_nonce
from cbdc.cards import chart
from cbdc.errors import TengeError, Unavailable
from cbdc.gateway import Gateway
from cbdc.ports import Clock
from cbdc.record import AMOUNT, HASH, Bytes, Group, Items, Text, Unsigned
from cbdc.till import Payout, Till
from cbdc.token import QuorumLock, Token

OWED = "owed"
SENDING = "sending"
PAID = "paid"
TO_DEPOSIT = "to the deposit"

_RETURN = Group((HASH, AMOUNT, Items(HASH, most=16), Text(), Unsigned(), Bytes()))


@dataclass(frozen=True, slots=True)
class Return:
    """Money on its way back: `id`, the customer's account, the amount, the pocket's keys, and how far it is."""

    id: bytes
    customer: bytes
    amount_tiyn: int
    kids: tuple[bytes, ...]
    state: str = OWED
    attempt: int = 1
    transaction: bytes = b""

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode(
            [self.customer, self.amount_tiyn, self.kids, self.state, self.attempt, self.transaction]
        )


class ReturnDesk:
    """The returns of one issuing bank."""

    def __init__(
        self, gateway: Gateway, books: Books, cabinet: Cabinet, till: Till, bank_id: int, clock: Clock
    ) -> None:
        self._gateway = gateway
        self._books = books
        self._cabinet = cabinet
        self._till = till
        self._bank_id = bank_id
        self._clock = clock
        self._open = f"bank {bank_id}/card return.open"
        self._done = f"bank {bank_id}/card return.done"

    def row(self, item: Return) -> list[Row]:
        """The rows that write a new return down; nothing when it is known already."""
        known = any(self._cabinet.get(drawer, item.id) is not None for drawer in (self._open, self._done))
        return [] if known else [Row(self._open, item.id, item.encode())]

    def waiting(self) -> list[Return]:
        """What is not paid yet, oldest first."""
        return [_open(key, data) for key, data in self._cabinet.all(self._open)]

    def pay(self) -> int:
        """Pay what the inventory gives; how many were paid. What cannot be paid now waits."""
        return sum(self._pay(item) for item in self.waiting())

    def _pay(self, item: Return) -> bool:
        while item.state != TO_DEPOSIT:
            if not item.transaction:
                planned = self._plan(item)
                if planned is None:
                    return False
                item = planned
            try:
                self._gateway.submit(item.transaction)
            except Unavailable:
                return False
            except TengeError as refusal:
                item = self._refused(item, refusal)
                continue
            self._finish(item, PAID, credit(inventory(self._bank_id), item.amount_tiyn))
            return True
        self._finish(item, TO_DEPOSIT, credit(deposit(self._bank_id, item.customer), item.amount_tiyn))
        return True

    def _plan(self, item: Return) -> Return | None:
        nonce = follow_nonce("card return", item.id, item.attempt.to_bytes(8, "big"))
        lock = QuorumLock(1, item.kids)
        link = self._till.chain([Payout(nonce, (Token(item.amount_tiyn, lock),))])[0]
        if isinstance(link, TengeError):
            return None
        return self._put(replace(item, state=SENDING, transaction=link.encode()))

    def _refused(self, item: Return, refusal: TengeError) -> Return:
        """Plan anew when the inventory's tokens moved meanwhile; any other refusal sends the money to the deposit."""
        if refusal.code == "E_TOKEN_SPENT":
            return self._put(replace(item, state=OWED, attempt=item.attempt + 1, transaction=b""))
        return self._put(replace(item, state=TO_DEPOSIT, transaction=b""))

    def _put(self, item: Return) -> Return:
        self._cabinet.put_many([Row(self._open, item.id, item.encode())])
        return item

    def _finish(self, item: Return, state: str, line: Line) -> None:
        lines = (debit(chart.owed(self._bank_id), item.amount_tiyn), line)
        posting = Posting(
            follow("card returned", item.id), self._clock.now(), "returned to card holder", lines
        )
        self._books.post(posting)
        finished = replace(item, state=state)
        self._cabinet.put_many([Row(self._open, item.id, None), Row(self._done, item.id, finished.encode())])


def _open(id: bytes, data: bytes) -> Return:
    values: tuple[Any, ...] = _RETURN.load(canonical.decode(data, canonical.MAX_MESSAGE_BYTES), "return")
    return Return(id, *values)
