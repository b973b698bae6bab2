"""The town of the fault runs: a ledger with a few people who hold cash, made once and laid into any store.

A `Plan` is a payment as its payer knows it: the bytes sent, what it spends, what it makes, for whom. The auditor and
the clients work with plans and never ask the code under test what a transaction means.
"""

from dataclasses import dataclass
from functools import lru_cache

from cbdc.keys import SoftwareKey
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.state import TOKEN
from cbdc.ledger.store import Commit, EntryRow, Store
from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import Transfer, sign_transaction
from tests.cbdc.world import World, fixed_bytes

PEOPLE = tuple(f"person{number}" for number in range(6))
TOKENS_EACH = 6
TOKEN_TIYN = 100_000

Coin = tuple[bytes, int]
"""A token's id: the transaction that made it, and the number of the output."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One payment: its id, its bytes, the coins it spends, and (owner, tiyn) of each coin it makes."""

    id: bytes
    data: bytes
    spends: tuple[Coin, ...]
    makes: tuple[tuple[str, int], ...]
    honest: bool = True

    def coins(self) -> dict[Coin, tuple[str, int]]:
        """The coins it makes, by id."""
        return {(self.id, place): made for place, made in enumerate(self.makes)}


@dataclass(frozen=True, slots=True)
class Town:
    """What is there before the first payment: the rows of a store, and each coin with its owner and its tiyn.

    `idle` are the rows of coins that institutions hold, which nobody here touches.
    """

    world: World
    commit: Commit
    coins: dict[Coin, tuple[str, int]]
    kids: dict[str, bytes]
    idle: frozenset[bytes]

    @property
    def signer(self) -> SoftwareKey:
        """The ledger's key."""
        return self.world.key("ledger")

    def settle_in(self, store: Store) -> None:
        """Lay the town into an empty store, in one commit."""
        store.commit(self.commit)


@lru_cache
def town(people: int = len(PEOPLE), tokens_each: int = TOKENS_EACH) -> Town:
    """The town; everything in it is the same on every machine."""
    names = tuple(f"person{number}" for number in range(people))
    world = World(name="faults")
    coins: dict[Coin, tuple[str, int]] = {}
    for name in names:
        world.register(name, tier=0)
        for coin in world.fund(*[(name, TOKEN_TIYN)] * tokens_each):
            coins[(coin.transaction_id, coin.output)] = (name, TOKEN_TIYN)
    assert isinstance(world.store, MemoryStore)
    rows: tuple[EntryRow, ...] = tuple(world.store.entries())
    changes: dict[bytes, bytes | None] = dict(world.store.state())
    head = [envelope for _, envelope in world.store.heads()][-1]
    commit = Commit(0, rows, changes, dict(world.store.owner_rows()), head)
    ours = {bytes([TOKEN]) + coin[0] + coin[1].to_bytes(2, "big") for coin in coins}
    idle = frozenset(key for key in changes if key[0] == TOKEN and key not in ours)
    return Town(world, commit, coins, {name: world.kid(name) for name in names}, idle)


def big_town() -> Town:
    """The town of the kill runs: more people with more coins, for many clients at once."""
    return town(12, 30)


def pay(
    place: Town, number: int, spends: dict[Coin, tuple[str, int]], payee: str, tiyn: int, honest: bool = True
) -> Plan:
    """A payment of `tiyn` to `payee` from one payer's coins, the change back; `number` makes its id its own."""
    payer = next(iter(spends.values()))[0]
    makes = [(payee, tiyn)]
    if rest := sum(amount for _, amount in spends.values()) - tiyn:
        makes.append((payer, rest))
    outputs = tuple(Token(amount, KeyLock(place.kids[name])) for name, amount in makes)
    inputs = tuple(TokenId(*coin) for coin in sorted(spends))
    nonce = fixed_bytes(f"fault run {number}", 16)
    world = place.world
    signed = sign_transaction(Transfer(nonce, inputs, outputs), world.network, [world.key(payer)])
    return Plan(signed.id, signed.encode(), tuple(sorted(spends)), tuple(makes), honest)
