"""Bits that turn while nobody looks: what changes money is seen, by the engine, by the audit, or by a kept head.

Harmless is a bit in a place that nobody reads again, or in a copy of what stands elsewhere. What was cut off behind a
bit in an engine's own log looks like a commit that was never finished; the store alone cannot tell, and the head that a
client or an auditor kept does (E_AUDIT_TAIL). `TENGE_FAULT_BITS=2000` turns as many an engine (60 without it).
"""

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from cbdc.errors import TengeError
from cbdc.ledger.audit import audit
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.sqlite_schema import HINT_BYTES
from cbdc.ports import ManualClock
from tests.cbdc.world import DAY, START
from tests.faults.auditor import Auditor, Wrong
from tests.faults.machines import MACHINES, Machine
from tests.faults.network import Clients, Network
from tests.faults.simulation import Figures
from tests.faults.test_simulation import HERE
from tests.faults.town import pay, town

BITS = int(os.environ.get("TENGE_FAULT_BITS", "60"))


def lived(machine: Machine, chance: random.Random) -> tuple[Auditor, Ledger]:
    """A ledger with some payments on it."""
    store = machine.open()
    town().settle_in(store)
    ledger = Ledger(store, town().signer, ManualClock(START + 20 * DAY))
    auditor, network = Auditor(town()), Network(chance)
    clients = Clients(auditor, network, chance)
    for _ in range(25):
        clients.pay_something(2)
        while network.requests:
            group = network.requests.pop()
            answers = ledger.submit_many([plan.data for plan in group])
            clients.hear(list(zip(group, answers, strict=True)))
    return auditor, ledger


def verdict(machine: Machine, auditor: Auditor, kept: object) -> str:
    """What becomes of a store with one bit turned."""
    try:
        store = machine.open()
        ledger = Ledger(store, town().signer, ManualClock(START + 20 * DAY))
    except TengeError as error:
        return f"refused when opened: {error.code}"
    try:
        auditor.check(store)
        auditor.check_answers(ledger)
        auditor.check_supply(ledger)
        return "harmless"
    except TengeError as error:
        return f"refused when read: {error.code}"
    except (Wrong, ValueError):
        # ValueError: the auditor's own msgpack could not read what the store gave it.
        pass
    try:
        alone = audit(store).problems
        with_head = audit(store, kept).problems  # type: ignore[arg-type]
    except TengeError as error:
        return f"refused when read: {error.code}"
    if alone:
        return f"seen by the audit: {alone[0].code}"
    return f"seen with a kept head: {with_head[0].code}" if with_head else "SILENT"


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stopped", "killed"])
@pytest.mark.parametrize("engine", HERE)
def test_no_bit_turns_unseen(engine: str, end: str) -> None:
    chance = random.Random(f"{engine}/{end}")
    verdicts: Counter[str] = Counter()
    figures = Figures()
    machine = MACHINES[engine](chance)
    try:
        auditor, ledger = lived(machine, chance)
        kept = ledger.head()
        machine.stop() if end == "stopped" else machine.kill()
        files = {name: bytes(file.cache) for name, file in machine.disk.names.items()}
        sizes = {name: len(content) for name, content in files.items() if content}
        for _ in range(BITS):
            machine.set_files(files)
            name = chance.choices(list(sizes), list(sizes.values()))[0]
            bit = chance.randrange(sizes[name] * 8)
            machine.turn_bit(name, bit)
            figures.lives += 1
            said = verdict(machine, auditor, kept)
            assert said != "SILENT", f"{engine}, {end}: bit {bit} of {name}"
            verdicts[said.partition(":")[0]] += 1
            machine.kill()
    finally:
        machine.gone()
    assert sum(verdicts.values()) > verdicts["harmless"], verdicts
    if end == "stopped":
        # After an orderly end nothing can be taken for a commit that was never finished.
        assert verdicts["seen with a kept head"] == 0, verdicts


def test_an_index_that_lost_an_entry_is_seen(tmp_path: Path) -> None:
    chance = random.Random(1)
    store = SqliteStore(tmp_path / "ledger.sqlite")
    town().settle_in(store)
    ledger = Ledger(store, town().signer, ManualClock(START + 20 * DAY))
    plan = pay(town(), 1, dict([next(iter(town().coins.items()))]), "person3", chance.randrange(1, 1_000))
    ledger.submit(plan.data)
    store.close()
    content = bytearray((tmp_path / "ledger.sqlite").read_bytes())
    # The id stands in the entry's row, its beginning in the index. Who damages the index leaves every row as it was.
    places = [place for place in range(len(content)) if content.startswith(plan.id[:HINT_BYTES], place)]
    unseen = 0
    for place in places:
        content[place + HINT_BYTES - 1] ^= 1
        (tmp_path / "ledger.sqlite").write_bytes(content)
        content[place + HINT_BYTES - 1] ^= 1
        damaged = SqliteStore(tmp_path / "ledger.sqlite", read_only=True)
        if not damaged.find([plan.id]) and [row.transaction_id for row in damaged.entries()][-1] == plan.id:
            unseen += 1
            assert [problem.code for problem in audit(damaged).problems] == ["E_STORE_UNAVAILABLE"]
        damaged.close()
    assert unseen == 1, "the id stands once in the index"
