"""The web servers that the bench can put under the institutions' interface, by name, each in threads of this process.

cheroot      threads, one for each connection: what `tenge serve` uses
waitress     one thread for all sockets, and workers: what `tenge stage` uses
"""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import waitress
from cheroot.wsgi import Server
from waitress import wasyncore

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

MOST_BODY_BYTES = 2 * 1_048_576


@contextmanager
def _cheroot(app: Wsgi) -> Iterator[int]:
    server = Server(("127.0.0.1", 0), app, numthreads=80, request_queue_size=256, timeout=60)
    server.max_request_body_size = MOST_BODY_BYTES
    server.keep_alive_conn_limit = 1_000
    server.prepare()
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        yield int(server.bind_addr[1])
    finally:
        server.stop()
        thread.join(timeout=10)


@contextmanager
def _waitress(app: Wsgi, threads: int = 64) -> Iterator[int]:
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = waitress.create_server(
        app, host="127.0.0.1", port=0, threads=threads, ident="", channel_timeout=60
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield int(server.effective_port)
    finally:
        # A worker that answers while the sockets close would wake a server that is gone. And whoever closes a socket
        # that the loop waits for ends the loop by an error: so the loop's own thread closes all of them.
        server.task_dispatcher.shutdown(timeout=5)
        server.trigger.pull_trigger(lambda: wasyncore.close_all(server._map, ignore_all=True))
        thread.join(timeout=10)


SERVERS = {"cheroot": _cheroot, "waitress": _waitress}


def serving(name: str, app: Wsgi) -> Any:
    """A context that serves `app` with the server of that name on a free port of the loopback, and gives the port."""
    return SERVERS[name](app)
