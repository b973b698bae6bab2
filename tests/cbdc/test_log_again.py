"""After a failed commit a ledger reads what is new and nothing else; a ledger keeps little of its log."""

from collections.abc import Iterator

import pytest

from cbdc.errors import Refused, Unavailable
from cbdc.ledger import entry
from cbdc.ledger import ledger as ledger_module
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import Receipt, check_consistency, check_inclusion
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from tests.cbdc.test_pipeline import payments, people
from tests.cbdc.test_remembered_rows import Counting, chain
from tests.cbdc.world import World, answer_of


class Telling(Counting):
    """A store that notes which leaves it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.leaves_asked: list[tuple[int, int | None]] = []

    def leaves(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The leaves, noted."""
        self.leaves_asked.append((start, stop))
        return super().leaves(start, stop)


def many(world: World) -> None:
    """Some 750 entries: people are registered, pay, and what they paid is paid on."""
    for made in chain(world, people(world, 250)):
        assert all(isinstance(one, Receipt) for one in world.ledger.submit_many(made))


@pytest.mark.parametrize("fails", ["before", "after"])
def test_only_what_is_new_is_read(fails: str) -> None:
    store = Telling()
    world = World(store)
    sent = [one.encode() for one in payments(world, people(world, 3))]
    before = world.ledger.size
    store.leaves_asked.clear()
    store.fails = fails
    with pytest.raises(Unavailable):
        world.ledger.submit(sent[0])
    assert world.ledger.submit(sent[1]).index == before + (fails == "after")
    assert store.leaves_asked == [(before, None)]
    world.ledger.submit(sent[0])
    assert audit(store).problems == []


def test_what_was_known_and_is_gone_is_read_anew() -> None:
    """Another one put the store back to where it was: then the whole of it is read, and it speaks for itself."""
    store = Telling()
    world = World(store)
    sent = [one.encode() for one in payments(world, people(world, 3))]
    kept = store.__dict__.copy()
    kept = {
        name: value.copy() if isinstance(value, list | dict | set) else value for name, value in kept.items()
    }
    size = world.ledger.size
    world.ledger.submit(sent[0])
    store.__dict__.update(kept)
    store.fails = "before"
    with pytest.raises(Unavailable):
        world.ledger.submit(sent[1])
    store.leaves_asked.clear()
    assert world.ledger.submit(sent[1]).index == size
    assert store.leaves_asked == [(size + 1, None), (0, None)]
    assert audit(store).problems == []


def forgetful(monkeypatch: pytest.MonkeyPatch, store: MemoryStore) -> Ledger:
    """A ledger of some 750 entries that was opened again and keeps no more than a few hundred leaves."""
    monkeypatch.setattr(entry, "KEPT_LEAVES", 256)
    monkeypatch.setattr(ledger_module, "_LEAVES_AT_ONCE", 100)
    world = World(store)
    many(world)
    return Ledger(store, world.key("ledger"), world.clock)


def test_a_ledger_keeps_little_and_proves_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = forgetful(monkeypatch, MemoryStore())
    head = ledger.head().record
    assert head.size > 740
    assert ledger._log._levels[0].dropped > 0
    for index in (0, 255, 256, 700, head.size - 1):
        shown = ledger.inclusion_of(index)
        check_inclusion(shown.leaf, index, head.size, shown.proof, head.root)
    for size in (1, 256, 257, 611, head.size):
        check_consistency(size, ledger.root_at(size), head.size, head.root, ledger.consistency(size))


def test_a_leaf_that_a_disk_changed_is_told_and_nothing_is_proved_by_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ledger = forgetful(monkeypatch, store := MemoryStore())
    store._entries[3].leaf = bytes(32)
    for index in (2, 3, 100):
        with pytest.raises(Refused) as caught:
            ledger.inclusion_of(index)
        assert caught.value.code == "E_LEDGER_DAMAGED"
    assert answer_of(ledger.inclusion_of, ledger.size - 1) == "ok"
