"""People of the adversary campaign: honest devices whose element is a plain key, so that a payment costs little.

A `Person` keeps what a device keeps: a key, a certificate, a log of transfers (counter and head), pieces of money with
their whole lines, open invoices, and what it has seen before. It **behaves** as an honest element does: it spends each
piece once, answers an invoice once, and states what is true. What it signs and checks are the real records, the real
signatures and the real verification (`offline.verify`); only the journal is left out, because these people are not
what is attacked. Devices that are attacked, or attack, through their element or host are the real ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cbdc.errors import Refused
from cbdc.keys import SoftwareKey
from cbdc.record import Signed, sign
from offline.bundle import Bundle, HeldToken
from offline.checks import check_invoice
from offline.element_rules import payment_root
from offline.records import (
    PAY,
    DeviceCertificate,
    Invoice,
    Note,
    Outpoint,
    Output,
    Receipt,
    SyncRequest,
    Transfer,
    genesis_link,
)
from offline.trust import TrustView
from offline.verify import Conflict, Known, verify_payment

MOST_REMEMBERED = 64
MOST_PAYMENTS = 48
MOST_HOPS = 5
MOST_LENGTH = 12
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of money: its line, and which output of the line's end it is."""

    line: HeldToken
    index: int

    @property
    def parent(self) -> Signed[Any]:
        """The object whose output it is."""
        return self.line.transfers[-1] if self.line.transfers else self.line.note

    @property
    def outpoint(self) -> Outpoint:
        return Outpoint(self.parent.oid, self.index)

    @property
    def amount_tiyn(self) -> int:
        record = self.parent.record
        amount: int = (
            record.amount_tiyn if isinstance(record, Note) else record.outputs[self.index].amount_tiyn
        )
        return amount

    @property
    def hop(self) -> int:
        record = self.parent.record
        if isinstance(record, Note):
            return 0
        return record.hop - 1 if record.kind == PAY and self.index == 1 else record.hop

    @property
    def length(self) -> int:
        return len(self.line.transfers)

    @property
    def may_move(self) -> bool:
        return self.hop < MOST_HOPS and self.length < MOST_LENGTH


class Person:
    """A device with a plain key; see the module's text. `directory` maps key ids to every certificate known."""

    def __init__(
        self,
        key: SoftwareKey,
        certificate: Signed[DeviceCertificate],
        trust: TrustView,
        directory: dict[bytes, Signed[DeviceCertificate]],
        neighbours: set[bytes] | None = None,
    ) -> None:
        """`neighbours` are key ids of people who hand in what they sign; their earlier steps are left to them."""
        self.key = key
        self.kid = key.public.kid
        self.certificate = certificate
        self.trust = trust
        self.directory = directory
        self.neighbours = neighbours if neighbours is not None else set()
        self.counter, self.head = 0, genesis_link(self.kid)
        self.pieces: list[Piece] = []
        self.open: dict[bytes, Signed[Invoice]] = {}
        self.invoice_number = 0
        self.sync_number = 0
        self.sync_time = trust.issued
        self.totals = [0, 0, 0, 0]
        self.acknowledged = 0
        self.to_hand_in: list[Signed[Any]] = []
        self.evidence: list[bytes] = []
        self._spends: dict[Outpoint, Signed[Transfer]] = {}
        self._counters: dict[tuple[bytes, int], Signed[Transfer]] = {}

    def sign(self, record: Any) -> Signed[Any]:
        return sign(record, self.trust.network, self.key)

    # --- receiving ---

    def invoice(self, amount_tiyn: int, now: int, **fields: Any) -> Signed[Invoice]:
        """A request for payment."""
        self.invoice_number += 1
        values: dict[str, Any] = {
            "payee": self.kid,
            "invoice_number": self.invoice_number,
            "nonce": self.invoice_number.to_bytes(16, "big"),
            "amount_tiyn": amount_tiyn,
            "purpose": 0,
            "expires": now + 600,
            "trust_sequence": self.trust.sequence,
            "max_parts": 8,
            "max_bytes": 24_000,
            "offer": b"",
            "memo": b"",
        }
        made: Signed[Invoice] = self.sign(Invoice(**{**values, **fields}))
        self.open[made.oid] = made
        return made

    def receive(self, data: bytes, invoice: Signed[Invoice], now: int) -> Signed[Receipt]:
        """V0 to V7 and what an element asks (V8): the invoice is open, and is consumed. Raises the refusal."""
        try:
            payment = verify_payment(
                data,
                invoice,
                self.certificate.record.category,
                self.trust,
                now,
                Known(self._spends, self._counters),
            )
        except Conflict as conflict:
            self.evidence.append(conflict.evidence)
            raise
        if invoice.oid not in self.open or now > invoice.record.expires + 600:
            raise Refused("E_INVOICE_UNKNOWN", invoice=invoice.oid)
        del self.open[invoice.oid]
        for line in payment.bundle.tokens:
            self.pieces.append(Piece(line, 0))
            for transfer in line.transfers:
                self._spends[transfer.record.outpoint] = transfer
                self._counters[transfer.record.payer, transfer.record.counter] = transfer
                if transfer is line.transfers[-1] or transfer.record.payer not in self.neighbours:
                    self.to_hand_in.append(transfer)
        while len(self._spends) > MOST_REMEMBERED:
            self._spends.pop(next(iter(self._spends)))
            self._counters.pop(next(iter(self._counters)))
        self.to_hand_in.append(invoice)
        self.totals[1] += invoice.record.amount_tiyn
        self.totals[3] += 1
        return self.sign(Receipt(self.kid, invoice.oid, payment_root(payment.transfers), 1, now))

    # --- paying ---

    def transfer(
        self, piece: Piece, payee: bytes, amount_tiyn: int, now: int, **fields: Any
    ) -> Signed[Transfer]:
        """The next transfer of this device's log; `fields` are for those who cheat."""
        parent = piece.parent
        outputs = [Output(amount_tiyn, payee)]
        if piece.amount_tiyn > amount_tiyn:
            outputs.append(Output(piece.amount_tiyn - amount_tiyn, self.kid))
        values: dict[str, Any] = {
            "kind": PAY,
            "previous": parent.oid,
            "index": piece.index,
            "outputs": tuple(outputs),
            "payer": self.kid,
            "counter": self.counter + 1,
            "link": self.head,
            "reference": bytes(32),
            "part": 0,
            "parts": 1,
            "hop": piece.hop + 1,
            "length": piece.length + 1,
            "purpose": piece.line.note.record.purpose,
            "spend_by": piece.line.note.record.spend_by,
            "trust_sequence": self.trust.sequence,
            "sync_time": self.sync_time,
            "time": now,
        }
        made: Signed[Transfer] = self.sign(Transfer(**{**values, **fields}))
        if "counter" not in fields and "link" not in fields:
            self.counter, self.head = made.record.counter, made.oid
            self.totals[0] += amount_tiyn
            self.totals[2] += 1
        return made

    @property
    def must_sync(self) -> bool:
        """Whether as many payments were made since the last answer as a device may make."""
        return self.totals[2] - self.acknowledged >= MOST_PAYMENTS

    def pick(self, amount_tiyn: int) -> Piece | None:
        """A piece that may move and covers the amount."""
        for piece in self.pieces:
            if piece.amount_tiyn >= amount_tiyn and self.can_move(piece):
                return piece
        return None

    def can_move(self, piece: Piece) -> bool:
        """Whether a payee who believes what this one believes would take the piece."""
        trust = self.trust
        return (
            piece.may_move
            and not trust.is_tainted(piece.line.note.record.serial)
            and not any(trust.is_revoked(transfer.record.payer) for transfer in piece.line.transfers)
        )

    def pay(self, invoice: Signed[Invoice], payee: Signed[DeviceCertificate], now: int) -> bytes | None:
        """Answer an invoice: the bytes to hand over; None without money. Raises what a payer refuses."""
        check_invoice(invoice, payee, self.trust, now)
        if now > invoice.record.expires:
            raise Refused("E_INVOICE_EXPIRED", expires=invoice.record.expires, now=now)
        piece = self.pick(invoice.record.amount_tiyn)
        if piece is None or self.must_sync:
            return None
        self.pieces.remove(piece)
        made = self.transfer(
            piece, invoice.record.payee, invoice.record.amount_tiyn, now, reference=invoice.oid
        )
        line = HeldToken(piece.line.note, (*piece.line.transfers, made))
        if len(made.record.outputs) == 2:
            self.pieces.append(Piece(line, 1))
        self.to_hand_in.append(made)
        return self.bundle([line])

    def bundle(self, lines: Sequence[HeldToken]) -> bytes:
        """These lines with the certificates they need: a BUNDLE's bytes."""
        return bundle(lines, self.directory)

    # --- sync ---

    def statement(self) -> Signed[SyncRequest]:
        """What this device holds, truly; open invoices are cancelled."""
        self.sync_number += 1
        self.open.clear()
        purse = sorted((*piece.outpoint, piece.amount_tiyn) for piece in self.pieces)
        made: Signed[SyncRequest] = self.sign(
            SyncRequest(
                self.kid,
                self.sync_number,
                self.counter,
                self.head,
                self.invoice_number,
                tuple(purse),
                *self.totals,
                self.trust.sequence,
                self.sync_number.to_bytes(16, "big"),
            )
        )
        return made


def bundle(lines: Sequence[HeldToken], directory: dict[bytes, Signed[DeviceCertificate]]) -> bytes:
    """A BUNDLE of these lines and the certificates of their payers that `directory` knows."""
    payers = dict.fromkeys(transfer.record.payer for line in lines for transfer in line.transfers)
    certificates = tuple(directory[kid] for kid in payers if kid in directory)
    return Bundle(certificates, tuple(lines)).encode()
