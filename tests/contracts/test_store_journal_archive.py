"""Old segments in an archive: nothing is lost, proofs are answered, and an audit can read both."""

from pathlib import Path

import pytest

from cbdc.ledger.disk import RealDisk
from cbdc.ledger.journal import JournalStore
from cbdc.ledger.journal_archive import archivable, archive_segments
from cbdc.ledger.journal_frames import FRAME_BYTES, HEADER_BYTES, segment_name, segment_numbers
from cbdc.ledger.journal_snapshot import snapshots
from tests.cbdc.world import answer_of, picture
from tests.contracts.journals import MANUAL, NEVER, filled
from tests.contracts.stores import commit, row


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """The folder of a journal with several snapshots, and an empty archive."""
    filled(tmp_path / "j", 60, MANUAL)
    (tmp_path / "archive").mkdir()
    return tmp_path / "j", tmp_path / "archive"


def test_what_was_moved_is_answered_from_the_archive(folders: tuple[Path, Path]) -> None:
    folder, archive = folders
    before = picture(JournalStore(folder, read_only=True))
    expected = archivable(RealDisk(folder))
    assert expected
    assert archive_segments(RealDisk(folder), RealDisk(archive)) == expected
    assert segment_numbers(RealDisk(archive)) == expected
    assert not set(expected) & set(segment_numbers(RealDisk(folder)))
    assert picture(JournalStore(folder, read_only=True, archive=archive)) == before
    assert archive_segments(RealDisk(folder), RealDisk(archive)) == []


def test_without_the_archive_proofs_and_ids_stay_and_entries_are_refused(folders: tuple[Path, Path]) -> None:
    folder, archive = folders
    leaves = list(JournalStore(folder, read_only=True).leaves())
    archive_segments(RealDisk(folder), RealDisk(archive))
    store = JournalStore(folder)
    assert list(store.leaves()) == leaves
    assert list(store.entries(0, 1)) == [row(0)], "entry 0 stays: without it no ledger opens"
    middle = store.size() // 2
    assert store.find([row(middle).transaction_id]) == {row(middle).transaction_id: middle}
    assert answer_of(lambda: list(store.entries(middle, middle + 1))) == "E_JOURNAL_ARCHIVED"
    assert answer_of(store.head_covering, middle) == "E_JOURNAL_ARCHIVED"
    last = store.size() - 1
    assert [entry.index for entry in store.entries(last)] == [last]
    store.close()


def test_a_bad_snapshot_is_still_passed_over(folders: tuple[Path, Path]) -> None:
    folder, archive = folders
    before = picture(JournalStore(folder, read_only=True))
    archive_segments(RealDisk(folder), RealDisk(archive))
    newest, older = list(snapshots(RealDisk(folder)))
    (folder / newest.state.name).write_bytes(b"rubbish")
    store = JournalStore(folder, archive=archive)
    assert store._log.covered == older.size
    assert picture(store) == before
    store.close()
    (folder / older.state.name).write_bytes(b"rubbish")
    assert answer_of(lambda: JournalStore(folder)) == "E_JOURNAL_SNAPSHOT"
    for path in archive.iterdir():
        path.rename(folder / path.name)
    again = JournalStore(folder)
    assert picture(again) == before
    again.close()


def test_a_journal_with_one_snapshot_or_none_keeps_everything(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    store = filled(folder, close=False)
    assert archivable(RealDisk(folder)) == []
    store.make_snapshot()
    assert archivable(RealDisk(folder)) == []
    store.close()


def test_a_copy_that_was_interrupted_is_made_again(folders: tuple[Path, Path]) -> None:
    folder, archive = folders
    before = picture(JournalStore(folder, read_only=True))
    first, second = archivable(RealDisk(folder))[:2]
    (archive / f"new-{segment_name(first)}").write_bytes(b"half")
    (archive / segment_name(second)).write_bytes((folder / segment_name(second)).read_bytes())
    archive_segments(RealDisk(folder), RealDisk(archive))
    assert picture(JournalStore(folder, read_only=True, archive=archive)) == before


@pytest.mark.parametrize("where", ["here", "there"])
def test_a_damaged_segment_stays_where_it_is(folders: tuple[Path, Path], where: str) -> None:
    folder, archive = folders
    number = archivable(RealDisk(folder))[1]
    good = (folder / segment_name(number)).read_bytes()
    place = HEADER_BYTES + FRAME_BYTES + 9
    bad = good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :]
    ((folder if where == "here" else archive) / segment_name(number)).write_bytes(bad)
    assert answer_of(lambda: archive_segments(RealDisk(folder), RealDisk(archive))) == "E_JOURNAL_DAMAGED"
    assert number in segment_numbers(RealDisk(folder))


def test_writing_goes_on_while_segments_are_moved(tmp_path: Path) -> None:
    folder, archive = tmp_path / "j", tmp_path / "archive"
    archive.mkdir()
    store = JournalStore(folder, settings=MANUAL, archive=archive)
    for number in range(40):
        store.commit(commit(number, 1, {b"\x04%d" % number: b"x"}))
        archive_segments(RealDisk(folder), RealDisk(archive))
    assert len(segment_numbers(RealDisk(archive))) > 5
    assert [entry.index for entry in store.entries()] == list(range(40))
    before = picture(store)
    store.close()
    assert picture(JournalStore(folder, settings=NEVER, archive=archive)) == before
