"""The corridor as a whole: who takes part, from a plan. Opened again over the same stores, it is the same corridor.

Keys come from the institutions' key source by label, secrets and rates from the entropy, so nothing here is secret by
itself and everything follows from what it was given:

    corridor/register   exchange/NAME   exchange/NAME/officer   exchange/NAME/till/BANK
    stablecoin/NAME     custodian/NAME  custodian/NAME/vault/N
"""

from dataclasses import dataclass, field

from cbdc.cabinet import follow
from cbdc.corridor.bank_desk import BUSINESS_TIER, BankDesk
from cbdc.corridor.cap import SimulatedDataExchange
from cbdc.corridor.chain import SimulatedChain
from cbdc.corridor.events import EventLog
from cbdc.corridor.exchange import Commons, ExchangeRules, SimulatedExchange
from cbdc.corridor.gold import GoldIssuer
from cbdc.corridor.licences import Gate, SimulatedLicenceRegister
from cbdc.corridor.purse import Purse
from cbdc.corridor.rates import Ratio, SimulatedRates
from cbdc.corridor.records import Verdict
from cbdc.corridor.stablecoin import StablecoinRules, WrappedTenge
from cbdc.corridor.trades import Listing, Receiver
from cbdc.corridor.units import UnitLedger
from cbdc.keys import Signer
from cbdc.ports import Entropy
from cbdc.record import sign
from cbdc.system import System
from cbdc.token import CUSTODIAN, QuorumLock

DEFAULT_TIYN_PER_USD = 51_345
VAULT_KEYS = 3
VAULT_THRESHOLD = 2


@dataclass(frozen=True, slots=True)
class ProviderPlan:
    """An exchange: its name, the banks it works with, its capital at each of them (tiyn)."""

    name: str
    banks: tuple[int, ...]
    capital_tiyn: int = 0


@dataclass(frozen=True, slots=True)
class AssetPlan:
    """An asset of the exchanges: its price, swing and spread, and what each exchange brings of it (minor units)."""

    name: str
    price: Ratio
    swing_basis_points: int = 0
    spread_basis_points: int = 0
    own_units: int = 0


@dataclass(frozen=True, slots=True)
class CorridorPlan:
    """What a corridor is made of. `licences` and `identify` False leave those rules out."""

    providers: tuple[ProviderPlan, ...] = ()
    assets: tuple[AssetPlan, ...] = ()
    rules: ExchangeRules = field(default_factory=ExchangeRules)
    tiyn_per_usd: int = DEFAULT_TIYN_PER_USD
    licences: bool = True
    identify: bool = True


class Corridor:
    """Everything of the corridor that is shared, and the exchanges once they are opened."""

    def __init__(self, system: System, entropy: Entropy, plan: CorridorPlan) -> None:
        cabinet = system.stores.cabinet
        self.system = system
        self.plan = plan
        self._entropy = entropy
        self.log = EventLog(cabinet, system.clock)
        signer = system.keys.get("corridor/register")
        self.register = SimulatedLicenceRegister(cabinet, system.network, signer, system.clock)
        self.gate = Gate(
            self.register, signer.public, system.network, cabinet, system.clock, on=plan.licences
        )
        self.counter = SimulatedDataExchange(cabinet)
        self.receivers: dict[str, Receiver] = {}
        self.exchanges: dict[str, SimulatedExchange] = {}
        kids = {one.name: self.provider_key(one.name).public.kid for one in plan.providers}
        self.desks = {
            bank_id: BankDesk(
                bank,
                cabinet,
                self.gate,
                {kid: self._pair(kid, bank_id) for kid in kids.values()},
                plan.identify,
            )
            for bank_id, bank in system.banks.items()
        }

    def _pair(self, kid: bytes, bank_id: int) -> bytes:
        return self._entropy.bytes("corridor pair", kid + bank_id.to_bytes(8, "big"))

    def provider_key(self, name: str) -> Signer:
        """The key that the licence of an exchange names."""
        return self.system.keys.get(f"exchange/{name}")

    def officer(self, name: str) -> Signer:
        """The compliance officer of an exchange."""
        return self.system.keys.get(f"exchange/{name}/officer")

    def open_exchange(self, name: str) -> SimulatedExchange:
        """Open an exchange of the plan: its accounts at its banks, its capital, its assets. Again is harmless.

        Raises E_CORRIDOR_LICENCE without a licence in force, E_TILL while a bank has too little digital tenge.
        """
        plan = next(one for one in self.plan.providers if one.name == name)
        system = self.system
        commons = Commons(
            system,
            self.gate,
            self.counter,
            self.log,
            self.plan.tiyn_per_usd,
            self._entropy.bytes("corridor persons", b"all providers"),
        )
        exchange = SimulatedExchange(
            name,
            self.provider_key(name),
            commons,
            self.officer(name).public,
            self.plan.rules,
            self.receivers,
        )
        for bank_id in plan.banks:
            till = system.keys.get(f"exchange/{name}/till/{bank_id}")
            exchange.join(self.desks[bank_id], till, self._pair(exchange.kid, bank_id), plan.capital_tiyn)
        for asset in self.plan.assets:
            exchange.list_asset(self._listing(name, asset), asset.own_units)
        self.exchanges[name] = exchange
        return exchange

    def _listing(self, provider: str, asset: AssetPlan) -> Listing:
        cabinet, clock = self.system.stores.cabinet, self.system.clock
        return Listing(
            asset.name,
            UnitLedger(cabinet, asset.name, clock),
            UnitLedger(cabinet, f"{asset.name} positions at {provider}", clock),
            SimulatedRates(self._entropy, asset.name, asset.price, asset.swing_basis_points, clock),
            asset.spread_basis_points,
        )


# --- a coin and gold: they need the gate and the log, and nothing of the exchanges ---


def open_vault(system: System, name: str, bank_id: int) -> Purse:
    """The vault of a coin: a quorum lock of two of three keys, all registered for one custodian. Again is harmless."""
    bank = system.banks[bank_id]
    customer = follow("corridor custodian", name.encode())
    bank.open_account(customer, f"Custodian of {name}", "custodian", BUSINESS_TIER, CUSTODIAN)
    signers = [system.keys.get(f"custodian/{name}/vault/{number}") for number in range(1, VAULT_KEYS + 1)]
    for signer in signers:
        bank.register_key(customer, signer)
    lock = QuorumLock(VAULT_THRESHOLD, tuple(signer.public.kid for signer in signers))
    return Purse(system.ledger, system.stores.cabinet, signers[:VAULT_THRESHOLD], lock)


def open_stablecoin(
    corridor: Corridor, name: str, bank_id: int, rules: StablecoinRules, delay_blocks: int = 1
) -> tuple[WrappedTenge, SimulatedChain]:
    """The issuer of a coin and the chain it lives on."""
    system = corridor.system
    cabinet = system.stores.cabinet
    issuer = system.keys.get(f"stablecoin/{name}")
    chain = SimulatedChain(cabinet, name, system.network, issuer.public, delay_blocks)
    vault = open_vault(system, name, bank_id)
    coin = WrappedTenge(
        name, issuer, system.ledger, cabinet, system.clock, chain, vault, corridor.gate, corridor.log, rules
    )
    return coin, chain


def open_gold(
    corridor: Corridor, asset: str, custodian: Signer, covered: bool = True, late_claims: bool = False
) -> GoldIssuer:
    """The tokens of one custodian."""
    system = corridor.system
    cabinet = system.stores.cabinet
    units = UnitLedger(cabinet, asset, system.clock, late_claims)
    return GoldIssuer(
        units,
        custodian.public,
        system.network,
        cabinet,
        system.clock,
        corridor.gate,
        corridor.log,
        covered,
    )


def sign_verdict(
    corridor: Corridor, provider: str, order: bytes, verdict: int, reason: str, officer: Signer | None = None
) -> bytes:
    """An officer's signed verdict, as `SimulatedExchange.review` takes it."""
    signer = officer or corridor.officer(provider)
    record = Verdict(signer.public.kid, order, verdict, reason, corridor.system.clock.now())
    return sign(record, corridor.system.network, signer).encode()
