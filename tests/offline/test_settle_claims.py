"""Claims one by one: good faith, orders, accounts, times, undelivered and marked money."""

from typing import Any

import pytest

from cbdc.record import Signed
from offline.records import Outpoint
from offline.settle import (
    CREDITED,
    DENIED,
    HELD,
    HELD_ACCOUNT,
    HELD_GUILTY,
    HELD_INVOICE,
    HELD_ORDER,
    ISSUER,
    LATE,
    Borne,
    Case,
    Circumstances,
    LossPolicy,
    claims_of,
    judge,
    plan_case,
    subject_of,
)
from offline.statements import TAKEN_AFTER_CANCEL
from tests.cbdc.world import DAY
from tests.offline.centre import CLOSE_DAYS, Centre

RESERVE = 10_000


def check(centre: Centre) -> None:
    """The ledger, the books and the graph agree."""
    totals = centre.reconciler.totals()
    table = centre.ledger.supply()
    assert table.escrow_tiyn == totals.escrow_tiyn
    assert table.loss_reserve_tiyn == totals.reserve_tiyn


def status(centre: Centre, subject: bytes) -> tuple[int, str]:
    standing = centre.reconciler.standing(subject)
    assert standing is not None
    return standing.status, standing.reason


# --- good faith ---


class Revoked:
    """Kairat's device pays Bota 1 000 under her invoice, which knows list `knew`; list 2 revokes it."""

    def __init__(self, knew: int) -> None:
        self.centre = Centre(reserve_tiyn=RESERVE)
        centre = self.centre
        self.kairat, self.bota, self.dana = (centre.device(name) for name in ("kairat", "bota", "dana"))
        (self.note,) = centre.load_notes("kairat", 1_000)
        self.invoice = centre.invoice(self.bota, trust_sequence=knew)
        self.paid = centre.spend(self.note, 0, self.bota, 1_000, reference=self.invoice.oid)
        centre.revoke()
        centre.revoke(self.kairat)

    def home(self) -> Signed[Any]:
        return self.centre.take_home(self.paid, 0, self.bota)


def test_v2_who_could_not_know_of_the_revocation_is_paid() -> None:
    case = Revoked(knew=1)
    case.centre.hand_in(case.paid, case.invoice, case.home())
    assert case.centre.wallet("bota") == 1_000


@pytest.mark.parametrize("knew", [2, 3])
def test_v3_who_knew_is_denied_and_the_payer_refunded_at_close(knew: int) -> None:
    case = Revoked(knew)
    home = case.home()
    case.centre.hand_in(case.paid, case.invoice, home)
    assert case.centre.wallet("bota") == 0
    assert status(case.centre, home.oid) == (DENIED, "")
    check(case.centre)
    case.centre.close()
    check(case.centre)
    assert (case.centre.wallet("bota"), case.centre.wallet("kairat")) == (0, 1_000)


def test_a_claim_on_a_revoked_payer_waits_for_the_invoice() -> None:
    case = Revoked(knew=1)
    home = case.home()
    case.centre.hand_in(case.paid, home)
    assert status(case.centre, home.oid) == (HELD, HELD_INVOICE)
    case.centre.hand_in(case.invoice)
    assert status(case.centre, home.oid) == (CREDITED, "")
    assert case.centre.wallet("bota") == 1_000


def test_a_claim_without_its_invoice_is_not_denied_before_the_close() -> None:
    case = Revoked(knew=1)
    case.centre.hand_in(case.paid, case.home())
    graph = case.centre.reconciler._graph
    tree = graph.trees[case.note.oid]
    (claim,) = claims_of(tree, graph.seen)
    open_now, closed = (judge(claim, tree, graph.seen, closed=closed) for closed in (False, True))
    assert (open_now.unshown, open_now.denied, open_now.beneficiary) == (True, False, case.bota.kid)
    assert (closed.unshown, closed.denied, closed.beneficiary) == (False, True, case.kairat.kid)


def test_an_open_case_is_not_settled() -> None:
    seen = Centre().reconciler._graph.seen
    for now in (9, 10):
        circumstances = Circumstances(seen, {}, {}, lambda kid: None, now)
        with pytest.raises(AssertionError, match=r"^a case is settled when it has closed$"):
            plan_case(Case(b"k" * 32, 0, 10), [], circumstances, LossPolicy(), 0)


def test_a_claim_that_never_shows_its_invoice_is_denied_at_close() -> None:
    case = Revoked(knew=1)
    home = case.home()
    case.centre.hand_in(case.paid, home)
    case.centre.close()
    assert status(case.centre, home.oid) == (DENIED, "")
    assert (case.centre.wallet("bota"), case.centre.wallet("kairat")) == (0, 1_000)


@pytest.mark.parametrize(("knew", "owner"), [(1, "bota"), (2, "kairat")])
def test_unspent_money_follows_good_faith_too(knew: int, owner: str) -> None:
    case = Revoked(knew)
    case.centre.hand_in(case.paid, case.invoice)
    case.centre.close()
    check(case.centre)
    assert case.centre.wallet(owner) == 1_000


def test_v4_unspent_money_whose_invoice_nobody_has_is_presumed_to_be_in_good_faith() -> None:
    case = Revoked(knew=2)
    case.centre.hand_in(case.paid)
    case.centre.close()
    assert case.centre.wallet("bota") == 1_000


def test_an_honest_holder_after_one_who_knew_is_paid() -> None:
    case = Revoked(knew=2)
    onward = case.centre.spend(case.paid, 0, case.dana, 600)
    home = case.centre.take_home(onward, 0, case.dana)
    rest = case.centre.take_home(onward, 1, case.bota)
    case.centre.hand_in(case.paid, case.invoice, onward, home, rest)
    assert case.centre.wallet("dana") == 600
    assert status(case.centre, rest.oid) == (DENIED, ""), "change is judged by what it came from"
    case.centre.close()
    check(case.centre)
    assert (case.centre.wallet("bota"), case.centre.wallet("kairat")) == (0, 400)


def test_a_knowing_payee_of_a_double_spender_pays_its_loss() -> None:
    centre = Centre(reserve_tiyn=RESERVE)
    kairat, ayan, bota = (centre.device(name) for name in ("kairat", "ayan", "bota"))
    (note,) = centre.load_notes("kairat", 1_000)
    invoice = centre.invoice(bota, trust_sequence=1)
    left = centre.spend(note, 0, ayan, 1_000)
    right = centre.spend(note, 0, bota, 1_000, reference=invoice.oid)
    centre.revoke(kairat)
    asked = centre.invoice(ayan, trust_sequence=0)
    assert asked.oid
    homes = [centre.take_home(left, 0, ayan), centre.take_home(right, 0, bota)]
    centre.hand_in(left, right, invoice, *homes)
    assert status(centre, homes[0].oid) == (HELD, HELD_INVOICE)
    assert status(centre, homes[1].oid) == (DENIED, HELD_GUILTY)
    centre.close()
    check(centre)
    # Ayan's invoice was never shown, Bota knew: both branches fall back to Kairat, whose loss they pay.
    assert (centre.wallet("ayan"), centre.wallet("bota"), centre.wallet("kairat")) == (0, 0, 1_000)
    assert centre.ledger.supply().loss_reserve_tiyn == RESERVE


# --- orders, accounts, times ---


def test_a_redemption_without_its_order_waits_for_it() -> None:
    centre = Centre()
    ayan = centre.device("ayan")
    (note,) = centre.load_notes("ayan", 1_000)
    home = centre.take_home(note, 0, ayan, hand_in=False)
    centre.hand_in(home)
    assert status(centre, home.oid) == (HELD, HELD_ORDER)
    centre.hand_in(centre.order(ayan))
    assert status(centre, home.oid) == (CREDITED, "")
    assert centre.wallet("ayan") == 1_000


@pytest.mark.parametrize("wrong", ["account", "bank"])
def test_an_order_that_does_not_fit_orders_nothing(wrong: str) -> None:
    centre = Centre()
    ayan = centre.device("ayan")
    centre.register("thief")
    (note,) = centre.load_notes("ayan", 1_000)
    order = centre.order(
        ayan, "ayan" if wrong == "account" else "thief", "ca1" if wrong == "account" else "ca2"
    )
    home = centre.logs.transfer(note, 0, centre.kid("thief"), 1_000, kind=1, reference=order.oid)
    centre.hand_in(order, home)
    assert status(centre, home.oid) == (HELD, HELD_ORDER)
    assert len(centre.reconciler.quarantined()) == (wrong == "bank")
    centre.close()
    assert (centre.wallet("thief"), centre.wallet("ayan")) == (0, 1_000)


@pytest.mark.parametrize(("seconds", "expected"), [(0, (CREDITED, "")), (1, (LATE, ""))])
def test_r17_a_redemption_at_redeem_by_is_in_time_and_a_second_later_late(
    seconds: int, expected: tuple[int, str]
) -> None:
    centre = Centre()
    ayan = centre.device("ayan")
    (note,) = centre.load_notes("ayan", 1_000)
    home = centre.take_home(note, 0, ayan)
    centre.clock.move_to(note.record.redeem_by + seconds)
    centre.hand_in(home)
    assert status(centre, home.oid) == expected
    assert centre.wallet("ayan") == (0 if seconds else 1_000)
    centre.close()
    check(centre)
    assert centre.wallet("ayan") == 1_000
    assert status(centre, home.oid) == (CREDITED, "")


def test_t8_v15_unspent_money_is_refunded_once_after_the_close() -> None:
    centre = Centre()
    centre.device("ayan")
    (note,) = centre.load_notes("ayan", 1_000)
    closes = note.record.redeem_by + (CLOSE_DAYS - 90) * DAY
    centre.clock.move_to(closes)
    centre.reconciler.tick()
    assert centre.wallet("ayan") == 0, "the last second of grace still counts"
    centre.clock.advance(1)
    for _ in range(2):
        centre.reconciler.tick()
        check(centre)
        assert centre.wallet("ayan") == 1_000
    assert centre.ledger.supply().escrow_tiyn == 0


def test_t9_t10_unspent_money_is_refunded_to_the_last_owner_known() -> None:
    centre = Centre()
    centre.device("ayan")
    bota = centre.device("bota")
    (note,) = centre.load_notes("ayan", 1_000)
    centre.hand_in(centre.spend(note, 0, bota, 700))
    centre.close()
    assert (centre.wallet("ayan"), centre.wallet("bota")) == (300, 700)


def test_r18_a_late_transfer_on_a_refunded_outpoint_pays_nobody() -> None:
    centre = Centre()
    centre.device("ayan")
    bota = centre.device("bota")
    (note,) = centre.load_notes("ayan", 1_000)
    paid = centre.spend(note, 0, bota, 700)
    home = centre.take_home(paid, 0, bota)
    centre.close()
    centre.hand_in(paid, home)
    check(centre)
    assert (centre.wallet("ayan"), centre.wallet("bota")) == (1_000, 0)
    assert centre.reconciler.guilty() == {}, "being late is no guilt"
    assert status(centre, home.oid) == status(centre, paid.oid) == (LATE, "")
    outcome = centre.reconciler.outcome(home.oid)
    assert (outcome.record.status, outcome.record.amount_tiyn) == (LATE, 0)


def test_an_unknown_owner_is_held_until_the_account_is_known() -> None:
    centre = Centre()
    ayan = centre.device("ayan")
    (note,) = centre.load_notes("ayan", 1_000)
    del centre.devices[ayan.kid]
    centre.close()
    subject = subject_of(Outpoint(note.oid, 0))
    assert status(centre, subject) == (HELD, HELD_ACCOUNT)
    centre.devices[ayan.kid] = ayan
    centre.reconciler.tick()
    assert centre.wallet("ayan") == 1_000
    assert status(centre, subject) == (CREDITED, "")


def test_what_the_ledger_refuses_is_held_and_tried_again() -> None:
    centre = Centre()
    ayan = centre.device("ayan")
    (note,) = centre.load_notes("ayan", 1_000)
    centre.devices[ayan.kid] = ayan._replace(name="nobody")
    centre.close()
    subject = subject_of(Outpoint(note.oid, 0))
    assert status(centre, subject) == (HELD, "E_KEY_UNKNOWN")
    centre.devices[ayan.kid] = ayan
    centre.reconciler.tick()
    assert centre.wallet("ayan") == 1_000


# --- undelivered money ---


def test_p17_undelivered_money_is_credited_when_it_can_never_be_accepted() -> None:
    centre = Centre()
    centre.device("ayan")
    bota = centre.device("bota")
    (note,) = centre.load_notes("ayan", 1_000)
    invoice = centre.invoice(bota)
    paid = centre.spend(note, 0, bota, 400, reference=invoice.oid)
    centre.hand_in(paid, invoice)
    assert centre.wallet("bota") == 0, "the invoice is still open (R19)"
    centre.reconciler.sync(centre.declare(bota, 1))
    assert centre.wallet("bota") == 400
    check(centre)
    centre.close()
    assert (centre.wallet("ayan"), centre.wallet("bota")) == (600, 400)


def test_who_spends_undelivered_money_after_all_pays_for_it() -> None:
    centre = Centre(reserve_tiyn=RESERVE)
    ayan, bota, dana = (centre.device(name) for name in ("ayan", "bota", "dana"))
    (note,) = centre.load_notes("ayan", 1_000)
    (own,) = centre.load_notes("bota", 700)
    invoice = centre.invoice(bota)
    paid = centre.spend(note, 0, bota, 1_000, reference=invoice.oid)
    centre.hand_in(paid, invoice, centre.declare(bota, 1))
    assert centre.wallet("bota") == 1_000
    onward = centre.spend(paid, 0, dana, 1_000)
    centre.hand_in(onward, centre.take_home(onward, 0, dana))
    assert centre.wallet("dana") == 1_000
    assert [guilt.reason for guilt in centre.reconciler.guilty()[bota.kid]] == [TAKEN_AFTER_CANCEL]
    centre.close()
    check(centre)
    assert centre.reconciler.borne(bota.kid) == Borne(bota.kid, 1_000, 700, 0, 0, 300)
    assert own.record.amount_tiyn == 700
    assert ayan.kid not in centre.reconciler.guilty()


# --- marked money ---


def test_v10_marked_money_converts_when_it_is_redeemed_and_keeps_its_mark_when_refunded() -> None:
    centre = Centre(reserve_tiyn=RESERVE)
    pupil = centre.device("pupil", category=3)
    canteen = centre.device("canteen", category=4)
    definition = centre.definition(release_categories=(4, 5))
    centre.mark(definition, ("pupil", 1_000))
    (note,) = centre.load_notes("pupil", 1_000, mark=definition.oid)
    assert (note.record.purpose, note.record.max_hops) == (7, 2)
    paid = centre.spend(note, 0, canteen, 400)
    again = centre.spend(note, 0, canteen, 300)
    centre.hand_in(paid, again, centre.take_home(paid, 0, canteen), centre.take_home(again, 0, canteen))
    check(centre)
    assert [(token.amount_tiyn, token.mark) for _, token in centre.ledger.owned(centre.kid("canteen"))] in (
        [(400, b""), (300, b"")],
        [(300, b""), (400, b"")],
    )
    centre.loss_policy = LossPolicy(ISSUER)
    centre.reconciler = centre.open_reconciler()
    centre.close()
    check(centre)
    marks = {token.mark for _, token in centre.ledger.owned(centre.kid("pupil"))}
    assert marks == {definition.oid}
    assert pupil.kid in centre.reconciler.guilty()
