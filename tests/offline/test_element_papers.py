"""The simulated secure element: birth, anchors, certificates, notes."""

from collections.abc import Callable
from typing import Any

import pytest

from cbdc.authority import BANK_CA
from cbdc.keys import ED25519, ES256
from cbdc.money import tenge
from cbdc.record import Signed
from offline.records import (
    DeviceCertificate,
    genesis_link,
)
from tests.offline.bench import DAY, Bench
from tests.offline.shop import Shop, refused
from tests.offline.world import NOW, World, fixed_bytes


@pytest.fixture
def shop() -> Shop:
    return Shop()


# --- birth and papers ---


@pytest.mark.parametrize("algorithm", [ED25519, ES256])
def test_a_key_is_made_once_and_never_shown(algorithm: int) -> None:
    bench = Bench("birth", algorithm)
    element = bench.bare("a")
    assert element.public_key.algorithm == algorithm
    assert bench.bare("a").public_key == element.public_key
    assert bench.bare("b").public_key != element.public_key
    status = element.status(NOW)
    assert (status.status, status.opened, status.balance_tiyn) == ("not provisioned", False, 0)
    assert "simulated" in status.kind
    assert status.head == genesis_link(element.kid)
    secret = bench.entropy.bytes("element.key", b"a")
    assert secret.hex() not in repr(status) + repr(element) + repr(
        vars(status) if hasattr(status, "__dict__") else ""
    )


def test_enrolment_proves_the_key() -> None:
    bench = Bench("birth")
    element = bench.bare("a")
    proof = element.enrol(bench.world.network, 1, fixed_bytes("challenge", 32))
    proof.verify(element.public_key)
    assert (proof.record.bank_id, proof.record.public_key) == (1, element.public_key.raw)


def test_before_provisioning_nothing_goes() -> None:
    bench = Bench("birth")
    shop, element = Shop(), bench.bare("a")
    note = bench.note(element.kid, 100)
    calls: list[Callable[[], object]] = [
        lambda: element.certificate,
        lambda: element.trust_view,
        lambda: element.load(note, NOW),
        lambda: element.invoice(b"i", 1, 0, NOW, 1, 1, b"", b"", NOW),
        lambda: element.pay(shop.invoice(), shop.payee.certificate, [shop.pick], NOW),
        lambda: element.redeem(b"r", bench.order(element.kid), [shop.pick], 1, NOW),
        lambda: element.sync_begin(b"s"),
        lambda: element.trust([bench.world.make_trust(2)]),
        lambda: element.renew(shop.payee.certificate),
    ]
    for call in calls:
        with refused("E_ELEMENT_STATE"):
            call()


def test_s4_anchors_are_given_once(shop: Shop) -> None:
    shop.payer.provision(shop.world.trust, shop.payer.certificate)
    other = shop.world.make_device("other", algorithm=ES256, public_key=shop.payer.public_key.raw)
    with refused("E_PROVISIONED"):
        shop.payer.provision(shop.world.trust, other.certificate)


def certificate_of(shop: Shop, **fields: Any) -> Signed[DeviceCertificate]:
    values = {"algorithm": ES256, "public_key": shop.payer.public_key.raw}
    return shop.world.make_device("payer", **{**values, **fields}).certificate


def test_a_certificate_for_another_key_is_refused(shop: Shop) -> None:
    with refused("E_CERTIFICATE_KEY"):
        shop.payer.renew(shop.payee.certificate)
    bare = shop.bench.bare("new")
    with refused("E_CERTIFICATE_KEY"):
        bare.provision(shop.world.trust, shop.payee.certificate)
    with refused("E_SIG"):
        shop.payer.renew(certificate_of(shop, signer=shop.world.other_bank_key))


def test_a_renewed_certificate_counts_from_now_on(shop: Shop) -> None:
    limits = shop.payer.certificate.record.limits
    lower = certificate_of(shop, limits=limits._replace(max_payment_tiyn=tenge(100)))
    shop.payer.renew(lower)
    assert shop.payer.status(NOW).limits == lower.record.limits
    with refused("E_TXLIMIT"):
        shop.pay(shop.invoice())
    again = shop.bench.bare("payer")
    assert again.certificate.oid == lower.oid


def test_a_new_bank_becomes_known_by_root_only(shop: Shop) -> None:
    key = shop.world.key("third bank")
    auth = shop.world.make_auth(BANK_CA, key, (3, 3))
    with refused("E_SIG"):
        shop.payer.anchor(shop.world.make_auth(BANK_CA, key, (3, 3), signer=shop.world.bank_key))
    for _ in range(2):
        shop.payer.anchor(auth)
    shop.payer.renew(certificate_of(shop, ca=key))
    again = shop.bench.bare("payer")
    assert again.trust_view.sequence == 1
    assert len(again.trust_view.authority.auths) == len(shop.world.authority.auths) + 1


# --- load ---


def test_a_loaded_note_is_a_slot(shop: Shop) -> None:
    status = shop.payer.status(NOW)
    assert status.balance_tiyn == tenge(5_000)
    assert status.purse[shop.pick].amount_tiyn == tenge(5_000)
    assert status.load_number == shop.note.record.load_number
    shop.payer.load(shop.note, NOW)
    assert shop.payer.status(NOW) == status


def test_a_load_number_may_skip_and_never_falls(shop: Shop) -> None:
    early, late = shop.bench.note(shop.payer.kid, 100), shop.bench.note(shop.payer.kid, 100)
    shop.payer.load(late, NOW)
    with refused("E_LOAD_NUMBER"):
        shop.payer.load(early, NOW)
    shop.payer.load(late, NOW)
    shop.payer.load(shop.note, NOW)
    assert shop.payer.status(NOW).balance_tiyn == tenge(5_000) + 100


def test_the_last_note_is_known_even_when_spent(shop: Shop) -> None:
    shop.pay(shop.invoice(tenge(5_000)))
    shop.payer.load(shop.note, NOW)
    assert shop.payer.status(NOW).balance_tiyn == 0


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"owner": b"\1" * 32}, "E_LOAD_OWNER"),
        ({"signer": "bank_key"}, "E_SIG"),
        ({"issuer_reference": b"\0" * 8}, "E_ISSUER"),
        ({"amount_tiyn": tenge(45_001)}, "E_LIMIT_IN"),
        ({"amount_tiyn": tenge(600_000)}, "E_AMOUNT"),
        ({"spend_by": NOW - 9 * DAY}, "E_NOTE_TIME"),
    ],
)
def test_notes_that_are_not_taken(shop: Shop, fields: dict[str, Any], code: str) -> None:
    before = shop.payer.status(NOW)
    values = {"owner": shop.payer.kid, "amount_tiyn": 100, **fields}
    if "signer" in values:
        values["signer"] = getattr(shop.world, str(values["signer"]))
    with refused(code):
        shop.payer.load(shop.world.make_note(**values), NOW)
    assert shop.payer.status(NOW) == before


def test_a_foreign_note_is_not_taken(shop: Shop) -> None:
    with refused("E_ISSUER"):
        shop.payer.load(World("abroad").make_note(shop.payer.kid, 100), NOW)
