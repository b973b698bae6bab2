"""A bank buys digital tenge back: each transfer is credited once, to the owner of what it spends, to nobody else."""

from dataclasses import replace

import pytest

from cbdc.accounts import deposit
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.keys import SoftwareKey
from cbdc.ledger.entry import Receipt
from cbdc.ledger.ledger import Ledger
from cbdc.money import tenge
from cbdc.system import System
from cbdc.token import MERCHANT, PERSON, KeyLock, QuorumLock, Token, TokenId
from cbdc.transaction import SignedTransaction, Transfer, sign_transaction
from tests.cbdc.institutions import (
    buy,
    check_books,
    holdings,
    ident,
    key,
    make_system,
    pay,
    person,
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


def test_tokens_become_a_deposit_once(system: System, aigerim: SoftwareKey) -> None:
    bank = system.banks[1]
    buy(system, "aigerim", tenge(500))
    given = pay(system, aigerim, bank.inventory_kid, tenge(200)).encode()
    assert bank.defund(given) == bank.defund(given)
    assert bank.deposit_tiyn(ident("aigerim")) == tenge(99_700)
    assert holdings(system, aigerim.public.kid) == tenge(300)
    check_books(system)


def test_another_bank_s_tokens_are_bought_too(system: System, aigerim: SoftwareKey) -> None:
    shop = person(system, "shop", bank_id=2, deposit_tiyn=0, category=MERCHANT, tier=4)
    buy(system, "aigerim", tenge(500))
    system.ledger.submit(pay(system, aigerim, shop.public.kid, tenge(500)).encode())
    system.banks[2].defund(pay(system, shop, system.banks[2].inventory_kid, tenge(500)).encode())
    assert system.banks[2].deposit_tiyn(ident("shop")) == tenge(500)
    system.banks[2].redeem_surplus(ident("surplus"), tenge(500))
    assert system.national_bank.reserve_tiyn(2) == tenge(500)
    check_books(system)


def test_a_payment_to_somebody_else_is_no_purchase(system: System, aigerim: SoftwareKey) -> None:
    bank = system.banks[1]
    berik = person(system, "berik")
    buy(system, "aigerim", tenge(500))
    for transaction, code in (
        (pay(system, aigerim, berik.public.kid, tenge(5)), "E_BUYBACK"),
        (pay(system, aigerim, system.banks[2].inventory_kid, tenge(5)), "E_BUYBACK"),
        (pay(system, key("bank-1/inventory"), berik.public.kid, 5), "E_CUSTOMER_KEY"),
        (
            sign_transaction(bank.enrolment(ident("aigerim"), key("new").public), system.network, [aigerim]),
            "E_BUYBACK",
        ),
    ):
        with pytest.raises(TengeError) as caught:
            bank.defund(transaction.encode())
        assert caught.value.code == code
    assert bank.deposit_tiyn(ident("aigerim")) == tenge(99_500)


def test_marked_money_is_not_cashed_out(system: System, aigerim: SoftwareKey) -> None:
    bank = system.banks[1]
    buy(system, "aigerim", tenge(500))
    owned = system.ledger.owned(aigerim.public.kid)
    record = Transfer(
        bytes(16), tuple(i for i, _ in owned), (Token(tenge(500), KeyLock(bank.inventory_kid), bytes(32)),)
    )
    with pytest.raises(Refused, match="E_MARK_BLOCKS"):
        bank.defund(sign_transaction(record, system.network, [aigerim]).encode())


def test_two_customers_do_not_share_a_purchase(system: System, aigerim: SoftwareKey) -> None:
    bank = system.banks[1]
    berik = person(system, "berik")
    buy(system, "aigerim", tenge(500))
    record = pay(system, aigerim, bank.inventory_kid, tenge(5)).record
    with pytest.raises(Refused, match="E_BUYBACK"):
        bank.defund(sign_transaction(record, system.network, [aigerim, berik]).encode())


def test_a_refused_purchase_credits_nothing(system: System, aigerim: SoftwareKey) -> None:
    bank = system.banks[1]
    buy(system, "aigerim", tenge(500))
    given = pay(system, aigerim, bank.inventory_kid, tenge(200))
    other = pay(system, aigerim, bank.inventory_kid, tenge(300), nonce=b"1" * 16)
    answers = bank.buy_back([given.encode(), b"nonsense", other.encode()])
    assert isinstance(answers[0], Receipt)
    assert [answer.code for answer in answers[1:] if isinstance(answer, TengeError)] == [
        "E_DECODE",
        "E_TOKEN_SPENT",
    ]
    assert bank.deposit_tiyn(ident("aigerim")) == tenge(99_700)
    assert bank.resume() == {}
    check_books(system)


def test_an_unanswered_purchase_is_completed(
    system: System, aigerim: SoftwareKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = system.banks[1]
    buy(system, "aigerim", tenge(500))
    given = pay(system, aigerim, bank.inventory_kid, tenge(200)).encode()
    down = Unavailable("E_STORE_UNAVAILABLE", detail="test")
    with monkeypatch.context() as patch:
        patch.setattr(system.ledger, "submit_many", lambda transactions: [down])
        with pytest.raises(Unavailable):
            bank.defund(given)
    assert [type(answer) for answer in bank.resume().values()] == [Receipt]
    assert system.books.balance(deposit(1, ident("aigerim"))) == tenge(99_700)
    assert bank.resume() == {}
    check_books(system)


def forged(transaction: SignedTransaction, signer: SoftwareKey) -> bytes:
    """The same transaction, as if only `signer` had signed it."""
    witnesses = ((signer.public.kid, signer.sign(transaction.message)),)
    return replace(transaction, witnesses=witnesses).encode()


@pytest.mark.parametrize("presented_by", ["aigerim", "berik"])
def test_a_payment_accepted_before_is_credited_to_its_payer(
    system: System, aigerim: SoftwareKey, presented_by: str
) -> None:
    bank = system.banks[1]
    person(system, "berik")
    buy(system, "aigerim", tenge(500))
    paid = pay(system, aigerim, bank.inventory_kid, tenge(200))
    receipt = system.ledger.submit(paid.encode())
    for _ in range(2):
        assert bank.defund(forged(paid, key(presented_by))) == receipt
    assert bank.deposit_tiyn(ident("aigerim")) == tenge(99_700)
    assert bank.deposit_tiyn(ident("berik")) == tenge(100_000)
    check_books(system)


class WithoutJournal:
    """A ledger that shows no journal, as behind HTTP."""

    def __init__(self, ledger: Ledger) -> None:
        self.network, self.submit_many = ledger.network, ledger.submit_many
        self.find, self.token, self.registered = ledger.find, ledger.token, ledger.registered


def test_without_a_journal_nobody_guesses_the_payer(
    system: System, aigerim: SoftwareKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = system.banks[1]
    buy(system, "aigerim", tenge(500))
    monkeypatch.setattr(bank, "_gateway", WithoutJournal(system.ledger))
    known = pay(system, aigerim, bank.inventory_kid, tenge(200)).encode()
    assert bank.defund(known) == bank.defund(known)
    unknown = pay(system, aigerim, bank.inventory_kid, tenge(100))
    system.ledger.submit(unknown.encode())
    with pytest.raises(Refused, match="E_BUYBACK"):
        bank.defund(unknown.encode())
    assert bank.deposit_tiyn(ident("aigerim")) == tenge(99_700)


@pytest.mark.parametrize("again", ["resume", "defund", "defund by berik"])
def test_a_purchase_cut_off_after_the_ledger_accepted_it_is_credited(
    system: System, aigerim: SoftwareKey, again: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = system.banks[1]
    berik = person(system, "berik")
    buy(system, "aigerim", tenge(500))
    given = pay(system, aigerim, bank.inventory_kid, tenge(200))

    def die(postings: object) -> None:
        raise Unavailable("E_STORE_UNAVAILABLE", detail="test")

    with monkeypatch.context() as patch:
        patch.setattr(system.books, "post_many", die)
        with pytest.raises(Unavailable):
            bank.defund(given.encode())
    assert system.ledger.find(given.id) is not None
    # The row is enough: it names the customer.
    monkeypatch.setattr(bank, "_gateway", WithoutJournal(system.ledger))
    if again == "resume":
        assert list(bank.resume()) == [given.id]
    else:
        bank.defund(forged(given, berik) if again.endswith("berik") else given.encode())
    assert bank.deposit_tiyn(ident("aigerim")) == tenge(99_700)
    assert bank.deposit_tiyn(ident("berik")) == tenge(100_000)
    assert bank.resume() == {}
    check_books(system)


def test_a_purchase_may_spend_the_change_of_the_one_before_it(system: System, aigerim: SoftwareKey) -> None:
    bank = system.banks[1]
    buy(system, "aigerim", tenge(500))
    first = pay(system, aigerim, bank.inventory_kid, tenge(200))
    record = Transfer(bytes(16), (TokenId(first.id, 1),), (Token(tenge(300), KeyLock(bank.inventory_kid)),))
    second = sign_transaction(record, system.network, [aigerim])
    answers = bank.buy_back([first.encode(), second.encode()])
    assert [type(answer) for answer in answers] == [Receipt, Receipt]
    assert bank.deposit_tiyn(ident("aigerim")) == tenge(100_000)
    check_books(system)


def test_the_tokens_of_two_customers_are_no_purchase(system: System, aigerim: SoftwareKey) -> None:
    bank = system.banks[1]
    berik = person(system, "berik")
    buy(system, "aigerim", tenge(500))
    buy(system, "berik", tenge(500))
    tokens = tuple(i for one in (aigerim, berik) for i, _ in system.ledger.owned(one.public.kid))
    record = Transfer(bytes(16), tokens, (Token(tenge(1_000), KeyLock(bank.inventory_kid)),))
    shared = sign_transaction(record, system.network, [aigerim, berik])
    system.ledger.submit(shared.encode())
    for transaction in (shared.encode(), forged(shared, aigerim)):
        with pytest.raises(Refused, match="E_BUYBACK"):
            bank.defund(transaction)


def test_money_behind_more_than_a_key_is_no_purchase(system: System, aigerim: SoftwareKey) -> None:
    bank = system.banks[1]
    buy(system, "aigerim", tenge(500))
    lock = QuorumLock(1, (aigerim.public.kid, person(system, "berik").public.kid))
    moved = pay(system, aigerim, bank.inventory_kid, tenge(500)).record
    assert isinstance(moved, Transfer)
    moved = replace(moved, outputs=(Token(tenge(500), lock),))
    shared = sign_transaction(moved, system.network, [aigerim])
    system.ledger.submit(shared.encode())
    record = Transfer(bytes(16), (TokenId(shared.id, 0),), (Token(tenge(500), KeyLock(bank.inventory_kid)),))
    with pytest.raises(Refused, match="E_BUYBACK"):
        bank.defund(sign_transaction(record, system.network, [aigerim]).encode())


def test_what_is_not_there_is_not_bought(system: System, aigerim: SoftwareKey) -> None:
    bank = system.banks[1]
    buy(system, "aigerim", tenge(500))
    bank.defund(pay(system, aigerim, bank.inventory_kid, tenge(200)).encode())
    record = Transfer(
        bytes(16), (TokenId(ident("none"), 0),), (Token(tenge(1), KeyLock(bank.inventory_kid)),)
    )
    with pytest.raises(Refused, match="E_TOKEN_SPENT"):
        bank.defund(sign_transaction(record, system.network, [aigerim]).encode())


def test_a_purchase_in_the_books_and_not_on_the_ledger_is_noticed(
    system: System, aigerim: SoftwareKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = system.banks[1]
    buy(system, "aigerim", tenge(500))
    given = pay(system, aigerim, bank.inventory_kid, tenge(200)).encode()
    bank.defund(given)
    monkeypatch.setattr(system.ledger, "find", lambda identity: None)
    with pytest.raises(Refused, match="E_BOOKS_LEDGER"):
        bank.defund(given)


def test_one_transfer_may_pay_the_inventories_of_two_banks(system: System, aigerim: SoftwareKey) -> None:
    buy(system, "aigerim", tenge(500))
    system.banks[2].open_account(ident("aigerim"), "aigerim", "1", 2, PERSON)
    system.banks[2].customers.attach([(aigerim.public.kid, ident("aigerim"))])
    inputs = tuple(identity for identity, _ in system.ledger.owned(aigerim.public.kid))
    outputs = tuple(Token(tenge(250), KeyLock(system.banks[number].inventory_kid)) for number in (1, 2))
    given = sign_transaction(Transfer(bytes(16), inputs, outputs), system.network, [aigerim]).encode()
    assert system.banks[1].defund(given) == system.banks[2].defund(given)
    assert system.banks[1].deposit_tiyn(ident("aigerim")) == tenge(99_750)
    assert system.banks[2].deposit_tiyn(ident("aigerim")) == tenge(250)
    check_books(system)
