"""Attacks on the commands: a place that cannot be used is told in a sentence, never by a traceback."""

import errno
from pathlib import Path

import pytest
from click.testing import CliRunner

from wallets.cli import main
from wallets.cli_answers import BAD_INPUT


@pytest.mark.parametrize("below", [False, True], ids=["a file", "below a file"])
@pytest.mark.parametrize("command", ["traffic", "reconcile"])
@pytest.mark.parametrize("language", ["words", "json"])
def test_a_file_where_a_folder_should_be_is_refused_in_words(
    tmp_path: Path, command: str, below: bool, language: str
) -> None:
    runner = CliRunner()
    made = ["offline", "traffic", str(tmp_path / "in"), "--transfers", "40", "--parts", "1", "--workers", "0"]
    assert runner.invoke(main, made).exit_code == 0
    file = tmp_path / "file"
    file.write_bytes(b"here")
    place = str(file / "folder" if below else file)
    asked = {
        "traffic": ["offline", "traffic", place, "--transfers", "40", "--parts", "1", "--workers", "0"],
        "reconcile": ["offline", "reconcile", str(tmp_path / "in"), "--out", place, "--workers", "0"],
    }[command]
    answer = runner.invoke(main, [*asked, *(["--json"] if language == "json" else [])])
    assert isinstance(answer.exception, SystemExit)
    assert answer.exit_code == BAD_INPUT
    assert "E_FILE_USE" in answer.output
    assert file.read_bytes() == b"here"


def test_a_full_disk_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Writing says nothing of the file: the error has a number and no name."""

    def full(*given: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("offline.bulk.form.BatchFile.append", full)
    asked = [
        "offline",
        "traffic",
        str(tmp_path / "in"),
        "--transfers",
        "40",
        "--parts",
        "1",
        "--workers",
        "0",
    ]
    answer = CliRunner().invoke(main, asked)
    assert isinstance(answer.exception, SystemExit)
    assert answer.exit_code == BAD_INPUT
    assert "E_FILE_USE" in answer.output
    assert "No space left" in answer.output
