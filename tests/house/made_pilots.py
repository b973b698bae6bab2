"""Makers for the pages of docs/pilots: a script's parameters and expectations, as its file has them."""

import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from cbdc.money import format_tenge
from wallets.pilot import quantities, script


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads(script.read_source(name)[1].decode("utf-8"))


def _cell(text: object) -> str:
    return " ".join(str(text).split()).replace("|", "\\|")


def pilot_parameters(argument: str) -> str:
    """The parameters of a pilot: default, bounds, where the number comes from."""
    lines = ["| parameter | default | allowed | unit | grade | note |", "|---|---|---|---|---|---|"]
    for row, one in zip(_table(argument)["parameter"], script.load(argument).parameters, strict=True):
        allowed = f"{row.get('least', 0):,} to {row.get('most', 10**12):,}"
        grade = quantities.GRADES[one.grade]
        lines.append(
            f"| `{one.name}` | {one.value:,} | {allowed} | {one.unit} | {grade} | {_cell(one.note)} |"
        )
    return "\n".join(lines)


def pilot_derived(argument: str) -> str:
    """The derived numbers of a pilot, with their values for the defaults."""
    names = script.load(argument).names
    lines = ["| name | formula | with the defaults |", "|---|---|---|"]
    for name, formula in _table(argument).get("derived", {}).items():
        lines.append(f"| `{name}` | `{_cell(formula)}` | {names[name]:,} |")
    return "\n".join(lines)


def pilot_expectations(argument: str) -> str:
    """What must be true at the end: fact, closed form, value for the defaults."""
    lines = ["| what | fact | closed form | with the defaults |", "|---|---|---|---|"]
    for row, one in zip(_table(argument)["expect"], script.load(argument).expectations, strict=True):
        value = format_tenge(one.expected) if one.unit == "tiyn" else f"{one.expected:,} {one.unit}"
        lines.append(f"| {_cell(one.name)} | `{one.fact}` | `{_cell(row['equals'])}` | {value} |")
    return "\n".join(lines)


def pilot_attempts(argument: str) -> str:
    """What a pilot has refused: the attempt, the code, and the rule without which it would be accepted."""
    lines = ["| attempt | refused as | by the rule |", "|---|---|---|"]
    for row in _table(argument).get("step", []):
        if "refused" in row:
            rule = f"`{row['rule']}`" if "rule" in row else "the ledger's own"
            lines.append(f"| {_cell(row['text'])} | `{row['refused']}` | {rule} |")
    return "\n".join(lines)


MAKERS: Mapping[str, Callable[[str], str]] = {
    "pilot-parameters": pilot_parameters,
    "pilot-derived": pilot_derived,
    "pilot-expectations": pilot_expectations,
    "pilot-attempts": pilot_attempts,
}
