"""The books: every posting sums to zero, nothing goes below zero, one id is one posting, in memory and in a file."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.accounts import (
    ASSET,
    CIRCULATION,
    EQUITY,
    EXPENSE,
    GOVERNMENT_AND_OTHER,
    INCOME,
    LIABILITY,
    NATIONAL_BANK,
    OFFLINE_LOSSES,
    Account,
    Books,
    Line,
    Posting,
    credit,
    debit,
    deposit,
    institution_of,
    open_posting,
    reserve,
    reserves,
)
from cbdc.accounts_store import MemoryBooks, SqliteBooks
from cbdc.canonical import MAX_INTEGER
from cbdc.errors import Malformed, Refused, Unavailable
from cbdc.ports import Checkpoint
from tests.cbdc.institutions import START, ident

Maker = Callable[[Checkpoint], Books]


@pytest.fixture(params=["memory", "sqlite"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Maker]:
    opened: list[Books] = []

    def maker(checkpoint: Checkpoint) -> Books:
        engine = (
            MemoryBooks(checkpoint)
            if request.param == "memory"
            else SqliteBooks(tmp_path / "books.sqlite", checkpoint)
        )
        opened.append(Books(engine))
        return opened[-1]

    yield maker
    for books in opened:
        books.close()


@pytest.fixture
def books(make: Maker) -> Books:
    return make(lambda name: None)


def posting(name: str, *lines: Line, text: str = "test") -> Posting:
    return Posting(ident(name), START, text, lines)


def endowed(books: Books, amount: int = 1_000) -> None:
    books.post(posting("endow", debit(GOVERNMENT_AND_OTHER, amount), credit(reserve(1), amount)))


def test_a_posting_moves_balances_as_people_read_them(books: Books) -> None:
    endowed(books)
    assert books.balance(GOVERNMENT_AND_OTHER) == 1_000
    assert books.balance(reserve(1)) == 1_000
    assert books.balance(reserve(2)) == 0
    books.check()


def test_one_posting_may_move_money_in_two_institutions(books: Books) -> None:
    books.post(
        posting(
            "both",
            debit(GOVERNMENT_AND_OTHER, 5),
            credit(reserve(1), 5),
            debit(reserves(1), 5),
            credit(deposit(1, ident("a")), 5),
        )
    )
    assert [account.name for account in books.balances(institution_of(1))] == [
        "reserves at the national bank",
        f"deposit:{ident('a').hex()}",
    ]
    assert sum(books.balances().values()) == 20


def test_the_same_posting_again_is_no_second_one(books: Books) -> None:
    endowed(books)
    endowed(books)
    later = Posting(
        ident("endow"), START + 9, "test", (debit(GOVERNMENT_AND_OTHER, 1_000), credit(reserve(1), 1_000))
    )
    books.post(later)
    assert books.balance(reserve(1)) == 1_000
    assert [item.time for item in books.postings()] == [START]
    assert books.booked(ident("endow"))
    assert not books.booked(ident("other"))


@pytest.mark.parametrize(
    ("amount", "text", "party"), [(1_001, "test", 1), (1_000, "other", 1), (1_000, "test", 2)]
)
def test_an_id_never_stands_for_something_else(books: Books, amount: int, text: str, party: int) -> None:
    endowed(books)
    other = posting("endow", debit(GOVERNMENT_AND_OTHER, amount), credit(reserve(party), amount), text=text)
    with pytest.raises(Refused, match="E_ID_REUSED"):
        books.post(other)
    assert books.balance(reserve(1)) == 1_000


@pytest.mark.parametrize(
    ("lines", "account"),
    [
        ((debit(reserve(1), 1_001), credit(CIRCULATION, 1_001)), "national bank/liability/reserve:1"),
        (
            (debit(OFFLINE_LOSSES, 1_001), credit(GOVERNMENT_AND_OTHER, 1_001)),
            "national bank/asset/government and other",
        ),
        ((debit(reserve(2), 1), credit(CIRCULATION, 1)), "national bank/liability/reserve:2"),
    ],
)
def test_nothing_goes_below_zero(books: Books, lines: tuple[Line, ...], account: str) -> None:
    endowed(books)
    with pytest.raises(Refused) as caught:
        books.post(posting("too much", *lines))
    assert caught.value.code == "E_FUNDS_ACCOUNT"
    assert caught.value.facts["account"] == account
    assert not books.booked(ident("too much"))


def test_the_refusal_tells_what_is_there_and_what_is_needed(books: Books) -> None:
    endowed(books)
    with pytest.raises(Refused) as caught:
        books.post(posting("x", debit(reserve(1), 1_500), credit(CIRCULATION, 1_500)))
    assert (caught.value.facts["balance_tiyn"], caught.value.facts["needed_tiyn"]) == (1_000, 1_500)


def test_results_and_equity_may_have_either_sign(books: Books) -> None:
    books.post(posting("loss", debit(OFFLINE_LOSSES, 7), credit(CIRCULATION, 7)))
    equity, income = Account(NATIONAL_BANK, EQUITY, "capital"), Account(NATIONAL_BANK, INCOME, "fees")
    books.post(posting("minus", debit(equity, 3), debit(income, 2), credit(OFFLINE_LOSSES, 5)))
    assert (books.balance(equity), books.balance(income)) == (-3, -2)
    sheet = books.balance_sheet(NATIONAL_BANK)
    assert sheet.result_tiyn == -2 - 2
    assert sheet.assets_tiyn == sheet.claims_tiyn == 0


def test_many_are_one_commit_or_none(books: Books) -> None:
    endowed(books)
    good = posting("good", debit(reserve(1), 600), credit(CIRCULATION, 600))
    bad = posting("bad", debit(reserve(1), 600), credit(CIRCULATION, 600), text="second")
    with pytest.raises(Refused, match="E_FUNDS_ACCOUNT"):
        books.post_many([good, bad])
    assert books.balance(CIRCULATION) == 0
    assert [refusal and refusal.code for refusal in books.post_each([good, bad])] == [None, "E_FUNDS_ACCOUNT"]
    assert books.balance(CIRCULATION) == 600
    books.check()


def test_the_same_id_twice_in_one_group(books: Books) -> None:
    endowed(books)
    good = posting("good", debit(reserve(1), 600), credit(CIRCULATION, 600))
    other = posting("good", debit(reserve(1), 6), credit(CIRCULATION, 6))
    assert [refusal and refusal.code for refusal in books.post_each([good, good, other])] == [
        None,
        None,
        "E_ID_REUSED",
    ]
    assert books.balance(CIRCULATION) == 600


def test_nothing_to_post_writes_nothing(make: Maker) -> None:
    seen: list[str] = []
    books = make(seen.append)
    books.post_many([])
    assert books.post_each([]) == []
    assert seen == []
    endowed(books)
    endowed(books)
    assert seen == ["books.post.before", "books.post.after"]


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ((), "E_COUNT"),
        ((debit(CIRCULATION, 1),), "E_POSTING_SUM"),
        ((debit(CIRCULATION, 1), credit(reserve(1), 2)), "E_POSTING_SUM"),
        ((debit(CIRCULATION, 1), credit(reserves(1), 1)), "E_POSTING_SUM"),
        ((debit(CIRCULATION, 0), credit(reserve(1), 0)), "E_MONEY_RANGE"),
        ((debit(CIRCULATION, MAX_INTEGER + 1), credit(reserve(1), MAX_INTEGER + 1)), "E_MONEY_RANGE"),
        ((Line(Account("x", 9, "y"), 1), Line(Account("x", 9, "y"), -1)), "E_FIELD"),
        ((Line(Account("x", ASSET, "y" * 129), 1), Line(Account("x", LIABILITY, "z"), -1)), "E_FIELD"),
    ],
)
def test_a_wrong_posting_cannot_even_be_written(lines: tuple[Line, ...], code: str) -> None:
    with pytest.raises(Malformed) as caught:
        posting("wrong", *lines)
    assert caught.value.code == code


def test_an_id_is_32_bytes() -> None:
    with pytest.raises(Malformed, match="E_FIELD"):
        Posting(b"short", START, "x", (debit(CIRCULATION, 1), credit(reserve(1), 1)))


def test_a_balance_stays_within_the_largest_amount(books: Books) -> None:
    endowed(books, MAX_INTEGER)
    with pytest.raises(Malformed, match="E_MONEY_RANGE"):
        books.post(posting("more", debit(GOVERNMENT_AND_OTHER, 1), credit(reserve(1), 1)))


def test_an_account_s_postings_are_its_statement(books: Books) -> None:
    endowed(books)
    books.post(posting("out", debit(reserve(1), 10), credit(CIRCULATION, 10)))
    books.post(posting("else", debit(GOVERNMENT_AND_OTHER, 1), credit(reserve(2), 1)))
    assert [item.id for item in books.postings(reserve(1))] == [ident("endow"), ident("out")]
    assert [item.id for item in books.postings(CIRCULATION)] == [ident("out")]
    assert len(list(books.postings())) == 3


def test_a_stored_posting_opens_as_it_was() -> None:
    original = posting("x", debit(CIRCULATION, 3), credit(reserve(1), 3), text="қайтару")
    assert open_posting(original.id, START, original.content()) == original
    with pytest.raises(Malformed):
        open_posting(original.id, START, original.content() + b"x")


def test_a_file_keeps_the_books(tmp_path: Path) -> None:
    path = tmp_path / "books.sqlite"
    books = Books(SqliteBooks(path))
    endowed(books)
    books.close()
    again = Books(SqliteBooks(path))
    endowed(again)
    assert again.balance(reserve(1)) == 1_000
    again.close()


def test_a_changed_balance_is_noticed(tmp_path: Path) -> None:
    engine = SqliteBooks(tmp_path / "books.sqlite")
    books = Books(engine)
    endowed(books)
    engine._database.execute("UPDATE balance SET debit_tiyn = 5 WHERE name = 'reserve:1'")
    with pytest.raises(Refused, match="E_BOOKS_DAMAGED"):
        books.check()
    books.close()


def test_a_file_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="E_STORE_UNAVAILABLE"):
        SqliteBooks(tmp_path / "no" / "books.sqlite")
    books = Books(SqliteBooks(tmp_path / "books.sqlite"))
    endowed(books)
    books.close()
    with pytest.raises(Unavailable):
        books.balance(CIRCULATION)
    engine = SqliteBooks(tmp_path / "books.sqlite")
    engine._database.execute("DROP TABLE line")
    with pytest.raises(Unavailable):
        Books(engine).post(posting("x", debit(GOVERNMENT_AND_OTHER, 1), credit(reserve(1), 1)))
    assert engine.balances(None)[GOVERNMENT_AND_OTHER] == 1_000, "nothing was changed"
    engine.close()


_ACCOUNTS = [
    Account("one", ASSET, "a"),
    Account("one", LIABILITY, "b"),
    Account("one", EQUITY, "c"),
    Account("one", EXPENSE, "d"),
]
_MOVES = st.lists(
    st.tuples(st.sampled_from(_ACCOUNTS), st.sampled_from(_ACCOUNTS), st.integers(1, 50), st.integers(0, 12)),
    max_size=25,
)


@given(_MOVES)
def test_the_books_agree_with_a_simple_model(moves: list[tuple[Account, Account, int, int]]) -> None:
    books = Books(MemoryBooks())
    model: dict[Account, int] = dict.fromkeys(_ACCOUNTS, 0)
    seen: dict[int, tuple[Account, Account, int]] = {}
    for to, source, amount, number in moves:
        change = {**model}
        change[to] += amount
        change[source] -= amount
        allowed = change[_ACCOUNTS[0]] >= 0 and change[_ACCOUNTS[1]] <= 0
        refusal = books.post_each([posting(str(number), debit(to, amount), credit(source, amount))])[0]
        if number in seen:
            expected = None if seen[number] == (to, source, amount) else "E_ID_REUSED"
        elif allowed:
            expected = None
            seen[number], model = (to, source, amount), change
        else:
            expected = "E_FUNDS_ACCOUNT"
        assert (refusal and refusal.code) == expected
    assert {account: books.balance(account) for account in _ACCOUNTS} == {
        account: account.natural(amount) for account, amount in model.items()
    }
    books.check()
    sheet = books.balance_sheet("one")
    assert sheet.assets_tiyn == sheet.claims_tiyn
