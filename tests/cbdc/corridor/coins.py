"""A wrapped coin and a gold token for tests, over the corridor's scene; and calls that fail on purpose."""

import hashlib
from collections.abc import Callable
from typing import Any

from cbdc.corridor.chain import SimulatedChain
from cbdc.corridor.delivery import DeliveryDesk, DeliveryRules, Terms
from cbdc.corridor.gold import GoldIssuer, attest
from cbdc.corridor.purse import Purse
from cbdc.corridor.records import CUSTODY_ACTIVITY, STABLECOIN_ACTIVITY
from cbdc.corridor.setup import CorridorPlan, open_gold, open_stablecoin
from cbdc.corridor.stablecoin import StablecoinRules, WrappedTenge
from cbdc.corridor.units import UnitLedger
from cbdc.errors import Unavailable
from cbdc.keys import SoftwareKey
from cbdc.money import tenge
from cbdc.system import System
from cbdc.token import KeyLock, Token
from tests.cbdc.corridor.scene import Scene
from tests.cbdc.institutions import ident, key

BARE = CorridorPlan()
WRAPPED = "KZT-w"
CONFIRMATIONS = 3
DELIVERY = DeliveryRules()
RULES = StablecoinRules(confirmations=CONFIRMATIONS)
GOLD = "gold"
BAR_MG = 1_000_000
SECRET = hashlib.sha256(b"the seller's secret").digest()
HASH = hashlib.sha256(SECRET).digest()


class CoinScene(Scene):
    """A coin with a licensed issuer, and a holder with digital tenge."""

    def __init__(
        self, rules: StablecoinRules = RULES, licensed: bool = True, system: System | None = None
    ) -> None:
        super().__init__(BARE, system=system)
        self.coin: WrappedTenge
        self.chain: SimulatedChain
        self.coin, self.chain = open_stablecoin(self.corridor, WRAPPED, 1, rules)
        if licensed:
            self.license(self.coin.kid, STABLECOIN_ACTIVITY)

    def locking(self, name: str, tiyn: int, id: str = "lock") -> bytes:
        """A holder's transfer into the vault, not sent."""
        self.holder(name)
        return self.purse(name).pay(ident(f"{id} {name}"), [Token(tiyn, self.coin.vault.lock)])

    def wrap(self, name: str, tiyn: int, id: str = "lock") -> bytes:
        """Lock and mint, and let the chain confirm it."""
        wrapped = self.coin.wrap(self.locking(name, tiyn, id), name)
        self.chain.grow(ident(f"grow {id} {name}"), CONFIRMATIONS + 1)
        self.coin.resume()
        return wrapped

    def burn(self, name: str, tiyn: int, id: str = "burn", blocks: int = CONFIRMATIONS + 1) -> bytes:
        """A burn that names the holder's own key, with some blocks on it."""
        burn = ident(f"{id} {name}")
        self.chain.burn(burn, name, tiyn, key(name).public.kid)
        self.chain.grow(ident(f"blocks {id} {name}"), blocks)
        return burn

    def held(self, name: str) -> int:
        """A holder's digital tenge."""
        return self.purse(name).available_tiyn()


class GoldScene(Scene):
    """A licensed custodian's gold in a seller's hands, and a buyer with digital tenge."""

    def __init__(
        self,
        rules: DeliveryRules = DELIVERY,
        licensed: bool = True,
        late_claims: bool = False,
        system: System | None = None,
    ) -> None:
        super().__init__(BARE, system=system)
        custodian = key("custodian")
        self.issuer: GoldIssuer = open_gold(self.corridor, GOLD, custodian, late_claims=late_claims)
        self.fake = UnitLedger(self.system.stores.cabinet, "fools gold", self.clock)
        if licensed:
            self.license(custodian.public.kid, CUSTODY_ACTIVITY)
            self.issuer.publish(self.statement(1, BAR_MG))
        self.seller, self.buyer = self.holder("seller-one"), self.holder("buyer")
        if licensed:
            self.issuer.issue(ident("gold"), self.seller.public.kid.hex(), 10_000)
        self.desk = DeliveryDesk(
            self.system.ledger,
            self.system.stores.cabinet,
            self.clock,
            self.corridor.log,
            {GOLD: self.issuer},
            {GOLD: self.issuer.units, "fools gold": self.fake},
            rules,
        )

    def statement(self, serial: int, milligrams: int, signer: SoftwareKey | None = None) -> bytes:
        """A custodian's statement of one bar."""
        bars = [("KZ-1", milligrams)]
        return attest(
            signer or key("custodian"), self.system.network, GOLD, bars, serial, self.clock.now()
        ).encode()

    def terms(self, units: int = 5_000, tiyn: int = tenge(350_000), **changes: Any) -> Terms:
        """Gold against digital tenge; the money's deadline in an hour, the asset's three hours later."""
        now = 1_790_000_000
        seller, buyer = self.seller.public.kid, self.buyer.public.kid
        terms = Terms(GOLD, seller, buyer, units, tiyn, HASH, now + 3_600, now + 4 * 3_600)
        return terms._replace(**changes)

    def payment(self, terms: Terms, id: str = "payment") -> bytes:
        """The buyer's transfer into the hash lock, not sent."""
        return self.purse("buyer").pay(ident(id), [terms.payment])

    def claim(self, deal: bytes, secret: bytes = SECRET) -> None:
        """The seller shows the secret on the ledger."""
        token = self.desk.money(deal)
        assert token is not None
        terms = self.desk.terms(deal)
        purse = self.purse("seller-one")
        out = [Token(terms.tiyn, KeyLock(self.seller.public.kid))]
        purse.send(purse.spend(ident("claim " + deal.hex() + secret.hex()), [token], out, [secret]))

    def money_back(self, deal: bytes) -> None:
        """The buyer takes the money back after its deadline."""
        token = self.desk.money(deal)
        assert token is not None
        purse: Purse = self.purse("buyer")
        out = [Token(self.desk.terms(deal).tiyn, KeyLock(self.buyer.public.kid))]
        purse.send(purse.spend(ident("back " + deal.hex()), [token], out))

    def holdings(self) -> tuple[int, int, int, int]:
        """(seller's tiyn, seller's gold, buyer's tiyn, buyer's gold), free ones only."""
        seller, buyer = self.seller.public.kid.hex(), self.buyer.public.kid.hex()
        units = self.issuer.units
        return (
            self.purse("seller-one").available_tiyn(),
            units.balance(seller),
            self.purse("buyer").available_tiyn(),
            units.balance(buyer),
        )


class Flaky:
    """Anything, with calls that do not answer: the call of this number fails before it is made, or after."""

    def __init__(self, inner: Any, methods: set[str], number: int, after: bool) -> None:
        self._inner = inner
        self._methods = methods
        self._left = number
        self._after = after
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return self._failing(value) if name in self._methods else value

    def _failing(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def flaky(*arguments: Any) -> Any:
            self._left -= 1
            if self._left != 0:
                return call(*arguments)
            self.failed = True
            if self._after:
                call(*arguments)
            raise Unavailable("E_STORE_UNAVAILABLE", detail="a fault on purpose")

        return flaky
