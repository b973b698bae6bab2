"""Many rows of a SQLite file by few statements.

Python's `sqlite3` gives the interpreter's lock away at every step of a statement, and a step writes a row, or all rows
of one statement. Row by row, a commit would stand in line behind every other thread of the program hundreds of times;
so rows go in pieces, each a statement of its own, of few sizes, so that no statement is prepared twice.

Rules kept here: rows are written in the order they come; nothing is written for no rows.
"""

import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain

# The largest first. Together with the columns of a row they stay far below the 999 values that any SQLite takes.
_SIZES = (64, 16, 4, 1)


@lru_cache(maxsize=256)
def _filled(statement: str, columns: int, size: int, row: str) -> str:
    if row:
        return statement.format(" OR ".join([row] * size))
    return statement.format(",".join([f"({','.join('?' * columns)})"] * size))


def write_rows(
    database: sqlite3.Connection, statement: str, rows: Sequence[Sequence[object]], row: str = ""
) -> None:
    """Run a statement over all rows, which have equally many columns; `{}` in it is where a piece of them stands.

    A piece stands as a list of rows of values; or each as the condition `row`, of which one must hold.
    """
    start, count = 0, len(rows)
    for size in _SIZES:
        while count - start >= size:
            piece = rows[start : start + size]
            text = _filled(statement, len(piece[0]), size, row)
            database.execute(text, tuple(chain.from_iterable(piece)))
            start += size
