"""The wallet's rows in one SQLite file, which may hold many wallets.

The file says whose it is (`application_id`) and which version of the tables it has (`user_version`); a file of
another program or a later version is refused and not touched. A commit is durable when it returns: write-ahead log,
`synchronous = FULL`. The file is readable by its owner only, for it tells what a person owns and whom they paid; it
holds no key.
"""

import os
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cbdc import canonical
from cbdc.errors import Malformed, Unavailable
from cbdc.ports import Checkpoint, no_checkpoint
from cbdc.record import HASH, Group, Items, Unsigned
from cbdc.token import TokenId
from wallets.store import (
    Balance,
    Draft,
    HistoryKey,
    HistoryRow,
    Intent,
    IntentKey,
    TokenKey,
    TokenState,
    WalletStore,
    WalletToken,
)

VERSION = 1
APPLICATION_ID = int.from_bytes(b"TNGW", "big")
BUSY_SECONDS = 10
_CHUNK = 500

_TABLES = """
CREATE TABLE token (
    wallet TEXT NOT NULL, transaction_id BLOB NOT NULL, output INTEGER NOT NULL, amount_tiyn INTEGER NOT NULL,
    lock BLOB NOT NULL, mark BLOB NOT NULL, state TEXT NOT NULL, intent BLOB NOT NULL,
    PRIMARY KEY (wallet, transaction_id, output)
) WITHOUT ROWID;
CREATE INDEX token_held ON token (wallet, state) WHERE state <> 'spent';
CREATE TABLE intent (
    place INTEGER PRIMARY KEY AUTOINCREMENT, wallet TEXT NOT NULL, id BLOB NOT NULL, kind TEXT NOT NULL,
    body BLOB NOT NULL, time INTEGER NOT NULL, inputs BLOB NOT NULL, state TEXT NOT NULL, result BLOB NOT NULL,
    UNIQUE (wallet, id)
);
CREATE INDEX intent_open ON intent (place) WHERE state = 'saved';
CREATE TABLE history (
    place INTEGER PRIMARY KEY AUTOINCREMENT, wallet TEXT NOT NULL, id BLOB NOT NULL, time INTEGER NOT NULL,
    kind TEXT NOT NULL, direction TEXT NOT NULL, amount_tiyn INTEGER NOT NULL, other TEXT NOT NULL,
    memo TEXT NOT NULL, UNIQUE (wallet, id)
);
CREATE INDEX history_of ON history (wallet, place);
"""

_TOKENS = "SELECT wallet, transaction_id, output, amount_tiyn, lock, mark, state, intent FROM "
_READ_TOKENS = _TOKENS + "token WHERE wallet = ? "
_INTENTS = "SELECT wallet, id, kind, body, time, inputs, state, result FROM "
_READ_INTENTS = _INTENTS + "intent "
_HISTORY = "SELECT wallet, id, time, kind, direction, amount_tiyn, other, memo FROM "
_READ_HISTORY = _HISTORY + "history WHERE wallet = ? "
# Many keys at once: the list is read first, and each row of the table found by its key.
_AMONG = "(SELECT column1 AS w, column2 AS x, column3 AS y FROM (VALUES {}))"
_AMONG_TOKENS = _TOKENS + _AMONG + " CROSS JOIN token ON wallet = w AND transaction_id = x AND output = y"
_AMONG_INTENTS = _INTENTS + _AMONG + " CROSS JOIN intent ON wallet = w AND id = x"
_AMONG_HISTORY = _HISTORY + _AMONG + " CROSS JOIN history ON wallet = w AND id = x"
# The index of what is not spent is named, for SQLite would rather walk through all that a wallet ever had.
_HELD = "token INDEXED BY token_held WHERE state <> 'spent' AND "
_UNSPENT = _TOKENS + _HELD + "state = 'unspent' AND wallet IN ({}) ORDER BY 1, 2, 3"
_WRITE_TOKENS = "INSERT OR REPLACE INTO token VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_WRITE_INTENTS = (
    "INSERT INTO intent (wallet, id, kind, body, time, inputs, state, result) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (wallet, id) DO UPDATE SET state = excluded.state, result = excluded.result"
)
_WRITE_HISTORY = (
    "INSERT INTO history (wallet, id, time, kind, direction, amount_tiyn, other, memo) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_INPUTS = Items(Group((HASH, Unsigned())), most=256)
_BROKEN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class SqliteRows:
    """`Rows` in the file at `path`, which is made if there is none.

    Raises E_WALLET_VERSION for a later version, E_WALLET_DAMAGED for a file of another kind or a broken one, and
    E_WALLET_STORE when the disk does not answer; the latter two can come from every method.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.RLock()
        _make_private(path)
        with self._explained():
            self._database = sqlite3.connect(
                path, isolation_level=None, timeout=BUSY_SECONDS, check_same_thread=False
            )
            try:
                self._prepare()
            except BaseException:
                self._database.close()
                raise

    def _prepare(self) -> None:
        # Look before anything is written: the file may be another program's.
        if not self._is_empty():
            self._check_version()
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute("PRAGMA wal_autocheckpoint = 50000")
        self._database.execute("PRAGMA cache_size = -131072")
        with self.transaction():
            if self._is_empty():
                for statement in _TABLES.split(";"):
                    self._database.execute(statement)
                self._database.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                self._database.execute(f"PRAGMA user_version = {VERSION}")
            self._check_version()

    def _is_empty(self) -> bool:
        return not self._rows("SELECT 1 FROM sqlite_master LIMIT 1")

    def _check_version(self) -> None:
        ((application,),) = self._rows("PRAGMA application_id")
        if application != APPLICATION_ID:
            raise Malformed("E_WALLET_DAMAGED", path=str(self._path), problem="it belongs to another program")
        ((version,),) = self._rows("PRAGMA user_version")
        if version != VERSION:
            raise Malformed("E_WALLET_VERSION", version=version, expected=VERSION)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Alone with the file, also against other programs; durable at the end, undone when the block raises."""
        with self._explained():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """One thread at a time, and what the disk does wrong said in our words; other errors of SQLite are bugs."""
        with self._lock:
            try:
                yield
            except sqlite3.DatabaseError as error:
                if getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN:
                    raise Malformed("E_WALLET_DAMAGED", path=str(self._path), problem=str(error)) from None
                if isinstance(error, sqlite3.OperationalError):
                    raise Unavailable("E_WALLET_STORE", path=str(self._path), detail=str(error)) from None
                raise

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._explained():
            return self._database.execute(statement, values).fetchall()

    def find_intent(self, key: IntentKey) -> Intent | None:
        """One intent."""
        rows = self._rows(_READ_INTENTS + "WHERE wallet = ? AND id = ?", *key)
        return _intent(rows[0]) if rows else None

    def find_token(self, key: TokenKey) -> WalletToken | None:
        """One token."""
        wallet, token_id = key
        rows = self._rows(_READ_TOKENS + "AND transaction_id = ? AND output = ?", wallet, *token_id)
        return _token(rows[0]) if rows else None

    def find_history(self, key: HistoryKey) -> HistoryRow | None:
        """One line of history."""
        rows = self._rows(_READ_HISTORY + "AND id = ?", *key)
        return HistoryRow(*rows[0]) if rows else None

    def _among(self, statement: str, keys: Iterable[tuple[object, ...]]) -> Iterator[tuple[Any, ...]]:
        """The rows with these keys, each key of at most three values."""
        wanted = list(keys)
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            values = [value for key in part for value in (*key, None)[:3]]
            yield from self._rows(statement.format(", ".join(["(?, ?, ?)"] * len(part))), *values)

    def find_intents(self, keys: Collection[IntentKey]) -> dict[IntentKey, Intent]:
        """Those that are there."""
        return {(row[0], row[1]): _intent(row) for row in self._among(_AMONG_INTENTS, keys)}

    def find_tokens(self, keys: Collection[TokenKey]) -> dict[TokenKey, WalletToken]:
        """Those that are there."""
        found = map(_token, self._among(_AMONG_TOKENS, ((wallet, *token_id) for wallet, token_id in keys)))
        return {(token.wallet, token.id): token for token in found}

    def find_histories(self, keys: Collection[HistoryKey]) -> dict[HistoryKey, HistoryRow]:
        """Those that are there."""
        return {(row[0], row[1]): HistoryRow(*row) for row in self._among(_AMONG_HISTORY, keys)}

    def unspent(self, wallets: Collection[str]) -> dict[str, list[WalletToken]]:
        """Unspent tokens by wallet."""
        found: dict[str, list[WalletToken]] = {}
        wanted = list(dict.fromkeys(wallets))
        for start in range(0, len(wanted), _CHUNK):
            part = wanted[start : start + _CHUNK]
            for row in self._rows(_UNSPENT.format(", ".join("?" * len(part))), *part):
                found.setdefault(row[0], []).append(_token(row))
        return found

    def totals(self) -> dict[str, int]:
        """Sums by wallet."""
        return dict(
            self._rows("SELECT wallet, sum(amount_tiyn) FROM token WHERE state <> 'spent' GROUP BY wallet")
        )

    def write(self, draft: Draft) -> None:
        """Put every row of the draft; an intent keeps its place."""
        self._database.executemany(_WRITE_TOKENS, map(_token_row, draft.tokens.values()))
        self._database.executemany(_WRITE_INTENTS, map(_intent_row, draft.intents.values()))
        self._database.executemany(_WRITE_HISTORY, map(_history_row, draft.history.values()))

    def intents(self, wallet: str | None) -> list[Intent]:
        """Open intents, oldest first."""
        where = "WHERE state = 'saved' AND wallet = coalesce(?, wallet) ORDER BY place"
        return [_intent(row) for row in self._rows(_READ_INTENTS + where, wallet)]

    def tokens(self, wallet: str, state: TokenState) -> list[WalletToken]:
        """Tokens in one state, by id."""
        held = "token WHERE " if state == "spent" else _HELD
        statement = f"{_TOKENS}{held}wallet = ? AND state = ? ORDER BY transaction_id, output"
        return [_token(row) for row in self._rows(statement, wallet, state)]

    def balance(self, wallet: str) -> dict[bytes, Balance]:
        """Sums by mark."""
        rows = self._rows(
            "SELECT mark, sum(iif(state = 'unspent', amount_tiyn, 0)), sum(iif(state = 'pending', amount_tiyn, 0)) "
            "FROM token WHERE wallet = ? AND state <> 'spent' GROUP BY mark ORDER BY mark",
            wallet,
        )
        return {mark: Balance(unspent, pending) for mark, unspent, pending in rows}

    def history(self, wallet: str, limit: int, skip: int) -> list[HistoryRow]:
        """Lines, the last written first."""
        rows = self._rows(_READ_HISTORY + "ORDER BY place DESC LIMIT ? OFFSET ?", wallet, limit, skip)
        return [HistoryRow(*row) for row in rows]

    def wallets(self) -> list[str]:
        """All names."""
        rows = self._rows(
            "SELECT wallet FROM token UNION SELECT wallet FROM intent UNION SELECT wallet FROM history ORDER BY 1"
        )
        return [name for (name,) in rows]

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._database.close()


def _token_row(token: WalletToken) -> tuple[object, ...]:
    return (token.wallet, *token.id, token.amount_tiyn, token.lock, token.mark, token.state, token.intent)


def _intent_row(intent: Intent) -> tuple[object, ...]:
    inputs = canonical.encode([tuple(chosen) for chosen in intent.inputs])
    first = (intent.wallet, intent.id, intent.kind, intent.body, intent.time, inputs)
    return (*first, intent.state, intent.result)


def _history_row(row: HistoryRow) -> tuple[object, ...]:
    first = (row.wallet, row.id, row.time, row.kind, row.direction)
    return (*first, row.amount_tiyn, row.other, row.memo)


def _token(row: tuple[Any, ...]) -> WalletToken:
    wallet, transaction_id, output, *rest = row
    return WalletToken(wallet, TokenId(transaction_id, output), *rest)


def _intent(row: tuple[Any, ...]) -> Intent:
    wallet, intent_id, kind, body, time, inputs, state, result = row
    chosen = tuple(TokenId(*pair) for pair in _INPUTS.load(canonical.decode(inputs), "inputs"))
    return Intent(wallet, intent_id, kind, body, time, chosen, state, result)


def read_intents(path: Path, prefix: str = "", state: str = "") -> list[Intent]:
    """The intents of a file whose id begins with these hexadecimal digits (and in this state), oldest first.

    The file is only read, whoever has it open. Raises E_WALLET_STORE when it cannot be.
    """
    asked = _READ_INTENTS + "WHERE hex(id) LIKE ? AND state LIKE ? ORDER BY place"
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            return [_intent(row) for row in database.execute(asked, (prefix.upper() + "%", state or "%"))]
        finally:
            database.close()
    except sqlite3.Error as error:
        raise Unavailable("E_WALLET_STORE", path=str(path), detail=str(error)) from None


def read_names(path: Path) -> dict[bytes, str]:
    """The wallets of a file by the bytes of the locks their tokens ever had; E_WALLET_STORE."""
    try:
        database = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            return {lock: name for name, lock in database.execute("SELECT DISTINCT wallet, lock FROM token")}
        finally:
            database.close()
    except sqlite3.Error as error:
        raise Unavailable("E_WALLET_STORE", path=str(path), detail=str(error)) from None


def _make_private(path: Path) -> None:
    """An empty file readable by its owner only, if there is none; SQLite gives its side files the same mode."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    except (OSError, ValueError) as error:
        detail = str(getattr(error, "strerror", None) or error)
        raise Unavailable("E_WALLET_STORE", path=str(path), detail=detail) from None


def sqlite_store(path: Path, checkpoint: Checkpoint = no_checkpoint) -> WalletStore:
    """The store in the file at `path`, made if there is none; the errors of `SqliteRows`."""
    return WalletStore(SqliteRows(path), checkpoint)
