"""Every vector file of DTO/1 has the form that its schema says, and every check and argument is documented."""

import json
import re
from typing import Any

import jsonschema_rs
import pytest

from tests.house.tree import ROOT
from tests.vectors.case import CHECKS, FOLDER, load
from tests.vectors.generate import MAKERS

SCHEMA = json.loads((FOLDER / "vector.schema.json").read_text(encoding="utf-8"))
CASE = SCHEMA["definitions"]["case"]["properties"]
PAGE = (ROOT / "docs/protocol/08-vectors.md").read_text(encoding="utf-8")
MOST_BYTES = 500 * 1_024

VALIDATOR = jsonschema_rs.validator_for(SCHEMA)


@pytest.mark.parametrize("name", MAKERS)
def test_the_file_has_the_form_of_the_schema(name: str) -> None:
    VALIDATOR.validate(load(name))


@pytest.mark.parametrize("name", MAKERS)
def test_the_file_can_be_read_by_people_and_tools(name: str) -> None:
    assert (FOLDER / f"{name}.json").stat().st_size <= MOST_BYTES


def test_every_check_is_in_the_schema_and_on_the_page() -> None:
    assert set(CASE["check"]["enum"]) == set(CHECKS)
    told = set(re.findall(r"^\| `([\w-]+)` \| [^|]+ \| [^|]+ \|$", PAGE, re.MULTILINE))
    assert set(CHECKS) <= told, set(CHECKS) - told


def test_every_argument_is_on_the_page() -> None:
    context = SCHEMA["definitions"]["context"]["properties"]
    assert [name for name in [*CASE, *context] if f"`{name}`" not in PAGE] == []


def test_every_case_names_a_context_of_its_file() -> None:
    for name in MAKERS:
        file = load(name)
        for one in file["cases"]:
            assert not isinstance(one.get("context"), str) or one["context"] in file["context"], one["id"]


# --- the schema can say no ---


def _file(**changed: Any) -> dict[str, Any]:
    one = {"id": "x", "what": "a thing", "check": "decode", "bytes": "00", "expect": "ok"} | changed
    one = {name: value for name, value in one.items() if value is not None}
    return {"origin": "DTO/1, section 5.3", "schema": {}, "context": {}, "cases": [one]}


@pytest.mark.parametrize(
    "changed",
    [
        {"id": None},
        {"bytes": "0"},
        {"bytes": "0G"},
        {"expect": "refused"},
        {"check": "guess"},
        {"check": "object"},
        {"check": "payment", "invoice": "00"},
        {"check": "sealed", "type": 1, "algorithm": 1, "key": "00"},
        {"check": "evidence"},
        {"surprise": 1},
        {"context": {"nework": "00"}},
    ],
)
def test_a_strange_case_is_seen(changed: dict[str, Any]) -> None:
    VALIDATOR.validate(_file())
    assert not VALIDATOR.is_valid(_file(**changed))
