"""What worker processes do for bulk reconciliation: read batches into rows, and judge signatures.

Both are pure functions of what they are given, so it does not matter which process does what, or how often. With no
workers the same functions run in the calling process, one after the other, as small runs and tests do.

Workers are started afresh and ignore Ctrl-C: the process that started them decides when to stop.
"""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import Any, Self

from cbdc import keys
from cbdc.authority import Authority, open_root
from cbdc.ports import processor_stopwatch
from cbdc.record import OFFLINE_DOMAIN
from offline.bulk.form import Frame
from offline.bulk.rows import ReadChunk, Reader

_SIGNED = [OFFLINE_DOMAIN + b"sig\0" + bytes([number]) for number in range(256)]

ASKED = Struct(">HB32s64s")
"""One signature to judge: the number of its key in a list of keys, the object's type, its id, the signature."""

_MOMENT_SECONDS = 0.02
_own: list[Reader] = []
"""The reader of a worker process, made when it starts."""


def read_chunk(path: str, name: str, file: int, frames: Sequence[Frame]) -> ReadChunk:
    """The rows of adjacent frames of one file; E_BATCH_FILE when one is damaged."""
    return _read(_own[0], path, name, file, frames)


def _read(reader: Reader, path: str, name: str, file: int, frames: Sequence[Frame]) -> ReadChunk:
    with Path(path).open("rb") as source:
        source.seek(frames[0].offset)
        data = source.read(frames[-1].end - frames[0].offset)
    return reader.chunk(data, frames, file, name)


def judge(known: Sequence[tuple[int, bytes]], asked: bytes) -> list[int]:
    """The places of the signatures that stand; `asked` is packed by `ASKED`, one behind the other."""
    return keys.sound(
        known,
        [
            (number, signature, _SIGNED[kind] + oid)
            for number, kind, oid, signature in ASKED.iter_unpack(asked)
        ],
    )


def _start(root: bytes, auths: list[bytes]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _own.append(Reader(Authority(open_root(root), auths)))


def _use(_: int) -> tuple[int, tuple[float, float]]:
    """Which process this is, and what it has used; waits a moment, so that others are asked too."""
    time.sleep(_MOMENT_SECONDS)
    peak_kib = 0
    if sys.platform != "win32":
        import resource

        peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return os.getpid(), (processor_stopwatch(), peak_kib / 1_024)


class Workers:
    """Some processes, or none: then everything is done at once where it is asked."""

    def __init__(self, count: int, authority: Authority) -> None:
        """`count` processes; 0 for none."""
        self.count = count
        self._reader = Reader(authority)
        self._pool: ProcessPoolExecutor | None = None
        if count:
            given = (authority.root.encode(), [auth.encode() for auth in authority.auths])
            self._pool = ProcessPoolExecutor(
                count, multiprocessing.get_context("spawn"), initializer=_start, initargs=given
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def read(self, path: Path, name: str, file: int, frames: Sequence[Frame]) -> "Future[ReadChunk]":
        """Ask for the rows of frames."""
        if self._pool is not None:
            return self._pool.submit(read_chunk, str(path), name, file, frames)
        return _done(lambda: _read(self._reader, str(path), name, file, frames))

    def processor_seconds(self) -> float:
        """Processor seconds that the processes have used so far; every process must have started."""
        return sum(seconds for seconds, _ in self._each())

    def memory_mib(self) -> float:
        """The most memory the processes ever had, together, in MiB; 0 where the system does not tell."""
        return sum(memory for _, memory in self._each())

    def _each(self) -> list[tuple[float, float]]:
        if self._pool is None:
            return []
        told: dict[int, tuple[float, float]] = {}
        while len(told) < self.count:
            told |= dict(self._pool.map(_use, range(4 * self.count)))
        return list(told.values())

    def judge(self, known: list[tuple[int, bytes]], asked: bytes) -> "Future[list[int]]":
        """Ask which signatures stand."""
        if self._pool is not None:
            return self._pool.submit(judge, known, asked)
        return _done(lambda: judge(known, asked))


def _done(work: Any) -> "Future[Any]":
    future: Future[Any] = Future()
    future.set_result(work())
    return future


def all_cores() -> int:
    """How many processes can run at once on this machine, for this program."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
