"""The loud switch: what an opened element can do, and that nothing else can (S2, S3, S21, G14)."""

from dataclasses import replace

import pytest

from cbdc.errors import Malformed, Refused
from cbdc.money import tenge
from offline import evidence
from offline.element import SimulatedSecureElement
from offline.opened import OpenedElement, open_for_attack
from offline.records import Outpoint
from tests.offline.bench import Bench
from tests.offline.shop import CAPS, Shop, refused
from tests.offline.world import NOW


@pytest.fixture
def shop() -> Shop:
    return Shop(attacks_allowed=True)


def test_an_honest_element_is_not_opened() -> None:
    with refused("E_ATTACKS_OFF"):
        open_for_attack(Shop().payer, "curiosity")


def test_an_opened_element_says_so(shop: Shop) -> None:
    opened = open_for_attack(shop.payer, "show the status")
    status = opened.status(NOW)
    assert status.opened
    assert "OPENED" in status.kind
    assert opened.reason == opened.clone().reason == "show the status"
    assert not shop.payer.status(NOW).opened
    assert shop.bench.entropy.bytes("element.key", b"payer").hex() not in repr(opened.capture())


def test_opening_is_told_on_standard_error(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    open_for_attack(shop.payer, "tell it aloud")
    open_for_attack(shop.payer, "tell it aloud")
    said = capsys.readouterr().err
    assert said.count("OPENED") == said.count("tell it aloud") == 1


@pytest.mark.parametrize("reason", ["", "x" * 256])
def test_opening_needs_a_reason(shop: Shop, reason: str) -> None:
    with pytest.raises(Malformed, match="E_FIELD"):
        open_for_attack(shop.payer, reason)


def test_what_was_opened_says_so_for_ever(shop: Shop) -> None:
    """Whoever opens the journal later, in whatever way, after payments, compaction and rollback, finds the mark."""
    opened = open_for_attack(shop.payer, "the first reason")
    before = opened.capture()
    opened.pay(shop.invoice(), shop.payee.certificate, [shop.pick], NOW)
    opened.rollback(before)
    opened._journal.compact(opened.snapshot())
    honest = SimulatedSecureElement(opened._journal, shop.bench.entropy, b"")
    status = honest.status(NOW)
    assert (status.opened, status.opened_for) == (True, "the first reason")
    assert status.kind == OpenedElement.KIND
    again = OpenedElement(opened._journal, shop.bench.entropy, b"", reason="another reason")
    assert again.reason == "the first reason"


def test_a_journal_becomes_a_thief_s_when_it_is_opened(shop: Shop) -> None:
    journal = shop.bench.journals["payer"]
    OpenedElement(journal, shop.bench.entropy, b"payer", reason="taken from a bag")
    status = shop.bench.bare("payer").status(NOW)
    assert (status.opened, status.opened_for) == (True, "taken from a bag")
    assert not shop.bench.bare("payee").status(NOW).opened


def test_opening_leaves_the_original_alone(shop: Shop) -> None:
    before = shop.payer.status(NOW)
    opened = open_for_attack(shop.payer, "spend a copy")
    opened.pay(shop.invoice(), shop.payee.certificate, [shop.pick], NOW)
    assert shop.payer.status(NOW) == before
    assert shop.bench.bare("payer").status(NOW) == before


def test_s2_a_rollback_is_a_double_spend_that_proves_itself(shop: Shop) -> None:
    opened = open_for_attack(shop.payer, "spend twice")
    captured = opened.capture()
    one, two = shop.invoice(id=b"one"), shop.invoice(id=b"two")
    (first,) = opened.pay(one, shop.payee.certificate, [shop.pick], NOW)
    opened.rollback(captured)
    (second,) = opened.pay(two, shop.payee.certificate, [shop.pick], NOW)
    assert first.record.outpoint == second.record.outpoint
    assert first.oid != second.oid
    for invoice, transfer in ((one, first), (two, second)):
        shop.payee.accept(invoice.oid, (transfer,), [CAPS], opened.certificate, NOW)
    file = evidence.double_spend(shop.world.authority, opened.certificate, first, second)
    verdict = evidence.verify_evidence(file, shop.world.root)
    assert verdict.kid == shop.payer.kid


def test_s3_clones_that_spend_different_money_equivocate(shop: Shop) -> None:
    other = shop.bench.note(shop.payer.kid, tenge(1_000))
    shop.payer.load(other, NOW)
    opened = open_for_attack(shop.payer, "clone")
    twin = opened.clone()
    (first,) = opened.pay(shop.invoice(id=b"1"), shop.payee.certificate, [shop.pick], NOW)
    (second,) = twin.pay(shop.invoice(id=b"2"), shop.payee.certificate, [Outpoint(other.oid, 0)], NOW)
    assert first.record.outpoint != second.record.outpoint
    assert first.record.counter == second.record.counter
    file = evidence.equivocation(shop.world.authority, opened.certificate, first, second)
    assert evidence.verify_evidence(file, shop.world.root).kid == shop.payer.kid


def test_an_opened_element_signs_what_no_honest_one_would(shop: Shop) -> None:
    opened = open_for_attack(shop.payer, "break rules")
    (honest,) = opened.pay(shop.invoice(), shop.payee.certificate, [shop.pick], NOW)
    minted = opened.sign_anything(
        replace(honest.record, outputs=(honest.record.outputs[0]._replace(amount_tiyn=tenge(9_999)),))
    )
    minted.verify(shop.payer.public_key)


def test_s21_g14_an_element_has_no_call_that_signs_or_shows_anything_else() -> None:
    calls = {name for name in dir(SimulatedSecureElement) if not name.startswith("_")}
    assert calls == {
        "KIND",
        "OPENED",
        "accept",
        "anchor",
        "certificate",
        "enrol",
        "invoice",
        "kid",
        "load",
        "pay",
        "provision",
        "public_key",
        "receipt",
        "redeem",
        "renew",
        "resend",
        "set_pin",
        "status",
        "sync_begin",
        "sync_commit",
        "trust",
        "trust_view",
        "verify_pin",
    }
    extra = {name for name in dir(OpenedElement) if not name.startswith("_")} - calls
    assert extra == {"capture", "clone", "of", "reason", "rollback", "sign_anything", "snapshot"}


def test_an_opened_element_is_still_an_element() -> None:
    bench = Bench("opened")
    element = bench.element("thief", attacks_allowed=True)
    opened = open_for_attack(element, "live on")
    opened.load(bench.note(opened.kid, 100), NOW)
    opened.rollback(opened.capture())
    assert opened.status(NOW).balance_tiyn == 100
    with pytest.raises(Refused):
        opened.load(bench.note(b"\1" * 32, 100), NOW)
