"""A script's TOML, read strictly: every key is known and used, every value of its type, every mistake has its place.

Whatever a file holds, what comes out is a value or E_SCRIPT with the file, the place and the problem. Inside
`collecting()` a mistake of one key is noted and reading goes on with a harmless value, so that `tenge pilot check` can
tell many mistakes at once; whoever plays a script never collects.
"""

import re
import tomllib
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from cbdc.errors import Malformed, TengeError
from wallets.pilot.expression import evaluate

Number = str | int

MAX_SCRIPT_BYTES = 1 << 20
MAX_NAME = 40
NAME = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")


# A row that was judged and is left out while the rest is read; the numbers of the others stay.
LEFT_OUT: Any = object()


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong at a place of a script; `key` is empty where it is the row itself."""

    place: str
    key: str
    problem: str


_noted: ContextVar[list[Mistake] | None] = ContextVar("noted mistakes", default=None)


@contextmanager
def collecting() -> Iterator[list[Mistake]]:
    """While it lasts, readers note the mistakes of single keys in this list instead of refusing."""
    noted: list[Mistake] = []
    token = _noted.set(noted)
    try:
        yield noted
    finally:
        _noted.reset(token)


def read_table(file: str, data: bytes) -> dict[str, Any]:
    """The whole file as a table."""
    if len(data) > MAX_SCRIPT_BYTES:
        problem = f"it has more than {MAX_SCRIPT_BYTES} bytes"
        raise Malformed("E_SCRIPT", file=file, place="the file", problem=problem)
    try:
        return tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        # ValueError is what decoding, TOML and numbers of thousands of digits have in common.
        hint = "; texts, and expressions with names, stand in quotes" if "Invalid value" in str(error) else ""
        raise Malformed("E_SCRIPT", file=file, place="the file", problem=f"{error}{hint}") from None


def rows_of(file: str, table: Mapping[str, Any], section: str) -> list[tuple[int, Any]]:
    """The rows of a section written with double brackets, numbered from 1."""
    rows = table.get(section, [])
    if not isinstance(rows, list):
        raise Malformed(
            "E_SCRIPT", file=file, place=f"[[{section}]]", problem="write it with double brackets"
        )
    return [(number, row) for number, row in enumerate(rows, start=1) if row is not LEFT_OUT]


def _rules(table: Mapping[str, Any], path: str) -> tuple[list[Any], int]:
    """The list of rules that `path` leads to, and the place of the rule in it; -1 when there is none.

    `mark.meal.goods` is the rule `goods` of the row of `[[mark]]` whose name is `meal`; `corridor.cap` the rule `cap`
    of the table `[corridor]`. Rules stand under the key `rule` of their row, each with a name.
    """
    owner = _owner(table, path)
    rules = owner.get("rule") if isinstance(owner, dict) else None
    if not isinstance(rules, list):
        return [], -1
    name = path.rpartition(".")[2]
    places = [
        place for place, rule in enumerate(rules) if isinstance(rule, dict) and rule.get("name") == name
    ]
    return rules, places[0] if places else -1


def has_rule(table: Mapping[str, Any], path: str) -> bool:
    """Whether the script has the rule that `path` names."""
    return _rules(table, path)[1] >= 0


def rule_at(table: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """The rule that `path` names, as it stands in the script; empty when there is none."""
    rules, place = _rules(table, path)
    found = rules[place] if place >= 0 else {}
    return found if isinstance(found, dict) else {}


def _owner(table: Mapping[str, Any], path: str) -> Any:
    """The row or table whose rule `path` names: None when there is none."""
    section, *names = path.split(".")
    owner = table.get(section)
    if len(names) == 2 and isinstance(owner, list):
        return next((row for row in owner if isinstance(row, dict) and row.get("name") == names[0]), None)
    return owner if len(names) == 1 else None


def switch_off(file: str, table: dict[str, Any], path: str) -> None:
    """Leave the rule that `path` names out of the script; E_SCRIPT when there is none.

    The payers of a rule `release` may then free money without documents. Steps that name it keep their text: they are
    the ones that are now expected to be accepted.
    """
    rules, place = _rules(table, path)
    if place < 0:
        raise Malformed("E_SCRIPT", file=file, place=path[:MAX_NAME], problem="there is no such rule")
    rule = rules.pop(place)
    if rule.get("kind") == "release" and path.startswith("mark."):
        # Without its documents the release is free; who may ask for it stays.
        mark = _owner(table, path)
        before, payers = mark.get("release", []), rule.get("payers", [])
        if isinstance(before, list) and isinstance(payers, list):
            mark["release"] = [*before, *(payer for payer in payers if payer not in before)]
    for step in table.get("step", []):
        if isinstance(step, dict) and step.get("rule") == path:
            step.pop("rule")
            step.pop("refused", None)


class Reader:
    """A table being read: every key must be known and used, every value of the right type."""

    def __init__(self, file: str, place: str, table: Any) -> None:
        self.file = file
        self.place = place
        if not isinstance(table, dict):
            raise self.wrong("it must be a table")
        self._table = dict(table)

    def wrong(self, problem: str) -> Malformed:
        """The refusal that names this place."""
        return Malformed("E_SCRIPT", file=self.file, place=self.place, problem=problem)

    def note(self, key: str, problem: str) -> None:
        """Refuse, or note the mistake of a key and go on."""
        noted = _noted.get()
        if noted is None:
            raise self.wrong(problem)
        noted.append(Mistake(self.place, key, problem))

    def text(self, key: str, default: str | None = None) -> str:
        """A text."""
        value = self._table.pop(key, default)
        if not isinstance(value, str):
            self.note(key, f"{key} must be a text" if value is not None else f"{key} is missing")
            return default or ""
        return value

    def name(self, key: str, form: re.Pattern[str] = NAME, taken: Container[str] = ()) -> str:
        """A name in the form of its kind, not `taken` by another row."""
        name = self.text(key)
        if form.fullmatch(name) is None or len(name) > MAX_NAME:
            self.note(key, f"{name[:MAX_NAME]!r} is no name: small letters and digits, up to {MAX_NAME}")
        if name in taken:
            self.note(key, f"the name {name} is taken")
        return name

    def choice(self, key: str, among: Sequence[str]) -> str:
        """One of these words, the first when it is missing."""
        word = self.text(key, among[0])
        if word not in among:
            self.note(key, f"{key} must be one of {', '.join(among)}")
            return among[0]
        return word

    def number(self, key: str, default: Number | None = None) -> Number:
        """A number or an expression, not evaluated yet."""
        value = self._table.pop(key, default)
        if isinstance(value, bool):
            return int(value)
        if not isinstance(value, str | int):
            self.note(key, f"{key} must be a number or an expression")
            return 1
        return value

    def value(self, key: str, names: Mapping[str, int], default: Number | None = None) -> int:
        """The value of a number or an expression over `names`."""
        return self.check(key, self.number(key, default), names)

    def check(self, key: str, expression: Number, names: Mapping[str, int]) -> int:
        """The value over `names` of what was read under `key`."""
        try:
            return evaluate(expression, names)
        except TengeError as error:
            self.note(key, f"{key}: {error.facts.get('problem', error.code)}")
            return 1

    def has(self, key: str) -> bool:
        """Whether this key is there, not read yet."""
        return key in self._table

    def list(self, key: str) -> list[Any]:
        """A list, empty when it is missing."""
        value = self._table.pop(key, [])
        if not isinstance(value, list):
            self.note(key, f"{key} must be a list")
            return []
        return value

    def rest(self) -> dict[str, Any]:
        """Everything that was not read yet, for somebody else to read."""
        rest, self._table = self._table, {}
        return rest

    def done(self) -> None:
        """Refuse a key that nobody read."""
        if self._table:
            unknown = sorted(self._table)
            self.note(unknown[0], f"unknown: {', '.join(unknown)}")
