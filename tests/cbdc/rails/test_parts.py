"""The parts a corridor is made of: rates, hours, the network, the rules."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.cabinet import MemoryCabinet
from cbdc.errors import TengeError
from cbdc.ports import SeededEntropy
from cbdc.rails.calendar import BusinessCalendar, date_text, moment_text, read_date, read_moment
from cbdc.rails.currency import KZT, USD, Currency, Money, money
from cbdc.rails.messages import Message
from cbdc.rails.network import ACTIONS, Fault, FaultPlan, SimulatedCorrespondentNetwork
from cbdc.rails.office import due_again
from cbdc.rails.policy import Policy, SimulatedScreening, plain_name
from cbdc.rails.rates import MILLION, Quote, Rates, SimulatedRateSource, asked_rate, convert
from tests.cbdc.institutions import ident
from tests.cbdc.rails.samples import ABROAD, HOME, SAMPLES, UETR

NOON = 1_764_687_600


def code_of(call: object) -> str:
    """The code with which a call is refused."""
    assert callable(call)
    with pytest.raises(TengeError) as caught:
        call()
    assert "{" not in str(caught.value)
    return caught.value.code


# --- rates ---


def source(spread_bp: int = 50) -> SimulatedRateSource:
    rates = SimulatedRateSource(MemoryCabinet(), USD, KZT, spread_bp, 1_800)
    rates.set_middle(513_450_000)
    return rates


def test_a_quote_says_what_is_asked_and_what_the_dealer_earns() -> None:
    quote = source().quote(ident("q"), HOME, money(1_000_00, USD), NOON)
    assert quote.middle.text == "513450.00"
    assert quote.rates.asked == 516_017_250
    assert quote.asked.text == "516017.25"
    assert quote.spread_minor == 2_567_25
    quote.check(NOON + 1_800)
    assert code_of(lambda: quote.check(NOON + 1_801)) == "E_RAILS_QUOTE_EXPIRED"


def test_a_quote_is_kept_and_does_not_follow_the_rate() -> None:
    rates = source()
    quote = rates.quote(ident("q"), HOME, money(500, USD), NOON)
    rates.set_middle(600_000_000)
    assert rates.quote(ident("q"), HOME, money(500, USD), NOON + 9) == quote
    assert rates.get(ident("q").hex()[:32]) == quote
    assert rates.quote(ident("r"), HOME, money(500, USD), NOON).rates.middle == 600_000_000
    assert code_of(lambda: rates.quote(ident("q"), HOME, money(501, USD), NOON)) == "E_ID_REUSED"
    assert code_of(lambda: rates.quote(ident("q"), ABROAD, money(500, USD), NOON)) == "E_ID_REUSED"
    assert code_of(lambda: rates.get("nothing")) == "E_RAILS_QUOTE_UNKNOWN"


def test_without_a_rate_there_is_no_quote() -> None:
    rates = SimulatedRateSource(MemoryCabinet(), USD, KZT, 50, 60)
    assert code_of(lambda: rates.quote(ident("q"), HOME, money(1, USD), NOON)) == "E_RAILS_NO_RATE"
    assert code_of(lambda: rates.set_middle(0)) == "E_MONEY_RANGE"
    rates.set_middle(1)
    # A hundredth of a cent is no money, and nothing is promised.
    assert code_of(lambda: rates.quote(ident("q"), HOME, money(1, USD), NOON)) == "E_MONEY_RANGE"
    assert code_of(lambda: rates.get(ident("q").hex()[:32])) == "E_RAILS_QUOTE_UNKNOWN"


@given(
    st.integers(1, 10**9),
    st.integers(1_000_000, 10**9),
    st.integers(0, 2_000),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_a_broken_part_is_always_the_dealers(
    minor: int, middle: int, spread_bp: int, digits_home: int, digits_foreign: int
) -> None:
    home, foreign = Currency("AAA", digits_home), Currency("BBB", digits_foreign)
    rates = Rates(middle, asked_rate(middle, spread_bp))
    amount = Money(minor, foreign)
    exact = minor * middle * 10**digits_home  # in millionths of 1 / 10**digits_foreign
    divisor = MILLION * 10**digits_foreign
    if exact < divisor or exact * 2 > divisor * 2**52:
        return
    quote = Quote(ident("q"), HOME, amount, home, rates, 0, 0)
    assert exact - divisor < quote.middle.minor * divisor <= exact
    assert quote.asked.minor * divisor * 10_000 >= exact * (10_000 + spread_bp)
    assert quote.spread_minor >= 0
    assert quote.asked.minor == quote.middle.minor + quote.spread_minor
    one = convert(amount, rates.asked, home, up=True).minor
    half = -(-minor // 2)
    pieces = convert(Money(half, foreign), rates.asked, home, up=True).minor
    rest = convert(Money(minor - half, foreign), rates.asked, home, up=True).minor if minor > 1 else 0
    assert pieces + rest >= one, "small pieces are never cheaper"


# --- hours ---

HOURS = BusinessCalendar("there", -5 * 3_600, 9 * 3_600, 18 * 3_600, frozenset({read_date("2025-12-25")}))


def at(text: str) -> int:
    return read_moment(text)


@pytest.mark.parametrize(
    ("moment", "opens"),
    [
        ("2025-12-02T14:00:00Z", "2025-12-02T14:00:00Z"),  # 9:00 there
        ("2025-12-02T13:59:59Z", "2025-12-02T14:00:00Z"),
        ("2025-12-02T22:59:59Z", "2025-12-02T22:59:59Z"),
        ("2025-12-02T23:00:00Z", "2025-12-03T14:00:00Z"),  # the cut-off itself is too late
        ("2025-12-03T04:00:00Z", "2025-12-03T14:00:00Z"),
        ("2025-12-05T23:30:00Z", "2025-12-08T14:00:00Z"),  # Friday evening
        ("2025-12-06T15:00:00Z", "2025-12-08T14:00:00Z"),
        ("2025-12-24T23:30:00Z", "2025-12-26T14:00:00Z"),  # a holiday
        ("2025-12-25T16:00:00Z", "2025-12-26T14:00:00Z"),
    ],
)
def test_hours_weekends_and_holidays(moment: str, opens: str) -> None:
    assert moment_text(HOURS.next_open(at(moment))) == opens
    assert HOURS.is_open(at(moment)) is (moment == opens)
    if moment != opens:
        assert code_of(lambda: HOURS.check_open(at(moment))) == "E_RAILS_CUT_OFF"
    else:
        HOURS.check_open(at(moment))


@given(st.integers(0, 4_000_000_000))
def test_the_next_opening_is_open_and_nothing_before_it_is(moment: int) -> None:
    opens = HOURS.next_open(moment)
    assert HOURS.is_open(opens)
    assert opens >= moment
    assert opens == moment or not HOURS.is_open(opens - 1)
    assert HOURS.next_open(opens) == opens


def test_a_system_that_never_opens_is_a_bug() -> None:
    never = replace(HOURS, holidays=frozenset(range(20_000, 20_100)))
    with pytest.raises(AssertionError):
        never.next_open(20_010 * 86_400)


@given(st.integers(0, 4_000_000_000))
def test_moments_and_days_are_read_as_they_were_written(moment: int) -> None:
    assert read_moment(moment_text(moment)) == moment
    assert read_date(date_text(moment // 86_400)) == moment // 86_400


@pytest.mark.parametrize(
    "text", ["", "2025-12-02", "2025-12-02T25:00:00Z", "2025-02-29T00:00:00Z", "2025-12-02t00:00:00Z"]
)
def test_other_texts_are_no_moment(text: str) -> None:
    assert code_of(lambda: read_moment(text)) == "E_RAILS_MOMENT"


@pytest.mark.parametrize("text", ["", "2025-13-01", "20251202", "2025-W01-1", "1969-12-31", "2025-12-02 "])
def test_other_texts_are_no_date(text: str) -> None:
    assert code_of(lambda: read_date(text)) == "E_RAILS_MOMENT"


# --- the network ---

LETTER = SAMPLES["pacs.008"].encode()


def network(plan: FaultPlan | None = None) -> SimulatedCorrespondentNetwork:
    return SimulatedCorrespondentNetwork(MemoryCabinet(), (HOME, ABROAD), plan or FaultPlan())


@pytest.mark.parametrize(
    ("action", "delays"),
    [("", [60]), ("lose", []), ("repeat", [60, 180]), ("late", [1_060]), ("swap", [240])],
)
def test_what_a_network_does_to_a_message(action: str, delays: list[int]) -> None:
    plan = FaultPlan([Fault("pacs.008", HOME, ABROAD, 1, action, 1_000)] if action else [])
    net = network(plan)
    net.send(ident("a"), HOME, LETTER, NOON)
    net.send(ident("a"), HOME, LETTER, NOON)
    assert [copy.moment - NOON for copy in net.on_the_way()] == delays
    assert all((copy.receiver, copy.data) == (ABROAD, LETTER) for copy in net.on_the_way())
    for copy in net.on_the_way():
        net.done(copy)
    assert net.on_the_way() == []
    net.send(ident("a"), HOME, LETTER, NOON)
    assert net.on_the_way() == [], "the same id is no second send"
    assert [(seen.kind, seen.moment) for seen in net.track(UETR)] == [("pacs.008.001.08", NOON)]


def test_a_refused_message_stays_refused_under_its_id() -> None:
    net = network(FaultPlan([Fault("pacs.008", HOME, ABROAD, 1, "refuse")]))
    for _ in range(2):
        assert code_of(lambda: net.send(ident("a"), HOME, LETTER, NOON)) == "E_RAILS_NAK"
    net.send(ident("b"), HOME, LETTER, NOON)
    assert len(net.on_the_way()) == 1
    assert net.counts() == {"pacs.008": 2, "refuse": 1}


def test_a_network_knows_its_members_and_their_doors() -> None:
    net = network()
    assert code_of(lambda: net.send(ident("a"), ABROAD, LETTER, NOON)) == "E_RAILS_SENDER"
    stranger = Message(HOME, "NOBODYXX", SAMPLES["pacs.008"].body).encode()
    assert code_of(lambda: net.send(ident("a"), HOME, stranger, NOON)) == "E_RAILS_BANK_UNKNOWN"
    assert code_of(lambda: net.send(ident("a"), HOME, LETTER[:-9], NOON)) == "E_RAILS_XML"
    assert code_of(lambda: net.send(b"short", HOME, LETTER, NOON)) == "E_FIELD"
    assert net.on_the_way() == []
    net.send(ident("a"), HOME, LETTER, NOON)
    assert code_of(lambda: net.send(ident("a"), HOME, SAMPLES["camt.056"].encode(), NOON)) == "E_ID_REUSED"
    answer = SAMPLES["pacs.002"].encode()
    net.send(ident("a"), ABROAD, answer, NOON)
    assert len(net.on_the_way()) == 2, "two members may use the same id"


def test_a_network_opened_again_counts_on() -> None:
    cabinet, plan = MemoryCabinet(), FaultPlan([Fault("pacs.008", HOME, ABROAD, 2, "lose")])
    first = SimulatedCorrespondentNetwork(cabinet, (HOME, ABROAD), plan)
    first.send(ident("a"), HOME, LETTER, NOON)
    second = SimulatedCorrespondentNetwork(cabinet, (HOME, ABROAD), plan)
    second.send(ident("b"), HOME, LETTER, NOON)
    assert len(second.on_the_way()) == 1


def test_chance_follows_from_the_id() -> None:
    plan = FaultPlan((), dict.fromkeys(ACTIONS, 15), entropy=SeededEntropy(3))
    kinds = [plan.action(ident(str(n)), "pacs.008", HOME, ABROAD, 1)[0] for n in range(300)]
    assert set(kinds) == {"", *ACTIONS}
    assert kinds == [plan.action(ident(str(n)), "pacs.008", HOME, ABROAD, 9)[0] for n in range(300)]


def test_questions_are_asked_more_and_more_rarely() -> None:
    assert [due_again(0, attempt, 10) for attempt in (0, 1, 2, 3, 5, 6, 99)] == [
        10,
        10,
        20,
        40,
        160,
        160,
        160,
    ]


# --- the rules ---

SCREEN = SimulatedScreening(frozenset({"bad guys ltd"}), frozenset({"ZZ"}))
FULL = Policy(True, HOURS, SCREEN, 5_000_00, frozenset({ABROAD}), 3_600)


@pytest.mark.parametrize("name", ["Bad Guys Ltd", "BAD GUYS, LTD.", "bad   guys ltd", "Bad-Guys Ltd"])
def test_names_are_compared_without_dress(name: str) -> None:
    assert SCREEN.hit(name, ABROAD)
    assert plain_name(name) == "bad guys ltd"


@pytest.mark.parametrize(
    ("name", "bic", "hit"), [("Good Ltd", ABROAD, False), ("Good Ltd", "AAAAZZ11", True), ("", ABROAD, False)]
)
def test_others_pass(name: str, bic: str, hit: bool) -> None:
    assert SCREEN.hit(name, bic) is hit


def quote_until(until: int) -> Quote:
    return Quote(ident("q"), HOME, money(1, USD), KZT, Rates(MILLION, MILLION), 0, until)


OPEN = at("2025-12-02T15:00:00Z")
CLOSED = at("2025-12-06T15:00:00Z")


@pytest.mark.parametrize(
    ("change", "now", "until", "code", "without"),
    [
        ({"creditor": "Bad Guys Ltd"}, OPEN, OPEN, "E_RAILS_SANCTIONS", {"screening": None}),
        ({"creditor_bank": "NOBODYXX"}, OPEN, OPEN, "E_RAILS_BANK_UNKNOWN", {"banks": None}),
        ({"amount": money(5_000_01, USD)}, OPEN, OPEN, "E_RAILS_LIMIT", {"limit_minor": 0}),
        ({}, OPEN, OPEN - 1, "E_RAILS_QUOTE_EXPIRED", {"quote": False}),
        ({}, CLOSED, CLOSED, "E_RAILS_CUT_OFF", {"cut_off": None}),
    ],
)
def test_each_rule_refuses_and_can_be_left_out(
    change: dict[str, object], now: int, until: int, code: str, without: dict[str, object]
) -> None:
    order = replace(SAMPLES["pain.001"].body, **change)
    assert code_of(lambda: FULL.check(order, quote_until(until), now, settles=True)) == code
    replace(FULL, **without).check(order, quote_until(until), now, settles=True)


def test_an_order_at_every_limit_passes() -> None:
    order = replace(SAMPLES["pain.001"].body, amount=money(5_000_00, USD))
    FULL.check(order, quote_until(OPEN), OPEN, settles=True)
    FULL.check(order, quote_until(CLOSED), CLOSED, settles=False)


@pytest.mark.parametrize(
    ("own", "other"), [(3_599, 0), (10_000, 6_401), (10_000, 10_000), (10_000, -1), (-5, -10_000)]
)
def test_unsafe_deadlines_are_refused(own: int, other: int) -> None:
    assert code_of(lambda: FULL.check_deadlines(OPEN + own, OPEN + other, OPEN)) == "E_RAILS_DEADLINES"
    replace(FULL, margin_seconds=0).check_deadlines(OPEN + own, OPEN + other, OPEN)


def test_safe_deadlines_pass() -> None:
    FULL.check_deadlines(OPEN + 3_601, OPEN + 1, OPEN)
    FULL.check_deadlines(OPEN + 10_000, OPEN + 6_400, OPEN)
