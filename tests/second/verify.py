"""The receiver's verification V0 to V7: a payment, a commit, an offer; and an invoice and a receipt (5.6)."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from . import pieces
from .containers import Bundle, Token, open_bundle
from .objects import Obj
from .refusal import Refusal, need
from .trust import MAX_BYTES, Trust


@dataclass
class Receiver:
    """The receiver's beliefs, clock and memory (5.6, "The arguments")."""

    trust: Trust
    now: int
    known: list[Obj] = field(default_factory=list)


@dataclass
class Accepted:
    """The result of a payment (5.6): the bundle, the new transfers by part, the payer's certificate."""

    bundle: Bundle
    transfers: list[Obj]
    payer: Obj


def _by_kid(bundle: Bundle) -> dict[bytes, Obj]:
    """The certificates of a message by the kid they certify (5.6)."""
    return {c.key_id(): c for c in bundle.certificates}


def check_certificates(bundle: Bundle, trust: Trust) -> None:
    """V3 of 5.6."""
    seen: set[bytes] = set()
    needed = [token.needed() for token in bundle.tokens]
    for certificate in bundle.certificates:
        kid = certificate.key_id()
        need(kid not in seen and any(kid in kids for kids in needed), "E_DUP")
        seen.add(kid)
    for certificate in bundle.certificates:
        pieces.check_certificate(certificate, trust)
        kid = certificate.key_id()
        for token, kids in zip(bundle.tokens, needed, strict=True):
            if kid in kids:
                need(certificate.num("not_before") <= token.note.num("spend_by"), "E_CERT_TIME")
                need(certificate.num("expires") >= token.note.num("issued"), "E_CERT_TIME")


def check_lines(bundle: Bundle, trust: Trust, paying: bool) -> None:
    """V4 and V5 of 5.6; the last transfer of a line is `direct` when it pays."""
    for token in bundle.tokens:
        pieces.check_note(token.note, trust)
    certificates = _by_kid(bundle)
    checked: set[tuple[bytes, bytes]] = set()
    for token in bundle.tokens:
        parent = token.note
        for place, transfer in enumerate(token.transfers):
            need(transfer.raw("previous") == parent.oid, "E_LINK")
            if (transfer.oid, transfer.signature) not in checked:
                certificate = certificates.get(transfer.raw("payer"))
                pieces.check_step(transfer, parent, token.note, certificate, receiver=True)
                if certificate is None:
                    raise Refusal("E_CERT_MISSING")
                direct = paying and place == len(token.transfers) - 1
                pieces.check_policy(transfer, certificate, direct, trust)
                checked.add((transfer.oid, transfer.signature))
            parent = transfer


def check_memory(bundle: Bundle, known: list[Obj], paying: bool) -> None:
    """V5b of 5.6: no output spent twice, no counter used twice."""
    spent: dict[tuple[bytes, int], bytes] = {}
    counted: dict[tuple[bytes, int], bytes] = {}
    for transfer in known:
        spent.setdefault((transfer.raw("previous"), transfer.num("index")), transfer.oid)
        counted.setdefault((transfer.raw("payer"), transfer.num("counter")), transfer.oid)
    last = {token.transfers[-1].oid for token in bundle.tokens if token.transfers} if paying else set()
    for token in bundle.tokens:
        for transfer in token.transfers:
            held = spent.setdefault((transfer.raw("previous"), transfer.num("index")), transfer.oid)
            if held != transfer.oid:
                both = held in last and transfer.oid in last
                raise Refusal("E_DUPINPUT" if both else "E_DOUBLE_SPEND")
            held = counted.setdefault((transfer.raw("payer"), transfer.num("counter")), transfer.oid)
            need(held == transfer.oid, "E_EQUIVOCATION")


def check_answer(bundle: Bundle, invoice: Obj, trust: Trust) -> list[Obj]:
    """V6 of 5.6; gives the new transfers by part."""
    need(all(token.transfers for token in bundle.tokens), "E_INVOICE", "a line without a transfer")
    last = [token.transfers[-1] for token in bundle.tokens]
    payer = last[0].raw("payer")
    need(all(t.raw("payer") == payer for t in last), "E_PAYER_MIX")
    need(all(t.raw("reference") == invoice.oid for t in last), "E_INVOICE")
    need(len(last) <= invoice.num("max_parts"), "E_PARTS")
    parts = sorted(last, key=lambda t: t.num("part"))
    need([t.num("part") for t in parts] == list(range(len(parts))), "E_PARTS")
    need(all(t.num("parts") == len(parts) for t in parts), "E_PARTS")
    for before, after in pairwise(parts):
        need(after.num("counter") == before.num("counter") + 1, "E_PARTS", "counters")
        need(after.raw("link") == before.oid, "E_PARTS", "links")
    need(all(t.outputs()[0][1] == invoice.raw("payee") for t in parts), "E_PAYEE")
    total = sum(t.outputs()[0][0] for t in parts)
    need(total == invoice.num("amount_tiyn"), "E_AMOUNT_MISMATCH")
    need(total <= trust.strict(_by_kid(bundle)[payer]).payment, "E_TXLIMIT")
    need(all(t.num("purpose") == invoice.num("purpose") for t in parts), "E_PURPOSE")
    return parts


def check_token_purpose(token: Token, certificates: dict[bytes, Obj], own: int | None, trust: Trust) -> None:
    """V7.4 of 5.6 for one token; `own` is the receiver's category, for the last transfer alone."""
    for place, transfer in enumerate(token.transfers):
        purpose = token.note.num("purpose")
        rule = trust.purposes.get(purpose)
        need(rule is None or transfer.num("hop") <= rule.max_hops, "E_HOPS")
        amount, owner = transfer.outputs()[0]
        payee = certificates.get(owner)
        category = payee.num("category") if payee else None
        if own is not None and place == len(token.transfers) - 1:
            category = own
        if category is not None:
            payer = certificates[transfer.raw("payer")].num("category")
            pieces.check_purpose(purpose, payer, category, trust)
            pieces.check_limits(purpose, payer, category, amount, transfer.num("time"), trust)


def check_now(bundle: Bundle, parts: list[Obj], invoice: Obj, own: int, receiver: Receiver) -> Obj:
    """V7 of 5.6; gives the payer's certificate."""
    trust, now = receiver.trust, receiver.now
    for token in bundle.tokens:
        pieces.unexpired(token.note, now, trust)
    certificates = _by_kid(bundle)
    payer = certificates[parts[0].raw("payer")]
    pieces.alive(payer, now)
    for transfer in parts:
        need(now - transfer.num("sync_time") <= 86_400 * trust.strict(payer).age, "E_STALE_PAYER")
    for token in bundle.tokens:
        check_token_purpose(token, certificates, own, trust)
    amount, category = invoice.num("amount_tiyn"), payer.num("category")
    pieces.check_limits(invoice.num("purpose"), category, own, amount, now, trust)
    return payer


def verify_opened(bundle: Bundle, invoice: Obj, own: int, receiver: Receiver) -> Accepted:
    """V3 to V7 of a payment (5.6)."""
    check_certificates(bundle, receiver.trust)
    check_lines(bundle, receiver.trust, paying=True)
    check_memory(bundle, receiver.known, paying=True)
    parts = check_answer(bundle, invoice, receiver.trust)
    return Accepted(bundle, parts, check_now(bundle, parts, invoice, own, receiver))


def verify_payment(data: bytes, invoice: Obj, own: int, receiver: Receiver) -> Accepted:
    """`verify_payment` of 5.6."""
    limit = min(invoice.num("max_bytes"), receiver.trust.parameter(MAX_BYTES))
    bundle = open_bundle(data, limit, receiver.trust.network)
    return verify_opened(bundle, invoice, own, receiver)


def verify_commit(offer: Bundle, new: list[Obj], invoice: Obj, own: int, receiver: Receiver) -> Accepted:
    """`verify_commit` of 5.6."""
    need(1 <= len(new) <= invoice.num("max_parts"), "E_PARTS")
    lines = {token.tip.oid: token for token in offer.tokens}
    tokens = []
    for transfer in new:
        line = lines.get(transfer.raw("previous"))
        if line is None:
            raise Refusal("E_LINK")
        tokens.append(Token(line.note, [*line.transfers, transfer]))
    needed = set().union(*[token.needed() for token in tokens])
    certificates = [c for c in offer.certificates if c.key_id() in needed]
    return verify_opened(Bundle(certificates, tokens), invoice, own, receiver)


def verify_offer(data: bytes, limit: int, own: int | None, receiver: Receiver) -> Bundle:
    """`verify_offer` of 5.6."""
    trust, now = receiver.trust, receiver.now
    bundle = open_bundle(data, limit, trust.network)
    check_certificates(bundle, trust)
    check_lines(bundle, trust, paying=False)
    check_memory(bundle, receiver.known, paying=False)
    certificates = _by_kid(bundle)
    held = []
    for token in bundle.tokens:
        holders = [certificates[o] for _, o in token.tip.outputs() if o in certificates]
        need(bool(holders), "E_CERT_MISSING")
        for holder in holders:
            trust.standing(holder)
        pieces.unexpired(token.note, now, trust)
        for holder in holders:
            pieces.alive(holder, now)
        check_token_purpose(token, certificates, None, trust)
        held.append(holders)
    if own is not None:
        for token, holders in zip(bundle.tokens, held, strict=True):
            _usable_by_one(token.note.num("purpose"), holders, own, trust)
    return bundle


def _usable_by_one(purpose: int, holders: list[Obj], own: int, trust: Trust) -> None:
    """Step 4 of an offer (5.6): M allows it for at least one holder."""
    for holder in holders:
        try:
            pieces.check_purpose(purpose, holder.num("category"), own, trust)
        except Refusal:
            continue
        return
    raise Refusal("E_CATEGORY")


def verify_invoice(invoice: Obj, certificate: Obj, receiver: Receiver) -> None:
    """An invoice, before a payer agrees to it (5.6, "Other checks of one object")."""
    pieces.check_certificate(certificate, receiver.trust)
    pieces.alive(certificate, receiver.now)
    receiver.trust.standing(certificate)
    need(invoice.raw("payee") == certificate.key_id(), "E_PAYEE")
    need(invoice.signed_by(certificate), "E_SIG")


def verify_receipt(receipt: Obj, invoice: Obj, payment_root: bytes, certificate: Obj) -> None:
    """A receipt, for a payer's own payment (5.6, "Other checks of one object")."""
    payee = invoice.raw("payee")
    need(receipt.raw("payee") == payee and certificate.key_id() == payee, "E_PAYEE")
    need(receipt.raw("invoice") == invoice.oid, "E_INVOICE")
    need(receipt.raw("payment_root") == payment_root, "E_PARTS")
    need(certificate.key_usable(), "E_KEY")
    need(receipt.signed_by(certificate), "E_SIG")
