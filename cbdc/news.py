"""What changed for a key: which entries of the journal pay it, or were signed by it, from one entry on.

A pure reading of the journal. Entries never change, so whom an entry concerns is worked out once and remembered, in a
table of bounded size: a wallet that asks again and again costs looks into a table.
"""

from typing import NamedTuple, Protocol

from cbdc.transaction import SignedTransaction

MOST_READ = 1_000
MOST_REMEMBERED = 65_536


class Journal(Protocol):
    """The ledger as this reads it; `cbdc.ledger.ledger.Ledger` fits it."""

    @property
    def size(self) -> int:
        """How many entries there are."""
        ...

    def transaction(self, index: int) -> SignedTransaction:
        """The transaction at `index`, 1 or later."""
        ...


class Changes(NamedTuple):
    """The numbers of the entries that concern a key, the number to ask from next, and how many entries there are."""

    indices: list[int]
    next: int
    size: int


def concerned(transaction: SignedTransaction) -> frozenset[bytes]:
    """The key ids that a transaction concerns: whose signature it carries, and who may open what it creates."""
    kids = {kid for kid, _ in transaction.witnesses}
    for token in transaction.record.creates:
        kids.update(token.lock.kids)
    return frozenset(kids)


class News:
    """The journal by whom it concerns."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: dict[int, frozenset[bytes]] = {}

    def concerned(self, index: int) -> frozenset[bytes]:
        """The key ids that an entry concerns; nobody's for entry 0, which moves no money."""
        if index == 0:
            return frozenset()
        known = self._known.get(index)
        if known is None:
            if len(self._known) >= MOST_REMEMBERED:
                self._known.clear()
            known = self._known[index] = concerned(self._journal.transaction(index))
        return known

    def since(self, kid: bytes, start: int) -> Changes:
        """What concerns a key from entry `start` on; at most MOST_READ entries are looked at."""
        size = self._journal.size
        stop = min(size, start + MOST_READ)
        return Changes(
            [index for index in range(start, stop) if kid in self.concerned(index)], max(start, stop), size
        )
