"""What a device asks of an acknowledgement and of an order to redeem (5.9)."""

from __future__ import annotations

from .objects import Obj
from .refusal import Refusal, need
from .trust import BANK_CA, SETTLE, Trust, of_role, scope
from .verify import Receiver

_BASES = {
    "base_out_tiyn": "out_total_tiyn",
    "base_in_tiyn": "in_total_tiyn",
    "base_out_count": "out_count",
    "base_in_count": "in_count",
}


def check_sync_ack(ack: Obj, request: Obj | None, trust: Trust) -> None:
    """5.9: an element takes a SYNC_ACK only if it answers the open request (baselines before: 0)."""
    if request is None:
        raise Refusal("E_SYNC_ACK", "no request is open")
    need(ack.raw("request") == request.oid, "E_SYNC_ACK")
    need(ack.raw("kid") == request.raw("kid"), "E_SYNC_ACK")
    need(ack.num("sync_number") == request.num("sync_number"), "E_SYNC_ACK")
    offices = of_role(trust.auths, SETTLE, ack.num("time"))
    offices = [a for a in offices if not trust.authority_revoked(a.key_id())]
    need(bool(offices), "E_SYNC_ACK")
    need(any(ack.signed_by(office) for office in offices), "E_SIG")
    for base, stated in _BASES.items():
        need(ack.num(base) <= request.num(stated), "E_SYNC_ACK", base)


def check_order(order: Obj, certificate: Obj, receiver: Receiver) -> None:
    """5.9: a device takes a REDEEM_ORDER only of its own bank, for itself, in time."""
    trust = receiver.trust
    need(order.raw("kid") == certificate.key_id(), "E_ORDER")
    need(receiver.now <= order.num("expires"), "E_ORDER")
    banks = [a for a in trust.auths if a.num("role") == BANK_CA]
    reference = certificate.raw("ca_reference")
    ids = {scope(a, 0) for a in banks if a.key_id().startswith(reference)}
    own = [a for a in banks if scope(a, 0) in ids and not trust.authority_revoked(a.key_id())]
    need(bool(own), "E_ORDER")
    need(any(order.signed_by(bank) for bank in own), "E_SIG")
