"""What an audit asks of a SQLite ledger's file as a whole: whether its trees agree, and every row in order of its key.

Each is one long statement, and Python goes on while SQLite works on it. So a thread with a connection of its own begins
as soon as an audit does, and is mostly done when the journal has been replayed.

Rules kept here: the answer is of one moment and of one file, and is taken only if the journal was as long then as it is
for who asks, and the name still led to the file that the store has open; nothing rests on the thread: when it cannot
work, or anything is wrong, whoever asks looks for himself; whoever closes it leaves no lock behind.
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
_BYTES_OR_NONE = {bytes, type(None)}

# Which file a name leads to: its device and number; None for one that cannot be known.
FileId = tuple[int, int] | None


def file_id(path: Path) -> FileId:
    """Which file the name leads to now."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


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
    """Rows of `words.DERIVED` as a page; E_STORE_UNAVAILABLE when anything there is no byte string."""
    keys, values, holders = zip(*rows, strict=True)
    for key in keys:
        blob(key)
    if not _BYTES_OR_NONE.issuperset({*map(type, values), *map(type, holders)}):
        for value in (*values, *holders):
            if value is not None:
                blob(value)
    return Page(keys, values, holders)


def pages_of(rows: Iterator[Any]) -> Iterator[Page]:
    """The same, page by page."""
    while some := list(islice(rows, PAGE_ROWS)):
        yield page_of(some)


class Checking:
    """Pages of the file at `path`, which is checked and put in order by a thread from now on."""

    def __init__(
        self,
        path: Path,
        file: FileId,
        size: Callable[[], int],
        alone: Callable[[], Iterator[Page]],
        left: Callable[["Checking"], None],
    ) -> None:
        """`file` is the one that the store has open, `size` how long the journal is for who asks.

        `alone` gives the pages where the thread cannot, and `left` hears that this is closed.
        """
        self._path, self._file = path, file
        self._size, self._alone, self._left = size, alone, left
        self._found: tuple[int, list[Any], sqlite3.Cursor] | None = None
        self._pages: Iterator[Page] | None = None
        self._database: sqlite3.Connection | None = None
        self._closed = False
        # A join that Ctrl-C interrupts would call a thread dead that is not (Python 3.11), so nothing asks the thread.
        self._done = threading.Event()
        try:
            threading.Thread(target=self._work, name="tenge-checking", daemon=True).start()
        except RuntimeError as error:
            log.warning("no thread can be had to check the file: %s", error)
            self._done.set()

    def _work(self) -> None:
        try:
            self._look()
        except (TengeError, MemoryError, *FAILURES) as error:
            log.info("the file was not checked ahead: %s", error)
        finally:
            self._done.set()

    def _look(self) -> None:
        before = file_id(self._path)
        name = f"{self._path.as_uri()}?mode=ro"
        self._database = sqlite3.connect(name, uri=True, isolation_level=None, check_same_thread=False)
        if self._file is None or not before == file_id(self._path) == self._file:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="its name leads to another file")
        self._database.execute(_CACHE)
        self._database.execute("BEGIN")
        size = int(self._rows(words.SIZE)[0][0])
        check_trees(self._rows, indexed=True)
        rows = self._database.execute(words.DERIVED)
        self._found = size, rows.fetchmany(PAGE_ROWS), rows

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
        self._done.wait()
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
        while not self._done.is_set():
            if self._database is not None:
                with suppress(*FAILURES):
                    self._database.interrupt()
            self._done.wait(_PATIENCE_SECONDS)
        # A connection lives on, with its lock, while a cursor of it was not read to its end.
        found, self._found, self._pages = self._found, None, iter(())
        with suppress(*FAILURES):
            if found is not None:
                found[2].close()
            if self._database is not None:
                self._database.close()
        self._left(self)


class Checkings:
    """Those of one store: each reader has its own."""

    def __init__(self, path: Path) -> None:
        """To be made before the store opens the file, which is then told by `opened`."""
        self._path = path.absolute()
        self._file = file_id(self._path)
        self._lock = threading.Lock()
        self._open: set[Checking] = set()

    def opened(self) -> None:
        """The store has opened the file: known for sure only if its name led to the same one all along."""
        if self._file != file_id(self._path):
            self._file = None

    def begin(self, size: Callable[[], int], alone: Callable[[], Iterator[Page]]) -> Checking:
        """One more."""
        made = Checking(self._path, self._file, size, alone, self._leave)
        with self._lock:
            self._open.add(made)
        return made

    def _leave(self, one: Checking) -> None:
        with self._lock:
            self._open.discard(one)

    def close(self) -> None:
        """End all that are open."""
        with self._lock:
            some = list(self._open)
        for one in some:
            one.close()
