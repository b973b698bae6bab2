"""Journals: whole records or none, torn only at the end, and never silently shorter than what was promised."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Malformed, Unavailable
from offline import journal as journal_module
from offline.journal import FileJournal, Journal, JournalFolder, MemoryJournal
from offline.journal_store import JournalStore
from tests.offline.bench import Crash, CrashAt

RECORDS = [b"first", b"second record", b"x" * 300]


def filled(path: Path, records: list[bytes] = RECORDS) -> FileJournal:
    journal = FileJournal(path, durable=False)
    for record in records:
        journal.append(record)
    journal.close()
    return journal


KINDS: dict[str, Callable[[Path], Journal]] = {
    "memory": lambda folder: MemoryJournal(),
    "file": lambda folder: FileJournal(folder / "a.journal"),
    "store": lambda folder: JournalStore(folder / "all.journal").journal("a"),
}


@pytest.fixture(params=list(KINDS))
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    made = KINDS[request.param](tmp_path)
    yield made
    made.close()


def test_records_come_back_in_order(journal: Journal) -> None:
    assert journal.replay() == []
    for record in RECORDS:
        journal.append(record)
    journal.close()
    assert journal.replay() == RECORDS
    assert journal.size_bytes >= sum(map(len, RECORDS))


def test_a_snapshot_replaces_all_and_more_may_follow(journal: Journal) -> None:
    for record in RECORDS:
        journal.append(record)
    journal.compact(b"all of it")
    journal.append(b"more")
    assert journal.replay() == [b"all of it", b"more"]
    journal.append(b"and more")
    assert journal.replay() == [b"all of it", b"more", b"and more"]


def test_a_file_is_read_by_a_new_journal(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    again = FileJournal(tmp_path / "a")
    again.append(b"fourth")
    again.close()
    assert FileJournal(tmp_path / "a").replay() == [*RECORDS, b"fourth"]


def test_torn_at_every_byte_gives_before_or_after(tmp_path: Path) -> None:
    whole = filled(tmp_path / "whole")
    before = (tmp_path / "whole").stat().st_size
    whole.append(b"the last record")
    whole.close()
    data = (tmp_path / "whole").read_bytes()
    for cut in range(before, len(data) + 1):
        for rest in (b"", bytes(len(data) - cut)):  # torn off, or a file grown before its bytes came
            path = tmp_path / "torn"
            path.write_bytes(data[:cut] + rest)
            torn = FileJournal(path)
            records = torn.replay()
            assert records in (RECORDS, [*RECORDS, b"the last record"]), cut
            assert len(records) == 4 or cut < len(data)
            torn.append(b"next")
            torn.close()
            assert FileJournal(path).replay() == [*records, b"next"], cut


def test_damage_before_the_end_is_never_forgotten(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    data = (tmp_path / "a").read_bytes()
    for bit in range(8 * (len(data) - 300)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        if bit // 8 >= len(data) - 312:
            break  # the check of the last frame itself: that is a torn write
        path = tmp_path / "b"
        path.write_bytes(changed)
        with pytest.raises(Malformed, match="E_JOURNAL"):
            FileJournal(path).replay()


def test_frames_do_not_change_places(tmp_path: Path) -> None:
    filled(tmp_path / "a", [b"aaaa", b"bbbb", b"cccc"])
    data = (tmp_path / "a").read_bytes()
    size = len(data) // 3
    (tmp_path / "a").write_bytes(data[:size] + data[2 * size :] + data[size : 2 * size])
    with pytest.raises(Malformed, match="E_JOURNAL"):
        FileJournal(tmp_path / "a").replay()


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
def test_any_prefix_replays_to_a_prefix(
    tmp_path_factory: pytest.TempPathFactory, records: list[bytes], data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("journal") / "a"
    path.touch()
    filled(path, records)
    whole = path.read_bytes()
    cut = data.draw(st.integers(0, len(whole)))
    path.write_bytes(whole[:cut])
    found = FileJournal(path).replay()
    assert found == records[: len(found)]


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("call", ["append", "compact"])
def test_a_crash_leaves_before_or_after(tmp_path: Path, number: int, call: str) -> None:
    filled(tmp_path / "a")
    crash = CrashAt(number)
    journal = FileJournal(tmp_path / "a", checkpoint=crash)
    with pytest.raises(Crash):
        getattr(journal, call)(b"new")
    assert crash.names == ["element.journal.before", "element.journal.torn", "element.journal.after"][:number]
    journal.close()
    after = [*RECORDS, b"new"] if call == "append" else [b"new"]
    assert FileJournal(tmp_path / "a").replay() == (after if number == 3 else RECORDS)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("call", ["append", "compact"])
def test_a_memory_journal_dies_at_the_same_points(number: int, call: str) -> None:
    journal = MemoryJournal([b"old"], CrashAt(number))
    with pytest.raises(Crash):
        getattr(journal, call)(b"new")
    after = [b"old", b"new"] if call == "append" else [b"new"]
    assert journal.replay() == (after if number == 3 else [b"old"])


def test_after_a_crash_the_same_object_writes_no_more(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    journal = FileJournal(tmp_path / "a", checkpoint=CrashAt(2))
    with pytest.raises(Crash):
        journal.append(b"new")
    with pytest.raises(Unavailable, match="E_JOURNAL_IO"):
        journal.append(b"other")
    assert journal.replay() == RECORDS
    journal.append(b"other")
    assert journal.replay() == [*RECORDS, b"other"]


def test_a_full_disk_is_a_refusal_and_nothing_is_believed_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = filled(tmp_path / "a")

    def full(handle: object, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal_module, "write_all", full)
        for call in (journal.append, journal.compact):
            with pytest.raises(Unavailable, match="E_JOURNAL_IO"):
                call(b"new")
    with pytest.raises(Unavailable):
        journal.append(b"new")
    assert journal.replay() == RECORDS


def test_a_journal_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unavailable, match="E_JOURNAL_IO"):
        FileJournal(tmp_path / "folder").replay()


def test_a_second_writer_is_noticed(tmp_path: Path) -> None:
    one, other = filled(tmp_path / "a"), FileJournal(tmp_path / "a")
    other.append(b"from elsewhere")
    with pytest.raises(Malformed, match="E_JOURNAL"):
        one.append(b"mine")
    one.close()
    other.close()


def test_what_compaction_left_behind_is_swept(tmp_path: Path) -> None:
    filled(tmp_path / "a")
    (tmp_path / "a.new").write_bytes(b"half of a snapshot")
    assert FileJournal(tmp_path / "a").replay() == RECORDS
    assert not (tmp_path / "a.new").exists()


def test_durable_means_synced_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real: Callable[[int], None] = os.fsync

    def fsync(number: int) -> None:
        synced.append(number)
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    durable = FileJournal(tmp_path / "a", durable=True)
    durable.append(b"one")
    assert len(synced) == 2  # the new name in its folder, and the record
    durable.append(b"two")
    assert len(synced) == 3
    durable.compact(b"both")
    assert len(synced) == 5
    quick = FileJournal(tmp_path / "b", durable=False)
    quick.append(b"one")
    quick.compact(b"all")
    assert len(synced) == 5


def test_folders_are_not_synced_where_that_is_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_module, "_FOLDERS_SYNC", False)
    journal_module.sync_folder(Path("not looked at"))


def test_a_folder_keeps_few_files_open(tmp_path: Path) -> None:
    folder = JournalFolder(tmp_path / "journals", durable=False, most_open=3)
    journals = [folder.journal(f"device-{number}") for number in range(10)]
    for _ in range(2):
        for number, journal in enumerate(journals):
            journal.append(b"record %d" % number)
            assert len(folder._handles._open) <= 3
    folder.close()
    assert not folder._handles._open
    for number, journal in enumerate(journals):
        assert journal.replay() == [b"record %d" % number] * 2


@pytest.mark.parametrize("name", ["", "..", "a/b", "a.b"])
def test_a_folder_gives_only_plain_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(AssertionError):
        JournalFolder(tmp_path).journal(name)
