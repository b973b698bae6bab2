"""A bank's liquidity: what it lends out, and what the National Bank lends it when its customers all come at once.

A bank that sells digital tenge pays the National Bank for it out of its reserves, and it has lent most of what its
customers deposited. So a run into digital tenge ends where its reserves end, unless the National Bank lends it reserves
against its loans.

    lend    reserves leave the bank for a borrower who spends them elsewhere; the loan stays on its balance sheet
    help    the National Bank credits the reserve account, against the bank's loans as collateral (`collateral`)
    repay   the mirror of help

Each is one posting under the caller's id: the same again does nothing, another amount is E_ID_REUSED. No interest.
"""

from cbdc.accounts import (
    ASSET,
    GOVERNMENT_AND_OTHER,
    LIABILITY,
    NATIONAL_BANK,
    Account,
    Books,
    Posting,
    credit,
    debit,
    institution_of,
    reserve,
    reserves,
)
from cbdc.errors import Refused
from cbdc.money import share
from cbdc.policies import PolicySet
from cbdc.ports import Clock


def loans(bank_id: int) -> Account:
    """What borrowers owe a bank."""
    return Account(institution_of(bank_id), ASSET, "loans")


def owed(bank_id: int) -> Account:
    """What a bank owes the National Bank."""
    return Account(institution_of(bank_id), LIABILITY, "owed to the national bank")


def lent_to(bank_id: int) -> Account:
    """The same in the National Bank's books."""
    return Account(NATIONAL_BANK, ASSET, f"lent to bank {bank_id}")


class Liquidity:
    """Loans of and to banks. With the rule `collateral` the National Bank lends at most so many percent of a bank's
    loans; without it there is no bound."""

    def __init__(self, books: Books, policy: PolicySet, clock: Clock) -> None:
        self._books = books
        self._policy = policy
        self._clock = clock

    def lend(self, id: bytes, bank_id: int, amount_tiyn: int) -> None:
        """A bank lends reserves out; E_FUNDS_ACCOUNT when it has too little."""
        lines = (
            debit(loans(bank_id), amount_tiyn),
            credit(reserves(bank_id), amount_tiyn),
            debit(reserve(bank_id), amount_tiyn),
            credit(GOVERNMENT_AND_OTHER, amount_tiyn),
        )
        self._books.post(Posting(id, self._clock.now(), "lent out", lines))

    def help(self, id: bytes, bank_id: int, amount_tiyn: int) -> None:
        """The National Bank lends a bank reserves; E_COLLATERAL when its loans do not cover it."""
        percent = self._policy.value("collateral")
        if percent is not None and not self._books.booked(id):
            most, _ = share(self._books.balance(loans(bank_id)), percent, 100, "rest")
            wanted = self._books.balance(owed(bank_id)) + amount_tiyn
            if wanted > most:
                raise Refused("E_COLLATERAL", owed_tiyn=wanted, limit_tiyn=most)
        lines = (
            debit(lent_to(bank_id), amount_tiyn),
            credit(reserve(bank_id), amount_tiyn),
            debit(reserves(bank_id), amount_tiyn),
            credit(owed(bank_id), amount_tiyn),
        )
        self._books.post(Posting(id, self._clock.now(), "emergency loan", lines))

    def repay(self, id: bytes, bank_id: int, amount_tiyn: int) -> None:
        """A bank pays an emergency loan back; E_FUNDS_ACCOUNT when it has, or owes, too little."""
        lines = (
            debit(owed(bank_id), amount_tiyn),
            credit(reserves(bank_id), amount_tiyn),
            debit(reserve(bank_id), amount_tiyn),
            credit(lent_to(bank_id), amount_tiyn),
        )
        self._books.post(Posting(id, self._clock.now(), "emergency loan repaid", lines))

    def owed_tiyn(self, bank_id: int) -> int:
        """What a bank owes the National Bank."""
        return self._books.balance(owed(bank_id))
