"""The ledger's vectors: what another implementation has to repeat, byte for byte."""

import tomllib
from typing import Any

import pytest

from cbdc.errors import catalogue
from tests.conftest import ROOT
from tests.vectors import generate_ledger
from tests.vectors.case import ids_are_unique, load

FILE = load(generate_ledger.NAME)
CASES = [pytest.param(one, id=one["id"]) for one in FILE["cases"]]


@pytest.mark.parametrize("one", CASES)
def test_vector(one: dict[str, Any]) -> None:
    assert generate_ledger.run(one, FILE["context"]) == one["expect"], one["what"]


@pytest.mark.slow
def test_the_file_is_what_its_maker_makes() -> None:
    assert not generate_ledger.stale()


def test_the_file_is_well_made() -> None:
    cases = FILE["cases"]
    assert ids_are_unique(cases)
    codes = {one["expect"] for one in cases} - {"ok"}
    assert codes <= set(catalogue())
    good = sum(one["expect"] == "ok" for one in cases)
    assert good * 2 < len(cases), "more bad cases than good ones"
    assert {one["check"] for one in cases} == set(FILE["schema"])


def test_every_code_of_a_guard_has_a_vector() -> None:
    rows = tomllib.loads((ROOT / "cbdc/catalogue/en/ledger.toml").read_text(encoding="utf-8"))
    guarded = {code for code, row in rows.items() if row["rule"].startswith("G")}
    assert guarded - {one["expect"] for one in FILE["cases"]} == {"E_AUDIT_CONSERVATION"}


def test_the_check_tells_a_stale_file(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(generate_ledger, "FOLDER", tmp_path)
    monkeypatch.setattr(generate_ledger, "make", lambda: {"origin": "here", "cases": []})
    assert generate_ledger.main(["--check"]) == 1
    assert "generate_ledger" in capsys.readouterr().out
    assert generate_ledger.main([]) == 0
    assert generate_ledger.main(["--check"]) == 0
