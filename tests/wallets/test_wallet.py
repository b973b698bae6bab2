"""A person's online money: what each preparation signs, what history tells, and a wallet that is killed anywhere."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Refused, TengeError
from cbdc.ledger.entry import Receipt
from cbdc.ports import SeededEntropy, no_checkpoint
from cbdc.token import CANTEEN, PUPIL, SUPPLIER, KeyLock, Token
from cbdc.transaction import LoadOffline, ReleaseMark, Transfer, open_transaction
from tests.cbdc.world import World
from wallets.store import Intent, WalletStore
from wallets.store_memory import memory_store
from wallets.store_sqlite import sqlite_store
from wallets.wallet import (
    MAX_TOKENS_A_PAYMENT,
    Payee,
    Wallet,
    amount_of,
    answer_of,
    find_tokens_of,
    resume,
    send,
    send_one,
)

NAMES = ("ayan", "shop", "dana")


class House:
    """A ledger, a store, and three wallets in it; Ayan has 10 000 tiyn in two tokens."""

    def __init__(self, store: WalletStore | None = None) -> None:
        self.world = World(name="wallet")
        for name in NAMES:
            self.world.register(name)
        self.world.fund(("ayan", 6_000))
        self.world.fund(("ayan", 4_000))
        self.directory = {self.world.kid(name): name for name in NAMES}
        self.open(store or memory_store(no_checkpoint))
        find_tokens_of(self.store, self.world.ledger, list(self.wallets.values()))

    def open(self, store: WalletStore) -> None:
        """Use another store (the same one, after a crash)."""
        self.store = store
        self.wallets = {name: self.wallet(name) for name in NAMES}
        self.ayan, self.shop, self.dana = (self.wallets[name] for name in NAMES)

    def wallet(self, name: str) -> Wallet:
        world = self.world
        return Wallet(name, world.key(name), self.store, world.ledger, SeededEntropy(7), world.clock)

    def pay(self, number: int, payer: str, payee: str, amount_tiyn: int) -> Intent:
        return self.wallets[payer].prepare_payment(
            number.to_bytes(16, "big"), [Payee(self.world.kid(payee), amount_tiyn)]
        )

    def send(self, *intents: Intent) -> list[Receipt | TengeError]:
        return send(self.store, self.world.ledger, intents, self.directory, self.world.clock)

    def balances(self) -> list[int]:
        return [wallet.balance_tiyn() for wallet in self.wallets.values()]

    def agrees(self) -> bool:
        """Whether every wallet shows just what the ledger holds for it."""
        return all(
            [token.id for token in wallet.tokens()] == [i for i, _ in self.world.ledger.owned(wallet.kid)]
            for wallet in self.wallets.values()
        )


@pytest.fixture
def house() -> House:
    return House()


def code_of(answer: Receipt | TengeError) -> str:
    return answer.code if isinstance(answer, TengeError) else ""


# --- preparing ---


def test_a_payment_signs_the_payee_and_the_change(house: House) -> None:
    intent = house.pay(1, "ayan", "shop", 2_500)
    record = open_transaction(intent.body, house.world.network).record
    assert isinstance(record, Transfer)
    assert record.outputs == (house.world.token("shop", 2_500), house.world.token("ayan", 1_500))
    assert (intent.kind, intent.wallet, len(intent.inputs), amount_of(intent, house.world.network)) == (
        "pay",
        "ayan",
        1,
        4_000,
    )
    assert house.store.intent("ayan", intent.id) is None, "prepared, not saved"


def test_an_exact_payment_has_no_change_and_many_payees_are_one_transaction(house: House) -> None:
    kids = [house.world.kid(name) for name in ("shop", "dana")]
    intent = house.ayan.prepare_payment(bytes(16), [Payee(kids[0], 3_000), Payee(kids[1], 7_000)])
    record = open_transaction(intent.body, house.world.network).record
    assert [token.amount_tiyn for token in record.creates] == [3_000, 7_000]
    assert code_of(house.send(intent)[0]) == ""
    assert house.balances() == [0, 3_000, 7_000]


@pytest.mark.parametrize(
    ("amount_tiyn", "code"), [(10_001, "E_FUNDS"), (-1, "E_MONEY_RANGE"), (2**53, "E_MONEY_RANGE")]
)
def test_what_cannot_be_paid(house: House, amount_tiyn: int, code: str) -> None:
    with pytest.raises(TengeError) as caught:
        house.pay(1, "ayan", "shop", amount_tiyn)
    assert caught.value.code == code
    assert house.store.open_intents() == []


def test_nothing_is_no_payment(house: House) -> None:
    with pytest.raises(TengeError):
        house.send(house.pay(1, "ayan", "shop", 0))


def test_too_many_small_tokens_are_merged_first(house: House) -> None:
    world = house.world
    world.fund(*(("dana", 10) for _ in range(200)))
    world.fund(*(("dana", 10) for _ in range(100)))
    find_tokens_of(house.store, world.ledger, [house.dana])
    with pytest.raises(Refused) as caught:
        house.pay(1, "dana", "shop", 2_600)
    assert caught.value.code == "E_FUNDS_SCATTERED"
    merge = house.dana.prepare_merge(bytes(16), house.dana.tokens(b"")[:MAX_TOKENS_A_PAYMENT], b"")
    assert (merge.kind, len(merge.inputs)) == ("merge", 250)
    house.send(merge)
    assert len(house.dana.tokens()) == 51
    house.send(house.pay(2, "dana", "shop", 2_600))
    assert house.balances() == [10_000, 2_600, 400]
    assert house.agrees()


def test_a_merge_to_another_is_a_sale(house: House) -> None:
    inventory = house.world.kid("inventory1")
    intent = house.ayan.prepare_merge(bytes(16), house.ayan.tokens(), b"", payee=inventory)
    assert intent.kind == "sell"
    house.send(intent)
    assert house.ayan.prepare_merge(bytes(16), [], b"").id == intent.id, "the same id is the same intent"
    assert house.balances() == [0, 0, 0]
    assert house.world.ledger.owned(inventory)


def test_a_load_locks_one_escrow_token_for_each_note(house: House) -> None:
    world = house.world
    device = bytes(32)
    intent = house.ayan.prepare_load(bytes(16), [1_000, 2_000], world.kid("escrow"), device, 5)
    record = open_transaction(intent.body, world.network).record
    assert isinstance(record, LoadOffline)
    assert (record.device, record.load_number) == (device, 5)
    escrow = KeyLock(world.kid("escrow"))
    assert record.outputs[:2] == (Token(1_000, escrow), Token(2_000, escrow))
    assert code_of(house.send(intent)[0]) == ""
    assert world.ledger.supply().escrow_tiyn == 3_000
    assert house.ayan.total_tiyn() == 7_000
    assert [row.kind for row in house.store.history("ayan")] == ["load"]
    with pytest.raises(Refused):
        house.ayan.prepare_load(bytes([1]) * 16, [8_000], world.kid("escrow"), device, 6)


def test_a_release_drops_the_mark_on_a_statement(house: House) -> None:
    world = house.world
    for name, category in (("pupil", PUPIL), ("canteen", CANTEEN), ("supplier", SUPPLIER)):
        world.register(name, category, tier=0)
    definition = world.definition()
    world.mark(definition, ("pupil", 900))
    world.pay("pupil", ("canteen", 900), mark=definition.oid)
    world.pay("canteen", ("supplier", 900), mark=definition.oid)
    supplier = house.wallet("supplier")
    find_tokens_of(house.store, world.ledger, [supplier])
    assert (supplier.balance_tiyn(), supplier.balance_tiyn(definition.oid)) == (0, 900)
    statement = world.statement(definition.oid, "supplier", 900).encode()
    bare = supplier.prepare_release(bytes(16), supplier.tokens(definition.oid), [])
    assert code_of(house.send(bare)[0]) == "E_MARK_EVIDENCE"
    intent = supplier.prepare_release(bytes([1]) * 16, supplier.tokens(definition.oid), [statement])
    assert isinstance(open_transaction(intent.body, world.network).record, ReleaseMark)
    house.directory[supplier.kid] = "supplier"
    assert code_of(house.send(intent)[0]) == ""
    assert (supplier.balance_tiyn(), supplier.balance_tiyn(definition.oid)) == (900, 0)
    assert house.store.history("supplier")[0].direction == "own"


def test_only_an_issuer_puts_a_mark_on_money(house: House) -> None:
    world = house.world
    definition = world.definition()
    payees = [Payee(world.kid("shop"), 100)]
    intent = house.ayan.prepare_payment(
        bytes(16), payees, output_mark=definition.oid, definition=definition.encode()
    )
    outputs = open_transaction(intent.body, world.network).record.creates
    assert [token.mark for token in outputs] == [definition.oid, b""]
    assert code_of(house.send(intent)[0]) == "E_MARK_ISSUER"
    assert house.balances() == [10_000, 0, 0]


def test_the_same_intent_id_gives_the_same_bytes_on_another_machine() -> None:
    assert House().pay(1, "ayan", "shop", 5) == House().pay(1, "ayan", "shop", 5)


# --- history ---


def test_history_tells_both_sides(house: House) -> None:
    house.send(house.pay(1, "ayan", "shop", 2_500))
    house.send(house.pay(2, "shop", "ayan", 500))
    told = [(row.direction, row.amount_tiyn, row.other) for row in house.store.history("ayan")]
    assert told == [("in", 500, "shop"), ("out", 2_500, "shop")]
    told = [(row.direction, row.amount_tiyn, row.other) for row in house.store.history("shop")]
    assert told == [("out", 500, "ayan"), ("in", 2_500, "ayan")]


def test_a_payment_to_a_stranger_is_told_without_a_name(house: House) -> None:
    del house.directory[house.world.kid("shop")]
    house.send(house.pay(1, "ayan", "shop", 2_500))
    assert house.store.history("shop") == []
    assert house.shop.total_tiyn() == 0
    assert find_tokens_of(house.store, house.world.ledger, [house.shop]) == 1
    assert find_tokens_of(house.store, house.world.ledger, [house.shop]) == 0
    assert house.shop.total_tiyn() == 2_500
    assert house.store.history("ayan")[0].other == ""


def test_a_lost_list_is_found_again(house: House) -> None:
    house.send(house.pay(1, "ayan", "shop", 2_500))
    house.open(memory_store(no_checkpoint))
    assert house.balances() == [0, 0, 0]
    assert find_tokens_of(house.store, house.world.ledger, list(house.wallets.values())) == 3
    assert house.balances() == [7_500, 2_500, 0]
    assert house.agrees()


# --- answers ---


def test_a_batch_is_answered_in_its_order(house: House) -> None:
    good, poor = house.pay(1, "ayan", "shop", 1_000), house.pay(2, "ayan", "dana", 500)
    assert [code_of(answer) for answer in house.send(good)] == [""]
    # The second was prepared with a token that the first has spent meanwhile; whoever prepares it anew may send it.
    with pytest.raises(Refused) as caught:
        house.send(poor)
    assert caught.value.code == "E_WALLET_TOKEN_TAKEN"
    assert [code_of(answer) for answer in house.send(good, house.pay(2, "ayan", "dana", 500))] == ["", ""]
    assert house.send() == []


def test_closed_intents_are_answered_from_the_store_and_the_ledger(house: House) -> None:
    done, refused = house.pay(1, "ayan", "shop", 1_000), house.pay(2, "ayan", "dana", 7_000)
    receipt = send_one(house.store, house.world.ledger, done, house.directory, house.world.clock)
    house.world.freeze("ayan")
    refused = house.pay(2, "ayan", "dana", 7_000)
    with pytest.raises(Refused) as caught:
        send_one(house.store, house.world.ledger, refused, house.directory, house.world.clock)
    assert caught.value.code == "E_FROZEN"
    for intent, answer in ((done, receipt.index), (refused, "E_FROZEN")):
        stored = house.store.intent("ayan", intent.id)
        assert stored is not None
        found = answer_of(stored, house.world.ledger)
        assert answer == (found.code if isinstance(found, TengeError) else found.index)
        (again,) = house.send(intent)
        assert answer == (again.code if isinstance(again, TengeError) else again.index)


# --- a wallet that is killed ---


class Killed(BaseException):
    """The process ends here."""


class Trap:
    """A checkpoint that kills at one point."""

    def __init__(self) -> None:
        self.point = ""

    def __call__(self, name: str) -> None:
        if name == self.point:
            raise Killed


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[House, Trap, Path]]:
    trap = Trap()
    house = House(sqlite_store(tmp_path / "wallets.sqlite", trap))
    yield house, trap, tmp_path / "wallets.sqlite"
    house.store.close()


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("point", ["wallet.intent.after", "wallet.done.before", "wallet.done.after"])
def test_killed_at_any_write_point(kept: tuple[House, Trap, Path], point: str, frozen: bool) -> None:
    """After a restart from the file, resuming sends what was open; money moved once, or was freed."""
    house, trap, path = kept
    if frozen:
        house.world.freeze("ayan")
    intent = house.pay(1, "ayan", "shop", 2_500)
    trap.point = point
    with pytest.raises(Killed):
        house.send(intent)
    house.store.close()
    house.open(sqlite_store(path, no_checkpoint))
    left = len(house.store.open_intents())
    assert left == (0 if point == "wallet.done.after" else 1)
    closed = resume(house.store, house.world.ledger, house.directory, house.world.clock)
    assert closed == left
    assert house.balances() == ([10_000, 0, 0] if frozen else [7_500, 2_500, 0])
    assert house.agrees()
    assert resume(house.store, house.world.ledger, house.directory, house.world.clock) == 0
    assert len(house.store.history("shop")) == (0 if frozen else 1)


_PAYMENTS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES), st.integers(1, 9_000), st.booleans()),
    max_size=12,
)


@given(_PAYMENTS)
def test_whatever_is_paid_and_wherever_it_is_killed_the_money_adds_up(
    payments: list[tuple[str, str, int, bool]],
) -> None:
    trap = Trap()
    house = House(memory_store(trap))
    for number, (payer, payee, amount, killed) in enumerate(payments):
        trap.point = "wallet.done.before" if killed else ""
        try:
            house.send(house.pay(number, payer, payee, amount))
        except Refused as error:
            code = error.code
        except Killed:
            code = "killed"
        else:
            code = ""
        assert code in {"", "killed", "E_FUNDS"}
    trap.point = ""
    resume(house.store, house.world.ledger, house.directory, house.world.clock)
    assert sum(house.balances()) == 10_000
    assert house.agrees()
