"""The write-ahead log of a SQLite ledger is folded beside commits, and nothing rests on it."""

import logging
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from cbdc.ledger import sqlite_folding
from cbdc.ledger.sqlite import SqliteStore
from tests.contracts.stores import FILE, commit

PAGE_BYTES = 4_096 + 24
PATIENCE = 20.0


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fold a log of a few pages."""
    monkeypatch.setattr(sqlite_folding, "PAGES", 20)
    monkeypatch.setattr(sqlite_folding, "_LEAST_ROWS", 5)


def key(number: int) -> bytes:
    """A row of the state."""
    return b"\x04row %d" % number


def fill(store: SqliteStore, commits: int, wait: bool = True) -> dict[bytes, bytes]:
    """So many commits of one row each; what the store must hold afterwards."""
    rows: dict[bytes, bytes] = {}
    for size in range(store.size(), store.size() + commits):
        rows[key(size)] = b"%d" % size
        store.commit(commit(size, 1, {key(size): rows[key(size)]}))
        thread = store._folding._thread
        if wait and thread is not None:
            thread.join(PATIENCE)
    return rows


def log_pages(path: Path) -> int:
    """How many pages the log's file has room for: it is written again from its beginning when all of it was folded."""
    return path.with_name(f"{FILE}-wal").stat().st_size // PAGE_BYTES


@pytest.mark.parametrize("wait", [True, False])
def test_the_log_is_folded_beside_commits(tmp_path: Path, wait: bool) -> None:
    path = tmp_path / FILE
    store = SqliteStore(path)
    rows = fill(store, 120, wait)
    if wait:
        assert log_pages(path) < 120, "without folding there are three pages for each commit at least"
    reader = SqliteStore(path, read_only=True)
    for one in (reader, store):
        assert dict(one.state()) == rows
        assert one.size() == 120
        one.close()
    again = SqliteStore(path)
    assert dict(again.state()) == rows
    again.close()


def test_a_reader_keeps_its_moment_and_the_log(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / FILE)
    early = fill(store, 10)
    reader = SqliteStore(tmp_path / FILE, read_only=True)
    late = fill(store, 60)
    assert log_pages(tmp_path / FILE) > 100, "what the reader may still want stays"
    assert dict(reader.state()) == early
    reader.close()
    fill(store, 60)
    assert dict(store.state()).items() >= (early | late).items()
    store.close()


def test_nothing_rests_on_the_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = SqliteStore(tmp_path / FILE)

    def broken(*_: Any, **__: Any) -> None:
        raise sqlite3.OperationalError("no more")

    with caplog.at_level(logging.WARNING), monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", broken)
        rows = fill(store, 30)
    assert "the write-ahead log was not folded: no more" in caplog.text
    with caplog.at_level(logging.WARNING), monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", lambda thread: _refuse())
        rows |= fill(store, 30)
    assert "no thread can be had" in caplog.text
    assert dict(store.state()) == rows
    store.close()


def _refuse() -> None:
    raise RuntimeError("can't start new thread")


def test_closing_waits_and_nothing_is_folded_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(tmp_path / FILE)
    began, go_on = threading.Event(), threading.Event()
    connect = sqlite3.connect

    def slow(*arguments: Any, **options: Any) -> sqlite3.Connection:
        began.set()
        assert go_on.wait(PATIENCE)
        made: sqlite3.Connection = connect(*arguments, **options)
        return made

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", slow)
        rows = fill(store, 20, wait=False)
        assert began.wait(PATIENCE)
        rows |= fill(store, 20, wait=False)
        closing = threading.Thread(target=store.close)
        closing.start()
        closing.join(0.05)
        assert closing.is_alive(), "somebody folds"
        go_on.set()
        closing.join(PATIENCE)
    folder = store._folding._thread
    assert folder is not None
    assert not folder.is_alive()
    again = SqliteStore(tmp_path / FILE)
    assert dict(again.state()) == rows
    again.close()


def test_a_commit_is_answered_before_the_store_can_be_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whoever closes last takes the log away: a commit that looked for it afterwards would not know what became of it.
    store = SqliteStore(tmp_path / FILE)
    closing = threading.Thread(target=store.close)
    look = store._check_place

    def late() -> None:
        closing.start()
        closing.join(0.05)
        look()

    monkeypatch.setattr(store, "_check_place", late)
    store.commit(commit(0, 1))
    closing.join(PATIENCE)
    assert not closing.is_alive()


def test_what_another_connection_folded_says_nothing_of_rows(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / FILE)
    fill(store, 2)
    store._folding.end()
    other = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    folding = sqlite_folding.Folding(tmp_path / FILE, threading.RLock())
    before = folding._due
    folding._fold(1_000)
    assert folding._due == before, "a log without pages has no rows a page"
    store.commit(commit(2, 1))
    folding._fold(1_000_000)
    assert folding._due <= 8 * sqlite_folding.PAGES, "it may have been folded in part before"
    store.close()
