"""The graph: the same facts from the same set, whatever order it came in (attack list, R)."""

import os
import random
from typing import Any

import pytest

from cbdc.record import Signed
from offline.graph import (
    BAD_STATEMENT,
    CONTRADICTION,
    DOUBLE_SPEND,
    EQUIVOCATION,
    LIMIT_BREACH,
    Facts,
    derive,
)
from offline.records import PAY, REDEEM, DeviceCertificate, Outpoint, Transfer, genesis_link
from offline.seen import Seen
from offline.statements import TAKEN_AFTER_CANCEL, Statements
from tests.offline import fakes
from tests.offline.fakes import CLOSES, GRACE, NAMES, REDEEM_BY, Logs, Play, fake, kid

Event = tuple[Signed[Any], int]
GAMES = int(os.environ.get("TENGE_ORDERS", "200"))
ORDERS = 10


def admit(seen: Seen, waiting: list[Event], event: Event) -> None:
    """Let an object in; a transfer without its certificate waits, as the reconciler makes it wait."""
    record = event[0].record
    if isinstance(record, Transfer) and seen.certificate(record.payer) is None:
        waiting.append(event)
        return
    seen.add(*event)
    if isinstance(record, DeviceCertificate):
        for late in [one for one in waiting if one[0].record.payer == record.kid]:
            seen.add(*late)


def seen_of(events: list[Event]) -> Seen:
    seen, waiting = Seen(), list[Event]()
    for event in events:
        admit(seen, waiting, event)
    return seen


def facts_of(events: list[Event], notes: list[Any]) -> Facts:
    return derive(seen_of(events), notes, fakes.rules(), GRACE)


def certificates() -> list[Event]:
    return [(fakes.certificate(name), 1_000) for name in NAMES]


def at(*objects: Signed[Any], moment: int = 1_500) -> list[Event]:
    return [(signed, moment) for signed in objects]


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_r3_the_facts_do_not_depend_on_order_batches_or_repetition(part: int) -> None:
    for seed in range(part * GAMES // 4, (part + 1) * GAMES // 4):
        game = Play(seed)
        expected = facts_of(game.events, game.notes).digest()
        chance = random.Random(seed)
        for order in range(ORDERS):
            events = [*game.events, *chance.choices(game.events, k=3)]
            chance.shuffle(events)
            seen, waiting = Seen(), list[Event]()
            for place, event in enumerate(events):
                admit(seen, waiting, event)
                if order == 0 and place == len(events) // 2:
                    derive(seen, game.notes, fakes.rules(), GRACE)
            assert derive(seen, game.notes, fakes.rules(), GRACE).digest() == expected, seed


@pytest.mark.slow
def test_the_games_are_rich() -> None:
    games = [Play(seed) for seed in range(200)]
    found = [facts_of(game.events, game.notes) for game in games]
    assert sum(bool(facts.pending) for facts in found) > 20
    assert sum(facts.loss_tiyn > 0 for facts in found) > 50
    assert sum(any(tree.late for tree in facts.trees.values()) for facts in found) > 20
    assert sum(any(tree.claims for tree in facts.trees.values()) for facts in found) > 5
    kinds = {guilt.type for facts in found for guilt in facts.guilt}
    assert kinds == {DOUBLE_SPEND, EQUIVOCATION, CONTRADICTION, BAD_STATEMENT, LIMIT_BREACH}


def test_two_halves_join_to_the_whole() -> None:
    for seed in range(50):
        game = Play(seed)
        known = [event for event in game.events if not isinstance(event[0].record, Transfer)]
        rest = [event for event in game.events if isinstance(event[0].record, Transfer)]
        one, other = seen_of(known + rest[::2]), seen_of(known + rest[1::2])
        assert one.join(other) or not rest[1::2]
        assert not one.join(other)
        whole = facts_of(game.events, game.notes)
        assert derive(one, game.notes, fakes.rules(), GRACE).digest() == whole.digest()


def test_the_smallest_signature_and_the_earliest_arrival_stay() -> None:
    logs = Logs()
    note = fakes.note("ayan", 10)
    paid = logs.transfer(note, 0, kid("bota"), 10)
    again = fake(paid.record, "another signature")
    assert again.oid == paid.oid
    low, high = sorted((paid, again), key=lambda one: one.signature)
    seen = Seen()
    assert seen.add(high, 1_400)
    assert seen.add(low, 1_600)
    assert not seen.add(high, 1_500)
    assert seen.get(paid.oid) == low
    assert seen.arrived(paid.oid) == 1_400
    assert seen.add(high, 1_300)
    assert seen.arrived(paid.oid) == 1_300
    assert len(seen) == 1
    assert paid.oid in seen
    facts = facts_of([*certificates(), (low, 1_400), (high, 1_500)], [note])
    assert facts.guilt == (), "two signatures on one body are no double spend (G8)"


def test_r4_a_child_waits_for_its_parent() -> None:
    logs = Logs()
    note = fakes.note("ayan", 10)
    first = logs.transfer(note, 0, kid("bota"), 10)
    second = logs.transfer(first, 0, kid("dana"), 4)
    waiting = facts_of([*certificates(), *at(second)], [note])
    assert waiting.pending == (second.oid,)
    assert waiting.float_tiyn == 10
    assert waiting.trees[note.oid].unspent == {Outpoint(note.oid, 0): (10, kid("ayan"))}
    facts = facts_of([*certificates(), *at(second, first)], [note])
    assert facts.pending == ()
    assert facts.trees[note.oid].unspent == {
        Outpoint(second.oid, 0): (4, kid("dana")),
        Outpoint(second.oid, 1): (6, kid("bota")),
    }


@pytest.mark.parametrize("branches", [2, 3, 5])
def test_r6_every_branch_is_admitted_and_each_extra_one_is_a_loss(branches: int) -> None:
    logs = Logs()
    note = fakes.note("kairat", 10)
    paid = [
        logs.transfer(note, 0, kid("shop"), 10, reference=fakes.digest(branch)) for branch in range(branches)
    ]
    facts = facts_of([*certificates(), *at(*paid)], [note])
    tree = facts.trees[note.oid]
    assert tree.loss_tiyn == (branches - 1) * 10
    assert tree.float_tiyn == branches * 10
    assert len(tree.conflicts) == 1
    assert tree.conflicts[0].owner == kid("kairat")
    assert facts.guilty == (kid("kairat"),)


def test_r7_an_early_fork_is_one_loss_however_its_branches_meet_again() -> None:
    logs = Logs()
    note = fakes.note("kairat", 20)
    left = logs.transfer(note, 0, kid("ayan"), 20)
    right = logs.transfer(note, 0, kid("bota"), 20)
    one = logs.transfer(left, 0, kid("shop"), 15)
    two = logs.transfer(right, 0, kid("shop"), 20)
    facts = facts_of([*certificates(), *at(two, one, right, left)], [note])
    tree = facts.trees[note.oid]
    assert tree.loss_tiyn == 20
    assert [conflict.outpoint for conflict in tree.conflicts] == [Outpoint(note.oid, 0)]
    assert facts.guilty == (kid("kairat"),), "whoever took a branch is innocent"


def test_x26_a_conflict_deep_in_a_line_accuses_only_its_own_payer() -> None:
    logs = Logs()
    note = fakes.note("ayan", 20)
    first = logs.transfer(note, 0, kid("kairat"), 20)
    left = logs.transfer(first, 0, kid("bota"), 20)
    right = logs.transfer(first, 0, kid("dana"), 20)
    facts = facts_of([*certificates(), *at(first, left, right)], [note])
    assert facts.guilty == (kid("kairat"),)
    assert facts.guilt[0].items == tuple(sorted((left.oid, right.oid)))


def test_r12_a_rule_breaking_transfer_is_a_proof_and_its_descendants_stay_out() -> None:
    logs = Logs()
    note = fakes.note("kairat", 10)
    bad = logs.transfer(note, 0, kid("ayan"), 11)
    child = logs.transfer(bad, 0, kid("bota"), 11)
    facts = facts_of([*certificates(), *at(bad, child)], [note])
    tree = facts.trees[note.oid]
    assert tree.refused == {bad.oid: "E_SUM"}
    assert tree.admitted == {}
    assert facts.pending == (child.oid,)
    assert [(guilt.kid, guilt.type, guilt.items) for guilt in facts.guilt] == [
        (kid("kairat"), BAD_STATEMENT, (note.oid, bad.oid))
    ]
    assert facts.float_tiyn == 10


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"index": 1}, "E_INDEX"),
        ({"payer": kid("shop")}, "E_OWNER"),
        ({"hop": 3}, "E_HOPS"),
        ({"purpose": 3}, "E_PURPOSE"),
        ({"spend_by": 5_000}, "E_INHERIT"),
        ({"kind": 2}, "E_KIND"),
    ],
)
def test_what_does_not_follow_is_refused(fields: dict[str, Any], code: str) -> None:
    logs = Logs()
    note = fakes.note("ayan", 10)
    index = fields.pop("index", 0)
    made = logs.transfer(note, 0, kid("bota"), 10, **fields)
    if index:
        made = fake(Transfer(**{**dict(_fields(made.record)), "index": index}))
    facts = facts_of([*certificates(), *at(made)], [note])
    assert facts.trees[note.oid].refused == {made.oid: code}
    assert facts.float_tiyn == 10


def _fields(record: Transfer) -> list[tuple[str, Any]]:
    return [(name, getattr(record, name)) for name in Transfer.__slots__]


def test_x22_a_redeemed_output_is_spent_by_nobody() -> None:
    logs = Logs()
    note = fakes.note("ayan", 10)
    redeemed = logs.transfer(note, 0, kid("bota"), 6, kind=REDEEM)
    stolen = logs.transfer(redeemed, 0, kid("shop"), 6)
    kept = logs.transfer(redeemed, 1, kid("shop"), 4)
    facts = facts_of([*certificates(), *at(redeemed, stolen, kept)], [note])
    tree = facts.trees[note.oid]
    assert tree.refused == {stolen.oid: "E_KIND"}
    assert tree.payouts == (redeemed.oid,)
    assert (tree.redeemed_tiyn, tree.float_tiyn) == (6, 4)


def test_an_honest_redemption_is_exempt_from_hops_and_length() -> None:
    logs = Logs()
    note = fakes.note("ayan", 10, max_hops=1, max_length=1)
    paid = logs.transfer(note, 0, kid("bota"), 10)
    home = logs.transfer(paid, 0, fakes.digest("account"), 10, kind=REDEEM)
    onward = logs.transfer(paid, 0, kid("dana"), 10)
    facts = facts_of([*certificates(), *at(paid, home)], [note])
    assert facts.trees[note.oid].redeemed_tiyn == 10
    assert facts.guilt == ()
    assert facts_of([*certificates(), *at(paid, onward)], [note]).trees[note.oid].refused == {
        onward.oid: "E_HOPS"
    }


def test_a_note_nobody_registered_roots_nothing() -> None:
    logs = Logs()
    phantom = fakes.note("ayan", 10, number=9)
    paid = logs.transfer(phantom, 0, kid("bota"), 10)
    facts = facts_of([*certificates(), *at(phantom, paid)], [fakes.note("ayan", 10)])
    assert facts.pending == (paid.oid,)
    assert facts.float_tiyn == 10


def test_r17_a_transfer_counts_until_its_note_has_closed() -> None:
    logs = Logs()
    note = fakes.note("ayan", 10)
    paid = logs.transfer(note, 0, kid("bota"), 10)
    timely = facts_of([*certificates(), (paid, CLOSES)], [note]).trees[note.oid]
    assert timely.late == ()
    assert timely.unspent == {Outpoint(paid.oid, 0): (10, kid("bota"))}
    late = facts_of([*certificates(), (paid, CLOSES + 1)], [note]).trees[note.oid]
    assert late.late == (paid.oid,)
    assert late.unspent == {Outpoint(note.oid, 0): (10, kid("ayan"))}
    assert CLOSES == REDEEM_BY + GRACE


@pytest.mark.parametrize("what", ["certificate", "parent"])
def test_what_could_not_be_admitted_in_time_is_late_though_it_arrived_early(what: str) -> None:
    logs = Logs()
    note = fakes.note("ayan", 10)
    first = logs.transfer(note, 0, kid("bota"), 10)
    second = logs.transfer(first, 0, kid("dana"), 10)
    moments = {"certificate": 1_000, "parent": 1_000} | {what: CLOSES + 1}
    events: list[Event] = [
        (fakes.certificate("ayan"), 1_000),
        (fakes.certificate("bota"), moments["certificate"]),
        (first, moments["parent"]),
        (second, 1_000),
    ]
    tree = facts_of(events, [note]).trees[note.oid]
    assert second.oid in tree.late
    assert tree.float_tiyn == 10


def test_two_late_branches_are_no_loss() -> None:
    logs = Logs()
    note = fakes.note("kairat", 10)
    left, right = (logs.transfer(note, 0, kid(name), 10) for name in ("ayan", "bota"))
    facts = facts_of([*certificates(), (left, 1_500), (right, CLOSES + 1)], [note])
    assert facts.loss_tiyn == 0
    assert facts.guilty == (kid("kairat"),), "a late proof is still a proof"


def test_e2_one_counter_or_link_twice_is_guilt_without_loss() -> None:
    logs = Logs()
    notes = [fakes.note("kairat", 10, number) for number in (1, 2)]
    one = logs.transfer(notes[0], 0, kid("ayan"), 10)
    clone = logs.transfer(notes[1], 0, kid("bota"), 10, counter=1)
    facts = facts_of([*certificates(), *at(one, clone)], notes)
    assert facts.loss_tiyn == 0
    assert [guilt.reason for guilt in facts.guilt] == ["counter used twice"]
    other = Logs()
    twin = other.transfer(notes[1], 0, kid("bota"), 10, counter=7)
    facts = facts_of([*certificates(), *at(one, twin)], notes)
    assert [guilt.reason for guilt in facts.guilt] == ["link used twice", "another log"]


# --- statements: complete logs, undelivered money, contradictions ---


class Undelivered:
    """Ayan pays Bota, who cancelled the invoice and never took the money; each part may be left out."""

    def __init__(self) -> None:
        self.logs = Logs()
        self.note = fakes.note("ayan", 10)
        self.invoice = fakes.invoice(kid("bota"), 1)
        self.paid = self.logs.transfer(self.note, 0, kid("bota"), 7, reference=self.invoice.oid)
        self.statement = self.state()

    def state(self, number: int = 1, **fields: Any) -> Signed[Any]:
        return fakes.statement(kid("bota"), number, self.logs, **{"invoice_number": 1, **fields})

    def tree(self, *objects: Signed[Any]) -> Any:
        return facts_of([*certificates(), *at(*objects)], [self.note]).trees[self.note.oid]


def test_r19_undelivered_money_is_claimed_only_after_the_invoice_was_cancelled() -> None:
    case = Undelivered()
    tree = case.tree(case.paid, case.invoice, case.statement)
    assert tree.claims == {Outpoint(case.paid.oid, 0): 1_500}
    assert (tree.claimed_tiyn, tree.float_tiyn, tree.loss_tiyn) == (7, 3, 0)
    assert case.tree(case.paid, case.invoice).claims == {}
    assert case.tree(case.paid, case.statement).claims == {}
    still_open = case.state(invoice_number=0)
    assert case.tree(case.paid, case.invoice, still_open).claims == {}


def test_money_in_the_purse_or_spent_in_the_log_is_not_undelivered() -> None:
    case = Undelivered()
    holding = case.state(purse=((case.paid.oid, 0, 7),))
    assert case.tree(case.paid, case.invoice, holding).claims == {}
    onward = case.logs.transfer(case.paid, 0, kid("dana"), 7)
    spent = case.state()
    tree = case.tree(case.paid, case.invoice, onward, spent)
    assert tree.claims == {}
    assert tree.loss_tiyn == 0


def test_an_incomplete_log_claims_nothing_until_the_gap_is_filled() -> None:
    case = Undelivered()
    notes = [case.note, fakes.note("bota", 5, number=2)]
    other = case.logs.transfer(notes[1], 0, kid("dana"), 5)
    state = case.state()
    events = [*certificates(), *at(case.paid, case.invoice, state)]
    assert facts_of(events, notes).trees[case.note.oid].claims == {}
    filled = facts_of([*events, (other, 1_800)], notes).trees[case.note.oid]
    assert filled.claims == {Outpoint(case.paid.oid, 0): 1_800}
    too_late = facts_of([*events, (other, CLOSES + 1)], notes).trees[case.note.oid]
    assert too_late.claims == {}


def test_an_invoice_of_somebody_else_claims_nothing() -> None:
    case = Undelivered()
    strange = fakes.invoice(kid("dana"), 1)
    paid = case.logs.transfer(case.note, 0, kid("bota"), 7, reference=strange.oid)
    assert case.tree(paid, strange, case.statement).claims == {}
    redeemed = case.logs.transfer(case.note, 0, kid("bota"), 7, kind=REDEEM, reference=case.invoice.oid)
    assert case.tree(redeemed, case.invoice, case.statement).claims == {}


def test_who_spends_what_it_had_claimed_makes_a_loss_and_a_proof() -> None:
    case = Undelivered()
    onward = case.logs.transfer(case.paid, 0, kid("dana"), 7)
    facts = facts_of([*certificates(), *at(case.paid, case.invoice, case.statement, onward)], [case.note])
    tree = facts.trees[case.note.oid]
    assert tree.claims
    assert tree.loss_tiyn == 7
    assert tree.conflicts[0].claimed
    assert [(guilt.kid, guilt.reason) for guilt in facts.guilt] == [(kid("bota"), TAKEN_AFTER_CANCEL)]


@pytest.mark.parametrize(
    ("earlier", "later", "reason"),
    [
        ({"counter": 3, "head": b"3" * 32}, {"counter": 2, "head": b"2" * 32}, "the counter fell"),
        ({"counter": 2, "head": b"3" * 32}, {"counter": 2, "head": b"2" * 32}, "another log"),
        ({"out_total_tiyn": 3}, {"out_total_tiyn": 2}, "a total fell"),
        ({"in_count": 3}, {"in_count": 2}, "a total fell"),
        ({"trust_sequence": 3}, {"trust_sequence": 2}, "a total fell"),
        ({}, {"number": 1, "nonce": bytes(16)}, "two statements with one number"),
    ],
)
def test_r15_statements_that_fall_back_are_contradictions(
    earlier: dict[str, Any], later: dict[str, Any], reason: str
) -> None:
    first = fakes.statement(kid("kairat"), 1, Logs(), **earlier)
    second = fakes.statement(kid("kairat"), later.pop("number", 2), Logs(), **later)
    facts = facts_of([*certificates(), *at(second, first)], [])
    assert [(guilt.kid, guilt.reason) for guilt in facts.guilt] == [(kid("kairat"), reason)]


def test_a_spent_output_that_is_stated_as_held_is_a_contradiction() -> None:
    logs = Logs()
    note = fakes.note("kairat", 10)
    paid = logs.transfer(note, 0, kid("ayan"), 10)
    lie = fakes.statement(kid("kairat"), 1, logs, ((note.oid, 0, 10),))
    before = fakes.statement(kid("kairat"), 1, Logs(), ((note.oid, 0, 10),))
    facts = facts_of([*certificates(), *at(paid, lie)], [note])
    assert [guilt.reason for guilt in facts.guilt] == ["held and spent"]
    assert facts_of([*certificates(), *at(paid, before)], [note]).guilt == ()


def test_another_transfer_under_the_stated_counter_is_a_contradiction() -> None:
    logs, rolled_back = Logs(), Logs()
    note = fakes.note("kairat", 10)
    paid = logs.transfer(note, 0, kid("ayan"), 10)
    state = fakes.statement(kid("kairat"), 1, logs)
    other = rolled_back.transfer(note, 0, kid("bota"), 10)
    facts = facts_of([*certificates(), *at(state, other)], [note])
    assert [guilt.reason for guilt in facts.guilt] == ["another log"]
    assert paid.oid != other.oid


def test_a_log_is_complete_when_it_leads_back_to_its_genesis() -> None:
    logs = Logs()
    note = fakes.note("ayan", 30)
    first = logs.transfer(note, 0, kid("bota"), 10)
    second = logs.transfer(first, 1, kid("bota"), 10)
    third = logs.transfer(second, 1, kid("bota"), 5)
    ayan = kid("ayan")
    seen = seen_of([*certificates(), (first, 1_100), (second, 1_300)])
    reader = Statements(seen)
    assert reader.completed_at(ayan, third.oid, 3) is None
    assert reader.completed_at(ayan, second.oid, 2) == 1_300
    assert reader.completed_at(ayan, second.oid, 1) is None, "the counter is part of the claim"
    assert reader.completed_at(ayan, second.oid, 3) is None
    assert reader.completed_at(ayan, genesis_link(ayan), 0) == 0
    assert reader.completed_at(ayan, genesis_link(ayan), 1) is None
    assert reader.completed_at(ayan, genesis_link(kid("bota")), 0) is None
    assert reader.completed_at(kid("bota"), second.oid, 2) is None
    seen.add(third, 1_200)
    assert reader.completed_at(ayan, third.oid, 3) == 1_300
    assert reader.completed_at(ayan, first.oid, 1) == 1_100


def test_pay_is_the_default_of_the_fakes() -> None:
    assert Logs().transfer(fakes.note("ayan", 3), 0, kid("bota"), 1).record.kind == PAY
