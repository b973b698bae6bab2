"""`tenge archive`: old segments go, everything is still answered, and what cannot be done is told with what to do."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cbdc.ledger.disk import RealDisk
from cbdc.ledger.engines import open_store
from cbdc.ledger.journal import JournalStore
from cbdc.ledger.journal_archive import archivable, archive_segments
from cbdc.ledger.journal_frames import segment_name, segment_numbers
from tests.cbdc.world import answer_of, picture
from tests.contracts.journals import MANUAL, filled
from tests.contracts.stores import AYAN, T1, commit
from wallets.cli import main


def run(*words: object) -> Result:
    """The command's outcome."""
    return CliRunner().invoke(main, ["archive", *map(str, words)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A journal with several snapshots."""
    filled(tmp_path / "j", 60, MANUAL)
    return tmp_path / "j"


def test_it_moves_what_may_go_and_says_how_to_read_it(folder: Path, tmp_path: Path) -> None:
    before = picture(JournalStore(folder, read_only=True))
    expected = archivable(RealDisk(folder))
    result = run(f"journal:///{folder}", "--to", tmp_path / "archive", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["moved"] == found["archived"] == expected != []
    assert found["left"] == segment_numbers(RealDisk(folder))
    assert found["moved_bytes"] == sum(
        (tmp_path / "archive" / segment_name(number)).stat().st_size for number in expected
    )
    assert picture(open_store(found["store"], read_only=True)) == before
    again = run(folder, "--to", tmp_path / "archive")
    assert again.exit_code == 0
    assert "Nothing to move" in again.stdout


def test_it_tells_how_far_it_is(folder: Path, tmp_path: Path) -> None:
    count = len(archivable(RealDisk(folder)))
    result = run(folder, "--to", tmp_path / "archive")
    assert [line for line in result.stderr.splitlines() if line] == [
        f"{done} of {count} segments are in the archive" for done in range(1, count + 1)
    ]


def test_a_snapshot_lets_more_go(tmp_path: Path) -> None:
    store = filled(tmp_path / "j", close=False)
    store.make_snapshot()
    store.close()
    moved = json.loads(run(tmp_path / "j", "--to", tmp_path / "a", "--json").stdout)["moved"]
    assert moved == []
    before = picture(JournalStore(tmp_path / "j", read_only=True))
    assert run(tmp_path / "j", "--to", tmp_path / "a", "--snapshot").exit_code == 0
    assert picture(JournalStore(tmp_path / "j", read_only=True, archive=tmp_path / "a")) == before


def test_a_writer_that_is_there_is_told(folder: Path, tmp_path: Path) -> None:
    writer = JournalStore(folder)
    assert run(folder, "--to", tmp_path / "archive").exit_code == 0
    result = run(folder, "--to", tmp_path / "archive", "--snapshot")
    writer.close()
    assert result.exit_code == 2
    assert "E_JOURNAL_LOCKED" in result.stderr


@pytest.mark.parametrize(
    ("ledger", "problem"),
    [
        ("sqlite:///ledger.sqlite", "it names no folder of a journal"),
        ("journal:///", "it names no folder of a journal"),
        ("memory:", "there is no such folder"),
        ("journal:///nowhere", "there is no such folder"),
        ("postgresql://someone:secret@host/db", "it names no folder of a journal"),
        (".", "there is no journal in that folder"),
    ],
)
def test_what_is_no_journal_is_refused(
    ledger: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(ledger, "--to", tmp_path / "archive", "--json")
    assert result.exit_code == 2
    found = json.loads(result.stdout)
    assert (found["code"], found["facts"]["problem"]) == ("E_ARCHIVE_TARGET", problem)
    assert "secret" not in result.output
    assert not (tmp_path / "archive").exists()


def test_the_journals_own_folder_is_no_archive(folder: Path) -> None:
    before = segment_numbers(RealDisk(folder))
    result = run(folder, "--to", folder)
    assert result.exit_code == 2
    assert "E_ARCHIVE_TARGET" in result.stderr
    assert segment_numbers(RealDisk(folder)) == before


def test_a_disk_that_does_not_answer_is_no_archived_segment(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is told that a segment is archived looks for it there; a broken disk is another thing."""
    (tmp_path / "archive").mkdir()
    moved = archive_segments(RealDisk(folder), RealDisk(tmp_path / "archive"))
    store = JournalStore(folder, read_only=True)
    gone = next(frame.first for frame in store_frames(folder, tmp_path / "archive", moved[0]))
    assert answer_of(lambda: list(store.entries(gone, gone + 1))) == "E_JOURNAL_ARCHIVED"

    def failing(self: RealDisk, name: str) -> int:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(RealDisk, "size", failing)
    assert answer_of(lambda: list(store.entries(gone, gone + 1))) == "E_STORE_UNAVAILABLE"


def store_frames(folder: Path, archive: Path, segment: int) -> list[object]:
    """The commits of an archived segment."""
    from cbdc.ledger.journal_frames import Scan, read_header

    disk = RealDisk(archive)
    first = read_header(disk, segment)
    assert first is not None
    return list(Scan(disk, segment, first).frames())


def test_another_ledgers_archive_is_not_taken_for_ones_own(folder: Path, tmp_path: Path) -> None:
    assert run(folder, "--to", tmp_path / "archive").exit_code == 0
    other = tmp_path / "other"
    store = JournalStore(other, settings=MANUAL)
    store.commit(commit(0, 2, {T1: b"two"}, {T1: AYAN}))
    for number in range(1, 60):
        store.commit(commit(2 * number, 2, {b"\x04n": b"%d" % number, b"\x04%d" % number: b"y"}))
    store.close()
    before = segment_numbers(RealDisk(other))
    first = segment_name(archivable(RealDisk(other))[0])
    assert (other / first).stat().st_size == (tmp_path / "archive" / first).stat().st_size
    result = run(other, "--to", tmp_path / "archive")
    assert (result.exit_code, "E_ARCHIVE_TARGET" in result.stderr) == (2, True)
    assert segment_numbers(RealDisk(other)) == before


def test_two_at_once_into_one_archive_do_not_meet(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    before = segment_numbers(RealDisk(folder))
    leave = RealDisk(tmp_path / "archive").lock("archive.lock")
    result = run(folder, "--to", tmp_path / "archive")
    assert (result.exit_code, "E_STORE_UNAVAILABLE" in result.stderr) == (2, True)
    assert segment_numbers(RealDisk(folder)) == before
    leave()
    assert run(folder, "--to", tmp_path / "archive").exit_code == 0
