"""Limits of a calendar month and a year: guard G9 where the policy has them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Malformed
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import MONTH, YEAR, Policy
from tests.cbdc.world import START, World, answer_of

MONTH_LIMIT, YEAR_LIMIT = 1_000, 2_500
OFFSET = 5 * 3_600


class Periods(World):
    """A world whose tier 1 pays at most 1,000 tiyn a month and 2,500 a year; tier 2 at most 2,500 a year."""

    def certify(self, record):  # type: ignore[no-untyped-def]
        if isinstance(record, Policy):
            periods = ((1, MONTH, MONTH_LIMIT), (1, YEAR, YEAR_LIMIT), (2, YEAR, YEAR_LIMIT))
            record = Policy("periods", record.tiers, record.day_offset_seconds, periods)
        return super().certify(record)


@pytest.fixture
def world() -> Periods:
    made = Periods(name="periods")
    for name in ("ayan", "shop"):
        made.register(name)
    made.register("rich", tier=2)
    made.fund(("ayan", 10_000), ("rich", 10_000))
    return made


def pay(world: Periods, payer: str, amount_tiyn: int, *others: tuple[str, int]) -> str:
    return answer_of(world.submit, world.sign(world.payment(payer, ("shop", amount_tiyn), *others), payer))


def at(world: Periods, year: int, month: int, day: int) -> None:
    """Move the clock to noon of a day in Kazakhstan."""
    moment = datetime(year, month, day, 12, tzinfo=UTC) - timedelta(seconds=OFFSET)
    world.clock.move_to(int(moment.timestamp()))


def test_a_month_is_full_and_the_next_one_is_empty(world: Periods) -> None:
    at(world, 2026, 11, 30)
    assert pay(world, "ayan", MONTH_LIMIT) == "ok"
    assert pay(world, "ayan", 1) == "E_LIMIT_PERIOD"
    at(world, 2026, 12, 1)
    assert pay(world, "ayan", MONTH_LIMIT) == "ok"
    assert pay(world, "ayan", 1) == "E_LIMIT_PERIOD"


def test_a_year_is_full_over_its_months_and_a_new_year_is_empty(world: Periods) -> None:
    for month in (10, 11):
        at(world, 2026, month, 15)
        assert pay(world, "ayan", MONTH_LIMIT) == "ok"
    at(world, 2026, 12, 31)
    assert pay(world, "ayan", 501) == "E_LIMIT_PERIOD"
    assert pay(world, "ayan", 500) == "ok"
    at(world, 2027, 1, 1)
    assert pay(world, "ayan", MONTH_LIMIT) == "ok"


def test_change_and_money_between_ones_own_keys_are_no_payment(world: Periods) -> None:
    world.register("ayan.2")
    at(world, 2026, 11, 30)
    assert pay(world, "ayan", MONTH_LIMIT - 1, ("ayan.2", 5_000)) == "ok"
    assert pay(world, "ayan.2", 1) == "ok"
    assert pay(world, "ayan.2", 1) == "E_LIMIT_PERIOD"


def test_a_holder_of_two_tiers_is_counted_once_and_bound_by_each(world: Periods) -> None:
    world.register("rich.2", tier=1)
    at(world, 2026, 11, 30)
    assert pay(world, "rich", 2_000, ("rich.2", 1_000)) == "ok"
    # Tier 1 has a month limit, and its counter begins only where a key of tier 1 pays.
    assert pay(world, "rich.2", 501) == "E_LIMIT_PERIOD"
    assert pay(world, "rich.2", 500) == "ok"


def test_a_tier_without_such_a_limit_pays_on(world: Periods) -> None:
    world.register("firm", tier=0)
    world.fund(("firm", 9_000))
    assert pay(world, "firm", 9_000) == "ok"


def test_the_audit_counts_the_same(world: Periods) -> None:
    pay(world, "ayan", 700)
    pay(world, "ayan", 700)
    assert audit(world.store, world.ledger.head(), world.root.encode()).problems == []


@given(st.integers(86_400, 253_402_200_000))
def test_months_and_years_are_those_of_the_calendar(now: int) -> None:
    policy = Policy("p", (), OFFSET)
    local = datetime.fromtimestamp(now + OFFSET, UTC)
    assert policy.period(YEAR, now) == local.year
    assert policy.period(MONTH, now) == local.year * 12 + local.month - 1


def test_time_does_not_end_with_the_year_9999() -> None:
    assert Policy("p", (), 0).period(YEAR, 2**53 - 1) > 9_999


@pytest.mark.parametrize("row", [(1, 0, 5), (1, 3, 5), (1, MONTH, 0), (256, MONTH, 5)])
def test_a_policy_names_a_month_or_a_year_and_an_amount(row: tuple[int, int, int]) -> None:
    with pytest.raises(Malformed):
        Policy("p", (), 0, (row,)).body()


def test_the_usual_world_has_no_such_limits() -> None:
    assert World(name="plain").policy.record.periods == ()
    assert START
