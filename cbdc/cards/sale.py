"""One payment as its acquirer keeps it, and one refund or second presentment, which are rows of the same form.

asking      a request is out; `attempt` counts them (a chip may have to be told its pocket first)
approved    yes, and not captured
declined    no, by whomever
reversing   no answer came, or the merchant took it back: repeated until it is answered
reversed    undone
capturing   the merchant wants its money: repeated until it is answered
captured    the merchant has it; for cash: the machine gave it; for a direct payment: the ledger did it
returning   a direct payment that is being given back by the merchant's own signature
lost        the issuer would not: what the merchant delivered is its loss
"""

from dataclasses import dataclass, replace
from typing import Any

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row
from cbdc.errors import Refused
from cbdc.record import HASH, Bytes, Group, Items, Text, Unsigned

ASKING = "asking"
APPROVED = "approved"
DECLINED = "declined"
REVERSING = "reversing"
REVERSED = "reversed"
CAPTURING = "capturing"
CAPTURED = "captured"
RETURNING = "returning"
LOST = "lost"
OPEN_STATES = (ASKING, REVERSING, CAPTURING, RETURNING)

SALE = "sale"
REFUND = "refund"
SECOND = "second presentment"

_SALE = Group(
    (
        Text(),
        Text(),
        HASH,
        Bytes((0, 32)),
        Text(19),
        Text(),
        Unsigned(0, 1),
        Unsigned(),
        Unsigned(),
        Unsigned(1),
        Text(),
        Text(2),
        Text(6),
        Text(12),
        Bytes(),
        Bytes(),
        Bytes((0, 32)),
        Bytes(),
        Items(HASH, most=16),
        Unsigned(0, 1),
    )
)


@dataclass(frozen=True, slots=True)
class Sale:
    """See the module's text.

    `merchant` is the merchant's account at the bank (zeros: the bank's own machine), `of` the sale that a refund or a
    second presentment is about. `amount_tiyn` is what was asked, `done_tiyn` what it came to. `response` is field 39 of
    the last answer. `pending` is the message that is out, `asked` the request it all began with, `item` the id of the
    message that is settled. `back` are the keys of the pocket that a direct payment goes back to. `told` is 1 once a
    chip was told its pocket in this sale.
    """

    id: bytes
    kind: str
    channel: str
    merchant: bytes
    of: bytes
    number: str
    network: str
    direct: int
    amount_tiyn: int
    done_tiyn: int = 0
    attempt: int = 1
    state: str = ASKING
    response: str = ""
    code: str = ""
    reference: str = ""
    pending: bytes = b""
    asked: bytes = b""
    item: bytes = b""
    refusal: bytes = b""
    back: tuple[bytes, ...] = ()
    told: int = 0

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode(
            [
                self.kind,
                self.channel,
                self.merchant,
                self.of,
                self.number,
                self.network,
                self.direct,
                self.amount_tiyn,
                self.done_tiyn,
                self.attempt,
                self.state,
                self.response,
                self.code,
                self.reference,
                self.pending,
                self.asked,
                self.item,
                self.refusal,
                self.back,
                self.told,
            ]
        )


class SaleFile:
    """The sales of one acquirer. What is under way, and what waits for settlement, has a drawer of its own."""

    def __init__(self, cabinet: Cabinet, bank_id: int) -> None:
        self._cabinet = cabinet
        self._all = f"bank {bank_id}/card sale"
        self._open = f"bank {bank_id}/card sale.open"
        self._unsettled = f"bank {bank_id}/card sale.unsettled"
        self._by_message = f"bank {bank_id}/card sale message"

    def find(self, id: bytes) -> Sale | None:
        """The sale, or None."""
        data = self._cabinet.get(self._all, id)
        if data is None:
            return None
        values: tuple[Any, ...] = _SALE.load(canonical.decode(data), "sale")
        return Sale(id, *values)

    def get(self, id: bytes) -> Sale:
        """The sale; E_CARD_UNLOCATED when there is none."""
        sale = self.find(id)
        if sale is None:
            raise Refused("E_CARD_UNLOCATED", reference=id.hex()[:12])
        return sale

    def of_message(self, id: bytes) -> Sale | None:
        """The sale that sent the message with this id."""
        owner = self._cabinet.get(self._by_message, id)
        return None if owner is None else self.find(owner)

    def open(self) -> list[Sale]:
        """What is under way, oldest first."""
        return [self.get(one) for one, _ in self._cabinet.all(self._open)]

    def unsettled(self) -> list[Sale]:
        """What is done and not settled, oldest first."""
        return [self.get(one) for one, _ in self._cabinet.all(self._unsettled)]

    def all(self) -> list[Sale]:
        """Every sale, refund and second presentment, oldest first."""
        return [self.get(one) for one, _ in self._cabinet.all(self._all)]

    def rows(self, sale: Sale, message_id: bytes = b"") -> list[Row]:
        """The rows that keep it; `message_id` is that of a message it now sends."""
        waits = sale.state == CAPTURED and not sale.direct and sale.done_tiyn
        rows = [
            Row(self._all, sale.id, sale.encode()),
            Row(self._open, sale.id, b"" if sale.state in OPEN_STATES else None),
        ]
        if waits:
            rows.append(Row(self._unsettled, sale.id, b""))
        if message_id:
            rows.append(Row(self._by_message, message_id, sale.id))
        return rows

    def settled_rows(self, ids: list[bytes]) -> list[Row]:
        """The rows that say these are settled."""
        return [Row(self._unsettled, one, None) for one in ids]


def after(sale: Sale, **changes: Any) -> Sale:
    """The sale when what was out is answered, with these changes."""
    return replace(sale, pending=b"", **changes)
