"""A small ledger as each version of each store wrote it, kept as SQL. `--write` keeps the present version too.

    python -m tests.contracts.keep_samples --write      after a new version of the tables; old files never change

A file is named ENGINE-VERSION.sql. Version 1 of SQLite is what the program wrote before its files said their version.
"""

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cbdc.ledger import postgres_schema, sqlite, sqlite_schema
from cbdc.ledger.store import Store
from tests.cbdc.world import World

FOLDER = Path(__file__).parent / "samples"


def sample_files(engine: str) -> list[Path]:
    """The kept files of an engine, oldest version first."""
    return sorted(FOLDER.glob(f"{engine}-*.sql"), key=version_of)


def version_of(file: Path) -> int:
    """The version that a file was written by."""
    return int(file.stem.rpartition("-")[2])


def play(store: Store) -> None:
    """A short story for a ledger: issue, payments, a spent token."""
    world = World(store)
    for name in ("ayan", "dana"):
        world.register(name)
    world.issue("inventory1", 1_000_000)
    world.pay("inventory1", ("ayan", 50_000))
    world.pay("ayan", ("dana", 20_000))


def load_sqlite(file: Path, path: Path) -> None:
    """A database file from a kept one."""
    database = sqlite3.connect(path)
    database.executescript(file.read_text(encoding="ascii"))
    database.close()


def _dump_sqlite() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        store = sqlite.SqliteStore(path)
        play(store)
        store.close()
        database = sqlite3.connect(path)
        marks = [
            f"PRAGMA {name} = {database.execute(f'PRAGMA {name}').fetchone()[0]};"
            for name in ("application_id", "user_version")
        ]
        lines = [*database.iterdump(), *marks]
        database.close()
    return "\n".join(lines) + "\n"


def _dump_postgres() -> str:
    """Statements for an empty schema that is the search path."""
    with tempfile.TemporaryDirectory() as folder:
        store = sqlite.SqliteStore(Path(folder) / "ledger.sqlite")
        play(store)
        lines = [*_postgres_rows(store)]
        store.close()
    return "\n".join(lines) + "\n"


def _postgres_rows(store: Store) -> Iterator[str]:
    def text(value: bytes | None) -> str:
        return "NULL" if value is None else f"'\\x{value.hex()}'"

    for statements in postgres_schema.VERSIONS:
        yield from (f"{statement};" for statement in statements)
    yield f"UPDATE clock SET version = {len(postgres_schema.VERSIONS)}, size = {store.size()}, epoch = 1;"
    for row in store.entries():
        yield (
            f"INSERT INTO entry VALUES ({row.index}, {text(row.transaction_id)}, {text(row.data)}, {text(row.leaf)});"
        )
    for size, envelope in store.heads():
        yield f"INSERT INTO head VALUES ({size}, {text(envelope)});"
    owners = dict(store.owner_rows())
    for key, value in store.state():
        yield f"INSERT INTO state VALUES ({text(key)}, {text(value)}, {text(owners.get(key))});"


def main() -> None:
    """Write the present version of each engine, unless it is kept already."""
    FOLDER.mkdir(exist_ok=True)
    present = {
        f"sqlite-{len(sqlite_schema.VERSIONS)}": _dump_sqlite,
        f"postgresql-{len(postgres_schema.VERSIONS)}": _dump_postgres,
    }
    for name, dump in present.items():
        file = FOLDER / f"{name}.sql"
        if not file.exists():
            file.write_text(dump(), encoding="ascii")


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    main()
