"""Cards in a pilot: the section `[cards]`, verbs for cards, shops, machines and days, facts, a place in the report.

A sale has a name in its script (`sale`), so that later steps can capture, cancel, refund or dispute it; without one it
is the step's own. A shop that is paid by card is credited at its own bank. `fault` says what meets the messages of
each try (`0110 from network lost`): see `cbdc.cards.wire`.

Facts: `cards.…` and `pockets.GROUP_tiyn`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from cbdc.cards import answers, chart
from cbdc.cards.fields import KAZAKHSTAN
from cbdc.cards.judging import local_time
from cbdc.cards.rules import CASH, ONLINE, POS
from cbdc.cards.sale import APPROVED, CAPTURED, DECLINED, LOST, REFUND, REVERSED, SALE
from wallets.cast import Member
from wallets.pilot.cards.script import FORM, CardsPlan, parse
from wallets.pilot.cards.world import (
    CardsWorld,
    card_id,
    done_or_raise,
    read_faults,
    sale_id,
)
from wallets.pilot.corridor.common import each
from wallets.pilot.extension import Extension
from wallets.pilot.folder import RunFolder
from wallets.pilot.play import Arguments, Outcome, Play, step_id
from wallets.pilot.script import Step
from wallets.request import PaymentRequest, parse_request
from wallets.sandbox import Sandbox

MAX_MONTHS = 240
MAX_TIMES = 100
REQUEST_SECONDS = 300


def _open(plan: CardsPlan, sandbox: Sandbox, folder: RunFolder) -> CardsWorld:
    return CardsWorld(plan, sandbox)


def _world(play: Play) -> CardsWorld:
    world: CardsWorld = play.worlds["cards"]
    return world


# --- cards and pockets ---


def _issue(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, months = arguments.members(), arguments.raw("months", 60)
    arguments.done()
    world, now = _world(play), play.sandbox.clock.now()
    orders: dict[str, list[Any]] = {}
    for number, member in members:
        expires = _month(now, arguments.count("months", months, number, MAX_MONTHS))
        orders.setdefault(member.bank, []).append(world.order_of(member, expires))
    for bank, rows in orders.items():
        world.cards.issuers[world.bank(bank)].registry.issue(rows)
    return Outcome([None] * len(members))


def _month(now: int, months: int) -> str:
    """The month so many months after this one, YYMM."""
    year, month = int(local_time(now)[:2]), int(local_time(now)[2:4])
    years, rest = divmod(month - 1 + months, 12)
    return f"{(year + years) % 100:02d}{rest + 1:02d}"


def _fill_pocket(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, amount, mark = arguments.members(), arguments.raw("amount"), arguments.mark()
    arguments.done()
    world = _world(play)

    def call(number: int, member: Member, identity: bytes) -> int:
        lock = world.cards.issuers[world.bank(member.bank)].registry.lock(card_id(member))
        moved = world.mover.fill(member.wallet, identity, lock, arguments.at(amount, number), mark)
        world.take_in(member)
        return moved

    return each(play, step, members, call)


def _empty_pocket(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, mark = arguments.members(), arguments.mark()
    arguments.done()
    world = _world(play)

    def call(number: int, member: Member, identity: bytes) -> int:
        moved = world.mover.empty(member.wallet, identity, mark)
        world.take_in(member)
        return moved

    return each(play, step, members, call)


def _token(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, state, device = arguments.members(), arguments.text("state"), arguments.value("device", 1)
    arguments.done()
    world = _world(play)

    def call(number: int, member: Member, identity: bytes) -> int:
        registry = world.cards.issuers[world.bank(member.bank)].registry
        if state == "provision":
            world.provision(member, device)
            world.relock(member, identity)
        elif state == "suspend":
            registry.suspend(world.number(member, device))
        elif state == "resume":
            registry.resume_token(world.number(member, device))
        elif state == "delete":
            registry.delete(world.number(member, device))
            world.relock(member, identity)
        else:
            raise arguments.wrong("state must be provision, suspend, resume or delete")
        return 0

    return each(play, step, members, call)


def _block(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, state = arguments.members(), arguments.text("state")
    arguments.done()
    world = _world(play)

    def call(number: int, member: Member, identity: bytes) -> int:
        registry = world.cards.issuers[world.bank(member.bank)].registry
        network = world.cards.networks[world.plan.networks[member.bank]]
        if state in ("listed", "unlisted"):
            network.list_card(world.number(member, 0), state == "listed")
        elif state == "blocked":
            registry.block(card_id(member))
        elif state == "unblocked":
            registry.unblock(card_id(member))
        else:
            raise arguments.wrong("state must be blocked, unblocked, listed or unlisted")
        return 0

    return each(play, step, members, call)


# --- at the till ---


def _pay(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, payee, amount = arguments.members(), arguments.payee(), arguments.raw("amount")
    mark, name = arguments.mark(), arguments.text("sale", f"step {step.number}")
    direct, device = arguments.value("direct", 0), arguments.raw("device", 0)
    online, country = arguments.value("online", 0), arguments.text("country", KAZAKHSTAN)
    captured, times = arguments.raw("captured", -1), arguments.raw("times", 1)
    faults = read_faults(arguments.text("fault", ""))
    arguments.done()
    if faults is None:
        raise arguments.wrong("fault is a list such as: 0110 from network lost, 0420 to issuer late")
    world, channel = _world(play), ONLINE if online else POS

    def call(number: int, member: Member, identity: bytes) -> int:
        shop, total = payee(number), 0
        if shop is None:
            raise arguments.wrong("the treasury has no terminal")
        tiyn, wanted = arguments.at(amount, number), arguments.at(captured, number)
        for turn in range(arguments.count("times", times, number, MAX_TIMES)):
            sale, bank = sale_id(name, member, turn), world.bank(shop.bank)
            world.faults.plan(faults)
            terminal, chip = world.terminal(shop, country), world.chip(member, arguments.at(device, number))
            paid = world.cards.purchase(sale, bank, terminal, chip, tiyn, channel, mark, bool(direct))
            if paid.sale.state == APPROVED and wanted:
                part = tiyn if wanted < 0 else wanted
                paid = world.cards.capture(bank, sale, part)
            world.faults.plan({})
            total += done_or_raise(paid)
        world.take_in(*([shop] if direct else []))
        return total

    return each(play, step, members, call)


def _cash(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, amount, mark = arguments.members(), arguments.raw("amount"), arguments.mark()
    bank, name = arguments.text("bank"), arguments.text("sale", f"step {step.number}")
    gives, device = arguments.raw("gives", -1), arguments.raw("device", 0)
    faults = read_faults(arguments.text("fault", ""))
    arguments.done()
    if faults is None:
        raise arguments.wrong("fault is a list such as: 0210 from network lost")
    world = _world(play)

    def call(number: int, member: Member, identity: bytes) -> int:
        world.faults.plan(faults)
        outcome = world.cards.purchase(
            sale_id(name, member, 0),
            world.bank(bank),
            world.machine(),
            world.chip(member, arguments.at(device, number)),
            arguments.at(amount, number),
            CASH,
            mark,
            gives_tiyn=arguments.at(gives, number),
        )
        world.faults.plan({})
        return done_or_raise(outcome)

    return each(play, step, members, call)


def _replay(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, payee, amount = arguments.members(), arguments.payee(), arguments.raw("amount")
    name = arguments.text("sale")
    arguments.done()
    world = _world(play)

    def call(number: int, member: Member, identity: bytes) -> int:
        shop, old = payee(number), sale_id(name, member, 0)
        if shop is None:
            raise arguments.wrong("the treasury has no terminal")
        seen = world.cards.acquirers[world.acquirer_of(old)].sales.get(old)
        copied = world.copied_chip(member, seen)
        terminal, bank = world.terminal(shop, KAZAKHSTAN), world.bank(shop.bank)
        return done_or_raise(
            world.cards.purchase(identity, bank, terminal, copied, arguments.at(amount, number))
        )

    return each(play, step, members, call)


def _qr(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, payee, amount = arguments.members(), arguments.payee(), arguments.raw("amount")
    arguments.done()
    network, now = play.sandbox.system.network, play.sandbox.clock.now()
    rows: list[tuple[Member, Member | None, int]] = []
    for number, member in members:
        shop = payee(number)
        if shop is None:
            raise arguments.wrong("the treasury has no till")
        # The till shows this text as a QR code; the phone reads it and pays what it says.
        shown = PaymentRequest(
            network, shop.wallet.kid, arguments.at(amount, number), shop.name, now + REQUEST_SECONDS
        )
        read = parse_request(shown.text())
        read.check(network, now)
        rows.append((member, shop, read.amount_tiyn))
    results = play.sandbox.pay(rows, b"", step_id(step))
    paid = sum(row[2] for row, result in zip(rows, results, strict=True) if result is None)
    return Outcome(results, paid)


# --- after the till ---

Later = Callable[[CardsWorld, int, bytes, int, bytes], int]


def _later(play: Play, step: Step, arguments: Arguments, act: Later) -> Outcome:
    """Something about a named sale of each member, for an amount, under an id of its own."""
    members, name, amount = arguments.members(), arguments.text("sale"), arguments.raw("amount", 0)
    faults = read_faults(arguments.text("fault", ""))
    arguments.done()
    if faults is None:
        raise arguments.wrong("fault is a list such as: 0230 from issuer lost")
    world = _world(play)

    def call(number: int, member: Member, identity: bytes) -> int:
        sale = sale_id(name, member, 0)
        bank = world.acquirer_of(sale)
        world.faults.plan(faults)
        done = act(world, bank, sale, arguments.at(amount, number), identity)
        world.faults.plan({})
        return done

    return each(play, step, members, call)


def _capture(play: Play, step: Step, arguments: Arguments) -> Outcome:
    def act(world: CardsWorld, bank: int, sale: bytes, amount: int, identity: bytes) -> int:
        return done_or_raise(world.cards.capture(bank, sale, amount))

    return _later(play, step, arguments, act)


def _cancel(play: Play, step: Step, arguments: Arguments) -> Outcome:
    def act(world: CardsWorld, bank: int, sale: bytes, remains: int, identity: bytes) -> int:
        world.cards.cancel(bank, sale, remains)
        return remains

    return _later(play, step, arguments, act)


def _refund(play: Play, step: Step, arguments: Arguments) -> Outcome:
    def act(world: CardsWorld, bank: int, sale: bytes, amount: int, identity: bytes) -> int:
        return done_or_raise(world.cards.refund(bank, identity, sale, amount))

    return _later(play, step, arguments, act)


def _dispute(play: Play, step: Step, arguments: Arguments) -> Outcome:
    def act(world: CardsWorld, bank: int, sale: bytes, amount: int, identity: bytes) -> int:
        world.cards.charge_back(bank, sale, amount)
        return amount

    return _later(play, step, arguments, act)


def _object(play: Play, step: Step, arguments: Arguments) -> Outcome:
    def act(world: CardsWorld, bank: int, sale: bytes, amount: int, identity: bytes) -> int:
        return done_or_raise(world.cards.represent(bank, identity, sale, amount))

    return _later(play, step, arguments, act)


# --- banks and days ---


def _fill_machine(play: Play, step: Step, arguments: Arguments) -> Outcome:
    bank, amount = arguments.text("bank"), arguments.value("amount")
    arguments.done()
    world = _world(play)
    world.cards.acquirers[world.bank(bank)].fill(step_id(step), amount)
    return Outcome([None], amount)


def _silence(play: Play, step: Step, arguments: Arguments) -> Outcome:
    bank, away = arguments.text("bank"), arguments.value("away")
    arguments.done()
    world = _world(play)
    (world.cards.sign_off if away else world.cards.sign_on)(world.bank(bank))
    return Outcome([None])


def _end_of_day(play: Play, step: Step, arguments: Arguments) -> Outcome:
    arguments.done()
    world = _world(play)
    world.cards.tend()
    for bank, issuer in world.cards.issuers.items():
        issuer.expire_holds()
        world.cards.disputes[bank].close_old()
        issuer.collect_claims()
    return Outcome([None])


def _settle(play: Play, step: Step, arguments: Arguments) -> Outcome:
    arguments.done()
    world = _world(play)
    settled = world.cards.settle(step_id(step))
    moved = sum(max(0, net) for one in settled.values() for net in one.net_tiyn.values())
    items = sum(one.items for one in settled.values())
    return Outcome([None], moved, note=f"{items} items settled net.")


# --- what the run says of it ---

_COUNTED = ("sales", "captured", "direct", "cash", "refunds", "reversed", "declined", "lost")


def _facts(world: CardsWorld) -> Mapping[str, int]:
    facts: Counter[str] = Counter({f"cards.{name}": 0 for name in _COUNTED})
    books = world.sandbox.system.books
    for bank, issuer in world.cards.issuers.items():
        payments = issuer.payments.all()
        facts["cards.held_tiyn"] += sum(payment.held_tiyn for payment in payments)
        facts["cards.claims_tiyn"] += books.balance(chart.claims(bank))
        facts["cards.disputed_tiyn"] += books.balance(chart.disputed(bank))
        facts["cards.owed_tiyn"] += books.balance(chart.owed(bank))
        facts["cards.machines_tiyn"] += books.balance(chart.cash(bank))
        facts["cards.expired"] += sum(1 for payment in payments if payment.state == "expired")
        facts["cards.open"] += len(world.cards.acquirers[bank].sales.open())
        for name in world.cards.networks:
            facts["cards.to_settle_tiyn"] += books.balance(chart.payable(bank, name))
        _count_sales(world, bank, facts)
    facts["cards.stood_in"] = sum(network.stood_in() for network in world.cards.networks.values())
    facts["cards.circulation_cash_tiyn"] = books.balance(chart.CASH_IN_CIRCULATION)
    for name in world.plan.networks:
        facts[f"cards.net_{name}_tiyn"] = _net(world, world.bank(name))
    for group in world.groups():
        members = world.sandbox.group(group)
        facts[f"pockets.{group}_tiyn"] = sum(world.mover.inside(member.wallet, None) for member in members)
    return facts


def _count_sales(world: CardsWorld, bank: int, facts: Counter[str]) -> None:
    for sale in world.cards.acquirers[bank].sales.all():
        if sale.kind == SALE:
            facts["cards.sales"] += 1
            kind = "cash" if sale.channel == CASH else "direct" if sale.direct else "captured"
            if sale.state == CAPTURED:
                facts[f"cards.{kind}"] += 1
                facts[f"cards.{kind}_tiyn"] += sale.done_tiyn
            for state in (REVERSED, DECLINED, LOST):
                facts[f"cards.{state}"] += sale.state == state
        elif sale.kind == REFUND and sale.state == CAPTURED:
            facts["cards.refunds"] += 1
            facts["cards.refunds_tiyn"] += sale.done_tiyn


def _net(world: CardsWorld, bank: int) -> int:
    """What all settlements brought a bank, net."""
    return sum(network.settled_net(bank) for network in world.cards.networks.values())


def _report(world: CardsWorld) -> dict[str, Any]:
    responses: Counter[str] = Counter()
    for acquirer in world.cards.acquirers.values():
        for sale in acquirer.sales.all():
            responses[sale.response or answers.APPROVED] += sale.state in (DECLINED, LOST)
    facts = dict(sorted(_facts(world).items()))
    return {"figures": facts, "answers": {code: count for code, count in sorted(responses.items()) if count}}


CARDS = Extension(
    "cards",
    frozenset({"cards"}),
    parse,
    _open,
    {
        "card_issue": _issue,
        "card_fill": _fill_pocket,
        "card_empty": _empty_pocket,
        "card_token": _token,
        "card_block": _block,
        "card_pay": _pay,
        "card_cash": _cash,
        "card_replay": _replay,
        "qr_pay": _qr,
        "card_capture": _capture,
        "card_cancel": _cancel,
        "card_refund": _refund,
        "card_dispute": _dispute,
        "card_object": _object,
        "machine_fill": _fill_machine,
        "card_silence": _silence,
        "card_day": _end_of_day,
        "card_settle": _settle,
    },
    frozenset({"cards", "pockets"}),
    _facts,
    _report,
    forms={"cards": FORM},
)
