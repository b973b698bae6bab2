"""The vectors of the floors that everything stands on: encoding and keys."""

from typing import Any

import pytest

from cbdc.errors import catalogue
from tests.vectors import generate
from tests.vectors.case import ids_are_unique, load, run, run_bytes

FILES = {name: load(name) for name in ("encoding", "keys")}
CASES = [
    pytest.param(one, file["context"], id=f"{name}-{one['id']}")
    for name, file in FILES.items()
    for one in file["cases"]
]


@pytest.mark.parametrize(("one", "context"), CASES)
def test_vector(one: dict[str, Any], context: dict[str, Any]) -> None:
    assert run(one, context) == one["expect"], one["what"]


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_the_file_is_what_its_maker_makes(name: str) -> None:
    assert not generate.stale(name)


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_well_made(name: str) -> None:
    cases = FILES[name]["cases"]
    assert ids_are_unique(cases)
    codes = {one["expect"] for one in cases} - {"ok"}
    assert codes <= set(catalogue())
    good = sum(one["expect"] == "ok" for one in cases)
    assert good * 2 < len(cases), "more bad cases than good ones"
    assert set(FILES[name]["schema"]) - {"context"} <= {one["check"] for one in cases}


GOOD_FORMS = [one for one in FILES["encoding"]["cases"] if one["expect"] == "ok"]


@pytest.mark.parametrize("one", GOOD_FORMS, ids=lambda one: one["id"])
def test_no_prefix_and_no_longer_form_is_taken(one: dict[str, Any]) -> None:
    """N1 and N2 on every well-formed vector: each proper prefix, and one byte more."""
    context, data = FILES["encoding"]["context"], bytes.fromhex(one["bytes"])
    for length in range(len(data)):
        assert run_bytes(one, context, data[:length]) in {"E_DECODE", "E_FIELD", "E_TYPE"}, length
    for byte in (b"\x00", b"\x90", b"\xc1"):
        assert run_bytes(one, context, data + byte) in {"E_DECODE", "E_SIZE"}
