"""Makers for the pages of the HTTP interface: every operation of the document, and the routes for third parties."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from cbdc.http.routes import Route
from tests.site.visitor import opened
from wallets.site.reference import groups

_WORDS = {"holder": "`Tenge-Proof`", "call": "`Tenge-Call`", "desk": "bearer token", "": ""}


@cache
def _served() -> tuple[dict[str, Any], tuple[Route, ...]]:
    with opened() as whole:
        return whole.document(), tuple(whole.partners.extension().routes)


def operations(argument: str) -> str:
    """Every operation by its group: what it does, its body, how it is authorised, its statuses."""
    lines: list[str] = []
    for name, rows in groups(_served()[0]):
        lines += [
            f"## {name[0].upper()}{name[1:]}",
            "",
            "| request | what it does | body | authorised by | statuses |",
            "|---|---|---|---|---|",
        ]
        for row in rows:
            authorised = _WORDS[row["authorised"]]
            lines.append(
                f"| `{row['method']} {row['path']}` | {row['summary']} | {row['takes']} | {authorised} |"
                f" {row['statuses']} |"
            )
        lines.append("")
    return "\n".join(lines)


def table_row(route: Route) -> str:
    """The line of a route in docs/http.md."""
    size = f"{route.limit_bytes:,} bytes" if route.limit_bytes < 1_048_576 else "1 MiB"
    takes = f"{route.takes}, at most {size}" if route.takes else ""
    return f"| `{route.method} {route.path}` | {route.summary} | {takes} | {'yes' if route.proof else ''} |"


def third_parties(argument: str) -> str:
    """The routes for third parties."""
    head = ["| method and path | what it does | body | proof |", "|---|---|---|---|"]
    return "\n".join([*head, *map(table_row, _served()[1])])


MAKERS: Mapping[str, Callable[[str], str]] = {"api": operations, "third-parties": third_parties}
