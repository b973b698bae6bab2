"""The catalogues of error codes as files on disk, read without the code that uses them."""

import ast
import re
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cbdc.errors import catalogue
from tests.house.tree import ROOT, parsed, python_files, scripts

FAMILIES = ("malformed", "refused", "unavailable")
LANGUAGES = ("en", "kk", "ru")
CODE = re.compile(r"E_[A-Z0-9_]+")
_TEXT_OF_SCRIPT = re.compile(r"""["'](E_[A-Z0-9_]+)["']""")

_TEXTS = ("sentence", "next")
_ENGLISH_KEYS = {"family", "rule", *_TEXTS}


@dataclass(frozen=True, slots=True)
class Row:
    """One code in one file of one language."""

    code: str
    file: str
    values: Mapping[str, object]


def rows(language: str, root: Path = ROOT) -> list[Row]:
    """Every row of a language in the order of its files; a code that stands twice comes twice."""
    return [
        Row(code, file.name, values if isinstance(values, dict) else {})
        for file in sorted((root / "cbdc/catalogue" / language).glob("*.toml"))
        for code, values in tomllib.loads(file.read_text(encoding="utf-8")).items()
    ]


def heading(file: Path) -> str:
    """The comment at the top of a catalogue file, as one line."""
    lines = file.read_text(encoding="utf-8").splitlines()
    first = next((index for index, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return " ".join(line.lstrip("# ").strip() for line in lines[:first])


def placeholders(text: str) -> set[str]:
    """The facts that a sentence names: `{limit_tiyn}`. Raises ValueError where the braces do not pair."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def english_problems(english: list[Row]) -> list[str]:
    """What is wrong with the English catalogue alone."""
    problems: list[str] = []
    seen: dict[str, str] = {}
    for row in english:
        if row.code in seen:
            problems.append(f"{row.code} stands in {seen[row.code]} and in {row.file}")
        seen[row.code] = row.file
        if not CODE.fullmatch(row.code):
            problems.append(f"{row.code} is not a code")
        if set(row.values) != _ENGLISH_KEYS:
            problems.append(f"{row.code} has the keys {sorted(row.values)}")
        elif row.values["family"] not in FAMILIES:
            problems.append(f"{row.code} has the family {row.values['family']!r}")
        problems += _text_problems(row, _ENGLISH_KEYS)
    return problems


def translation_problems(english: list[Row], translated: list[Row]) -> list[str]:
    """Where a translation has other codes or other facts than the English catalogue."""
    originals = {row.code: row.values for row in english}
    codes = [row.code for row in translated]
    problems = [f"{code} stands twice" for code in sorted({code for code in codes if codes.count(code) > 1})]
    problems += [f"{code} is missing" for code in sorted(set(originals) - set(codes))]
    for row in translated:
        original = originals.get(row.code)
        if original is None:
            problems.append(f"{row.code} is not in the English catalogue")
            continue
        broken = _text_problems(row, set(_TEXTS))
        problems += broken
        if broken:
            continue
        for key in _TEXTS:
            ours, theirs = placeholders(str(row.values[key])), placeholders(str(original.get(key, "")))
            if ours != theirs:
                problems.append(f"{row.code}.{key} names {sorted(ours)}, the English {sorted(theirs)}")
        for key in ("family", "rule"):
            if key in row.values and row.values[key] != original.get(key):
                problems.append(f"{row.code}.{key} is {row.values[key]!r}, the English {original.get(key)!r}")
    return problems


def _text_problems(row: Row, keys: set[str]) -> list[str]:
    problems: list[str] = []
    for key in sorted(keys):
        text = row.values.get(key)
        if not isinstance(text, str) or not text.strip():
            problems.append(f"{row.code}.{key} is empty")
            continue
        try:
            strange = {name for name in placeholders(text) if not name.isidentifier()}
        except ValueError as error:
            problems.append(f"{row.code}.{key}: {error}")
            continue
        if strange:
            problems.append(f"{row.code}.{key} has the placeholder {sorted(strange)}")
    return problems


def used_in(tree: ast.Module) -> set[str]:
    """Every text of a module that is a code as a whole; a code inside a longer text is only talk of it."""
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value)
    }


def used_in_script(text: str) -> set[str]:
    """Every text of a script of the browser that is a code as a whole."""
    return set(_TEXT_OF_SCRIPT.findall(text))


def used_in_code() -> dict[str, str]:
    """Code -> the first module of the three packages, or script of the site, that names it."""
    used: dict[str, str] = {}
    for file in python_files():
        for code in used_in(parsed(file)):
            used.setdefault(code, str(file.relative_to(ROOT)))
    for file in scripts():
        for code in used_in_script(file.read_text(encoding="utf-8")):
            used.setdefault(code, str(file.relative_to(ROOT)))
    return used


@cache
def facts_named(code: str) -> frozenset[str]:
    """The facts that the English words of a code ask for, without the ending that only chooses their form."""
    entry = catalogue()[code]
    names = {
        name
        for text in (entry.sentence, entry.next)
        for _, name, _, _ in string.Formatter().parse(text)
        if name
    }
    return frozenset(name.removesuffix("_date").removesuffix("_name") for name in names)
