"""The waterfall: nothing is lost, nothing is credited twice, whoever hands what in, and wherever the bank dies."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.errors import Refused, TengeError
from cbdc.ledger.entry import Receipt
from cbdc.money import tenge
from cbdc.overflow import TERMS_SECONDS, Terms
from cbdc.policies import PolicySet, Rule, preset
from cbdc.ports import Checkpoint, ManualClock, SeededEntropy, no_checkpoint
from cbdc.system import Setup, System, open_system
from cbdc.token import KeyLock, Token
from cbdc.transaction import Transfer, sign_transaction
from tests.cbdc.institutions import BANKS, START, buy, check_books, holdings, ident, key, person, stock

LIMIT = tenge(1_000)
POLICY = preset("sandbox").with_rules(
    [
        Rule("holding", "holding", LIMIT, 2),
        Rule("waterfall", "waterfall", 1, 2),
        Rule("zero", "zero_holding", 1, 4),
        Rule("zero_waterfall", "waterfall", 1, 4),
    ]
)


def make(checkpoint: Checkpoint = no_checkpoint, policy: PolicySet = POLICY) -> System:
    """Payer `ayan` (no limit), payee `aruzhan` (1,000 tenge at most) with 400, and `shop` that holds nothing."""
    clock = ManualClock(START)
    setup = Setup(policy=policy.ledger_policy(), banks=BANKS)
    system = open_system(None, key, clock, SeededEntropy(7), checkpoint, setup)
    stock(system)
    person(system, "ayan", tier=3)
    person(system, "aruzhan", deposit_tiyn=tenge(5_000))
    person(system, "shop", tier=4)
    buy(system, "ayan", tenge(3_000))
    buy(system, "aruzhan", tenge(400))
    return system


def ask(system: System, payee: str, amount_tiyn: int, name: str = "p") -> Terms:
    (terms,) = system.banks[1].overflow.terms([(ident(name), key(payee).public.kid, amount_tiyn)], POLICY)
    assert isinstance(terms, Terms)
    return terms


def payment(system: System, terms: Terms, payer: str = "ayan", nonce: bytes = b"", extra: int = 0) -> bytes:
    owned = system.ledger.owned(key(payer).public.kid)
    total = sum(token.amount_tiyn for _, token in owned)
    change = total - terms.wallet_tiyn - terms.deposit_tiyn - extra
    outputs = [*terms.outputs, Token(change, KeyLock(key(payer).public.kid))]
    if extra:
        outputs.append(Token(extra, KeyLock(terms.inventory_kid)))
    record = Transfer(nonce or terms.nonce, tuple(i for i, _ in owned), tuple(outputs))
    return sign_transaction(record, system.network, [key(payer)]).encode()


def code(answer: object) -> str:
    return answer.code if isinstance(answer, TengeError) else "ok"


def settle(system: System, data: bytes) -> str:
    return code(system.banks[1].overflow.settle([data])[0])


def deposit(system: System, name: str) -> int:
    return system.banks[1].deposit_tiyn(ident(name))


def test_what_breaks_the_limit_goes_on_into_the_deposit() -> None:
    system = make()
    terms = ask(system, "aruzhan", tenge(900))
    assert (terms.wallet_tiyn, terms.deposit_tiyn) == (tenge(600), tenge(300))
    before = deposit(system, "aruzhan")
    data = payment(system, terms)
    assert settle(system, data) == settle(system, data) == "ok"
    assert holdings(system, key("aruzhan").public.kid) == LIMIT
    assert deposit(system, "aruzhan") == before + tenge(300)
    check_books(system)


def test_a_payment_that_fits_goes_to_the_wallet_alone() -> None:
    system = make()
    terms = ask(system, "aruzhan", tenge(600))
    assert len(terms.outputs) == 1
    assert settle(system, payment(system, terms)) == "ok"
    assert holdings(system, key("aruzhan").public.kid) == LIMIT
    check_books(system)


def test_who_holds_nothing_gets_a_deposit() -> None:
    system = make()
    before = deposit(system, "shop")
    terms = ask(system, "shop", tenge(250))
    assert (terms.wallet_tiyn, terms.deposit_tiyn) == (0, tenge(250))
    assert settle(system, payment(system, terms)) == "ok"
    assert deposit(system, "shop") == before + tenge(250)
    check_books(system)


def test_terms_keep_room_free_for_each_other_until_they_end() -> None:
    system = make()
    first, second = ask(system, "aruzhan", tenge(500), "one"), ask(system, "aruzhan", tenge(500), "two")
    assert (first.wallet_tiyn, second.wallet_tiyn) == (tenge(500), tenge(100))
    clock = system.clock
    assert isinstance(clock, ManualClock)
    clock.advance(TERMS_SECONDS + 1)
    assert ask(system, "aruzhan", tenge(500), "three").wallet_tiyn == tenge(500)
    assert ask(system, "aruzhan", tenge(500), "one") == first, (
        "what was promised is known, though it has ended"
    )
    assert settle(system, payment(system, first)) == "E_QUOTE_OVER"


def test_the_same_payment_has_the_same_terms_and_another_none() -> None:
    system = make()
    assert ask(system, "aruzhan", tenge(900)) == ask(system, "aruzhan", tenge(900))
    other = (ident("p"), key("aruzhan").public.kid, tenge(901))
    assert [code(answer) for answer in system.banks[1].overflow.terms([other], POLICY)] == ["E_ID_REUSED"]


def test_a_stranger_has_no_terms() -> None:
    system = make()
    answers = system.banks[1].overflow.terms(
        [(ident("p"), key("nobody").public.kid, 5), (ident("q"), key("shop").public.kid, 5)], POLICY
    )
    assert [code(answer) for answer in answers] == ["E_CUSTOMER_KEY", "ok"]


def test_a_payment_sent_past_the_bank_is_credited_when_it_is_handed_in() -> None:
    system = make()
    terms = ask(system, "aruzhan", tenge(900))
    before, data = deposit(system, "aruzhan"), payment(system, terms)
    system.ledger.submit(data)
    clock = system.clock
    assert isinstance(clock, ManualClock)
    clock.advance(10 * TERMS_SECONDS)
    assert deposit(system, "aruzhan") == before
    assert settle(system, data) == "ok"
    assert deposit(system, "aruzhan") == before + tenge(300)
    check_books(system)


def test_the_payer_cannot_take_the_overflow_back() -> None:
    system = make()
    terms = ask(system, "aruzhan", tenge(900))
    data = payment(system, terms)
    with pytest.raises(Refused, match="E_BUYBACK"):
        system.banks[1].defund(data)
    assert settle(system, data) == "ok"
    with pytest.raises(Refused, match="E_BUYBACK"):
        system.banks[1].defund(data)
    check_books(system)


def test_what_was_bought_back_is_not_settled_by_terms_that_come_later() -> None:
    """The nonce of terms follows from an id that the payer may choose; a transfer is credited once all the same."""
    system = make()
    probe = Terms(
        ident("later"), ident("shop"), key("shop").public.kid, system.banks[1].inventory_kid, 0, tenge(250), 0
    )
    data = payment(system, probe)
    assert isinstance(system.banks[1].defund(data), Receipt)
    before = deposit(system, "shop")
    terms = ask(system, "shop", tenge(250), "later")
    assert terms.nonce == probe.nonce
    assert settle(system, data) == "E_QUOTE_PAYMENT"
    assert deposit(system, "shop") == before
    check_books(system)


@pytest.mark.parametrize(
    ("nonce", "extra", "expected"), [(bytes(16), 0, "E_QUOTE_UNKNOWN"), (b"", 5, "E_QUOTE_PAYMENT")]
)
def test_only_the_payment_that_the_terms_name_is_settled(nonce: bytes, extra: int, expected: str) -> None:
    system = make()
    terms = ask(system, "aruzhan", tenge(900))
    before = deposit(system, "aruzhan")
    assert settle(system, payment(system, terms, nonce=nonce, extra=extra)) == expected
    assert deposit(system, "aruzhan") == before
    check_books(system)


def test_a_refused_payment_leaves_the_terms_open() -> None:
    system = make()
    terms = ask(system, "aruzhan", tenge(900))
    data = payment(system, terms)
    system.enforcement.freeze(ident("f"), system.banks[1].customers.get(ident("ayan")).pseudonym, "case")
    assert settle(system, data) == "E_FROZEN"
    system.enforcement.unfreeze(ident("u"), system.banks[1].customers.get(ident("ayan")).pseudonym, "case")
    assert settle(system, data) == "ok"
    check_books(system)


def test_without_the_rule_the_ledger_refuses_what_breaks_the_limit() -> None:
    policy = POLICY.with_rules([Rule("holding", "holding", LIMIT, 2)])
    system = make(policy=policy)
    (terms,) = system.banks[1].overflow.terms([(ident("p"), key("aruzhan").public.kid, tenge(900))], policy)
    assert isinstance(terms, Terms)
    assert terms.deposit_tiyn == 0
    assert settle(system, payment(system, terms)) == "E_LIMIT_HOLDING"


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(("aruzhan", "shop")), st.integers(1, 900), st.booleans()), max_size=8)
)
def test_whatever_is_paid_arrives_and_no_wallet_passes_its_limit(wishes: list[tuple[str, int, bool]]) -> None:
    system = make()
    before = {name: deposit(system, name) for name in ("aruzhan", "shop")}
    arrived = {"aruzhan": tenge(400), "shop": 0}
    for number, (payee, amount, past_the_bank) in enumerate(wishes):
        terms = ask(system, payee, tenge(amount), str(number))
        if holdings(system, key("ayan").public.kid) <= tenge(amount):
            continue
        data = payment(system, terms)
        if past_the_bank:
            system.ledger.submit(data)
        assert settle(system, data) == "ok"
        arrived[payee] += tenge(amount)
    for name, total in arrived.items():
        held = holdings(system, key(name).public.kid)
        assert held + deposit(system, name) - before[name] == total
        assert held <= (LIMIT if name == "aruzhan" else 0)
    check_books(system)


class Death(Exception):
    """The process dies here."""


def deaths() -> Iterator[int]:
    """Every write point that a settled payment passes."""
    yield from range(1, 13)


@pytest.mark.parametrize("nth", list(deaths()))
def test_a_bank_that_dies_anywhere_ends_like_one_that_did_not(nth: int) -> None:
    count, live = 0, False

    def checkpoint(name: str) -> None:
        nonlocal count
        if live:
            count += 1
            if count == nth:
                raise Death(name)

    system = make(checkpoint)
    terms = ask(system, "aruzhan", tenge(900))
    data, before = payment(system, terms), deposit(system, "aruzhan")
    live = True
    try:
        settle(system, data)
    except Death:
        live = False
        system.resume()
    live = False
    assert settle(system, data) == "ok"
    assert holdings(system, key("aruzhan").public.kid) == LIMIT
    assert deposit(system, "aruzhan") == before + tenge(300)
    check_books(system)
