"""Statements of accounts (camt.053) out of the books, and what a bank does with the one it gets: compare.

A statement says what the servicer's books say of one account, seen by the account's owner: a credit of a deposit is
more for its owner. It carries at most `MOST_ENTRIES` movements; more make more statements, each of which begins where
the one before it ended.

A bank abroad compares the statements of its nostro with its own books, movement by movement, by the UETR and the side:

    matched     both have it                    in transit   only its own books have it: the message is on its way
    unknown     only the statement has it       difference   closing balance against its own, after what is in transit

A difference that is not 0, or an unknown movement, is for people: somebody booked what the other did not order.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cbdc.accounts import Account, Books, Posting
from cbdc.cabinet import follow
from cbdc.errors import Refused
from cbdc.rails.calendar import DAY_SECONDS
from cbdc.rails.currency import Currency, Money
from cbdc.rails.messages import (
    CLOSING,
    CREDIT,
    DEBIT,
    OPENING,
    Balance,
    Message,
    Statement,
    StatementEntry,
    reference_of,
)

MOST_ENTRIES = 60
_UETR = re.compile(r"(.*?) ?([a-f0-9]{8}(?:-[a-f0-9]{4}){3}-[a-f0-9]{12})?")


class Holder(NamedTuple):
    """Whose account a statement is of: the name, the account's number, and where the message goes (a BIC, or again the
    number)."""

    name: str
    account: str
    address: str


class Movement(NamedTuple):
    """A movement of an account as its owner sees it: more (CREDIT) or less (DEBIT)."""

    reference: str
    minor: int
    side: str
    time: int
    what: str
    uetr: str

    @property
    def key(self) -> tuple[str, str]:
        """What two banks know a movement by."""
        return self.uetr or self.reference, self.side


def movements(books: Books, account: Account) -> Iterator[Movement]:
    """Every movement of an account, oldest first. An asset grows by debits, what is owed to an owner by credits."""
    for posting in books.postings(account):
        change = account.natural(sum(line.amount_tiyn for line in posting.lines if line.account == account))
        if change:
            yield _movement(posting, change)


def _movement(posting: Posting, change: int) -> Movement:
    match = _UETR.fullmatch(posting.text)
    what, uetr = (match[1], match[2] or "") if match is not None else (posting.text, "")
    side = CREDIT if change > 0 else DEBIT
    return Movement(reference_of(posting.id), abs(change), side, posting.time, what, uetr)


def statements(
    books: Books,
    account: Account,
    holder: Holder,
    servicer: str,
    currency: Currency,
    first: int,
    last: int,
    now: int,
) -> list[Message]:
    """The statements of an account from moment `first` to moment `last`, both included."""
    opening = 0
    inside: list[Movement] = []
    for movement in movements(books, account):
        if movement.time < first:
            opening += _signed(movement)
        elif movement.time <= last:
            inside.append(movement)
    pages = [inside[place : place + MOST_ENTRIES] for place in range(0, len(inside), MOST_ENTRIES)] or [[]]
    found: list[Message] = []
    for number, page in enumerate(pages, start=1):
        closing = opening + sum(_signed(movement) for movement in page)
        reference = reference_of(follow("camt.053", holder.account.encode(), *_times(first, last, number)))
        days = first // DAY_SECONDS, last // DAY_SECONDS
        body = Statement(
            reference,
            now,
            reference,
            number,
            first,
            last,
            holder.account,
            currency.code,
            holder.name,
            servicer,
            (_balance(OPENING, opening, currency, days[0]), _balance(CLOSING, closing, currency, days[1])),
            tuple(_entry(movement, currency) for movement in page),
        )
        found.append(Message(servicer, holder.address, body))
        opening = closing
    return found


def _times(*numbers: int) -> Iterator[bytes]:
    return (number.to_bytes(8, "big") for number in numbers)


def _signed(movement: Movement) -> int:
    return movement.minor if movement.side == CREDIT else -movement.minor


def _balance(kind: str, minor: int, currency: Currency, day: int) -> Balance:
    return Balance(kind, Money(abs(minor), currency), CREDIT if minor >= 0 else DEBIT, day)


def _entry(movement: Movement, currency: Currency) -> StatementEntry:
    amount = Money(movement.minor, currency)
    return StatementEntry(
        movement.reference, amount, movement.side, movement.time, movement.what, movement.uetr
    )


class Reconciliation(NamedTuple):
    """What the comparison found: how many matched, what is only in the own books, what is only in the statements, and
    what is left of the balances (minor units; 0 when everything is explained)."""

    matched: int
    in_transit: tuple[tuple[str, str], ...]
    unknown: tuple[tuple[str, str], ...]
    difference_minor: int


def reconcile(pages: Sequence[Statement], books: Books, account: Account) -> Reconciliation:
    """Compare statements from the beginning of an account with the own books of it.

    Raises E_RAILS_STATEMENT when the pages do not follow one another, or do not add up in themselves.
    """
    closing = 0
    theirs: Counter[tuple[str, str, int]] = Counter()
    for page in pages:
        opening, end = page.balances
        if _value(opening) != closing or opening.type != OPENING or end.type != CLOSING:
            raise Refused("E_RAILS_STATEMENT", statement=page.statement)
        for entry in page.entries:
            closing += entry.amount.minor if entry.side == CREDIT else -entry.amount.minor
            theirs[entry.uetr or entry.reference, entry.side, entry.amount.minor] += 1
        if _value(end) != closing:
            raise Refused("E_RAILS_STATEMENT", statement=page.statement)
    ours: Counter[tuple[str, str, int]] = Counter(
        (*movement.key, movement.minor) for movement in movements(books, account)
    )
    only_ours, only_theirs = ours - theirs, theirs - ours
    explained = books.balance(account) - _sum(only_ours) + _sum(only_theirs)
    return Reconciliation(
        (ours & theirs).total(),
        tuple(sorted(key[:2] for key in only_ours.elements())),
        tuple(sorted(key[:2] for key in only_theirs.elements())),
        explained - closing,
    )


def _value(balance: Balance) -> int:
    return balance.amount.minor if balance.side == CREDIT else -balance.amount.minor


def _sum(rows: Counter[tuple[str, str, int]]) -> int:
    return sum(count * (minor if side == CREDIT else -minor) for (_, side, minor), count in rows.items())
