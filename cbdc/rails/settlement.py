"""The other country's settlement system between banks, and the accounts that banks keep for one another.

    loro    what a correspondent owes a bank abroad (that bank calls the same money its nostro)
    nostro  the same money in the books of the bank abroad, which books for itself and compares with statements

A movement between two banks of one country is one posting over both and their central bank, as everywhere in
`cbdc.accounts`, on the ids of the payment. It is made only while the system is open (E_RAILS_CUT_OFF).

A bank that has money in two currencies keeps two sets of books, one each, and a position in each: what it gave for the
other currency. Both sets sum to zero in their own currency; what one is worth in the other is a matter of rates.

Simulated: the settlement system is a posting; it has no queue, no liquidity rules and no messages of its own.
"""

from collections.abc import Sequence

from cbdc.accounts import (
    ASSET,
    EQUITY,
    EXPENSE,
    INCOME,
    LIABILITY,
    Account,
    Books,
    Line,
    Posting,
    credit,
    debit,
    institution_of,
    reserve,
    reserves,
)
from cbdc.cabinet import follow
from cbdc.ports import Clock
from cbdc.rails.calendar import BusinessCalendar


def loro(bank_id: int, bic: str) -> Account:
    """What bank `bank_id` owes the bank `bic` abroad."""
    return Account(institution_of(bank_id), LIABILITY, f"loro:{bic}")


def in_progress(bank_id: int) -> Account:
    """Money of payments from abroad that a bank has taken and not yet passed on."""
    return Account(institution_of(bank_id), LIABILITY, "cross-border payments in progress")


def incoming(bank_id: int) -> Account:
    """Money that came for a customer, until the customer has it or it goes back."""
    return Account(institution_of(bank_id), LIABILITY, "incoming payments")


def nostro(bic: str, at: str) -> Account:
    """What the bank `bic` has with the bank `at` abroad, in its own books of that currency."""
    return Account(bic, ASSET, f"nostro:{at}")


def sent(bic: str) -> Account:
    """What a bank has ordered out of its nostro, until it knows how the payment ended."""
    return Account(bic, ASSET, "payments sent")


def position(institution: str, code: str) -> Account:
    """What an institution gave or got for money in the currency `code`; either sign."""
    return Account(institution, EQUITY, f"position in {code}")


def orders(bank_id: int) -> Account:
    """What customers have paid for payments abroad that are not done yet."""
    return Account(institution_of(bank_id), LIABILITY, "cross-border orders")


def spread_income(institution: str) -> Account:
    """What a dealer earned by the difference between its rate and the middle."""
    return Account(institution, INCOME, "exchange spread")


def losses(institution: str) -> Account:
    """What a dealer lost in payments against payments."""
    return Account(institution, EXPENSE, "losses: payment against payment")


def wallet_of(institution: str) -> Account:
    """Digital money of another central bank that an institution holds itself."""
    return Account(institution, ASSET, "digital currency held")


def locked(bank_id: int) -> Account:
    """Digital currency of a bank's inventory that lies behind hash locks."""
    return Account(institution_of(bank_id), ASSET, "digital currency locked")


class SimulatedSettlement:
    """The settlement system between the banks of one set of books."""

    def __init__(self, books: Books, calendar: BusinessCalendar, clock: Clock) -> None:
        self._books = books
        self.calendar = calendar
        self._clock = clock

    @staticmethod
    def posting_id(uetr: str, minor: int, back: bool = False) -> bytes:
        """The id of the movement of a payment of so much, or of its return."""
        return follow("settlement back" if back else "settlement", uetr.encode(), minor.to_bytes(8, "big"))

    def settled(self, uetr: str, minor: int, back: bool = False) -> bool:
        """Whether the payment (or its return) has moved, and by just this amount."""
        return self._books.booked(self.posting_id(uetr, minor, back))

    def settle(
        self, uetr: str, payer: int, payee: int, minor: int, accounts: Sequence[Account], back: bool = False
    ) -> None:
        """Move `minor` from bank to bank, out of the payer's first account of `accounts` into the payee's second.

        Once for each payment and direction. Raises E_RAILS_CUT_OFF, E_FUNDS_ACCOUNT.
        """
        if self.settled(uetr, minor, back):
            return
        now = self._clock.now()
        self.calendar.check_open(now)
        source, target = accounts
        lines: tuple[Line, ...] = (
            debit(source, minor),
            credit(reserves(payer), minor),
            debit(reserve(payer), minor),
            credit(reserve(payee), minor),
            debit(reserves(payee), minor),
            credit(target, minor),
        )
        self._books.post(Posting(self.posting_id(uetr, minor, back), now, f"settlement {uetr}", lines))
