"""Limits of an element: amounts, counts, places, ages, trust, blocked and dead (S8, S9, S11, S14 to S19, S22, S24)."""

from dataclasses import replace
from typing import Any

import pytest

from cbdc.canonical import MAX_INTEGER
from cbdc.errors import Refused
from cbdc.money import tenge
from cbdc.token import PERSON
from offline.element_rules import LAST_NUMBER
from offline.element_state import ElementState
from offline.purse import Totals
from offline.records import Limits, Outpoint
from tests.offline.bench import DAY, Bench
from tests.offline.shop import Shop, refused
from tests.offline.world import NOW

SMALL = Limits(tenge(10_000), tenge(2_000), tenge(3_000), 3, 14, 5)


def small(**fields: Any) -> Shop:
    """A shop whose payer may hold 10,000, pay 2,000 at once, and 3,000 in three payments between syncs."""
    return Shop(limits=SMALL._replace(**fields))


def spend(shop: Shop, *amounts: int) -> Outpoint:
    """Pay these amounts one after the other out of the change; the outpoint that is left."""
    pick = shop.pick
    for amount in amounts:
        invoice = shop.invoice(amount, id=shop.bench.next_id())
        (transfer,) = shop.pay(invoice, pick)
        shop.accept(invoice, (transfer,))
        pick = Outpoint(transfer.oid, 1)
    return pick


def test_s8_one_payment() -> None:
    shop = small()
    with refused("E_TXLIMIT"):
        shop.pay(shop.invoice(tenge(2_000) + 1))
    shop.pay(shop.invoice(tenge(2_000), id=b"exactly"))


def test_s8_sum_since_the_last_sync() -> None:
    shop = small()
    rest = spend(shop, tenge(2_000))
    with refused("E_LIMIT_OUT"):
        shop.pay(shop.invoice(tenge(1_000) + 1), rest)
    shop.pay(shop.invoice(tenge(1_000), id=b"exactly"), rest)


def test_s8_s9_count_since_the_last_sync() -> None:
    shop = small()
    rest = spend(shop, 1, 1, 1)
    with refused("E_LIMIT_COUNT"):
        shop.pay(shop.invoice(1), rest)


def test_s9_splitting_a_purchase_gains_nothing() -> None:
    shop = small(max_count=50)
    rest = spend(shop, *[tenge(300)] * 10)
    with refused("E_LIMIT_OUT"):
        shop.pay(shop.invoice(1), rest)


def test_limits_of_the_trust_list_are_kept_too() -> None:
    shop = Shop()
    shop.payer.trust([shop.world.make_trust(2, policy=((3, tenge(4_000)),))])
    with refused("E_TXLIMIT"):
        shop.pay(shop.invoice(tenge(2_000) + 1))
    shop.pay(shop.invoice(tenge(2_000), id=b"half of the balance"))


def test_s11_the_balance_with_what_is_promised() -> None:
    shop = small()
    payer = shop.payer
    payer.invoice(b"a", tenge(4_000), 0, NOW + 600, 8, 9_000, b"", b"", NOW)
    with refused("E_LIMIT_IN"):
        payer.invoice(b"b", tenge(1_000) + 1, 0, NOW + 600, 8, 9_000, b"", b"", NOW)
    with refused("E_LIMIT_IN"):
        payer.load(shop.bench.note(payer.kid, tenge(1_000) + 1), NOW)
    payer.load(shop.bench.note(payer.kid, tenge(1_000)), NOW)
    assert payer.status(NOW).balance_tiyn == tenge(6_000)
    later = NOW + 600 + 601
    payer.load(shop.bench.note(payer.kid, tenge(4_000)), later)  # the promise has expired


def test_s11_s18_places_with_what_is_promised() -> None:
    bench = Bench("dust")
    element = bench.element("dusty", category=PERSON)
    for _ in range(55):
        element.load(bench.note(element.kid, 1), NOW)
    element.invoice(b"a", 100, 0, NOW + 600, 8, 9_000, b"", b"", NOW)
    with refused("E_PURSE_FULL"):
        element.invoice(b"b", 100, 0, NOW + 600, 2, 9_000, b"", b"", NOW)
    element.load(bench.note(element.kid, 1), NOW)
    with refused("E_PURSE_FULL"):
        element.load(bench.note(element.kid, 1), NOW)
    with refused("E_PURSE_FULL"):
        element.invoice(b"c", 100, 0, NOW + 600, 1, 9_000, b"", b"", NOW)
    order = bench.order(element.kid)
    status = element.status(NOW)
    assert len(element.redeem(b"r", order, list(status.purse), 56, NOW)) == 56
    assert element.status(NOW).balance_tiyn == 0


def test_s19_a_full_outbox_stops_payments_and_not_redemptions() -> None:
    shop = small(max_count=1, max_out_tiyn=tenge(9_000))
    notes = [shop.bench.note(shop.payer.kid, 100) for _ in range(12)]
    for note in notes:
        shop.payer.load(note, NOW)
    picks = [Outpoint(note.oid, 0) for note in notes]
    shop.payer.redeem(b"r", shop.bench.order(shop.payer.kid), picks[:2], 200, NOW)
    shop.payer.renew(shop.payer.certificate)
    with refused("E_LIMIT_COUNT"):
        shop.pay(shop.invoice(100), picks[2])
    # Nine transfers would be one more than one payment of eight parts; two stand there already.
    state = shop.payer._state
    shop.payer._state = replace(state, totals=state.totals._replace(out_count=0))
    with refused("E_OUTBOX_FULL"):
        shop.pay(shop.invoice(700, id=b"seven"), *picks[2:9])
    shop.payer._state = state
    for number, pick in enumerate(picks[2:]):
        shop.payer.redeem(b"%d" % number, shop.bench.order(shop.payer.kid), [pick], 100, NOW)


def test_even_redemptions_have_an_end() -> None:
    shop = small(max_count=1)
    pick = shop.pick
    for number in range(8 + 64):
        order = shop.bench.order(shop.payer.kid)
        (home,) = shop.payer.redeem(b"%d" % number, order, [pick], 1, NOW)
        pick = Outpoint(home.oid, 1)
    with refused("E_OUTBOX_FULL"):
        shop.payer.redeem(b"more", shop.bench.order(shop.payer.kid), [pick], 1, NOW)


# --- time (S14, S15, S17, S22) ---


def test_s14_age_since_the_last_sync() -> None:
    shop = Shop()
    synced = shop.payer.status(NOW).sync_time
    assert synced == shop.world.trust.issued
    late = synced + 14 * DAY
    with refused("E_SYNC_AGE"):
        shop.pay(shop.invoice(expires=late + 9), now=late + 1)
    shop.pay(shop.invoice(expires=late + 9), now=late)


def test_s15_a_clock_put_forward_only_refuses_and_does_no_lasting_harm() -> None:
    shop = Shop()
    invoice = shop.invoice()
    for now in (NOW + 400 * DAY, MAX_INTEGER):
        with pytest.raises(Refused):
            shop.pay(invoice, now=now)
    assert shop.payer.status(NOW).time_floor == shop.world.trust.issued
    shop.pay(invoice)


def test_s15_a_clock_put_back_does_not_pass_what_was_signed() -> None:
    shop = Shop()
    invoice = shop.invoice()
    shop.payer.trust([shop.world.make_trust(2, issued=NOW + 2_000)])
    with refused("E_INVOICE_EXPIRED"):
        shop.pay(invoice, now=0)
    assert shop.payer.status(0).time_floor == NOW + 2_000


def test_s17_no_invoice_with_a_stale_trust_list() -> None:
    shop = Shop()
    late = shop.world.trust.issued + 14 * DAY
    with refused("E_TRUST_STALE"):
        shop.invoice(expires=late + 600, now=late + 1)
    shop.invoice(expires=late + 600, now=late)


def test_s16_only_newer_lists_with_the_right_base() -> None:
    shop = Shop()
    make = shop.world.make_trust
    before = shop.payer.status(NOW)
    bad = [
        ("E_SIG", make(2, signer=shop.world.bank_key)),
        ("E_TRUST_OLD", make(1, issued=NOW)),
        ("E_TRUST_BASE", make(4, base_sequence=3)),
    ]
    for code, trust in bad:
        with refused(code):
            shop.payer.trust([trust])
    assert shop.payer.status(NOW) == before
    shop.payer.trust([shop.world.first_trust])
    shop.payer.trust([make(2, base_sequence=1, revoked_kids=(b"\1" * 16,))])
    assert shop.payer.status(NOW).trust_sequence == 2
    chain = shop.bench.bare("payer").trust_view.chain
    shop.payee.trust(chain)
    assert shop.payee.trust_view.is_revoked(b"\1" * 32)
    shop.payer.trust(chain)
    with refused("E_TRUST_OLD"):
        shop.payer.trust([shop.world.first_trust])


def test_s22_an_expired_device_redeems_and_syncs_only() -> None:
    shop = Shop()
    over = shop.payer.certificate.record.expires + 1
    invoice = shop.world.make_invoice(shop.world.make_device("p").key, 1)
    with refused("E_CERT_TIME"):
        shop.payer.pay(invoice, shop.payee.certificate, [shop.pick], over)
    shop.payer.trust([shop.world.make_trust(2, issued=over - DAY)])
    with refused("E_CERT_TIME"):
        shop.payer.invoice(b"i", 1, 0, over + 600, 1, 9_000, b"", b"", over)
    order = shop.bench.order(shop.payer.kid, expires=over + 10)
    shop.payer.redeem(b"r", order, [shop.pick], tenge(5_000), over)
    shop.payer.sync_begin(b"s")


def test_a_device_that_knows_of_its_own_revocation_stops() -> None:
    shop = Shop()
    shop.payer.trust([shop.world.make_trust(2, revoked_kids=(shop.payer.kid[:16],))])
    with refused("E_REVOKED"):
        shop.pay(shop.invoice())
    with refused("E_REVOKED"):
        shop.payer.invoice(b"i", 1, 0, NOW + 600, 1, 9_000, b"", b"", NOW)


# --- the end of the numbers (S24) ---


@pytest.mark.parametrize(
    "near",
    [
        {"counter": LAST_NUMBER},
        {"totals": Totals(out_count=LAST_NUMBER), "base": Totals(out_count=LAST_NUMBER)},
        {
            "loaded_tiyn": LAST_NUMBER,
            "totals": Totals(out_tiyn=LAST_NUMBER - tenge(5_000)),
            "base": Totals(out_tiyn=LAST_NUMBER - tenge(5_000)),
        },
        {"answers_given": LAST_NUMBER},
    ],
)
def test_s24_an_element_at_the_end_of_its_numbers_dies(near: dict[str, Any]) -> None:
    shop = Shop()
    invoice = shop.invoice()
    state: ElementState = shop.payer._state
    shop.payer._state = replace(state, **near)
    with refused("E_ELEMENT_DEAD"):
        shop.pay(invoice)
    assert shop.payer.status(NOW).status == "dead"
    with refused("E_ELEMENT_STATE"):
        shop.pay(invoice)
    with refused("E_ELEMENT_STATE"):
        shop.payer.redeem(b"r", shop.bench.order(shop.payer.kid), [shop.pick], 1, NOW)


def test_silly_wishes_do_not_kill() -> None:
    shop = Shop()
    with refused("E_LIMIT_IN"):
        shop.payer.invoice(b"i", MAX_INTEGER, 0, NOW + 600, 1, 9_000, b"", b"", NOW)
    with refused("E_PICKS"):
        shop.payer.redeem(b"r", shop.bench.order(shop.payer.kid), [shop.pick], MAX_INTEGER, NOW)
    with refused("E_PICKS"):
        shop.payer.redeem(b"r", shop.bench.order(shop.payer.kid), [shop.pick], 0, NOW)
    assert shop.payer.status(NOW).status == "active"
