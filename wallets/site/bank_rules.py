"""The rules that a commercial bank of the sandbox sets itself: waterfall, reverse waterfall, automatic top-up, by tier.

The limits of holdings and payments are not here: they stand in entry 0 of the ledger and are nobody's to change while
it runs. A bank decides what it does for its own customers below them:

    waterfall   what would bring a customer above so much goes on into the deposit, in the payment itself
    reverse     what a customer lacks for a payment comes out of the deposit first
    top-up      a customer who agreed and holds less than so much is sold digital tenge up to so much

Each setting is a sentence that the bank's certified key signs, kept for ever in the order of arrival; what holds is
read out of these signed sentences and nothing else. None of them lets a bank take a token out of a wallet: the
waterfall is the payer's transfer by the bank's terms, and only wallets that ask for terms use it (`cbdc.overflow`).
Here these are the simulated wallets in this server; a browser pays straight to the ledger and tops itself up by a rule
of its own.

A default of a sandbox is that no bank has set anything. That a top-up needs the customer's yes is an assumption.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.cabinet import Row
from cbdc.customers import Customer
from cbdc.distribution import CommercialBank
from cbdc.errors import Refused, TengeError
from cbdc.money import format_tenge
from cbdc.orders import HolderProof
from cbdc.policies import PolicySet, Rule, preset
from cbdc.record import Bytes, Group, Text, open_envelope, sign
from cbdc.sales import SaleOrder
from wallets.desk import derived
from wallets.site.following import following
from wallets.site.opening import POLICY
from wallets.site.world import World

WATERFALL = "waterfall"
REVERSE = "reverse"
TOP_UP = "top-up"
KINDS = (WATERFALL, REVERSE, TOP_UP)
RECENT_SECONDS = 30 * 86_400
_SAID = re.compile(r"rule (waterfall|reverse|top-up) tier (\d{1,3}): (\d{1,16}) (\d{1,16})", re.ASCII)
_ROW = Group((Text(64), Bytes()))


@dataclass(frozen=True, slots=True)
class TierRules:
    """What a bank does for the customers of a tier; 0 is off.

    `waterfall_tiyn` is the most that a payment leaves in the wallet, `reverse` is 1 or 0, and a top-up fills a holding
    below `floor_tiyn` up to `target_tiyn`.
    """

    waterfall_tiyn: int = 0
    reverse: int = 0
    floor_tiyn: int = 0
    target_tiyn: int = 0


class Setting(NamedTuple):
    """One signed sentence: its request's id, who set it (a user's id), when, what kind, of which tier, which values."""

    id: bytes
    user: str
    time: int
    kind: str
    tier: int
    first: int
    second: int


class Wanted(NamedTuple):
    """What a top-up would sell a customer: how much (tiyn, 0 when it gets nothing), to which key, and what is in the
    way: "", "deposit", "frozen", "closed" or "key"."""

    customer: Customer
    amount_tiyn: int
    kid: bytes
    why: str


def _drawer(bank_id: int) -> str:
    return f"site bank {bank_id}/rule"


def _agreed(bank_id: int) -> str:
    return f"site bank {bank_id}/top-up"


def tiers() -> tuple[tuple[int, str], ...]:
    """(number, name) of the sandbox's tiers of identification."""
    return tuple((tier.number, tier.name) for tier in preset(POLICY).tiers)


def ledger_limit_tiyn(world: World, tier: int) -> int:
    """The ledger's holding limit of a tier, 0 for none."""
    return world.system.genesis.policy.limits(tier).holding_limit_tiyn


# --- what was set ---


def put(
    world: World, bank_id: int, user: str, id: bytes, kind: str, tier: int, first: int, second: int = 0
) -> None:
    """Sign and keep a setting, once for the id; E_ID_REUSED for another one under it. Raises what `check` raises."""
    check(world, kind, tier, first, second)
    said = f"rule {kind} tier {tier}: {first} {second}"
    cabinet = world.system.stores.cabinet
    known = cabinet.get(_drawer(bank_id), id)
    if known is not None:
        if _opened(world, bank_id, id, known)[3:] != (kind, tier, first, second):
            raise Refused("E_ID_REUSED", id=id)
        return
    signer = world.system.keys.bank(bank_id)
    word = HolderProof(signer.public.kid, said, world.clock.now(), id[:16])
    envelope = sign(word, world.system.network, signer).encode()
    cabinet.put_many([Row(_drawer(bank_id), id, canonical.encode([user[:64], envelope]))])


def check(world: World, kind: str, tier: int, first: int, second: int) -> None:
    """Refuse a setting that could not hold: E_BANK_TIER, E_BANK_OVER, E_BANK_TOP_UP."""
    if tier not in dict(tiers()):
        raise Refused("E_BANK_TIER", tier=tier, known=", ".join(str(number) for number, _ in tiers()))
    limit_tiyn = ledger_limit_tiyn(world, tier)
    most_tiyn = second if kind == TOP_UP else first if kind == WATERFALL else 0
    if limit_tiyn and most_tiyn > limit_tiyn:
        raise Refused(
            "E_BANK_OVER", wanted_tenge=format_tenge(most_tiyn), limit_tenge=format_tenge(limit_tiyn)
        )
    if kind == TOP_UP and (first or second) and not 0 < first < second:
        raise Refused("E_BANK_TOP_UP", floor_tenge=format_tenge(first), target_tenge=format_tenge(second))


def _opened(world: World, bank_id: int, id: bytes, data: bytes) -> Setting:
    """A kept setting; its signature is judged every time, so nothing holds that the bank did not sign."""
    user, envelope = _ROW.load(canonical.decode(data), "setting")
    signed: Any = open_envelope(envelope, HolderProof, world.system.network)
    signed.verify(world.system.keys.bank(bank_id).public)
    said = _SAID.fullmatch(signed.record.purpose)
    assert said is not None, "a setting is written by `put`"
    return Setting(id, user, signed.record.time, said[1], int(said[2]), int(said[3]), int(said[4]))


def history(world: World, bank_id: int) -> list[Setting]:
    """Every setting that a bank made, oldest first; E_SIG for one that it did not sign."""
    rows = world.system.stores.cabinet.all(_drawer(bank_id))
    return [_opened(world, bank_id, name, data) for name, data in rows]


def rules_of(world: World, bank_id: int) -> dict[int, TierRules]:
    """What a bank's rules are now, by tier."""
    found = {number: TierRules() for number, _ in tiers()}
    for one in history(world, bank_id):
        if one.kind == WATERFALL:
            found[one.tier] = replace(found[one.tier], waterfall_tiyn=one.first)
        elif one.kind == REVERSE:
            found[one.tier] = replace(found[one.tier], reverse=one.first)
        else:
            found[one.tier] = replace(found[one.tier], floor_tiyn=one.first, target_tiyn=one.second)
    return found


def policy_between(world: World, payer_bank: int, payee_bank: int) -> PolicySet:
    """The rules for a payment between customers of two banks: the payee's waterfall, the payer's reverse waterfall."""
    rules: list[Rule] = []
    for tier, one in rules_of(world, payee_bank).items():
        if one.waterfall_tiyn:
            rules.append(Rule(f"waterfall-{tier}", "waterfall", 1, tier))
            rules.append(Rule(f"holding-{tier}", "holding", one.waterfall_tiyn, tier))
    for tier, one in rules_of(world, payer_bank).items():
        if one.reverse:
            rules.append(Rule(f"reverse-{tier}", "reverse_waterfall", 1, tier))
    return preset(POLICY).with_rules(rules)


# --- what customers agreed to, and the top-up itself ---


def agree(world: World, bank_id: int, customer: bytes, yes: bool) -> None:
    """Note that a customer agrees to be topped up, or does no longer; E_CUSTOMER_UNKNOWN."""
    world.system.banks[bank_id].customers.get(customer)
    world.system.stores.cabinet.put_many([Row(_agreed(bank_id), customer, b"1" if yes else None)])


def agrees(world: World, bank_id: int, customer: bytes) -> bool:
    """Whether a customer agreed."""
    return world.system.stores.cabinet.get(_agreed(bank_id), customer) is not None


def wanted(world: World, bank: CommercialBank, rules: dict[int, TierRules]) -> list[Wanted]:
    """What a top-up under these rules would sell to each customer who agreed and holds too little, oldest first."""
    ledger = world.system.ledger
    names = [name for name, _ in world.system.stores.cabinet.all(_agreed(bank.bank_id))]
    found = []
    for customer in bank.customers.get_many(names).values():
        rule = rules.get(customer.tier, TierRules())
        held_tiyn = ledger.holding_tiyn(customer.pseudonym)
        if held_tiyn >= rule.floor_tiyn:
            continue
        kid = _present_key(world, bank.customers.keys_of(customer.id))
        lacks_tiyn = rule.target_tiyn - held_tiyn
        amount_tiyn = min(lacks_tiyn, bank.deposit_tiyn(customer.id))
        why = "" if amount_tiyn == lacks_tiyn else "deposit"
        if not kid:
            amount_tiyn, why = 0, "key"
        elif ledger.frozen(customer.pseudonym):
            amount_tiyn, why = 0, "frozen"
        elif bank.customers.is_closed(customer.id):
            amount_tiyn, why = 0, "closed"
        found.append(Wanted(customer, amount_tiyn, kid, why))
    return found


def _present_key(world: World, kids: Sequence[bytes]) -> bytes:
    """The newest of these keys that nothing has replaced, or nothing."""
    for kid in reversed(kids):
        known = world.system.ledger.registered(kid)
        if known is not None and not known.successor:
            return kid
    return b""


def top_up(world: World, bank_id: int, id: bytes) -> tuple[int, int, int]:
    """Sell to everybody who is below the floor, in one group: (customers served, tiyn sold, refused by the bank).

    The sales have ids that follow from `id` and the customer. Asked again under the same id, whoever was served has
    enough and is not served twice; what a crash cut off is completed by the bank when it opens.
    """
    bank = world.system.banks[bank_id]
    rows = [one for one in wanted(world, bank, rules_of(world, bank_id)) if one.amount_tiyn]
    orders = [
        SaleOrder(derived(id, "top up", one.customer.id), one.customer.id, one.kid, one.amount_tiyn)
        for one in rows
    ]
    answers = bank.sell(orders) if orders else []
    sold = [
        one.amount_tiyn
        for one, answer in zip(rows, answers, strict=True)
        if not isinstance(answer, TengeError)
    ]
    if sold:
        world.sandbox.field.refresh_wallets(world.sandbox.members())
    return len(sold), sum(sold), len(rows) - len(sold)


def top_up_all(world: World, id: bytes) -> int:
    """`top_up` of every bank that has set it; how much was sold (tiyn)."""
    return sum(
        top_up(world, number, derived(id, "bank", number))[1]
        for number in world.system.banks
        if any(rule.floor_tiyn for rule in rules_of(world, number).values())
    )


# --- the effect of a setting before it is put in force ---


def effect(
    world: World, bank: CommercialBank, kind: str, tier: int, first: int, second: int
) -> dict[str, int]:
    """What a setting would touch now: customers of the tier, those it touches, and how much would move (tiyn).

    A waterfall is held against the payments of the last 30 days: whom it would have touched, and how much would have
    gone on into deposits with holdings as they were. A reverse waterfall touches who has a deposit: that much could
    come out of it. `short` counts those whom a top-up cannot fill, and `lacks_tiyn` is what the inventory lacks for it.
    Raises what `check` raises.
    """
    check(world, kind, tier, first, second)
    customers = [one for one in bank.customers.all() if one.tier == tier]
    moves: list[int] = []
    short = 0
    if kind == WATERFALL and first:
        moves = list(would_have_moved(world, {one.pseudonym for one in customers}, first).values())
    elif kind == REVERSE and first:
        moves = [amount for one in customers if (amount := bank.deposit_tiyn(one.id))]
    elif kind == TOP_UP and first:
        rows = wanted(world, bank, {tier: TierRules(floor_tiyn=first, target_tiyn=second)})
        rows = [one for one in rows if one.customer.tier == tier]
        moves = [one.amount_tiyn for one in rows if one.amount_tiyn]
        short = sum(1 for one in rows if one.why)
    moved_tiyn = sum(moves)
    lacks_tiyn = max(0, moved_tiyn - bank.inventory_tiyn()) if kind == TOP_UP else 0
    return {
        "customers": len(customers),
        "touched": len(moves),
        "moved_tiyn": moved_tiyn,
        "short": short,
        "lacks_tiyn": lacks_tiyn,
    }


def would_have_moved(world: World, holders: set[bytes], threshold_tiyn: int) -> dict[bytes, int]:
    """What a waterfall would have sent on to deposits of the payments these holders (pseudonyms) got in the last 30
    days, by holder, in tiyn. Purchases at the bank are no payments; holdings are taken as they were."""
    book, since = following(world.system), world.clock.now() - RECENT_SECONDS
    held = dict.fromkeys(holders, 0)
    moved: dict[bytes, int] = {}
    for line in book.lines:
        came: dict[bytes, int] = {}
        for identity in line.spent:
            holder = book.keys[book.tokens[identity].token.lock.holder].pseudonym
            if holder in held:
                came[holder] = came.get(holder, 0) - book.tokens[identity].token.amount_tiyn
        for identity in line.made:
            holder = book.keys[book.tokens[identity].token.lock.holder].pseudonym
            if holder in held:
                came[holder] = came.get(holder, 0) + book.tokens[identity].token.amount_tiyn
        payer = book.key(line.payer)
        paid = (
            line.kind == "Transfer" and payer is not None and payer.line == "wallets" and line.time >= since
        )
        for holder, amount in came.items():
            over = amount - max(0, threshold_tiyn - held[holder])
            if paid and over > 0:
                moved[holder] = moved.get(holder, 0) + over
            held[holder] += amount
    return moved
