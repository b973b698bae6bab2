"""Recurring payments: within the mandate, each period for itself, each collection once."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.cabinet import MemoryCabinet
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.mandates import Mandate, MandateDesk, revoke_purpose
from cbdc.orders import HolderProof
from cbdc.policies import PolicySet, Rule, preset
from cbdc.ports import ManualClock
from cbdc.record import sign
from cbdc.system import System
from tests.cbdc.institutions import START, ident, key, make_system, person

DAY = 86_400
FIRST = START + DAY
POLICY = preset("sandbox").with_rules(
    [Rule(kind, kind, 1) for kind in ("mandate_payment", "mandate_period", "mandate_window")]
)


class Paid:
    """Stands for the bank or the wallet: pays, refuses, or does not answer."""

    def __init__(self) -> None:
        self.done: dict[bytes, int] = {}
        self.trouble: TengeError | None = None

    def __call__(self, id: bytes, mandate: Mandate, amount_tiyn: int) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.done[id] = amount_tiyn


@pytest.fixture(scope="module")
def system() -> System:
    made = make_system()
    for name in ("ayan", "shop", "other"):
        person(made, name)
    return made


def mandate(**fields: int) -> Mandate:
    values = {
        "payment_limit_tiyn": 500,
        "period_limit_tiyn": 800,
        "most_payments": 2,
        "period_seconds": 30 * DAY,
        "first": FIRST,
        "last": FIRST + 90 * DAY - 1,
    }
    return Mandate(ident("m"), key("ayan").public.kid, key("shop").public.kid, **{**values, **fields})


class Office:
    """A desk with one mandate at a moment, and what it paid."""

    def __init__(self, system: System, policy: PolicySet = POLICY, now: int = FIRST) -> None:
        self.clock = ManualClock(now)
        self.paid = Paid()
        self.system = system
        self.desk = MandateDesk(system.ledger, MemoryCabinet(), policy, self.clock, self.paid)
        self.desk.accept(sign(mandate(), system.network, key("ayan")))

    def collect(self, amount_tiyn: int, name: str, payee: str = "shop", wanted: str = "m") -> str:
        try:
            self.desk.collect(ident(name), ident(wanted), key(payee).public.kid, amount_tiyn)
        except TengeError as refusal:
            return refusal.code
        return "ok"

    def revoke(self, name: str = "ayan", purpose: str = "") -> None:
        text = purpose or revoke_purpose(ident("m"))
        record = HolderProof(key(name).public.kid, text, self.clock.now(), bytes(16))
        self.desk.revoke(sign(record, self.system.network, key(name)), ident("m"))


@pytest.fixture
def office(system: System) -> Office:
    return Office(system)


def test_a_period_has_a_sum_and_a_number_and_the_next_one_its_own(office: Office) -> None:
    assert office.collect(501, "a") == "E_MANDATE_PAYMENT"
    assert office.collect(500, "a") == "ok"
    assert office.collect(301, "b") == "E_MANDATE_PERIOD"
    assert office.collect(300, "b") == "ok"
    assert office.collect(1, "c") == "E_MANDATE_PERIOD"
    assert office.desk.collected(ident("m"), 0) == (800, 2)
    office.clock.advance(30 * DAY - 1)
    assert office.collect(1, "c") == "E_MANDATE_PERIOD"
    office.clock.advance(1)
    assert office.collect(500, "c") == "ok"
    assert office.desk.collected(ident("m"), 1) == (500, 1)


def test_two_small_payments_use_up_a_period_too(office: Office) -> None:
    assert [office.collect(1, name) for name in "abc"] == ["ok", "ok", "E_MANDATE_PERIOD"]


def test_the_same_collection_is_paid_once(office: Office) -> None:
    assert [office.collect(400, "a") for _ in range(3)] == ["ok"] * 3
    assert list(office.paid.done.values()) == [400]
    # Who paid it is not asked again: whatever would be answered now, it was paid.
    office.paid.trouble = Refused("E_FUNDS_ACCOUNT", account="a", balance_tiyn=0, needed_tiyn=400)
    assert office.collect(400, "a") == "ok"
    office.paid.trouble = None
    assert office.collect(401, "a") == "E_ID_REUSED"
    assert office.desk.collected(ident("m"), 0) == (400, 1)


def test_what_is_refused_may_be_collected_later_in_the_period(office: Office) -> None:
    office.paid.trouble = Refused("E_FUNDS_ACCOUNT", account="a", balance_tiyn=0, needed_tiyn=500)
    assert office.collect(500, "a") == "E_FUNDS_ACCOUNT"
    assert office.desk.collected(ident("m"), 0) == (0, 0)
    office.paid.trouble = None
    assert office.collect(500, "a") == "ok"
    assert office.desk.collected(ident("m"), 0) == (500, 1)


def test_what_got_no_answer_is_held_in_its_period_and_sent_again(office: Office) -> None:
    office.paid.trouble = Unavailable("E_STORE_UNAVAILABLE", detail="x")
    assert office.collect(500, "a") == "E_STORE_UNAVAILABLE"
    office.paid.trouble = None
    assert office.collect(301, "b") == "E_MANDATE_PERIOD"
    office.clock.advance(31 * DAY)
    assert office.collect(500, "a") == "ok"
    assert office.desk.collected(ident("m"), 0) == (500, 1)
    assert office.desk.collected(ident("m"), 1) == (0, 0)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (FIRST - 1, "E_MANDATE_OVER"),
        (FIRST, "ok"),
        (FIRST + 90 * DAY - 1, "ok"),
        (FIRST + 90 * DAY, "E_MANDATE_OVER"),
    ],
)
def test_a_mandate_holds_from_its_first_to_its_last_second(system: System, now: int, expected: str) -> None:
    assert Office(system, now=now).collect(5, "a") == expected


def test_the_payer_and_nobody_else_revokes(office: Office) -> None:
    for name, purpose in (("shop", ""), ("ayan", "mandate revoke")):
        with pytest.raises(Refused, match="E_MANDATE_UNKNOWN"):
            office.revoke(name, purpose)
    forged = HolderProof(key("ayan").public.kid, revoke_purpose(ident("m")), FIRST, bytes(16))
    with pytest.raises(Refused, match="E_SIG"):
        office.desk.revoke(sign(forged, office.system.network, key("shop")), ident("m"))
    assert office.collect(5, "a") == "ok"
    office.revoke()
    office.revoke()
    assert office.collect(5, "b") == "E_MANDATE_OVER"
    assert office.collect(5, "a") == "ok"


def test_only_the_named_payee_collects(office: Office) -> None:
    assert office.collect(5, "a", payee="other") == "E_MANDATE_PAYEE"
    assert office.collect(5, "a", wanted="n") == "E_MANDATE_UNKNOWN"


def test_a_mandate_is_its_payers_word(system: System, office: Office) -> None:
    office.desk.accept(sign(mandate(), system.network, key("ayan")))
    with pytest.raises(Refused, match="E_ID_REUSED"):
        office.desk.accept(sign(mandate(payment_limit_tiyn=900), system.network, key("ayan")))
    forged = sign(replace(mandate(), id=ident("n")), system.network, key("shop"))
    with pytest.raises(Refused, match="E_SIG"):
        office.desk.accept(forged)
    stranger = replace(mandate(), id=ident("n"), payer=key("nobody").public.kid)
    with pytest.raises(Refused, match="E_KEY_UNKNOWN"):
        office.desk.accept(sign(stranger, system.network, key("nobody")))
    with pytest.raises(Refused, match="E_SIG"):
        office.desk.accept(sign(replace(mandate(), id=ident("n")), bytes(8), key("ayan")))


@pytest.mark.parametrize(
    ("kind", "amounts", "now"),
    [
        ("mandate_payment", [501], FIRST),
        ("mandate_period", [500, 301], FIRST),
        ("mandate_window", [5], FIRST - 1),
    ],
)
def test_a_rule_that_is_left_out_refuses_nothing(
    system: System, kind: str, amounts: list[int], now: int
) -> None:
    rules = [rule for rule in POLICY.rules if rule.kind != kind]
    open_office = Office(system, POLICY.with_rules(rules), now)
    assert [open_office.collect(tiyn, str(n)) for n, tiyn in enumerate(amounts)] == ["ok"] * len(amounts)
    strict = Office(system, now=now)
    assert [strict.collect(tiyn, str(n)) for n, tiyn in enumerate(amounts)][-1].startswith("E_MANDATE")


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(0, 40 * DAY), st.integers(0, 6)), max_size=25))
def test_no_period_is_ever_overdrawn(system: System, wishes: list[tuple[int, int, int]]) -> None:
    office = Office(system)
    paid: dict[int, list[int]] = {}
    for amount, wait, name in wishes:
        office.clock.advance(wait)
        before = len(office.paid.done)
        office.collect(amount, str(name))
        if len(office.paid.done) > before:
            paid.setdefault((office.clock.now() - FIRST) // (30 * DAY), []).append(amount)
    for amounts in paid.values():
        assert sum(amounts) <= 800
        assert len(amounts) <= 2
        assert max(amounts) <= 500
