"""A bank's desk for payments abroad through a correspondent: digital tenge in, foreign money out, or all of it back.

    take     the customer's pain.001 and its transfer of digital tenge to the bank: rules, then written down
    bought   the bank buys the digital tenge back (`cbdc.distribution`), and holds the tenge as an order
    sent     pacs.008 to the correspondent, again and again until there is an answer
    done     pacs.002 says credited: the foreign money is spent, the tenge is the bank's, the spread its income
    back     pacs.002 says rejected, or pacs.004 brings the money: the customer gets its digital tenge again, all of it

A correspondent knows nothing of hash locks, so nothing here is atomic by proof: it is atomic by **accounts**. Until the
end is known the tenge is a debt to the customer ("cross-border orders") and the foreign money is "payments sent". Only
one of two ends is ever booked, once. A second answer that says otherwise is put aside for people, and changes nothing.

Source: `docs/domain.md`, cross-border: a SWIFT payment with digital tenge was tested; its steps and rates are not
published. The steps here are assumptions, after common practice of correspondent banks.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

from cbdc.accounts import Books, Line, Posting, credit, debit, deposit, institution_of
from cbdc.cabinet import Row, follow
from cbdc.distribution import CommercialBank
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.gateway import Gateway
from cbdc.rails.calendar import DAY_SECONDS
from cbdc.rails.messages import (
    CREDITED,
    REJECTED,
    CancelRequest,
    CustomerTransfer,
    Initiation,
    Message,
    Resolution,
    Return,
    Status,
    open_message,
    reference_of,
    uetr_of,
)
from cbdc.rails.network import Copy
from cbdc.rails.office import Drawer, Office, due_again, earliest, request_id, values_of
from cbdc.rails.policy import Policy
from cbdc.rails.rates import Quote, SimulatedRateSource
from cbdc.rails.settlement import nostro, orders, position, sent, spread_income
from cbdc.record import HASH, MOMENT, Bytes, Group, Text, Unsigned
from cbdc.sales import SaleOrder
from cbdc.token import KeyLock
from cbdc.transaction import SignedTransaction, Transfer, open_transaction

TAKEN, SENT, DONE, RETURNED, REFUSED = 1, 2, 3, 4, 5
STATE_NAMES = {TAKEN: "taken", SENT: "sent", DONE: "done", RETURNED: "returned", REFUSED: "refused"}
_RANK = {"": 0, "ACTC": 1, "PDNG": 2, "ACSP": 3}


@dataclass(frozen=True, slots=True)
class Order:
    """An order of a customer. `kid` is the key that gets the digital tenge if it comes back; moments are Unix seconds.

    `status` and `reason` are the newest that the correspondent told; `recall` is the reason of a wish to cancel, empty
    for none; `attempt` and `asked_at` are the newest time that the payment was sent.
    """

    id: bytes
    initiation: bytes
    transfer: bytes
    kid: bytes
    state: int
    taken_at: int
    attempt: int = 0
    asked_at: int = 0
    status: str = ""
    reason: str = ""
    recall: str = ""
    recall_reason: str = ""
    ended_at: int = 0

    @property
    def uetr(self) -> str:
        """Its UETR."""
        return uetr_of(self.id)

    @property
    def body(self) -> Initiation:
        """What the customer wrote."""
        body = open_message(self.initiation).body
        assert isinstance(body, Initiation)
        return body


_ORDER = Group(
    (
        HASH,
        Bytes(),
        Bytes(),
        HASH,
        Unsigned(TAKEN, REFUSED),
        MOMENT,
        Unsigned(),
        MOMENT,
        Text(8),
        Text(64),
        Text(8),
        Text(8),
        MOMENT,
    )
)


class Route(NamedTuple):
    """Where a desk sends payments: the correspondent, how long to wait for an answer, the codes of both currencies."""

    correspondent: str
    retry_seconds: int
    home: str
    foreign: str


class CrossBorderDesk:
    """The desk of one bank. `books` are the bank's in tenge, `away` its own in the foreign currency; `ledger` is
    that of the digital tenge."""

    def __init__(
        self,
        office: Office,
        bank: CommercialBank,
        books: Books,
        away: Books,
        ledger: Gateway,
        rates: SimulatedRateSource,
        route: Route,
        policy: Policy,
    ) -> None:
        self._office = office
        self._bank = bank
        self._books = books
        self._away = away
        self._ledger = ledger
        self._rates = rates
        self.route = route
        self.policy = policy
        self._open = Drawer(office.cabinet, f"{office.bic}/order.open", _ORDER, Order)
        self._closed = Drawer(office.cabinet, f"{office.bic}/order.closed", _ORDER, Order)
        self._uetr = f"{office.bic}/order.uetr"

    @property
    def bic(self) -> str:
        """The bank's address."""
        return self._office.bic

    def strangers(self) -> int:
        """How many messages were put aside, because they contradict what is known."""
        return self._office.strangers()

    # --- taking an order ---

    def take(self, id: bytes, initiation: bytes, transfer: bytes, kid: bytes) -> Order:
        """Take a customer's order, with its transfer of exactly the quoted amount to the bank's inventory.

        `kid` is where the digital tenge goes if the payment fails. The same order again answers the same.

        Raises the errors of `open_message`; E_RAILS_PARTY (not addressed to this bank, or not this order's ids);
        E_RAILS_QUOTE_UNKNOWN; the policy's refusals; E_RAILS_COVER (another amount than quoted, or another's money);
        E_RAILS_NOSTRO; E_ID_REUSED; and the ledger's refusal of the transfer, which ends the order.
        """
        HASH.load(id, "order id")
        known = self.find(id)
        if known is not None:
            if (known.initiation, known.transfer, known.kid) != (initiation, transfer, kid):
                raise Refused("E_ID_REUSED", id=id)
            if known.state == REFUSED:
                raise Refused("E_RAILS_ORDER_REFUSED", id=id, reason=known.reason)
            return known if known.state != TAKEN else self._buy(known)
        message = open_message(initiation)
        body = check_initiation(message, id, self.bic)
        quote = self._rates.get(body.contract)
        now = self._office.clock.now()
        self.policy.check(body, quote, now, settles=True)
        check_quote(body, quote, self.bic)
        self._check_cover(body, quote, transfer, kid)
        available = self._away.balance(nostro(self.bic, self.route.correspondent))
        if available < body.amount.minor:
            raise Refused("E_RAILS_NOSTRO", available_minor=available, needed_minor=body.amount.minor)
        order = Order(id, initiation, transfer, kid, TAKEN, now)
        self._office.put(
            [self._open.row(id, values_of(order)), Row(self._uetr, order.uetr.encode(), order.id)]
        )
        return self._buy(order)

    def _check_cover(self, body: Initiation, quote: Quote, transfer: bytes, kid: bytes) -> None:
        signed = self._opened(transfer)
        if not isinstance(signed.record, Transfer):
            raise Refused("E_RAILS_COVER", wanted_tiyn=quote.asked.minor, given_tiyn=0)
        if self._ledger.find(signed.id) is not None:
            # It is on the ledger already, for another order or for none: an order brings money of its own.
            raise Refused("E_RAILS_COVER", wanted_tiyn=quote.asked.minor, given_tiyn=0)
        mine = [
            t for t in signed.record.creates if t.lock == KeyLock(self._bank.inventory_kid) and not t.mark
        ]
        given = sum(token.amount_tiyn for token in mine)
        owners = {self._bank.customers.owner_of(key).id for key in (kid, *(w for w, _ in signed.witnesses))}
        if given != quote.asked.minor or {account_of(owner) for owner in owners} != {body.debtor_account}:
            raise Refused("E_RAILS_COVER", wanted_tiyn=quote.asked.minor, given_tiyn=given)

    def _opened(self, transfer: bytes) -> SignedTransaction:
        return open_transaction(transfer, self._ledger.network)

    def _buy(self, order: Order) -> Order:
        answer = self._bank.buy_back([order.transfer])[0]
        if isinstance(answer, Unavailable):
            raise answer
        if isinstance(answer, TengeError):
            self._close(replace(order, state=REFUSED, reason=answer.code, ended_at=order.taken_at))
            raise answer
        short = self._shortage(order)
        if short is not None:
            # The money stays where it is now: on the customer's deposit.
            self._close(replace(order, state=REFUSED, reason=short.code, ended_at=order.taken_at))
            raise short
        asked = replace(order, state=SENT, attempt=1, asked_at=order.taken_at)
        # The money is held before anything is promised to anybody.
        self._hold(asked)
        self._office.put([self._open.row(order.id, values_of(asked)), self._letter(asked)])
        self._office.flush()
        return asked

    def _letter(self, order: Order) -> Row:
        body = order.body
        reference = reference_of(follow("pacs.008", order.id))
        transfer = CustomerTransfer(
            reference,
            order.taken_at,
            body.end_to_end,
            order.uetr,
            body.amount,
            order.taken_at // DAY_SECONDS,
            body.debtor,
            body.debtor_account,
            self.bic,
            body.creditor_bank,
            body.creditor,
            body.creditor_account,
            body.remittance,
        )
        name = request_id("pacs.008", order.uetr, order.attempt)
        return self._office.letter(name, self.route.correspondent, transfer, order.asked_at)

    # --- the books ---

    def _quote(self, order: Order) -> Quote:
        return self._rates.get(order.body.contract)

    def _customer(self, order: Order) -> bytes:
        return self._bank.customers.owner_of(order.kid).id

    def _shortage(self, order: Order) -> Refused | None:
        """Why the money of an order cannot be held, unless it is held already. (Only somebody who spends it between a
        crash and the repetition brings this about.)"""
        if self._books.booked(follow("cross-border order taken", order.id)):
            return None
        needed = self._quote(order).asked.minor, order.body.amount.minor
        account = deposit(self._bank.bank_id, self._customer(order))
        there = self._books.balance(account)
        if there < needed[0]:
            return Refused("E_FUNDS_ACCOUNT", account=account.path, balance_tiyn=there, needed_tiyn=needed[0])
        available = self._away.balance(nostro(self.bic, self.route.correspondent))
        if available < needed[1]:
            return Refused("E_RAILS_NOSTRO", available_minor=available, needed_minor=needed[1])
        return None

    def _hold(self, order: Order) -> None:
        asked, minor = self._quote(order).asked.minor, order.body.amount.minor
        bank = self._bank.bank_id
        lines = [debit(deposit(bank, self._customer(order)), asked), credit(orders(bank), asked)]
        self._post(self._books, order, "order taken", lines)
        account = nostro(self.bic, self.route.correspondent)
        self._post(self._away, order, "sent", [debit(sent(self.bic), minor), credit(account, minor)])

    def _settle(self, order: Order) -> None:
        """Book the end of an order."""
        quote, minor = self._quote(order), order.body.amount.minor
        bank, asked = self._bank.bank_id, quote.asked.minor
        if order.state == DONE:
            home = institution_of(bank)
            lines = [
                debit(orders(bank), asked),
                credit(position(home, self.route.foreign), quote.middle.minor),
            ]
            if quote.spread_minor:
                lines.append(credit(spread_income(home), quote.spread_minor))
            self._post(self._books, order, "order done", lines)
            account = position(self.bic, self.route.home)
            self._post(self._away, order, "paid", [debit(account, minor), credit(sent(self.bic), minor)])
            return
        customer = self._customer(order)
        lines = [debit(orders(bank), asked), credit(deposit(bank, customer), asked)]
        self._post(self._books, order, "order returned", lines)
        account = nostro(self.bic, self.route.correspondent)
        self._post(self._away, order, "returned", [debit(account, minor), credit(sent(self.bic), minor)])
        sale = SaleOrder(follow("give back", order.id), customer, order.kid, asked)
        answer = self._bank.sell([sale])[0]
        if isinstance(answer, Unavailable):
            raise answer
        # Refused (a limit of the wallet, a frozen key): the money stays on the customer's deposit.

    def _post(self, books: Books, order: Order, text: str, lines: list[Line]) -> None:
        name = follow(f"cross-border {text}", order.id)
        books.post(Posting(name, self._office.clock.now(), f"{text} {order.uetr}", tuple(lines)))

    # --- answers ---

    def handle(self, copy: Copy) -> None:
        """Take in what the correspondent says."""
        message = self._office.open(copy)
        order = self.by_uetr(str(getattr(message.body, "uetr", ""))) if message is not None else None
        if message is None or order is None or message.sender != self.route.correspondent:
            self._office.strange(copy.id, copy.data)
        else:
            self._answered(order, message, copy)
        self._office.network.done(copy)

    def _answered(self, order: Order, message: Message, copy: Copy) -> None:
        body = message.body
        if isinstance(body, Status) and body.status in _RANK:
            if order.state == SENT and _RANK[body.status] > _RANK[order.status]:
                told = replace(order, status=body.status, reason=body.reason)
                self._office.put([self._open.row(order.id, values_of(told))])
        elif isinstance(body, Status) and body.status == CREDITED:
            self._end(order, DONE, body.status, body.reason, copy)
        elif isinstance(body, Status) and body.status == REJECTED:
            self._end(order, RETURNED, body.status, body.reason, copy)
        elif isinstance(body, Return) and body.amount == order.body.amount:
            self._end(order, RETURNED, "RTRD", body.reason, copy)
        elif isinstance(body, Resolution):
            if order.state == SENT and order.recall:
                told = replace(order, recall="", recall_reason=body.reason)
                self._office.put([self._open.row(order.id, values_of(told))])
        else:
            self._office.strange(copy.id, copy.data)

    def _end(self, order: Order, state: int, status: str, reason: str, copy: Copy) -> None:
        if order.state == SENT:
            now = self._office.clock.now()
            ended = replace(order, state=state, status=status, reason=reason, ended_at=now)
            self._office.put([self._open.row(order.id, values_of(ended))])
            self._settle(ended)
            self._close(ended)
        elif order.state != state:
            self._office.strange(copy.id, copy.data)
        elif self._open.get(order.id) is not None:
            self._settle(order)
            self._close(order)

    def _close(self, order: Order) -> None:
        self._office.put([self._open.gone(order.id), self._closed.row(order.id, values_of(order))])

    # --- recall ---

    def recall(self, id: bytes, reason: str = "CUST") -> Order:
        """Ask the correspondent to cancel (camt.056), until there is an answer.

        Raises E_RAILS_PAYMENT_UNKNOWN, E_RAILS_STATE when the payment has ended already.
        """
        order = self.find(id)
        if order is None:
            raise Refused("E_RAILS_PAYMENT_UNKNOWN", payment=id)
        if order.recall == reason or order.recall_reason:
            return order
        if order.state != SENT:
            raise Refused("E_RAILS_STATE", payment=id, state=STATE_NAMES[order.state])
        asked = replace(order, recall=reason)
        row = self._cancel(asked, self._office.clock.now(), 0)
        self._office.put([self._open.row(id, values_of(asked)), row])
        self._office.flush()
        return asked

    def _cancel(self, order: Order, moment: int, attempt: int) -> Row:
        body = CancelRequest(
            reference_of(follow("camt.056", order.id)),
            moment,
            self.bic,
            self.route.correspondent,
            reference_of(follow("pacs.008", order.id)),
            CustomerTransfer.KIND,
            order.body.end_to_end,
            order.uetr,
            order.recall,
        )
        name = request_id("camt.056", order.uetr, attempt)
        return self._office.letter(name, self.route.correspondent, body, moment)

    # --- the clock ---

    def tick(self) -> None:
        """Send again what has had no answer in time."""
        now = self._office.clock.now()
        for order in self._open.all():
            if order.state == SENT and self._due(order) <= now:
                again = replace(order, attempt=order.attempt + 1, asked_at=now)
                rows = [self._open.row(order.id, values_of(again)), self._letter(again)]
                if again.recall:
                    rows.append(self._cancel(again, now, again.attempt))
                self._office.put(rows)
        self._office.flush()

    def _due(self, order: Order) -> int:
        return due_again(order.asked_at, order.attempt, self.route.retry_seconds)

    def next_moment(self) -> int | None:
        """When the next question is due again."""
        return earliest(self._due(order) for order in self._open.all() if order.state == SENT)

    def resume(self) -> None:
        """Complete what a crash left half done. An order that was only taken is completed, or refused, here too."""
        self._office.flush()
        for order in self._open.all():
            try:
                if order.state == TAKEN:
                    self._buy(order)
                elif order.state in (DONE, RETURNED):
                    self._settle(order)
                    self._close(order)
            except Refused:
                continue  # it is written down as refused
        self._office.flush()

    # --- what is known ---

    def find(self, id: bytes) -> Order | None:
        """An order by its id, or None."""
        return self._open.get(id) or self._closed.get(id)

    def by_uetr(self, uetr: str) -> Order | None:
        """An order by its UETR, or None."""
        found = self._office.cabinet.get(self._uetr, uetr.encode())
        return None if found is None else self.find(found)

    def all(self) -> list[Order]:
        """Every order: those that ended first, then the open ones."""
        return [*self._closed.all(), *self._open.all()]


def account_of(customer: bytes) -> str:
    """The number of a customer's account, as messages name it: the first 32 hexadecimal digits of its id."""
    return customer.hex()[:32]


def check_initiation(message: Message, id: bytes, bank: str) -> Initiation:
    """The customer's order in a message; E_RAILS_PARTY unless it is one, for this bank, with the ids of this order and
    from the account that is to be debited."""
    body = message.body
    if not isinstance(body, Initiation):
        raise Refused("E_RAILS_PARTY", sender=message.sender, receiver=message.receiver)
    right = (message.receiver, message.sender, body.uetr) == (bank, body.debtor_account, uetr_of(id))
    if not right or body.debtor_bank != bank or body.order != reference_of(id):
        raise Refused("E_RAILS_PARTY", sender=message.sender, receiver=message.receiver)
    return body


def check_quote(body: Initiation, quote: Quote, dealer: str) -> None:
    """E_RAILS_QUOTE_UNKNOWN unless the quote is this dealer's and for the amount of the order."""
    if quote.foreign != body.amount or quote.dealer != dealer:
        raise Refused("E_RAILS_QUOTE_UNKNOWN", quote=body.contract)
