"""E3 CONTRADICTION and E6 FALSE_FRESH (5.10)."""

from __future__ import annotations

from .mpc import Value, as_int, as_list
from .objects import INVOICE, SYNC_ACK, SYNC_REQ, TRANSFER, Obj
from .papers import BAD, Device, Papers, Verdict, exactly, kind_of, purse_of, total
from .pieces import PAY
from .refusal import Refusal, need
from .trust import SETTLE

_ONLY_RISE = (
    "counter",
    "invoice_number",
    "out_total_tiyn",
    "in_total_tiyn",
    "out_count",
    "in_count",
    "trust_sequence",
)


def contradiction(papers: Papers, items: list[Value]) -> Verdict:
    """E3, by its form (5.10)."""
    need(len(items) >= 2, BAD)
    form = as_int(items[0])
    device = papers.device(items[1])
    rest = items[2:]
    if form == 1:
        return device.verdict(3, _log(device, exactly(rest, 2, 3)))
    if form == 2:
        return device.verdict(3, _held_and_spent(device, exactly(rest, 2)))
    if form == 3:
        return device.verdict(3, _fell(device, exactly(rest, 2)))
    need(form == 4, BAD, "form")
    return device.verdict(3, _taken_later(device, exactly(rest, 4)))


def _log(device: Device, items: list[Value]) -> int:
    """Form 1: the log. Bodies lead down from the anchor; each is named by what came before."""
    anchor = device.either(items[0], SYNC_REQ, TRANSFER)
    if anchor.type == SYNC_REQ:
        place, name = anchor.num("counter"), anchor.raw("head")
    else:
        place, name = anchor.num("counter") - 1, anchor.raw("link")
    for item in as_list(items[1]):
        body = device.papers.body(item, TRANSFER)
        need(body.oid == name and body.raw("payer") == device.kid and body.num("counter") == place, BAD)
        place, name = place - 1, body.raw("link")
    if len(items) == 3:
        last = device.signed(items[2], TRANSFER)
        need((last.num("counter") == place) != (last.oid == name), BAD)
    else:
        need((place == 0) != (name == device.genesis()), BAD)
    return 0


def _held_and_spent(device: Device, items: list[Value]) -> int:
    """Form 2: held and spent."""
    statement, transfer = device.signed(items[0], SYNC_REQ), device.signed(items[1], TRANSFER)
    slot = purse_of(statement).get((transfer.raw("previous"), transfer.num("index")))
    if slot is None:
        raise Refusal(BAD, "not held")
    need(transfer.num("counter") <= statement.num("counter"), BAD)
    return min(slot, total(transfer))


def _fell(device: Device, items: list[Value]) -> int:
    """Form 3: what only rises fell."""
    one, two = device.signed(items[0], SYNC_REQ), device.signed(items[1], SYNC_REQ)
    need((one.num("sync_number"), one.oid) < (two.num("sync_number"), two.oid), BAD)
    same = one.num("sync_number") == two.num("sync_number")
    fell = any(two.num(name) < one.num(name) for name in _ONLY_RISE)
    forked = (one.num("counter") == two.num("counter")) != (one.raw("head") == two.raw("head"))
    need(same or fell or forked, BAD, "no contradiction")
    return 0


def _taken_later(device: Device, items: list[Value]) -> int:
    """Form 4: taken after the invoice was cancelled."""
    invoice, statement = device.signed(items[0], INVOICE), device.signed(items[1], SYNC_REQ)
    payment = device.papers.body(items[2], TRANSFER)
    amount, owner = payment.outputs()[0]
    need(payment.num("kind") == PAY and payment.raw("reference") == invoice.oid, BAD)
    need(owner == device.kid, BAD)
    need(statement.num("invoice_number") >= invoice.num("invoice_number"), BAD, "not cancelled")
    need((payment.oid, 0) not in purse_of(statement), BAD, "held")
    need(_shows_taken(device, items[3], payment, statement), BAD, "witness")
    return amount


def _shows_taken(device: Device, item: Value, payment: Obj, statement: Obj) -> bool:
    """The witness of form 4: a spend after the statement, or a later statement that holds it."""
    witness = device.signed(item, kind_of(item, TRANSFER, SYNC_REQ))
    if witness.type == TRANSFER:
        spends = witness.raw("previous") == payment.oid and witness.num("index") == 0
        return spends and witness.num("counter") > statement.num("counter")
    later = witness.num("sync_number") > statement.num("sync_number")
    return later and (payment.oid, 0) in purse_of(witness)


def false_fresh(papers: Papers, items: list[Value]) -> Verdict:
    """E6: the device invoiced under an older TRUST list than it was bound to (5.10)."""
    exactly(items, 4)
    device = papers.device(items[0])
    ack = papers.office(papers.open(items[1], SYNC_ACK), SETTLE)
    need(ack.raw("kid") == device.kid, BAD)
    statement, invoice = device.signed(items[2], SYNC_REQ), device.signed(items[3], INVOICE)
    need(statement.num("sync_number") > ack.num("sync_number"), BAD)
    need(invoice.num("invoice_number") > statement.num("invoice_number"), BAD)
    need(invoice.num("trust_sequence") < ack.num("min_trust_sequence"), BAD)
    return device.verdict(6, invoice.num("amount_tiyn"))
