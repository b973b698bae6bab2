"""A whole corridor between two countries, simulated: the composition root of everything in `cbdc.rails`.

    home                                the network                 abroad (a second, complete ledger of its own)
    the bank's desk  ---------------- pacs.008 / pacs.002 ------->  correspondent  -- pacs.008 -->  the payee's bank
    the bank's exchange desk  ------- pacs.009 / pacs.002 ------->  market maker

`home` is a `cbdc.system.System` with the digital tenge; abroad is another one, with its own ROOT, network id, keys,
journal and books, in its own folder. What a tiyn is at home, a minor unit (a cent) is there: the code counts whole
minor units and does not care which.

The corridor has one event loop: what arrives next, or falls due next, at the moment it does. The moment is written down
before anything happens at it, so a corridor that is opened again after a kill goes on at the same moment, and ends the
same. Between runs nothing happens.

Simulated: both countries share one process and one clock; outages are given as data.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cbdc import canonical
from cbdc.accounts import GOVERNMENT_AND_OTHER, Books, Posting, credit, debit, reserve, reserves
from cbdc.accounts_store import MemoryBooks, SqliteBooks
from cbdc.cabinet import Cabinet, MemoryCabinet, Row, SqliteCabinet, follow
from cbdc.customers import BUSINESS_TIER
from cbdc.institutions import BankName, KeySource
from cbdc.keys import ED25519
from cbdc.ledger.entry import Policy as LedgerPolicy
from cbdc.policies import UTC_PLUS_5_SECONDS
from cbdc.ports import Checkpoint, Clock, Entropy, no_checkpoint
from cbdc.private import make_folder
from cbdc.rails.beneficiary import SimulatedBeneficiaryBank
from cbdc.rails.calendar import BusinessCalendar
from cbdc.rails.correspondent import Desk, Hold, SimulatedCorrespondentBank
from cbdc.rails.currency import KZT, USD, Currency
from cbdc.rails.desk import CrossBorderDesk, Route, account_of
from cbdc.rails.exchange import ExchangeDesk, Sides, Times
from cbdc.rails.maker import SimulatedMarketMaker, Tills, Trade
from cbdc.rails.network import FaultPlan, SimulatedCorrespondentNetwork
from cbdc.rails.office import Member, Office
from cbdc.rails.policy import Policy, SimulatedScreening
from cbdc.rails.rates import SimulatedRateSource
from cbdc.rails.settlement import SimulatedSettlement, loro, nostro, position
from cbdc.record import MOMENT
from cbdc.system import Setup, System, open_system
from cbdc.token import FIRM

CORRESPONDENT, PAYEES_BANK = 1, 2
LABEL = "Sandbox of a digital currency abroad"
MAX_EVENTS = 1_000_000
_TIMES = Times(own=14_400, other=7_200, claim_margin=600, retry=900)
_CLOCK = "corridor/clock"
_ONLY = bytes(32)
NEW_YORK_HOURS = BusinessCalendar("the settlement system abroad", -5 * 3_600, 9 * 3_600, 18 * 3_600)


class Addresses(NamedTuple):
    """The BICs of a corridor. All are invented; the letters five and six are the country."""

    desk: str = "KOKTKZKA"
    exchange: str = "KOKTKZKAPVP"
    correspondent: str = "MERDUS33"
    maker: str = "MERDUS33FXD"
    payees_bank: str = "HARBUS3N"


class Outage(NamedTuple):
    """A member is down from moment `first` to moment `last`: nothing is read and no clock strikes there."""

    member: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class CorridorPlan:
    """What a corridor is made of; every figure is an assumption. Money abroad in minor units.

    `nostro_minor` lies with the correspondent at first, `stock_minor` is the market maker's digital currency abroad.
    """

    home_bank: int = 1
    home: Currency = KZT
    abroad: Currency = USD
    addresses: Addresses = field(default_factory=Addresses)
    calendar: BusinessCalendar = NEW_YORK_HOURS
    policy: Policy = field(default_factory=Policy)
    nostro_minor: int = 0
    stock_minor: int = 0
    spread_bp: int = 50
    quote_seconds: int = 1_800
    transit_seconds: int = 60
    retry_seconds: int = 3_600
    times: Times = _TIMES
    margin_seconds: int = 3_600
    shortest_seconds: int = 900
    look_seconds: int = 30
    refused_abroad: SimulatedScreening = field(default_factory=SimulatedScreening)
    holds: Mapping[str, Hold] = field(default_factory=dict)
    closed: frozenset[str] = frozenset()
    faults: FaultPlan = field(default_factory=FaultPlan)
    outages: Sequence[Outage] = ()


class Shelves(NamedTuple):
    """Where the corridor keeps what is nobody's ledger: the network and the market's rates, the home bank's books
    abroad (nostro), the market maker's books of tenge."""

    cabinet: Cabinet
    nostro: Books
    maker: Books

    def close(self) -> None:
        """Release every file."""
        for shelf in self:
            shelf.close()


def open_shelves(folder: Path | None, checkpoint: Checkpoint = no_checkpoint) -> Shelves:
    """The files of a corridor in a folder (made when missing), or in memory; E_STORE_UNAVAILABLE."""
    if folder is None:
        return Shelves(
            MemoryCabinet(checkpoint), Books(MemoryBooks(checkpoint)), Books(MemoryBooks(checkpoint))
        )
    make_folder(folder)
    return Shelves(
        SqliteCabinet(folder / "network.sqlite", checkpoint),
        Books(SqliteBooks(folder / "nostro.sqlite", checkpoint)),
        Books(SqliteBooks(folder / "maker.sqlite", checkpoint)),
    )


def open_abroad(
    folder: Path | None,
    key: KeySource,
    clock: Clock,
    entropy: Entropy,
    checkpoint: Checkpoint = no_checkpoint,
) -> System:
    """The second country: a central bank with two banks and a digital currency of its own, in a folder or in memory.

    `key` must give other keys than the home country's for the same labels. Its one tier has no limits.
    """
    # Assumption: limits abroad are not this sandbox's matter.
    policy = LedgerPolicy("abroad", ((BUSINESS_TIER, 0, 0, 0),), UTC_PLUS_5_SECONDS)
    banks = (
        BankName(CORRESPONDENT, "Meridian Bank (invented)"),
        BankName(PAYEES_BANK, "Harbour Bank (invented)"),
    )
    setup = Setup(policy, banks, (), LABEL, ED25519)
    return open_system(folder, key, clock, entropy, checkpoint, setup)


class SimulatedCorridor:
    """Both countries and the network between them. `move` moves the clock of both forward to a moment."""

    def __init__(
        self,
        home: System,
        abroad: System,
        shelves: Shelves,
        plan: CorridorPlan,
        entropy: Entropy,
        move: Callable[[int], None],
    ) -> None:
        self.home = home
        self.abroad = abroad
        self.shelves = shelves
        self.plan = plan
        self._move = move
        self._entropy = entropy
        self._clock = home.clock
        self._restore_clock()
        self.rates = SimulatedRateSource(
            shelves.cabinet, plan.abroad, plan.home, plan.spread_bp, plan.quote_seconds
        )
        self.network = SimulatedCorrespondentNetwork(
            shelves.cabinet, plan.addresses, plan.faults, plan.transit_seconds
        )
        self.settlement = SimulatedSettlement(abroad.books, plan.calendar, home.clock)
        self.payees: dict[str, bytes] = {}
        self._set_up()
        names = plan.addresses
        self.desk = self._desk()
        self.correspondent = SimulatedCorrespondentBank(
            self._office(names.correspondent, abroad),
            abroad.books,
            self.settlement,
            Desk(
                CORRESPONDENT,
                plan.abroad,
                {names.payees_bank: PAYEES_BANK},
                plan.refused_abroad,
                plan.holds,
                plan.retry_seconds,
            ),
        )
        self.payees_bank = SimulatedBeneficiaryBank(
            self._office(names.payees_bank, abroad),
            abroad.books,
            self.settlement,
            PAYEES_BANK,
            {names.correspondent: CORRESPONDENT},
            self._accounts(),
            plan.closed,
        )
        self.exchange = self._exchange()
        self.maker = self._maker()
        self.members: tuple[Member, ...] = (
            self.desk,
            self.exchange,
            self.correspondent,
            self.maker,
            self.payees_bank,
        )
        for member in self.members:
            member.resume()

    # --- building ---

    def _office(self, bic: str, system: System) -> Office:
        return Office(bic, system.stores.cabinet, self.network, self._clock)

    def _desk(self) -> CrossBorderDesk:
        plan = self.plan
        return CrossBorderDesk(
            self._office(plan.addresses.desk, self.home),
            self.home.banks[plan.home_bank],
            self.home.books,
            self.shelves.nostro,
            self.home.ledger,
            self.rates,
            Route(plan.addresses.correspondent, plan.retry_seconds, plan.home.code, plan.abroad.code),
            plan.policy,
        )

    def _exchange(self) -> ExchangeDesk:
        plan = self.plan
        sides = Sides(
            self.home.ledger,
            self.abroad.ledger,
            self.abroad.keys.get("home bank"),
            plan.addresses.maker,
            self.home.keys.get("market maker").public.kid,
            self.abroad.banks[CORRESPONDENT].inventory_kid,
            self.payees,
            frozenset({BUSINESS_TIER}),
        )
        office = self._office(plan.addresses.exchange, self.home)
        customers = self.home.banks[plan.home_bank].customers
        return ExchangeDesk(office, customers, sides, self.rates, self._entropy, plan.policy, plan.times)

    def _maker(self) -> SimulatedMarketMaker:
        plan = self.plan
        tills = Tills(
            self.home.ledger,
            self.abroad.ledger,
            self.home.keys.get("market maker"),
            self.abroad.banks[CORRESPONDENT].till,
            CORRESPONDENT,
            {plan.addresses.exchange: self.abroad.keys.get("home bank").public.kid},
            frozenset({BUSINESS_TIER}),
        )
        trade = Trade(
            plan.margin_seconds,
            plan.shortest_seconds,
            plan.look_seconds,
            plan.home.code,
            plan.abroad.code,
        )
        office = self._office(plan.addresses.maker, self.abroad)
        return SimulatedMarketMaker(office, tills, self.shelves.maker, self.abroad.books, self.rates, trade)

    def _set_up(self) -> None:
        """Endow the banks abroad, fill the nostro, register the two keys that stand on the other's ledger. Once."""
        plan, abroad = self.plan, self.abroad
        bank = abroad.banks[CORRESPONDENT]
        if plan.stock_minor:
            abroad.national_bank.endow(follow("corridor stock"), CORRESPONDENT, plan.stock_minor)
            bank.order_tokens(follow("corridor order"), plan.stock_minor)
        if plan.nostro_minor:
            self._fill_nostro(plan.nostro_minor)
        guest = follow("corridor guest", plan.addresses.exchange.encode())
        bank.open_account(guest, "The bank of the payers", plan.addresses.exchange, BUSINESS_TIER, FIRM)
        self._register(abroad, CORRESPONDENT, guest, "home bank")
        maker = follow("corridor maker", plan.addresses.maker.encode())
        home = self.home.banks[plan.home_bank]
        home.open_account(maker, "The market maker", plan.addresses.maker, BUSINESS_TIER, FIRM)
        self._register(self.home, plan.home_bank, maker, "market maker")

    def _register(self, system: System, bank_id: int, customer: bytes, label: str) -> bytes:
        """Register the key with this label for a customer, once; its key id."""
        signer = system.keys.get(label)
        if system.ledger.registered(signer.public.kid) is None:
            system.banks[bank_id].register_key(customer, signer)
        return signer.public.kid

    def _fill_nostro(self, minor: int) -> None:
        """The home bank's first money with the correspondent, in both banks' books; brought from elsewhere."""
        names = self.plan.addresses
        now = self._clock.now()
        lines = (
            debit(GOVERNMENT_AND_OTHER, minor),
            credit(reserve(CORRESPONDENT), minor),
            debit(reserves(CORRESPONDENT), minor),
            credit(loro(CORRESPONDENT, names.desk), minor),
        )
        self.abroad.books.post(Posting(follow("corridor nostro"), now, "nostro filled", lines))
        mirror = (
            debit(nostro(names.desk, names.correspondent), minor),
            credit(position(names.desk, self.plan.home.code), minor),
        )
        self.shelves.nostro.post(Posting(follow("corridor nostro"), now, "nostro filled", mirror))

    def add_payee(self, id: bytes, name: str) -> str:
        """A customer of the payee's bank, with an account and a key on the ledger abroad; the account's number."""
        self.abroad.banks[PAYEES_BANK].open_account(id, name, id.hex()[:16], BUSINESS_TIER, FIRM)
        account = account_of(id)
        self.payees[account] = self._register(self.abroad, PAYEES_BANK, id, f"payee/{account}")
        self.payees_bank.accounts[account] = id
        return account

    def _accounts(self) -> dict[str, bytes]:
        """Every customer of the payee's bank by the number of its account."""
        bank = self.abroad.banks[PAYEES_BANK]
        accounts = {account_of(customer.id): customer.id for customer in bank.customers.all()}
        for account, customer in accounts.items():
            kids = bank.customers.keys_of(customer)
            if kids:
                self.payees[account] = kids[0]
        return accounts

    # --- the event loop ---

    def _restore_clock(self) -> None:
        data = self.shelves.cabinet.get(_CLOCK, _ONLY)
        if data is not None:
            moment = MOMENT.load(canonical.decode(data), "moment")
            self._move(max(moment, self._clock.now()))

    def _arrive(self, moment: int) -> None:
        if moment > self._clock.now():
            self.shelves.cabinet.put_many([Row(_CLOCK, _ONLY, canonical.encode(moment))])
            self._move(moment)

    def _awake(self, member: str, moment: int) -> int:
        """The moment itself, or when the member's outages that cover it are over."""
        for outage in sorted(self.plan.outages, key=lambda outage: outage.first):
            if outage.member == member and outage.first <= moment <= outage.last:
                moment = outage.last + 1
        return moment

    def run(self, until: int) -> int:
        """Let everything happen that arrives or falls due up to the moment `until`; how many events there were."""
        events = 0
        while self._step(until):
            events += 1
            assert events < MAX_EVENTS, "the corridor does not come to rest"
        return events

    def _step(self, until: int) -> bool:
        now = self._clock.now()
        by_name = {member.bic: member for member in self.members}
        plans: list[tuple[int, int, int, Callable[[], None]]] = []
        for copy in self.network.on_the_way():
            moment = self._awake(copy.receiver, max(copy.moment, now))
            member = by_name[copy.receiver]
            plans.append((moment, 0, copy.number, lambda member=member, copy=copy: member.handle(copy)))  # type: ignore[misc]
        for place, member in enumerate(self.members):
            due = member.next_moment()
            if due is not None:
                plans.append((self._awake(member.bic, max(due, now)), 1, place, member.tick))
        if not plans:
            return False
        moment, _, _, act = min(plans, key=lambda plan: plan[:3])
        if moment > until:
            return False
        self._arrive(moment)
        act()
        return True

    def strangers(self) -> dict[str, int]:
        """How many messages each member has put aside, because they contradict what it knows."""
        return {member.bic: member.strangers() for member in self.members if member.strangers()}

    def close(self) -> None:
        """Release the files of the corridor and of the country abroad."""
        self.shelves.close()
        self.abroad.close()
