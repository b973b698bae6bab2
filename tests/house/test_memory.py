"""Tests keep their files in memory only where there is room, and leave nothing there."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests import memory
from tests.browser import chosen
from tests.conftest import ROOT

MUCH = 1 << 60


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place with room for everything, and a process that keeps its files on the disk."""
    monkeypatch.setattr(memory, "_ours", [])
    monkeypatch.setattr(memory, "ROOM_BYTES", 1)
    monkeypatch.setattr(tempfile, "tempdir", None)
    for name in ("TENGE_FULL", "TENGE_DISK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("asked_for_disk", "free_bytes", "wanted"),
    [(False, MUCH, True), (True, MUCH, False), (False, 1, False)],
)
def test_memory_is_used_where_there_is_room(
    empty: Path, monkeypatch: pytest.MonkeyPatch, asked_for_disk: bool, free_bytes: int, wanted: bool
) -> None:
    monkeypatch.setattr(memory, "ROOM_BYTES", 1_000)
    assert memory.is_wanted(empty, asked_for_disk, free_bytes) is wanted


def test_a_place_that_is_full_or_missing_is_not_used(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not memory.is_wanted(empty / "nowhere", False, MUCH)
    monkeypatch.setattr(memory, "ROOM_BYTES", MUCH)
    assert not memory.is_wanted(empty, False, MUCH)


def test_what_ended_without_tidying_up_is_known_and_nothing_else(empty: Path) -> None:
    for name in ("tenge-tests-17-abc", "tenge-tests-18-abc", "tenge-tests-x", "somebody-17-abc"):
        (empty / name).mkdir()
    assert memory.left_behind(empty, lambda number: number == 18) == [empty / "tenge-tests-17-abc"]


def test_files_go_to_memory_and_nothing_stays(empty: Path) -> None:
    dead = empty / f"{memory.NAME}{2**30}-gone"
    dead.mkdir()
    memory.keep_in_memory(empty)
    assert not dead.exists()
    with tempfile.NamedTemporaryFile() as file:
        assert Path(file.name).parent.parent == empty
        asked = [sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"]
        told = subprocess.run(asked, capture_output=True, text=True, check=True, cwd=ROOT)
        assert Path(told.stdout.strip()) == Path(file.name).parent
    memory.tidy_up()
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("name", ["TENGE_FULL", "TENGE_DISK"])
def test_whoever_asks_for_the_disk_gets_it(empty: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    memory.keep_in_memory(empty)
    assert os.environ["TMPDIR"] == str(empty)
    assert list(empty.iterdir()) == []


def test_a_browser_that_was_named_is_taken_else_the_first_that_is_there(tmp_path: Path) -> None:
    shell, whole = tmp_path / "shell", tmp_path / "whole"
    assert chosen("", (shell, whole)) == whole
    shell.touch()
    assert chosen("", (shell, whole)) == shell
    whole.touch()
    assert chosen("", (shell, whole)) == shell
    assert chosen(str(whole), (shell, whole)) == whole
