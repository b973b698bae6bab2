"""A ledger on a virtual disk and a virtual network survives what they do; and a disk that lies is found out.

`TENGE_FAULT_LIVES=200` plays so many lives of eight crashes an engine (5 without it); `make faults` counts crashes.
"""

import os

import pytest

from tests.faults.auditor import Wrong
from tests.faults.machines import MACHINES
from tests.faults.simulation import Figures, Life, play

LIVES = int(os.environ.get("TENGE_FAULT_LIVES", "5"))
# Lives that show a defect that was found once, by engine (tests/faults/test_dead_process.py tells it). Played first.
FOUND = {
    "sqlite": (1_023, 1_042),
    "journal": (1_022, 1_038, 1_049),
}
HERE = [
    pytest.param(name, marks=pytest.mark.skipif(bool(machine.missing), reason=machine.missing))
    for name, machine in MACHINES.items()
]


@pytest.mark.slow
@pytest.mark.parametrize("engine", HERE)
def test_lives_on_bad_hardware(engine: str) -> None:
    figures = Figures()
    for seed in (*FOUND.get(engine, ()), *range(1, 1 + LIVES)):
        play(engine, seed, 8, figures)
    happened = figures.happened
    # A run in which nothing happened would show nothing.
    for what in ("kills", "power cuts at a chosen step", "unknown outcomes that stood", "payments settled"):
        assert happened[what] > 0, happened
    assert happened["unknown outcomes that did not"] > 0
    assert happened["groups answered with E_STORE_UNAVAILABLE"] > 0


@pytest.mark.parametrize("engine", HERE)
def test_a_disk_that_lies_is_found_out(engine: str) -> None:
    caught = 0
    for seed in range(12):
        try:
            Life(engine, seed, Figures(), liar=True).live()
        except Exception as problem:  # a disk that lies may break anything; the auditor has to see some of it
            caught += isinstance(problem, Wrong)
    assert caught >= 3


@pytest.mark.parametrize("engine", HERE)
def test_the_same_seed_is_the_same_life(engine: str) -> None:
    lives = []
    for _ in range(2):
        figures = Figures()
        life = Life(engine, 4, figures)
        life.live(3)
        lives.append((figures.as_dict(), life.auditor.receipts))
    assert lives[0] == lives[1]


def test_a_failure_says_how_to_play_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Wrong("money was lost")

    monkeypatch.setattr(Life, "live", fail)
    with pytest.raises(
        Wrong, match=r"lost\nengine sqlite, seed 9; again: python -m tests\.faults .*--seed 9"
    ):
        play("sqlite", 9, 8, Figures())
