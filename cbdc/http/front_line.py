"""The line in a front end: those who come while batches are on their way share the next one.

    line = Line(deliver, senders=2)
    line.send([...])          what `deliver` answered for these, in order

Nobody waits for company: whoever finds a sender free takes all that stands in line, up to a batch, and sends it in its
own thread; the others wait, and the first of them sends next. So under load a batch is what came while the ones before
it were under way, and one alone goes at once.

Rules kept here: what one caller brings stays together and in order; a failure of a batch is told to all who were in it;
a thread that is interrupted leaves nobody waiting.
"""

from collections import deque
from collections.abc import Callable, Sequence
from threading import Event, Lock
from typing import Generic, TypeVar

from cbdc.ledger.line import answer_together

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class _Party(Generic[Item, Answer]):
    """What one caller brought, and what became of it. `called` is set when it is to send, or is answered."""

    __slots__ = ("answers", "called", "done", "failure", "items", "leads", "size")

    def __init__(self, items: Sequence[Item], size: int) -> None:
        self.items = items
        self.size = size
        self.answers: list[Answer] | None = None
        self.failure: BaseException | None = None
        self.leads = False
        self.called = Event()
        self.done = Event()


class Line(Generic[Item, Answer]):
    """See the module's text. `measure` is how large an item is; a batch is at most `most` items and `most_size` in all,
    or what one caller brought."""

    def __init__(
        self,
        deliver: Callable[[list[Item]], list[Answer]],
        senders: int,
        most: int,
        most_size: int,
        measure: Callable[[Item], int],
    ) -> None:
        self._deliver = deliver
        self._free = senders
        self._most, self._most_size = most, most_size
        self._measure = measure
        self._lock = Lock()
        self._waiting: deque[_Party[Item, Answer]] = deque()

    def send(self, items: Sequence[Item]) -> list[Answer]:
        """The answers for these, in order; raises what `deliver` raised for the batch they were in."""
        party: _Party[Item, Answer] = _Party(items, sum(map(self._measure, items)))
        with self._lock:
            self._waiting.append(party)
            if self._free:
                self._free -= 1
                party.leads = True
        try:
            if not party.leads:
                party.called.wait()
            if party.leads:
                self._lead(party)
            party.done.wait()
        except BaseException:
            self._give_up(party)
            raise
        if party.failure is not None:
            raise party.failure
        assert party.answers is not None
        return party.answers

    def _lead(self, party: _Party[Item, Answer]) -> None:
        """Send batch after batch until this caller's own is on its way; then let the next one send."""
        try:
            while group := self._take(party):
                self._send(group)
        finally:
            party.leads = False
            self._call_next()

    def _take(self, party: _Party[Item, Answer]) -> list[_Party[Item, Answer]]:
        """The next batch, from the front of the line; none when this caller stands there no more."""
        with self._lock:
            if party not in self._waiting:
                return []
            group = [self._waiting.popleft()]
            count, size = len(group[0].items), group[0].size
            while self._waiting:
                count += len(self._waiting[0].items)
                size += self._waiting[0].size
                if count > self._most or size > self._most_size:
                    break
                group.append(self._waiting.popleft())
            return group

    def _send(self, group: list[_Party[Item, Answer]]) -> None:
        try:
            answer_together(group, self._deliver)
        finally:
            for party in group:
                party.done.set()
                party.called.set()

    def _call_next(self) -> None:
        """Let the first in line who does not send yet do so, or nobody."""
        with self._lock:
            for party in self._waiting:
                if not party.leads:
                    party.leads = True
                    party.called.set()
                    return
            self._free += 1

    def _give_up(self, party: _Party[Item, Answer]) -> None:
        with self._lock:
            if party in self._waiting:
                self._waiting.remove(party)
            led, party.leads = party.leads, False
        if led:
            self._call_next()
