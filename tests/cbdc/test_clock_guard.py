"""A clock that jumps ahead dates nothing: not at the start, not while it works; what is put forward by hand does."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import TengeError
from cbdc.ledger.ledger import Ledger
from cbdc.operations.clock_guard import DAY_SECONDS, STEP_DAYS, GuardedClock
from cbdc.ports import ManualClock
from tests.cbdc.institutions import START, key, make_system

STEP = STEP_DAYS * DAY_SECONDS


def refused(clock: GuardedClock) -> dict[str, object]:
    with pytest.raises(TengeError) as caught:
        clock.now()
    assert caught.value.code == "E_CLOCK_STEP"
    assert "{" not in caught.value.sentence()
    return dict(caught.value.facts)


class Loose:
    """A machine's clock that can also be put back."""

    def __init__(self, moment: int) -> None:
        self.moment = moment

    def now(self) -> int:
        return self.moment


def test_a_step_is_refused_until_the_clock_is_right_again() -> None:
    machine = Loose(START)
    clock = GuardedClock(machine, machine, START, STEP)
    assert clock.now() == START
    machine.moment = START + STEP + 1
    for _ in range(3):
        assert refused(clock) == {"last": START, "now": START + STEP + 1, "step_days": STEP_DAYS}
    machine.moment = START + STEP
    assert clock.now() == START + STEP
    machine.moment = START + 2 * STEP
    assert clock.now() == START + 2 * STEP


def test_the_first_reading_is_judged_by_the_last_entry() -> None:
    machine = ManualClock(START)
    assert GuardedClock(machine, machine, START - STEP, STEP).now() == START
    refused(GuardedClock(machine, machine, START - STEP - 1, STEP))
    assert GuardedClock(machine, machine, 0, STEP).now() == START, "nothing is known of a new ledger"
    assert GuardedClock(machine, machine, START + 10 * STEP, STEP).now() == START, "behind is no step"


def test_what_is_put_forward_by_hand_is_no_step() -> None:
    machine, shown = ManualClock(START), ManualClock(START)
    clock = GuardedClock(shown, machine, START, STEP)
    shown.advance(5 * 365 * DAY_SECONDS)
    assert clock.now() == START + 5 * 365 * DAY_SECONDS
    machine.advance(STEP + 1)
    refused(clock)


@given(st.integers(1, 10**6), st.lists(st.integers(0, 3 * 10**6), min_size=1, max_size=20))
def test_no_reading_is_further_than_a_step_from_the_one_before(step: int, readings: list[int]) -> None:
    machine = Loose(START)
    clock = GuardedClock(machine, machine, START, step)
    last = START
    for reading in readings:
        machine.moment = START + reading
        try:
            found = clock.now()
        except TengeError:
            assert machine.moment - last > step
        else:
            assert found - last <= step
            last = max(last, found)


def test_a_ledger_under_a_clock_that_jumped_writes_nothing_and_goes_on_when_it_is_right() -> None:
    system = make_system()
    store, machine = system.stores.ledger, Loose(START + 10)
    guarded = GuardedClock(machine, machine, system.ledger.head().record.time, STEP)
    ledger = Ledger(store, key("ledger"), guarded)
    system.fund_loss_reserve(bytes(32), 100)
    ledger = Ledger(store, key("ledger"), guarded)
    known, size, head = ledger.entry(1).payload, ledger.size, ledger.head()
    machine.moment = START + 10 * 365 * DAY_SECONDS
    with pytest.raises(TengeError, match="E_CLOCK_STEP"):
        ledger.submit(known)
    assert (ledger.size, ledger.head(), store.size()) == (size, head, size)
    assert ledger.supply().issued_tiyn == 100, "reading goes on"
    machine.moment = START + 20
    assert ledger.submit(known).index == 1


def test_a_kept_sandbox_does_not_open_under_a_clock_that_is_years_ahead(tmp_path: Path) -> None:
    from wallets.site.world import World

    folder = tmp_path / "site"
    world = World(ManualClock(START), 7, folder, clock_step_seconds=STEP)
    world.put_forward(100 * DAY_SECONDS)
    world.sandbox.issue(100, world.sandbox.bank_name)
    size, last = world.system.ledger.size, world.system.ledger.head().record.time
    world.close()
    assert last >= START + 100 * DAY_SECONDS
    with pytest.raises(TengeError, match="E_CLOCK_STEP"):
        World(ManualClock(START + 3 * 365 * DAY_SECONDS), 7, folder, clock_step_seconds=STEP)
    again = World(ManualClock(START + STEP), 7, folder, clock_step_seconds=STEP)
    assert last <= again.system.ledger.head().record.time <= START + STEP + 100 * DAY_SECONDS
    again.close()
    far = World(
        ManualClock(START + 3 * 365 * DAY_SECONDS), 7, folder, clock_step_seconds=4 * 365 * DAY_SECONDS
    )
    far.sandbox.issue(100, far.sandbox.bank_name)
    assert far.system.ledger.size > size
    far.close()
