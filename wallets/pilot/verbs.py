"""The verbs of a pilot script: each turns a step into calls on the sandbox and tells how every try ended.

A verb never decides anything about money; it names who, to whom and how much, from the step's expressions over

    the script's names, `day` (the step's day), `i` (the member's number in its group)

and hands a batch to the sandbox under an id that follows from the step, so that playing a step again is harmless.
"""

from collections.abc import Sequence
from functools import partial

from cbdc.errors import TengeError
from wallets.basis import Basis
from wallets.cast import Member
from wallets.pilot.papers import documents_of, lines_of
from wallets.pilot.play import Arguments, Outcome, Play, Tries, Verb, step_id
from wallets.pilot.script import Step

MAX_NOTES = 200
MAX_TIMES = 10_000


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
    mark, amount = arguments.text("mark"), arguments.raw("amount")
    to, when = arguments.text("to"), arguments.raw("when", 1)
    arguments.done()
    chosen = [(i, member) for i, member in enumerate(play.sandbox.group(to)) if arguments.at(when, i)]
    rows = [(member, arguments.at(amount, i)) for i, member in chosen]
    results = play.sandbox.give_vouchers(mark, rows, step_id(step))
    return Outcome(results, _accepted(rows, results))


def _publish(play: Play, step: Step, arguments: Arguments) -> Outcome:
    mark = arguments.text("mark")
    arguments.done()
    play.sandbox.publish_mark(mark)
    return Outcome([None])


def _buy(play: Play, step: Step, arguments: Arguments) -> Outcome:
    amount, members = arguments.raw("amount"), arguments.members()
    arguments.done()
    rows = [(member, arguments.at(amount, i)) for i, member in members]
    results = play.sandbox.buy(rows, step_id(step))
    return Outcome(results, _accepted(rows, results))


def _pay(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, payee = arguments.members(), arguments.payee()
    amount, mark, marking = arguments.raw("amount"), arguments.mark(), arguments.mark("marking")
    lines, documents = arguments.raw("lines", []), arguments.raw("documents", [])
    arguments.done()
    paying = [(i, member, tiyn) for i, member in members if (tiyn := arguments.at(amount, i)) > 0]
    rows = [(member, payee(i), tiyn) for i, member, tiyn in paying]
    bases = []
    if lines or documents:
        bases = [
            Basis(lines_of(arguments, lines, i), documents_of(arguments, documents, i)) for i, _, _ in paying
        ]
    results = play.sandbox.pay(rows, mark, step_id(step), bases, marking)
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
    documents, amount = arguments.raw("documents", []), arguments.raw("amount", 0)
    arguments.done()
    outcome = Outcome()
    tries = Tries(play, step, outcome)
    for i, member in members:
        identity, tiyn = step_id(step, member.name), arguments.at(amount, i)
        if tiyn:
            papers = documents_of(arguments, documents, i)
            release = partial(play.sandbox.release_on_documents, member, mark, tiyn, papers, identity)
        else:
            seen = play.folder.served_tiyn(member.name) if statements else None
            release = partial(play.sandbox.release, member, mark, seen, identity)
        outcome.amount_tiyn += tries(release) or 0
    return outcome


def _sell(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, mark = arguments.members(), arguments.mark()
    arguments.done()
    outcome = Outcome()
    rows = [(member, step_id(step, member.name)) for _, member in members]
    outcome.amount_tiyn = Tries(play, step, outcome).each(
        rows, lambda some: play.sandbox.sell_each(some, mark)
    )
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


VERBS: dict[str, Verb] = {
    "order": _order,
    "budget_buys": _budget_buys,
    "voucher": _voucher,
    "publish": _publish,
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
