"""The line before the ledger: who waits, who verifies for the others, who commits for the others.

A **party** is the transactions of one call. A few of them are put down unverified, and whoever finds nobody gathering
gathers: verifies all that was put down, his own and others'. Parties that are verified stand in line, and whoever
finds nobody leading leads: commits all that stands there, up to a group. Everybody else sleeps, and is mostly woken
once, with answers.

Rules kept here:

- parties are committed in the order in which they came to stand, and one call's transactions stay together;
- nobody leads while others who are being verified are more than who stands: they share the commit. A few wait only for
  what is gathered, never for calls of many, and whoever waited for `HELD_SECONDS` leads whatever others do;
- one who is interrupted hands on what he had: nobody waits for a leader or gatherer that is gone. Who shared his commit
  is told that its outcome is not known.
"""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from threading import Lock
from typing import Any

from cbdc.errors import TengeError, Unavailable
from cbdc.ledger.entry import Receipt
from cbdc.ledger.group import Item
from cbdc.ledger.ledger import MAX_GROUP

Answer = Receipt | TengeError

UNIT = 1_024
"""How many transactions of one call are committed together, while others of it are verified."""

GROUP_BYTES = 16 << 20
"""How many bytes are committed together, unless one party has more."""

HELD_SECONDS = 0.1
"""How long verified transactions wait at most for others that are being verified: an assumption."""


class Party:
    """The transactions of one call that stand in line together, and what became of them."""

    __slots__ = ("answers", "called", "failure", "few", "gone", "items", "transactions")

    def __init__(self, transactions: Sequence[bytes], items: list[Item], *, few: bool) -> None:
        """`items` are filled in when they are verified; a `few` wait for no call of many."""
        self.transactions = transactions
        self.items = items
        self.few = few
        self.answers: list[Answer] | None = None
        self.failure: BaseException | None = None
        self.gone = False
        # A bare lock is the cheapest thing that a thread can sleep on: it is taken here and given back to wake.
        self.called = Lock()
        self.called.acquire()

    def call(self) -> None:
        """Wake its owner, to gather, to lead or to take the answers. What it is woken for must be said before."""
        # He may have got up by himself and not have used up an earlier call.
        if self.called.locked():
            self.called.release()

    def wait(self) -> bool:
        """Sleep until called, or for as long as others may be waited for; whether called."""
        return self.called.acquire(timeout=HELD_SECONDS)

    @property
    def done(self) -> bool:
        """Whether it has answers, or failed."""
        return self.answers is not None or self.failure is not None

    @property
    def size_bytes(self) -> int:
        """How long its transactions are together."""
        return sum(map(len, self.transactions))


class Line:
    """Parties on their way into the ledger. See the module's text."""

    def __init__(
        self,
        settle: Callable[[Sequence[Item]], list[Answer]],
        verify: Callable[[Sequence[bytes]], list[Item]],
    ) -> None:
        """`settle` commits at most `MAX_GROUP` transactions; `verify` reads and verifies what was gathered."""
        self._settle = settle
        self._verify = verify
        self._lock = Lock()
        self._few: deque[Party] = deque()
        # Who gathers and who leads: one field each, so that an interruption never leaves half of it said.
        self._gatherer: Party | None = None
        self._line: deque[Party] = deque()
        self._leader: Party | None = None
        # How many stand in line and how many parties of those are few; how many are being verified, and of those a few.
        self._standing = self._standing_few = self._expected = self._gathering = 0

    def __len__(self) -> int:
        """How many parties stand in line."""
        return len(self._line)

    def together(self, party: Party) -> list[Answer]:
        """Put a few down, for whoever gathers, or gather; their answers."""
        try:
            with self._lock:
                self._few.append(party)
                if self._gatherer is None:
                    self._gatherer = party
            while not (
                party is self._gatherer or party is self._leader or party.items or party.failure is not None
            ):
                party.wait()
            if party is self._gatherer:
                self._gather(party)
            return self.answered(party, stands=True)
        except BaseException:
            self._give_up(party)
            raise

    def _gather(self, own: Party) -> None:
        """Verify what was put down and let it stand in line, until nothing is there or `own` can be led or is done."""
        while own is self._gatherer:
            some: list[Party] = []
            try:
                with self._lock:
                    some = list(islice(self._few, UNIT))
                    self._gathering = sum(len(party.transactions) for party in some)
                    for _ in some:
                        self._few.popleft()
                data = [one for party in some for one in party.transactions]
                items = self._verify(data)
                start = 0
                for party in some:
                    party.items = items[start : start + len(party.transactions)]
                    start += len(party.transactions)
                with self._lock:
                    self._gathering = 0
                    self._stand(some)
                    some = []
                    if self._leader is None and own.done:
                        self._call_next()
                    elif self._leader is None:
                        self._leader = own
                    if own.done or own is self._leader or not self._few:
                        self._gather_next()
            except BaseException as failure:
                self._not_gathered(some, own, failure)
                raise

    def _gather_next(self) -> None:
        """Let the first who put something down gather, or nobody. The lock is held."""
        self._gatherer = self._few[0] if self._few else None
        if self._gatherer is not None:
            self._gatherer.call()

    def _not_gathered(self, some: list[Party], own: Party, failure: BaseException) -> None:
        """The same fails for all; but if only this thread was interrupted, the next one does it."""
        others = [party for party in some if party is not own]
        with self._lock:
            self._gathering = 0
            if not isinstance(failure, Exception):
                # Wherever it was interrupted: who is verified stands, the others are put down again.
                there = (*self._few, *self._line)
                lost = [one for one in others if not (one.gone or one.done or one in there)]
                self._stand([one for one in lost if one.items])
                self._few.extendleft(reversed([one for one in lost if not one.items]))
            if self._gatherer is own:
                self._gather_next()
            if self._leader is None:
                self._call_next()
        if isinstance(failure, Exception):
            for party in others:
                party.failure = failure
                party.call()

    def expected_more(self, count: int) -> None:
        """So many transactions of calls of many are being verified from now on, or do not come after all (negative)."""
        if count:
            with self._lock:
                self._expected += count
                # Whoever was waited for may not be coming.
                if count < 0 and self._leader is None:
                    self._call_next()

    def _stand(self, parties: Sequence[Party]) -> None:
        """Put verified parties at the end of the line. The lock is held."""
        for party in parties:
            if party.gone:
                continue
            self._line.append(party)
            self._standing += len(party.items)
            self._standing_few += party.few

    def _due(self) -> bool:
        """Whether somebody should lead now: no more are being verified than stand in line. A few look at few only."""
        awaited = self._gathering if self._standing_few else min(self._expected + self._gathering, UNIT)
        return bool(self._line) and self._standing >= awaited

    def answered(self, party: Party, *, stands: bool = False, came: int = 0) -> list[Answer]:
        """Stand in line with a party, if it does not yet, and lead if nobody does; its answers.

        `came` is how many of it were expected.
        """
        try:
            if not stands:
                with self._lock:
                    self._expected -= came
                    self._stand([party])
                    if self._leader is None and self._due():
                        self._leader = party
            late = False
            while not party.done:
                if party is self._leader:
                    self._lead(party, late=late)
                    late = False
                elif not party.wait():
                    with self._lock:
                        # It may have been answered since it got up: then there is nothing to lead for.
                        if self._line and self._leader is None and not party.done:
                            late = True
                            self._leader = party
        except BaseException:
            # Ctrl-C while waiting: nobody may be left to wait for a leader that is gone.
            self._give_up(party)
            raise
        if party.failure is not None:
            raise party.failure
        assert party.answers is not None
        return party.answers

    def _lead(self, leader: Party, *, late: bool) -> None:
        """Commit what stands in line, from the front; then call the next to lead, if anybody came meanwhile.

        Unless `late`, it steps back when others are awaited now: then one of them leads.
        """
        group: list[Party] = []
        try:
            with self._lock:
                if not (late or self._due()):
                    # Others have come since it was called, and are being verified: they share this commit.
                    self._leader = None
                    return
                count = size_bytes = 0
                for party in self._line:
                    count += len(party.items)
                    size_bytes += party.size_bytes
                    if group and (count > MAX_GROUP or size_bytes > GROUP_BYTES):
                        break
                    group.append(party)
                for _ in group:
                    self._line.popleft()
                self._count_standing()
            answer_together(group, self._settle)
        finally:
            # These first: what they bring next may share the next commit.
            for party in group:
                if party.done:
                    party.call()
            with self._lock:
                # Interrupted before anything was decided: they stand where they stood.
                left = [one for one in group if not (one.done or one.gone or one in self._line)]
                self._line.extendleft(reversed(left))
                self._count_standing()
                if self._leader is leader:
                    self._call_next()

    def _count_standing(self) -> None:
        """Count who stands in line. The lock is held."""
        self._standing = sum(len(party.items) for party in self._line)
        self._standing_few = sum(party.few for party in self._line)

    def _call_next(self) -> None:
        """Let the first in line lead, or nobody. The lock is held."""
        due = self._due()
        # Who gathers is busy: another one, if there is one, begins at once.
        self._leader = (
            next((one for one in self._line if one is not self._gatherer), self._line[0]) if due else None
        )
        if self._leader is not None:
            self._leader.call()

    def _give_up(self, party: Party) -> None:
        with self._lock:
            party.gone = True
            if party in self._few:
                self._few.remove(party)
            if party in self._line:
                self._line.remove(party)
                self._count_standing()
            if party is self._gatherer:
                self._gather_next()
            if party is self._leader:
                self._call_next()


def answer_together(parties: Sequence[Any], work: Callable[[list[Any]], list[Any]]) -> None:
    """Do the work on the `items` of all parties at once, and give each its `answers`; or all of them the `failure`.

    An interruption is raised again, and is the interrupted one's alone: the others are told E_STORE_OUTCOME.
    """
    try:
        answers = work([item for party in parties for item in party.items])
        start = 0
        for party in parties:
            party.answers = answers[start : start + len(party.items)]
            start += len(party.items)
    except BaseException as failure:
        for party in parties:
            # Whoever only waited was not interrupted; what became of his transactions is not known.
            party.failure = failure if isinstance(failure, Exception) else _interrupted()
        if not isinstance(failure, Exception):
            raise


def _interrupted() -> Unavailable:
    return Unavailable("E_STORE_OUTCOME", detail="the program was interrupted")
