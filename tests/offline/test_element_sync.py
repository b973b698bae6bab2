"""Sync of an element: one statement at a time, and only its own answer moves anything (S12, R39, 5.19.4, 5.19.10)."""

from typing import Any

import pytest

from cbdc.authority import SETTLE
from cbdc.errors import Refused
from cbdc.keys import ED25519
from cbdc.money import tenge
from cbdc.record import Signed
from offline.purse import Totals
from offline.records import Limits, Outpoint, SyncRequest
from tests.offline.bench import DAY
from tests.offline.shop import Shop, refused
from tests.offline.world import NOW

LIMITS = Limits(tenge(50_000), tenge(5_000), tenge(5_000), 2, 14, 5)


class Synced(Shop):
    """A shop whose payer has paid 1,000 of its 5,000."""

    def __init__(self) -> None:
        super().__init__(limits=LIMITS)
        self.paid = self.invoice()
        self.accept(self.paid, self.pay(self.paid))
        self.rest = next(iter(self.payer.status(NOW).purse))

    def begin(self, id: bytes = b"sync") -> Signed[SyncRequest]:
        return self.payer.sync_begin(id)

    def finish(self, **fields: Any) -> Signed[SyncRequest]:
        request = self.begin(self.bench.next_id())
        self.payer.sync_commit(self.bench.ack(request, **fields))
        return request


@pytest.fixture
def shop() -> Synced:
    return Synced()


def test_a_statement_tells_everything(shop: Synced) -> None:
    request = shop.begin()
    request.verify(shop.payer.public_key)
    record, status = request.record, shop.payer.status(NOW)
    assert (record.sync_number, record.counter, record.head) == (1, 1, status.head)
    assert record.purse == ((*shop.rest, tenge(4_000)),)
    assert (record.out_total_tiyn, record.out_count) == (tenge(1_000), 1)
    payee = shop.payee.sync_begin(b"p").record
    assert (payee.in_total_tiyn, payee.in_count, payee.invoice_number) == (tenge(1_000), 1, 1)


def test_one_statement_until_it_is_answered(shop: Synced) -> None:
    request = shop.begin()
    invoice = shop.invoice(id=b"two")
    shop.pay(invoice, shop.rest)
    assert shop.begin() == shop.begin(b"another id") == request
    shop.payer = shop.bench.bare("payer")
    assert shop.begin(b"after a restart") == request
    shop.payer.sync_commit(shop.bench.ack(request))
    assert shop.begin() == request  # the host repeats what it did before it crashed
    assert shop.begin(b"fresh").record.sync_number == 2


def test_r39_payments_after_the_statement_still_count(shop: Synced) -> None:
    request = shop.begin()
    shop.accept(shop.invoice(id=b"two"), shop.pay(shop.invoice(id=b"two"), shop.rest))
    rest = next(iter(shop.payer.status(NOW).purse))
    with refused("E_LIMIT_COUNT"):
        shop.pay(shop.invoice(id=b"three"), rest)
    shop.payer.sync_commit(shop.bench.ack(request))
    status = shop.payer.status(NOW)
    assert (status.totals.out_count, status.base.out_count) == (2, 1)
    shop.pay(shop.invoice(id=b"three"), rest)
    with refused("E_LIMIT_COUNT"):
        shop.pay(shop.invoice(id=b"four"), next(iter(shop.payer.status(NOW).purse)))


def test_a_complete_log_frees_the_outbox_up_to_the_statement(shop: Synced) -> None:
    request = shop.begin()
    late = shop.invoice(id=b"two")
    shop.pay(late, shop.rest)
    assert shop.payer.status(NOW).outbox == (shop.paid.oid, late.oid)
    shop.payer.sync_commit(shop.bench.ack(request))
    assert shop.payer.status(NOW).outbox == (late.oid,)


def test_an_incomplete_log_frees_nothing_and_moves_no_baseline(shop: Synced) -> None:
    shop.finish(complete=False)
    status = shop.payer.status(NOW)
    assert status.base == Totals()
    assert status.outbox == (shop.paid.oid,)
    assert not status.sync_pending
    shop.finish()
    assert shop.payer.status(NOW).outbox == ()


def test_a_redemption_is_acknowledged_too(shop: Synced) -> None:
    shop.finish()
    shop.payer.redeem(b"r", shop.bench.order(shop.payer.kid), [shop.rest], tenge(4_000), NOW)
    shop.finish(base_out_tiyn=tenge(1_000), base_out_count=1)
    assert len(shop.payer.status(NOW).outbox) == 1
    shop.finish()
    assert shop.payer.status(NOW).outbox == ()


def test_time_age_and_limits_start_anew(shop: Synced) -> None:
    later = NOW + 20 * DAY
    with refused("E_SYNC_AGE"):
        shop.payer.pay(shop.invoice(id=b"l", expires=later), shop.payee.certificate, [shop.rest], later)
    shop.finish(time=later)
    status = shop.payer.status(NOW)
    assert (status.sync_time, status.time_floor) == (later, later)
    shop.payer.trust([shop.world.make_trust(2, issued=later)])
    shop.pay(shop.invoice(id=b"l", expires=later), shop.rest, now=0)


def test_blocked_devices_redeem_and_sync_and_may_be_freed(shop: Synced) -> None:
    shop.finish(action=1)
    assert shop.payer.status(NOW).status == "spending blocked"
    for call in (
        lambda: shop.pay(shop.invoice(id=b"two"), shop.rest),
        lambda: shop.payer.invoice(b"i", 1, 0, NOW + 600, 1, 9_000, b"", b"", NOW),
        lambda: shop.payer.load(shop.bench.note(shop.payer.kid, 100), NOW),
    ):
        with refused("E_ELEMENT_STATE"):
            call()
    shop.payer.redeem(b"r", shop.bench.order(shop.payer.kid), [shop.rest], tenge(1_000), NOW)
    shop.finish(action=0)
    shop.pay(shop.invoice(id=b"two"), next(iter(shop.payer.status(NOW).purse)))


def test_slots_that_are_no_money_are_dropped(shop: Synced) -> None:
    shop.finish(drop=((*shop.rest,), (b"\1" * 32, 0)))
    status = shop.payer.status(NOW)
    assert (status.balance_tiyn, status.purse) == (0, {})
    assert shop.bench.bare("payer").status(NOW).balance_tiyn == 0


def test_a_dropped_slot_that_was_spent_meanwhile_is_no_matter(shop: Synced) -> None:
    request = shop.begin()
    shop.pay(shop.invoice(id=b"two"), shop.rest)
    shop.payer.sync_commit(shop.bench.ack(request, drop=((*shop.rest,),)))
    assert shop.payer.status(NOW).balance_tiyn == tenge(3_000)


def test_no_invoice_before_the_demanded_trust_list(shop: Synced) -> None:
    shop.finish(min_trust_sequence=2)
    with refused("E_TRUST_MIN"):
        shop.payer.invoice(b"i", 1, 0, NOW + 600, 1, 9_000, b"", b"", NOW)
    shop.payer.trust([shop.world.make_trust(2)])
    shop.payer.invoice(b"i", 1, 0, NOW + 600, 1, 9_000, b"", b"", NOW)
    shop.finish(min_trust_sequence=1)
    assert shop.payer.status(NOW).min_trust_sequence == 2


FOREIGN: list[tuple[str, dict[str, Any]]] = [
    ("E_SYNC_ACK", {"kid": b"\1" * 32}),
    ("E_SYNC_ACK", {"sync_number": 2}),
    ("E_SYNC_ACK", {"sync_number": 0}),
    ("E_SYNC_ACK", {"request": b"\1" * 32}),
    ("E_SYNC_ACK", {"base_out_tiyn": tenge(1_000) + 1}),
    ("E_SYNC_ACK", {"base_out_count": 9}),
    ("E_SYNC_ACK", {"base_in_tiyn": 1}),
    ("E_SYNC_ACK", {"time": NOW + 5_000 * DAY}),
    ("E_SIG", {"signer": "status_key"}),
    ("E_SIG", {"signer": "bank_key"}),
]


@pytest.mark.parametrize(("code", "fields"), FOREIGN)
def test_s12_forged_and_foreign_answers_change_nothing(
    shop: Synced, code: str, fields: dict[str, Any]
) -> None:
    request = shop.begin()
    before = shop.payer.status(NOW)
    if "signer" in fields:
        fields = {"signer": getattr(shop.world, fields["signer"])}
    with refused(code):
        shop.payer.sync_commit(shop.bench.ack(request, **fields))
    assert shop.payer.status(NOW) == before
    shop.payer.sync_commit(shop.bench.ack(request))


def test_s12_old_and_repeated_answers_change_nothing(shop: Synced) -> None:
    first = shop.begin()
    ack = shop.bench.ack(first)
    shop.payer.sync_commit(ack)
    before = shop.payer.status(NOW)
    with refused("E_SYNC_ACK"):
        shop.payer.sync_commit(ack)
    assert shop.payer.status(NOW) == before
    assert before.last_ack == ack.oid
    second = shop.begin(b"second")
    with refused("E_SYNC_ACK"):
        shop.payer.sync_commit(ack)
    with refused("E_SYNC_ACK"):
        shop.payer.sync_commit(shop.bench.ack(second, complete=False))  # a baseline that falls
    shop.payer.sync_commit(shop.bench.ack(second))


def test_an_answer_nobody_asked_for(shop: Synced) -> None:
    other = shop.payee.sync_begin(b"p")
    with refused("E_SYNC_ACK"):
        shop.payer.sync_commit(shop.bench.ack(other))


def test_any_settlement_key_of_the_time_may_answer(shop: Synced) -> None:
    key = shop.world.key("second settlement", ED25519)
    request = shop.begin()
    ack = shop.bench.ack(request, signer=key)
    with refused("E_SIG"):
        shop.payer.sync_commit(ack)
    shop.payer.anchor(shop.world.make_auth(SETTLE, key))
    shop.payer.trust([shop.world.make_trust(2, revoked_kids=(key.public.kid[:16],))])
    with refused("E_SIG"):
        shop.payer.sync_commit(ack)
    shop.payer.trust([shop.world.make_trust(3)])
    shop.payer.sync_commit(ack)


def test_the_load_after_a_sync_keeps_its_order(shop: Synced) -> None:
    shop.finish()
    with refused("E_LOAD_NUMBER"):
        shop.payer.load(shop.bench.note(shop.payer.kid, 100, load_number=shop.note.record.load_number), NOW)


def test_the_purse_is_stated_in_order(shop: Synced) -> None:
    for _ in range(5):
        shop.payer.load(shop.bench.note(shop.payer.kid, 100), NOW)
    purse = [Outpoint(*row[:2]) for row in shop.begin().record.purse]
    assert purse == sorted(purse)
    with pytest.raises(Refused):
        shop.payer.load(shop.note, NOW)


def test_what_was_acknowledged_is_not_paid_again(shop: Synced) -> None:
    order = shop.bench.order(shop.payer.kid)
    shop.payer.redeem(b"r", order, [shop.rest], 100, NOW)
    shop.finish()
    assert shop.payer.status(NOW).outbox == ()
    rest = next(iter(shop.payer.status(NOW).purse))
    for element in (shop.payer, shop.bench.bare("payer")):
        with refused("E_PAID_BEFORE"):
            element.pay(shop.paid, shop.payee.certificate, [rest], NOW)
        with refused("E_PAID_BEFORE"):
            element.redeem(b"r", order, [rest], 100, NOW)
    shop.payer = shop.bench.bare("payer")
    shop.finish(time=NOW + 601)
    assert shop.payer._state.closed == {}
    with refused("E_INVOICE_EXPIRED"):
        shop.pay(shop.paid, rest, now=0)
    with refused("E_ORDER"):
        shop.payer.redeem(b"r", order, [rest], 100, 0)
