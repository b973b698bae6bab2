"""Rows kept from group to group: the same ledger, and nothing is believed after a failure or another one's commit."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.errors import TengeError, Unavailable
from cbdc.ledger import ledger as ledger_module
from cbdc.ledger.audit import audit
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.store import Commit
from cbdc.token import TokenId
from cbdc.transaction import Transfer
from tests.cbdc.test_pipeline import payments, people
from tests.cbdc.test_plain import crowd, program, told
from tests.cbdc.world import DAY, World, answer_of, ids, picture


class Counting(MemoryStore):
    """A store that counts the rows it is asked for, and fails when told to: before it writes, or after."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.fails = ""

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The rows, counted."""
        wanted = list(keys)
        self.asked += len(wanted)
        return super().get_many(wanted)

    def commit(self, commit: Commit) -> None:
        """Commit, or fail before or after."""
        fails, self.fails = self.fails, ""
        if fails == "before":
            raise Unavailable("E_STORE_UNAVAILABLE", detail="told to")
        super().commit(commit)
        if fails == "after":
            raise Unavailable("E_STORE_OUTCOME", detail="told to")


def chain(world: World, tokens: list[TokenId]) -> tuple[list[bytes], list[bytes]]:
    """Payments, and payments of what these create."""
    first = payments(world, tokens)
    second = [
        world.sign(Transfer(world.nonce(), (ids(one)[1],), (world.token(f"p{place}", 400),)), f"p{place}")
        for place, one in enumerate(first)
    ]
    return [one.encode() for one in first], [one.encode() for one in second]


def test_what_was_written_is_not_read_again() -> None:
    store = Counting()
    world = World(store)
    first, second = chain(world, people(world, 8))
    world.ledger.remember_rows()
    world.ledger.submit_many(first)
    store.asked = 0
    assert all(not isinstance(one, TengeError) for one in world.ledger.submit_many(second))
    assert store.asked == 0
    assert audit(store).problems == []


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_remembering_changes_no_answer_and_no_byte(data: st.DataObject) -> None:
    one = crowd()
    other = one.fork()
    one.ledger.remember_rows()
    for _ in range(data.draw(st.integers(2, 4))):
        made = program(data, one)
        assert told(one.ledger.submit_many(made)) == told(other.ledger.submit_many(made))
        for world in (one, other):
            world.clock.advance(data_days(len(made)))
    assert picture(one.store) == picture(other.store)


def data_days(count: int) -> int:
    """A day passes after every other group."""
    return DAY * (count % 2)


@pytest.mark.parametrize("fails", ["before", "after"])
def test_after_a_failed_commit_nothing_of_it_is_believed(fails: str) -> None:
    store = Counting()
    world = World(store)
    first, second = chain(world, people(world, 3))
    world.ledger.remember_rows()
    world.ledger.submit(first[0])
    store.fails = fails
    with pytest.raises(Unavailable):
        world.ledger.submit_many(first)
    stood = fails == "after"
    assert [answer_of(world.ledger.submit, one) for one in second[1:]] == (
        ["ok", "ok"] if stood else ["E_TOKEN_SPENT", "E_TOKEN_SPENT"]
    )
    assert [answer_of(world.ledger.submit, one) for one in (*first, *second)] == ["ok"] * 6
    assert audit(store).problems == []


def test_what_another_writer_did_is_seen() -> None:
    world = World()
    first, second = chain(world, people(world, 3))
    world.ledger.remember_rows()
    world.ledger.submit_many(first[:2])
    other = Ledger(world.store, world.key("ledger"), world.clock)
    other.submit(second[0])
    # The token is gone in the store: the refusal is the store's truth, though nothing was committed here.
    rival = world.sign(
        Transfer(world.nonce(), (TokenId(ids_of(world, first[0]), 1),), (world.token("p1", 400),)), "p0"
    ).encode()
    assert answer_of(world.ledger.submit, rival) == "E_TOKEN_SPENT"
    assert answer_of(world.ledger.submit, second[1]) == "E_STORE_CONFLICT"
    assert answer_of(world.ledger.submit, second[1]) == "ok"
    assert audit(world.store).problems == []


def ids_of(world: World, data: bytes) -> bytes:
    """The id of a transaction."""
    item = world.ledger.open(data)[1]
    assert not isinstance(item, TengeError)
    return item.id


def test_no_more_rows_are_kept_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "ROWS_MOST", 30)
    world = World()
    first, second = chain(world, people(world, 12))
    world.ledger.remember_rows()
    for one in (*first, *second):
        assert answer_of(world.ledger.submit, one) == "ok"
        assert len(world.ledger._rows) <= 30 + 20
    assert audit(world.store).problems == []
