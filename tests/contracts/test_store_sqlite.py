"""A store in a SQLite file: full disks, strange files, readers beside a writer."""

import logging
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Unavailable
from cbdc.ledger.sqlite import SqliteStore
from tests.cbdc.world import answer_of, picture
from tests.contracts.stores import AYAN, FILE, T1, commit


def filled(folder: Path) -> SqliteStore:
    """A SQLite store with two entries and a token."""
    store = SqliteStore(folder / FILE)
    store.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
    return store


def test_a_full_disk_refuses_and_changes_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path)
    before = picture(store)
    pages = store._database.execute("PRAGMA page_count").fetchone()[0]
    store._database.execute(f"PRAGMA max_page_count = {pages}")
    large: dict[bytes, bytes | None] = {b"\x04%d" % n: bytes(500) for n in range(200)}
    assert answer_of(store.commit, commit(2, 1, {**large, T1: None})) == "E_STORE_UNAVAILABLE"
    assert picture(store) == before
    store._database.execute("PRAGMA max_page_count = 1000000")
    store.commit(commit(2, 1, {**large, T1: None}))
    assert store.size() == 3
    store.close()


def test_a_write_that_the_disk_refuses_changes_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path)
    before = picture(store)
    store._database.execute("PRAGMA query_only = ON")
    assert answer_of(store.commit, commit(2, 1, {T1: None})) == "E_STORE_UNAVAILABLE"
    assert picture(store) == before
    store._database.execute("PRAGMA query_only = OFF")
    store.commit(commit(2, 1, {T1: None}))
    store.close()


@pytest.mark.parametrize("point", ["ledger.commit.before", "ledger.commit.inside"])
def test_an_interrupted_commit_leaves_nothing(tmp_path: Path, point: str) -> None:
    armed = [False]

    def checkpoint(name: str) -> None:
        if armed[0] and name == point:
            raise KeyboardInterrupt

    store = SqliteStore(tmp_path / FILE, checkpoint)
    store.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
    before = picture(store)
    armed[0] = True
    with pytest.raises(KeyboardInterrupt):
        store.commit(commit(2, 1, {T1: None}))
    armed[0] = False
    assert picture(store) == before
    store.commit(commit(2, 1, {T1: None}))
    assert store.size() == 3
    store.close()


def test_a_store_for_reading_sees_one_moment_and_writes_nothing(tmp_path: Path) -> None:
    store = filled(tmp_path)
    reader = SqliteStore(tmp_path / FILE, read_only=True)
    before = picture(reader)
    assert before == picture(store)
    store.commit(commit(2, 1, {T1: None}))
    assert picture(reader) == before, "a reader is not disturbed by a writer"
    assert answer_of(reader.commit, commit(2, 1, {T1: None})) == "E_STORE_UNAVAILABLE"
    reader.close()
    later = SqliteStore(tmp_path / FILE, read_only=True)
    assert picture(later) == picture(store)
    later.close()
    store.close()
    closed = SqliteStore(tmp_path / FILE, read_only=True)
    assert closed.size() == 3
    closed.close()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_folder_that_is_not_there(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "nowhere" / FILE
    assert answer_of(lambda: SqliteStore(path, read_only=read_only)) == "E_STORE_UNAVAILABLE"
    assert not path.parent.exists()


def test_reading_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / FILE
    assert answer_of(lambda: SqliteStore(path, read_only=True)) == "E_STORE_UNAVAILABLE"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize(
    "content",
    [b"not a database at all, but long enough to be read as a header" * 9, b"SQLite format 3\0junk" * 99],
)
def test_a_file_that_is_no_ledger(tmp_path: Path, read_only: bool, content: bytes) -> None:
    path = tmp_path / FILE
    path.write_bytes(content)
    assert answer_of(lambda: SqliteStore(path, read_only=read_only)) == "E_STORE_UNAVAILABLE"
    assert path.read_bytes() == content


def test_another_programs_database_is_no_ledger_to_read(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / FILE)
    other.execute("CREATE TABLE notes (text TEXT)")
    other.commit()
    other.close()
    assert answer_of(lambda: SqliteStore(tmp_path / FILE, read_only=True)) == "E_STORE_UNAVAILABLE"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET data = 'text' WHERE place = 1",
        "UPDATE entry SET leaf = 7 WHERE place = 1",
        "UPDATE entry SET transaction_id = 1.5 WHERE place = 1",
        "UPDATE head SET envelope = 'text'",
        "UPDATE state SET value = 5",
        "UPDATE owner SET token = 'token'",
        "UPDATE entry SET data = 7",
    ],
)
def test_values_of_another_type_are_refused_and_never_crash(tmp_path: Path, change: str) -> None:
    store = filled(tmp_path)
    store._database.execute(change)
    assert answer_of(picture, store) == "E_STORE_UNAVAILABLE"
    store.close()


def test_a_closed_store_is_unavailable(tmp_path: Path) -> None:
    store = filled(tmp_path)
    store.close()
    for call in (store.size, lambda: list(store.entries()), lambda: store.get_many([T1])):
        assert answer_of(call) == "E_STORE_UNAVAILABLE"
    assert answer_of(store.commit, commit(2)) == "E_STORE_UNAVAILABLE"


class FailingCommit:
    """A connection whose next COMMIT fails, before or after SQLite has done it."""

    def __init__(self, database: sqlite3.Connection, name: str, after: bool) -> None:
        self._database = database
        self._error = sqlite3.OperationalError("disk I/O error at /secret/path")
        self._error.sqlite_errorname = name
        self._after = after
        self.left = 1

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        """As SQLite does it, but once."""
        if statement != "COMMIT" or not self.left:
            return self._database.execute(statement, *values)
        self.left -= 1
        if self._after:
            self._database.execute(statement)
        raise self._error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("name", ["SQLITE_IOERR_FSYNC", "SQLITE_FULL", "SQLITE_CORRUPT", ""])
def test_a_commit_that_fails_may_stand(
    tmp_path: Path, name: str, after: bool, caplog: pytest.LogCaptureFixture
) -> None:
    store = filled(tmp_path)
    store._database = FailingCommit(store._database, name, after)  # type: ignore[assignment]
    made = commit(2, 1, {T1: None})
    with caplog.at_level(logging.WARNING), pytest.raises(Unavailable) as told:
        store.commit(made)
    assert told.value.code == "E_STORE_OUTCOME"
    assert "secret" not in str(told.value), "what SQLite said is nobody's business but the operator's"
    assert "/secret/path" in caplog.text
    # Resolved by its id, whichever way it ended.
    stands = store.find([made.entries[0].transaction_id])
    assert stands == ({made.entries[0].transaction_id: 2} if after else {})
    if not after:
        store.commit(made)
    assert store.size() == 3
    assert store.get_many([T1]) == {}
    store.close()


@pytest.mark.parametrize("name", ["SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_LOCKED"])
def test_a_commit_that_waits_in_vain_has_not_happened(tmp_path: Path, name: str) -> None:
    store = filled(tmp_path)
    before = picture(store)
    store._database = FailingCommit(store._database, name, after=False)  # type: ignore[assignment]
    assert answer_of(store.commit, commit(2, 1, {T1: None})) == "E_STORE_UNAVAILABLE"
    assert picture(store) == before
    store.commit(commit(2, 1, {T1: None}))
    store.close()


@pytest.mark.parametrize("content", [None, b"not a database at all, but long enough to be a header" * 9])
def test_a_refusal_says_nothing_of_paths_and_rows(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "secret" / FILE
    if content is not None:
        path.parent.mkdir()
        path.write_bytes(content)
    with pytest.raises(Unavailable) as told:
        SqliteStore(path, read_only=True)
    assert told.value.facts == {
        "detail": "the file cannot be opened" if content is None else "the file is no database"
    }
