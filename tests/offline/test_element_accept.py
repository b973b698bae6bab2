"""What an element does not accept: every way in which transfers are not the whole payment it asked for (V6, V8)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from cbdc.errors import Refused
from cbdc.keys import ED25519
from cbdc.money import tenge
from cbdc.token import PUPIL
from offline.opened import OpenedElement, open_for_attack
from offline.purse import Caps
from offline.records import REDEEM, Outpoint, Output, SignedTransfer
from tests.offline.bench import Bench
from tests.offline.shop import CAPS, Shop, refused
from tests.offline.world import MEAL, NOW


class Fraud(Shop):
    """A shop whose payer is opened, with two notes of 5,000; the honest payment takes 3,000 of each... or not."""

    def __init__(self) -> None:
        super().__init__(attacks_allowed=True)
        self.second = self.bench.note(self.payer.kid, tenge(5_000))
        self.payer.load(self.second, NOW)
        self.asked = self.invoice(tenge(6_000))
        self.opened: OpenedElement = open_for_attack(self.payer, "forge payments")
        self.honest = self.opened.pay(
            self.asked, self.payee.certificate, [self.pick, Outpoint(self.second.oid, 0)], NOW
        )

    def changed(self, place: int, /, **fields: Any) -> tuple[SignedTransfer, ...]:
        """The honest payment with one part signed anew over other fields."""
        transfers = list(self.honest)
        transfers[place] = self.opened.sign_anything(replace(transfers[place].record, **fields))
        return tuple(transfers)


@pytest.fixture
def fraud() -> Fraud:
    return Fraud()


def with_outputs(fraud: Fraud, *outputs: tuple[int, bytes]) -> tuple[SignedTransfer, ...]:
    return fraud.changed(1, outputs=tuple(Output(*output) for output in outputs))


CASES: list[tuple[str, Callable[[Fraud], tuple[SignedTransfer, ...]]]] = [
    ("E_PARTS", lambda f: ()),
    ("E_PARTS", lambda f: f.honest[:1]),
    ("E_PARTS", lambda f: f.honest[1:]),
    ("E_PARTS", lambda f: f.honest[::-1]),
    ("E_PARTS", lambda f: (*f.honest, f.honest[1])),
    ("E_PARTS", lambda f: f.honest * 5),
    ("E_PARTS", lambda f: f.changed(0, part=1)),
    ("E_PARTS", lambda f: f.changed(1, parts=3)),
    ("E_KIND", lambda f: f.changed(1, kind=REDEEM)),
    ("E_KIND", lambda f: f.changed(1, kind=9)),
    ("E_INVOICE", lambda f: f.changed(1, reference=b"\1" * 32)),
    ("E_PAYEE", lambda f: with_outputs(f, (tenge(1_000), b"\1" * 32))),
    ("E_AMOUNT_MISMATCH", lambda f: with_outputs(f, (tenge(999), f.payee.kid))),
    ("E_AMOUNT_MISMATCH", lambda f: with_outputs(f, (tenge(1_001), f.payee.kid))),
    ("E_PURPOSE", lambda f: f.changed(1, purpose=MEAL)),
    ("E_HOPS", lambda f: f.changed(0, hop=6)),
    ("E_HOPS", lambda f: f.changed(0, length=13)),
    ("E_EXPIRED", lambda f: f.changed(0, spend_by=NOW)),
    ("E_DUPINPUT", lambda f: f.changed(1, previous=f.pick.previous)),
    ("E_PAYER_MIX", lambda f: f.changed(1, payer=b"\1" * 32)),
]


@pytest.mark.parametrize(("code", "make"), CASES)
def test_what_is_not_the_payment(
    fraud: Fraud, code: str, make: Callable[[Fraud], tuple[SignedTransfer, ...]]
) -> None:
    before = fraud.payee.status(NOW)
    with refused(code):
        fraud.accept(fraud.asked, make(fraud))
    assert fraud.payee.status(NOW) == before
    fraud.accept(fraud.asked, fraud.honest)
    assert fraud.payee.status(NOW).balance_tiyn == tenge(6_000)


def test_g1_every_flipped_byte_of_a_signature_is_seen(fraud: Fraud) -> None:
    first, second = fraud.honest
    for place in range(64):
        flipped = bytearray(second.signature)
        flipped[place] ^= 1
        with refused("E_SIG"):
            fraud.accept(fraud.asked, (first, replace(second, signature=bytes(flipped))))


def test_another_keys_signature_is_seen(fraud: Fraud) -> None:
    forged = fraud.world.sign(fraud.honest[1].record, fraud.world.key("stranger", ED25519))
    with refused("E_SIG"):
        fraud.accept(fraud.asked, (fraud.honest[0], forged))


def test_caps_are_counted_and_kept(fraud: Fraud) -> None:
    def accept(*caps: Caps) -> None:
        fraud.payee.accept(fraud.asked.oid, fraud.honest, caps, fraud.payer.certificate, NOW)

    for caps, code in [((CAPS,), "E_PARTS"), ((CAPS, Caps(0, 12)), "E_HOPS"), ((CAPS, Caps(5, 0)), "E_HOPS")]:
        with refused(code):
            accept(*caps)
    accept(CAPS, CAPS)


def test_the_payers_certificate_must_stand(fraud: Fraud) -> None:
    def accept(certificate: Any, now: int = NOW) -> None:
        fraud.payee.accept(fraud.asked.oid, fraud.honest, [CAPS, CAPS], certificate, now)

    good = fraud.payer.certificate
    with refused("E_SIG"):
        accept(replace(good, signature=bytes(64)))
    with refused("E_PAYER_MIX"):
        accept(fraud.payee.certificate)
    unknown = fraud.world.sign(replace(good.record, ca_reference=b"\0" * 8), fraud.world.bank_key)
    with refused("E_CA"):
        accept(unknown)
    over = fraud.world.sign(replace(good.record, expires=NOW - 1), fraud.world.bank_key)
    with refused("E_CERT_TIME"):
        accept(over)
    early = fraud.world.sign(replace(good.record, not_before=NOW + 1), fraud.world.bank_key)
    with refused("E_CERT_TIME"):
        accept(early)
    fraud.payee.trust([fraud.world.make_trust(2, revoked_kids=(fraud.payer.kid[:16],))])
    with refused("E_REVOKED"):
        accept(good)
    assert fraud.payee.status(NOW).balance_tiyn == 0


def test_a_device_does_not_accept_its_own_transfer() -> None:
    fraud = Fraud()
    own = fraud.payer.invoice(b"mine", tenge(5_000), 0, NOW + 600, 8, 9_000, b"", b"", NOW)
    paid = fraud.opened.sign_anything(
        replace(
            fraud.honest[0].record,
            outputs=(Output(tenge(5_000), fraud.payer.kid),),
            reference=own.oid,
            parts=1,
        )
    )
    with refused("E_SELF"):
        fraud.payer.accept(own.oid, (paid,), [CAPS], fraud.payer.certificate, NOW)


def test_marked_money_from_a_category_that_may_not_pay() -> None:
    bench = Bench("meal fraud")
    from cbdc.token import CANTEEN

    thief = bench.element("thief", attacks_allowed=True)
    canteen = bench.element("canteen", category=CANTEEN)
    pupil = bench.element("pupil", category=PUPIL)
    note = bench.note(thief.kid, tenge(100), purpose=MEAL, max_hops=2)
    asked = canteen.invoice(b"i", tenge(100), MEAL, NOW + 600, 8, 9_000, b"", b"", NOW)
    honest_note = bench.note(pupil.kid, tenge(100), purpose=MEAL, max_hops=2)
    pupil.load(honest_note, NOW)
    (honest,) = pupil.pay(asked, canteen.certificate, [Outpoint(honest_note.oid, 0)], NOW)
    stolen = open_for_attack(thief, "pay with meal money").sign_anything(
        replace(honest.record, payer=thief.kid, previous=note.oid)
    )
    with refused("E_CATEGORY"):
        canteen.accept(asked.oid, (stolen,), [Caps(2, 12)], thief.certificate, NOW)
    canteen.accept(asked.oid, (honest,), [Caps(2, 12)], pupil.certificate, NOW)


def test_the_dead_accept_nothing(fraud: Fraud) -> None:
    payee = fraud.payee
    payee._state = replace(payee._state, status=3)
    with pytest.raises(Refused, match="E_ELEMENT_STATE"):
        fraud.accept(fraud.asked, fraud.honest)
    with pytest.raises(Refused, match="E_ELEMENT_STATE"):
        payee.sync_begin(b"s")
