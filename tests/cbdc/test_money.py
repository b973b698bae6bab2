"""Amounts: whole tiyn, text without floats, and shares that always sum to the whole."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc import money
from cbdc.errors import Malformed
from cbdc.money import MAX_TIYN, check_tiyn, format_tenge, parse_tenge, share, split, tenge

AMOUNTS = st.one_of(
    st.integers(0, MAX_TIYN), st.integers(0, 200_000), st.sampled_from([0, 1, 99, 100, MAX_TIYN])
)


@pytest.mark.parametrize("value", [True, False, 1.0, "1", None, b"1"])
def test_only_whole_numbers_are_amounts(value: object) -> None:
    with pytest.raises(Malformed, match="E_MONEY_TYPE"):
        check_tiyn(value)


@pytest.mark.parametrize(("value", "least"), [(-1, 0), (0, 1), (MAX_TIYN + 1, 0), (2**64, 0), (-(2**64), 0)])
def test_amounts_have_bounds(value: int, least: int) -> None:
    with pytest.raises(Malformed, match="E_MONEY_RANGE") as refusal:
        check_tiyn(value, least)
    assert refusal.value.facts["least_tiyn"] == least


@given(AMOUNTS)
def test_an_amount_passes_unchanged(amount_tiyn: int) -> None:
    assert check_tiyn(amount_tiyn) == amount_tiyn
    assert check_tiyn(amount_tiyn + 1 if amount_tiyn < MAX_TIYN else amount_tiyn, 1) >= 1


def test_tenge() -> None:
    assert tenge(0) == 0
    assert tenge(12, 5) == 1_205
    for whole, tiyn in ((-1, 0), (0, -1), (MAX_TIYN // 100 + 1, 0)):
        with pytest.raises(Malformed, match="E_MONEY_RANGE"):
            tenge(whole, tiyn)


@given(AMOUNTS)
def test_what_is_shown_is_read_back(amount_tiyn: int) -> None:
    assert parse_tenge(format_tenge(amount_tiyn)) == amount_tiyn
    assert parse_tenge(format_tenge(amount_tiyn, "")) == amount_tiyn
    assert format_tenge(-amount_tiyn).startswith("−") == (amount_tiyn > 0)


@pytest.mark.parametrize(
    ("text", "amount_tiyn"),
    [
        ("0", 0),
        ("1500", 150_000),
        ("1 500", 150_000),
        ("1,500", 150_000),
        ("1\u00a0500", 150_000),
        ("1\u202f500 ₸", 150_000),
        (" 12975.50₸ ", 1_297_550),
        ("0.5", 50),
        ("0.05", 5),
        ("007", 700),
        ("1 234 567.89", 123_456_789),
        ("90071992547409.91", MAX_TIYN),
    ],
)
def test_people_write_amounts_so(text: str, amount_tiyn: int) -> None:
    assert parse_tenge(text) == amount_tiyn


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "₸",
            "abc",
            "-1",
            "+1",
            "−1",
            "1.",
            ".5",
            "1.234",
            "1..2",
            "1.2.3",
            "1e3",
            "0x10",
            "1_000",
            "NaN",
        ),
        *(
            "inf",
            "1 50",
            "1,50",
            "15 00",
            "1500 ,000",
            "١٢",
            "①",
            "1\n2",
            "1 5000",
            "12345,678",
            "1" * 15,
            "1 ₸ ₸",
        ),
    ],
)
def test_what_is_no_amount(text: str) -> None:
    with pytest.raises(Malformed, match="E_MONEY_TEXT"):
        parse_tenge(text)


@pytest.mark.parametrize("text", ["90071992547409.92", "99999999999999", "999,999,999,999,999"])
def test_amounts_too_large(text: str) -> None:
    with pytest.raises(Malformed, match="E_MONEY_RANGE"):
        parse_tenge(text)


@pytest.mark.parametrize("text", ["1" + ",000" * 3_000, "9" * 10_000, "1." + "0" * 5_000, " " * 10_000 + "x"])
def test_very_long_texts(text: str) -> None:
    with pytest.raises(Malformed) as refusal:
        parse_tenge(text)
    assert len(refusal.value.sentence()) < 200


@given(st.text(max_size=30) | st.text(alphabet="0123456789 ,.₸-", max_size=30))
def test_any_text_is_an_amount_or_refused(text: str) -> None:
    try:
        amount_tiyn = parse_tenge(text)
    except Malformed:
        return
    assert check_tiyn(amount_tiyn) == amount_tiyn


@given(AMOUNTS, st.integers(1, 60), st.sampled_from(["first", "last"]))
def test_a_split_loses_nothing(amount_tiyn: int, parts: int, remainder_to: money.Remainder) -> None:
    shares = split(amount_tiyn, parts, remainder_to)
    assert sum(shares) == amount_tiyn
    assert len(shares) == parts
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=remainder_to == "first")


def test_splits() -> None:
    assert split(10, 3, "first") == [4, 3, 3]
    assert split(10, 3, "last") == [3, 3, 4]
    assert split(0, 2, "first") == [0, 0]
    for parts in (0, -1):
        with pytest.raises(Malformed, match="E_MONEY_PARTS"):
            split(10, parts, "first")
    with pytest.raises(Malformed, match="E_MONEY_RANGE"):
        split(-1, 2, "first")


@given(AMOUNTS, st.integers(0, 1_000), st.integers(1, 1_000))
def test_a_share_is_exact_to_the_tiyn(amount_tiyn: int, numerator: int, denominator: int) -> None:
    numerator = min(numerator, denominator)
    exact = Fraction(amount_tiyn) * numerator / denominator
    low, rest_of_low = share(amount_tiyn, numerator, denominator, "rest")
    high, rest_of_high = share(amount_tiyn, numerator, denominator, "share")
    assert low + rest_of_low == high + rest_of_high == amount_tiyn
    assert low <= exact <= high
    assert high - low == (exact.denominator != 1)
    assert min(low, rest_of_low, high, rest_of_high) >= 0


@pytest.mark.parametrize(("numerator", "denominator"), [(-1, 2), (3, 2), (0, 0), (1, 0), (1, -1), (-1, -1)])
def test_what_is_no_share(numerator: int, denominator: int) -> None:
    with pytest.raises(Malformed, match="E_MONEY_SHARE"):
        share(100, numerator, denominator, "rest")
