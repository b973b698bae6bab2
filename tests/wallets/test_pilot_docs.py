"""docs/pilots/README.md says what a script may hold: sections, keys, verbs with their arguments, functions, facts."""

import ast
import inspect
import re
from typing import Any

import pytest

from tests.house import pilot_schema
from tests.house.tree import ROOT
from wallets.pilot import expression, mark_rules, perform, quantities, report, sampling, script, verbs

TEXT = (ROOT / "docs/pilots/README.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| (.+?) \| (.+?) \|(?: (.+?) \|)?$", re.MULTILINE)
READS = {"name", "text", "raw", "value", "number", "list", "choice"}


def rows(heading: str) -> dict[str, list[str]]:
    """Inline code of the second cell, by the inline code (or the text) of the first, under a heading."""
    section = TEXT.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    found: dict[str, list[str]] = {}
    for first, second, _ in ROW.findall(section):
        for name in re.findall(r"`([^`]+)`", first) or [first]:
            found[name] = re.findall(r"`([^`]+)`", second)
    return found


def calls(function: object, receivers: set[str] | None = None) -> list[ast.Call]:
    """Every call `receiver.method(...)` in a function, in order."""
    tree = ast.parse(inspect.getsource(function))  # type: ignore[arg-type]
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (receivers is None or node.func.value.id in receivers)
    ]
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


def read_keys(function: object, receiver: str = "reader") -> set[str]:
    """The keys that a function reads from a table."""
    keys: set[str] = set()
    for call in calls(function, {receiver}):
        assert isinstance(call.func, ast.Attribute)
        if call.func.attr in READS and call.args and isinstance(call.args[0], ast.Constant):
            keys.add(str(call.args[0].value))
    return keys


def verb_arguments(verb: str) -> set[str]:
    """What a verb reads from its step, itself or through the functions that it hands `arguments` to."""
    return set(pilot_schema.arguments_of(perform.VERBS[verb]))


def test_every_verb_that_is_told_has_its_arguments() -> None:
    told = {verb: set(arguments) for verb, arguments in rows("Verbs").items() if verb != "verb"}
    assert told == {verb: verb_arguments(verb) for verb in told}
    assert set(verbs.VERBS) <= set(told)


SECTIONS = {
    "[[parameter]]": set().union(
        *map(read_keys, (quantities._parameters, quantities._own, quantities._fact, quantities._grade))
    ),
    "[[distribution]]": read_keys(quantities._distribution)
    | read_keys(quantities._grade)
    | {key for keys in sampling.KINDS.values() for key in keys},
    "[[bank]]": read_keys(script._bank),
    "[[mark]]": read_keys(script._mark),
    "[[cast]]": read_keys(script._cast),
    "[[step]]": read_keys(script._steps),
    "[[expect]]": read_keys(script._expectation),
    "[budget]": read_keys(script.read_script, "budget") | read_keys(script._budget_bank, "budget"),
    "[pilot]": read_keys(script.read_script, "head") | read_keys(script._date, "head"),
}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_key_of_a_section_is_told(section: str) -> None:
    told = {word for word in rows("The form of a script")[section] if re.fullmatch(r"[a-z_]+", word)}
    assert told == SECTIONS[section]


def test_every_section_is_told() -> None:
    told = {name.strip("[]") for name in rows("The form of a script") if name.startswith("[")}
    assert told == script._SECTIONS | {name for part in perform.EXTENSIONS for name in part.sections}


def test_every_kind_of_rule_is_told_with_its_keys() -> None:
    told = {kind: set(keys) for kind, keys in rows("Rules of a mark").items() if kind != "kind"}
    written = {**mark_rules._HEAD, **mark_rules._KINDS}
    assert told.keys() == written.keys()
    for kind, function in written.items():
        assert told[kind] == rule_keys(function), kind


def test_every_kind_of_rule_tells_its_codes() -> None:
    section = TEXT.split("\n## Rules of a mark\n", 1)[1].split("\n## ", 1)[0]
    told = {}
    for kind, cell in re.findall(r"^\| `(\w+)` \| .* \| ([^|]+) \|$", section, re.MULTILINE):
        sides = [tuple(re.findall(r"`(E_\w+)`", side)) for side in cell.split(" / ")]
        told[kind] = (sides[0], sides[1] if len(sides) > 1 else ())
    assert told == mark_rules.REFUSES


def rule_keys(function: Any) -> set[str]:
    """The keys that a kind of rule reads, itself or through the helpers of its module."""
    keys: set[str] = set()
    for name in re.findall(r'(?:reader\.\w+\(|_\w+\(reader, )"(\w+)"', inspect.getsource(function)):
        keys.add(name)
    source = inspect.getsource(function)
    if "_fact(reader" in source:
        keys |= {"register", "fact"}
    if "_part(reader" in source or function is mark_rules._part:
        keys |= {"numerator", "denominator"}
    if function is mark_rules._goods:
        keys |= {"only", "never"}
    return keys


def test_every_function_is_told() -> None:
    told = {name.partition("(")[0] for name in rows("Expressions") if "(" in name}
    assert told == {*expression._FUNCTIONS, "total", "sample"}


def fact_prefixes() -> set[str]:
    """The first words of the facts that a report knows."""
    tree = ast.parse(inspect.getsource(report._facts))
    texts = [
        part.value
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        and isinstance(part := node.values[0], ast.Constant)
        and isinstance(part.value, str)
    ]
    return {text.partition(".")[0] for text in texts if re.match(r"[a-z]+\.", text)}


def test_every_family_of_facts_is_told() -> None:
    told = {name.partition(".")[0] for name in rows("Facts an expectation may name") if "." in name}
    families = {family for part in perform.EXTENSIONS for family in part.families}
    assert told == fact_prefixes() | {"wallets", "devices", "deposits"} | families


@pytest.mark.parametrize("name", script.built_in())
def test_scripts_name_facts_that_are_told(name: str) -> None:
    patterns = [
        re.escape(fact)
        .replace("GROUP", r"\w+")
        .replace("VERB", r"\w+")
        .replace("NAME", r"[\w-]+")
        .replace("…", r"\w+")
        for fact in rows("Facts an expectation may name")
    ]
    patterns = [pattern.replace("E_CODE", r"E_\w+") for pattern in patterns]
    for row in script.load(name).expectations:
        assert any(re.fullmatch(pattern, row.fact) for pattern in patterns), row.fact


@pytest.mark.parametrize("name", script.built_in())
def test_every_pilot_has_its_page(name: str) -> None:
    assert f"[{name}]({name}.md)" in TEXT
    page = (ROOT / f"docs/pilots/{name}.md").read_text(encoding="utf-8")
    for made in ("pilot-parameters", "pilot-derived", "pilot-expectations"):
        assert f"<!-- made: {made} {name} -->" in page
