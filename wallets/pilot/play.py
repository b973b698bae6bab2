"""What every verb of a pilot script works with: the play, the arguments of a step, and how its tries ended.

A verb is a function `(play, step, arguments) -> Outcome`. It evaluates the step's expressions over

    the script's names, `day` (the step's day), `i` (the member's number in its group)

and hands a batch to the sandbox under an id that follows from the step, so that playing a step again is harmless.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from cbdc.errors import Malformed, TengeError, Unavailable
from wallets.cast import Member
from wallets.pilot.expression import evaluate
from wallets.pilot.folder import RunFolder
from wallets.pilot.script import Script, Step
from wallets.sandbox import Sandbox
from wallets.wallet import open_refusal, refusal_result

TREASURY = "treasury"
Row = TypeVar("Row")


@dataclass(slots=True)
class Outcome:
    """How the tries of one step ended: None for each that was accepted, else its refusal."""

    results: list[TengeError | None] = field(default_factory=list)
    amount_tiyn: int = 0
    offline_payments: int = 0
    hops: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Play:
    """What a verb works with. `worlds` holds what each extension of the script opened, by the extension's name."""

    script: Script
    sandbox: Sandbox
    folder: RunFolder
    worlds: Mapping[str, Any] = field(default_factory=dict)


def wrong_step(step: Step, problem: str) -> Malformed:
    """E_VERB that names the step."""
    return Malformed("E_VERB", step=f"{step.verb[:40]} on day {step.day}", problem=problem)


class Arguments:
    """The arguments of one step: every key used, every expression evaluated where it stands."""

    def __init__(self, play: Play, step: Step) -> None:
        self._play = play
        self._step = step
        self._left = dict(step.arguments)
        self._names = {**play.script.names, "day": step.day}
        self._member_names = {**self._names, "i": 0}

    def wrong(self, problem: str) -> Malformed:
        """The refusal that names this step."""
        return wrong_step(self._step, problem)

    def text(self, key: str, default: str | None = None) -> str:
        """A text."""
        value = self._left.pop(key, default)
        if not isinstance(value, str):
            raise self.wrong(f"{key} is missing" if value is None else f"{key} must be a text")
        return value

    def raw(self, key: str, default: Any = None) -> Any:
        """An expression, to be evaluated for each member."""
        value = self._left.pop(key, default)
        if value is None:
            raise self.wrong(f"{key} is missing")
        return value

    def has(self, key: str) -> bool:
        """Whether the step has this argument, not read yet."""
        return key in self._left

    def value(self, key: str, default: Any = None) -> int:
        """An expression over the script's names and the day."""
        return evaluate(self.raw(key, default), self._names)

    def count(self, key: str, expression: Any, number: int, most: int) -> int:
        """How often, for member `number`: the value of what was read under `key`, from 0 to `most`."""
        value = self.at(expression, number)
        if not 0 <= value <= most:
            raise self.wrong(f"{key} is {value}; it must be from 0 to {most}")
        return value

    def at(self, expression: Any, number: int) -> int:
        """An expression over the script's names, the day and the member's number i."""
        self._member_names["i"] = number
        return evaluate(expression, self._member_names)

    def members(self) -> list[tuple[int, Member]]:
        """The members of the group `who` for whom `when` holds, with their numbers."""
        who, when = self.text("who"), self._left.pop("when", 1)
        group = self._play.sandbox.group(who)
        if not group:
            raise self.wrong(f"there is no group {who}")
        return [(number, member) for number, member in enumerate(group) if self.at(when, number)]

    def mark(self, key: str = "mark") -> bytes:
        """The id of the mark that `key` names, empty for free money."""
        name = self.text(key, "")
        if not name:
            return b""
        if name not in self._play.sandbox.marks:
            raise self.wrong(f"there is no mark {name}")
        return self._play.sandbox.marks[name]

    def payee(self) -> Callable[[int], Member | None]:
        """Who is paid by member i: a member of the group `to`, or None for the treasury."""
        to, to_member = self.text("to"), self._left.pop("to_member", 0)
        if to == TREASURY:
            return lambda number: None
        group = self._play.sandbox.group(to)
        if not group:
            raise self.wrong(f"there is no group {to}")

        def find(number: int) -> Member:
            place = self.at(to_member, number)
            if not 0 <= place < len(group):
                raise self.wrong(f"{to} has no member {place}")
            return group[place]

        return find

    def done(self) -> None:
        """E_VERB when an argument was not used."""
        if self._left:
            raise self.wrong(f"unknown: {', '.join(sorted(self._left))}")


def step_id(step: Step, *parts: object) -> bytes:
    """The 32-byte id of a part of a step."""
    text = ":".join(str(part) for part in (step.number, step.verb, *parts))
    return hashlib.sha256(b"pilot step\0" + text.encode()).digest()


class Tries:
    """The tries of a step that are made one after the other.

    A refused one is written down, so that when the step is played again after a kill it stays refused, whatever the
    tries behind it brought.
    """

    def __init__(self, play: Play, step: Step, outcome: Outcome) -> None:
        self._folder = play.folder
        self._step = step.number
        self._outcome = outcome
        self._refused = play.folder.refusals(step.number)
        self._place = 0

    def each(self, rows: Sequence[Row], call: Callable[[list[Row]], Sequence[int | TengeError]]) -> int:
        """Tries that are made together: `call` answers rows with what each gives or its refusal; the sum of the former.

        Like the others, a row that was refused before is not tried again.
        """
        first, self._place = self._place, self._place + len(rows)
        tried = [place for place in range(first, self._place) if place not in self._refused]
        found = dict(zip(tried, call([rows[place - first] for place in tried]), strict=True))
        total = 0
        for place in range(first, self._place):
            answer = found[place] if place in found else open_refusal(self._refused[place])
            if isinstance(answer, Unavailable):
                raise answer
            if isinstance(answer, TengeError):
                if place in found:
                    self._folder.refuse(self._step, place, refusal_result(answer))
                self._outcome.results.append(answer)
                continue
            total += answer
            self._outcome.results.append(None)
        return total

    def __call__(self, call: Callable[[], int]) -> int | None:
        """What the call gives, or None when it is (or was) refused."""
        place, self._place = self._place, self._place + 1
        if place in self._refused:
            self._outcome.results.append(open_refusal(self._refused[place]))
            return None
        try:
            value = call()
        except Unavailable:
            raise
        except TengeError as error:
            self._folder.refuse(self._step, place, refusal_result(error))
            self._outcome.results.append(error)
            return None
        self._outcome.results.append(None)
        return value


Verb = Callable[[Play, Step, Arguments], Outcome]
