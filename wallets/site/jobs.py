"""Work that takes longer than a page may: one job of a kind at a time, in a process of its own, told of as it goes.

An audit replays a whole journal, a pilot plays for minutes; neither may hold the world's lock or a browser. A job is
started by an operation, lives on whatever its page does, and is looked at by a query: how far it is, how it ended.

Rules kept here: a kind has one job at work at most; the same key again is the same job; what a worker refuses is kept
as its code and facts, to be spoken in the reader's language; a worker that dies without a word is a failed job, never a
job that runs for ever; a key is used again only when the process that had it is gone; whoever closes ends every process
first. Jobs live as long as the server does.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from cbdc.errors import Refused, TengeError, by_code
from wallets.processes import start

RUNNING = "running"
DONE = "done"
FAILED = "failed"
CANCELLED = "cancelled"
MOST_KEPT = 50
_END_SECONDS = 10

Tell = Callable[[int, int, str], None]
Work = Callable[..., dict[str, Any]]


@dataclass(slots=True)
class Job:
    """One job. `done` of `of` steps, the last of them called `text`; `result` when it is DONE; `code` and `facts` of
    the refusal when it is FAILED. `about` is whatever the starter wants to know again."""

    kind: str
    key: str
    about: dict[str, Any]
    state: str = RUNNING
    done: int = 0
    of: int = 0
    text: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def refusal(self) -> TengeError | None:
        """What the worker refused, if it did."""
        return by_code(self.code, self.facts) if self.code else None


@dataclass(slots=True, eq=False)
class _Worker:
    """A job's process, until it is `gone`; also of a job that was let go of."""

    job: Job
    process: BaseProcess
    gone: threading.Event = field(default_factory=threading.Event)


class Jobs:
    """All jobs of a server. `changed` is called, from another thread, when a job has ended."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._jobs: dict[tuple[str, str], Job] = {}
        self._workers: list[_Worker] = []
        self._listeners: list[threading.Thread] = []
        self.at_close: list[Callable[[], None]] = []

    def start(self, kind: str, key: str, about: dict[str, Any], work: Work, *given: Any) -> Job:
        """Begin `work(*given, tell)` in a process; again under a key: the job that there is. E_SITE_JOB_BUSY."""
        with self._lock:
            known = self._jobs.get((kind, key))
            if known is not None:
                return known
            if any(job.kind == kind and job.state == RUNNING for job in self._jobs.values()):
                raise Refused("E_SITE_JOB_BUSY", kind=kind)
            self._forget()
            job = Job(kind, key, about)
            here, there = Pipe(duplex=False)
            worker = _Worker(job, start(_work, (work, given, there)))
            there.close()
            self._jobs[kind, key] = job
            self._workers.append(worker)
            self._listeners = [one for one in self._listeners if one.is_alive()]
            self._listeners.append(threading.Thread(target=self._listen, args=(worker, here), daemon=True))
            self._listeners[-1].start()
            return job

    def _forget(self) -> None:
        """Make room: the oldest jobs that have ended go."""
        ended = [name for name, job in self._jobs.items() if job.state != RUNNING]
        for name in ended[: max(0, len(self._jobs) - MOST_KEPT + 1)]:
            del self._jobs[name]

    def forget(self, kind: str, key: str) -> None:
        """Let go of a job that has ended and wait for its process's end, so that its key can be used again; one at
        work stays. E_SITE_JOB_BUSY when the process cannot be ended."""
        with self._lock:
            job = self._jobs.get((kind, key))
            ending = [one for one in self._workers if (one.job.kind, one.job.key) == (kind, key)]
        if any(one.job.state == RUNNING for one in ending):
            return
        if not all(self._is_ended(one) for one in ending):
            raise Refused("E_SITE_JOB_BUSY", kind=kind)
        with self._lock:
            if job is not None and self._jobs.get((kind, key)) is job:
                del self._jobs[kind, key]

    def _is_ended(self, worker: _Worker) -> bool:
        """Whether a process that was asked to end is gone; one that takes its time is killed."""
        if worker.gone.wait(_END_SECONDS):
            return True
        with self._lock:
            if worker in self._workers:
                worker.process.kill()
        return worker.gone.wait(_END_SECONDS)

    def get(self, kind: str, key: str) -> Job:
        """The job; E_SITE_JOB_UNKNOWN."""
        with self._lock:
            job = self._jobs.get((kind, key))
        if job is None:
            raise Refused("E_SITE_JOB_UNKNOWN", kind=kind, key=key[:40])
        return job

    def all(self, kind: str) -> list[Job]:
        """Every job of a kind that is remembered, newest first."""
        with self._lock:
            return [job for job in reversed(self._jobs.values()) if job.kind == kind]

    def running(self, kind: str) -> Job | None:
        """The job of a kind that is at work."""
        return next((job for job in self.all(kind) if job.state == RUNNING), None)

    def cancel(self, kind: str, key: str) -> Job:
        """End a job's process; a job that has ended stays as it is. E_SITE_JOB_UNKNOWN."""
        job = self.get(kind, key)
        with self._lock:
            for worker in self._workers:
                if worker.job is job and job.state == RUNNING:
                    job.state = CANCELLED
                    worker.process.terminate()
        return job

    def wait(self, kind: str, key: str, seconds: int) -> Job:
        """The job when it has ended, or as it is after so many seconds: for tests and for programs."""
        job = self.get(kind, key)
        for one in list(self._listeners):
            if job.state == RUNNING:
                one.join(seconds)
        return job

    def close(self) -> None:
        """End every process, then do what `at_close` asks for."""
        with self._lock:
            workers = list(self._workers)
            for worker in workers:
                if worker.job.state == RUNNING:
                    worker.job.state = CANCELLED
                    worker.process.terminate()
        for worker in workers:
            self._is_ended(worker)
        for one in self._listeners:
            one.join(_END_SECONDS)
        while self.at_close:
            self.at_close.pop()()

    def _listen(self, worker: _Worker, connection: Connection) -> None:
        over = False
        while not over:
            try:
                word = connection.recv()
            except (EOFError, OSError):
                word = ("refused", "E_SITE_JOB_DIED", {"kind": worker.job.kind})
            with self._lock:
                over = self._hear(worker.job, word)
        connection.close()
        worker.process.join()
        with self._lock:
            self._workers.remove(worker)
            worker.process.close()
        worker.gone.set()
        self._changed()

    @staticmethod
    def _hear(job: Job, word: tuple[Any, ...]) -> bool:
        """Take a word in; whether it was the last."""
        kind, *rest = word
        if kind == "step":
            job.done, job.of, job.text = rest
            return False
        if job.state == RUNNING and kind == "done":
            job.result, job.done, job.state = rest[0], job.of, DONE
        elif job.state == RUNNING:
            job.code, job.facts, job.state = rest[0], rest[1], FAILED
        return True


def _work(work: Work, given: tuple[Any, ...], parent: Connection) -> None:
    """The worker's side: do it, and say how it ended."""
    try:
        result = work(*given, lambda done, of, text: parent.send(("step", done, of, text)))
        parent.send(("done", result))
    except TengeError as error:
        parent.send(("refused", error.code, dict(error.facts)))
    parent.close()
