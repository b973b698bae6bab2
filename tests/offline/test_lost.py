"""Lost and stolen devices from the report to the last tiyn: refunds, early payout, and who bears a thief's payments."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import TengeError
from cbdc.token import MERCHANT
from offline.archive import Archive, MemoryArchive
from offline.loss_policy import LossPolicy
from offline.lost import LOST, STOLEN, LostDevices, Report, outcome_of
from offline.parameters import EARLY_PAYOUT_PERMILLE
from offline.records import Outpoint
from offline.settle import DENIED, HELD, HELD_OPEN, subject_of
from tests.cbdc.world import DAY
from tests.offline.desk import Desk

RESERVE = 1_000_000
CLOSE = 200 * DAY


def refusal(code: str) -> Any:
    """The refusal with this code, and no other."""
    return pytest.raises(TengeError, match=f"^{code}:")


def trio(**fields: Any) -> Desk:
    """Ayan with 5,000 on his device, Bota and a shop; the bank has a wallet of its own."""
    desk = Desk(reserve_tiyn=RESERVE, **fields)
    desk.join("ayan")
    desk.join("bota")
    desk.join("shop", category=MERCHANT)
    desk.register("bank")
    desk.take_offline("ayan", 5_000)
    return desk


def close(desk: Desk) -> None:
    """Every note closes, and what is due is booked."""
    desk.clock.advance(CLOSE)
    desk.centre.tick()
    desk.check()


# --- V15, T8 to T10 ---


def test_v15_a_lost_device_is_refunded_after_the_close_and_once() -> None:
    desk = trio()
    kid = desk.people["ayan"].kid
    (note,) = desk.centre.notes(kid)
    desk.hand_over("ayan", "bota", 1_500)
    desk.sync("ayan")
    report = desk.centre.report_lost(kid)
    assert report == Report(LOST, desk.clock.now())
    assert desk.centre.trust_view.is_revoked(kid)
    desk.clock.advance(DAY)
    assert desk.centre.report_lost(kid, stolen=True) == report, "the first word stands"
    assert desk.centre.known_unspent_tiyn(kid) == 3_500
    desk.clock.move_to(note.record.redeem_by + 15 * DAY)
    desk.centre.tick()
    assert desk.wallet("ayan") == 0, "held until the last second of grace"
    (paid,) = desk.centre.reconciler.facts().trees[note.oid].admitted
    standing = desk.centre.reconciler.standing(subject_of(Outpoint(paid, 1)))
    assert standing is not None
    assert (standing.status, standing.reason) == (HELD, HELD_OPEN)
    desk.clock.advance(1)
    for _ in range(2):
        desk.centre.tick()
        desk.check()
        assert (desk.wallet("ayan"), desk.wallet("bota")) == (3_500, 1_500)
    assert desk.centre.known_unspent_tiyn(kid) == 0


def test_t8_the_payer_vanishes_after_the_commit_and_its_owner_is_refunded() -> None:
    desk = trio()
    now = desk.clock.now()
    invoice = desk.people["bota"].invoice(desk.next_id(), 2_000, 0, now)
    desk.people["ayan"].pay(invoice, desk.people["bota"].certificate, now)
    desk.centre.report_lost(desk.people["ayan"].kid)
    desk.sync("bota")
    close(desk)
    assert (desk.wallet("ayan"), desk.wallet("bota")) == (5_000, 0)


def test_t9_the_payee_vanishes_after_it_accepted_and_its_owner_is_refunded() -> None:
    desk = trio()
    desk.hand_over("ayan", "bota", 2_000)
    desk.centre.report_lost(desk.people["bota"].kid)
    desk.sync("ayan")
    close(desk)
    assert (desk.wallet("ayan"), desk.wallet("bota")) == (3_000, 2_000)


def test_t10_both_vanish_and_the_last_owner_known_is_refunded() -> None:
    desk = trio()
    desk.hand_over("ayan", "bota", 2_000)
    desk.sync("bota")
    desk.hand_over("bota", "shop", 500)
    for name in ("ayan", "bota"):
        desk.centre.report_lost(desk.people[name].kid)
    close(desk)
    assert (desk.wallet("ayan"), desk.wallet("bota"), desk.wallet("shop")) == (3_000, 2_000, 0)


def test_a_new_phone_has_a_new_key_and_nothing_is_copied() -> None:
    desk = trio()
    old = desk.people["ayan"]
    desk.centre.report_lost(old.kid)
    element = desk.bare("ayan again")
    enrol = element.enrol(desk.network, 1, desk.centre.challenge(1, b"again"))
    element.provision(desk.centre.trust_view, desk.centre.enrol(enrol, desk.word(enrol, "ayan")))
    assert element.public_key.kid != old.kid
    assert element.status(desk.clock.now()).balance_tiyn == 0
    assert desk.centre.account_of(element.public_key.kid) == desk.centre.account_of(old.kid)


def test_only_a_device_is_reported_and_a_crash_before_the_revocation_is_made_good() -> None:
    desk = trio()
    with refusal("E_DEVICE_UNKNOWN"):
        desk.centre.report_lost(bytes(32))
    kid = desk.people["ayan"].kid
    LostDevices(Archive(desk.stores.devices)).report(kid, STOLEN, desk.clock.now())
    assert not desk.centre.trust_view.is_revoked(kid)
    again = desk.open_centre()
    assert again.trust_view.is_revoked(kid)
    assert again.lists.view.sequence == 2
    assert desk.open_centre().lists.view.sequence == 2


# --- early payout ---


def test_5_12_early_payout_is_off_by_default_and_needs_a_report() -> None:
    desk = trio()
    kid = desk.people["ayan"].kid
    desk.centre.report_lost(kid)
    with refusal("E_PAYOUT_OFF"):
        desk.centre.early_payout(kid, desk.kid("bank"))
    desk.centre.publish(b"on", policy={EARLY_PAYOUT_PERMILLE.id: 800})
    with refusal("E_PAYOUT_REPORT"):
        desk.centre.early_payout(desk.people["bota"].kid, desk.kid("bank"))
    with refusal("E_PAYOUT_REPORT"):
        desk.centre.payout_outcome(kid)
    advance = desk.centre.early_payout(kid, desk.kid("bank"))
    assert (advance.known_tiyn, advance.advanced_tiyn) == (5_000, 4_000)
    assert desk.centre.early_payout(kid, desk.kid("shop")) == advance, "once"


@pytest.mark.parametrize(
    ("permille", "spent", "bank", "owner", "lost"),
    [
        (800, 0, 4_000, 1_000, 0),
        (800, 1_000, 4_000, 0, 0),
        (800, 3_000, 2_000, 0, 2_000),
        (1_000, 1, 4_999, 0, 1),
    ],
)
def test_5_12_the_bank_is_paid_back_from_the_refund_and_bears_the_difference(
    permille: int, spent: int, bank: int, owner: int, lost: int
) -> None:
    """Something that settlement did not know of was spent before the loss; its payee comes later."""
    desk = trio(policy={EARLY_PAYOUT_PERMILLE.id: permille})
    kid = desk.people["ayan"].kid
    if spent:
        desk.hand_over("ayan", "bota", spent)
    desk.centre.report_lost(kid)
    desk.centre.early_payout(kid, desk.kid("bank"))
    if spent:
        desk.send_home("bota")
        desk.sync("bota")
    close(desk)
    outcome = desk.centre.payout_outcome(kid)
    assert (outcome.bank_tiyn, outcome.owner_tiyn, outcome.lost_tiyn) == (bank, owner, lost)
    assert (desk.wallet("bank"), desk.wallet("ayan"), desk.wallet("bota")) == (bank + owner, 0, spent)


def test_5_12_what_came_before_the_advance_is_the_owners_and_a_found_device_redeems_to_the_bank() -> None:
    desk = trio(policy={EARLY_PAYOUT_PERMILLE.id: 1_000})
    kid = desk.people["ayan"].kid
    desk.clock.advance(50 * DAY)
    desk.sync("ayan")
    desk.sync("ayan")
    desk.take_offline("ayan", 700)
    desk.clock.advance(60 * DAY)
    desk.centre.tick()
    assert desk.wallet("ayan") == 5_000, "the first note has closed: refunded to its owner"
    desk.centre.report_lost(kid)
    advance = desk.centre.early_payout(kid, desk.kid("bank"))
    assert (advance.known_tiyn, advance.advanced_tiyn) == (700, 700)
    desk.clock.advance(1)
    desk.sync("ayan")
    desk.send_home("ayan", 300)
    desk.sync("ayan")
    assert (desk.wallet("bank"), desk.wallet("ayan")) == (300, 5_000)
    close(desk)
    outcome = desk.centre.payout_outcome(kid)
    assert (outcome.bank_tiyn, outcome.owner_tiyn, outcome.lost_tiyn) == (700, 0, 0)
    assert (desk.wallet("bank"), desk.wallet("ayan")) == (700, 5_000)


@given(st.integers(0, 10**6), st.integers(0, 10**6))
def test_what_becomes_of_an_advance_is_exact(advanced: int, refunded: int) -> None:
    outcome = outcome_of(advanced, refunded)
    assert outcome.bank_tiyn + outcome.owner_tiyn == refunded
    assert outcome.bank_tiyn + outcome.lost_tiyn == advanced
    assert min(outcome.bank_tiyn, outcome.owner_tiyn, outcome.lost_tiyn) >= 0
    assert not (outcome.owner_tiyn and outcome.lost_tiyn)


# --- stolen ---


def test_5_11_before_the_report_the_owner_bears_it_after_it_the_scheme_does() -> None:
    desk = trio()
    desk.hand_over("ayan", "bota", 1_000)
    desk.clock.advance(3_600)
    desk.centre.report_lost(desk.people["ayan"].kid, stolen=True)
    desk.clock.advance(3_600)
    desk.hand_over("ayan", "shop", 1_500)
    for name in ("bota", "shop"):
        desk.send_home(name)
        desk.sync(name)
    assert (desk.wallet("bota"), desk.wallet("shop")) == (1_000, 1_500), "both acted in good faith"
    close(desk)
    assert desk.wallet("ayan") == 2_500 + 1_500
    assert desk.ledger.supply().loss_reserve_tiyn == RESERVE - 1_500
    totals = desk.centre.reconciler.totals()
    assert (totals.covered_tiyn, totals.loss_tiyn) == (1_500, 0)
    again = desk.open_centre()
    again.tick()
    assert again.reconciler.totals() == totals
    assert desk.wallet("ayan") == 4_000, "once"


def test_5_11_the_payee_that_knew_is_refused_at_once_and_denied_later() -> None:
    desk = trio()
    desk.centre.report_lost(desk.people["ayan"].kid, stolen=True)
    desk.clock.advance(3_600)
    desk.sync("shop")
    payer, shop, now = desk.people["ayan"], desk.people["shop"], desk.clock.now()
    invoice = shop.invoice(desk.next_id(), 1_500, 0, now)
    payment = payer.pay(invoice, shop.certificate, now)
    with refusal("E_REVOKED"):
        shop.receive(payment, invoice, now)
    (transfer,) = payer.transfers_for(invoice.oid)
    desk.sync("shop")
    desk.sync("ayan")
    assert desk.centre.outcome(transfer.oid).record.status == DENIED
    close(desk)
    assert (desk.wallet("ayan"), desk.wallet("shop")) == (5_000, 0)
    assert desk.ledger.supply().loss_reserve_tiyn == RESERVE, "nothing to cover"


@pytest.mark.parametrize(("permille", "covered"), [(0, 0), (500, 750), (1_000, 1_500)])
def test_5_11_the_theft_cover_is_a_parameter(permille: int, covered: int) -> None:
    desk = trio(loss_policy=LossPolicy(theft_permille=permille))
    desk.centre.report_lost(desk.people["ayan"].kid, stolen=True)
    desk.clock.advance(3_600)
    desk.hand_over("ayan", "shop", 1_500)
    desk.sync("shop")
    close(desk)
    assert desk.wallet("ayan") == 3_500 + covered
    assert desk.ledger.supply().loss_reserve_tiyn == RESERVE - covered


@pytest.mark.parametrize("why", ["lost", "guilty", "before", "no invoice"])
def test_5_11_who_is_not_covered(why: str) -> None:
    desk = trio()
    kid = desk.people["ayan"].kid
    if why == "before":
        desk.hand_over("ayan", "shop", 1_500)
        desk.clock.advance(1)
    desk.centre.report_lost(kid, stolen=why != "lost")
    desk.clock.advance(3_600)
    if why == "guilty":
        opened, now = desk.opened("ayan"), desk.clock.now()
        before = opened.capture()
        for payee in ("bota", "shop"):
            device = desk.people[payee]
            invoice = device.invoice(desk.next_id(), 5_000, 0, now)
            opened.rollback(before)
            device.receive(desk.pay_opened(opened, device, invoice), invoice, now)
    elif why in ("lost", "no invoice"):
        desk.hand_over("ayan", "shop", 1_500)
    # Only the payee hands its own invoice in; the payer alone shows the payment and not when it was asked for.
    for name in ("ayan",) if why == "no invoice" else ("bota", "shop"):
        desk.sync(name)
    close(desk)
    assert desk.wallet("ayan") == (0 if why == "guilty" else 3_500)
    assert desk.centre.reconciler.totals().covered_tiyn == 0


def test_5_11_an_empty_reserve_covers_when_it_is_funded() -> None:
    desk = trio()
    empty = Desk()
    empty.join("ayan")
    empty.join("shop", category=MERCHANT)
    empty.take_offline("ayan", 5_000)
    empty.centre.report_lost(empty.people["ayan"].kid, stolen=True)
    empty.clock.advance(3_600)
    empty.hand_over("ayan", "shop", 1_500)
    empty.sync("shop")
    close(empty)
    assert empty.wallet("ayan") == 3_500
    empty.issue("reserve", 1_500)
    empty.centre.tick()
    empty.check()
    assert empty.wallet("ayan") == 5_000
    assert desk.purse("ayan") == 5_000


def test_stores_of_reports_go_on_where_they_stopped() -> None:
    store = MemoryArchive()
    lost = LostDevices(Archive(store))
    assert lost.kids() == []
    lost.report(b"k" * 32, STOLEN, 7)
    again = LostDevices(Archive(store))
    assert again.kids() == [b"k" * 32]
    assert again.stolen_at(b"k" * 32) == again.reported(b"k" * 32).time  # type: ignore[union-attr]
    assert again.stolen_at(b"x" * 32) is None
