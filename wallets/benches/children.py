"""The processes of a benchmark: the host of the ledger, and the clients that come over HTTP.

Each is told what to do through a pipe and answers when it is done. What a host refuses comes back as the same refusal;
a process that died is E_BENCH_PROCESS.
"""

import multiprocessing
import signal
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any

from cbdc.errors import Refused, Unavailable
from wallets.benches import host
from wallets.benches.http_client import Clients, Heard

Tell = Callable[[str], None]


class Child:
    """A process that does what it is told, one thing after another."""

    def __init__(self, work: Callable[..., None], given: tuple[Any, ...], name: str) -> None:
        self._name = name
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=work, args=(*given, theirs), daemon=False)
        self._process.start()
        theirs.close()

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid or 0

    def tell(self, command: str, *given: Any, heard: Tell = lambda text: None) -> Any:
        """Give a command and wait for its answer; what is told meanwhile goes to `heard`."""
        try:
            with suppress(BrokenPipeError):  # why it has ended may still be in the pipe
                self._pipe.send((command, given))
            while True:
                kind, value = self._pipe.recv()
                if kind == "told":
                    heard(value)
                elif kind == "failed":
                    code, facts = value
                    raise Refused(code, **facts)
                else:
                    return value
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self._process.join(timeout=5)
            raise Unavailable(
                "E_BENCH_PROCESS", process=self._name, exit=self._process.exitcode or 0
            ) from None

    def end(self) -> None:
        """Let it go; it ends by itself when its pipe is closed, or is ended."""
        self._pipe.close()
        self._process.join(timeout=20)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


class HostChild(Child):
    """A process with the ledger at `url`, and a twin of its store when `twin_url` names one."""

    def __init__(self, url: str, twin_url: str, holders: int) -> None:
        super().__init__(host.run, (url, twin_url, holders), "ledger")


class ClientChild(Child):
    """A process with the clients that come over HTTP."""

    def __init__(self) -> None:
        super().__init__(visit, (), "clients")

    def play(self, port: int, count: int, requests: Sequence[bytes]) -> Heard:
        """`count` clients send these requests."""
        heard: Heard = self.tell("play", port, count, list(requests))
        return heard


def visit(pipe: Connection) -> None:
    """Play for whoever is at the other end of the pipe, until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        while True:
            _, (port, count, requests) = pipe.recv()
            pipe.send(("done", Clients(port, count).play(requests)))
    except (EOFError, BrokenPipeError):
        pass
    finally:
        pipe.close()
