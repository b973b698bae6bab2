"""Attacks on a run's folder that the audit must see, and once did not."""

from pathlib import Path

import pytest

from cbdc.ledger.sqlite import SqliteStore
from wallets.auditing import audit_target
from wallets.pilot import runner
from wallets.pilot.folder import canonical_json, file_hash, list_files

SMALL = {"pupils": "37", "days": "3"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A small finished pilot."""
    folder = tmp_path / "run"
    runner.run("school-meals", folder, 7, SMALL, "")
    return folder


def _manifest(folder: Path, complete: bool = True) -> None:
    files = {name: file_hash(folder / name) for name in list_files(folder)} if complete else {}
    value = {"format": 1, "complete": complete, "files": files}
    (folder / "manifest.json").write_text(canonical_json(value), encoding="utf-8")


@pytest.mark.slow
def test_an_emptied_ledger_does_not_pass_against_a_kept_head(run: Path, tmp_path: Path) -> None:
    head = tmp_path / "head.dto"
    head.write_bytes((run / "head.dto").read_bytes())
    for name in ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "report.json", "report.html"):
        (run / name).unlink(missing_ok=True)
    SqliteStore(run / "ledger.sqlite").close()
    _manifest(run, complete=False)
    assert not audit_target(str(run), head)["ok"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["report.json", "manifest.json"])
def test_a_deep_file_is_a_problem_and_not_a_traceback(run: Path, name: str) -> None:
    (run / name).write_text('{"supply":' + "[" * 100_000, encoding="utf-8")
    if name != "manifest.json":
        _manifest(run)
    assert not audit_target(str(run))["ok"]
