"""How much digital tenge a bank sells one customer in a day: the brake on a run from deposits.

What a customer has bought in a day is written down, with the order's id, before the sale begins, and taken back when
the sale is refused. The same order again counts once. Without the rule (`purchase_day` of a tier) every order goes to
the bank as it is.

A brake of a bank: a person with accounts at two banks has two of them. The ledger's holding limit is the other brake.
"""

from collections.abc import Sequence

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row
from cbdc.distribution import CommercialBank
from cbdc.errors import Refused, Unavailable
from cbdc.ledger.entry import Receipt
from cbdc.money import check_tiyn
from cbdc.opening_hours import DAY_SECONDS
from cbdc.policies import UTC_PLUS_5_SECONDS, PolicySet
from cbdc.ports import Clock
from cbdc.record import HASH, Group, Unsigned
from cbdc.sales import Answer, SaleOrder

_COUNTED = Group((HASH, Unsigned(), Unsigned()))


class PurchaseDesk:
    """The purchases of one bank's customers."""

    def __init__(self, bank: CommercialBank, cabinet: Cabinet, policy: PolicySet, clock: Clock) -> None:
        self._bank = bank
        self._cabinet = cabinet
        self._policy = policy
        self._clock = clock
        self._orders = f"bank {bank.bank_id}/purchase.order"
        self._days = f"bank {bank.bank_id}/purchase.day"

    def buy(self, orders: Sequence[SaleOrder]) -> list[Answer]:
        """Sell to many customers in one group; for each its receipt or its refusal: E_PURCHASE_LIMIT, E_ID_REUSED, and
        what `CommercialBank.sell` refuses."""
        answers: dict[int, Answer] = {}
        rows: dict[tuple[str, bytes], Row] = {}
        for place, order in enumerate(orders):
            try:
                for row in self._count(order, rows):
                    rows[row.drawer, row.id] = row
            except Refused as refusal:
                answers[place] = refusal
        if rows:
            self._cabinet.put_many(rows.values())
        selling = [place for place in range(len(orders)) if place not in answers]
        sold = self._bank.sell([orders[place] for place in selling]) if selling else []
        taken_back: dict[tuple[str, bytes], Row] = {}
        for place, answer in zip(selling, sold, strict=True):
            answers[place] = answer
            # Another order under a known id is refused, and takes nothing back from the one that was counted.
            if not isinstance(answer, Receipt | Unavailable) and answer.code != "E_ID_REUSED":
                for row in self._uncount(orders[place], taken_back):
                    taken_back[row.drawer, row.id] = row
        if taken_back:
            self._cabinet.put_many(taken_back.values())
        return [answers[place] for place in range(len(orders))]

    def bought_tiyn(self, customer: bytes, day: int) -> int:
        """What a customer has bought on a day (days counted from 1 January 1970, local time)."""
        return self._number(self._of_day(customer, day), {})

    def _of_day(self, customer: bytes, day: int) -> bytes:
        return customer + day.to_bytes(8, "big")

    def _number(self, name: bytes, rows: dict[tuple[str, bytes], Row]) -> int:
        fresh = rows.get((self._days, name))
        data = fresh.data if fresh is not None else self._cabinet.get(self._days, name)
        return 0 if data is None else Unsigned().load(canonical.decode(data), "bought")

    def _count(self, order: SaleOrder, rows: dict[tuple[str, bytes], Row]) -> list[Row]:
        HASH.load(order.id, "sale id")
        check_tiyn(order.amount_tiyn, at_least=1)
        limit = self._policy.value("purchase_day", self._bank.customers.get(order.customer).tier)
        known = (self._orders, order.id) in rows or self._cabinet.get(self._orders, order.id) is not None
        # A known order is judged by the sale desk: the same again gets its answer, another one is E_ID_REUSED.
        if limit is None or known:
            return []
        day = (self._clock.now() + UTC_PLUS_5_SECONDS) // DAY_SECONDS
        name = self._of_day(order.customer, day)
        bought = self._number(name, rows) + order.amount_tiyn
        if bought > limit:
            raise Refused("E_PURCHASE_LIMIT", bought_tiyn=bought, limit_tiyn=limit)
        counted = canonical.encode([order.customer, day, order.amount_tiyn])
        return [Row(self._orders, order.id, counted), Row(self._days, name, canonical.encode(bought))]

    def _uncount(self, order: SaleOrder, rows: dict[tuple[str, bytes], Row]) -> list[Row]:
        """Take a refused order back out of its day, so that it is counted anew when it is tried again."""
        data = self._cabinet.get(self._orders, order.id)
        if data is None or (self._orders, order.id) in rows:
            return []
        customer, day, amount = _COUNTED.load(canonical.decode(data), "counted")
        name = self._of_day(customer, day)
        left = self._number(name, rows) - amount
        return [Row(self._orders, order.id, None), Row(self._days, name, canonical.encode(left))]
