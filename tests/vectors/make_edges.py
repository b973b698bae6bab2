"""Vectors of corners that two readers could take differently: scopes, periods, lists upon lists, stricter limits."""

from typing import Any

from cbdc.authority import BANK_CA, ISSUER, Authority
from cbdc.keys import ED25519, ES256
from cbdc.money import tenge
from cbdc.record import Signed
from cbdc.token import MERCHANT, PERSON
from offline.parameters import DAY_SECONDS, MAX_BALANCE_MERCHANT, MAX_BALANCE_SE, MAX_COUNT, MAX_HOPS_SW
from offline.parameters import MAX_PAYMENT_PERMILLE as PERMILLE
from offline.records import TIER_SW, Limits, Trust
from tests.offline.world import MEAL_ROW, NOW, START, Device, fixed_bytes
from tests.vectors import edwards
from tests.vectors.case import Case, case
from tests.vectors.make_certificates import NAMES, context_of
from tests.vectors.scene import Scene

# Of small order; no point of P-256 has x = 1.
_UNUSABLE = {ED25519: edwards.encode(edwards.NEUTRAL), ES256: b"\2" + (1).to_bytes(32, "big")}

WIDE = Limits(tenge(500_000), tenge(250_000), tenge(1_000_000), 50, 14, 9)


class Corner(Scene):
    """The ordinary scene under a ROOT that has certified a few strange keys more."""

    def __init__(self, algorithm: int) -> None:
        super().__init__("edges", algorithm)
        world = self.world
        self.bank_four = world.key("bank four")
        self.bank_bare = world.key("bank bare")
        self.bank_split = world.key("bank split")
        self.issuer_bare = world.key("issuer bare")
        split = START + 5 * DAY_SECONDS
        auths = [
            world.make_auth(BANK_CA, self.bank_four, (4, 4)),
            world.make_auth(BANK_CA, self.bank_bare, (5,)),
            # One key in two periods: the first may certify software alone, and both hold in the second they share.
            world.make_auth(BANK_CA, self.bank_split, (6, TIER_SW), expires=split),
            world.make_auth(BANK_CA, self.bank_split, (6, 3), not_before=split),
            world.make_auth(ISSUER, self.issuer_bare, (2,)),
        ]
        self.split = split
        world.authority = Authority(world.root, [*world.authority.auths, *auths])
        self.invoice = world.make_invoice(self.d.key, tenge(1_000))

    def lists(self, *lists: Signed[Trust]) -> list[bytes]:
        """The first list and these after it."""
        return [self.world.first_trust.encode(), *(one.encode() for one in lists)]

    def certified(self, id: str, what: str, device: Device, expect: str = "ok", **more: Any) -> None:
        """One case of the check `certificate`."""
        data = device.certificate.encode()
        self.cases.append(case(f"{id}-{self.suffix}", what, "certificate", data, expect, **more))

    def paid(
        self, id: str, what: str, payer: Device, whole: int, expect: str = "ok", hops: int = 1, **more: Any
    ) -> None:
        """A payment of so many tenge to D by `payer`, from its own note or from a note of A's."""
        invoice = self.world.make_invoice(self.d.key, tenge(whole))
        holder = payer if hops == 1 else self.a
        note = self.world.make_note(holder.kid, tenge(whole))
        steps: list[Signed[Any]] = []
        if hops > 1:
            steps.append(self.step(self.a, note, payer, whole, note=note))
        parent = steps[-1] if steps else note
        steps.append(self.step(payer, parent, self.d, whole, note=note, reference=invoice.oid))
        people = [payer.certificate] if hops == 1 else [self.a.certificate, payer.certificate]
        data = self.world.bundle(people, [(note, steps)]).encode()
        fields = {"invoice": invoice.encode(), "own_category": PERSON} | more
        self.cases.append(case(f"{id}-{self.suffix}", what, "payment", data, expect, **fields))


def _mixed(at: Corner) -> None:
    world = at.world
    other = world.make_device(
        "other", next(one for one in NAMES if one != at.algorithm), ca=world.other_bank_key
    )
    what = "a payer of the other algorithm and of another bank, after one of this"
    at.paid("X28-direct", what, other, 1_000, hops=2)
    twin = Device(at.a.key, other.certificate)
    at.paid("X28-certificate", "its certificate for another's transfer", twin, 1_000, "E_DUP")


def _scopes(at: Corner) -> None:
    world, algorithm = at.world, at.algorithm
    four = world.make_device("four", algorithm, tier=4, ca=at.bank_four)
    at.certified("G11-four", "tier 4 by a bank that may certify it", four)
    at.paid("G11-four-pays", "a direct payer of tier 4: no parameter bounds it", four, 1_000, "E_DEVICE_TIER")
    bare = world.make_device("bare", algorithm, tier=TIER_SW, ca=at.bank_bare)
    at.certified("G16-bare", "a bank whose scope has no highest tier", bare, "E_CA")
    for name, moment, tier, expect in (
        ("first", at.split - 1, 3, "E_CA"),
        ("shared", at.split, 3, "E_CA"),
        ("second", at.split + 1, 3, "ok"),
        ("software", at.split - 1, TIER_SW, "ok"),
    ):
        what = f"one key in two periods: certified in the {name} one, tier {tier}"
        device = world.make_device(f"split {name}", algorithm, tier=tier, ca=at.bank_split, not_before=moment)
        at.certified(f"G20-split-{name}", what, device, expect)
    note = world.make_note(at.a.kid, 1, signer=at.issuer_bare, issuer_reference=at.issuer_bare.public.kid[:8])
    what = "an issuer whose scope has no largest note"
    at.cases.append(case(f"G4-bare-{at.suffix}", what, "note", note.encode(), "E_AMOUNT"))


def _lists(at: Corner) -> None:
    world = at.world
    reference = world.bank_key.public.kid[:8]
    revoking = world.make_trust(2, revoked_references=(reference,))
    full = world.make_trust(3)
    change = world.make_trust(3, base_sequence=2)
    at.certified("V12-full", "a full list takes a revocation back", at.a, trust=at.lists(revoking, full))
    at.certified("V12-change", "a change takes nothing back", at.a, "E_CA", trust=at.lists(revoking, change))
    twice = world.make_trust(2, policy=((PERMILLE.id, 500), (PERMILLE.id, 1)))
    at.paid(
        "V12-twice", "a parameter twice: the last counts", at.a, 1_000, "E_TXLIMIT", trust=at.lists(twice)
    )
    low = world.make_trust(2, policy=((PERMILLE.id, 1),))
    high = world.make_trust(3, base_sequence=2, policy=((PERMILLE.id, 500),))
    at.paid("V12-replaced", "a change replaces a parameter", at.a, 1_000, trust=at.lists(low, high))
    kept = world.make_trust(3, base_sequence=2, policy=((MAX_COUNT.id, 9),))
    at.paid(
        "V12-kept", "a change keeps another parameter", at.a, 1_000, "E_TXLIMIT", trust=at.lists(low, kept)
    )
    gone = world.make_trust(3, policy=((MAX_COUNT.id, 9),))
    at.paid("V12-gone", "a full list forgets a parameter", at.a, 1_000, trust=at.lists(low, gone))
    person = world.make_trust(2, revoked_kids=(at.a.kid[:16],))
    at.certified("V12-device", "the device itself is revoked: not asked here", at.a, trust=at.lists(person))


def _limits(at: Corner) -> None:
    world, algorithm = at.world, at.algorithm

    def lists(*policy: tuple[int, int]) -> list[bytes]:
        return at.lists(world.make_trust(2, policy=policy))

    shop = world.make_device("shop", algorithm, category=MERCHANT)
    low_people = lists((MAX_BALANCE_SE.id, tenge(1_000)))
    low_shops = lists((MAX_BALANCE_MERCHANT.id, tenge(1_000)))
    at.paid("S8-person-low", "the balance of people is lowered", at.a, 501, "E_TXLIMIT", trust=low_people)
    at.paid("S8-person-edge", "half of the lowered balance", at.a, 500, trust=low_people)
    at.paid("S8-shop-people", "a shop has the balance of shops", shop, 501, trust=low_people)
    at.paid("S8-shop-low", "the balance of shops is lowered", shop, 501, "E_TXLIMIT", trust=low_shops)
    till = world.make_device("browser shop", algorithm, tier=TIER_SW, category=MERCHANT, limits=WIDE)
    at.paid("S8-browser", "a shop in software has the balance of software", till, 2_000, trust=low_shops)
    soft = world.make_device("soft", algorithm, tier=TIER_SW, limits=WIDE)
    at.paid("V14-soft", "software, its own limit of hops is wide", soft, 1_000, hops=2)
    named = lists((MAX_HOPS_SW.id, 1))
    at.paid("V14-soft-named", "the list names fewer for software", soft, 1_000, "E_HOPS", hops=2, trust=named)
    at.paid("V14-hard-named", "and says nothing of hardware", at.b, 1_000, hops=2, trust=named)
    wide = world.make_device("wide", algorithm, limits=WIDE)
    at.paid("S8-wide", "a certificate wider than the parameters", wide, 100_000)
    some = lists((MAX_COUNT.id, 9))
    at.paid("S8-wide-other", "a list that names another limit", wide, 100_000, trust=some)
    half = lists((PERMILLE.id, 500))
    at.paid("S8-wide-named", "a list that names the default", wide, 100_000, "E_TXLIMIT", trust=half)
    odd = lists((MAX_BALANCE_SE.id, 2_001), (PERMILLE.id, 500))
    at.paid("S8-round", "half of 20.01 tenge, rounded down", at.a, 10, trust=odd)
    at.paid("S8-round-over", "a tenge more", at.a, 11, "E_TXLIMIT", trust=odd)


def _purposes(at: Corner) -> None:
    world = at.world
    plain = at.lists(world.make_trust(2, purposes=(MEAL_ROW, (0, (), 0, 1, 0, ()))))
    at.paid("V9-plain-hops", "a list gives plain money one hop", at.b, 1_000, "E_HOPS", hops=2, trust=plain)
    at.paid("V9-plain-first", "its first hop", at.a, 1_000, trust=plain)
    capped = (0, (), 0, 9, 0, (((), (), tenge(999), 0, NOW * 2),))
    cap = at.lists(world.make_trust(2, purposes=(capped,)))
    at.paid("V9-plain-cap", "a list caps plain money", at.a, 1_000, "E_PURPOSE_CAP", trust=cap)
    at.paid("V9-plain-cap-edge", "just the cap", at.a, 999, trust=cap)


def _remembered(at: Corner) -> None:
    """A memory that contradicts itself keeps the first of each output and the first of each counter."""
    a, b, c, note, first = at.a, at.b, at.c, at.note, at.first
    branch = at.step(a, note, c, 4_000, counter=90)
    spare = at.world.make_note(a.kid, tenge(5_000))
    counted = at.step(a, spare, b, 4_000, note=spare, counter=90)
    at.offer(
        "S3-known-second",
        "of two branches seen before the later one's counter counts too",
        [a, b],
        [(spare, [counted])],
        "E_EQUIVOCATION",
        known=[first.encode(), branch.encode()],
    )
    clone = at.step(a, spare, c, 5_000, note=spare, counter=first.record.counter)
    at.offer(
        "X27-known-second",
        "of two with one counter seen before the later one's output counts too",
        [a, b],
        [(spare, [counted])],
        "E_DOUBLE_SPEND",
        known=[first.encode(), clone.encode()],
    )
    at.offer(
        "X27-known-first",
        "of two branches seen before the first one stays",
        [a, b],
        [(note, [first])],
        known=[first.encode(), branch.encode()],
    )


def _receipts(at: Corner) -> None:
    d, invoice, world = at.d, at.invoice, at.world

    def add(
        id: str, what: str, invoice: Signed[Any], device: Device, expect: str = "ok", **fields: Any
    ) -> None:
        told = {
            "certificate": device.certificate.encode(),
            "invoice": invoice.encode(),
            "payment_root": fixed_bytes("payment root", 32),
        }
        receipt = world.make_receipt(d.key, invoice, **fields).encode()
        at.cases.append(case(f"{id}-{at.suffix}", what, "receipt", receipt, expect, **told))

    add("receipt-status", "a status that is never written is not asked", invoice, d, status=0)
    weak = at.device("D", public_key=_UNUSABLE[at.algorithm])
    kid = weak.certificate.record.kid
    asked = world.make_invoice(d.key, tenge(1_000), payee=kid)
    add("P13-unusable", "the certified key is unusable", asked, weak, "E_KEY", payee=kid)


def make() -> dict[str, Any]:
    """The file `edges.json`."""
    cases: list[Case] = []
    contexts: dict[str, Any] = {}
    for algorithm, suffix in NAMES.items():
        at = Corner(algorithm)
        for part in (_mixed, _scopes, _lists, _limits, _purposes, _remembered, _receipts):
            part(at)
        contexts[suffix] = context_of(at.world)
        cases += [{**one, "context": suffix} for one in at.cases]
    return {
        "origin": "DTO/1, sections 5.2 (scopes, periods), 5.6 (V5b, receipts), 5.12 (lists upon lists), 5.13 and 5.18 "
        "(the stricter limit)",
        "schema": {
            "context": "as in transfers-ed25519.json, with five AUTHs more",
            "certificate": "as in certificates.json",
            "note": "as in certificates.json",
            "offer": "as in transfers-ed25519.json",
            "payment": "as in payment.json",
            "receipt": "as in payment.json",
        },
        "context": contexts,
        "cases": cases,
    }
