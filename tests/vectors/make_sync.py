"""Vectors of what an element believes of settlement and of its bank: SYNC_ACK and REDEEM_ORDER (5.7, 5.9, S12)."""

from typing import Any

from cbdc import canonical
from cbdc.authority import BANK_CA, SETTLE, Authority
from cbdc.record import Signed
from offline.records import SyncAck, SyncRequest
from tests.offline.world import BANK_ONE, END, NOW, START, World, fixed_bytes
from tests.vectors.case import Case, case
from tests.vectors.make_certificates import NAMES, context_of, with_trust
from tests.vectors.make_objects import objects


class Desk:
    """A world of one algorithm with a device's statement and settlement's answer to it."""

    def __init__(self, algorithm: int) -> None:
        self.suffix = NAMES[algorithm]
        self.world, made = objects(algorithm)
        by_name = {one.name: one for one in made}
        self.request: Signed[SyncRequest] = by_name["SYNC_REQ"].signed
        self.ack: Signed[SyncAck] = by_name["SYNC_ACK"].signed
        self.certificate = by_name["DEVCERT"].signed
        self.cases: list[Case] = []

    def acked(self, id: str, what: str, ack: Signed[SyncAck], expect: str = "ok", **more: Any) -> None:
        """One case of the check `sync-ack`."""
        fields = {"request": self.request.encode()} | more
        fields = {name: value for name, value in fields.items() if value is not None}
        self.cases.append(case(f"{id}-{self.suffix}", what, "sync-ack", ack.encode(), expect, **fields))

    def answer(self, signer: Any = None, network: bytes | None = None, **fields: Any) -> Signed[SyncAck]:
        """Settlement's answer with these fields."""
        values = {name: getattr(self.ack.record, name) for name in self.ack.record.__slots__}
        return self.world.sign(SyncAck(**values | fields), signer or self.world.settle_key, network)


def with_auths(world: World, *auths: Any) -> dict[str, Any]:
    """The world's context with more AUTHs."""
    authority = Authority(world.root, [*world.authority.auths, *auths])
    return context_of(world) | {"auths": [auth.encode().hex() for auth in authority.auths]}


def _acks(desk: Desk) -> None:
    world = desk.world
    desk.acked("sync-ack", "the answer to the open request", desk.ack)
    desk.acked("sync-ack-start", "in the first second of the settlement key", desk.answer(time=START))
    desk.acked("sync-ack-end", "in its last second", desk.answer(time=END))
    desk.acked("S12-none", "no request is open", desk.ack, "E_SYNC_ACK", request=None)
    other = world.sign(SyncRequest(**_fields(desk.request.record, nonce=bytes(16))), desk.world.key("payer"))
    desk.acked("S12-other", "the answer to another request", desk.ack, "E_SYNC_ACK", request=other.encode())
    desk.acked("S12-kid", "names another device", desk.answer(kid=bytes(32)), "E_SYNC_ACK")
    desk.acked("S12-number", "names another number", desk.answer(sync_number=2), "E_SYNC_ACK")
    desk.acked("S12-early", "before the settlement key", desk.answer(time=START - 1), "E_SYNC_ACK")
    desk.acked("S12-late", "after it", desk.answer(time=END + 1), "E_SYNC_ACK")
    desk.acked("S12-status", "signed by the status key", desk.answer(world.status_key), "E_SIG")
    desk.acked("S12-bank", "signed by a bank", desk.answer(world.bank_key), "E_SIG")
    desk.acked("G13-ack", "of another sandbox", desk.answer(network=bytes(8)), "E_SIG")
    said = desk.request.record
    for base, total in (
        ("base_out_tiyn", said.out_total_tiyn),
        ("base_in_tiyn", said.in_total_tiyn),
        ("base_out_count", said.out_count),
        ("base_in_count", said.in_count),
    ):
        as_stated: dict[str, Any] = {base: total}
        name = base.removeprefix("base_").replace("_", "-")
        desk.acked(f"sync-ack-{name}", f"{base} is all that was stated", desk.answer(**as_stated))
        beyond: dict[str, Any] = {base: total + 1}
        above = desk.answer(**beyond)
        desk.acked(f"S12-{name}", f"{base} is above what was stated", above, "E_SYNC_ACK")
    above = desk.answer(world.bank_key, base_in_count=said.in_count + 1)
    desk.acked("S12-in-count-forged", "the same, signed by a bank", above, "E_SIG")
    revoked = with_trust(world, revoked_kids=(world.settle_key.public.kid[:16],))
    desk.acked("S12-revoked", "the settlement key is revoked", desk.ack, "E_SYNC_ACK", trust=revoked)
    second = world.key("settle two")
    context = with_auths(world, world.make_auth(SETTLE, second))
    by_second = desk.answer(second)
    desk.acked("sync-ack-second", "signed by another settlement key", by_second, context=context)


def _fields(record: Any, **changed: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__} | changed


def _orders(desk: Desk) -> None:
    world, certificate = desk.world, desk.certificate
    kid = certificate.record.kid

    def order(id: str, what: str, signed: Signed[Any], expect: str = "ok", **more: Any) -> None:
        fields = {"certificate": certificate.encode()} | more
        desk.cases.append(
            case(f"{id}-{desk.suffix}", what, "redeem-order", signed.encode(), expect, **fields)
        )

    made = world.make_redeem_order(kid)
    order("S13-order", "the device's bank names an account", made)
    order("S13-order-end", "in its last second", made, now=made.record.expires)
    order("S13-order-late", "a second later", made, "E_ORDER", now=made.record.expires + 1)
    order("S13-order-other", "for another device", world.make_redeem_order(bytes(32)), "E_ORDER")
    order(
        "S13-order-stranger", "by another bank", world.make_redeem_order(kid, world.other_bank_key), "E_SIG"
    )
    order("S13-order-settle", "by settlement", world.make_redeem_order(kid, world.settle_key), "E_SIG")
    revoked = with_trust(world, revoked_kids=(world.bank_key.public.kid[:16],))
    order("S13-order-revoked", "the bank's key is revoked", made, "E_ORDER", trust=revoked)
    later = world.key("bank one, later key")
    context = with_auths(world, world.make_auth(BANK_CA, later, (BANK_ONE, 3)))
    order(
        "S13-order-later-key", "by the bank's later key", world.make_redeem_order(kid, later), context=context
    )
    turned = world.sign(
        type(made.record)(**_fields(made.record, account=fixed_bytes("thief", 32))), world.key("host")
    )
    order("S13-order-account", "a hostile host's account", turned, "E_SIG")


def _gossip(desk: Desk) -> None:
    world = desk.world
    second = world.make_trust(2, base_sequence=1, policy=((7, 9),))
    third = world.make_trust(3, base_sequence=2, tainted_notes=(fixed_bytes("tainted", 16),))
    full = world.make_trust(5)
    sixth = world.make_trust(6, base_sequence=5)

    def shown(
        id: str, what: str, items: list[Any], expect: str = "ok", sequence: int | None = None, **more: Any
    ) -> None:
        data = canonical.encode(
            [37, [item if isinstance(item, bytes) else item.envelope() for item in items]]
        )
        told = more if sequence is None else {"sequence": sequence, **more}
        desk.cases.append(case(f"{id}-{desk.suffix}", what, "lists", data, expect, **told))

    def raw(id: str, what: str, value: Any, expect: str) -> None:
        data = value if isinstance(value, bytes) else canonical.encode(value)
        desk.cases.append(case(f"{id}-{desk.suffix}", what, "lists", data, expect))

    first = world.first_trust
    two = [first.encode(), second.encode()]
    shown("lists", "a change to the adopted list", [second], sequence=2)
    shown("lists-two", "two changes", [second, third], sequence=3)
    shown("lists-known", "the adopted list and a change", [first, second], sequence=2)
    shown("lists-passed", "what is known is passed over", [second, third], sequence=3, trust=two)
    shown("lists-none", "no lists", [], sequence=1)
    shown("lists-older", "an older list changes nothing", [first], sequence=2, trust=two)
    shown("lists-full", "a full list and a change to it", [full, sixth], sequence=6)
    shown(
        "lists-from-start",
        "a chain on another full list, from its start",
        [full, sixth],
        sequence=6,
        trust=two,
    )
    other = [first.encode(), world.make_trust(5, next_update=NOW).encode()]
    shown(
        "lists-fork",
        "of two full lists with one number the adopted one stays",
        [full],
        sequence=5,
        trust=other,
    )
    shown("lists-fork-on", "a change follows on its number", [full, sixth], sequence=6, trust=other)
    shown("S16-gap", "a change is missing", [third], "E_TRUST_BASE")
    shown("S16-bare", "a change where there is no list", [second], "E_TRUST_BASE", trust=[])
    shown("S16-backward", "numbers that fall", [full, second], "E_TRUST_OLD")
    shown("lists-twice", "a change twice, then another", [second, second, third], sequence=3)
    shown("S16-order", "changes out of order", [sixth, full, world.make_trust(7)], "E_TRUST_BASE")
    shown("lists-between", "what is known stands in the middle", [full, second, sixth], sequence=6, trust=two)
    forged = world.make_trust(2, base_sequence=1, signer=world.bank_key)
    shown("S16-forged", "a list signed by a bank", [forged], "E_SIG")
    shown(
        "S16-forged-second",
        "a forged list behind a good one",
        [second, world.make_trust(3, signer=world.bank_key)],
        "E_SIG",
    )
    shown("N4-lists", "a list as bytes", [second.encode()], "E_TYPE")
    shown("N18-lists", "an acknowledgement for a list", [desk.ack], "E_OBJTYPE")
    raw("N19-lists-kind", "another message", [36, [second.envelope()]], "E_FIELD")
    raw("N19-lists", "three items", [37, [], 0], "E_FIELD")
    raw("N19-lists-number", "a number for the lists", [37, 0], "E_FIELD")
    raw("N19-lists-value", "a number", 37, "E_TYPE")
    raw("N1-lists", "no bytes", b"", "E_DECODE")
    raw("N19-lists-many", "65 items", [37, [0] * 65], "E_FIELD")
    raw("N16-lists", "1,025 bytes", bytes(1_025), "E_TRUST_QR")
    raw("N16-lists-most", "1,024 bytes", bytes(1_024), "E_DECODE")


def make() -> dict[str, Any]:
    """The file `sync.json`."""
    cases: list[Case] = []
    contexts: dict[str, Any] = {}
    for algorithm in NAMES:
        desk = Desk(algorithm)
        _acks(desk)
        _orders(desk)
        _gossip(desk)
        contexts[desk.suffix] = context_of(desk.world)
        cases += [{**one, "context": one.get("context", desk.suffix)} for one in desk.cases]
    return {
        "origin": "DTO/1, sections 5.2, 5.7 (redeem, sync_commit), 5.9, 5.12 (chains, QR), 5.19.5 and 7.5 (S12, S16)",
        "schema": {
            "context": "as in transfers-ed25519.json; every key of a world has its algorithm",
            "sync-ack": "the bytes are a SYNC_ACK that answers the open `request` (absent: none is open)",
            "lists": "the bytes are a message of lists over QR; afterwards the adopted one has the number `sequence`",
            "redeem-order": f"the bytes are a REDEEM_ORDER that the device of `certificate` obeys `now` ({NOW})",
        },
        "context": contexts,
        "cases": cases,
    }
