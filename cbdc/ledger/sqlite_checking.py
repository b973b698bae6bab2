"""What an audit asks of a SQLite ledger's file as a whole: whether its trees agree, and every row in order of its key.

Each is one long statement, and Python goes on while SQLite works on it. So a thread with a connection of its own begins
as soon as an audit does, and is mostly done when the journal has been replayed.

Rules kept here: the answer is of one moment, and is taken only if the journal was as long then as it is for who asks;
nothing rests on the thread: when it cannot work, or anything is wrong, whoever asks looks for himself.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from cbdc.errors import TengeError, Unavailable
from cbdc.ledger import sqlite_schema as words
from cbdc.ledger.sqlite_failures import FAILURES, KINDS, blob, unavailable
from cbdc.ledger.store import PAGE_ROWS, Page

log = logging.getLogger("cbdc.ledger")

_PATIENCE_SECONDS = 0.05
_CACHE = "PRAGMA cache_size = -65536"


def check_trees(rows: Callable[[str], list[Any]], indexed: bool) -> None:
    """E_STORE_UNAVAILABLE when the file's trees contradict one another.

    Who reads everything in order would not see that a row is found no more by its index.
    """
    said = str(rows("PRAGMA integrity_check(1)")[0][0])
    if said != "ok":
        log.warning("the file is damaged: %s", said)
        raise Unavailable("E_STORE_UNAVAILABLE", detail=KINDS["SQLITE_CORRUPT"])
    if indexed and any(rows(statement) for statement in words.MISSING):
        raise Unavailable("E_STORE_UNAVAILABLE", detail="an index does not name a row")


def page_of(rows: list[Any]) -> Page:
    """Rows of `words.DERIVED` as a page; E_STORE_UNAVAILABLE when a key is no byte string."""
    keys, values, holders = zip(*rows, strict=True)
    for key in keys:
        blob(key)
    return Page(keys, values, holders)


def pages_of(rows: Iterator[Any]) -> Iterator[Page]:
    """The same, page by page."""
    while some := list(islice(rows, PAGE_ROWS)):
        yield page_of(some)


class Checking:
    """Pages of the file at `path`, which is checked and put in order by a thread from now on."""

    def __init__(self, path: Path, size: Callable[[], int], alone: Callable[[], Iterator[Page]]) -> None:
        """`size` is how long the journal is for who asks, `alone` gives the pages where the thread cannot."""
        self._name = f"{path.absolute().as_uri()}?mode=ro"
        self._size, self._alone = size, alone
        self._found: tuple[int, list[Any], sqlite3.Cursor] | None = None
        self._pages: Iterator[Page] | None = None
        self._database: sqlite3.Connection | None = None
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="tenge-checking", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            log.warning("no thread can be had to check the file: %s", error)

    def _work(self) -> None:
        try:
            database = sqlite3.connect(self._name, uri=True, isolation_level=None, check_same_thread=False)
            self._database = database
            database.execute(_CACHE)
            database.execute("BEGIN")
            size = int(self._rows(words.SIZE)[0][0])
            check_trees(self._rows, indexed=True)
            rows = database.execute(words.DERIVED)
            self._found = size, rows.fetchmany(PAGE_ROWS), rows
        except (TengeError, *FAILURES) as error:
            log.info("the file was not checked ahead: %s", error)

    def _rows(self, statement: str) -> list[Any]:
        # Whoever closes this stops one statement; the next one must not begin.
        if self._closed or self._database is None:
            raise sqlite3.ProgrammingError("the store is closed")
        return self._database.execute(statement).fetchall()

    def __iter__(self) -> Iterator[Page]:
        return self

    def __next__(self) -> Page:
        """Raises E_STORE_UNAVAILABLE."""
        try:
            if self._pages is None:
                self._pages = self._begun()
            return next(self._pages)
        except FAILURES as error:
            raise unavailable(error) from None

    def _begun(self) -> Iterator[Page]:
        if self._thread.ident is not None:
            self._thread.join()
        if self._found is None or self._found[0] != self._size():
            return self._alone()
        return self._ahead(*self._found[1:])

    def _ahead(self, rows: list[Any], rest: sqlite3.Cursor) -> Iterator[Page]:
        while rows:
            yield page_of(rows)
            rows = rest.fetchmany(PAGE_ROWS)

    def close(self) -> None:
        """Stop, whatever is under way, and let the file go."""
        self._closed = True
        while self._thread.is_alive():
            if self._database is not None:
                with suppress(*FAILURES):
                    self._database.interrupt()
            self._thread.join(_PATIENCE_SECONDS)
        if self._database is not None:
            self._database.close()
