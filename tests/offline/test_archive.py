"""Archives: atomic appends, answers given once, the log, and engines that fail."""

import sqlite3
from pathlib import Path

import pytest

from cbdc.errors import Unavailable
from cbdc.ledger.entry import check_inclusion, leaf_hash
from offline.archive import Archive, ArchiveStore, MemoryArchive, Row, SqliteArchive


def row(name: str, arrived: int = 5, leaf: bool = True) -> Row:
    """A row about an object of that name."""
    return Row(name.encode().ljust(32), name.encode(), arrived, True, leaf)


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArchiveStore:
    """Each engine."""
    return MemoryArchive() if request.param == "memory" else SqliteArchive(tmp_path / "archive.sqlite")


def test_rows_and_answers_come_back_as_they_went_in(store: ArchiveStore) -> None:
    rows = [row("a"), row("b", leaf=False)]
    store.append(0, rows, {b"x/1": b"one", b"x/2": b"two", b"y": b"three"})
    store.append(2, [row("c")], {b"x/1": b"changed"})
    assert list(store.rows(0)) == [*rows, row("c")]
    assert list(store.rows(2)) == [row("c")]
    assert store.size() == 3
    assert store.answer(b"x/1") == b"one", "an answer is given once"
    assert store.answer(b"x") is None
    assert store.answers(b"x/") == [(b"x/1", b"one"), (b"x/2", b"two")]
    assert store.answers(b"") == [(b"x/1", b"one"), (b"x/2", b"two"), (b"y", b"three")]
    store.close()


def test_whoever_missed_a_row_writes_nothing(store: ArchiveStore) -> None:
    store.append(0, [row("a")], {})
    with pytest.raises(Unavailable) as caught:
        store.append(0, [row("b")], {b"x": b"1"})
    assert caught.value.code == "E_STORE_CONFLICT"
    assert (store.size(), store.answer(b"x")) == (1, None)
    store.append(None, [], {b"x": b"1"})
    assert store.answer(b"x") == b"1"


def test_two_readers_of_one_archive_see_the_same_log(store: ArchiveStore) -> None:
    one, other = Archive(store), Archive(store)
    one.append([row("a", arrived=7)])
    with pytest.raises(Unavailable):
        other.append([row("b")])
    assert other.follow() == [row("a", arrived=7)]
    head = other.head_after([row("b"), row("a", leaf=False)])
    other.append([row("b")])
    assert (other.log.size, other.log.root()) == head
    one.follow()
    assert one.log.root() == other.log.root()
    assert one.follow() == []
    assert one.moment(3) == 7, "arrivals never fall"
    assert one.moment(8) == 8
    assert one.keep(b"k", b"first") == b"first"
    assert other.keep(b"k", b"second") == b"first"
    assert one.rows_from(1) == [row("b")]


def test_inclusion_is_proven_for_leaves_only(store: ArchiveStore) -> None:
    archive = Archive(store)
    archive.append([row("a"), row("b"), row("n", leaf=False), row("c")])
    for place, name in enumerate(("a", "b", "c")):
        found = archive.inclusion(row(name).oid, 3)
        assert found is not None
        assert found[0] == archive.place(row(name).oid) == place
        check_inclusion(leaf_hash(row(name).oid), *found[:1], 3, found[1], archive.log.root())
    assert archive.inclusion(row("n").oid, 3) is None
    assert archive.inclusion(row("c").oid, 2) is None
    assert not archive.is_logged(row("n").oid)


def test_a_file_that_is_no_archive_is_said_so(tmp_path: Path) -> None:
    file = tmp_path / "archive.sqlite"
    file.write_bytes(b"this is no database, and never was one" * 40)
    with pytest.raises(Unavailable) as caught:
        SqliteArchive(file)
    assert caught.value.code == "E_STORE_UNAVAILABLE"


def test_an_archive_that_breaks_is_said_so(tmp_path: Path) -> None:
    store = SqliteArchive(tmp_path / "archive.sqlite")
    store.append(0, [row("a")], {})
    other = sqlite3.connect(tmp_path / "archive.sqlite")
    other.executescript("DROP TABLE answer; ALTER TABLE object RENAME TO gone;")
    other.close()
    for call in (
        lambda: store.size(),
        lambda: list(store.rows(0)),
        lambda: store.answer(b"x"),
        lambda: store.answers(b"x"),
        lambda: store.append(1, [row("b")], {}),
        lambda: store.append(None, [], {b"x": b"1"}),
    ):
        with pytest.raises(Unavailable) as caught:
            call()
        assert caught.value.code == "E_STORE_UNAVAILABLE"
    store.close()


def test_half_an_append_is_none(tmp_path: Path) -> None:
    store = SqliteArchive(tmp_path / "archive.sqlite")
    other = sqlite3.connect(tmp_path / "archive.sqlite")
    other.execute("DROP TABLE answer")
    other.close()
    with pytest.raises(Unavailable):
        store.append(0, [row("a")], {b"x": b"1"})
    assert store.size() == 0
