"""Nonces of signed calls in a file, so that a server that was started again takes no call that it took before.

    door = CallDoor(authority, clock, real_clock, nonces=FileNonces(folder / "calls.sqlite", real_clock.now()))

A nonce is on the disk before the call is let in. Rules kept here:

- what has expired is forgotten, and the latest end of it is kept: a call that ends no later is refused, so a clock that
  is set back opens no door to what was forgotten;
- calls that were signed before the file was made are not taken, since nobody remembers them;
- so many for a key and no more, and what the file cannot take is a call that is not let in (E_CALL_NONCES);
- two processes of one machine over one file take each call once between them.

Why a file and no waiting time after a start: `docs/decisions/0030-operations.md`.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cbdc import private
from cbdc.errors import Refused, Unavailable
from cbdc.http.signed_calls import LIFETIME_SECONDS, MOST_NONCES

_WAIT_SECONDS = 10
_TABLES = (
    "CREATE TABLE IF NOT EXISTS nonces (kid BLOB, nonce TEXT, expires INTEGER, PRIMARY KEY (kid, nonce))",
    "CREATE INDEX IF NOT EXISTS by_end ON nonces (expires)",
    "CREATE TABLE IF NOT EXISTS moments (name TEXT PRIMARY KEY, moment INTEGER NOT NULL) WITHOUT ROWID",
)


class FileNonces:
    """The nonces of calls that may still come again, in one SQLite file. Close it at the end."""

    def __init__(self, path: Path, now: int, most: int = MOST_NONCES) -> None:
        """Open the file, made when it is new; `now` is real Unix seconds. E_CALL_NONCES."""
        self._path = path
        self._most = most
        self._lock = threading.Lock()
        try:
            private.make_file(path)
            self._file = sqlite3.connect(
                path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (OSError, sqlite3.Error) as error:
            raise self._failed(error) from None
        try:
            with self._reported():
                self._file.execute("PRAGMA journal_mode = WAL")
                self._file.execute("PRAGMA synchronous = FULL")
                for statement in _TABLES:
                    self._file.execute(statement)
                self._file.execute("INSERT OR IGNORE INTO moments VALUES ('since', ?)", (now,))
            self.since = self._moment("since")
        except BaseException:
            self._file.close()
            raise

    def _failed(self, error: Exception) -> Unavailable:
        problem = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return Unavailable("E_CALL_NONCES", file=self._path.name, problem=problem)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise self._failed(error) from None

    def _moment(self, name: str) -> int:
        with self._reported():
            row = self._file.execute("SELECT moment FROM moments WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def known(self, kid: bytes, nonce: str) -> bool:
        """Whether this key used this nonce; E_CALL_NONCES."""
        with self._lock, self._reported():
            return self._find(kid, nonce)

    def _find(self, kid: bytes, nonce: str) -> bool:
        wanted = "SELECT 1 FROM nonces WHERE kid = ? AND nonce = ?"
        return self._file.execute(wanted, (kid, nonce)).fetchone() is not None

    def remember(self, kid: bytes, nonce: str, created: int, expires: int, now: int) -> None:
        """Take a nonce, durably when this returns.

        Raises E_CALL_REPLAY when it was taken, E_CALL_EXPIRED when it might have been and is forgotten, E_CALL_BUSY
        when the key has too many that still live, E_CALL_NONCES when the file cannot take it.
        """
        with self._lock, self._reported():
            self._file.execute("BEGIN IMMEDIATE")
            try:
                self._take(kid, nonce, created, expires, now)
                self._file.execute("COMMIT")
            except BaseException:
                if self._file.in_transaction:
                    self._file.execute("ROLLBACK")
                raise

    def _take(self, kid: bytes, nonce: str, created: int, expires: int, now: int) -> None:
        if self._find(kid, nonce):
            raise Refused("E_CALL_REPLAY", kid=kid)
        last = self._file.execute("SELECT max(expires) FROM nonces WHERE expires < ?", (now,)).fetchone()[0]
        if last is not None:
            # The last end that is forgotten, and not the present moment: a clock that was ahead for one call would
            # keep everybody out until that moment comes.
            self._file.execute("DELETE FROM nonces WHERE expires < ?", (now,))
            kept = "INSERT INTO moments VALUES ('forgotten', ?) ON CONFLICT DO UPDATE SET moment = max(moment, ?)"
            self._file.execute(kept, (last, last))
        forgotten = self._moment("forgotten")
        if expires <= forgotten:
            raise Refused("E_CALL_EXPIRED", created=created, expires=expires, now=now, since=forgotten)
        counted = "SELECT count(*) FROM nonces WHERE kid = ?"
        if self._file.execute(counted, (kid,)).fetchone()[0] >= self._most:
            raise Unavailable("E_CALL_BUSY", kid=kid, most=self._most, seconds=LIFETIME_SECONDS)
        self._file.execute("INSERT INTO nonces VALUES (?, ?, ?)", (kid, nonce, expires))

    def __len__(self) -> int:
        with self._lock, self._reported():
            return int(self._file.execute("SELECT count(*) FROM nonces").fetchone()[0])

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._file.close()
