"""The process that reads ahead of a fold: what it says, what it says nothing of, and how it ends."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from threading import Thread
from typing import IO, Any

import msgspec
import pytest

from cbdc.ledger.ahead import settings_of
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.reading import Answer, Heads, Reader, Settings, Task, encoded, receive, send, serve
from cbdc.ledger.store import EntryRow
from cbdc.ports import ManualClock
from cbdc.transaction import Transfer, open_transaction
from wallets.benches.scene import ONE_IN, Purse, Scene, found

START = 1_762_146_000


@pytest.fixture(scope="module")
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture(scope="module")
def ledger(store: MemoryStore) -> Ledger:
    made, founded = found(store, Scene(4), 40, ManualClock(START), lambda text: None)
    made.submit_many(Purse(Scene(4), founded).script(ONE_IN, 12).operations)
    return made


@pytest.fixture(scope="module")
def settings(ledger: Ledger) -> Settings:
    return settings_of(ledger.genesis, True)


def task_of(rows: list[EntryRow], keys: dict[bytes, tuple[int, bytes]] | None = None) -> Task:
    ids = b"".join(row.transaction_id for row in rows)
    return Task(
        rows[0].index, [row.data for row in rows], ids, b"".join(r.leaf for r in rows), keys or {}, False
    )


def keys_of() -> dict[bytes, tuple[int, bytes]]:
    scene = Scene(4)
    publics = [signer.public for signer in (*scene.holders, scene.institutions.bank_inventory(1))]
    return {public.kid: (public.algorithm, public.raw) for public in publics}


class Process:
    """`serve` in a thread, with pipes where a process has its input and output."""

    def __init__(self, stack: ExitStack) -> None:
        (theirs, ours), (mine, their_answers) = os.pipe(), os.pipe()
        self._incoming, self._outgoing = os.fdopen(theirs, "rb"), os.fdopen(their_answers, "wb")
        self.ask: IO[bytes] = stack.enter_context(os.fdopen(ours, "wb"))
        self.hear: IO[bytes] = stack.enter_context(os.fdopen(mine, "rb"))
        self.thread = Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        with self._incoming, self._outgoing:
            serve(self._incoming, self._outgoing)

    def answer(self, what: Task | Heads) -> Any:
        send(self.ask, encoded(what))
        said = receive(self.hear)
        assert said is not None
        return said

    def end(self) -> None:
        self.ask.close()
        self.thread.join(10)
        assert not self.thread.is_alive()


@pytest.fixture
def process() -> Iterator[Process]:
    with ExitStack() as stack:
        yield Process(stack)


def test_it_says_over_its_pipes_what_a_reader_says(
    ledger: Ledger, store: MemoryStore, settings: Settings, process: Process
) -> None:
    send(process.ask, encoded(settings))
    assert receive(process.hear) == b""  # it is ready
    rows = list(store.entries(1))
    task = task_of(rows, keys_of())
    heard = msgspec.msgpack.decode(process.answer(task), type=Answer)
    assert heard == Reader(settings).read(task)
    plain = [
        isinstance(open_transaction(entry.payload, ledger.network).record, Transfer)
        for entry in ledger.entries(1)
    ]
    assert [isinstance(said, tuple) for said in heard.said] == plain
    assert any(plain)
    assert all(said for said in heard.said)
    heads = Heads([envelope for _, envelope in store.heads()])
    opened = msgspec.msgpack.decode(process.answer(heads))
    assert [head[0] for head in opened] == [size for size, _ in store.heads()]
    process.end()


def test_it_ends_with_its_input(settings: Settings) -> None:
    for sent in (b"", b"\0\0", b"\0\0\0\x09half"):
        with ExitStack() as stack:
            process = Process(stack)
            process.ask.write(sent)
            process.end()
        with ExitStack() as stack:
            process = Process(stack)
            send(process.ask, encoded(settings))
            assert receive(process.hear) == b""
            process.ask.write(sent)
            process.end()


def test_heads_of_others_are_none(store: MemoryStore, settings: Settings) -> None:
    reader = Reader(settings)
    (envelope,) = [envelope for _, envelope in store.heads()][-1:]
    (right,) = reader.heads(Heads([envelope]))
    assert right is not None
    at = right[2]
    key = settings.ledger[0]
    other = Scene(4).holders[0].public
    early, late = (*key[:2], at + 1, at + 2), (*key[:2], 0, at - 1)
    for keys in ([], [early], [late], [(other.algorithm, other.raw, 0, at)]):
        changed = Settings(settings.network, settings.certified, keys, True)
        assert Reader(changed).heads(Heads([envelope])) == [None]
    strange = Settings(bytes(32), settings.certified, settings.ledger, True)
    assert Reader(strange).heads(Heads([envelope, envelope[:-1], b""])) == [None, None, None]


def test_what_is_not_in_its_place_or_not_signed_is_not_said(store: MemoryStore, settings: Settings) -> None:
    rows = list(store.entries(1))
    plain, keys = rows[-3:], keys_of()
    assert all(isinstance(said, tuple) for said in Reader(settings).read(task_of(plain, keys)).said)
    without = Reader(settings).read(task_of(plain))
    assert without.said == [0, 0, 0]  # of no key is anything known
    elsewhere = task_of(plain, keys)
    elsewhere.start += 1
    assert Reader(settings).read(elsewhere).said == [0, 0, 0]
    renamed = task_of(plain, keys)
    renamed.ids = bytes(96)
    assert Reader(settings).read(renamed).said == [0, 0, 0]
    leafless = task_of(plain, keys)
    leafless.leaves = bytes(32) + leafless.leaves[32:]
    odd = Reader(settings).read(leafless)
    assert (odd.odd, odd.said[0]) == ([0], 0)
    assert all(isinstance(said, tuple) for said in odd.said[1:])
    broken = task_of(plain, keys)
    broken.datas[1] = broken.datas[1][:-1] + bytes([broken.datas[1][-1] ^ 1])
    said = Reader(settings).read(broken)
    assert not isinstance(said.said[1], tuple)
    assert said.leaves[32:64] == hashlib.sha256(b"\0" + broken.datas[1]).digest()
    garbage = Task(1, [b"", b"\xc0", bytes(40)], bytes(96), bytes(96), {}, False)
    assert Reader(settings).read(garbage).said == [0, 0, 0]


def test_signatures_may_be_left_out_and_keys_are_forgotten(store: MemoryStore, settings: Settings) -> None:
    rows, keys = list(store.entries(1)), keys_of()
    unasked = Settings(settings.network, settings.certified, settings.ledger, False)
    said = Reader(unasked).read(task_of(rows)).said
    assert any(isinstance(one, tuple) for one in said)
    assert all(isinstance(one, tuple) or one == 0 for one in said)
    reader = Reader(settings)
    assert all(isinstance(one, tuple) for one in reader.read(task_of(rows[-3:], keys)).said)
    again = task_of(rows[-3:])
    again.forget = True
    assert reader.read(again).said == [0, 0, 0]
    lying = dict(zip(keys, [*list(keys.values())[1:], *list(keys.values())[:1]], strict=True))
    assert reader.read(task_of(rows[-3:], lying)).said == [0, 0, 0]
