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

_SLICES = 1_024
_SHIFT = 6  # a slice is the first ten bits
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
    return int.from_bytes(identity[:2].ljust(2, b"\0"), "big") >> _SHIFT


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
        self._entries: dict[int, list[tuple[bytes, int]]] = {}
        self._tokens: dict[int, dict[int, bytes]] = {}
        self._spent: dict[int, list[tuple[bytes, int]]] = {}
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
            self._entries.setdefault(_slice_of(identity), []).append((identity, place))
            self.size = place + 1

    def add_tokens(self, tokens: Iterable[tuple[int, bytes]]) -> None:
        """Tokens (number, holder)."""
        for number, holder in tokens:
            self.held.setdefault(holder, set()).add(number)
            self._tokens.setdefault(_slice_of(holder), {})[number] = holder

    def spend(self, number: int, holder: bytes) -> None:
        """A token is no more."""
        waited = self.withdraw(number, holder)
        if not waited or number >> OUTPUT_BITS < self._read:
            self._spent.setdefault(_slice_of(holder), []).append((hint_of(holder), number))

    def withdraw(self, number: int, holder: bytes) -> bool:
        """A token is not to be written to an index any more; whether it waited."""
        waiting = self._tokens.get(_slice_of(holder), {}).pop(number, None)
        if waiting is not None:
            self._let_go(number, waiting)
        return waiting is not None

    def _let_go(self, number: int, holder: bytes) -> None:
        numbers = self.held[holder]
        numbers.discard(number)
        if not numbers:
            del self.held[holder]

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
            for part in sorted({*self._entries, *self._tokens, *self._spent}):
                self._take(part, found)
            found.merged = self._walk_began = self._walked = self.size
            return found
        for _ in range(slices):
            self._take(self._next, found)
            self._next = (self._next + 1) % _SLICES
            if self._next == 0:
                found.merged, self._walk_began = self._walk_began, self.size
        return found

    def all(self) -> Due:
        """Everything at once, before the file is closed."""
        found = Due()
        for part in sorted({*self._entries, *self._tokens, *self._spent}):
            self._take(part, found)
        found.merged = self.size
        return found

    def _take(self, part: int, found: Due) -> None:
        entries = self._entries.pop(part, [])
        for identity, place in entries:
            if self.places.get(identity) == place:
                del self.places[identity]
        found.entries += sorted((hint_of(identity), place) for identity, place in entries)
        tokens = self._tokens.pop(part, {})
        for number, holder in tokens.items():
            self._let_go(number, holder)
        found.tokens += sorted((hint_of(holder), number) for number, holder in tokens.items())
        found.spent += sorted(self._spent.pop(part, ()))
