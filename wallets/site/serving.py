"""The web server under the site: many threads, because every listening wallet holds one for as long as it listens.

Plain on this computer; with a certificate it speaks TLS, which phones need before they let a page make keys or use the
camera. Sizes and times are bounded by the server before the application sees anything (`wallets.site.guard`).

A first Ctrl-C or polite kill begins a graceful end, a second one ends the process at once: the stores survive that, and
whoever asks twice means it.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cheroot.ssl.builtin import BuiltinSSLAdapter

from wallets.site.guard import Guard, GuardedServer
from wallets.web.server import bound

THREADS = 340
MAX_BODY_BYTES = 2 * 1_048_576
MAX_HEADER_BYTES = 16_384
QUIET_SECONDS = 30
STOP_SECONDS = 5
DRAIN_SECONDS = 20
LOOK_SECONDS = 0.2

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Certificate(NamedTuple):
    """Where a certificate and its private key lie."""

    certificate: Path
    key: Path


def make_server(
    app: Wsgi, host: str, port: int, certificate: Certificate | None = None, guard: Guard | None = None
) -> GuardedServer:
    """A server that listens already, and serves after `serve`; E_SERVE_ADDRESS."""
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
    server.keep_alive_conn_limit = 1_000
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


def serve_until_stopped(server: GuardedServer, stopped: threading.Event) -> None:
    """Serve in a thread of its own until the event is set."""
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    while thread.is_alive() and not stopped.wait(LOOK_SECONDS):
        pass
