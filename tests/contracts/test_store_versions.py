"""Stores of older versions are brought up to date whole or not at all, and those of newer ones are left alone."""

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from cbdc.ledger import postgres_schema, sqlite_schema
from cbdc.ledger.audit import audit
from cbdc.ledger.engines import open_store
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.sqlite import SqliteStore
from tests.cbdc.world import answer_of, picture
from tests.contracts.keep_samples import load_sqlite, play, sample_files, version_of
from tests.contracts.stores import FILE, T1, commit, postgres_url
from tests.servers.postgres import the_postgres

SQLITE = sample_files("sqlite")
POSTGRES = sample_files("postgresql")
NEWEST = len(sqlite_schema.VERSIONS)


def told() -> tuple[object, ...]:
    """The story of the samples as it is today."""
    store = MemoryStore()
    play(store)
    return picture(store)


def user_version(path: Path) -> int:
    database = sqlite3.connect(path)
    found = int(database.execute("PRAGMA user_version").fetchone()[0])
    database.close()
    return found


def test_every_version_has_a_sample() -> None:
    assert [version_of(file) for file in SQLITE] == list(range(1, NEWEST + 1))
    assert [version_of(file) for file in POSTGRES] == list(range(1, len(postgres_schema.VERSIONS) + 1))


# --- SQLite ---


@pytest.mark.parametrize("sample", SQLITE, ids=lambda file: file.stem)
def test_a_file_of_any_version_is_opened_and_goes_on(sample: Path, tmp_path: Path) -> None:
    path = tmp_path / FILE
    load_sqlite(sample, path)
    before = path.read_bytes()
    reader = SqliteStore(path, read_only=True)
    assert audit(reader).problems == []
    kept = picture(reader)
    reader.close()
    assert path.read_bytes() == before, "a reader brings nothing up to date"
    store = SqliteStore(path)
    assert picture(store) == kept == told()
    store.commit(commit(store.size(), 1, {T1: b"x"}))
    store.close()
    assert user_version(path) == NEWEST
    again = SqliteStore(path)
    assert again.size() == len(kept[1]) + 1  # type: ignore[arg-type]
    again.close()


def test_a_new_file_is_of_the_newest_version(tmp_path: Path) -> None:
    SqliteStore(tmp_path / FILE).close()
    assert user_version(tmp_path / FILE) == NEWEST
    assert b"tnge" in (tmp_path / FILE).read_bytes()[:100]


@pytest.mark.parametrize("version", [NEWEST + 1, 1_000, -1])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path, version: int, read_only: bool) -> None:
    path = tmp_path / FILE
    load_sqlite(SQLITE[-1], path)
    database = sqlite3.connect(path)
    database.execute(f"PRAGMA user_version = {version}")
    database.close()
    before = path.read_bytes()
    assert answer_of(lambda: SqliteStore(path, read_only=read_only)) == "E_STORE_VERSION"
    assert path.read_bytes() == before


def test_a_step_that_fails_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / FILE
    load_sqlite(SQLITE[0], path)
    reader = SqliteStore(path, read_only=True)
    before = picture(reader)
    reader.close()
    bad = ("ALTER TABLE head ADD COLUMN note TEXT", "DELETE FROM entry", "no statement at all")
    monkeypatch.setattr(sqlite_schema, "VERSIONS", (*sqlite_schema.VERSIONS, bad))
    assert answer_of(lambda: SqliteStore(path)) == "E_STORE_UNAVAILABLE"
    assert user_version(path) == 0
    monkeypatch.undo()
    store = SqliteStore(path)
    assert picture(store) == before
    store.close()


def test_later_steps_run_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / FILE
    load_sqlite(SQLITE[0], path)
    steps = (
        ("CREATE TABLE step (number INTEGER)", "INSERT INTO step VALUES (3)"),
        ("INSERT INTO step VALUES (4)",),
    )
    monkeypatch.setattr(sqlite_schema, "VERSIONS", (*sqlite_schema.VERSIONS, *steps))
    for _ in range(2):
        SqliteStore(path).close()
    database = sqlite3.connect(path)
    assert database.execute("SELECT number FROM step ORDER BY rowid").fetchall() == [(3,), (4,)]
    database.close()


# --- PostgreSQL ---


def load_postgres(sample: Path, url: str) -> None:
    """A schema from a kept file."""
    import psycopg

    server, schema = the_postgres(), url.partition("schema=")[2]
    with psycopg.connect(server.address(), autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}".encode())
        connection.execute(f"SET search_path = {schema}".encode())
        connection.execute(sample.read_bytes())


def stored_version(url: str) -> int:
    return int(the_postgres().ask(f"SELECT version FROM {url.partition('schema=')[2]}.clock")[0][0])


@pytest.mark.parametrize("sample", POSTGRES, ids=lambda file: file.stem)
def test_a_schema_of_any_version_is_opened_and_goes_on(sample: Path, tmp_path: Path) -> None:
    url = postgres_url(tmp_path)
    load_postgres(sample, url)
    reader = open_store(url, read_only=True)
    assert audit(reader).problems == []
    assert picture(reader) == told()
    reader.close()
    assert stored_version(url) == version_of(sample), "a reader brings nothing up to date"
    store = open_store(url)
    assert picture(store) == told()
    store.commit(commit(store.size(), 1, {T1: b"x"}))
    store.close()
    assert stored_version(url) == len(postgres_schema.VERSIONS)


@pytest.mark.parametrize("version", [len(postgres_schema.VERSIONS) + 1, 1_000, 0, -1])
@pytest.mark.parametrize("read_only", [False, True])
def test_a_schema_of_a_newer_version_is_left_alone(tmp_path: Path, version: int, read_only: bool) -> None:
    url = postgres_url(tmp_path)
    load_postgres(POSTGRES[-1], url)
    clock = f"{url.partition('schema=')[2]}.clock"
    the_postgres().ask(f"UPDATE {clock} SET version = {version}")
    before = the_postgres().ask(f"SELECT * FROM {clock}")
    assert answer_of(lambda: open_store(url, read_only=read_only)) == "E_STORE_VERSION"
    assert the_postgres().ask(f"SELECT * FROM {clock}") == before


def test_a_step_that_fails_leaves_the_schema_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_url(tmp_path)
    load_postgres(POSTGRES[0], url)
    before = stored_version(url)
    bad: Any = ("ALTER TABLE head ADD COLUMN note text", "DELETE FROM entry", "no statement at all")
    monkeypatch.setattr(postgres_schema, "VERSIONS", (*postgres_schema.VERSIONS, bad))
    assert answer_of(lambda: open_store(url)) == "E_STORE_UNAVAILABLE"
    assert stored_version(url) == before
    monkeypatch.undo()
    store = open_store(url)
    assert picture(store) == told()
    store.close()


def test_later_steps_of_a_schema_run_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = postgres_url(tmp_path)
    load_postgres(POSTGRES[0], url)
    steps = (
        ("CREATE TABLE step (number integer)", "INSERT INTO step VALUES (1)"),
        ("INSERT INTO step VALUES (2)",),
    )
    monkeypatch.setattr(postgres_schema, "VERSIONS", (*postgres_schema.VERSIONS, *steps))
    for _ in range(2):
        open_store(url).close()
    assert the_postgres().ask(f"SELECT number FROM {url.partition('schema=')[2]}.step") == [(1,), (2,)]
    assert stored_version(url) == len(postgres_schema.VERSIONS)
