"""A bank sells digital tenge against deposits: to one customer, or to thousands in one group.

For each sale, in this order:

    1  written down                       the order, under the id the customer made
    2  the deposit is debited             "digital tenge being sold" holds the money meanwhile
    3  the transfer is written down       the very bytes that will be sent, chained with those of the group
    4  the ledger takes it                inventory -> customer's key
    5  the inventory is credited, done    or, if the ledger refuses: written down, deposit credited again, refused

A crash at any point is mended by the same order again, or by `resume`. An accepted sale answers the same for ever; a
refused one is judged again, as a new attempt with ids of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.accounts import Books, Line, Posting, being_sold, credit, debit, deposit, inventory
from cbdc.cabinet import Cabinet, Row, follow, follow_nonce
from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.gateway import Gateway
from cbdc.ledger.entry import Receipt
from cbdc.money import check_tiyn
from cbdc.ports import Clock
from cbdc.record import AMOUNT, HASH, Bytes, Group, Text, Unsigned
from cbdc.till import Payout, Till
from cbdc.token import KeyLock, Token
from cbdc.transaction import SignedTransaction, open_transaction

Answer = Receipt | TengeError


class SaleOrder(NamedTuple):
    """Sell `amount_tiyn` to the customer's key `kid`, under the id the customer made (32 bytes)."""

    id: bytes
    customer: bytes
    kid: bytes
    amount_tiyn: int


@dataclass(frozen=True, slots=True)
class Sale:
    """A sale in progress: which attempt, its transfer once there is one, and the code that refused it."""

    order: SaleOrder
    attempt: int
    transaction: bytes = b""
    refusal: str = ""

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode([*self.order[1:], self.attempt, self.transaction, self.refusal])


_SALE = Group((HASH, HASH, AMOUNT, Unsigned(1), Bytes(), Text()))


class SaleDesk:
    """The sales of one bank."""

    def __init__(
        self, gateway: Gateway, books: Books, cabinet: Cabinet, till: Till, bank_id: int, clock: Clock
    ) -> None:
        self._gateway = gateway
        self._books = books
        self._cabinet = cabinet
        self._till = till
        self._bank_id = bank_id
        self._clock = clock
        self._open = f"bank {bank_id}/sale.open"
        self._done = f"bank {bank_id}/sale.done"
        self._refused = f"bank {bank_id}/sale.refused"

    def sell(self, orders: Sequence[SaleOrder]) -> list[Answer]:
        """For each order in turn its receipt or its refusal.

        Refusals: E_FUNDS_ACCOUNT (the deposit), E_TILL (the inventory), E_ID_REUSED, E_MONEY_RANGE, the ledger's own.
        """
        answers: dict[bytes, Answer] = {}
        wrong: dict[int, Answer] = {}
        begun: dict[bytes, Sale] = {}
        for place, order in enumerate(orders):
            try:
                known = self._begin(order, begun.get(order.id))
                if isinstance(known, Sale):
                    begun[order.id] = known
                else:
                    answers[order.id] = known
            except TengeError as refusal:
                wrong[place] = refusal
        self._put([Row(self._open, sale.order.id, sale.encode()) for sale in begun.values()])
        answers.update(self._carry_out(list(begun.values())))
        return [wrong[place] if place in wrong else answers[order.id] for place, order in enumerate(orders)]

    def resume(self) -> dict[bytes, Answer]:
        """Bring every open sale to its end; the answers by sale id."""
        return self._carry_out([self._load(*row) for row in self._cabinet.all(self._open)])

    def _begin(self, order: SaleOrder, twin: Sale | None) -> Sale | Receipt:
        HASH.load(order.id, "sale id")
        check_tiyn(order.amount_tiyn, at_least=1)
        if twin is not None:
            return self._same(twin, order)
        for drawer in (self._open, self._done, self._refused):
            data = self._cabinet.get(drawer, order.id)
            if data is not None:
                sale = self._same(self._load(order.id, data), order)
                return self._again(sale, drawer)
        return Sale(order, 1)

    def _same(self, sale: Sale, order: SaleOrder) -> Sale:
        if sale.order != order:
            raise Refused("E_ID_REUSED", id=order.id)
        return sale

    def _again(self, sale: Sale, drawer: str) -> Sale | Receipt:
        if drawer == self._open:
            return sale
        if drawer == self._refused:
            return Sale(sale.order, sale.attempt + 1)
        receipt = self._gateway.find(self._opened(sale).id)
        if receipt is None:
            raise Refused("E_BOOKS_LEDGER", id=sale.order.id)
        return receipt

    def _carry_out(self, sales: list[Sale]) -> dict[bytes, Answer]:
        answers: dict[bytes, Answer] = {}
        returning = [sale for sale in sales if sale.refusal]
        self._close([], returning)
        for sale in returning:
            answers[sale.order.id] = Refused("E_SALE_REFUSED", id=sale.order.id, reason=sale.refusal)
        held = [sale for sale in sales if not sale.refusal]
        without_money: list[Row] = []
        waiting: list[Sale] = []
        for sale, refusal in zip(
            held, self._books.post_each([self._hold(sale) for sale in held]), strict=True
        ):
            if refusal is None:
                waiting.append(sale)
                continue
            answers[sale.order.id] = refusal
            without_money += self._moved(replace(sale, refusal=refusal.code), self._refused)
        self._put(without_money)
        answers.update(self._deliver(waiting))
        return answers

    def _deliver(self, waiting: list[Sale]) -> dict[bytes, Answer]:
        """Send what has a transfer, plan what has none, until nothing waits."""
        answers: dict[bytes, Answer] = {}
        while waiting:
            replanned = all(not sale.transaction for sale in waiting)
            ready, uncovered = self._plan(waiting, answers)
            done: list[Sale] = []
            refused: list[Sale] = []
            # What an earlier sale seemed to take may be there again if the ledger refuses that one.
            waiting = [replace(sale, refusal="") for sale in uncovered] if ready else []
            refused += [] if ready else uncovered
            for sale, answer in zip(
                ready, self._gateway.submit_many([sale.transaction for sale in ready]), strict=True
            ):
                if isinstance(answer, Receipt):
                    done.append(sale)
                elif isinstance(answer, Unavailable):
                    # Nothing is known: the sale stays open, and the same order or `resume` sends the same bytes.
                    answers[sale.order.id] = answer
                    continue
                elif answer.code == "E_TOKEN_SPENT":
                    # A link before it in the chain was refused, or the inventory moved meanwhile.
                    waiting.append(replace(sale, transaction=b""))
                else:
                    refused.append(replace(sale, refusal=answer.code))
                answers[sale.order.id] = answer
            if replanned and waiting and not done and not refused:
                refused, waiting = [replace(sale, refusal="E_TOKEN_SPENT") for sale in waiting], []
            self._close(done, refused)
        return answers

    def _plan(self, waiting: list[Sale], answers: dict[bytes, Answer]) -> tuple[list[Sale], list[Sale]]:
        """Give each waiting sale a transfer, written before it is sent; and those the inventory cannot cover."""
        unplanned = [sale for sale in waiting if not sale.transaction]
        if not unplanned:
            return waiting, []
        ready = [sale for sale in waiting if sale.transaction]
        uncovered: list[Sale] = []
        for sale, link in zip(unplanned, self._till.chain([_payout(s) for s in unplanned]), strict=True):
            if isinstance(link, TengeError):
                answers[sale.order.id] = link
                uncovered.append(replace(sale, refusal=link.code))
            else:
                ready.append(replace(sale, transaction=link.encode()))
        self._put([Row(self._open, sale.order.id, sale.encode()) for sale in ready])
        return ready, uncovered

    def _close(self, done: list[Sale], refused: list[Sale]) -> None:
        # A refusal is written before the deposit is credited: afterwards the transfer must never be sent again.
        self._put([Row(self._open, sale.order.id, sale.encode()) for sale in refused])
        self._books.post_many(
            [self._posting(sale, "sold", self._sold(sale)) for sale in done]
            + [self._posting(sale, "sale refused", self._back(sale)) for sale in refused]
        )
        rows: list[Row] = []
        for sale in done:
            rows += self._moved(sale, self._done)
        for sale in refused:
            rows += self._moved(sale, self._refused)
        self._put(rows)

    def _hold(self, sale: Sale) -> Posting:
        account = deposit(self._bank_id, sale.order.customer)
        amount = sale.order.amount_tiyn
        return self._posting(
            sale, "sale begun", [debit(account, amount), credit(being_sold(self._bank_id), amount)]
        )

    def _back(self, sale: Sale) -> list[Line]:
        return [Line(account, -amount) for account, amount in self._hold(sale).lines]

    def _sold(self, sale: Sale) -> list[Line]:
        amount = sale.order.amount_tiyn
        return [debit(being_sold(self._bank_id), amount), credit(inventory(self._bank_id), amount)]

    def _posting(self, sale: Sale, text: str, lines: list[Line]) -> Posting:
        bank, attempt = self._bank_id.to_bytes(8, "big"), sale.attempt.to_bytes(8, "big")
        return Posting(follow(text, bank, sale.order.id, attempt), self._clock.now(), text, tuple(lines))

    def _moved(self, sale: Sale, drawer: str) -> list[Row]:
        return [Row(self._open, sale.order.id, None), Row(drawer, sale.order.id, sale.encode())]

    def _put(self, rows: list[Row]) -> None:
        if rows:
            self._cabinet.put_many(rows)

    def _load(self, id: bytes, data: bytes) -> Sale:
        values: tuple[Any, ...] = _SALE.load(canonical.decode(data, canonical.MAX_MESSAGE_BYTES), "sale")
        return Sale(SaleOrder(id, *values[:3]), *values[3:])

    def _opened(self, sale: Sale) -> SignedTransaction:
        return open_transaction(sale.transaction, self._gateway.network)


def _payout(sale: Sale) -> Payout:
    order = sale.order
    nonce = follow_nonce("sale", order.id, sale.attempt.to_bytes(8, "big"))
    return Payout(nonce, (Token(order.amount_tiyn, KeyLock(order.kid)),))
