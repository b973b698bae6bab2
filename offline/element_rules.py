"""What a secure element asks before it signs or accepts: the checks of `pay`, `accept`, `invoice`, `redeem` and sync.

Each function judges one matter, returns nothing, and raises the refusal that names it. They read a state and a trust
view and change neither, so the element's own module is only about order and durability.

An element has no clock. `now` is the larger of what the host says and the highest time that the National Bank ever
signed to this element; a host can make it refuse, and can never make it forget a deadline it has seen signed.

Source: DTO/1, sections 5.6 (V6 to V8), 5.7 and 5.19.4 to 5.19.6.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from cbdc.authority import BANK_CA, SETTLE
from cbdc.canonical import MAX_INTEGER
from cbdc.errors import Malformed, Refused
from cbdc.keys import PublicKey
from cbdc.record import OFFLINE_DOMAIN, Signed
from offline.checks import check_alive, check_certificate, check_invoice, check_standing
from offline.element_state import ACTIVE, STATUS_NAMES, ElementState, Pending
from offline.parameters import DAY_SECONDS, MAX_TRUST_AGE_SECONDS
from offline.purse import NOTHING_PASSED, Caps, Slot, Totals
from offline.records import (
    MAX_TOKENS,
    MAX_TRANSFERS,
    PAY,
    DeviceCertificate,
    Invoice,
    Limits,
    Outpoint,
    RedeemOrder,
    SyncAck,
    SyncRequest,
    Transfer,
)
from offline.trust import PEOPLE, PLAIN, Purpose, TrustView

REQUEST_ID_BYTES = 64

# An element whose numbers come this near to the largest whole number stops for good instead of wrapping round.
LAST_NUMBER = MAX_INTEGER - MAX_TRANSFERS * MAX_TOKENS


def payment_root(transfers: Iterable[Signed[Transfer]]) -> bytes:
    """SHA-256 over a domain and the transfers' ids in order: what a receipt names, 32 bytes."""
    return hashlib.sha256(
        OFFLINE_DOMAIN + b"payment\0" + b"".join(transfer.oid for transfer in transfers)
    ).digest()


def offer_hash(offer: bytes) -> bytes:
    """SHA-256 over a domain and an OFFER's bytes: what an invoice made for that offer names, 32 bytes."""
    return hashlib.sha256(OFFLINE_DOMAIN + b"offer\0" + offer).digest()


def check_request_id(request_id: bytes) -> None:
    """Return if a host's request id has 1 to 64 bytes; E_FIELD otherwise."""
    if type(request_id) is not bytes or not 1 <= len(request_id) <= REQUEST_ID_BYTES:
        raise Malformed("E_FIELD", field="request id", problem=f"not 1 to {REQUEST_ID_BYTES} bytes long")


def check_active(state: ElementState) -> None:
    """Return if the element may pay and invoice at all; E_ELEMENT_STATE otherwise."""
    if state.status != ACTIVE:
        raise Refused("E_ELEMENT_STATE", status=STATUS_NAMES[state.status])


def check_own_certificate(certificate: DeviceCertificate, trust: TrustView, now: int) -> None:
    """Return if the element's own certificate is in time and not revoked; E_CERT_TIME, E_REVOKED or E_TIER_CLOSED."""
    check_alive(certificate, now)
    check_standing(certificate, trust, "device itself")


def check_payer(payer: Signed[DeviceCertificate], trust: TrustView, now: int) -> None:
    """Return if the payer's certificate stands at `now` (V3, V7); E_CA, E_KEY, E_SIG, E_CERT_TIME, E_REVOKED."""
    check_certificate(payer, trust, now)
    check_standing(payer.record, trust, "payer")


def check_trust_fresh(state: ElementState, trust: TrustView, now: int) -> None:
    """Return if the adopted TRUST list lets the element promise to take money.

    Raises E_TRUST_STALE when it is too old, E_TRUST_MIN when an acknowledgement demanded a newer one (5.19.4).
    """
    most_seconds = trust.parameter(MAX_TRUST_AGE_SECONDS)
    if trust.age_seconds(now) > most_seconds:
        raise Refused("E_TRUST_STALE", age_seconds=trust.age_seconds(now), most_seconds=most_seconds)
    if trust.sequence < state.min_trust_sequence:
        raise Refused("E_TRUST_MIN", sequence=trust.sequence, least=state.min_trust_sequence)


def check_age(state: ElementState, limits: Limits, now: int) -> None:
    """Return if the element synced recently enough to pay; E_SYNC_AGE otherwise."""
    if now - state.sync_time > limits.max_age_days * DAY_SECONDS:
        raise Refused("E_SYNC_AGE", sync_time=state.sync_time, now=now, max_age_days=limits.max_age_days)


def check_room(state: ElementState, amount_tiyn: int, count: int) -> None:
    """Return if every counter has room for this much more; E_ELEMENT_DEAD when one would leave the number range."""
    numbers = (state.counter, state.invoice_number, state.sync_number, state.answers_given, *state.totals)
    if max(*numbers, state.loaded_tiyn) + max(amount_tiyn, count) > LAST_NUMBER:
        raise Refused("E_ELEMENT_DEAD", counter=state.counter)


def check_open_invoice(
    invoice: Signed[Invoice], payee: Signed[DeviceCertificate], own_kid: bytes, trust: TrustView, now: int
) -> None:
    """Return if `payee` stands, signed this invoice, is somebody else, and the invoice is still open (P5, P6, P16).

    Raises what `offline.checks.check_invoice` raises, E_SELF, E_INVOICE_EXPIRED.
    """
    check_invoice(invoice, payee, trust, now)
    if invoice.record.payee == own_kid:
        raise Refused("E_SELF", payer=own_kid)
    if now > invoice.record.expires:
        raise Refused("E_INVOICE_EXPIRED", expires=invoice.record.expires, now=now)


def check_receivable(purpose: int, category: int, trust: TrustView) -> None:
    """Return if somebody may pay this category with money of this purpose; E_PURPOSE_UNKNOWN, E_CATEGORY_IN."""
    if purpose == PLAIN:
        return
    known = trust.purpose(purpose)
    if known is None:
        raise Refused("E_PURPOSE_UNKNOWN", purpose=purpose, sequence=trust.sequence)
    if not any(known.allows(payer, category) for payer in (*known.edges, *PEOPLE)):
        raise Refused("E_CATEGORY_IN", purpose=purpose, category=category)


def hop_limit(limits: Limits, purpose: Purpose | None) -> int:
    """The most hops a payment by this device may reach, whatever the note allows."""
    return limits.max_hops if purpose is None else min(limits.max_hops, purpose.max_hops)


def picked(state: ElementState, picks: Sequence[Outpoint], most: int) -> list[Slot]:
    """The slots of these outpoints, in order.

    Raises E_PARTS for none or too many, E_OUTPOINT for one that is not in the purse or is named twice.
    """
    if not 1 <= len(picks) <= most:
        raise Refused("E_PARTS", problem=f"{len(picks)} parts; 1 to {most} are allowed")
    for place, pick in enumerate(picks):
        if pick not in state.purse or pick in picks[:place]:
            raise Refused("E_OUTPOINT", previous=pick[0], position=pick[1])
    return [state.purse[pick] for pick in picks]


def check_movable(slots: Sequence[Slot], purpose: int, max_hops: int, now: int) -> None:
    """Return if each slot has the purpose and may pay once more; E_PURPOSE, E_HOPS or E_EXPIRED otherwise."""
    for slot in slots:
        if slot.purpose != purpose:
            raise Refused("E_PURPOSE", stated=purpose, inherited=slot.purpose)
        if not slot.may_move(max_hops):
            problem = f"at most {min(slot.max_hops, max_hops)} and {slot.max_length} are allowed"
            raise Refused("E_HOPS", hop=slot.hop + 1, length=slot.length + 1, problem=problem)
        if now >= slot.spend_by:
            raise Refused("E_EXPIRED", spend_by=slot.spend_by, now=now, margin_seconds=0)


def check_incoming(
    transfers: Sequence[Signed[Transfer]],
    caps: Sequence[Caps],
    payer: PublicKey,
    own_kid: bytes,
    invoice_oid: bytes,
    invoice: Pending,
    now: int,
) -> None:
    """Return if these are the whole payment for one open invoice, signed by one payer (the element's part of V6).

    The history before the last transfers is the host's matter: a host that lies only harms its owner, because the
    next payee checks everything. Raises E_PARTS, E_KIND, E_PAYER_MIX, E_SIG, E_INVOICE, E_PAYEE, E_SELF, E_PURPOSE,
    E_HOPS, E_EXPIRED, E_DUPINPUT, E_AMOUNT_MISMATCH.
    """
    if not 1 <= len(transfers) <= invoice.slots or len(caps) != len(transfers):
        raise Refused("E_PARTS", problem=f"{len(transfers)} parts; 1 to {invoice.slots} were asked for")
    for place, transfer in enumerate(transfers):
        _check_part(transfer, payer, own_kid, invoice_oid, invoice.purpose)
        record = transfer.record
        if (record.part, record.parts) != (place, len(transfers)):
            raise Refused("E_PARTS", problem=f"part {record.part} of {record.parts} stands at place {place}")
        if record.hop > caps[place].max_hops or record.length > min(caps[place].max_length, MAX_TRANSFERS):
            problem = f"its note allows {caps[place].max_hops} and {caps[place].max_length}"
            raise Refused("E_HOPS", hop=record.hop, length=record.length, problem=problem)
        if now >= record.spend_by:
            raise Refused("E_EXPIRED", spend_by=record.spend_by, now=now, margin_seconds=0)
        for other in transfers[:place]:
            if other.record.outpoint == record.outpoint:
                raise Refused("E_DUPINPUT", kid=payer.kid, first=other.oid, second=transfer.oid)
    amount_tiyn = sum(transfer.record.outputs[0].amount_tiyn for transfer in transfers)
    if amount_tiyn != invoice.amount_tiyn:
        raise Refused("E_AMOUNT_MISMATCH", amount_tiyn=amount_tiyn, requested_tiyn=invoice.amount_tiyn)


def _check_part(
    transfer: Signed[Transfer], payer: PublicKey, own_kid: bytes, invoice_oid: bytes, purpose: int
) -> None:
    record = transfer.record
    if record.kind != PAY:
        raise Refused("E_KIND", kind=record.kind)
    if record.payer != payer.kid:
        raise Refused("E_PAYER_MIX", first=payer.kid, second=record.payer)
    transfer.verify(payer)
    if record.reference != invoice_oid:
        raise Refused("E_INVOICE", reference=record.reference, invoice=invoice_oid)
    if record.outputs[0].owner != own_kid:
        raise Refused("E_PAYEE", owner=record.outputs[0].owner, payee=own_kid)
    if record.payer == own_kid:
        raise Refused("E_SELF", payer=own_kid)
    if record.purpose != purpose:
        raise Refused("E_PURPOSE", stated=record.purpose, inherited=purpose)


def check_redeem_order(
    order: Signed[RedeemOrder], certificate: DeviceCertificate, trust: TrustView, now: int
) -> None:
    """Return if the device's own bank ordered this redemption and the order still stands (5.19.5).

    So a hostile host cannot drain the purse to itself. Raises E_ORDER, or E_SIG when another key signed it.
    """
    if order.record.kid != certificate.kid:
        raise Refused("E_ORDER", problem="it names another device")
    if now > order.record.expires:
        raise Refused("E_ORDER", problem=f"it ended at {order.record.expires}")
    banks = trust.authority.with_role(BANK_CA)
    numbers = {auth.scope[0] for auth in banks if auth.scope and auth.kid[:8] == certificate.ca_reference}
    keys = [
        auth.key
        for auth in banks
        if auth.scope and auth.scope[0] in numbers and not trust.is_revoked_authority(auth.kid)
    ]
    if not keys:
        raise Refused("E_ORDER", problem="the device's bank is not known any more")
    _signed_by_one(order, keys)


def check_ack(
    ack: Signed[SyncAck],
    request: Signed[SyncRequest] | None,
    trust: TrustView,
    before: Totals = NOTHING_PASSED,
) -> Totals:
    """The new baselines, if `ack` answers exactly this pending request and a settlement key signed it.

    They lie between the baselines `before` and what the request stated. Raises E_SYNC_ACK or E_SIG.
    """
    record = ack.record
    if (
        request is None
        or record.request != request.oid
        or record.kid != request.record.kid
        or record.sync_number != request.record.sync_number
    ):
        raise Refused("E_SYNC_ACK", problem="it answers no request that is open here")
    keys = [
        auth.key
        for auth in trust.authority.with_role(SETTLE)
        if auth.not_before <= record.time <= auth.expires and not trust.is_revoked_authority(auth.kid)
    ]
    if not keys:
        raise Refused("E_SYNC_ACK", problem=f"no settlement key is certified for the moment {record.time}")
    _signed_by_one(ack, keys)
    said = request.record
    stated = Totals(said.out_total_tiyn, said.in_total_tiyn, said.out_count, said.in_count)
    base = Totals(record.base_out_tiyn, record.base_in_tiyn, record.base_out_count, record.base_in_count)
    if not (base.covers(before) and stated.covers(base)):
        raise Refused("E_SYNC_ACK", problem="its baselines lie outside what was acknowledged and requested")
    return base


def _signed_by_one(signed: Signed[Any], keys: Sequence[PublicKey]) -> None:
    for key in keys[:-1]:
        try:
            signed.verify(key)
        except Refused:
            continue
        return
    signed.verify(keys[-1])
