"""Published figures, each with its grade and the public page it was read on: `fact = "domain.mean_cashless_ticket"`.

A parameter that names a fact takes its value, unit, grade and source from `facts.toml`, so that a script cannot give
an assumption out as a fact: it has no place where it could write another value under the same grade. Who sets the
parameter to another value has an assumption of his own, and the report says so.

Rules kept here: a fact is never graded A; it has a source; nothing here is a statement of the National Bank.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Fact:
    """One published figure: a whole number in `unit`, and where it was read."""

    name: str
    value: int
    unit: str
    grade: str
    about: str
    source: str


@lru_cache(maxsize=1)
def facts() -> Mapping[str, Fact]:
    """Every fact by its full name (`domain.vat_percent_2026`), in the order of the file."""
    text = resources.files("wallets.pilot").joinpath("facts.toml").read_text(encoding="utf-8")
    return {
        f"{page}.{key}": Fact(f"{page}.{key}", **row)
        for page, rows in tomllib.loads(text).items()
        for key, row in rows.items()
    }
