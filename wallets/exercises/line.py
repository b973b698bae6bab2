"""The grader's end of the line to a student's process: calls with a time limit, and a watch over its memory.

`Student` looks like the answer's module: `student.accept(data, network)` calls `accept` over there and returns its
plain result. What goes wrong comes as an exception with facts, for the checks or for the words of the grade:

    Raised      the answer raised something: classes, text, code, line
    Strange     it returned what is no plain value
    TooLong     it thought longer than one call may
    Ended       its process ended: killed for its memory, or by its own doing

After `STRIKES` calls that took too long or ended the process, nothing more is asked (`GaveUp`), so that an endless loop
costs a class seconds and not hours. Every world handed over stays here; see `wallets.exercises.pupil`.

`trace` keeps each step for explain mode: what was asked of whom, and what was said.
"""

import contextlib
import copyreg
import io
import os
import pickle
import queue
import shutil
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import psutil

from cbdc.errors import TengeError
from cbdc.keys import SoftwareKey
from wallets.exercises import plain
from wallets.exercises.cage import Limits
from wallets.exercises.pupil import PRINTED

STRIKES = 2
_WATCH_SECONDS = 0.05
_START_SECONDS = 60


class StudentFault(Exception):
    """What an answer did instead of answering; `key` names the sentence and `facts` fill it."""

    key = ""

    def __init__(self, **facts: object) -> None:
        super().__init__(self.key)
        self.facts = facts


class Raised(StudentFault):
    """The answer raised: `kinds` are its class and those above it, `code` that of a refusal of the house."""

    key = "raised"

    def __init__(
        self, kinds: list[str], text: str, code: str, told: dict[str, object], file: str, line: int
    ) -> None:
        super().__init__(kind=kinds[0], text=text, file=file, line=line)
        self.kinds, self.text, self.code, self.told, self.line = kinds, text, code, told, line

    def is_a(self, *kinds: str) -> bool:
        """Whether it was of one of these classes, by name."""
        return any(kind in self.kinds for kind in kinds)


class Strange(StudentFault):
    """The answer returned what cannot be judged."""

    key = "strange"


class TooLong(StudentFault):
    """The answer did not come in time."""

    key = "too_long"


class Ended(StudentFault):
    """The answer's process ended in the middle of a call."""

    key = "ended"


class GaveUp(StudentFault):
    """Nothing more is asked of an answer that has cost enough time."""

    key = "gave_up"


class World(Protocol):
    """What a lab may hand to an answer: what it shows is copied, what it may be asked stays with the grader."""

    SHOWN: tuple[str, ...]
    CALLS: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run: who was asked what, what was said, and the rule that decided, where one did.

    `words` tell the rule: a key of the lab's sentences, or a text; a refusal of the product tells itself.
    """

    who: str
    asked: str
    said: str
    rule: str = ""
    words: str = ""
    refusal: TengeError | None = None


@dataclass(slots=True)
class Trace:
    """The steps of a check, as many as a person will read."""

    steps: list[Step] = field(default_factory=list)
    most: int = 200

    def add(self, step: Step) -> None:
        """Keep a step, unless there are too many."""
        if len(self.steps) < self.most:
            self.steps.append(step)


class Student:
    """An answer in its own process, by the functions it has; see the module's story."""

    def __init__(
        self,
        answer: Path,
        given: list[Path],
        preload: list[str],
        barred: Mapping[str, str],
        limits: Limits | None = None,
    ) -> None:
        self._answer, self._given = answer, given
        self._preload, self._barred = preload, dict(barred)
        self._limits = limits or Limits()
        self._worlds = _Worlds()
        self._process: _Process | None = None
        self._strikes = 0
        self._unloadable: Raised | None = None
        self._root = Path(tempfile.mkdtemp(prefix="tenge-answer-"))
        self._starts = 0
        self.trace = Trace()
        self.walls: list[str] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("_"):
            raise AttributeError(name)

        def call(*given: object, **named: object) -> Any:
            return self._ask(name, given, named)

        return call

    def note(self, rule: str, words: str, who: str = "") -> None:
        """Add to the trace the rule that decides here, with its words; what explain mode shows beside the answer."""
        self.trace.add(Step(who, "", "", rule, words))

    def begin_check(self) -> None:
        """A new check: a new trace, and no world of the last one."""
        self.trace = Trace()
        self._worlds.forget()

    def printed(self, most: int = 4_000) -> str:
        """The end of what the answer printed."""
        with contextlib.suppress(OSError):
            return (self._root / PRINTED).read_bytes()[-most:].decode("utf-8", "replace")
        return ""

    def restart(self) -> None:
        """Switch the answer off: what it kept in memory or in files is gone, and the next call starts it anew."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def close(self) -> None:
        """End the process and remove its folder."""
        if self._process is not None:
            self._process.kill()
            self._process = None
        shutil.rmtree(self._root, ignore_errors=True)

    # --- one call ---

    def _ask(self, name: str, given: tuple[object, ...], named: Mapping[str, object]) -> Any:
        if self._strikes >= STRIKES:
            raise GaveUp(strikes=STRIKES)
        words = [*(_short(one) for one in given), *(f"{key}={_short(one)}" for key, one in named.items())]
        asked = f"{name}({', '.join(words)})"
        try:
            value = self._called(name, given, named)
        except Raised as error:
            self.trace.add(Step("answer", asked, error.code or f"{error.kinds[0]}: {error.text[:200]}"))
            raise
        except (TooLong, Ended) as error:
            self._strikes += 1
            if self._process is not None:
                self._process.kill()
                self._process = None
            self.trace.add(Step("answer", asked, error.key))
            raise
        self.trace.add(Step("answer", asked, _short(value)))
        return value

    def _called(self, name: str, given: tuple[object, ...], named: Mapping[str, object]) -> Any:
        process = self._process or self._start()
        if self._unloadable is not None:
            raise self._unloadable
        process.say(self._pickled(("call", name, given, dict(named))))
        return self._outcome(process)

    def _start(self) -> "_Process":
        # A folder that no earlier process has seen: what an answer left behind (a link to somebody's file) must not be
        # written or read through by the grader, which is in no cage.
        self._starts += 1
        folder = self._root / str(self._starts)
        folder.mkdir()
        for path in (*self._given, self._answer):
            shutil.copy(path, folder / path.name)
        process = _Process(folder, self._answer.name, self._root / PRINTED, self._limits)
        self._process = process
        process.say(self._pickled((self._limits, self._preload, self._barred)))
        word = process.hear(_START_SECONDS)
        self.walls = [str(one) for one in word[1]]
        process.say(self._pickled(("load", "", (), {})))
        try:
            self._outcome(process)
        except Raised as error:  # a file that cannot be loaded is an answer too: the same to every question
            self._unloadable = error
        return process

    def _outcome(self, process: "_Process") -> Any:
        """What comes back, after every question to a world in between is answered."""
        until = time.monotonic() + self._limits.call_seconds
        while True:
            word = process.hear(until - time.monotonic())
            try:
                match word:
                    case ["done", value]:
                        return value
                    case [
                        "raised",
                        [str(), *_] as kinds,
                        str(text),
                        str(code),
                        dict() as told,
                        str(file),
                        int(line),
                    ]:
                        raise Raised([str(kind) for kind in kinds], text, code, told, file, line)
                    case ["strange", str(what)]:
                        raise Strange(what=what)
                    case ["ask", int(number), str(name), list() as given, list() as far, dict() as named]:
                        process.say(self._told(number, name, given, far, named))
                    case _:
                        raise Ended(why="line")
            except plain.NotPlain as error:
                raise Ended(why="line") from error

    def _told(self, number: int, name: str, given: list[Any], far: list[Any], named: dict[Any, Any]) -> bytes:
        """A world's answer to the student, or what it raises; a mistake in the asking is the student's."""
        asked = f"{name}({', '.join(_short(one) for one in given)})"
        try:
            world = self._worlds.known[number]
            if name not in world.CALLS:
                raise AttributeError(f"{type(world).__name__} has no {name}")
            real = [
                self._worlds.known[one] if is_far else one for one, is_far in zip(given, far, strict=True)
            ]
            value = getattr(world, name)(*real, **{str(key): one for key, one in named.items()})
        except Exception as error:
            if isinstance(error, TengeError):
                self.trace.add(Step("world", asked, error.code, error.rule, "", error))
            else:
                self.trace.add(Step("world", asked, type(error).__name__, "", str(error)))
            return self._raising(error)
        self.trace.add(Step("world", asked, _short(value)))
        return self._pickled(("value", value))

    def _raising(self, error: Exception) -> bytes:
        try:
            data = self._pickled(("raise", error.with_traceback(None)))
            pickle.loads(data) if type(error).__module__ == "builtins" else None  # noqa: S301 - our own bytes
        except Exception:
            return self._pickled(("raise", RuntimeError(f"{type(error).__name__}: {error}")))
        return data

    def _pickled(self, value: object) -> bytes:
        buffer = io.BytesIO()
        _Telling(buffer, self._worlds).dump(value)
        return buffer.getvalue()


def _short(value: object) -> str:
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value)} bytes {value[:6].hex()}"
    if isinstance(value, (dict, list, set, frozenset)) and len(value) > 3:
        return f"<{type(value).__name__} of {len(value)}>"
    text = f"<{type(value).__name__}>" if hasattr(type(value), "CALLS") else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class _Worlds:
    """The worlds that an answer may ask, by number. A number is given once, so an old one never means a new world."""

    def __init__(self) -> None:
        self.known: dict[int, Any] = {}
        self._next = 0

    def number(self, world: Any) -> int:
        """The number of a world, a new one if it has none."""
        for number, one in self.known.items():
            if one is world:
                return number
        self._next += 1
        self.known[self._next] = world
        return self._next

    def forget(self) -> None:
        """No old world may be asked any more."""
        self.known.clear()


class _Telling(pickle.Pickler):
    """Pickles for the student's process: worlds go as their number, and what they show as copies."""

    dispatch_table = copyreg.dispatch_table.copy()
    dispatch_table[SoftwareKey] = lambda key: (SoftwareKey, (key.public.algorithm, key.secret))

    def __init__(self, buffer: BinaryIO, worlds: "_Worlds") -> None:
        super().__init__(buffer, protocol=5)
        self._worlds = worlds

    def persistent_id(self, obj: Any) -> Any:
        """The number of a world, with what it shows; nothing for anything else."""
        if isinstance(obj, type) or not hasattr(type(obj), "CALLS"):
            return None
        number = self._worlds.number(obj)
        shown = {name: getattr(obj, name) for name in type(obj).SHOWN}
        return number, type(obj).__name__, shown, tuple(type(obj).CALLS)


class _Process:
    """The process itself: bytes to it and from it, its memory watched, ended with all it started."""

    def __init__(self, folder: Path, name: str, printed: Path, limits: Limits) -> None:
        self._limits = limits
        kept = {key: os.environ[key] for key in ("PATH", "SYSTEMROOT", "LANG", "LC_ALL") if key in os.environ}
        self._popen = subprocess.Popen(  # noqa: S603 - our own interpreter, and no shell
            [
                sys.executable,
                "-I",
                "-B",
                "-X",
                "utf8",
                "-m",
                "wallets.exercises.pupil",
                str(folder),
                name,
                str(printed),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept,
            cwd=folder,
            start_new_session=True,
        )
        assert self._popen.stdin is not None
        assert self._popen.stdout is not None
        self._target, self._source = self._popen.stdin, self._popen.stdout
        # Short: who floods the line waits at its end of the pipe, and fills nobody's memory.
        self._heard: queue.Queue[Any] = queue.Queue(maxsize=4)
        self._killed_for = ""
        self._over = threading.Event()
        for work in (self._listen, self._watch):
            threading.Thread(target=work, daemon=True).start()

    def say(self, data: bytes) -> None:
        """Send a message."""
        try:
            self._target.write(struct.pack(">I", len(data)) + data)
            self._target.flush()
        except OSError as error:
            raise self._ended() from error

    def hear(self, seconds: float) -> list[Any]:
        """The next message, as a list; TooLong, or Ended."""
        try:
            word = self._heard.get(timeout=max(seconds, 0))
        except queue.Empty as error:
            raise TooLong(seconds=self._limits.call_seconds) from error
        if not isinstance(word, list):
            raise self._ended()
        return word

    def kill(self) -> None:
        """End it and everything it started."""
        self._over.set()
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self._popen.pid).children(recursive=True):
                with contextlib.suppress(psutil.Error):
                    child.kill()
        with contextlib.suppress(OSError):
            self._popen.kill()
        self._popen.wait()
        for flow in (self._target, self._source):
            with contextlib.suppress(OSError):
                flow.close()

    def _ended(self) -> Ended:
        return Ended(why=self._killed_for or "itself")

    def _listen(self) -> None:
        """Read messages as they come; anything that is none ends the listening."""
        try:
            while True:
                size = struct.unpack(">I", self._source.read(4))[0]
                if size > plain.LARGEST_BYTES:
                    break
                word = plain.decode(self._source.read(size))
                self._put(word if isinstance(word, list) else None)
        except (OSError, ValueError, struct.error):  # NotPlain is a ValueError
            pass
        self._put(None)

    def _put(self, word: list[Any] | None) -> None:
        """Hand a message on when there is room for it, unless nobody will ever take it."""
        while not self._over.is_set():
            with contextlib.suppress(queue.Full):
                self._heard.put(word, timeout=_WATCH_SECONDS)
                return

    def _watch(self) -> None:
        """Kill it when it holds or has written too much: the limits that every system has, or nearly."""
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(self._popen.pid)
            while not self._over.wait(_WATCH_SECONDS):
                if process.memory_info().rss > self._limits.memory_bytes:
                    self._killed_for = "memory"
                elif _written_bytes(process) > self._limits.written_bytes:
                    self._killed_for = "disk"
                if self._killed_for:
                    self._popen.kill()
                    return


def _written_bytes(process: psutil.Process) -> int:
    """What a process has written, where the system counts it (macOS does not)."""
    counters = getattr(process, "io_counters", None)
    if counters is None:
        return 0
    counted = counters()
    return int(getattr(counted, "write_chars", counted.write_bytes))
