"""Gold tokens against digital tenge in a pilot: `cbdc.corridor.gold` and `cbdc.corridor.delivery` over a script's cast.

    [gold]
    [[gold.custodian]]
    name = "vault"                               # its tokens have the same name
    [[gold.fake]]
    name = "fools-gold"                          # an asset of nobody licensed, for attempts
    [[gold.rule]]
    name = "covered"                             # kind: licence, covered, known, single_sale, gap (seconds), deadline

Gold is in milligrams. A deal has a number in the script (`deal`); the seller's secret follows from the seed. Facts:
`gold.…`, also `gold.GROUP_mg` for what a group holds of all tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from cbdc.corridor.delivery import DELIVERED, ROLLED_BACK, DeliveryDesk, DeliveryRules, Terms
from cbdc.corridor.gold import attest
from cbdc.corridor.records import CUSTODY_ACTIVITY
from cbdc.corridor.setup import Corridor, CorridorPlan, open_gold
from cbdc.corridor.units import UnitLedger
from cbdc.errors import Refused
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

HOUR_SECONDS = 3_600
MAX_BARS = 200


def _gap(reader: Reader, script: Script) -> int:
    return reader.value("seconds", script.names)


RULES = {
    "licence": no_keys,
    "covered": no_keys,
    "known": no_keys,
    "single_sale": no_keys,
    "gap": _gap,
    "deadline": no_keys,
}


@dataclass(frozen=True, slots=True)
class GoldPlan:
    """What a script says: custodians, fakes, and which rules are on."""

    custodians: tuple[str, ...]
    fakes: tuple[str, ...]
    licence: bool
    covered: bool
    deadline: bool
    rules: DeliveryRules


def parse(script: Script) -> GoldPlan:
    """The section `[gold]`; E_SCRIPT with the place of the first mistake."""
    reader = Reader(script.file, "[gold]", script.extra["gold"])
    custodians: list[str] = []
    fakes: list[str] = []
    for number, row in enumerate(reader.list("custodian"), start=1):
        inner = Reader(script.file, f"[[gold.custodian]] number {number}", row)
        custodians.append(inner.name("name", taken=custodians))
        inner.done()
    for number, row in enumerate(reader.list("fake"), start=1):
        inner = Reader(script.file, f"[[gold.fake]] number {number}", row)
        fakes.append(inner.name("name", taken=[*custodians, *fakes]))
        inner.done()
    rows = read_rules(script, "gold", reader.list("rule"), RULES)
    reader.done()
    on = {kind: value for _, kind, value in rows}
    rules = DeliveryRules("known" in on, "single_sale" in on, on.get("gap", 0))
    return GoldPlan(
        tuple(custodians), tuple(fakes), "licence" in on, "covered" in on, "deadline" in on, rules
    )


class GoldWorld:
    """The custodians of a run, their tokens and the desk."""

    def __init__(self, plan: GoldPlan, sandbox: Sandbox) -> None:
        system = sandbox.system
        self.sandbox = sandbox
        self.corridor = Corridor(system, sandbox.entropy, CorridorPlan(licences=plan.licence))
        self.custodians = {name: system.keys.get(f"custodian/{name}") for name in plan.custodians}
        self.issuers = {
            name: open_gold(self.corridor, name, signer, plan.covered, not plan.deadline)
            for name, signer in self.custodians.items()
        }
        self.ledgers = {name: issuer.units for name, issuer in self.issuers.items()}
        for name in plan.fakes:
            self.ledgers[name] = UnitLedger(system.stores.cabinet, name, system.clock, not plan.deadline)
        self.desk = DeliveryDesk(
            system.ledger,
            system.stores.cabinet,
            system.clock,
            self.corridor.log,
            self.issuers,
            self.ledgers,
            plan.rules,
        )

    def secret(self, deal: bytes) -> bytes:
        """The seller's secret of a deal."""
        return self.sandbox.entropy.bytes("gold secret", deal)


def _open(plan: GoldPlan, sandbox: Sandbox, folder: RunFolder) -> GoldWorld:
    return GoldWorld(plan, sandbox)


def _world(play: Play) -> GoldWorld:
    world: GoldWorld = play.worlds["gold"]
    return world


def deal_of(number: int) -> bytes:
    """The id of a deal by its number in the script."""
    return derived("gold deal", number)


def _custodian(play: Play, arguments: Arguments) -> str:
    name, known = arguments.text("custodian"), _world(play).custodians
    if name not in known:
        raise arguments.wrong(f"there is no custodian {name[:40]}; there are {', '.join(known)}")
    return name


def _asset(play: Play, arguments: Arguments) -> str:
    name, known = arguments.text("asset"), _world(play).ledgers
    if name not in known:
        raise arguments.wrong(f"there is no asset {name[:40]}; there are {', '.join(known)}")
    return name


# --- custodians ---


def _licence(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, name = _world(play), _custodian(play, arguments)
    state, days = arguments.text("state"), arguments.value("days", 365)
    arguments.done()
    provider = (world.custodians[name].public.kid, CUSTODY_ACTIVITY)
    return move_licence(step, world.corridor, provider, state, days, arguments.wrong)


def _attest(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, name = _world(play), _custodian(play, arguments)
    bars = arguments.count("bars", arguments.raw("bars"), 0, MAX_BARS)
    weight, serial = arguments.value("bar_mg"), arguments.value("serial", 1)
    arguments.done()
    rows = [(f"bar-{number}", weight) for number in range(1, bars + 1)]
    now = world.corridor.system.clock.now()
    signed = attest(world.custodians[name], play.sandbox.system.network, name, rows, serial, now)
    world.issuers[name].publish(signed.encode())
    return Outcome([None])


def _issue(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, name = _world(play), _custodian(play, arguments)
    members, weight = arguments.members(), arguments.raw("mg")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        world.issuers[name].issue(identity, member.wallet.kid.hex(), arguments.at(weight, number))
        return 0

    return each(play, step, members, call)


def _forge(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, name = _world(play), _asset(play, arguments)
    members, weight = arguments.members(), arguments.raw("mg")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        if name in world.issuers:
            raise arguments.wrong(f"{name} is a custodian's token and is issued")
        world.ledgers[name].mint(identity, member.wallet.kid.hex(), arguments.at(weight, number))
        return 0

    return each(play, step, members, call)


# --- deals: `who` are the buyers, `deal` the number of each one's deal ---


def _agree(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, asset = _world(play), _asset(play, arguments)
    members, payee, deal = arguments.members(), arguments.payee(), arguments.raw("deal", "i")
    weight, amount = arguments.raw("mg"), arguments.raw("amount")
    money_hours, asset_hours = arguments.value("money_hours"), arguments.value("asset_hours")
    arguments.done()
    now = world.corridor.system.clock.now()

    def call(number: int, member: Member, identity: bytes) -> int:
        seller, name = payee(number), deal_of(arguments.at(deal, number))
        if seller is None:
            raise arguments.wrong("the treasury sells no gold")
        terms = Terms(
            asset,
            seller.wallet.kid,
            member.wallet.kid,
            arguments.at(weight, number),
            arguments.at(amount, number),
            sha256(world.secret(name)).digest(),
            now + money_hours * HOUR_SECONDS,
            now + asset_hours * HOUR_SECONDS,
        )
        world.desk.agree(name, terms)
        return 0

    return each(play, step, members, call)


def _lock(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, members, deal = _world(play), arguments.members(), arguments.raw("deal", "i")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        world.desk.lock_asset(deal_of(arguments.at(deal, number)))
        return 0

    return each(play, step, members, call)


def _pay(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, members, deal = _world(play), arguments.members(), arguments.raw("deal", "i")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        name = deal_of(arguments.at(deal, number))
        terms = world.desk.terms(name)
        payment = purse_of(play.sandbox, member).pay(identity, [terms.payment])
        world.desk.lock_money(name, payment)
        take_in(play.sandbox, member)
        return terms.tiyn

    return each(play, step, members, call)


def _claim(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, members, deal = _world(play), arguments.members(), arguments.raw("deal", "i")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        name = deal_of(arguments.at(deal, number))
        kid = world.desk.terms(name).seller
        seller = next(one for one in play.sandbox.members() if one.wallet.kid == kid)
        return _spend(play, seller, name, identity, [world.secret(name)])

    return each(play, step, members, call)


def _money_back(play: Play, step: Step, arguments: Arguments) -> Outcome:
    members, deal = arguments.members(), arguments.raw("deal", "i")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        return _spend(play, member, deal_of(arguments.at(deal, number)), identity, [])

    return each(play, step, members, call)


def _spend(play: Play, member: Member, deal: bytes, identity: bytes, preimages: list[bytes]) -> int:
    """A member opens the money's lock to its own key: with the secret, or after the deadline."""
    desk = _world(play).desk
    token, terms = desk.money(deal), desk.terms(deal)
    if token is None:
        raise Refused("E_DELIVERY_ORDER", id=deal)
    purse = purse_of(play.sandbox, member)
    out = [Token(terms.tiyn, KeyLock(member.wallet.kid))]
    purse.send(purse.spend(identity, [token], out, preimages))
    take_in(play.sandbox, member)
    return terms.tiyn


def _deliver(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, members, deal = _world(play), arguments.members(), arguments.raw("deal", "i")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        world.desk.deliver(deal_of(arguments.at(deal, number)))
        return 0

    return each(play, step, members, call)


def _take(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, members, deal = _world(play), arguments.members(), arguments.raw("deal", "i")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        name = deal_of(arguments.at(deal, number))
        world.desk.take(name, world.secret(name))
        return 0

    return each(play, step, members, call)


def _gold_back(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, members, deal = _world(play), arguments.members(), arguments.raw("deal", "i")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        world.desk.take_back(deal_of(arguments.at(deal, number)))
        return 0

    return each(play, step, members, call)


# --- what the run says of it ---


def _facts(world: GoldWorld) -> Mapping[str, int]:
    states = {name: world.desk.state(name) for name in world.desk.deals()}
    delivered = [world.desk.terms(name) for name, state in states.items() if state == DELIVERED]
    holdings = [issuer.statement() for issuer in world.issuers.values()]
    facts = {
        "gold.deals": len(states),
        "gold.delivered": len(delivered),
        "gold.rolled_back": sum(1 for state in states.values() if state == ROLLED_BACK),
        "gold.paid_tiyn": sum(terms.tiyn for terms in delivered),
        "gold.tokens_mg": sum(issuer.units.supply() for issuer in world.issuers.values()),
        "gold.in_vault_mg": sum(one.total_mg for one in holdings if one is not None),
        "gold.uncovered_mg": sum(issuer.uncovered_mg() for issuer in world.issuers.values()),
    }
    for member in world.sandbox.members():
        kid = member.wallet.kid.hex()
        held = sum(issuer.units.balance(kid) for issuer in world.issuers.values())
        facts[f"gold.{member.group}_mg"] = facts.get(f"gold.{member.group}_mg", 0) + held
    return facts


def _report(world: GoldWorld) -> dict[str, Any]:
    return dict(_facts(world))


GOLD = Extension(
    "gold",
    frozenset({"gold"}),
    parse,
    _open,
    {
        "gold_licence": _licence,
        "gold_attest": _attest,
        "gold_issue": _issue,
        "gold_forge": _forge,
        "gold_agree": _agree,
        "gold_lock": _lock,
        "gold_pay": _pay,
        "gold_claim": _claim,
        "gold_money_back": _money_back,
        "gold_deliver": _deliver,
        "gold_take": _take,
        "gold_back": _gold_back,
    },
    frozenset({"gold"}),
    _facts,
    _report,
)
