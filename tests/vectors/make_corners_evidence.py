"""Vectors of proofs whose corners two readers could take differently: whose word it is, which index, which place."""

from dataclasses import replace
from typing import Any

from cbdc.canonical import encode
from cbdc.ledger.entry import leaf_hash
from cbdc.money import tenge
from cbdc.record import Signed
from offline import evidence
from offline.admission import Parent
from offline.evidence_limits import limits_item
from offline.records import REDEEM, SyncRequest, Transfer
from tests.offline.court import make_ack, make_request
from tests.offline.world import Device, fixed_bytes
from tests.vectors.make_evidence import Court, file_of_courts
from tests.vectors.make_evidence_logs import Payer


def _naming(court: Court, device: Device, transfer: Signed[Transfer]) -> Signed[Transfer]:
    """The same transfer naming B as its payer, and signed by `device` all the same."""
    return court.world.sign(replace(transfer.record, payer=court.b.kid), device.key)


def _whose(court: Court) -> None:
    """Objects that A's key signed and that name B: they are nobody's word."""
    a, b, world, first = court.a, court.b, court.world, court.first
    one = _naming(court, a, court.step(a, court.note, court.c, 4_000, counter=50))
    two = _naming(court, a, court.step(a, court.note, court.d, 4_000, counter=50))
    what = "two transfers signed by A that name B"
    court.bad("R32-named", what, court.file(court.pair(1, a.certificate, one, two)))
    court.bad("R32-named-E2", what, court.file(court.pair(2, a.certificate, one, two)))
    wrong = _naming(court, a, court.step(a, first, court.c, 1_000, counter=51, spend_by=1))
    items = [4, a.certificate.envelope(), wrong.envelope(), [first.record.TYPE, first.body]]
    court.bad("R32-E4-named", "a wrong transfer signed by A that names B", court.file(items))
    earlier = make_request(world, a, 1, in_count=2, kid=b.kid)
    later = make_request(world, a, 2, in_count=1, kid=b.kid)
    items = [3, 3, a.certificate.envelope(), earlier.envelope(), later.envelope()]
    court.bad("R32-E3-fell-named", "statements signed by A that name B", court.file(items))
    ack = make_ack(world, make_request(world, a, 1, invoice_number=2), min_trust_sequence=5)
    after = make_request(world, a, 2, invoice_number=3)
    invoice = world.make_invoice(a.key, tenge(700), invoice_number=4, trust_sequence=4, payee=b.kid)
    auths = [court.bank, world.settle_auth.envelope()]
    items = [6, a.certificate.envelope(), *(part.envelope() for part in (ack, after, invoice))]
    court.bad("R32-E6-named", "an invoice signed by A that names B", court.file(items, auths))


def _outputs(court: Court) -> None:
    a, c, first = court.a, court.c, court.first
    change = court.step(a, first, c, 1_000, counter=60, link=bytes(32), index=1)
    paid = court.step(a, first, c, 4_000, counter=61, link=bytes(32), index=0)
    what = "A spends its change, and the output that it paid to B: one parent, two outputs"
    court.bad("R32-index", what, court.file(court.pair(1, a.certificate, change, paid)))
    data = evidence.bad_statement(court.world.authority, a.certificate, paid, first)
    court.proof_against("E4-owner-two", "the second of these alone: it is not A's", data, a, tenge(4_000))


def _places(court: Court) -> None:
    """E3, form 1: a body of the path has the place that its counter says, or the file proves nothing."""
    a, world = court.a, court.world
    stray = court.step(a, court.note, court.c, 5, counter=7, link=bytes(32))
    top = court.step(a, court.note, court.c, 6, counter=4, link=stray.oid)
    request = make_request(world, a, counter=5, head=stray.oid)
    frame = a.certificate.envelope()
    items = [3, 1, frame, request.envelope(), [stray.body], top.envelope()]
    court.bad("R32-E3-log-counter", "a body whose counter is not its place", court.file(items))
    items = [3, 1, frame, request.envelope(), [], stray.envelope()]
    verdict = court.file(items)
    court.proof_against("E3-log-odd", "the same transfer against the statement itself", verdict, a, 0)
    theirs = _naming(court, a, court.step(a, court.note, court.c, 7, counter=5, link=bytes(32)))
    request = make_request(world, a, counter=5, head=theirs.oid)
    items = [3, 1, frame, request.envelope(), [theirs.body], top.envelope()]
    court.bad("R32-E3-log-named", "a body that names another payer", court.file(items))


def _witnesses(court: Court) -> None:
    """E3, form 4: the witness spends output 0 or is a later statement."""
    a, b, world = court.a, court.b, court.world
    invoice = world.make_invoice(a.key, tenge(700), invoice_number=4)
    note = world.make_note(b.kid, tenge(900))
    outputs = ((tenge(700), a.kid), (tenge(200), a.kid))
    paid = court.step(
        b, note, a, 700, note=note, reference=invoice.oid, counter=70, link=bytes(32), outputs=outputs
    )
    spent: dict[str, Any] = {"counter": 7, "link": bytes(32), "note": note}
    request = make_request(world, a, 2, counter=6, head=bytes(32), invoice_number=4)
    slot = (paid.oid, 0, tenge(700))

    def items(witness: Signed[Any], request: Signed[SyncRequest] = request) -> list[Any]:
        parts = [part.envelope() for part in (a.certificate, invoice, request)]
        return [3, 4, *parts, paid.body, witness.envelope()]

    good = court.step(a, paid, court.c, 700, index=0, **spent)
    court.proof_against(
        "E3-claimed-first", "the witness spends output 0", court.file(items(good)), a, tenge(700)
    )
    other = court.step(a, paid, court.c, 200, index=1, **spent)
    court.bad("R32-E3-claimed-index", "the witness spends output 1", court.file(items(other)))
    same = make_request(world, a, 2, counter=6, head=bytes(32), invoice_number=4, purse=(slot,))
    court.bad(
        "R32-E3-claimed-number", "a second statement of the same number holds it", court.file(items(same))
    )
    second = (paid.oid, 1, tenge(200))
    holds = make_request(world, a, 3, counter=6, head=bytes(32), invoice_number=4, purse=(second,))
    court.bad("R32-E3-claimed-slot", "a later statement holds output 1", court.file(items(holds)))
    had = make_request(world, a, 2, counter=6, head=bytes(32), invoice_number=4, purse=(second,))
    data = court.file(items(good, had))
    court.proof_against("E3-claimed-other", "the statement holds output 1, not output 0", data, a, tenge(700))


def _redeemed(court: Court) -> None:
    """E4: only output 0 of a redemption is never evidence; the change of one is as any output."""
    b, c, world, first = court.b, court.c, court.world, court.first
    account = fixed_bytes("account", 32)
    redeem = world.make_transfer(b.key, first, court.note, account, tenge(3_000), kind=REDEEM, counter=80)

    def items(transfer: Signed[Transfer], parent: Parent = redeem) -> list[Any]:
        frame = b.certificate.envelope()
        return [4, frame, transfer.envelope(), [parent.record.TYPE, parent.body]]

    rest: dict[str, Any] = {"index": 1, "counter": 81, "link": redeem.oid}
    right = court.step(b, redeem, c, 1_000, **rest)
    court.bad("R32-E4-change", "the change of a redemption, rightly spent", court.file(items(right)))
    long = court.step(b, redeem, c, 1_000, **rest, outputs=((tenge(1_000) + 1, c.kid),))
    data = court.file(items(long))
    court.proof_against(
        "E4-change-sum", "the change of a redemption, with a tiyn made", data, b, tenge(1_000) + 1
    )
    few = court.step(b, redeem, c, 1_000, **rest, hop=redeem.record.hop)
    data = court.file(items(few))
    court.proof_against("E4-change-hop", "the change of a redemption, one hop too few", data, b, tenge(1_000))
    zero = court.step(b, redeem, c, 3_000, index=0, counter=81, link=redeem.oid)
    court.bad("R32-E4-redeemed", "output 0 of a redemption proves nothing", court.file(items(zero)))


def _answers(court: Court) -> None:
    """E5 and E8: the acknowledgement answers the statement; certificates stand in the order of their ids."""
    world, payer = court.world, Payer(court, "corner")
    paid = [payer.pay(100), payer.pay(100), payer.pay(51)]
    auths = [court.bank, world.settle_auth.envelope(), world.status_auth.envelope()]
    good = court.file(payer.items(paid), auths)
    court.proof_against("E5-corner", "251 tenge where 250 are allowed", good, payer.device, tenge(1))
    ack = world.sign(replace(payer.ack.record, request=bytes(32)), world.settle_key)
    bad = court.file(payer.items(paid, bound=ack), auths)
    court.bad("R32-E5-request", "the acknowledgement answers another statement of that number", bad)
    ack = make_ack(world, payer.request, sync_number=2)
    bad = court.file(payer.items(paid, bound=ack), auths)
    court.bad("R32-E5-number", "the acknowledgement names another number", bad)
    named = [_naming(court, payer.device, payer.pay(1)) for _ in range(5)]
    bad = court.file(payer.items(named), auths)
    court.bad("R32-E5-named", "payments signed by the device that name B", bad)
    victim = court.a.certificate
    second = court.device("another key", device_id=victim.record.device_id).certificate
    low, high = sorted((victim, second), key=lambda one: one.oid)
    swapped = court.file([8, high.envelope(), low.envelope()])
    court.bad("R32-E8-order", "the certificates in the wrong order", swapped)


def _leaves(court: Court) -> None:
    """E5: the leaf stands below the number of keys, and counts at least one certificate."""
    world, payer = court.world, Payer(court, "leaf")
    paid = [payer.pay(100), payer.pay(100), payer.pay(51)]
    auths = [court.bank, world.settle_auth.envelope(), world.status_auth.envelope()]
    shown = payer.shown(paid)
    limits = limits_item(shown)[2]

    def file(place: int, count: int) -> bytes:
        """The tree is one leaf that counts so many certificates, shown at this place."""
        leaf = leaf_hash(encode([payer.device.kid, count, limits]))
        head = world.sign(replace(shown.head.record, keys=1, limits_root=leaf), world.status_key)
        known = shown._replace(head=head)
        return court.file(payer.items(paid, shown=known, limits=[place, count, limits, []]), auths)

    good = file(0, 1)
    court.proof_against("E5-leaf", "a tree of one leaf", good, payer.device, tenge(1))
    court.bad("R32-E5-leaf-place", "the leaf's place is the number of keys", file(1, 1))
    court.bad("R32-E5-leaf-none", "the leaf counts no certificate", file(0, 0))


def make() -> dict[str, Any]:
    """The file `corners_evidence.json`."""
    return file_of_courts(
        "DTO/1, sections 5.10 and 7.7 (R31, R32): rules that a reader may forget and still agree elsewhere",
        "corners evidence",
        (_whose, _outputs, _places, _witnesses, _redeemed, _answers, _leaves),
    )
