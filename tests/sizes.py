"""How much of a long row a normal run plays.

A flow that is killed at each of a hundred writes, in each of a dozen forms, is a thousand runs that differ little. A
normal run plays one in so many of each form, each form beginning at another place, so that together they meet places
of every kind; `TENGE_FULL=1` (`make full`) plays all of them.
"""

import os
from collections.abc import Sequence
from typing import TypeVar

_T = TypeVar("_T")

FULL = os.environ.get("TENGE_FULL") == "1"


def some(row: Sequence[_T], one_in: int, begin: int = 0, full: bool = FULL) -> Sequence[_T]:
    """One in `one_in` of the row, from the place `begin` (counted round); all of it with TENGE_FULL=1."""
    return row if full else row[begin % one_in :: one_in]
