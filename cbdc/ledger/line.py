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

    __slots__ = ("answers", "called", "failure", "few", "gathers", "gone", "items", "leads", "transactions")

    def __init__(self, transactions: Sequence[bytes], items: list[Item], *, few: bool) -> None:
        """`items` are filled in when they are verified; a `few` wait for no call of many."""
        self.transactions = transactions
        self.items = items
        self.few = few
        self.answers: list[Answer] | None = None
        self.failure: BaseException | None = None
        self.gathers = self.leads = self.gone = False
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
        self._gathered = False
        self._line: deque[Party] = deque()
        self._led = False
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
                party.gathers, self._gathered = not self._gathered, True
            while not (party.gathers or party.leads or party.items or party.failure is not None):
                party.wait()
            if party.gathers:
                self._gather(party)
        except BaseException:
            self._give_up(party)
            raise
        return self.answered(party, stands=True)

    def _gather(self, own: Party) -> None:
        """Verify what was put down and let it stand in line, until nothing is there or `own` can be led or is done."""
        while own.gathers:
            some: list[Party] = []
            try:
                with self._lock:
                    while self._few and len(some) < UNIT:
                        some.append(self._few.popleft())
                        self._gathering += len(some[-1].transactions)
                data = [one for party in some for one in party.transactions]
                items = self._verify(data)
            except BaseException as failure:
                self._not_gathered(some, own, failure)
                raise
            start = 0
            for party in some:
                party.items = items[start : start + len(party.transactions)]
                start += len(party.transactions)
            with self._lock:
                self._gathering = 0
                self._stand(some)
                done = own.done
                if not self._led:
                    if done:
                        self._call_next()
                    else:
                        own.leads = self._led = True
                if done or own.leads or not self._few:
                    self._gather_next(own)

    def _gather_next(self, own: Party) -> None:
        """Let the first who put something down gather, or nobody. The lock is held."""
        own.gathers = False
        self._gathered = bool(self._few)
        if self._few:
            self._few[0].gathers = True
            self._few[0].call()

    def _not_gathered(self, some: list[Party], own: Party, failure: BaseException) -> None:
        """The same fails for all; but if only this thread was interrupted, the next one does it."""
        others = [party for party in some if party is not own]
        with self._lock:
            self._gathering = 0
            if not isinstance(failure, Exception):
                self._few.extendleft(reversed(others))
            self._gather_next(own)
            if not self._led:
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
                if count < 0 and not self._led:
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
                    if not self._led and self._due():
                        party.leads = self._led = True
            late = False
            while not party.done:
                if party.leads:
                    self._lead(party, late=late)
                    late = False
                elif not party.wait():
                    with self._lock:
                        # It may have been answered since it got up: then there is nothing to lead for.
                        if self._line and not (self._led or party.done):
                            party.leads = self._led = late = True
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
        with self._lock:
            if not (late or self._due()):
                # Others have come since it was called, and are being verified: they share this commit.
                leader.leads = self._led = False
                return
            group: list[Party] = []
            count = size_bytes = 0
            while self._line and (
                not group
                or (
                    count + len(self._line[0].items) <= MAX_GROUP
                    and size_bytes + self._line[0].size_bytes <= GROUP_BYTES
                )
            ):
                group.append(self._line.popleft())
                count += len(group[-1].items)
                size_bytes += group[-1].size_bytes
                self._standing_few -= group[-1].few
            self._standing -= count
        try:
            answer_together(group, self._settle)
        finally:
            # These first: what they bring next may share the next commit.
            for party in group:
                party.call()
            with self._lock:
                leader.leads = False
                self._call_next()

    def _call_next(self) -> None:
        """Let the first in line lead, or nobody. The lock is held."""
        self._led = self._due()
        if self._led:
            # Who gathers is busy: another one, if there is one, begins at once.
            leader = next((party for party in self._line if not party.gathers), self._line[0])
            leader.leads = True
            leader.call()

    def _give_up(self, party: Party) -> None:
        with self._lock:
            party.gone = True
            if party in self._few:
                self._few.remove(party)
            if party in self._line:
                self._line.remove(party)
                self._standing -= len(party.items)
                self._standing_few -= party.few
            if party.gathers:
                self._gather_next(party)
            if party.leads:
                party.leads = False
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
