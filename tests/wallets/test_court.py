"""`tenge evidence`: every type explained in every language, taken apart, and refused with the right exit code."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cbdc.authority import open_root
from cbdc.errors import LANGUAGES, TengeError
from offline.evidence import verify_evidence
from tests.house.tree import ROOT
from tests.vectors.case import load
from wallets import court
from wallets.cli import main

FILES = [load(name) for name in ("evidence", "evidence_statements", "evidence_limits", "evidence_notes")]
CASES = [(one, file["context"][one["context"]]["root"]) for file in FILES for one in file["cases"]]
GOOD = [(one, root) for one, root in CASES if one["expect"] == "ok"]
FORMS = {"E1", "E2", "E3-1", "E3-2", "E3-3", "E3-4", "E4", "E5-1", "E5-2", "E6", "E7-1", "E7-2", "E7-3", "E8"}


def texts(language: str) -> dict[str, dict[str, str]]:
    """The court's words in a language."""
    return tomllib.loads((ROOT / f"cbdc/catalogue/court_{language}.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_words_with_the_same_facts(language: str) -> None:
    ours, english = texts(language), texts("en")
    assert ours.keys() == english.keys() == {"headings", "named", "limits"} | FORMS
    for key, row in english.items():
        assert ours[key].keys() == row.keys()
        for name, text in row.items():
            facts = re.compile(r"\{\w+\}")
            assert sorted(facts.findall(ours[key][name])) == sorted(facts.findall(text)), (key, name)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_form_is_explained_whole(language: str) -> None:
    seen = set()
    for one, root in GOOD:
        verdict = verify_evidence(bytes.fromhex(one["bytes"]), open_root(bytes.fromhex(root)))
        told = court.told(verdict, language)
        explanation = told["explanation"]
        assert explanation.keys() == {"title", *court.SECTIONS}
        text = "\n".join(court.words(told, language))
        assert "{" not in text, one["id"]
        assert verdict.kid.hex() in explanation["named"]
        assert verdict.device_id.hex() in text
        assert court.NAMES[verdict.type] in explanation["title"]
        seen.add(f"E{verdict.type}" + (f"-{verdict.form}" if verdict.form else ""))
    assert seen == FORMS


def test_broken_limits_are_told_in_their_own_units() -> None:
    told = {
        one["id"]: court.explanation(
            verify_evidence(bytes.fromhex(one["bytes"]), open_root(bytes.fromhex(root)))
        )
        for one, root in GOOD
        if one["id"].startswith("E5") and one["id"].endswith("ed25519")
    }
    assert "251 tenge between two syncs" in told["E5-ed25519"]["contradiction"]
    assert "5 payments between two syncs" in told["E5-count-ed25519"]["contradiction"]
    assert "one payment of 101 tenge" in told["E5-payment-ed25519"]["contradiction"]
    assert "hop number 4" in told["E5-hops-ed25519"]["contradiction"]
    assert "1209601 seconds" in told["E5-age-ed25519"]["contradiction"]


@pytest.mark.parametrize(
    ("one", "root"), CASES, ids=lambda value: value["id"] if isinstance(value, dict) else ""
)
def test_any_file_is_shown_or_refused_never_more(one: dict[str, Any], root: str, tmp_path: Path) -> None:
    (tmp_path / "proof.dto").write_bytes(bytes.fromhex(one["bytes"]))
    (tmp_path / "root.dto").write_bytes(bytes.fromhex(root))
    for given in (None, tmp_path / "root.dto"):
        try:
            shown = court.show_file(tmp_path / "proof.dto", given)
        except TengeError:
            assert one["expect"] != "ok"
            continue
        assert court.shown_words(shown)
        assert json.dumps(shown)


def _write(tmp_path: Path, name: str) -> tuple[Path, Path]:
    one, root = next((one, root) for one, root in CASES if one["id"] == name)
    (tmp_path / "proof.dto").write_bytes(bytes.fromhex(one["bytes"]))
    (tmp_path / "root.dto").write_bytes(bytes.fromhex(root))
    return tmp_path / "proof.dto", tmp_path / "root.dto"


def run(*arguments: object) -> Any:
    """The command with these arguments."""
    return CliRunner().invoke(main, ["evidence", *map(str, arguments)])


def test_a_shown_file_has_its_ids_only_with_the_root(tmp_path: Path) -> None:
    proof, root = _write(tmp_path, "E3-claimed-held-es256")
    bare, whole = run("show", proof), run("show", proof, "--root", root)
    assert (bare.exit_code, whole.exit_code) == (0, 0)
    assert "INVOICE" in bare.stdout
    assert "TRANSFER body" in bare.stdout
    assert "   id " not in bare.stdout
    shown = json.loads(run("show", proof, "--root", root, "--json").stdout)
    assert shown["name"] == "E3 CONTRADICTION"
    assert shown["auths"][0]["role"] == "bank certifying devices"
    payment = next(
        item for item in shown["items"] if isinstance(item, dict) and item["object"] == "TRANSFER body"
    )
    invoice = next(item for item in shown["items"] if isinstance(item, dict) and item["object"] == "INVOICE")
    assert payment["reference"] == invoice["id"], "the payment answers the invoice"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_proof_is_told_and_the_command_says_yes(language: str, tmp_path: Path) -> None:
    proof, root = _write(tmp_path, "E7-owner-ed25519")
    told = run("verify", proof, "--root", root, "--language", language)
    assert told.exit_code == 0
    assert texts(language)["E7-2"]["title"] in told.stdout
    found = json.loads(run("verify", proof, "--root", root, "--language", language, "--json").stdout)
    assert (found["type"], found["form"], found["device_id"]) == (7, 2, "")
    assert found["explanation"]["innocent"] == texts(language)["E7-2"]["innocent"]


@pytest.mark.parametrize("name", ["R32-E5-within-ed25519", "R32-E6-met-es256", "R32-type-9-ed25519"])
def test_what_proves_nothing_is_said_and_the_command_says_no(name: str, tmp_path: Path) -> None:
    proof, root = _write(tmp_path, name)
    told = run("verify", proof, "--root", root)
    assert told.exit_code == 1
    assert "E_EVIDENCE" in told.stdout
    assert json.loads(run("verify", proof, "--root", root, "--json").stdout)["ok"] is False


def test_what_cannot_be_read_is_bad_input(tmp_path: Path) -> None:
    proof, root = _write(tmp_path, "E6-es256")
    assert run("verify", tmp_path / "missing.dto", "--root", root).exit_code == 2
    assert run("verify", proof, "--root", proof).exit_code == 2
    assert run("show", tmp_path / "missing.dto").exit_code == 2
    (tmp_path / "huge.dto").write_bytes(bytes(512 * 1_024 + 1))
    assert run("show", tmp_path / "huge.dto").exit_code == 2
    assert run("show", root).exit_code == 2, "ROOT is no evidence"
