"""A store on a PostgreSQL server: one schema a ledger, every commit one statement and one round trip.

    postgresql://USER@HOST:PORT/DATABASE?schema=NAME         one server
    postgresql://USER@ONE:5432,TWO:5432/DATABASE             a cluster: the server that accepts writes is found

Passwords belong in PGPASSWORD or in a `.pgpass` file, which libpq reads by itself.

Rules kept here:

- **One writer.** Whoever opens for writing takes the next epoch. A commit names its epoch and the size it expects, and
  moves nothing if either is another (E_STORE_FENCED, E_STORE_CONFLICT). A writer that was overtaken answers nothing
  more.
- **Nothing is answered that may still be lost.** A connection that broke in the middle of a commit leaves its outcome
  unknown. The writer connects again, takes a new epoch (so that what is still under way cannot land any more, and so
  that all it reads is older than a commit that the cluster confirmed), and looks whether its head is there. If it
  cannot look, the answer is E_STORE_OUTCOME, and the next call begins by taking an epoch.
- **One connection for decisions and commits**, so that no decision rests on a server that was overtaken unnoticed.
- **A silent server is left.** A call that lasts too long is cut off (`cbdc.ledger.patience`), and each new connection
  begins at the next host: the first may be a server whose cluster went on without it.
- **Locks are not waited for without end**; what the server rolled back for a lock or a clash is tried again.
- A store opened `read_only` is one REPEATABLE READ transaction: it sees one moment, and never connects again.

psycopg is an extra (`postgres`); its module is imported here and nowhere else in the product.
"""

import logging
import re
import struct
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain, islice
from threading import RLock
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg
from psycopg import sql
from psycopg.adapt import Dumper
from psycopg.pq import Format

from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.ledger import postgres_schema as words
from cbdc.ledger.patience import Watch
from cbdc.ledger.store import PAGE_ROWS, Commit, EntryRow, Page, shown_url
from cbdc.ports import Checkpoint, no_checkpoint

log = logging.getLogger("cbdc.ledger")

DEFAULT_SCHEMA = "ledger"
LOCK_TIMEOUT_MS = 5_000
PATIENCE_SECONDS = 10
CONNECT_TIMEOUT_SECONDS = "5"
_SCHEMA_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
_PAGE = 5_000
_EVERYTHING = 2**62
_TRIES = 3
# Rolled back by the server, so that the same statement may be sent again: a clash, a deadlock, a lock not given.
_AGAIN = frozenset({"40001", "40P01", "55P03"})

_BYTEA, _BYTEA_ARRAY = 17, 1001


class ByteStrings:
    """Byte strings (None for NULL) in the binary form of `bytea[]`: one type for the server, also when it is empty."""

    def __init__(self, values: Sequence[bytes | None]) -> None:
        count = len(values)
        head = struct.pack("!iiI", 1 if values else 0, 1 if None in values else 0, _BYTEA)
        parts = [head, struct.pack("!ii", count, 1)] if values else [head]
        for value in values:
            parts += (b"\xff\xff\xff\xff",) if value is None else (len(value).to_bytes(4, "big"), value)
        self.data = b"".join(parts)


_DUMPER: Any = type(
    "ByteStringsDumper",
    (Dumper,),
    {"format": Format.BINARY, "oid": _BYTEA_ARRAY, "dump": lambda dumper, value: value.data},
)


class PostgresStore:
    """A `Store` in a schema of a PostgreSQL server, made when it is new. `read_only` sees one moment (audits)."""

    def __init__(
        self,
        url: str,
        checkpoint: Checkpoint = no_checkpoint,
        read_only: bool = False,
        lock_timeout_ms: int = LOCK_TIMEOUT_MS,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        """Raises E_STORE_URL, E_STORE_UNAVAILABLE, E_STORE_NOT_DURABLE, E_STORE_VERSION.

        `lock_timeout_ms` is how long a statement waits for another session's lock, `patience_seconds` (up to twice as
        long) how long a server may take for one answer.
        """
        self.url = url
        self._target, self._schema, self._password = _parse(url, read_only)
        self._checkpoint = checkpoint
        self._read_only = read_only
        self._settings = (*words.SETTINGS, ("lock_timeout", str(lock_timeout_ms)))
        self._lock = RLock()
        self._watch = Watch(patience_seconds)
        self._connection: psycopg.Connection[Any] | None = None
        self._warned = False
        self._closed = False
        self._fenced = False
        self._epoch = 0
        self._writer: object = None
        self._connect()

    # --- the connection ---

    def _connect(self) -> psycopg.Connection[Any]:
        """A new connection, as a reader or as the writer; raises like the constructor, and E_STORE_FENCED."""
        if self._fenced:
            raise Unavailable("E_STORE_FENCED", epoch=self._epoch)
        if self._closed or (self._read_only and self._connection is not None):
            raise Unavailable("E_STORE_UNAVAILABLE", detail="the store is closed")
        try:
            target = psycopg.conninfo.make_conninfo("", **self._next_target())
            connection = psycopg.connect(target, autocommit=True, prepare_threshold=0)
        except psycopg.Error as error:
            raise self._unavailable(error) from None
        try:
            self._set_up(connection)
        except psycopg.Error as error:
            connection.close()
            raise self._unavailable(error) from None
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _next_target(self) -> dict[str, Any]:
        """Where to connect: each time the hosts in turn, beginning with the next one."""
        turned = dict(self._target)
        for name in ("host", "port"):
            first, comma, rest = str(self._target.get(name, "")).partition(",")
            if comma:
                self._target[name] = f"{rest},{first}"
        return turned

    def _call(
        self, connection: psycopg.Connection[Any], statement: str, arguments: Any, binary: bool = False
    ) -> psycopg.Cursor[Any]:
        """What the server answers, if it does so in time; a cut line is an error of a closed connection."""
        self._watch.begin(connection)
        try:
            return connection.execute(statement, arguments, binary=binary)
        finally:
            self._watch.end()

    def _set_up(self, connection: psycopg.Connection[Any]) -> None:
        connection.adapters.register_dumper(ByteStrings, _DUMPER)
        for name, value in (*self._settings, ("search_path", self._schema)):
            connection.execute(words.SET, (name, value))
        if self._read_only:
            connection.autocommit = False
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            # The first statement fixes the moment that every later one sees.
            if not self._has_ledger(connection):
                raise Unavailable("E_STORE_UNAVAILABLE", detail=f"there is no ledger in {self._schema}")
            self._check_version(connection)
            return
        connection.add_notice_handler(self._notice)
        if self._writer is None:
            self._prepare(connection)
        self._warned = False
        if self._writer is None:
            taken = self._call(connection, words.TAKE, ()).fetchone()
        else:
            taken = self._call(connection, words.TAKE_AGAIN, (self._writer,)).fetchone()
        if taken is None:
            self._fenced = True
            raise Unavailable("E_STORE_FENCED", epoch=self._epoch)
        if self._warned:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="the cluster did not confirm a commit")
        self._epoch, self._writer = taken

    def _prepare(self, connection: psycopg.Connection[Any]) -> None:
        """Make or migrate the tables in one transaction; E_STORE_NOT_DURABLE, E_STORE_VERSION."""
        for name, setting in zip(
            ("fsync", "full_page_writes"), connection.execute(words.DURABLE).fetchone() or (), strict=False
        ):
            if setting == "off":
                raise Refused("E_STORE_NOT_DURABLE", setting=name)
        if self._has_ledger(connection) and self._check_version(connection) == len(words.VERSIONS):
            return
        with connection.transaction():
            connection.execute(words.MAKE_ALONE, (self._schema,))
            schema = sql.Identifier(self._schema)
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(schema))
            version = self._check_version(connection) if self._has_ledger(connection) else 0
            for statements in words.VERSIONS[version:]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(words.SET_VERSION, (len(words.VERSIONS),))

    @staticmethod
    def _has_ledger(connection: psycopg.Connection[Any]) -> bool:
        row = connection.execute(words.FIND_LEDGER).fetchone()
        return row is not None and bool(row[0])

    @staticmethod
    def _check_version(connection: psycopg.Connection[Any]) -> int:
        row = connection.execute(words.VERSION).fetchone()
        version = 0 if row is None else int(row[0])
        if not 0 < version <= len(words.VERSIONS):
            raise Refused("E_STORE_VERSION", found=version, known=len(words.VERSIONS))
        return version

    def _notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        # A server that stops waiting for its standby says so by a warning, and answers as if all were well.
        self._warned = self._warned or diagnostic.severity_nonlocalized == "WARNING"

    def _line(self) -> psycopg.Connection[Any]:
        """The connection, or a new one in the place of a lost one."""
        connection = self._connection
        if connection is not None and not connection.closed:
            return connection
        return self._connect()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _unavailable(self, error: psycopg.Error) -> Unavailable:
        """E_STORE_UNAVAILABLE with a short kind for a caller; what the server said goes to the log."""
        said = " ".join(str(error).split())[:500] or type(error).__name__
        if self._password:
            said = said.replace(self._password, "***")
        state = error.sqlstate or ""
        log.warning("PostgreSQL failed: %s (%s)", said, state or type(error).__name__)
        kinds = (kind for start, kind in words.KINDS if state.startswith(start))
        unnamed = f"the server refused by {state}" if state else "there is no connection to the server"
        return Unavailable("E_STORE_UNAVAILABLE", detail=next(kinds, unnamed))

    # --- writing ---

    def commit(self, commit: Commit) -> None:
        """All of it in one statement, durable when this returns.

        Raises E_STORE_CONFLICT, E_STORE_FENCED, E_STORE_UNAVAILABLE, and E_STORE_OUTCOME when nobody could learn how it
        ended: it stands whole or not at all, and the same transaction sent again is answered by its id.
        """
        if self._read_only:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="it was opened for reading only")
        self._checkpoint("ledger.commit.before")
        with self._lock:
            connection = self._line()
            if not commit.entries or [row.index for row in commit.entries] != list(
                range(commit.expected_size, commit.size)
            ):
                commit.check(self.size())
            arguments = _arguments(commit)
            self._checkpoint("ledger.commit.inside")
            self._try(connection, commit, arguments)
        self._checkpoint("ledger.commit.after")

    def _try(self, connection: psycopg.Connection[Any], commit: Commit, arguments: dict[str, object]) -> None:
        """Send it until the server has answered clearly, `_TRIES` times at most."""
        for left in reversed(range(_TRIES)):
            self._warned = False
            try:
                moved = self._call(connection, words.COMMIT, arguments | {"epoch": self._epoch}).fetchone()
            except psycopg.Error as error:
                if not connection.closed:
                    if error.sqlstate in _AGAIN and left:
                        continue
                    raise self._unavailable(error) from None
                failure = self._unavailable(error)
            except BaseException:
                # Interrupted while it waited: nobody knows what the server will do.
                self._drop()
                raise
            else:
                if moved is None:
                    raise self._conflict(commit)
                if not self._warned:
                    return
                failure = Unavailable("E_STORE_UNAVAILABLE", detail="the cluster did not confirm the commit")
            self._drop()
            if self._stands(commit):
                return
            if not left:
                raise failure
            connection = self._line()

    def _stands(self, commit: Commit) -> bool:
        """After a lost connection: whether the commit stands; E_STORE_OUTCOME or E_STORE_FENCED without an answer."""
        try:
            rows = self._ask(words.HEAD_AT, (commit.size,))
        except Unavailable as error:
            if error.code == "E_STORE_FENCED":
                raise
            raise Unavailable("E_STORE_OUTCOME", detail=error.facts["detail"]) from None
        return bool(rows) and bytes(rows[0][0]) == commit.head

    def _conflict(self, commit: Commit) -> TengeError:
        size, epoch = self._ask(words.CLOCK, ())[0]
        if epoch != self._epoch:
            self._drop()
            self._fenced = True
            return Unavailable("E_STORE_FENCED", epoch=self._epoch)
        return Unavailable("E_STORE_CONFLICT", expected=commit.expected_size, found=size)

    # --- reading ---

    def _ask(self, statement: str, arguments: Sequence[object]) -> list[Any]:
        """The rows of a statement that only reads; asked once more over a new connection when the old one is lost."""
        with self._lock:
            for left in reversed(range(_TRIES)):
                connection = self._line()
                try:
                    rows: list[Any] = self._call(connection, statement, arguments, binary=True).fetchall()
                    return rows
                except psycopg.Error as error:
                    again = connection.closed or error.sqlstate in _AGAIN
                    if self._read_only or not again or not left:
                        raise self._unavailable(error) from None
                except BaseException:
                    self._drop()
                    raise
        raise AssertionError("the last try answers or raises")

    def _pages(self, statement: str, after: object, *bounds: object) -> Iterator[Any]:
        """The rows of a statement page by page: each begins after the first column of the last row."""
        while True:
            rows = self._ask(statement, (after, *bounds, _PAGE))
            yield from rows
            if len(rows) < _PAGE:
                return
            after = rows[-1][0]

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that exist, in one question."""
        wanted = list(keys)
        return dict(self._ask(words.VALUES, (ByteStrings(wanted),))) if wanted else {}

    def size(self) -> int:
        """How many entries."""
        return int(self._ask(words.CLOCK, ())[0][0])

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[EntryRow]:
        """The entries in order."""
        last = _EVERYTHING if stop is None else stop
        for place, identity, data, leaf in self._pages(words.ENTRIES, max(start, 0) - 1, last):
            yield EntryRow(place, identity, data, leaf)

    def leaves(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The leaf hashes in order."""
        last = _EVERYTHING if stop is None else stop
        for _, leaf in self._pages(words.LEAVES, max(start, 0) - 1, last):
            yield leaf

    def find(self, transaction_ids: Iterable[bytes]) -> dict[bytes, int]:
        """The places of accepted transactions, in one question."""
        wanted = list(transaction_ids)
        return dict(self._ask(words.PLACES, (ByteStrings(wanted),))) if wanted else {}

    def head_covering(self, index: int) -> bytes | None:
        """The first head that covers the entry."""
        rows = self._ask(words.COVERING, (index,))
        return bytes(rows[0][0]) if rows else None

    def heads(self) -> Iterator[tuple[int, bytes]]:
        """Every head with its size, oldest first."""
        yield from self._pages(words.HEADS, -1)

    def owned(self, holder: bytes) -> list[bytes]:
        """A holder's tokens."""
        return self.owned_by_each([holder])[holder]

    def owned_by_each(self, holders: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Each holder's tokens, in one question."""
        found: dict[bytes, list[bytes]] = {holder: [] for holder in holders}
        for holder, token in self._ask(words.OWNED, (ByteStrings(list(found)),)) if found else []:
            found[holder].append(token)
        return {holder: sorted(tokens) for holder, tokens in found.items()}

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """The whole state in order of the key; of one moment only in a store opened for reading."""
        yield from ((key, value) for key, value, _ in self._ask(words.NAMELESS, ()))
        yield from self._pages(words.STATE, b"")

    def owner_rows(self) -> Iterator[tuple[bytes, bytes]]:
        """The owner index in order of the token key; of one moment as `state`."""
        yield from self._pages(words.OWNERS, b"")

    def derived_rows(self) -> Generator[Page, None, None]:
        """Both together, as they stand in one table; of one moment as `state`."""
        rows = chain(self._ask(words.NAMELESS, ()), self._pages(words.DERIVED, b""))
        while some := list(islice(rows, PAGE_ROWS)):
            yield Page(*zip(*some, strict=True))

    def close(self) -> None:
        """Close the connection."""
        self._closed = True
        self._watch.stop()
        self._drop()


def _arguments(commit: Commit) -> dict[str, object]:
    """A commit as the arrays of its statement."""
    # In the order of the key, as its index is: neighbours share a page.
    changes = sorted(commit.changes.items())
    kept = [(key, value) for key, value in changes if value is not None]
    return {
        "size": commit.size,
        "expected": commit.expected_size,
        "ids": ByteStrings([row.transaction_id for row in commit.entries]),
        "datas": ByteStrings([row.data for row in commit.entries]),
        "leaves": ByteStrings([row.leaf for row in commit.entries]),
        "head": commit.head,
        "gone": ByteStrings([key for key, value in changes if value is None]),
        "keys": ByteStrings([key for key, _ in kept]),
        "values": ByteStrings([value for _, value in kept]),
        "holders": ByteStrings([commit.owners.get(key) for key, _ in kept]),
    }


def _parse(url: str, read_only: bool) -> tuple[dict[str, Any], str, str]:
    """Connection parameters, schema and password of a URL; E_STORE_URL (without a password in it) for a strange one."""
    strange = Refused("E_STORE_URL", url=shown_url(url))
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        schema = options.pop("schema", DEFAULT_SCHEMA)
        bare = urlunsplit(parts._replace(scheme="postgresql", query=urlencode(options)))
        target: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(bare)
    except (ValueError, psycopg.Error):
        raise strange from None
    if not _SCHEMA_NAME.match(schema) or parts.scheme not in ("postgresql", "postgres"):
        raise strange
    usual = {
        "application_name": "tenge ledger",
        "connect_timeout": CONNECT_TIMEOUT_SECONDS,
        "target_session_attrs": "any" if read_only else "read-write",
        "keepalives_idle": "5",
        "keepalives_interval": "2",
        "keepalives_count": "3",
        "tcp_user_timeout": "10000",
    }
    return usual | target, schema, str(target.get("password", ""))
