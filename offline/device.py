"""The host side of a device, as one object: pay, receive, load, redeem, sync, recover.

    device = Device(element, store)                             the rows of this element, read from the store
    device.recover(now)                                         after any restart: finish what a crash cut off
    invoice = device.invoice(id, amount, PLAIN, now)
    payment = other.pay(invoice, device.certificate, now)       the bytes to hand over, now or again later
    receipt = device.receive(payment, invoice, now)

The element is the truth about value; the host keeps histories, and can lose convenience but no money. Paying is in
`offline.host_pay`, receiving in `offline.host_receive`, what a sync hands in and lets go in `offline.device_sync`.

All calls are serialised by a lock: two payments at once never see the same coins.

Source: DTO/1, sections 5.5 to 5.9.
"""

from collections.abc import Sequence
from threading import RLock
from typing import Any

from cbdc import canonical
from cbdc.errors import Malformed, Refused
from cbdc.record import Signed
from offline import device_sync
from offline.batch import Batch
from offline.bundle import Bundle, HeldToken
from offline.element_protocol import ElementStatus, SecureElement
from offline.host_pay import Payer
from offline.host_receive import Receiver
from offline.host_rows import (
    EVIDENCE,
    INBOX,
    INVOICE,
    LINE,
    LOADED,
    PROOF,
    RECEIPT,
    REQUEST,
    Rows,
)
from offline.host_store import HostStore
from offline.lines import line_bytes, outpoint_bytes
from offline.parameters import INVOICE_SECONDS, MAX_BYTES, MAX_PARTS
from offline.records import (
    MAX_TOKENS,
    DeviceCertificate,
    Invoice,
    Note,
    Outpoint,
    Receipt,
    RedeemOrder,
    SignedTransfer,
    SyncAck,
    Trust,
)
from offline.trust import TrustView


class Device:
    """One device as its app sees it: a provisioned element, and the rows its host keeps.

    `element` is any `SecureElement`; `store` may hold many devices. Amounts are tiyn, `now` is the host's clock.
    """

    def __init__(self, element: SecureElement, store: HostStore) -> None:
        """Read the device's rows; E_ELEMENT_STATE for an element without certificate, E_HOST_STORE."""
        self.element = element
        self.kid = element.public_key.kid
        self._lock = RLock()
        self._rows = Rows(store, self.kid, element.trust_view.network)
        self._payer = Payer(element, self._rows)
        self._receiver = Receiver(element, self._rows)
        self._rows.commit(self._rows.new_certificates([element.certificate]))
        self._payer.rebuild()

    # --- reading ---

    @property
    def certificate(self) -> Signed[DeviceCertificate]:
        """The device's certificate."""
        return self.element.certificate

    @property
    def trust_view(self) -> TrustView:
        """What the device believes."""
        return self.element.trust_view

    def status(self, now: int) -> ElementStatus:
        """The element's status."""
        return self.element.status(now)

    def balance_tiyn(self, now: int, purpose: int | None = None) -> int:
        """What the purse holds, of one purpose or of all."""
        slots = self.element.status(now).purse.values()
        return sum(slot.amount_tiyn for slot in slots if purpose is None or slot.purpose == purpose)

    def line(self, outpoint: Outpoint) -> HeldToken | None:
        """The history of an outpoint, if the host has it."""
        with self._lock:
            return self._rows.line(outpoint)

    def made_invoice(self, oid: bytes) -> Signed[Invoice] | None:
        """An invoice of this device by its id, until a sync has closed it."""
        with self._lock:
            return self._rows.invoice(oid)

    def inbox(self) -> list[tuple[str, bytes]]:
        """(code of the refusal, bytes) of each payment that names this device and could not be accepted."""
        with self._lock:
            rows: list[Any] = [
                canonical.decode_array(value) for _, value in sorted(self._rows.of(INBOX).items())
            ]
            return [(code, data) for code, data in rows]

    def evidence(self) -> list[bytes]:
        """Every evidence file this device found, for anyone to judge (`offline.evidence`)."""
        with self._lock:
            return [value for _, value in sorted(self._rows.of(EVIDENCE).items())]

    # --- papers ---

    def renew(self, certificate: Signed[DeviceCertificate]) -> None:
        """Take another certificate for the same key."""
        with self._lock:
            self.element.renew(certificate)
            self._rows.commit(self._rows.new_certificates([certificate]))

    def trust(self, chain: Sequence[Signed[Trust]]) -> None:
        """Adopt a newer TRUST list, or another party's chain."""
        with self._lock:
            self.element.trust(chain)

    def trust_newer_than(self, sequence: int) -> tuple[Signed[Trust], ...]:
        """The TRUST lists for a peer that has adopted number `sequence`; empty when it needs nothing from here.

        Only the changes after its list, when this device took that list up too; else the whole chain.
        """
        return self.element.trust_view.chain_after(sequence)

    # --- money in ---

    def load(self, note: Signed[Note], now: int) -> None:
        """Take a note: its history is kept first, then the element takes it. Again: nothing happens.

        Raises what `SecureElement.load` raises.
        """
        with self._lock:
            if note.oid in self._rows.of(LOADED):
                return
            row = (LINE, outpoint_bytes(Outpoint(note.oid, 0)))
            self._rows.commit({row: line_bytes(HeldToken(note, ()))})
            try:
                self.element.load(note, now)
            except (Refused, Malformed):
                self._rows.commit({row: None})
                raise
            self._rows.commit({(LOADED, note.oid): canonical.encode([note.record.redeem_by])})

    def invoice(
        self,
        request_id: bytes,
        amount_tiyn: int,
        purpose: int,
        now: int,
        offer: bytes = b"",
        memo: bytes = b"",
        max_bytes: int | None = None,
        expires: int | None = None,
    ) -> Signed[Invoice]:
        """A request for payment; the same request id gives the same bytes, at whatever time it is asked again.

        `offer` and `memo` are hashes or empty. Raises what `SecureElement.invoice` raises.
        """
        with self._lock:
            kept = self._rows.of(REQUEST).get(request_id)
            if kept is None:
                limits = self._invoice_limits(now, max_bytes, expires)
                self._rows.commit(
                    {(REQUEST, request_id): canonical.encode([amount_tiyn, purpose, offer, memo, *limits])}
                )
            else:
                wishes: Any = canonical.decode_array(kept)
                if wishes[:4] != [amount_tiyn, purpose, offer, memo]:
                    raise Refused("E_REQUEST_REUSED", request=request_id)
                limits = (wishes[4], wishes[5], wishes[6])
            until, max_parts, bytes_limit = limits
            try:
                invoice = self.element.invoice(
                    request_id, amount_tiyn, purpose, until, max_parts, bytes_limit, offer, memo, now
                )
            except (Refused, Malformed):
                self._rows.commit({(REQUEST, request_id): None})
                raise
            if invoice.oid not in self._rows.of(INVOICE):
                self._rows.commit({(INVOICE, invoice.oid): invoice.encode()})
            return invoice

    def invoice_for(self, request_id: bytes) -> Signed[Invoice] | None:
        """The invoice made for this request id, if the device still keeps it."""
        with self._lock:
            kept = self._rows.of(REQUEST).get(request_id)
            if kept is None:
                return None
            wishes: Any = canonical.decode_array(kept)
            amount_tiyn, purpose, offer, memo = wishes[:4]
            try:
                return self.invoice(request_id, amount_tiyn, purpose, 0, offer, memo)
            except Refused:
                return None

    def _invoice_limits(self, now: int, max_bytes: int | None, expires: int | None) -> tuple[int, int, int]:
        status, trust = self.element.status(now), self.element.trust_view
        return (
            now + trust.parameter(INVOICE_SECONDS) if expires is None else expires,
            max(1, min(MAX_TOKENS, trust.parameter(MAX_PARTS), status.free_slots)),
            trust.parameter(MAX_BYTES) if max_bytes is None else max_bytes,
        )

    def consider(self, offer: bytes, amount_tiyn: int, purpose: int, now: int) -> Bundle:
        """Judge an offer before asking for it (flow I): V0 to V5b, what of V7 can be known, and that it suffices.

        Raises E_OFFER, and what `verify_offer` raises; evidence found on the way is kept.
        """
        with self._lock:
            return self._receiver.consider(offer, amount_tiyn, purpose, now)

    def receive(self, data: bytes, invoice: Signed[Invoice], now: int) -> Signed[Receipt]:
        """Judge a whole payment for `invoice` (V0 to V8) and take it; again: the same receipt, and no value twice.

        Raises what `verify_payment` and `SecureElement.accept` raise; a payment that names this device is then kept
        in the inbox, and evidence is kept too.
        """
        with self._lock:
            return self._receiver.receive(data, invoice, now)

    def receive_commit(
        self, offer: Bundle, transfers: Sequence[SignedTransfer], invoice: Signed[Invoice], now: int
    ) -> Signed[Receipt]:
        """Take the new transfers of a payment whose lines were considered before (flow I); raises as `receive`."""
        with self._lock:
            return self._receiver.receive_commit(offer, transfers, invoice, now)

    # --- money out ---

    def offer(self, amount_tiyn: int, purpose: int, max_parts: int, max_bytes: int, now: int) -> bytes:
        """An OFFER (flow I): the lines that would pay, and which outpoints of them. Nothing is committed.

        Raises E_COINS or E_COINS_BYTES.
        """
        with self._lock:
            return self._payer.offer(amount_tiyn, purpose, max_parts, max_bytes, now)

    def pay(
        self, invoice: Signed[Invoice], payee: Signed[DeviceCertificate], now: int, offer: bytes = b""
    ) -> bytes:
        """Pay an invoice once and for ever: the PAYMENT to hand over. Again: the same bytes, at any time.

        With `offer` (flow I) exactly what was offered is spent. Raises E_COINS, E_COINS_BYTES, E_OFFER when the
        invoice answers another offer, and what `SecureElement.pay` raises; then nothing was spent. E_HISTORY_LOST when
        the host has lost the message of a payment that the element made: a sync hands it in.
        """
        with self._lock:
            return self._payer.pay(invoice, payee, now, offer)

    def resend(self, invoice: bytes) -> bytes:
        """The payment made for this invoice, again; E_PAYMENT_UNKNOWN when there is none (any more)."""
        with self._lock:
            return self._payer.resend(invoice)

    def transfers_for(self, invoice: bytes) -> tuple[SignedTransfer, ...]:
        """The transfers of a payment of this device, in order: what a COMMIT carries; E_PAYMENT_UNKNOWN."""
        with self._lock:
            return self._payer.transfers_for(invoice)

    def keep_receipt(self, receipt: Signed[Receipt]) -> None:
        """Check the payee's receipt for a payment of this device and keep it.

        Raises E_PAYMENT_UNKNOWN, and what `check_receipt` raises (P13).
        """
        with self._lock:
            self._payer.keep_receipt(receipt)

    def receipt_given(self, invoice: bytes) -> Signed[Receipt] | None:
        """The receipt this device gave for an invoice, until a sync has handed it in."""
        with self._lock:
            return self._rows.receipt(RECEIPT, invoice)

    def receipt_got(self, invoice: bytes) -> Signed[Receipt] | None:
        """The receipt this device got for a payment, until a sync has handed it in."""
        with self._lock:
            return self._rows.receipt(PROOF, invoice)

    def redeem(
        self, order: Signed[RedeemOrder], now: int, amount_tiyn: int | None = None, purpose: int | None = None
    ) -> tuple[SignedTransfer, ...]:
        """Send money home to the account in the bank's order: an amount, or all; of one purpose, or of any.

        What can no longer be paid with goes first, then what expires first. One order is one redemption: asked again
        with the same order, the same bytes. Raises E_COINS when there is nothing or too little, and what
        `SecureElement.redeem` raises.
        """
        with self._lock:
            return self._payer.redeem(order, now, amount_tiyn, purpose)

    # --- sync and recovery ---

    def sync(self, request_id: bytes, now: int) -> list[Batch]:
        """What to hand to settlement, in order; the last batch carries the SYNC_REQ, and cancels open invoices.

        Asked again before the acknowledgement: the same SYNC_REQ, with whatever came since. Raises what
        `SecureElement.sync_begin` raises.
        """
        with self._lock:
            request = self.element.sync_begin(request_id)
            return device_sync.gather(self._rows, self.element, request, self.element.status(now).outbox)

    def sync_commit(self, ack: Signed[SyncAck], now: int) -> None:
        """Take settlement's answer, and let go what it covers; the same answer again finishes what a crash cut off.

        Raises E_SYNC_ACK or E_SIG.
        """
        with self._lock:
            if self.element.status(now).last_ack != ack.oid:
                self.element.sync_commit(ack)
            device_sync.let_go(self._rows, self.element.status(now), ack.record)

    def recover(self, now: int) -> None:
        """Finish what a crash cut off: payments made but not kept, payments kept but not yet accepted.

        What can no longer be accepted goes to the inbox. Safe to call at any time.
        """
        with self._lock:
            self._payer.rebuild()
            self._receiver.recover(now)
