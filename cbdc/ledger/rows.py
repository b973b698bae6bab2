"""The rows of a fold: the state that follows from a journal, as bytes under bytes, for whoever audits it.

In memory while there are few, in a file of its own when there are many, so that an audit of ten million tokens needs no
more memory than one of two million. The file is nobody's but this process's and goes with it.

In memory the commonest rows stand as what they mean, not as bytes: a counter is a number, a plain token its amount and
its key id. So a replay of plain transfers decodes nothing (`cbdc.ledger.fold_plain`). Whoever asks for a row gets its
canonical bytes all the same.
"""

import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from cbdc import canonical
from cbdc.errors import Unavailable
from cbdc.ledger.state import COUNTER, TOKEN, StateKey, decode_value
from cbdc.plain_form import plain_token
from cbdc.token import Token

MOST_ROWS = 2_500_000
"""How many rows are kept in memory, at about 250 bytes each; more go to a file."""

Value = bytes | int | tuple[int, bytes]
"""A row in memory: a counter's number, a plain token's amount and key id, or the bytes of any other row."""

_encode = msgspec.msgpack.Encoder().encode
_NO_MARK = b""

SEEN = 0xFF
"""No kind of state: under it stand the ids of transactions that spend nothing, for they may come again."""

_SEEN = bytes([SEEN])
_TOKEN = bytes([TOKEN])
_ASKED = 500


def packed(value: Value) -> bytes:
    """The canonical bytes of a row in memory."""
    if type(value) is bytes:
        return value
    if type(value) is int:
        return _encode(value)
    amount, kid = value  # type: ignore[misc]
    return _encode((amount, (1, kid), _NO_MARK))


def _unpacked(key: bytes, data: bytes) -> Value:
    """A row's bytes, which the fold itself has written, as they stand in memory."""
    if key[0] == COUNTER:
        number = canonical.decode(data)
        assert isinstance(number, int)
        return number
    return (plain_token(data) or data) if key[0] == TOKEN else data


def token_in(value: bytes) -> tuple[int, bytes]:
    """Amount and holder's key id in the bytes of a token's row."""
    plain = plain_token(value)
    if plain is not None:
        return plain
    token = decode_value(TOKEN, value)
    assert isinstance(token, Token)
    return token.amount_tiyn, token.lock.holder


class Rows:
    """The rows of a fold: packed state keys to bytes. In memory up to `most`, then in a temporary file."""

    def __init__(self, most: int = MOST_ROWS) -> None:
        self._rows: dict[bytes, Value] = {}
        self._sorted: list[bytes] | None = None
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
                if value is None:
                    self._rows.pop(key, None)
                else:
                    self._rows[key] = _unpacked(key, value)
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
        rows = self.known()
        for key, data in self.items():
            if key[0] != TOKEN:
                break
            value = None if rows is None else rows[key]
            yield key, value[1] if type(value) is tuple else token_in(data)[1]

    def same_items(self, found: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether these are just the rows of the state, ascending. A no may be wrong: whoever gets one looks closer."""
        rows = self._rows
        if self._database is not None:
            return False
        last, count = b"", 0
        for key, value in found:
            mine = rows.get(key)
            if type(mine) is tuple:
                mine = _encode((mine[0], (1, mine[1]), _NO_MARK))
            elif type(mine) is int:
                mine = _encode(mine)
            if mine != value or key <= last or key[0] == SEEN:
                return False
            last = key
            count += 1
        return count == sum(1 for key in rows if key[0] != SEEN)

    def same_owners(self, found: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether these are just the tokens with their holders, ascending. A no may be wrong."""
        rows = self._rows
        if self._database is not None:
            return False
        last, count = b"", 0
        for key, holder in found:
            mine = rows.get(key)
            kid = mine[1] if type(mine) is tuple else self._holder(key, mine)
            if kid != holder or key <= last:
                return False
            last = key
            count += 1
        return count == sum(1 for key in rows if key[0] == TOKEN)

    def _holder(self, key: bytes, value: Value | None) -> bytes | None:
        return token_in(value)[1] if key[:1] == _TOKEN and type(value) is bytes else None

    def held(self) -> Counter[bytes]:
        """What each key id holds, in tiyn, token by token."""
        by_key: Counter[bytes] = Counter()
        rows = self.known()
        if rows is not None:
            for key, value in rows.items():
                if key[0] == TOKEN:
                    amount, kid = value if type(value) is tuple else token_in(packed(value))
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
