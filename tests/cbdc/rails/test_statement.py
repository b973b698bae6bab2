"""Statements out of the books, and what a bank finds when it compares."""

from dataclasses import replace

import pytest

from cbdc.accounts import LIABILITY, Account, Books, Posting, credit, debit, deposit
from cbdc.accounts_store import MemoryBooks
from cbdc.rails.corridor import CORRESPONDENT, PAYEES_BANK
from cbdc.rails.currency import USD, Money
from cbdc.rails.desk import account_of
from cbdc.rails.messages import Message, Statement, StatementEntry, open_message
from cbdc.rails.settlement import loro, nostro
from cbdc.rails.statement import MOST_ENTRIES, Holder, reconcile, statements
from tests.cbdc.institutions import ident
from tests.cbdc.rails.scene import NOON, NOSTRO, PLAN, Scene
from tests.cbdc.rails.test_parts import code_of

NAMES = PLAN.addresses
HOLDER = Holder("Bank One", "nostro001", NAMES.desk)


def pages_of(scene: Scene, first: int = 0) -> list[Statement]:
    """The correspondent's statements for the bank, through the form of a message and back."""
    account = loro(CORRESPONDENT, NAMES.desk)
    last = scene.clock.now()
    found = statements(scene.abroad.books, account, HOLDER, NAMES.correspondent, USD, first, last, last)
    pages = []
    for message in found:
        body = open_message(message.encode()).body
        assert isinstance(body, Statement)
        pages.append(body)
    return pages


def compared(scene: Scene, pages: list[Statement]) -> tuple[int, int, int, int]:
    account = nostro(NAMES.desk, NAMES.correspondent)
    found = reconcile(pages, scene.shelves.nostro, account)
    return found.matched, len(found.in_transit), len(found.unknown), found.difference_minor


def test_a_statement_says_what_the_correspondents_books_say() -> None:
    scene = Scene()
    scene.order()
    scene.run()
    (page,) = pages_of(scene)
    assert [(entry.side, entry.amount.minor, entry.what) for entry in page.entries] == [
        ("CRDT", NOSTRO, "nostro filled"),
        ("DBIT", 1_000_00, "debited"),
    ]
    assert [(balance.type, balance.amount.text, balance.side) for balance in page.balances] == [
        ("OPBD", "0.00", "CRDT"),
        ("CLBD", "299000.00", "CRDT"),
    ]
    assert page.entries[1].uetr == scene.corridor.desk.find(ident("one")).uetr  # type: ignore[union-attr]
    assert compared(scene, [page]) == (2, 0, 0, 0)


def test_a_later_period_opens_where_the_earlier_one_closed() -> None:
    scene = Scene()
    scene.order()
    scene.run()
    (page,) = pages_of(scene, first=NOON + 1)
    assert [balance.amount.text for balance in page.balances] == ["300000.00", "299000.00"]
    assert len(page.entries) == 1


def test_what_is_on_its_way_is_in_transit_and_explains_the_balance() -> None:
    scene = Scene()
    scene.order()
    assert compared(scene, pages_of(scene)) == (1, 1, 0, 0)
    scene.run()
    assert compared(scene, pages_of(scene)) == (2, 0, 0, 0)


def test_a_payment_that_came_back_is_two_movements() -> None:
    scene = Scene(replace(PLAN, closed=frozenset({Scene().account})))
    scene.order()
    scene.run()
    assert compared(scene, pages_of(scene)) == (3, 0, 0, 0)


def test_what_only_the_other_side_booked_is_unknown() -> None:
    scene = Scene()
    account = loro(CORRESPONDENT, NAMES.desk)
    other = Account("bank 1", LIABILITY, "somebody")
    charge = Posting(ident("charge"), NOON, "a charge nobody ordered", (debit(account, 7), credit(other, 7)))
    scene.abroad.books.post(charge)
    assert compared(scene, pages_of(scene)) == (1, 0, 1, 0)


def test_a_customer_gets_a_statement_too() -> None:
    scene = Scene()
    scene.order()
    scene.run()
    holder = Holder("Acme Inc", account_of(ident("acme")), account_of(ident("acme")))
    account = deposit(PAYEES_BANK, ident("acme"))
    now = scene.clock.now()
    (message,) = statements(scene.abroad.books, account, holder, NAMES.payees_bank, USD, 0, now, now)
    assert message.receiver == account_of(ident("acme"))
    body = open_message(message.encode()).body
    assert isinstance(body, Statement)
    assert [(entry.side, entry.amount.text) for entry in body.entries] == [("CRDT", "1000.00")]


def busy(number: int) -> tuple[Books, Account]:
    """Books in which an account moved so often."""
    books = Books(MemoryBooks())
    account, other = (Account("bank 1", LIABILITY, name) for name in ("it", "other"))
    claim = Account("bank 1", 1, "assets")
    books.post(Posting(ident("first"), 1, "filled", (debit(claim, 10_000), credit(other, 10_000))))
    for place in range(number):
        lines = (debit(other, place + 1), credit(account, place + 1))
        books.post(Posting(ident(str(place)), 2 + place, f"movement {place}", lines))
    return books, account


@pytest.mark.parametrize(
    "number", [0, 1, MOST_ENTRIES - 1, MOST_ENTRIES, MOST_ENTRIES + 1, 2 * MOST_ENTRIES + 1]
)
def test_long_periods_make_several_statements(number: int) -> None:
    books, account = busy(number)
    found = statements(books, account, HOLDER, NAMES.correspondent, USD, 0, 10_000, 10_000)
    assert len(found) == max(1, -(-number // MOST_ENTRIES))
    bodies = []
    for message in found:
        body = message.body
        assert isinstance(body, Statement)
        assert open_message(message.encode()) == message
        bodies.append(body)
    assert [body.number for body in bodies] == list(range(1, len(bodies) + 1))
    assert sum(len(body.entries) for body in bodies) == number
    assert reconcile(bodies, books, account) == (number, (), (), 0)
    assert bodies[-1].balances[1].amount.minor == number * (number + 1) // 2


def test_statements_that_do_not_follow_or_add_up_are_refused() -> None:
    books, account = busy(2 * MOST_ENTRIES)
    found = statements(books, account, HOLDER, NAMES.correspondent, USD, 0, 10_000, 10_000)
    first, second = (message.body for message in found if isinstance(message.body, Statement))
    assert isinstance(first, Statement)
    assert isinstance(second, Statement)
    opening, closing = first.balances
    wrong = replace(closing, amount=Money(closing.amount.minor + 1, USD))
    entry = replace(first.entries[0], amount=Money(99, USD))
    for pages in (
        [second],
        [second, first],
        [first, first],
        [replace(first, balances=(opening, wrong))],
        [replace(first, balances=(closing, opening))],
        [replace(first, balances=(replace(opening, side="DBIT", amount=Money(1, USD)), closing))],
        [replace(first, entries=(entry, *first.entries[1:]))],
        [replace(first, entries=first.entries[1:])],
    ):
        assert code_of(lambda pages=pages: reconcile(pages, books, account)) == "E_RAILS_STATEMENT"


def test_an_overdrawn_account_is_shown_as_a_debit() -> None:
    books = Books(MemoryBooks())
    position, other = Account("bank 1", 3, "position"), Account("bank 1", 3, "other")
    books.post(Posting(ident("p"), 5, "sold", (debit(position, 300), credit(other, 300))))
    (message,) = statements(books, position, HOLDER, NAMES.correspondent, USD, 0, 9, 9)
    assert isinstance(message, Message)
    body = message.body
    assert isinstance(body, Statement)
    assert (body.balances[1].side, body.balances[1].amount.text) == ("DBIT", "3.00")
    assert [type(entry) for entry in body.entries] == [StatementEntry]
