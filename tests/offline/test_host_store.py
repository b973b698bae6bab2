"""Host stores: one contract for memory and SQLite, and rows that open what they keep."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from cbdc.errors import Unavailable
from offline.host_store import HostStore, MemoryHostStore, SqliteHostStore


@pytest.fixture(params=["memory", "sqlite", "quick"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HostStore]:
    if request.param == "memory":
        yield MemoryHostStore()
        return
    sqlite = SqliteHostStore(tmp_path / "hosts.db", durable=request.param == "sqlite")
    yield sqlite
    sqlite.close()


def test_rows_are_put_replaced_and_removed(store: HostStore) -> None:
    assert store.read(b"a") == {}
    store.write(b"a", {("line", b"1"): b"one", ("line", b"2"): b"two", ("inbox", b"1"): b"three"})
    store.write(b"a", {("line", b"1"): b"uno", ("line", b"2"): None, ("line", b"9"): None})
    assert store.read(b"a") == {("line", b"1"): b"uno", ("inbox", b"1"): b"three"}


def test_devices_do_not_see_each_other(store: HostStore) -> None:
    store.write(b"a", {("line", b"1"): b"mine"})
    store.write(b"b", {("line", b"1"): b"yours"})
    store.write(b"b", {("line", b"1"): None})
    assert store.read(b"a") == {("line", b"1"): b"mine"}
    assert store.read(b"b") == {}


def test_what_was_read_is_a_copy(store: HostStore) -> None:
    store.write(b"a", {("line", b"1"): b"mine"})
    store.read(b"a").clear()
    assert store.read(b"a")


def test_sqlite_keeps_its_rows(tmp_path: Path) -> None:
    store = SqliteHostStore(tmp_path / "hosts.db")
    store.write(b"a", {("line", b"1"): b"mine"})
    store.close()
    again = SqliteHostStore(tmp_path / "hosts.db")
    assert again.read(b"a") == {("line", b"1"): b"mine"}
    again.close()


def test_all_or_nothing(tmp_path: Path) -> None:
    store = SqliteHostStore(tmp_path / "hosts.db")
    store.write(b"a", {("line", b"1"): b"old"})
    with pytest.raises(Unavailable, match="E_HOST_STORE"):
        store.write(b"a", {("line", b"1"): b"new", ("line", b"2"): object()})  # type: ignore[dict-item]
    assert store.read(b"a") == {("line", b"1"): b"old"}
    store.close()


def test_a_store_that_does_not_answer_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="E_HOST_STORE"):
        SqliteHostStore(tmp_path / "no folder" / "hosts.db")
    (tmp_path / "text").write_text("this is no database, and long enough to be seen as none" * 20)
    with pytest.raises(Unavailable, match="E_HOST_STORE"):
        SqliteHostStore(tmp_path / "text")
    store = SqliteHostStore(tmp_path / "hosts.db")
    store.close()
    with pytest.raises(Unavailable, match="E_HOST_STORE"):
        store.read(b"a")
    with pytest.raises(Unavailable, match="E_HOST_STORE"):
        store.write(b"a", {("line", b"1"): b"x"})


def test_another_program_that_holds_the_file_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteHostStore(tmp_path / "hosts.db")
    store._connection.execute("pragma busy_timeout = 0")
    other = sqlite3.connect(tmp_path / "hosts.db", isolation_level=None)
    other.execute("begin immediate")
    with pytest.raises(Unavailable, match="E_HOST_STORE"):
        store.write(b"a", {("line", b"1"): b"x"})
    other.close()
    store.write(b"a", {("line", b"1"): b"x"})
    store.close()
