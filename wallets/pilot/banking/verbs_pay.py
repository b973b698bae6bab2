"""Verbs of payments under a policy: waterfall, split, phone numbers, requests, mandates, refunds, locks.

What a later step must find again has a `name` in the script (a bill, a mandate, a lock); it stands for one thing for
each member of the group `who`.
"""

from collections.abc import Sequence
from functools import partial

from cbdc import aliases, conditional
from cbdc.errors import Refused
from cbdc.mandates import Mandate, revoke_purpose
from cbdc.money import split
from cbdc.orders import HolderProof
from cbdc.record import Signed, sign
from cbdc.token import Lock
from wallets.cast import Member
from wallets.pilot.banking.verbs_bank import banking
from wallets.pilot.banking.world import Banking, named
from wallets.pilot.play import Arguments, Outcome, Play, Tries, Verb, step_id
from wallets.pilot.script import Step
from wallets.request import PaymentRequest, parse_request
from wallets.store import Intent
from wallets.wallet import Payee, send_one

HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400
MAX_NUMBER = 10**15
MAX_TIMES = 1_000


def _some(arguments: Arguments, payee: Member | None) -> Member:
    if payee is None:
        raise arguments.wrong("the treasury takes no such payment")
    return payee


def _send(play: Play, intent: Intent) -> bytes:
    sandbox = play.sandbox
    return send_one(
        sandbox.store, sandbox.system.ledger, intent, sandbox.directory, sandbox.clock
    ).transaction_id


def _proof(play: Play, member: Member, purpose: str) -> Signed[HolderProof]:
    record = HolderProof(member.wallet.kid, purpose, play.sandbox.clock.now(), bytes(16))
    return sign(record, play.sandbox.system.network, member.wallet.signer)


# --- paying ---


def _policy_pay(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, payee, amount = arguments.members(), arguments.payee(), arguments.raw("amount")
    name, times = (
        arguments.text("name", ""),
        arguments.count("times", arguments.raw("times", 1), 0, MAX_TIMES),
    )
    arguments.done()
    rows = [
        (member, _some(arguments, payee(i)), tiyn)
        for i, member in members
        if (tiyn := arguments.at(amount, i)) > 0
    ]
    world, outcome = banking(play), Outcome()
    payments = world.payments
    for turn in range(times):
        identity = step_id(step, turn)
        results = payments.pay(rows, identity)
        outcome.results += results
        for place, (member, to, tiyn) in enumerate(rows):
            if results[place] is None:
                outcome.amount_tiyn += tiyn
                if name:
                    paid = payments.transaction_id(identity, place, member)
                    world.keep_payment(name, member, paid, to)
    return outcome


def _split_pay(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, group, amount = arguments.members(), arguments.text("to"), arguments.raw("amount")
    arguments.done()
    payees, outcome = play.sandbox.group(group), Outcome()
    tries = Tries(play, step, outcome)

    def pay(member: Member, tiyn: int) -> int:
        # Whoever stands first in the group gets the broken tiyn.
        shares = split(tiyn, len(payees), "first")
        parts = [Payee(to.wallet.kid, share) for to, share in zip(payees, shares, strict=True) if share]
        _send(play, member.wallet.prepare_payment(step_id(step, member.name), parts))
        return tiyn

    for i, member in members:
        outcome.amount_tiyn += tries(partial(pay, member, arguments.at(amount, i))) or 0
    return outcome


# --- phone numbers ---


def _number(arguments: Arguments, expression: object, i: int) -> str:
    return f"+{arguments.count('number', expression, i, MAX_NUMBER)}"


def _alias(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, number = arguments.members(), arguments.raw("number")
    to = arguments.payee() if step.verb == "alias_move" else None
    arguments.done()
    directory, outcome = banking(play).aliases, Outcome()
    tries = Tries(play, step, outcome)

    def act(i: int, member: Member) -> int:
        text = _number(arguments, number, i)
        if to is not None:
            kid = _some(arguments, to(i)).wallet.kid
            directory.move(text, kid, _proof(play, member, aliases.move_purpose(text, kid)))
        elif step.verb == "alias_drop":
            directory.remove(text, _proof(play, member, aliases.remove_purpose(text)))
        else:
            directory.claim(text, _proof(play, member, aliases.claim_purpose(text)))
        return 0

    for i, member in members:
        tries(partial(act, i, member))
    return outcome


def _alias_pay(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, number, amount = arguments.members(), arguments.raw("number"), arguments.raw("amount")
    arguments.done()
    directory, outcome = banking(play).aliases, Outcome()
    tries = Tries(play, step, outcome)

    def pay(i: int, member: Member) -> int:
        identity, tiyn = step_id(step, member.name), arguments.at(amount, i)
        kid = directory.resolve(identity, member.wallet.kid, _number(arguments, number, i))
        if tiyn:
            _send(play, member.wallet.prepare_payment(identity, [Payee(kid, tiyn)]))
        return tiyn

    for i, member in members:
        outcome.amount_tiyn += tries(partial(pay, i, member)) or 0
    return outcome


# --- requests ---


def _request(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, payee, amount = arguments.members(), arguments.payee(), arguments.raw("amount")
    name, hours = arguments.text("name"), arguments.value("hours", 0)
    arguments.done()
    world = banking(play)
    expires = play.sandbox.clock.now() + hours * HOUR_SECONDS if hours else 0
    for i, member in members:
        to = _some(arguments, payee(i))
        request = PaymentRequest(
            play.sandbox.system.network, to.wallet.kid, arguments.at(amount, i), name, expires
        )
        world.keep("request", name, member, request.text().encode())
    return Outcome([None] * len(members))


def _asked(world: Banking, arguments: Arguments, name: str, member: Member) -> PaymentRequest:
    data = world.find("request", name, member)
    if data is None:
        raise arguments.wrong(f"nobody has asked {member.name} for {name}")
    return parse_request(data.decode())


def _accept(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, name = arguments.members(), arguments.text("name")
    arguments.done()
    world, outcome = banking(play), Outcome()
    tries = Tries(play, step, outcome)

    def accept(member: Member) -> int:
        request = _asked(world, arguments, name, member)

        def pay(asked: PaymentRequest, attempt: bytes) -> None:
            to = world.owner(asked.payee)
            answer = world.payments.pay([(member, to, asked.amount_tiyn)], attempt)[0]
            if answer is not None:
                raise answer

        if step.verb == "decline":
            world.book(member).decline(request)
            return 0
        world.book(member).accept(request, step_id(step, member.name), pay)
        return request.amount_tiyn

    for _, member in members:
        outcome.amount_tiyn += tries(partial(accept, member)) or 0
    return outcome


# --- mandates ---


def _mandate(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, payee, name = arguments.members(), arguments.payee(), arguments.text("name")
    payment, period = arguments.value("payment_limit"), arguments.value("period_limit")
    times, days = arguments.value("payments", 1), arguments.value("period_days")
    first, last = arguments.value("from_day"), arguments.value("until_day")
    arguments.done()
    world = banking(play)
    for i, member in members:
        mandate = Mandate(
            named("mandate", name, member),
            member.wallet.kid,
            _some(arguments, payee(i)).wallet.kid,
            payment,
            period,
            times,
            days * DAY_SECONDS,
            play.script.moment_of(first, "00:00"),
            play.script.moment_of(last, "00:00") + DAY_SECONDS - 1,
        )
        world.mandates.accept(sign(mandate, play.sandbox.system.network, member.wallet.signer))
    return Outcome([None] * len(members))


def _collect(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, name, amount = arguments.members(), arguments.text("name"), arguments.raw("amount")
    other = arguments.payee() if arguments.has("to") else None
    arguments.done()
    desk, outcome = banking(play).mandates, Outcome()
    tries = Tries(play, step, outcome)

    def collect(i: int, member: Member) -> int:
        identity, tiyn = named("mandate", name, member), arguments.at(amount, i)
        payee = desk.mandate(identity).payee
        by = payee if other is None else _some(arguments, other(i)).wallet.kid
        desk.collect(step_id(step, member.name), identity, by, tiyn)
        return tiyn

    for i, member in members:
        outcome.amount_tiyn += tries(partial(collect, i, member)) or 0
    return outcome


def _mandate_revoke(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, name = arguments.members(), arguments.text("name")
    arguments.done()
    desk = banking(play).mandates
    for _, member in members:
        identity = named("mandate", name, member)
        desk.revoke(_proof(play, member, revoke_purpose(identity)), identity)
    return Outcome([None] * len(members))


# --- refunds ---


def _refund(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, name, amount = arguments.members(), arguments.text("name"), arguments.raw("amount")
    other = arguments.payee() if arguments.has("to") else None
    arguments.done()
    world, outcome = banking(play), Outcome()
    tries = Tries(play, step, outcome)

    def refund(i: int, member: Member) -> int:
        found = world.payment(name, member)
        if found is None:
            raise Refused("E_REFUND_ORIGINAL", id=named("payment", name, member))
        original, payee = found
        to = b"" if other is None else _some(arguments, other(i)).wallet.kid
        tiyn = arguments.at(amount, i)
        world.refunds.refund(step_id(step, member.name), payee.wallet, original, tiyn, to)
        return tiyn

    for i, member in members:
        outcome.amount_tiyn += tries(partial(refund, i, member)) or 0
    return outcome


# --- locks ---


def _secret(play: Play, name: str, member: Member) -> bytes:
    return play.sandbox.secret("lock secret", named("lock", name, member))


def _lock(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, payee, amount = arguments.members(), arguments.payee(), arguments.raw("amount")
    name, hours = arguments.text("name"), arguments.value("hours", 0)
    arbiters = arguments.text("arbiter", "")
    arguments.done()
    judges: Sequence[Member] = play.sandbox.group(arbiters) if arbiters else ()
    world, outcome = banking(play), Outcome()
    tries = Tries(play, step, outcome)

    def lock(i: int, member: Member) -> int:
        to, tiyn = _some(arguments, payee(i)), arguments.at(amount, i)
        condition: Lock
        if judges:
            kids = (member.wallet.kid, to.wallet.kid, judges[0].wallet.kid)
            condition = conditional.three_party_lock(*kids)
        elif hours:
            deadline = play.sandbox.clock.now() + hours * HOUR_SECONDS
            digest = conditional.hash_of(_secret(play, name, member))
            condition = conditional.hash_lock(digest, to.wallet.kid, member.wallet.kid, deadline)
        else:
            condition = conditional.two_party_lock(member.wallet.kid, to.wallet.kid)
        locked = world.deals.lock(member.wallet, step_id(step, member.name), condition, tiyn)
        world.keep_lock(name, member, locked, tiyn)
        return tiyn

    for i, member in members:
        outcome.amount_tiyn += tries(partial(lock, i, member)) or 0
    return outcome


def _unlock(play: Play, step: Step, arguments: Arguments) -> Outcome:
    """`claim` by the payee with the secret, `take_back` by the payer, `share_out` by two of a quorum's parties."""
    members, name = arguments.members(), arguments.text("name")
    payee = arguments.payee() if step.verb != "take_back" else None
    known, share = arguments.value("secret", 1), arguments.raw("share", 0)
    second = arguments.text("signed_by", "")
    arguments.done()
    world, outcome = banking(play), Outcome()
    tries = Tries(play, step, outcome)
    others = [one.wallet.signer for one in play.sandbox.group(second)[:1]] if second else []

    def unlock(i: int, member: Member) -> int:
        locked, identity = world.lock(name, member), step_id(step, member.name)
        if locked is None:
            raise arguments.wrong(f"{member.name} has no lock {name}")
        if payee is None:
            return world.deals.refund(member.wallet, identity, locked)
        to = _some(arguments, payee(i))
        if step.verb == "claim":
            secret = _secret(play, name, member) if known else bytes(32)
            return world.deals.claim(to.wallet, identity, locked, secret)
        tiyn = arguments.at(share, i)
        whole = world.locked_tiyn(name, member)
        shares = [(to.wallet.kid, tiyn), (member.wallet.kid, whole - tiyn)]
        return world.deals.release(member.wallet, identity, locked, shares, others)

    for i, member in members:
        outcome.amount_tiyn += tries(partial(unlock, i, member)) or 0
    return outcome


VERBS: dict[str, Verb] = {
    "policy_pay": _policy_pay,
    "split_pay": _split_pay,
    "alias_claim": _alias,
    "alias_move": _alias,
    "alias_drop": _alias,
    "alias_pay": _alias_pay,
    "request": _request,
    "accept": _accept,
    "decline": _accept,
    "mandate": _mandate,
    "collect": _collect,
    "mandate_revoke": _mandate_revoke,
    "refund": _refund,
    "lock": _lock,
    "claim": _unlock,
    "take_back": _unlock,
    "share_out": _unlock,
}
