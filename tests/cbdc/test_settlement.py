"""Opening hours, and what waits for them."""

from datetime import UTC, datetime

import pytest

from cbdc.accounts import reserve
from cbdc.errors import Malformed, Refused
from cbdc.money import tenge
from cbdc.opening_hours import Calendar, read_calendar, standard_calendar
from cbdc.ports import ManualClock
from cbdc.settlement import ORDER, SettlementDesk
from cbdc.system import System
from tests.cbdc.institutions import check_books, ident, make_system, person, stock


def moment(text: str) -> int:
    """The Unix second of a local time such as 2027-03-19 17:59."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) - 5 * 3_600


@pytest.mark.parametrize(
    ("now", "opens"),
    [
        ("2027-03-18 09:00", "2027-03-18 09:00"),
        ("2027-03-18 17:59:59", "2027-03-18 17:59:59"),
        ("2027-03-18 18:00", "2027-03-19 09:00"),
        ("2027-03-18 08:59:59", "2027-03-18 09:00"),
        # Friday evening; Sunday to Tuesday is Nauryz, so it opens on Wednesday.
        ("2027-03-19 18:00", "2027-03-24 09:00"),
        ("2027-12-31 20:00", "2028-01-03 09:00"),
    ],
)
def test_it_opens_on_working_days_that_are_no_holiday(now: str, opens: str) -> None:
    calendar = standard_calendar()
    assert calendar.next_opening(moment(now)) == moment(opens)
    assert calendar.is_open(moment(now)) is (now == opens)


def test_a_holiday_may_be_of_one_year() -> None:
    calendar = Calendar("c", frozenset({1, 2, 3, 4, 5}), 0, 86_400, {"2027-03-18": "a day off"})
    assert not calendar.is_open(moment("2027-03-18 12:00"))
    assert calendar.is_open(moment("2026-03-18 12:00"))


@pytest.mark.parametrize(
    "change",
    [
        {"weekdays": []},
        {"weekdays": [0]},
        {"opens": "9:00"},
        {"opens": 9},
        {"closes": "25:00"},
        {"closes": "24:01"},
        {"opens": "18:00"},
        {"holiday": [{"day": "02-30"}]},
        {"holiday": [{"day": "2027-02-29"}]},
        {"holiday": [{"name": "no day"}]},
    ],
)
def test_a_wrong_calendar_is_refused(change: dict[str, object]) -> None:
    table = {"weekdays": [1], "opens": "09:00", "closes": "18:00"}
    with pytest.raises(Malformed, match="E_POLICY_RULE"):
        read_calendar({**table, **change})


def test_a_calendar_that_never_opens_says_so() -> None:
    closed = {f"{month:02d}-{day:02d}": "x" for month in range(1, 13) for day in range(1, 32)}
    calendar = Calendar("c", frozenset({1}), 0, 86_400, closed)
    with pytest.raises(Malformed, match="it never opens"):
        calendar.next_opening(moment("2027-03-18 12:00"))


# --- the desk ---

FRIDAY, WEDNESDAY = moment("2027-03-19 20:00"), moment("2027-03-24 10:00")


@pytest.fixture
def system() -> System:
    made = make_system(clock=ManualClock(FRIDAY))
    stock(made)
    person(made, "ayan", 1, tenge(1_000))
    person(made, "aruzhan", 2, tenge(1_000))
    return made


def desk(system: System, calendar: Calendar | None = standard_calendar()) -> SettlementDesk:  # noqa: B008
    return SettlementDesk(system.banks, system.books, system.stores.cabinet, calendar, system.clock)


def open_up(system: System) -> None:
    clock = system.clock
    assert isinstance(clock, ManualClock)
    clock.move_to(WEDNESDAY)


def test_what_waits_is_carried_out_in_order_when_it_opens(system: System) -> None:
    waiting = desk(system)
    before = system.banks[1].inventory_tiyn()
    assert not waiting.order(ident("o"), 1, tenge(500))
    assert not waiting.order(ident("o"), 1, tenge(500))
    assert not waiting.redeem(ident("r"), 1, tenge(200))
    assert not waiting.transfer(ident("t"), (1, ident("ayan")), (2, ident("aruzhan")), tenge(300))
    assert waiting.run() == (0, 0)
    assert [wish.kind for _, wish in waiting.waiting()] == [1, 2, 3]
    assert system.banks[1].inventory_tiyn() == before
    open_up(system)
    # Another desk over the same cabinet: what waits outlives a restart.
    assert desk(system).run() == (3, 0)
    assert system.banks[1].inventory_tiyn() == before + tenge(300)
    assert system.banks[1].deposit_tiyn(ident("ayan")) == tenge(700)
    assert system.banks[2].deposit_tiyn(ident("aruzhan")) == tenge(1_300)
    assert waiting.run() == (0, 0)
    assert waiting.order(ident("o"), 1, tenge(500))
    check_books(system)


def test_reserves_follow_the_deposit(system: System) -> None:
    first, second = system.books.balance(reserve(1)), system.books.balance(reserve(2))
    open_up(system)
    assert desk(system).transfer(ident("t"), (1, ident("ayan")), (2, ident("aruzhan")), tenge(300))
    assert system.books.balance(reserve(1)) == first - tenge(300)
    assert system.books.balance(reserve(2)) == second + tenge(300)


def test_who_cannot_wait_is_told_when_it_opens(system: System) -> None:
    with pytest.raises(Refused) as refusal:
        desk(system).order(ident("o"), 1, tenge(500), wait=False)
    assert refusal.value.code == "E_SETTLEMENT_CLOSED"
    assert refusal.value.facts == {"opens": moment("2027-03-24 09:00")}
    assert desk(system).waiting() == []


def test_without_a_calendar_it_never_rests(system: System) -> None:
    assert desk(system, None).order(ident("o"), 1, tenge(500), wait=False)


@pytest.mark.parametrize("closed", [True, False])
def test_an_id_stands_for_one_wish(system: System, closed: bool) -> None:
    if not closed:
        open_up(system)
    desk(system).order(ident("o"), 1, tenge(500))
    with pytest.raises(Refused, match="E_ID_REUSED"):
        desk(system).order(ident("o"), 1, tenge(501))
    with pytest.raises(Refused, match="E_ID_REUSED"):
        desk(system).redeem(ident("o"), 1, tenge(500))


def test_what_cannot_be_paid_is_refused_in_its_turn_and_may_be_tried_again(system: System) -> None:
    waiting = desk(system)
    assert not waiting.transfer(ident("t"), (1, ident("ayan")), (2, ident("aruzhan")), tenge(1_001))
    assert not waiting.order(ident("o"), 1, tenge(500))
    open_up(system)
    assert waiting.run() == (1, 1)
    with pytest.raises(Refused, match="E_FUNDS_ACCOUNT"):
        waiting.transfer(ident("t"), (1, ident("ayan")), (2, ident("aruzhan")), tenge(1_001))
    system.banks[1].receive_deposit(ident("more"), ident("ayan"), 100)
    assert waiting.transfer(ident("t"), (1, ident("ayan")), (2, ident("aruzhan")), tenge(1_001))
    assert system.banks[1].deposit_tiyn(ident("ayan")) == 0
    check_books(system)


def test_only_customers_are_settled(system: System) -> None:
    with pytest.raises(Refused, match="E_CUSTOMER_UNKNOWN"):
        desk(system).transfer(ident("t"), (1, ident("ayan")), (2, ident("nobody")), 5)
    assert ORDER == 1
