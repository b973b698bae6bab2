"""Coin choice: it covers the amount with the fewest tokens, wastes nothing, and does not depend on the order."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import TengeError
from cbdc.money import MAX_TIYN
from cbdc.selection import Choice, choose
from cbdc.token import TokenId
from tests.cbdc.world import answer_of, fixed_bytes


def tokens(*amounts: int) -> list[tuple[TokenId, int]]:
    """Tokens of these amounts, with ids in ascending order."""
    return [(TokenId(place.to_bytes(32, "big"), 0), amount) for place, amount in enumerate(amounts)]


def amounts_of(available: list[tuple[TokenId, int]], choice: Choice) -> list[int]:
    """The amounts of the chosen tokens."""
    held = dict(available)
    return [held[identity] for identity in choice.chosen]


SMALL = st.lists(st.integers(1, 60), min_size=1, max_size=8)


@given(amounts=SMALL, share=st.integers(0, 100), seed=st.randoms(use_true_random=False))
def test_a_choice_is_covering_minimal_and_deterministic(amounts: list[int], share: int, seed: object) -> None:
    available = tokens(*amounts)
    amount = sum(amounts) * share // 100
    choice = choose(available, amount)
    picked = amounts_of(available, choice)
    assert sum(picked) == amount + choice.change_tiyn >= amount
    # Fewest: no smaller number of tokens would have been enough.
    fewer = [sum(group) for group in combinations(amounts, max(len(picked) - 1, 0))]
    assert not picked or max(fewer) < amount
    # No waste: each chosen token is needed, and no unchosen one could take the place of the last for less change.
    assert all(token > choice.change_tiyn for token in picked)
    shuffled = list(available)
    seed.shuffle(shuffled)  # type: ignore[attr-defined]
    assert choose(shuffled, amount) == choice
    assert list(choice.chosen) == sorted(choice.chosen)


@given(amounts=SMALL, amount=st.integers(1, 60))
def test_one_token_that_suffices_is_the_smallest(amounts: list[int], amount: int) -> None:
    enough = [held for held in amounts if held >= amount]
    if enough:
        available = tokens(*amounts)
        assert amounts_of(available, choose(available, amount)) == [min(enough)]


@given(amounts=SMALL, most=st.integers(0, 4), amount=st.integers(1, 120))
def test_scattered_means_that_no_such_choice_exists(amounts: list[int], most: int, amount: int) -> None:
    available = tokens(*amounts)
    largest = sum(sorted(amounts)[-most:]) if most else 0
    expected = "E_FUNDS" if sum(amounts) < amount else "ok" if largest >= amount else "E_FUNDS_SCATTERED"
    assert answer_of(choose, available, amount, most) == expected
    if expected == "ok":
        assert len(choose(available, amount, most).chosen) <= most


@pytest.mark.parametrize(
    ("amounts", "amount", "picked", "change"),
    [
        ((5, 10, 20), 10, [10], 0),
        ((5, 10, 20), 11, [20], 9),
        ((5, 10, 20), 30, [10, 20], 0),
        ((5, 10, 20), 26, [10, 20], 4),
        ((5, 10, 20), 25, [5, 20], 0),
        ((7, 7, 7), 7, [7], 0),
        ((5,), 0, [], 0),
        ((), 0, [], 0),
    ],
)
def test_examples(amounts: tuple[int, ...], amount: int, picked: list[int], change: int) -> None:
    available = tokens(*amounts)
    choice = choose(available, amount)
    assert sorted(amounts_of(available, choice)) == picked
    assert choice.change_tiyn == change


def test_equal_tokens_are_taken_in_the_order_of_their_ids() -> None:
    first, second = TokenId(fixed_bytes("a"), 1), TokenId(fixed_bytes("a"), 0)
    assert choose([(first, 5), (second, 5)], 5).chosen == (second,)


@pytest.mark.parametrize(
    ("amount", "code"),
    [(-1, "E_MONEY_RANGE"), (MAX_TIYN + 1, "E_MONEY_RANGE"), (True, "E_MONEY_TYPE"), (1.0, "E_MONEY_TYPE")],
)
def test_what_is_no_amount_is_refused(amount: int, code: str) -> None:
    with pytest.raises(TengeError) as refusal:
        choose(tokens(5), amount)
    assert refusal.value.code == code


def test_many_small_tokens_are_chosen_quickly() -> None:
    available = tokens(*([1] * 5_000))
    assert len(choose(available, 256).chosen) == 256
    with pytest.raises(TengeError, match="E_FUNDS_SCATTERED"):
        choose(available, 257)
