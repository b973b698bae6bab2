"""Deciding at close, pure: exact shares of random graphs, cases that no order changes, and the beacon's chain."""

import os
import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cbdc.errors import Refused
from offline.archive import Archive, MemoryArchive
from offline.beacon import DAYS, BeaconParty, KeptBeacon, SimulatedBeacon, beacon_of
from offline.closing import Closing, cases_of, fork_known, owned_since
from offline.graph import Facts, Tree, derive
from offline.loss_policy import CAPPED, FIRST_SEEN, LOTTERY, PAYEE, PRO_RATA, LossPolicy
from offline.parameters import DAY_SECONDS
from offline.seen import Seen
from offline.settle import claims_of
from offline.shares import EVERYBODY, NOBODY, apportion, shares_of
from tests.offline import fakes
from tests.offline.fakes import CLOSES, GRACE, NAMES, Logs, Play, kid
from tests.offline.test_graph import seen_of

GAMES = int(os.environ.get("TENGE_LOSS_GAMES", "60"))
POLICIES = {
    name: LossPolicy(name, cap_permille=9_000, study="a property" if name == FIRST_SEEN else "")
    for name in (CAPPED, LOTTERY, PRO_RATA, PAYEE, FIRST_SEEN)
}
LATER = 20_000


def trees_of(facts: Facts) -> Any:
    """The trees in which a device owned anything, as the live graph gives them."""

    def found(kid: bytes) -> Sequence[Tree]:
        return [
            tree
            for tree in facts.trees.values()
            if any(output.owner == kid for output in tree.outputs.values())
        ]

    return found


def closing(policy: str, seen: Seen, facts: Facts, now: int = LATER) -> Closing:
    """The decisions at `now`, with a beacon that follows from the moment."""
    drawn = lambda moment: beacon_of(1, {"one": fakes.digest(moment)})  # noqa: E731
    return Closing(POLICIES[policy], seen, facts.trees, trees_of(facts), drawn, now)


def outcome(policy: str, seen: Seen, notes: list[Any]) -> list[tuple[Any, ...]]:
    """Everything that everybody gets, in a fixed order; with the sums of every tree and every case checked."""
    facts = derive(seen, notes, fakes.rules(), GRACE)
    made = closing(policy, seen, facts)
    rows: list[tuple[Any, ...]] = []
    given_tiyn = taken_tiyn = paid_tiyn = forfeit_tiyn = borne_tiyn = funded_tiyn = 0
    for oid, tree in facts.trees.items():
        settling = made.settling(tree)
        assert settling is not None
        assert [award.judged.claim for award in settling.awards] == claims_of(tree, seen)
        in_tiyn = tree.notes_tiyn + sum(settling.funding.values())
        out_tiyn = sum(award.paid_tiyn + award.taken_tiyn for award in settling.awards)
        assert in_tiyn == out_tiyn + sum(settling.forfeits.values()), "a settled note's escrow is empty"
        for award in settling.awards:
            assert min(award.paid_tiyn, award.taken_tiyn, award.borne_tiyn) >= 0
            whole_tiyn = award.paid_tiyn + award.taken_tiyn + award.borne_tiyn
            assert whole_tiyn == award.judged.claim.amount_tiyn
            rows.append((award.judged.claim.subject, award.judged.beneficiary, award.paid_tiyn))
        rows += [(oid, fork, amount) for fork, amount in settling.forfeits.items()]
        given_tiyn += sum(settling.funding.values())
        taken_tiyn += sum(award.taken_tiyn for award in settling.awards)
        paid_tiyn += sum(award.paid_tiyn for award in settling.awards)
        forfeit_tiyn += sum(settling.forfeits.values())
        borne_tiyn += sum(award.borne_tiyn for award in settling.awards)
    for name in NAMES:
        funded_tiyn += sum(one.funded_tiyn for one in made.decisions(kid(name)) if one is not None)
    notes_tiyn = sum(tree.notes_tiyn for tree in facts.trees.values())
    assert given_tiyn == taken_tiyn + funded_tiyn, "what is given was taken or put in by the reserve"
    assert paid_tiyn + forfeit_tiyn == notes_tiyn + funded_tiyn
    assert borne_tiyn == facts.loss_tiyn + forfeit_tiyn - given_tiyn, "each loss is borne once"
    if policy != CAPPED:
        assert funded_tiyn == 0
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("policy", list(POLICIES))
def test_r3_r29_conservation_and_order_under_every_policy(policy: str) -> None:
    """Random graphs, each in several orders of arrival with the same ARRIVED: exact sums, and one outcome."""
    rich = 0
    for seed in range(GAMES):
        game = Play(seed, steps=24)
        expected = outcome(policy, seen_of(game.events), game.notes)
        rich += any(borne for *_, borne in expected)
        chance = random.Random(seed)
        for _ in range(3):
            events = [*game.events, *chance.choices(game.events, k=3)]
            chance.shuffle(events)
            assert outcome(policy, seen_of(events), game.notes) == expected, seed
    assert rich > GAMES // 2


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.integers(1_000, 10**9), st.sampled_from(list(POLICIES)), st.randoms(use_true_random=False))
def test_r29_any_graph_any_policy_any_order(seed: int, policy: str, chance: random.Random) -> None:
    game = Play(seed, steps=30)
    expected = outcome(policy, seen_of(game.events), game.notes)
    events = list(game.events)
    chance.shuffle(events)
    assert outcome(policy, seen_of(events), game.notes) == expected


@pytest.mark.slow
def test_a_decision_does_not_depend_on_what_arrives_after_it() -> None:
    """Decided at once after its close, or long after with everything that came later: the same awards."""
    compared = 0
    for seed in range(GAMES):
        game = Play(seed, steps=24)
        early = seen_of([event for event in game.events if event[1] <= CLOSES])
        whole = seen_of(game.events)
        for policy in POLICIES:
            awards = []
            for seen, now in ((early, CLOSES + 1), (whole, LATER)):
                facts = derive(seen, game.notes, fakes.rules(), GRACE)
                made = closing(policy, seen, facts, now)
                awards.append([made.settling(tree) for tree in facts.trees.values()])
            assert [_told(one) for one in awards[0]] == [_told(one) for one in awards[1]], (seed, policy)
            compared += any(one is not None for one in awards[0])
    assert compared > GAMES


def _told(settling: Any) -> Any:
    return settling and [(award.judged.claim.subject, award.paid_tiyn) for award in settling.awards]


# --- shares ---


@given(st.lists(st.integers(0, 50), min_size=1, max_size=8), st.data())
def test_apportioning_is_exact_and_never_above_a_weight(weights: list[int], data: Any) -> None:
    amount = data.draw(st.integers(0, sum(weights)))
    parts = apportion(amount, weights)
    assert sum(parts) == amount
    assert all(0 <= part <= weight for part, weight in zip(parts, weights, strict=True))


@example(amount=1, branches=3)
@given(amount=st.integers(1, 1_000), branches=st.integers(2, 5))
def test_a_fork_is_divided_to_the_tiyn(amount: int, branches: int) -> None:
    logs = Logs()
    note = fakes.note("kairat", amount)
    paid = [
        logs.transfer(note, 0, kid("shop"), amount, reference=fakes.digest(one)) for one in range(branches)
    ]
    events = [(fakes.certificate(name), 1_000) for name in NAMES] + [(one, 1_500) for one in paid]
    seen = seen_of(events)
    (tree,) = derive(seen, [note], fakes.rules(), GRACE).trees.values()
    equal = shares_of(tree, seen, lambda fork, names: EVERYBODY)
    kept = sorted(one.kept_tiyn for one in equal.of.values())
    assert sum(kept) == amount
    assert kept[-1] - kept[0] <= 1
    nobody = shares_of(tree, seen, lambda fork, names: NOBODY)
    assert {one.kept_tiyn for one in nobody.of.values()} == {0}
    assert sum(nobody.forfeits.values()) == amount
    lot = shares_of(tree, seen, lambda fork, names: names[-1])
    assert sorted(one.kept_tiyn for one in lot.of.values()) == [0] * (branches - 1) + [amount]


# --- cases ---


def _forked(*moments: int, owner: str = "kairat", number: int = 1, **fields: Any) -> tuple[Any, list[Any]]:
    """A note that its owner paid twice, and the events of the branches at these moments."""
    logs = Logs()
    note = fakes.note(owner, 10, number, **fields)
    payees = ("ayan", "bota")
    return note, [
        (logs.transfer(note, 0, kid(payee), 10, counter=number * 10 + place), moment)
        for place, (payee, moment) in enumerate(zip(payees, moments, strict=True))
    ]


def _tree(notes: list[Any], events: list[Any]) -> list[Tree]:
    known = [(fakes.certificate(name), 1_000) for name in NAMES]
    return list(derive(seen_of(known + events), notes, fakes.rules(), GRACE).trees.values())


def test_a_case_closes_with_the_last_of_its_notes_and_later_loads_do_not_prolong_it() -> None:
    note, events = _forked(1_500, 1_600)
    held = fakes.note("kairat", 7, 2, issued=2_000, redeem_by=4_000)
    later = fakes.note("kairat", 7, 3, issued=CLOSES + 1, redeem_by=9_000)
    (case,) = cases_of(kid("kairat"), _tree([note, held, later], events))
    assert case.closes == 4_000 + GRACE
    assert case.notes == tuple(sorted((note.oid, held.oid)))
    assert len(case.forks) == 1
    assert cases_of(kid("ayan"), _tree([note, held, later], events)) == []


def test_a_note_that_had_closed_before_the_fork_was_known_is_no_part_of_the_case() -> None:
    note, events = _forked(1_500, 3_400, redeem_by=3_000)
    old = fakes.note("kairat", 7, 2, redeem_by=2_800)
    (case,) = cases_of(kid("kairat"), _tree([note, old], events))
    assert (case.closes, case.notes) == (CLOSES, (note.oid,))


def test_a_fork_of_a_note_issued_after_the_first_closes_is_a_case_of_its_own() -> None:
    first, one = _forked(1_500, 1_600)
    second, two = _forked(4_500, 4_600, number=2, issued=4_000, spend_by=5_000, redeem_by=6_000)
    cases = cases_of(kid("kairat"), _tree([first, second], one + two))
    assert [(case.closes, case.notes) for case in cases] == [
        (CLOSES, (first.oid,)),
        (6_000 + GRACE, (second.oid,)),
    ]


def test_what_the_device_is_paid_after_its_case_closed_does_not_reopen_it() -> None:
    note, events = _forked(1_500, 1_600)
    gift = fakes.note("dana", 9, 2, redeem_by=8_000)
    paid = Logs().transfer(gift, 0, kid("kairat"), 9)
    for moment, closes in ((CLOSES, 8_000 + GRACE), (CLOSES + 1, CLOSES)):
        (case,) = cases_of(kid("kairat"), _tree([note, gift], [*events, (paid, moment)]))
        assert case.closes == closes


def test_when_a_fork_is_known_and_since_when_a_device_is_concerned() -> None:
    note, events = _forked(1_500, 1_700)
    (tree,) = _tree([note], events)
    (fork,) = tree.conflicts
    assert fork_known(fork, tree) == 1_700
    assert owned_since(kid("kairat"), tree) == 0
    assert owned_since(kid("bota"), tree) == 1_700
    assert owned_since(kid("dana"), tree) is None


# --- the beacon ---


def test_r27_a_day_is_revealed_when_it_has_begun_and_fits_its_anchor() -> None:
    party = BeaconParty(b"secret", 1_000)
    begins = 1_000 + 5 * DAY_SECONDS
    with pytest.raises(Refused, match="E_BEACON_EARLY"):
        party.reveal(5, begins - 1)
    value = party.reveal(5, begins)
    party.anchor.check(5, value)
    assert party.anchor.day_of(begins) == 5
    assert party.anchor.day_of(begins - 1) == 4
    for day, wrong in ((4, value), (6, value), (5, bytes(32)), (5, value[:31]), (0, party.anchor.value)):
        with pytest.raises(Refused, match="E_BEACON"):
            party.anchor.check(day, wrong)
    for day in (0, DAYS + 1):
        with pytest.raises(Refused, match="E_BEACON"):
            party.reveal(day, 10**12)
    assert BeaconParty(b"another", 1_000).anchor != party.anchor


def test_r27_every_party_has_its_say_and_none_can_change_it() -> None:
    parties = {name: BeaconParty(name.encode(), 0) for name in ("one", "two")}
    moment, later = 3 * DAY_SECONDS + 5, 5 * DAY_SECONDS
    archive = Archive(MemoryArchive())
    kept = KeptBeacon(SimulatedBeacon(parties), archive)
    assert kept.after(moment, 4 * DAY_SECONDS - 1) is None, "the day after has not begun"
    drawn = kept.after(moment, later)
    values = SimulatedBeacon(parties).values(4, later)
    assert drawn == beacon_of(4, values)
    assert drawn != beacon_of(4, {**values, "two": bytes(32)})
    assert drawn != kept.after(moment + DAY_SECONDS, later)
    assert KeptBeacon(SimulatedBeacon(parties, ("two",)), archive).after(moment, later) == drawn, (
        "kept for ever"
    )
    assert (
        KeptBeacon(SimulatedBeacon(parties, ("two",)), Archive(MemoryArchive())).after(moment, later) is None
    )
    assert KeptBeacon(None, archive).after(moment, later) is None

    class Liar(SimulatedBeacon):
        def values(self, day: int, now: int) -> dict[str, bytes]:
            return dict.fromkeys(parties, bytes(32))

    other = Archive(MemoryArchive())
    assert KeptBeacon(Liar(parties), other).after(moment, later) is None, "held, and nothing else breaks"
    assert KeptBeacon(SimulatedBeacon(parties), other).after(moment, later) == drawn, (
        "no wrong value was kept"
    )
