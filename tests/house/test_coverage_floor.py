"""The floor for branch coverage judges each package by itself."""

import json
from pathlib import Path

import pytest

from tests.house import coverage_floor


def _report(**branches: tuple[int, int]) -> dict[str, object]:
    return {
        "files": {
            f"{package}/money.py": {
                "summary": {"covered_branches": taken, "missing_branches": there_are - taken},
                "missing_branches": [[line, line + 1] for line in range(there_are - taken)],
            }
            for package, (taken, there_are) in branches.items()
        }
    }


def test_each_package_has_its_own_floor() -> None:
    assert coverage_floor.shortfalls(_report(cbdc=(95, 100), offline=(19, 20))) == []
    assert coverage_floor.shortfalls(_report(cbdc=(1000, 1000), offline=(94, 100))) == [
        "offline: 94.00 % of 100 branches, floor 95 %"
    ]
    assert coverage_floor.shortfalls(_report(cbdc=(1, 1))) == ["offline: no branch was measured"]


def test_the_branches_that_nobody_took_are_named() -> None:
    report = _report(cbdc=(1, 3), offline=(2, 2))
    assert coverage_floor.untried(report, "cbdc") == ["cbdc/money.py: 2, as 0->1, 1->2"]
    assert coverage_floor.untried(report, "offline") == []


def test_the_command_fails_below_the_floor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "coverage.json"
    file.write_text(json.dumps(_report(cbdc=(90, 100), offline=(1, 1))), encoding="utf-8")
    assert coverage_floor.main([str(file)]) == 1
    assert "below the floor: cbdc: 90.00 %" in capsys.readouterr().err
    file.write_text(json.dumps(_report(cbdc=(100, 100), offline=(1, 1))), encoding="utf-8")
    assert coverage_floor.main([str(file)]) == 0
