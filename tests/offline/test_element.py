"""The simulated secure element: invoice, pay, accept, redeem; the same answer to the same question (P, S)."""

from dataclasses import replace
from typing import Any

import pytest

from cbdc.authority import BANK_CA
from cbdc.errors import Malformed, Refused
from cbdc.keys import ED25519, ES256
from cbdc.money import tenge
from cbdc.token import CANTEEN, PERSON, PUPIL, SUPPLIER
from offline.element import SimulatedSecureElement
from offline.journal import MemoryJournal
from offline.purse import Caps
from offline.records import (
    PAY,
    REDEEM,
    TIER_SW,
    Outpoint,
    Output,
    genesis_link,
)
from tests.offline.bench import DAY, Bench
from tests.offline.shop import CAPS, Shop, forged, refused
from tests.offline.world import MEAL, NOW


@pytest.fixture
def shop() -> Shop:
    return Shop()


# --- invoice ---


def test_an_invoice_reserves_and_repeats(shop: Shop) -> None:
    invoice = shop.invoice()
    invoice.verify(shop.payee.public_key)
    record = invoice.record
    assert (record.payee, record.invoice_number, record.trust_sequence) == (shop.payee.kid, 1, 1)
    status = shop.payee.status(NOW)
    assert (status.reserved_tiyn, status.free_slots, status.pending) == (
        tenge(1_000),
        1_024 - 8,
        (invoice.oid,),
    )
    assert shop.invoice().signature == invoice.signature
    assert shop.payee.status(NOW) == status
    assert shop.invoice(id=b"two").record.nonce != record.nonce


def test_s20_a_request_id_means_one_wish(shop: Shop) -> None:
    shop.invoice()
    with refused("E_REQUEST_REUSED"):
        shop.invoice(tenge(2_000))
    shop.payee.sync_begin(b"sync")
    assert shop.invoice().record.invoice_number == 1  # cancelled, and still the same bytes
    with refused("E_REQUEST_REUSED"):
        shop.invoice(id=b"sync")


@pytest.mark.parametrize("id", [b"", b"x" * 65, "text"])
def test_a_request_id_has_a_length(shop: Shop, id: Any) -> None:
    with pytest.raises(Malformed, match="E_FIELD"):
        shop.invoice(id=id)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"amount": 0}, "E_FIELD"),
        ({"amount": -1}, "E_RANGE"),
        ({"amount": 1.5}, "E_TYPE"),
        ({"amount": True}, "E_TYPE"),
        ({"max_parts": 0}, "E_FIELD"),
        ({"max_parts": 9}, "E_FIELD"),
        ({"offer": b"short"}, "E_FIELD"),
        ({"memo": b"m" * 33}, "E_FIELD"),
        ({"expires": NOW - 1}, "E_INVOICE_EXPIRED"),
        ({"amount": tenge(500_000) + 1}, "E_LIMIT_IN"),
        ({"purpose": 99}, "E_PURPOSE_UNKNOWN"),
        ({"purpose": MEAL}, "E_CATEGORY_IN"),
    ],
)
def test_invoices_that_are_not_made(shop: Shop, fields: dict[str, Any], code: str) -> None:
    before = shop.payee.status(NOW)
    with pytest.raises((Refused, Malformed), match=f"^{code}:"):
        shop.invoice(**fields)
    assert shop.payee.status(NOW) == before


def test_z7_at_most_four_invoices_are_open_and_expired_ones_give_way(shop: Shop) -> None:
    for number in range(4):
        shop.invoice(id=b"%d" % number)
    with refused("E_INVOICES_OPEN"):
        shop.invoice(id=b"more")
    later = NOW + 600 + 601
    shop.invoice(id=b"later", now=later, expires=later + 600)
    assert len(shop.payee.status(later).pending) == 1


# --- pay ---


@pytest.mark.parametrize("algorithm", [ED25519, ES256])
def test_a_payment_from_purse_to_purse(algorithm: int) -> None:
    shop = Shop(algorithm)
    invoice = shop.invoice()
    (transfer,) = shop.pay(invoice)
    transfer.verify(shop.payer.public_key)
    record = transfer.record
    assert record.outputs == (Output(tenge(1_000), shop.payee.kid), Output(tenge(4_000), shop.payer.kid))
    assert (record.kind, record.counter, record.link) == (PAY, 1, genesis_link(shop.payer.kid))
    assert (record.part, record.parts, record.hop, record.length) == (0, 1, 1, 1)
    assert (record.reference, record.outpoint) == (invoice.oid, shop.pick)
    receipt = shop.accept(invoice, (transfer,))
    receipt.verify(shop.payee.public_key)
    payer, payee = shop.payer.status(NOW), shop.payee.status(NOW)
    assert (payer.balance_tiyn, payee.balance_tiyn) == (tenge(4_000), tenge(1_000))
    assert payer.purse[Outpoint(transfer.oid, 1)].hop == 0
    assert payee.purse[Outpoint(transfer.oid, 0)].hop == 1
    assert (payer.head, payer.counter, payer.outbox) == (transfer.oid, 1, (invoice.oid,))
    assert (payer.totals.out_tiyn, payer.totals.out_count) == (tenge(1_000), 1)
    assert (payee.totals.in_tiyn, payee.totals.in_count, payee.pending) == (tenge(1_000), 1, ())


def test_p8_paying_twice_gives_the_same_bytes_and_one_debit(shop: Shop) -> None:
    invoice = shop.invoice()
    first = shop.pay(invoice)
    status = shop.payer.status(NOW)
    assert shop.pay(invoice, Outpoint(first[0].oid, 1)) == first
    assert shop.pay(invoice, now=NOW + 100 * DAY) == first
    assert shop.payer.resend(invoice.oid) == first
    assert shop.payer.resend(b"\0" * 32) == ()
    assert shop.payer.status(NOW) == status
    assert shop.bench.bare("payer").pay(invoice, shop.payee.certificate, [], NOW) == first


def test_several_parts_follow_on_each_other(shop: Shop) -> None:
    other = shop.bench.note(shop.payer.kid, tenge(3_000))
    shop.payer.load(other, NOW)
    invoice = shop.invoice(tenge(6_000))
    one, two = shop.pay(invoice, shop.pick, Outpoint(other.oid, 0))
    assert [output.amount_tiyn for output in one.record.outputs] == [tenge(5_000)]
    assert [output.amount_tiyn for output in two.record.outputs] == [tenge(1_000), tenge(2_000)]
    assert (two.record.counter, two.record.link) == (one.record.counter + 1, one.oid)
    assert [(t.record.part, t.record.parts) for t in (one, two)] == [(0, 2), (1, 2)]
    shop.accept(invoice, (one, two))
    assert shop.payee.status(NOW).balance_tiyn == tenge(6_000)
    assert shop.payer.status(NOW).totals.out_count == 1


def test_s1_a_spent_outpoint_is_gone_for_ever(shop: Shop) -> None:
    shop.pay(shop.invoice())
    with refused("E_OUTPOINT"):
        shop.pay(shop.invoice(id=b"two"))
    with refused("E_OUTPOINT"):
        shop.bench.bare("payer").pay(shop.invoice(id=b"two"), shop.payee.certificate, [shop.pick], NOW)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"expires": NOW - 1}, "E_INVOICE_EXPIRED"),
        ({"payee": b"\7" * 32}, "E_PAYEE"),
        ({"amount_tiyn": tenge(25_000) + 1}, "E_TXLIMIT"),
        ({"amount_tiyn": tenge(5_000) + 1}, "E_PICKS"),
        ({"purpose": MEAL}, "E_CATEGORY"),
        ({"purpose": 99}, "E_CATEGORY"),
    ],
)
def test_invoices_that_are_not_paid(shop: Shop, fields: dict[str, Any], code: str) -> None:
    before = shop.payer.status(NOW)
    with refused(code):
        shop.pay(forged(shop, **fields))
    assert shop.payer.status(NOW) == before


def test_p5_an_altered_invoice_is_not_paid(shop: Shop) -> None:
    invoice = shop.invoice()
    altered = shop.world.sign(replace(invoice.record, amount_tiyn=1), shop.world.bank_key)
    with refused("E_SIG"):
        shop.pay(altered)


@pytest.mark.parametrize(
    ("picks", "code"),
    [([], "E_PARTS"), (["note"] * 2, "E_OUTPOINT"), (["other"], "E_OUTPOINT"), (["note"] * 9, "E_PARTS")],
)
def test_picks_that_are_not_spent(shop: Shop, picks: list[str], code: str) -> None:
    places = {"note": shop.pick, "other": Outpoint(b"\1" * 32, 0)}
    with refused(code):
        shop.payer.pay(shop.invoice(), shop.payee.certificate, [places[pick] for pick in picks], NOW)


def test_more_parts_than_the_payee_takes(shop: Shop) -> None:
    other = shop.bench.note(shop.payer.kid, tenge(3_000))
    shop.payer.load(other, NOW)
    with refused("E_PARTS"):
        shop.pay(shop.invoice(tenge(6_000), max_parts=1), shop.pick, Outpoint(other.oid, 0))


def test_nobody_pays_itself(shop: Shop) -> None:
    invoice = shop.payer.invoice(b"i", 100, 0, NOW + 600, 8, 9_000, b"", b"", NOW)
    with refused("E_SELF"):
        shop.payer.pay(invoice, shop.payer.certificate, [shop.pick], NOW)


def test_p16_expired_and_revoked_payees_are_not_paid(shop: Shop) -> None:
    invoice = forged(shop, expires=NOW + 900 * DAY)
    with refused("E_CERT_TIME"):
        shop.pay(invoice, now=shop.payee.certificate.record.expires + 1)
    shop.payer.trust([shop.world.make_trust(2, revoked_kids=(shop.payee.kid[:16],))])
    with refused("E_REVOKED"):
        shop.pay(invoice)


@pytest.mark.parametrize(
    ("note", "code"),
    [
        ({"max_hops": 0}, "E_HOPS"),
        ({"max_length": 0}, "E_HOPS"),
        ({"spend_by": NOW, "issued": NOW - 5 * DAY}, "E_EXPIRED"),
        ({"purpose": MEAL}, "E_PURPOSE"),
    ],
)
def test_money_that_may_not_move(shop: Shop, note: dict[str, Any], code: str) -> None:
    stuck = shop.bench.note(shop.payer.kid, tenge(2_000), **note)
    shop.payer.load(stuck, NOW)
    with refused(code):
        shop.pay(shop.invoice(), Outpoint(stuck.oid, 0))


def test_x19_hops_end_at_the_devices_cap_and_change_costs_none() -> None:
    shop = Shop(tier=TIER_SW)
    assert shop.payer.certificate.record.limits.max_hops == 3
    pick = shop.pick
    for number in range(12):
        (transfer,) = shop.pay(shop.invoice(100, id=b"%d" % number, max_parts=1), pick)
        shop.payee.accept(transfer.record.reference, (transfer,), [CAPS], shop.payer.certificate, NOW)
        pick = Outpoint(transfer.oid, 1)
    assert shop.payer.status(NOW).purse[pick][2:4] == (0, 12)
    with refused("E_HOPS"):
        shop.pay(shop.invoice(100, id=b"13"), pick)


# --- marked money (V9, V10) ---


def test_marked_money_keeps_its_edges() -> None:
    bench = Bench("meals")
    pupil = bench.device("pupil", category=PUPIL)
    canteen = bench.device("canteen", category=CANTEEN)
    supplier = bench.device("supplier", category=SUPPLIER)
    person = bench.device("person", category=PERSON)
    bench.load(pupil, tenge(1_000), purpose=MEAL, max_hops=2)
    bench.hand_over(pupil, canteen, tenge(400), MEAL)
    assert pupil.balance_tiyn(bench.now, MEAL) == tenge(600)
    with refused("E_CATEGORY_IN"):
        bench.invoice(person, 100, MEAL)
    with refused("E_CATEGORY"):
        pupil.pay(bench.invoice(supplier, 100, MEAL), supplier.certificate, bench.now)
    bench.hand_over(canteen, supplier, tenge(400), MEAL)
    assert supplier.balance_tiyn(bench.now, MEAL) == tenge(400)
    with refused("E_COINS"):
        supplier.pay(bench.invoice(canteen, 100), canteen.certificate, bench.now)


@pytest.mark.parametrize(
    ("limit", "answer"),
    [
        (((), (), tenge(400), 0, NOW), "ok"),
        (((), (), tenge(400) - 1, 0, NOW), "E_PURPOSE_CAP"),
        (((PUPIL,), (CANTEEN,), 5, 0, NOW), "E_PURPOSE_CAP"),
        (((SUPPLIER,), (), 5, 0, NOW), "ok"),
        (((), (), 0, 0, NOW - 1), "E_PURPOSE_TIME"),
        (((), (), 0, NOW + 1, NOW + 2), "E_PURPOSE_TIME"),
        (((), (PUPIL,), 0, 0, 1), "ok"),
    ],
)
@pytest.mark.parametrize("strict", ["pupil", "canteen"])
def test_payer_and_payee_each_keep_caps_and_windows(
    limit: tuple[object, ...], answer: str, strict: str
) -> None:
    """One of the two knows the limits; that one refuses, whatever the other thinks."""
    bench = Bench("limits")
    pupil, canteen = bench.element("pupil", category=PUPIL), bench.element("canteen", category=CANTEEN)
    edges = ((PUPIL, (CANTEEN,)),)
    news = bench.world.make_trust(2, purposes=((MEAL, edges, 0, 2, 1, (limit,)),))
    (pupil if strict == "pupil" else canteen).trust([news])
    if strict == "canteen":
        pupil.trust([bench.world.make_trust(3, purposes=((MEAL, edges, 0, 2, 1, ()),))])
    note = bench.note(pupil.kid, tenge(400), purpose=MEAL, max_hops=2)
    pupil.load(note, NOW)
    asked = canteen.invoice(b"i", tenge(400), MEAL, NOW + 600, 8, 9_000, b"", b"", NOW)
    codes = []
    try:
        paid = pupil.pay(asked, canteen.certificate, [Outpoint(note.oid, 0)], NOW)
        codes.append("paid")
        canteen.accept(asked.oid, paid, [Caps(2, 12)], pupil.certificate, NOW)
        codes.append("ok")
    except Refused as refusal:
        codes.append(refusal.code)
    assert codes == (["paid", answer] if strict == "canteen" or answer == "ok" else [answer])


# --- redeem (5.19.5) ---


def test_money_goes_home_to_the_account_of_the_order(shop: Shop) -> None:
    order = shop.bench.order(shop.payer.kid)
    (home,) = shop.payer.redeem(b"r", order, [shop.pick], tenge(2_000), NOW)
    record = home.record
    assert record.kind == REDEEM
    assert record.outputs == (
        Output(tenge(2_000), order.record.account),
        Output(tenge(3_000), shop.payer.kid),
    )
    assert (record.reference, record.hop, record.length) == (order.oid, 0, 1)
    status = shop.payer.status(NOW)
    assert (status.balance_tiyn, status.totals.out_tiyn, status.totals.out_count) == (
        tenge(3_000),
        tenge(2_000),
        1,
    )
    assert shop.payer.redeem(b"r", order, [], tenge(2_000), NOW) == (home,)
    with refused("E_REQUEST_REUSED"):
        shop.payer.redeem(b"r", order, [shop.pick], tenge(1_000), NOW)
    with refused("E_REQUEST_REUSED"):
        shop.payer.redeem(b"r", shop.bench.order(shop.payer.kid), [shop.pick], tenge(2_000), NOW)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kid": b"\1" * 32}, "E_ORDER"),
        ({"expires": NOW - 1}, "E_ORDER"),
        ({"bank_key": "other_bank_key"}, "E_SIG"),
        ({"bank_key": "settle_key"}, "E_SIG"),
    ],
)
def test_orders_that_do_not_stand(shop: Shop, fields: dict[str, Any], code: str) -> None:
    values = {"kid": shop.payer.kid, **fields}
    if "bank_key" in values:
        values["bank_key"] = getattr(shop.world, str(values["bank_key"]))
    with refused(code):
        shop.payer.redeem(b"r", shop.world.make_redeem_order(**values), [shop.pick], 100, NOW)


def test_a_later_key_of_the_same_bank_may_order(shop: Shop) -> None:
    new_key = shop.world.key("bank one, next key")
    shop.payer.anchor(shop.world.make_auth(BANK_CA, new_key, (1, 3)))
    order = shop.world.make_redeem_order(shop.payer.kid, new_key)
    assert shop.payer.redeem(b"r", order, [shop.pick], tenge(5_000), NOW)
    shop.payer.trust(
        [
            shop.world.make_trust(
                2, revoked_kids=(shop.world.bank_key.public.kid[:16], new_key.public.kid[:16])
            )
        ]
    )
    with refused("E_ORDER"):
        shop.payer.redeem(b"s", shop.world.make_redeem_order(shop.payer.kid, new_key), [shop.pick], 1, NOW)


# --- accept ---


def test_p1_p3_a_payment_counts_once_also_after_a_restart(shop: Shop) -> None:
    invoice = shop.invoice()
    transfers = shop.pay(invoice)
    receipt = shop.accept(invoice, transfers)
    status = shop.payee.status(NOW)
    assert shop.accept(invoice, transfers) == receipt
    assert shop.payee.receipt(invoice.oid) == receipt
    shop.payee = shop.bench.bare("payee")
    assert shop.accept(invoice, transfers, now=NOW + 100 * DAY) == receipt
    assert shop.payee.status(NOW) == status
    assert shop.payee.receipt(b"\0" * 32) is None


def test_p2_after_the_receipts_are_forgotten_a_replay_is_refused(shop: Shop) -> None:
    first = shop.invoice()
    transfers = shop.pay(first)
    shop.accept(first, transfers)
    pick = Outpoint(transfers[0].oid, 1)
    for number in range(32):
        note = shop.bench.note(shop.payer.kid, 100)
        shop.payer.load(note, NOW)
        invoice = shop.invoice(100, id=b"%d" % number)
        shop.accept(invoice, shop.pay(invoice, Outpoint(note.oid, 0)))
    assert shop.payer.status(NOW).purse[pick]
    before = shop.payee.status(NOW)
    with refused("E_INVOICE_UNKNOWN"):
        shop.accept(first, transfers)
    assert shop.payee.status(NOW) == before


def test_p7_a_payment_nobody_asked_for(shop: Shop) -> None:
    transfers = shop.pay(forged(shop))
    with refused("E_INVOICE_UNKNOWN"):
        shop.payee.accept(transfers[0].record.reference, transfers, [CAPS], shop.payer.certificate, NOW)


def test_p6_late_payments_are_refused_after_the_skew(shop: Shop) -> None:
    invoice = shop.invoice()
    transfers = shop.pay(invoice)
    with refused("E_INVOICE_UNKNOWN"):
        shop.accept(invoice, transfers, now=NOW + 600 + 601)
    shop.accept(invoice, transfers, now=NOW + 600 + 600)


def test_a_sync_cancels_what_is_open(shop: Shop) -> None:
    invoice = shop.invoice()
    transfers = shop.pay(invoice)
    shop.payee.sync_begin(b"sync")
    with refused("E_INVOICE_UNKNOWN"):
        shop.accept(invoice, transfers)


def test_it_is_an_element_of_type_simulated() -> None:
    assert SimulatedSecureElement.KIND.startswith("simulated")
    assert not SimulatedSecureElement(MemoryJournal(), Bench().entropy, b"x").attacks_allowed
