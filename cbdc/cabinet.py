"""The filing cabinet of the institutions: what they have begun, whom they know, what they were asked.

Rows of bytes stand in named drawers under ids. One `put_many` is one durable commit, all of it or nothing, and may
move a row from one drawer to another: an open order lies in a drawer of its own until it is done, so whoever starts
again after a crash opens that drawer and finds just what was left.

The order of effects is the same for every institution: **write down what you are going to do, do it under ids that
follow from what you wrote, write down that it is done**. Each step answers a repetition the same way, so a crash
between two steps is mended by doing the whole again.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from cbdc.errors import Unavailable
from cbdc.ports import Checkpoint, no_checkpoint
from cbdc.private import make_file


def follow(label: str, *parts: bytes) -> bytes:
    """The 32-byte id that follows from `parts` for the purpose `label`: the same at every repetition."""
    digest = hashlib.sha256(b"kzt-dt/institution/v1\0" + label.encode() + b"\0")
    for part in parts:
        digest.update(len(part).to_bytes(4, "big") + part)
    return digest.digest()


def follow_nonce(label: str, *parts: bytes) -> bytes:
    """The 16-byte nonce of a transaction that follows from `parts`."""
    return follow(label, *parts)[:16]


class Row(NamedTuple):
    """A row to write: `data` None takes the row out of the drawer."""

    drawer: str
    id: bytes
    data: bytes | None


class Cabinet(Protocol):
    """Durable rows by drawer and id."""

    def get(self, drawer: str, id: bytes) -> bytes | None:
        """The row, or None."""
        ...

    def get_many(self, drawer: str, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Those of these rows that are there, by id."""
        ...

    def all(self, drawer: str) -> list[tuple[bytes, bytes]]:
        """Every (id, data) of a drawer in the order in which they were first put there."""
        ...

    def put_many(self, rows: Iterable[Row]) -> None:
        """Write all rows in one durable commit, or none; E_STORE_UNAVAILABLE when that fails."""
        ...

    def close(self) -> None:
        """Release files."""
        ...


_CHUNK = 500
_AMONG = "SELECT id, data FROM row WHERE drawer = ? AND id IN ({})"
_TAKE_OUT = "DELETE FROM row WHERE drawer = ? AND id = ?"
_PUT = (
    "INSERT INTO row (drawer, id, data) VALUES (?, ?, ?)"
    " ON CONFLICT (drawer, id) DO UPDATE SET data = excluded.data"
)


class MemoryCabinet:
    """A cabinet in dictionaries."""

    def __init__(self, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._checkpoint = checkpoint
        self._drawers: dict[str, dict[bytes, bytes]] = {}

    def get(self, drawer: str, id: bytes) -> bytes | None:
        """The row, or None."""
        return self._drawers.get(drawer, {}).get(id)

    def get_many(self, drawer: str, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Those that are there."""
        rows = self._drawers.get(drawer, {})
        return {key: rows[key] for key in ids if key in rows}

    def all(self, drawer: str) -> list[tuple[bytes, bytes]]:
        """Every row of a drawer, in the order of arrival."""
        return list(self._drawers.get(drawer, {}).items())

    def put_many(self, rows: Iterable[Row]) -> None:
        """Write all rows."""
        self._checkpoint("register.write.before")
        for drawer, key, data in rows:
            if data is None:
                self._drawers.get(drawer, {}).pop(key, None)
            else:
                self._drawers.setdefault(drawer, {})[key] = data
        self._checkpoint("register.write.after")

    def close(self) -> None:
        """Nothing to release."""


class SqliteCabinet:
    """A cabinet in the SQLite file at `path`: write-ahead log, synchronous FULL."""

    def __init__(self, path: Path, checkpoint: Checkpoint = no_checkpoint) -> None:
        """Raises E_STORE_UNAVAILABLE when the file cannot be opened."""
        self._checkpoint = checkpoint
        try:
            make_file(path)
            self._database = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("PRAGMA wal_autocheckpoint = 50000")
            self._database.execute("PRAGMA cache_size = -16384")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS row (place INTEGER PRIMARY KEY, drawer TEXT NOT NULL, id BLOB NOT NULL,"
                " data BLOB NOT NULL, UNIQUE (drawer, id))"
            )
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def _rows(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def get(self, drawer: str, id: bytes) -> bytes | None:
        """The row, or None."""
        rows = self._rows("SELECT data FROM row WHERE drawer = ? AND id = ?", (drawer, id))
        return rows[0][0] if rows else None

    def get_many(self, drawer: str, ids: Sequence[bytes]) -> dict[bytes, bytes]:
        """Those that are there."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(ids), _CHUNK):
            part = ids[start : start + _CHUNK]
            among = ", ".join("?" * len(part))
            found.update(self._rows(_AMONG.format(among), (drawer, *part)))
        return found

    def all(self, drawer: str) -> list[tuple[bytes, bytes]]:
        """Every row of a drawer, in the order of arrival."""
        return self._rows("SELECT id, data FROM row WHERE drawer = ? ORDER BY place", (drawer,))

    def put_many(self, rows: Iterable[Row]) -> None:
        """Write all rows in one transaction, durable when this returns."""
        self._checkpoint("register.write.before")
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                # In their order, for a row may be put and taken out again; runs of one kind go together.
                for gone, run in groupby(rows, key=lambda row: row.data is None):
                    if gone:
                        self._database.executemany(_TAKE_OUT, ((drawer, key) for drawer, key, _ in run))
                    else:
                        self._database.executemany(_PUT, run)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None
        self._checkpoint("register.write.after")

    def close(self) -> None:
        """Close the file."""
        self._database.close()
