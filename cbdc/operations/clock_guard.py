"""A guard over the clock that dates a ledger: a machine's clock that jumps ahead dates nothing.

Time never falls in a journal, and beyond its certificate a ledger signs nothing more: one commit under a clock that is
years ahead could not be undone. So a step of the machine's clock of more than so many seconds is refused
(E_CLOCK_STEP), at the start against the last entry's time and afterwards against the last reading. Reading
goes on.

What the sandbox's operator puts forward is no step: the guard looks at the machine's clock alone, under the shift. A
server that really stood for longer is started once with a larger step. How large it is by itself is an assumption.
"""

from cbdc.errors import Unavailable
from cbdc.ports import Clock

DAY_SECONDS = 86_400
STEP_DAYS = 31


class GuardedClock:
    """The time of `clock`, as long as `machine`, on which it stands, makes no larger step than `step_seconds`.

    `since` is when the machine's clock was last known to be right (the last entry's time), 0 when nothing is known.
    """

    def __init__(self, clock: Clock, machine: Clock, since: int, step_seconds: int) -> None:
        self._clock = clock
        self._machine = machine
        self._last = since
        self._step_seconds = step_seconds

    def now(self) -> int:
        """The time; E_CLOCK_STEP."""
        found = self._machine.now()
        if self._last and found - self._last > self._step_seconds:
            days = self._step_seconds // DAY_SECONDS
            raise Unavailable("E_CLOCK_STEP", last=self._last, now=found, step_days=days)
        self._last = max(self._last, found)
        return self._clock.now()
