"""docs/protocol says what the code does: objects, parameters, calls, refusals, and which case is shown where."""

import re
from dataclasses import fields

from cbdc.canonical import MAX_INTEGER, MAX_LENGTH
from cbdc.errors import catalogue
from offline import parameters
from offline.element_protocol import SecureElement
from offline.records import MAX_SLOTS, SyncRequest
from tests.house import conformance, made_protocol
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


def test_what_vectors_expect_is_what_their_case_says() -> None:
    """Each code that a vector of a case expects stands in that case's row, if the row names codes at all.

    Vectors with two faults show the order of checks: their answer is that of the other fault.
    """
    cases = conformance.cases()
    answers: dict[str, set[str]] = {}
    for name in MAKERS:
        for one in load(name)["cases"]:
            case = one["id"].partition("-")[0]
            if case in cases and "-order" not in one["id"]:
                answers.setdefault(case, set()).add(one["expect"])
    assert len(answers) > 70
    wrong = {
        case: sorted(found - told - {"ok"})
        for case, found in answers.items()
        if (told := set(re.findall(r"E_\w+", cases[case].expected))) and found - told - {"ok"}
    }
    assert wrong == {}


def test_the_codes_of_section_7_are_codes() -> None:
    told = {code for case in conformance.cases().values() for code in re.findall(r"E_\w+", case.expected)}
    assert len(told) > 60
    assert told <= set(catalogue())
