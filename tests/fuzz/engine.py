"""The fuzzer's own engine: seeded, guided by coverage, on every Python and every system.

An input that reaches a new pair of lines in `cbdc` or `offline` joins the corpus and is mutated further. Work is
counted in lines executed, not in seconds, so that "this input takes too long" is the same fact on every machine.
Memory is read from the system after a warm-up; what still grows afterwards is a leak.

`atheris` (the extra `fuzz`) does the same on compiled coverage and many times faster: see `tests.fuzz.libfuzzer`.
"""

import gc
import hashlib
import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import Any

from cbdc.errors import catalogue
from cbdc.keys import forget_verified
from cbdc.ports import stopwatch
from cbdc.transaction import forget_opened
from tests.fuzz.target import Target

ROOT = Path(__file__).resolve().parents[2]
MOST_LINES = 3_000_000
CORPUS = 4_000


class Coverage:
    """Pairs of lines executed one after the other, in the packages under test, while it is on."""

    def __init__(self) -> None:
        self.seen: set[int] = set()
        self.fresh: set[int] = set()
        self.lines = 0
        self._last = 0
        self._codes: dict[CodeType, int] = {}
        self._ours = tuple(str(ROOT / package) for package in ("cbdc", "offline"))

    def run(self, call: Callable[[], Any]) -> Any:
        """Call it and note which pairs were new; whatever was tracing before goes on afterwards."""
        self.fresh = set()
        self.lines = self._last = 0
        forget()
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return call()
        finally:
            sys.settrace(before)
            self.seen |= self.fresh

    def _enter(self, frame: FrameType, event: str, argument: object) -> Any:
        code = frame.f_code
        number = self._codes.get(code)
        if number is None:
            ours = code.co_filename.startswith(self._ours)
            number = self._codes[code] = (len(self._codes) + 1) << 14 if ours else 0
        return self._line if number else None

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            self.lines += 1
            here = self._codes[frame.f_code] + frame.f_lineno
            pair = self._last << 40 | here
            if pair not in self.seen:
                self.fresh.add(pair)
            self._last = here
            if self.lines > MOST_LINES:
                raise TooMuchWork(f"more than {MOST_LINES} lines for one input")
        return self._line


def forget() -> None:
    """Empty what was looked up or verified before: the second time it would be a shorter way."""
    forget_verified()
    forget_opened()
    for module in [module for name, module in sys.modules.items() if name.startswith(("cbdc.", "offline."))]:
        if module not in _CACHES:
            cached = [value for value in vars(module).values() if hasattr(type(value), "cache_clear")]
            _CACHES[module] = [value.cache_clear for value in cached if value.__module__ != "cbdc.errors"]
        for clear in _CACHES[module]:
            clear()
    catalogue()


_CACHES: dict[ModuleType, list[Callable[[], None]]] = {}


class TooMuchWork(BaseException):
    """One input made the implementation work without end."""


@dataclass
class Found:
    """An input under which something broke."""

    target: str
    data: bytes
    kind: str
    problem: str

    def save(self, folder: Path) -> Path:
        """Write the input where it can be replayed from."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.target}-{hashlib.sha256(self.data).hexdigest()[:16]}"
        path.write_bytes(self.data)
        return path


def attempt(target: Target, data: bytes) -> tuple[str, Found | None]:
    """Run one input: its answer, and what broke, if anything."""
    try:
        return target.run(data), None
    except (Exception, TooMuchWork) as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        assert trace is not None, "what was raised was raised somewhere"
        kind = f"{type(error).__name__} at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        return type(error).__name__, Found(target.name, data, kind, f"{target.name}: {kind}: {error}"[:600])


@dataclass
class Hunt:
    """One target under the fuzzer. The same seed makes the same inputs in the same order."""

    target: Target
    seed: int
    coverage: Coverage = field(default_factory=Coverage)
    runs: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    found: dict[str, Found] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = random.Random(f"{self.target.name}/{self.seed}")
        self.corpus: list[bytes] = []
        # Once without looking: what is only done the first time belongs to no input.
        for data in self.target.seeds:
            attempt(self.target, data)
        self.target.renew()
        self._waiting = list(self.target.seeds)

    def step(self) -> None:
        """One input: a seed while there are new ones, then mutations of what has proved worth it."""
        waiting = self._waiting
        data = waiting.pop(0) if waiting else self.target.mutator.mutate(self._parent(), self.dice)
        self.target.prepare()
        answer, broken = self.coverage.run(lambda: attempt(self.target, data))
        self.runs += 1
        self.answers[answer] += 1
        if broken is not None:
            self.found.setdefault(broken.kind, broken)
        if self.coverage.fresh and len(data) < 1 << 16:
            if len(self.corpus) >= CORPUS:
                self.corpus.pop(self.dice.randrange(len(self.corpus) // 2))
            self.corpus.append(data)

    def _parent(self) -> bytes:
        # Half of the time one of the youngest, which reached what nobody had reached.
        if not self.corpus or self.dice.random() < 0.2:
            return self.dice.choice(list(self.target.seeds))
        start = len(self.corpus) * 3 // 4 if self.dice.random() < 0.5 else 0
        return self.corpus[self.dice.randrange(start, len(self.corpus))]

    def summary(self) -> dict[str, Any]:
        """The figures of this hunt."""
        return {
            "target": self.target.name,
            "runs": self.runs,
            "edges": len(self.coverage.seen),
            "corpus": len(self.corpus),
            "answers": len(self.answers),
            "accepted": self.answers["ok"],
            "found": [broken.problem for broken in self.found.values()],
        }


def memory_mib() -> float:
    """The memory this process holds now, in MiB; 0 where the system does not tell."""
    gc.collect()
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * 4_096 / (1 << 20)


def hunt_all(hunts: list[Hunt], seconds: float, slice_runs: int = 50) -> dict[str, Any]:
    """Hunt on all targets in turn, each for an equal share of the time; the summary of it all.

    Memory is compared between the moment when every target has had an eighth of its time and the end, without what the
    corpora hold.
    """
    used = dict.fromkeys((hunt.target.name for hunt in hunts), 0.0)
    share, warm, start = seconds / len(hunts), 0.0, stopwatch()
    with suppress(KeyboardInterrupt):  # what was hunted so far is told all the same
        while (hunt := min(hunts, key=lambda hunt: used[hunt.target.name])) and used[
            hunt.target.name
        ] < share:
            begun = stopwatch()
            for _ in range(slice_runs):
                hunt.step()
            used[hunt.target.name] += stopwatch() - begun
            if not warm and min(used.values()) > share / 8:
                warm = _held(hunts)
    return total(
        [hunt.summary() for hunt in hunts], stopwatch() - start, _held(hunts) - (warm or _held(hunts))
    )


def _held(hunts: list[Hunt]) -> float:
    return memory_mib() - sum(len(data) for hunt in hunts for data in hunt.corpus) / (1 << 20)


def total(rows: list[dict[str, Any]], seconds: float, growth_mib: float) -> dict[str, Any]:
    """The rows of all targets with their sums."""
    runs = sum(row["runs"] for row in rows)
    return {
        "targets": rows,
        "runs": runs,
        "edges": sum(row["edges"] for row in rows),
        "accepted": sum(row["accepted"] for row in rows),
        "seconds": int(seconds),
        "runs_per_second": int(runs / max(seconds, 0.001)),
        "memory_mib": int(memory_mib()),
        "growth_mib": int(growth_mib),
        "found": [problem for row in rows for problem in row["found"]],
    }
