"""One scene in which every kind of transaction can happen, and the form of a row that tries one.

Holders: `ayan` and `aruzhan` (persons, tier 1), `shop` (a merchant, no limits), `rich` (a person of tier 2), `pupil`,
`canteen` and `supplier` for marked money, two banks' inventories, the budget, the escrow and the loss reserve. What
they hold stands in `Scene.tokens`, one token a name:

    ayan, shop, rich, inventory, inventory2, budget, reserve       free money
    neighbour                                                      a merchant's, that no row touches
    pupil, canteen, supplier                                       money with the mark `Scene.meals`
    escrow, escrow_meals                                           behind a note of ayan's, and one of the pupil's
    quorum                                                         ayan's, behind 2 of ayan, aruzhan and shop
    hashed                                                         ayan's, behind a hash lock that shop may claim

A row is a function from the scene to a signed transaction, with the kind it is of and the code it must be refused
with, if any.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

from cbdc.marks import MarkDefinition
from cbdc.record import Signed
from cbdc.token import (
    CANTEEN,
    MERCHANT,
    PUPIL,
    SUPPLIER,
    HashLock,
    Lock,
    QuorumLock,
    Token,
    TokenId,
)
from cbdc.transaction import SignedTransaction, Transfer
from tests.cbdc.world import DAY, World, fixed_bytes

PREIMAGE = fixed_bytes("preimage")
CASH = 1_000_000
FORTUNE = 20_000_000
HELD = {
    "ayan": CASH,
    "shop": CASH,
    "rich": FORTUNE,
    "neighbour": CASH,
    "inventory": CASH,
    "inventory2": CASH,
    "budget": CASH,
    "reserve": CASH,
    "pupil": 300_000,
    "canteen": 200_000,
    "supplier": 200_000,
    "escrow": 100_000,
    "escrow_meals": 50_000,
    "quorum": 50_000,
    "hashed": 60_000,
}


class Scene(World):
    """The world of the rows; see the module's text."""

    meals: bytes
    meals_definition: Signed[MarkDefinition]
    tokens: dict[str, TokenId]

    def out(self, name: str, amount_tiyn: int, mark: bytes = b"", lock: Lock | None = None) -> Token:
        """An output, behind a plain lock unless another one is given."""
        return Token(amount_tiyn, lock or self.lock(name), mark)

    def transfer(
        self,
        inputs: Sequence[str],
        outputs: Sequence[Token],
        signers: Sequence[str],
        definition: bytes = b"",
        preimages: tuple[bytes, ...] = (),
    ) -> SignedTransaction:
        """A transfer of the scene's tokens with these names."""
        chosen = tuple(self.tokens[name] for name in inputs)
        return self.sign(Transfer(self.nonce(), chosen, tuple(outputs), definition, preimages), *signers)

    def quorum_lock(self) -> QuorumLock:
        """Two of ayan, aruzhan and shop; ayan counts as holder."""
        return QuorumLock(2, tuple(self.kid(name) for name in ("ayan", "aruzhan", "shop")))

    def hash_lock(self) -> HashLock:
        """Shop claims with the preimage until the next day is over; ayan after that."""
        digest = hashlib.sha256(PREIMAGE).digest()
        return HashLock(digest, self.kid("shop"), self.kid("ayan"), self.clock.now() + DAY)


@cache
def _made() -> Scene:
    scene = Scene(name="scene")
    for name in ("ayan", "aruzhan"):
        scene.register(name)
    scene.register("rich", tier=2)
    for name, category in (
        ("shop", MERCHANT),
        ("neighbour", MERCHANT),
        ("pupil", PUPIL),
        ("canteen", CANTEEN),
        ("supplier", SUPPLIER),
    ):
        scene.register(name, category, tier=0)
    definition = scene.meals_definition = scene.definition(payment_cap_tiyn=250_000)
    scene.meals = definition.oid
    tokens: dict[str, TokenId] = {}
    funded = scene.fund(
        ("ayan", HELD["ayan"]),
        ("shop", HELD["shop"]),
        ("rich", HELD["rich"]),
        ("ayan", HELD["escrow"]),
        ("ayan", HELD["quorum"]),
        ("ayan", HELD["hashed"]),
        ("neighbour", HELD["neighbour"]),
    )
    tokens |= zip(("ayan", "shop", "rich"), funded[:3], strict=True)
    tokens["neighbour"] = funded[6]
    tokens["escrow"] = scene.load("ayan", funded[3], HELD["escrow"])[0]
    tokens["quorum"] = scene.lock_up("ayan", funded[4], scene.quorum_lock())
    tokens["hashed"] = scene.lock_up("ayan", funded[5], scene.hash_lock())
    spent, away, tokens["pupil"], supplied = scene.mark(
        definition, *(("pupil", amount) for amount in (200_000, 50_000, 300_000, 200_000))
    )
    for payer, token, payee in (("pupil", spent, "canteen"), ("pupil", supplied, "canteen")):
        record = Transfer(scene.nonce(), (token,), (scene.token(payee, 200_000, scene.meals),))
        tokens["canteen" if token is spent else "passed"] = TokenId(scene.do(record, payer).id, 0)
    record = Transfer(
        scene.nonce(), (tokens.pop("passed"),), (scene.token("supplier", 200_000, scene.meals),)
    )
    tokens["supplier"] = TokenId(scene.do(record, "canteen").id, 0)
    tokens["escrow_meals"] = scene.load("pupil", away, HELD["escrow_meals"])[0]
    for name, account in (
        ("inventory", "inventory1"),
        ("inventory2", "inventory2"),
        ("budget", "budget"),
        ("reserve", "reserve"),
    ):
        tokens[name] = scene.issue(account, HELD[name])[0]
    scene.tokens = tokens
    return scene


def scene() -> Scene:
    """A fresh copy of the scene."""
    other = _made().fork()
    assert isinstance(other, Scene)
    other.tokens = dict(other.tokens)
    return other


Build = Callable[[Scene], SignedTransaction]


class Row(NamedTuple):
    """One row: its name, the kind of transaction, the code of the refusal (None: accepted), how it is made."""

    name: str
    kind: str
    code: str | None
    build: Build


class Rows(list[Row]):
    """Rows, collected by a decorator: `@rows("Transfer", "E_TOKEN_SPENT")`."""

    def __call__(self, kind: str, code: str | None = None) -> Callable[[Build], Build]:
        """Add the decorated function as a row."""

        def add(build: Build) -> Build:
            self.append(Row(build.__name__, kind, code, build))
            return build

        return add
