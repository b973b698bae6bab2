"""The SIMULATED wire between the participants of a card network: virtual time, and what can happen to a message.

Nothing here runs by itself. Messages stand in a queue with the second at which they arrive; `run` delivers them in
that order until the queue is empty, and timers stand in the same queue. The seconds are virtual: the wire's `now` is
the clock's moment and what has passed since the queue was last empty, so the same seed gives the same order, and the
machine's time counts for nothing.

A message travels over **legs**: from the acquirer to the network, from the network to the issuer, and back. On each
leg a fault may meet it:

    lost        it never arrives
    repeated    it arrives twice
    reordered   it arrives after what was sent a little later
    late        it arrives after everybody has stopped waiting

`SeededFaults` draws them from a seed, by rates; `PlannedFaults` names them, for tests and scripts. The fate of a
message follows from what it is and which leg it is on, not from when it was asked, so a run that goes on after a kill
meets the same faults.
"""

import heapq
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Literal, Protocol

from cbdc.ports import Clock, Entropy

Leg = Literal["to network", "to issuer", "from issuer", "from network"]
Fault = Literal["lost", "repeated", "reordered", "late"]
LEGS: tuple[Leg, ...] = ("to network", "to issuer", "from issuer", "from network")
FAULTS: tuple[Fault, ...] = ("lost", "repeated", "reordered", "late")

TRAVEL_SECONDS = 1
REORDERED_SECONDS = 5
ISSUER_SECONDS = 15  # the network waits so long for an issuer (an assumption, as are the two below)
ACQUIRER_SECONDS = 30  # an acquirer waits so long for an answer
REPEAT_SECONDS = 60  # an advice without an answer is sent again
LATE_SECONDS = 45
_DELAYS: dict[str, tuple[int, ...]] = {
    "": (TRAVEL_SECONDS,),
    "lost": (),
    "repeated": (TRAVEL_SECONDS, TRAVEL_SECONDS + 2),
    "reordered": (REORDERED_SECONDS,),
    "late": (LATE_SECONDS,),
}


class Faults(Protocol):
    """What meets a message."""

    def fate(self, type: str, id: bytes, leg: Leg, time: int) -> str:
        """The fault (empty: none) of message `id` of this type on this leg, passing it for the `time`-th time."""
        ...


class NoFaults:
    """A wire on which nothing happens."""

    def fate(self, type: str, id: bytes, leg: Leg, time: int) -> str:
        """Nothing."""
        return ""


class SeededFaults:
    """Faults by chance: so many of a thousand messages on each leg, of each kind. A message that has met `most` faults
    meets no more, so every flow ends."""

    def __init__(self, entropy: Entropy, per_thousand: Mapping[Fault, int], most: int = 3) -> None:
        self._entropy = entropy
        self._rates = [(fault, per_thousand.get(fault, 0)) for fault in FAULTS]
        self._most = most

    def fate(self, type: str, id: bytes, leg: Leg, time: int) -> str:
        """The fault that the seed draws."""
        if time > self._most:
            return ""
        drawn = self._entropy.bytes("card fault", id + f"{leg}/{time}".encode(), 8)
        number = int.from_bytes(drawn, "big") % 1_000
        for fault, rate in self._rates:
            if number < rate:
                return fault
            number -= rate
        return ""


class PlannedFaults:
    """Faults by name: the first messages of a type on a leg meet these, in order; the rest meet none."""

    def __init__(self, plan: Mapping[tuple[str, Leg], tuple[Fault, ...]] | None = None) -> None:
        self._plan: dict[tuple[str, Leg], list[str]] = {}
        self.plan(plan or {})

    def plan(self, faults: Mapping[tuple[str, Leg], tuple[Fault, ...]]) -> None:
        """Forget what was planned and plan these."""
        self._plan = {place: list(names) for place, names in faults.items()}

    def left(self) -> int:
        """How many planned faults have not met a message."""
        return sum(len(names) for names in self._plan.values())

    def fate(self, type: str, id: bytes, leg: Leg, time: int) -> str:
        """The next fault that was planned here."""
        left = self._plan.get((type, leg))
        return left.pop(0) if left else ""


class Wire:
    """The queue. It is also the clock of everybody on it. `session` counts how often it has run empty."""

    def __init__(self, clock: Clock, faults: Faults) -> None:
        self._clock = clock
        self.faults = faults
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._number = 0
        self._passed = 0
        self.session = 0
        self._seen: Counter[tuple[bytes, str]] = Counter()

    def now(self) -> int:
        """The present moment, in whole virtual seconds."""
        return self._clock.now() + self._passed

    def after(self, seconds: int, call: Callable[[], None]) -> None:
        """Call when so many seconds have passed."""
        self._number += 1
        heapq.heappush(self._queue, (self._passed + seconds, self._number, call))

    def carry(self, type: str, id: bytes, leg: Leg, deliver: Callable[[], None]) -> None:
        """Deliver a message once, twice, later or never, as the faults say."""
        self._seen[id, leg] += 1
        fate = self.faults.fate(type, id, leg, self._seen[id, leg])
        for seconds in _DELAYS[fate]:
            self.after(seconds, deliver)

    def run(self) -> None:
        """Let time pass until nothing is on its way and no timer runs; then the wire's time is the clock's again."""
        try:
            while self._queue:
                self._passed, _, call = heapq.heappop(self._queue)
                call()
        finally:
            # Where somebody's store failed, what was on its way is lost, as it would be on a real wire.
            self._queue.clear()
            self._passed = 0
            self.session += 1
            self._seen.clear()
