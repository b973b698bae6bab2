"""A licensed exchange of the AIFC, simulated: a plain dealer whose clients are linked to their bank accounts.

    open_client     the exchange identifies its client; bank and exchange agree on the person, by a code and without the
                    name, before an account is there
    fund            digital tenge from the client's own key; the monthly cap is shared with all other providers
    buy, sell       against the dealer's price
    send            to a client of a licensed provider, with travel facts; never as a payment
    withdraw        to the client's own bank account
    review          a compliance officer's signed verdict on a held order

`ExchangeRules` holds what is refused, as data: a rule that is left out is not asked. What each step does stands in
`cbdc.corridor.orders` (the flow), `cash`, and `trades`; nothing here decides what the ledger must decide.

Source: `docs/corridor.md`, what the sources say: the corridor between AIFC exchanges and banks since June 2022.
"""

from dataclasses import dataclass, field, replace

from cbdc.accounts import Posting, credit, debit
from cbdc.cabinet import follow
from cbdc.corridor.bank_desk import BankDesk
from cbdc.corridor.cap import CapRule, SimulatedDataExchange
from cbdc.corridor.cash import FUND, WITHDRAW, Cash, FundOrders, WithdrawOrders
from cbdc.corridor.clients import FROZEN, Client, ClientFile
from cbdc.corridor.events import EventLog
from cbdc.corridor.licences import Gate
from cbdc.corridor.orders import Order, OrderDesk, asked
from cbdc.corridor.persons import match_code
from cbdc.corridor.purse import Purse
from cbdc.corridor.records import EXCHANGE_ACTIVITY
from cbdc.corridor.screening import Screen
from cbdc.corridor.trades import (
    BUY,
    SELL,
    SEND,
    Dealer,
    Listing,
    Receiver,
    SendOrders,
    SendRules,
    TradeOrders,
    own_custody,
)
from cbdc.errors import Refused, TengeError
from cbdc.keys import PublicKey, Signer
from cbdc.sales import SaleOrder
from cbdc.system import System
from cbdc.token import PERSON
from cbdc.transaction import open_transaction


@dataclass(frozen=True, slots=True)
class ExchangeRules:
    """What an exchange refuses or holds. `cap` None, `own_account` False or an absent screen: that rule is left
    out.
    """

    cap: CapRule | None = field(default_factory=CapRule)
    own_account: bool = True
    send: SendRules = field(default_factory=SendRules)
    screens: tuple[Screen, ...] = ()


@dataclass(frozen=True, slots=True)
class Commons:
    """What all providers of a corridor share: the institutions, the gate, the counter, the log, the official rate.

    `persons` is the secret of the licensed providers (`cbdc.corridor.persons`).
    """

    system: System
    gate: Gate
    counter: SimulatedDataExchange
    log: EventLog
    tiyn_per_usd: int
    persons: bytes


class SimulatedExchange:
    """One exchange; `signer` is the key its licence names."""

    def __init__(
        self,
        name: str,
        signer: Signer,
        commons: Commons,
        officer: PublicKey,
        rules: ExchangeRules,
        receivers: dict[str, Receiver],
    ) -> None:
        """`receivers` is shared by the exchanges of a corridor: each enters itself."""
        system = commons.system
        self.name = name
        self.kid = signer.public.kid
        self._commons = commons
        self._secrets: dict[int, bytes] = {}
        self.clients = ClientFile(system.stores.cabinet, name, commons.persons)
        self.cash = Cash(
            name,
            self.kid,
            system.ledger,
            system.books,
            system.clock,
            self.clients,
            commons.counter,
            rules.cap,
            rules.own_account,
            commons.tiyn_per_usd,
            {},
            {},
        )
        self.dealer = Dealer(self.cash, {})
        self.desk = OrderDesk(
            name,
            self.kid,
            system.stores.cabinet,
            system.clock,
            commons.gate,
            commons.log,
            self.clients,
            rules.screens,
            officer,
            system.network,
        )
        self._positions = receivers.setdefault(name, Receiver(name, self.kid, self._receiving, {})).positions
        self.desk.handlers = {
            FUND: FundOrders(self.cash),
            WITHDRAW: WithdrawOrders(self.cash),
            BUY: TradeOrders(self.dealer, BUY),
            SELL: TradeOrders(self.dealer, SELL),
            SEND: SendOrders(self.dealer, commons.gate, rules.send, receivers),
        }

    def _receiving(self, client: bytes) -> Client:
        found = self.clients.get(client)
        if found.state == FROZEN:
            raise Refused("E_CLIENT_FROZEN", id=client)
        return found

    # --- setting up ---

    def join(self, desk: BankDesk, till: Signer, secret: bytes, capital_tiyn: int = 0) -> None:
        """Open the exchange's account at a bank, with capital that becomes digital tenge there. Again is harmless.

        `till` is the exchange's key at that bank, `secret` what the pair shares. Raises E_CORRIDOR_LICENCE and what
        the bank says; E_TILL while the bank has too little digital tenge.
        """
        system, bank = self._commons.system, desk.bank
        customer = desk.open_provider(self.kid, f"Exchange {self.name}", till, capital_tiyn)
        self.cash.banks[bank.bank_id] = desk
        self.cash.tills[bank.bank_id] = Purse(system.ledger, system.stores.cabinet, [till])
        self._secrets[bank.bank_id] = secret
        if capital_tiyn:
            sale = follow("exchange capital", self.kid, bank.bank_id.to_bytes(8, "big"))
            answer = bank.sell([SaleOrder(sale, customer, till.public.kid, capital_tiyn)])[0]
            if isinstance(answer, TengeError):
                raise answer
            accounts = self.cash.accounts
            lines = (debit(accounts.digital_tenge, capital_tiyn), credit(accounts.own, capital_tiyn))
            system.books.post(
                Posting(follow("capital booked", sale), system.clock.now(), "capital of an exchange", lines)
            )

    def list_asset(self, listing: Listing, own_units: int) -> None:
        """Deal in an asset; `own_units` are brought from outside into the exchange's own custody. Again is
        harmless.
        """
        self.dealer.listings[listing.asset] = listing
        self._positions[listing.asset] = listing.positions
        if own_units:
            brought = follow("units brought", self.kid, listing.asset.encode())
            listing.custody.mint(brought, own_custody(self.name), own_units)

    # --- clients ---

    def open_client(
        self,
        id: bytes,
        name: str,
        reference: str,
        address: str = "",
        category: int = PERSON,
        resident: bool = True,
        declared_usd_cents: int = 0,
        *,
        bank_id: int,
        customer: bytes,
    ) -> Client:
        """Identify a client, agree with its bank that it is the bank's `customer`, and open its account.

        Once per `id`. Raises E_CORRIDOR_LICENCE, E_PERSON_MATCH, E_ID_REUSED, and what the bank says.
        """
        self._commons.gate.require(self.kid, EXCHANGE_ACTIVITY)
        client = Client(id, name, reference, address, category, int(resident), 0, declared_usd_cents)
        known = self.clients.known(client)
        if known is not None:
            return known
        code = match_code(self._secrets[bank_id], reference)
        name_of_link = follow("corridor link", self.kid, id)
        link = self.cash.banks[bank_id].link(name_of_link, self.kid, customer, code)
        return self.clients.open(replace(client, link=link.id, bank_id=bank_id))

    def till_kid(self, client: bytes) -> bytes:
        """The key a client pays to fund its account; E_CLIENT_UNKNOWN, E_CLIENT_FROZEN."""
        return self.cash.tills[self.clients.active(client).bank_id].kid

    def owed_tiyn(self, client: bytes) -> int:
        """What the exchange owes a client."""
        return self.cash.books.balance(self.cash.accounts.client(client))

    def position(self, client: bytes, asset: str) -> int:
        """The units of an asset that belong to a client."""
        return self.dealer.listing(asset).positions.balance(client.hex())

    # --- orders ---

    def fund(self, client: bytes, transaction: bytes) -> Order:
        """Take the client's transfer to the till of its bank; the order's id is the transaction's."""
        opened = open_transaction(transaction, self._commons.system.network)
        order = Order(opened.id, asked(self.name, FUND, client, opened.id), FUND, client, data=transaction)
        return self.desk.place(order)

    def withdraw(self, id: bytes, client: bytes, amount_tiyn: int, link: bytes = b"") -> Order:
        """Pay a client out to its own bank account (its link; naming another one is refused)."""
        link = link or self.clients.get(client).link
        content = asked(self.name, WITHDRAW, client, amount_tiyn, link)
        return self.desk.place(Order(id, content, WITHDRAW, client, tiyn=amount_tiyn, other=link))

    def buy(self, id: bytes, client: bytes, asset: str, amount_tiyn: int) -> Order:
        """Buy an asset for so much of the client's tenge."""
        return self._trade(id, BUY, client, asset, amount_tiyn)

    def sell(self, id: bytes, client: bytes, asset: str, amount_tiyn: int) -> Order:
        """Sell as many units as bring so much tenge."""
        return self._trade(id, SELL, client, asset, amount_tiyn)

    def _trade(self, id: bytes, side: str, client: bytes, asset: str, amount_tiyn: int) -> Order:
        content = asked(self.name, side, client, asset, amount_tiyn)
        return self.desk.place(Order(id, content, side, client, asset, amount_tiyn))

    def send(self, id: bytes, client: bytes, asset: str, units: int, provider: str, payee: bytes) -> Order:
        """Send units to a client of a licensed provider (this one or another)."""
        content = asked(self.name, SEND, client, asset, units, provider, payee)
        order = Order(id, content, SEND, client, asset, units=units, other=payee, place=provider)
        return self.desk.place(order)

    def review(self, verdict: bytes) -> Order:
        """An officer's verdict on a held order."""
        return self.desk.review(verdict)
