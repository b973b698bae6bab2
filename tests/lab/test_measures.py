"""Every measure on worlds so small that it can be counted by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from cbdc.money import tenge
from tests.lab.small import plan_of
from wallets.lab import results
from wallets.lab.days import Days, Meeting
from wallets.lab.notebook import Notebook
from wallets.lab.population import Agent, Chance, populate
from wallets.lab.purse import PurseEngine
from wallets.lab.settings import Plan
from wallets.lab.tokens import TokenEngine
from wallets.lab.world import mix

# Three people in one household and one shop. Each device begins with 6,000 tenge in notes of 2,000, 2,000, 1,000, 500,
# 200, 100, 100 and 100.
TINY = """
[lab]
days = 2
slots = 3

[people]
count = 4
villages = 1
tier_tee = 0
tier_sw = 0

[shops]
per_village = 1
market = 0

[[opened]]
count = 1
from_day = 0
"""
EIGHT_HOURS = 8 * 3_600
DAY = 24 * 3_600


class Scripted(Days):
    """Days with given meetings and given syncs: (day, slot) -> agents."""

    def __init__(
        self,
        engine: Any,
        meetings: Sequence[tuple[int, Meeting]],
        syncs: Mapping[tuple[int, int], Sequence[int]],
    ) -> None:
        super().__init__(engine, Chance(7, 1))
        self._script = meetings
        self._syncs = syncs

    def _meetings(self, day: int) -> list[Meeting]:
        return [meeting for when, meeting in self._script if when == day]

    def _online(self, agent: Agent, day: int, slot: int) -> bool:
        return agent.number in self._syncs.get((day, slot), ())


class Tiny:
    """The tiny world on one engine: who is opened, who is honest, and what came of a script."""

    def __init__(self, plan: Plan, make: Any = TokenEngine) -> None:
        self.plan = plan
        region = populate(plan, Chance(plan.lab.seed, 1))
        self.thief = next(agent.number for agent in region.agents if agent.opened >= 0)
        self.honest = [agent.number for agent in region.agents if agent.honest and not agent.is_shop]
        self.shop = next(agent.number for agent in region.agents if agent.is_shop)
        self.engine = make(plan, 1, region, Notebook(None))

    def play(
        self, meetings: Sequence[tuple[int, Meeting]], syncs: Mapping[tuple[int, int], Sequence[int]]
    ) -> dict[str, Any]:
        numbered = [(day, replace(one, number=number)) for number, (day, one) in enumerate(meetings)]
        Scripted(self.engine, numbered, syncs).play(0, lambda done, of, payments: None)
        part = results.part(self.engine)
        assert part["audit"]["ok"], part["audit"]
        return results.measures([part])


def pays(day: int, second: int, payer: int, payee: int, amount_tenge: int) -> tuple[int, Meeting]:
    return day, Meeting(second, payer, 0, (payee,), tenge(amount_tenge), False, False)


def attacks(
    day: int, second: int, payer: int, payees: Sequence[int], amount_tenge: int
) -> tuple[int, Meeting]:
    return day, Meeting(second, payer, 1, tuple(payees), tenge(amount_tenge), False, True)


@pytest.mark.parametrize("make", [TokenEngine, PurseEngine])
def test_a_double_spend_is_counted_timed_and_borne(make: Any) -> None:
    tiny = Tiny(plan_of(TINY), make)
    ayan, bota, _ = tiny.honest
    # The thief pays 500 tenge to two people in the same second; they sync 8 hours and a day after midnight.
    found = tiny.play([attacks(0, 7_200, tiny.thief, (ayan, bota), 500)], {(0, 1): [ayan], (1, 0): [bota]})
    assert found["payments"] == 2
    assert found["tried"] == 0
    assert found["attack_outcomes"] == {"paid": 2}
    assert found["double_spent"] == 1
    assert found["amount_tiyn"] == tenge(1_000)
    assert found["denied_people"] == 0
    assert found["borne_tiyn"]["payees"] == 0
    if make is PurseEngine:
        assert (
            found["borne_tiyn"]["reserve"]
            == found["net_loss_tiyn"]
            == found["ring_gain_tiyn"]
            == tenge(1_000)
        )
        assert found["guilty"] == found["detected"] == 0
        assert "detection_median_seconds" not in found
        return
    assert found["loss_tiyn"] == tenge(500)
    assert found["borne_tiyn"]["device"] == tenge(500), "the thief still has 5,500 tenge in notes"
    assert found["net_loss_tiyn"] == found["ring_gain_tiyn"] == 0
    assert (found["guilty"], found["detected"], found["detected_permille"]) == (1, 1, 1_000)
    assert found["detection_median_seconds"] == found["detection_max_seconds"] == DAY - 7_200


def test_a_lottery_is_drawn_to_the_end() -> None:
    tiny = Tiny(plan_of(TINY, lab_loss_policy="LOTTERY"))
    ayan, bota, _ = tiny.honest
    found = tiny.play([attacks(0, 7_200, tiny.thief, (ayan, bota), 500)], {(0, 1): [ayan], (1, 0): [bota]})
    assert found["borne_tiyn"]["device"] == tenge(500), (
        "the beacon of the day after the last close was waited for"
    )
    assert tiny.engine.world.system.ledger.supply().escrow_tiyn == 0


def test_a_double_spend_that_one_payee_never_hands_in_is_found_at_the_end_only() -> None:
    tiny = Tiny(plan_of(TINY))
    ayan, bota, _ = tiny.honest
    found = tiny.play([attacks(0, 60, tiny.thief, (ayan, bota), 500)], {(0, 1): [ayan]})
    assert found["detection_max_seconds"] == 2 * DAY - 60, "they sync when the days are over"
    tiny = Tiny(plan_of(TINY, lab_close="0"))
    found = tiny.play([attacks(0, 60, tiny.thief, (ayan, bota), 500)], {(0, 1): [ayan]})
    assert (found["double_spent"], found["detected"], found["detected_permille"], found["loss_tiyn"]) == (
        1,
        0,
        0,
        0,
    )


def test_the_second_branch_counts_from_the_second_spend_and_a_third_is_another_loss() -> None:
    tiny = Tiny(plan_of(TINY))
    ayan, bota, third = tiny.honest
    meetings = [
        attacks(0, 1_000, tiny.thief, (ayan,), 500),
        attacks(0, 2_000, tiny.thief, (bota,), 500),
        attacks(0, 3_000, tiny.thief, (third,), 500),
    ]
    found = tiny.play(meetings, {(0, 1): [ayan], (0, 2): [third], (1, 0): [bota]})
    assert found["loss_tiyn"] == tenge(1_000)
    assert found["double_spent"] == 1
    assert found["detection_max_seconds"] == 2 * EIGHT_HOURS - 2_000


def test_hops_bytes_refusals_and_money_that_waits() -> None:
    tiny = Tiny(plan_of(TINY, max_hops="1"))
    ayan, bota, third = tiny.honest
    found = tiny.play(
        [
            pays(0, 60, ayan, bota, 5_000),
            pays(0, 120, bota, tiny.shop, 5_000),
            pays(0, 180, bota, tiny.shop, 2_000),
            pays(0, 240, third, tiny.shop, 50_000),
            pays(1, 60, third, tiny.shop, 2_000),
        ],
        {},
    )
    # Bota's own notes pay the shop; what Ayan paid may move no more, so the next 2,000 are refused: 1,000 are left.
    assert found["outcomes"] == {"paid": 3, "refused": 1, "short": 1}
    assert found["refused"] == {"E_COINS": 1}
    assert (found["tried"], found["success_permille"]) == (4, 750)
    assert list(found["hops"]) == ["1"]
    assert found["hops"]["1"]["payments"] == 3
    # The three honest devices began with 18,000. Of them wait Bota's 5,000 and the shop's 5,000, then 7,000.
    assert found["parked_by_day_permille"] == [10_000 * 1_000 // 18_000, 12_000 * 1_000 // 18_000]
    assert found["parked_most_permille"] == 666
    assert found["parked_permille"] == (555 + 666) // 2


def test_a_second_hop_is_longer() -> None:
    tiny = Tiny(plan_of(TINY))
    ayan, bota, _ = tiny.honest
    found = tiny.play([pays(0, 60, ayan, bota, 2_000), pays(0, 120, bota, tiny.shop, 6_500)], {})
    assert {hop: row["payments"] for hop, row in found["hops"].items()} == {"1": 1, "2": 1}
    one, two = (found["hops"][hop]["payment_bytes"] for hop in ("1", "2"))
    # A note, one transfer without change, one certificate: protocol, 5.4. At the second hop four such lines.
    assert one in range(590, 644)
    assert two > 2 * one
    assert found["payment_bytes"] == (one + two) // 2


def test_a_payment_cut_after_the_commit_waits_and_comes_home() -> None:
    tiny = Tiny(plan_of(TINY, link_attempts="1", link_lost="500"))
    ayan, bota, _ = tiny.honest
    engine = tiny.engine
    cut = engine.pay(ayan, bota, tenge(500), False, bytes(16), lambda sent: sent == 1)
    engine.tally.took_place(ayan, bota, tenge(500), cut, 0, True)
    assert cut.outcome == "interrupted"
    assert engine.tally.waiting_tiyn() == tenge(500)
    before = engine.pay(ayan, bota, tenge(500), True, bytes([1]) * 16, lambda sent: sent == 1)
    assert (before.outcome, before.spent) == ("link", ()), "an offer is no commitment"
    found = tiny.play([], {})
    assert found["outcomes"] == {"interrupted": 1}
    # 500 of the 17,500 + 500 that honest people have offline are on their way.
    assert found["parked_by_day_permille"] == [27, 27]
    assert found["denied_people"] == 0, "the payee has it in the end"


def test_refused_copies_are_booked_and_fall_back_on_the_thief() -> None:
    tiny = Tiny(plan_of(TINY))
    ayan, bota, _ = tiny.honest
    meetings = [
        (0, Meeting(60, tiny.thief, 1, (ayan, bota), tenge(500), False, True)),
        (1, Meeting(60, tiny.thief, 2, (ayan,), tenge(500), False, True)),
    ]
    found = tiny.play(meetings, {(0, 1): [ayan, bota], (1, 0): [ayan]})
    assert found["attack_refused"] == {"E_REVOKED": 1}, "Ayan knows it by then"
    assert found["loss_tiyn"] == tenge(1_000), "the refused copy was handed in, too"
    assert found["net_loss_tiyn"] == 0
    assert found["borne_tiyn"]["device"] == tenge(1_000)


# --- sums over regions ---


def test_shares_and_ranks_are_whole_numbers() -> None:
    assert [results.permille(1, 3), results.permille(0, 0), results.permille(3, 3)] == [333, 0, 1_000]
    values = list(range(1, 21))
    assert [results.rank(values, 50), results.rank(values, 95), results.rank(values, 100)] == [10, 19, 20]
    assert [results.rank([7], 50), results.rank([7], 95)] == [7, 7]


def test_the_regions_of_a_point_are_added_up() -> None:
    tiny = Tiny(plan_of(TINY))
    ayan, bota, _ = tiny.honest
    Scripted(tiny.engine, [attacks(0, 60, tiny.thief, (ayan, bota), 500)], {}).play(0, lambda *told: None)
    part = results.part(tiny.engine)
    one, two = results.measures([part]), results.measures([part, part])
    for name in ("payments", "loss_tiyn", "opened", "guilty", "double_spent", "honest", "syncs"):
        assert two[name] == 2 * one[name]
    for name in ("payment_bytes", "detected_permille", "detection_p95_seconds", "parked_permille"):
        assert two[name] == one[name]


def test_notes_come_in_mixed_sizes() -> None:
    assert mix(tenge(6_000), 24) == [tenge(n) for n in (2_000, 2_000, 1_000, 500, 200, 100, 100, 100)]
    for amount in (1, tenge(99), tenge(12_345) + 7, tenge(500_000)):
        for most in (1, 3, 24):
            notes = mix(amount, most)
            assert len(notes) <= most
            assert sum(notes) == amount
            assert min(notes) > 0
    assert mix(0, 5) == mix(5, 0) == []
