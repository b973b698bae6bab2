"""What a bank sells one customer in a day."""

import pytest

from cbdc.errors import TengeError
from cbdc.ledger.entry import Receipt
from cbdc.money import tenge
from cbdc.policies import Rule, preset
from cbdc.ports import ManualClock
from cbdc.purchases import PurchaseDesk
from cbdc.sales import SaleOrder
from cbdc.system import System
from tests.cbdc.institutions import check_books, ident, key, make_system, person, stock

LIMIT = tenge(1_000)
POLICY = preset("sandbox").with_rules([Rule("brake", "purchase_day", LIMIT, 2)])


@pytest.fixture
def system() -> System:
    made = make_system()
    stock(made)
    person(made, "ayan", deposit_tiyn=tenge(1_500))
    person(made, "shop", tier=4)
    return made


def desk(system: System, policy: object = POLICY) -> PurchaseDesk:
    return PurchaseDesk(system.banks[1], system.stores.cabinet, policy, system.clock)  # type: ignore[arg-type]


def order(name: str, amount_tiyn: int, who: str = "ayan") -> SaleOrder:
    return SaleOrder(ident(name), ident(who), key(who).public.kid, amount_tiyn)


def codes(answers: object) -> list[str]:
    return ["ok" if isinstance(a, Receipt) else a.code for a in answers]  # type: ignore[attr-defined]


def test_the_limit_holds_over_orders_and_groups_and_ends_with_the_day(system: System) -> None:
    bank = desk(system)
    assert codes(bank.buy([order("a", tenge(600)), order("b", tenge(401)), order("c", tenge(400))])) == [
        "ok",
        "E_PURCHASE_LIMIT",
        "ok",
    ]
    assert codes(bank.buy([order("d", 1)])) == ["E_PURCHASE_LIMIT"]
    clock = system.clock
    assert isinstance(clock, ManualClock)
    clock.advance(86_400)
    assert codes(bank.buy([order("d", 1)])) == ["ok"]
    check_books(system)


def test_the_same_order_counts_once_and_keeps_its_answer(system: System) -> None:
    bank = desk(system)
    for _ in range(3):
        assert codes(bank.buy([order("a", tenge(600)), order("a", tenge(600))])) == ["ok", "ok"]
    assert codes(bank.buy([order("b", tenge(400))])) == ["ok"]


def test_another_order_under_a_known_id_frees_nothing(system: System) -> None:
    bank = desk(system)
    assert codes(bank.buy([order("a", tenge(600))])) == ["ok"]
    assert codes(bank.buy([order("a", tenge(1))])) == ["E_ID_REUSED"]
    assert codes(bank.buy([order("b", tenge(401))])) == ["E_PURCHASE_LIMIT"]


def test_a_refused_sale_is_not_counted(system: System) -> None:
    bank = desk(system, preset("sandbox").with_rules([Rule("brake", "purchase_day", tenge(9_000), 2)]))
    assert codes(bank.buy([order("a", tenge(1_501))])) == ["E_FUNDS_ACCOUNT"]
    today = (system.clock.now() + 5 * 3_600) // 86_400
    assert bank.bought_tiyn(ident("ayan"), today) == 0
    assert codes(bank.buy([order("a", tenge(1_501))])) == ["E_FUNDS_ACCOUNT"]
    assert codes(bank.buy([order("b", tenge(1_500))])) == ["ok"]
    assert bank.bought_tiyn(ident("ayan"), today) == tenge(1_500)


def test_without_the_rule_and_for_other_tiers_there_is_no_limit(system: System) -> None:
    assert codes(desk(system).buy([order("s", tenge(50_000), "shop")])) == ["ok"]
    assert codes(desk(system, preset("sandbox")).buy([order("a", tenge(1_400))])) == ["ok"]


def test_nothing_and_less_is_no_order(system: System) -> None:
    with pytest.raises(TengeError, match="E_MONEY_RANGE"):
        desk(system).buy([order("a", 0)])


def test_a_failed_bank_sells_nothing(system: System) -> None:
    system.banks[1].fail()
    with pytest.raises(TengeError, match="E_BANK_FAILED"):
        desk(system).buy([order("a", 5)])
