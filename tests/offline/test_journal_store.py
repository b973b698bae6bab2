"""One file for many journals: each of them is whole, whatever is cut, damaged, compacted or cleared away (I2, I9)."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.errors import Malformed, Unavailable
from offline import journal_store
from offline.journal import FileJournal
from offline.journal_store import JournalStore
from tests.offline.bench import Crash, CrashAt

NAMES = ["a", "b", "clone-a"]


OPENED: list[JournalStore] = []


@pytest.fixture(autouse=True)
def files_are_closed() -> Iterator[None]:
    yield
    for store in OPENED:
        store._release()
    OPENED.clear()


def store_at(folder: Path, **fields: object) -> JournalStore:
    store = JournalStore(folder / "all.journal", **{"durable": False, **fields})  # type: ignore[arg-type]
    OPENED.append(store)
    return store


def filled(folder: Path) -> dict[str, list[bytes]]:
    """Six records in three journals; what each holds."""
    store = store_at(folder)
    for number, name in enumerate(NAMES * 2):
        store.journal(name).append(b"record %d" % number)
    store.close()
    return held(folder)


def held(folder: Path) -> dict[str, list[bytes]]:
    store = store_at(folder)
    found = {name: store.journal(name).replay() for name in NAMES}
    store.close()
    return found


def test_journals_do_not_mix(tmp_path: Path) -> None:
    assert filled(tmp_path) == {
        "a": [b"record 0", b"record 3"],
        "b": [b"record 1", b"record 4"],
        "clone-a": [b"record 2", b"record 5"],
    }
    assert store_at(tmp_path).journal("nobody").replay() == []


def test_torn_at_every_byte_only_the_last_record_is_in_doubt(tmp_path: Path) -> None:
    before = filled(tmp_path)
    path = tmp_path / "all.journal"
    size = path.stat().st_size
    store_at(tmp_path).journal("b").append(b"the last record")
    data = path.read_bytes()
    for cut in range(size, len(data) + 1):
        for rest in (b"", bytes(len(data) - cut)):
            path.write_bytes(data[:cut] + rest)
            after = held(tmp_path)
            whole = {**before, "b": [*before["b"], b"the last record"]}
            assert after == (whole if cut == len(data) else before), cut
            assert path.stat().st_size == (len(data) if cut == len(data) else size)


def test_damage_before_the_end_is_never_forgotten(tmp_path: Path) -> None:
    filled(tmp_path)
    path = tmp_path / "all.journal"
    data = path.read_bytes()
    for place in range(0, len(data) - 40, 3):
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        with pytest.raises(Malformed, match="E_JOURNAL"):
            held(tmp_path)


@pytest.mark.parametrize("number", [1, 2, 3])
@pytest.mark.parametrize("call", ["append", "compact"])
def test_a_crash_leaves_before_or_after(tmp_path: Path, number: int, call: str) -> None:
    before = filled(tmp_path)
    crash = CrashAt(number)
    store = store_at(tmp_path, checkpoint=crash)
    with pytest.raises(Crash):
        getattr(store.journal("b"), call)(b"new")
    assert crash.names == ["element.journal.before", "element.journal.torn", "element.journal.after"][:number]
    if number < 3:
        with pytest.raises(Unavailable, match="E_JOURNAL_IO"):
            store.journal("a").append(b"other")
    assert store.journal("a").replay() == before["a"], "opening one anew opens the file anew"
    store.journal("a").append(b"other")
    store.close()
    done = [*before["b"], b"new"] if call == "append" else [b"new"]
    expected = {**before, "a": [*before["a"], b"other"], "b": done if number == 3 else before["b"]}
    assert held(tmp_path) == expected


@pytest.mark.parametrize("number", range(4, 7))
def test_clearing_away_may_be_cut_anywhere(tmp_path: Path, number: int) -> None:
    filled(tmp_path)
    crash = CrashAt(number)
    store = store_at(tmp_path, checkpoint=crash, compact_bytes=1)
    with pytest.raises(Crash):
        store.journal("a").compact(b"x")
    store.close()
    expected = {"a": [b"x"], "b": [b"record 1", b"record 4"], "clone-a": [b"record 2", b"record 5"]}
    assert held(tmp_path) == expected
    assert not (tmp_path / "all.journal.new").exists()


def test_what_is_dead_is_cleared_away(tmp_path: Path) -> None:
    store = store_at(tmp_path, compact_bytes=5_000)
    for number in range(500):
        store.journal("a").compact(b"%0100d" % number)
        store.journal("b").append(b"%d" % number)
        assert (tmp_path / "all.journal").stat().st_size < 35_000
    assert store.journal("a").replay() == [b"%0100d" % 499]
    assert store.journal("b").replay() == [b"%d" % number for number in range(500)]
    store.close()
    assert held(tmp_path)["b"] == [b"%d" % number for number in range(500)]


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES), st.binary(min_size=1, max_size=30), st.sampled_from(["+", "=", "reopen"])
        ),
        max_size=25,
    )
)
def test_it_holds_what_journals_of_their_own_hold(steps: list[tuple[str, bytes, str]]) -> None:
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        store = store_at(folder, compact_bytes=60)
        own = {name: FileJournal(folder / name, durable=False) for name in NAMES}
        for name, record, how in steps:
            if how == "reopen":
                store.close()
                store = store_at(folder, compact_bytes=60)
            elif how == "+":
                store.journal(name).append(record)
                own[name].append(record)
            else:
                store.journal(name).compact(record)
                own[name].compact(record)
        for name in NAMES:
            journal = store.journal(name)
            assert journal.replay() == own[name].replay()
            assert journal.size_bytes == sum(map(len, journal.replay()))
            own[name].close()
        store.close()


def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    return synced


def test_a_group_waits_for_the_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = counted(monkeypatch)
    store = store_at(tmp_path, durable=True)
    store.journal("a").append(b"one")
    assert len(synced) == 2  # the new name in its folder, and the record
    with store.group():
        for _ in range(50):
            store.journal("a").append(b"more")
            with store.group():
                store.journal("b").append(b"more")
        assert len(synced) == 2
        assert len(held_by_the_system(tmp_path)) == 101, "a killed process loses nothing"
    assert len(synced) == 3
    with store.group():
        pass
    assert len(synced) == 3, "nothing was written"
    store.journal("a").append(b"alone")
    assert len(synced) == 4
    store.close()
    assert len(synced) == 4


def held_by_the_system(folder: Path) -> list[bytes]:
    store = store_at(folder)
    return [record for name in NAMES for record in store.journal(name).replay()]


def test_a_group_that_fails_is_durable_up_to_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = counted(monkeypatch)
    store = store_at(tmp_path, durable=True)

    def group() -> None:
        with store.group():
            store.journal("a").append(b"one")
            raise Crash("in the middle")

    with pytest.raises(Crash):
        group()
    assert len(synced) == 2
    assert held(tmp_path)["a"] == [b"one"]


def test_a_disk_that_does_not_answer_at_the_end_of_a_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = store_at(tmp_path, durable=True)
    store.journal("a").append(b"one")

    def full(number: int) -> None:
        raise OSError(5, "Input/output error")

    def group() -> None:
        with store.group():
            store.journal("a").append(b"two")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(Unavailable, match="E_JOURNAL_IO"):
            group()
    with pytest.raises(Unavailable, match="E_JOURNAL_IO"):
        store.journal("a").append(b"three")


def test_a_full_disk_is_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = filled(tmp_path)
    store = store_at(tmp_path)

    def full(handle: object, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(journal_store, "write_all", full)
        with pytest.raises(Unavailable, match="E_JOURNAL_IO"):
            store.journal("a").append(b"new")
    assert store.journal("a").replay() == before["a"]


def test_clearing_away_on_a_full_disk_is_a_refusal_and_loses_nothing(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "all.journal.new").mkdir()
    store = store_at(tmp_path, compact_bytes=1)
    with pytest.raises(Unavailable, match="E_JOURNAL_IO"):
        store.journal("a").replay()
    (tmp_path / "all.journal.new").rmdir()
    store.journal("b").replay()
    (tmp_path / "all.journal.new").mkdir()
    with pytest.raises(Unavailable, match="E_JOURNAL_IO"):
        store.journal("a").compact(b"x")
    (tmp_path / "all.journal.new").rmdir()
    assert held(tmp_path)["a"] == [b"x"]


def test_a_file_that_cannot_be_read_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "all.journal").mkdir()
    with pytest.raises(Unavailable, match="E_JOURNAL_IO"):
        store_at(tmp_path).journal("a").replay()


def test_a_file_that_has_gone_is_unavailable_only_while_it_was_there(tmp_path: Path) -> None:
    filled(tmp_path)
    store = store_at(tmp_path)
    store.journal("a").replay()
    (tmp_path / "all.journal").unlink()
    (tmp_path / "all.journal").mkdir()
    with pytest.raises(Unavailable, match="E_JOURNAL_IO"):
        store.journal("a").replay()


def test_a_second_writer_is_noticed(tmp_path: Path) -> None:
    filled(tmp_path)
    one, other = store_at(tmp_path), store_at(tmp_path)
    one.journal("a").replay()
    other.journal("b").append(b"from elsewhere")
    with pytest.raises(Malformed, match=r"E_JOURNAL.*somebody else"):
        one.journal("a").append(b"mine")


@pytest.mark.parametrize("name", ["", "x" * 256, "қ" * 128])
def test_names_are_bounded(tmp_path: Path, name: str) -> None:
    with pytest.raises(AssertionError):
        store_at(tmp_path).journal(name)
