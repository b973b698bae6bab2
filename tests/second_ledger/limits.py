"""Limits of pseudonyms, G9, in a Transfer only (ledger/4, "Limits (G9)")."""

from tests.second_ledger.context import Context
from tests.second_ledger.errors import Refusal, require
from tests.second_ledger.state import Token

LimitRow = tuple[int, int, int]
Wallet = dict[bytes, tuple[int, set[int]]]


def _wallets(ctx: Context, tokens: list[Token]) -> Wallet:
    """By pseudonym, in the order of the tokens: the sum and the tiers of the wallet keys among them."""
    found: Wallet = {}
    for token in tokens:
        key = ctx.key_of(token)
        if key.line == "wallets":
            amount, tiers = found.get(key.pseudonym, (0, set()))
            found[key.pseudonym] = (amount + token.amount, tiers | {key.tier})
    return found


def _limits(ctx: Context, tier: int) -> LimitRow:
    """The limits of a tier (holding, payment, day)."""
    row = ctx.genesis.tier(tier)
    if row is None:
        raise Refusal("E_TIER")
    return row


def _paid(ctx: Context, pseudonym: bytes, paid: int, tiers: list[int]) -> None:
    """The four questions to a pseudonym that pays."""
    for tier in tiers:
        most = _limits(ctx, tier)[1]
        require(most == 0 or paid <= most, "E_LIMIT_PAYMENT")
    day = b"day:" + pseudonym + b":" + str(ctx.genesis.day(ctx.now)).encode()
    for tier in tiers:
        most = _limits(ctx, tier)[2]
        require(most == 0 or ctx.state.counter(day) + paid <= most, "E_LIMIT_DAY")
    if any(_limits(ctx, tier)[2] for tier in tiers):
        ctx.changes.added[day] += paid
    year, month = ctx.genesis.year_month(ctx.now)
    used = set()
    for tier, kind, most in ctx.genesis.policy["periods"]:
        if tier in tiers:
            name, number = (b"month:", month) if kind == 1 else (b"year:", year)
            counter = name + pseudonym + b":" + str(number).encode()
            require(ctx.state.counter(counter) + paid <= most, "E_LIMIT_PERIOD")
            used.add(counter)
    for counter in used:
        ctx.changes.added[counter] += paid


def ask_limits(ctx: Context) -> None:
    """G9: first all that pay, then all that get."""
    spent, made = _wallets(ctx, ctx.inputs), _wallets(ctx, ctx.outputs)
    nothing: tuple[int, set[int]] = (0, set())
    for pseudonym, (amount, tiers) in spent.items():
        flow = made.get(pseudonym, nothing)[0] - amount
        if flow < 0:
            _paid(ctx, pseudonym, -flow, sorted(tiers))
    for pseudonym, (amount, tiers) in made.items():
        flow = amount - spent.get(pseudonym, nothing)[0]
        if flow > 0:
            for tier in sorted(tiers):
                most = _limits(ctx, tier)[0]
                held = ctx.state.counter(b"holding:" + pseudonym) + flow
                require(most == 0 or held <= most, "E_LIMIT_HOLDING")
