"""Opening a ledger: an undamaged journal is taken as it is, a damaged one is not opened, and nobody else opens any."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cbdc.ledger.entry import LogHead, leaf_hash
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.store import EntryRow
from cbdc.ports import ManualClock
from cbdc.record import open_envelope, sign
from tests.cbdc.scene import scene
from tests.cbdc.test_ledger import UnreadableStore, forked
from tests.cbdc.world import START, World, answer_of, picture


def test_reopening_gives_the_same_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    world = World(SqliteStore(path))
    world.register("ayan")
    world.fund(("ayan", 500))
    payment = world.sign(world.payment("ayan", ("inventory1", 100)), "ayan")
    receipt, head = world.submit(payment), world.ledger.head()
    world.store.close()
    ledger = Ledger(SqliteStore(path), world.key("ledger"), world.clock)
    assert (ledger.head(), ledger.size, ledger.network) == (head, head.record.size, world.network)
    assert ledger.submit(payment.encode()) == receipt
    assert ledger.supply().wallets_tiyn == 400
    assert ledger.consistency(3)
    ledger._store.close()


def test_an_empty_store_is_no_ledger() -> None:
    assert answer_of(Ledger, MemoryStore(), scene().key("ledger"), ManualClock(START)) == "E_LEDGER_EMPTY"


def test_a_ledger_is_created_once() -> None:
    world = World()
    arguments = (world.store, world.genesis_payload, world.key("ledger"), world.clock)
    before = picture(world.store)
    assert answer_of(Ledger.create, *arguments) == "E_STORE_CONFLICT"
    assert picture(world.store) == before


@pytest.mark.parametrize(
    ("signer", "now", "code"),
    [("operator", START, "E_AUTHORITY"), ("ledger", START - 1, "E_AUTHORITY_TIME")],
)
def test_who_is_no_ledger_creates_nothing(signer: str, now: int, code: str) -> None:
    world, store = World(), MemoryStore()
    answer = answer_of(Ledger.create, store, world.genesis_payload, world.key(signer), ManualClock(now))
    assert answer == code
    assert store.size() == 0


def test_who_is_no_ledger_opens_none() -> None:
    world = World()
    assert answer_of(Ledger, world.store, world.key("operator"), world.clock) == "E_AUTHORITY"


def damaged(change: Callable[[World, list[EntryRow], list[bytes]], None]) -> str:
    """What opening says of a store whose entries and heads were changed by hand."""
    world = World()
    world.register("ayan")
    rows, heads = list(world.store.entries()), [head for _, head in world.store.heads()]
    change(world, rows, heads)

    class Tampered(MemoryStore):
        pass

    store = Tampered()
    store._entries, store._heads = rows, heads
    store._sizes = [len(rows) - len(heads) + place + 1 for place in range(len(heads))]
    return answer_of(Ledger, store, world.key("ledger"), world.clock)


def forge(world: World, rows: list[EntryRow], heads: list[bytes]) -> None:
    last = open_envelope(heads[-1], LogHead, world.network)
    heads[-1] = sign(last.record, world.network, world.key("operator")).encode()


def relabel(world: World, rows: list[EntryRow], heads: list[bytes]) -> None:
    last = open_envelope(heads[-1], LogHead, world.network).record
    heads[-1] = sign(replace(last, time=last.time + 1), world.network, world.key("ledger")).encode()


def rewrite(world: World, rows: list[EntryRow], heads: list[bytes]) -> None:
    data = rows[-1].data[:-1] + bytes([rows[-1].data[-1] ^ 1])
    rows[-1] = replace(rows[-1], data=data)


def rewrite_with_leaf(world: World, rows: list[EntryRow], heads: list[bytes]) -> None:
    rewrite(world, rows, heads)
    rows[-1] = replace(rows[-1], leaf=leaf_hash(rows[-1].data))


def remove(world: World, rows: list[EntryRow], heads: list[bytes]) -> None:
    del rows[3]


def cut(world: World, rows: list[EntryRow], heads: list[bytes]) -> None:
    del rows[-1]


def behead(world: World, rows: list[EntryRow], heads: list[bytes]) -> None:
    heads.clear()


def garble(world: World, rows: list[EntryRow], heads: list[bytes]) -> None:
    heads[-1] = heads[-1][:-1]


def regenesis(world: World, rows: list[EntryRow], heads: list[bytes]) -> None:
    rows[0] = replace(rows[0], data=rows[0].data[:-1] + bytes([rows[0].data[-1] ^ 1]))


@pytest.mark.parametrize(
    "change",
    [forge, relabel, rewrite, rewrite_with_leaf, remove, cut, behead, garble, regenesis],
    ids=lambda change: change.__name__,
)
def test_a_damaged_journal_is_not_opened(
    change: Callable[[World, list[EntryRow], list[bytes]], None],
) -> None:
    assert damaged(change) == "E_LEDGER_DAMAGED"


def test_an_undamaged_copy_is_opened() -> None:
    assert damaged(lambda world, rows, heads: None) == "ok"


def test_a_store_that_fails_while_it_is_opened_is_not_damaged() -> None:
    store = UnreadableStore()
    world = forked(store)
    store.headless = True
    assert answer_of(Ledger, store, world.key("ledger"), world.clock) == "E_STORE_UNAVAILABLE"
