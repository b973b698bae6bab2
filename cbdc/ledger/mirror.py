"""What an auditor far away keeps between two looks at a ledger: one file, and nothing in it that it did not check.

    row       the state that follows from the entries it has replayed, as its own replay gave it
    place     for each entry its id and its time: what a receipt is compared with
    kept      the genesis, how far the replay is, the roots of the complete subtrees of the log so far, and the last
              signed head it saw and believed

Everything of one page of entries is written at once, so that a kill or Ctrl-C leaves the last whole page. It is `Rows`
for a fold (`cbdc.ledger.fold`), on the disk, so its memory does not grow with the ledger.
"""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from cbdc import canonical
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.ledger.entry import EMPTY_ROOT, LogHead
from cbdc.ledger.rows import SEEN, Rows, Value
from cbdc.private import make_file
from cbdc.record import HASH, Group, Items, Signed, Unsigned, open_envelope

_SCHEMA = """
CREATE TABLE IF NOT EXISTS row (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS place (place INTEGER PRIMARY KEY, id BLOB NOT NULL, time INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
_HASH_BYTES = 32
_TIME = Unsigned()
_LOG = Group((Unsigned(), Items(HASH, most=64)))
_ASKED = 500


class Frontier:
    """The log so far, as the roots of its complete subtrees, largest first: 32 bytes for each bit of the size."""

    def __init__(self, size: int = 0, nodes: Sequence[bytes] = ()) -> None:
        """Raises E_LOG_PROOF when there is not one node for each bit of the size that is set."""
        if len(nodes) != size.bit_count() or any(len(node) != _HASH_BYTES for node in nodes):
            raise Refused("E_LOG_PROOF", index=size, size=size)
        self.size = size
        self.nodes = list(nodes)

    def copy(self) -> "Frontier":
        """Another one that goes on from here."""
        return Frontier(self.size, self.nodes)

    def append(self, leaf: bytes) -> None:
        """Add a leaf hash at the end."""
        node, size = leaf, self.size
        while size & 1:
            node = hashlib.sha256(b"\1" + self.nodes.pop() + node).digest()
            size >>= 1
        self.nodes.append(node)
        self.size += 1

    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self.nodes:
            return EMPTY_ROOT
        root = self.nodes[-1]
        for node in reversed(self.nodes[:-1]):
            root = hashlib.sha256(b"\1" + node + root).digest()
        return root


class Mirror(Rows):
    """An auditor's file at `path`; made when there is none. One process at a time: E_AUDITOR_FILE when it is in use."""

    def __init__(self, path: Path) -> None:
        """Raises E_AUDITOR_FILE when the file is none of an auditor's, damaged, or in use."""
        super().__init__()
        self._path = path
        make_file(path)
        try:
            self._own = sqlite3.connect(path, isolation_level=None, timeout=0, check_same_thread=False)
            self._own.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._own.execute("PRAGMA journal_mode = WAL")
            self._own.execute("PRAGMA synchronous = FULL")
            self._own.execute("PRAGMA cache_size = -65536")
            self._own.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA.strip().split("\n"):
                self._own.execute(statement)
            self._own.execute("COMMIT")
            self._read()
        except (sqlite3.Error, TengeError, ValueError, TypeError) as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> Unavailable:
        problem = error.code if isinstance(error, TengeError) else str(error)
        return Unavailable("E_AUDITOR_FILE", file=self._path.name, problem=problem)

    def _read(self) -> None:
        kept = dict(self._own.execute("SELECT name, value FROM kept"))
        self.genesis: bytes | None = kept.get("genesis")
        self.last_time: int = _TIME.load(canonical.decode(kept["time"]), "time") if "time" in kept else 0
        size, nodes = _LOG.load(canonical.decode(kept["log"]), "log") if "log" in kept else (0, ())
        self.log = Frontier(size, nodes)
        self._head: bytes | None = kept.get("head")

    @property
    def size(self) -> int:
        """How many entries were replayed."""
        return self.log.size

    def head(self, network: bytes) -> Signed[LogHead] | None:
        """The last signed head that was believed, or None."""
        return None if self._head is None else open_envelope(self._head, LogHead, network)

    def begin(self) -> None:
        """From here on to `keep` everything is one change."""
        self._own.execute("BEGIN IMMEDIATE")

    def keep(
        self, genesis: bytes, log: Frontier, time: int, ids: Sequence[tuple[bytes, int]], head: bytes | None
    ) -> None:
        """Write the change: the log and time after it, id and time of each new entry, and the head that covers it."""
        first = log.size - len(ids)
        rows = [(first + number, identity, moment) for number, (identity, moment) in enumerate(ids)]
        self._own.executemany("INSERT INTO place VALUES (?, ?, ?)", rows)
        values = {
            "genesis": genesis,
            "time": canonical.encode(time),
            "log": canonical.encode([log.size, log.nodes]),
            **({} if head is None else {"head": head}),
        }
        self._own.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", list(values.items()))
        self._own.execute("COMMIT")
        self.genesis, self.log, self.last_time = genesis, log, time
        self._head = self._head if head is None else head

    def undo(self) -> None:
        """Forget the change that was begun and not kept, if there is one."""
        if self._own.in_transaction:
            self._own.execute("ROLLBACK")

    def placed(self, index: int) -> tuple[bytes, int] | None:
        """Id and time of the entry at `index`, or None when it was not replayed."""
        found = self._own.execute("SELECT id, time FROM place WHERE place = ?", (index,)).fetchone()
        return None if found is None else (bytes(found[0]), int(found[1]))

    # --- rows ---

    def get_many(self, asked: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that exist."""
        wanted = list(asked)
        found: dict[bytes, bytes] = {}
        for start in range(0, len(wanted), _ASKED):
            some = wanted[start : start + _ASKED]
            places = ",".join("?" * len(some))
            found.update(self._own.execute(f"SELECT key, value FROM row WHERE key IN ({places})", some))
        return found

    def apply(self, changes: Mapping[bytes, bytes | None]) -> None:
        """Make changes; None takes a row away."""
        gone = [(key,) for key, value in changes.items() if value is None]
        self._own.executemany("DELETE FROM row WHERE key = ?", gone)
        rows = [(key, value) for key, value in changes.items() if value is not None]
        self._own.executemany("INSERT OR REPLACE INTO row VALUES (?, ?)", rows)

    def known(self) -> dict[bytes, Value] | None:
        """None: they stand on the disk."""
        return None

    def items(self) -> Iterator[tuple[bytes, bytes]]:
        """Every row of the state in ascending order of its key."""
        cursor = self._own.execute("SELECT key, value FROM row WHERE key < ? ORDER BY key", (bytes([SEEN]),))
        while some := cursor.fetchmany(_ASKED):
            yield from some

    def close(self) -> None:
        """Close the file."""
        self.undo()
        self._own.close()
