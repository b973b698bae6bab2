"""The receiver's verification: whole messages, two ways to the same payment, and evidence that is kept."""

import pickle
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.errors import Refused, TengeError
from cbdc.keys import ED25519, ES256
from cbdc.money import tenge
from cbdc.record import Signed
from cbdc.token import CANTEEN, MERCHANT, PERSON, PUPIL
from offline import verify
from offline.evidence import DOUBLE_SPEND, EQUIVOCATION, verify_evidence
from offline.parameters import DAY_SECONDS, MAX_BYTES, limits_for
from offline.records import TIER_SE, TIER_TEE, Invoice, Note, Outpoint, Transfer
from offline.verify import (
    EMPTY,
    Conflict,
    Known,
    check_certificate,
    check_policy,
    verify_commit,
    verify_offer,
    verify_payment,
)
from tests.offline.world import MEAL, NOW, Device, World, fixed_bytes

LIMIT = 24 * 1_024


class Shop:
    """A and B hold notes, and A has paid B; D asks for money."""

    def __init__(self, name: str = "verify", algorithm: int = ED25519) -> None:
        self.world = World(name)
        self.a, self.b, self.c, self.d = (self.world.make_device(one, algorithm) for one in "ABCD")
        self.note = self.world.make_note(self.a.kid, tenge(5_000))
        self.first = self.pay(self.a, self.note, self.b, 4_000)
        self.own = self.world.make_note(self.b.kid, tenge(700))
        self.invoice = self.world.make_invoice(self.d.key, tenge(1_200))

    def pay(
        self, payer: Device, parent: Signed[Any], payee: Device, whole: int, **fields: Any
    ) -> Signed[Transfer]:
        note = fields.pop("note", self.note)
        return self.world.make_transfer(payer.key, parent, note, payee.kid, tenge(whole), **fields)

    def offer(self) -> bytes:
        """B offers what A paid it and a note of its own."""
        tokens = [(self.note, [self.first]), (self.own, [])]
        return self.world.bundle([self.a.certificate, self.b.certificate], tokens).encode()

    def parts(self, invoice: Signed[Invoice] | None = None) -> list[Signed[Transfer]]:
        """B's two transfers: 700 from its own note and 500 with change."""
        fields = {"reference": (invoice or self.invoice).oid, "parts": 2}
        one = self.pay(self.b, self.own, self.d, 700, note=self.own, part=0, counter=1, **fields)
        return [one, self.pay(self.b, self.first, self.d, 500, part=1, counter=2, link=one.oid, **fields)]

    def payment(self, parts: list[Signed[Transfer]]) -> bytes:
        """The same two transfers in one message."""
        tokens: list[tuple[Signed[Note], list[Signed[Transfer]]]] = [
            (self.own, [parts[0]]),
            (self.note, [self.first, parts[1]]),
        ]
        return self.world.bundle([self.a.certificate, self.b.certificate], tokens).encode()


SHOP = Shop()


@pytest.mark.parametrize("algorithm", [ED25519, ES256])
def test_two_ways_to_one_payment(algorithm: int) -> None:
    """Flow Q sends everything at once; flow I sends the lines first and then only the new transfers."""
    shop = Shop("verify ways", algorithm)
    parts = shop.parts()
    whole = verify_payment(shop.payment(parts), shop.invoice, PERSON, shop.world.trust, NOW)
    offer = verify_offer(shop.offer(), shop.world.trust, NOW, LIMIT)
    committed = verify_commit(offer, parts[::-1], shop.invoice, PERSON, shop.world.trust, NOW)
    assert whole.transfers == committed.transfers == tuple(parts)
    assert whole.payer_certificate == committed.payer_certificate == shop.b.certificate
    assert sorted(token.tip for token in whole.bundle.tokens) == sorted(
        t.tip for t in committed.bundle.tokens
    )
    assert {token.tip for token in whole.bundle.tokens} == {part.oid for part in parts}


def test_a_commit_uses_some_of_what_was_offered() -> None:
    world = SHOP.world
    offer = verify_offer(SHOP.offer(), world.trust, NOW, LIMIT)
    invoice = world.make_invoice(SHOP.d.key, tenge(700))
    part = SHOP.pay(SHOP.b, SHOP.own, SHOP.d, 700, note=SHOP.own, reference=invoice.oid, counter=9)
    payment = verify_commit(offer, [part], invoice, PERSON, world.trust, NOW)
    assert payment.bundle.certificates == (SHOP.b.certificate,), "A's certificate is not needed for it"


def test_a_commit_answers_the_offer() -> None:
    world, parts = SHOP.world, SHOP.parts()
    offer = verify_offer(SHOP.offer(), world.trust, NOW, LIMIT)

    def code(transfers: list[Signed[Transfer]], invoice: Signed[Invoice] = SHOP.invoice) -> str:
        try:
            verify_commit(offer, transfers, invoice, PERSON, world.trust, NOW)
        except Refused as error:
            return error.code
        return "ok"

    assert code([]) == "E_PARTS"
    assert code(parts[:1]) == "E_PARTS"
    one = replace(SHOP.invoice.record, max_parts=1)
    assert code(parts, world.sign(one, SHOP.d.key)) == "E_PARTS"
    elsewhere = world.make_note(SHOP.b.kid, tenge(500))
    stray = SHOP.pay(SHOP.b, elsewhere, SHOP.d, 500, note=elsewhere, reference=SHOP.invoice.oid, counter=9)
    assert code([stray]) == "E_LINK"
    assert code([parts[0], parts[0]]) == "E_PARTS"
    forged = SHOP.pay(
        SHOP.b, SHOP.first, SHOP.d, 500, reference=SHOP.invoice.oid, part=1, parts=2, signer=SHOP.a.key
    )
    assert code([parts[0], forged]) == "E_SIG"


def test_who_was_paid_instead_is_told() -> None:
    """The refusal names the first output's owner, the payee as the payer has it, and not the owner of the change."""
    world = SHOP.world
    part = SHOP.pay(SHOP.b, SHOP.first, SHOP.c, 1_200, reference=SHOP.invoice.oid)
    payment = world.bundle([SHOP.a.certificate, SHOP.b.certificate], [(SHOP.note, [SHOP.first, part])])
    with pytest.raises(Refused, match=r"^E_PAYEE:") as caught:
        verify_payment(payment.encode(), SHOP.invoice, PERSON, world.trust, NOW)
    assert caught.value.facts == {"owner": SHOP.c.kid.hex(), "payee": SHOP.d.kid.hex()}


def test_the_receivers_own_limit_counts_too() -> None:
    """An invoice may say what it likes; the trust list bounds every message."""
    data = SHOP.payment(SHOP.parts())
    low = SHOP.world.trust.adopt(SHOP.world.make_trust(2, policy=((MAX_BYTES.id, len(data) - 1),)))
    with pytest.raises(TengeError, match="E_SIZE"):
        verify_payment(data, SHOP.invoice, PERSON, low, NOW)
    just = SHOP.world.trust.adopt(SHOP.world.make_trust(2, policy=((MAX_BYTES.id, len(data)),)))
    verify_payment(data, SHOP.invoice, PERSON, just, NOW)


def test_a_double_spend_gives_its_evidence() -> None:
    world = SHOP.world
    other = SHOP.pay(SHOP.a, SHOP.note, SHOP.c, 5_000, counter=7)
    known = EMPTY.with_transfers([other])
    with pytest.raises(Conflict) as refusal:
        verify_offer(SHOP.offer(), world.trust, NOW, LIMIT, known)
    assert refusal.value.code == "E_DOUBLE_SPEND"
    verdict = verify_evidence(refusal.value.evidence, world.root)
    assert (verdict.type, verdict.kid, verdict.amount_tiyn) == (DOUBLE_SPEND, SHOP.a.kid, tenge(5_000))
    assert "{" not in str(refusal.value)
    travelled = pickle.loads(pickle.dumps(refusal.value))
    assert (type(travelled), travelled.code) == (Refused, "E_DOUBLE_SPEND")


def test_one_note_in_two_parts_gives_its_evidence() -> None:
    """X15: the parts of one payment spend one note; named for what it is, and kept as proof."""
    world = SHOP.world
    fields: dict[str, Any] = {"reference": SHOP.invoice.oid, "parts": 2, "note": SHOP.own}
    one = SHOP.pay(SHOP.b, SHOP.own, SHOP.d, 600, part=0, counter=1, **fields)
    two = SHOP.pay(SHOP.b, SHOP.own, SHOP.d, 600, part=1, counter=2, link=one.oid, **fields)
    data = world.bundle([SHOP.b.certificate], [(SHOP.own, [one]), (SHOP.own, [two])]).encode()
    with pytest.raises(Conflict) as refusal:
        verify_payment(data, SHOP.invoice, PERSON, world.trust, NOW)
    assert refusal.value.code == "E_DUPINPUT"
    assert verify_evidence(refusal.value.evidence, world.root).kid == SHOP.b.kid


def test_a_copied_device_gives_its_evidence() -> None:
    world = SHOP.world
    record = SHOP.first.record
    spare = world.make_note(SHOP.a.kid, tenge(100))
    clone = SHOP.pay(SHOP.a, spare, SHOP.c, 100, note=spare, counter=record.counter, link=record.link)
    with pytest.raises(Conflict) as refusal:
        verify_offer(SHOP.offer(), world.trust, NOW, LIMIT, EMPTY.with_transfers([clone]))
    assert refusal.value.code == "E_EQUIVOCATION"
    verdict = verify_evidence(refusal.value.evidence, world.root)
    assert (verdict.type, verdict.kid, verdict.amount_tiyn) == (EQUIVOCATION, SHOP.a.kid, 0)


def test_what_was_seen_first_is_remembered() -> None:
    other = SHOP.pay(SHOP.a, SHOP.note, SHOP.c, 5_000, counter=SHOP.first.record.counter)
    known = EMPTY.with_transfers([SHOP.first]).with_transfers([other, SHOP.first])
    assert known.spends == {Outpoint(SHOP.note.oid, 0): SHOP.first}
    assert known.counters == {(SHOP.a.kid, SHOP.first.record.counter): SHOP.first}
    assert Known() == EMPTY
    verify_offer(SHOP.offer(), SHOP.world.trust, NOW, LIMIT, known)


def test_an_offer_is_judged_for_who_would_take_it() -> None:
    """Of two who own the end of a line, one that may pay the taker is enough: either may be the one who offers."""
    world = SHOP.world
    pupil = world.make_device("pupil", category=PUPIL)
    canteen = world.make_device("canteen", category=CANTEEN)
    meal = world.make_note(pupil.kid, tenge(900), purpose=MEAL)
    paid = SHOP.pay(pupil, meal, canteen, 400, note=meal)
    data = world.bundle([pupil.certificate, canteen.certificate], [(meal, [paid])]).encode()
    verify_offer(data, world.trust, NOW, LIMIT, own_category=CANTEEN)
    verify_offer(data, world.trust, NOW, LIMIT)
    with pytest.raises(Refused, match="E_CATEGORY"):
        verify_offer(data, world.trust, NOW, LIMIT, own_category=MERCHANT)


def test_a_certificate_is_asked_for_its_moment_only_when_given() -> None:
    old = SHOP.world.make_device("old", expires=NOW - 1).certificate
    check_certificate(old, SHOP.world.trust)
    check_certificate(old, SHOP.world.trust, NOW - 1)
    with pytest.raises(Refused, match="E_CERT_TIME"):
        check_certificate(old, SHOP.world.trust, NOW)


def test_a_redemption_has_no_limits_but_a_standing() -> None:
    world = SHOP.world
    rich = world.make_note(SHOP.b.kid, tenge(100_000))
    account = fixed_bytes("account", 32)
    redeem = world.make_transfer(SHOP.b.key, rich, rich, account, tenge(90_000), kind=1, counter=9).record
    certificate = SHOP.b.certificate.record
    check_policy(redeem, certificate, world.trust, direct=True)
    with pytest.raises(Refused, match="E_TXLIMIT"):
        check_policy(replace(redeem, kind=0), certificate, world.trust, direct=True)
    revoked = world.trust.adopt(world.make_trust(2, revoked_kids=(SHOP.b.kid[:16],)))
    for direct, position in ((True, "payer"), (False, "earlier holder")):
        with pytest.raises(Refused, match="E_REVOKED") as caught:
            check_policy(redeem, certificate, revoked, direct=direct)
        assert caught.value.facts == {"kid": SHOP.b.kid.hex(), "position": position}


def test_the_certificate_counts_and_not_the_table_of_limits() -> None:
    world = SHOP.world
    own = limits_for(TIER_SE, PERSON)._replace(max_payment_tiyn=tenge(10))
    small = world.make_device("small", tier=TIER_TEE, limits=own)
    note = world.make_note(small.kid, tenge(20))
    invoices = {whole: world.make_invoice(SHOP.d.key, tenge(whole)) for whole in (10, 11)}
    messages = {}
    for whole, invoice in invoices.items():
        paid = SHOP.pay(small, note, SHOP.d, whole, note=note, reference=invoice.oid, counter=whole)
        messages[whole] = world.bundle([small.certificate], [(note, [paid])]).encode()
    verify_payment(messages[10], invoices[10], PERSON, world.trust, NOW)
    with pytest.raises(Refused, match="E_TXLIMIT"):
        verify_payment(messages[11], invoices[11], PERSON, world.trust, NOW)


ORDER_OF_STEPS = [
    ("E_SIZE", {"limit": 10}),
    ("E_CA", {"bank": True}),
    ("E_ISSUER", {"issuer": True}),
    ("E_SUM", {"sum": True}),
    ("E_REVOKED", {"revoked": True}),
    ("E_EXPIRED", {"late": True}),
]


@given(st.sets(st.sampled_from(range(len(ORDER_OF_STEPS))), min_size=1))
@settings(max_examples=64)
def test_the_order_of_the_steps_is_the_protocols(broken: set[int]) -> None:
    """Any set of things wrong at once: the answer is the one that comes first in the protocol."""
    world = SHOP.world
    wrong: dict[str, Any] = {}
    for place in broken:
        wrong |= ORDER_OF_STEPS[place][1]
    bank = fixed_bank() if "bank" in wrong else None
    payer = world.make_device("B", ca=bank) if bank else SHOP.b
    signer = world.bank_key if "issuer" in wrong else None
    fields = {"issuer_reference": world.bank_key.public.kid[:8]} if signer else {}
    note = world.make_note(payer.kid, tenge(500), signer, **fields)
    invoice = world.make_invoice(SHOP.d.key, tenge(500), max_bytes=wrong.get("limit", LIMIT))
    outputs = {"outputs": ((tenge(501), SHOP.d.kid),)} if "sum" in wrong else {}
    paid = SHOP.pay(payer, note, SHOP.d, 500, note=note, reference=invoice.oid, counter=5, **outputs)
    revoked = (payer.kid[:16],) if "revoked" in wrong else ()
    trust = world.trust.adopt(world.make_trust(2, revoked_kids=revoked))
    now = NOW + (100 * DAY_SECONDS if "late" in wrong else 0)
    data = world.bundle([payer.certificate], [(note, [paid])]).encode()
    with pytest.raises(TengeError) as refusal:
        verify_payment(data, invoice, PERSON, trust, now)
    assert refusal.value.code == ORDER_OF_STEPS[min(broken)][0]


def fixed_bank() -> Any:
    """A bank key that ROOT never certified."""
    return SHOP.world.key("no bank")


@given(st.data())
@settings(max_examples=60)
def test_any_bytes_are_refused_by_a_code(data: st.DataObject) -> None:
    message = bytearray(SHOP.payment(SHOP.parts()))
    start = data.draw(st.integers(0, len(message)))
    noise = data.draw(st.binary(max_size=40))
    message[start : start + data.draw(st.integers(0, 60))] = noise
    if bytes(message) == SHOP.payment(SHOP.parts()):
        return
    with pytest.raises(TengeError):
        verify_payment(bytes(message), SHOP.invoice, PERSON, SHOP.world.trust, NOW)


def test_the_exported_names_are_there() -> None:
    assert all(hasattr(verify, name) for name in verify.__all__)
