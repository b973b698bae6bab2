"""Vectors of rules and orders that a reader may get wrong and still agree with every other file.

The order of the checks is part of the protocol: where a message has two faults, the first check of the order names it.
Each case of an order here has just two faults; its text names the one that is found. The rules are those that another
implementation could forget, found by forgetting them one at a time.
"""

from collections.abc import Callable, Sequence
from typing import Any

from cbdc.canonical import MAX_INTEGER
from cbdc.keys import ED25519
from cbdc.money import tenge
from cbdc.record import Signed
from cbdc.token import CANTEEN, MERCHANT, PERSON, PUPIL
from offline.parameters import CLOSED_TIERS, MAX_BALANCE_MERCHANT
from offline.records import REDEEM, TIER_TEE, Transfer
from tests.offline.world import MAX_NOTE_TIYN, MEAL, NOW, START, fixed_bytes
from tests.vectors.case import Case
from tests.vectors.corner_papers import Corner, containers, encoding, papers, signatures
from tests.vectors.make_certificates import NAMES, context_of, with_trust


def _certificates(at: Corner) -> None:
    """The order of C, and of V3."""
    world, other = at.world, at.world.other_bank_key

    def add(id: str, what: str, expect: str, **fields: Any) -> None:
        more = {"trust": fields.pop("trust")} if "trust" in fields else {}
        device = at.device("E", **fields)
        at.add(id, what, "certificate", device.certificate.encode(), expect, **more)

    size = 32 if at.algorithm == ED25519 else 33
    none = {"public_key": bytes([255]) * size}
    gone = at.revoked(world.bank_key.public.kid)
    add(
        "G19-order", "its bank is revoked, and it is forged: the bank first", "E_CA", signer=other, trust=gone
    )
    add(
        "G19-order-key",
        "its bank is revoked, and its key is none: the bank first",
        "E_CA",
        **none,
        trust=gone,
    )
    add("G11-order", "its tier is too high, and its key is none: the tier first", "E_CA", tier=4, **none)
    add(
        "G11-order-sig",
        "its tier is too high, and it is forged: the tier first",
        "E_CA",
        tier=4,
        signer=other,
    )
    add("G9-order", "its key is none, and it is forged: the key first", "E_KEY", **none, signer=other)
    note = at.note.record
    edge = {"not_before": note.issued, "expires": note.issued}
    people = [at.device("A", **edge), at.b]
    at.pay("G18-edge", "an earlier certificate that ended in the second the note began", people=people)
    edge = {"not_before": note.spend_by, "expires": note.spend_by}
    people = [at.device("A", **edge), at.b]
    at.pay("G18-begin", "an earlier certificate that begins in the note's last second", people=people)
    edge = {"not_before": START, "expires": note.issued - 1}
    people = [at.device("A", **edge), at.b]
    at.pay("G18-before", "an earlier certificate that ended a second before", None, "E_CERT_TIME", people)


def _notes(at: Corner) -> None:
    """The order of N."""
    world, other = at.world, at.world.bank_key

    def add(id: str, what: str, expect: str, amount: int = tenge(5), **fields: Any) -> None:
        trust = fields.pop("trust", None)
        note = world.make_note(at.a.kid, amount, **fields)
        tainted = with_trust(world, tainted_notes=(note.record.serial,)) if trust == "taint" else trust
        at.add(id, what, "note", note.encode(), expect, **({"trust": tainted} if tainted else {}))

    gone = at.revoked(world.issuer_key.public.kid)
    late = {"issued": NOW, "spend_by": NOW}
    most = MAX_NOTE_TIYN + 1
    add("G4-order-amount", "issuer revoked, amount too high: the issuer first", "E_ISSUER", most, trust=gone)
    add(
        "G4-order-time",
        "issuer revoked, times not in order: the issuer first",
        "E_ISSUER",
        trust=gone,
        **late,
    )
    add("G4-order-sig", "issuer revoked, and forged: the issuer first", "E_ISSUER", signer=other, trust=gone)
    add("G5-order", "amount too high, times not in order: the amount first", "E_AMOUNT", most, **late)
    add("X21-order", "times not in order, and forged: the times first", "E_NOTE_TIME", signer=other, **late)
    add("V7-order", "forged, and tainted: the signature first", "E_SIG", signer=other, trust="taint")
    add(
        "V7-order-time",
        "times not in order, and tainted: the times first",
        "E_NOTE_TIME",
        trust="taint",
        **late,
    )


def _steps(at: Corner) -> None:
    """The order of S: B's transfer to C with two faults."""
    b, c, d, first = at.b, at.c, at.d, at.first
    all_of_it, note = tenge(4_000), at.note
    cases: list[tuple[str, str, str, dict[str, Any]]] = [
        ("X10-order", "link, signature", "E_LINK", {"previous": bytes(32), "signer": d.key}),
        ("X7-order", "index, owner, signature", "E_INDEX", {"index": 2, "hop": 2, "signer": d.key}),
        ("X8-order", "owner, signature", "E_OWNER", {"index": 1, "hop": 1, "signer": d.key}),
        ("G1-order", "signature, kind", "E_SIG", {"kind": 2, "signer": d.key}),
        ("G1-order-sum", "signature, sum", "E_SIG", {"outputs": ((1, c.kid),), "signer": d.key}),
        ("X22-order", "kind, sum", "E_KIND", {"kind": 2, "outputs": ((1, c.kid),)}),
        ("X3-order", "sum, payee", "E_SUM", {"outputs": ((1, b.kid),)}),
        ("X16-order", "payee, change", "E_SELF", {"outputs": ((1, b.kid), (all_of_it - 1, d.kid))}),
        ("X17-order", "change, hop", "E_CHANGE", {"outputs": ((1, c.kid), (all_of_it - 1, d.kid)), "hop": 1}),
        ("X18-order", "hop, purpose", "E_HOPS", {"hop": 1, "purpose": MEAL}),
        ("X18-order-length", "length, purpose", "E_HOPS", {"length": 1, "purpose": MEAL}),
        ("X20-order", "purpose, spend_by", "E_PURPOSE", {"purpose": MEAL, "spend_by": 1}),
    ]
    for place, (id, faults, expect, fields) in enumerate(cases):
        what = f"{faults}: the first is found"
        forged = at.step(b, first, c, 3_000, **{"counter": 100 + place, **fields})
        data, parts = forged.encode(), {"parent": first.encode(), "note": note.encode()}
        at.add(f"{id}-step", what, "step", data, expect, **parts, certificate=b.certificate.encode())
        named = {at.a.kid, b.kid, *(output.owner for output in forged.record.outputs)}
        people = [one for one in at.people if one.kid in named]
        at.offer(id, what, people, [(note, [first, forged])], expect)
    outputs = ((1, fixed_bytes("account", 32)),)
    home = at.step(b, first, c, 3_000, kind=REDEEM, outputs=outputs, hop=1, counter=120)
    what = "a redemption whose sum is wrong: an offer has no redemption, settlement asks its sum"
    people = [at.a, b]
    at.offer("X22-order-redeem", what, people, [(note, [first, home])], "E_KIND")
    at.add("X22-order-redeem-step", what, "step", home.encode(), "E_SUM", parent=first.encode(), note=note.encode(),
           certificate=b.certificate.encode())  # fmt: skip
    short = at.world.make_note(at.a.kid, tenge(4_000), max_hops=1)
    paid = at.step(at.a, short, b, 4_000, note=short)
    over = at.step(b, paid, c, 4_000, note=short, spend_by=1)
    what = "spend_by, the note's hops: the first is found"
    at.offer("X19-order", what, [at.a, b, c], [(short, [paid, over])], "E_INHERIT")


def _policy(at: Corner) -> None:
    """The order of P and L, and of V5, V5b and M."""
    a, b, c, d, note, first = at.a, at.b, at.c, at.d, at.note, at.first
    far = at.device("B", limits=b.certificate.record.limits._replace(max_hops=1, max_payment_tiyn=1))
    at.pay("X23-order-hops", "more hops and more money than B may: the hops first", None, "E_HOPS", [a, far])
    low = at.device("B", limits=b.certificate.record.limits._replace(max_payment_tiyn=1))
    gone = at.revoked(b.kid)
    at.pay(
        "V1-order", "above its limit, and revoked: the limit first", None, "E_TXLIMIT", [a, low], trust=gone
    )
    closed = with_trust(at.world, policy=((CLOSED_TIERS.id, 1 << TIER_TEE),))
    low = at.device("B", tier=TIER_TEE, limits=low.certificate.record.limits)
    at.pay(
        "A5-order",
        "above its limit, its tier closed: the limit first",
        None,
        "E_TXLIMIT",
        [a, low],
        trust=closed,
    )
    other = at.step(b, first, c, 4_000, counter=140)
    known: dict[str, Any] = {"known": [other.encode()]}
    both = {"trust": gone, **known}
    at.pay("X27-order", "revoked, and spent twice: V5 is asked before V5b", None, "E_REVOKED", **both)
    forged = at.answer(counter=141, signer=d.key)
    spare = at.world.make_note(b.kid, tenge(100))
    beside = at.step(b, spare, d, 100, note=spare, counter=142, signer=d.key)
    lines = [(note, [first, other]), (note, [first, at.paid]), (spare, [beside])]
    what = "two spends of one output, and a forged line after them: every line before V5b"
    at.offer("X27-order-lines", what, [a, b, c, d], lines, "E_SIG")
    at.pay("X27-order-sig", "forged, and spent twice", [(note, [first, forged])], "E_SIG", **known)
    at.pay("X27-order-V6", "spent twice, and for another request: V5b before V6", expect="E_DOUBLE_SPEND",
           invoice=at.ask(1_000).encode(), **known)  # fmt: skip
    on = at.step(c, other, d, 4_000, counter=143)
    lines = [(note, [first, at.paid]), (note, [first, other, on])]
    what = "two spends of one output, one of them inside a line: not one payment's two inputs"
    at.pay("X27-inner", what, lines, "E_DOUBLE_SPEND", [a, b, c])
    lines.reverse()
    at.pay("X27-inner-first", f"{what}, in the other order", lines, "E_DOUBLE_SPEND", [a, b, c])


def _answer(at: Corner) -> None:
    """V6: the numbers of the parts, and the order."""
    b, d, world = at.b, at.d, at.world
    notes = [world.make_note(b.kid, tenge(20_000)) for _ in range(2)]

    def two(
        whole: int, asked: int, *changes: dict[str, Any], **invoice: Any
    ) -> tuple[list[Any], dict[str, Any]]:
        request = at.ask(asked, **invoice)
        steps: list[Signed[Transfer]] = []
        for place, note in enumerate(notes):
            link = {"link": steps[-1].oid} if steps else {}
            fields = {"reference": request.oid, "part": place, "parts": 2, "counter": 200 + place} | link
            amount = whole // 2
            steps.append(
                at.step(b, note, d, amount, note=note, **fields | (changes[place] if changes else {}))
            )
        tokens = [(note, [step]) for note, step in zip(notes, steps, strict=True)]
        return tokens, {"people": [b], "invoice": request.encode()}

    def pay(
        id: str, what: str, expect: str, *given: Any, whole: int = 200, asked: int = 200, **invoice: Any
    ) -> None:
        tokens, more = two(whole, asked, *given, **invoice)
        at.pay(id, what, tokens, expect, **more)

    pay("P11-whole", "two parts, 0 and 1 of 2", "ok")
    pay("P11-from-one", "two parts, 1 and 2 of 2", "E_PARTS", {"part": 1}, {"part": 2})
    pay(
        "P12-counter-linked",
        "the second links to the first, its counter skips one",
        "E_PARTS",
        {},
        {"counter": 202},
    )
    pay(
        "P12-counter-down",
        "the second links to the first, its counter is lower",
        "E_PARTS",
        {},
        {"counter": 199},
    )
    pay("P7-order", "another request, parts 1 and 2: the request first", "E_INVOICE",
        {"reference": bytes(32), "part": 1}, {"reference": bytes(32), "part": 2})  # fmt: skip
    pay("P7-order-many", "another request, and more parts than it allows: the request first", "E_INVOICE",
        {"reference": bytes(32)}, {"reference": bytes(32)}, max_parts=1)  # fmt: skip
    pay(
        "P11-order",
        "parts 1 and 2, and too little: the parts first",
        "E_PARTS",
        {"part": 1},
        {"part": 2},
        asked=300,
    )
    pay("P10-order", "too much, and above the payer's limit: the amount first", "E_AMOUNT_MISMATCH",
        whole=30_000, asked=29_999)  # fmt: skip
    pay("X23-order", "above the payer's limit, for a request in meal money: the limit first", "E_TXLIMIT",
        whole=30_000, asked=30_000, purpose=MEAL)  # fmt: skip
    astray = {"outputs": ((tenge(90), at.c.kid), (tenge(19_910), b.kid))}
    pay("P15-order", "to another payee, and too little: the payee first", "E_PAYEE", astray, {})
    a_note = world.make_note(at.a.kid, tenge(500))
    mixed = at.step(at.a, a_note, d, 500, note=a_note, reference=bytes(32), counter=210)
    own = at.step(b, notes[0], d, 500, note=notes[0], reference=bytes(32), counter=211)
    lines = [(notes[0], [own]), (a_note, [mixed])]
    what = "two payers, and another request: the payers first"
    at.pay("P9-order", what, lines, "E_PAYER_MIX", people=[at.a, b])
    at.pay("P4-order", "a bare note, and two payers: the bare note first",
           [*lines, (notes[1], [])], "E_INVOICE", people=[at.a, b])  # fmt: skip


def _purposes(at: Corner) -> None:
    """Person to person on both sides; M before L; a window before a cap."""
    world = at.world
    pupil = at.device("pupil", category=PUPIL)

    def pay(
        id: str,
        what: str,
        row: tuple[Any, ...],
        category: int,
        expect: str = "ok",
        payer: Any = pupil,
        **more: Any,
    ) -> None:
        note = world.make_note(payer.kid, tenge(1_000), purpose=MEAL)
        invoice = world.make_invoice(at.d.key, tenge(1_000), purpose=MEAL)
        counter = 300 + len(at.cases)
        paid = at.step(payer, note, at.d, 1_000, note=note, reference=invoice.oid, counter=counter)
        fields = {"invoice": invoice.encode(), "own_category": category, **more}
        trust = with_trust(world, purposes=((MEAL, *row),))
        at.pay(id, what, [(note, [paid])], expect, [payer], **fields, trust=trust)

    among = ((), 1, 2, 1, ())
    shop = at.device("shop", category=MERCHANT)
    pay("V9-people", "person to person: a pupil pays a person", among, PERSON)
    pay("V9-people-pupil", "person to person: a pupil pays a pupil", among, PUPIL)
    pay("V9-people-payee", "person to person: a pupil pays a shop", among, MERCHANT, "E_CATEGORY")
    pay("V9-people-canteen", "person to person: a pupil pays a canteen", among, CANTEEN, "E_CATEGORY")
    pay("V9-people-payer", "person to person: a shop pays a person", among, PERSON, "E_CATEGORY", shop)
    pay("V9-people-shops", "person to person: a shop pays a shop", among, MERCHANT, "E_CATEGORY", shop)
    edges = ((PUPIL, (CANTEEN,)),)
    past, tight = ((), (), 0, 0, NOW - 1), ((), (), 1, 0, MAX_INTEGER)
    pay(
        "V9-order-time",
        "category and window: the category first",
        (edges, 0, 2, 1, (past,)),
        PERSON,
        "E_CATEGORY",
    )
    pay(
        "V9-order-cap",
        "category and cap: the category first",
        (edges, 0, 2, 1, (tight,)),
        PERSON,
        "E_CATEGORY",
    )
    one = (edges, 0, 2, 1, (((), (), 1, 0, NOW - 1),))
    pay("V9-order", "window and cap of one limit: the window first", one, CANTEEN, "E_PURPOSE_TIME")
    pay("V9-order-two", "a cap, then another limit's window: the limits in their order",
        (edges, 0, 2, 1, (tight, past)), CANTEEN, "E_PURPOSE_CAP")  # fmt: skip
    middle = at.device("middle shop", tier=TIER_TEE, category=MERCHANT)
    low = with_trust(world, policy=((MAX_BALANCE_MERCHANT.id, tenge(100)),))
    note, invoice = world.make_note(middle.kid, tenge(90)), at.ask(90)
    paid = at.step(middle, note, at.d, 90, note=note, reference=invoice.oid)
    what = "a shop of tier 2 is held to the balance of shops"
    more = {"invoice": invoice.encode(), "trust": low}
    at.pay("S8-shop-tee", what, [(note, [paid])], "E_TXLIMIT", [middle], **more)


PARTS: Sequence[Callable[[Corner], None]] = (
    _certificates,
    _notes,
    _steps,
    _policy,
    _answer,
    _purposes,
    papers,
    containers,
    encoding,
    signatures,
)


def make() -> dict[str, Any]:
    """The file `corners.json`."""
    cases: list[Case] = []
    contexts: dict[str, Any] = {}
    for algorithm, suffix in NAMES.items():
        at = Corner(algorithm)
        for part in PARTS:
            part(at)
        contexts[suffix] = context_of(at.world)
        cases += [{**one, "context": suffix} for one in at.cases]
    return {
        "origin": "DTO/1, sections 5.2 to 5.6, 5.9, 5.13: rules and orders that no other file shows",
        "schema": {
            "context": "by name, as in transfers-ed25519.json",
            "orders": "a case whose id says `order` has two faults; `expect` is the one that is asked first",
        },
        "context": contexts,
        "cases": cases,
    }
