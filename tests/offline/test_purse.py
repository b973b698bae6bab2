"""Slots, limits and the choice of coins: pure arithmetic, many bad cases."""

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Refused
from cbdc.token import CANTEEN, PERSON
from offline.purse import (
    Caps,
    Coin,
    Slot,
    Totals,
    check_in,
    check_out,
    check_slots,
    choose_coins,
    max_slots,
    outbox_capacity,
    slot_of_note,
    slot_of_output,
    spendable,
    split_amounts,
)
from offline.records import PAY, REDEEM, TIER_SE, TIER_SW, Limits, Outpoint
from offline.trust import TrustView
from tests.offline.world import NOW, World

WORLD = World("purse")
LIMITS = Limits(1_000, 500, 2_000, 3, 14, 5)


def slot(amount: int = 100, **fields: int) -> Slot:
    values = {"purpose": 0, "hop": 0, "length": 0, "max_hops": 5, "max_length": 12, "spend_by": NOW + 90_000}
    return Slot(amount, **{**values, **fields})


def coin(amount: int, name: int = 0, history: int = 100, **fields: int) -> Coin:
    return Coin(Outpoint(name.to_bytes(32, "big"), 0), slot(amount, **fields), history)


def coins(*amounts: int) -> list[Coin]:
    return [coin(amount, place) for place, amount in enumerate(amounts)]


def refused(code: str) -> Any:
    return pytest.raises(Refused, match=code)


# --- slots ---


def test_a_note_and_both_outputs_fill_slots() -> None:
    payer, payee = WORLD.make_device("payer"), WORLD.make_device("payee")
    note = WORLD.make_note(payer.kid, 100)
    assert slot_of_note(note.record) == Slot(100, 0, 0, 0, 5, 12, note.record.spend_by)
    paid = WORLD.make_transfer(payer.key, note, note, payee.kid, 60).record
    assert slot_of_output(paid, 0, Caps(5, 12)) == Slot(60, 0, 1, 1, 5, 12, note.record.spend_by)
    assert slot_of_output(paid, 1, Caps(5, 12)) == Slot(40, 0, 0, 1, 5, 12, note.record.spend_by)
    home = WORLD.make_transfer(payer.key, note, note, payee.kid, 60, kind=REDEEM).record
    assert home.kind != PAY
    assert slot_of_output(home, 1, Caps(5, 12)).hop == 0


@pytest.mark.parametrize(
    ("fields", "device_hops", "may"),
    [
        ({}, 5, True),
        ({"hop": 4}, 5, True),
        ({"hop": 5}, 5, False),
        ({"hop": 4}, 4, False),
        ({"hop": 0, "max_hops": 0}, 5, False),
        ({"length": 11}, 5, True),
        ({"length": 12}, 5, False),
        ({"length": 12, "max_length": 200}, 5, False),
        ({"length": 3, "max_length": 3}, 5, False),
    ],
)
def test_money_moves_within_hops_and_length(fields: dict[str, int], device_hops: int, may: bool) -> None:
    assert slot(**fields).may_move(device_hops) is may


# --- limits ---


@pytest.mark.parametrize(
    ("totals", "base", "amount", "code"),
    [
        (Totals(), Totals(), 500, ""),
        (Totals(), Totals(), 501, "E_TXLIMIT"),
        (Totals(out_tiyn=1_500), Totals(), 500, ""),
        (Totals(out_tiyn=1_501), Totals(), 500, "E_LIMIT_OUT"),
        (Totals(out_tiyn=9_000), Totals(out_tiyn=7_500), 500, ""),
        (Totals(out_count=2), Totals(), 1, ""),
        (Totals(out_count=3), Totals(), 1, "E_LIMIT_COUNT"),
        (Totals(out_count=9), Totals(out_count=7), 1, ""),
        (Totals(out_tiyn=2_000, out_count=3), Totals(), 501, "E_TXLIMIT"),
        (Totals(out_tiyn=2_000, out_count=3), Totals(), 1, "E_LIMIT_OUT"),
    ],
)
def test_limits_out(totals: Totals, base: Totals, amount: int, code: str) -> None:
    if code:
        with refused(code):
            check_out(totals, base, LIMITS, amount)
    else:
        check_out(totals, base, LIMITS, amount)


@pytest.mark.parametrize(
    ("amount", "held", "promised", "fits"), [(100, 500, 400, True), (101, 500, 400, False)]
)
def test_limit_in(amount: int, held: int, promised: int, fits: bool) -> None:
    if fits:
        check_in(amount, held, promised, LIMITS)
    else:
        with refused("E_LIMIT_IN"):
            check_in(amount, held, promised, LIMITS)


@pytest.mark.parametrize(
    ("slots", "held", "promised", "fits"), [(1, 60, 3, True), (1, 60, 4, False), (8, 57, 0, False)]
)
def test_slots(slots: int, held: int, promised: int, fits: bool) -> None:
    if fits:
        check_slots(slots, held, promised, 64)
    else:
        with refused("E_PURSE_FULL"):
            check_slots(slots, held, promised, 64)


def test_a_business_with_hardware_holds_more() -> None:
    def most(view: TrustView, **fields: Any) -> int:
        return max_slots(WORLD.make_device("who", **fields).certificate.record, view)

    assert most(WORLD.trust, category=PERSON) == 64
    assert most(WORLD.trust, category=CANTEEN, tier=TIER_SE) == 1_024
    assert most(WORLD.trust, category=CANTEEN, tier=TIER_SW) == 64
    lower = WORLD.trust.adopt(WORLD.make_trust(2, policy=((13, 10), (26, 9_999))))
    assert most(lower, category=PERSON) == 10
    assert most(lower, category=CANTEEN) == 1_024


def test_the_outbox_holds_every_payment_allowed() -> None:
    assert outbox_capacity(LIMITS) == 3 * 8


def test_totals_cover() -> None:
    assert Totals(2, 2, 2, 2).covers(Totals(2, 1, 0, 2))
    assert not Totals(2, 2, 2, 2).covers(Totals(0, 3, 0, 0))


# --- splitting ---


@pytest.mark.parametrize(
    ("held", "amount", "gives"),
    [([100], 100, [100]), ([100], 1, [1]), ([30, 70], 100, [30, 70]), ([30, 70], 31, [30, 1])],
)
def test_the_last_pick_gives_change(held: list[int], amount: int, gives: list[int]) -> None:
    assert split_amounts(held, amount) == gives


@pytest.mark.parametrize(
    ("held", "amount"), [([], 1), ([100], 101), ([30, 70], 30), ([100, 5], 100), ([100], 0)]
)
def test_picks_that_do_not_fit(held: list[int], amount: int) -> None:
    with refused("E_PICKS"):
        split_amounts(held, amount)


@given(st.lists(st.integers(1, 1_000), min_size=1, max_size=8), st.data())
def test_splitting_loses_nothing(held: list[int], data: st.DataObject) -> None:
    amount = data.draw(st.integers(sum(held[:-1]) + 1, sum(held)))
    gives = split_amounts(held, amount)
    assert sum(gives) == amount
    assert all(1 <= give <= had for give, had in zip(gives, held, strict=True))


# --- choice ---


def chosen(available: list[Coin], amount: int, most: int = 8) -> list[list[int]]:
    return [[c.slot.amount_tiyn for c in choice] for choice in choose_coins(available, amount, most)]


@pytest.mark.parametrize(
    ("amounts", "amount", "best"),
    [
        ((500, 200, 200, 100), 500, [500]),
        ((500, 200, 200, 100), 300, [200, 100]),
        ((500, 200, 200, 100), 400, [200, 200]),
        ((500, 200, 200, 100), 350, [500]),
        ((500, 200, 200, 100), 650, [200, 500]),
        ((500, 200, 200, 100), 1_000, [500, 200, 200, 100]),
        ((70, 50), 60, [70]),
    ],
)
def test_exact_first_then_few(amounts: tuple[int, ...], amount: int, best: list[int]) -> None:
    assert chosen(coins(*amounts), amount)[0] == best


@pytest.mark.parametrize(("amounts", "amount", "most"), [((), 1, 8), ((5, 5), 11, 8), ((5, 5, 5), 15, 2)])
def test_what_cannot_be_covered_gives_no_choice(amounts: tuple[int, ...], amount: int, most: int) -> None:
    assert chosen(coins(*amounts), amount, most) == []


def test_short_histories_then_early_expiry_then_ids() -> None:
    available = [
        coin(100, 1, history=900),
        coin(100, 2, history=100, spend_by=NOW + 99_000),
        coin(100, 4, history=100, spend_by=NOW + 95_000),
        coin(100, 3, history=100, spend_by=NOW + 95_000),
    ]
    order = [c.outpoint.previous[-1] for c in spendable(available, 0, 5, NOW, 0)]
    assert order == [3, 4, 2, 1]
    best = next(choose_coins(spendable(available, 0, 5, NOW, 0), 50, 8))
    assert best[0].outpoint.previous[-1] == 3


@pytest.mark.parametrize(
    "fields", [{"purpose": 7}, {"hop": 5}, {"length": 12}, {"spend_by": NOW + 1_000}, {"spend_by": NOW}]
)
def test_what_may_not_pay_is_left(fields: dict[str, int]) -> None:
    assert spendable([coin(100, **fields)], 0, 5, NOW, 1_000) == []


def test_more_and_shorter_coins_are_offered_after_few_long_ones() -> None:
    short = [coin(40, place, history=10) for place in range(3)]
    assert chosen([*short, coin(110, 9, history=4_000)], 115)[0] == [40, 110]
    assert [40, 40, 40] in chosen([*short, coin(110, 9, history=4_000)], 115)


def test_a_purse_of_dust_is_searched_in_bounded_time() -> None:
    dust = coins(*[2] * 64)
    assert chosen(dust, 15) == [[2] * 8]
    assert chosen(dust, 17) == []


@given(st.lists(st.integers(1, 60), max_size=7), st.integers(1, 200), st.integers(1, 8))
def test_choices_against_all_subsets(amounts: list[int], amount: int, most: int) -> None:
    available = coins(*amounts)
    sums = {
        count: [sum(part) for part in combinations(amounts, count)]
        for count in range(1, min(most, len(amounts)) + 1)
    }
    covering = [count for count, values in sums.items() if max(values) >= amount]
    exact = [count for count, values in sums.items() if amount in values]
    choices = list(choose_coins(available, amount, most))
    assert bool(choices) == bool(covering)
    for choice in choices:
        held = [c.slot.amount_tiyn for c in choice]
        assert len({c.outpoint for c in choice}) == len(choice) <= most
        assert sum(split_amounts(held, amount)) == amount
    if exact:
        assert sum(c.slot.amount_tiyn for c in choices[0]) == amount
        assert len(choices[0]) == min(exact)
    elif covering:
        assert len(choices[0]) == min(covering)
    assert choices == list(choose_coins(available, amount, most))
