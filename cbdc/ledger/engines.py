"""Which engine keeps a ledger is a URL. The one place that turns a URL into an open `Store`.

    memory:                    gone when the process ends
    sqlite:///PATH             a file; PATH is everything after the third slash, so an absolute one makes four of them

Rules kept here: an engine's module is imported only when a URL asks for it, so its library stays an extra; and no
refusal shows a URL's password.
"""

import re
from collections.abc import Callable
from pathlib import Path

from cbdc.errors import Refused
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.store import Store
from cbdc.ports import Checkpoint, no_checkpoint

SQLITE_URL = "sqlite:///"
# From the first colon after the slashes to the last at sign: a password that nobody escaped is hidden too.
_BEFORE_THE_HOST = re.compile(r"(://[^:@]*:).*(?=@)", re.DOTALL)
_AS_AN_OPTION = re.compile(r"(password=)[^&]*", re.IGNORECASE)

Opener = Callable[[str, Checkpoint, bool], Store]


def shown_url(url: str) -> str:
    """The URL as a person or a log may see it: a password, before an at sign or as an option, is three stars."""
    return _AS_AN_OPTION.sub(r"\1***", _BEFORE_THE_HOST.sub(r"\1***", url))


def _open_memory(url: str, checkpoint: Checkpoint, read_only: bool) -> Store:
    if url != "memory:":
        raise Refused("E_STORE_URL", url=shown_url(url))
    return MemoryStore()


def _open_sqlite(url: str, checkpoint: Checkpoint, read_only: bool) -> Store:
    path = url.removeprefix(SQLITE_URL)
    if path in ("", url):
        raise Refused("E_STORE_URL", url=shown_url(url))
    return SqliteStore(Path(path), checkpoint, read_only)


_ENGINES: dict[str, Opener] = {"memory": _open_memory, "sqlite": _open_sqlite}


def open_store(url: str, checkpoint: Checkpoint = no_checkpoint, read_only: bool = False) -> Store:
    """The store behind a URL, made when it is new; `read_only` opens an existing one and never changes it.

    Raises E_STORE_URL when no engine here knows the URL, E_STORE_UNAVAILABLE when the engine does not open it.
    """
    opener = _ENGINES.get(url.partition(":")[0]) if ":" in url else None
    if opener is None:
        raise Refused("E_STORE_URL", url=shown_url(url))
    return opener(url, checkpoint, read_only)
