"""Maker for docs/systems.md: the rows of docs/systems.toml, with their state as the repository has it."""

import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from tests.house.tree import ROOT
from wallets.pilot import script


def rows() -> list[dict[str, Any]]:
    """The systems, in order."""
    table = tomllib.loads((ROOT / "docs/systems.toml").read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = table["system"]
    return found


def missing(row: Mapping[str, Any]) -> list[str]:
    """What a row names and the repository does not have."""
    scripts = [name for name in row.get("scripts", []) if name not in script.built_in()]
    files = [name for name in (*row.get("tests", []), *row.get("code", [])) if not (ROOT / name).exists()]
    return scripts + files


def works(row: Mapping[str, Any]) -> bool:
    """Whether a system is played by a script that is there, and has a test."""
    return bool(row.get("scripts") and row.get("tests")) and not missing(row)


def systems(argument: str) -> str:
    """The table: what works would mean, the scripts, the tests, the state, and corrections."""
    lines = ["| # | system | what “works” means | pilots | tests | state |", "|---|---|---|---|---|---|"]
    for number, row in enumerate(rows(), start=1):
        pilots = ", ".join(f"[{name}](pilots/{name}.md)" for name in row.get("scripts", []))
        tests = ", ".join(f"[{name.split('/')[-1]}](../{name})" for name in row.get("tests", []))
        state = "works" if works(row) else "not yet"
        lines.append(f"| {number} | {row['name']} | {row['works']} | {pilots} | {tests} | {state} |")
    return "\n".join(lines)


def corrections(argument: str) -> str:
    """Where an article that names a system errs."""
    return "\n".join(
        f"- **{number}, {row['name']}.** {row['correction']}"
        for number, row in enumerate(rows(), start=1)
        if "correction" in row
    )


MAKERS: Mapping[str, Callable[[str], str]] = {"systems": systems, "corrections": corrections}
