"""What can be said of steps and expectations before anything is played: names, arguments, expressions, facts.

Which arguments a verb has stands in the schema of scripts, which is taken from the code of the verbs. An expression
is tried for the first and the last member of its group.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from cbdc.errors import TengeError, catalogue
from cbdc.ledger.ledger import Supply
from cbdc.token import TREASURY_ACCOUNT
from wallets.pilot import form, perform
from wallets.pilot.advice import nearest
from wallets.pilot.expression import evaluate
from wallets.pilot.play import TREASURY
from wallets.pilot.reader import Mistake, rows_of
from wallets.pilot.script import Script
from wallets.pilot.translations import take

_FIXED = {
    *(f"supply.{name.name}" for name in fields(Supply)),
    *(f"offline.{name}" for name in ("payments", "hops_max", "double_spends", "loss_tiyn")),
    *(f"borne.{name}_tiyn" for name in ("device", "owner", "bank", "reserve")),
}
# What a refusal is called that takes lines to come to.
_LINES = ("_GOODS", "_PRICE", "_ESTIMATE", "_LINES")
_HOLDINGS = ("wallets", "devices", "deposits")


def mistakes(script: Script, table: Mapping[str, Any]) -> Iterator[Mistake]:
    """Every mistake of the steps and expectations of a script that can be read."""
    playable, there = perform.playable_verbs(script), perform.names_there(script)
    table, _ = take(script.file, table)  # what is said in other languages is no argument of a verb
    for number, row in rows_of(script.file, table, "step"):
        place = f"[[step]] number {number}"
        verb = str(row.get("do", ""))
        arguments = {key: value for key, value in row.items() if key not in form.SECTIONS["step"].keys}
        for key, problem in perform.step_problems(verb, arguments, playable, there):
            yield Mistake(place, key, problem)
        known = form.verb_keys(verb)
        if verb not in playable or known is None:
            continue
        for key in arguments.keys() - known.keys():
            told = ", ".join(sorted(known)) or "none"
            yield Mistake(place, key, f"{key} is no argument of {verb}, which takes {told}")
        for key in form.verb_needs(verb):
            if key not in arguments:
                yield Mistake(place, "", f"{key} is missing: {verb} needs it")
        for key, problem in _expressions(script, row, arguments, known):
            yield Mistake(place, key, problem)
        if verb == "pay" and "lines" not in arguments:
            for rule in _ask_lines(script, row):
                yield Mistake(place, "", f"lines is missing: rule {rule} asks what is paid for")
    yield from _expectations(script, table)


def _ask_lines(script: Script, row: Mapping[str, Any]) -> list[str]:
    """The first rule of the mark that judges the lines of a payment, unless something else is to refuse it."""
    if row.get("refused") and not any(word in str(row["refused"]) for word in _LINES):
        return []
    categories = {cast.name: cast.category for cast in script.cast} | {TREASURY: TREASURY_ACCOUNT}
    payer, payee = categories.get(str(row.get("who"))), categories.get(str(row.get("to")))
    rules = next((mark.rules.clauses for mark in script.marks if mark.name == row.get("mark")), ())
    if payer is None or payee is None:
        return []
    return [rule.name for rule in rules if rule.asks_lines and rule.covers(payer, payee)][:1]


def members(script: Script, group: object) -> int:
    """How many a group has; 1 for what is no group."""
    return next((cast.count for cast in script.cast if cast.name == group), 1)


def day_of(script: Script, row: Mapping[str, Any], last: bool = False) -> int:
    """The first (or last) day of a step; 0 for one that cannot be read, which was told before."""
    try:
        return evaluate(row.get("day", row.get("last_day" if last else "first_day")), script.names)
    except TengeError:
        return 0


def _expressions(
    script: Script, row: Mapping[str, Any], arguments: Mapping[str, Any], known: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    count = members(script, arguments.get("who", arguments.get("to")))
    for key, value in arguments.items():
        if key not in known:
            continue
        holds = known[key].get("type")
        if holds == "string":
            if not isinstance(value, str):
                yield key, f"{key} must be a text"
            continue
        parts = _parts(value) if holds == "array" else [value]
        for i in sorted({0, count - 1}):
            names = {**script.names, "day": day_of(script, row), "i": i}
            problem = next((told for part in parts if (told := _problem(part, names))), "")
            if problem:
                yield key, f"{key}: {problem}" + (f" (for i = {i})" if i else "")
                break
    to = arguments.get("to")
    if isinstance(to, str) and to != TREASURY and "to_member" in arguments:
        yield from _payee(script, row, arguments, count)


def _parts(value: Any) -> list[Any]:
    """The expressions in a list of lines or documents: a document's name is none."""
    if not isinstance(value, list):
        return [value]
    if len(value) == 2 and isinstance(value[0], str) and not isinstance(value[1], list):
        return value[1:]
    return [part for item in value for part in (_parts(item) if isinstance(item, list) else [item])]


def _problem(expression: Any, names: Mapping[str, int]) -> str:
    try:
        evaluate(expression, names)
    except TengeError as error:
        return str(error.facts.get("problem", error.code))
    return ""


def _payee(
    script: Script, row: Mapping[str, Any], arguments: Mapping[str, Any], count: int
) -> Iterator[tuple[str, str]]:
    """Whether the payees of the first and last member that pay are there."""
    there = members(script, arguments["to"])
    for i in sorted({0, count - 1}):
        names = {**script.names, "day": day_of(script, row), "i": i}
        try:
            chosen = evaluate(arguments.get("when", 1), names)
            place = evaluate(arguments["to_member"], names)
        except TengeError:
            return
        if chosen and not 0 <= place < there:
            yield (
                "to_member",
                f"to_member: member {i} pays {arguments['to']} {place}; it must be from 0 to {there - 1}",
            )
            return


def _expectations(script: Script, table: Mapping[str, Any]) -> Iterator[Mistake]:
    for number, row in rows_of(script.file, table, "expect"):
        problem = fact_problem(script, str(row.get("fact", "")))
        if problem:
            yield Mistake(f"[[expect]] number {number}", "fact", problem)


def fact_problem(script: Script, fact: str) -> str:
    """Why no run of this script can have this fact, or nothing."""
    family, _, rest = fact.partition(".")
    groups = {cast.name for cast in script.cast}
    match family:
        case "supply" | "offline" | "borne":
            return _unless(fact in _FIXED, fact, _FIXED)
        case "refusals":
            return _unless(rest in catalogue(), rest, catalogue())
        case "steps":
            verb, _, group = rest.partition(".")
            known = perform.playable_verbs(script)
            return _unless(verb in known, verb, known) or _unless(not group or group in groups, group, groups)
        case "marks":
            marks = {mark.name for mark in script.marks}
            return _unless(rest.partition(".")[0] in marks, rest.partition(".")[0], marks)
        case "days":
            reached = {step.milestone for step in script.steps}
            return _unless(rest in reached, rest, reached)
        case _ if family in _HOLDINGS:
            group = re.sub(r"_tiyn$", "", rest)
            return _unless(
                group in groups and rest.endswith("_tiyn"), rest, {f"{one}_tiyn" for one in groups}
            )
    families = {name for extension in perform.used_by(script) for name in extension.families}
    known = {*families, "supply", "offline", "borne", "refusals", "steps", "marks", "days", *_HOLDINGS}
    # An extension that does not say its families may have any.
    silent = any(not extension.families for extension in perform.used_by(script) if extension.name == family)
    return _unless(family in known or silent, family, known)


def _unless(there: bool, name: str, known: Any) -> str:
    if there:
        return ""
    near = nearest(name, known)
    return f"there is no fact of a run with {name[:40]!r}" + (f"; perhaps {near}" if near else "")
