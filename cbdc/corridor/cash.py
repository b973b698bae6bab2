"""Tenge in and out of an exchange: in from the client's own key, out to the client's own bank account.

    fund       client's key -> the exchange's key on the ledger     the cap is taken first, given back if it fails
    withdraw   the exchange's key -> its bank -> the client's deposit

Both are orders (`cbdc.corridor.orders`). Marked money is refused before anything is sent, and money from a stranger's
key, or to a stranger's account, too. The books of the exchange stand in the common books, under its own name.
"""

from dataclasses import dataclass

from cbdc.accounts import ASSET, EQUITY, LIABILITY, Account, Books, Line, Posting, credit, debit
from cbdc.corridor.bank_desk import BankDesk, Link
from cbdc.corridor.cap import CapRule, SimulatedDataExchange, month_of
from cbdc.corridor.clients import Client, ClientFile
from cbdc.corridor.orders import Order
from cbdc.corridor.purse import Purse
from cbdc.corridor.rates import usd_cents_of
from cbdc.errors import Refused
from cbdc.gateway import Gateway
from cbdc.money import check_tiyn
from cbdc.ports import Clock
from cbdc.record import HASH
from cbdc.token import KeyLock, Token
from cbdc.transaction import Transfer, open_transaction

FUND = "fund"
WITHDRAW = "withdraw"
_PLANS = 3


@dataclass(frozen=True, slots=True)
class ExchangeAccounts:
    """The accounts of one exchange in the books, by its name."""

    name: str

    def _account(self, kind: int, name: str) -> Account:
        return Account(f"exchange {self.name}"[:64], kind, name)

    @property
    def digital_tenge(self) -> Account:
        """What it holds on the ledger."""
        return self._account(ASSET, "digital tenge on the ledger")

    def deposit(self, bank_id: int) -> Account:
        """What it has on deposit at a bank."""
        return self._account(ASSET, f"deposit at bank {bank_id}")

    def client(self, client: bytes) -> Account:
        """What it owes a client."""
        return self._account(LIABILITY, f"client:{client.hex()}")

    @property
    def paying_out(self) -> Account:
        """What left clients' accounts and has not arrived at their banks."""
        return self._account(LIABILITY, "being paid out")

    @property
    def own(self) -> Account:
        """Its own tenge: capital and what dealing brought."""
        return self._account(EQUITY, "own funds")


@dataclass(frozen=True, slots=True)
class Cash:
    """What both kinds of orders work with."""

    name: str
    kid: bytes
    gateway: Gateway
    books: Books
    clock: Clock
    clients: ClientFile
    cap: SimulatedDataExchange
    cap_rule: CapRule | None
    own_account: bool
    tiyn_per_usd: int
    banks: dict[int, BankDesk]
    tills: dict[int, Purse]

    @property
    def accounts(self) -> ExchangeAccounts:
        """The accounts in the books."""
        return ExchangeAccounts(self.name)

    def post(self, order: Order, label: str, lines: tuple[Line, ...]) -> None:
        """Book one leg of an order; once."""
        self.books.post(Posting(order.part(label), self.clock.now(), label, lines))

    def booked(self, order: Order, label: str) -> bool:
        """Whether that leg is in the books."""
        return self.books.booked(order.part(label))

    def usd_cents(self, amount_tiyn: int) -> int:
        """An amount in US cents at the official rate."""
        return usd_cents_of(amount_tiyn, self.tiyn_per_usd)

    def own_link(self, client: Client) -> Link:
        """The client's own link at its bank, which must work with this provider now."""
        desk = self.banks[client.bank_id]
        desk.require(self.kid)
        return desk.find(client.link, self.kid)


class FundOrders:
    """Digital tenge from the client's own key."""

    screened = False

    def __init__(self, cash: Cash) -> None:
        self._cash = cash

    def judge(self, order: Order) -> Order:
        """E_CORRIDOR_TRANSFER (no plain transfer to the till, or not fresh), E_CORRIDOR_MARKED, E_OWN_ACCOUNT."""
        cash = self._cash
        client = cash.clients.active(order.client)
        link = cash.own_link(client)
        transaction = open_transaction(order.data, cash.gateway.network)
        till = KeyLock(cash.tills[client.bank_id].kid)
        made = [token for token in transaction.record.creates if token.lock == till]
        if not isinstance(transaction.record, Transfer) or not made or cash.gateway.find(transaction.id):
            raise Refused("E_CORRIDOR_TRANSFER", provider=cash.name)
        inputs = [cash.gateway.token(identity) for identity in transaction.record.spends]
        if any(token.mark for token in made) or any(token and token.mark for token in inputs):
            raise Refused("E_CORRIDOR_MARKED", provider=cash.name)
        for token in inputs:
            if token is None or not isinstance(token.lock, KeyLock):
                raise Refused("E_CORRIDOR_TRANSFER", provider=cash.name)
            if cash.own_account and not cash.banks[client.bank_id].owns(link, token.lock.kid):
                raise Refused("E_OWN_ACCOUNT", provider=cash.name)
        amount = sum(token.amount_tiyn for token in made)
        return order._replace(tiyn=amount, usd_cents=cash.usd_cents(amount))

    def plan(self, order: Order) -> Order:
        """Nothing to plan: the client's transfer is the plan."""
        return order

    def effect(self, order: Order) -> None:
        """Take the cap, let the ledger take the money, credit the client."""
        cash = self._cash
        client = cash.clients.get(order.client)
        if cash.cap_rule is not None:
            limit = cash.cap_rule.limit(bool(client.resident), bool(client.tested))
            person = cash.clients.person(order.client)
            month = month_of(order.time)
            cash.cap.take(order.part("cap"), person, month, order.usd_cents, limit, cash.name)
        cash.gateway.submit(order.data)
        accounts = cash.accounts
        lines = (
            debit(accounts.digital_tenge, order.tiyn),
            credit(accounts.client(order.client), order.tiyn),
        )
        cash.post(order, "client's money received", lines)

    def undo(self, order: Order) -> None:
        """Give the cap back."""
        if self._cash.cap_rule is not None:
            self._cash.cap.give_back(order.part("cap"))


class WithdrawOrders:
    """Tenge to the client's own account at its bank. `order.other` is the link that is to be paid."""

    screened = False

    def __init__(self, cash: Cash) -> None:
        self._cash = cash

    def judge(self, order: Order) -> Order:
        """E_OWN_ACCOUNT unless the link is the client's own; E_CORRIDOR_LINK; what the bank says of the provider."""
        client = self._cash.clients.active(order.client)
        HASH.load(order.other, "link")
        self._cash.own_link(client)
        if order.other != client.link and self._cash.own_account:
            raise Refused("E_OWN_ACCOUNT", provider=self._cash.name)
        self._cash.banks[client.bank_id].find(order.other, self._cash.kid)
        amount = check_tiyn(order.tiyn, at_least=1)
        return order._replace(usd_cents=self._cash.usd_cents(amount))

    def plan(self, order: Order) -> Order:
        """Nothing to plan: the price of tenge is tenge."""
        return order

    def _hold(self, order: Order) -> tuple[Line, ...]:
        accounts = self._cash.accounts
        return (
            debit(accounts.client(order.client), order.tiyn),
            credit(accounts.paying_out, order.tiyn),
        )

    def effect(self, order: Order) -> None:
        """Hold the client's money, send digital tenge to the bank, have the bank credit the client's own deposit."""
        cash = self._cash
        accounts = cash.accounts
        client = cash.clients.get(order.client)
        desk = cash.banks[client.bank_id]
        cash.post(order, "payout begun", self._hold(order))
        self._send_home(order, desk, cash.tills[client.bank_id])
        at_bank = accounts.deposit(desk.bank.bank_id)
        lines = (debit(at_bank, order.tiyn), credit(accounts.digital_tenge, order.tiyn))
        cash.post(order, "payout at the bank", lines)
        desk.pay_out(order.part("own deposit"), desk.find(order.other, cash.kid), order.tiyn)
        lines = (debit(accounts.paying_out, order.tiyn), credit(at_bank, order.tiyn))
        cash.post(order, "paid out", lines)

    def _send_home(self, order: Order, desk: BankDesk, till: Purse) -> None:
        """The exchange's digital tenge becomes its deposit; a transfer whose tokens are gone is planned again."""
        for turn in range(_PLANS):
            data = till.pay(order.part("payout"), [Token(order.tiyn, KeyLock(desk.bank.inventory_kid))])
            try:
                desk.take_in(data)
            except Refused as refusal:
                if refusal.code != "E_TOKEN_SPENT" or turn == _PLANS - 1:
                    raise
            else:
                return

    def undo(self, order: Order) -> None:
        """Give the client's money back, if it was held."""
        if self._cash.booked(order, "payout begun"):
            back = tuple(Line(account, -amount) for account, amount in self._hold(order))
            self._cash.post(order, "payout undone", back)
