"""What failed beside others is played once more by itself, and what fails then too fails the run."""

import os
import subprocess
import sys
from pathlib import Path

from tests.alone import MOST

ROOT = Path(__file__).resolve().parents[2]
# Fails where xdist shares it out, and passes alone: a test that minds company.
SHY = "import os\ndef test_shy():\n    assert 'PYTEST_XDIST_WORKER' not in os.environ\n"
WRONG = "def test_wrong():\n    assert 1 == 2\n"


def run(folder: Path, **files: str) -> tuple[int, str]:
    """The exit code of a run over files of tests, and what it printed."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    command = [sys.executable, "-m", "tests.alone", "-q", "-n", "1"]
    # Of all plugins only the one that shares tests out, so that a start takes a second.
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": "-p xdist"
    }  # fmt: skip
    environment.pop("PYTEST_XDIST_WORKER", None)
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout


def test_what_only_minds_company_passes_and_is_named(tmp_path: Path) -> None:
    code, said = run(tmp_path, shy=SHY, good="def test_good():\n    pass\n")
    assert code == 0, said
    assert "PASSED BY THEMSELVES ONLY, to be mended: test_shy.py::test_shy" in said


def test_what_fails_alone_too_fails(tmp_path: Path) -> None:
    code, said = run(tmp_path, shy=SHY, wrong=WRONG)
    assert code == 1
    assert "now by themselves: " in said
    assert "PASSED BY THEMSELVES" not in said


def test_many_failures_are_no_chance(tmp_path: Path) -> None:
    many = "".join(SHY.partition("\n")[2].replace("shy", f"shy_{number}") for number in range(MOST + 1))
    code, said = run(tmp_path, many="import os\n" + many)
    assert code == 1
    assert "themselves" not in said


def test_a_file_that_cannot_be_read_is_never_played_again(tmp_path: Path) -> None:
    code, said = run(tmp_path, broken="import nothing_of_that_name\n", shy=SHY)
    assert code != 0
    assert "themselves" not in said
