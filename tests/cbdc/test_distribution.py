"""Commercial banks: customers, deposits, sales in groups, purchases, a till of many tokens."""

from dataclasses import replace

import pytest

from cbdc.accounts import being_sold
from cbdc.customers import sandbox_policy
from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.keys import SoftwareKey
from cbdc.ledger.entry import Receipt
from cbdc.money import tenge
from cbdc.orders import FundOrder
from cbdc.policies import preset
from cbdc.record import Signed, sign
from cbdc.sales import SaleOrder
from cbdc.system import System
from cbdc.till import MOST_TOKENS
from cbdc.token import MERCHANT, PERSON, KeyLock, Token
from cbdc.transaction import RegisterKey, Transfer, sign_transaction
from tests.cbdc.institutions import (
    START,
    buy,
    check_books,
    holdings,
    ident,
    key,
    make_system,
    person,
    receipt,
    stock,
)


@pytest.fixture
def system() -> System:
    made = make_system()
    stock(made)
    return made


@pytest.fixture
def aigerim(system: System) -> SoftwareKey:
    return person(system, "aigerim")


# --- customers ---


def test_identity_stays_in_the_bank(system: System, aigerim: SoftwareKey) -> None:
    registered = system.ledger.registered(aigerim.public.kid)
    customer = system.banks[1].customers.get(ident("aigerim"))
    assert registered is not None
    assert (registered.bank_id, registered.tier, registered.category) == (1, 2, PERSON)
    assert registered.pseudonym == customer.pseudonym != ident("aigerim")
    for index in range(system.ledger.size):
        assert b"aigerim" not in system.ledger.entry(index).payload


def test_an_account_is_opened_once(system: System, aigerim: SoftwareKey) -> None:
    bank = system.banks[1]
    same = bank.open_account(ident("aigerim"), "aigerim", "000000000007", 2, PERSON, tenge(100_000))
    assert same == bank.customers.get(ident("aigerim"))
    assert bank.deposit_tiyn(ident("aigerim")) == tenge(100_000), "the first deposit arrives once"
    with pytest.raises(Refused, match="E_ID_REUSED"):
        bank.open_account(ident("aigerim"), "somebody", "000000000007", 2, PERSON)
    with pytest.raises(Malformed, match="E_FIELD"):
        bank.open_account(b"short", "x", "1", 2, PERSON)
    with pytest.raises(Malformed, match="E_FIELD"):
        bank.open_account(ident("x"), "x" * 129, "1", 2, PERSON)
    assert [customer.name for customer in bank.customers.all()] == ["aigerim"]


def test_two_banks_give_one_person_two_pseudonyms(system: System) -> None:
    person(system, "berik")
    system.banks[2].open_account(ident("berik"), "berik", "1", 2, PERSON)
    one, two = (system.banks[bank].customers.get(ident("berik")) for bank in (1, 2))
    assert one.pseudonym != two.pseudonym


@pytest.mark.parametrize(
    "action",
    [
        lambda bank: bank.deposit_tiyn(ident("nobody")),
        lambda bank: bank.receive_deposit(ident("d"), ident("nobody"), 1),
        lambda bank: bank.pay_deposit_out(ident("d"), ident("nobody"), 1),
        lambda bank: bank.move_deposit(ident("d"), ident("aigerim"), ident("nobody"), 1),
        lambda bank: bank.register_key(ident("nobody"), key("k")),
        lambda bank: bank.sell([SaleOrder(ident("s"), ident("nobody"), bytes(32), 1)]),
    ],
)
def test_a_stranger_has_no_account(system: System, aigerim: SoftwareKey, action: object) -> None:
    assert callable(action)
    with pytest.raises(Refused, match="E_CUSTOMER_UNKNOWN"):
        action(system.banks[1])


def test_deposits_come_go_and_move(system: System, aigerim: SoftwareKey) -> None:
    bank = system.banks[1]
    person(system, "berik", deposit_tiyn=0)
    before = system.national_bank.reserve_tiyn(1)
    bank.receive_deposit(ident("salary"), ident("berik"), tenge(300))
    bank.receive_deposit(ident("salary"), ident("berik"), tenge(300))
    bank.move_deposit(ident("rent"), ident("berik"), ident("aigerim"), tenge(100))
    bank.pay_deposit_out(ident("cash"), ident("berik"), tenge(50))
    assert bank.deposit_tiyn(ident("berik")) == tenge(150)
    assert bank.deposit_tiyn(ident("aigerim")) == tenge(100_100)
    assert system.national_bank.reserve_tiyn(1) == before + tenge(250)
    with pytest.raises(Refused, match="E_FUNDS_ACCOUNT"):
        bank.pay_deposit_out(ident("more"), ident("berik"), tenge(151))
    with pytest.raises(Malformed, match="E_MONEY_RANGE"):
        bank.receive_deposit(ident("nothing"), ident("berik"), 0)
    check_books(system)


def test_a_key_registers_with_proof_of_possession(system: System) -> None:
    bank = system.banks[1]
    bank.open_account(ident("far"), "far", "1", 2, PERSON)
    public = key("far").public
    record = bank.enrolment(ident("far"), public)
    possession = sign_transaction(record, system.network, [key("far")]).witnesses[0][1]
    with pytest.raises(Refused, match="E_SIG"):
        bank.enrol(ident("far"), public, bytes(64))
    first = bank.enrol(ident("far"), public, possession)
    assert bank.enrol(ident("far"), public, possession) == first
    assert bank.customers.keys_of(ident("far")) == [public.kid]
    assert bank.customers.owner_of(public.kid).name == "far"


def test_a_key_belongs_to_one_customer(system: System, aigerim: SoftwareKey) -> None:
    person(system, "berik")
    with pytest.raises(Refused, match="E_KEY_TAKEN"):
        system.banks[1].register_key(ident("berik"), aigerim)
    assert system.banks[1].customers.owner_of(aigerim.public.kid).name == "aigerim"
    system.banks[2].open_account(ident("other"), "other", "1", 2, PERSON)
    with pytest.raises(Refused, match="E_KEY_TAKEN"):
        system.banks[2].register_key(ident("other"), aigerim)


def test_many_keys_register_in_one_group(system: System) -> None:
    bank = system.banks[1]
    names = [f"p{number}" for number in range(30)]
    for name in names:
        bank.open_account(ident(name), name, "1", 9 if name == "p7" else 1, PERSON)
    size = system.ledger.head().record.size
    answers = bank.register_keys([(ident(name), key(name)) for name in names])
    assert [place for place, answer in enumerate(answers) if isinstance(answer, TengeError)] == [7]
    assert system.ledger.size == size + 29
    assert len({answer.head.oid for answer in answers if isinstance(answer, Receipt)}) == 1


def test_a_key_is_known_by_its_pseudonym_if_the_note_was_lost(system: System) -> None:
    """A crash between the ledger's answer and the bank's note."""
    bank = system.banks[1]
    bank.open_account(ident("late"), "late", "1", 2, PERSON)
    record: RegisterKey = bank.enrolment(ident("late"), key("late").public)
    system.ledger.submit(sign_transaction(record, system.network, [key("late"), key("bank-1")]).encode())
    assert bank.customers.keys_of(ident("late")) == []
    assert bank.customers.owner_of(key("late").public.kid).name == "late"
    with pytest.raises(Refused, match="E_CUSTOMER_KEY"):
        bank.customers.owner_of(bytes(32))
    with pytest.raises(Refused, match="E_CUSTOMER_KEY"):
        bank.customers.owner_of(system.treasury.account_kid)


def test_a_pseudonym_that_another_bank_registered_is_nobody(
    system: System, aigerim: SoftwareKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = system.ledger.registered(aigerim.public.kid)
    assert known is not None
    monkeypatch.setattr(system.ledger, "registered", lambda kid: replace(known, bank_id=2))
    with pytest.raises(Refused, match="E_CUSTOMER_KEY"):
        system.banks[1].customers.owner_of(ident("another key"))


# --- sales ---


def test_a_sale_moves_deposit_to_digital_tenge(system: System, aigerim: SoftwareKey) -> None:
    first = receipt(buy(system, "aigerim", tenge(5_000)))
    assert receipt(buy(system, "aigerim", tenge(5_000))) == first
    assert holdings(system, aigerim.public.kid) == tenge(5_000)
    assert system.banks[1].deposit_tiyn(ident("aigerim")) == tenge(95_000)
    assert system.books.balance(being_sold(1)) == 0
    names = [name for name, _ in system.banks[1].balance_sheet().assets]
    assert names == ["digital tenge in the inventory", "reserves at the national bank"]
    check_books(system)


@pytest.mark.parametrize(("amount", "kid"), [(1, "aigerim"), (5_000, "other")])
def test_a_sale_s_id_stands_for_one_sale(system: System, aigerim: SoftwareKey, amount: int, kid: str) -> None:
    buy(system, "aigerim", 5_000)
    order = SaleOrder(ident("sale aigerim"), ident("aigerim"), key(kid).public.kid, amount)
    answer = system.banks[1].sell([order])[0]
    assert isinstance(answer, Refused)
    assert answer.code == "E_ID_REUSED"


def test_a_sale_beyond_the_deposit_changes_nothing(system: System, aigerim: SoftwareKey) -> None:
    answer = buy(system, "aigerim", tenge(100_001))
    assert isinstance(answer, Refused)
    assert answer.code == "E_FUNDS_ACCOUNT"
    assert system.banks[1].deposit_tiyn(ident("aigerim")) == tenge(100_000)
    system.banks[1].receive_deposit(ident("more"), ident("aigerim"), tenge(1))
    assert isinstance(buy(system, "aigerim", tenge(100_001)), Receipt), "a refusal is judged again"
    check_books(system)


def test_a_sale_beyond_the_inventory_gives_the_deposit_back(system: System) -> None:
    person(system, "rich", deposit_tiyn=tenge(3_000_000), tier=4)
    answer = buy(system, "rich", tenge(1_000_001))
    assert isinstance(answer, Refused)
    assert answer.code == "E_TILL"
    assert system.banks[1].deposit_tiyn(ident("rich")) == tenge(3_000_000)
    check_books(system)
    system.banks[1].order_tokens(ident("more"), tenge(1))
    assert isinstance(buy(system, "rich", tenge(1_000_001)), Receipt)
    check_books(system)


def test_the_ledger_s_limit_gives_the_deposit_back(system: System) -> None:
    person(system, "anonymous", tier=1)
    answer = buy(system, "anonymous", tenge(12_976))
    assert isinstance(answer, Refused)
    assert answer.code == "E_LIMIT_HOLDING"
    assert system.banks[1].deposit_tiyn(ident("anonymous")) == tenge(100_000)
    check_books(system)


@pytest.mark.parametrize("amount", [0, -5, 2**53])
def test_a_sale_of_nothing_is_malformed(system: System, aigerim: SoftwareKey, amount: int) -> None:
    answer = buy(system, "aigerim", amount)
    assert isinstance(answer, Malformed)
    assert answer.code == "E_MONEY_RANGE"


def test_many_sales_are_one_group_and_a_refusal_breaks_nothing_else(system: System) -> None:
    bank = system.banks[1]
    names = [f"p{number}" for number in range(20)]
    for number, name in enumerate(names):
        bank.open_account(ident(name), name, "1", 1 if number % 5 == 0 else 2, PERSON, tenge(20_000))
    bank.register_keys([(ident(name), key(name)) for name in names])
    orders = [SaleOrder(ident(f"s{n}"), ident(n), key(n).public.kid, tenge(15_000)) for n in names]
    orders[7] = orders[7]._replace(amount_tiyn=tenge(20_001))
    orders.append(orders[3])
    answers = bank.sell(orders)
    codes = [answer.code if isinstance(answer, TengeError) else "" for answer in answers]
    expected = ["E_LIMIT_HOLDING" if number % 5 == 0 else "" for number in range(20)] + [""]
    expected[7] = "E_FUNDS_ACCOUNT"
    assert codes == expected
    assert answers[20] == answers[3]
    assert system.ledger.supply().wallets_tiyn == 15 * tenge(15_000)
    check_books(system)


def test_an_unknown_key_gets_nothing(system: System, aigerim: SoftwareKey) -> None:
    answer = system.banks[1].sell([SaleOrder(ident("s"), ident("aigerim"), bytes(32), 5)])[0]
    assert isinstance(answer, Refused)
    assert answer.code == "E_KEY_UNKNOWN"
    check_books(system)


def test_an_unanswered_sale_stays_open_until_the_ledger_answers(
    system: System, aigerim: SoftwareKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    down = Unavailable("E_STORE_UNAVAILABLE", detail="test")
    with monkeypatch.context() as patch:
        patch.setattr(system.ledger, "submit_many", lambda transactions: [down for _ in transactions])
        assert buy(system, "aigerim", tenge(5)) is down
    assert system.books.balance(being_sold(1)) == tenge(5)
    answers = system.banks[1].resume()
    assert [type(answer) for answer in answers.values()] == [Receipt]
    assert holdings(system, aigerim.public.kid) == tenge(5)
    check_books(system)


def test_an_inventory_that_moves_all_the_time_ends_in_a_refusal(
    system: System, aigerim: SoftwareKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent = Refused("E_TOKEN_SPENT", transaction_id=bytes(32), output=0)
    with monkeypatch.context() as patch:
        patch.setattr(system.ledger, "submit_many", lambda transactions: [spent for _ in transactions])
        assert buy(system, "aigerim", tenge(5)) is spent
    assert system.banks[1].deposit_tiyn(ident("aigerim")) == tenge(100_000)
    check_books(system)


def test_books_and_ledger_of_different_moments_are_noticed(
    system: System, aigerim: SoftwareKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    buy(system, "aigerim", tenge(5))
    monkeypatch.setattr(system.ledger, "find", lambda identity: None)
    answer = buy(system, "aigerim", tenge(5))
    assert isinstance(answer, Refused)
    assert answer.code == "E_BOOKS_LEDGER"


# --- signed orders ---


def order(system: System, signer: SoftwareKey, network: bytes = b"", **changes: object) -> Signed[FundOrder]:
    values = {
        "id": ident("o"),
        "bank_id": 1,
        "kid": signer.public.kid,
        "amount_tiyn": tenge(7),
        "time": START,
    }
    return sign(FundOrder(**(values | changes)), network or system.network, signer)  # type: ignore[arg-type]


def test_a_customer_far_away_signs_its_order(system: System, aigerim: SoftwareKey) -> None:
    bank = system.banks[1]
    signed = order(system, aigerim)
    assert bank.fund(signed) == bank.fund(signed)
    assert holdings(system, aigerim.public.kid) == tenge(7)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"bank_id": 2}, "E_BANK_SCOPE"),
        ({"kid": ident("stranger")}, "E_CUSTOMER_KEY"),
        ({"amount_tiyn": tenge(100_001)}, "E_FUNDS_ACCOUNT"),
    ],
)
def test_an_order_that_is_not_one_is_refused(
    system: System, aigerim: SoftwareKey, changes: dict[str, object], code: str
) -> None:
    with pytest.raises(Refused) as caught:
        system.banks[1].fund(order(system, aigerim, **changes))
    assert caught.value.code == code


def test_nobody_orders_in_another_s_name(system: System, aigerim: SoftwareKey) -> None:
    berik = person(system, "berik")
    forged = order(system, berik, kid=aigerim.public.kid)
    with pytest.raises(Refused, match="E_SIG"):
        system.banks[1].fund(forged)


def test_a_key_the_ledger_does_not_know_gets_nothing(system: System, aigerim: SoftwareKey) -> None:
    system.banks[1].customers.attach([(key("paper").public.kid, ident("aigerim"))])
    with pytest.raises(Refused, match="E_KEY_UNKNOWN"):
        system.banks[1].fund(order(system, key("paper")))


def test_an_order_of_another_network_is_not_the_customer_s(system: System, aigerim: SoftwareKey) -> None:
    with pytest.raises(Refused, match="E_SIG"):
        system.banks[1].fund(order(system, aigerim, network=bytes(8)))


# --- the till ---


def test_a_till_of_many_small_tokens_is_tidied(system: System) -> None:
    bank = system.banks[1]
    shop = person(system, "shop", deposit_tiyn=tenge(10_000), category=MERCHANT, tier=4)
    buy(system, "shop", tenge(10_000))
    tokens = tuple(identity for identity, _ in system.ledger.owned(shop.public.kid))
    outputs = tuple(Token(tenge(50), KeyLock(bank.inventory_kid)) for _ in range(200))
    record = Transfer(bytes(16), tokens, outputs)
    bank.defund(sign_transaction(record, system.network, [shop]).encode())
    assert len(bank.till.tokens()) > MOST_TOKENS
    before = bank.inventory_tiyn()
    bank.redeem_surplus(ident("surplus"), before)
    assert bank.inventory_tiyn() == 0
    check_books(system)


def test_the_sandbox_s_tiers_are_named_assumptions() -> None:
    policy = sandbox_policy()
    assert policy.limits(1).holding_limit_tiyn == tenge(12_975)
    assert [row[0] for row in policy.tiers] == [1, 2, 3, 4]
    assert all(rule.note.startswith("assumption") for rule in preset("sandbox").rules)
    assert policy.day(START) != policy.day(START + 86_400)
