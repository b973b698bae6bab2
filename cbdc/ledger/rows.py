"""The rows of a fold: the state that follows from a journal, as bytes under bytes, for whoever audits it.

In memory while there are few, in a file of its own when there are many, so that an audit of ten million tokens needs no
more memory than one of two million. The file is nobody's but this process's and goes with it.

In memory a counter stands as a number and every other row as its canonical bytes, a plain token's too: its amount and
its key id stand at known places in them. So many rows are compared with a store's at one stroke, and a replay of plain
transfers (`cbdc.ledger.fold_plain`) decodes one number a token. Whoever asks for a row gets its canonical bytes.
"""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from operator import lt
from pathlib import Path
from typing import cast

import msgspec

from cbdc import canonical
from cbdc.errors import Unavailable
from cbdc.ledger.state import COUNTER, TOKEN, StateKey, decode_value
from cbdc.ledger.store import Page
from cbdc.plain_form import plain_token
from cbdc.token import Token

MOST_ROWS = 2_500_000
"""How many rows are kept in memory, at about 250 bytes each; more go to a file."""

Value = bytes | int
"""A row in memory: a counter's number, or the bytes of any other row."""

_encode = msgspec.msgpack.Encoder().encode
_decode_number = msgspec.msgpack.Decoder(int).decode

# A plain token is an array of three: its amount; an array of 1 and the key id; no mark.
TOKEN_HEAD, TAIL_BYTES = b"\x93", 38
_KID_FROM, _KID_TO = -34, -2

SEEN = 0xFF
"""No kind of state: under it stand the ids of transactions that spend nothing, for they may come again."""

_SEEN = bytes([SEEN])
_TOKEN = bytes([TOKEN])
_ASKED = 500
_BYTES = {bytes}


def packed(value: Value) -> bytes:
    """The canonical bytes of a row in memory."""
    return _encode(value) if type(value) is int else value  # type: ignore[return-value]


def token_tail(kid: bytes) -> bytes:
    """How the row of a plain token with this key id ends: all that comes after its amount."""
    return b"\x92\x01\xc4\x20" + kid + b"\xc4\x00"


def plain_row(amount_tiyn: int, kid: bytes) -> bytes:
    """The row of a plain token."""
    return TOKEN_HEAD + _encode(amount_tiyn) + token_tail(kid)


def _unpacked(key: bytes, data: bytes) -> Value:
    """A row's bytes, which the fold itself has written, as they stand in memory."""
    if key[0] == COUNTER:
        number = canonical.decode(data)
        assert isinstance(number, int)
        return number
    return data


def token_in(value: bytes) -> tuple[int, bytes]:
    """Amount and holder's key id in the bytes of a token's row."""
    plain = plain_token(value)
    if plain is not None:
        return plain
    token = decode_value(TOKEN, value)
    assert isinstance(token, Token)
    return token.amount_tiyn, token.lock.holder


def _ascending(last: bytes, keys: tuple[bytes, ...]) -> bool:
    """Whether the keys ascend strictly, from after `last`."""
    return last < keys[0] and all(map(lt, keys, keys[1:]))


class Rows:
    """The rows of a fold: packed state keys to bytes. In memory up to `most`, then in a temporary file."""

    def __init__(self, most: int = MOST_ROWS) -> None:
        self._rows: dict[bytes, Value] = {}
        self._sorted: list[bytes] | None = None
        self._seen = 0
        self._odd: set[bytes] = set()  # tokens that are not plain
        self._most = most
        self._file: tempfile.TemporaryDirectory[str] | None = None
        self._database: sqlite3.Connection | None = None

    def get_many(self, asked: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that exist."""
        if self._database is None:
            rows = self._rows
            return {key: packed(rows[key]) for key in asked if key in rows}
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
                self._apply(key, value)
            self._sorted = None
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

    def _apply(self, key: bytes, value: bytes | None) -> None:
        kind = key[0]
        if kind == SEEN:
            self._seen += (value is not None) - (key in self._rows)
        elif kind == TOKEN:
            if value is not None and plain_token(value) is None:
                self._odd.add(key)
            elif self._odd:
                self._odd.discard(key)
        if value is None:
            self._rows.pop(key, None)
        else:
            self._rows[key] = _unpacked(key, value)

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
            rows = ((key, packed(self._rows[key])) for key in sorted(self._rows))
            database.executemany("INSERT INTO row VALUES (?, ?)", rows)
        except (OSError, sqlite3.Error) as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None
        self._database = database
        self._rows = {}

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every row of the state in ascending order of its key."""
        if self._database is None:
            if self._sorted is None:
                self._sorted = sorted([key for key in self._rows if key[0] != SEEN])
            rows = self._rows
            yield from ((key, packed(rows[key])) for key in self._sorted)
            return
        cursor = self._database.execute("SELECT key, value FROM row WHERE key < ? ORDER BY key", (_SEEN,))
        while some := cursor.fetchmany(_ASKED):
            yield from some

    def owners(self) -> Iterator[tuple[bytes, bytes]]:
        """Every token's key and its holder's key id, in ascending order."""
        for key, data in self.items():
            if key[0] != TOKEN:
                break
            yield key, token_in(data)[1]

    def same(self, found: Iterable[Page]) -> bool:
        """Whether these are just the rows of the state, ascending, each token with its holder.

        A no may be wrong: whoever gets one looks closer.
        """
        last, count, mine = b"", 0, self._mine()
        for keys, values, holders in found:
            if not _ascending(last, keys) or keys[-1][0] == SEEN:
                return False
            # A counter that an engine gives as a number would be the same as ours, and is none of its rows.
            if not _BYTES.issuperset(map(type, values)):
                return False
            rows = mine(keys)
            # Only where counters are among them are they looked at one by one.
            if None in rows or (rows != values and tuple(map(packed, cast(Iterable[Value], rows))) != values):
                return False
            if self._holders(keys, rows) != holders:
                return False
            last = keys[-1]
            count += len(keys)
        return count == self._count()

    def _mine(self) -> Callable[[tuple[bytes, ...]], tuple[Value | None, ...]]:
        """What gives the values of keys; of those in a file only while the keys are all there are, in their order."""
        if self._database is None:
            get = self._rows.get
            return lambda keys: tuple(map(get, keys))
        rest = self.items()
        return lambda keys: tuple(map(dict(islice(rest, len(keys))).get, keys))

    def _holders(self, keys: tuple[bytes, ...], rows: tuple[Value | None, ...]) -> tuple[bytes | None, ...]:
        """Who holds each of these rows: of a plain token it stands at a known place."""
        plain = self._database is None and self._odd.isdisjoint(keys)
        if plain and keys[0][0] == keys[-1][0] == TOKEN:
            return tuple([value[_KID_FROM:_KID_TO] for value in rows])  # type: ignore[index]
        return tuple(
            [
                token_in(packed(cast(Value, value)))[1] if key[0] == TOKEN else None
                for key, value in zip(keys, rows, strict=True)
            ]
        )

    def _count(self) -> int:
        """How many rows the state has."""
        if self._database is None:
            return len(self._rows) - self._seen
        asked = "SELECT count(*) FROM row WHERE key < ?"
        return int(self._database.execute(asked, (_SEEN,)).fetchone()[0])

    def held(self) -> Counter[bytes]:
        """What each key id holds, in tiyn, token by token."""
        by_key: Counter[bytes] = Counter()
        rows = self.known()
        if rows is not None:
            for key, value in rows.items():
                if key[0] == TOKEN:
                    assert type(value) is bytes
                    if key in self._odd:
                        amount, kid = token_in(value)
                    else:
                        amount, kid = _decode_number(value[1:-TAIL_BYTES]), value[_KID_FROM:_KID_TO]
                    by_key[kid] += amount
            return by_key
        for key, data in self.items():
            if key[0] != TOKEN:
                break
            amount, kid = token_in(data)
            by_key[kid] += amount
        return by_key

    def known(self) -> dict[bytes, Value] | None:
        """The rows themselves while they stand in memory; None afterwards. Who changes them calls `apply` then."""
        return self._rows if self._database is None else None

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
