"""Exchanges of the AIFC in a pilot: `cbdc.corridor` over the banks and the cast that a script has.

    [corridor]
    usd_rate = "usd_rate"                        # tiyn for one US dollar: the official rate
    [[corridor.provider]]
    name = "alatau"                              # banks: the names of those it works with; capital at each of them
    [[corridor.asset]]
    name = "usd-coin"                            # tiyn and units: its price; swing, spread (basis points); own units
    [[corridor.rule]]
    name = "cap"                                 # kind: see RULES

Facts: `corridor.…`, among them `corridor.differences` (what reconciliation finds at the end) and
`corridor.compared`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cbdc import canonical
from cbdc.cabinet import Row
from cbdc.corridor.cap import CapRule
from cbdc.corridor.exchange import ExchangeRules, SimulatedExchange
from cbdc.corridor.measures import measure
from cbdc.corridor.orders import DONE, HELD, REFUSED
from cbdc.corridor.rates import Ratio
from cbdc.corridor.reconcile import Reconciliation, reconcile
from cbdc.corridor.records import EXCHANGE_ACTIVITY, FREEZE_ACCOUNT, REFUSE, RELEASE, VERDICT_NAMES
from cbdc.corridor.screening import MISMATCH, STRUCTURING, VELOCITY, Screen
from cbdc.corridor.setup import AssetPlan, Corridor, CorridorPlan, ProviderPlan, sign_verdict
from cbdc.corridor.trades import SendRules
from cbdc.record import HASH, Items
from cbdc.token import KeyLock, Token
from wallets.cast import Member
from wallets.desk import derived
from wallets.pilot.corridor.common import each, move_licence, no_keys, purse_of, read_rules, take_in
from wallets.pilot.extension import Extension
from wallets.pilot.folder import RunFolder
from wallets.pilot.play import Arguments, Outcome, Play
from wallets.pilot.reader import Reader
from wallets.pilot.script import Script, Step
from wallets.sandbox import Sandbox

CENTS = 100
_STARTED = "pilot/corridor started"
_REVIEWED = "pilot/corridor reviewed"
_OFFICERS = (VERDICT_NAMES[REFUSE], VERDICT_NAMES[FREEZE_ACCOUNT])
VERDICTS = {"release": RELEASE, "refuse": REFUSE, "freeze": FREEZE_ACCOUNT}


def _cap(reader: Reader, script: Script) -> CapRule:
    names = script.names
    return CapRule(
        reader.value("usd", names) * CENTS,
        reader.value("tested_usd", names, 0) * CENTS,
        reader.value("non_resident_usd", names, 0) * CENTS,
    )


def _travel(reader: Reader, script: Script) -> int:
    return reader.value("usd", script.names) * CENTS


def _structuring(reader: Reader, script: Script) -> Screen:
    names = script.names
    count, usd = reader.value("count", names), reader.value("usd", names)
    return Screen("", STRUCTURING, reader.value("hours", names) * 3_600, count, usd * CENTS)


def _velocity(reader: Reader, script: Script) -> Screen:
    count = reader.value("count", script.names)
    return Screen("", VELOCITY, reader.value("hours", script.names) * 3_600, count)


def _mismatch(reader: Reader, script: Script) -> Screen:
    return Screen("", MISMATCH, reader.value("hours", script.names) * 3_600)


RULES = {
    "licence": no_keys,
    "identity": no_keys,
    "own_account": no_keys,
    "payment": no_keys,
    "cap": _cap,
    "travel": _travel,
    STRUCTURING: _structuring,
    VELOCITY: _velocity,
    MISMATCH: _mismatch,
}


@dataclass(frozen=True, slots=True)
class ExchangePlan:
    """What a script says: providers as (name, bank names, capital), and the plan without them."""

    providers: tuple[tuple[str, tuple[str, ...], int], ...]
    plan: CorridorPlan


def parse(script: Script) -> ExchangePlan:
    """The section `[corridor]`; E_SCRIPT with the place of the first mistake."""
    reader = Reader(script.file, "[corridor]", script.extra["corridor"])
    usd_rate = reader.value("usd_rate", script.names)
    providers: list[tuple[str, tuple[str, ...], int]] = []
    for number, row in enumerate(reader.list("provider"), start=1):
        inner = Reader(script.file, f"[[corridor.provider]] number {number}", row)
        name = inner.name("name", taken=[one[0] for one in providers])
        banks = tuple(str(bank) for bank in inner.list("banks"))
        known = [bank.name for bank in script.banks]
        if not banks or any(bank not in known for bank in banks):
            raise inner.wrong(f"banks are one or more of {', '.join(known)}")
        providers.append((name, banks, inner.value("capital", script.names, 0)))
        inner.done()
    assets: list[AssetPlan] = []
    for number, row in enumerate(reader.list("asset"), start=1):
        inner = Reader(script.file, f"[[corridor.asset]] number {number}", row)
        assets.append(_asset(inner, script, [asset.name for asset in assets]))
    rules = read_rules(script, "corridor", reader.list("rule"), RULES)
    reader.done()
    if usd_rate < 1:
        raise reader.wrong("usd_rate must be at least 1")
    return ExchangePlan(tuple(providers), _plan(rules, tuple(assets), usd_rate))


def _asset(reader: Reader, script: Script, taken: list[str]) -> AssetPlan:
    names = script.names
    asset = AssetPlan(
        reader.name("name", taken=taken),
        Ratio(reader.value("tiyn", names), reader.value("units", names)),
        reader.value("swing", names, 0),
        reader.value("spread", names, 0),
        reader.value("own", names, 0),
    )
    reader.done()
    price = asset.price
    if (
        price.tiyn < 1
        or price.units < 1
        or not 0 <= asset.swing_basis_points + asset.spread_basis_points < 5_000
    ):
        raise reader.wrong("tiyn and units are at least 1, swing and spread together below 5000 basis points")
    return asset


def _plan(rules: list[tuple[str, str, Any]], assets: tuple[AssetPlan, ...], usd_rate: int) -> CorridorPlan:
    by_kind = {kind: value for _, kind, value in rules}
    screens = tuple(replace(value, name=name) for name, _, value in rules if isinstance(value, Screen))
    send = SendRules(payments="payment" in by_kind, travel_usd_cents=by_kind.get("travel"))
    exchange = ExchangeRules(by_kind.get("cap"), "own_account" in by_kind, send, screens)
    return CorridorPlan((), assets, exchange, usd_rate, "licence" in by_kind, "identity" in by_kind)


class ExchangeWorld:
    """The corridor of a run, with the exchanges that were started."""

    def __init__(self, plan: ExchangePlan, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        providers = tuple(
            ProviderPlan(name, tuple(sandbox.desk.bank_id(bank) for bank in banks), capital)
            for name, banks, capital in plan.providers
        )
        self.corridor = Corridor(sandbox.system, sandbox.entropy, replace(plan.plan, providers=providers))
        self._cabinet = sandbox.system.stores.cabinet
        for name, _ in self._cabinet.all(_STARTED):
            self.corridor.open_exchange(name.decode())
        for exchange in self.corridor.exchanges.values():
            exchange.desk.resume()

    def names(self) -> list[str]:
        """The providers of the script."""
        return [provider.name for provider in self.corridor.plan.providers]

    def start(self, name: str) -> SimulatedExchange:
        """Open an exchange's accounts at its banks; again is harmless."""
        exchange = self.corridor.open_exchange(name)
        self._cabinet.put_many([Row(_STARTED, name.encode(), b"")])
        return exchange

    def reconciled(self) -> Reconciliation:
        """Everything of every exchange compared."""
        found = [reconcile(one, self.corridor.receivers) for one in self.corridor.exchanges.values()]
        return Reconciliation(
            sum(one.compared for one in found), tuple(row for one in found for row in one.differences)
        )

    def held(self, id: bytes, exchange: SimulatedExchange, client: bytes) -> list[bytes]:
        """The held orders of a client when this step asked first: the same again after a kill."""
        known = self._cabinet.get(_REVIEWED, id)
        if known is None:
            orders = [order.id for order in exchange.desk.all(HELD) if order.client == client]
            known = canonical.encode(orders)
            self._cabinet.put_many([Row(_REVIEWED, id, known)])
        return list(Items(HASH, most=1_000).load(canonical.decode(known), "orders"))


def _open(plan: ExchangePlan, sandbox: Sandbox, folder: RunFolder) -> ExchangeWorld:
    return ExchangeWorld(plan, sandbox)


def client_of(provider: str, member: Member) -> bytes:
    """A member's account at a provider."""
    return derived("corridor client", provider, member.name)


# --- verbs ---


def _world(play: Play) -> ExchangeWorld:
    world: ExchangeWorld = play.worlds["corridor"]
    return world


def _provider(play: Play, arguments: Arguments) -> str:
    name = arguments.text("provider")
    return _known(play, arguments, name)


def _known(play: Play, arguments: Arguments, name: str) -> str:
    names = _world(play).names()
    if name not in names:
        raise arguments.wrong(f"there is no provider {name[:40]}; there are {', '.join(names)}")
    return name


def _exchange(play: Play, arguments: Arguments) -> SimulatedExchange:
    name = _provider(play, arguments)
    exchanges = _world(play).corridor.exchanges
    if name not in exchanges:
        raise arguments.wrong(f"{name} was not started: a step exchange_start must come first")
    return exchanges[name]


def _licence(play: Play, step: Step, arguments: Arguments) -> Outcome:
    corridor, name = _world(play).corridor, _provider(play, arguments)
    state, days = arguments.text("state"), arguments.value("days", 365)
    arguments.done()
    provider = (corridor.provider_key(name).public.kid, EXCHANGE_ACTIVITY)
    return move_licence(step, corridor, provider, state, days, arguments.wrong)


def _start(play: Play, step: Step, arguments: Arguments) -> Outcome:
    name = _provider(play, arguments)
    arguments.done()
    _world(play).start(name)
    return Outcome([None])


def _open_client(play: Play, step: Step, arguments: Arguments) -> Outcome:
    exchange, members = _exchange(play, arguments), arguments.members()
    resident, declared = arguments.raw("resident", 1), arguments.raw("declared_usd", 10_000)
    address, papers = arguments.raw("address", 1), arguments.raw("papers_of", "i")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        shown = play.sandbox.group(member.group)[arguments.at(papers, number)]
        exchange.open_client(
            client_of(exchange.name, member),
            shown.name,
            reference_of(shown),
            "an address" if arguments.at(address, number) else "",
            member.category,
            bool(arguments.at(resident, number)),
            arguments.at(declared, number) * CENTS,
            bank_id=play.sandbox.desk.bank_id(member.bank),
            customer=member.customer,
        )
        return 0

    return each(play, step, members, call)


def reference_of(member: Member) -> str:
    """The person's number, as the sandbox gives it to the member's bank."""
    return f"test-{member.name}"


def _test(play: Play, step: Step, arguments: Arguments) -> Outcome:
    exchange, members = _exchange(play, arguments), arguments.members()
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        exchange.clients.note_test(client_of(exchange.name, member))
        return 0

    return each(play, step, members, call)


def _fund(play: Play, step: Step, arguments: Arguments) -> Outcome:
    exchange, members, amount = _exchange(play, arguments), arguments.members(), arguments.raw("amount")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        tiyn = arguments.at(amount, number)
        client = client_of(exchange.name, member)
        lock = KeyLock(exchange.till_kid(client))
        exchange.fund(client, purse_of(play.sandbox, member).pay(identity, [Token(tiyn, lock)]))
        take_in(play.sandbox, member)
        return tiyn

    return each(play, step, members, call)


def _buy(play: Play, step: Step, arguments: Arguments) -> Outcome:
    exchange, members = _exchange(play, arguments), arguments.members()
    asset, amount = arguments.text("asset"), arguments.raw("amount")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        client = client_of(exchange.name, member)
        return exchange.buy(identity, client, asset, arguments.at(amount, number)).tiyn

    return each(play, step, members, call)


def _sell(play: Play, step: Step, arguments: Arguments) -> Outcome:
    exchange, members = _exchange(play, arguments), arguments.members()
    asset, amount = arguments.text("asset"), arguments.raw("amount")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        client = client_of(exchange.name, member)
        return exchange.sell(identity, client, asset, arguments.at(amount, number)).tiyn

    return each(play, step, members, call)


def _send(play: Play, step: Step, arguments: Arguments) -> Outcome:
    exchange, members, payee = _exchange(play, arguments), arguments.members(), arguments.payee()
    asset, units = arguments.text("asset"), arguments.raw("units")
    other = _known(play, arguments, arguments.text("to_provider"))
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        to = payee(number)
        if to is None:
            raise arguments.wrong("the treasury has no account at a provider")
        mine, theirs = client_of(exchange.name, member), client_of(other, to)
        return exchange.send(identity, mine, asset, arguments.at(units, number), other, theirs).tiyn

    return each(play, step, members, call)


def _withdraw(play: Play, step: Step, arguments: Arguments) -> Outcome:
    exchange, members, amount = _exchange(play, arguments), arguments.members(), arguments.raw("amount")
    payee = arguments.payee() if arguments.has("to") else None
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        to = payee(number) if payee else member
        if to is None:
            raise arguments.wrong("the treasury has no account at a provider")
        link = exchange.clients.get(client_of(exchange.name, to)).link
        client = client_of(exchange.name, member)
        return exchange.withdraw(identity, client, arguments.at(amount, number), link).tiyn

    return each(play, step, members, call)


def _review(play: Play, step: Step, arguments: Arguments) -> Outcome:
    exchange, members = _exchange(play, arguments), arguments.members()
    said, reason, legal = arguments.text("verdict"), arguments.text("reason"), arguments.text("legal", "")
    arguments.done()
    if said not in VERDICTS:
        raise arguments.wrong(f"verdict must be one of {', '.join(VERDICTS)}")
    world = _world(play)

    def call(number: int, member: Member, identity: bytes) -> int:
        client = client_of(exchange.name, member)
        moved = 0
        for order in world.held(identity, exchange, client):
            verdict = sign_verdict(world.corridor, exchange.name, order, VERDICTS[said], reason)
            reviewed = exchange.review(verdict)
            moved += reviewed.tiyn if VERDICTS[said] == RELEASE else 0
        if legal:
            desk = world.corridor.desks[play.sandbox.desk.bank_id(member.bank)]
            link = desk.find(exchange.clients.get(client).link, exchange.kid)
            desk.ask_freeze(derived(identity, "freeze"), link, play.sandbox.system.enforcement, legal)
        return moved

    return each(play, step, members, call)


def _reconcile(play: Play, step: Step, arguments: Arguments) -> Outcome:
    arguments.done()
    found = _world(play).reconciled()
    return Outcome([None], note=f"{found.compared} comparisons, {len(found.differences)} differences.")


# --- what the run says of it ---


def _facts(world: ExchangeWorld) -> Mapping[str, int]:
    facts = {
        "corridor.compared": 0,
        "corridor.clients": 0,
        "corridor.owed_tiyn": 0,
        "corridor.own_tiyn": 0,
        "corridor.held": 0,
        "corridor.refused_by_officer": 0,
        **{f"corridor.{kind}_tiyn": 0 for kind in ("fund", "buy", "sell", "send", "withdraw")},
    }
    found = world.reconciled()
    facts |= {"corridor.compared": found.compared, "corridor.differences": len(found.differences)}
    for exchange in world.corridor.exchanges.values():
        clients = exchange.clients.all()
        facts["corridor.clients"] += len(clients)
        facts["corridor.owed_tiyn"] += sum(exchange.owed_tiyn(client.id) for client in clients)
        facts["corridor.own_tiyn"] += exchange.cash.books.balance(exchange.cash.accounts.own)
        facts["corridor.held"] += len(exchange.desk.all(HELD))
        refused = [order.refusal for order in exchange.desk.all(REFUSED)]
        facts["corridor.refused_by_officer"] += sum(1 for code in refused if code in _OFFICERS)
        for order in exchange.desk.all(DONE):
            facts[f"corridor.{order.kind}_tiyn"] += order.tiyn
    for asset in world.corridor.plan.assets:
        listings = [one.dealer.listings[asset.name] for one in world.corridor.exchanges.values()]
        facts[f"corridor.units_{asset.name}"] = listings[0].custody.supply() if listings else 0
    return facts


def _report(world: ExchangeWorld) -> dict[str, Any]:
    found = world.reconciled()
    measures = measure(world.corridor.log.all(), len(found.differences))
    return {
        "measures": measures._asdict(),
        "compared": found.compared,
        "differences": [row._asdict() for row in found.differences],
    }


EXCHANGES = Extension(
    "corridor",
    frozenset({"corridor"}),
    parse,
    _open,
    {
        "exchange_licence": _licence,
        "exchange_start": _start,
        "exchange_open": _open_client,
        "exchange_test": _test,
        "exchange_fund": _fund,
        "exchange_buy": _buy,
        "exchange_sell": _sell,
        "exchange_send": _send,
        "exchange_withdraw": _withdraw,
        "exchange_review": _review,
        "exchange_reconcile": _reconcile,
    },
    frozenset({"corridor"}),
    _facts,
    _report,
)
