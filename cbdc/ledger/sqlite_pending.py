"""What the narrow indexes of a SQLite ledger do not name yet, in memory.

An id is a hash, so the next one belongs anywhere in an index. Written at once, each costs a page; kept back and written
in the order of the index, a page takes several. So the indexes lag behind by up to a **window** of entries. They are
walked once a window, a slice (`_SLICES`) after the other, as commits come, so that no commit pays for all. Of single
commits every sixteenth or so pays for as many.

Nothing rests on this memory: what is kept back stands in the last entries and tokens already, from which it is read
again when a file is opened (`merged.place` says from where). A number that was spent may stay in an index when a
process dies; who reads an index looks at the row itself.

Rules kept here: ledgers of a few entries keep nothing back; memory is bounded by the window; a slice is written in
order.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from cbdc.ledger.sqlite_schema import HINT_BYTES, OUTPUT_BITS

_SLICES = 1_024  # a slice is the first ten bits
SMALL = 256
NARROWEST = 1 << 10
WIDEST = 1 << 17
_PART = 8
_TOGETHER = 16  # entries of single commits whose slices are written at once: a page then takes several


def window_of(size: int) -> int:
    """Over how many entries the indexes are walked once, in a ledger of `size` entries; 0 keeps nothing back."""
    return 0 if size < SMALL else min(max(size // _PART, NARROWEST), WIDEST)


def hint_of(identity: bytes) -> bytes:
    """How an index names an id."""
    return identity[:HINT_BYTES]


def _slice_of(identity: bytes) -> int:
    return identity[0] << 2 | identity[1] >> 6 if len(identity) > 1 else 0


@dataclass(slots=True)
class Due:
    """What a commit writes to the indexes, each in the order of its index; `merged` is the new place or None."""

    spent: list[tuple[bytes, int]] = field(default_factory=list)
    entries: list[tuple[bytes, int]] = field(default_factory=list)
    tokens: list[tuple[bytes, int]] = field(default_factory=list)
    merged: int | None = None


class Pending:
    """Everything above `merged`: `places` of transactions, and the numbers that are `held` by key ids."""

    def __init__(self, merged: int) -> None:
        self.size = merged
        self.places: dict[bytes, int] = {}
        self.held: dict[bytes, set[int]] = {}
        # By slice: the ids of `places`, key ids of `held` (also of what is gone, or twice), and what is spent.
        self._entries: list[list[bytes]] = [[] for _ in range(_SLICES)]
        self._holders: list[list[bytes]] = [[] for _ in range(_SLICES)]
        self._spent: list[list[tuple[bytes, int]]] = [[] for _ in range(_SLICES)]
        self._read = 0
        self._next = 0
        self._walk_began = 0
        self._walked = 0

    def loaded(self) -> None:
        """What was added so far was read from the file: an index may name some of it already."""
        self._read = self._walk_began = self._walked = self.size

    def add_entries(self, entries: Iterable[tuple[bytes, int]]) -> None:
        """Entries (id, place), which follow on."""
        for identity, place in entries:
            self.places[identity] = place
            self._entries[_slice_of(identity)].append(identity)
            self.size = place + 1

    def add_tokens(self, tokens: Iterable[tuple[int, bytes]]) -> None:
        """Tokens (number, holder)."""
        held = self.held
        for number, holder in tokens:
            numbers = held.get(holder)
            if numbers is None:
                held[holder] = {number}
                self._holders[_slice_of(holder)].append(holder)
            else:
                numbers.add(number)

    def spend(self, number: int, holder: bytes) -> None:
        """A token is no more."""
        waited = self.withdraw(number, holder)
        if not waited or number >> OUTPUT_BITS < self._read:
            self._spent[_slice_of(holder)].append((hint_of(holder), number))

    def withdraw(self, number: int, holder: bytes) -> bool:
        """A token is not to be written to an index any more; whether it waited."""
        numbers = self.held.get(holder)
        if numbers is None or number not in numbers:
            return False
        numbers.discard(number)
        if not numbers:
            del self.held[holder]
        return True

    def due(self) -> Due:
        """What the commit that was added writes; from now on the indexes name it."""
        found = Due()
        window = window_of(self.size)
        slices = _SLICES if not window else (self.size - self._walked) * _SLICES // window
        if not slices or (window and self.size - self._walked < min(_TOGETHER, window)):
            return found
        if slices < _SLICES:
            # Not around the end, so that what is written stays in order; the rest is due with the next commit.
            slices = min(slices, _SLICES - self._next)
        self._walked += slices * window // _SLICES
        if slices >= _SLICES:
            self._take(range(_SLICES), found)
            found.merged = self._walk_began = self._walked = self.size
            return found
        self._take(range(self._next, self._next + slices), found)
        self._next = (self._next + slices) % _SLICES
        if self._next == 0:
            found.merged, self._walk_began = self._walk_began, self.size
        return found

    def all(self) -> Due:
        """Everything at once, before the file is closed."""
        found = Due()
        self._take(range(_SLICES), found)
        found.merged = self.size
        return found

    def _take(self, parts: range, found: Due) -> None:
        places, held = self.places, self.held
        for part in parts:
            if names := self._entries[part]:
                found.entries += [
                    (name[:HINT_BYTES], place)
                    for name in names
                    if (place := places.pop(name, None)) is not None
                ]
                names.clear()
            if holders := self._holders[part]:
                for holder in holders:
                    if numbers := held.pop(holder, None):
                        hint = hint_of(holder)
                        found.tokens += [(hint, number) for number in numbers]
                holders.clear()
            if spent := self._spent[part]:
                found.spent += spent
                spent.clear()
        found.entries.sort()
        found.tokens.sort()
        found.spent.sort()
