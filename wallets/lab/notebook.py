"""What a run of the laboratory must not forget: stores in memory that remember what changed, and one file for all.

The laboratory's institutions and devices work on stores in memory, which is fast, and at the end of a day everything
that changed since the last save goes into one SQLite file in **one** transaction. A process that is killed at any
moment therefore finds the last saved day whole, plays the rest again, and ends with the same bytes. Nothing is
pickled: what is kept are the bytes that the real stores were given, and everything above them opens from its store as
it does after any crash.

    notebook = Notebook(path)          or Notebook(None): nothing is kept
    notebook.save(day, state)          `state` is a value of lists, texts, numbers and bytes
    notebook.state                     what was saved last, or None
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgpack

from cbdc.accounts import Account, Posting, open_posting
from cbdc.accounts_store import MemoryBooks
from cbdc.cabinet import MemoryCabinet, Row
from cbdc.errors import Unavailable
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.store import Commit, EntryRow
from cbdc.private import make_file
from offline import archive
from offline.host_store import Key, MemoryHostStore
from offline.journal import MemoryJournal

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (name TEXT, place INTEGER, data BLOB, PRIMARY KEY (name, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal
    (device BLOB, place INTEGER, record BLOB, PRIMARY KEY (device, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS host
    (device BLOB, kind TEXT, key BLOB, value BLOB, PRIMARY KEY (device, kind, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), data BLOB);
"""


class KeptStore(MemoryStore):
    """The ledger's store; every commit is remembered until it is saved."""

    def __init__(self, fresh: list[Any]) -> None:
        super().__init__()
        self._fresh = fresh

    def commit(self, commit: Commit) -> None:
        """As `MemoryStore.commit`."""
        super().commit(commit)
        rows = [(row.index, row.transaction_id, row.data, row.leaf) for row in commit.entries]
        self._fresh.append(
            (
                commit.expected_size,
                rows,
                list(commit.changes.items()),
                list(commit.owners.items()),
                commit.head,
            )
        )

    def again(self, item: Any) -> None:
        """Take a commit that was saved."""
        size, rows, changes, owners, head = item
        entries = tuple(EntryRow(*row) for row in rows)
        super().commit(Commit(size, entries, dict(changes), dict(owners), head))


class KeptArchive(archive.MemoryArchive):
    """An archive; every append is remembered until it is saved."""

    def __init__(self, fresh: list[Any]) -> None:
        super().__init__()
        self._fresh = fresh

    def append(
        self, expected_size: int | None, rows: Sequence[archive.Row], answers: Mapping[bytes, bytes]
    ) -> None:
        """As `MemoryArchive.append`."""
        super().append(expected_size, rows, answers)
        plain = [(row.oid, row.envelope, row.arrived, row.verified, row.leaf) for row in rows]
        self._fresh.append((plain, list(answers.items())))

    def again(self, item: Any) -> None:
        """Take rows that were saved."""
        rows, answers = item
        super().append(None, [archive.Row(*row) for row in rows], dict(answers))


class KeptBooks(MemoryBooks):
    """The books' engine; every write is remembered until it is saved."""

    def __init__(self, fresh: list[Any]) -> None:
        super().__init__()
        self._fresh = fresh

    def write(self, postings: Sequence[Posting], balances: dict[Account, int]) -> None:
        """As `MemoryBooks.write`."""
        super().write(postings, balances)
        rows = [(posting.id, posting.time, posting.content()) for posting in postings]
        self._fresh.append((rows, [(*account, amount) for account, amount in balances.items()]))

    def again(self, item: Any) -> None:
        """Take postings that were saved."""
        rows, balances = item
        super().write([open_posting(*row) for row in rows], {Account(*row[:3]): row[3] for row in balances})


class KeptCabinet(MemoryCabinet):
    """The filing cabinet; every row is remembered until it is saved."""

    def __init__(self, fresh: list[Any]) -> None:
        super().__init__()
        self._fresh = fresh

    def put_many(self, rows: Iterable[Row]) -> None:
        """As `MemoryCabinet.put_many`."""
        written = list(rows)
        super().put_many(written)
        self._fresh.append([tuple(row) for row in written])

    def again(self, item: Any) -> None:
        """Take rows that were saved."""
        super().put_many([Row(*row) for row in item])


class KeptHosts(MemoryHostStore):
    """The rows of all hosts; what changed is remembered until it is saved."""

    def __init__(self) -> None:
        super().__init__()
        self.fresh: dict[tuple[bytes, str, bytes], bytes | None] = {}

    def write(self, device: bytes, changes: Mapping[Key, bytes | None]) -> None:
        """As `MemoryHostStore.write`."""
        super().write(device, changes)
        self.fresh.update({(device, kind, key): value for (kind, key), value in changes.items()})

    def again(self, rows: Iterable[tuple[bytes, str, bytes, bytes]]) -> None:
        """Take rows that were saved."""
        for device, kind, key, value in rows:
            super().write(device, {(kind, key): value})


class KeptJournal(MemoryJournal):
    """An element's journal that knows how much of it was saved."""

    def __init__(self, records: Iterable[bytes] = ()) -> None:
        super().__init__(records)
        self.saved = len(self._records)
        self.replaced = False
        self._size = sum(map(len, self._records))

    @property
    def size_bytes(self) -> int:
        """The bytes of all records."""
        return self._size

    def append(self, record: bytes) -> None:
        """Add one record."""
        self._records.append(record)
        self._size += len(record)

    def compact(self, snapshot: bytes) -> None:
        """Replace all records by one."""
        self._records, self._size, self.saved, self.replaced = [snapshot], len(snapshot), 0, True

    def fresh(self) -> list[tuple[int, bytes]]:
        """The records that were not saved yet, with their places."""
        return list(enumerate(self._records))[self.saved :]

    def was_saved(self) -> None:
        """Everything stands in the file now."""
        self.saved, self.replaced = len(self._records), False


class Notebook:
    """All stores of one run, and the file that they are saved to (None: no file, nothing is ever saved)."""

    LOGS = ("ledger", "books", "cabinet", "evidence", "devices", "lists")

    def __init__(self, path: Path | None) -> None:
        """Open the file and read what it holds; E_STORE_UNAVAILABLE when it cannot be read."""
        self._fresh: dict[str, list[Any]] = {name: [] for name in self.LOGS}
        self.ledger = KeptStore(self._fresh["ledger"])
        self.books = KeptBooks(self._fresh["books"])
        self.cabinet = KeptCabinet(self._fresh["cabinet"])
        self.archives = {name: KeptArchive(self._fresh[name]) for name in self.LOGS[3:]}
        self.hosts = KeptHosts()
        self._journals: dict[bytes, KeptJournal] = {}
        self.state: Any = None
        self._database: sqlite3.Connection | None = None
        if path is not None:
            try:
                make_file(path)
                self._database = sqlite3.connect(path, isolation_level=None)
                self._database.execute("PRAGMA journal_mode = WAL")
                self._database.execute("PRAGMA synchronous = NORMAL")
                self._database.executescript(_SCHEMA)
                self._read(self._database)
            except sqlite3.Error as error:
                raise Unavailable("E_STORE_UNAVAILABLE", detail=type(error).__name__) from None

    def _read(self, database: sqlite3.Connection) -> None:
        found = database.execute("SELECT data FROM state").fetchone()
        if found is None:
            return
        self.state = _open(found[0])
        stores: dict[str, KeptStore | KeptBooks | KeptCabinet | KeptArchive] = {
            "ledger": self.ledger,
            "books": self.books,
            "cabinet": self.cabinet,
            **self.archives,
        }
        for name, store in stores.items():
            rows = database.execute("SELECT data FROM log WHERE name = ? ORDER BY place", (name,))
            for (data,) in rows:
                for item in _open(data):
                    store.again(item)
        self.hosts.again(database.execute("SELECT device, kind, key, value FROM host"))
        records: dict[bytes, list[bytes]] = {}
        for device, record in database.execute("SELECT device, record FROM journal ORDER BY device, place"):
            records.setdefault(device, []).append(record)
        self._journals = {device: KeptJournal(found) for device, found in records.items()}

    def journal(self, name: bytes) -> KeptJournal:
        """The journal of this name, empty when there was none."""
        return self._journals.setdefault(name, KeptJournal())

    def drop_journal(self, name: bytes) -> None:
        """Begin this journal anew."""
        fresh = KeptJournal()
        fresh.replaced = True
        self._journals[name] = fresh

    def save(self, day: int, state: Any) -> None:
        """Write everything that changed, and `state`, in one transaction; E_STORE_UNAVAILABLE."""
        database = self._database
        if database is None:
            for items in self._fresh.values():
                items.clear()
            self.hosts.fresh.clear()
            return
        try:
            database.execute("BEGIN IMMEDIATE")
            for name, items in self._fresh.items():
                if items:
                    database.execute("INSERT INTO log VALUES (?, ?, ?)", (name, day, msgpack.packb(items)))
            rows = self.hosts.fresh.items()
            database.executemany(
                "REPLACE INTO host VALUES (?, ?, ?, ?)",
                [(*key, value) for key, value in rows if value is not None],
            )
            database.executemany(
                "DELETE FROM host WHERE device = ? AND kind = ? AND key = ?",
                [key for key, value in rows if value is None],
            )
            for device, journal in self._journals.items():
                if journal.replaced:
                    database.execute("DELETE FROM journal WHERE device = ?", (device,))
                fresh = [(device, place, record) for place, record in journal.fresh()]
                database.executemany("INSERT INTO journal VALUES (?, ?, ?)", fresh)
            database.execute("REPLACE INTO state VALUES (1, ?)", (msgpack.packb(state),))
            database.execute("COMMIT")
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=type(error).__name__) from None
        for items in self._fresh.values():
            items.clear()
        self.hosts.fresh.clear()
        for journal in self._journals.values():
            journal.was_saved()

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()


def _open(data: bytes) -> Any:
    return msgpack.unpackb(data, use_list=True, strict_map_key=False)
