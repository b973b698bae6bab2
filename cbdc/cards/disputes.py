"""Chargebacks: a card holder says that a captured payment was wrong, and its bank asks the money back.

    asking    the chargeback (0422) is out, repeated until it is answered
    open      the merchant's bank pays at settlement; the money stands in dispute, and the merchant may object with a
              second presentment (0220, function 205), which takes it out again
    over      nobody objected in time: it returns to the card holder's pocket
    refused   the merchant's bank knows no such purchase

One dispute for a payment at a time. The periods are assumptions.
"""

from dataclasses import dataclass, replace
from typing import Any

from cbdc import canonical
from cbdc.accounts import Books, Line, Posting, credit, debit
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.cards import answers, asking, chart, fields
from cbdc.cards.issuer import CardIssuer
from cbdc.cards.message import Message, decode, request_id
from cbdc.cards.numbers import trace
from cbdc.cards.payment import CAPTURED, Payment
from cbdc.cards.wire import REPEAT_SECONDS, Wire
from cbdc.errors import Refused
from cbdc.record import Bytes, Group, Text, Unsigned

DAY_SECONDS = 86_400
CHARGEBACK_SECONDS = 120 * DAY_SECONDS
OBJECTION_SECONDS = 30 * DAY_SECONDS
MOST_REPEATS = 5

ASKING = "asking"
OPEN = "open"
OVER = "over"
REFUSED = "refused"
_DISPUTE = Group((Text(), Unsigned(), Bytes()))


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute about the payment `key`: how far it is, since when it is open, and the chargeback."""

    key: bytes
    state: str
    since: int
    message: bytes

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode([self.state, self.since, self.message])


class DisputeDesk:
    """The disputes of one issuer. `send(network, bytes)` hands a message to a network."""

    def __init__(
        self, bank_id: int, issuer: CardIssuer, books: Books, cabinet: Cabinet, wire: Wire, send: asking.Send
    ) -> None:
        self._bank_id = bank_id
        self._issuer = issuer
        self._books = books
        self._cabinet = cabinet
        self._wire = wire
        self._send = send
        self._rows = f"bank {bank_id}/card dispute"
        self._waiting = f"bank {bank_id}/card dispute.unsettled"

    def find(self, key: bytes) -> Dispute | None:
        """The dispute about a payment, or None."""
        data = self._cabinet.get(self._rows, key)
        if data is None:
            return None
        values: tuple[Any, ...] = _DISPUTE.load(canonical.decode(data), "dispute")
        return Dispute(key, *values)

    def unsettled(self) -> list[tuple[bytes, str, int]]:
        """Chargebacks that were answered yes and are not settled: the message's id, the network, the amount."""
        found = []
        for identity, data in self._cabinet.all(self._waiting):
            message = decode(data)
            payment = self._payment(message.key)
            found.append((identity, payment.network, message.amount_tiyn))
        return found

    def settled_rows(self, ids: list[bytes]) -> list[Row]:
        """The rows that say these chargebacks are settled."""
        return [Row(self._waiting, one, None) for one in ids]

    def begin(self, key: bytes, amount_tiyn: int) -> None:
        """Charge a payment back. The same again sends the same message.

        Raises E_CARD_UNLOCATED, E_CARD_STATE (not captured, or in dispute already), E_CARD_AMOUNT,
        E_CARD_DISPUTE_TIME.
        """
        payment = self._payment(key)
        known = self.find(key)
        if known is not None:
            if decode(known.message).amount_tiyn != amount_tiyn:
                raise Refused("E_CARD_STATE", reference=payment.reference, state=known.state)
            if known.state == ASKING:
                self._transmit(known, 0)
            return
        if payment.state != CAPTURED:
            raise Refused("E_CARD_STATE", reference=payment.reference, state=payment.state)
        if not 0 < amount_tiyn <= payment.back_tiyn:
            raise Refused(
                "E_CARD_AMOUNT",
                reference=payment.reference,
                amount_tiyn=amount_tiyn,
                most_tiyn=payment.back_tiyn,
            )
        if self._wire.now() > payment.time + CHARGEBACK_SECONDS:
            raise Refused(
                "E_CARD_DISPUTE_TIME", reference=payment.reference, days=CHARGEBACK_SECONDS // DAY_SECONDS
            )
        values = {4: f"{amount_tiyn:012d}", 24: fields.CHARGEBACK, 25: fields.DISPUTED}
        message = asking.follow_up(payment.asked, "0422", trace(key, "chargeback"), self._wire.now(), values)
        dispute = Dispute(key, ASKING, self._wire.now(), message.encode())
        self._cabinet.put_many([Row(self._rows, key, dispute.encode())])
        self._transmit(dispute, 0)

    def tend(self) -> None:
        """Send what nobody has answered again."""
        for key, _ in self._cabinet.all(self._rows):
            dispute = self.find(key)
            if dispute is not None and dispute.state == ASKING:
                self._transmit(dispute, 0)

    def _payment(self, key: bytes) -> Payment:
        payment = self._issuer.payments.find(key)
        if payment is None:
            raise Refused("E_CARD_UNLOCATED", reference=key.hex()[:12])
        return payment

    def _transmit(self, dispute: Dispute, repeat: int) -> None:
        message = decode(dispute.message)
        network = self._payment(dispute.key).network
        self._send(network, (message.again() if repeat else message).encode())

        def nobody_answered() -> None:
            now = self.find(dispute.key)
            if now is not None and now.state == ASKING and repeat < MOST_REPEATS:
                self._transmit(now, repeat + 1)

        self._wire.after(REPEAT_SECONDS, nobody_answered)

    def receive(self, answer: Message) -> None:
        """The merchant's bank answered. A second copy changes nothing."""
        dispute = self.find(answer.key)
        if dispute is None or dispute.state != ASKING:
            return
        message = decode(dispute.message)
        if message.id != request_id("0422", answer.fields):
            return
        if answer.fields[39] != answers.APPROVED:
            refused = replace(dispute, state=REFUSED)
            self._cabinet.put_many([Row(self._rows, dispute.key, refused.encode())])
            return
        payment, amount = self._payment(dispute.key), message.amount_tiyn
        receivable = chart.receivable(self._bank_id, payment.network)
        self._post(
            dispute, "charged back", debit(receivable, amount), credit(chart.disputed(self._bank_id), amount)
        )
        opened = replace(dispute, state=OPEN, since=self._wire.now())
        self._cabinet.put_many(
            [
                *self._issuer.payments.rows(replace(payment, disputed_tiyn=amount)),
                Row(self._rows, dispute.key, opened.encode()),
                Row(self._waiting, message.id, message.encode()),
            ]
        )

    def close_old(self) -> int:
        """End the disputes to which nobody objected in time: their money returns to pockets; how many ended."""
        closed = 0
        for key, _ in self._cabinet.all(self._rows):
            dispute = self.find(key)
            if dispute is not None and dispute.state == OPEN:
                closed += self._close(dispute)
        self._issuer.returns.pay()
        return closed

    def _close(self, dispute: Dispute) -> bool:
        payment = self._payment(dispute.key)
        if payment.disputed_tiyn and self._wire.now() <= dispute.since + OBJECTION_SECONDS:
            return False
        amount = payment.disputed_tiyn
        claim = min(amount, payment.claim_tiyn)
        if amount:
            lines = [debit(chart.disputed(self._bank_id), amount)]
            if claim:
                lines.append(credit(chart.claims(self._bank_id), claim))
            if amount > claim:
                lines.append(credit(chart.owed(self._bank_id), amount - claim))
            self._post(dispute, "dispute over", *lines)
        after = replace(
            payment,
            disputed_tiyn=0,
            refunded_tiyn=payment.refunded_tiyn + amount,
            claim_tiyn=payment.claim_tiyn - claim,
        )
        over = Row(self._rows, dispute.key, replace(dispute, state=OVER).encode())
        back = self._issuer.return_rows(after, decode(dispute.message).id, amount - claim)
        self._cabinet.put_many([*self._issuer.payments.rows(after), over, *back])
        return True

    def _post(self, dispute: Dispute, text: str, *lines: Line) -> None:
        identity = follow(text, self._bank_id.to_bytes(8, "big"), dispute.key, b"issuer")
        self._books.post(Posting(identity, self._wire.now(), text, tuple(lines)))
