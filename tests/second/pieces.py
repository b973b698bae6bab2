"""The pieces C, N, S, P, M and L of the receiver's verification (5.6)."""

from __future__ import annotations

from . import trust as beliefs
from .objects import NOTE, Obj
from .refusal import Refusal, need
from .trust import BANK_CA, ISSUER, REJECT_REVOKED, Trust, find, limits_of, scope

PAY, REDEEM = 0, 1


def check_certificate(certificate: Obj, trust: Trust) -> Obj:
    """C of 5.6; gives the bank's AUTH."""
    bank = find(trust.auths, BANK_CA, certificate.raw("ca_reference"), certificate.num("not_before"))
    if bank is None:
        raise Refusal("E_CA", "no such bank")
    need(not trust.authority_revoked(bank.key_id()), "E_CA", "revoked")
    vouch_certificate(certificate, bank)
    return bank


def vouch_certificate(certificate: Obj, bank: Obj) -> None:
    """C.3 to C.5 of 5.6: tier, key, signature."""
    need(certificate.num("tier") <= scope(bank, 1), "E_CA", "tier")
    need(certificate.key_usable(), "E_KEY")
    need(certificate.signed_by(bank), "E_SIG")


def check_note(note: Obj, trust: Trust) -> None:
    """N of 5.6."""
    issuer = find(trust.auths, ISSUER, note.raw("issuer_reference"), note.num("issued"))
    if issuer is None:
        raise Refusal("E_ISSUER", "no such issuer")
    need(not trust.authority_revoked(issuer.key_id()), "E_ISSUER", "revoked")
    vouch_note(note, issuer)
    need(note.raw("serial") not in trust.tainted and note.oid[:16] not in trust.tainted, "E_TAINTED")


def vouch_note(note: Obj, issuer: Obj) -> None:
    """N.3 to N.5 of 5.6: amount, times, signature."""
    need(1 <= note.num("amount_tiyn") <= scope(issuer, 1), "E_AMOUNT")
    need(note.num("issued") < note.num("spend_by") < note.num("redeem_by"), "E_NOTE_TIME")
    need(note.signed_by(issuer), "E_SIG")


def check_spend(transfer: Obj, parent: Obj) -> None:
    """S.1 to S.4 of 5.6."""
    need(transfer.raw("previous") == parent.oid, "E_LINK")
    outputs, index = parent.outputs(), transfer.num("index")
    need(index < len(outputs), "E_INDEX")
    redeemed = parent.type != NOTE and parent.num("kind") == REDEEM and index == 0
    need(not redeemed, "E_KIND", "a redeemed output")
    need(outputs[index][1] == transfer.raw("payer"), "E_OWNER")


def hop_and_length(parent: Obj, index: int) -> tuple[int, int]:
    """Hop and length of an output (5.1). Of a kind that 5.1 does not know: as of a REDEEM."""
    if parent.type == NOTE:
        return 0, 0
    change = parent.num("kind") == PAY and index == 1
    return parent.num("hop") - change, parent.num("length")


def check_statement(transfer: Obj, parent: Obj) -> None:
    """S.7 (as settlement asks it) to S.13 of 5.6."""
    kind, outputs, payer = transfer.num("kind"), transfer.outputs(), transfer.raw("payer")
    need(kind in (PAY, REDEEM), "E_KIND")
    spent = parent.outputs()[transfer.num("index")][0]
    need(all(amount >= 1 for amount, _ in outputs), "E_SUM", "an output of nothing")
    need(sum(amount for amount, _ in outputs) == spent, "E_SUM")
    if kind == PAY:
        need(outputs[0][1] != payer, "E_SELF")
    if len(outputs) > 1:
        need(outputs[1][1] == payer, "E_CHANGE")
    hop, length = hop_and_length(parent, transfer.num("index"))
    need(transfer.num("hop") == hop + (kind == PAY) and transfer.num("length") == length + 1, "E_HOPS")
    need(transfer.num("purpose") == parent.num("purpose"), "E_PURPOSE")
    need(transfer.num("spend_by") == parent.num("spend_by"), "E_INHERIT")


def check_caps(transfer: Obj, note: Obj) -> None:
    """S.14 of 5.6: the note's caps."""
    if transfer.num("kind") == PAY:
        need(transfer.num("hop") <= note.num("max_hops"), "E_HOPS")
        need(transfer.num("length") <= note.num("max_length"), "E_HOPS")


def check_step(transfer: Obj, parent: Obj, note: Obj, certificate: Obj | None, receiver: bool) -> None:
    """S of 5.6: one step, as a receiver or as settlement asks it."""
    check_spend(transfer, parent)
    if certificate is None or certificate.key_id() != transfer.raw("payer"):
        raise Refusal("E_CERT_MISSING")
    need(certificate.key_usable(), "E_KEY")
    need(transfer.signed_by(certificate), "E_SIG")
    if receiver:
        need(transfer.num("kind") == PAY, "E_KIND")
    check_statement(transfer, parent)
    check_caps(transfer, note)


def check_policy(transfer: Obj, certificate: Obj, direct: bool, trust: Trust) -> None:
    """P of 5.6: a payer's own limits."""
    limits = trust.strict(certificate) if direct else limits_of(certificate)
    if transfer.num("kind") == PAY:
        need(transfer.num("hop") <= limits.hops, "E_HOPS")
        need(transfer.outputs()[0][0] <= limits.payment, "E_TXLIMIT")
    if direct or trust.parameter(REJECT_REVOKED) != 0:
        trust.standing(certificate)


def check_purpose(purpose: int, payer: int, payee: int, trust: Trust) -> None:
    """M of 5.6: purpose and categories."""
    if purpose:
        rule = trust.purposes.get(purpose)
        need(rule is not None and rule.allows(payer, payee), "E_CATEGORY")


def check_limits(purpose: int, payer: int, payee: int, amount: int, at: int, trust: Trust) -> None:
    """L of 5.6: purpose limits."""
    rule = trust.purposes.get(purpose)
    for payers, payees, cap, start, until in rule.limits if rule else []:
        if (payers and payer not in payers) or (payees and payee not in payees):
            continue
        need(start <= at <= until, "E_PURPOSE_TIME")
        need(cap == 0 or amount <= cap, "E_PURPOSE_CAP")


def alive(certificate: Obj, now: int) -> None:
    """A certificate is alive at a moment (5.6, V7)."""
    need(certificate.num("not_before") <= now <= certificate.num("expires"), "E_CERT_TIME")


def unexpired(note: Obj, now: int, trust: Trust) -> None:
    """now + margin < spend_by (5.6, V7.1)."""
    need(now + trust.parameter(beliefs.MARGIN) < note.num("spend_by"), "E_EXPIRED")
