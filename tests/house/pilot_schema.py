"""Writes the JSON schema of pilot scripts from the form of a script and from the code of the verbs.

python -m tests.house.pilot_schema            says whether the kept schemas are today's
python -m tests.house.pilot_schema --write    writes them

The schema is kept twice: with the package, for `tenge pilot new` and `check`, and in docs/pilots for editors that
read it from the repository. What a verb reads is taken from its code: `arguments.value("amount")` is an argument that
must be there and holds an expression, `arguments.text("bank", "")` one that may be left out and holds a text.
"""

import ast
import inspect
import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from tests.house.tree import ROOT
from wallets.pilot import form, perform, translations
from wallets.pilot.form import Key, Section

PLACES = (ROOT / "wallets/pilot" / form.SCHEMA, ROOT / "docs/pilots" / form.SCHEMA)
EXPRESSIONS = {"raw", "value"}
MEMBERS = {"who": ("text", True), "when": ("number", False)}
EXPRESSION = {"type": ["integer", "string", "boolean"], "description": "a whole number or an expression"}
LANGUAGE_NAMES = {"kk": "Kazakh", "ru": "Russian"}
# Arguments that `raw` reads and that are no expressions.
LISTS = {"lines", "documents", "document"}


# --- what a verb reads ---


def arguments_of(verb: Any) -> dict[str, tuple[str, bool]]:
    """(what it holds, whether it must be there) of every argument of a verb, through the functions it hands them to."""
    found: dict[str, tuple[str, bool]] = {}
    asked: set[str] = set()
    for call, texts, maybe in _calls(verb, {}, set()):
        assert isinstance(call.func, ast.Attribute)
        method, needed = call.func.attr, not maybe
        key = _text(call.args[0], texts) if call.args else ""
        if method == "has":
            asked.add(key)
        elif method == "members":
            found |= MEMBERS
        elif method == "payee":
            found |= {"to": ("text", needed and "to" not in asked), "to_member": ("number", False)}
        elif method == "mark":
            found[key or "mark"] = ("text", False)
        elif method == "text" and key:
            found[key] = ("text", needed and len(call.args) == 1)
        elif method in EXPRESSIONS and key:
            holds = "list" if key in LISTS and method == "raw" else "number"
            found[key] = (holds, needed and len(call.args) == 1)
    return found


def _text(node: ast.expr, texts: Mapping[str, str]) -> str:
    """A text that is written there, or that a function got under this name."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    return texts.get(node.id, "") if isinstance(node, ast.Name) else ""


def _calls(
    function: Any, given: Mapping[str, str], seen: set[Any]
) -> Iterator[tuple[ast.Call, Mapping[str, str], bool]]:
    """Every call `arguments.method(...)` in a function, and in the functions of the sandbox it hands `arguments` to.

    With each: the texts that the function's own parameters stand for, and whether it is made only on a condition.
    """
    if (function, *sorted(given.items())) in seen:
        return
    seen.add((function, *sorted(given.items())))
    names = inspect.signature(function).parameters
    texts = {name: one.default for name, one in names.items() if isinstance(one.default, str)} | dict(given)
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    maybe = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.IfExp | ast.If)
        for part in (
            ast.walk(node.body) if isinstance(node, ast.IfExp) else ast.walk(ast.Module(node.body, []))
        )
    }
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in sorted(calls, key=lambda node: (node.lineno, node.col_offset)):
        match call.func:
            case ast.Attribute(value=ast.Name(id="arguments")):
                yield call, texts, call in maybe
            case ast.Name(id=name) if any(
                isinstance(part, ast.Name) and part.id == "arguments" for part in call.args
            ):
                handed = function.__globals__.get(name)
                if inspect.isfunction(handed) and handed.__module__.startswith("wallets."):
                    parts = zip(inspect.signature(handed).parameters, call.args, strict=False)
                    handed_on = {name: text for name, part in parts if (text := _text(part, texts))}
                    yield from _calls(handed, handed_on, seen)


# --- the schema ---


def key_schema(key: Key) -> dict[str, Any]:
    """What a key may hold."""
    about = {"description": key.about}
    match key.form:
        case form.NUMBER | form.WHOLE:
            return {**EXPRESSION, **about}
        case form.LIST if key.choices:
            return {"type": "array", "items": {"enum": list(key.choices)}, **about}
        case form.LIST:
            return {"type": "array", **about}
        case form.DATE:
            return {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$", **about}
        case form.TIME:
            return {"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d$", **about}
        case form.NAME:
            return {"type": "string", "pattern": r"^[a-z0-9]+([-_][a-z0-9]+)*$", "maxLength": 40, **about}
    return {"type": "string", **({"enum": list(key.choices)} if key.choices else {}), **about}


def section_schema(section: Section) -> dict[str, Any]:
    """What a section may hold."""
    if section.names_numbers:
        return {"type": "object", "additionalProperties": EXPRESSION, "description": section.about}
    properties = {name: key_schema(key) for name, key in section.keys.items()}
    properties |= {name: section_schema(inner) for name, inner in section.inside.items()}
    row = {
        "type": "object",
        "properties": properties,
        "required": [name for name, key in section.keys.items() if key.required],
        "additionalProperties": False,
        "description": section.about,
    }
    return {"type": "array", "items": row, "description": section.about} if section.many else row


HOLDS = {"text": {"type": "string"}, "number": EXPRESSION, "list": {"type": "array"}}


def verb_schema(verb: str) -> dict[str, Any]:
    """The step of one verb: common keys and its own arguments, no others."""
    keys = arguments_of(perform.VERBS[verb])
    properties = {name: HOLDS[holds] for name, (holds, _) in sorted(keys.items())}
    common = form.SECTIONS["step"].keys
    return {
        "properties": properties,
        "required": sorted(name for name, (_, needed) in keys.items() if needed),
        "propertyNames": {"enum": sorted({*common, *properties, *translated("step", form.SECTIONS["step"])})},
    }


def translated(name: str, section: Section) -> dict[str, Any]:
    """The keys in which a section says its texts in other languages."""
    return {
        f"{key}_{language}": {
            **key_schema(section.keys[key]),
            "description": f"`{key}` in {LANGUAGE_NAMES[language]}",
        }
        for key in translations.KEYS.get(name, ())
        for language in translations.LANGUAGES
    }


def step_schema() -> dict[str, Any]:
    """A step: the keys of every step, and by its verb the verb's."""
    common = form.SECTIONS["step"]
    row = section_schema(common)["items"]
    row["properties"]["do"] = {"enum": sorted(perform.VERBS), "description": common.keys["do"].about}
    held: dict[str, set[str]] = {}
    for verb in perform.VERBS.values():
        for name, (holds, _) in arguments_of(verb).items():
            held.setdefault(name, set()).add(holds)
    for name, kinds in held.items():
        known = [HOLDS[holds] for holds in sorted(kinds)]
        row["properties"].setdefault(name, known[0] if len(known) == 1 else {"anyOf": known})
    del row["additionalProperties"]
    row["properties"] = dict(sorted(row["properties"].items()))
    row["anyOf"] = [{"required": ["day"]}, {"required": ["first_day", "last_day"]}]
    row["allOf"] = [
        {
            "if": {"properties": {"do": {"const": verb}}, "required": ["do"]},
            "then": {"$ref": f"#/definitions/verb_{verb}"},
        }
        for verb in sorted(perform.VERBS)
    ]
    return {"type": "array", "items": row, "description": common.about}


def made() -> dict[str, Any]:
    """The whole schema."""
    properties = {name: section_schema(section) for name, section in form.SECTIONS.items()}
    properties["step"] = step_schema()
    for name, section in form.SECTIONS.items():
        row = properties[name].get("items", properties[name])
        row.get("properties", {}).update(translated(name, section))
    properties["parameter"]["items"]["oneOf"] = [{"required": ["default"]}, {"required": ["fact"]}]
    for extension in perform.EXTENSIONS:
        for name in sorted(extension.sections):
            known = extension.forms.get(name)
            open_section = {"type": ["object", "array"], "description": f"read by the part {extension.name}"}
            properties[name] = section_schema(known) if known else open_section
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A pilot script of the digital tenge sandbox",
        "type": "object",
        "required": ["pilot"],
        "additionalProperties": False,
        "properties": properties,
        "definitions": {f"verb_{verb}": verb_schema(verb) for verb in sorted(perform.VERBS)},
    }


def text() -> str:
    """The schema as it is kept."""
    return json.dumps(made(), indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Compare, or write."""
    stale = [place for place in PLACES if not place.exists() or place.read_text(encoding="utf-8") != text()]
    for place in stale:
        if "--write" in arguments:
            place.write_text(text(), encoding="utf-8")
    if stale and "--write" not in arguments:
        sys.stdout.write("The schema is another: python -m tests.house.pilot_schema --write\n")
    return 1 if stale and "--write" not in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
