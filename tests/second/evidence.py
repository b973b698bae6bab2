"""The evidence check with ROOT alone (5.10): the file, and E1, E2, E4 and E8."""

from __future__ import annotations

from collections.abc import Callable

from .evidence_limits import limit_breach
from .evidence_notes import phantom_note
from .evidence_statements import contradiction, false_fresh
from .mpc import Value, as_int, as_list, decode
from .objects import DEVCERT, NOTE, TRANSFER, open_root
from .papers import BAD, Papers, Verdict, exactly, total
from .pieces import PAY, check_caps, check_spend, check_statement
from .refusal import Refusal, need

FILE_LIMIT = 524_288


def double_spend(papers: Papers, items: list[Value]) -> Verdict:
    """E1: two transfers of one output (5.10)."""
    return _two_transfers(papers, items, 1)


def equivocation(papers: Papers, items: list[Value]) -> Verdict:
    """E2: one counter or one link used twice (5.10)."""
    return _two_transfers(papers, items, 2)


def _two_transfers(papers: Papers, items: list[Value], kind: int) -> Verdict:
    """What E1 and E2 have in common (5.10)."""
    exactly(items, 3)
    device = papers.device(items[0])
    one, two = device.signed(items[1], TRANSFER), device.signed(items[2], TRANSFER)
    need(one.oid < two.oid, BAD, "ids")
    if kind == 1:
        need(one.raw("previous") == two.raw("previous") and one.num("index") == two.num("index"), BAD)
        return device.verdict(1, min(total(one), total(two)))
    need(one.num("counter") == two.num("counter") or one.raw("link") == two.raw("link"), BAD)
    return device.verdict(2, 0)


def bad_statement(papers: Papers, items: list[Value]) -> Verdict:
    """E4: the device signed what does not follow from the parent (5.10)."""
    exactly(items, 3)
    device = papers.device(items[0])
    transfer = device.signed(items[1], TRANSFER)
    pair = exactly(as_list(items[2]), 2)
    kind = as_int(pair[0])
    need(kind in (NOTE, TRANSFER), BAD)
    parent = papers.body(pair[1], kind)
    need(transfer.raw("previous") == parent.oid, BAD, "another parent")
    redeemed = kind == TRANSFER and parent.num("kind") != PAY and transfer.num("index") == 0
    need(not redeemed, BAD, "a redemption dressed as a payment")
    try:
        check_spend(transfer, parent)
        check_statement(transfer, parent)
        if kind == NOTE:
            check_caps(transfer, parent)
    except Refusal:
        return device.verdict(4, total(transfer))
    raise Refusal(BAD, "it follows")


def dual_cert(papers: Papers, items: list[Value]) -> Verdict:
    """E8: one bank certified two keys for one device (5.10)."""
    exactly(items, 2)
    one, two = papers.open(items[0], DEVCERT), papers.open(items[1], DEVCERT)
    bank = papers.bank(one)
    papers.bank(two)
    need(one.oid < two.oid, BAD, "ids")
    need(one.raw("ca_reference") == two.raw("ca_reference"), BAD)
    same_device = one.raw("device_id") == two.raw("device_id")
    need(same_device or one.num("certificate_number") == two.num("certificate_number"), BAD)
    need(one.key_id() != two.key_id(), BAD, "one key")
    return Verdict(8, bank.key_id(), one.raw("device_id"), 0)


_TYPES: dict[int, Callable[[Papers, list[Value]], Verdict]] = {
    1: double_spend,
    2: equivocation,
    3: contradiction,
    4: bad_statement,
    5: limit_breach,
    6: false_fresh,
    7: phantom_note,
    8: dual_cert,
}


def _judge(data: bytes, root: bytes) -> Verdict:
    """ "The file" of 5.10: what is well-formed up to the type, then the type's own conditions."""
    trusted = open_root(root)
    try:
        items = exactly(as_list(decode(data, FILE_LIMIT)), 3)
        need(items[0] == 1, BAD, "version")
        papers = Papers(trusted, as_list(items[1]))
        content = as_list(items[2])
        need(bool(content), BAD)
        kind = as_int(content[0])
    except Refusal as refusal:
        raise Refusal(BAD, str(refusal)) from refusal
    if kind not in _TYPES:
        raise Refusal("E_EVIDENCE_TYPE")
    try:
        return _TYPES[kind](papers, content[1:])
    except Refusal as refusal:
        raise Refusal(BAD, str(refusal)) from refusal


def judge_evidence(data: bytes, root: bytes) -> dict[str, int | str]:
    """The verdict of an evidence file under the trusted ROOT envelope (5.10).

    Gives `type`, `kid`, `device_id` (hexadecimal) and `amount_tiyn`; raises `Refusal`, whose `code` is
    E_EVIDENCE or E_EVIDENCE_TYPE (or what 5.2 says of a ROOT that is none).
    """
    return _judge(data, root).as_dict()
