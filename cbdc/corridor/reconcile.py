"""Every leg reconciled: the ledger, the banks' books, the exchange's books, the asset's ledger and the positions agree.

Nothing here repairs anything. Each comparison takes two sides that were written by different institutions and tells
where they differ, with both figures:

    totals      what the exchange's books say it holds on the ledger and at banks; what it owes each client, counted
                again from the orders; clients' units in custody and in positions; each asset ledger against its journal
    legs        each finished order: the transaction on the ledger, the postings, the units that moved, the counted cap

An order that is still open is in between by nature; so are its differences, until it is carried on. A day must end
with zero differences.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from cbdc.accounts import deposit, inventory
from cbdc.corridor.cap import month_of
from cbdc.corridor.cash import FUND, WITHDRAW
from cbdc.corridor.exchange import SimulatedExchange
from cbdc.corridor.orders import DONE, Order
from cbdc.corridor.trades import BUY, SELL, SEND, Listing, Receiver, client_custody, own_custody
from cbdc.corridor.units import NOBODY
from cbdc.token import KeyLock
from cbdc.transaction import open_transaction


class Difference(NamedTuple):
    """Where two sides disagree: `place` names it, `expected` and `found` are the figures (tiyn, units or cents)."""

    place: str
    expected: int
    found: int


class Reconciliation(NamedTuple):
    """How many comparisons were made, and the differences among them."""

    compared: int
    differences: tuple[Difference, ...]


def reconcile(exchange: SimulatedExchange, receivers: dict[str, Receiver]) -> Reconciliation:
    """Compare everything of one exchange; reads only."""
    rows = [*_totals(exchange), *_owed(exchange), *_units(exchange), *_legs(exchange, receivers)]
    return Reconciliation(len(rows), tuple(row for row in rows if row.expected != row.found))


def _totals(exchange: SimulatedExchange) -> Iterator[Difference]:
    cash, accounts = exchange.cash, exchange.cash.accounts
    on_ledger = sum(
        token.amount_tiyn for till in cash.tills.values() for _, token in cash.gateway.owned(till.kid)
    )
    yield Difference("digital tenge on the ledger", on_ledger, cash.books.balance(accounts.digital_tenge))
    for bank_id, desk in cash.banks.items():
        at_bank = cash.books.balance(deposit(bank_id, desk.account_of(exchange.kid)))
        yield Difference(f"deposit at bank {bank_id}", at_bank, cash.books.balance(accounts.deposit(bank_id)))
        held = desk.bank.inventory_tiyn()
        yield Difference(f"inventory of bank {bank_id}", held, cash.books.balance(inventory(bank_id)))
    yield Difference("being paid out", 0, cash.books.balance(accounts.paying_out))
    counted: Counter[str] = Counter()
    month = month_of(cash.clock.now())
    for order in exchange.desk.all(DONE):
        if order.kind == FUND and month_of(order.time) == month:
            counted[exchange.name] += order.usd_cents
    if cash.cap_rule is not None:
        shared = cash.cap.by_provider(month).get(exchange.name, 0)
        yield Difference("deposits counted for the cap", counted[exchange.name], shared)


def _owed(exchange: SimulatedExchange) -> Iterator[Difference]:
    owed: Counter[bytes] = Counter()
    sign = {FUND: 1, BUY: -1, SELL: 1, WITHDRAW: -1, SEND: 0}
    for order in exchange.desk.all(DONE):
        owed[order.client] += sign[order.kind] * order.tiyn
    for client in exchange.clients.all():
        yield Difference(
            f"owed to client {client.id.hex()[:8]}", owed[client.id], exchange.owed_tiyn(client.id)
        )


def _units(exchange: SimulatedExchange) -> Iterator[Difference]:
    for listing in exchange.dealer.listings.values():
        name = listing.asset
        held = listing.custody.balance(client_custody(exchange.name))
        positions = sum(listing.positions.balances().values())
        yield Difference(f"{name}: clients' custody and positions", held, positions)
        dealt = sum(
            {BUY: -1, SELL: 1}.get(order.kind, 0) * order.units
            for order in exchange.desk.all(DONE)
            if order.asset == name
        )
        brought = sum(
            move.units
            for _, move in listing.custody.moves()
            if move.payer == NOBODY and move.payee == own_custody(exchange.name)
        )
        own = listing.custody.balance(own_custody(exchange.name))
        yield Difference(f"{name}: the dealer's own", brought + dealt, own)
        for ledger in (listing.custody, listing.positions):
            found = ledger.differences()
            yield Difference(f"{ledger.name}: balances that differ from the journal", 0, len(found))


def _legs(exchange: SimulatedExchange, receivers: dict[str, Receiver]) -> Iterator[Difference]:
    for order in exchange.desk.all(DONE):
        place = f"{order.kind} {order.id.hex()[:8]}"
        if order.kind == FUND:
            yield Difference(f"{place}: on the ledger", order.tiyn, _funded_tiyn(exchange, order))
            yield _posted(exchange, order, place, "client's money received")
        elif order.kind == WITHDRAW:
            yield from _paid_out(exchange, order, place)
        elif order.kind in (BUY, SELL):
            yield _posted(exchange, order, place, "bought" if order.kind == BUY else "sold")
            yield from _moved(exchange.dealer.listing(order.asset), order, place, ("custody", "position"))
        else:
            listing = exchange.dealer.listing(order.asset)
            yield from _moved(listing, order, place, ("custody", "position"))
            arrived = receivers[order.place].positions[order.asset].moved(order.part("arrival"))
            yield Difference(f"{place}: arrived", order.units, arrived.units if arrived else 0)


def _funded_tiyn(exchange: SimulatedExchange, order: Order) -> int:
    """What the ledger took for the exchange in the order's transaction; 0 when it never came."""
    if exchange.cash.gateway.find(order.id) is None:
        return 0
    kids = {KeyLock(till.kid) for till in exchange.cash.tills.values()}
    record = open_transaction(order.data, exchange.cash.gateway.network).record
    return sum(token.amount_tiyn for token in record.creates if token.lock in kids)


def _posted(exchange: SimulatedExchange, order: Order, place: str, label: str) -> Difference:
    return Difference(f"{place}: {label}", 1, int(exchange.cash.booked(order, label)))


def _paid_out(exchange: SimulatedExchange, order: Order, place: str) -> Iterator[Difference]:
    for label in ("payout begun", "payout at the bank", "paid out"):
        yield _posted(exchange, order, place, label)
    arrived = exchange.cash.books.booked(order.part("own deposit"))
    yield Difference(f"{place}: at the client's bank", 1, int(arrived))


def _moved(listing: Listing, order: Order, place: str, labels: tuple[str, str]) -> Iterator[Difference]:
    for label, ledger in zip(labels, (listing.custody, listing.positions), strict=True):
        move = ledger.moved(order.part(label))
        yield Difference(f"{place}: {label}", order.units, move.units if move else 0)
