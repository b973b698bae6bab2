"""How much room a ledger takes: real stores of the engines that keep something."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest

from cbdc.errors import Unavailable
from cbdc.ledger.engines import open_store
from cbdc.ports import ManualClock
from tests.contracts.stores import postgres_url
from tests.servers.postgres import the_postgres
from wallets.benches import scene
from wallets.benches.host import START
from wallets.benches.stored import store_bytes


def _founded(url: str, tokens: int) -> int:
    store = open_store(url)
    try:
        scene.found(store, scene.Scene(4), tokens, ManualClock(START), lambda text: None)
        return store_bytes(url)
    finally:
        store.close()


def test_more_tokens_take_more_room(tmp_path: Path) -> None:
    for engine in ("sqlite", "journal"):
        small = _founded(f"{engine}:///{tmp_path}/{engine}-small", 100)
        large = _founded(f"{engine}:///{tmp_path}/{engine}-large", 4_000)
        # Each token keeps an amount and a lock of 32 bytes at least.
        assert large - small > 3_900 * 32, engine


def test_a_servers_tables_are_found_however_it_is_named(tmp_path: Path) -> None:
    url = postgres_url(tmp_path)
    size = _founded(url, 100)
    assert size > 100 * 32
    # The host among the options, where the tests' server keeps its socket, and the shorter scheme.
    parts = urlsplit(url)
    user = parts.netloc.partition("@")[0]
    options = f"host={the_postgres().folder}&port={parts.port}&{parts.query}"
    assert store_bytes(f"postgres://{user}@{parts.path}?{options}") == size


def test_a_file_that_was_made_large_counts_what_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()
    with (folder / "table").open("wb") as file:
        file.truncate(100_000_000)
        file.write(b"x" * 10)
    assert store_bytes(f"journal:///{folder}") < 1_000_000


def test_what_keeps_nothing_takes_nothing() -> None:
    assert store_bytes("memory:") == 0


def test_a_server_that_is_away_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="E_STORE_UNAVAILABLE"):
        store_bytes(f"postgresql:///ledger?host={tmp_path}&port=1")


def test_a_server_that_gives_no_reason_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    def away(*_: object, **__: object) -> None:
        raise psycopg.OperationalError

    monkeypatch.setattr(psycopg, "connect", away)
    with pytest.raises(Unavailable, match="OperationalError"):
        store_bytes("postgresql:///ledger")
