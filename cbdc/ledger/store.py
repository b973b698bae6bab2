"""What a ledger asks of an engine: read many keys, commit all or nothing.

A store knows bytes, not money. `commit` writes entries, state changes and the head that covers them in one atomic
step, and only if the journal still has the size the writer saw: two writers can never both win. An engine that
cannot answer raises E_STORE_UNAVAILABLE and has changed nothing; one that cannot say whether it did raises
E_STORE_OUTCOME. Reads may come from several threads at once; the
ledger sees to it that commits do not.

One contract suite (`tests/contracts/test_store.py`) runs on every engine.
"""

import re
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple, Protocol

from cbdc.errors import Unavailable

# From the first colon after the slashes to the last at sign: a password that nobody escaped is hidden too.
_BEFORE_THE_HOST = re.compile(r"(://[^:@]*:).*(?=@)", re.DOTALL)
_AS_AN_OPTION = re.compile(r"(password=)[^&]*", re.IGNORECASE)


def shown_url(url: str) -> str:
    """A store's URL as a person or a log may see it: a password, before an at sign or as an option, is three stars."""
    return _AS_AN_OPTION.sub(r"\1***", _BEFORE_THE_HOST.sub(r"\1***", url))


# Nobody changes one; a frozen class takes twice as long to fill, and the writer fills one for every transfer.
@dataclass(slots=True, unsafe_hash=True)
class EntryRow:
    """A journal entry as a store keeps it: its canonical bytes, the id by which it is found, and its leaf hash."""

    index: int
    transaction_id: bytes
    data: bytes
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Commit:
    """One atomic step: new entries after `expected_size`, changed state (None deletes), and the head over all.

    `owners` gives the holder key id of each token that is created, so that a store can list a holder's tokens.
    """

    expected_size: int
    entries: tuple[EntryRow, ...]
    changes: dict[bytes, bytes | None]
    owners: dict[bytes, bytes]
    head: bytes

    @property
    def size(self) -> int:
        """How many entries the journal has afterwards: what the head covers."""
        return self.expected_size + len(self.entries)

    def check(self, found_size: int) -> None:
        """E_STORE_CONFLICT unless it continues a journal of `found_size` entries; a gap inside it is a bug."""
        if self.expected_size != found_size:
            raise Unavailable("E_STORE_CONFLICT", expected=self.expected_size, found=found_size)
        assert [row.index for row in self.entries] == list(range(found_size, self.size)), "entries follow on"
        assert self.entries, "a commit has an entry"


class Page(NamedTuple):
    """Rows that follow on, ascending by key: each with its value, and who holds it; None for what is not there."""

    keys: tuple[bytes, ...]
    values: tuple[bytes | None, ...]
    holders: tuple[bytes | None, ...]


class Pages(Protocol):
    """Pages in order, and what is to be released when no more are wanted."""

    def __iter__(self) -> Iterator[Page]:
        """Itself."""
        ...

    def __next__(self) -> Page:
        """The next page."""
        ...

    def close(self) -> None:
        """No more are wanted."""
        ...


PAGE_ROWS = 500


def together(
    state: Iterable[tuple[bytes, bytes]], owners: Iterable[tuple[bytes, bytes]], rows: int = PAGE_ROWS
) -> Generator[Page, None, None]:
    """The state and the owner index, each ascending, as pages of so many rows."""
    both = _side_by_side(iter(state), iter(owners))
    while some := list(islice(both, rows)):
        yield Page(*zip(*some, strict=True))


def _side_by_side(
    state: Iterator[tuple[bytes, bytes]], owners: Iterator[tuple[bytes, bytes]]
) -> Iterator[tuple[bytes, bytes | None, bytes | None]]:
    row, owner = next(state, None), next(owners, None)
    while row is not None or owner is not None:
        if owner is None or (row is not None and row[0] < owner[0]):
            assert row is not None
            yield *row, None
            row = next(state, None)
        elif row is None or owner[0] < row[0]:
            yield owner[0], None, owner[1]
            owner = next(owners, None)
        else:
            yield *row, owner[1]
            row, owner = next(state, None), next(owners, None)


class Store(Protocol):
    """An engine that keeps one ledger."""

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those `keys` (packed state keys) that exist."""
        ...

    def commit(self, commit: Commit) -> None:
        """Write all of it durably, or nothing.

        Raises E_STORE_CONFLICT when the journal has another size than expected, E_STORE_FENCED when another writer
        took over, E_STORE_UNAVAILABLE when the engine fails, also when a transaction id stands in the journal already,
        and E_STORE_OUTCOME when the engine was lost in the middle: then it stands whole, or not at all.
        """
        ...

    def size(self) -> int:
        """How many entries the journal has."""
        ...

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[EntryRow]:
        """The entries from `start` up to (not including) `stop`, in order."""
        ...

    def leaves(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The leaf hashes of the entries from `start` up to (not including) `stop`, in order."""
        ...

    def find(self, transaction_ids: Iterable[bytes]) -> dict[bytes, int]:
        """The journal index of each of these transactions that was accepted."""
        ...

    def head_covering(self, index: int) -> bytes | None:
        """The envelope of the first signed head whose size is greater than `index`."""
        ...

    def heads(self) -> Iterator[tuple[int, bytes]]:
        """Every signed head with the size it is kept under, oldest first."""
        ...

    def owned(self, holder: bytes) -> list[bytes]:
        """The packed state keys of the unspent tokens that a key id holds, in ascending order."""
        ...

    def owned_by_each(self, holders: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """What `owned` says of each of these key ids."""
        ...

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """Every key and value of the state, in ascending order of the key: for audits."""
        ...

    def owner_rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Every (packed token key, holder key id) of the owner index, in ascending order: for audits."""
        ...

    def derived_rows(self) -> Pages:
        """What `state` and `owner_rows` say, together and many rows at a time: for audits.

        An engine may begin at once with what takes long; what it finds is of the moment of the first page.
        """
        ...

    def close(self) -> None:
        """Release files and connections."""
        ...
