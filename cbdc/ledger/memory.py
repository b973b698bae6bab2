"""A store in memory: for tests, exercises and the audit's own replay. Gone when the process ends."""

from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Sequence

from cbdc.errors import Unavailable
from cbdc.ledger.store import PAGE_ROWS, Commit, EntryRow, Page, together


class MemoryStore:
    """A `Store` in dictionaries; `commit` checks before it changes anything, so it cannot be half done."""

    def __init__(self) -> None:
        self._state: dict[bytes, bytes] = {}
        self._owner_of: dict[bytes, bytes] = {}
        self._owned: dict[bytes, set[bytes]] = {}
        self._entries: list[EntryRow] = []
        self._index: dict[bytes, int] = {}
        self._sizes: list[int] = []
        self._heads: list[bytes] = []

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that exist."""
        return {key: self._state[key] for key in keys if key in self._state}

    def commit(self, commit: Commit) -> None:
        """All of it, or E_STORE_CONFLICT, or E_STORE_UNAVAILABLE for an id that is there already."""
        commit.check(len(self._entries))
        ids = {row.transaction_id for row in commit.entries}
        if len(ids) < len(commit.entries) or self.find(ids):
            raise Unavailable("E_STORE_UNAVAILABLE", detail="a transaction id stands in the journal already")
        for key, value in commit.changes.items():
            holder = self._owner_of.pop(key, None)
            if holder is not None:
                self._owned[holder].discard(key)
            if value is None:
                self._state.pop(key, None)
                continue
            self._state[key] = value
            if key in commit.owners:
                self._owner_of[key] = commit.owners[key]
                self._owned.setdefault(commit.owners[key], set()).add(key)
        for row in commit.entries:
            self._index[row.transaction_id] = row.index
            self._entries.append(row)
        self._sizes.append(commit.size)
        self._heads.append(commit.head)

    def size(self) -> int:
        """How many entries."""
        return len(self._entries)

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[EntryRow]:
        """The entries in order."""
        yield from self._entries[max(start, 0) : stop]

    def leaves(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The leaf hashes in order."""
        for row in self._entries[max(start, 0) : stop]:
            yield row.leaf

    def find(self, transaction_ids: Iterable[bytes]) -> dict[bytes, int]:
        """The places of accepted transactions."""
        return {identity: self._index[identity] for identity in transaction_ids if identity in self._index}

    def head_covering(self, index: int) -> bytes | None:
        """The first head that covers the entry."""
        place = bisect_right(self._sizes, index)
        return self._heads[place] if place < len(self._heads) else None

    def heads(self) -> Iterator[tuple[int, bytes]]:
        """Every head with its size, oldest first."""
        yield from zip(self._sizes, self._heads, strict=True)

    def owned(self, holder: bytes) -> list[bytes]:
        """A holder's tokens."""
        return sorted(self._owned.get(holder, ()))

    def owned_by_each(self, holders: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Each holder's tokens."""
        return {holder: self.owned(holder) for holder in holders}

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """The whole state in order of the key."""
        yield from sorted(self._state.items())

    def owner_rows(self) -> Iterator[tuple[bytes, bytes]]:
        """The owner index in order of the token key."""
        yield from sorted(self._owner_of.items())

    def derived_rows(self) -> Generator[Page, None, None]:
        """Both together."""
        if not self._owner_of.keys() <= self._state.keys():
            yield from together(self.state(), self.owner_rows())
            return
        keys = sorted(self._state)
        for start in range(0, len(keys), PAGE_ROWS):
            some = keys[start : start + PAGE_ROWS]
            yield Page(tuple(some), tuple(map(self._state.get, some)), tuple(map(self._owner_of.get, some)))

    def close(self) -> None:
        """Nothing to release."""
