"""The small parts: licences, asset ledgers, rates, the cap, screens, persons, purses, events."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.cabinet import MemoryCabinet
from cbdc.corridor.cap import SimulatedDataExchange, month_of
from cbdc.corridor.events import EventLog
from cbdc.corridor.licences import Gate, SimulatedLicenceRegister
from cbdc.corridor.measures import measure
from cbdc.corridor.persons import TravelFacts, check_match, check_travel, match_code
from cbdc.corridor.purse import Purse
from cbdc.corridor.rates import Ratio, SimulatedRates, tiyn_of_usd_cents, usd_cents_of
from cbdc.corridor.records import (
    APPLIED,
    CUSTODY_ACTIVITY,
    EXCHANGE_ACTIVITY,
    EXPIRED,
    IN_FORCE,
    SUSPENDED,
    WITHDRAWN,
    HoldingStatement,
    LicenceStatement,
)
from cbdc.corridor.screening import Screen, Seen, suspicious
from cbdc.corridor.units import UnitLedger
from cbdc.errors import TengeError
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.record import sign
from cbdc.token import KeyLock, Token
from tests.cbdc.corridor.scene import Scene, code
from tests.cbdc.institutions import ident, key

NETWORK = b"testnet!"
NOW = 1_790_000_000
PROVIDER = key("provider").public.kid


# --- licences ---


class Office:
    """A register and a gate."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW)
        self.cabinet = MemoryCabinet()
        self.register = SimulatedLicenceRegister(self.cabinet, NETWORK, key("register"), self.clock)
        self.gate = Gate(self.register, key("register").public, NETWORK, self.cabinet, self.clock)

    def move(self, state: int, expires: int = NOW + 1_000) -> None:
        """The next change of the provider's licence."""
        name = f"{state} {len(self.cabinet.all('licences/act'))}"
        self.register.move(ident(name), PROVIDER, EXCHANGE_ACTIVITY, state, expires)

    def ask(self) -> str:
        """What the gate says: nothing, or the code."""
        try:
            self.gate.require(PROVIDER, EXCHANGE_ACTIVITY)
        except TengeError as refusal:
            return refusal.code
        return ""


def test_the_life_of_a_licence() -> None:
    office = Office()
    assert office.ask() == "E_CORRIDOR_LICENCE_UNKNOWN"
    office.register.apply(ident("a"), PROVIDER, EXCHANGE_ACTIVITY, "1")
    assert office.ask() == "E_CORRIDOR_LICENCE"
    office.move(IN_FORCE)
    assert office.ask() == ""
    assert code(lambda: office.gate.require(PROVIDER, CUSTODY_ACTIVITY)) == "E_CORRIDOR_LICENCE_UNKNOWN"
    office.move(SUSPENDED)
    assert office.ask() == "E_CORRIDOR_LICENCE"
    office.move(IN_FORCE)
    office.clock.advance(1_000)
    assert office.ask() == ""
    office.clock.advance(1)
    assert office.ask() == "E_CORRIDOR_LICENCE"
    office.register.apply(ident("b"), PROVIDER, EXCHANGE_ACTIVITY, "2")
    office.move(IN_FORCE, NOW + 9_000)
    assert office.ask() == ""
    office.move(WITHDRAWN)
    assert office.ask() == "E_CORRIDOR_LICENCE"


LIFE = {
    APPLIED: {IN_FORCE, WITHDRAWN},
    IN_FORCE: {SUSPENDED, WITHDRAWN, EXPIRED},
    SUSPENDED: {IN_FORCE, WITHDRAWN, EXPIRED},
    WITHDRAWN: set[int](),
    EXPIRED: set[int](),
}


@pytest.mark.parametrize("before", LIFE)
@pytest.mark.parametrize("after", LIFE)
def test_only_the_changes_of_the_rulebook(before: int, after: int) -> None:
    office = Office()
    office.register.apply(ident("a"), PROVIDER, EXCHANGE_ACTIVITY, "1")
    if before != APPLIED:
        office.move(IN_FORCE)
    if before not in (APPLIED, IN_FORCE):
        office.move(before)
    if after in LIFE[before]:
        office.move(after)
    else:
        assert code(lambda: office.move(after)) == "E_CORRIDOR_LICENCE_STATE"


def test_the_register_answers_a_repetition_and_refuses_another_content() -> None:
    office = Office()
    first = office.register.apply(ident("a"), PROVIDER, EXCHANGE_ACTIVITY, "1")
    assert office.register.apply(ident("a"), PROVIDER, EXCHANGE_ACTIVITY, "1") == first
    assert code(lambda: office.register.apply(ident("a"), PROVIDER, EXCHANGE_ACTIVITY, "2")) == "E_ID_REUSED"
    again = code(lambda: office.register.apply(ident("b"), PROVIDER, EXCHANGE_ACTIVITY, "2"))
    assert again == "E_CORRIDOR_LICENCE_STATE"
    granted = office.register.move(ident("g"), PROVIDER, EXCHANGE_ACTIVITY, IN_FORCE, NOW + 5)
    assert office.register.move(ident("g"), PROVIDER, EXCHANGE_ACTIVITY, IN_FORCE, NOW + 5) == granted
    nobody = key("nobody").public.kid
    unknown = code(lambda: office.register.move(ident("x"), nobody, EXCHANGE_ACTIVITY, IN_FORCE, NOW))
    assert unknown == "E_CORRIDOR_LICENCE_UNKNOWN"


def test_an_old_or_foreign_statement_opens_no_gate() -> None:
    office = Office()
    office.register.apply(ident("a"), PROVIDER, EXCHANGE_ACTIVITY, "1")
    office.move(IN_FORCE)
    good = office.register.statement(PROVIDER, EXCHANGE_ACTIVITY)
    office.gate.check(PROVIDER, EXCHANGE_ACTIVITY, good)
    office.move(SUSPENDED)
    assert office.ask() == "E_CORRIDOR_LICENCE"
    assert code(lambda: office.gate.check(PROVIDER, EXCHANGE_ACTIVITY, good)) == "E_CORRIDOR_LICENCE_STALE"
    other = key("other").public.kid
    assert code(lambda: office.gate.check(other, EXCHANGE_ACTIVITY, good)) == "E_CORRIDOR_LICENCE_UNKNOWN"
    record = LicenceStatement(
        key("register").public.kid, PROVIDER, EXCHANGE_ACTIVITY, IN_FORCE, "1", NOW, NOW + 9, 9, NOW
    )
    forged = sign(record, NETWORK, key("thief")).encode()
    assert code(lambda: office.gate.check(PROVIDER, EXCHANGE_ACTIVITY, forged)) == "E_SIG"
    elsewhere = sign(record, b"another!", key("register")).encode()
    assert code(lambda: office.gate.check(PROVIDER, EXCHANGE_ACTIVITY, elsewhere)) == "E_SIG"
    office.register.silent = True
    assert office.ask() == "E_CORRIDOR_LICENCE_SILENT"
    Gate(office.register, key("register").public, NETWORK, office.cabinet, office.clock, on=False).require(
        PROVIDER, EXCHANGE_ACTIVITY
    )


# --- asset ledgers ---


def test_units_move_once_and_never_below_zero() -> None:
    ledger = UnitLedger(MemoryCabinet(), "coin", ManualClock(NOW))
    ledger.mint(ident("m"), "a", 10)
    ledger.transfer(ident("t"), "a", "b", 4)
    ledger.transfer(ident("t"), "a", "b", 4)
    ledger.transfer(ident("self"), "b", "b", 4)
    assert code(lambda: ledger.transfer(ident("t"), "a", "b", 5)) == "E_ID_REUSED"
    assert code(lambda: ledger.transfer(ident("u"), "a", "b", 7)) == "E_UNITS"
    assert code(lambda: ledger.burn(ident("v"), "a", 0)) == "E_FIELD"
    ledger.burn(ident("w"), "b", 1)
    assert (ledger.balances(), ledger.supply()) == ({"a": 6, "b": 3}, 9)
    assert ledger.differences() == []
    assert [move.units for _, move in ledger.moves()] == [10, 4, 4, 1]


def test_a_changed_balance_is_found() -> None:
    cabinet = MemoryCabinet()
    ledger = UnitLedger(cabinet, "coin", ManualClock(NOW))
    ledger.mint(ident("m"), "a", 10)
    cabinet.put_many([("units coin/balance", b"a", b"\x09")])  # type: ignore[list-item]
    assert ledger.differences() == [("a", 9, 10)]


def test_locked_units_wait_for_the_secret_or_the_deadline() -> None:
    clock = ManualClock(NOW)
    ledger = UnitLedger(MemoryCabinet(), "coin", clock)
    ledger.mint(ident("m"), "a", 10)
    secret = ident("secret")
    digest = hashlib.sha256(secret).digest()
    ledger.lock(ident("l"), "a", "b", 6, digest, NOW + 10)
    ledger.lock(ident("l"), "a", "b", 6, digest, NOW + 10)
    assert code(lambda: ledger.lock(ident("l"), "a", "b", 5, digest, NOW + 10)) == "E_ID_REUSED"
    assert code(lambda: ledger.lock(ident("x"), "a", "b", 5, digest, NOW + 10)) == "E_UNITS"
    assert code(lambda: ledger.lock(ident("y"), "a", "b", 1, digest, NOW - 1)) == "E_UNIT_LOCK_PAST"
    assert code(lambda: ledger.refund(ident("l"))) == "E_UNIT_REFUND_EARLY"
    assert code(lambda: ledger.claim(ident("l"), ident("guess"))) == "E_UNIT_PREIMAGE"
    clock.advance(10)
    ledger.claim(ident("l"), secret)
    ledger.claim(ident("l"), secret)
    assert code(lambda: ledger.refund(ident("l"))) == "E_UNIT_LOCK"
    ledger.lock(ident("k"), "b", "a", 6, digest, NOW + 10)
    clock.advance(1)
    assert code(lambda: ledger.claim(ident("k"), secret)) == "E_UNIT_CLAIM_LATE"
    ledger.refund(ident("k"))
    ledger.refund(ident("k"))
    assert code(lambda: ledger.claim(ident("k"), secret)) == "E_UNIT_LOCK"
    assert (ledger.balance("a"), ledger.balance("b"), ledger.differences()) == (4, 6, [])


# --- rates ---

PRICES = st.builds(Ratio, st.integers(1, 10**9), st.integers(1, 10**9))


@settings(deadline=None)
@given(PRICES, st.integers(0, 10**12), st.integers(0, 500))
def test_the_dealer_never_loses_by_rounding(price: Ratio, tiyn: int, spread: int) -> None:
    bought = price.moved(spread).units_bought(tiyn)
    assert bought * price.tiyn <= tiyn * price.units
    assert price.moved(-spread).units_sold(tiyn) * price.tiyn >= tiyn * price.units


@given(st.integers(0, 10**12), st.integers(1, 10**6))
def test_a_cap_in_cents_is_never_opened_by_rounding(tiyn: int, rate: int) -> None:
    cents = usd_cents_of(tiyn, rate)
    assert (cents - 1) * rate < tiyn * 100 <= cents * rate
    assert usd_cents_of(tiyn_of_usd_cents(cents, rate), rate) <= cents


def test_rates_follow_from_the_seed_and_stay_in_the_swing() -> None:
    clock = ManualClock(NOW)
    rates = SimulatedRates(SeededEntropy(7), "coin", Ratio(1_000, 3), 200, clock)
    seen = set()
    for _ in range(30):
        seen.add(rates.now())
        assert rates.now() == SimulatedRates(SeededEntropy(7), "coin", Ratio(1_000, 3), 200, clock).now()
        clock.advance(86_400)
    assert len(seen) > 10
    assert all(9_800 * 1_000 <= rate.tiyn <= 10_200 * 1_000 and rate.units == 30_000 for rate in seen)
    for wrong in (
        lambda: usd_cents_of(1, 0),
        lambda: Ratio(0, 1).moved(0),
        lambda: Ratio(1, 1).moved(-10_000),
    ):
        assert code(wrong) == "E_ASSET_RATE"
    assert Ratio(7, 2).worth_tiyn(3) == 10


# --- the cap ---


def test_the_counter_counts_once_and_gives_back_once() -> None:
    counter = SimulatedDataExchange(MemoryCabinet())
    person, month = bytes(32), 24_320
    counter.take(ident("1"), person, month, 60, 100, "one")
    counter.take(ident("1"), person, month, 60, 100, "one")
    assert code(lambda: counter.take(ident("1"), person, month, 61, 100, "one")) == "E_ID_REUSED"
    refusal = code(lambda: counter.take(ident("2"), person, month, 41, 100, "two"))
    assert refusal == "E_MONTH_CAP"
    counter.take(ident("2"), person, month, 40, 100, "two")
    counter.give_back(ident("1"))
    counter.give_back(ident("1"))
    counter.give_back(ident("never"))
    assert counter.used_usd_cents(person, month) == 40
    assert counter.by_provider(month) == {"two": 40}
    counter.take(ident("1"), person, month, 60, 100, "one")
    assert counter.used_usd_cents(person, month) == 100
    assert counter.used_usd_cents(person, month + 1) == 0


def test_months_are_those_of_kazakhstan() -> None:
    last = 1_767_207_599  # 2025-12-31 23:59:59 in UTC+5
    assert (month_of(last), month_of(last + 1)) == (2025 * 12 + 11, 2026 * 12)


# --- screens and persons ---

SMALL = Screen("s", "structuring", 100, 3, 1_000)


@pytest.mark.parametrize(
    ("earlier", "cents", "held"),
    [
        ([(0, 400), (0, 400)], 400, True),
        ([(0, 400), (0, 100)], 400, False),
        ([(0, 400)], 999, False),
        ([(0, 400), (0, 400)], 1_000, False),
        ([(101, 400), (0, 400)], 400, False),
        ([(100, 400), (0, 2_000), (0, 300)], 300, True),
    ],
)
def test_structuring(earlier: list[tuple[int, int]], cents: int, held: bool) -> None:
    seen = [Seen(NOW - ago, worth) for ago, worth in earlier]
    assert suspicious([SMALL], Seen(NOW, cents), seen, 0) == ("s" if held else "")


def test_the_code_of_a_person_is_one_pairs_own() -> None:
    mine = match_code(b"pair 1", "990101300123")
    check_match(mine, match_code(b"pair 1", "990101300123"))
    for other in (match_code(b"pair 2", "990101300123"), match_code(b"pair 1", "990101300124")):
        assert code(lambda other=other: check_match(mine, other)) == "E_PERSON_MATCH"  # type: ignore[misc]


def test_the_reduced_and_the_full_set_of_travel_facts() -> None:
    reduced = TravelFacts("A", "1", "", "", "B", "2")
    assert check_travel(reduced, 99_999, 100_000) == "reduced"
    assert check_travel(TravelFacts("A", "1", "99", "street", "B", "2"), 100_000, 100_000) == "full"
    assert code(lambda: check_travel(reduced, 100_000, 100_000)) == "E_TRAVEL_RULE"
    assert code(lambda: check_travel(TravelFacts("A", "1"), 1, 100_000)) == "E_TRAVEL_RULE"


# --- purses and events ---


def test_a_purse_pays_once_for_an_id() -> None:
    scene = Scene()
    scene.holder("ayan")
    purse: Purse = scene.purse("ayan")
    mine = KeyLock(key("ayan").public.kid)
    data = purse.pay(ident("p"), [Token(5, mine)])
    assert purse.pay(ident("p"), [Token(5, mine)]) == data
    assert code(lambda: purse.pay(ident("p"), [Token(6, mine)])) == "E_ID_REUSED"
    assert purse.sent(ident("p")) is None
    assert purse.sent(ident("never")) is None
    receipt = purse.send(data)
    assert purse.sent(ident("p")) == receipt
    assert purse.pay(ident("p"), [Token(5, mine)]) == data
    assert code(lambda: purse.pay(ident("q"), [Token(10**15, mine)])) == "E_FUNDS"


def test_an_event_is_told_once_and_nothing_is_measured_of_nothing() -> None:
    clock = ManualClock(NOW)
    log = EventLog(MemoryCabinet(), clock)
    log.note(log.row(ident("o"), "one", "buy", "accepted", bytes(32), asked=NOW, tiyn=7))
    clock.advance(5)
    log.note(log.row(ident("o"), "one", "buy", "accepted", bytes(32), asked=NOW, tiyn=7))
    log.note(log.row(ident("p"), "one", "buy", "accepted", bytes(32), asked=NOW))
    assert [event.time - event.asked for event in log.all()] == [0, 5]
    assert measure(log.all()).resilience["completed_late"] == 1
    assert measure([]).behaviour["clients"] == 0


def test_a_bar_has_a_number_and_a_weight() -> None:
    record = HoldingStatement(PROVIDER, "gold", (("1", 5), ("2", 7)), 1, NOW)
    assert record.total_mg == 12
    assert HoldingStatement.from_body(record.body()) == record
    bad = HoldingStatement(PROVIDER, "gold", (("1", 0),), 1, NOW)
    assert code(bad.body) == "E_FIELD"
