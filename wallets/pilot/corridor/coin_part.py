"""A backed stablecoin in a pilot: `cbdc.corridor.stablecoin` with a simulated chain, over a script's cast.

    [stablecoin]
    name = "KZT-w"
    bank = "issuing-bank"                        # where the custodian's keys are registered
    delay = 1                                    # blocks until a transaction is included
    [[stablecoin.rule]]
    name = "backed"                              # kind: licence, backed, burn, confirmations, disclosure

Coins are in tiyn. A member's account on the chain is its name. Facts: `coin.…`, among them `coin.shortfall_tiyn`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cbdc.cabinet import Row
from cbdc.corridor.records import STABLECOIN_ACTIVITY
from cbdc.corridor.setup import Corridor, CorridorPlan, open_stablecoin
from cbdc.corridor.stablecoin import StablecoinRules
from cbdc.token import Token
from wallets.cast import Member
from wallets.desk import derived
from wallets.pilot.corridor.common import (
    each,
    move_licence,
    no_keys,
    purse_of,
    read_rules,
    resumed,
    take_in,
    unless_silent,
)
from wallets.pilot.extension import Extension
from wallets.pilot.folder import RunFolder
from wallets.pilot.play import Arguments, Outcome, Play, step_id
from wallets.pilot.reader import Reader
from wallets.pilot.script import Script, Step
from wallets.sandbox import Sandbox

MAX_BLOCKS = 1_000
_DISCLOSED = "pilot/stablecoin disclosed"


def _confirmations(reader: Reader, script: Script) -> int:
    return reader.value("blocks", script.names)


def _disclosure(reader: Reader, script: Script) -> int:
    return reader.value("days", script.names)


RULES = {
    "licence": no_keys,
    "backed": no_keys,
    "burn": no_keys,
    "confirmations": _confirmations,
    "disclosure": _disclosure,
}


@dataclass(frozen=True, slots=True)
class CoinPlan:
    """What a script says of its coin."""

    name: str
    bank: str
    delay_blocks: int
    licence: bool
    rules: StablecoinRules


def parse(script: Script) -> CoinPlan:
    """The section `[stablecoin]`; E_SCRIPT with the place of the first mistake."""
    reader = Reader(script.file, "[stablecoin]", script.extra["stablecoin"])
    name, bank = reader.text("name"), reader.text("bank")
    delay = reader.value("delay", script.names, 1)
    rows = read_rules(script, "stablecoin", reader.list("rule"), RULES)
    reader.done()
    if bank not in [one.name for one in script.banks]:
        raise reader.wrong(f"there is no bank {bank[:40]}")
    if not 1 <= len(name) <= 32 or not 1 <= delay <= MAX_BLOCKS:
        raise reader.wrong(f"name has 1 to 32 letters, and delay is 1 to {MAX_BLOCKS}")
    on = {kind: value for _, kind, value in rows}
    rules = StablecoinRules("backed" in on, "burn" in on, on.get("confirmations", 0), on.get("disclosure"))
    return CoinPlan(name, bank, delay, "licence" in on, rules)


class CoinWorld:
    """The coin of a run, its chain and its issuer."""

    def __init__(self, plan: CoinPlan, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.corridor = Corridor(sandbox.system, sandbox.entropy, CorridorPlan(licences=plan.licence))
        bank_id = sandbox.desk.bank_id(plan.bank)
        self.coin, self.chain = open_stablecoin(
            self.corridor, plan.name, bank_id, plan.rules, plan.delay_blocks
        )

    def disclosures(self) -> int:
        """How many quarters were disclosed."""
        return len(self.sandbox.system.stores.cabinet.all(_DISCLOSED))


def _open(plan: CoinPlan, sandbox: Sandbox, folder: RunFolder) -> CoinWorld:
    return CoinWorld(plan, sandbox)


def _world(play: Play) -> CoinWorld:
    world: CoinWorld = play.worlds["stablecoin"]
    return world


def burn_of(member: Member, number: int) -> bytes:
    """The chain's id of a member's burn, by its number."""
    return derived("coin burn", member.name, number)


# --- verbs ---


def _licence(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world = _world(play)
    state, days = arguments.text("state"), arguments.value("days", 365)
    arguments.done()
    provider = (world.coin.kid, STABLECOIN_ACTIVITY)
    return move_licence(step, world.corridor, provider, state, days, arguments.wrong)


def _wrap(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, members, amount = _world(play), arguments.members(), arguments.raw("amount")
    arguments.done()
    waiting: list[str] = []

    def call(number: int, member: Member, identity: bytes) -> int:
        tiyn = arguments.at(amount, number)
        locking = purse_of(play.sandbox, member).pay(identity, [Token(tiyn, world.coin.vault.lock)])
        if not unless_silent(lambda: world.coin.wrap(locking, member.name)):
            waiting.append(member.name)
        take_in(play.sandbox, member)
        return tiyn

    outcome = each(play, step, members, call)
    if waiting:
        outcome.note = f"The chain did not answer; {len(waiting)} wraps stay open."
    return outcome


def _mint(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, members, amount = _world(play), arguments.members(), arguments.raw("amount")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        tiyn = arguments.at(amount, number)
        world.coin.mint(derived(identity, "no lock"), member.name, tiyn)
        return tiyn

    return each(play, step, members, call)


def _pay(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, members, payee = _world(play), arguments.members(), arguments.payee()
    amount = arguments.raw("amount")
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        to = payee(number)
        if to is None:
            raise arguments.wrong("the treasury has no account on the chain")
        tiyn = arguments.at(amount, number)
        world.chain.transfer(identity, member.name, to.name, tiyn)
        return tiyn

    return each(play, step, members, call)


def _burn(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, members = _world(play), arguments.members()
    amount, burn = arguments.raw("amount"), arguments.raw("burn", 1)
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        tiyn = arguments.at(amount, number)
        identity = burn_of(member, arguments.at(burn, number))
        world.chain.burn(identity, member.name, tiyn, member.wallet.kid)
        return tiyn

    return each(play, step, members, call)


def _redeem(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world, members = _world(play), arguments.members()
    amount, burn = arguments.raw("amount", 0), arguments.raw("burn", 1)
    arguments.done()

    def call(number: int, member: Member, identity: bytes) -> int:
        tiyn = arguments.at(amount, number)
        name = burn_of(member, arguments.at(burn, number))
        receipt = world.coin.redeem(name, member.wallet.kid, tiyn)
        take_in(play.sandbox, member)
        paid = play.sandbox.system.ledger.transaction(receipt.index).record.creates
        return sum(token.amount_tiyn for token in paid if token.lock.holder == member.wallet.kid)

    return each(play, step, members, call)


def _blocks(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world = _world(play)
    blocks = arguments.count("blocks", arguments.raw("blocks"), 0, MAX_BLOCKS)
    arguments.done()
    height = world.chain.grow(step_id(step), blocks)
    return Outcome([None], note=f"The chain has {height} blocks.")


def _reorganise(play: Play, step: Step, arguments: Arguments) -> Outcome:
    world = _world(play)
    depth = arguments.count("depth", arguments.raw("depth"), 0, MAX_BLOCKS)
    lose = arguments.value("lose", 0)
    arguments.done()
    height = world.chain.reorganise(step_id(step), depth, bool(lose))
    return Outcome([None], note=f"The chain took back {depth} blocks and has {height}.")


def _silence(play: Play, step: Step, arguments: Arguments) -> Outcome:
    silent = arguments.value("silent")
    arguments.done()
    _world(play).chain.set_silent(bool(silent))
    return Outcome([None])


def _carry_on(play: Play, step: Step, arguments: Arguments) -> Outcome:
    arguments.done()
    return Outcome([None], note=f"Carried on: {resumed(_world(play).coin.resume())}.")


def _disclose(play: Play, step: Step, arguments: Arguments) -> Outcome:
    arguments.done()
    world = _world(play)
    signed = world.coin.disclose()
    record = signed.record
    row = Row(_DISCLOSED, record.quarter.to_bytes(8, "big"), signed.encode())
    play.sandbox.system.stores.cabinet.put_many([row])
    return Outcome([None], note=f"Quarter {record.quarter}: locked and wrapped are told.")


# --- what the run says of it ---


def _facts(world: CoinWorld) -> Mapping[str, int]:
    counted = world.coin.audit()
    return {
        "coin.locked_tiyn": counted.locked_tiyn,
        "coin.wrapped_tiyn": counted.wrapped_tiyn,
        "coin.waiting_tiyn": counted.waiting_tiyn,
        "coin.shortfall_tiyn": counted.shortfall_tiyn,
        "coin.open_wraps": world.coin.open_wraps(),
        "coin.blocks": world.chain.height,
        "coin.disclosures": world.disclosures(),
    }


def _report(world: CoinWorld) -> dict[str, Any]:
    return dict(_facts(world))


STABLECOIN = Extension(
    "stablecoin",
    frozenset({"stablecoin"}),
    parse,
    _open,
    {
        "coin_licence": _licence,
        "coin_wrap": _wrap,
        "coin_mint": _mint,
        "coin_pay": _pay,
        "coin_burn": _burn,
        "coin_redeem": _redeem,
        "coin_blocks": _blocks,
        "coin_reorganise": _reorganise,
        "coin_silence": _silence,
        "coin_carry_on": _carry_on,
        "coin_disclose": _disclose,
    },
    frozenset({"coin"}),
    _facts,
    _report,
)
