"""What the journal engine knows without reading its journal: a snapshot's tables, and in memory what came after it.

A **layer** is a dictionary of the newest values, with None for what is gone, and of the newest transaction ids. The
active layer takes each commit; a frozen one waits until a snapshot holds it. Values are asked for in the layers, newest
first, and then in the tables. So memory follows what changed since the last snapshot and not how much money there is.

The owner index of a layer is built when somebody asks for it the first time: who never lists a holder's tokens does
not pay for it. In the tables it is `first 8 bytes of the holder || token`, and is only added to: what it names is asked
again in the state.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter, lt

from cbdc.ledger.journal_frames import NO_OWNER, owner_of
from cbdc.ledger.journal_table import Record, Table
from cbdc.ledger.store import PAGE_ROWS

PLACE_BYTES = 6
HOLDER_BYTES = 8
_MOST_MISSING = 50_000


def owner_key(holder: bytes, token: bytes) -> bytes:
    """Where the owner table says that a holder has a token."""
    return holder[:HOLDER_BYTES].ljust(HOLDER_BYTES, b"\0") + token


@dataclass(slots=True)
class Layer:
    """Changes of some commits, the newest of each key; `segment` is the last one they stand in, once it is frozen."""

    state: dict[bytes, bytes | None] = field(default_factory=dict)
    ids: dict[bytes, int] = field(default_factory=dict)
    segment: int = 0
    _owned: dict[bytes, list[bytes]] | None = None

    @property
    def weight(self) -> int:
        """How many rows it holds."""
        return len(self.state) + len(self.ids)

    def apply(self, changes: Sequence[bytes | None], ids: Sequence[bytes], first: int) -> None:
        """Take a commit: flat packed changes, and the ids of the entries from `first` on."""
        self.state.update(zip(changes[0::2], changes[1::2], strict=True))  # type: ignore[arg-type]
        self.ids.update(zip(ids, range(first, first + len(ids)), strict=True))
        if self._owned is not None:
            self._index(zip(changes[0::2], changes[1::2], strict=True))  # type: ignore[arg-type]

    def _index(self, changes: Iterable[tuple[bytes, bytes | None]]) -> None:
        assert self._owned is not None
        for key, packed in changes:
            if packed is not None and packed[0] != NO_OWNER and (owner := owner_of(packed)) is not None:
                self._owned.setdefault(owner, []).append(key)

    def owned(self, holder: bytes) -> list[bytes]:
        """Keys that this layer gave to a holder; some may have gone since."""
        if self._owned is None:
            self._owned = {}
            self._index(self.state.items())
        return self._owned.get(holder, [])


@dataclass(slots=True)
class Tables:
    """The tables of one snapshot, which covers `size` entries; all empty for none."""

    size: int = 0
    state: Table | None = None
    owners: list[Table] = field(default_factory=list)
    ids: list[Table] = field(default_factory=list)


class Memory:
    """Layers over tables. Not safe for several threads by itself: the store takes a lock around each call."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.active = Layer()
        self.frozen: list[Layer] = []
        self._missing: set[bytes] = set()

    def apply(self, changes: Sequence[bytes | None], ids: Sequence[bytes], first: int) -> None:
        """Take a commit."""
        self.active.apply(changes, ids, first)
        if self._missing:
            self._missing.difference_update(ids)

    def freeze(self, segment: int) -> None:
        """What was active waits for a snapshot of everything up to a segment."""
        self.active.segment = segment
        self.frozen.insert(0, self.active)
        self.active = Layer()

    def settle(self, tables: Tables, segment: int) -> None:
        """A snapshot holds everything before `segment`: its tables take the place of the layers it covers."""
        self.tables = tables
        self.frozen = [layer for layer in self.frozen if layer.segment >= segment]

    def packed(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The packed values of those keys that exist."""
        found: dict[bytes, bytes] = {}
        deeper: list[bytes] = []
        active = self.active.state
        for key in keys:
            if key in active:
                value = active[key]
                if value is not None:
                    found[key] = value
            else:
                deeper.append(key)
        for layer in self.frozen:
            if not deeper:
                return found
            state, rest, deeper = layer.state, deeper, []
            for key in rest:
                if key in state:
                    value = state[key]
                    if value is not None:
                        found[key] = value
                else:
                    deeper.append(key)
        if deeper and self.tables.state is not None:
            self.tables.state.get_into(deeper, found)
        return found

    def find(self, ids: Iterable[bytes]) -> dict[bytes, int]:
        """The entries of these transactions. Who is not found is remembered: the commit that follows asks again."""
        wanted = list(ids)
        missing = self._missing
        if missing.issuperset(wanted):
            return {}
        found: dict[bytes, int] = {}
        for layer in (self.active, *self.frozen):
            known = layer.ids
            found.update({identity: known[identity] for identity in wanted if identity in known})
        deeper = [identity for identity in wanted if identity not in found]
        raw: dict[bytes, bytes] = {}
        for table in self.tables.ids:
            if deeper:
                table.get_into(deeper, raw)
        found.update({identity: int.from_bytes(place, "big") for identity, place in raw.items()})
        if len(missing) > _MOST_MISSING:
            missing.clear()
        missing.update(identity for identity in deeper if identity not in raw)
        return found

    def owned(self, holder: bytes) -> list[bytes]:
        """The keys a holder has, ascending."""
        candidates = set(self.active.owned(holder))
        for layer in self.frozen:
            candidates.update(layer.owned(holder))
        start = owner_key(holder, b"")
        for table in self.tables.owners:
            for key, _ in table.records(start):
                if not key.startswith(start):
                    break
                candidates.add(key[HOLDER_BYTES:])
        found = self.packed(candidates)
        return sorted(key for key, packed in found.items() if owner_of(packed) == holder)

    def pages(self) -> Iterator[list[Record]]:
        """Every key with its packed value, ascending, as they stand now: later commits do not disturb it."""
        newest: dict[bytes, bytes | None] = {}
        for layer in (*reversed(self.frozen), self.active):
            newest.update(layer.state)
        return _merged(newest, self.tables.state)


def _merged(newest: dict[bytes, bytes | None], table: Table | None) -> Iterator[list[Record]]:
    """A table's blocks with what is newer among them: each is one page, or several where much is newer."""
    newer = sorted([(key, value) for key, value in newest.items() if value is not None])
    place = 0
    if table is not None:
        for block in range(len(table.fences)):
            records = table.block_records(block)
            upto = bisect_right(newer, records[-1][0], place, key=itemgetter(0))
            older = [record for record in records if record[0] not in newest]
            if upto > place and all(map(lt, records, records[1:])):
                # Two ascending runs, which sorting finds by itself; one that does not ascend is told as it stands.
                older = sorted([*older, *newer[place:upto]])
                place = upto
            yield from _cut(older)
    yield from _cut(newer[place:])


def _cut(records: list[Record]) -> Iterator[list[Record]]:
    """A long run as several pages."""
    for start in range(0, len(records), PAGE_ROWS):
        yield records[start : start + PAGE_ROWS]
