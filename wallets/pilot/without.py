"""Is it the rule? What became of the steps that a rule refuses, in a run that leaves the rule out.

A refused step names its rule. Without that rule, and with all the others, the very same step must be accepted: else
something else refuses it, and the attempt shows nothing of the rule.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cbdc.ports import no_checkpoint
from wallets.pilot.folder import RunFolder, read_run
from wallets.pilot.script import Script, parse


@dataclass(frozen=True, slots=True)
class Attempt:
    """A step that `rule` refuses, and how it ended without the rule: `refusals` by code, empty when it was accepted.

    `played` is whether the run came to it at all.
    """

    rule: str
    day: int
    verb: str
    text: str
    played: bool
    accepted: bool
    refusals: Mapping[str, int]

    @property
    def ended(self) -> str:
        """How it ended, in words."""
        if self.accepted:
            return "accepted, as expected"
        told = ", ".join(f"{count} × {code}" for code, count in self.refusals.items())
        return f"still refused: {told}" if told else "nobody tried" if self.played else "not reached"


def named_rules(script: Script) -> dict[str, int]:
    """Each rule that a refused step names, in the order of the steps, with the number of the last such step."""
    found: dict[str, int] = {}
    for step in script.steps:
        if step.rule:
            found[step.rule] = step.number
    return found


def attempts(folder: Path) -> list[Attempt]:
    """What became of the steps of the rules that the run in `folder` leaves out; E_RUN_UNKNOWN or E_RUN_DAMAGED."""
    asked, data = read_run(folder)
    script = parse(asked["file"], data, asked["settings"], seed=asked["seed"])
    opened = RunFolder.open(folder, no_checkpoint)
    try:
        events = {event["step"]: event for event in opened.finished()}
    finally:
        opened.close()
    return [
        _attempt(step.rule, step.day, step.verb, step.text, events.get(step.number))
        for rule in asked["off"]
        for step in script.steps
        if step.rule == rule
    ]


def _attempt(rule: str, day: int, verb: str, text: str, event: Mapping[str, Any] | None) -> Attempt:
    if event is None:
        return Attempt(rule, day, verb, text, False, False, {})
    accepted = event["accepted"] == event["tries"] > 0
    return Attempt(rule, day, verb, text, True, accepted, event["refusals"])


def lines(found: list[Attempt]) -> Iterator[str]:
    """One line for each attempt of a run without its rules."""
    for row in found:
        yield f"without {row.rule}: day {row.day}, {row.verb}: {row.ended}"


def table(found: list[Attempt]) -> Iterator[str]:
    """All attempts as a table, and how many were accepted."""
    width = max((len(row.rule) for row in found), default=0)
    yield f"{'without rule':{width}}  accepted  day  attempt"
    for row in found:
        why = "" if row.accepted else f" ({row.ended})"
        yield f"{row.rule:{width}}  {'yes' if row.accepted else 'NO':8}  {row.day:>3}  {row.verb}: {row.text}{why}"
    good = sum(1 for row in found if row.accepted)
    yield f"{good} of {len(found)} accepted without their rule"
