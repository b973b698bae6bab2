"""Vectors of commits of flow I, and of single steps as settlement admits them (5.6: verify_commit and V5a)."""

from dataclasses import replace
from typing import Any

from cbdc.keys import ED25519
from cbdc.money import tenge
from cbdc.record import Signed
from cbdc.token import PERSON
from offline.messages import Commit
from offline.records import REDEEM, Note, Transfer
from tests.offline.world import NOW, fixed_bytes
from tests.vectors import edwards
from tests.vectors.case import Case, case
from tests.vectors.make_certificates import NAMES, context_of, with_trust
from tests.vectors.scene import Scene


class Counter(Scene):
    """A scene in which B offers what A paid it, a note of its own, and D asks for 1,000 tenge bound to that offer."""

    def __init__(self, algorithm: int) -> None:
        super().__init__("commit", algorithm)
        self.own = self.world.make_note(self.b.kid, tenge(600))
        tokens = [(self.note, [self.first]), (self.own, [])]
        self.shown = self.world.bundle([self.a.certificate, self.b.certificate], tokens)
        self.invoice = self.world.make_invoice(self.d.key, tenge(1_000), offer=fixed_bytes("offer", 32))
        self.both = self.pair()

    def answer(self, parent: Signed[Any], whole: int, note: Signed[Note], **fields: Any) -> Signed[Transfer]:
        """B's transfer to D out of one line of its offer."""
        values = {"reference": self.invoice.oid, **fields}
        return self.step(self.b, parent, self.d, whole, note=note, **values)

    def pair(self) -> list[Signed[Transfer]]:
        """600 out of the note and 400 out of what A paid: the whole answer in two parts."""
        first = self.answer(self.own, 600, self.own, part=0, parts=2)
        return [first, self.answer(self.first, 400, self.note, part=1, parts=2)]

    def commit(
        self, id: str, what: str, transfers: list[Signed[Transfer]], expect: str = "ok", **more: Any
    ) -> None:
        """One case of the check `commit`."""
        self.said(id, what, Commit(tuple(transfers)).encode(), expect, **more)

    def said(self, id: str, what: str, data: bytes, expect: str, **more: Any) -> None:
        """One case of the check `commit`, whatever its bytes are."""
        fields = {
            "offer": self.shown.encode(),
            "invoice": self.invoice.encode(),
            "own_category": PERSON,
            **more,
        }
        self.cases.append(case(f"{id}-{self.suffix}", what, "commit", data, expect, **fields))


def _commits(at: Counter) -> None:
    alone = at.answer(at.first, 1_000, at.note, counter=40)
    at.commit("P23-commit", "B pays 1,000 out of what A paid it; the note stays", [alone])
    at.commit("P23-commit-two", "B pays in two parts out of both lines", at.both)
    at.commit("P23-commit-order", "the parts in another order", at.both[::-1])
    at.commit("X10-commit", "it follows on nothing that was offered", [at.third], "E_LINK")
    again = [at.both[0], at.both[0]]
    at.commit("P11-commit-twice", "one part twice", again, "E_PARTS")
    at.commit("P11-commit-missing", "one part of two", at.both[:1], "E_PARTS")
    one = at.world.make_invoice(at.d.key, tenge(1_000), max_parts=1)
    at.commit("P11-commit-most", "more parts than were asked for", at.both, "E_PARTS", invoice=one.encode())
    receipt = at.world.make_receipt(at.d.key, at.invoice).encode()
    at.said("N18-commit", "a receipt where a commit belongs", receipt, "E_OBJTYPE")
    other = at.answer(at.first, 1_000, at.note, counter=41, reference=bytes(32))
    at.commit("P7-commit", "it answers another request", [other], "E_INVOICE")
    little = at.answer(at.first, 999, at.note, counter=42)
    at.commit("P10-commit", "too little", [little], "E_AMOUNT_MISMATCH")
    forged = at.answer(at.first, 1_000, at.note, counter=43, signer=at.a.key)
    at.commit("G1-commit", "signed by another", [forged], "E_SIG")
    bare = at.world.bundle([at.a.certificate], [(at.note, [at.first])]).encode()
    at.commit("X29-commit", "the payer's certificate was not offered", [alone], "E_CERT_MISSING", offer=bare)
    seen = [at.step(at.b, at.first, at.c, 4_000, counter=44).encode()]
    at.commit("X27-commit", "its money was seen spent before", [alone], "E_DOUBLE_SPEND", known=seen)
    revoked = with_trust(at.world, revoked_kids=(at.b.kid[:16],))
    at.commit(
        "V5-commit", "a list that came with the exchange revokes B", [alone], "E_REVOKED", trust=revoked
    )
    late = at.note.record.spend_by - 86_400
    at.commit("V7-commit", "within the margin of its last day", [alone], "E_EXPIRED", now=late)


def _steps(at: Counter) -> None:
    a, b, d, note, first = at.a, at.b, at.d, at.note, at.first
    world = at.world

    def step(
        id: str,
        what: str,
        transfer: Signed[Transfer],
        expect: str = "ok",
        parent: Signed[Transfer] | None = None,
        **more: Any,
    ) -> None:
        fields: dict[str, Any] = {"note": note.encode(), "certificate": b.certificate.encode()} | more
        if parent is not None:
            fields["parent"] = parent.encode()
        fields = {name: value for name, value in fields.items() if value is not None}
        at.cases.append(case(f"{id}-{at.suffix}", what, "step", transfer.encode(), expect, **fields))

    def redeem(parent: Signed[Any], whole: int, **fields: Any) -> Signed[Transfer]:
        account = fixed_bytes("account", 32)
        return world.make_transfer(b.key, parent, note, account, tenge(whole), kind=REDEEM, **fields)

    own = at.a.certificate.encode()
    step("step", "B pays D out of what A paid", at.answer(first, 1_000, note, counter=50), parent=first)
    step("step-note", "A spends its note", first, certificate=own)
    home = redeem(first, 4_000, counter=51)
    step("R9-redeem", "B redeems all of it", home, parent=first)
    partly = redeem(first, 1_000, counter=52)
    step("R9-redeem-change", "B redeems a part", partly, parent=first)
    capped = world.make_note(a.kid, tenge(5_000), max_hops=1, max_length=1)
    paid = at.step(a, capped, b, 4_000, note=capped, counter=53)
    beyond = world.make_transfer(
        b.key, paid, capped, fixed_bytes("account", 32), tenge(4_000), kind=REDEEM, counter=54
    )
    step(
        "R9-caps",
        "a redemption beyond its note's hops and length",
        beyond,
        parent=paid,
        note=capped.encode(),
    )
    too_far = at.step(b, paid, d, 4_000, note=capped, counter=55)
    step(
        "X19-step",
        "a payment beyond its note's hops",
        too_far,
        "E_HOPS",
        parent=paid,
        note=capped.encode(),
    )
    change = at.step(b, partly, d, 3_000, counter=56)
    step("R9-redeem-spent-on", "B pays with the change of a redemption", change, parent=partly)
    after = at.step(b, home, d, 4_000, counter=57, outputs=((tenge(4_000), d.kid),), index=0)
    step("X22-step", "the redeemed output is spent on", after, "E_KIND", parent=home)
    strange = at.answer(first, 1_000, note, counter=58, kind=2)
    step("X22-kind", "kind 2", strange, "E_KIND", parent=first)
    step("X10-step", "another parent", at.third, "E_LINK", parent=first)
    missing = at.answer(first, 1_000, note, counter=59, index=2)
    step("X7-step", "an output that is not there", missing, "E_INDEX", parent=first)
    theirs = at.answer(first, 1_000, note, counter=60, index=1)
    step("X8-step", "B spends A's change", theirs, "E_OWNER", parent=first)
    good = at.answer(first, 1_000, note, counter=61)
    step("X29-step", "no certificate", good, "E_CERT_MISSING", parent=first, certificate=None)
    step("X29-step-other", "another's certificate", good, "E_CERT_MISSING", parent=first, certificate=own)
    forged = at.answer(first, 1_000, note, counter=62, signer=a.key)
    step("G1-step", "signed by another", forged, "E_SIG", parent=first)
    weak = at.device("weak", public_key=edwards.encode(edwards.NEUTRAL)).certificate
    theirs = replace(good.record, payer=weak.record.kid)
    paid = at.step(at.a, note, at.b, 4_000, counter=69, outputs=((tenge(5_000), weak.record.kid),))
    theirs = replace(theirs, previous=paid.oid, outputs=((tenge(5_000), d.kid),))
    spent = world.sign(theirs, b.key)
    step("G9-step", "the certified key is unusable", spent, "E_KEY", parent=paid, certificate=weak.encode())
    outputs = ((tenge(500), d.kid), (tenge(4_500), b.kid))
    strange = at.step(at.a, note, b, 0, counter=70, kind=7, hop=1, outputs=outputs)
    what = "the second output of a transfer of kind 7, which keeps that transfer's hop"
    step("step-other-kind", what, at.step(b, strange, d, 4_500, counter=71, index=1, hop=2), parent=strange)
    what = "counted as the change of a payment"
    as_change = at.step(b, strange, d, 4_500, counter=72, index=1, hop=1)
    step("X18-step-other-kind", what, as_change, "E_HOPS", parent=strange)
    short = redeem(first, 4_000, counter=63, outputs=((tenge(3_999), fixed_bytes("account", 32)),))
    step("X3-step", "a redemption that loses a tenge", short, "E_SUM", parent=first)
    own_self = at.answer(first, 1_000, note, counter=64, outputs=((tenge(4_000), b.kid),))
    step("X16-step", "B pays itself", own_self, "E_SELF", parent=first)
    astray = ((tenge(1_000), fixed_bytes("account", 32)), (tenge(3_000), d.kid))
    step(
        "X17-step",
        "the change goes to D",
        redeem(first, 1_000, counter=65, outputs=astray),
        "E_CHANGE",
        parent=first,
    )
    hop = redeem(first, 4_000, counter=66, hop=2)
    step("X18-step", "a redemption that counts as a hop", hop, "E_HOPS", parent=first)
    marked = redeem(first, 4_000, counter=67, purpose=7)
    step("X20-step", "another purpose", marked, "E_PURPOSE", parent=first)
    longer = redeem(first, 4_000, counter=68, spend_by=NOW)
    step("X20-step-time", "another spend_by", longer, "E_INHERIT", parent=first)


def make() -> dict[str, Any]:
    """The file `commit.json`."""
    cases: list[Case] = []
    contexts: dict[str, Any] = {}
    for algorithm, suffix in NAMES.items():
        at = Counter(algorithm)
        _commits(at)
        if algorithm == ED25519:
            _steps(at)
        contexts[suffix] = context_of(at.world)
        cases += [{**one, "context": suffix} for one in at.cases]
    return {
        "origin": "DTO/1, sections 5.5 (flow I) and 5.6 (verify_commit; V5a as settlement admits a step), 5.19.1",
        "schema": {
            "context": "as in transfers-ed25519.json",
            "commit": "the bytes are a COMMIT that pays `invoice` to a payee of `own_category` out of the lines of the "
            "verified BUNDLE `offer`",
            "step": "the bytes are a TRANSFER that follows from `parent` (a TRANSFER; absent: `note`) on the line of "
            "`note`, signed by the key of `certificate` (absent: there is none)",
        },
        "context": contexts,
        "cases": cases,
    }
