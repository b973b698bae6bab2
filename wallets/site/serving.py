"""The web server under the site: many threads, because every listening wallet holds one for as long as it listens.

Plain on this computer; with a certificate it speaks TLS, which phones need before they let a page make keys or use the
camera. Sizes and times are bounded by the server before the application sees anything (`wallets.site.guard`).

    cheroot      the default: a thread for each connection, TLS, and the guard
    waitress     one thread for all sockets, and workers; no TLS. It reads a request whole before a worker sees it, so
                 slow clients hold no thread; its limits are those of sizes and of 30 quiet seconds

A first Ctrl-C or polite kill begins a graceful end, a second one ends the process at once: the stores survive that, and
whoever asks twice means it.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import waitress
from cheroot.ssl.builtin import BuiltinSSLAdapter

from cbdc.errors import Refused
from cbdc.operations.metrics import Metrics
from wallets.site.guard import Guard, GuardedServer, unheard
from wallets.site.keeping import Keeping
from wallets.web.server import bound, quiet_queue

CHEROOT, WAITRESS, GRANIAN = "cheroot", "waitress", "granian"
SERVERS = (CHEROOT, WAITRESS, GRANIAN)
THREADS = 340
MOST_CONNECTIONS = 1_000
MAX_BODY_BYTES = 2 * 1_048_576
MAX_HEADER_BYTES = 16_384
QUIET_SECONDS = 30
STOP_SECONDS = 5
DRAIN_SECONDS = 20
LOOK_SECONDS = 0.2

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Serving:
    """How something is served, besides where.

    `log` is a file or `-` for standard error (empty: no log), `drain_seconds` bounds how long requests under way may
    take once the server is asked to stop, `workers` processes verify long batches (None: one a core; 0: none), `server`
    is one of `SERVERS`, `keeping` is under which names institutions may ask it, and where its keys lie.
    """

    log: str = ""
    drain_seconds: int = DRAIN_SECONDS
    workers: int | None = None
    server: str = CHEROOT
    keeping: Keeping = field(default_factory=Keeping)


class Certificate(NamedTuple):
    """Where a certificate and its private key lie."""

    certificate: Path
    key: Path


class WebServer(Protocol):
    """A server that listens. `unreadable` hears the status of what no application was asked, `broken` its errors."""

    bind_addr: Any
    unreadable: Callable[[int], None]
    broken: Callable[[str, str], None]

    def serve(self) -> None:
        """Serve until `stop`."""
        ...

    def stop(self) -> None:
        """Serve no more."""
        ...

    def tell_figures(self, metrics: Metrics) -> None:
        """Let the figures of a running server have what the web server itself knows."""
        ...


class WaitressServer:
    """waitress, as a `WebServer`. What it refuses by itself is counted nowhere."""

    def __init__(self, app: Wsgi, host: str, port: int) -> None:
        """Raises E_SERVE_ADDRESS."""
        quiet_queue()
        self._server = waitress.create_server(
            app,
            sockets=[bound(host, port)],
            threads=THREADS,
            ident="tenge",
            max_request_body_size=MAX_BODY_BYTES,
            max_request_header_size=MAX_HEADER_BYTES,
            channel_timeout=QUIET_SECONDS,
            connection_limit=MOST_CONNECTIONS,
        )
        self.bind_addr = (host, int(self._server.effective_port))
        self.unreadable: Callable[[int], None] = unheard
        self.broken: Callable[[str, str], None] = lambda kind, level: None

    def serve(self) -> None:
        """Serve until `stop`."""
        self._server.run()

    def stop(self) -> None:
        """Serve no more."""
        # A worker that answers while the sockets close would wake a server that is gone.
        self._server.task_dispatcher.shutdown(timeout=STOP_SECONDS)
        self._server.close()

    def tell_figures(self, metrics: Metrics) -> None:
        """Let the figures have how many requests wait for a thread."""
        line = self._server.task_dispatcher.queue
        metrics.gauge("tenge_connections_waiting", "Connections that wait for a thread.", lambda: len(line))


def check_server(kind: str, certified: bool = False) -> None:
    """Return if the sandbox can be served by this server, with a certificate or without; E_SERVE_SERVER."""
    problem = ""
    if kind not in SERVERS:
        problem = "it is none of " + ", ".join(SERVERS)
    elif kind == GRANIAN:
        problem = (
            "it starts an application in a process of its own, and the sandbox lives in this one;"
            " `pip install granian` has it for `tenge bench all --server granian`"
        )
    elif certified and kind != CHEROOT:
        problem = "it has no TLS, and a class needs it"
    if problem:
        raise Refused("E_SERVE_SERVER", server=kind, problem=problem)


def make_server(
    app: Wsgi,
    host: str,
    port: int,
    certificate: Certificate | None = None,
    guard: Guard | None = None,
    kind: str = CHEROOT,
) -> WebServer:
    """A server that listens already, and serves after `serve`; E_SERVE_ADDRESS, E_SERVE_SERVER."""
    check_server(kind, certificate is not None)
    if kind == WAITRESS:
        return WaitressServer(app, host, port)
    listener = bound(host, port)
    server = GuardedServer(
        listener.getsockname()[:2],
        app,
        numthreads=THREADS,
        server_name="tenge",
        request_queue_size=256,
        timeout=QUIET_SECONDS,
        shutdown_timeout=STOP_SECONDS,
        guard=guard or Guard(),
    )
    server.max_request_body_size = MAX_BODY_BYTES
    server.max_request_header_size = MAX_HEADER_BYTES
    server.keep_alive_conn_limit = MOST_CONNECTIONS
    server.software = "tenge"
    if certificate is not None:
        server.ssl_adapter = BuiltinSSLAdapter(str(certificate.certificate), str(certificate.key))
    listener.close()
    server.prepare()
    return server


@contextmanager
def running(
    app: Wsgi, host: str, port: int, certificate: Certificate | None = None, guard: Guard | None = None
) -> Iterator[int]:
    """A server in a thread of its own; yields its port."""
    server = make_server(app, host, port, certificate, guard)
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield int(server.bind_addr[1])
    finally:
        server.stop()
        thread.join(timeout=STOP_SECONDS + 5)


@contextmanager
def stopping() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C or polite kill sets; the second one ends the process at once.

    The signal sets a flag and raises nothing: an exception out of a signal may come up where nobody can pass it on (in
    a finaliser, say), and would be lost.
    """
    stopped = threading.Event()

    def stop(number: int, frame: object) -> None:
        if stopped.is_set():
            os._exit(128 + number)
        stopped.set()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def serve_until_stopped(server: WebServer, stopped: threading.Event) -> None:
    """Serve in a thread of its own until the event is set."""
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    while thread.is_alive() and not stopped.wait(LOOK_SECONDS):
        pass
