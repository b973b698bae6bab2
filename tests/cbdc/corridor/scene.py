"""A small corridor for tests: two banks, two exchanges with one asset, clients with digital tenge, a coin, gold."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cbdc.corridor.exchange import ExchangeRules, SimulatedExchange
from cbdc.corridor.purse import Purse
from cbdc.corridor.rates import Ratio
from cbdc.corridor.reconcile import reconcile
from cbdc.corridor.records import EXCHANGE_ACTIVITY, IN_FORCE
from cbdc.corridor.setup import AssetPlan, Corridor, CorridorPlan, ProviderPlan
from cbdc.errors import TengeError
from cbdc.keys import SoftwareKey
from cbdc.money import tenge
from cbdc.ports import Checkpoint, ManualClock, SeededEntropy, no_checkpoint
from cbdc.system import System
from cbdc.token import PERSON, KeyLock, Token
from tests.cbdc.institutions import buy, check_books, ident, key, make_system, person, receipt, stock

TIER = 3
YEAR = 366 * 86_400
COIN = "coin"
DOLLAR = 51_345
# 100 tiyn for one unit and a spread of one percent: a client buys 99 units for 100 tenge, rounded down.
PRICE = Ratio(100, 1)
PLAN = CorridorPlan(
    providers=(
        ProviderPlan("Alatau", (1, 2), tenge(2_000_000)),
        ProviderPlan("Sayram", (1,), tenge(2_000_000)),
    ),
    assets=(AssetPlan(COIN, PRICE, 0, 100, 1_000_000_000),),
)


class Scene:
    """A corridor with open exchanges, and what a test does in it."""

    def __init__(
        self,
        plan: CorridorPlan = PLAN,
        folder: Path | None = None,
        checkpoint: Checkpoint = no_checkpoint,
        system: System | None = None,
    ) -> None:
        self.system = system or make_system(folder, checkpoint)
        if system is None:
            for bank_id in self.system.banks:
                stock(self.system, bank_id, tenge(20_000_000))
        self.corridor = Corridor(self.system, SeededEntropy(7), plan)
        for provider in plan.providers:
            kid = self.corridor.provider_key(provider.name).public.kid
            self.license(kid, EXCHANGE_ACTIVITY)
            self.corridor.open_exchange(provider.name)

    @property
    def clock(self) -> ManualClock:
        """The clock of the world."""
        assert isinstance(self.system.clock, ManualClock)
        return self.system.clock

    @property
    def one(self) -> SimulatedExchange:
        """The first exchange."""
        return self.corridor.exchanges["Alatau"]

    @property
    def two(self) -> SimulatedExchange:
        """The second exchange."""
        return self.corridor.exchanges["Sayram"]

    def license(self, kid: bytes, activity: int) -> None:
        """Apply and be granted a licence for a year; once."""
        register = self.corridor.register
        name = kid.hex() + str(activity)
        register.apply(ident("apply" + name), kid, activity, "AFSA-1")
        register.move(ident("grant" + name), kid, activity, IN_FORCE, 1_790_000_000 + YEAR)

    def client(
        self,
        name: str,
        exchange: SimulatedExchange | None = None,
        tiyn: int = tenge(3_000_000),
        bank_id: int = 1,
        category: int = PERSON,
        **facts: object,
    ) -> bytes:
        """A person with digital tenge at a bank and an account at an exchange, linked; the client id."""
        exchange = exchange or self.one
        self.holder(name, tiyn, bank_id)
        client = ident(f"client {exchange.name} {name}")
        facts = {"declared_usd_cents": 10_000_000, "address": "a street", **facts}
        exchange.open_client(
            client,
            name,
            reference(name),
            category=category,
            bank_id=bank_id,
            customer=ident(name),
            **facts,  # type: ignore[arg-type]
        )
        return client

    def holder(self, name: str, tiyn: int = tenge(3_000_000), bank_id: int = 1) -> SoftwareKey:
        """A person with digital tenge at a bank; once."""
        if self.system.ledger.registered(key(name).public.kid) is None:
            person(self.system, name, bank_id, 2 * tiyn, tier=TIER)
            receipt(buy(self.system, name, tiyn, bank_id))
        return key(name)

    def purse(self, name: str) -> Purse:
        """The purse of a person."""
        return Purse(self.system.ledger, self.system.stores.cabinet, [key(name)])

    def payment(
        self, name: str, exchange: SimulatedExchange, client: bytes, tiyn: int, id: str = ""
    ) -> bytes:
        """A person's transfer to the exchange's till, not sent."""
        till = exchange.till_kid(client)
        return self.purse(name).pay(ident(id or f"pay {name} {tiyn}"), [Token(tiyn, KeyLock(till))])

    def fund(self, name: str, client: bytes, tiyn: int, exchange: SimulatedExchange | None = None) -> None:
        """Money from the person's key to its account."""
        exchange = exchange or self.one
        exchange.fund(client, self.payment(name, exchange, client, tiyn))


def reference(name: str) -> str:
    """The number that `person` gave the bank."""
    return f"000000{len(name):06d}"


def code(call: Callable[[], object]) -> str:
    """The code of the refusal."""
    with pytest.raises(TengeError) as caught:
        call()
    return caught.value.code


def with_rules(**changes: object) -> Scene:
    """A scene whose exchanges have other rules."""
    rules = ExchangeRules(**changes)  # type: ignore[arg-type]
    return Scene(replace(PLAN, rules=rules))


def agreed(scene: Scene) -> None:
    """Nothing differs anywhere."""
    for exchange in scene.corridor.exchanges.values():
        assert reconcile(exchange, scene.corridor.receivers).differences == ()
    check_books(scene.system)
