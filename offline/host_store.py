"""What the host of a device keeps: rows by device, kind and key, changed all or nothing.

The element is the truth about value; the host keeps what the element has no room for: the histories of its money, the
certificates in them, payments to send again, receipts. All of it can be lost without losing money (it then waits for a
sync or for expiry), so the store is as small an idea as can be: `read` everything of one device, `write` some changes.

Many devices share one store: one SQLite file serves a whole pilot.

Source: DTO/1, sections 5.7 (what the host does) and 5.8.
"""

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Protocol

from cbdc.errors import Unavailable
from cbdc.private import make_file

Key = tuple[str, bytes]


class HostStore(Protocol):
    """Rows `(kind, key) -> bytes` of many devices."""

    def read(self, device: bytes) -> dict[Key, bytes]:
        """All rows of one device (its key id); E_HOST_STORE when the store does not answer."""
        ...

    def write(self, device: bytes, changes: Mapping[Key, bytes | None]) -> None:
        """Put these rows, and remove those that are None: all of them or none. E_HOST_STORE as for `read`."""
        ...


class MemoryHostStore:
    """A host store in memory."""

    def __init__(self) -> None:
        self._rows: dict[bytes, dict[Key, bytes]] = {}

    def read(self, device: bytes) -> dict[Key, bytes]:
        """All rows of one device."""
        return dict(self._rows.get(device, {}))

    def write(self, device: bytes, changes: Mapping[Key, bytes | None]) -> None:
        """Put and remove rows."""
        rows = self._rows.setdefault(device, {})
        for key, value in changes.items():
            if value is None:
                rows.pop(key, None)
            else:
                rows[key] = value


class SqliteHostStore:
    """A host store in one SQLite file (or in memory, for the path ":memory:")."""

    def __init__(self, path: Path | str, durable: bool = True) -> None:
        """`durable=False` lets the operating system choose when to write: quick, and lost if the machine dies."""
        self._name = Path(path).name
        self._lock = Lock()
        try:
            if path != ":memory:":
                make_file(Path(path))
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        except sqlite3.Error as error:
            raise self._unavailable(error) from None
        try:
            self._connection.execute("pragma journal_mode = wal")
            self._connection.execute(f"pragma synchronous = {'full' if durable else 'off'}")
            self._connection.execute(
                "create table if not exists host (device blob, kind text, key blob, value blob not null,"
                " primary key (device, kind, key)) without rowid"
            )
        except sqlite3.Error as error:
            self._connection.close()
            raise self._unavailable(error) from None

    def read(self, device: bytes) -> dict[Key, bytes]:
        """All rows of one device."""
        try:
            with self._lock:
                rows = self._connection.execute(
                    "select kind, key, value from host where device = ?", (device,)
                ).fetchall()
        except sqlite3.Error as error:
            raise self._unavailable(error) from None
        return {(kind, key): value for kind, key, value in rows}

    def write(self, device: bytes, changes: Mapping[Key, bytes | None]) -> None:
        """Put and remove rows in one transaction."""
        puts = [(device, *key, value) for key, value in changes.items() if value is not None]
        gone = [(device, *key) for key, value in changes.items() if value is None]
        with self._lock:
            try:
                self._connection.execute("begin immediate")
                self._connection.executemany("replace into host values (?, ?, ?, ?)", puts)
                self._connection.executemany(
                    "delete from host where device = ? and kind = ? and key = ?", gone
                )
                self._connection.execute("commit")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._connection.execute("rollback")
                raise self._unavailable(error) from None

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    def _unavailable(self, error: sqlite3.Error) -> Unavailable:
        return Unavailable("E_HOST_STORE", store=self._name, detail=type(error).__name__)
