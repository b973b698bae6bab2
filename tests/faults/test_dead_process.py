"""What a dead process left in the system's cache is not yet on the disk: nobody may build on it before it is.

Two ways to get there, both found by the lives of `tests/faults/simulation.py`: the process dies between writing a
commit and syncing it; or the sync fails, after which Linux takes the pages for clean, so that the next sync of anybody
is done at once and writes nothing. The next process reads the commit, and a client who asks by id gets a receipt. Then
the power goes.
"""

import errno
import random
from collections.abc import Iterator

import pytest

from cbdc.errors import Unavailable
from cbdc.ledger.ledger import Ledger
from cbdc.ports import ManualClock
from tests.cbdc.world import DAY, START
from tests.faults.auditor import Auditor
from tests.faults.disk import Fault, PowerCut
from tests.faults.machines import MACHINES, Machine
from tests.faults.test_simulation import HERE
from tests.faults.town import Plan, pay, town


@pytest.fixture(params=range(6))
def chance(request: pytest.FixtureRequest) -> random.Random:
    """What the disk makes of it."""
    return random.Random(request.param)


@pytest.fixture(params=HERE)
def machine(request: pytest.FixtureRequest, chance: random.Random) -> Iterator[Machine]:
    """A machine with the town on it."""
    made = MACHINES[request.param](chance)
    town().settle_in(made.open())
    yield made
    made.gone()


def start(machine: Machine) -> Ledger:
    """A new process."""
    return Ledger(machine.open(), town().signer, ManualClock(START + 20 * DAY))


def payments(auditor: Auditor, count: int = 3) -> list[Plan]:
    """Payments of coins of their own."""
    coins = sorted(town().coins.items())[:count]
    made = [
        pay(town(), number, {coin: owned}, "person2", 1_000) for number, (coin, owned) in enumerate(coins)
    ]
    for plan in made:
        auditor.hears_sent(plan)
    return made


def asked_again_and_cut(machine: Machine, auditor: Auditor, plans: list[Plan]) -> None:
    """The next process answers for these; then the power goes, and everything must be there."""
    ledger = start(machine)
    for plan in plans:
        auditor.hears_receipt(ledger.submit(plan.data))
    machine.cut()
    ledger = start(machine)
    auditor.check(ledger._store)
    auditor.check_answers(ledger)


# With 2 only what stood before is asked for, so nothing new is committed; with 3 something is built upon it.
@pytest.mark.parametrize("asked", [2, 3])
def test_the_process_dies_between_writing_and_syncing(machine: Machine, asked: int) -> None:
    auditor = Auditor(town())
    plans = payments(auditor)
    ledger = start(machine)
    auditor.hears_receipt(ledger.submit(plans[0].data))

    def die(kind: str, name: str) -> None:
        if kind == "sync":
            raise PowerCut

    machine.disk.on_step = die
    with pytest.raises((PowerCut, Unavailable)):
        ledger.submit(plans[1].data)
    machine.disk.on_step = None
    machine.kill()
    asked_again_and_cut(machine, auditor, plans[:asked])


@pytest.mark.parametrize("asked", [2, 3])
@pytest.mark.parametrize("restarts", [0, 1])
@pytest.mark.parametrize("kinds", [("sync",), ("sync", "truncate")], ids="-".join)
def test_the_process_dies_after_a_sync_that_failed(
    machine: Machine, kinds: tuple[str, ...], restarts: int, asked: int
) -> None:
    auditor = Auditor(town())
    plans = payments(auditor)
    ledger = start(machine)
    auditor.hears_receipt(ledger.submit(plans[0].data))
    machine.disk.faults += [Fault(kind, 1, errno.EIO, forever=True) for kind in kinds]
    with pytest.raises(Unavailable):
        ledger.submit(plans[1].data)
    machine.kill()
    for _ in range(restarts):
        with pytest.raises(Unavailable):
            start(machine)
        machine.kill()
    machine.disk.faults.clear()
    asked_again_and_cut(machine, auditor, plans[:asked])
