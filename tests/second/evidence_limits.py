"""E5 LIMIT_BREACH (5.10)."""

from __future__ import annotations

import hashlib
from collections import defaultdict

from . import keys
from .mpc import Value, as_int, as_list, encode
from .objects import CERTLOG, LIMITS, SYNC_ACK, SYNC_REQ, TRANSFER, Obj, check_form
from .papers import BAD, Device, Papers, Verdict, exactly, hashes, included, kind_of, leaf
from .pieces import PAY
from .refusal import need
from .trust import SETTLE, STATUS, Limits

MOST_TRANSFERS = 1_500
DAY = 86_400


def limit_breach(papers: Papers, items: list[Value]) -> Verdict:
    """E5: more was paid between two syncs than the loosest certificate allows (5.10)."""
    need(6 <= len(items) <= 5 + MOST_TRANSFERS, BAD)
    device = papers.device(items[0])
    request = device.signed(items[1], SYNC_REQ)
    bound = _bound(device, items[2], request)
    payments = [device.signed(item, TRANSFER) for item in items[5:]]
    _check_payments(payments, request, bound)
    head = papers.office(papers.open(items[3], CERTLOG), STATUS)
    after = hashlib.sha256(keys.DST + b"after\0" + b"".join(t.oid for t in payments)).digest()
    need(head.raw("after") == after, BAD, "after")
    return device.verdict(5, _excess(payments, _loosest(device, items[4], head)))


def _bound(device: Device, item: Value, request: Obj) -> Obj:
    """Condition 1: the answer to the statement, or the next statement."""
    kind = kind_of(item, SYNC_ACK, SYNC_REQ)
    if kind == SYNC_REQ:
        following = device.signed(item, SYNC_REQ)
        need(following.num("sync_number") == request.num("sync_number") + 1, BAD)
        return following
    ack = device.papers.office(device.papers.open(item, SYNC_ACK), SETTLE)
    need(ack.raw("kid") == device.kid and ack.raw("request") == request.oid, BAD)
    need(ack.num("sync_number") == request.num("sync_number"), BAD)
    return ack


def _check_payments(payments: list[Obj], request: Obj, bound: Obj) -> None:
    """Condition 2: PAYs whose counters rise above the statement's, within the bound."""
    counter = request.num("counter")
    for payment in payments:
        need(payment.num("kind") == PAY and payment.num("counter") > counter, BAD)
        counter = payment.num("counter")
        if bound.type == SYNC_ACK:
            need(payment.num("sync_time") == bound.num("time"), BAD)
        else:
            need(counter <= bound.num("counter"), BAD)


def _loosest(device: Device, item: Value, head: Obj) -> Limits:
    """Condition 4: the leaf of the device stands in the tree of limits."""
    parts = exactly(as_list(item), 4)
    place, certificates = as_int(parts[0]), as_int(parts[1])
    check_form(parts[2], LIMITS)
    need(certificates >= 1, BAD)
    node = leaf(encode([device.kid, certificates, parts[2]]))
    path = hashes(parts[3])
    need(included(node, place, head.num("keys"), path, head.raw("limits_root")), BAD, "path")
    return Limits(*[as_int(n) for n in as_list(parts[2])])


def _excess(payments: list[Obj], limits: Limits) -> int:
    """Condition 5: at least one limit is broken; gives the amount."""
    by_reference: dict[bytes, int] = defaultdict(int)
    for payment in payments:
        by_reference[payment.raw("reference")] += payment.outputs()[0][0]
    out = sum(by_reference.values()) - limits.out
    largest = max(by_reference.values()) - limits.payment
    aged = any(t.num("time") - t.num("sync_time") > limits.age * DAY for t in payments)
    far = any(t.num("hop") > limits.hops for t in payments)
    need(out > 0 or largest > 0 or len(by_reference) > limits.count or aged or far, BAD, "within limits")
    return max(out, largest, 0)
