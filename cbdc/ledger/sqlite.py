"""A store in one SQLite file: the embedded default. Write-ahead log, synchronous FULL: a commit is on the disk.

Tables: `entry` (the journal), `head` (signed heads by size), `state` (packed key to value) and `owner` (which token a
key id holds, for wallets that lost their own list). The journal is the truth; the others can be rebuilt from it.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from cbdc.errors import Unavailable
from cbdc.ledger.store import Commit, EntryRow
from cbdc.ports import Checkpoint, no_checkpoint

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entry
    (place INTEGER PRIMARY KEY, transaction_id BLOB NOT NULL UNIQUE, data BLOB NOT NULL, leaf BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS head (size INTEGER PRIMARY KEY, envelope BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owner (holder BLOB NOT NULL, token BLOB NOT NULL, PRIMARY KEY (holder, token)) WITHOUT ROWID;
CREATE UNIQUE INDEX IF NOT EXISTS owner_token ON owner (token);
"""
_CHUNK = 500


class SqliteStore:
    """A `Store` in the file at `path`. `read_only` opens an existing file without touching it (audits)."""

    def __init__(self, path: Path, checkpoint: Checkpoint = no_checkpoint, read_only: bool = False) -> None:
        self._checkpoint = checkpoint
        try:
            if read_only:
                uri = f"{path.absolute().as_uri()}?mode=ro"
                self._database = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            else:
                self._database = sqlite3.connect(
                    path, isolation_level=None, timeout=10, check_same_thread=False
                )
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = FULL")
                self._database.execute("PRAGMA wal_autocheckpoint = 20000")
                self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that exist."""
        wanted = list(keys)
        found: dict[bytes, bytes] = {}
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(part))
            found.update(self._rows(f"SELECT key, value FROM state WHERE key IN ({marks})", part))
        return found

    def _rows(self, statement: str, values: Iterable[object] = ()) -> list[tuple[bytes, bytes]]:
        try:
            return self._database.execute(statement, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def _each(self, statement: str, *values: object) -> Iterator[Any]:
        try:
            yield from self._database.execute(statement, values)
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def commit(self, commit: Commit) -> None:
        """All of it in one transaction, durable when this returns."""
        self._checkpoint("ledger.commit.before")
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                size = self.size()
                if size != commit.expected_size:
                    raise Unavailable("E_STORE_CONFLICT", expected=commit.expected_size, found=size)
                self._write(commit)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None
        self._checkpoint("ledger.commit.after")

    def _write(self, commit: Commit) -> None:
        database = self._database
        database.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?)",
            [(row.index, row.transaction_id, row.data, row.leaf) for row in commit.entries],
        )
        gone = [(key,) for key, value in commit.changes.items() if value is None]
        kept = [(key, value) for key, value in commit.changes.items() if value is not None]
        database.executemany("DELETE FROM state WHERE key = ?", gone)
        database.executemany("DELETE FROM owner WHERE token = ?", gone)
        self._checkpoint("ledger.commit.inside")
        database.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", kept)
        database.executemany(
            "INSERT INTO owner VALUES (?, ?)",
            [(commit.owners[key], key) for key, value in kept if key in commit.owners],
        )
        size = commit.expected_size + len(commit.entries)
        database.execute("INSERT INTO head VALUES (?, ?)", (size, commit.head))

    def size(self) -> int:
        """How many entries."""
        try:
            row = self._database.execute("SELECT coalesce(max(place) + 1, 0) FROM entry").fetchone()
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None
        return int(row[0])

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[EntryRow]:
        """The entries in order."""
        last = 2**62 if stop is None else stop
        statement = "SELECT place, transaction_id, data, leaf FROM entry WHERE place >= ? AND place < ? ORDER BY place"
        for row in self._each(statement, start, last):
            yield EntryRow(*row)

    def leaves(self) -> Iterator[bytes]:
        """The leaf hashes in order."""
        for (leaf,) in self._each("SELECT leaf FROM entry ORDER BY place"):
            yield leaf

    def find(self, transaction_ids: Iterable[bytes]) -> dict[bytes, int]:
        """The places of accepted transactions."""
        wanted = list(transaction_ids)
        found: dict[bytes, int] = {}
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            marks = ",".join("?" * len(part))
            rows = self._rows(
                f"SELECT transaction_id, place FROM entry WHERE transaction_id IN ({marks})", part
            )
            found.update((identity, int(place)) for identity, place in rows)
        return found

    def head_covering(self, index: int) -> bytes | None:
        """The first head that covers the entry."""
        rows = self._rows("SELECT envelope, size FROM head WHERE size > ? ORDER BY size LIMIT 1", (index,))
        return rows[0][0] if rows else None

    def heads(self) -> Iterator[bytes]:
        """Every head, oldest first."""
        for (envelope,) in self._each("SELECT envelope FROM head ORDER BY size"):
            yield envelope

    def owned(self, holder: bytes) -> list[bytes]:
        """A holder's tokens."""
        return [
            row[0]
            for row in self._rows("SELECT token, 0 FROM owner WHERE holder = ? ORDER BY token", (holder,))
        ]

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """The whole state in order of the key."""
        yield from self._each("SELECT key, value FROM state ORDER BY key")

    def owner_rows(self) -> Iterator[tuple[bytes, bytes]]:
        """The owner index in order of the token key."""
        yield from self._each("SELECT token, holder FROM owner ORDER BY token")

    def close(self) -> None:
        """Close the file."""
        self._database.close()
