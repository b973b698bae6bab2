"""A whole ledger on the journal engine: reopened, audited, archived, asked for proofs of what went to the archive."""

from pathlib import Path

import pytest

from cbdc.ledger.audit import audit
from cbdc.ledger.disk import RealDisk
from cbdc.ledger.entry import check_inclusion
from cbdc.ledger.journal import JournalSettings, JournalStore
from cbdc.ledger.journal_archive import archive_segments
from cbdc.ledger.ledger import Ledger
from tests.cbdc.world import World, answer_of

SETTINGS = JournalSettings(segment_bytes=8_000, layer_rows=25, own_process=False)


@pytest.fixture
def played(tmp_path: Path) -> tuple[World, Path]:
    """A world whose ledger was kept by a journal with many small segments, and is closed."""
    folder = tmp_path / "j"
    world = World(JournalStore(folder, settings=SETTINGS))
    for name in ("ayan", "shop"):
        world.register(name)
    world.fund(("ayan", 5_000))
    for amount in range(1, 25):
        world.pay("ayan", ("shop", amount))
        world.pay("shop", ("ayan", 1))
    world.store.close()
    return world, folder


def test_it_opens_again_and_adds_up(played: tuple[World, Path]) -> None:
    world, folder = played
    ledger = Ledger(JournalStore(folder), world.key("ledger"), world.clock)
    assert (ledger.head(), ledger.size) == (world.ledger.head(), world.ledger.size)
    assert sum(token.amount_tiyn for _, token in ledger.owned(world.kid("shop"))) == sum(range(1, 25)) - 24
    assert answer_of(JournalStore, folder) == "E_JOURNAL_LOCKED"
    ledger._store.close()
    found = audit(JournalStore(folder, read_only=True))
    assert found.problems == []
    assert found.entries == ledger.size


def test_proofs_and_a_double_spend_after_an_archive(played: tuple[World, Path], tmp_path: Path) -> None:
    world, folder = played
    archive = tmp_path / "archive"
    archive.mkdir()
    assert archive_segments(RealDisk(folder), RealDisk(archive))
    ledger = Ledger(JournalStore(folder, archive=archive), world.key("ledger"), world.clock)
    old = ledger.transaction(ledger.size // 4)
    receipt = ledger.submit(old.encode())
    ledger._store.close()
    assert audit(JournalStore(folder, read_only=True, archive=archive)).problems == []
    alone = Ledger(JournalStore(folder), world.key("ledger"), world.clock)
    proof = alone.inclusion(receipt)
    check_inclusion(proof.leaf, proof.index, receipt.head.record.size, proof.proof, receipt.head.record.root)
    size = alone.size
    assert answer_of(alone.submit, old.encode()) == "E_JOURNAL_ARCHIVED"
    assert alone.size == size, "an archived payment is not booked again"
    assert alone.consistency(2)
    alone._store.close()


def test_a_changed_leaf_file_does_not_match_the_signed_head(played: tuple[World, Path]) -> None:
    world, folder = played
    path = folder / "leaves"
    data = bytearray(path.read_bytes())
    data[40] ^= 1
    path.write_bytes(data)
    store = JournalStore(folder)
    assert answer_of(Ledger, store, world.key("ledger"), world.clock) == "E_LEDGER_DAMAGED"
    store.close()
