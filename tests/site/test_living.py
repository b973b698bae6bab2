"""A simulated day of a street: one seed is one day, killed anywhere it is gone on with, and cut off it goes on."""

import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.errors import Refused
from cbdc.ports import ManualClock
from tests.site.visitor import START, opened
from wallets.auditing import audit_target
from wallets.site import living
from wallets.site.living import Day
from wallets.site.opening import STREET
from wallets.site.world import World

# Write points of a short day at which it is killed: a few, or every so many (TENGE_DAY_KILLS=7 is some forty of them).
EVERY = int(os.environ.get("TENGE_DAY_KILLS", "0"))
PLACES = range(1, 300, EVERY) if EVERY else (29, 140, 290)


class Killed(BaseException):
    """The power went out."""


class Bomb:
    """A checkpoint that kills at the n-th write point after it was armed."""

    def __init__(self) -> None:
        self.left = -1

    def __call__(self, point: str) -> None:
        if self.left > 0:
            self.left -= 1
            if self.left == 0:
                raise Killed(point)


def walk(world: World, day: Day, steps: int = 1_000) -> Day:
    """Take so many steps of a day, or all there are."""
    while not day.is_over and steps:
        with world.doing():
            day = living.take_step(world, day)
        steps -= 1
    return day


def journal(world: World) -> list[bytes]:
    """What makes two worlds the same: every entry's bytes, and every object that devices handed in."""
    return [row.data for row in world.system.stores.ledger.entries(0)] + list(
        world.sandbox.field.object_ids()
    )


def lived(
    seed: int, folder: Path | None = None, payments: int = 12, outage: str = "Aktobe"
) -> tuple[Day, list[bytes]]:
    with opened(folder=folder) as whole:
        day = walk(whole.world, living.begin(whole.world, "one", seed, payments, True, outage))
        assert whole.world.system.supervise() == []
        return day, journal(whole.world)


def test_a_day_has_something_for_every_desk() -> None:
    with opened() as whole:
        world = whole.world
        day = walk(world, living.begin(world, "one", 7, 40, True, "Aktobe"))
        assert day.online > 5
        assert day.offline > 5
        assert day.refused == 0
        assert world.system.supervise() == []
        lines = living.log(world, day)
        assert len(lines) == day.of
        paid = [line["amount_tiyn"] for line in lines if line["way"]]
        assert (len(paid), sum(paid)) == (day.online + day.offline, day.paid_tiyn)
        (guilty,) = world.sandbox.field.centre.reconciler.guilty()
        assert world.street[day.cheat].device.kid == guilty  # type: ignore[union-attr]
        assert world.memory.outages == []
        (waiting,) = world.system.register.open()
        assert waiting.party == 1
        kinds = {
            type(world.system.ledger.transaction(n).record).__name__
            for n in range(1, world.system.ledger.size)
        }
        wished = {"Issue", "Transfer", "LoadOffline", "SettleOffline", "Freeze", "Unfreeze"}
        assert wished <= kinds
        (mark,) = world.sandbox.marks.values()
        assert world.system.ledger.marked_tiyn(mark) > 0


def test_the_same_seed_is_the_same_day_and_another_seed_is_another() -> None:
    assert lived(7) == lived(7)
    assert lived(7)[1] != lived(8)[1]


@given(st.integers(0, 2**32 - 1), st.integers(5, 60), st.sampled_from(["", "Almaty"]), st.integers(-1, 7))
@settings(max_examples=60, deadline=None)
def test_every_plan_is_in_order_and_nobody_pays_itself(
    seed: int, payments: int, outage: str, cheat: int
) -> None:
    steps = living.plan(seed, payments, outage, cheat)
    assert steps == living.plan(seed, payments, outage, cheat)
    minutes = [step.minute for step in steps]
    assert minutes == sorted(minutes)
    assert 0 <= minutes[0] <= minutes[-1] < 24 * 60
    paying = [step for step in steps if step.kind == "pay"]
    assert len(paying) == payments
    for step in paying:
        assert step.payer != step.payee
        assert 0 <= step.payer < living.PEOPLE
        assert 0 <= step.payee < len(STREET)
        assert step.amount_tiyn > 0
    assert sum(step.kind == "fraud copy" for step in steps) == (cheat >= 0)
    assert sum(step.kind in ("cut", "connect") for step in steps) == (2 if outage else 0)


def test_whoever_is_cut_off_pays_from_device_to_device_and_does_not_sync() -> None:
    with opened() as whole:
        world = whole.world
        day = living.begin(world, "one", 7, 30, False, "")
        day = walk(world, day, 5)
        for region in ("Almaty", "Aktobe"):
            world.set_outage(region, True)
        while living.plan_of(day)[day.done].kind != "sync":
            day = walk(world, day, 1)
        assert day.online == 0
        assert day.offline >= 25
        before = len(list(world.sandbox.field.transfers()))
        day = walk(world, day)
        assert len(list(world.sandbox.field.transfers())) == before
        for region in ("Almaty", "Aktobe"):
            world.set_outage(region, False)
        second = walk(world, living.begin(world, "two", 8, 10, False, ""))
        assert second.number == 2
        assert len(list(world.sandbox.field.transfers())) > before
        assert world.system.supervise() == []


def test_one_day_at_a_time_once_for_a_request_and_only_honest_devices_can_cheat() -> None:
    with opened() as whole:
        world = whole.world
        day = living.begin(world, "one", 7, 5, False, "")
        assert living.begin(world, "one", 7, 5, False, "") == day
        with pytest.raises(Refused) as refused:
            living.begin(world, "two", 7, 5, False, "")
        assert refused.value.code == "E_DAY_BUSY"
        living.leave(world, walk(world, day, 2))
        for member in world.street[: living.PEOPLE]:
            world.sandbox.clone(member)
        with pytest.raises(Refused) as refused:
            living.begin(world, "three", 7, 5, True, "")
        assert refused.value.code == "E_DAY_HONEST"
        assert [one.number for one in living.days(world)] == [1]
        assert living.begin(world, "three", 7, 5, False, "").number == 2


def test_what_is_refused_is_written_down_and_holds_up_nobody() -> None:
    with opened() as whole:
        world = whole.world
        day = walk(world, living.begin(world, "one", 7, 10, False, ""), 5)
        enforcement = world.system.enforcement
        for place, member in enumerate(world.street[: living.PEOPLE]):
            enforcement.freeze(bytes([place]) * 32, world.sandbox.pseudonym(member), "court 1")
        day = walk(world, day)
        assert day.is_over
        codes = {line["code"] for line in living.log(world, day) if line["code"]}
        assert "E_FROZEN" in codes
        assert day.refused > 3
        assert world.system.supervise() == []


@cache
def uninterrupted() -> tuple[Day, list[bytes]]:
    """The day that nobody kills."""
    return lived(7, payments=5, outage="")


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_killed_anywhere_the_day_is_gone_on_with_and_ends_the_same(tmp_path: Path, place: int) -> None:
    whole_day = uninterrupted()
    clock, bomb = ManualClock(START), Bomb()
    world = World(clock, 7, tmp_path, "", bomb)
    bomb.left = place
    killed = False
    try:
        walk(world, living.begin(world, "one", 7, 5, True, ""))
    except Killed:
        killed = True
    bomb.left = -1
    world.close()
    assert killed
    world = World(clock, 7, tmp_path)
    try:
        day = living.begin(world, "one", 7, 5, True, "")
        day = walk(world, day)
        assert (day, journal(world)) == whole_day
        assert world.system.supervise() == []
    finally:
        world.close()
    assert audit_target(str(tmp_path / "act-0001"))["problems"] == []
