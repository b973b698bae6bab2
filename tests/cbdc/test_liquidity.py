"""What banks lend, and what the National Bank lends them."""

import pytest

from cbdc.accounts import reserve
from cbdc.errors import Refused
from cbdc.liquidity import Liquidity, loans
from cbdc.money import tenge
from cbdc.policies import PolicySet, Rule, preset
from cbdc.system import System
from tests.cbdc.institutions import check_books, ident, make_system, person

POLICY = preset("sandbox").with_rules([Rule("collateral", "collateral", 80)])


@pytest.fixture
def system() -> System:
    made = make_system()
    person(made, "ayan", deposit_tiyn=tenge(1_000))
    return made


def desk(system: System, policy: PolicySet = POLICY) -> Liquidity:
    return Liquidity(system.books, policy, system.clock)


def test_what_is_lent_out_is_gone_from_the_reserves(system: System) -> None:
    for _ in range(2):
        desk(system).lend(ident("l"), 1, tenge(700))
    assert system.books.balance(reserve(1)) == tenge(300)
    assert system.books.balance(loans(1)) == tenge(700)
    with pytest.raises(Refused, match="E_FUNDS_ACCOUNT"):
        desk(system).lend(ident("m"), 1, tenge(301))
    with pytest.raises(Refused, match="E_ID_REUSED"):
        desk(system).lend(ident("l"), 1, tenge(1))
    check_books(system)


def test_the_national_bank_lends_against_loans_and_is_repaid(system: System) -> None:
    bank = desk(system)
    bank.lend(ident("l"), 1, tenge(1_000))
    with pytest.raises(Refused, match="E_COLLATERAL"):
        bank.help(ident("h"), 1, tenge(800) + 1)
    for _ in range(2):
        bank.help(ident("h"), 1, tenge(800))
    with pytest.raises(Refused, match="E_COLLATERAL"):
        bank.help(ident("i"), 1, 1)
    assert system.books.balance(reserve(1)) == bank.owed_tiyn(1) == tenge(800)
    bank.repay(ident("r"), 1, tenge(500))
    assert bank.owed_tiyn(1) == tenge(300)
    with pytest.raises(Refused, match="E_FUNDS_ACCOUNT"):
        bank.repay(ident("s"), 1, tenge(301))
    bank.help(ident("i"), 1, tenge(500))
    check_books(system)


def test_without_the_rule_nothing_bounds_the_help(system: System) -> None:
    desk(system, preset("sandbox")).help(ident("h"), 1, tenge(5_000))
    assert desk(system).owed_tiyn(1) == tenge(5_000)
    check_books(system)
