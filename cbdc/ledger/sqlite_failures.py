"""What can go wrong with a SQLite file, in words for a caller; and a dead process's log, put on the disk.

Rules kept here: what SQLite says goes to the log, a caller gets a short kind, which says nothing of paths and rows.
"""

import logging
import os
import sqlite3
from pathlib import Path

from cbdc.errors import Unavailable

log = logging.getLogger("cbdc.ledger")

# A damaged file can put bytes into SQLite's own message that are no text, and Python then cannot read the message.
FAILURES = (sqlite3.Error, UnicodeDecodeError)
_PIECE_BYTES = 1 << 20
MOST_PLACES = 1 << 47
KINDS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": "another program holds the file",
    "SQLITE_LOCKED": "another program holds the file",
    "SQLITE_IOERR": "the disk failed",
    "SQLITE_CANTOPEN": "the file cannot be opened",
    "SQLITE_PERM": "the file may not be used",
    "SQLITE_READONLY": "the file cannot be written",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_NOTADB": "the file is no database",
    "SQLITE_CONSTRAINT": "a row stands there already",
    "SQLITE_INTERRUPT": "it was interrupted",
    "SQLITE_NOMEM": "there is not enough memory",
}


def keep_log(path: Path) -> None:
    """Put the write-ahead log that a dead process left on the disk, before anybody builds on what it says.

    The process may have died between writing and syncing, or after a sync that failed: then the log is whole in the
    system's cache and not on the disk, and Linux would call a second sync done without writing anything. So the bytes
    are written once more, in their place, and synced. Raises `OSError`.
    """
    if not path.exists():
        return
    with path.open("r+b", buffering=0) as file:
        while data := file.read(_PIECE_BYTES):
            file.seek(-len(data), os.SEEK_CUR)
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
        os.fsync(file.fileno())


def unavailable(error: Exception) -> Unavailable:
    """E_STORE_UNAVAILABLE with a short kind for a caller; what SQLite said goes to the log."""
    name = getattr(error, "sqlite_errorname", "")
    log.warning("SQLite failed: %s (%s)", error, name or type(error).__name__)
    kinds = (kind for start, kind in KINDS.items() if name.startswith(start))
    return Unavailable("E_STORE_UNAVAILABLE", detail=next(kinds, "SQLite failed"))


def blob(value: object) -> bytes:
    """The value of a column; E_STORE_UNAVAILABLE when it is no byte string."""
    # SQLite keeps whatever a damaged page or a stranger's hand puts into a column; the ledger reads bytes or nothing.
    if type(value) is not bytes:
        log.warning("a value of the type %s in the rows of a store", type(value).__name__)
        raise Unavailable(
            "E_STORE_UNAVAILABLE", detail=f"a value of the type {type(value).__name__} in its rows"
        )
    return value


def place_in(value: object) -> int:
    """The place in a column; E_STORE_UNAVAILABLE when it is none."""
    if type(value) is not int or not 0 <= value < MOST_PLACES:
        log.warning("a value of the type %s where a place belongs", type(value).__name__)
        raise Unavailable("E_STORE_UNAVAILABLE", detail="a place in its rows is none")
    return value
