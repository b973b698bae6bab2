"""What is allowed in a script and doubtful all the same: numbers nobody can check, and steps that never happen."""

import ast
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cbdc.errors import TengeError
from cbdc.marks import NotOffline, offline_purpose
from wallets.pilot.expression import evaluate
from wallets.pilot.mark_rules import REFUSES
from wallets.pilot.quantities import ASSUMPTION
from wallets.pilot.reader import Mistake, rows_of, rule_at
from wallets.pilot.script import Script
from wallets.pilot.setting import preview
from wallets.pilot.step_check import day_of, members

FEW = 9
TRIED = 20_000
# What the ledger, banks, cards and devices refuse by themselves: no rule of a script stands behind these codes.
OWN_LAW = frozenset(
    {
        "E_ALIAS_UNKNOWN",
        "E_CARD_DIRECT",
        "E_CARD_FUNDS",
        "E_CARD_ISSUER_SILENT",
        "E_CARD_MARKED",
        "E_CARD_TIMEOUT",
        "E_CATEGORY_LEDGER",
        "E_COINS",
        "E_CONSENT",
        "E_FUNDS",
        "E_FUNDS_ACCOUNT",
        "E_LOCKED",
        "E_MARK_BLOCKS",
        "E_MARK_ISSUER",
        "E_MARK_NONE",
        "E_MARK_NOT_OVER",
        "E_MARK_OFFLINE",
        "E_MARK_RELEASE",
        "E_NO_DEVICE",
        "E_STATEMENT_USED",
        "E_TXLIMIT",
    }
)
_SOURCE = re.compile(
    r"national bank|\bnbk\b|\bnpck\b|\bofficial|\bpublished|\bministry|\blaw\b|нацбанк|ұлттық банк",
    re.IGNORECASE,
)
_OWN = re.compile(
    r"assum|not published|no \w+ is published|not known|unknown|invented|\bour\b|\bours\b|допущен|болжам",
    re.IGNORECASE,
)


def doubts(script: Script, table: Mapping[str, Any]) -> list[Mistake]:
    """Every doubt about a script that can be read."""
    return [*_numbers(script, table), *_expectations(script, table), *_steps(script, table)]


def _numbers(script: Script, table: Mapping[str, Any]) -> Iterator[Mistake]:
    for section in ("parameter", "distribution"):
        for number, row in rows_of(script.file, table, section):
            place, name = f"[[{section}]] number {number}", row.get("name")
            if "fact" in row:
                continue
            if "grade" not in row:
                yield Mistake(place, "", f"{name} has no grade")
            note = str(row.get("note", ""))
            if not note.strip():
                yield Mistake(place, "note", f"{name} has no note")
            elif (
                row.get("grade", ASSUMPTION) == ASSUMPTION and _SOURCE.search(note) and not _OWN.search(note)
            ):
                yield Mistake(
                    place, "note", f"{name} is an assumption, but its note sounds like a published figure"
                )


def _expectations(script: Script, table: Mapping[str, Any]) -> Iterator[Mistake]:
    rows = rows_of(script.file, table, "expect")
    for number, row in rows:
        value = _bare(row.get("equals"))
        money = str(row.get("fact", "")).endswith("_tiyn") and value != 0
        if value is not None and (money or abs(value) > FEW):
            yield Mistake(
                f"[[expect]] number {number}", "equals", f"a bare number is expected: {row['equals']}"
            )
    if not rows:
        yield Mistake("[pilot]", "", "nothing is expected of a run")


def _bare(expression: object) -> int | None:
    """The value of an expression in which no name stands; None for any other."""
    if isinstance(expression, str):
        try:
            tree = ast.parse(expression.strip(), mode="eval")
        except (SyntaxError, ValueError):
            return None
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        if names - {"tenge", "min", "max", "vat", "ceil_div"}:
            return None
    try:
        return evaluate(expression, {})
    except TengeError:
        return None


def _steps(script: Script, table: Mapping[str, Any]) -> Iterator[Mistake]:
    rows = rows_of(script.file, table, "step")
    for number, row in rows:
        place = f"[[step]] number {number}"
        if day_of(script, row) > day_of(script, row, last=True):
            yield Mistake(place, "last_day", "it never happens: its last day is before its first")
        elif _nobody(script, row):
            yield Mistake(place, "when", "it never happens: `when` holds for no member")
        if row.get("refused") and "rule" not in row and str(row["refused"]) not in OWN_LAW:
            yield Mistake(place, "refused", "nothing tells which rule refuses it")
        for key, problem in (*_offline(script, row), *_other_code(table, row)):
            yield Mistake(place, key, problem)
    if rows and not any(row.get("refused") for _, row in rows):
        yield Mistake("[pilot]", "", "nothing is refused in this pilot")


def _offline(script: Script, row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Whether a step takes marked money offline that cannot go there."""
    mark = next((mark for mark in script.marks if mark.name == row.get("mark")), None)
    if mark is None or row.get("do") not in ("load", "pay_offline") or row.get("refused") == "E_MARK_OFFLINE":
        return
    try:
        purpose = offline_purpose(preview(script, mark))
    except TengeError:
        return
    if isinstance(purpose, NotOffline):
        rule = "max_hops is 0" if purpose.rule == "hops" else f"rule {purpose.rule}"
        yield "mark", f"money of the mark {mark.name} cannot go offline: {purpose.problem} ({rule})"


def _other_code(table: Mapping[str, Any], row: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Whether the rule that a step names never refuses with the code that it expects."""
    path = str(row.get("rule", ""))
    kind = str(rule_at(table, path).get("kind", "")) if path.startswith("mark.") else ""
    codes = [code for side in REFUSES.get(kind, ()) for code in side]
    if kind in REFUSES and row.get("refused") not in codes:
        told = ", ".join(codes) or "nothing"
        yield "refused", f"a rule of kind {kind} refuses as {told}, not as {row.get('refused')}"


def _nobody(script: Script, row: Mapping[str, Any]) -> bool:
    """Whether `when` holds for none of the first many members, on the first day of the step."""
    if "when" not in row:
        return False
    names = {**script.names, "day": day_of(script, row)}
    count = members(script, row.get("who", row.get("to")))
    try:
        return not any(evaluate(row["when"], {**names, "i": i}) for i in range(min(count, TRIED)))
    except TengeError:
        return False
