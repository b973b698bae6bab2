"""Verbs of banks under a policy: purchases, sweeps, settlement, a bank that fails, a phone that is stolen."""

from functools import partial

from cbdc.errors import Refused
from cbdc.money import format_tenge
from wallets.cast import Member
from wallets.desk import derived
from wallets.lost import LostDesk
from wallets.pilot.banking.world import Banking
from wallets.pilot.play import Arguments, Outcome, Play, Tries, Verb, step_id
from wallets.pilot.script import Step
from wallets.wallet import Payee, refresh, send_one

NEXT_KEY = 1
MAX_TIMES = 1_000


def banking(play: Play) -> Banking:
    """The world of these verbs."""
    world = play.worlds["policy"]
    assert isinstance(world, Banking)
    return world


def member_of(play: Play, arguments: Arguments, group: str = "who", number: str = "member") -> Member:
    """One member of a group, by its number (0 when it is not named)."""
    members, place = play.sandbox.group(arguments.text(group)), arguments.value(number, 0)
    if not 0 <= place < len(members):
        raise arguments.wrong(f"there is no member {place}")
    return members[place]


def _bank_buy(play: Play, step: Step, arguments: Arguments) -> Outcome:
    amount, members = arguments.raw("amount"), arguments.members()
    arguments.done()
    orders = [
        (member, tiyn, derived(step_id(step), "buy", member.name))
        for i, member in members
        if (tiyn := arguments.at(amount, i)) > 0
    ]
    results = banking(play).payments.buy(orders)
    bought = sum(tiyn for (_, tiyn, _), result in zip(orders, results, strict=True) if result is None)
    return Outcome(results, bought)


def _sweep(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members = arguments.members()
    arguments.done()
    world, outcome = banking(play), Outcome()
    tries = Tries(play, step, outcome)
    for _, member in members:
        known = play.sandbox.system.ledger.registered(member.wallet.kid)
        if known is not None and world.policy.holds("zero_holding", known.tier):
            outcome.amount_tiyn += (
                tries(partial(play.sandbox.sell, member, b"", step_id(step, member.name))) or 0
            )
    return outcome


def _settle(play: Play, step: Step, arguments: Arguments) -> Outcome:
    amount, wait = arguments.value("amount"), bool(arguments.value("wait", 1))
    bank = play.sandbox.desk.bank_id(arguments.text("bank"))
    arguments.done()
    desk = banking(play).settlement
    act = desk.order if step.verb == "settle_order" else desk.redeem
    done = act(step_id(step), bank, amount, wait)
    return Outcome([None], amount, note="" if done else "It waits until the settlement system opens.")


def _settle_transfer(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, payee, amount = arguments.members(), arguments.payee(), arguments.raw("amount")
    wait = bool(arguments.value("wait", 1))
    arguments.done()
    desk, outcome, sandbox = banking(play).settlement, Outcome(), play.sandbox
    tries = Tries(play, step, outcome)
    waiting = 0
    for i, member in members:
        to = payee(i)
        if to is None:
            raise arguments.wrong("the treasury has no deposit to move money to")
        tiyn = arguments.at(amount, i)
        one = (sandbox.desk.bank_id(member.bank), member.customer)
        other = (sandbox.desk.bank_id(to.bank), to.customer)
        done = tries(partial(desk.transfer, step_id(step, member.name), one, other, tiyn, wait))
        if done is not None:
            outcome.amount_tiyn += tiyn
            waiting += 0 if done else 1
    outcome.note = f"{waiting} wait until the settlement system opens." if waiting else ""
    return outcome


def _lend(play: Play, step: Step, arguments: Arguments) -> Outcome:
    amount, bank = arguments.value("amount"), play.sandbox.desk.bank_id(arguments.text("bank"))
    arguments.done()
    desk = banking(play).liquidity
    act = {"lend": desk.lend, "emergency_loan": desk.help, "repay_loan": desk.repay}[step.verb]
    act(step_id(step), bank, amount)
    return Outcome([None], amount)


def _bank_fails(play: Play, step: Step, arguments: Arguments) -> Outcome:
    bank = play.sandbox.desk.bank_id(arguments.text("bank"))
    arguments.done()
    banking(play).resolution.fail(bank)
    return Outcome([None], note="Digital tenge in wallets is untouched.")


def _hand_over(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, bank = arguments.members(), arguments.text("bank")
    arguments.done()
    world, desk = banking(play), play.sandbox.desk
    target = desk.bank_id(bank)
    outcome = Outcome()
    # Members that were handed over in a try that was cut off have their new bank already.
    banks = {member.name: world.bank_before(member, step_id(step)) for _, member in members}
    for source in sorted(set(banks.values())):
        group = [member for _, member in members if banks[member.name] == source]
        answers = world.resolution.hand_over(
            step_id(step), [one.customer for one in group], desk.bank_id(source), target
        )
        for member, answer in zip(group, answers, strict=True):
            if answer is None:
                world.change_bank(member, bank)
        outcome.results += answers
    return outcome


def _report_stolen(play: Play, step: Step, arguments: Arguments) -> Outcome:
    member = member_of(play, arguments)
    arguments.done()
    world = banking(play)
    frozen = world.recovery(member).report(step_id(step), member.customer, f"reported stolen: {step.number}")
    told = ["the wallet is frozen"] if frozen else []
    if world.policy.holds("device_revocation") and member.device is not None:
        play.sandbox.field.centre.report_lost(member.device.element.public_key.kid, stolen=True)
        told.append("the device is on the next TRUST list")
    return Outcome([None], note="; ".join(told))


def _report_lost(play: Play, step: Step, arguments: Arguments) -> Outcome:
    member = member_of(play, arguments)
    arguments.done()
    if member.device is None:
        raise Refused("E_NO_DEVICE", member=member.name)
    play.sandbox.field.centre.report_lost(member.device.element.public_key.kid)
    return Outcome(
        [None], note="the device is on the next TRUST list; its money is refunded when its notes close"
    )


def _early_payout(play: Play, step: Step, arguments: Arguments) -> Outcome:
    member = member_of(play, arguments)
    arguments.done()
    amount = LostDesk(play.sandbox, member.bank).advance(member)
    return Outcome([None], amount, note="the bank bears what the refund will not bring back")


def _settle_payout(play: Play, step: Step, arguments: Arguments) -> Outcome:
    member = member_of(play, arguments)
    arguments.done()
    found = LostDesk(play.sandbox, member.bank).settle(member)
    told = (
        (found.bank_tiyn, "came back to the bank"),
        (found.owner_tiyn, "to the owner"),
        (found.lost_tiyn, "lost"),
    )
    return Outcome(
        [None], found.owner_tiyn, note="; ".join(f"{format_tenge(one)} {word}" for one, word in told)
    )


def _switch_mode(play: Play, step: Step, arguments: Arguments) -> Outcome:
    mode = arguments.text("mode")
    arguments.done()
    trust = play.sandbox.field.centre.switch_mode(step_id(step), mode)
    return Outcome([None], note=f"TRUST list {trust.record.sequence}: {mode}")


def _ask_recovery(play: Play, step: Step, arguments: Arguments) -> Outcome:
    member, document = member_of(play, arguments), bool(arguments.value("document", 1))
    arguments.done()
    world = banking(play)
    new = play.sandbox.wallet(member.name, NEXT_KEY)
    shown = f"test-{member.name}" if document else "somebody else's document"
    lost = play.sandbox.wallet(member.name)
    identity = derived("recovery", member.name)
    world.recovery(member).request(identity, member.customer, shown, lost.kid, new.signer.public)
    return Outcome([None])


def _recover(play: Play, step: Step, arguments: Arguments) -> Outcome:
    member = member_of(play, arguments)
    arguments.done()
    world = banking(play)
    new = play.sandbox.wallet(member.name, NEXT_KEY)
    amount = world.recovery(member).complete(derived("recovery", member.name), new.signer)
    if member.wallet.kid != new.kid:
        world.renew(member, NEXT_KEY)
    return Outcome([None], amount)


def _thief_pays(play: Play, step: Step, arguments: Arguments) -> Outcome:
    member, payee, amount = member_of(play, arguments), arguments.payee(), arguments.value("amount")
    arguments.done()
    to = payee(member.number)
    if to is None:
        raise arguments.wrong("a thief pays somebody")
    sandbox, outcome = play.sandbox, Outcome()
    thief = banking(play).thief_of(member)
    paid_to = Payee(to.wallet.kid, amount)

    def pay() -> int:
        intent = thief.prepare_payment(step_id(step), [paid_to])
        send_one(sandbox.store, sandbox.system.ledger, intent, sandbox.directory, sandbox.clock)
        return amount

    outcome.amount_tiyn = Tries(play, step, outcome)(pay) or 0
    refresh(sandbox.store, sandbox.system.ledger, member.wallet)
    return outcome


def _thief_pays_offline(play: Play, step: Step, arguments: Arguments) -> Outcome:
    member, payee, amount = member_of(play, arguments), arguments.payee(), arguments.value("amount")
    times = arguments.count("times", arguments.raw("times", 1), 0, MAX_TIMES)
    arguments.done()
    to = payee(member.number)
    if to is None:
        raise arguments.wrong("the treasury takes no offline payment")
    holder = banking(play).stolen.get(member.name, member)
    outcome = Outcome()
    tries = Tries(play, step, outcome)
    for turn in range(times):
        hops = tries(partial(play.sandbox.pay_offline, holder, to, amount, b"", step_id(step, turn)))
        if hops is not None:
            outcome.amount_tiyn += amount
            outcome.offline_payments += 1
            outcome.hops = max(outcome.hops, hops)
    return outcome


def _pay_each_offline(play: Play, step: Step, arguments: Arguments) -> Outcome:
    member, group, amount = member_of(play, arguments), arguments.text("to"), arguments.raw("amount")
    arguments.done()
    outcome = Outcome()
    tries = Tries(play, step, outcome)
    for to in play.sandbox.group(group):
        tiyn = arguments.at(amount, to.number)
        identity = step_id(step, to.name)
        hops = tries(partial(play.sandbox.pay_offline, member, to, tiyn, b"", identity))
        if hops is not None:
            outcome.amount_tiyn += tiyn
            outcome.offline_payments += 1
            outcome.hops = max(outcome.hops, hops)
    return outcome


VERBS: dict[str, Verb] = {
    "bank_buy": _bank_buy,
    "sweep": _sweep,
    "settle_order": _settle,
    "settle_redeem": _settle,
    "settle_transfer": _settle_transfer,
    "lend": _lend,
    "emergency_loan": _lend,
    "repay_loan": _lend,
    "bank_fails": _bank_fails,
    "hand_over": _hand_over,
    "report_stolen": _report_stolen,
    "report_lost": _report_lost,
    "early_payout": _early_payout,
    "settle_payout": _settle_payout,
    "switch_mode": _switch_mode,
    "ask_recovery": _ask_recovery,
    "recover": _recover,
    "pay_each_offline": _pay_each_offline,
    "thief_pays": _thief_pays,
    "thief_pays_offline": _thief_pays_offline,
}
