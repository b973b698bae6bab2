"""Assets bought from and sold to an exchange that is a plain dealer, and assets sent to another provider's client.

    buy     the client's tenge -> the dealer's own; units from the dealer's own custody to the clients' custody
    sell    the other way
    send    units leave the client's position and arrive in the other's; travel facts go along

Orders name an amount of tenge, the dealer its price: the middle price of the day and a spread. The clients' units are
kept apart from the dealer's own in the asset's ledger, and each client's position in a ledger of the exchange; both
must always agree (`cbdc.corridor.reconcile`).

**Payment in crypto is refused everywhere by default**: units sent to a merchant are a payment, whoever the merchant is,
unless the merchant is on the list of a pilot that allows it. The list is empty.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from cbdc.accounts import Line, credit, debit
from cbdc.corridor.cash import Cash
from cbdc.corridor.clients import Client
from cbdc.corridor.licences import Gate
from cbdc.corridor.orders import Order
from cbdc.corridor.persons import TravelFacts, check_travel
from cbdc.corridor.rates import SimulatedRates
from cbdc.corridor.records import EXCHANGE_ACTIVITY
from cbdc.corridor.units import UnitLedger
from cbdc.errors import Refused
from cbdc.money import check_tiyn
from cbdc.record import AMOUNT

BUY = "buy"
SELL = "sell"
SEND = "send"


class Listing(NamedTuple):
    """An asset at an exchange: the asset's own ledger, the exchange's ledger of positions, the rates, the spread."""

    asset: str
    custody: UnitLedger
    positions: UnitLedger
    rates: SimulatedRates
    spread_basis_points: int


def own_custody(provider: str) -> str:
    """The exchange's own account in the asset's ledger."""
    return f"{provider}: own"


def client_custody(provider: str) -> str:
    """The account of all its clients in the asset's ledger."""
    return f"{provider}: clients"


@dataclass(frozen=True, slots=True)
class Dealer:
    """What buying and selling work with."""

    cash: Cash
    listings: dict[str, Listing]

    def listing(self, asset: str) -> Listing:
        """The listing of an asset; E_ASSET_UNKNOWN."""
        if asset not in self.listings:
            raise Refused("E_ASSET_UNKNOWN", asset=asset, known=", ".join(sorted(self.listings)))
        return self.listings[asset]


class TradeOrders:
    """Buying (`side` BUY) and selling (SELL) for an amount of tenge."""

    screened = True

    def __init__(self, dealer: Dealer, side: str) -> None:
        self._dealer = dealer
        self._side = side

    def judge(self, order: Order) -> Order:
        """E_ASSET_UNKNOWN, and what the client's account says."""
        self._dealer.cash.clients.active(order.client)
        self._dealer.listing(order.asset)
        amount = check_tiyn(order.tiyn, at_least=1)
        return order._replace(usd_cents=self._dealer.cash.usd_cents(amount))

    def plan(self, order: Order) -> Order:
        """The price of this moment: units bought or given. E_ORDER_SMALL when that is nothing, E_DEALER_FUNDS."""
        listing = self._dealer.listing(order.asset)
        middle = listing.rates.now()
        if self._side == BUY:
            units = middle.moved(listing.spread_basis_points).units_bought(order.tiyn)
        else:
            units = middle.moved(-listing.spread_basis_points).units_sold(order.tiyn)
            available = self._dealer.cash.books.balance(self._dealer.cash.accounts.own)
            if available < order.tiyn:
                raise Refused("E_DEALER_FUNDS", available_tiyn=available, amount_tiyn=order.tiyn)
        if units < 1:
            raise Refused("E_ORDER_SMALL", amount_tiyn=order.tiyn, asset=order.asset)
        return order._replace(units=units)

    def _lines(self, order: Order) -> tuple[Line, ...]:
        accounts = self._dealer.cash.accounts
        client, own = accounts.client(order.client), accounts.own
        if self._side == BUY:
            return debit(client, order.tiyn), credit(own, order.tiyn)
        return debit(own, order.tiyn), credit(client, order.tiyn)

    def effect(self, order: Order) -> None:
        """Whoever gives, gives first: so what is refused is refused before anything has to be taken back."""
        cash, listing = self._dealer.cash, self._dealer.listing(order.asset)
        own, clients = own_custody(cash.name), client_custody(cash.name)
        if self._side == BUY:
            cash.post(order, "bought", self._lines(order))
            listing.custody.transfer(order.part("custody"), own, clients, order.units)
            listing.positions.mint(order.part("position"), order.client.hex(), order.units)
        else:
            listing.positions.burn(order.part("position"), order.client.hex(), order.units)
            listing.custody.transfer(order.part("custody"), clients, own, order.units)
            cash.post(order, "sold", self._lines(order))

    def undo(self, order: Order) -> None:
        """A buyer's tenge back, if the dealer had no units; a seller without units gave nothing yet."""
        cash = self._dealer.cash
        if self._side == BUY and cash.booked(order, "bought"):
            back = tuple(Line(account, -amount) for account, amount in self._lines(order))
            cash.post(order, "purchase undone", back)


class Receiver(NamedTuple):
    """Another provider as a sender sees it: its name, its key, its clients and its ledgers of positions."""

    name: str
    kid: bytes
    find: Callable[[bytes], Client]
    positions: dict[str, UnitLedger]


@dataclass(frozen=True, slots=True)
class SendRules:
    """Rules of sending: `payments` refuses what is a payment, except to the clients in `allowed`; `travel_usd_cents` is
    the worth from which the full travel facts must go along, None for no rule."""

    payments: bool = True
    allowed: frozenset[bytes] = frozenset()
    travel_usd_cents: int | None = 100_000


class SendOrders:
    """Units to a client of this or another licensed provider."""

    screened = True

    def __init__(self, dealer: Dealer, gate: Gate, rules: SendRules, receivers: dict[str, Receiver]) -> None:
        self._dealer = dealer
        self._gate = gate
        self._rules = rules
        self._receivers = receivers

    def judge(self, order: Order) -> Order:
        """E_CRYPTO_PAYMENT, E_TRAVEL_RULE, E_PROVIDER_UNKNOWN, the other provider's licence, both clients' accounts."""
        cash = self._dealer.cash
        sender = cash.clients.active(order.client)
        listing = self._dealer.listing(order.asset)
        worth = listing.rates.now().worth_tiyn(AMOUNT.load(order.units, "units"))
        receiver = self._receiver(order.place)
        self._gate.require(receiver.kid, EXCHANGE_ACTIVITY)
        payee = receiver.find(order.other)
        if self._rules.payments and payee.is_merchant and payee.id not in self._rules.allowed:
            raise Refused("E_CRYPTO_PAYMENT", asset=order.asset)
        usd_cents = cash.usd_cents(worth)
        if self._rules.travel_usd_cents is not None:
            check_travel(travel_facts(sender, payee), usd_cents, self._rules.travel_usd_cents)
        return order._replace(tiyn=worth, usd_cents=usd_cents)

    def _receiver(self, name: str) -> Receiver:
        if name not in self._receivers:
            raise Refused("E_PROVIDER_UNKNOWN", name=name, known=", ".join(sorted(self._receivers)))
        return self._receivers[name]

    def plan(self, order: Order) -> Order:
        """Nothing to plan."""
        return order

    def effect(self, order: Order) -> None:
        """From the sender's position to the receiver's."""
        cash, listing = self._dealer.cash, self._dealer.listing(order.asset)
        receiver = self._receiver(order.place)
        listing.positions.burn(order.part("position"), order.client.hex(), order.units)
        mine, theirs = client_custody(cash.name), client_custody(receiver.name)
        listing.custody.transfer(order.part("custody"), mine, theirs, order.units)
        receiver.positions[order.asset].mint(order.part("arrival"), order.other.hex(), order.units)

    def undo(self, order: Order) -> None:
        """A sender without units gave nothing."""


def travel_facts(sender: Client, payee: Client) -> TravelFacts:
    """What the sender's provider tells the receiver's, from both files."""
    return TravelFacts(
        originator_name=sender.name,
        originator_account=sender.id.hex(),
        originator_reference=sender.reference,
        originator_address=sender.address,
        beneficiary_name=payee.name,
        beneficiary_account=payee.id.hex(),
    )
