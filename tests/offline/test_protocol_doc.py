"""docs/protocol says what the code does: objects, parameters, calls, refusals, and which case is shown where."""

import re
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from cbdc.canonical import MAX_INTEGER, MAX_LENGTH
from cbdc.errors import catalogue
from offline import parameters
from offline.element_protocol import SecureElement
from offline.records import MAX_SLOTS, SyncRequest
from tests.house import made_protocol
from tests.house.tree import ROOT
from tests.vectors.case import load
from tests.vectors.generate import MAKERS

NOTES = ROOT / "docs/protocol"


def note(name: str) -> str:
    """The text of one numbered note."""
    return (NOTES / f"{name}.md").read_text(encoding="utf-8")


def table(name: str, first: str) -> list[list[str]]:
    """The cells of the first table of a note whose first column is called `first`."""
    section = note(name)
    start = section.index(f"\n| {first} |")
    lines = section[start + 1 :].split("\n\n", 1)[0].splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


def test_the_objects_are_the_records_of_the_code() -> None:
    rows = {int(row[0]): row for row in table("05-04-objects", "type")}
    classes = made_protocol.record_classes()
    assert rows.keys() == classes.keys() == made_protocol.OBJECTS.keys()
    for number, cls in classes.items():
        assert re.findall(r"`(\w+)`", rows[number][3]) == [field.name for field in fields(cls)]


def test_the_parameters_are_those_of_the_code() -> None:
    rows = {int(row[0]): row for row in table("05-18-parameters", "id")}
    assert rows.keys() == {one.id for one in parameters.PARAMETERS}
    for one in parameters.PARAMETERS:
        name, default, unit, grade = rows[one.id][1:]
        assert (name, int(default.replace(",", "")), unit) == (f"`{one.name}`", one.default, one.unit)
        assert grade == one.note == "assumption"


def test_the_calls_are_those_of_an_element() -> None:
    told = {name for row in table("05-07-element", "call") for name in re.findall(r"`(\w+)`", row[0])}
    calls = {
        name
        for name, call in vars(SecureElement).items()
        if name[0] != "_" and not isinstance(call, property)
    }
    assert told == calls


def test_every_refusal_of_a_step_stands_in_its_row() -> None:
    """A code whose rule is V0 to V7 in the catalogue is named in that row of 5.6 (V5a counts for V5)."""
    told: dict[str, set[str]] = {}
    for row in table("05-06-verification", "step"):
        told.setdefault(row[0].removesuffix("a"), set()).update(re.findall(r"`(E_\w+)`", row[2]))
    for code, entry in catalogue().items():
        if re.fullmatch(r"V[0-7]b?", entry.rule):
            assert code in told[entry.rule], f"{code} belongs to {entry.rule}"
    assert set().union(*told.values()) <= set(catalogue())


def test_the_largest_statement_fits_the_canonical_form() -> None:
    slots = tuple((bytes(32), 255, MAX_INTEGER) for _ in range(MAX_SLOTS))
    most = MAX_INTEGER
    request = SyncRequest(
        bytes(32), most, most, bytes(32), most, slots, most, most, most, most, most, bytes(16)
    )
    assert len(request.body()) == 47_266 <= MAX_LENGTH


# --- section 7: the cases ---

FAMILIES = "NGXPSTRVE"


class Row(NamedTuple):
    """A row of a table of section 7: its case ids, the codes it expects, and where it is shown."""

    ids: frozenset[str]
    codes: frozenset[str]
    where: str


def rows() -> list[Row]:
    """Every row of the tables of section 7."""
    section = note("07-cases")
    found: list[Row] = []
    for ids, middle, where in re.findall(r"^\| ([A-Z]\d+[^|]*) \|(.*)\| ([^|]+) \|$", section, re.MULTILINE):
        names = re.findall(r"[A-Z]\d+", ids)
        if " to " in ids:
            first, last = (int(name[1:]) for name in names)
            names = [f"{ids[0]}{number}" for number in range(first, last + 1)]
        found.append(Row(frozenset(names), frozenset(re.findall(r"\bE_\w+", middle)), where))
    return found


ROWS = {case: row for row in rows() for case in row.ids}


def in_vectors() -> set[str]:
    """Every case id that the name of a vector begins with."""
    names = [one["id"] for name in MAKERS for one in load(name)["cases"]]
    return {match[0] for name in names if (match := re.match(rf"[{FAMILIES}]\d+(?=-|$)", name))}


@cache
def all_tests() -> str:
    """The text of every test but this one and the vectors' own."""
    files = [file for file in (ROOT / "tests").rglob("test_*.py") if file.name != Path(__file__).name]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def is_tested(case: str) -> bool:
    """Whether some test speaks of a case: `R17` anywhere, or `_r17_` in a name."""
    return bool(re.search(rf"\b{case}\b|_{case.lower()}_", all_tests()))


def test_the_vectors_are_all_in_the_list() -> None:
    steps = {f"V{number}" for number in range(9)}
    assert {case for case in in_vectors() if case[0] != "E"} - ROWS.keys() - steps == set()


@pytest.mark.parametrize("case", sorted(ROWS))
def test_the_case_is_shown_where_the_page_says(case: str) -> None:
    ids, codes, where = ROWS[case]
    if where.startswith("vectors E"):
        assert set(re.findall(r"E\d", where)) <= in_vectors()
    elif where == "vectors":
        assert ids & in_vectors()
    elif where == "tests":
        assert any(is_tested(other) for other in ids)
    elif where.startswith("`"):
        assert any(code in (ROOT / where.strip("`")).read_text(encoding="utf-8") for code in codes)
    else:
        assert where in ("later", "documented", "no such call", "asserted")
        assert case not in in_vectors()
