"""The numbers of a script: facts and assumptions, distributions, what is derived from them, and what they must keep.

    [[parameter]]     name, default, least, most, unit, grade, note; or name, fact, scale, least, most: a published
                      figure, where it is large in thousands, millions or billions
    [[distribution]]  name, kind and its values, unit, grade, note: what sample(NAME, i) draws from
    [derived]         name = "expression" over what stands above it
    [[require]]       that = "expression", else = "sentence"
    [quick]           NAME = value: the parameters of a small run

Rules kept here: who sets a parameter to another value than the script's makes an assumption, whatever grade the
script's value has, and the run says so; a parameter that names a fact has no value, unit or grade of its own.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cbdc.errors import Refused
from wallets.pilot.expression import evaluate
from wallets.pilot.facts import facts
from wallets.pilot.reader import MAX_NAME, Reader, rows_of
from wallets.pilot.sampling import KINDS

GRADES = {
    "P": "official",
    "I": "IMF or law firm",
    "V": "vendor",
    "S": "press",
    "D": "derived",
    "A": "assumption",
}
ASSUMPTION = "A"
TAKEN = ("day", "i", "seed")
WORD = re.compile(r"[a-z][a-z0-9_]*")
MOST = 10**12
SCALES = {1: "", 1_000: "thousand ", 10**6: "million ", 10**9: "billion "}


@dataclass(frozen=True, slots=True)
class Parameter:
    """A number an analyst may change: its value in this run, unit, grade and note.

    `fact` and `source` name the published figure it is, when it is one.
    """

    name: str
    value: int
    unit: str
    grade: str
    note: str
    fact: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Distribution:
    """What `sample(NAME, i)` draws from: its kind and values (see `wallets.pilot.sampling`), unit, grade and note."""

    name: str
    kind: str
    values: Mapping[str, tuple[int, ...]]
    unit: str
    grade: str
    note: str

    def names(self) -> dict[str, int]:
        """How it stands among the names of expressions: `NAME.kind`, `NAME.values`, `NAME.0`, ..."""
        flat = [value for key in KINDS[self.kind] for value in self.values[key]]
        found = {f"{self.name}.{place}": value for place, value in enumerate(flat)}
        return {f"{self.name}.kind": list(KINDS).index(self.kind), f"{self.name}.values": len(flat), **found}


@dataclass(frozen=True, slots=True)
class Quantities:
    """All numbers of a script, settled: the parameters, the distributions, and every name an expression may use."""

    parameters: tuple[Parameter, ...]
    distributions: tuple[Distribution, ...]
    names: Mapping[str, int]
    quick: Mapping[str, int] = field(default_factory=dict)


def read_quantities(
    file: str, table: Mapping[str, Any], settings: Mapping[str, str], seed: int
) -> Quantities:
    """The numbers of a script with these settings; the errors of `wallets.pilot.script.load`."""
    parameters = _parameters(file, table, settings)
    names = {"seed": seed, **{parameter.name: parameter.value for parameter in parameters}}
    distributions: list[Distribution] = []
    for number, row in rows_of(file, table, "distribution"):
        one = _distribution(file, number, row, names, [other.name for other in distributions])
        distributions.append(one)
        names.update(one.names())
    _derive(file, table, names, [one.name for one in distributions])
    _require(file, table, names)
    return Quantities(parameters, tuple(distributions), names, _quick(file, table))


def _parameters(file: str, table: Mapping[str, Any], settings: Mapping[str, str]) -> tuple[Parameter, ...]:
    left = dict(settings)
    found: list[Parameter] = []
    for number, row in rows_of(file, table, "parameter"):
        reader = Reader(file, f"[[parameter]] number {number}", row)
        name = reader.name("name", WORD, {*TAKEN, *(parameter.name for parameter in found)})
        written = _fact(reader, name) if reader.has("fact") else _own(reader, name)
        value = _setting(name, left.pop(name)) if name in left else written.value
        least, most = reader.value("least", {}, 0), reader.value("most", {}, MOST)
        if not least <= value <= most:
            raise Refused("E_SETTING", name=name, value=value, problem=f"it must be from {least} to {most}")
        reader.done()
        found.append(written if value == written.value else _assumed(written, value))
    if left:
        known = ", ".join(parameter.name for parameter in found)
        raise Refused(
            "E_SETTING", name=min(left), value=left[min(left)], problem=f"the parameters are {known}"
        )
    return tuple(found)


def _own(reader: Reader, name: str) -> Parameter:
    default = reader.value("default", {})
    return Parameter(name, default, reader.text("unit", ""), _grade(reader), reader.text("note", ""))


def _fact(reader: Reader, name: str) -> Parameter:
    named, note = reader.text("fact"), reader.text("note", "")
    taken = [key for key in ("default", "unit", "grade") if reader.has(key)]
    if taken:
        raise reader.wrong(f"{taken[0]} comes from the fact {named[:MAX_NAME]}; leave it out")
    fact = facts().get(named)
    if fact is None:
        raise reader.wrong(f"fact: there is no {named[:MAX_NAME]}; see wallets/pilot/facts.toml")
    scale = reader.value("scale", {}, 1)
    if scale not in SCALES or fact.value % scale:
        raise reader.wrong(f"scale must be one of {', '.join(map(str, SCALES))}, and divide {fact.value}")
    about = f"{fact.about}; {note}" if note else fact.about
    unit = f"{SCALES[scale]}{fact.unit}"
    return Parameter(name, fact.value // scale, unit, fact.grade, about, named, fact.source)


def _assumed(written: Parameter, value: int) -> Parameter:
    """The parameter with a value of the analyst's own: no fact any more, and it says which one it was."""
    if written.grade == ASSUMPTION:
        return Parameter(written.name, value, written.unit, ASSUMPTION, written.note)
    note = f"assumption: set for this run, {written.value} is known ({GRADES[written.grade]}); {written.note}"
    return Parameter(written.name, value, written.unit, ASSUMPTION, note)


def _grade(reader: Reader) -> str:
    grade = reader.text("grade", ASSUMPTION)
    if grade not in GRADES:
        raise reader.wrong(f"grade must be one of {', '.join(GRADES)}")
    return grade


def _setting(name: str, text: str) -> int:
    try:
        return int(text.replace("_", ""))
    except ValueError:
        raise Refused("E_SETTING", name=name, value=text[:40], problem="it must be a whole number") from None


def _distribution(
    file: str, number: int, row: Any, names: Mapping[str, int], taken: Collection[str]
) -> Distribution:
    reader = Reader(file, f"[[distribution]] number {number}", row)
    name = reader.name("name", WORD, {*TAKEN, *names, *taken})
    kind = reader.text("kind")
    if kind not in KINDS:
        raise reader.wrong(f"kind must be one of {', '.join(KINDS)}")
    values: dict[str, tuple[int, ...]] = {
        key: (reader.value(key, names),) for key in KINDS[kind] if kind != "choice"
    }
    if kind == "choice":
        weights = tuple(reader.check("weights", weight, names) for weight in reader.list("weights"))
        given = tuple(reader.check("values", value, names) for value in reader.list("values"))
        if len(weights) < 1 or min(weights) < 0 or not sum(weights):
            raise reader.wrong("weights are whole numbers from 0, and not all 0")
        if given and len(given) != len(weights):
            raise reader.wrong("values must be as many as weights")
        values = {"weights": weights, "values": given or tuple(range(len(weights)))}
    problem = _impossible(kind, [value for one in values.values() for value in one])
    if problem:
        raise reader.wrong(problem)
    found = Distribution(name, kind, values, reader.text("unit", ""), _grade(reader), reader.text("note", ""))
    reader.done()
    return found


def _impossible(kind: str, values: Sequence[int]) -> str:
    """Why these values cannot be drawn from, or nothing."""
    match kind:
        case "uniform" if values[1] < values[0]:
            return "high is below low"
        case "normal" if values[1] < 0:
            return "deviation is below 0"
        case "lognormal" if values[0] < 1 or not 0 <= values[1] <= 1_000:
            return "mean is 1 or more, spread_percent 0 to 1000"
    return ""


def _quick(file: str, table: Mapping[str, Any]) -> dict[str, int]:
    reader = Reader(file, "[quick]", table.get("quick", {}))
    rows = {
        str(row.get("name")): row for _, row in rows_of(file, table, "parameter") if isinstance(row, dict)
    }
    found: dict[str, int] = {}
    for name in table.get("quick", {}):
        if name not in rows:
            raise reader.wrong(f"there is no parameter {name[:MAX_NAME]}")
        found[name] = reader.value(name, {})
        least, most = (
            evaluate(rows[name].get(key, other), {}) for key, other in (("least", 0), ("most", MOST))
        )
        if not least <= found[name] <= most:
            raise reader.wrong(f"{name} is {found[name]}; it must be from {least} to {most}")
    return found


def _derive(file: str, table: Mapping[str, Any], names: dict[str, int], taken: Collection[str]) -> None:
    reader = Reader(file, "[derived]", table.get("derived", {}))
    for name in list(table.get("derived", {})):
        if name in names or name in TAKEN or name in taken or WORD.fullmatch(name) is None:
            raise reader.wrong(f"{name[:MAX_NAME]!r} is taken, or no name for a number")
        names[name] = reader.value(name, names)


def _require(file: str, table: Mapping[str, Any], names: Mapping[str, int]) -> None:
    for number, row in rows_of(file, table, "require"):
        reader = Reader(file, f"[[require]] number {number}", row)
        sentence = reader.text("else")
        if not reader.value("that", names):
            raise Refused("E_SCRIPT_REQUIRES", sentence=sentence)
        reader.done()
