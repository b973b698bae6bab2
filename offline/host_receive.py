"""The receiving half of a host: judging what comes in, taking it, and setting aside what cannot be taken.

The order is what makes it safe: the history of the money is written **before** the element accepts, so that accepted
money always has its history; the receipt is written after. What names this device and fails is kept for the next sync,
and a contradiction found on the way is kept as evidence.

Source: DTO/1, sections 5.5, 5.6 (V0 to V8, V5b, the inbox) and 5.8.
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress

from cbdc import canonical
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.record import Signed
from offline.bundle import Bundle, HeldToken, open_bundle
from offline.element_protocol import SecureElement
from offline.host_coins import open_offer
from offline.host_rows import EVIDENCE, INBOX, INCOMING, LINE, RECEIPT, Changes, Rows
from offline.lines import extended, line_bytes, outpoint_bytes
from offline.parameters import MAX_BYTES
from offline.purse import Caps
from offline.records import MAX_TOKENS, Invoice, Outpoint, Receipt, SignedTransfer
from offline.verify import Conflict, Payment, verify_commit, verify_offer, verify_payment

MAX_INBOX = 64


class Receiver:
    """Takes payments for one device; whoever calls it holds the device's lock."""

    def __init__(self, element: SecureElement, rows: Rows) -> None:
        self.element = element
        self.rows = rows

    def consider(self, offer: bytes, amount_tiyn: int, purpose: int, now: int) -> Bundle:
        """Judge an offer before asking for it (flow I): V0 to V5b, what of V7 can be known, and that it suffices.

        Raises E_OFFER, and what `verify_offer` raises; evidence found on the way is kept.
        """
        data, picks = open_offer(offer)
        trust = self.element.trust_view
        limit_bytes = trust.parameter(MAX_BYTES)
        try:
            bundle = verify_offer(
                data, trust, self._moment(now), limit_bytes, self.rows.known, self._category()
            )
        except Conflict as conflict:
            self._keep_evidence(conflict)
            raise
        tokens = {token.tip: token for token in bundle.tokens}
        offered_tiyn = 0
        for pick in picks:
            token = tokens.get(pick.previous)
            outputs = _outputs(token) if token is not None else ()
            if token is None or pick.position >= len(outputs) or token.note.record.purpose != purpose:
                raise Refused(
                    "E_OFFER", problem="it names money that it does not show, or of another purpose"
                )
            offered_tiyn += outputs[pick.position]
        most = min(MAX_TOKENS, self.element.status(now).free_slots)
        if len(set(picks)) != len(picks) or len(picks) > most or offered_tiyn < amount_tiyn:
            problem = f"{len(picks)} parts hold {offered_tiyn} tiyn; {amount_tiyn} in {most} are asked for"
            raise Refused("E_OFFER", problem=problem)
        return bundle

    def receive(self, data: bytes, invoice: Signed[Invoice], now: int) -> Signed[Receipt]:
        """Judge a whole payment for `invoice` (V0 to V8) and take it; again: the same receipt, and no value twice.

        Raises what `verify_payment` and `SecureElement.accept` raise; a payment that names this device is then kept
        in the inbox, and evidence is kept too.
        """
        given = self.rows.receipt(RECEIPT, invoice.oid)
        if given is not None:
            return given
        trust, moment = self.element.trust_view, self._moment(now)
        try:
            payment = verify_payment(data, invoice, self._category(), trust, moment, self.rows.known)
        except TengeError as refusal:
            self._set_aside(data, invoice.oid, refusal)
            raise
        return self._take(payment, data, invoice, now)

    def receive_commit(
        self, offer: Bundle, transfers: Sequence[SignedTransfer], invoice: Signed[Invoice], now: int
    ) -> Signed[Receipt]:
        """Take the new transfers of a payment whose lines were considered before (flow I); raises as `receive` does."""
        given = self.rows.receipt(RECEIPT, invoice.oid)
        if given is not None:
            return given
        trust, moment = self.element.trust_view, self._moment(now)
        try:
            payment = verify_commit(
                offer, transfers, invoice, self._category(), trust, moment, self.rows.known
            )
        except TengeError as refusal:
            data = _joined(offer, transfers)
            if data:
                self._set_aside(data, invoice.oid, refusal)
            raise
        return self._take(payment, payment.bundle.encode(), invoice, now)

    def recover(self, now: int) -> None:
        """Accept what was kept and not yet accepted when a crash came; what no longer can be goes to the inbox."""
        for oid, data in list(self.rows.of(INCOMING).items()):
            if oid in self.rows.of(RECEIPT):
                continue
            given, invoice = self.element.receipt(oid), self.rows.invoice(oid)
            if given is not None:
                self.rows.commit({(RECEIPT, oid): given.encode()})
            elif invoice is not None:
                try:
                    self.receive(data, invoice, now)
                except (Refused, Malformed):
                    self.rows.commit({(INCOMING, oid): None})

    def _take(self, payment: Payment, data: bytes, invoice: Signed[Invoice], now: int) -> Signed[Receipt]:
        lines = {token.tip: token for token in payment.bundle.tokens}
        rows: Changes = {
            (LINE, outpoint_bytes(Outpoint(transfer.oid, 0))): line_bytes(lines[transfer.oid])
            for transfer in payment.transfers
        }
        rows[INCOMING, invoice.oid] = data
        # A replay of something accepted long ago must not cost the history of money that is still held.
        rows = {(kind, key): value for (kind, key), value in rows.items() if key not in self.rows.of(kind)}
        self.rows.commit({**rows, **self.rows.new_certificates(payment.bundle.certificates)})
        caps = [_caps(lines[transfer.oid]) for transfer in payment.transfers]
        try:
            receipt = self.element.accept(
                invoice.oid, payment.transfers, caps, payment.payer_certificate, now
            )
        except (Refused, Malformed) as refusal:
            self.rows.commit(dict.fromkeys(rows))
            self._set_aside(data, invoice.oid, refusal)
            raise
        self.rows.commit({(RECEIPT, invoice.oid): receipt.encode()})
        for line in lines.values():
            self.rows.learn(line.transfers)
        return receipt

    def _set_aside(self, data: bytes, invoice: bytes, refusal: TengeError) -> None:
        if isinstance(refusal, Conflict):
            self._keep_evidence(refusal)
        with suppress(TengeError):
            bundle = open_bundle(data, self.element.trust_view.network, canonical.MAX_LENGTH)
            mine = any(
                token.transfers
                and token.transfers[-1].record.reference == invoice
                and token.transfers[-1].record.outputs[0].owner == self.element.public_key.kid
                for token in bundle.tokens
            )
            key = hashlib.sha256(data).digest()
            if mine and (key in self.rows.of(INBOX) or len(self.rows.of(INBOX)) < MAX_INBOX):
                self.rows.commit({(INBOX, key): canonical.encode([refusal.code, data])})

    def _keep_evidence(self, conflict: Conflict) -> None:
        key = hashlib.sha256(conflict.evidence).digest()
        self.rows.commit({(EVIDENCE, key): conflict.evidence})

    def _moment(self, now: int) -> int:
        return max(now, self.element.status(now).time_floor)

    def _category(self) -> int:
        return self.element.certificate.record.category


def _caps(line: HeldToken) -> Caps:
    return Caps(line.note.record.max_hops, line.note.record.max_length)


def _outputs(token: HeldToken) -> tuple[int, ...]:
    if not token.transfers:
        return (token.note.record.amount_tiyn,)
    return tuple(output.amount_tiyn for output in token.transfers[-1].record.outputs)


def _joined(offer: Bundle, transfers: Sequence[SignedTransfer]) -> bytes:
    # For the inbox only: the lines of an offer with the transfers that follow on them, whatever is wrong with them.
    tokens = {token.tip: token for token in offer.tokens}
    lines = [
        extended(tokens[transfer.record.previous], transfer)
        for transfer in transfers
        if transfer.record.previous in tokens
    ]
    return Bundle(offer.certificates, tuple(lines)).encode() if lines else b""
