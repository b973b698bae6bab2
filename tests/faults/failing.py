"""A store that fails when it is told to: before a call does its work, after it has done it, or in the middle of a list.

`FailingStore(inner)` passes every call on and counts them by kind. `fail(kind, number, when, error)` plans one failure;
`storm(chance, share)` lets a share of all calls fail from now on, from a seed.
"""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from cbdc.errors import Unavailable
from cbdc.ledger.store import Commit, EntryRow, Pages, Store

BEFORE, AFTER = "before", "after"
KINDS = ("get_many", "commit", "size", "entries", "leaves", "find", "head_covering")


def unavailable() -> BaseException:
    """What an engine says that lost its disk or its server."""
    return Unavailable("E_STORE_UNAVAILABLE", detail="told to")


class FailingStore:
    """A `Store` around another one; see the module's text."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.calls: Counter[str] = Counter()
        self.failed = 0
        self._plan: dict[tuple[str, int], tuple[str, Callable[[], BaseException]]] = {}
        self._storm: tuple[random.Random, float] | None = None
        self._lock = threading.Lock()

    def fail(
        self, kind: str, number: int, when: str, error: Callable[[], BaseException] = unavailable
    ) -> None:
        """The `number`-th call of `kind` from now on (1 is the next) fails."""
        self._plan[(kind, self.calls[kind] + number)] = (when, error)

    def storm(self, chance: random.Random | None, share: float = 0.0) -> None:
        """From now on a share of all calls fails; None ends it."""
        self._storm = None if chance is None else (chance, share)

    def _told(self, kind: str) -> tuple[str, Callable[[], BaseException]] | None:
        with self._lock:
            self.calls[kind] += 1
            told = self._plan.pop((kind, self.calls[kind]), None)
            if told is None and self._storm is not None and self._storm[0].random() < self._storm[1]:
                told = (self._storm[0].choice((BEFORE, AFTER)), unavailable)
            self.failed += told is not None
            return told

    def _call(self, kind: str, call: Callable[..., Any], *arguments: Any) -> Any:
        told = self._told(kind)
        if told is not None and told[0] == BEFORE:
            raise told[1]()
        result = call(*arguments)
        if told is not None:
            raise told[1]()
        return result

    def _each(self, kind: str, rows: Iterator[Any]) -> Iterator[Any]:
        told = self._told(kind)
        if told is not None and told[0] == BEFORE:
            raise told[1]()
        for number, row in enumerate(rows):
            if told is not None and number:
                raise told[1]()
            yield row
        if told is not None:
            raise told[1]()

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """Perhaps."""
        return self._call("get_many", self.inner.get_many, keys)

    def commit(self, commit: Commit) -> None:
        """Perhaps, and perhaps done though it says it is not."""
        self._call("commit", self.inner.commit, commit)

    def size(self) -> int:
        """Perhaps."""
        return self._call("size", self.inner.size)

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[EntryRow]:
        """Perhaps, or the first of them only."""
        return self._each("entries", self.inner.entries(start, stop))

    def leaves(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """Perhaps, or the first of them only."""
        return self._each("leaves", self.inner.leaves(start, stop))

    def find(self, transaction_ids: Iterable[bytes]) -> dict[bytes, int]:
        """Perhaps."""
        return self._call("find", self.inner.find, transaction_ids)

    def head_covering(self, index: int) -> bytes | None:
        """Perhaps."""
        return self._call("head_covering", self.inner.head_covering, index)

    def owned(self, holder: bytes) -> list[bytes]:
        """What the inner store says."""
        return self.inner.owned(holder)

    def owned_by_each(self, holders: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """What the inner store says."""
        return self.inner.owned_by_each(holders)

    def heads(self) -> Iterator[tuple[int, bytes]]:
        """What the inner store says."""
        return self.inner.heads()

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """What the inner store says."""
        return self.inner.state()

    def owner_rows(self) -> Iterator[tuple[bytes, bytes]]:
        """What the inner store says."""
        return self.inner.owner_rows()

    def derived_rows(self) -> Pages:
        """What the inner store says."""
        return self.inner.derived_rows()

    def close(self) -> None:
        """Close the inner store."""
        self.inner.close()
