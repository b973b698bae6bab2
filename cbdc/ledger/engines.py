"""Which engine keeps a ledger is a URL. The one place that turns a URL into an open `Store`.

    memory:                    gone when the process ends
    sqlite:///PATH             a file; PATH is everything after the third slash, so an absolute one makes four of them
    journal:///FOLDER          a folder; `?archive=FOLDER` after it names where its old segments were moved
    postgresql://USER@HOST:PORT/DATABASE?schema=NAME        a server, or several hosts with commas between: a cluster

Rules kept here: an engine's module is imported only when a URL asks for it, so its library stays an extra; and no
refusal shows a URL's password.
"""

from collections.abc import Callable
from pathlib import Path

from cbdc.errors import Refused, Unavailable
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.store import Store, shown_url
from cbdc.ports import Checkpoint, no_checkpoint

SQLITE_URL = "sqlite:///"
JOURNAL_URL = "journal:///"
ARCHIVE_OPTION = "?archive="

Opener = Callable[[str, Checkpoint, bool], Store]


def _open_memory(url: str, checkpoint: Checkpoint, read_only: bool) -> Store:
    if url != "memory:":
        raise Refused("E_STORE_URL", url=shown_url(url))
    return MemoryStore()


def _open_sqlite(url: str, checkpoint: Checkpoint, read_only: bool) -> Store:
    path = url.removeprefix(SQLITE_URL)
    if path in ("", url):
        raise Refused("E_STORE_URL", url=shown_url(url))
    return SqliteStore(Path(path), checkpoint, read_only)


def _open_journal(url: str, checkpoint: Checkpoint, read_only: bool) -> Store:
    from cbdc.ledger.journal import JournalStore

    folder, _, archive = url.removeprefix(JOURNAL_URL).partition(ARCHIVE_OPTION)
    if folder in ("", url) or "?" in folder:
        raise Refused("E_STORE_URL", url=shown_url(url))
    return JournalStore(Path(folder), checkpoint, read_only, Path(archive) if archive else None)


def _open_postgres(url: str, checkpoint: Checkpoint, read_only: bool) -> Store:
    try:
        from cbdc.ledger.postgres import PostgresStore
    except ImportError:
        raise Unavailable("E_STORE_EXTRA", engine="PostgreSQL", extra="postgres") from None
    return PostgresStore(url, checkpoint, read_only)


_ENGINES: dict[str, Opener] = {
    "memory": _open_memory,
    "sqlite": _open_sqlite,
    "journal": _open_journal,
    "postgresql": _open_postgres,
    "postgres": _open_postgres,
}


def url_of(store: Store) -> str | None:
    """The URL under which another process may read a store; None for one that only this process has."""
    return getattr(store, "url", None)


def open_store(url: str, checkpoint: Checkpoint = no_checkpoint, read_only: bool = False) -> Store:
    """The store behind a URL, made when it is new; `read_only` opens an existing one and never changes it.

    Raises E_STORE_URL when no engine here knows the URL, E_STORE_EXTRA when its library is not
    installed, E_STORE_VERSION when a newer program wrote it, E_STORE_NOT_DURABLE when its server may forget a commit,
    E_STORE_UNAVAILABLE when the engine does not open it.
    """
    opener = _ENGINES.get(url.partition(":")[0]) if ":" in url else None
    if opener is None:
        raise Refused("E_STORE_URL", url=shown_url(url))
    return opener(url, checkpoint, read_only)
