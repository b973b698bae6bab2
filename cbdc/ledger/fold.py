"""A fold: the journal judged again entry by entry, as fast as it was written, over rows of its own.

It is the audit's replay. Each entry must decode, follow the one before it, carry the id under which it is found, and be
allowed by the rules; then its changes are made. The first entry that is not, is the last that is judged. Entries of one
moment are decided together (`cbdc.ledger.group`), plain transfers on the bytes of the state; everything that is not
plainly right goes to the general judge, which gives the code. Signatures are verified by whoever the fold is given: by
this process, by processes beside it (`Ahead`), or by nobody, if that is what is asked for and said.

The state stands in `Rows`: in memory while it is small, in a file of its own when it is not. Ids of transactions that
spend something need not be kept: whoever logs one again finds its tokens gone.
"""

import sqlite3
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import islice
from pathlib import Path
from typing import NamedTuple, cast

import msgspec

from cbdc import canonical, keys
from cbdc.canonical import MAX_INTEGER, MAX_LENGTH
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.ledger.entry import Genesis, leaf_hash, open_entry, open_genesis
from cbdc.ledger.group import Group, Item
from cbdc.ledger.ledger import genesis_row
from cbdc.ledger.plain import Plain, read_plain
from cbdc.ledger.state import KEY, StateKey
from cbdc.ledger.store import EntryRow, Store
from cbdc.ledger.verifying import CHUNK, CHUNK_BYTES, Chunk, Found, Verifiers, likely_signers
from cbdc.transaction import RegisterKey, RotateKey, SignedTransaction, open_transaction

UNIT = 1_024
"""How many entries are taken at a time."""

MOST_ROWS = 1_000_000
"""How many rows of state are kept in memory; more go to a file."""

SEEN = 0xFF
"""No kind of state: under it stand the ids of transactions that spend nothing, for they may come again."""

_SEEN = bytes([SEEN])
_KEY = bytes([KEY])
_ASKED = 500
_WINDOW = 3

_encode = msgspec.msgpack.Encoder().encode
_decode_entry = msgspec.msgpack.Decoder(tuple[int, int, bytes]).decode


class Rows:
    """The rows of a fold: packed state keys to bytes. In memory up to `most`, then in a temporary file."""

    def __init__(self, most: int = MOST_ROWS) -> None:
        self._rows: dict[bytes, bytes] = {}
        self._most = most
        self._file: tempfile.TemporaryDirectory[str] | None = None
        self._database: sqlite3.Connection | None = None

    def get_many(self, asked: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that exist."""
        if self._database is None:
            rows = self._rows
            return {key: rows[key] for key in asked if key in rows}
        wanted = list(asked)
        found: dict[bytes, bytes] = {}
        for start in range(0, len(wanted), _ASKED):
            some = wanted[start : start + _ASKED]
            places = ",".join("?" * len(some))
            found.update(self._database.execute(f"SELECT key, value FROM row WHERE key IN ({places})", some))
        return found

    def get(self, key: bytes) -> bytes | None:
        """One value, or None."""
        return self.get_many([key]).get(key)

    def apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Make changes; None takes a row away."""
        if self._database is None:
            for key, value in changes.items():
                if value is None:
                    self._rows.pop(key, None)
                else:
                    self._rows[key] = value
            if len(self._rows) > self._most:
                self._move_to_a_file()
            return
        self._database.executemany(
            "DELETE FROM row WHERE key = ?", [(key,) for key, value in changes.items() if value is None]
        )
        self._database.executemany(
            "INSERT OR REPLACE INTO row VALUES (?, ?)",
            [(key, value) for key, value in changes.items() if value is not None],
        )

    def _move_to_a_file(self) -> None:
        try:
            self._file = tempfile.TemporaryDirectory(prefix="tenge-audit-")
            database = sqlite3.connect(
                Path(self._file.name) / "rows.sqlite", isolation_level=None, check_same_thread=False
            )
            # Nobody reads this file but this process, and only while it lives: nothing in it must last.
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA synchronous = OFF")
            database.execute("PRAGMA cache_size = -131072")
            database.execute("CREATE TABLE row (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
            database.execute("BEGIN")
            database.executemany("INSERT INTO row VALUES (?, ?)", sorted(self._rows.items()))
        except (OSError, sqlite3.Error) as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None
        self._database = database
        self._rows = {}

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every row of the state in ascending order of its key."""
        if self._database is None:
            yield from sorted((key, value) for key, value in self._rows.items() if key[0] != SEEN)
            return
        cursor = self._database.execute("SELECT key, value FROM row WHERE key < ? ORDER BY key", (_SEEN,))
        while some := cursor.fetchmany(_ASKED):
            yield from some

    def number(self, counter: StateKey) -> int:
        """A counter, 0 when it is not there."""
        value = self.get(counter.pack())
        number = 0 if value is None else canonical.decode(value)
        assert isinstance(number, int)
        return number

    def close(self) -> None:
        """Take the file away, if there is one."""
        if self._database is not None:
            self._database.close()
        if self._file is not None:
            self._file.cleanup()


Parts = tuple[int, int, bytes]
"""An entry taken apart: its index, its time, its payload."""


class Unit(NamedTuple):
    """Entries that follow on: as they are kept, their computed leaves, and their parts (None: not plainly right)."""

    rows: list[EntryRow]
    leaves: list[bytes]
    parts: list[Parts | None]


def units(entries: Iterable[EntryRow]) -> Iterator[Unit]:
    """The entries, `UNIT` at a time."""
    source = iter(entries)
    while rows := list(islice(source, UNIT)):
        yield Unit(rows, [leaf_hash(row.data) for row in rows], [_parts_of(row.data) for row in rows])


def _parts_of(data: bytes) -> Parts | None:
    # A quick way to the same answer: what is read here and written again byte for byte is in the canonical form.
    try:
        parts: Parts = _decode_entry(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    index, time, payload = parts
    plain = 0 <= index <= MAX_INTEGER and 0 <= time <= MAX_INTEGER and len(payload) <= MAX_LENGTH
    return parts if plain and _encode(parts) == data else None


class _Judge(Group):
    """A group that is judged and never committed."""

    def _append(self, identity: bytes, payload: bytes) -> None:
        pass


class Fold:
    """The state after the entries that were taken. `bad` is the place of the first entry that is not allowed."""

    def __init__(self, rows: Rows, signatures: bool = True) -> None:
        """`signatures` false: nobody verifies what witnesses signed. Whoever asks for that must say so."""
        self.rows = rows
        self.genesis: Genesis | None = None
        self.size = 0
        self.last_time = 0
        self.bad: int | None = None
        self.error: TengeError | None = None
        self._signatures = signatures

    def take(self, unit: Unit, found: Sequence[Found] | None = None) -> list[int]:
        """Judge the next entries and make their changes; the times of those whose changes were made.

        `found` is what a verifier said of each payload. Nothing is raised: `bad` and `error` say where and why it
        stopped, and nothing is judged after that.
        """
        times: list[int] = []
        place = 0
        if self.genesis is None and self.bad is None:
            self._begin(unit, times)
            place = 1
        while place < len(unit.rows) and self.bad is None:
            run = self._run(unit, place, found)
            if run:
                self._decide(unit, place, run, times)
                place += len(run)
            else:
                self._decide_alone(unit, place, times)
                place += 1
        return times

    def _stop(self, error: TengeError) -> None:
        self.bad, self.error = self.size, error

    def _done(self, unit: Unit, place: int, time: int, times: list[int]) -> None:
        times.append(time)
        self.size += 1
        if unit.leaves[place] == unit.rows[place].leaf:
            self.last_time = time

    def _begin(self, unit: Unit, times: list[int]) -> None:
        row = unit.rows[0]
        try:
            time, payload = self._opened(unit, 0)
            self.genesis = open_genesis(payload)
            if genesis_row(payload, self.genesis.network, time).transaction_id != row.transaction_id:
                raise Refused("E_AUDIT_ID", index=0)
        except TengeError as error:
            self._stop(error)
            return
        self._done(unit, 0, time, times)

    # --- reading ---

    def _opened(self, unit: Unit, place: int) -> tuple[int, bytes]:
        """Time and payload of an entry that may be the next; its refusal."""
        row, parts = unit.rows[place], unit.parts[place]
        if parts is None:
            entry = open_entry(row.data)
            parts = (entry.index, entry.time, entry.payload)
        index, time, payload = parts
        if (row.index, index) != (self.size, self.size):
            raise Refused("E_AUDIT_ORDER", index=self.size, found=index)
        if time < self.last_time:
            raise Refused("E_AUDIT_TIME", index=self.size, time=time, before=self.last_time)
        return time, payload

    def _run(self, unit: Unit, start: int, found: Sequence[Found] | None) -> list[Item]:
        """The entries from `start` on that can be decided together: of one time, each in its place, under its id."""
        items: list[Item] = []
        first = unit.parts[start]
        if first is None or first[1] < self.last_time:
            return items
        idle: dict[bytes, int] = {}
        for place in range(start, len(unit.rows)):
            row, parts = unit.rows[place], unit.parts[place]
            number = self.size + place - start
            if parts is None or parts[1] != first[1] or (row.index, parts[0]) != (number, number):
                break
            opened = self._transaction(parts[2], 0 if found is None else found[place])
            if isinstance(opened, TengeError) or opened.id != row.transaction_id:
                break
            if isinstance(opened, SignedTransaction) and not opened.record.spends:
                if opened.id in idle:
                    break
                idle[opened.id] = len(items)
            items.append(Item(parts[2], opened))
        if idle:
            known = self.rows.get_many(_SEEN + identity for identity in idle)
            if known:
                return items[: min(idle[key[1:]] for key in known)]
        return items

    def _transaction(self, payload: bytes, found: Found) -> SignedTransaction | Plain | TengeError:
        assert self.genesis is not None
        if isinstance(found, Plain):
            return found
        if not self._signatures:
            plain = read_plain(payload, self.genesis.network)
            if plain is not None:
                return plain.plain
        try:
            opened = open_transaction(payload, self.genesis.network)
        except TengeError as error:
            return error
        for place, (kid, signature) in enumerate(opened.witnesses):
            if found >> place & 1 and (key := self._key(opened, kid)) is not None:
                key.take_word(signature, opened.message)
        return opened

    def _key(self, opened: SignedTransaction, kid: bytes) -> keys.PublicKey | None:
        """The key whose signature a verifier found to stand: a kid is a hash of its key, so it can be no other."""
        assert self.genesis is not None
        if self.genesis.authority.holds(kid):
            return self.genesis.authority.key(kid)
        record = opened.record
        if isinstance(record, RegisterKey | RotateKey):
            own = keys.PublicKey(record.algorithm, record.public_key)
            if own.kid == kid:
                return own
        row = self.rows.get(_KEY + kid)
        return None if row is None else keys.PublicKey(*msgspec.msgpack.decode(row)[:2])

    # --- deciding ---

    def _decide(self, unit: Unit, start: int, run: list[Item], times: list[int]) -> None:
        parts = unit.parts[start]
        assert parts is not None
        seen: dict[bytes, bytes | None] = {}
        with self._trust():
            judge = self._judge(parts[1], run)
            for place, item in enumerate(run, start):
                error = _refusal(judge, item)
                if error is not None:
                    self._stop(error)
                    break
                self._done(unit, place, parts[1], times)
                opened = item.opened
                if isinstance(opened, SignedTransaction) and not opened.record.spends:
                    seen[_SEEN + opened.id] = b"1"
        self.rows.apply(judge.changes | seen)

    def _decide_alone(self, unit: Unit, place: int, times: list[int]) -> None:
        """An entry about which something is not plainly right: every question in its order."""
        assert self.genesis is not None
        row = unit.rows[place]
        try:
            time, payload = self._opened(unit, place)
            item = Item(payload, open_transaction(payload, self.genesis.network))
            assert isinstance(item.opened, SignedTransaction)
            with self._trust():
                judge = self._judge(time, [item])
                error = _refusal(judge, item)
            if error is not None:
                raise error
            if item.opened.id != row.transaction_id:
                raise Refused("E_AUDIT_ID", index=self.size)
        except TengeError as error:
            self._stop(error)
            return
        place_in_journal = self.size
        self.rows.apply(judge.changes)
        key = _SEEN + item.opened.id
        self._done(unit, place, time, times)
        if not item.opened.record.spends and self.rows.get(key) is not None:
            self.bad, self.error = place_in_journal, Refused("E_AUDIT_REPLAY", index=place_in_journal)
        elif not item.opened.record.spends:
            self.rows.apply({key: b"1"})

    def _judge(self, now: int, items: list[Item]) -> _Judge:
        assert self.genesis is not None
        return _Judge(self.genesis, cast(Store, self.rows), self.size, now, items)

    def _trust(self) -> AbstractContextManager[None]:
        return nullcontext() if self._signatures else keys.signatures_unasked()


def _refusal(judge: Group, item: Item) -> TengeError | None:
    """Why the rules do not allow a transaction; None when they do, and it is decided."""
    try:
        judge.add(item)
    except TengeError as error:
        return error
    except AssertionError as broken:
        return Refused("E_AUDIT_CONSERVATION", detail=str(broken))
    return None


# --- signatures verified ahead ---


def verified(fold: Fold, source: Iterable[Unit], workers: int) -> Iterator[tuple[Unit, list[Found] | None]]:
    """The units with what verifying processes say of them; the next ones are verified while one is taken.

    `fold` must have taken entry 0. With no workers nothing is said, and the fold verifies for itself.
    """
    if not workers or fold.genesis is None:
        yield from ((unit, None) for unit in source)
        return
    authority = fold.genesis.authority
    named = [authority.root.record.key, *(auth.record.key for auth in authority.auths)]
    pool = Verifiers(workers, fold.genesis.network, [(key.algorithm, key.raw) for key in named])
    sent: deque[tuple[Unit, list[Chunk]]] = deque()
    born: deque[dict[bytes, bytes]] = deque(maxlen=_WINDOW + 1)
    try:
        for unit in source:
            born.append(_registered(unit))
            sent.append((unit, _send(pool, fold, unit, born)))
            if len(sent) > _WINDOW:
                yield _received(*sent.popleft())
        while sent:
            yield _received(*sent.popleft())
    finally:
        pool.close()


def _send(pool: Verifiers, fold: Fold, unit: Unit, born: Iterable[Mapping[bytes, bytes]]) -> list[Chunk]:
    payloads = [b"" if parts is None else parts[2] for parts in unit.parts]
    chunks: list[Chunk] = []
    start = 0
    while start < len(payloads):
        stop, size = start, 0
        while stop < len(payloads) and stop - start < CHUNK and (stop == start or size < CHUNK_BYTES):
            size += len(payloads[stop])
            stop += 1
        some = payloads[start:stop]
        wanted = {_KEY + kid for payload in some for kid in likely_signers(payload)}
        rows = fold.rows.get_many(wanted)
        for new in born:
            rows |= {key: new[key] for key in wanted & new.keys()}
        chunks.append(Chunk(some, rows))
        pool.send(chunks[-1])
        start = stop
    return chunks


def _received(unit: Unit, chunks: list[Chunk]) -> tuple[Unit, list[Found]]:
    found: list[Found] = []
    for chunk in chunks:
        said = chunk.found()
        found += [0] * chunk.count if said is None else said
    return unit, found


def _registered(unit: Unit) -> dict[bytes, bytes]:
    """The keys that entries of a unit seem to register, as far as a verifier reads rows: those behind may use them."""
    rows: dict[bytes, bytes] = {}
    for parts in unit.parts:
        if parts is None or parts[2][1:2] not in _REGISTERING:
            continue
        try:
            record = open_transaction(parts[2], bytes(8)).record
        except TengeError:
            continue
        if isinstance(record, RegisterKey | RotateKey):
            kid = keys.key_id(record.algorithm, record.public_key)
            rows[_KEY + kid] = _encode((record.algorithm, record.public_key))
    return rows


_REGISTERING = (bytes([RegisterKey.TYPE]), bytes([RotateKey.TYPE]))
