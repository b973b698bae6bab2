"""Where the books are kept: in memory, or in one SQLite file with every posting durable before it is answered.

Tables: `posting` (the journal of the books, with the canonical content), `line` (which posting touches which
account) and `balance` (debit balances, which `Books.check` recomputes from the postings).
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from cbdc.accounts import Account, Posting, open_posting
from cbdc.errors import Unavailable
from cbdc.ports import Checkpoint, no_checkpoint
from cbdc.private import make_file

_SCHEMA = """
CREATE TABLE IF NOT EXISTS posting
    (place INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, time INTEGER NOT NULL, content BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS line
    (institution TEXT NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL, place INTEGER NOT NULL,
     PRIMARY KEY (institution, kind, name, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS balance
    (institution TEXT NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL, debit_tiyn INTEGER NOT NULL,
     PRIMARY KEY (institution, kind, name)) WITHOUT ROWID;
"""
_CHUNK = 500
_AMONG = "SELECT id, content FROM posting WHERE id IN ({})"


class MemoryBooks:
    """A books engine in dictionaries: pilots, tests, exercises."""

    def __init__(self, checkpoint: Checkpoint = no_checkpoint) -> None:
        self._checkpoint = checkpoint
        self._postings: dict[bytes, tuple[Posting, bytes]] = {}
        self._balances: dict[Account, int] = {}

    def contents(self, ids: Iterable[bytes]) -> dict[bytes, bytes]:
        """The content of those postings that are there."""
        return {key: self._postings[key][1] for key in ids if key in self._postings}

    def read(self, accounts: Iterable[Account]) -> dict[Account, int]:
        """The debit balances of those accounts that were ever touched."""
        return {account: self._balances[account] for account in accounts if account in self._balances}

    def write(self, postings: Sequence[Posting], balances: dict[Account, int]) -> None:
        """Add postings and set balances."""
        self._checkpoint("books.post.before")
        for posting in postings:
            self._postings[posting.id] = (posting, posting.content())
        self._balances.update(balances)
        self._checkpoint("books.post.after")

    def balances(self, institution: str | None) -> dict[Account, int]:
        """Every debit balance, in order of the account."""
        return {
            account: self._balances[account]
            for account in sorted(self._balances)
            if institution in (None, account.institution)
        }

    def postings(self, account: Account | None) -> Iterator[Posting]:
        """Every posting, oldest first."""
        for posting, _ in self._postings.values():
            if account is None or any(line.account == account for line in posting.lines):
                yield posting

    def close(self) -> None:
        """Nothing to release."""


class SqliteBooks:
    """A books engine in the file at `path`: write-ahead log, synchronous FULL."""

    def __init__(self, path: Path, checkpoint: Checkpoint = no_checkpoint) -> None:
        """Raises E_STORE_UNAVAILABLE when the file cannot be opened."""
        self._checkpoint = checkpoint
        try:
            make_file(path)
            self._database = sqlite3.connect(path, isolation_level=None, timeout=10, check_same_thread=False)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.execute("PRAGMA wal_autocheckpoint = 20000")
            self._database.execute("PRAGMA cache_size = -32768")
            self._database.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def _rows(self, statement: str, values: Iterable[object] = ()) -> list[Any]:
        try:
            return self._database.execute(statement, tuple(values)).fetchall()
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def contents(self, ids: Iterable[bytes]) -> dict[bytes, bytes]:
        """The content of those postings that are there."""
        found: dict[bytes, bytes] = {}
        wanted = list(ids)
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            found.update(self._rows(_AMONG.format(", ".join("?" * len(part))), part))
        return found

    def read(self, accounts: Iterable[Account]) -> dict[Account, int]:
        """The debit balances of those accounts that were ever touched."""
        statement = "SELECT debit_tiyn FROM balance WHERE institution = ? AND kind = ? AND name = ?"
        found: dict[Account, int] = {}
        for account in accounts:
            for (amount,) in self._rows(statement, account):
                found[account] = amount
        return found

    def write(self, postings: Sequence[Posting], balances: dict[Account, int]) -> None:
        """Add postings and set balances in one transaction, durable when this returns."""
        self._checkpoint("books.post.before")
        try:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                self._write(postings, balances)
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None
        self._checkpoint("books.post.after")

    def _write(self, postings: Sequence[Posting], balances: dict[Account, int]) -> None:
        ((first,),) = self._database.execute("SELECT coalesce(max(place), 0) + 1 FROM posting").fetchall()
        self._database.executemany(
            "INSERT INTO posting VALUES (?, ?, ?, ?)",
            [(first + n, posting.id, posting.time, posting.content()) for n, posting in enumerate(postings)],
        )
        self._database.executemany(
            "INSERT INTO line VALUES (?, ?, ?, ?)",
            [
                (*account, first + n)
                for n, posting in enumerate(postings)
                for account in sorted({line.account for line in posting.lines})
            ],
        )
        self._database.executemany(
            "INSERT OR REPLACE INTO balance VALUES (?, ?, ?, ?)",
            [(*account, amount) for account, amount in balances.items()],
        )

    def balances(self, institution: str | None) -> dict[Account, int]:
        """Every debit balance, in order of the account."""
        statement = (
            "SELECT institution, kind, name, debit_tiyn FROM balance"
            " WHERE ?1 IS NULL OR institution = ?1 ORDER BY institution, kind, name"
        )
        return {Account(*row[:3]): row[3] for row in self._rows(statement, (institution,))}

    def postings(self, account: Account | None) -> Iterator[Posting]:
        """Every posting, oldest first."""
        if account is None:
            rows = self._rows("SELECT id, time, content FROM posting ORDER BY place")
        else:
            rows = self._rows(
                "SELECT id, time, content FROM line JOIN posting USING (place)"
                " WHERE institution = ? AND kind = ? AND name = ? ORDER BY place",
                account,
            )
        for row in rows:
            yield open_posting(*row)

    def close(self) -> None:
        """Close the file."""
        self._database.close()
