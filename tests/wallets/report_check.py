"""Is a report.json what the schema in the package says, and do its sums agree? For every test that makes a report.

The judge knows the words of JSON Schema that `report.schema.json` uses, and fails on any other, so that a rule is
never written there and left unjudged.
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from tests.conftest import ROOT

SCHEMA = ROOT / "wallets" / "pilot" / "report.schema.json"
_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "null": type(None),
}
_SAID_ONLY = {"$schema", "$defs", "title", "description"}


@cache
def schema() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return loaded


def problems(report: Any) -> list[str]:
    """Everything in which `report` is not a report, with the place of each; nothing when it is one."""
    shape = list(_judge(report, schema(), "report"))
    return shape or list(_sums(report))


def check_report(report: Any) -> None:
    """Fails with every problem of `report`."""
    assert problems(report) == []


def _is(value: Any, name: str) -> bool:
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, _TYPES[name])


def _judge(value: Any, rule: dict[str, Any], place: str) -> Iterator[str]:
    for word, wanted in rule.items():
        match word:
            case "$ref":
                yield from _judge(value, schema()["$defs"][wanted.removeprefix("#/$defs/")], place)
            case "type":
                names = [wanted] if isinstance(wanted, str) else wanted
                if not any(_is(value, name) for name in names):
                    yield f"{place} is not {' or '.join(names)}"
            case "const" if value != wanted or type(value) is not type(wanted):
                yield f"{place} is not {wanted!r}"
            case "enum" if value not in wanted:
                yield f"{place} is none of {wanted}"
            case "pattern" if isinstance(value, str) and not re.fullmatch(wanted, value, re.ASCII):
                yield f"{place} does not look like {wanted}"
            case "minLength" if isinstance(value, str) and len(value) < wanted:
                yield f"{place} is shorter than {wanted}"
            case "minimum" if isinstance(value, int) and value < wanted:
                yield f"{place} is below {wanted}"
            case "maximum" if isinstance(value, int) and value > wanted:
                yield f"{place} is above {wanted}"
            case "required" if isinstance(value, dict):
                yield from (f"{place} lacks {name}" for name in wanted if name not in value)
            case "properties" if isinstance(value, dict):
                for name in wanted.keys() & value.keys():
                    yield from _judge(value[name], wanted[name], f"{place}.{name}")
            case "additionalProperties" if isinstance(value, dict):
                for name in sorted(value.keys() - rule.get("properties", {}).keys()):
                    if wanted is False:
                        yield f"{place} has {name}"
                    else:
                        yield from _judge(value[name], wanted, f"{place}.{name}")
            case "items" if isinstance(value, list):
                for index, item in enumerate(value):
                    yield from _judge(item, wanted, f"{place}[{index}]")
            case _:
                assert word in _SAID_ONLY | _KNOWN, f"the judge does not know {word}"


_KNOWN = {
    "const",
    "enum",
    "pattern",
    "minLength",
    "minimum",
    "maximum",
    "required",
    "properties",
    "additionalProperties",
    "items",
}


def _sums(report: dict[str, Any]) -> Iterator[str]:
    supply = report["supply"]
    held = sum(value for name, value in supply.items() if name not in ("issued_tiyn", "redeemed_tiyn"))
    if supply["issued_tiyn"] - supply["redeemed_tiyn"] != held:
        yield "supply: issued - redeemed is not what is held"
    series = report.get("series", {})
    lengths = {len(values) for values in series.values()}
    if len(lengths) > 1:
        yield f"series: lists of {sorted(lengths)} days"
    elif series.get("dates"):
        yield from (
            f"series.{name} does not end where supply.{name} does"
            for name in sorted(series.keys() & supply.keys())
            if series[name][-1] != supply[name]
        )
    if sorted(series.get("dates", [])) != series.get("dates", []):
        yield "series: the dates are out of order"
    offline = report.get("offline", {})
    if "borne_by" in offline and sum(offline["borne_by"].values()) != offline["loss_tiyn"]:
        yield "offline: what was borne is not the loss"
    for name, mark in sorted(report.get("marks", {}).items()):
        put = mark["given_tiyn"] + mark["covered_tiyn"]
        gone = (
            mark["released_tiyn"] + mark["returned_tiyn"] + mark["recovered_tiyn"] + mark["outstanding_tiyn"]
        )
        if put != gone:
            yield f"marks.{name}: what came on is not what went off and what is left"
