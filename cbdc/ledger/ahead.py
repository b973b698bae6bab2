"""Reading ahead of a fold: processes that take entries apart, hash them and verify what was signed.

A process knows no state. Of each entry it says the leaf, and either the plain transfer that it holds, with every
signature verified, or a number whose bits say which signatures stand. Keys are given with the entries; what is given
is asked for its key id first, so no row can stand for another key. Where no process can be had, or one dies, nothing is
said, and the fold does the work itself: the answers are the same.
"""

import gc
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from itertools import islice
from multiprocessing import get_context
from typing import Any, NamedTuple

import msgspec

from cbdc.canonical import MAX_INTEGER, MAX_LENGTH
from cbdc.errors import TengeError
from cbdc.keys import key_id
from cbdc.ledger.entry import Genesis, leaf_hash
from cbdc.ledger.plain import Plain, read_plain
from cbdc.ledger.rows import Rows
from cbdc.ledger.state import KEY
from cbdc.ledger.store import EntryRow
from cbdc.ledger.verifying import Verifier, likely_signers
from cbdc.transaction import RegisterKey, RotateKey, open_transaction

UNIT = 1_024
"""How many entries are taken at a time."""

_SELDOM = 100_000
_PART = 256
_WINDOW = 3
_KEY = bytes([KEY])
_REGISTERING = (b"\x93" + bytes([RegisterKey.TYPE]), b"\x93" + bytes([RotateKey.TYPE]))

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.decode
_decode_entry = msgspec.msgpack.Decoder(tuple[int, int, bytes]).decode
_decode_task = msgspec.msgpack.Decoder(tuple[int, list[bytes], dict[bytes, bytes]]).decode

Parts = tuple[int, int, bytes]
"""An entry taken apart: its index, its time, its payload."""

Said = tuple[int, Plain] | int
"""A plain transfer, all whose signatures stand, and its entry's time; or the bits of the signatures that stand."""


class Unit(NamedTuple):
    """Entries that follow on: as they are kept, their computed leaves, and what was said of each (0: nothing)."""

    rows: list[EntryRow]
    leaves: list[bytes]
    said: Sequence[Said]


def parts_of(data: bytes) -> Parts | None:
    """The parts of an entry in its canonical form, or None: what is not plainly right `open_entry` judges."""
    # What is read here and, written again, gives the same bytes, is in the canonical form.
    try:
        parts: Parts = _decode_entry(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    index, time, payload = parts
    plain = 0 <= index <= MAX_INTEGER and 0 <= time <= MAX_INTEGER and len(payload) <= MAX_LENGTH
    return parts if plain and _encode(parts) == data else None


def units(entries: Iterable[EntryRow]) -> Iterator[list[EntryRow]]:
    """The entries, `UNIT` at a time."""
    source = iter(entries)
    while rows := list(islice(source, UNIT)):
        yield rows


def alone(rows: list[EntryRow], genesis: Genesis | None = None) -> Unit:
    """A unit that nobody read ahead; with a `genesis`, plain transfers are taken without asking for signatures."""
    said: list[Said] = [0] * len(rows)
    if genesis is not None:
        for place, row in enumerate(rows):
            parts = parts_of(row.data)
            plain = None if parts is None or parts[0] != row.index else read_plain(parts[2], genesis.network)
            if parts is not None and plain is not None:
                said[place] = (parts[1], plain[0])
    return Unit(rows, [leaf_hash(row.data) for row in rows], said)


@contextmanager
def few_collections() -> Iterator[None]:
    """Within it Python seldom looks for cycles of objects: a replay makes hardly any, and looking costs a fifth."""
    before = gc.get_threshold()
    gc.set_threshold(_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)


# --- what a process does ---


class _Reader:
    """The work itself. Without `signatures` it takes every signature of a plain transfer for right."""

    def __init__(self, network: bytes, certified: Sequence[tuple[int, bytes]], signatures: bool) -> None:
        self._network = network
        self._verifier = Verifier(network, certified)
        self._signatures = signatures

    def read(
        self, start: int, entries: Sequence[bytes], rows: Mapping[bytes, bytes]
    ) -> tuple[bytes, list[Any]]:
        """The leaves, one behind the other, and what is said of each entry; the first one's place is `start`."""
        said: list[Any] = []
        waiting: list[tuple[int, int, bytes]] = []
        for place, data in enumerate(entries):
            parts = parts_of(data)
            said.append(0)
            if parts is not None and parts[0] == start + place:
                waiting.append((place, parts[1], parts[2]))
        if self._signatures:
            found = self._verifier.judge([payload for _, _, payload in waiting], rows)
        else:
            found = [self._taken(payload) for _, _, payload in waiting]
        for (place, time, _), one in zip(waiting, found, strict=True):
            said[place] = one if isinstance(one, int) else (time, *one)
        return b"".join([leaf_hash(data) for data in entries]), said

    def _taken(self, payload: bytes) -> Plain | int:
        plain = read_plain(payload, self._network)
        return 0 if plain is None else plain[0]


_reader: list[_Reader] = []


def _begin(network: bytes, certified: list[tuple[int, bytes]], signatures: bool) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    gc.freeze()
    gc.set_threshold(_SELDOM)
    _reader[:] = [_Reader(network, certified, signatures)]


def _work(task: bytes) -> bytes:
    return _encode(_reader[0].read(*_decode_task(task)))


# --- how the work is given out ---


def read_ahead(
    genesis: Genesis, rows: Rows, source: Iterable[list[EntryRow]], start: int, workers: int, signatures: bool
) -> Generator[Unit, None, None]:
    """The units from the entry at `start` on, read by `workers` processes; the next ones while one is taken.

    `rows` are the fold's: where the keys stand that entries before have registered.
    """
    if not workers:
        yield from (alone(some, None if signatures else genesis) for some in source)
        return
    named = [genesis.authority.root.record.key, *(auth.record.key for auth in genesis.authority.auths)]
    certified = [(key.algorithm, key.raw) for key in named]
    pool = ProcessPoolExecutor(
        workers, get_context("spawn"), _begin, (genesis.network, certified, signatures)
    )
    sent: deque[tuple[list[EntryRow], list[Future[bytes]]]] = deque()
    born: deque[dict[bytes, bytes]] = deque(maxlen=_WINDOW + 1)
    try:
        for some in source:
            born.append(_registered(some))
            sent.append((some, _send(pool, rows, some, start, born)))
            start += len(some)
            if len(sent) > _WINDOW:
                yield _received(*sent.popleft())
        while sent:
            yield _received(*sent.popleft())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _send(
    pool: ProcessPoolExecutor,
    rows: Rows,
    entries: list[EntryRow],
    start: int,
    born: Iterable[Mapping[bytes, bytes]],
) -> list[Future[bytes]]:
    futures = []
    for first in range(0, len(entries), _PART):
        some = [row.data for row in entries[first : first + _PART]]
        wanted = {_KEY + kid for data in some for kid in likely_signers(data)}
        keys = rows.get_many(wanted)
        for new in born:
            keys |= {key: new[key] for key in wanted & new.keys()}
        try:
            futures.append(pool.submit(_work, _encode((start + first, some, keys))))
        except (BrokenExecutor, OSError):
            failed: Future[bytes] = Future()
            failed.set_result(b"")
            futures.append(failed)
    return futures


def _received(rows: list[EntryRow], futures: list[Future[bytes]]) -> Unit:
    leaves: list[bytes] = []
    said: list[Said] = []
    for future in futures:
        first = len(leaves)
        some = rows[first : first + _PART]
        try:
            answer = future.result()
        except (BrokenExecutor, OSError):
            answer = b""
        if not answer:
            unread = alone(some)
            leaves += unread.leaves
            said += unread.said
            continue
        joined, found = _decode(answer)
        leaves += [joined[place : place + 32] for place in range(0, len(joined), 32)]
        said += [one if type(one) is int else (one[0], Plain(*one[1:])) for one in found]
    return Unit(rows, leaves, said)


def _registered(entries: Iterable[EntryRow]) -> dict[bytes, bytes]:
    """The keys that entries seem to register, as far as a verifier reads rows: those behind them may use them."""
    rows: dict[bytes, bytes] = {}
    for row in entries:
        head = row.data[:32]
        if _REGISTERING[0] not in head and _REGISTERING[1] not in head:
            continue
        parts = parts_of(row.data)
        try:
            record = open_transaction(b"" if parts is None else parts[2], bytes(8)).record
        except TengeError:
            continue
        if isinstance(record, RegisterKey | RotateKey):
            kid = key_id(record.algorithm, record.public_key)
            rows[_KEY + kid] = _encode((record.algorithm, record.public_key))
    return rows
