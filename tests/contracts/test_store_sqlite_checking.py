"""A SQLite file is checked and put in order by a thread: what it finds is never worse than looking oneself."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Unavailable
from cbdc.ledger import sqlite_checking
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.sqlite_checking import Checking
from cbdc.ledger.store import Page
from tests.contracts.stores import AYAN, SHOP, commit, row

T1, T2 = sorted(b"\x01" + row(0).transaction_id + bytes([0, output]) for output in (1, 2))
TWO = [Page((T1, T2), (b"one", b"two"), (AYAN, SHOP))]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """Two tokens."""
    opened = SqliteStore(tmp_path / "ledger.sqlite")
    opened.commit(commit(0, 1, {T1: b"one", T2: b"two"}, {T1: AYAN, T2: SHOP}))
    yield opened
    opened.close()


def looks(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows whenever the store looks for itself."""
    told: list[int] = []
    own = store._derived

    def derived() -> Any:
        told.append(1)
        return own()

    monkeypatch.setattr(store, "_derived", derived)
    return told


def test_the_thread_answers_while_nothing_is_written(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = looks(store, monkeypatch)
    assert list(store.derived_rows()) == TWO
    assert told == []


def test_a_commit_after_the_call_is_seen(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    told = looks(store, monkeypatch)
    pages = store.derived_rows()
    pages._thread.join()  # type: ignore[attr-defined]
    store.commit(commit(1, 1, {T1: None}))
    assert list(pages) == [Page((T2,), (b"two",), (SHOP,))]
    assert told == [1]


def test_without_a_thread_the_store_looks_itself(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_checking.threading.Thread, "start", none)
        pages = store.derived_rows()
    assert list(pages) == TWO


@pytest.mark.parametrize("ahead", [True, False], ids=["the thread", "the store"])
@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("DELETE FROM holding", "an index does not name a row"),
        ("DELETE FROM identity", "an index does not name a row"),
        ("UPDATE token SET key = CAST(key AS TEXT)", ""),
    ],
)
def test_what_is_wrong_in_the_file_is_refused(
    tmp_path: Path, statement: str, detail: str, ahead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.sqlite"
    first = SqliteStore(path)
    first.commit(commit(0, 1, {T1: b"one", T2: b"two"}, {T1: AYAN, T2: SHOP}))
    first.close()
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()
    if not ahead:
        monkeypatch.setattr(Checking, "_work", lambda checking: None)
    store = SqliteStore(path, read_only=True)
    with pytest.raises(Unavailable) as refusal:
        list(store.derived_rows())
    assert detail in str(refusal.value.facts["detail"])
    store.close()


def test_closing_stops_whatever_is_under_way(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that would take for ever is interrupted, and none is begun after it."""
    begun = threading.Event()

    def for_ever(rows: Any, indexed: bool) -> None:
        begun.set()
        rows("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")

    monkeypatch.setattr(sqlite_checking, "check_trees", for_ever)
    pages = store.derived_rows()
    assert begun.wait(30)
    pages.close()
    assert not pages._thread.is_alive()  # type: ignore[attr-defined]
    store.commit(commit(1, 1, {T1: None}))
