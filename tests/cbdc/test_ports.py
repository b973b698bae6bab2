"""Time, chance and sudden death, real and pretended."""

import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc import ports
from cbdc.ports import ManualClock, SeededEntropy, SystemClock, SystemEntropy, no_checkpoint, stopwatch


def test_a_manual_clock_moves_when_it_is_moved() -> None:
    clock = ManualClock(100)
    assert [clock.now(), clock.now()] == [100, 100]
    clock.advance(5)
    clock.move_to(105)
    assert clock.now() == 105
    for back in (lambda: clock.move_to(104), lambda: clock.advance(-1)):
        with pytest.raises(AssertionError, match="never falls"):
            back()


def test_the_machines_clock_never_falls(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([1_000.9, 400.0, 1_001.0])
    monkeypatch.setattr(ports.time, "time", lambda: next(moments))
    clock = SystemClock()
    assert [clock.now(), clock.now(), clock.now()] == [1_000, 1_000, 1_001]


@given(st.integers(), st.text(max_size=20), st.binary(max_size=20), st.integers(0, 300))
def test_seeded_chance_answers_the_same_question_the_same_way(
    seed: int, label: str, id: bytes, size: int
) -> None:
    answer = SeededEntropy(seed).bytes(label, id, size)
    assert len(answer) == size
    assert SeededEntropy(seed).bytes(label, id, size) == answer
    assert SeededEntropy(seed).bytes(label, id, size + 70)[:size] == answer


def test_questions_differ_by_seed_label_and_id() -> None:
    one = SeededEntropy(1)
    answers = {
        one.bytes("note", b"1"),
        one.bytes("note", b"2"),
        one.bytes("key", b"1"),
        SeededEntropy(2).bytes("note", b"1"),
        one.bytes("", b"note1"),
        one.bytes("note1", b""),
    }
    assert len(answers) == 6, "where the label ends is part of the question"


def test_seeded_chance_is_the_same_everywhere() -> None:
    assert SeededEntropy(7).bytes("label", b"id", 8).hex() == "1442d7c65e2b572c"


def test_the_machines_chance_is_fresh() -> None:
    chance = SystemEntropy()
    assert len({chance.bytes("same", b"question") for _ in range(50)}) == 50
    assert len(chance.bytes("label", b"", 7)) == 7


def test_the_stopwatch_runs_forward() -> None:
    assert stopwatch() <= stopwatch()


def test_every_write_point_has_one_name() -> None:
    assert len(set(ports.WRITE_POINTS)) == len(ports.WRITE_POINTS)
    for name in ports.WRITE_POINTS:
        no_checkpoint(name)


def test_no_crash_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ports.CRASH_VARIABLE, raising=False)
    assert ports.checkpoint_from_environment() is no_checkpoint
    monkeypatch.setenv(ports.CRASH_VARIABLE, "no.such.point")
    with pytest.raises(AssertionError, match="not a write point"):
        ports.checkpoint_from_environment()


@pytest.mark.parametrize(("asked", "lives"), [("ledger.commit.after", 1), ("ledger.commit.after:3", 3)])
def test_a_crash_is_a_crash(asked: str, lives: int) -> None:
    program = (
        "from cbdc.ports import checkpoint_from_environment\n"
        "point = checkpoint_from_environment()\n"
        "for _ in range(5):\n"
        "    point('ledger.commit.before')\n"
        "    print('alive', flush=True)\n"
        "    point('ledger.commit.after')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, ports.CRASH_VARIABLE: asked},
        capture_output=True,
        check=False,
        cwd=os.path.dirname(os.path.dirname(os.path.dirname(__file__))),
    )
    assert done.returncode != 0
    assert done.stdout.split() == [b"alive"] * lives
