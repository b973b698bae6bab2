"""A receiver's verification, V0 to V7, in the protocol's order; the first failure wins and nothing is half accepted.

    V0  the size, before any parsing
    V1  the canonical form                                     `cbdc.canonical`
    V2  version, counts, types, fields                         `offline.bundle.open_bundle`
    V3  certificates: each once, needed, from a bank in good standing, alive in the notes' time
    V4  notes: an issuer in good standing, in order, not tainted
    V5  each transfer follows from its parent (V5a, `offline.admission`) and keeps its payer's limits and standing
    V5b nothing here contradicts itself, or what the receiver has seen before: a contradiction is kept as evidence
    V6  the last transfers are one payment, whole, and mine
    V7  in time: the money, the payer's certificate, the payer's last sync; and the purpose fits both categories

V8 is the element's own `accept` (`offline.element`). A payment that fails here after the payer has committed is not
lost: the receiver gives no goods, keeps the bytes, and syncs them.

All of it is pure: the receiver's clock, beliefs (`TrustView`) and memory (`Known`) come as arguments.

Source: DTO/1, sections 5.6, 5.13 and 5.19 (1, 6).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from cbdc.errors import Refused
from cbdc.record import Signed
from offline import evidence
from offline.admission import Parent, check_link, check_transfer, output_of
from offline.bundle import Bundle, HeldToken, open_bundle
from offline.checks import (
    certificate_time,
    check_alive,
    check_amount,
    check_certificate,
    check_invoice,
    check_note,
    check_policy,
    check_purpose,
    check_purpose_limits,
    check_receipt,
    check_standing,
)
from offline.parameters import DAY_SECONDS, MARGIN_SECONDS, MAX_BYTES
from offline.records import DeviceCertificate, Invoice, Note, Outpoint, Transfer
from offline.trust import TrustView

__all__ = [
    "EMPTY",
    "Conflict",
    "Known",
    "Payment",
    "check_certificate",
    "check_invoice",
    "check_note",
    "check_policy",
    "check_receipt",
    "check_transfer",
    "output_of",
    "verify_commit",
    "verify_offer",
    "verify_payment",
]

Certificates = Mapping[bytes, Signed[DeviceCertificate]]


class Conflict(Refused):
    """Two signed transfers contradict each other; `evidence` is the file that proves it (see `offline.evidence`).

    The file is for keeping and for the next sync; what crosses a wire or a process is the plain refusal.
    """

    def __init__(self, code: str, evidence: bytes, **facts: object) -> None:
        super().__init__(code, **facts)
        self.evidence = evidence


@dataclass(frozen=True, slots=True)
class Known:
    """What a receiver has seen before: transfers by what they spend, and by payer and counter."""

    spends: Mapping[Outpoint, Signed[Transfer]] = field(default_factory=dict)
    counters: Mapping[tuple[bytes, int], Signed[Transfer]] = field(default_factory=dict)

    def with_transfers(self, transfers: Iterable[Signed[Transfer]]) -> "Known":
        """This memory and `transfers`; of two that contradict each other the one seen first stays."""
        spends, counters = dict(self.spends), dict(self.counters)
        for transfer in transfers:
            spends.setdefault(transfer.record.outpoint, transfer)
            counters.setdefault((transfer.record.payer, transfer.record.counter), transfer)
        return Known(spends, counters)


EMPTY = Known()


@dataclass(frozen=True, slots=True)
class Payment:
    """A verified payment: the whole bundle, its new transfers by part, and the payer's certificate."""

    bundle: Bundle
    transfers: tuple[Signed[Transfer], ...]
    payer_certificate: Signed[DeviceCertificate]


# --- whole messages ---


def verify_offer(
    data: bytes,
    trust: TrustView,
    now: int,
    limit_bytes: int,
    known: Known = EMPTY,
    own_category: int | None = None,
) -> Bundle:
    """V0 to V5b on an offer, a bundle without new transfers, and what of V7 can be judged before the payer commits.

    The owners of what the lines end in stand in for the payer: at least one of each line must be certified, and
    those certified must be in good standing and in time. With `own_category` the purposes are judged too. Raises
    what the steps name; a `Conflict` carries its evidence.
    """
    bundle = open_bundle(data, trust.network, limit_bytes)
    certificates = _check_bundle(bundle, trust, known, paying=False)
    for token in bundle.tokens:
        owners = _tip_owners(token)
        holders = [certificates[kid].record for kid in owners if kid in certificates]
        if not holders:
            raise Refused("E_CERT_MISSING", kid=owners[0])
        for holder in holders:
            check_standing(holder, trust, "holder")
        _check_expiry(token.note, trust, now)
        for holder in holders:
            check_alive(holder, now)
        _check_edges(token, certificates, trust, None)
    if own_category is not None:
        _check_offered(bundle, certificates, trust, own_category)
    return bundle


def verify_payment(
    data: bytes,
    invoice: Signed[Invoice],
    own_category: int,
    trust: TrustView,
    now: int,
    known: Known = EMPTY,
) -> Payment:
    """V0 to V7 on a payment: a bundle in which the last transfer of each line answers `invoice`.

    `now` is the later of the element's lower bound and the host's clock. Raises what the steps name; a `Conflict`
    carries its evidence. The element's `accept` (V8) comes after this.
    """
    limit_bytes = min(invoice.record.max_bytes, trust.parameter(MAX_BYTES))
    bundle = open_bundle(data, trust.network, limit_bytes)
    return _verify_paid(bundle, invoice, own_category, trust, now, known)


def verify_commit(
    offer: Bundle,
    transfers: Sequence[Signed[Transfer]],
    invoice: Signed[Invoice],
    own_category: int,
    trust: TrustView,
    now: int,
    known: Known = EMPTY,
) -> Payment:
    """V2 to V7 on the new transfers of a payment whose lines came before, in a verified offer.

    Raises E_COUNT for too many transfers, E_LINK when one follows on nothing that was offered, and what the steps
    name. Certificates that only unused lines needed are left out.
    """
    if not 1 <= len(transfers) <= invoice.record.max_parts:
        raise Refused(
            "E_PARTS", problem=f"{len(transfers)} transfers; 1 to {invoice.record.max_parts} are allowed"
        )
    by_tip = {token.tip: token for token in offer.tokens}
    tokens: list[HeldToken] = []
    for transfer in transfers:
        token = by_tip.get(transfer.record.previous)
        if token is None:
            raise Refused("E_LINK", transfer=transfer.oid, parent=transfer.record.previous)
        tokens.append(HeldToken(token.note, (*token.transfers, transfer)))
    needed = _referenced(tokens)
    certificates = tuple(c for c in offer.certificates if c.record.kid in needed)
    bundle = Bundle(certificates, tuple(tokens))
    return _verify_paid(bundle, invoice, own_category, trust, now, known)


def _check_offered(bundle: Bundle, certificates: Certificates, trust: TrustView, own_category: int) -> None:
    # Either owner of the last outputs may be the one who offers; one whose category fits is enough.
    for token in bundle.tokens:
        holders = [certificates[kid].record for kid in _tip_owners(token) if kid in certificates]
        problems: list[Refused] = []
        for holder in holders:
            try:
                check_purpose(token.note.record.purpose, holder.category, own_category, trust)
            except Refused as problem:
                problems.append(problem)
        if len(problems) == len(holders):
            raise problems[0]


def _verify_paid(
    bundle: Bundle, invoice: Signed[Invoice], own_category: int, trust: TrustView, now: int, known: Known
) -> Payment:
    certificates = _check_bundle(bundle, trust, known, paying=True)
    transfers = _check_payment(bundle, invoice, certificates, trust)
    payer = certificates[transfers[0].record.payer]
    _check_moment(bundle, transfers, payer.record, trust, now)
    for token in bundle.tokens:
        _check_edges(token, certificates, trust, own_category)
    asked = invoice.record
    categories = (payer.record.category, own_category)
    check_purpose_limits(asked.purpose, categories, asked.amount_tiyn, now, trust)
    return Payment(bundle, transfers, payer)


# --- V3 to V5b ---


def _check_bundle(bundle: Bundle, trust: TrustView, known: Known, paying: bool) -> Certificates:
    certificates = _check_certificates(bundle, trust)
    for token in bundle.tokens:
        check_note(token.note, trust)
    checked: set[tuple[bytes, bytes]] = set()
    for token in bundle.tokens:
        _check_line(token, certificates, trust, paying, checked)
    _check_conflicts(bundle, certificates, trust, known, paying)
    return certificates


def _tip_owners(token: HeldToken) -> list[bytes]:
    if not token.transfers:
        return [token.note.record.owner]
    return [output.owner for output in token.transfers[-1].record.outputs]


def _people_of(token: HeldToken) -> set[bytes]:
    return {transfer.record.payer for transfer in token.transfers}.union(_tip_owners(token))


def _referenced(tokens: Iterable[HeldToken]) -> set[bytes]:
    return set().union(*(_people_of(token) for token in tokens))


def _check_certificates(bundle: Bundle, trust: TrustView) -> Certificates:
    """V3. What costs nothing is asked first: a message of unneeded certificates is refused before any signature."""
    certificates = {certificate.record.kid: certificate for certificate in bundle.certificates}
    needed = _referenced(bundle.tokens)
    seen: set[bytes] = set()
    for certificate in bundle.certificates:
        kid = certificate.record.kid
        if kid in seen or kid not in needed:
            raise Refused("E_DUP", kid=kid)
        seen.add(kid)
    witnesses = {step.record.payer: step for token in bundle.tokens for step in token.transfers}
    for certificate in bundle.certificates:
        record = certificate.record
        check_certificate(certificate, trust, witness=witnesses.get(record.kid))
        for token in bundle.tokens:
            note = token.note.record
            alive = record.not_before <= note.spend_by and record.expires >= note.issued
            if not alive and record.kid in _people_of(token):
                raise certificate_time(record, f"its note ({note.issued} to {note.spend_by})")
    return certificates


def _check_line(
    token: HeldToken,
    certificates: Certificates,
    trust: TrustView,
    paying: bool,
    checked: set[tuple[bytes, bytes]],
) -> None:
    """V5 along one line. A transfer that stands in two lines is verified once, its place in each line every time."""
    parent: Parent = token.note
    for place, transfer in enumerate(token.transfers, start=1):
        check_link(transfer, parent)
        if (transfer.oid, transfer.signature) not in checked:
            signed = certificates.get(transfer.record.payer)
            certificate = signed.record if signed is not None else None
            check_transfer(transfer, parent, token.note, certificate, pay_only=True)
            assert certificate is not None, "check_transfer refuses a missing certificate"
            direct = paying and place == len(token.transfers)
            check_policy(transfer.record, certificate, trust, direct)
            checked.add((transfer.oid, transfer.signature))
        parent = transfer


def _check_conflicts(
    bundle: Bundle, certificates: Certificates, trust: TrustView, known: Known, paying: bool
) -> None:
    """V5b: one output with two spends, or one counter with two transfers, here or against what was known."""
    new = {token.transfers[-1].oid for token in bundle.tokens if paying and token.transfers}
    spends: dict[Outpoint, Signed[Transfer]] = {}
    counters: dict[tuple[bytes, int], Signed[Transfer]] = {}
    for token in bundle.tokens:
        for transfer in token.transfers:
            outpoint = transfer.record.outpoint
            other = known.spends.get(outpoint) or spends.setdefault(outpoint, transfer)
            if other.oid != transfer.oid:
                both_new = {other.oid, transfer.oid} <= new
                code = "E_DUPINPUT" if both_new else "E_DOUBLE_SPEND"
                raise _conflict(code, other, transfer, certificates, trust)
            number = (transfer.record.payer, transfer.record.counter)
            other = known.counters.get(number) or counters.setdefault(number, transfer)
            if other.oid != transfer.oid:
                raise _conflict("E_EQUIVOCATION", other, transfer, certificates, trust)


def _conflict(
    code: str,
    other: Signed[Transfer],
    transfer: Signed[Transfer],
    certificates: Certificates,
    trust: TrustView,
) -> Conflict:
    certificate = certificates[transfer.record.payer]
    prove = evidence.equivocation if code == "E_EQUIVOCATION" else evidence.double_spend
    proof = prove(trust.authority, certificate, other, transfer)
    return Conflict(code, proof, kid=transfer.record.payer, first=other.oid, second=transfer.oid)


# --- V6 and V7 ---


def _check_payment(
    bundle: Bundle, invoice: Signed[Invoice], certificates: Certificates, trust: TrustView
) -> tuple[Signed[Transfer], ...]:
    """V6: the last transfers are one payer's whole answer to `invoice`, in order. Gives them by part."""
    asked = invoice.record
    bare = next((token for token in bundle.tokens if not token.transfers), None)
    if bare is not None:
        raise Refused("E_INVOICE", reference=bare.note.oid, invoice=invoice.oid)
    last = [token.transfers[-1] for token in bundle.tokens]
    payer = last[0].record.payer
    for transfer in last:
        if transfer.record.payer != payer:
            raise Refused("E_PAYER_MIX", first=payer, second=transfer.record.payer)
    for transfer in last:
        if transfer.record.reference != invoice.oid:
            raise Refused("E_INVOICE", reference=transfer.record.reference, invoice=invoice.oid)
    transfers = _in_parts(last, asked.max_parts)
    for transfer in transfers:
        if transfer.record.outputs[0].owner != asked.payee:
            raise Refused("E_PAYEE", owner=transfer.record.outputs[0].owner, payee=asked.payee)
    amount_tiyn = sum(transfer.record.outputs[0].amount_tiyn for transfer in transfers)
    if amount_tiyn != asked.amount_tiyn:
        raise Refused("E_AMOUNT_MISMATCH", amount_tiyn=amount_tiyn, requested_tiyn=asked.amount_tiyn)
    check_amount(amount_tiyn, trust.limits(certificates[payer].record).max_payment_tiyn)
    for transfer in transfers:
        if transfer.record.purpose != asked.purpose:
            raise Refused("E_PURPOSE", stated=transfer.record.purpose, inherited=asked.purpose)
    return transfers


def _in_parts(last: list[Signed[Transfer]], max_parts: int) -> tuple[Signed[Transfer], ...]:
    # Distinct outputs need no look of their own: two transfers of one output were a conflict in V5b, and one transfer
    # twice repeats its part.
    count = len(last)
    transfers = sorted(last, key=lambda transfer: transfer.record.part)
    if count > max_parts:
        raise Refused("E_PARTS", problem=f"{count} parts, and the request allows {max_parts}")
    if [transfer.record.part for transfer in transfers] != list(range(count)):
        raise Refused("E_PARTS", problem=f"part {[t.record.part for t in transfers]} of {count}")
    if any(transfer.record.parts != count for transfer in transfers):
        raise Refused("E_PARTS", problem=f"{count} parts are here, and a transfer tells of another number")
    for before, after in pairwise(transfers):
        if after.record.counter != before.record.counter + 1 or after.record.link != before.oid:
            raise Refused("E_PARTS", problem="the payer's counters do not follow on each other")
    return tuple(transfers)


def _check_moment(
    bundle: Bundle,
    transfers: tuple[Signed[Transfer], ...],
    payer: DeviceCertificate,
    trust: TrustView,
    now: int,
) -> None:
    for token in bundle.tokens:
        _check_expiry(token.note, trust, now)
    check_alive(payer, now)
    max_age_days = trust.limits(payer).max_age_days
    for transfer in transfers:
        if now - transfer.record.sync_time > max_age_days * DAY_SECONDS:
            sync_time = transfer.record.sync_time
            raise Refused("E_STALE_PAYER", sync_time=sync_time, max_age_days=max_age_days, now=now)


def _check_expiry(note: Signed[Note], trust: TrustView, now: int) -> None:
    margin_seconds = trust.parameter(MARGIN_SECONDS)
    if now + margin_seconds >= note.record.spend_by:
        raise Refused("E_EXPIRED", spend_by=note.record.spend_by, now=now, margin_seconds=margin_seconds)


def _check_edges(
    token: HeldToken, certificates: Certificates, trust: TrustView, own_category: int | None
) -> None:
    """V7 for marked money: each step on the line goes from a category to one that the purpose allows, within its caps
    and windows.

    The payee of the last step is the receiver itself when `own_category` is given. A payee whose certificate is not
    in the message (it holds another branch) cannot be judged here, and need not be.
    """
    purpose = trust.purpose(token.note.record.purpose)
    for place, transfer in enumerate(token.transfers, start=1):
        record = transfer.record
        if purpose is not None and record.hop > purpose.max_hops:
            problem = f"its purpose allows {purpose.max_hops} hops"
            raise Refused("E_HOPS", hop=record.hop, length=record.length, problem=problem)
        payee = certificates.get(record.outputs[0].owner)
        category = payee.record.category if payee is not None else None
        if own_category is not None and place == len(token.transfers):
            category = own_category
        if category is not None:
            categories = (certificates[record.payer].record.category, category)
            check_purpose(record.purpose, *categories, trust)
            # A part is no more than its payment; what the earlier payments were in whole nobody can see here.
            paid_tiyn = record.outputs[0].amount_tiyn
            check_purpose_limits(record.purpose, categories, paid_tiyn, record.time, trust)
