"""Reading ahead of a fold: processes that take entries apart, hash them and verify what was signed.

What a process does is told in `cbdc.ledger.reading`; here the work is given out and taken back in order. The next few
chunks are under way while the fold judges one, never more. This process is one of those that read: whenever it would
wait, it reads a chunk that nobody has taken. So on two cores there is one other process, nobody waits for it to start,
and where none can be had, or one dies, the work is done all the same and the answers are the same.
"""

import gc
import os
import queue
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import islice
from typing import Annotated, Any, NamedTuple

import msgspec

from cbdc.authority import LEDGER
from cbdc.ledger.entry import Genesis, leaf_hash
from cbdc.ledger.entry_form import Parts, parts_of
from cbdc.ledger.reading import (
    HASH_BYTES,
    MOST_KEYS,
    SELDOM,
    Answer,
    Heads,
    OpenedHead,
    Reader,
    Said,
    Settings,
    Task,
    encoded,
    receive,
    send,
)
from cbdc.ledger.rows import Rows
from cbdc.ledger.signed_form import key_in, signed_form
from cbdc.ledger.state import KEY
from cbdc.ledger.store import EntryRow
from cbdc.ledger.verifying import likely_signers

__all__ = [
    "UNIT",
    "Crew",
    "Parts",
    "Said",
    "Unit",
    "alone",
    "few_collections",
    "parts_of",
    "read_ahead",
    "units",
]

UNIT = 512
"""How many entries are taken at a time."""

AHEAD = 3
"""How many chunks a process has, the one it works on included."""

_HEADS, _HEADS_AHEAD = 256, 32
"""How many heads are a chunk, and how many chunks are given out: processes open them while state is compared."""

_KEY = bytes([KEY])
_SPARE = 2
"""How many chunks are under way beside those that processes have: for this process to read while it waits."""

# A transaction with one witness ends so: an array of one, in it an array of two, 32 bytes, 64 bytes.
_ONE_WITNESS = b"\x91\x92\xc4\x20"
_WITNESS_FROM, _KID_FROM, _KID_TO = -102, -98, -66

_decode_heads = msgspec.msgpack.Decoder(list[OpenedHead]).decode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode
_BYTE: Any = Annotated[int, msgspec.Meta(ge=0, le=255)]
_decode_row = msgspec.msgpack.Decoder(tuple[_BYTE, bytes, int, int, int, bytes, bytes]).decode

RawKey = tuple[int, bytes]
"""An algorithm and a key."""


class Unit(NamedTuple):
    """Entries that follow on, as they are kept, and what was said of them; `said` is 0 where nothing was.

    `leaves` are the computed leaves, joined; `odd` the places where another leaf is kept. `times` and `kids` belong to
    plain transfers in `said` (`cbdc.ledger.reading`).
    """

    rows: list[EntryRow]
    leaves: bytes
    odd: Sequence[int]
    times: Sequence[int]
    kids: Sequence[bytes]
    said: Sequence[Said]


def units(entries: Iterable[EntryRow]) -> Iterator[list[EntryRow]]:
    """The entries, `UNIT` at a time."""
    source = iter(entries)
    while rows := list(islice(source, UNIT)):
        yield rows


def alone(rows: list[EntryRow]) -> Unit:
    """A unit of which nothing is said but its leaves."""
    leaves = [leaf_hash(row.data) for row in rows]
    odd = [place for place, row in enumerate(rows) if row.leaf != leaves[place]]
    nothing = [0] * len(rows)
    return Unit(rows, b"".join(leaves), odd, nothing, (), nothing)


@contextmanager
def few_collections() -> Iterator[None]:
    """Within it Python seldom looks for cycles of objects: a replay makes hardly any, and looking costs a fifth."""
    before = gc.get_threshold()
    gc.set_threshold(SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def read_ahead(
    genesis: Genesis, rows: Rows, source: Iterable[list[EntryRow]], start: int, workers: int, signatures: bool
) -> Generator[Unit, None, None]:
    """The units from the entry at `start` on, read by so many `workers`; the next ones while one is taken.

    `rows` are the fold's: where the keys stand that entries before have registered.
    """
    with closing(Crew(genesis, rows, workers, signatures)) as crew:
        yield from crew.read(source, start)


def settings_of(genesis: Genesis, signatures: bool) -> Settings:
    """What a reading process of this ledger is told once."""
    named = [genesis.authority.root.record.key, *(auth.record.key for auth in genesis.authority.auths)]
    ledger = [
        (auth.key.algorithm, auth.key.raw, auth.not_before, auth.expires)
        for auth in genesis.authority.with_role(LEDGER)
    ]
    return Settings(genesis.network, [(key.algorithm, key.raw) for key in named], ledger, signatures)


class _Chunk:
    """Entries or heads on their way: who has them, and the answer once it is there (empty: there will be none).

    Of entries `start` is the place of the first one, and `others` are those that end in no single witness.
    """

    __slots__ = ("answer", "datas", "heads", "opened", "others", "rows", "start", "unit", "worker")

    def __init__(self, rows: list[EntryRow], start: int, heads: Sequence[tuple[int, bytes]] = ()) -> None:
        self.rows = rows
        self.start = start
        self.heads = heads
        self.datas = [row.data for row in rows]
        self.others = [data for data in self.datas if data[_WITNESS_FROM:_KID_FROM] != _ONE_WITNESS]
        self.worker: _Worker | None = None
        self.answer: bytes | None = None
        self.unit: Unit | None = None
        self.opened: list[OpenedHead] | None = None

    @property
    def untaken(self) -> bool:
        """Whether nobody has read it, and no process has it."""
        nobody = self.worker is None and self.answer is None
        return nobody and self.unit is None and self.opened is None


class _Known:
    """The keys that a reader was given since it last forgot them."""

    def __init__(self) -> None:
        self.kids: set[bytes] = set()


class _Worker(_Known):
    """A process, its pipes, the chunks it has, and a thread that hears what it answers."""

    def __init__(self, settings: Settings, inbox: "queue.SimpleQueue[tuple[_Worker, bytes | None]]") -> None:
        """Raises `OSError` where no process can be started."""
        super().__init__()
        self.chunks: deque[_Chunk] = deque()
        self.ready = False
        self.dead = False
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "cbdc.ledger.reading"],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self._inbox = inbox
        self._hearing = threading.Thread(target=self._hear, daemon=True)
        self._hearing.start()
        self.send(encoded(settings))

    def send(self, message: bytes) -> None:
        """Give it a message; one that is dead is found out by whoever hears it."""
        assert self.process.stdin is not None
        with suppress(OSError):
            send(self.process.stdin, message)

    def _hear(self) -> None:
        assert self.process.stdout is not None
        message: bytes | None = b""
        while message is not None:
            try:
                message = receive(self.process.stdout)
            except (OSError, ValueError):
                message = None
            self._inbox.put((self, message))

    def end(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        self._hearing.join()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with suppress(OSError):  # what was not written yet nobody reads
                pipe.close()


class Crew:
    """Those who read ahead: this process, and one more for each of `count` cores but the first.

    `rows` are the fold's: the keys stand there. With a count of 0 nobody reads ahead.
    """

    def __init__(self, genesis: Genesis, rows: Rows, count: int, signatures: bool) -> None:
        settings = settings_of(genesis, signatures)
        self._rows = rows
        self._signatures = signatures
        self._inbox: queue.SimpleQueue[tuple[_Worker, bytes | None]] = queue.SimpleQueue()
        self._own, self._own_known = Reader(settings), _Known()
        self._window: deque[_Chunk] = deque()
        self._most = (count - 1) * AHEAD + _SPARE if count > 1 else 1
        # Keys that entries under way seem to register; the window, the chunk before it and one after.
        self._born: deque[dict[bytes, RawKey]] = deque(maxlen=self._most + 2)
        self._workers: list[_Worker] = []
        self._alone = not count
        for _ in range(count - 1):
            with suppress(OSError):
                self._workers.append(_Worker(settings, self._inbox))

    def read(self, source: Iterable[list[EntryRow]], start: int) -> Generator[Unit, None, None]:
        """The units from the entry at `start` on, in order."""
        if self._alone and self._signatures:
            # Whoever judges them verifies: what this process has found to stand before is not computed again.
            yield from map(alone, source)
            return
        coming = iter(source)
        ended = False
        while True:
            while not ended and len(self._window) < self._most:
                rows = next(coming, None)
                if rows is None:
                    ended = True
                    break
                chunk = _Chunk(rows, start)
                self._born.append(_registered(chunk.others))
                self._window.append(chunk)
                start += len(rows)
            self._deal()
            if not self._window:
                return
            yield self._finished(self._window.popleft())

    def heads(self, source: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes, OpenedHead]]:
        """Heads, in order, each as it is kept and as it was opened by whoever had time; None: that is still to do.

        Processes begin at once. What others read ahead before is forgotten.
        """
        coming = iter(source)
        self._window.clear()
        self._give_heads(coming)
        return self._heads_in_turn(coming)

    def _give_heads(self, coming: Iterator[tuple[int, bytes]]) -> None:
        while len(self._window) < _HEADS_AHEAD and (some := list(islice(coming, _HEADS))):
            self._window.append(_Chunk([], 0, some))
        self._deal(_HEADS_AHEAD // 2)

    def _heads_in_turn(
        self, coming: Iterator[tuple[int, bytes]]
    ) -> Generator[tuple[int, bytes, OpenedHead], None, None]:
        while True:
            self._give_heads(coming)
            if not self._window:
                return
            chunk = self._window.popleft()
            opened = self._opened(chunk)
            for place, (size, envelope) in enumerate(chunk.heads):
                yield size, envelope, opened[place] if opened else None

    def _opened(self, chunk: _Chunk) -> list[OpenedHead]:
        while chunk.worker is not None and chunk.answer is None:
            self._work_or_hear()
        if chunk.opened is not None:
            return chunk.opened
        with suppress(msgspec.DecodeError):
            opened = _decode_heads(chunk.answer or b"")
            if len(opened) == len(chunk.heads):
                return opened
        return []

    def _work_or_hear(self) -> None:
        """Take what a process has answered; while there is nothing, read something that nobody has."""
        spare = next((one for one in self._window if one.untaken), None) if self._inbox.empty() else None
        if spare is None:
            self._heard(*self._inbox.get())
        elif spare.heads:
            spare.opened = self._own.heads(self._heads(spare))
        else:
            spare.unit = self._read_here(spare)
        self._deal()

    def close(self) -> None:
        """End every process."""
        for worker in self._workers:
            worker.end()
        self._workers.clear()

    def _deal(self, most: int = AHEAD) -> None:
        """Give out what nobody has to who has room: fewer than `most` chunks."""
        while not self._inbox.empty():
            self._heard(*self._inbox.get())
        for chunk in self._window:
            if not chunk.untaken:
                continue
            free = [one for one in self._workers if one.ready and not one.dead and len(one.chunks) < most]
            if not free:
                return
            worker = min(free, key=lambda one: len(one.chunks))
            task = self._heads(chunk) if chunk.heads else self._task(chunk, worker)
            if task is None:
                chunk.answer = b""
                continue
            chunk.worker = worker
            worker.chunks.append(chunk)
            worker.send(encoded(task))

    def _heard(self, worker: _Worker, message: bytes | None) -> None:
        if message is None:
            worker.dead = True
            for chunk in worker.chunks:
                chunk.answer = b""
            worker.chunks.clear()
        elif not worker.ready:
            worker.ready = True
        elif worker.chunks:
            worker.chunks.popleft().answer = message

    def _finished(self, chunk: _Chunk) -> Unit:
        while chunk.worker is not None and chunk.answer is None:
            self._work_or_hear()
        if chunk.unit is not None:
            return chunk.unit
        if not chunk.answer:
            return self._read_here(chunk)
        try:
            return _unit(chunk.rows, _decode_answer(chunk.answer))
        except (msgspec.DecodeError, ValueError):
            return self._read_here(chunk)

    def _read_here(self, chunk: _Chunk) -> Unit:
        task = self._task(chunk, self._own_known)
        return alone(chunk.rows) if task is None else _unit(chunk.rows, self._own.read(task))

    def _heads(self, chunk: _Chunk) -> Heads:
        return Heads([envelope for _, envelope in chunk.heads])

    def _task(self, chunk: _Chunk, known: _Known) -> Task | None:
        """The chunk as a reader wants it; None when its rows are not even of the form that entries have."""
        rows, datas = chunk.rows, chunk.datas
        count = len(rows)
        ids, leaves = [row.transaction_id for row in rows], [row.leaf for row in rows]
        if [row.index for row in rows] != list(range(chunk.start, chunk.start + count)):
            return None
        if {*map(len, ids), *map(len, leaves)} != {HASH_BYTES}:
            return None
        wanted = {data[_KID_FROM:_KID_TO] for data in datas}
        for data in chunk.others:
            wanted.update(likely_signers(data))
        forget = len(known.kids) + len(wanted) > MOST_KEYS
        if forget:
            known.kids.clear()
        keys = self._keys(wanted - known.kids)
        known.kids |= keys.keys()
        return Task(chunk.start, datas, b"".join(ids), b"".join(leaves), keys, forget)

    def _keys(self, kids: set[bytes]) -> dict[bytes, RawKey]:
        """Algorithm and key of those of these key ids that the ledger has, or is about to have."""
        if not kids:
            return {}
        found: dict[bytes, RawKey] = {}
        for new in self._born:
            found |= {kid: new[kid] for kid in kids & new.keys()}
        for key, row in self._rows.get_many([_KEY + kid for kid in kids]).items():
            with suppress(msgspec.DecodeError):  # a damaged row: nobody's signature stands by it
                found[key[1:]] = _decode_row(row)[:2]
        return found


def _unit(rows: list[EntryRow], answer: Answer) -> Unit:
    count = len(rows)
    if not len(answer.times) == len(answer.said) == count or len(answer.leaves) != count * HASH_BYTES:
        raise ValueError("an answer of another length")
    return Unit(rows, answer.leaves, answer.odd, answer.times, answer.kids, answer.said)


def _registered(datas: Iterable[bytes]) -> dict[bytes, RawKey]:
    """The keys that entries seem to register, by key id: those behind them may use them.

    Nothing is judged here. Whoever is given a key asks it for its id.
    """
    found: dict[bytes, RawKey] = {}
    for data in datas:
        parts = parts_of(data)
        form = None if parts is None else signed_form(parts[2])
        brought = None if form is None else key_in(form)
        if brought is not None:
            found[brought[0]] = brought[1]
    return found
