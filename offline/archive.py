"""An append-only archive of signed objects, with a Merkle log over their ids and answers that are given once.

Settlement keeps what it was handed in one, the certifying side its enrolments, certificates and lists in another. Two
kinds of things stand in it:

- **rows**, in the order in which they came: an object's envelope, when it arrived, whether its signature was verified
  then, and whether it is a leaf of the log (an id is a leaf once, at its first row);
- **answers**, each under a key, written once and repeated for ever: the acknowledgement of a batch, for instance.

One `append` writes rows and answers in one atomic step, and only if nobody else appended in between
(E_STORE_CONFLICT): several processes may share one archive, each following it with `follow`.

Source: DTO/1, section 5.9 (`ingest`: idempotent, log, restartable); RFC 6962.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from cbdc.errors import Unavailable
from cbdc.ledger.entry import MerkleLog, leaf_hash
from cbdc.private import make_file

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    place INTEGER PRIMARY KEY, oid BLOB NOT NULL, arrived INTEGER NOT NULL,
    verified INTEGER NOT NULL, leaf INTEGER NOT NULL, envelope BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS answer (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One object as it came: its id, its envelope's bytes, the moment, and the two marks (see the module's text)."""

    oid: bytes
    envelope: bytes
    arrived: int
    verified: bool
    leaf: bool


class ArchiveStore(Protocol):
    """An engine that keeps one archive."""

    def size(self) -> int:
        """How many rows."""
        ...

    def rows(self, start: int) -> Iterator[Row]:
        """The rows from `start` on, in order."""
        ...

    def append(self, expected_size: int | None, rows: Sequence[Row], answers: Mapping[bytes, bytes]) -> None:
        """Write all of it durably or nothing.

        Raises E_STORE_CONFLICT unless there are just `expected_size` rows (None asks for nothing, and is for answers
        alone), E_STORE_UNAVAILABLE when the engine fails. An answer that exists already stays as it is.
        """
        ...

    def answer(self, key: bytes) -> bytes | None:
        """The answer under a key, or None."""
        ...

    def answers(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Every key and answer whose key starts with `prefix`, by key."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class MemoryArchive:
    """An `ArchiveStore` in memory."""

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._answers: dict[bytes, bytes] = {}

    def size(self) -> int:
        """How many rows."""
        return len(self._rows)

    def rows(self, start: int) -> Iterator[Row]:
        """The rows from `start` on."""
        yield from self._rows[start:]

    def append(self, expected_size: int | None, rows: Sequence[Row], answers: Mapping[bytes, bytes]) -> None:
        """All of it, or E_STORE_CONFLICT."""
        _check_size(expected_size, len(self._rows))
        self._rows.extend(rows)
        for key, value in answers.items():
            self._answers.setdefault(key, value)

    def answer(self, key: bytes) -> bytes | None:
        """The answer under a key."""
        return self._answers.get(key)

    def answers(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """The answers whose keys start with `prefix`."""
        return sorted(item for item in self._answers.items() if item[0].startswith(prefix))

    def close(self) -> None:
        """Nothing to release."""


class SqliteArchive:
    """An `ArchiveStore` in one SQLite file: write-ahead log, synchronous FULL."""

    def __init__(self, path: Path) -> None:
        try:
            make_file(path)
            self._database = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def _all(self, statement: str, *values: object) -> list[tuple[bytes, bytes]]:
        try:
            return self._database.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def size(self) -> int:
        """How many rows."""
        return int(self._all("SELECT coalesce(max(place) + 1, 0), 0 FROM object")[0][0])

    def rows(self, start: int) -> Iterator[Row]:
        """The rows from `start` on."""
        statement = (
            "SELECT oid, envelope, arrived, verified, leaf FROM object WHERE place >= ? ORDER BY place"
        )
        try:
            for oid, envelope, arrived, verified, leaf in self._database.execute(statement, (start,)):
                yield Row(oid, envelope, arrived, bool(verified), bool(leaf))
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def append(self, expected_size: int | None, rows: Sequence[Row], answers: Mapping[bytes, bytes]) -> None:
        """All of it in one transaction, on the disk when this returns."""
        database = self._database
        try:
            database.execute("BEGIN IMMEDIATE")
            try:
                first = self.size()
                _check_size(expected_size, first)
                database.executemany(
                    "INSERT INTO object VALUES (?, ?, ?, ?, ?, ?)",
                    [
                        (first + place, row.oid, row.arrived, row.verified, row.leaf, row.envelope)
                        for place, row in enumerate(rows)
                    ],
                )
                database.executemany("INSERT OR IGNORE INTO answer VALUES (?, ?)", list(answers.items()))
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def answer(self, key: bytes) -> bytes | None:
        """The answer under a key."""
        found = self._all("SELECT value, 0 FROM answer WHERE key = ?", key)
        return found[0][0] if found else None

    def answers(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """The answers whose keys start with `prefix`."""
        statement = "SELECT key, value FROM answer WHERE substr(key, 1, ?) = ? ORDER BY key"
        return self._all(statement, len(prefix), prefix)

    def close(self) -> None:
        """Close the file."""
        self._database.close()


def _check_size(expected: int | None, found: int) -> None:
    if expected is not None and expected != found:
        raise Unavailable("E_STORE_CONFLICT", expected=expected, found=found)


class Archive:
    """One reader and writer of an archive: what it has read so far, and the Merkle log over it."""

    def __init__(self, store: ArchiveStore) -> None:
        self._store = store
        self._read = 0
        self._places: dict[bytes, int] = {}
        self._last_moment = 0
        self.log = MerkleLog()

    @property
    def size(self) -> int:
        """How many rows this reader has seen."""
        return self._read

    def follow(self) -> list[Row]:
        """The rows that this reader has not seen yet; the log follows."""
        rows = list(self._store.rows(self._read))
        self._took(rows)
        return rows

    def rows_from(self, start: int) -> list[Row]:
        """The rows from `start` on, whether followed before or not."""
        return list(self._store.rows(start))

    def _took(self, rows: Iterable[Row]) -> None:
        for row in rows:
            self._read += 1
            self._last_moment = max(self._last_moment, row.arrived)
            if row.leaf:
                self._places[row.oid] = self.log.size
                self.log.append(leaf_hash(row.oid))

    def moment(self, now: int) -> int:
        """`now`, or the latest arrival if the clock has been put back since: arrivals never fall."""
        return max(now, self._last_moment)

    def is_logged(self, oid: bytes) -> bool:
        """Whether the object is a leaf of the log."""
        return oid in self._places

    def place(self, oid: bytes) -> int | None:
        """The object's index in the log, or None."""
        return self._places.get(oid)

    def head_after(self, rows: Sequence[Row]) -> tuple[int, bytes]:
        """The log's size and root as they will be once `rows` have been appended."""
        before = self.log.size
        for row in rows:
            if row.leaf:
                self.log.append(leaf_hash(row.oid))
        head = (self.log.size, self.log.root())
        self.log.truncate(before)
        return head

    def append(self, rows: Sequence[Row], answers: Mapping[bytes, bytes] | None = None) -> None:
        """Write rows and answers in one step and follow them; E_STORE_CONFLICT when others have written meanwhile."""
        self._store.append(self._read, rows, answers or {})
        self._took(rows)

    def keep(self, key: bytes, value: bytes) -> bytes:
        """Write an answer once; the answer that then stands, which is the first one ever written under the key."""
        self._store.append(None, (), {key: value})
        kept = self._store.answer(key)
        assert kept is not None
        return kept

    def answer(self, key: bytes) -> bytes | None:
        """The answer under a key, or None."""
        return self._store.answer(key)

    def answers(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Every key and answer whose key starts with `prefix`, by key."""
        return self._store.answers(prefix)

    def inclusion(self, oid: bytes, size: int) -> tuple[int, list[bytes]] | None:
        """The object's index in the log of `size` leaves and the proof; None when it is not in there."""
        place = self._places.get(oid)
        if place is None or place >= size:
            return None
        return place, self.log.inclusion(place, size)
