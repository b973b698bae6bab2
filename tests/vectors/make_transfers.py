"""Vectors of lines of transfers, judged as an offer, V0 to V5b and what of V7 comes before a payment (family X)."""

import itertools
from dataclasses import replace
from typing import Any

from cbdc.canonical import MAX_INTEGER
from cbdc.keys import ED25519
from cbdc.money import tenge
from cbdc.record import Signed, signing_message
from cbdc.token import CANTEEN, MERCHANT, PUPIL, SUPPLIER
from offline.bundle import HeldToken
from offline.parameters import DAY_SECONDS, MAX_HOPS, REJECT_REVOKED_ANCESTOR
from offline.records import REDEEM, Note, Output, Transfer
from tests.offline.world import MEAL, NOW, Device, World, fixed_bytes
from tests.vectors import edwards
from tests.vectors.case import case
from tests.vectors.make_certificates import context_of, with_trust
from tests.vectors.make_keys import P256_ORDER, second_signature
from tests.vectors.scene import Scene, Token
from tests.vectors.tiers import closed_tiers


def _good(scene: Scene) -> None:
    a, b, c, note = scene.a, scene.b, scene.c, scene.note
    first, second, line = scene.first, scene.second, scene.line
    scene.offer("offer-0", "A offers a note", [a], [(note, [])])
    scene.offer("offer-1", "B offers what A paid", [a, b], [(note, [first])])
    scene.offer("offer-change", "A offers its change", [a], [(note, [first])])
    scene.offer("offer-3", "D offers after three hops", scene.people, [(note, line)])
    scene.offer(
        "offer-two", "two lines with a common start", [a, b, c], [(note, [first]), (note, [first, second])]
    )
    back = scene.step(b, first, a, 4_000)
    on = scene.step(a, back, c, 4_000)
    scene.offer("X24", "A to B to A to C", [a, b, c], [(note, [first, back, on])])
    replayed = [first, back, first]
    scene.offer(
        "X25", "after B paid back, the first step of A once more", [a, b], [(note, replayed)], "E_LINK"
    )
    whole = scene.world.make_note(a.kid, 1)
    exact = scene.world.make_transfer(a.key, whole, whole, b.kid, 1)
    scene.offer("X32", "one tiyn, paid exactly", [a, b], [(whole, [exact])])
    scene.step(a, note, c, 5_000, counter=9)
    scene.offer(
        "X26", "A spent the note elsewhere too, but this line does not show it", scene.people, [(note, line)]
    )


def _line_rules(scene: Scene) -> None:
    a, b, c, d, note = scene.a, scene.b, scene.c, scene.d, scene.note
    first, second, third = scene.line
    scene.offer("X10", "the middle transfer is missing", [a, c, d], [(note, [first, third])], "E_LINK")
    scene.offer("X10-first", "the first transfer is missing", [b, c, d], [(note, [second, third])], "E_LINK")
    scene.offer(
        "X12", "two transfers in the wrong order", [a, b, c], [(note, [first, third, second])], "E_LINK"
    )
    scene.offer("X14", "one transfer twice in a line", [a, b], [(note, [first, first])], "E_LINK")
    other = scene.world.make_note(a.kid, tenge(5_000))
    scene.offer("X10-note", "the line of another note", [a, b], [(other, [first])], "E_LINK")
    scene.forged("X7", "output 2 of a transfer that has two", "E_INDEX", index=2, hop=2)
    beyond = scene.step(a, note, b, 4_000, index=1, hop=1, outputs=((tenge(5_000), b.kid),))
    scene.offer("X7-note", "output 1 of a note", [a, b], [(note, [beyond])], "E_INDEX")
    scene.forged("X8", "the payee spends the payer's change", "E_OWNER", 500, index=1, hop=1)
    stolen = scene.step(b, note, c, 5_000)
    scene.offer("X30", "the note is another device's", [b, c], [(note, [stolen])], "E_OWNER")
    thief = scene.step(a, second, d, 3_000, index=0)
    scene.offer(
        "X30-later", "A spends what B paid to C", [a, b, d], [(note, [first, second, thief])], "E_OWNER"
    )
    redeem = scene.world.make_transfer(
        b.key, first, note, fixed_bytes("account", 32), tenge(3_000), kind=REDEEM
    )
    after = scene.step(b, redeem, c, 1_000)
    scene.offer("X22", "a payment after a redemption", [a, b, c], [(note, [first, redeem, after])], "E_KIND")
    scene.offer("X22-redeem", "a redemption in an offer", [a, b], [(note, [first, redeem])], "E_KIND")
    scene.forged("X22-kind", "a kind that does not exist", "E_KIND", kind=2)
    certificates = [a.certificate, c.certificate]
    scene.offer(
        "X9-missing",
        "the middle payer's certificate is missing",
        certificates,
        [(note, [first, second])],
        "E_CERT_MISSING",
    )
    scene.offer(
        "X9-holder",
        "nobody who owns the end is certified",
        [a, b],
        [(note, [first, second, _whole(scene)])],
        "E_CERT_MISSING",
    )
    scene.offer("X9-bare", "the note's owner is not certified", [], [(note, [])], "E_CERT_MISSING")
    scene.offer("X29", "one certificate twice", [a, a], [(note, [])], "E_DUP")
    again = scene.device("A", certificate_number=99)
    scene.offer("X29-two", "two certificates of one key", [a, again], [(note, [])], "E_DUP")
    scene.offer("X29-unneeded", "a certificate that nothing needs", [a, d], [(note, [])], "E_DUP")


def _whole(scene: Scene) -> Signed[Transfer]:
    """C pays all of it to D: C keeps no change, and so D alone owns the end."""
    return scene.step(scene.c, scene.second, scene.d, 3_000, counter=9)


def _amounts(scene: Scene) -> None:
    a, b, c, note, first = scene.a, scene.b, scene.c, scene.note, scene.first
    changed = replace(scene.second.record, outputs=(Output(tenge(3_500), c.kid), Output(tenge(500), b.kid)))
    altered = Signed(changed, changed.body(), scene.second.signature, changed.oid(scene.world.network))
    scene.offer("X1", "the amounts changed after signing", [a, b, c], [(note, [first, altered])], "E_SIG")
    all_of_it = tenge(4_000)
    scene.forged("X2", "an output of nothing", "E_SUM", outputs=((all_of_it, c.kid), (0, b.kid)))
    scene.forged("X2-payee", "nothing for the payee", "E_SUM", outputs=((0, c.kid), (all_of_it, b.kid)))
    scene.forged("X3-below", "the outputs are one tiyn short", "E_SUM", outputs=((all_of_it - 1, c.kid),))
    scene.forged(
        "X3-above", "the outputs are one tiyn over", "E_SUM", outputs=((all_of_it, c.kid), (1, b.kid))
    )
    most = 2**53 - 1
    scene.forged(
        "X4", "two outputs that overflow 2**53", "E_SUM", outputs=((most, c.kid), (all_of_it + 1, b.kid))
    )
    scene.forged("X16", "B pays itself", "E_SELF", outputs=((all_of_it, b.kid),))
    scene.forged(
        "X16-change", "B pays itself and gets change", "E_SELF", outputs=((1, b.kid), (all_of_it - 1, b.kid))
    )
    scene.forged(
        "X17",
        "the change goes to a third key",
        "E_CHANGE",
        outputs=((1, c.kid), (all_of_it - 1, scene.d.kid)),
    )
    scene.forged(
        "X17-payee", "the change goes to the payee", "E_CHANGE", outputs=((1, c.kid), (all_of_it - 1, c.kid))
    )
    rich = scene.world.make_note(a.kid, tenge(60_000))
    limit = scene.step(a, rich, b, 25_000, note=rich)
    scene.offer("X23-limit", "just the payer's limit", [a, b], [(rich, [limit])])
    fields = {"outputs": ((tenge(25_000) + 1, b.kid), (tenge(35_000) - 1, a.kid)), "counter": 9}
    over = scene.step(a, rich, b, 25_000, note=rich, **fields)
    scene.offer("X23", "one tiyn above the payer's limit", [a, b], [(rich, [over])], "E_TXLIMIT")


def _caps(scene: Scene) -> None:
    a, b, note, first = scene.a, scene.b, scene.note, scene.first
    for name, fields in (
        ("hop-under", {"hop": 1}),
        ("hop-over", {"hop": 3}),
        ("length-under", {"length": 1}),
        ("length-over", {"length": 3}),
    ):
        scene.forged(f"X18-{name}", "hop or length is not the parent's and one more", "E_HOPS", **fields)
    walk: list[Signed[Transfer]] = []
    ring = [scene.device(f"hop {place}") for place in range(7)]
    start = scene.world.make_note(ring[0].kid, tenge(5_000))
    parent: Signed[Any] = start
    for payer, payee in itertools.pairwise(ring):
        walk.append(scene.step(payer, parent, payee, 5_000, note=start))
        parent = walk[-1]
    scene.offer("X19-hops", "five hops, the most", ring[:6], [(start, walk[:5])])
    scene.offer("X19-hops-over", "six hops", ring, [(start, walk)], "E_HOPS")
    six = scene.world.make_note(ring[0].kid, tenge(5_000), max_hops=6)
    scene.offer(
        "V14-certificate",
        "the note allows six hops, its payers' certificates five",
        ring,
        [(six, _walk(scene, six, ring))],
        "E_HOPS",
    )
    steps: list[Signed[Transfer]] = []
    long = scene.world.make_note(a.kid, tenge(5_000), max_length=11)
    parent = long
    for _ in range(12):
        steps.append(scene.step(a, parent, b, 100, note=long))
        parent = steps[-1]
    scene.offer(
        "X19-length", "eleven transfers, the note's most: change raises no hop", [a, b], [(long, steps[:11])]
    )
    scene.offer("X19-length-over", "twelve where the note allows eleven", [a, b], [(long, steps)], "E_HOPS")
    twelve = scene.world.make_note(a.kid, tenge(5_000))
    parent, steps = twelve, []
    for _ in range(12):
        steps.append(scene.step(a, parent, b, 100, note=twelve))
        parent = steps[-1]
    scene.offer("X31-transfers", "twelve transfers, the most of a message", [a, b], [(twelve, steps)])
    scene.forged("X20-purpose", "the purpose changed", "E_PURPOSE", purpose=MEAL)
    spend_by = note.record.spend_by
    scene.forged("X20-later", "spend_by one second later", "E_INHERIT", spend_by=spend_by + 1)
    scene.forged("X20-earlier", "spend_by one second earlier", "E_INHERIT", spend_by=spend_by - 1)
    scene.forged(
        "X-order",
        "index and sum wrong: the index is asked first",
        "E_INDEX",
        index=3,
        hop=2,
        outputs=((1, b.kid),),
    )
    scene.forged(
        "X-order-2",
        "sum and purpose wrong: the sum is asked first",
        "E_SUM",
        purpose=MEAL,
        outputs=((1, b.kid),),
    )
    staged = with_trust(scene.world, policy=((MAX_HOPS.id, 1),))
    scene.offer(
        "V14-ancestor",
        "staged since: what was paid before still stands",
        [a, b],
        [(note, [first])],
        trust=staged,
    )


def _walk(scene: Scene, note: Signed[Note], ring: list[Device]) -> list[Signed[Transfer]]:
    walk: list[Signed[Transfer]] = []
    parent: Signed[Any] = note
    for place, (payer, payee) in enumerate(itertools.pairwise(ring)):
        walk.append(scene.step(payer, parent, payee, 5_000, note=note, counter=20 + place))
        parent = walk[-1]
    return walk


def _signatures(scene: Scene) -> None:
    a, b, c, note, first, second = scene.a, scene.b, scene.c, scene.note, scene.first, scene.second
    world = scene.world
    scene.forged("G1-signer", "signed by another device", "E_SIG", signer=a.key)
    stranger = World("transfers stranger")
    scene.forged("G13", "signed for another sandbox", "E_SIG", network=stranger.network)

    def twin(signature: bytes) -> list[Token]:
        return [(note, [first, Signed(second.record, second.body, signature, second.oid)])]

    message = signing_message(second.record.DOMAIN, 6, second.oid)
    scene.offer("G12", "signed as if it were an invoice", [a, b, c], twin(b.key.sign(message)), "E_SIG")
    scene.offer("G12-bare", "the bare id signed", [a, b, c], twin(b.key.sign(second.oid)), "E_SIG")
    scene.offer("G1-zero", "a signature of zeros", [a, b, c], twin(bytes(64)), "E_SIG")
    half, rest = second.signature[:32], second.signature[32:]
    if scene.algorithm == ED25519:
        wide = (int.from_bytes(rest, "little") + edwards.ORDER).to_bytes(32, "little")
        scene.offer("G6", "S plus the group order", [a, b, c], twin(half + wide), "E_SIG")
    else:
        high = (P256_ORDER - int.from_bytes(rest, "big")).to_bytes(32, "big")
        scene.offer("G7", "the high twin of the signature", [a, b, c], twin(half + high), "E_SIG")
        usual = signing_message(second.record.DOMAIN, second.record.TYPE, second.oid)
        again = second_signature(b.key.secret, usual)
        assert again != second.signature
        tokens = [(note, [first, second]), *twin(again)]
        scene.offer("G8", "one transfer with two valid signatures is no double spend", [a, b, c], tokens)
        scene.offer(
            "G8-high",
            "one of the two is the high twin",
            [a, b, c],
            [(note, [first, second]), *twin(half + high)],
            "E_SIG",
        )
        scene.offer(
            "G8-known",
            "seen before with the other signature",
            [a, b, c],
            twin(again),
            known=[second.encode()],
        )
    weak = (
        scene.device("weak", public_key=edwards.encode(edwards.NEUTRAL))
        if scene.algorithm == ED25519
        else None
    )
    if weak is not None:
        owned = world.make_note(weak.certificate.record.kid, tenge(5_000))
        # Under the neutral key the signature R = B, S = 1 verifies for every message.
        universal = edwards.encode(edwards.BASE) + (1).to_bytes(32, "little")
        record = replace(first.record, previous=owned.oid, payer=weak.certificate.record.kid)
        spent = Signed(record, record.body(), universal, record.oid(world.network))
        scene.offer(
            "G9", "a key of small order and its universal signature", [weak, b], [(owned, [spent])], "E_KEY"
        )


def _conflicts(scene: Scene) -> None:
    a, b, c, d, note, first = scene.a, scene.b, scene.c, scene.d, scene.note, scene.first
    other = scene.step(a, note, c, 4_000, counter=8)
    both: list[Token] = [(note, [first]), (note, [other])]
    scene.offer("X27", "both branches of a double spend in one message", [a, b, c], both, "E_DOUBLE_SPEND")
    known = {"known": [other.encode()]}
    scene.offer(
        "X27-known", "the other branch was seen before", [a, b], [(note, [first])], "E_DOUBLE_SPEND", **known
    )
    scene.offer(
        "X27-deep",
        "the same, one hop further on",
        [a, b, c],
        [(note, [first, scene.second])],
        "E_DOUBLE_SPEND",
        **known,
    )
    spare = scene.world.make_note(a.kid, tenge(5_000))
    record = first.record
    clone = scene.step(a, spare, d, 5_000, note=spare, counter=record.counter, link=record.link)
    tokens: list[Token] = [(note, [first]), (spare, [clone])]
    scene.offer("S3", "one counter in two transfers: a copied device", [a, b, d], tokens, "E_EQUIVOCATION")
    known = {"known": [clone.encode()]}
    scene.offer(
        "S3-known", "the other one was seen before", [a, b], [(note, [first])], "E_EQUIVOCATION", **known
    )
    scene.offer(
        "X27-same",
        "the very same transfer was seen before",
        [a, b],
        [(note, [first])],
        known=[first.encode()],
    )


def _standing(scene: Scene) -> None:
    a, b, c, world = scene.a, scene.b, scene.c, scene.world
    tokens: list[Token] = [(scene.note, [scene.first, scene.second])]
    people = [a, b, c]

    def revoked(kid: bytes, **fields: Any) -> dict[str, Any]:
        return {"trust": with_trust(world, revoked_kids=(kid[:16],), **fields)}

    scene.offer("V1", "the holder is revoked", people, tokens, "E_REVOKED", **revoked(c.kid))
    scene.offer("V6", "an earlier holder is revoked", people, tokens, "E_REVOKED", **revoked(a.kid))
    lenient = revoked(a.kid, policy=((REJECT_REVOKED_ANCESTOR.id, 0),))
    scene.offer("V6-lenient", "the same where the policy lets it pass", people, tokens, **lenient)
    lenient = revoked(c.kid, policy=((REJECT_REVOKED_ANCESTOR.id, 0),))
    scene.offer("V6-holder", "that policy does not help the holder", people, tokens, "E_REVOKED", **lenient)
    scene.offer("V1-other", "somebody else is revoked", people, tokens, **revoked(scene.d.kid))
    closed_tiers(scene)
    taint = with_trust(world, tainted_notes=(scene.note.record.serial,))
    scene.offer("V7", "the note is tainted", people, tokens, "E_TAINTED", trust=taint)
    spend_by = scene.note.record.spend_by
    scene.offer(
        "V7-margin", "a day and a second before spend_by", people, tokens, now=spend_by - DAY_SECONDS - 1
    )
    scene.offer(
        "V7-expired",
        "just a day before spend_by",
        people,
        tokens,
        "E_EXPIRED",
        now=spend_by - DAY_SECONDS,
    )
    expired = scene.device("A", expires=NOW - 1)
    scene.offer("G18", "an earlier holder's certificate has run out since", [expired, b, c], tokens)
    late = scene.device("C", expires=NOW - 1)
    scene.offer("G17", "the holder's certificate has run out", [a, b, late], tokens, "E_CERT_TIME")
    soon = scene.device("C", not_before=NOW + 1)
    scene.offer("G17-early", "the holder's certificate has not begun", [a, b, soon], tokens, "E_CERT_TIME")
    dead = scene.device("A", expires=scene.note.record.issued - 1)
    scene.offer(
        "X13-dead", "a certificate that ended before the note began", [dead, b, c], tokens, "E_CERT_TIME"
    )
    unborn = scene.device("A", not_before=spend_by + 1)
    scene.offer(
        "X13-unborn",
        "a certificate that begins after the note ends",
        [unborn, b, c],
        tokens,
        "E_CERT_TIME",
    )
    size = len(world.bundle([one.certificate for one in people], tokens).encode())
    scene.offer("N16", "one byte above the limit", people, tokens, "E_SIZE", limit_bytes=size - 1)
    scene.offer("N16-just", "just the limit", people, tokens, limit_bytes=size)
    gone = with_trust(world, revoked_references=(world.bank_key.public.kid[:8],))
    scene.offer("G19", "the bank of all is revoked", people, tokens, "E_CA", trust=gone)


def _purposes(scene: Scene) -> None:
    pupil, friend = (scene.device(name, category=PUPIL) for name in ("pupil", "friend"))
    canteen, supplier = scene.device("canteen", category=CANTEEN), scene.device("supplier", category=SUPPLIER)
    shop = scene.device("shop", category=MERCHANT)
    world = scene.world
    meal = world.make_note(pupil.kid, tenge(5_000), purpose=MEAL)

    def line(payer: Device, *payees: Device, counter: int) -> list[Signed[Transfer]]:
        steps: list[Signed[Transfer]] = []
        parent: Signed[Any] = meal
        for place, payee in enumerate(payees):
            steps.append(scene.step(payer, parent, payee, 5_000, note=meal, counter=counter + place))
            payer, parent = payee, steps[-1]
        return steps

    good = line(pupil, canteen, supplier, counter=1)
    scene.offer("V9-pupil", "a pupil offers to a canteen", [pupil], [(meal, [])], own_category=CANTEEN)
    scene.offer(
        "V9-canteen",
        "a canteen offers to a supplier",
        [pupil, canteen],
        [(meal, good[:1])],
        own_category=SUPPLIER,
    )
    scene.offer("V9", "the canteen paid the supplier", [pupil, canteen, supplier], [(meal, good)])
    scene.offer(
        "V9-category", "a pupil offers to a shop", [pupil], [(meal, [])], "E_CATEGORY", own_category=MERCHANT
    )
    scene.offer(
        "V9-back",
        "a canteen offers to a pupil",
        [pupil, canteen],
        [(meal, good[:1])],
        "E_CATEGORY",
        own_category=PUPIL,
    )
    scene.offer(
        "V9-friend",
        "a pupil paid a pupil",
        [pupil, friend],
        [(meal, line(pupil, friend, counter=10))],
        "E_CATEGORY",
    )
    scene.offer(
        "V9-shop", "a pupil paid a shop", [pupil, shop], [(meal, line(pupil, shop, counter=20))], "E_CATEGORY"
    )
    other = scene.device("other canteen", category=CANTEEN)
    far = line(pupil, canteen, supplier, other, counter=30)
    scene.offer(
        "V9-hops",
        "a third hop, where the purpose allows two",
        [pupil, canteen, supplier, other],
        [(meal, far)],
        "E_HOPS",
    )
    unknown = world.make_note(pupil.kid, tenge(5_000), purpose=99)
    scene.offer(
        "V9-unknown",
        "a purpose that nobody knows",
        [pupil],
        [(unknown, [])],
        "E_CATEGORY",
        own_category=CANTEEN,
    )
    edges = ((PUPIL, (CANTEEN,)), (CANTEEN, (SUPPLIER,)))
    for name, what, limit, expect in (
        (
            "cap",
            "an earlier payment above the cap of its pair",
            ((PUPIL,), (), tenge(5_000) - 1, 0, MAX_INTEGER),
            "E_PURPOSE_CAP",
        ),
        ("time", "an earlier payment after its window", ((PUPIL,), (), 0, 0, 1), "E_PURPOSE_TIME"),
        ("limits", "earlier payments within cap and window", ((PUPIL,), (), tenge(5_000), 0, NOW), "ok"),
    ):
        limited = with_trust(world, purposes=((MEAL, edges, 0, 2, 1, (limit,)),))
        scene.offer(
            f"V9-step-{name}", what, [pupil, canteen, supplier], [(meal, good)], expect, trust=limited
        )
    people = with_trust(world, purposes=((MEAL, (), 1, 5, 0, ()),))
    scene.offer(
        "V9-people",
        "the purpose lets people pass it on",
        [pupil, friend],
        [(meal, line(pupil, friend, counter=40))],
        trust=people,
    )


def _boundaries(scene: Scene) -> None:
    """Eight tokens and 24 certificates: for each token two payers and a holder of its own."""
    crowd = [scene.device(f"crowd {place}") for place in range(24)]
    tokens: list[HeldToken] = []
    for place in range(8):
        one, two, three = crowd[3 * place : 3 * place + 3]
        note = scene.world.make_note(one.kid, tenge(1_000))
        step = scene.step(one, note, two, 1_000, note=note)
        tokens.append(HeldToken(note, (step, scene.step(two, step, three, 1_000, note=note))))
    certificates = [one.certificate for one in crowd]
    data = scene.world.bundle(certificates, tokens).encode()
    what = "24 certificates and eight tokens, the most of a message"
    scene.cases.append(case(f"X31-{scene.suffix}", what, "offer", data))


PARTS = (
    _good, _line_rules, _amounts, _caps, _signatures, _conflicts, _standing, _purposes, _boundaries,
)  # fmt: skip


def make(algorithm: int) -> dict[str, Any]:
    """The file `transfers-ed25519.json` or `transfers-es256.json`."""
    scene = Scene("transfers", algorithm)
    for part in PARTS:
        part(scene)
    return {
        "origin": "DTO/1, sections 5.4, 5.6 (V0 to V5b), 5.13, 7.2, 7.3 (X), 7.5 (S3), 7.8 (V)",
        "schema": {
            "context": "by name: network id, ROOT, AUTHs, TRUST lists, the receiver's clock; a case may bring trust "
            "lists (`trust`), a clock (`now`), transfers seen before (`known`) or its own category of its own",
            "offer": "the bytes are a BUNDLE that passes V0 to V5b, whose holders are certified now, whose notes are "
            "not about to expire, and whose purposes allow each step (and the next one, to `own_category`)",
        },
        "context": {scene.suffix: context_of(scene.world)},
        "cases": [{**one, "context": scene.suffix} for one in scene.cases],
    }
