"""A store in one SQLite file: the embedded default. Write-ahead log, synchronous FULL: a commit is on the disk.

Tables: `entry` (the journal), `head` (signed heads by size), `state` (packed key to value) and `owner` (which token a
key id holds, for wallets that lost their own list). The journal is the truth; the others can be rebuilt from it.

One connection serves all threads of the process, one at a time. A store opened `read_only` sees one moment: an audit
reads the journal and the state as they stood together, while the ledger goes on writing.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.ledger.store import Commit, EntryRow
from cbdc.ports import Checkpoint, no_checkpoint
from cbdc.private import make_file

_VERSION_1 = (
    """CREATE TABLE IF NOT EXISTS entry (
    place INTEGER PRIMARY KEY, transaction_id BLOB NOT NULL UNIQUE, data BLOB NOT NULL, leaf BLOB NOT NULL)""",
    "CREATE TABLE IF NOT EXISTS head (size INTEGER PRIMARY KEY, envelope BLOB NOT NULL)",
    "CREATE TABLE IF NOT EXISTS state (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID",
    """CREATE TABLE IF NOT EXISTS owner (
    holder BLOB NOT NULL, token BLOB NOT NULL, PRIMARY KEY (holder, token)) WITHOUT ROWID""",
    "CREATE UNIQUE INDEX IF NOT EXISTS owner_token ON owner (token)",
)
# From here on a file says what it is: "tnge", and its version in `user_version`, which the first version left at 0.
_VERSION_2 = (f"PRAGMA application_id = {int.from_bytes(b'tnge', 'big')}",)
_VERSIONS = (_VERSION_1, _VERSION_2)
_CHUNK = 500
_EVERYTHING = 2**62
# A damaged file can put bytes into SQLite's own message that are no text, and Python then cannot read the message.
FAILURES = (sqlite3.Error, UnicodeDecodeError)
_PIECE_BYTES = 1 << 20


class SqliteStore:
    """A `Store` in the file at `path`. `read_only` opens an existing ledger without changing it (audits)."""

    def __init__(self, path: Path, checkpoint: Checkpoint = no_checkpoint, read_only: bool = False) -> None:
        """Raises E_STORE_UNAVAILABLE when there is no such file or folder, or it is no ledger's.

        E_STORE_VERSION when a newer program wrote it: then nothing is changed. An older file is brought up to date,
        unless it is only read.
        """
        self.path = path
        self.url = f"sqlite:///{path.absolute()}"
        self._checkpoint = checkpoint
        self._read_only = read_only
        self._lock = RLock()
        self._place: list[tuple[int, int]] = []
        name = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        if not read_only:
            make_file(path)
        try:
            self._database = sqlite3.connect(
                name, uri=True, isolation_level=None, timeout=10, check_same_thread=False
            )
        except FAILURES as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None
        try:
            self._prepare()
        except FAILURES as error:
            self._database.close()
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None
        except TengeError:
            self._database.close()
            raise

    def _prepare(self) -> None:
        if self._read_only:
            # The first read after BEGIN fixes the moment that every later one sees.
            self._database.execute("BEGIN")
            self._database.execute("SELECT size FROM head LIMIT 1").fetchone()
            self._version()
            return
        done = self._version()
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("PRAGMA wal_autocheckpoint = 50000")
        self._database.execute("PRAGMA cache_size = -131072")
        self._take_over()
        if done < len(_VERSIONS):
            self._migrate()
        if self.path.with_name(self.path.name + "-wal").exists():
            self._check_place()

    def _take_over(self) -> None:
        """Put what a dead process left on the disk; under the write lock, so that no other writer adds to the log."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            keep_log(self.path.with_name(self.path.name + "-wal"))
        except OSError as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None
        finally:
            self._database.execute("ROLLBACK")

    def _version(self) -> int:
        """How many versions are done: 0 for a new file, and for one of the first version, which said nothing."""
        found = int(self._database.execute("PRAGMA user_version").fetchone()[0])
        if not 0 <= found <= len(_VERSIONS):
            raise Refused("E_STORE_VERSION", found=found, known=len(_VERSIONS))
        return found

    def _migrate(self) -> None:
        """Make the tables, or bring an older file up to date: all in one transaction."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for statements in _VERSIONS[self._version() :]:
                for statement in statements:
                    self._database.execute(statement)
            self._database.execute(f"PRAGMA user_version = {len(_VERSIONS)}")
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that exist."""
        return {
            key: _blob(value) for key, value in self._among("SELECT key, value FROM state WHERE key", keys)
        }

    def _among(self, statement: str, values: Iterable[bytes]) -> list[Any]:
        """The rows of `statement IN (values)`, read in one go so that no commit falls between."""
        wanted = list(values)
        with self._lock:
            return [
                row
                for start in range(0, len(wanted), _CHUNK)
                for row in self._rows(
                    f"{statement} IN ({','.join('?' * len(wanted[start : start + _CHUNK]))})",
                    wanted[start : start + _CHUNK],
                )
            ]

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        try:
            with self._lock:
                return self._database.execute(statement, values).fetchall()
        except FAILURES as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def _each(self, statement: str, *values: object) -> Iterator[Any]:
        try:
            with self._lock:
                cursor = self._database.execute(statement, values)
            while True:
                with self._lock:
                    rows = cursor.fetchmany(_CHUNK)
                if not rows:
                    return
                yield from rows
        except FAILURES as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def commit(self, commit: Commit) -> None:
        """All of it in one transaction, durable when this returns."""
        if self._read_only:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="it was opened for reading only")
        self._checkpoint("ledger.commit.before")
        try:
            with self._lock:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    commit.check(self.size())
                    self._write(commit)
                    self._database.execute("COMMIT")
                except BaseException:
                    if self._database.in_transaction:
                        self._database.execute("ROLLBACK")
                    raise
        except FAILURES as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None
        self._check_place()
        self._checkpoint("ledger.commit.after")

    def _check_place(self) -> None:
        """E_STORE_OUTCOME, and E_STORE_UNAVAILABLE at every later call, when the file or its log is not at its place.

        Who moves or deletes an open file takes what is written to it afterwards out of the world with this process.
        """
        log = self.path.with_name(self.path.name + "-wal")
        try:
            there = [(found.st_dev, found.st_ino) for found in (self.path.stat(), log.stat())]
        except OSError:
            there = []
        self._place = self._place or there
        if not there or there != self._place:
            self.close()
            raise Unavailable("E_STORE_OUTCOME", detail="its file was taken away while it was open")

    def _write(self, commit: Commit) -> None:
        database = self._database
        database.executemany(
            "INSERT INTO entry VALUES (?, ?, ?, ?)",
            [(row.index, row.transaction_id, row.data, row.leaf) for row in commit.entries],
        )
        # In the order of the key, as the tables are: neighbours share a page.
        changes = sorted(commit.changes.items())
        gone = [(key,) for key, value in changes if value is None]
        kept = [(key, value) for key, value in changes if value is not None]
        database.executemany("DELETE FROM state WHERE key = ?", gone)
        database.executemany("DELETE FROM owner WHERE token = ?", gone)
        self._checkpoint("ledger.commit.inside")
        database.executemany(
            "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", kept
        )
        database.executemany(
            "INSERT INTO owner VALUES (?, ?)",
            [(commit.owners[key], key) for key, _ in kept if key in commit.owners],
        )
        database.execute("INSERT INTO head VALUES (?, ?)", (commit.size, commit.head))

    def size(self) -> int:
        """How many entries."""
        return int(self._rows("SELECT coalesce(max(place) + 1, 0) FROM entry")[0][0])

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[EntryRow]:
        """The entries in order."""
        last = _EVERYTHING if stop is None else stop
        statement = "SELECT place, transaction_id, data, leaf FROM entry WHERE place >= ? AND place < ? ORDER BY place"
        for place, identity, data, leaf in self._each(statement, start, last):
            yield EntryRow(place, _blob(identity), _blob(data), _blob(leaf))

    def leaves(self) -> Iterator[bytes]:
        """The leaf hashes in order."""
        for (leaf,) in self._each("SELECT leaf FROM entry ORDER BY place"):
            yield _blob(leaf)

    def find(self, transaction_ids: Iterable[bytes]) -> dict[bytes, int]:
        """The places of accepted transactions."""
        return dict(
            self._among("SELECT transaction_id, place FROM entry WHERE transaction_id", transaction_ids)
        )

    def head_covering(self, index: int) -> bytes | None:
        """The first head that covers the entry."""
        rows = self._rows("SELECT envelope FROM head WHERE size > ? ORDER BY size LIMIT 1", (index,))
        return _blob(rows[0][0]) if rows else None

    def heads(self) -> Iterator[tuple[int, bytes]]:
        """Every head with its size, oldest first."""
        for size, envelope in self._each("SELECT size, envelope FROM head ORDER BY size"):
            yield size, _blob(envelope)

    def owned(self, holder: bytes) -> list[bytes]:
        """A holder's tokens."""
        rows = self._rows("SELECT token FROM owner WHERE holder = ? ORDER BY token", (holder,))
        return [_blob(token) for (token,) in rows]

    def owned_by_each(self, holders: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Each holder's tokens."""
        found: dict[bytes, list[bytes]] = {holder: [] for holder in holders}
        for holder, token in self._among("SELECT holder, token FROM owner WHERE holder", found):
            found[_blob(holder)].append(_blob(token))
        return {holder: sorted(tokens) for holder, tokens in found.items()}

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """The whole state in order of the key; E_STORE_UNAVAILABLE when the file's trees contradict one another.

        Who reads everything in order would not see that a key is found no more by its index.
        """
        said = self._rows("PRAGMA integrity_check(1)")[0][0]
        if said != "ok":
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(said).replace("\n", " "))
        for key, value in self._each("SELECT key, value FROM state ORDER BY key"):
            yield _blob(key), _blob(value)

    def owner_rows(self) -> Iterator[tuple[bytes, bytes]]:
        """The owner index in order of the token key."""
        for token, holder in self._each("SELECT token, holder FROM owner ORDER BY token"):
            yield _blob(token), _blob(holder)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def keep_log(path: Path) -> None:
    """Put the write-ahead log that a dead process left on the disk, before anybody builds on what it says.

    The process may have died between writing and syncing, or after a sync that failed: then the log is whole in the
    system's cache and not on the disk, and Linux would call a second sync done without writing anything. So the bytes
    are written once more, in their place, and synced. Raises `OSError`.
    """
    if not path.exists():
        return
    with path.open("r+b", buffering=0) as file:
        while data := file.read(_PIECE_BYTES):
            file.seek(-len(data), os.SEEK_CUR)
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
        os.fsync(file.fileno())


def _blob(value: object) -> bytes:
    # SQLite keeps whatever a damaged page or a stranger's hand puts into a column; the ledger reads bytes or nothing.
    if type(value) is not bytes:
        raise Unavailable(
            "E_STORE_UNAVAILABLE", detail=f"a value of the type {type(value).__name__} in its rows"
        )
    return value
