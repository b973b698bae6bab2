"""Vectors of payments, invoices and receipts: V0 to V7 as the payee sees them (families P and V)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from cbdc.canonical import MAX_INTEGER
from cbdc.keys import ED25519, ES256
from cbdc.money import tenge
from cbdc.record import Signed
from cbdc.token import CANTEEN, MERCHANT, PERSON, PUPIL, SUPPLIER
from offline.parameters import (
    CLOSED_TIERS,
    DAY_SECONDS,
    MAX_AGE_DAYS,
    MAX_BALANCE_SE,
    MAX_HOPS,
    REJECT_REVOKED_ANCESTOR,
)
from offline.records import REDEEM, TIER_SE, TIER_SW, DeviceCertificate, Invoice, Note, Receipt, Transfer
from tests.offline.world import MEAL, NOW, Device, World, fixed_bytes
from tests.vectors.case import Case, case
from tests.vectors.make_certificates import context_of, with_trust
from tests.vectors.scene import Scene, Token


class Till(Scene):
    """A scene in which D asks for 1,000 tenge and B, whom A has paid 4,000, pays it."""

    def __init__(self, algorithm: int, family: str = "payment") -> None:
        super().__init__(family, algorithm)
        self.invoice = self.ask(1_000)
        self.paid = self.answer()
        self.ask_parts = self.ask(1_300)

    def ask(self, whole: int, **fields: Any) -> Signed[Invoice]:
        """D's request for so many tenge."""
        return self.world.make_invoice(self.d.key, tenge(whole), **fields)

    def answer(self, whole: int = 1_000, **fields: Any) -> Signed[Transfer]:
        """B's transfer to D in answer to the invoice."""
        return self.step(self.b, self.first, self.d, whole, **{"reference": self.invoice.oid, **fields})

    def pay(
        self,
        id: str,
        what: str,
        tokens: Sequence[Token] | None = None,
        expect: str = "ok",
        people: Sequence[Device | Signed[DeviceCertificate]] | None = None,
        **more: Any,
    ) -> None:
        """One case of the check `payment`; without more it is B's payment to D."""
        chosen = [(self.note, [self.first, self.paid])] if tokens is None else tokens
        named = [self.a, self.b] if people is None else people
        certificates = [one.certificate if isinstance(one, Device) else one for one in named]
        data = self.world.bundle(certificates, chosen).encode()
        fields = {"invoice": self.invoice.encode(), "own_category": PERSON} | more
        self.cases.append(case(f"{id}-{self.suffix}", what, "payment", data, expect, **fields))

    def wrong(self, id: str, what: str, expect: str, whole: int = 1_000, **fields: Any) -> None:
        """B's payment with these fields in its last transfer."""
        self.pay(id, what, [(self.note, [self.first, self.answer(whole, **fields)])], expect)


def _one_part(till: Till) -> None:
    till.pay("payment", "B pays D 1,000 out of what A paid it")
    invoice = till.ask(2_000)
    own = till.step(till.a, till.note, till.d, 2_000, reference=invoice.oid, counter=30)
    till.pay(
        "payment-note",
        "A pays straight from its note",
        [(till.note, [own])],
        people=[till.a],
        invoice=invoice.encode(),
    )
    till.wrong("P7", "the transfer answers a request that was never made", "E_INVOICE", reference=bytes(32))
    other = till.ask(1_000)
    till.pay("P7-other", "D's next request was answered by it", expect="E_INVOICE", invoice=other.encode())
    till.wrong(
        "P10-under", "one tiyn too little", "E_AMOUNT_MISMATCH", outputs=_outputs(till, tenge(1_000) - 1)
    )
    till.wrong("P10-over", "one tiyn too much", "E_AMOUNT_MISMATCH", outputs=_outputs(till, tenge(1_000) + 1))
    till.wrong(
        "P15-payee",
        "the money goes to C",
        "E_PAYEE",
        outputs=((tenge(1_000), till.c.kid), (tenge(3_000), till.b.kid)),
    )
    bare = till.world.make_note(till.b.kid, tenge(100))
    tokens = [(till.note, [till.first, till.paid]), (bare, [])]
    till.pay("P4-bare", "a note without a new transfer lies beside", tokens, "E_INVOICE")
    redeem = till.world.make_transfer(
        till.b.key,
        till.first,
        till.note,
        till.d.kid,
        tenge(1_000),
        kind=REDEEM,
        reference=till.invoice.oid,
        counter=31,
    )
    till.pay("X22-redeem", "a redemption dressed as a payment", [(till.note, [till.first, redeem])], "E_KIND")
    till.wrong(
        "X3", "the sum is wrong: asked before the amount", "E_SUM", outputs=((tenge(1_000), till.d.kid),)
    )
    till.wrong("G1", "signed by A", "E_SIG", signer=till.a.key)
    small = till.ask(1_000, max_bytes=900)
    till.pay("P21", "larger than the invoice allows", expect="E_SIZE", invoice=small.encode())
    till.pay(
        "X27",
        "the payee has seen another spend of it",
        expect="E_DOUBLE_SPEND",
        known=[_other(till).encode()],
    )
    till.pay("P1", "the payee has seen this very payment", known=[till.paid.encode(), till.first.encode()])


def _outputs(till: Till, amount_tiyn: int) -> tuple[tuple[int, bytes], ...]:
    return ((amount_tiyn, till.d.kid), (tenge(4_000) - amount_tiyn, till.b.kid))


def _other(till: Till) -> Signed[Transfer]:
    return till.step(till.b, till.first, till.c, 4_000, counter=32)


def _parts(till: Till) -> None:
    world, b, d = till.world, till.b, till.d
    notes = [world.make_note(b.kid, tenge(500)) for _ in range(3)]

    def part(place: int, parts: int = 3, whole: int = 500, **fields: Any) -> Signed[Transfer]:
        note = notes[place]
        fixed = {"reference": till.ask_parts.oid, "part": place, "parts": parts} | fields
        return till.step(b, note, d, whole, note=note, **fixed)

    def tokens(steps: Sequence[Signed[Transfer]]) -> list[Token]:
        by_note = {note.oid: note for note in notes}
        return [(by_note[step.record.previous], [step]) for step in steps]

    def pay(id: str, what: str, steps: Sequence[Signed[Transfer]], expect: str = "ok", **more: Any) -> None:
        fields = {"people": [b], "invoice": till.ask_parts.encode()} | more
        till.pay(id, what, tokens(steps), expect, **fields)

    good = [part(0), part(1), part(2, whole=300)]
    pay("payment-parts", "three parts, change in the last", good)
    pay("payment-parts-order", "the same parts in another order", [good[2], good[0], good[1]])
    pay("P11-missing", "one of three parts is missing", good[:2], "E_PARTS")
    pay("P11-repeated", "one part twice in place of another", [good[0], good[0], good[1]], "E_PARTS")
    again = part(1, part=0, counter=good[2].record.counter + 1, link=good[2].oid)
    pay("P11-index", "two parts with one number", [good[0], again, good[2]], "E_PARTS")
    alone = part(0, parts=1, counter=50)
    pay(
        "P11-extra",
        "a part more than its transfers tell of",
        [alone, part(1, parts=1, counter=51, link=alone.oid)],
        "E_PARTS",
    )
    gap = [part(0, counter=60), part(1, counter=62), part(2, whole=300, counter=63)]
    pay("P12-counter", "the counters skip one", gap, "E_PARTS")
    unlinked = [part(0, counter=70), part(1, counter=71), part(2, whole=300, counter=72)]
    pay("P12-link", "the parts do not link to each other", unlinked, "E_PARTS")
    one = till.ask(1_300, max_parts=2)
    asked = [replace(step.record, reference=one.oid) for step in good]
    signed = _relinked(till, asked)
    pay("P11-many", "three parts where the request allows two", signed, "E_PARTS", invoice=one.encode())
    twice = part(0, part=1, counter=81, outputs=((tenge(400), d.kid), (tenge(100), b.kid)))
    pay(
        "X15",
        "one note in two parts",
        [part(0, counter=80), twice, part(2, whole=300, counter=82)],
        "E_DUPINPUT",
    )
    pay(
        "X15-known",
        "the same, and the second of them was seen before",
        [part(0, counter=80), twice, part(2, whole=300, counter=82)],
        "E_DUPINPUT",
        known=[twice.encode()],
    )
    a_note = world.make_note(till.a.kid, tenge(500))
    mixed = till.step(
        till.a, a_note, d, 500, note=a_note, reference=till.ask_parts.oid, part=1, parts=3, counter=90
    )
    lines = [*tokens([good[0]]), (a_note, [mixed]), *tokens([good[2]])]
    till.pay(
        "P9-mix",
        "parts from two payers",
        lines,
        "E_PAYER_MIX",
        people=[till.a, b],
        invoice=till.ask_parts.encode(),
    )


def _relinked(till: Till, records: list[Transfer]) -> list[Signed[Transfer]]:
    signed: list[Signed[Transfer]] = []
    for place, record in enumerate(records):
        link = signed[-1].oid if signed else record.link
        again = replace(record, counter=100 + place, link=link)
        signed.append(till.world.sign(again, till.b.key))
    return signed


def _limits(till: Till) -> None:
    a, b, d, world = till.a, till.b, till.d, till.world
    rich = [world.make_note(b.kid, tenge(20_000)) for _ in range(2)]

    def two(whole: int, **fields: Any) -> tuple[Signed[Invoice], list[Token]]:
        invoice = till.ask(whole)
        start = {"reference": invoice.oid, "parts": 2, **fields}
        first = till.step(b, rich[0], d, 20_000, note=rich[0], part=0, counter=110, **start)
        rest = whole - 20_000
        second = till.step(b, rich[1], d, rest, note=rich[1], part=1, counter=111, link=first.oid, **start)
        return invoice, [(rich[0], [first]), (rich[1], [second])]

    invoice, tokens = two(25_000)
    till.pay(
        "X23-limit",
        "two parts, just the payer's limit together",
        tokens,
        people=[b],
        invoice=invoice.encode(),
    )
    invoice, tokens = two(25_001)
    till.pay(
        "X23",
        "each part is below the payer's limit, both are above",
        tokens,
        "E_TXLIMIT",
        people=[b],
        invoice=invoice.encode(),
    )
    low = with_trust(world, policy=((MAX_BALANCE_SE.id, tenge(1_900)),))
    till.pay("V8-policy", "the trust list has lowered the limit since", expect="E_TXLIMIT", trust=low)
    low = with_trust(world, policy=((MAX_BALANCE_SE.id, tenge(2_000)),))
    till.pay(
        "V8-policy-limit",
        "the lowered limit is just met; A's earlier payment is not judged by it",
        trust=low,
    )
    staged = with_trust(world, policy=((MAX_HOPS.id, 1),))
    till.pay("V14", "staged: what B received it may not pay on", expect="E_HOPS", trust=staged)
    invoice = till.ask(1_000)
    own = till.step(a, till.note, d, 1_000, reference=invoice.oid, counter=112)
    till.pay(
        "V14-first",
        "staged: A pays from its own note",
        [(till.note, [own])],
        people=[a],
        invoice=invoice.encode(),
        trust=staged,
    )


def _moments(till: Till) -> None:
    a, b, world = till.a, till.b, till.world
    synced = till.paid.record.sync_time
    last = synced + 14 * DAY_SECONDS
    till.pay("S14-limit", "just 14 days after the payer's last sync", now=last)
    till.pay(
        "S14", "a second more than 14 days after the payer's last sync", expect="E_STALE_PAYER", now=last + 1
    )
    shorter = with_trust(world, policy=((MAX_AGE_DAYS.id, 1),))
    till.pay(
        "S14-policy",
        "the trust list allows one day",
        now=synced + DAY_SECONDS + 1,
        expect="E_STALE_PAYER",
        trust=shorter,
    )
    till.wrong("S14-future", "a sync in the payee's future: its clock is behind", "ok", sync_time=NOW + 1_000)
    short = {
        "issued": NOW - DAY_SECONDS,
        "spend_by": NOW + 2 * DAY_SECONDS,
        "redeem_by": NOW + 40 * DAY_SECONDS,
    }
    note = world.make_note(b.kid, tenge(1_000), **short)
    paid = till.step(b, note, till.d, 1_000, note=note, reference=till.invoice.oid, counter=120)
    token: list[Token] = [(note, [paid])]
    till.pay("V7-margin", "a day and a second before spend_by", token, people=[b], now=NOW + DAY_SECONDS - 1)
    till.pay(
        "V7-expired", "just a day before spend_by", token, "E_EXPIRED", people=[b], now=NOW + DAY_SECONDS
    )
    till.pay("V7-gone", "long after spend_by", token, "E_EXPIRED", people=[b], now=NOW + 30 * DAY_SECONDS)
    late, soon = till.device("B", expires=NOW - 1), till.device("B", not_before=NOW + 1)
    just = till.device("B", not_before=NOW, expires=NOW)
    till.pay("G17", "the payer's certificate has run out", expect="E_CERT_TIME", people=[a, late])
    till.pay("G17-early", "the payer's certificate has not begun", expect="E_CERT_TIME", people=[a, soon])
    till.pay("G17-just", "the payer's certificate is valid in this second alone", people=[a, just])
    old = till.device("A", expires=NOW - 1)
    till.pay("G18", "an earlier payer's certificate has run out since", people=[old, b])

    def revoked(kid: bytes, **fields: Any) -> list[bytes]:
        return with_trust(world, revoked_kids=(kid[:16],), **fields)

    till.pay("V1", "the payer is revoked", expect="E_REVOKED", trust=revoked(b.kid))
    till.pay("V2", "the payee has not heard of it yet: accepted in good faith")
    till.pay("V6", "an earlier payer is revoked", expect="E_REVOKED", trust=revoked(a.kid))
    lenient = ((REJECT_REVOKED_ANCESTOR.id, 0),)
    till.pay("V6-lenient", "the same where the policy lets it pass", trust=revoked(a.kid, policy=lenient))
    till.pay(
        "V6-payer",
        "that policy does not help the payer",
        expect="E_REVOKED",
        trust=revoked(b.kid, policy=lenient),
    )
    for id, bits, expect in (("", 1 << TIER_SE, "E_TIER_CLOSED"), ("-other", 1 << TIER_SW, "ok")):
        closed = with_trust(world, policy=((CLOSED_TIERS.id, bits),))
        till.pay(f"A5-tier{id}", "TRUST closes a tier", expect=expect, trust=closed)
    both = with_trust(
        world,
        revoked_kids=(b.kid[:16],),
        policy=((CLOSED_TIERS.id, 1 << TIER_SE), (REJECT_REVOKED_ANCESTOR.id, 0)),
    )
    what = "revoked, and its tier closed: revocation is asked first"
    till.pay("A5-tier-both", what, expect="E_REVOKED", trust=both)
    taint = with_trust(world, tainted_notes=(till.note.record.serial,))
    till.pay("V7-taint", "the note is tainted", expect="E_TAINTED", trust=taint)


def _purpose_limits(world: World, pay: Callable[..., object], canteen: Device) -> None:
    """The same payment under lists whose purpose has caps and windows."""
    edges = ((PUPIL, (CANTEEN,)), (CANTEEN, (SUPPLIER,)))
    ever, other = MAX_INTEGER, ((SUPPLIER,), ())
    rows = [
        ("cap", "as much as one payment may take", ((), (), tenge(1_000), 0, ever), "ok"),
        (
            "cap-over",
            "a tiyn more than one payment may take",
            ((), (), tenge(1_000) - 1, 0, ever),
            "E_PURPOSE_CAP",
        ),
        ("cap-pair", "more than such a pair may pay", ((PUPIL,), (CANTEEN,), 5, 0, ever), "E_PURPOSE_CAP"),
        ("cap-other", "the cap is another payer's", (*other, 5, 0, ever), "ok"),
        ("window", "in the only second of the window", ((), (), 0, NOW, NOW), "ok"),
        ("window-late", "a second after the window", ((), (), 0, 0, NOW - 1), "E_PURPOSE_TIME"),
        ("window-early", "a second before the window", ((), (), 0, NOW + 1, ever), "E_PURPOSE_TIME"),
        ("window-other", "the window is another payee's", ((), (PUPIL,), 0, 0, 1), "ok"),
    ]
    for name, what, limit, expect in rows:
        trust = with_trust(world, purposes=((MEAL, edges, 0, 2, 1, (limit,)),))
        pay(f"V9-{name}", what, canteen, CANTEEN, expect, trust=trust)


def _purposes(till: Till) -> None:
    world = till.world
    pupil, canteen = till.device("pupil", category=PUPIL), till.device("canteen", category=CANTEEN)
    supplier = till.device("supplier", category=SUPPLIER)
    meal = world.make_note(pupil.kid, tenge(1_000), purpose=MEAL)

    def pay(
        id: str,
        what: str,
        payee: Device,
        category: int,
        expect: str = "ok",
        purpose: int = MEAL,
        note: Signed[Note] = meal,
        **more: Any,
    ) -> Signed[Transfer]:
        invoice = world.make_invoice(payee.key, tenge(1_000), purpose=purpose)
        counter = 200 + len(till.cases)
        paid = till.step(pupil, note, payee, 1_000, note=note, reference=invoice.oid, counter=counter)
        fields = {"people": [pupil], "invoice": invoice.encode(), "own_category": category} | more
        till.pay(id, what, [(note, [paid])], expect, **fields)
        return paid

    at_canteen = pay("V9", "a pupil pays the canteen with meal money", canteen, CANTEEN)
    pay("V9-shop", "a pupil pays a shop with meal money", canteen, MERCHANT, "E_CATEGORY")
    pay("V9-pupil", "a pupil pays a pupil with meal money", canteen, PUPIL, "E_CATEGORY")
    pay("V9-plain", "meal money for a request in plain money", canteen, CANTEEN, "E_PURPOSE", purpose=0)
    plain = world.make_note(pupil.kid, tenge(1_000))
    pay("V9-meal", "plain money for a request in meal money", canteen, CANTEEN, "E_PURPOSE", note=plain)
    pay("V9-any", "plain money goes anywhere", canteen, MERCHANT, purpose=0, note=plain)
    gone = with_trust(world, purposes=())
    pay(
        "V9-unknown",
        "the payee's trust list knows no such purpose",
        canteen,
        CANTEEN,
        "E_CATEGORY",
        trust=gone,
    )
    one_hop = with_trust(
        world, purposes=((MEAL, ((PUPIL, (CANTEEN,)), (CANTEEN, (SUPPLIER,))), 0, 1, 1, ()),)
    )
    _purpose_limits(world, pay, canteen)
    halves = [world.make_note(pupil.kid, tenge(500), purpose=MEAL) for _ in range(2)]
    invoice = world.make_invoice(canteen.key, tenge(1_000), purpose=MEAL, max_parts=2)
    steps: list[Signed[Transfer]] = []
    for place, half in enumerate(halves):
        before = {"link": steps[-1].oid} if steps else {}
        fields = {"reference": invoice.oid, "counter": 900 + place, "part": place, "parts": 2} | before
        steps.append(till.step(pupil, half, canteen, 500, note=half, **fields))
    whole = {"people": [pupil], "invoice": invoice.encode(), "own_category": CANTEEN}
    tokens = [(half, [step]) for half, step in zip(halves, steps, strict=True)]
    for name, cap, expect in (("cap-parts", 100_000, "ok"), ("cap-parts-over", 99_999, "E_PURPOSE_CAP")):
        limited = ((MEAL, ((PUPIL, (CANTEEN,)),), 0, 2, 1, (((), (), cap, 0, MAX_INTEGER),)),)
        what = f"two parts of 500 tenge, and {cap} tiyn for one payment"
        till.pay(f"V9-{name}", what, tokens, expect, **whole, trust=with_trust(world, purposes=limited))
    invoice = world.make_invoice(supplier.key, tenge(1_000), purpose=MEAL)
    on = till.step(canteen, at_canteen, supplier, 1_000, note=meal, reference=invoice.oid)
    more = {"people": [pupil, canteen], "invoice": invoice.encode(), "own_category": SUPPLIER}
    till.pay("V9-supplier", "the canteen pays the supplier with it", [(meal, [at_canteen, on])], **more)
    till.pay(
        "V9-hop",
        "the same where the purpose allows one hop",
        [(meal, [at_canteen, on])],
        "E_HOPS",
        trust=one_hop,
        **more,
    )


def _invoices(till: Till) -> None:
    d, invoice, world = till.d, till.invoice, till.world

    def add(id: str, what: str, signed: Signed[Invoice], expect: str = "ok", **more: Any) -> None:
        fields = {"certificate": d.certificate.encode()} | more
        till.cases.append(case(f"{id}-{till.suffix}", what, "invoice", signed.encode(), expect, **fields))

    def altered(**fields: Any) -> Signed[Invoice]:
        record = replace(invoice.record, **fields)
        return Signed(record, record.body(), invoice.signature, record.oid(world.network))

    add("invoice", "D's request and certificate", invoice)
    add("P5-amount", "the amount changed on the way", altered(amount_tiyn=tenge(9_000)), "E_SIG")
    add("P5-nonce", "the nonce changed on the way", altered(nonce=bytes(16)), "E_SIG")
    add("P5-payee", "the payee changed on the way", altered(payee=till.c.kid), "E_PAYEE")
    stolen = till.c.certificate.encode()
    add(
        "P5-both",
        "payee and certificate changed to C's",
        altered(payee=till.c.kid),
        "E_SIG",
        certificate=stolen,
    )
    revoked = with_trust(world, revoked_kids=(d.kid[:16],))
    add("P16", "the payee is revoked", invoice, "E_REVOKED", trust=revoked)
    late = till.device("D", expires=NOW - 1).certificate.encode()
    add("P16-expired", "the payee's certificate has run out", invoice, "E_CERT_TIME", certificate=late)
    wrong = till.device("D", signer=world.other_bank_key).certificate.encode()
    add("P16-forged", "the payee's certificate is forged", invoice, "E_SIG", certificate=wrong)


def _receipts(till: Till) -> None:
    d, invoice, world = till.d, till.invoice, till.world
    root = fixed_bytes("payment root", 32)

    def add(id: str, what: str, signed: Signed[Receipt], expect: str = "ok", **more: Any) -> None:
        fields = {"certificate": d.certificate, "invoice": invoice, "payment_root": root} | more
        told = {
            name: value.encode() if isinstance(value, Signed) else value for name, value in fields.items()
        }
        till.cases.append(case(f"{id}-{till.suffix}", what, "receipt", signed.encode(), expect, **told))

    good = world.make_receipt(d.key, invoice)
    add("receipt", "D's receipt", good)
    forged = world.make_receipt(till.c.key, invoice, payee=d.kid)
    add("P13-key", "signed by another key", forged, "E_SIG")
    own = world.make_receipt(till.c.key, invoice)
    add("P13-payee", "another device's own receipt", own, "E_PAYEE", certificate=till.c.certificate)
    add("P13-certificate", "shown with another certificate", good, "E_PAYEE", certificate=till.c.certificate)
    add(
        "P13-invoice",
        "a receipt for another request",
        world.make_receipt(d.key, till.ask(1_000)),
        "E_INVOICE",
    )
    add("P13-root", "a receipt for other transfers", good, "E_PARTS", payment_root=bytes(32))


def make() -> dict[str, Any]:
    """The file `payment.json`."""
    contexts: dict[str, Any] = {}
    cases: list[Case] = []
    for algorithm in (ED25519, ES256):
        till = Till(algorithm)
        for part in (_one_part, _parts, _limits, _moments, _purposes, _invoices, _receipts):
            part(till)
        contexts[till.suffix] = context_of(till.world)
        cases += [{**one, "context": till.suffix} for one in till.cases]
    return {
        "origin": "DTO/1, sections 5.4, 5.6 (V0 to V7), 5.13, 7.4 (P), 7.5 (S14), 7.8 (V)",
        "schema": {
            "context": "as in transfers.json",
            "payment": "the bytes are a BUNDLE that pays `invoice` to a payee of `own_category`; `known` as there",
            "invoice": "the bytes are an INVOICE that the payee of `certificate` signed and may be paid",
            "receipt": "the bytes are a RECEIPT for `invoice` and `payment_root` by the payee of `certificate`",
        },
        "context": contexts,
        "cases": cases,
    }
