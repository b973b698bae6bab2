"""The simulated secure element: the calls that move money, each safe to cut anywhere and to ask again.

`SimulatedSecureElement` proves the logic of DTO/1. It is software: it says nothing about resistance to tampering, and
its journal file must not be copied. (A copied journal is a cloned element; `offline.opened` does that aloud, for
tests.)

How each call works, so that a crash leaves before or after and nothing else:

1. has this question been answered? then give the same bytes again;
2. judge (`offline.element_rules`), sign in memory, compute the state after;
3. assert the invariants (`offline.element_state.check_step`), write one journal record: the point of no return;
4. only now release what was signed.

Source: DTO/1, sections 5.7, 5.8, 5.9 and 5.19 (4, 5, 10).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from cbdc import canonical
from cbdc.errors import Refused
from cbdc.record import Signed, open_envelope
from offline.checks import check_note, check_purpose, check_purpose_limits
from offline.element_core import envelope_of
from offline.element_pin import PinGate, check_spend
from offline.element_protocol import ElementStatus, SecureElement
from offline.element_rules import (
    check_ack,
    check_active,
    check_age,
    check_incoming,
    check_movable,
    check_open_invoice,
    check_own_certificate,
    check_payer,
    check_receivable,
    check_redeem_order,
    check_request_id,
    check_room,
    check_trust_fresh,
    hop_limit,
    payment_root,
    picked,
)
from offline.element_spend import Spend, build
from offline.element_state import (
    ACTIVE,
    DEAD,
    KEPT_ANSWERS,
    KEPT_RECEIPTS,
    NEW,
    SPEND_BLOCKED,
    STATUS_NAMES,
    ElementState,
    Kept,
    Pending,
    Sent,
    changed,
    freed,
    newest,
    reserved,
    without,
)
from offline.parameters import CLOCK_SKEW_SECONDS
from offline.purse import (
    MAX_PENDING,
    MAX_REDEEM_PARTS,
    Caps,
    check_in,
    check_out,
    check_slots,
    outbox_capacity,
    slot_of_note,
    slot_of_output,
)
from offline.records import (
    MAX_TOKENS,
    PAY,
    REDEEM,
    DeviceCertificate,
    Invoice,
    Note,
    Outpoint,
    Receipt,
    RedeemOrder,
    SignedTransfer,
    SyncAck,
    SyncRequest,
)

__all__ = ["ACCEPTED", "ElementStatus", "SecureElement", "SimulatedSecureElement"]

ACCEPTED = 1


class SimulatedSecureElement(PinGate):
    """A secure element in software, for the sandbox: right in its logic, **simulated** in its resistance.

    See `offline.element_protocol.SecureElement` for the calls. Refusals are listed at each call.
    """

    # --- money in ---

    def load(self, note: Signed[Note], now: int) -> None:
        """Take a note made for this element; the note taken last, or still held, again: nothing happens.

        A load number may skip (the skipped note is refunded) and never falls. Raises E_ELEMENT_STATE, E_LOAD_OWNER,
        E_LOAD_NUMBER, E_LIMIT_IN, E_PURSE_FULL, and what `check_note` raises.
        """
        state = self._ready()
        record, outpoint = note.record, Outpoint(note.oid, 0)
        if outpoint in state.purse or state.last_load == note.oid:
            return
        check_active(state)
        check_note(note, self.trust_view)
        if record.owner != self.kid:
            raise Refused("E_LOAD_OWNER", owner=record.owner, own=self.kid)
        if record.load_number <= state.load_number:
            raise Refused("E_LOAD_NUMBER", number=record.load_number, last=state.load_number)
        pending = state.open_at(self._moment(now))
        reserved_tiyn, reserved_slots = reserved(pending)
        check_slots(1, len(state.purse), reserved_slots, self._max_slots())
        check_in(record.amount_tiyn, state.balance_tiyn, reserved_tiyn, self._limits())
        self._check_room(record.amount_tiyn)
        self._commit(
            replace(
                state,
                load_number=record.load_number,
                last_load=note.oid,
                loaded_tiyn=state.loaded_tiyn + record.amount_tiyn,
                purse=changed(state.purse, {outpoint: slot_of_note(record)}),
                pending=pending,
            )
        )

    def invoice(
        self,
        request_id: bytes,
        amount_tiyn: int,
        purpose: int,
        expires: int,
        max_parts: int,
        max_bytes: int,
        offer: bytes,
        memo: bytes,
        now: int,
    ) -> Signed[Invoice]:
        """Promise to take a payment; the same request id gives the same bytes (E_REQUEST_REUSED for other wishes).

        Raises E_ELEMENT_STATE, E_CERT_TIME, E_REVOKED, E_TRUST_STALE, E_TRUST_MIN, E_INVOICE_EXPIRED,
        E_PURPOSE_UNKNOWN, E_CATEGORY_IN, E_INVOICES_OPEN, E_PURSE_FULL, E_LIMIT_IN, and E_FIELD or E_TYPE for values
        that no invoice can hold.
        """
        state, moment = self._ready(), self._moment(now)
        check_request_id(request_id)
        wishes = (amount_tiyn, purpose, expires, max_parts, max_bytes, offer, memo)
        question = hashlib.sha256(canonical.encode(wishes)).digest()
        if request_id in state.answers:
            return open_envelope(self._answer(request_id, question), Invoice, self.trust_view.network)
        check_active(state)
        certificate, trust = self.certificate.record, self.trust_view
        check_own_certificate(certificate, trust, moment)
        check_trust_fresh(state, trust, moment)
        check_receivable(purpose, certificate.category, trust)
        if moment > expires:
            raise Refused("E_INVOICE_EXPIRED", expires=expires, now=moment)
        number = state.invoice_number + 1
        nonce = self._entropy.bytes("element.invoice", self.kid + number.to_bytes(8, "big"), 16)
        invoice = Invoice(
            self.kid,
            number,
            nonce,
            amount_tiyn,
            purpose,
            expires,
            trust.sequence,
            max_parts,
            max_bytes,
            offer,
            memo,
        )
        Invoice.checked(invoice.values())
        pending = state.open_at(moment)
        if len(pending) >= MAX_PENDING:
            raise Refused("E_INVOICES_OPEN", open=len(pending), most=MAX_PENDING)
        reserved_tiyn, reserved_slots = reserved(pending)
        check_slots(max_parts, len(state.purse), reserved_slots, self._max_slots())
        check_in(amount_tiyn, state.balance_tiyn, reserved_tiyn, self._limits())
        self._check_room(amount_tiyn)
        signed = self._sign(invoice)
        until = expires + trust.parameter(CLOCK_SKEW_SECONDS)
        promise = Pending(number, amount_tiyn, max_parts, purpose, until)
        after = replace(state, invoice_number=number, pending=changed(pending, {signed.oid: promise}))
        self._commit(self._answered(after, request_id, question, signed))
        return self._released(signed)

    def accept(
        self,
        invoice: bytes,
        transfers: Sequence[SignedTransfer],
        caps: Sequence[Caps],
        payer: Signed[DeviceCertificate],
        now: int,
    ) -> Signed[Receipt]:
        """Take the whole payment for an open invoice; asked again, the same receipt, and no value twice.

        Raises E_INVOICE_UNKNOWN (never issued, expired, cancelled, or paid longer ago than the kept receipts), what
        `check_payer` and `check_incoming` raise, E_CATEGORY, E_PURPOSE_TIME, E_PURPOSE_CAP, and E_ELEMENT_STATE for a
        dead element.
        """
        state, moment = self._ready(), self._moment(now)
        if invoice in state.receipts:
            return open_envelope(state.receipts[invoice].envelope, Receipt, self.trust_view.network)
        pending = state.pending.get(invoice)
        if pending is None or moment > pending.until:
            raise Refused("E_INVOICE_UNKNOWN", invoice=invoice)
        if state.status == DEAD:
            raise Refused("E_ELEMENT_STATE", status=STATUS_NAMES[DEAD])
        check_payer(payer, self.trust_view, moment)
        check_incoming(transfers, caps, payer.record.key, self.kid, invoice, pending, moment)
        category = self.certificate.record.category
        check_purpose(pending.purpose, payer.record.category, category, self.trust_view)
        categories = (payer.record.category, category)
        check_purpose_limits(pending.purpose, categories, pending.amount_tiyn, moment, self.trust_view)
        slots = {
            Outpoint(transfer.oid, 0): slot_of_output(transfer.record, 0, cap)
            for transfer, cap in zip(transfers, caps, strict=True)
        }
        receipt = self._sign(Receipt(self.kid, invoice, payment_root(transfers), ACCEPTED, moment))
        totals = state.totals._replace(
            in_tiyn=state.totals.in_tiyn + pending.amount_tiyn, in_count=state.totals.in_count + 1
        )
        kept = Kept(totals.in_count, invoice, envelope_of(receipt))
        self._commit(
            replace(
                state,
                totals=totals,
                purse=changed(state.purse, slots),
                pending=without(state.pending, [invoice]),
                receipts=newest(state.receipts, invoice, kept, KEPT_RECEIPTS),
            )
        )
        return self._released(receipt)

    # --- money out ---

    def pay(
        self,
        invoice: Signed[Invoice],
        payee: Signed[DeviceCertificate],
        picks: Sequence[Outpoint],
        now: int,
    ) -> tuple[SignedTransfer, ...]:
        """Spend these outpoints for the invoice, the last one giving change; asked again, the same bytes.

        Raises E_ELEMENT_STATE, E_CERT_TIME, E_REVOKED, what `check_open_invoice`, `check_purpose`,
        `check_purpose_limits`, `check_age`, `picked`, `check_movable`, `check_out` and `split_amounts` raise,
        E_OUTBOX_FULL, E_PIN, E_PIN_BLOCKED, and E_PAID_BEFORE when it was paid and acknowledged already.
        """
        state, moment = self._ready(), self._moment(now)
        if invoice.oid in state.outbox:
            return self._transfers(state.outbox[invoice.oid])
        self._check_not_closed(invoice.oid)
        check_active(state)
        record, certificate, trust = invoice.record, self.certificate.record, self.trust_view
        check_own_certificate(certificate, trust, moment)
        check_open_invoice(invoice, payee, self.kid, trust, moment)
        categories = (certificate.category, payee.record.category)
        check_purpose(record.purpose, *categories, trust)
        check_purpose_limits(record.purpose, categories, record.amount_tiyn, moment, trust)
        limits = self._limits()
        check_age(state, limits, moment)
        slots = picked(state, picks, min(record.max_parts, MAX_TOKENS))
        check_movable(slots, record.purpose, hop_limit(limits, trust.purpose(record.purpose)), moment)
        check_out(state.totals, state.base, limits, record.amount_tiyn)
        self._check_outbox(len(picks), outbox_capacity(limits))
        self._check_room(record.amount_tiyn)
        spend = Spend(PAY, picks, slots, record.amount_tiyn, record.payee, invoice.oid)
        return self._spend(state, spend, invoice.oid, record.expires, moment)

    def redeem(
        self,
        request_id: bytes,
        order: Signed[RedeemOrder],
        picks: Sequence[Outpoint],
        amount_tiyn: int,
        now: int,
    ) -> tuple[SignedTransfer, ...]:
        """Send `amount_tiyn` of these outpoints to the account of the bank's order; the last one gives change.

        Allowed when spending is blocked, the certificate has expired, or hops and time have run out. The same
        request id gives the same bytes. Raises E_ELEMENT_STATE, E_REQUEST_REUSED, what `check_redeem_order`, `picked`
        and `split_amounts` raise, E_OUTBOX_FULL, and E_PIN.
        """
        state, moment = self._ready(), self._moment(now)
        check_request_id(request_id)
        key = hashlib.sha256(b"redeem\0" + request_id).digest()
        if key in state.outbox:
            sent = state.outbox[key]
            if (sent.reference, sent.amount_tiyn) != (order.oid, amount_tiyn):
                raise Refused("E_REQUEST_REUSED", request=request_id)
            return self._transfers(sent)
        self._check_not_closed(key)
        if state.status in (NEW, DEAD):
            raise Refused("E_ELEMENT_STATE", status=STATUS_NAMES[state.status])
        check_redeem_order(order, self.certificate.record, self.trust_view, moment)
        slots = picked(state, picks, MAX_REDEEM_PARTS)
        self._check_outbox(len(picks), outbox_capacity(self._limits()) + self._max_slots())
        self._check_room(sum(slot.amount_tiyn for slot in slots))
        spend = Spend(REDEEM, picks, slots, amount_tiyn, order.record.account, order.oid)
        return self._spend(state, spend, key, order.record.expires, moment)

    def _spend(
        self, state: ElementState, spend: Spend, key: bytes, until: int, moment: int
    ) -> tuple[SignedTransfer, ...]:
        papers = check_spend(state, spend.kind, spend.amount_tiyn, self._pin_entered)
        transfers, purse = build(state, spend, self.kid, moment, self._sign)
        envelopes = tuple(envelope_of(transfer) for transfer in transfers)
        sent = Sent(state.counter + 1, spend.amount_tiyn, until, spend.reference, envelopes)
        totals = state.totals._replace(
            out_tiyn=state.totals.out_tiyn + spend.amount_tiyn, out_count=state.totals.out_count + 1
        )
        self._commit(
            replace(
                state,
                counter=state.counter + len(transfers),
                head=transfers[-1].oid,
                totals=totals,
                purse=purse,
                outbox=changed(state.outbox, {key: sent}),
                papers=papers,
            )
        )
        self._pin_entered = False
        return self._released(transfers)

    # --- sync ---

    def sync_begin(self, request_id: bytes) -> Signed[SyncRequest]:
        """State what the element holds and cancel open invoices; the same bytes while no acknowledgement came.

        Raises E_ELEMENT_STATE when there is nothing to sync for (not provisioned, dead).
        """
        state = self._ready()
        check_request_id(request_id)
        network = self.trust_view.network
        if b"sync" in state.papers:
            return open_envelope(state.papers[b"sync"][0], SyncRequest, network)
        question = hashlib.sha256(b"sync").digest()
        if request_id in state.answers:
            return open_envelope(self._answer(request_id, question), SyncRequest, network)
        if state.status == DEAD:
            raise Refused("E_ELEMENT_STATE", status=STATUS_NAMES[DEAD])
        self._check_room(0)
        number = state.sync_number + 1
        request = self._sign(
            SyncRequest(
                kid=self.kid,
                sync_number=number,
                counter=state.counter,
                head=state.head,
                invoice_number=state.invoice_number,
                purse=tuple((*outpoint, slot.amount_tiyn) for outpoint, slot in sorted(state.purse.items())),
                out_total_tiyn=state.totals.out_tiyn,
                in_total_tiyn=state.totals.in_tiyn,
                out_count=state.totals.out_count,
                in_count=state.totals.in_count,
                trust_sequence=state.trust_sequence,
                nonce=self._entropy.bytes("element.sync", self.kid + number.to_bytes(8, "big"), 16),
            )
        )
        after = replace(
            state,
            sync_number=number,
            requested=state.totals,
            requested_counter=state.counter,
            pending={},
            papers={**state.papers, b"sync": (envelope_of(request),)},
        )
        self._commit(self._answered(after, request_id, question, request))
        return self._released(request)

    def sync_commit(self, ack: Signed[SyncAck]) -> None:
        """Take settlement's answer to the open request; any other ack changes nothing and is refused.

        Baselines move to what the ack states. Only when that is all the request stated is the log complete, and the
        transfers up to it leave the outbox (5.19.10). Raises E_SYNC_ACK, E_SIG.
        """
        state = self._ready()
        papers = state.papers.get(b"sync")
        request = open_envelope(papers[0], SyncRequest, self.trust_view.network) if papers else None
        base = check_ack(ack, request, self.trust_view, state.base)
        record = ack.record
        drop = {Outpoint(*outpoint) for outpoint in record.drop} & state.purse.keys()
        time_floor = max(state.time_floor, record.time)
        complete = base == state.requested
        outbox, closed = freed(state, time_floor) if complete else (state.outbox, state.closed)
        self._commit(
            replace(
                state,
                status=state.status if state.status == DEAD else (SPEND_BLOCKED if record.action else ACTIVE),
                base=base,
                time_floor=time_floor,
                sync_time=max(state.sync_time, record.time),
                min_trust_sequence=max(state.min_trust_sequence, record.min_trust_sequence),
                purse=without(state.purse, drop),
                dropped_tiyn=state.dropped_tiyn + sum(state.purse[item].amount_tiyn for item in drop),
                outbox=outbox,
                closed=closed,
                papers=without(state.papers, [b"sync"]),
                last_ack=ack.oid,
            ),
            syncing=True,
        )

    # --- helpers ---

    def _answer(self, request_id: bytes, question: bytes) -> object:
        kept = self._state.answers[request_id]
        if kept.question != question:
            raise Refused("E_REQUEST_REUSED", request=request_id)
        return kept.envelope

    def _answered(
        self,
        state: ElementState,
        request_id: bytes,
        question: bytes,
        answer: Signed[Invoice] | Signed[SyncRequest],
    ) -> ElementState:
        number = state.answers_given + 1
        kept = Kept(number, question, envelope_of(answer))
        return replace(
            state, answers_given=number, answers=newest(state.answers, request_id, kept, KEPT_ANSWERS)
        )

    def _check_not_closed(self, key: bytes) -> None:
        if key in self._state.closed:
            raise Refused("E_PAID_BEFORE", key=key)

    def _check_outbox(self, count: int, most: int) -> None:
        held = self._state.outbox_transfers
        if held + count > most:
            raise Refused("E_OUTBOX_FULL", held=held, most=most)

    def _check_room(self, amount_tiyn: int) -> None:
        # An element at the end of its numbers stops for good: its owner is refunded when the notes expire (S24). Asked
        # last, when limits have bounded the amount, so that no silly wish kills it.
        try:
            check_room(self._state, amount_tiyn, MAX_REDEEM_PARTS)
        except Refused:
            self._commit(replace(self._state, status=DEAD))
            raise
