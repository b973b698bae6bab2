"""Makers for the pages of docs/pilots: a script's parameters and expectations, as its file has them."""

import re
import tomllib
from collections.abc import Callable, Mapping
from typing import Any

from cbdc.money import format_tenge
from tests.house.tree import ROOT
from wallets.pilot import facts, form, perform, quantities, script


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


def pilot_form(argument: str) -> str:
    """Every section of a script with its keys; keys that must be there in bold."""
    parts = []
    for name, section in form.SECTIONS.items():
        parts.append(_section(f"[[{name}]]" if section.many else f"[{name}]", section))
        for inner, rows in section.inside.items():
            parts.append(_section(f"[[{name}.{inner}]]", rows))
    known = {name: (one, one.forms.get(name)) for one in perform.EXTENSIONS for name in sorted(one.sections)}
    for name, (extension, section) in sorted(known.items()):
        if section is not None:
            parts.append(_section(f"[[{name}]]", section))
            parts += [_section(f"[[{name}.{inner}]]", rows) for inner, rows in section.inside.items()]
        else:
            parts.append(f"**`[{name}]`**: read by the part `{extension.name}`; see its page.")
    return "\n\n".join(parts)


def _section(title: str, section: form.Section) -> str:
    if not section.keys:
        return f"**`{title}`**: {section.about}."
    lines = [f"**`{title}`**: {section.about}.", "", "| key | holds | for |", "|---|---|---|"]
    for name, key in section.keys.items():
        holds = form.FORMS[key.form]
        if key.choices and len(key.choices) <= 20:
            holds += ": " + ", ".join(f"`{choice}`" for choice in key.choices)
        lines.append(f"| {_bold(name, key.required)} | {holds} | {_cell(key.about)} |")
    return "\n".join(lines)


def _bold(name: str, needed: bool) -> str:
    return f"**`{name}`**" if needed else f"`{name}`"


def _readme(heading: str) -> str:
    text = (ROOT / "docs/pilots/README.md").read_text(encoding="utf-8")
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0].strip()


def pilot_section(argument: str) -> str:
    """A section of docs/pilots/README.md, word for word."""
    return _readme(argument).replace("](#", "](README.md#")


def _told() -> dict[str, str]:
    """What the pages say that a verb does: the last cell of the row that begins with it, in any page of docs/."""
    found: dict[str, str] = {}
    for page in sorted((ROOT / "docs").rglob("*.md")):
        if page.name == "writing.md":
            continue
        for row in re.findall(r"^\| (`\w+`.*) \|$", page.read_text(encoding="utf-8"), re.MULTILINE):
            cells = row.split(" | ")
            verbs = re.findall(r"`(\w+)`", cells[0])
            if len(cells) == 3 and set(verbs) <= set(perform.VERBS):
                found |= dict.fromkeys(verbs, cells[2])
    return found


def pilot_verbs(argument: str) -> str:
    """Every verb with its arguments, taken from its code, and what the pages say of it."""
    told = _told()
    part_of = {verb: one.name for one in perform.EXTENSIONS for verb in one.verbs}
    lines = ["| verb | arguments | what happens | part |", "|---|---|---|---|"]
    for verb in perform.VERBS:
        keys, needed = form.verb_keys(verb) or {}, form.verb_needs(verb)
        names = [_bold(key, key in needed) for key in sorted(keys, key=lambda key: key not in needed)]
        lines.append(
            f"| `{verb}` | {', '.join(names) or '–'} | {told.get(verb, '')} | {part_of.get(verb, '')} |"
        )
    return "\n".join(lines)


def pilot_facts(argument: str) -> str:
    """Every published figure with its unit, grade and what it is."""
    lines = ["| fact | value | unit | grade | what |", "|---|---|---|---|---|"]
    lines += [
        f"| `{fact.name}` | {fact.value:,} | {fact.unit} | {fact.grade} | {_cell(fact.about)} |"
        for fact in facts.facts().values()
    ]
    sources = "Sources stand in `wallets/pilot/facts.toml`, and in the report of a run that uses a figure."
    return "\n".join([*lines, "", sources])


def pilot_flows(argument: str) -> str:
    """Flow by flow: what the source says, what the script shows, what is assumed in it."""
    parts = []
    for name in script.built_in():
        one = script.load(name)
        known = [
            f"`{row.name}` ({quantities.GRADES[row.grade]})" for row in one.parameters if row.grade != "A"
        ]
        assumed = [f"`{row.name}`" for row in one.parameters if row.grade == "A"]
        rules = {step.rule for step in one.steps if step.rule}
        refused = sum(1 for row in _table(name).get("step", []) if "refused" in row)
        parts += [
            f"### [{name}]({name}.md): {one.title}",
            "",
            f"- **The source says:** {one.source}",
            f"- **The script shows:** {one.summary} Attempts it refuses: {refused}, by {len(rules)} named rules.",
            f"- **Known figures:** {', '.join(known) or 'none'}.",
            f"- **Assumed:** the parameters {', '.join(assumed) or 'none'}; and not real: {'; '.join(one.simulated)}.",
            "",
        ]
    return "\n".join(parts).rstrip()


MAKERS: Mapping[str, Callable[[str], str]] = {
    "pilot-parameters": pilot_parameters,
    "pilot-derived": pilot_derived,
    "pilot-expectations": pilot_expectations,
    "pilot-attempts": pilot_attempts,
    "pilot-flows": pilot_flows,
    "pilot-form": pilot_form,
    "pilot-section": pilot_section,
    "pilot-verbs": pilot_verbs,
    "pilot-facts": pilot_facts,
}
