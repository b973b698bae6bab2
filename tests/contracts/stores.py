"""The engines of the contract suite, and small commits to feed them.

To add an engine, add a row to `ENGINES`: how to open it in a folder, and how to open the same data again (None where
closing it loses everything); `fences` if whoever opens it last is the only one who writes, `locks` if nobody else may
open it for writing meanwhile.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cbdc.ledger.engines import open_store
from cbdc.ledger.journal import JournalSettings, JournalStore
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.store import Commit, EntryRow, Store
from tests.cbdc.world import fixed_bytes
from tests.servers.postgres import the_postgres

FILE = "ledger.sqlite"
JOURNAL = "journal"
SMALL = JournalSettings(segment_bytes=2_000, layer_rows=2, own_process=False)


class Engine(NamedTuple):
    """One engine: a new store in a folder, and the same store opened again (by another writer, or after a restart)."""

    name: str
    create: Callable[[Path], Store]
    again: Callable[[Path], Store] | None
    fences: bool = False
    locks: bool = False


def postgres_url(folder: Path) -> str:
    """A schema of its own on the test server for each folder."""
    return the_postgres().url("t" + hashlib.sha256(str(folder).encode()).hexdigest()[:20])


def open_postgres(folder: Path) -> Store:
    """The ledger on PostgreSQL that belongs to a folder, for writing."""
    return open_store(postgres_url(folder))


def open_journal(folder: Path) -> Store:
    """A journal in a folder of its own."""
    return open_store(f"journal:///{folder / JOURNAL}")


def open_small_journal(folder: Path) -> Store:
    """A journal that closes its segments and makes snapshots all the time, in this process."""
    return JournalStore(folder / JOURNAL, settings=SMALL)


ENGINES = [
    Engine("memory", lambda folder: MemoryStore(), None),
    Engine("sqlite", lambda folder: SqliteStore(folder / FILE), lambda folder: SqliteStore(folder / FILE)),
    Engine("postgresql", open_postgres, open_postgres, fences=True),
    Engine("journal", open_journal, open_journal, locks=True),
    Engine("journal-small", open_small_journal, open_small_journal, locks=True),
]
LASTING = [engine for engine in ENGINES if engine.again is not None]
SHARED = [engine for engine in LASTING if not engine.locks]


def row(index: int, name: str = "") -> EntryRow:
    """An entry that belongs to its index (and to `name`)."""
    identity = f"{index}{name}"
    return EntryRow(index, fixed_bytes(f"id {identity}"), b"data " + identity.encode(), fixed_bytes(identity))


def commit(
    size: int,
    count: int = 1,
    changes: dict[bytes, bytes | None] | None = None,
    owners: dict[bytes, bytes] | None = None,
    name: str = "",
) -> Commit:
    """A commit of `count` entries after `size`."""
    rows = tuple(row(size + place, name) for place in range(count))
    return Commit(size, rows, changes or {}, owners or {}, f"head {size + count}{name}".encode())


T1, T2, T3 = (b"\x01" + fixed_bytes(f"token {n}", 34) for n in range(3))
AYAN, SHOP = fixed_bytes("ayan"), fixed_bytes("shop")
