"""The only doors to time, chance and sudden death.

Everything below the two composition roots takes a `Clock`, an `Entropy` and a `Checkpoint` as arguments, so that a
pilot with a seed gives the same bytes on every machine and a test can stop the world at any named point.

- **Time** is whole virtual Unix seconds. Money rules read only the clock they were given.
- **Chance** is keyed, never a stream: `entropy.bytes(label, id)` gives the same bytes for the same question whatever
  was asked before. A run that resumes in the middle therefore asks nothing twice and gets nothing new.
- **Death**: `checkpoint(name)` is called at every write point. The real one does nothing; the crash tests pass one
  that kills the process. `WRITE_POINTS` is the whole list, and a test shows that each is reached.
  An engine may have points of its own beside them.
"""

import hashlib
import hmac
import os
import signal
import time
from collections.abc import Callable
from typing import Protocol

Checkpoint = Callable[[str], None]

WRITE_POINTS = (
    "ledger.commit.before",
    "ledger.commit.inside",
    "ledger.commit.after",
    "books.post.before",
    "books.post.after",
    "register.write.before",
    "register.write.after",
    "wallet.intent.after",
    "wallet.done.before",
    "wallet.done.after",
    "element.journal.before",
    "element.journal.torn",
    "element.journal.after",
    "reconciler.ingest.before",
    "reconciler.ingest.after",
    "reconciler.post.before",
    "reconciler.post.after",
    "runner.step.before",
    "runner.step.after",
)

# The journal engine's own, reached only where a ledger is kept by it.
JOURNAL_WRITE_POINTS = (
    "journal.segment.before",
    "journal.segment.after",
    "journal.snapshot.before",
    "journal.snapshot.written",
    "journal.snapshot.after",
)


def no_checkpoint(name: str) -> None:
    """The real checkpoint: nothing happens."""


CRASH_VARIABLE = "TENGE_CRASH_AT"


def checkpoint_from_environment() -> Checkpoint:
    """The checkpoint the command line uses: nothing happens, unless `TENGE_CRASH_AT` names a write point.

    `TENGE_CRASH_AT=ledger.commit.inside:3` kills this process, as a power cut would, when that point is reached for
    the third time. For crash tests only; an unknown name is a bug in the test.
    """
    text = os.environ.get(CRASH_VARIABLE, "")
    if not text:
        return no_checkpoint
    point, _, count = text.partition(":")
    assert point in WRITE_POINTS + JOURNAL_WRITE_POINTS, f"{point} is not a write point"
    left = [int(count or "1")]

    def crash(name: str) -> None:
        if name == point:
            left[0] -= 1
            if left[0] == 0:
                if hasattr(signal, "SIGKILL"):
                    os.kill(os.getpid(), signal.SIGKILL)
                os._exit(137)

    return crash


class Clock(Protocol):
    """Virtual Unix seconds, never falling."""

    def now(self) -> int:
        """The present moment in whole seconds."""
        ...


class SystemClock:
    """The machine's clock, held so that it never falls."""

    def __init__(self) -> None:
        self._last = 0

    def now(self) -> int:
        """The machine's time in whole seconds, or the last answer if the machine's clock was put back."""
        self._last = max(self._last, int(time.time()))
        return self._last


class ManualClock:
    """A clock that stands still until it is moved: pilots and tests."""

    def __init__(self, start: int) -> None:
        self._now = start

    def now(self) -> int:
        """The moment it was last moved to."""
        return self._now

    def move_to(self, moment: int) -> None:
        """Move forward to `moment`; moving back is a bug in the caller."""
        assert moment >= self._now, "a clock never falls"
        self._now = moment

    def advance(self, seconds: int) -> None:
        """Move forward by `seconds`."""
        self.move_to(self._now + seconds)


class Entropy(Protocol):
    """Chance by question."""

    def bytes(self, label: str, id: bytes, size: int = 32) -> bytes:
        """`size` bytes for the question (`label`, `id`); the seeded kind answers the same question the same way."""
        ...


class SeededEntropy:
    """Chance that follows from a seed: HMAC-SHA-512 in counter mode over the question. For pilots and tests only."""

    def __init__(self, seed: int) -> None:
        self._key = hashlib.sha256(b"tenge-seed\0" + str(seed).encode()).digest()

    def bytes(self, label: str, id: bytes, size: int = 32) -> bytes:
        """The bytes that follow from the seed, the label and the id."""
        question = len(label.encode()).to_bytes(2, "big") + label.encode() + id
        out = b""
        block = 0
        while len(out) < size:
            out += hmac.digest(self._key, block.to_bytes(4, "big") + question, "sha512")
            block += 1
        return out[:size]


class SystemEntropy:
    """The operating system's randomness; the question only documents what it is for."""

    def bytes(self, label: str, id: bytes, size: int = 32) -> bytes:
        """Fresh bytes, different at every call."""
        return os.urandom(size)


def stopwatch() -> float:
    """Real elapsed seconds from an arbitrary start, for progress and benchmarks only; money never depends on it."""
    return time.perf_counter()


def processor_stopwatch() -> float:
    """Seconds of processor time that this process has used, for benchmarks only."""
    return time.process_time()
