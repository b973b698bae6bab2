"""A wallet saves before it sends: whatever is cut off, nothing is paid twice and nothing is forgotten."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.ledger.entry import Receipt
from cbdc.ports import SeededEntropy
from cbdc.token import TokenId
from cbdc.transaction import Seize, open_transaction
from tests.cbdc.world import World
from wallets.store import Intent, WalletStore
from wallets.store_memory import MemoryRows
from wallets.wallet import Payee, Wallet, find_tokens_of, refresh, resume, send, send_one

START_TIYN = 10_000


class Line:
    """The way to the ledger, which may be down before the ledger hears anything, or after it has answered."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        self.sent: list[bytes] = []

    def submit_many(self, transactions: Sequence[bytes]) -> list[Receipt | TengeError]:
        self.before()
        self.sent += transactions
        answers = self.world.ledger.submit_many(transactions)
        self.after()
        return answers

    def __getattr__(self, name: str) -> Any:
        return getattr(self.world.ledger, name)


class House:
    """Two wallets in one store: Ayan has money in two tokens, the shop has none."""

    def __init__(self) -> None:
        self.world = World()
        self.line = Line(self.world)
        self.store = WalletStore(MemoryRows())
        self.world.register("ayan")
        self.world.register("shop")
        self.world.fund(("ayan", START_TIYN))
        self.world.fund(("ayan", START_TIYN))
        self.directory = {self.world.kid(name): name for name in ("ayan", "shop")}
        self.ayan, self.shop = self.wallet("ayan"), self.wallet("shop")
        find_tokens_of(self.store, self.line, [self.ayan, self.shop])

    def wallet(self, name: str) -> Wallet:
        world = self.world
        return Wallet(name, world.key(name), self.store, self.line, SeededEntropy(1), world.clock)

    def payment(self, number: int, amount_tiyn: int = 3_000, taken: set[TokenId] | None = None) -> Intent:
        payee = Payee(self.world.kid("shop"), amount_tiyn)
        return self.ayan.prepare_payment(bytes([number]) * 16, [payee], taken=taken)

    def send(self, *intents: Intent) -> list[Receipt | TengeError]:
        return send(self.store, self.line, intents, self.directory, self.world.clock)

    def resume(self) -> int:
        return resume(self.store, self.line, self.directory, self.world.clock)

    def agrees(self) -> bool:
        """Whether both wallets show just what the ledger holds for them."""
        return all(
            [token.id for token in wallet.tokens()] == [i for i, _ in self.world.ledger.owned(wallet.kid)]
            for wallet in (self.ayan, self.shop)
        )


@pytest.fixture
def house() -> House:
    return House()


def down() -> None:
    raise Unavailable("E_STORE_UNAVAILABLE", detail="the line is down")


def test_a_payment_moves_money_and_brings_the_change_back(house: House) -> None:
    receipt = send_one(house.store, house.line, house.payment(1), house.directory, house.world.clock)
    assert receipt.index == house.world.ledger.size - 1
    assert (house.ayan.balance_tiyn(), house.shop.balance_tiyn()) == (2 * START_TIYN - 3_000, 3_000)
    assert house.agrees()
    assert [row.amount_tiyn for row in house.store.history("ayan")] == [3_000]
    assert [row.direction for row in house.store.history("shop")] == ["in"]


def test_an_intent_is_saved_before_anything_is_sent(house: House) -> None:
    intent = house.payment(1)

    def look() -> None:
        assert house.store.intent("ayan", intent.id) == intent
        assert [house.store.token("ayan", chosen).state for chosen in intent.inputs] == ["pending"]  # type: ignore[union-attr]

    house.line.before = look
    house.send(intent)
    assert house.line.sent == [intent.body]


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_line_that_breaks_leaves_the_payment_open_and_resuming_pays_once(house: House, moment: str) -> None:
    intent = house.payment(1)
    setattr(house.line, moment, down)
    with pytest.raises(Unavailable):
        house.send(intent)
    assert [one.id for one in house.store.open_intents()] == [intent.id]
    assert house.ayan.balance_tiyn() == START_TIYN, "what may be spent is not offered again"
    assert house.ayan.total_tiyn() == 2 * START_TIYN
    setattr(house.line, moment, lambda: None)
    assert house.resume() == 1
    assert house.resume() == 0
    assert house.world.ledger.supply().wallets_tiyn == 2 * START_TIYN
    assert house.shop.balance_tiyn() == 3_000
    assert house.agrees()


def test_an_answer_that_is_no_verdict_leaves_the_payment_open(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = house.payment(1)
    unreachable = Unavailable("E_STORE_UNAVAILABLE", detail="one of many is not answered")
    monkeypatch.setattr(house.line, "submit_many", lambda transactions: [unreachable for _ in transactions])
    assert house.send(intent) == [unreachable]
    assert [one.id for one in house.store.open_intents()] == [intent.id]
    assert [house.store.token("ayan", chosen).state for chosen in intent.inputs] == ["pending"]  # type: ignore[union-attr]
    monkeypatch.undo()
    assert house.resume() == 1
    assert house.agrees()


def test_the_same_intent_asked_again_is_the_same_payment(house: House) -> None:
    first = house.payment(1)
    house.send(first)
    again = house.payment(1, amount_tiyn=5_000)
    assert (again.id, again.body, again.state) == (first.id, first.body, "done")
    assert house.send(again) == house.send(again)
    assert house.shop.balance_tiyn() == 3_000


def test_two_intents_are_two_payments_though_everything_else_is_equal(house: House) -> None:
    first, second = house.payment(1), house.payment(2)
    nonces = {open_transaction(one.body, house.world.network).record.nonce for one in (first, second)}
    assert len(nonces) == 2


def test_a_batch_never_chooses_a_token_twice(house: House) -> None:
    taken: set[TokenId] = set()
    batch = [house.payment(number, taken=taken) for number in (1, 2)]
    assert not set(batch[0].inputs) & set(batch[1].inputs)
    assert not any(isinstance(answer, TengeError) for answer in house.send(*batch))
    assert house.shop.balance_tiyn() == 6_000
    with pytest.raises(Refused) as caught:
        house.payment(3, amount_tiyn=START_TIYN, taken={token.id for token in house.ayan.tokens()})
    assert caught.value.code == "E_FUNDS"


def test_a_refused_payment_frees_its_tokens_and_keeps_its_answer(house: House) -> None:
    house.world.freeze("ayan")
    intent = house.payment(1)
    (answer,) = house.send(intent)
    assert isinstance(answer, Refused)
    assert answer.code == "E_FROZEN"
    assert house.ayan.balance_tiyn() == 2 * START_TIYN
    (again,) = house.send(intent)
    assert isinstance(again, Refused)
    assert again.code == "E_FROZEN"


def test_money_that_a_court_took_leaves_the_list(house: House) -> None:
    world = house.world
    gone, token = world.ledger.owned(world.kid("ayan"))[0]
    record = Seize(world.nonce(), (gone,), (world.token("budget", token.amount_tiyn),), "case 1")
    world.do(record, "enforcement")
    assert not house.agrees()
    refresh(house.store, house.line, house.ayan)
    assert house.agrees()
    assert house.ayan.total_tiyn() == START_TIYN
