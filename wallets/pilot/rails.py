"""Payments abroad in a pilot: a corridor (`cbdc.rails.corridor`) beside the sandbox, as `[rails]` says.

    pay_abroad       members order a payment in the foreign currency: `way = "correspondent"`, or
                     `way = "exchange"`: through correspondents, or against the other central bank's currency
    recall_abroad    members want back what they ordered under a `label`
    rails_run        so many minutes pass in the corridor: messages arrive, deadlines strike
    rails_statement  the correspondent's statement (camt.053) is written into the run's folder and compared with books
    set_rate         from now on this is the middle rate

The other country lies in the run's folder, under `rails/abroad`: a ledger, books and a register of its own.

An order's id follows from the step and the member, or from its label. What a member signs is kept by its bank with the
order, so a step that is played again signs nothing anew. Who has too little is refused before anything is signed.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from cbdc.accounts import deposit, institution_of
from cbdc.errors import Refused
from cbdc.ledger.audit import audit
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.rails import desk as orders
from cbdc.rails import exchange as exchanges
from cbdc.rails.corridor import CORRESPONDENT, PAYEES_BANK, SimulatedCorridor, open_abroad, open_shelves
from cbdc.rails.currency import money
from cbdc.rails.desk import account_of
from cbdc.rails.exchange import Signatures
from cbdc.rails.hashlock import make_lock, spend_lock
from cbdc.rails.messages import Initiation, Message, Statement, reference_of, uetr_of
from cbdc.rails.network import ACTIONS
from cbdc.rails.rates import Quote, quote_id
from cbdc.rails.settlement import locked, loro, nostro, sent, spread_income
from cbdc.rails.statement import Holder, Reconciliation, reconcile, statements
from cbdc.selection import choose
from cbdc.token import TokenId
from wallets.cast import Member
from wallets.desk import derived
from wallets.pilot.extension import Extension
from wallets.pilot.folder import RunFolder, write_atomic
from wallets.pilot.play import Arguments, Outcome, Play, Tries, step_id
from wallets.pilot.rails_plan import MINUTE, RailsPlan, parse
from wallets.pilot.script import Step
from wallets.sandbox import Sandbox
from wallets.wallet import Payee, refresh

WAYS = ("correspondent", "exchange")
MAX_MINUTES = 60 * 24 * 60
SHOWN = 40


class RailsWorld:
    """The corridor of a run."""

    def __init__(self, plan: RailsPlan, sandbox: Sandbox, folder: RunFolder) -> None:
        clock = sandbox.clock
        assert isinstance(clock, ManualClock), "a pilot's time is virtual"
        self.plan = plan
        self.sandbox = sandbox
        self.folder = folder
        system = sandbox.system
        path = folder.path / "rails"
        secret = system.keys.get("rails secrets").sign(b"the secrets of hash locks follow from this")
        entropy = SeededEntropy(int.from_bytes(hashlib.sha256(secret).digest(), "big"))
        abroad = open_abroad(
            path / "abroad",
            lambda label, algorithm: system.keys.get(f"abroad/{label}"),
            clock,
            entropy,
            folder.checkpoint,
        )
        closed = frozenset(
            account_of(customer_abroad(payee.name))
            for payee in plan.payees.values()
            if payee.account == "closed"
        )
        self.corridor = SimulatedCorridor(
            system,
            abroad,
            open_shelves(path, folder.checkpoint),
            replace(plan.corridor, closed=closed),
            entropy,
            clock.move_to,
        )
        for payee in plan.payees.values():
            if payee.account != "unknown":
                self.corridor.add_payee(customer_abroad(payee.name), payee.title)
        if self.corridor.rates.known is None:
            self.corridor.rates.set_middle(plan.rate)

    def close(self) -> None:
        """Release the files."""
        self.corridor.close()

    def refresh(self) -> None:
        """Members learn what came back to their wallets."""
        for member in self.sandbox.members():
            if member.bank == self.plan.bank:
                refresh(self.sandbox.store, self.sandbox.system.ledger, member.wallet)

    # --- what a member orders ---

    def initiation(
        self, id: bytes, member: Member, desk: str, quote: Quote, payee: str, payee_bank: str
    ) -> bytes:
        """The member's order as the message that its bank gets."""
        whom = self.plan.payees[payee]
        reference = reference_of(id)
        now = self.sandbox.clock.now()
        body = Initiation(
            message_id=reference,
            created=now,
            order=reference,
            end_to_end=reference,
            uetr=uetr_of(id),
            execution_date=self.corridor.plan.calendar.day(now),
            debtor=member.name,
            debtor_account=account_of(member.customer),
            debtor_bank=desk,
            amount=quote.foreign,
            contract=reference_of(quote.id),
            creditor_bank=payee_bank or self.corridor.plan.addresses.payees_bank,
            creditor=whom.title,
            creditor_account=account_of(customer_abroad(whom.name)),
        )
        return Message(body.debtor_account, desk, body).encode()

    def _tokens(self, member: Member, amount_tiyn: int) -> list[tuple[TokenId, int]]:
        free = {token.id: token.amount_tiyn for token in member.wallet.tokens(b"")}
        chosen = choose(list(free.items()), amount_tiyn).chosen
        return [(name, free[name]) for name in chosen]

    def pay_through_correspondent(
        self, id: bytes, member: Member, minor: int, whom: tuple[str, str], wait: int
    ) -> int:
        """Order a payment through the correspondent; what it costs, in tiyn. `wait`: the quote's age in seconds."""
        desk = self.corridor.desk
        quote = self._quote(id, desk.bic, minor, wait)
        known = desk.find(id)
        kid = member.wallet.kid
        if known is not None:
            desk.take(id, known.initiation, known.transfer, known.kid)
        else:
            message = self.initiation(id, member, desk.bic, quote, *whom)
            bank = self.sandbox.system.banks[self.plan.corridor.home_bank]
            paid = member.wallet.prepare_payment(id, [Payee(bank.inventory_kid, quote.asked.minor)])
            desk.take(id, message, paid.body, kid)
        refresh(self.sandbox.store, self.sandbox.system.ledger, member.wallet)
        return quote.asked.minor

    def pay_by_exchange(
        self,
        id: bytes,
        member: Member,
        minor: int,
        whom: tuple[str, str],
        wait: int,
        minutes: tuple[int, int],
    ) -> int:
        """Order a payment against payment; what it costs, in tiyn. `minutes`: the deadlines, 0 for the bank's own."""
        desk = self.corridor.exchange
        quote = self._quote(id, self.corridor.maker.bic, minor, wait)
        known = desk.find(id)
        if known is not None:
            desk.take(id, known.initiation, Signatures(known.lock, known.refund, known.late), known.agreed)
        else:
            own, other = (value * MINUTE for value in minutes)
            times = desk.times._replace(own=own or desk.times.own, other=other or desk.times.other)
            terms = desk.terms(id, quote, member.wallet.kid, times)
            message = self.initiation(id, member, desk.bic, quote, *whom)
            network, signer = self.sandbox.system.network, member.wallet.signer
            tokens = self._tokens(member, terms.amount_tiyn)
            lock = make_lock(id, network, signer, tokens, terms.amount_tiyn, terms.lock)
            ways = {"refund": member.wallet.kid, "late": terms.lock.claim}
            refund, late = (
                spend_lock(name, network, signer, lock.id, terms.amount_tiyn, kid).encode()
                for name, kid in ways.items()
            )
            desk.take(id, message, Signatures(lock.encode(), refund, late), terms.other)
        refresh(self.sandbox.store, self.sandbox.system.ledger, member.wallet)
        return quote.asked.minor

    def _quote(self, id: bytes, dealer: str, minor: int, wait: int) -> Quote:
        rates = self.corridor.rates
        return rates.quote(quote_id(id), dealer, money(minor, rates.foreign), self.sandbox.clock.now() - wait)

    # --- statements ---

    def statement(self) -> list[Message]:
        """The correspondent's statements of the bank's account with it, since the beginning."""
        names = self.corridor.plan.addresses
        now = self.sandbox.clock.now()
        account = loro(CORRESPONDENT, names.desk)
        holder = Holder(self.plan.bank, f"loro{names.desk}", names.desk)
        books, currency = self.corridor.abroad.books, self.corridor.plan.abroad
        return statements(books, account, holder, names.correspondent, currency, 0, now, now)

    def reconciliation(self) -> Reconciliation:
        """What the bank finds when it compares them with its own books."""
        names = self.corridor.plan.addresses
        pages = [message.body for message in self.statement() if isinstance(message.body, Statement)]
        account = nostro(names.desk, names.correspondent)
        return reconcile(pages, self.corridor.shelves.nostro, account)


def customer_abroad(name: str) -> bytes:
    """The id of a payee as a customer of its bank."""
    return derived("payee abroad", name)


def _open(plan: RailsPlan, sandbox: Sandbox, folder: RunFolder) -> RailsWorld:
    return RailsWorld(plan, sandbox, folder)


# --- verbs ---


def _world(play: Play) -> RailsWorld:
    world = play.worlds["rails"]
    assert isinstance(world, RailsWorld)
    return world


def _order_id(step: Step, label: str, member: Member) -> bytes:
    return derived("rails order", label, member.name) if label else step_id(step, member.name)


def _pay_abroad(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world = _world(play)
    members, amount = arguments.members(), arguments.raw("amount")
    payee, way = arguments.text("payee"), arguments.text("way")
    label, payee_bank = arguments.text("label", ""), arguments.text("payee_bank", "")
    wait = arguments.value("wait_minutes", 0) * MINUTE
    deadlines = arguments.value("own_minutes", 0), arguments.value("other_minutes", 0)
    arguments.done()
    if payee not in world.plan.payees:
        raise arguments.wrong(f"there is no payee {payee[:40]}")
    if way not in WAYS:
        raise arguments.wrong(f"way must be one of {', '.join(WAYS)}")
    outcome = Outcome()
    tries = Tries(play, step, outcome)
    for i, member in members:
        if member.bank != world.plan.bank:
            raise arguments.wrong(f"{member.name} is no customer of {world.plan.bank}")
        minor, id_ = arguments.at(amount, i), _order_id(step, label, member)
        common = (id_, member, minor, (payee, payee_bank), wait)
        call = (
            partial(world.pay_through_correspondent, *common)
            if way == WAYS[0]
            else partial(world.pay_by_exchange, *common, deadlines)
        )
        outcome.amount_tiyn += tries(call) or 0
    return outcome


def _recall_abroad(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, members, label = _world(play), arguments.members(), arguments.text("label")
    arguments.done()
    outcome = Outcome()
    tries = Tries(play, step, outcome)
    for _, member in members:

        def recall(member: Member = member) -> int:
            world.corridor.desk.recall(_order_id(step, label, member))
            return 0

        tries(recall)
    return outcome


def _rails_run(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, minutes = _world(play), arguments.value("minutes")
    arguments.done()
    if not 0 < minutes <= MAX_MINUTES:
        raise arguments.wrong(f"minutes is {minutes}; it must be from 1 to {MAX_MINUTES}")
    world.corridor.run(play.script.moment_of(step.day, step.time) + minutes * MINUTE)
    world.refresh()
    return Outcome([None])


def _rails_statement(play: Play, step: Step, arguments: Arguments) -> Outcome:
    arguments.done()
    world = _world(play)
    for number, message in enumerate(world.statement(), start=1):
        write_atomic(play.folder.path / "rails" / f"statement-{step.number}-{number}.xml", message.encode())
    found = world.reconciliation()
    if found.unknown or found.difference_minor:
        raise Refused("E_RAILS_STATEMENT", statement=f"of step {step.number}")
    note = f"{found.matched} movements match, {len(found.in_transit)} are on their way."
    return Outcome([None], note=note)


def _set_rate(play: Play, step: Step, arguments: Arguments) -> Outcome:
    rate = arguments.value("rate")
    arguments.done()
    _world(play).corridor.rates.set_middle(rate)
    return Outcome([None])


# --- figures ---


_CARRIED = ("pacs.008", "pacs.009", "pacs.002", "pacs.004", "camt.056", "camt.029")
_SUMS = (
    "paid_minor", "paid_tiyn", "slowest_seconds", "fastest_seconds", "exchanged_minor", "exchanged_tiyn",
    "exchange_seconds",
)  # fmt: skip
_FACTS = [
    *(f"rails.{name}" for name in _SUMS),
    *(f"rails.orders_{name}" for name in orders.STATE_NAMES.values()),
    *(f"rails.exchanges_{name}" for name in exchanges.STATE_NAMES.values()),
]


def _facts(world: RailsWorld) -> Mapping[str, int]:
    corridor = world.corridor
    names, home = corridor.plan.addresses, world.sandbox.system
    payees = {customer_abroad(name) for name in world.plan.payees}
    found = world.reconciliation()
    facts: Counter[str] = Counter(dict.fromkeys(_FACTS, 0))
    for order in corridor.desk.all():
        facts[f"rails.orders_{orders.STATE_NAMES[order.state]}"] += 1
        if order.state == orders.DONE:
            facts["rails.paid_minor"] += order.body.amount.minor
            facts["rails.paid_tiyn"] += corridor.rates.get(order.body.contract).asked.minor
            seconds = order.ended_at - order.taken_at
            facts["rails.slowest_seconds"] = max(facts["rails.slowest_seconds"], seconds)
            facts["rails.fastest_seconds"] = min(facts["rails.fastest_seconds"] or seconds, seconds)
    for exchange in corridor.exchange.all():
        facts[f"rails.exchanges_{exchanges.STATE_NAMES[exchange.state]}"] += 1
        if exchange.state == exchanges.DONE:
            facts["rails.exchanged_minor"] += exchange.body.amount.minor
            facts["rails.exchanged_tiyn"] += corridor.rates.get(exchange.body.contract).asked.minor
            seconds = exchange.paid_at - exchange.taken_at
            facts["rails.exchange_seconds"] = max(facts["rails.exchange_seconds"], seconds)
    abroad = corridor.abroad
    kids = corridor.payees.values()
    supply = abroad.ledger.supply()
    facts.update(
        {
            "rails.nostro_minor": corridor.shelves.nostro.balance(nostro(names.desk, names.correspondent)),
            "rails.loro_minor": abroad.books.balance(loro(CORRESPONDENT, names.desk)),
            "rails.sent_minor": corridor.shelves.nostro.balance(sent(names.desk)),
            "rails.spread_tiyn": home.books.balance(
                spread_income(institution_of(world.plan.corridor.home_bank))
            ),
            "rails.maker_spread_tiyn": corridor.shelves.maker.balance(spread_income(names.maker)),
            "rails.maker_tiyn": _held(home.ledger.owned(home.keys.get("market maker").public.kid)),
            "rails.locked_minor": abroad.books.balance(locked(CORRESPONDENT)),
            "rails.stock_minor": abroad.banks[CORRESPONDENT].inventory_tiyn(),
            "rails.payees_deposits_minor": sum(
                abroad.books.balance(deposit(PAYEES_BANK, customer)) for customer in payees
            ),
            "rails.payees_wallets_minor": sum(_held(abroad.ledger.owned(kid)) for kid in kids),
            "rails.outstanding_minor": supply.outstanding_tiyn,
            "rails.matched": found.matched,
            "rails.in_transit": len(found.in_transit),
            "rails.unknown": len(found.unknown),
            "rails.difference_minor": found.difference_minor,
            "rails.put_aside": sum(corridor.strangers().values()),
            "rails.problems_abroad": len(audit(abroad.stores.ledger).problems) + len(abroad.supervise()),
        }
    )
    facts.update({f"rails.messages_{kind}": number for kind, number in _counts(world).items()})
    return facts


def _held(tokens: list[Any]) -> int:
    return sum(token.amount_tiyn for _, token in tokens)


def _counts(world: RailsWorld) -> dict[str, int]:
    """Messages by kind and faults by name, in words that a fact may have."""
    counts = world.corridor.network.counts()
    return {name.replace(".", ""): counts[name] for name in sorted({*_CARRIED, *ACTIONS})}


def _report(world: RailsWorld) -> Any:
    corridor = world.corridor
    return {
        "network_abroad": corridor.abroad.network.hex(),
        "messages": _counts(world),
        "payments": list(_payments(world))[:SHOWN],
        "put_aside": corridor.strangers(),
    }


def _payments(world: RailsWorld) -> Iterator[dict[str, Any]]:
    corridor = world.corridor
    every: list[tuple[str, str, Any, int]] = [
        (WAYS[0], orders.STATE_NAMES[row.state], row, row.ended_at) for row in corridor.desk.all()
    ]
    every += [
        (WAYS[1], exchanges.STATE_NAMES[row.state], row, row.paid_at or row.ended_at)
        for row in corridor.exchange.all()
    ]
    for way, state, row, ended_at in every:
        quote = corridor.rates.get(row.body.contract)
        yield {
            "uetr": row.uetr,
            "way": way,
            "state": state,
            "reason": row.reason,
            "amount": f"{row.body.amount.text} {row.body.amount.currency.code}",
            "asked_tiyn": quote.asked.minor,
            "spread_tiyn": quote.spread_minor,
            "rate_millionths": quote.rates.asked,
            "seconds": max(0, ended_at - row.taken_at),
            "track": [f"{seen.kind[:8]} {seen.status}".strip() for seen in corridor.network.track(row.uetr)],
        }


RAILS = Extension(
    "rails",
    frozenset({"rails"}),
    parse,
    _open,
    {
        "pay_abroad": _pay_abroad,
        "recall_abroad": _recall_abroad,
        "rails_run": _rails_run,
        "rails_statement": _rails_statement,
        "set_rate": _set_rate,
    },
    frozenset({"rails"}),
    _facts,
    _report,
    RailsWorld.close,
)
