"""`tenge pilot diff`: two runs side by side, figure by figure.

What is compared are the two reports (`report.json`): what was asked, parameters, supply, expectations, refusals,
marks, offline, and what the parts of the sandbox report of themselves. A figure that only one run has stands there
alone.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cbdc.errors import Refused

SECTIONS = ("run", "parameters", "supply", "expectations", "refusals", "marks", "offline", "parts", "facts")
_RUN = ("pilot", "seed", "script_sha256", "off", "digest")
Value = int | str | None
MAX_DEPTH = 40
MAX_NUMBER = 2**128


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of two runs: None where a run does not have it. `by` is the second less the first, for numbers."""

    section: str
    name: str
    first: Value
    second: Value

    @property
    def same(self) -> bool:
        """Whether both runs have the same."""
        return self.first == self.second

    @property
    def by(self) -> int | None:
        """How much more the second has."""
        if isinstance(self.first, int) and isinstance(self.second, int):
            return self.second - self.first
        return None


def read_report(path: Path) -> Mapping[str, Any]:
    """The report of a run, by its folder or by the file itself; E_FILE when there is none that can be read."""
    file = path / "report.json" if path.is_dir() else path
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused("E_FILE", file=file.name, problem=error.strerror or "it cannot be read") from None
    except (ValueError, RecursionError):
        raise Refused("E_FILE", file=file.name, problem="it is no JSON") from None
    known = isinstance(report, dict) and "pilot" in report and isinstance(report.get("facts", {}), dict)
    if not isinstance(report, dict) or not known or not _sound(report, MAX_DEPTH):
        raise Refused("E_FILE", file=file.name, problem="it is no report of a run")
    return report


def _sound(value: Any, depth: int) -> bool:
    """Whether a value can be one of a report: not too deep, numbers that can be shown, text that can be printed."""
    match value:
        case dict():
            named = all(isinstance(value.get(key, ""), str | int) for key in ("name", "code"))
            return named and depth > 0 and all(_sound(x, depth - 1) for pair in value.items() for x in pair)
        case list():
            return depth > 0 and all(_sound(inner, depth - 1) for inner in value)
        case int():
            return abs(value) <= MAX_NUMBER
        case str():
            return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return True


def compare(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Every figure of two reports, section by section, equal ones included."""
    found = []
    for section in SECTIONS:
        one, other = (dict(_figures(section, report)) for report in (first, second))
        found += [Difference(section, name, one.get(name), other.get(name)) for name in {**one, **other}]
    return found


def _figures(section: str, report: Mapping[str, Any]) -> Iterator[tuple[str, Value]]:
    if section == "run":
        yield from ((key, _leaf(report.get(key))) for key in _RUN)
        return
    found = report.get(section, {})
    if section == "facts":
        # Those of the other sections stand there already.
        found = {name: value for name, value in found.items() if name.partition(".")[0] not in SECTIONS}
    yield from _flat("", found)


def _flat(path: str, value: Any) -> Iterator[tuple[str, Value]]:
    """The figures inside a value, each under its path; rows of a list go by their name, code or number."""
    match value:
        case dict():
            if set(value) >= {"name", "value"} and isinstance(value["value"], int | str):
                yield path, _leaf(value["value"])
            elif {"actual", "expected"} <= set(value):
                yield path, _leaf(value["actual"])
            else:
                for key, inner in value.items():
                    if key not in {"name", "code", "note", "text"} and not key.startswith("sentence"):
                        yield from _flat(f"{path}.{key}" if path else str(key), inner)
        case list():
            names: set[object] = set()
            for place, inner in enumerate(value):
                name = inner.get("name", inner.get("code", place)) if isinstance(inner, dict) else place
                name = f"{name} {place}" if name in names else name
                names.add(name)
                yield from _flat(f"{path}.{name}" if path else str(name), inner)
        case _:
            yield path, _leaf(value)


def _leaf(value: Any) -> Value:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, int | str):
        return value
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def words(rows: list[Difference], everything: bool) -> Iterator[str]:
    """The comparison as lines: what differs, or everything, and how much is equal."""
    shown = [row for row in rows if everything or not row.same]
    width = min(60, max((len(row.name) for row in shown), default=0))
    section = ""
    for row in shown:
        if row.section != section:
            section = row.section
            yield section
        by = "" if row.by is None or row.same else f"  {row.by:+,}"
        yield f"  {row.name[:60]:{width}}  {_shown(row.first):>22}  {_shown(row.second):>22}{by}"
    differ = sum(1 for row in rows if not row.same)
    yield f"{differ} of {len(rows)} figures differ"


def _shown(value: Value) -> str:
    if value is None:
        return "-"
    text = f"{value:,}" if isinstance(value, int) else value
    return text if len(text) <= 22 else text[:19] + "..."
