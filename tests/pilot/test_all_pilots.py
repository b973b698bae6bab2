"""Every built-in pilot at its quick size keeps the promises that all pilots make.

- every expectation is met, every attempt that must be refused is, and the audit of the run finds nothing
- the same seed gives the same report byte for byte, also when the run was stopped at a write of chance and
  resumed; with TENGE_FULL=1 at forty of them
- at least three attempts are refused by three different rules that the script names
- **each such rule is what refuses**: without that one rule the very step that named it is accepted
- the figures are the kept ones (`tests/pilot/golden.py`)

A run without a rule is stopped behind the last step that named it; what else changes in it does not matter.
"""

import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from cbdc.ports import Checkpoint, no_checkpoint
from tests.pilot import golden
from tests.sizes import FULL, some
from wallets import auditing
from wallets.pilot import runner
from wallets.pilot.folder import RunFolder
from wallets.pilot.script import Script, built_in, load, quick_settings

LEAST_RULES = 3
STOPS = 40 if FULL else 1
WRITES: dict[str, int] = {}  # How often each pilot that was played came to a write point.
# Pilots of which fewer named rules are asked, each with the reason.
FEW_RULES: dict[str, str] = {
    "scale": "a script that measures; it shows no rules",
}
# Rules whose absence need not let the step through, each with the reason.
NOT_ALONE: dict[str, str] = {}

pytestmark = pytest.mark.slow


class Stop(Exception):
    """Ends a run, as a kill would: from its progress between two steps, from a checkpoint at a write."""


@cache
def quick(name: str) -> Script:
    return load(name, quick_settings(name))


def rules(script: Script) -> list[str]:
    """The rules by which steps are refused, in the order in which they first refuse."""
    return list(dict.fromkeys(step.rule for step in script.steps if step.rule))


CASES = [(name, rule) for name in built_in() for rule in rules(quick(name)) if rule not in NOT_ALONE]


def events_of(folder: Path) -> list[dict[str, Any]]:
    opened = RunFolder.open(folder, no_checkpoint)
    try:
        return opened.finished()
    finally:
        opened.close()


def stop_behind(steps: int) -> runner.Progress:
    """Progress that ends the run when so many steps (the setting up included) are done."""

    def show(done: int, of: int, text: str) -> None:
        if done >= steps:
            raise Stop

    return show


def stop_at_write(place: int) -> Checkpoint:
    """A checkpoint that ends the run at the write point with this number, as a kill there would."""
    passed = [0]

    def checkpoint(name: str) -> None:
        passed[0] += 1
        if passed[0] == place:
            raise Stop

    return checkpoint


@pytest.fixture(scope="module")
def runs() -> dict[str, runner.Finished]:
    return {}


@pytest.fixture(params=built_in())
def finished(
    request: pytest.FixtureRequest,
    runs: dict[str, runner.Finished],
    tmp_path_factory: pytest.TempPathFactory,
) -> runner.Finished:
    name = str(request.param)
    if name not in runs:
        reached: list[str] = []
        runs[name] = golden.played_quick(name, tmp_path_factory.mktemp(name) / "run", reached.append)
        WRITES[name] = len(reached)
    return runs[name]


def test_every_expectation_is_met(finished: runner.Finished) -> None:
    assert [row for row in finished.report["expectations"] if not row["ok"]] == []
    assert finished.report["expectations"], "a pilot says what must be true at its end"


def test_the_audit_finds_nothing(finished: runner.Finished) -> None:
    found = auditing.audit_target(str(finished.folder))
    assert found["ok"], "\n".join(auditing.words(found))


def test_the_report_is_the_kept_one(finished: runner.Finished) -> None:
    name = finished.report["pilot"]
    lines = golden.difference(golden.compact(finished.report), name)
    assert lines == [], f"if this was meant: python -m tests.pilot.golden --write {name}"


def test_stopped_and_resumed_it_is_the_same_byte_for_byte(finished: runner.Finished, tmp_path: Path) -> None:
    name = finished.report["pilot"]
    dice = random.Random(f"stop {name}")
    for number in range(STOPS):
        run, place = tmp_path / str(number), dice.randrange(WRITES[name]) + 1
        with pytest.raises(Stop):
            golden.played_quick(name, run, stop_at_write(place))
        runner.resume(run)
        assert auditing.audit_target(str(run))["ok"], place
        for file in ("report.json", "report.html"):
            assert (run / file).read_bytes() == (finished.folder / file).read_bytes(), place


@pytest.mark.parametrize("name", built_in())
def test_three_rules_refuse(name: str) -> None:
    found = rules(quick(name))
    if name in FEW_RULES:
        assert len(found) < LEAST_RULES, f"{name} needs no exception any more"
        pytest.skip(FEW_RULES[name])
    assert len(found) >= LEAST_RULES, f"the rules that refuse are {found}"


def accepted(event: Mapping[str, Any]) -> bool:
    """Whether every try of a step was accepted, and there was one."""
    return event["accepted"] == event["tries"] > 0 and not event["refusals"]


# Of each pilot every third rule, each pilot from another one on.
SOME_CASES = [
    case
    for place, name in enumerate(built_in())
    for case in some([case for case in CASES if case[0] == name], 3, place)
]


@pytest.mark.parametrize(("name", "rule"), SOME_CASES, ids=[f"{name}-{rule}" for name, rule in SOME_CASES])
def test_without_its_rule_the_step_is_accepted(name: str, rule: str, tmp_path: Path) -> None:
    named = [step.number for step in quick(name).steps if step.rule == rule]
    progress = stop_behind(named[-1] + 2)
    with pytest.raises(Stop):
        runner.run(name, tmp_path / "run", golden.SEED, quick_settings(name), progress=progress, off=[rule])
    events = {event["step"]: event for event in events_of(tmp_path / "run")}
    told = [(number, events[number]["text"], events[number]["refusals"]) for number in named]
    assert all(accepted(events[number]) for number in named), f"without {rule}: {told}"


def test_exceptions_are_still_needed() -> None:
    known = set(built_in())
    assert set(FEW_RULES) - known <= {"scale"}
    named = {rule for name in known for rule in rules(quick(name))}
    assert set(NOT_ALONE) <= named
