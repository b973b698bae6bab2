"""Clearing and settlement of one card network: who owes whom, net, in reserve accounts at the National Bank.

Every bank hands in what it began and what was answered yes: an acquirer its captures, cash, refunds and second
presentments, an issuer its chargebacks. The network compares each with its own record. What agrees is settled; what
does not is left out and told. Per bank the sums are netted, and **one posting** moves the reserves of all banks and
clears what each had booked as payable and receivable: all of it or nothing. A bank without reserves stops it
(E_FUNDS_ACCOUNT), and the same settlement goes on when it has some.

    planned   the items are written down
    done      the posting is booked, the items are marked
"""

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

from cbdc import canonical
from cbdc.accounts import Books, Line, Posting, reserve, reserves
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.cards import chart
from cbdc.cards.disputes import DisputeDesk
from cbdc.cards.network import Item, SimulatedNetwork
from cbdc.cards.sale import SaleFile
from cbdc.ports import Clock
from cbdc.record import HASH, Group, Items, Text, Unsigned

MOST_ITEMS = 10_000
_CLAIM = Group((HASH, Unsigned(1), HASH))
_BATCH = Group((Text(), Items(_CLAIM, most=MOST_ITEMS)))
PLANNED = "planned"
DONE = "done"


class Claim(NamedTuple):
    """One item that a bank hands in: the id of its message, the bank, and its row there."""

    item: bytes
    bank_id: int
    row: bytes


class Settled(NamedTuple):
    """What a settlement did: how many items, the net of each bank (positive: it got reserves), and how many items
    were left out because the network knows them otherwise."""

    items: int
    net_tiyn: Mapping[int, int]
    left_out: int


class CardSettlement:
    """The settlement of one network, between the banks that hand in."""

    def __init__(
        self,
        network: SimulatedNetwork,
        books: Books,
        cabinet: Cabinet,
        clock: Clock,
        sales: Mapping[int, SaleFile],
        disputes: Mapping[int, DisputeDesk],
    ) -> None:
        self._network = network
        self._books = books
        self._cabinet = cabinet
        self._clock = clock
        self._sales = sales
        self._disputes = disputes
        self._batches = f"{network.name}/settlement"

    def settle(self, id: bytes) -> Settled:
        """Settle what there is, up to `MOST_ITEMS`, under the id of this settlement; the same id, the same items.

        Raises E_FUNDS_ACCOUNT when a bank's reserves do not cover what it owes; nothing is settled then.
        """
        state, batch, left_out = self._plan(id)
        items = [self._item(claim) for claim in batch]
        net: Counter[int] = Counter()
        payable: Counter[int] = Counter()
        receivable: Counter[int] = Counter()
        for item in items:
            payable[item.payer] += item.amount_tiyn
            receivable[item.payee] += item.amount_tiyn
            net[item.payee] += item.amount_tiyn
            net[item.payer] -= item.amount_tiyn
        if state == PLANNED:
            lines = self._lines(payable, receivable, net)
            if lines:
                identity = follow("card settlement", self._network.name.encode(), id)
                self._books.post(Posting(identity, self._clock.now(), "card settlement", tuple(lines)))
            self._close(id, batch, items)
        return Settled(len(items), dict(sorted(net.items())), left_out)

    def _plan(self, id: bytes) -> tuple[str, list[Claim], int]:
        data = self._cabinet.get(self._batches, id)
        if data is not None:
            decoded = canonical.decode(data, canonical.MAX_MESSAGE_BYTES)
            state, rows = _BATCH.load(decoded, "settlement")
            return state, [Claim(*row) for row in rows], 0
        batch: list[Claim] = []
        left_out = 0
        for claim, amount in self._handed_in():
            item = self._network.item(claim.item)
            if item is None or item.settled or item.amount_tiyn != amount or len(batch) == MOST_ITEMS:
                left_out += 1
            else:
                batch.append(claim)
        self._cabinet.put_many([Row(self._batches, id, self._row(PLANNED, batch))])
        return PLANNED, batch, left_out

    def _handed_in(self) -> list[tuple[Claim, int]]:
        name = self._network.name
        handed: list[tuple[Claim, int]] = []
        for bank_id, sales in self._sales.items():
            handed += [
                (Claim(sale.item, bank_id, sale.id), sale.done_tiyn)
                for sale in sales.unsettled()
                if sale.network == name
            ]
        for bank_id, disputes in self._disputes.items():
            handed += [
                (Claim(item, bank_id, item), amount)
                for item, network, amount in disputes.unsettled()
                if network == name
            ]
        return handed

    def _item(self, claim: Claim) -> Item:
        item = self._network.item(claim.item)
        assert item is not None, "what was planned is on record"
        return item

    def _lines(
        self, payable: Mapping[int, int], receivable: Mapping[int, int], net: Mapping[int, int]
    ) -> list[Line]:
        name = self._network.name
        lines: list[Line] = []
        for bank_id in sorted(net):
            rows = (
                (chart.payable(bank_id, name), payable[bank_id]),
                (chart.receivable(bank_id, name), -receivable[bank_id]),
                (reserves(bank_id), net[bank_id]),
                (reserve(bank_id), -net[bank_id]),
            )
            lines += [Line(account, amount) for account, amount in rows if amount]
        return lines

    def _close(self, id: bytes, batch: list[Claim], items: list[Item]) -> None:
        rows = self._network.settled_rows(items)
        for bank_id, sales in self._sales.items():
            rows += sales.settled_rows([claim.row for claim in batch if claim.bank_id == bank_id])
        for bank_id, disputes in self._disputes.items():
            rows += disputes.settled_rows([claim.row for claim in batch if claim.bank_id == bank_id])
        self._cabinet.put_many([*rows, Row(self._batches, id, self._row(DONE, batch))])

    @staticmethod
    def _row(state: str, batch: list[Claim]) -> bytes:
        return canonical.encode([state, [list(claim) for claim in batch]])
