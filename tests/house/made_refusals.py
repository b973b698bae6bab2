"""The maker of docs/protocol/08-02-refusals.md: every refusal of the offline protocol, and the vectors that show it."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import NamedTuple

from cbdc.errors import catalogue
from offline.evidence import CODES
from tests.house.catalogue import rows
from tests.house.tree import ROOT
from tests.vectors.case import load
from tests.vectors.generate import MAKERS as FILES

_LITERAL = re.compile(r'"(E_[A-Z0-9_]+)"')
# The floors below `offline/` that open its objects.
_BELOW = ("cbdc/canonical.py", "cbdc/record.py", "cbdc/keys.py", "cbdc/authority.py")
# These stand in the same modules and speak of the online ledger's quorums and roles alone.
_ONLINE = frozenset({"E_QUORUM", "E_QUORUM_DUPLICATE", "E_AUTHORITY_TIME"})
_ONLINE_FILES = frozenset({"ledger.toml", "http.toml", "institutions.toml"})
_SHOWN = 3


class Shown(NamedTuple):
    """Where one code is shown: vectors that expect it, vectors with its verdict (as file/id), tests that name it."""

    vectors: tuple[str, ...]
    verdicts: tuple[str, ...]
    tests: tuple[str, ...]


def codes() -> list[str]:
    """Every code that the offline protocol refuses with, by its step and name."""
    files = [*(ROOT / "offline").rglob("*.py"), *(ROOT / name for name in _BELOW)]
    found = {code for file in files for code in _LITERAL.findall(file.read_text(encoding="utf-8"))}
    known = catalogue()
    online = {row.code for row in rows("en") if row.file in _ONLINE_FILES}
    return sorted(
        (found & known.keys()) - _ONLINE - online, key=lambda code: (_order(known[code].rule), code)
    )


def _order(rule: str) -> tuple[int, str]:
    step = re.search(r"V\d", rule)
    return (0, step[0]) if step else (1, rule)


@cache
def _vectors() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name in sorted(FILES):
        for one in load(name)["cases"]:
            found.setdefault(one["expect"], []).append(f"{name}/{one['id']}")
    return {code: tuple(ids) for code, ids in found.items()}


@cache
def _verdicts() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name in sorted(FILES):
        for one in load(name)["cases"]:
            if (verdict := one.get("verdict")) and verdict["type"] in CODES:
                found.setdefault(CODES[verdict["type"]], []).append(f"{name}/{one['id']}")
    return {code: tuple(ids) for code, ids in found.items()}


@cache
def _tests() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    for file in sorted((ROOT / "tests").rglob("test_*.py")):
        for code in re.findall(r"\bE_[A-Z0-9_]+\b", file.read_text(encoding="utf-8")):
            found.setdefault(code, set()).add(file.relative_to(ROOT).as_posix())
    return {code: tuple(sorted(files)) for code, files in found.items()}


def shown(code: str) -> Shown:
    """The vectors that expect a code or have its verdict, and the test files that name it."""
    return Shown(_vectors().get(code, ()), _verdicts().get(code, ()), _tests().get(code, ()))


def _listed(names: tuple[str, ...]) -> str:
    told = ", ".join(f"`{name}`" for name in names[:_SHOWN])
    more = len(names) - _SHOWN
    return f"{told} and {more} more" if more > 0 else told


def refusals(argument: str) -> str:
    """The table of codes that bytes are refused with (`bytes`), that name a verdict (`verdicts`), or that need a state
    (`state`).
    """
    known = catalogue()
    heading = {
        "bytes": "vectors that expect it",
        "verdicts": "vectors that expect `ok` and this verdict",
        "state": "tests that name it",
    }[argument]
    lines = [f"| code | rule | {heading} |", "|---|---|---|"]
    for code in codes():
        seen = shown(code)
        bare = () if seen.vectors or seen.verdicts else seen.tests
        where = {"bytes": seen.vectors, "verdicts": seen.verdicts, "state": bare}[argument]
        if where:
            lines.append(f"| `{code}` | {known[code].rule} | {_listed(where)} |")
    return "\n".join(lines)


MAKERS: Mapping[str, Callable[[str], str]] = {"refusals": refusals}
