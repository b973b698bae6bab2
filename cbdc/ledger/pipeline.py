"""The pipeline: many submit at once, signatures are checked on every core, and one commit serves all who wait.

    pipeline = Pipeline(ledger, workers=2, capacity=20_000)
    pipeline.submit(bytes) -> Receipt
    pipeline.submit_many([bytes...]) -> [Receipt | refusal...]
    pipeline.close()

It answers what `cbdc.ledger.ledger.Ledger` answers, for it only changes who does which part of the work:

- whoever submits reads the bytes and verifies the signatures of a **few** transactions in its own thread (both
  libraries release Python's lock), so threads share the cores; **many** go in chunks to verifying processes
  (`cbdc.ledger.verifying`), with the keys they need, and the next ones are verified while these are committed;
- who is ready takes a place in the line. Whoever finds nobody leading leads: takes all that stands in line, up to a
  group, decides it in order and commits it once. The others wait, and the first of those who came meanwhile leads
  next. Nobody waits for company: one alone is committed at once, and under load a group is what came during a commit.

Rules kept here:

- the transactions of one call are decided in the order they were given, and a later call sees what an earlier one did;
- a signature that a process verified counts for those bytes, that key and that network and nothing else;
- at most `capacity` transactions are inside; E_BUSY, before any work, for whoever comes then;
- a process that dies is replaced and its chunk done again; when none can be had, the caller's thread does the work;
- `close` refuses who comes later (E_PIPELINE_CLOSED), answers who is inside, and leaves no process behind.
"""

from collections import deque
from collections.abc import Sequence
from threading import Event, Lock
from types import TracebackType
from typing import Self

from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.ledger.entry import Receipt
from cbdc.ledger.group import Item
from cbdc.ledger.ledger import MAX_GROUP, Ledger
from cbdc.transaction import SignedTransaction

Answer = Receipt | TengeError


class _Party:
    """The transactions of one call that stand in line together, and what became of them."""

    __slots__ = ("answers", "called", "failure", "items", "leads")

    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self.answers: list[Answer] | None = None
        self.failure: BaseException | None = None
        self.called = Event()
        self.leads = False


class Pipeline:
    """The ledger for many at once; fits `cbdc.gateway.Gateway` where that submits. See the module's text."""

    def __init__(self, ledger: Ledger, *, workers: int, capacity: int) -> None:
        """`workers` verifying processes, 0 for none; at most `capacity` transactions (1 or more) are inside."""
        assert workers >= 0
        assert capacity >= 1
        self._ledger = ledger
        self._capacity = capacity
        self._lock = Lock()
        self._inside = 0
        self._line: deque[_Party] = deque()
        self._led = False
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def ledger(self) -> Ledger:
        """The ledger that is written to, for everything that reads."""
        return self._ledger

    @property
    def waiting(self) -> int:
        """How many transactions are inside now."""
        return self._inside

    def submit(self, transaction: bytes) -> Receipt:
        """The receipt of one transaction, or its refusal raised.

        Raises also E_BUSY, E_PIPELINE_CLOSED, and what `Ledger.submit_many` raises when the store failed.
        """
        answer = self.submit_many([transaction])[0]
        if isinstance(answer, TengeError):
            raise answer
        return answer

    def submit_many(self, transactions: Sequence[bytes]) -> list[Answer]:
        """For each transaction in order its receipt or its refusal; accepted ones are durable when this returns.

        Raises E_BUSY when `capacity` transactions are inside, E_PIPELINE_CLOSED, and what `Ledger.submit_many` raises
        when the store failed. A long list is several commits, of which the first may stand then: sending all again
        gives the same receipts.
        """
        answers: list[Answer] = []
        if not transactions:
            return answers
        room = self._enter(len(transactions))
        try:
            for start in range(0, len(transactions), room):
                answers += self._settle([self._open(data) for data in transactions[start : start + room]])
        finally:
            self._leave(room)
        return answers

    def _enter(self, count: int) -> int:
        """Take room for `count` transactions or as many as ever go together; how many that is."""
        room = min(count, MAX_GROUP, self._capacity)
        with self._lock:
            if self._closed:
                raise Unavailable("E_PIPELINE_CLOSED")
            if self._inside + room > self._capacity:
                raise Unavailable("E_BUSY", waiting=self._inside, capacity=self._capacity)
            self._inside += room
        return room

    def _leave(self, room: int) -> None:
        with self._lock:
            self._inside -= room

    def _open(self, data: bytes) -> Item:
        """Read and verify in this thread: the ledger remembers a signature that stands, and asks again for others."""
        item = self._ledger.open(data)
        if isinstance(item.opened, SignedTransaction):
            for kid, signature in item.opened.witnesses:
                key = self._ledger.registered(kid)
                if key is None:
                    break
                try:
                    key.key.verify(signature, item.opened.message)
                except Refused:
                    break
        return item

    # --- the line ---

    def _settle(self, items: list[Item]) -> list[Answer]:
        """Stand in line with these; their answers."""
        party = _Party(items)
        try:
            with self._lock:
                self._line.append(party)
                party.leads, self._led = not self._led, True
            if not party.leads:
                party.called.wait()
            if party.leads:
                self._lead()
        except BaseException:
            # Ctrl-C while waiting: nobody may be left to wait for a leader that is gone.
            self._give_up(party)
            raise
        if party.failure is not None:
            raise party.failure
        assert party.answers is not None
        return party.answers

    def _lead(self) -> None:
        """Commit what stands in line, from the front; then call the next to lead, if anybody came meanwhile."""
        with self._lock:
            group = [self._line.popleft()]
            count = len(group[0].items)
            while self._line and count + len(self._line[0].items) <= MAX_GROUP:
                group.append(self._line.popleft())
                count += len(group[-1].items)
        try:
            answers = self._ledger.settle([item for party in group for item in party.items])
            start = 0
            for party in group:
                party.answers = answers[start : start + len(party.items)]
                start += len(party.items)
        except BaseException as failure:
            for party in group:
                # Whoever only waited was not interrupted; what became of his transactions is not known.
                party.failure = failure if isinstance(failure, Exception) else _interrupted()
            if not isinstance(failure, Exception):
                raise
        finally:
            group[0].leads = False
            self._call_next()
            for party in group:
                party.called.set()

    def _call_next(self) -> None:
        """Let the first in line lead, or nobody."""
        with self._lock:
            self._led = bool(self._line)
            if self._line:
                self._line[0].leads = True
                self._line[0].called.set()

    def _give_up(self, party: _Party) -> None:
        with self._lock:
            if party in self._line:
                self._line.remove(party)
        if party.leads:
            party.leads = False
            self._call_next()

    def close(self) -> None:
        """Refuse who comes from now on, and end the processes; who is inside is answered."""
        with self._lock:
            self._closed = True


def _interrupted() -> Unavailable:
    return Unavailable("E_STORE_UNAVAILABLE", detail="the program was interrupted")
