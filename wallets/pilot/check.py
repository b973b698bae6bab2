"""`tenge pilot check`: everything that is wrong with a script, at once, each with its place and what to do.

A script that is played is refused at its first mistake. Here reading goes on: a key that cannot be read is noted and
taken for something harmless, a row that cannot be read is noted and left out, and the script is read again, until it
can be read whole. What only follows from another mistake (a step that names a group whose row was left out) is not
told. Then each step is looked at without playing it, and what is allowed but doubtful is told as a warning.

Rules kept here: nothing is played and nothing is written; a script without a mistake here may still fail an
expectation, that only a run can show; the checks are those of the readers, this module has no rules of its own about
what a script may hold.
"""

import copy
import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cbdc.errors import TengeError
from wallets.pilot import doubts, form, perform, step_check
from wallets.pilot.advice import advice, form_of
from wallets.pilot.locate import Places
from wallets.pilot.reader import LEFT_OUT, MAX_SCRIPT_BYTES, Mistake, collecting
from wallets.pilot.script import DEFAULT_SEED, Script, read_script

ROUNDS = 500
_ROW = re.compile(r"^\[+(\w+)\]+(?: number (\d+))?(?:, (\w+) number (\d+))?$")
_TABLE = re.compile(r"^\[+(\w+)\]+$")
_POSITION = re.compile(r"\(at line (\d+), column (\d+)\)|\(at end of document\)")


@dataclass(frozen=True, slots=True)
class Finding:
    """A mistake or a warning: where it is, what it is, what to do."""

    file: str
    line: int
    column: int
    place: str
    problem: str
    advice: str
    warning: bool = False


def check_script(file: str, data: bytes, settings: Mapping[str, str] | None = None) -> list[Finding]:
    """All mistakes and warnings of a script, in the order of its lines; E_SETTING for settings it does not have."""
    try:
        text = data[: MAX_SCRIPT_BYTES + 1].decode("utf-8")
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        return [_unreadable(file, data, str(error))]
    places = Places(text)
    reading = _Reading(file, table, hashlib.sha256(data).hexdigest(), settings or {})
    script = reading.read()
    mistakes = reading.mistakes
    warnings: list[Mistake] = []
    if script is not None:
        mistakes += [one for one in step_check.mistakes(script, reading.table) if not reading.follows(one)]
        mistakes += [] if mistakes else _quick_mistakes(script, reading.table)
        # A row with a mistake was repaired to be read: what is doubtful about it is seen once it is mended.
        wrong = {one.place for one in mistakes if one.place != "[pilot]"}
        warnings = [one for one in doubts.doubts(script, reading.table) if one.place not in wrong]
    found = [_finding(file, places, one, False) for one in _once(mistakes)]
    found += [_finding(file, places, one, True) for one in _once(warnings)]
    return sorted(found, key=lambda one: (one.line, one.column, one.warning, one.problem))


def _unreadable(file: str, data: bytes, problem: str) -> Finding:
    position = _POSITION.search(problem)
    line, column = (int(position[1]), int(position[2])) if position and position[1] else (1, 1)
    if position and not position[1]:
        line = data.count(b"\n") + 1
    said = _POSITION.sub("", problem).strip()
    todo = (
        "Mend this first: a file that is no TOML cannot be looked at further. "
        'Texts, and expressions with names, stand in "quotes".'
    )
    return Finding(file, line, column, "the file", said, todo)


def _once(mistakes: Iterable[Mistake]) -> list[Mistake]:
    return list(dict.fromkeys(mistakes))


def _finding(file: str, places: Places, one: Mistake, warning: bool) -> Finding:
    key = one.key or _guessed_key(places, one)
    line, column = places.find(key) if key.startswith("[") else places.find(one.place, key)
    return Finding(file, line, column, one.place, one.problem, advice(one), warning)


def _guessed_key(places: Places, one: Mistake) -> str:
    """The key that a problem speaks of: the first word of it that is a key of its place."""
    words = re.findall(r"[\w-]+", one.problem)
    if one.place == "the file":
        sections = [place for word in words for place in (f"[[{word}]] number 1", f"[{word}]")]
        return next((place for place in sections if places.has(place, "")), "")
    return next((word for word in words if places.has(one.place, word)), "")


def _quick_mistakes(script: Script, table: Mapping[str, Any]) -> list[Mistake]:
    """Whether the script can be read at its quick size."""
    if not script.quick:
        return []
    settings = {name: str(value) for name, value in script.quick.items()}
    try:
        read_script(script.file, table, script.sha256, settings, DEFAULT_SEED)
    except TengeError as error:
        problem = error.facts.get("sentence") or error.facts.get("problem") or error.sentence()
        return [Mistake("[quick]", "", f"with these settings: {problem}")]
    return []


def _spoken(row: Mapping[str, Any], problem: str) -> list[str]:
    """The keys of a row that a problem speaks of, by their name or else by their value."""
    words = re.findall(r"[\w-]+", problem)
    named = [key for key in row if key in words and key != "name"]
    return named + [key for key, value in row.items() if isinstance(value, str) and value and value in words]


def _facts_asked(value: Any, register: object) -> set[str]:
    """Every fact that something in a script asks of a register: by the keys register and fact, or in a row of parts."""
    match value:
        case {"register": asked, "fact": str(fact)} if asked == register:
            return {fact}
        case [asked, str(fact), _, _] if asked == register:
            return {fact}
        case dict():
            return {fact for inner in value.values() for fact in _facts_asked(inner, register)}
        case list():
            return {fact for inner in value for fact in _facts_asked(inner, register)}
    return set()


class _Reading:
    """Reads a script over and over, each time without what was wrong the time before."""

    def __init__(self, file: str, table: Mapping[str, Any], sha256: str, settings: Mapping[str, str]) -> None:
        self.file = file
        self.table: dict[str, Any] = copy.deepcopy(dict(table))
        self.mistakes: list[Mistake] = []
        self._sha256 = sha256
        self._settings = settings
        self._gone: set[str] = set()
        self._repaired: set[str] = set()
        self._mended: set[tuple[str, str]] = set()

    def read(self) -> Script | None:
        """The script without its mistakes, which are noted; None when too little of it is left."""
        self._facts_of_registers()
        for _ in range(ROUNDS):
            with collecting() as noted:
                try:
                    script = read_script(self.file, self.table, self._sha256, self._settings, DEFAULT_SEED)
                    perform.check_sections(script)
                except TengeError as error:
                    self._note(noted)
                    if not self._without(error):
                        return None
                    continue
                except (LookupError, ValueError, TypeError, AttributeError, ArithmeticError):
                    # Harmless values are not what this part of a script can be read with.
                    self._note(noted)
                    if not self.mistakes:
                        raise
                    return None
            self._note(noted)
            return script
        return None

    def _facts_of_registers(self) -> None:
        """Facts that are no list are noted, and taken for those that rules and steps ask of the register."""
        rows = self.table.get("register")
        for number, row in enumerate(rows if isinstance(rows, list) else [], start=1):
            if isinstance(row, dict) and "facts" in row and not isinstance(row["facts"], list):
                self.mistakes.append(
                    Mistake(f"[[register]] number {number}", "facts", "facts must be a list")
                )
                row["facts"] = sorted(_facts_asked(self.table, row.get("name")))

    def _note(self, noted: Iterable[Mistake]) -> None:
        known = set(self.mistakes)
        self.mistakes += [
            one
            for one in _once(noted)
            if one not in known and not self.follows(one) and (one.place, one.key) not in self._mended
        ]

    def follows(self, one: Mistake) -> bool:
        """Whether a mistake only follows from a row that was left out: it asks for the name of one."""
        missing = re.search(r"there is no |is not known here", one.problem) is not None
        return missing and any(
            re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", one.problem) for name in self._gone if name
        )

    def _without(self, error: TengeError) -> bool:
        """Note what was refused, and leave it out of the table; False when that is not possible."""
        match error.code:
            case "E_SETTING":
                return self._default(str(error.facts["name"]), str(error.facts["problem"]), error)
            case "E_SCRIPT_REQUIRES":
                return self._requirement(str(error.facts["sentence"]))
            case "E_SCRIPT":
                pass
            case _:
                raise error
        place, problem = str(error.facts["place"]), str(error.facts["problem"])
        words = re.findall(r"[\w-]+", problem)
        if not any(one.place == place and one.key in words for one in self.mistakes):
            rows, at = self._row(place)
            row = rows[at] if rows is not None and 0 <= at < len(rows) else None
            spoken = _spoken(row, problem) if isinstance(row, dict) else []
            self._note([Mistake(place, spoken[0] if spoken else "", problem)])
        return self._repair(place, problem)

    def _default(self, name: str, problem: str, error: TengeError) -> bool:
        """A parameter whose own default is out of its bounds."""
        if name in self._settings:
            raise error
        for number, row in enumerate(self.table.get("parameter", []), start=1):
            if isinstance(row, dict) and row.get("name") == name and name not in self._repaired:
                self._repaired.add(name)
                key = "fact" if "fact" in row else "default"
                place = f"[[parameter]] number {number}"
                if not any(one.place == place for one in self.mistakes):
                    self._note([Mistake(place, key, f"{key}: {problem}")])
                row.pop("least", None)
                row.pop("most", None)
                return True
        return False

    def _requirement(self, sentence: str) -> bool:
        """Defaults that break what the script itself requires."""
        rows = self.table["require"]
        for place, row in enumerate(rows):
            if isinstance(row, dict) and row.get("else") == sentence:
                problem = f"the default parameters do not keep this: {sentence}"
                self._note([Mistake(f"[[require]] number {place + 1}", "that", problem)])
                rows[place] = LEFT_OUT
                return True
        return False

    def _repair(self, place: str, problem: str) -> bool:
        """Make the place harmless: first the key that the problem speaks of, then the whole row or section."""
        rows, at = self._row(place)
        row = rows[at] if rows is not None and 0 <= at < len(rows) else None
        if rows is not None and row is not None and row is not LEFT_OUT:
            if isinstance(row, dict) and f"{place}: {problem}" not in self._repaired:
                self._repaired.add(f"{place}: {problem}")
                if self._mend(place, row, problem):
                    return True
            self._gone.add(str(row.get("name", "")) if isinstance(row, dict) else "")
            rows[at] = LEFT_OUT
            return True
        outer = re.sub(r", \w+ number \d+$", "", place)
        if outer != place:
            return self._repair(outer, problem)
        return self._repair_section(place, problem)

    def _row(self, place: str) -> tuple[list[Any] | None, int]:
        """The list in which the row of a place stands, and where in it; None for a place that is no row."""
        found = _ROW.match(place)
        if found is None:
            return None, 0
        section, number, inside, inner = found[1], found[2], found[3], found[4]
        owner: Any = self.table.get(section)
        if number:
            if not inside:
                return (owner, int(number) - 1) if isinstance(owner, list) else (None, 0)
            owner = owner[int(number) - 1] if isinstance(owner, list) and len(owner) >= int(number) else None
        rows = owner.get(inside) if isinstance(owner, dict) else None
        return (rows, int(inner) - 1) if isinstance(rows, list) else (None, 0)

    def _mend(self, place: str, row: dict[str, Any], problem: str) -> bool:
        """Give the key that a problem speaks of a value that can be read; False when there is none."""
        for key in _spoken(row, problem):
            known = form_of(place, key)
            if known is None or (known.form == form.LIST and known.required):
                continue
            if known.form in {form.NUMBER, form.WHOLE}:
                row[key] = 1
            elif not known.required and known.form != form.TIME:
                del row[key]
                if key == "refused":
                    row.pop("rule", None)
            elif known.choices:
                row[key] = known.choices[0]
            elif key == "bank":
                rows = [bank for bank in self.table.get("bank", []) if isinstance(bank, dict)]
                row[key] = next((bank["name"] for bank in rows if "name" in bank), "")
            else:
                continue
            self._mended.add((place, key))
            return True
        return False

    def _repair_section(self, place: str, problem: str) -> bool:
        pilot, derived = self.table.get("pilot"), self.table.get("derived")
        if place == "[pilot]" and isinstance(pilot, dict) and "start" not in self._repaired:
            self._repaired.add("start")
            pilot["start"] = "2024-01-01"
            return True
        if place == "[derived]" and isinstance(derived, dict):
            name = problem.split("'")[1] if problem.startswith("'") else ""
            return derived.pop(name, None) is not None
        if place == "the file" and problem.startswith("unknown: "):
            return all(self.table.pop(section, None) is not None for section in problem[9:].split(", "))
        section = _TABLE.match(place)
        return section is not None and section[1] != "pilot" and self.table.pop(section[1], None) is not None
