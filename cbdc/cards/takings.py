"""What an acquirer's side of card payments does to the books, each movement once, under ids that follow from the sale.

cash given      cash in machines -> from settlement
captured        from settlement, for the merchant's deposit
refund          the merchant's deposit -> refunds in course -> to be settled (or back)
charged back    to be settled, as a claim on the merchant; its deposit pays the claim whole or not at all
"""

from cbdc.accounts import Account, Books, Line, Posting, credit, debit, deposit
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.cards import chart
from cbdc.cards.asking import MACHINE
from cbdc.cards.sale import SECOND, Sale
from cbdc.ports import Clock


class Takings:
    """The acquirer's postings of one bank."""

    def __init__(self, bank_id: int, books: Books, cabinet: Cabinet, clock: Clock) -> None:
        self._bank_id = bank_id
        self._books = books
        self._cabinet = cabinet
        self._clock = clock
        self._given = f"bank {bank_id}/cash given"

    def merchant(self, sale: Sale) -> Account:
        """The merchant's deposit."""
        return deposit(self._bank_id, sale.merchant)

    def _receivable(self, sale: Sale) -> Account:
        return chart.receivable(self._bank_id, sale.network)

    def _payable(self, sale: Sale) -> Account:
        return chart.payable(self._bank_id, sale.network)

    def fill(self, id: bytes, amount_tiyn: int) -> None:
        """Banknotes for the machines, bought with reserves."""
        lines = chart.buy_cash(self._bank_id, amount_tiyn)
        self._books.post(Posting(follow("cash", id), self._clock.now(), "machines filled", lines))

    def give_cash(self, sale: Sale, wanted_tiyn: int) -> int:
        """The machine gives what it has of `wanted_tiyn`; how much it gave, the same when asked again."""
        noted = self._cabinet.get(self._given, sale.id)
        if noted is None:
            given = min(wanted_tiyn, self._books.balance(chart.cash(self._bank_id)))
            self._cabinet.put_many([Row(self._given, sale.id, given.to_bytes(8, "big"))])
        else:
            given = int.from_bytes(noted, "big")
        if given:
            lines = debit(self._receivable(sale), given), credit(chart.cash(self._bank_id), given)
            self._post(sale, "cash given", *lines)
        return given

    def capture(self, sale: Sale, amount_tiyn: int) -> None:
        """The merchant is credited. A second presentment first pays what the bank claims of the merchant."""
        to = self.merchant(sale)
        if sale.kind == SECOND and not self._books.booked(self._id_of(sale.of, "chargeback collected")):
            to = chart.merchant_claims(self._bank_id)
        self._post(sale, sale.kind, debit(self._receivable(sale), amount_tiyn), credit(to, amount_tiyn))

    def begin_refund(self, sale: Sale, amount_tiyn: int) -> None:
        """Taken from the merchant; E_FUNDS_ACCOUNT when it has too little."""
        lines = debit(self.merchant(sale), amount_tiyn), credit(chart.refunding(self._bank_id), amount_tiyn)
        self._post(sale, "card refund begun", *lines)

    def end_refund(self, sale: Sale, amount_tiyn: int, accepted: bool) -> None:
        """To be settled, or back to the merchant."""
        to = self._payable(sale) if accepted else self.merchant(sale)
        lines = debit(chart.refunding(self._bank_id), amount_tiyn), credit(to, amount_tiyn)
        self._post(sale, "card refund", *lines)

    def charge_back(self, sale: Sale, amount_tiyn: int) -> None:
        """The issuer gets it at settlement; the merchant's deposit pays if it can."""
        claim = chart.merchant_claims(self._bank_id)
        self._post(sale, "charged back", debit(claim, amount_tiyn), credit(self._payable(sale), amount_tiyn))
        collected = self._id_of(sale.id, "chargeback collected")
        covered = sale.merchant != MACHINE and self._books.balance(self.merchant(sale)) >= amount_tiyn
        if covered and not self._books.booked(collected):
            lines = debit(self.merchant(sale), amount_tiyn), credit(claim, amount_tiyn)
            self._post(sale, "chargeback collected", *lines)

    def _id_of(self, id: bytes, text: str) -> bytes:
        return follow(text, self._bank_id.to_bytes(8, "big"), id)

    def _post(self, sale: Sale, text: str, *lines: Line) -> None:
        self._books.post(Posting(self._id_of(sale.id, text), self._clock.now(), text, lines))
