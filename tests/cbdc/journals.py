"""Whole journals as files: right ones of any mix of transactions, and ones that somebody forged.

Every row of the table tests is a journal: the scene's, what the row did before, and the row's own transaction, which a
ledger that keeps no rules logs although it is refused. `drawn(seed)` mixes many rows; whoever writes another auditor
compares a thousand of them: `python -m tests.cbdc.journals --count 1000 --out FOLDER` writes each file with the report.
"""

import argparse
import json
import sys
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from cbdc.errors import TengeError
from cbdc.ledger.audit import Audit, audit
from cbdc.ledger.entry import Entry, LogHead, MerkleLog, leaf_hash
from cbdc.ledger.export import JournalFile, lines_of
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.store import EntryRow
from cbdc.record import sign
from cbdc.transaction import SignedTransaction
from tests.cbdc.scene import Row, Scene, scene
from tests.cbdc.test_rules import ROWS
from tests.cbdc.world import World

# A row builds upon what the scene holds; after others it may find nothing there to build upon.
UNBUILT = (TengeError, AssertionError, KeyError, IndexError, StopIteration)


class Drawn(NamedTuple):
    """A journal: its world, whether the derived rows go with it, and what was forged into it, if anything."""

    world: World
    state: bool
    forged: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines of its file."""
        return list(lines_of(self.world.store, self.state))


def log_anyway(world: World, transaction: SignedTransaction) -> None:
    """Log a transaction that nobody judged, with its leaf and a head of the ledger's own key; no row of state moves."""
    store = world.store
    assert isinstance(store, MemoryStore)
    index, now = store.size(), max(world.clock.now(), world.ledger.head().record.time)
    data = Entry(index, now, transaction.encode()).encode()
    store._entries.append(EntryRow(index, transaction.id, data, leaf_hash(data)))
    log = MerkleLog()
    for row in store.entries():
        log.append(row.leaf)
    store._sizes.append(log.size)
    store._heads.append(sign(LogHead(log.size, log.root(), now), world.network, world.key("ledger")).encode())


def of_row(row: Row) -> Drawn:
    """The journal of one row."""
    world = scene()
    transaction = row.build(world)
    if row.code is None:
        world.submit(transaction)
        return Drawn(world, True)
    log_anyway(world, transaction)
    return Drawn(world, False, row.name)


def drawn(seed: int) -> Drawn:
    """A mix of rows, the same for the same seed; about every second one ends with something forged."""
    random = Random(seed)
    world = scene()
    rows = random.sample(ROWS, len(ROWS))
    taken, most = 0, random.randint(1, 12)
    for row in [row for row in rows if row.code is None]:
        if _try(world, row):
            taken += 1
        if taken == most:
            break
    if random.random() < 0.5:
        return Drawn(world, random.random() < 0.3)
    for row in [row for row in rows if row.code is not None]:
        if forge(world, row):
            return Drawn(world, False, row.name)
    return Drawn(world, False)


def _try(world: Scene, row: Row) -> bool:
    try:
        world.submit(row.build(world))
    except UNBUILT:
        return False
    return True


def forge(world: Scene, row: Row) -> bool:
    """Log a row's transaction if the ledger refuses it for the row's reason; False if it does anything else here."""
    try:
        transaction = row.build(world)
    except UNBUILT:
        return False
    try:
        world.submit(transaction)
    except TengeError as refusal:
        if refusal.code == row.code:
            log_anyway(world, transaction)
            return True
    return False


def report_of(found: Audit, left_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """The report of `docs/protocol/ledger/7-audit.md`."""
    return {
        "ok": found.ok,
        "entries": found.entries,
        "log_root": found.log_root.hex(),
        "issued_tiyn": found.issued_tiyn,
        "redeemed_tiyn": found.redeemed_tiyn,
        "held_tiyn": found.held_tiyn,
        "left_out": list(left_out),
        "problems": [{"subject": problem.subject, "code": problem.code} for problem in found.problems],
    }


def audit_file(path: Path, **given: Any) -> Audit:
    """The audit of a journal's file."""
    journal = JournalFile(path)
    return audit(journal, derived=journal.derived, **given)


def main(arguments: list[str]) -> int:
    """Write many journals with their reports."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args(arguments)
    asked.out.mkdir(parents=True, exist_ok=True)
    for seed in range(asked.seed, asked.seed + asked.count):
        path = asked.out / f"{seed}.jsonl"
        path.write_text("".join(line + "\n" for line in drawn(seed).lines), encoding="utf-8")
        report = report_of(audit_file(path))
        path.with_suffix(".report.json").write_text(json.dumps(report) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
