"""Attacks on a run's folder: what another user could read, and what somebody with the files could tell otherwise."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cbdc.ledger.sqlite import SqliteStore
from wallets.auditing import audit_target
from wallets.pilot import runner
from wallets.pilot.folder import canonical_json, file_hash, list_files

SMALL = {"pupils": "37", "days": "3"}
Report = dict[str, Any]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished pilot."""
    folder = tmp_path_factory.mktemp("pilot") / "run"
    runner.run("school-meals", folder, 7, SMALL, "")
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it to attack."""
    return shutil.copytree(finished, tmp_path / "run")


def _manifest(folder: Path, complete: bool = True) -> None:
    files = {name: file_hash(folder / name) for name in list_files(folder)} if complete else {}
    value = {"format": 1, "complete": complete, "files": files}
    (folder / "manifest.json").write_text(canonical_json(value), encoding="utf-8")


def _problems(folder: Path) -> set[tuple[str, str]]:
    return {(row.get("file", ""), row["code"]) for row in audit_target(str(folder))["problems"]}


def _tell(folder: Path, change: Callable[[Report], None]) -> set[tuple[str, str]]:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    change(report)
    (folder / "report.json").write_text(canonical_json(report), encoding="utf-8")
    _manifest(folder)
    return _problems(folder)


def _first_proof(folder: Path) -> str:
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    return f"evidence/{report['offline']['evidence'][0]['file']}"


@pytest.mark.slow
def test_a_copy_with_a_new_manifest_passes(run: Path) -> None:
    _manifest(run)
    assert _problems(run) == set()


@pytest.mark.slow
def test_a_report_that_tells_another_story_does_not_pass(run: Path) -> None:
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    report["supply"]["wallets_tiyn"] = report["supply"].get("wallets_tiyn", 0) + 12_345
    report["offline"]["double_spends"] = report["offline"]["loss_tiyn"] = 0
    (run / "report.json").write_text(canonical_json(report), encoding="utf-8")
    _manifest(run)
    assert not audit_target(str(run))["ok"]


LINES = ("issued", "redeemed", "bank_inventory", "treasury", "wallets", "escrow", "loss_reserve")


@pytest.mark.slow
@pytest.mark.parametrize("line", LINES)
def test_every_line_of_the_supply_is_the_replays(run: Path, line: str) -> None:
    def change(report: Report) -> None:
        report["supply"][f"{line}_tiyn"] += 1

    assert ("report.json", "E_AUDIT_REPORT") in _tell(run, change)


def _fail_quietly(report: Report) -> None:
    report["expectations"][0]["expected"] += 1


def _no_double_spend(report: Report) -> None:
    report["offline"]["double_spends"] += 1


def _smaller_proof(report: Report) -> None:
    report["offline"]["evidence"][0]["amount_tiyn"] += 1


def _other_device(report: Report) -> None:
    report["offline"]["evidence"][0]["device"] = "00" * 16


@pytest.mark.slow
@pytest.mark.parametrize("change", [_fail_quietly, _no_double_spend, _smaller_proof, _other_device])
def test_a_report_must_agree_with_itself_and_its_proofs(run: Path, change: Callable[[Report], None]) -> None:
    assert ("report.json", "E_AUDIT_REPORT") in _tell(run, change)


@pytest.mark.slow
@pytest.mark.parametrize("rest", [{}, {"supply": []}, {"supply": {}, "offline": {"evidence": 7}}, []])
def test_a_report_of_another_form_is_a_problem_and_not_a_traceback(run: Path, rest: object) -> None:
    (run / "report.json").write_text(canonical_json(rest), encoding="utf-8")
    _manifest(run)
    assert ("report.json", "E_AUDIT_FILE_CHANGED") in _problems(run)


@pytest.mark.slow
def test_a_proof_is_not_left_out_of_the_report(run: Path) -> None:
    proof = _first_proof(run)
    assert (proof, "E_AUDIT_FILE_UNKNOWN") in _tell(run, lambda report: report["offline"]["evidence"].clear())


@pytest.mark.slow
def test_a_proof_is_not_taken_away(run: Path) -> None:
    proof = _first_proof(run)
    (run / proof).unlink()
    _manifest(run)
    assert _problems(run) == {(proof, "E_AUDIT_FILE_MISSING")}


@pytest.mark.slow
def test_a_proof_is_not_another_file(run: Path) -> None:
    proof = _first_proof(run)
    (run / proof).write_bytes(b"\x80")
    _manifest(run)
    assert _problems(run) == {(proof, "E_AUDIT_FILE_CHANGED")}
    hashed = file_hash(run / proof)
    found = _tell(run, lambda report: report["offline"]["evidence"][0].update(sha256=hashed))
    assert {file for file, _ in found} == {proof}


@pytest.mark.slow
def test_the_root_beside_the_proofs_is_the_ledgers(run: Path) -> None:
    (run / "evidence" / "root.dto").write_bytes(b"\x80")
    _manifest(run)
    assert _problems(run) == {("evidence/root.dto", "E_AUDIT_ROOT")}
    (run / "evidence" / "root.dto").write_bytes(bytes(2 << 20))
    _manifest(run)
    assert _problems(run) == {("evidence/root.dto", "E_SIZE")}


@pytest.mark.slow
@pytest.mark.parametrize("complete", [True, False])
@pytest.mark.parametrize("name", ["books.sqlite", "register.sqlite", "run.sqlite"])
def test_a_store_is_not_taken_away(run: Path, name: str, complete: bool) -> None:
    (run / name).unlink()
    (run / "report.json").unlink()
    _manifest(run, complete)
    assert (name, "E_AUDIT_FILE_MISSING") in _problems(run)


@pytest.mark.slow
def test_a_missing_file_is_told_once(run: Path) -> None:
    (run / "books.sqlite").unlink()
    assert [row["code"] for row in audit_target(str(run))["problems"]] == ["E_AUDIT_FILE_MISSING"]


def _empty(folder: Path, *more: str) -> None:
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "report.json", *more):
        (folder / name).unlink(missing_ok=True)
    SqliteStore(folder / "ledger.sqlite").close()
    _manifest(folder, complete=False)


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("wallets.sqlite",), ("wallets.sqlite", "run.sqlite")])
def test_an_emptied_ledger_is_not_a_run_that_never_began(run: Path, more: tuple[str, ...]) -> None:
    _empty(run, *more)
    assert ("", "E_LEDGER_EMPTY") in _problems(run)


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="modes of files")
def test_no_other_user_reads_keys_or_names(finished: Path) -> None:
    # Device journals hold private keys, the register holds the banks' customers.
    items = [finished, *finished.rglob("*")]
    assert {"register.sqlite", "run.sqlite", "hosts.sqlite", "report.html"} <= {item.name for item in items}
    assert [item.name for item in items if item.stat().st_mode & 0o077] == []
