"""The write-ahead log of a SQLite ledger is folded into the file beside commits, and not inside one.

By itself SQLite folds the log in the commit that makes it so long: this one waits until all of its pages are copied and
on the disk, and whoever submits meanwhile waits too. Here a thread with a connection of its own does so whenever about
`PAGES` pages came, and again what was committed meanwhile, until it has caught up: only then does SQLite wait until the
file is on the disk, and that must not happen while nobody may commit. The little that came during this is folded while
nobody commits, and so the next commit begins the log anew. The thread lives only as long as that takes.

Rules kept here: nothing is written to the file before it is on the disk in the log, as SQLite does it; nothing rests on
the thread: when it cannot work, or a reader keeps the log from being folded, the log grows, and SQLite folds it in a
commit as soon as it is `LONGEST_PAGES` long.
"""

import logging
import sqlite3
import threading
from contextlib import AbstractContextManager
from pathlib import Path

from cbdc.ledger.sqlite_failures import FAILURES

log = logging.getLogger("cbdc.ledger")

PAGES = 1_000
"""About how long the log is when it is folded: 4 MiB. While the disk takes what was folded, whoever commits waits
beside it, the longer the more that is: with 32,000 pages a commit waited for 84 to 185 ms (decision 34)."""

LONGEST_PAGES = 100_000
_LEAST_ROWS = 1_000
_MOST_ROWS_A_PAGE = 8
_ATTEMPTS = 5
_FOLD = "PRAGMA wal_checkpoint(PASSIVE)"


class Folding:
    """Folds the log of the file at `path`; who holds `turn` commits alone."""

    def __init__(self, path: Path, turn: AbstractContextManager[object]) -> None:
        self._name = f"{path.absolute().as_uri()}?mode=rw"
        self._turn = turn
        # A row changes at most a page or two; how many rows change a page is learned from each folding.
        self._due = PAGES // 2
        self._rows = 0
        self._ended = False
        self._thread: threading.Thread | None = None

    def wrote(self, rows: int) -> None:
        """So many rows were committed, by whoever has the turn."""
        self._rows += rows
        if self._rows < self._due or (self._thread is not None and self._thread.is_alive()):
            return
        rows, self._rows = self._rows, 0
        self._thread = threading.Thread(target=self._fold, args=(rows,), name="tenge-folding", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            self._thread = None
            log.warning("no thread can be had to fold the write-ahead log: %s", error)

    def end(self) -> None:
        """Fold no more; returns when nobody does. The caller does not have the turn."""
        self._ended = True
        if self._thread is not None:
            self._thread.join()

    def _fold(self, rows: int) -> None:
        try:
            database = sqlite3.connect(self._name, uri=True, isolation_level=None)
            try:
                database.execute("PRAGMA synchronous = FULL")
                # What came during one is much less, and what comes during the next is little.
                for attempt in range(_ATTEMPTS):
                    _, pages, folded = database.execute(_FOLD).fetchone()
                    # None are told of while another connection folds, and of a log that another one emptied.
                    if not attempt and pages > 0:
                        self._due = max(_LEAST_ROWS, min(rows * PAGES // pages, _MOST_ROWS_A_PAGE * PAGES))
                    if folded == pages:
                        break
                with self._turn:
                    if not self._ended:
                        database.execute(_FOLD).fetchone()
            finally:
                database.close()
        except FAILURES as error:
            log.warning("the write-ahead log was not folded: %s", error)
