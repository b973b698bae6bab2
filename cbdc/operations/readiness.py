"""Alive and ready: a process that answers is alive; whether it should be given work is another question.

    store   the last entry can be read, and the supply table adds up
    head    the newest head covers the journal, and a ledger's key that was certified then signed it
    disk    the folder of the stores has room for what is coming
    clock   the ledger's time is not behind its own last entry, and the machine's is not before this program was written

A server that drains is not ready either. Nothing is changed by looking, and nothing waits for the writer's turn.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from cbdc.errors import TengeError, Unavailable
from cbdc.ledger.ledger import Ledger
from cbdc.ports import Clock

LEAST_FREE_BYTES = 64 * 1_048_576
CLOCK_BEHIND_SECONDS = 60
WRITTEN = 1_760_000_000  # October 2025: no clock of a machine that runs this is before it


class Readiness:
    """Whether one server should be given work. `folder` None means that everything is in memory."""

    def __init__(
        self,
        ledger: Callable[[], Ledger],
        clock: Clock,
        real_clock: Clock,
        folder: Path | None = None,
        draining: Callable[[], bool] = lambda: False,
        least_free_bytes: int = LEAST_FREE_BYTES,
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._real_clock = real_clock
        self._folder = folder
        self._draining = draining
        self._least_free_bytes = least_free_bytes

    def failing(self) -> list[str]:
        """The names of the checks that fail, in a fixed order; empty when the server is ready."""
        ledger = self._ledger()
        found = {
            "draining": not self._draining(),
            "store": _answers(lambda: _read(ledger)),
            "head": _answers(lambda: _head(ledger)),
            "disk": self._has_room(),
            "clock": self._is_sane(ledger),
        }
        return [name for name, good in found.items() if not good]

    def require(self) -> None:
        """Return if the server is ready; E_NOT_READY with the checks that fail."""
        failing = self.failing()
        if failing:
            raise Unavailable("E_NOT_READY", checks=", ".join(failing))

    def free_bytes(self) -> int:
        """How much room the folder's disk has; 0 when that cannot be asked."""
        try:
            return shutil.disk_usage(self._folder or Path()).free
        except OSError:
            return 0

    def _has_room(self) -> bool:
        return self._folder is None or self.free_bytes() >= self._least_free_bytes

    def _is_sane(self, ledger: Ledger) -> bool:
        behind = ledger.head().record.time - self._clock.now()
        return behind <= CLOCK_BEHIND_SECONDS and self._real_clock.now() >= WRITTEN


def _answers(ask: Callable[[], bool]) -> bool:
    try:
        return ask()
    except TengeError:
        return False


def _read(ledger: Ledger) -> bool:
    supply = ledger.supply()
    size = ledger.head().record.size
    return ledger.entry(size - 1).index == size - 1 and supply.outstanding_tiyn == supply.held_tiyn


def _head(ledger: Ledger) -> bool:
    head = ledger.head()
    ledger.genesis.verify_head(head)
    return head.record.root == ledger.root_at(head.record.size)
