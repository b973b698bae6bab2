"""Makers for the pages of the HTTP interface: every operation of the document, and the routes for third parties."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from cbdc.http.participants import ParticipantApi
from cbdc.http.routes import Route
from tests.site.visitor import opened
from wallets.emulator.cases import CASES
from wallets.emulator.client import ReferenceBank
from wallets.site.reference import groups

_WORDS = {"holder": "`Tenge-Proof`", "call": "`Tenge-Call`", "desk": "bearer token", "": ""} | {
    "institution": "`Signature`"
}


@cache
def _served() -> tuple[dict[str, Any], tuple[Route, ...], tuple[Route, ...], tuple[Route, ...]]:
    with opened() as whole:
        banks = ParticipantApi(whole.world.system).routes()
        partners = tuple(whole.partners.extension().routes)
        third = {(route.method, route.path) for route in partners}
        outside = [one for one in whole.extension_routes() if (one.method, one.path) not in third]
        return whole.document(), partners, tuple(banks), tuple(outside)


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
    told = takes.replace("|", "\\|")  # a bar would begin a new column
    proof = "yes" if route.proof else "signed" if route.roles else ""
    return f"| `{route.method} {route.path}` | {route.summary} | {told} | {proof} |"


def _table(routes: Iterable[Route]) -> str:
    head = ["| method and path | what it does | body | proof |", "|---|---|---|---|"]
    return "\n".join([*head, *map(table_row, routes)])


def outside(argument: str) -> str:
    """The routes for wallets outside the server's process, and for offline money."""
    return _table(_served()[3])


def third_parties(argument: str) -> str:
    """The routes for third parties."""
    return _table(_served()[1])


def participants(argument: str) -> str:
    """The routes for banks."""
    return _table(_served()[2])


def offices(argument: str) -> str:
    """The routes for the offices of the state and for whoever watches the server."""
    return _table(route for route in _served()[3] if route.path.startswith("/v1/offices/"))


def cases(argument: str) -> str:
    """The test cases of the bank emulator."""
    rows = ["| case | what happens | tasks | refusals that are expected |", "|---|---|---|---|"]
    for case in CASES.values():
        codes = ", ".join(f"`{code}`" for code in case.codes)
        rows.append(f"| `{case.name}` | {case.title} | {len(case.tasks)} | {codes} |")
    return "\n".join(rows)


def tasks(argument: str) -> str:
    """Every thing that a client of the bank emulator is told to do, from the reference client."""
    rows = ["| do | arguments | what the client does |", "|---|---|---|"]
    found: dict[str, list[str]] = {}
    for case in CASES.values():
        for task in case.tasks:
            found.setdefault(task.do, list(task.arguments))
    for do, arguments in sorted(found.items()):
        doing = getattr(ReferenceBank, f"do_{do.replace('-', '_')}")
        words = (doing.__doc__ or "").partition("\n")[0]
        rows.append(f"| `{do}` | {', '.join(f'`{name}`' for name in arguments)} | {words} |")
    return "\n".join(rows)


MAKERS: Mapping[str, Callable[[str], str]] = {
    "api": operations,
    "wallets-outside": outside,
    "third-parties": third_parties,
    "participants": participants,
    "offices": offices,
    "emulator-cases": cases,
    "emulator-tasks": tasks,
}
