"""The numbers: one id, one name each; presets that fit together; limits by tier; the stricter of two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Refused
from cbdc.money import tenge
from cbdc.token import CANTEEN, MERCHANT, PERSON, PUPIL, SUPPLIER
from offline import parameters
from offline.parameters import (
    DAY_SECONDS,
    EXTENDED,
    INTERMITTENT,
    MARGIN_SECONDS,
    MAX_AGE_DAYS,
    MAX_BALANCE_MERCHANT,
    MAX_BALANCE_SE,
    MAX_COUNT,
    MAX_HOPS,
    MAX_HOPS_SW,
    MAX_OUT_PERMILLE,
    MAX_PAYMENT_PERMILLE,
    PARAMETERS,
    PRESETS,
    REDEEM_BY_SECONDS,
    SPEND_BY_SECONDS,
    STAGED,
    check_consistent,
    limits_for,
    policy_items,
    preset,
    stricter,
    value_of,
)
from offline.records import TIER_SE, TIER_SW, TIER_TEE, Limits

TIERS = (TIER_SW, TIER_TEE, TIER_SE)
CATEGORIES = (PERSON, MERCHANT, PUPIL, CANTEEN, SUPPLIER)


def test_every_parameter_is_one_and_says_that_it_is_assumed() -> None:
    assert len({one.id for one in PARAMETERS}) == len({one.name for one in PARAMETERS}) == len(PARAMETERS)
    named = {value for value in vars(parameters).values() if isinstance(value, parameters.Parameter)}
    assert named == set(PARAMETERS)
    for one in PARAMETERS:
        assert one.note == "assumption"
        assert one.unit
        assert one.default >= 0


def test_presets() -> None:
    for name, policy in PRESETS.items():
        assert preset(name) is policy
        check_consistent(policy)
        assert set(policy) <= {one.id for one in PARAMETERS}
    with pytest.raises(Refused, match="E_PARAMETER_SET") as refusal:
        preset("for ever")
    assert "extended" in refusal.value.next_step()
    assert value_of(MAX_HOPS, STAGED) == value_of(MAX_HOPS_SW, STAGED) == 1
    assert value_of(MAX_HOPS, INTERMITTENT) == 5
    assert (value_of(MAX_HOPS, EXTENDED), value_of(MAX_AGE_DAYS, EXTENDED)) == (10, 90)


@pytest.mark.parametrize(
    ("policy", "fits"),
    [
        ({REDEEM_BY_SECONDS.id: 14 * DAY_SECONDS}, True),
        ({REDEEM_BY_SECONDS.id: 14 * DAY_SECONDS - 1}, False),
        ({MAX_AGE_DAYS.id: 30}, True),
        ({MAX_AGE_DAYS.id: 31}, False),
        ({SPEND_BY_SECONDS.id: DAY_SECONDS + 1}, True),
        ({SPEND_BY_SECONDS.id: DAY_SECONDS}, False),
        ({MARGIN_SECONDS.id: 60 * DAY_SECONDS}, False),
    ],
)
def test_every_holder_has_time_to_sync(policy: dict[int, int], fits: bool) -> None:
    """V13: claims do not end before a lawful sync."""
    if fits:
        check_consistent(policy)
        return
    with pytest.raises(Refused, match="E_PARAMETERS"):
        check_consistent(policy)


def test_a_policy_on_the_wire_is_in_order() -> None:
    assert policy_items({9: 1, 2: 5}) == ((2, 5), (9, 1))


@pytest.mark.parametrize(
    ("tier", "category", "balance", "hops"),
    [
        (TIER_SW, PERSON, 12_975, 3),
        (TIER_TEE, PUPIL, 30_000, 5),
        (TIER_SE, PERSON, 50_000, 5),
        (TIER_SE, MERCHANT, 500_000, 5),
        (TIER_TEE, CANTEEN, 500_000, 5),
        (TIER_SW, MERCHANT, 12_975, 3),
    ],
)
def test_limits_by_tier_and_category(tier: int, category: int, balance: int, hops: int) -> None:
    limits = limits_for(tier, category)
    assert limits.max_balance_tiyn == tenge(balance)
    assert limits.max_payment_tiyn == tenge(balance) // 2
    assert limits.max_out_tiyn == tenge(balance) * 2
    assert (limits.max_count, limits.max_age_days, limits.max_hops) == (50, 14, hops)


@pytest.mark.parametrize("tier", [0, 4, 255])
def test_unknown_tiers(tier: int) -> None:
    with pytest.raises(Refused, match="E_DEVICE_TIER"):
        limits_for(tier, PERSON)
    with pytest.raises(Refused, match="E_DEVICE_TIER"):
        stricter(limits_for(TIER_SE, PERSON), tier, PERSON, {})


def test_s10_what_a_policy_does_not_name_stays() -> None:
    wide = Limits(10**12, 10**12, 10**12, 10**6, 10**6, 200)
    assert stricter(wide, TIER_SE, PERSON, {}) == wide
    assert stricter(wide, TIER_SE, PERSON, {MAX_HOPS.id: 2}) == wide._replace(max_hops=2)
    assert stricter(wide, TIER_SW, PERSON, {MAX_HOPS.id: 2}) == wide
    assert stricter(wide, TIER_SE, PERSON, {MAX_COUNT.id: 7}) == wide._replace(max_count=7)
    assert stricter(wide, TIER_SE, PERSON, {MAX_BALANCE_MERCHANT.id: 1}) == wide
    lowered = stricter(wide, TIER_SE, PERSON, {MAX_BALANCE_SE.id: 1_000})
    assert lowered == wide._replace(max_balance_tiyn=1_000, max_payment_tiyn=500, max_out_tiyn=2_000)
    paid = stricter(wide, TIER_SE, PERSON, {MAX_PAYMENT_PERMILLE.id: 100, MAX_OUT_PERMILLE.id: 100})
    assert paid == wide._replace(max_payment_tiyn=tenge(5_000), max_out_tiyn=tenge(5_000))


POLICIES = st.dictionaries(st.sampled_from([one.id for one in PARAMETERS]), st.integers(0, 10**7), max_size=8)


@given(POLICIES, st.sampled_from(TIERS), st.sampled_from(CATEGORIES), st.tuples(*[st.integers(0, 10**9)] * 6))
def test_a_policy_never_widens_a_certificate(
    policy: dict[int, int], tier: int, category: int, values: tuple[int, ...]
) -> None:
    own = Limits(*values)
    narrowed = stricter(own, tier, category, policy)
    assert all(now <= before for now, before in zip(narrowed, own, strict=True))
    assert stricter(narrowed, tier, category, policy) == narrowed
