"""How much room a ledger takes: real stores of the engines that keep something."""

from pathlib import Path

from cbdc.ledger.engines import open_store
from cbdc.ports import ManualClock
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


def test_a_file_that_was_made_large_counts_what_was_written(tmp_path: Path) -> None:
    folder = tmp_path / "ledger"
    folder.mkdir()
    with (folder / "table").open("wb") as file:
        file.truncate(100_000_000)
        file.write(b"x" * 10)
    assert store_bytes(f"journal:///{folder}") < 1_000_000


def test_what_keeps_nothing_takes_nothing() -> None:
    assert store_bytes("memory:") == 0
