"""Jobs side by side, each in a process of its own that tells through a pipe how far it is.

A server that has loaded the sandbox once spares each process the loading, where the system has such a server. Whoever
stops listening (Ctrl-C among the reasons) ends every process first; what a job had written by then is its own affair.
One that is killed takes its processes along, so that whoever goes on finds nobody at work in the same folder.
"""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
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
                here, there = multiprocessing.Pipe(duplex=False)
                with _no_ctrl_c():
                    at_work[here] = (left[0], start(work, (*given(left[0]), there)))
                left.pop(0)
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
    """A process that calls `work` with these arguments, begun. It ends with this one at the latest.

    Ctrl-C is not for it but for whoever started it.
    """
    process: BaseProcess
    if _FORKSERVER:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload([work.__module__])
        process = context.Process(target=_begin, args=(work, given), daemon=True)
    else:
        process = multiprocessing.get_context("spawn").Process(target=_begin, args=(work, given), daemon=True)
    process.start()
    return process


def _begin(work: Callable[..., None], given: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _mask("SIG_UNBLOCK")
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        work(*given)
    except BrokenPipeError:
        parent = multiprocessing.parent_process()
        if parent is None or parent.is_alive():
            raise


def _end_with_the_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


@contextmanager
def _no_ctrl_c() -> Iterator[None]:
    """Ctrl-C waits: between its start and its place in a list, a process would be forgotten.

    The server that starts processes is begun with the signal blocked, and never hears it.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    heard: list[int] = []
    signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    _mask("SIG_BLOCK")
    try:
        yield
    finally:
        _mask("SIG_UNBLOCK")
        signal.signal(signal.SIGINT, before)
    if heard:
        signal.raise_signal(signal.SIGINT)


def _mask(how: str) -> None:
    if hasattr(signal, "pthread_sigmask"):  # not on Windows
        signal.pthread_sigmask(getattr(signal, how), [signal.SIGINT])


def _end(connection: Connection, process: BaseProcess) -> None:
    process.join()
    process.close()
    connection.close()
