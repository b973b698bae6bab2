"""The journal engine over a disk that fails, and who may open it."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from cbdc.errors import TengeError
from cbdc.ledger.disk import DiskFile, RealDisk
from cbdc.ledger.journal import JournalSettings, JournalStore
from cbdc.ledger.journal_frames import FRAME_BYTES, HEADER_BYTES, segment_name
from cbdc.ledger.store import Store
from tests.cbdc.world import answer_of, picture
from tests.contracts.journals import MANUAL, NEVER, filled
from tests.contracts.stores import AYAN, SHOP, SMALL, T1, T2, commit

# --- a failing disk ---


class _File:
    """A file whose next append or sync fails, perhaps after writing a part."""

    def __init__(self, disk: "_Disk", file: DiskFile) -> None:
        self._disk = disk
        self._file = file

    def append(self, data: bytes | bytearray) -> None:
        if self._disk.fail == "append":
            self._file.append(data[: self._disk.part])
            raise OSError(errno.ENOSPC, "No space left on device")
        self._file.append(data)

    def sync(self) -> None:
        self._file.sync()
        if self._disk.fail == "sync":
            raise OSError(errno.EIO, "Input/output error")

    def close(self) -> None:
        self._file.close()


class _Disk(RealDisk):
    """A real folder, with one kind of failure at a time."""

    fail = ""
    part = 0

    def create(self, name: str) -> DiskFile:
        if self.fail == "create":
            raise OSError(errno.ENOSPC, "No space left on device")
        return _File(self, super().create(name))

    def open(self, name: str, position: int) -> DiskFile:
        return _File(self, super().open(name, position))

    def reserve(self, name: str, size: int) -> None:
        if self.fail == "reserve":
            raise OSError(errno.ENOSPC, "No space left on device")
        super().reserve(name, size)

    def truncate(self, name: str, size: int) -> None:
        if self.fail in ("sync", "cut") and self.part:
            raise OSError(errno.EIO, "Input/output error")
        super().truncate(name, size)


def on_disk(folder: Path, settings: JournalSettings = NEVER) -> tuple[JournalStore, _Disk]:
    folder.mkdir(exist_ok=True)
    disk = _Disk(folder)
    store = JournalStore(folder, settings=settings, disk=disk)
    store.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
    return store, disk


@pytest.mark.parametrize("part", [0, 1, 30, 100])
def test_a_full_disk_refuses_and_changes_nothing(tmp_path: Path, part: int) -> None:
    store, disk = on_disk(tmp_path / "j")
    before = picture(store)
    disk.fail, disk.part = "append", part
    assert answer_of(store.commit, commit(2, 1, {T1: None})) == "E_STORE_UNAVAILABLE"
    assert picture(store) == before
    disk.fail = ""
    store.commit(commit(2, 1, {T2: b"two"}, {T2: SHOP}))
    after = picture(store)
    store.close()
    again = JournalStore(tmp_path / "j")
    assert picture(again) == after
    again.close()


@pytest.mark.parametrize("fail", ["create", "reserve", "append"])
def test_a_disk_that_fills_up_while_a_segment_is_closed(tmp_path: Path, fail: str) -> None:
    store, disk = on_disk(tmp_path / "j", JournalSettings(segment_bytes=200))
    before = picture(store)
    disk.fail = fail
    assert answer_of(store.commit, commit(2, 1, {T1: None})) == "E_STORE_UNAVAILABLE"
    assert picture(store) == before
    disk.fail = ""
    store.commit(commit(2, 1, {T2: b"two"}, {T2: SHOP}))
    after = picture(store)
    store._abandon()
    again = JournalStore(tmp_path / "j")
    assert picture(again) == after
    again.close()


def test_after_a_failed_sync_nothing_is_written_until_it_is_opened_again(tmp_path: Path) -> None:
    store, disk = on_disk(tmp_path / "j")
    before = picture(store)
    disk.fail = "sync"
    assert answer_of(store.commit, commit(2, 1, {T1: None})) == "E_STORE_UNAVAILABLE"
    disk.fail = ""
    assert answer_of(store.commit, commit(2, 1, {T1: None})) == "E_STORE_UNAVAILABLE"
    assert picture(store) == before
    store.close()
    again = JournalStore(tmp_path / "j")
    assert picture(again) == before
    again.commit(commit(2, 1, {T1: None}))
    again.close()


def test_a_failed_sync_that_cannot_be_undone_is_an_unknown_outcome(tmp_path: Path) -> None:
    store, disk = on_disk(tmp_path / "j")
    disk.fail, disk.part = "sync", 1
    assert answer_of(store.commit, commit(2, 1, {T1: None})) == "E_STORE_OUTCOME"
    disk.fail = ""
    assert answer_of(store.commit, commit(2, 1, {T1: None})) == "E_STORE_UNAVAILABLE"
    store.close()
    again = JournalStore(tmp_path / "j")
    assert again.size() in (2, 3)
    assert again.owned(AYAN) == ([T1] if again.size() == 2 else [])
    again.close()


@pytest.mark.parametrize("point", ["ledger.commit.before", "ledger.commit.inside"])
def test_an_interrupted_commit_leaves_nothing(tmp_path: Path, point: str) -> None:
    armed = [False]

    def checkpoint(name: str) -> None:
        if armed[0] and name == point:
            raise KeyboardInterrupt

    store = JournalStore(tmp_path / "j", checkpoint)
    store.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
    before = picture(store)
    armed[0] = True
    with pytest.raises(KeyboardInterrupt):
        store.commit(commit(2, 1, {T1: None}))
    armed[0] = False
    assert picture(store) == before
    store.commit(commit(2, 1, {T1: None}))
    after = picture(store)
    store.close()
    again = JournalStore(tmp_path / "j")
    assert picture(again) == after
    again.close()


# --- who may open it ---


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    store = filled(folder, close=False)
    assert answer_of(lambda: JournalStore(folder)) == "E_JOURNAL_LOCKED"
    store.commit(commit(6, 1))
    store.close()
    second = JournalStore(folder)
    assert second.size() == 7
    second.close()


def test_a_writer_that_was_refused_or_failed_leaves_the_lock(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    filled(folder)
    path = folder / segment_name(1)
    good = path.read_bytes()
    path.write_bytes(b"?" + good[1:])
    assert answer_of(lambda: JournalStore(folder)) == "E_JOURNAL_DAMAGED"
    path.write_bytes(good)
    JournalStore(folder).close()


@pytest.mark.parametrize("settings", [NEVER, SMALL], ids=["large", "small"])
def test_a_store_for_reading_sees_one_moment_and_writes_nothing(
    tmp_path: Path, settings: JournalSettings
) -> None:
    folder = tmp_path / "j"
    store = filled(folder, settings=settings, close=False)
    reader = JournalStore(folder, read_only=True)
    before = picture(reader)
    assert before == picture(store)
    for number in range(5):
        store.commit(commit(6 + number, 1, {T1: None, b"\x04%d" % number: b"y"}))
    assert picture(reader) == before, "a reader is not disturbed by a writer"
    assert answer_of(reader.commit, commit(6, 1, {T1: None})) == "E_STORE_UNAVAILABLE"
    reader.close()
    later = JournalStore(folder, read_only=True)
    assert picture(later) == picture(store)
    store.close()


def test_reading_makes_no_file(tmp_path: Path) -> None:
    assert answer_of(lambda: JournalStore(tmp_path, read_only=True)) == "E_STORE_UNAVAILABLE"
    assert answer_of(lambda: JournalStore(tmp_path / "j", read_only=True)) == "E_STORE_UNAVAILABLE"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert answer_of(lambda: JournalStore(tmp_path / "no" / "where")) == "E_STORE_UNAVAILABLE"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_other_things_is_no_journal(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear Aigul")
    assert answer_of(lambda: JournalStore(tmp_path)) == "E_STORE_UNAVAILABLE"
    assert {path.name for path in tmp_path.iterdir()} <= {"letter.txt", "lock"}


def test_what_it_makes_is_its_owners_alone(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    filled(folder, 40, MANUAL)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


def test_a_closed_store_is_unavailable(tmp_path: Path) -> None:
    store = filled(tmp_path / "j")
    calls: list[Callable[[], object]] = [
        store.size,
        lambda: list(store.entries()),
        lambda: store.get_many([T1]),
        lambda: list(store.leaves()),
        lambda: list(store.state()),
        lambda: store.find([bytes(32)]),
        lambda: store.owned(AYAN),
        lambda: store.commit(commit(6)),
    ]
    assert {answer_of(call) for call in calls} == {"E_STORE_UNAVAILABLE"}
    store.close()


@pytest.mark.parametrize("settings", [NEVER, SMALL], ids=["large", "small"])
def test_a_damaged_entry_is_told_when_it_is_read(tmp_path: Path, settings: JournalSettings) -> None:
    folder = tmp_path / "j"
    store: Store = filled(folder, 9, settings, close=False)
    path = folder / segment_name(1)
    data = bytearray(path.read_bytes())
    data[HEADER_BYTES + FRAME_BYTES + 30] ^= 1
    path.write_bytes(data)
    with pytest.raises(TengeError, match="E_JOURNAL_DAMAGED"):
        list(store.entries())
    store.close()
