"""The rows of a fold: the state that follows from a journal, as bytes under bytes, for whoever audits it.

In memory while there are few, in a file of its own when there are many, so that an audit of ten million tokens needs no
more memory than one of a million. The file is nobody's but this process's and goes with it.
"""

import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from cbdc import canonical
from cbdc.errors import Unavailable
from cbdc.ledger.state import StateKey

MOST_ROWS = 1_000_000
"""How many rows are kept in memory; more go to a file."""

SEEN = 0xFF
"""No kind of state: under it stand the ids of transactions that spend nothing, for they may come again."""

_SEEN = bytes([SEEN])
_ASKED = 500


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

    def known(self) -> dict[bytes, bytes] | None:
        """The rows themselves while they stand in memory, to be read; None afterwards."""
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
