"""The treasury: money with a purpose, handed out to many, returned when its time is over."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.ledger.entry import Receipt
from cbdc.marks import MarkDefinition
from cbdc.money import tenge
from cbdc.ports import ManualClock
from cbdc.record import Signed
from cbdc.sales import Answer
from cbdc.system import System
from cbdc.token import CANTEEN, PERSON, PUPIL, TREASURY_ACCOUNT
from cbdc.transaction import Transfer
from cbdc.treasury import Voucher
from tests.cbdc.institutions import START, check_books, holdings, ident, key, make_system, pay, stock

UNTIL = START + 1_000


@pytest.fixture
def system() -> System:
    made = make_system()
    made.national_bank.endow(ident("taxes"), 0, tenge(1_000_000))
    made.treasury.order_tokens(ident("budget"), tenge(1_000_000))
    return made


def pupils(system: System, count: int, tier: int = 2) -> list[bytes]:
    bank = system.banks[1]
    for number in range(count):
        bank.open_account(ident(f"pupil {number}"), f"pupil {number}", str(number), tier, PUPIL)
    bank.register_keys([(ident(f"pupil {n}"), key(f"pupil {n}")) for n in range(count)])
    return [key(f"pupil {number}").public.kid for number in range(count)]


def meals(system: System, label: str = "school meals") -> Signed[MarkDefinition]:
    edges = [(TREASURY_ACCOUNT, (PUPIL,)), (PUPIL, (CANTEEN,))]
    return system.treasury.define(label, 7, edges, START, UNTIL, release_categories=[CANTEEN])


def codes(answers: list[Answer]) -> list[str]:
    return [answer.code if isinstance(answer, TengeError) else "" for answer in answers]


def test_vouchers_reach_many_wallets_with_their_mark(system: System) -> None:
    kids = pupils(system, 260)
    mark = meals(system)
    rows = [Voucher(kid, tenge(901)) for kid in kids]
    size = system.ledger.size
    answers = system.treasury.distribute(ident("monday"), mark, rows)
    assert codes(answers) == [""] * 260
    assert system.ledger.size == size + 2, "250 wallets a transaction"
    assert all(holdings(system, kid, mark.oid) == tenge(901) for kid in kids)
    assert system.ledger.marked_tiyn(mark.oid) == 260 * tenge(901)
    assert system.treasury.distribute(ident("monday"), mark, rows) == answers
    assert system.ledger.size == size + 2, "the same distribution pays nobody twice"
    check_books(system)


def test_one_wallet_s_refusal_refuses_one_row(system: System) -> None:
    kids = pupils(system, 40)
    rows = [Voucher(kid, 100) for kid in kids]
    rows[13] = Voucher(bytes(32), 100)
    mark = meals(system)
    answers = system.treasury.distribute(ident("d"), mark, rows)
    assert codes(answers) == ["E_KEY_UNKNOWN" if place == 13 else "" for place in range(40)]
    assert system.treasury.distribute(ident("d"), mark, rows) == answers or codes(answers)[13]
    assert system.ledger.marked_tiyn(mark.oid) == 3_900


def test_a_refused_row_is_judged_again(system: System) -> None:
    kids = pupils(system, 3, tier=1)
    mark = meals(system)
    rows = [Voucher(kids[0], tenge(10)), Voucher(kids[1], tenge(12_976)), Voucher(kids[2], tenge(10))]
    assert codes(system.treasury.distribute(ident("d"), mark, rows)) == ["", "E_LIMIT_HOLDING", ""]
    late = key("late")
    rows = [*rows, Voucher(late.public.kid, 5)]
    assert codes(system.treasury.distribute(ident("e"), mark, rows[3:])) == ["E_KEY_UNKNOWN"]
    system.banks[1].open_account(ident("late"), "late", "9", 2, PUPIL)
    system.banks[1].register_key(ident("late"), late)
    assert codes(system.treasury.distribute(ident("e"), mark, rows[3:])) == [""]
    assert holdings(system, late.public.kid, mark.oid) == 5


@pytest.mark.parametrize("change", ["amount", "row", "mark", "order"])
def test_a_distribution_s_id_stands_for_its_rows(system: System, change: str) -> None:
    kids = pupils(system, 2)
    mark: Signed[MarkDefinition] | None = meals(system)
    rows = [Voucher(kid, 10) for kid in kids]
    system.treasury.distribute(ident("d"), mark, rows)
    if change == "amount":
        rows[1] = Voucher(kids[1], 11)
    elif change == "row":
        rows.append(Voucher(kids[1], 10))
    elif change == "mark":
        mark = None
    else:
        rows.reverse()
    with pytest.raises(Refused, match="E_ID_REUSED"):
        system.treasury.distribute(ident("d"), mark, rows)


def test_the_treasury_gives_no_more_than_it_has(system: System) -> None:
    kids = pupils(system, 2)
    with pytest.raises(Refused, match="E_TILL"):
        system.treasury.distribute(ident("d"), meals(system), [Voucher(kid, tenge(500_001)) for kid in kids])
    assert system.ledger.supply().wallets_tiyn == 0


@pytest.mark.parametrize(("kid", "amount"), [(b"short", 5), (ident("x"), 0), (ident("x"), -1)])
def test_a_row_of_nothing_is_malformed(system: System, kid: bytes, amount: int) -> None:
    with pytest.raises(Malformed):
        system.treasury.distribute(ident("d"), None, [Voucher(kid, amount)])


def test_free_money_is_handed_out_too(system: System) -> None:
    kids = pupils(system, 2)
    assert codes(system.treasury.distribute(ident("d"), None, [Voucher(kid, 7) for kid in kids])) == ["", ""]
    assert holdings(system, kids[0]) == 7
    assert system.treasury.distribute(ident("empty"), None, []) == []


def test_a_mark_has_one_definition(system: System) -> None:
    mark = meals(system)
    assert meals(system).oid == mark.oid
    assert meals(system, "other").oid != mark.oid
    assert [kept.record.label for kept in system.treasury.definitions()] == ["school meals", "other"]
    with pytest.raises(Malformed):
        meals(system, "x" * 65)


def test_the_definition_travels_until_the_ledger_has_it(system: System) -> None:
    kids = pupils(system, 1)
    mark = meals(system)
    first = system.treasury.distribute(ident("a"), mark, [Voucher(kids[0], 5)])[0]
    second = system.treasury.distribute(ident("b"), mark, [Voucher(kids[0], 5)])[0]
    records = [
        system.ledger.transaction(answer.index).record
        for answer in (first, second)
        if isinstance(answer, Receipt)
    ]
    assert [bool(record.definition) for record in records if isinstance(record, Transfer)] == [True, False]


class Killed(BaseException):
    """The process ends here."""


def dies(patch: pytest.MonkeyPatch, system: System) -> None:
    """Let the process die when it would next write down that the ledger has a definition."""

    def killed(definition: Signed[MarkDefinition], published: bool) -> None:
        assert published
        raise Killed

    patch.setattr(system.treasury, "_keep", killed)


def test_killed_after_the_ledger_took_it_the_definition_travels_once(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    kids = pupils(system, 1)
    mark, rows = meals(system), [Voucher(kids[0], 5)]
    with monkeypatch.context() as patch:
        dies(patch, system)
        with pytest.raises(Killed):
            system.treasury.distribute(ident("a"), mark, rows)
    assert codes(system.treasury.distribute(ident("a"), mark, rows)) == [""]
    second = system.treasury.distribute(ident("b"), mark, rows)[0]
    assert isinstance(second, Receipt)
    record = system.ledger.transaction(second.index).record
    assert isinstance(record, Transfer)
    assert not record.definition


def test_killed_while_publishing_it_is_published_once(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = meals(system)
    with monkeypatch.context() as patch:
        dies(patch, system)
        with pytest.raises(Killed):
            system.treasury.publish(mark)
    size = system.ledger.head().record.size
    system.treasury.publish(mark)
    system.treasury.publish(mark)
    assert system.ledger.head().record.size == size


def test_a_definition_that_was_not_taken_is_sent_again(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = meals(system)
    down = Unavailable("E_STORE_UNAVAILABLE", detail="test")

    def silent(transactions: list[bytes]) -> list[Answer]:
        raise down

    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(system.ledger, "submit", silent)
            patch.setattr(system.ledger, "submit_many", lambda transactions: [down])
            with pytest.raises(Unavailable):
                system.treasury.publish(mark)
    # The account's money moved meanwhile, so what was written down cannot stand any more.
    system.treasury.distribute(ident("a"), None, [Voucher(pupils(system, 1)[0], 5)])
    size = system.ledger.head().record.size
    system.treasury.publish(mark)
    assert system.ledger.head().record.size == size + 1
    assert system.treasury.available_tiyn() == tenge(1_000_000) - 5


def test_a_mark_binds_from_the_treasury_on(system: System) -> None:
    bank = system.banks[1]
    bank.open_account(ident("person"), "person", "1", 2, PERSON)
    bank.register_key(ident("person"), key("person"))
    kids = pupils(system, 1)
    mark = meals(system)
    wrong = system.treasury.distribute(ident("d"), mark, [Voucher(key("person").public.kid, 5)])
    assert codes(wrong) == ["E_MARK_EDGE"]
    system.treasury.distribute(ident("e"), mark, [Voucher(kids[0], tenge(5))])
    gift = pay(system, key("pupil 0"), key("person").public.kid, tenge(5), mark=mark.oid)
    with pytest.raises(Refused, match="E_MARK_EDGE"):
        system.ledger.submit(gift.encode())
    with pytest.raises(Refused, match="E_MARK_BLOCKS"):
        bank.defund(pay(system, key("pupil 0"), bank.inventory_kid, tenge(5), mark=mark.oid).encode())


def test_what_is_left_returns_after_the_last_day(system: System) -> None:
    kids = pupils(system, 5)
    mark = meals(system)
    before = system.treasury.available_tiyn()
    system.treasury.distribute(ident("d"), mark, [Voucher(kid, 100) for kid in kids])
    assert codes(system.treasury.expire(mark, kids)) == ["E_MARK_NOT_OVER"]
    clock = system.clock
    assert isinstance(clock, ManualClock)
    clock.move_to(UNTIL + 1)
    answers = system.treasury.expire(mark, [*kids, ident("nobody")])
    assert codes(answers) == [""]
    assert system.treasury.returned_tiyn(answers) == 500
    assert system.treasury.available_tiyn() == before
    assert system.treasury.expire(mark, kids) == []
    assert system.ledger.marked_tiyn(mark.oid) == 0
    check_books(system)


def test_the_treasury_draws_through_a_bank_and_back(system: System) -> None:
    stock(system)
    bank = system.banks[1]
    bank.open_account(ident("treasury"), "Treasury", "BIN", 4, TREASURY_ACCOUNT, tenge(1_000))
    bank.customers.attach([(system.treasury.account_kid, ident("treasury"))])
    first = system.treasury.draw(ident("draw"), bank, ident("treasury"), tenge(600))
    assert system.treasury.draw(ident("draw"), bank, ident("treasury"), tenge(600)) == first
    assert bank.deposit_tiyn(ident("treasury")) == tenge(400)
    assert system.treasury.available_tiyn() == tenge(1_000_600)
    with pytest.raises(Refused, match="E_FUNDS_ACCOUNT"):
        system.treasury.draw(ident("more"), bank, ident("treasury"), tenge(401))
    bank.defund(pay(system, key("treasury/account"), bank.inventory_kid, tenge(100)).encode())
    assert bank.deposit_tiyn(ident("treasury")) == tenge(500)
    check_books(system)


def test_an_unanswered_distribution_sends_the_same_bytes_again(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    kids = pupils(system, 2)
    mark = meals(system)
    rows = [Voucher(kid, 10) for kid in kids]
    down = Unavailable("E_STORE_UNAVAILABLE", detail="test")
    sent: list[bytes] = []

    def silent(transactions: list[bytes]) -> list[Answer]:
        sent.extend(transactions)
        return [down for _ in transactions]

    with monkeypatch.context() as patch:
        patch.setattr(system.ledger, "submit_many", silent)
        assert codes(system.treasury.distribute(ident("d"), mark, rows)) == ["E_STORE_UNAVAILABLE"] * 2
    system.ledger.submit(sent[0])
    answers = system.treasury.distribute(ident("d"), mark, rows)
    assert codes(answers) == ["", ""]
    assert [holdings(system, kid, mark.oid) for kid in kids] == [10, 10]


def test_an_account_that_moves_all_the_time_refuses_the_rows(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    kids = pupils(system, 1)
    spent = Refused("E_TOKEN_SPENT", transaction_id=bytes(32), output=0)
    monkeypatch.setattr(system.ledger, "submit_many", lambda transactions: [spent for _ in transactions])
    assert codes(system.treasury.distribute(ident("d"), None, [Voucher(kids[0], 10)])) == ["E_TOKEN_SPENT"]


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 300)), max_size=30), st.integers(1, 5))
def test_each_row_is_paid_once_or_refused(rows: list[tuple[int, int]], repeats: int) -> None:
    """Pupils 0..4 have keys, 5..9 have none, whatever the order and however often it is asked."""
    system = make_system()
    system.national_bank.endow(ident("taxes"), 0, tenge(1_000))
    system.treasury.order_tokens(ident("budget"), tenge(1_000))
    kids = pupils(system, 5) + [ident(f"none {number}") for number in range(5)]
    vouchers = [Voucher(kids[number], amount) for number, amount in rows]
    mark = meals(system)
    for _ in range(repeats):
        answers = system.treasury.distribute(ident("d"), mark, vouchers)
    assert codes(answers) == ["E_KEY_UNKNOWN" if number > 4 else "" for number, _ in rows]
    for place in range(5):
        paid = sum(amount for number, amount in rows if number == place)
        assert holdings(system, kids[place], mark.oid) == paid
