"""The verbs of a pilot script: each turns a step into calls on the sandbox and tells how every try ended.

A verb never decides anything about money; it names who, to whom and how much, from the step's expressions over

    the script's names, `day` (the step's day), `i` (the member's number in its group)

and hands a batch to the sandbox under an id that follows from the step, so that playing a step again is harmless.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from cbdc.errors import Malformed, TengeError, Unavailable
from wallets.cast import Member
from wallets.pilot.expression import evaluate
from wallets.pilot.folder import RunFolder
from wallets.pilot.script import Script, Step
from wallets.sandbox import Sandbox
from wallets.wallet import open_refusal, refusal_result

TREASURY = "treasury"
MAX_NOTES = 200
MAX_TIMES = 10_000


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
    """What a verb works with."""

    script: Script
    sandbox: Sandbox
    folder: RunFolder


def _wrong(step: Step, problem: str) -> Malformed:
    return Malformed("E_VERB", step=f"{step.verb[:40]} on day {step.day}", problem=problem)


class Arguments:
    """The arguments of one step: every key used, every expression evaluated where it stands."""

    def __init__(self, play: Play, step: Step) -> None:
        self._play = play
        self._step = step
        self._left = dict(step.arguments)
        self._names = {**play.script.names, "day": step.day}

    def wrong(self, problem: str) -> Malformed:
        """The refusal that names this step."""
        return _wrong(self._step, problem)

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
        return evaluate(expression, {**self._names, "i": number})

    def members(self) -> list[tuple[int, Member]]:
        """The members of the group `who` for whom `when` holds, with their numbers."""
        who, when = self.text("who"), self._left.pop("when", 1)
        group = self._play.sandbox.group(who)
        if not group:
            raise self.wrong(f"there is no group {who}")
        return [(number, member) for number, member in enumerate(group) if self.at(when, number)]

    def mark(self) -> bytes:
        """The id of the mark named `mark`, empty for free money."""
        name = self.text("mark", "")
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


def _order(play: Play, step: Step, arguments: Arguments) -> Outcome:
    amount = arguments.value("amount")
    bank = arguments.text("bank")
    arguments.done()
    play.sandbox.order(bank, amount, step_id(step))
    return Outcome([None], amount)


def _budget_buys(play: Play, step: Step, arguments: Arguments) -> Outcome:
    amount = arguments.value("amount")
    bank = arguments.text("bank")
    arguments.done()
    play.sandbox.budget_buys(bank, amount, step_id(step))
    return Outcome([None], amount)


def _voucher(play: Play, step: Step, arguments: Arguments) -> Outcome:
    mark, to, amount = arguments.text("mark"), arguments.text("to"), arguments.raw("amount")
    arguments.done()
    rows = [(member, arguments.at(amount, i)) for i, member in enumerate(play.sandbox.group(to))]
    results = play.sandbox.give_vouchers(mark, rows, step_id(step))
    return Outcome(results, _accepted(rows, results))


def _buy(play: Play, step: Step, arguments: Arguments) -> Outcome:
    amount, members = arguments.raw("amount"), arguments.members()
    arguments.done()
    rows = [(member, arguments.at(amount, i)) for i, member in members]
    results = play.sandbox.buy(rows, step_id(step))
    return Outcome(results, _accepted(rows, results))


def _pay(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, payee = arguments.members(), arguments.payee()
    amount, mark = arguments.raw("amount"), arguments.mark()
    arguments.done()
    rows = [(member, payee(i), tiyn) for i, member in members if (tiyn := arguments.at(amount, i)) > 0]
    results = play.sandbox.pay(rows, mark, step_id(step))
    served: dict[str, int] = {}
    paid = 0
    for (_, to, tiyn), result in zip(rows, results, strict=True):
        if result is None:
            paid += tiyn
            if to is not None and mark:
                served[to.name] = served.get(to.name, 0) + tiyn
    for holder, tiyn in sorted(served.items()):
        play.folder.serve(step.number, holder, tiyn)
    return Outcome(results, paid)


def _merge(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, mark = arguments.members(), arguments.mark()
    arguments.done()
    return Outcome(play.sandbox.merge([member for _, member in members], mark, step_id(step)))


def _load(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, mark = arguments.members(), arguments.mark()
    notes, amount = arguments.raw("notes", 1), arguments.raw("amount")
    arguments.done()
    rows = [
        (member, [arguments.at(amount, i)] * arguments.count("notes", notes, i, MAX_NOTES))
        for i, member in members
    ]
    results = play.sandbox.load(rows, mark, step_id(step))
    return Outcome(results, _accepted([(member, sum(parts)) for member, parts in rows], results))


def _clone(play: Play, step: Step, arguments: Arguments) -> Outcome:
    group, number = play.sandbox.group(arguments.text("who")), arguments.value("member")
    arguments.done()
    if not 0 <= number < len(group):
        raise arguments.wrong(f"there is no member {number}")
    play.sandbox.clone(group[number])
    return Outcome([None])


def _pay_offline(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, payee, amount = arguments.members(), arguments.payee(), arguments.raw("amount")
    mark, clone, times = arguments.mark(), arguments.value("clone", 0), arguments.raw("times", 1)
    arguments.done()
    outcome = Outcome()
    tries = Tries(play, step, outcome)
    for i, member in members:
        for turn in range(arguments.count("times", times, i, MAX_TIMES)):
            to = payee(i)
            if to is None:
                raise arguments.wrong("the treasury takes no offline payment")
            tiyn = arguments.at(amount, i)
            identity = step_id(step, member.name, turn)
            pay = partial(play.sandbox.pay_offline, member, to, tiyn, mark, identity, clone=bool(clone))
            hops = tries(pay)
            if hops is not None:
                outcome.amount_tiyn += tiyn
                outcome.offline_payments += 1
                outcome.hops = max(outcome.hops, hops)
    return outcome


def _sync(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members = arguments.members()
    arguments.done()
    with_device = [member for _, member in members if member.device is not None]
    return Outcome(play.sandbox.sync(with_device, step_id(step)))


def _reconcile(play: Play, step: Step, arguments: Arguments) -> Outcome:
    arguments.done()
    case = play.sandbox.reconcile()
    return Outcome([None], case.loss_tiyn, note=case.sentence)


def _redeem_offline(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members = arguments.members()
    arguments.done()
    outcome = Outcome()
    tries = Tries(play, step, outcome)
    for _, member in members:
        send_home = partial(play.sandbox.redeem_offline, member, step_id(step, member.name))
        outcome.amount_tiyn += tries(send_home) or 0
    return outcome


def _close_cases(play: Play, step: Step, arguments: Arguments) -> Outcome:
    arguments.done()
    case = play.sandbox.close_cases()
    return Outcome([None], case.loss_tiyn, note=case.sentence)


def _release(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, mark, statements = arguments.members(), arguments.mark(), arguments.value("statements", 1)
    arguments.done()
    outcome = Outcome()
    tries = Tries(play, step, outcome)
    for _, member in members:
        seen = play.folder.served_tiyn(member.name) if statements else None
        release = partial(play.sandbox.release, member, mark, seen, step_id(step, member.name))
        outcome.amount_tiyn += tries(release) or 0
    return outcome


def _sell(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, mark = arguments.members(), arguments.mark()
    arguments.done()
    outcome = Outcome()
    tries = Tries(play, step, outcome)
    for _, member in members:
        sell = partial(play.sandbox.sell, member, mark, step_id(step, member.name))
        outcome.amount_tiyn += tries(sell) or 0
    return outcome


def _expire(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, mark = arguments.members(), arguments.mark()
    arguments.done()
    returned = play.sandbox.expire([member for _, member in members], mark, step_id(step))
    return Outcome([None], returned)


def _redeem(play: Play, step: Step, arguments: Arguments) -> Outcome:
    bank = arguments.text("bank")
    arguments.done()
    return Outcome([None], play.sandbox.redeem(bank, step_id(step)))


def _accepted(rows: Sequence[tuple[Member, int]], results: Sequence[TengeError | None]) -> int:
    return sum(amount for (_, amount), result in zip(rows, results, strict=True) if result is None)


VERBS: dict[str, Callable[[Play, Step, Arguments], Outcome]] = {
    "order": _order,
    "budget_buys": _budget_buys,
    "voucher": _voucher,
    "buy": _buy,
    "pay": _pay,
    "merge": _merge,
    "load": _load,
    "clone": _clone,
    "pay_offline": _pay_offline,
    "sync": _sync,
    "reconcile": _reconcile,
    "redeem_offline": _redeem_offline,
    "close_cases": _close_cases,
    "release": _release,
    "sell": _sell,
    "expire": _expire,
    "redeem": _redeem,
}


def perform(play: Play, step: Step) -> Outcome:
    """Play one step; a refusal of the whole step counts as one refused try. E_VERB for a step nobody can play.

    What is no verdict about money (a store or the ledger did not answer) is raised, so that the step stays unfinished
    and is played again on resume.
    """
    verb = VERBS.get(step.verb)
    arguments = Arguments(play, step)
    if verb is None:
        raise arguments.wrong(f"there is no verb {step.verb}; there are {', '.join(VERBS)}")
    try:
        outcome = verb(play, step, arguments)
    except (Malformed, Unavailable):
        raise
    except TengeError as error:
        return Outcome([error])
    for result in outcome.results:
        if isinstance(result, Unavailable):
            raise result
    return outcome


def check(script: Script) -> None:
    """Refuse a script, before anything is played, that names a verb, group, mark or bank that is not there: E_VERB."""
    groups = {cast.name for cast in script.cast}
    there = {
        "who": groups,
        "to": groups | {TREASURY},
        "mark": {"", *(mark.name for mark in script.marks)},
        "bank": {bank.name for bank in script.banks},
    }
    for step in script.steps:
        if step.verb not in VERBS:
            raise _wrong(step, f"there is no verb {step.verb[:40]}; there are {', '.join(VERBS)}")
        for key, names in there.items():
            named = step.arguments.get(key)
            if isinstance(named, str) and named not in names:
                raise _wrong(step, f"{key}: there is no {named[:40]}")
