"""Jobs side by side, each in a process of its own that tells through a pipe how far it is.

A server that has loaded the sandbox once spares each process the loading, where the system has such a server. Whoever
stops listening (Ctrl-C among the reasons) ends every process first; what a job had written by then is its own affair.
"""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

J = TypeVar("J")
N = TypeVar("N")

_FORKSERVER = "forkserver" in multiprocessing.get_all_start_methods()


def side_by_side(
    jobs: Iterable[J],
    workers: int,
    work: Callable[..., None],
    given: Callable[[J], tuple[Any, ...]],
    hear: Callable[[Connection, J, BaseProcess], tuple[N | None, bool]],
) -> Iterator[N]:
    """Play the jobs, `workers` at a time; what is heard of them, as it comes.

    A process calls `work` with what `given` says of its job and the end of a pipe. `hear` reads one word from the
    other end: the news, if it is any, and whether it was the last of that job. What `hear` raises ends everything.
    """
    left = list(jobs)
    at_work: dict[Connection, tuple[J, BaseProcess]] = {}
    try:
        while left or at_work:
            while left and len(at_work) < workers:
                job = left.pop(0)
                here, there = multiprocessing.Pipe(duplex=False)
                at_work[here] = (job, start(work, (*given(job), there)))
                there.close()
            for ready in wait(list(at_work)):
                assert isinstance(ready, Connection)
                news, ended = hear(ready, *at_work[ready])
                if ended:
                    _end(ready, at_work.pop(ready)[1])
                if news is not None:
                    yield news
    finally:
        for _, process in at_work.values():
            process.terminate()
        for connection, (_, process) in at_work.items():
            _end(connection, process)


def start(work: Callable[..., None], given: tuple[Any, ...]) -> BaseProcess:
    """A process that calls `work` with these arguments, begun; it ends with this one at the latest."""
    process: BaseProcess
    if _FORKSERVER:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([work.__module__])
        process = context.Process(target=work, args=given, daemon=True)
    else:
        process = multiprocessing.get_context("spawn").Process(target=work, args=given, daemon=True)
    process.start()
    return process


def _end(connection: Connection, process: BaseProcess) -> None:
    process.join()
    process.close()
    connection.close()
