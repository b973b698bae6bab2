"""A URL opens its engine, and what is no URL of ours is refused without showing a password."""

import sqlite3
from pathlib import Path

import pytest

from cbdc.errors import TengeError
from cbdc.ledger.engines import open_store
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.store import Commit, EntryRow, shown_url
from tests.cbdc.world import answer_of


def test_memory() -> None:
    store = open_store("memory:")
    assert type(store) is MemoryStore
    store.close()


def test_an_absolute_path_has_four_slashes(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    store = open_store(f"sqlite:///{path}")
    assert type(store) is SqliteStore
    assert store.path == path
    store.close()
    assert path.is_file()


def test_a_relative_path_begins_where_the_program_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    open_store("sqlite:///ledger.sqlite").close()
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.sqlite"]


def test_reading_only_makes_nothing(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    assert answer_of(lambda: open_store(url, read_only=True)) == "E_STORE_UNAVAILABLE"
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_is_passed_on(tmp_path: Path) -> None:
    seen: list[str] = []
    store = open_store(f"sqlite:///{tmp_path / 'ledger.sqlite'}", seen.append)
    store.commit(Commit(0, (EntryRow(0, bytes(32), b"data", bytes(32)),), {}, {}, b"head"))
    assert seen == [f"ledger.commit.{point}" for point in ("before", "inside", "after")]
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "memory:x",
        "memory://",
        "sqlite",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:/tmp/x",
        "SQLITE:///x",
        "oracle:x",
        "mysql://root@localhost/db",
        "/tmp/ledger.sqlite",
        "ledger.sqlite",
        " sqlite:///x",
        "file:///etc/passwd",
        ":",
    ],
)
def test_what_no_engine_knows(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TengeError) as caught:
        open_store(url)
    assert caught.value.code == "E_STORE_URL"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("oracle://me:secret@host/db", "oracle://me:***@host/db"),
        ("oracle://me:se/cr@et:x@host/db", "oracle://me:***@host/db"),
        ("oracle://me:s%40cret@one:1,two:2/db?schema=x", "oracle://me:***@one:1,two:2/db?schema=x"),
        ("oracle://host/db?password=secret&x=1", "oracle://host/db?password=***&x=1"),
        ("oracle://host/db?PASSWORD=secret", "oracle://host/db?PASSWORD=***"),
        ("oracle://me@host:99/db", "oracle://me@host:99/db"),
    ],
)
def test_no_refusal_shows_a_password(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    with pytest.raises(TengeError) as caught:
        open_store(url)
    assert shown in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_file_of_another_program(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE notes (text TEXT)")
    other.commit()
    other.close()
    assert answer_of(lambda: open_store(f"sqlite:///{path}", read_only=True)) == "E_STORE_UNAVAILABLE"
