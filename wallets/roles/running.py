"""How a role is run: a watched web application until it is asked to stop, or until something in it says so.

Rules kept here: a first Ctrl-C or polite kill drains, as with the sandbox (`wallets.site.server`); who drains is not
ready; nothing is printed but where it is and what it is.
"""

import sys
from collections.abc import Callable, Iterable
from threading import Event
from typing import Any

from cbdc.http.server import CODE
from cbdc.operations.logs import Log
from cbdc.operations.metrics import Metrics
from cbdc.operations.watch import Watch
from cbdc.ports import SystemEntropy
from wallets.site.serving import Serving, Wsgi, make_server, serve_until_stopped
from wallets.web.server import Say, url

FENCED = "E_STORE_FENCED"


class EndsWhenFenced:
    """The application around a writer's: when a request met E_STORE_FENCED, it is time to stop."""

    def __init__(self, application: Wsgi, stopped: Event) -> None:
        self._application = application
        self._stopped = stopped
        self.fenced = False

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        answer = self._application(environ, start_response)
        if environ.get(CODE) == FENCED:
            self.fenced = True
            self._stopped.set()
        return answer


def run(
    make: Callable[[Callable[[], bool]], Wsgi],
    host: str,
    port: int,
    serving: Serving,
    metrics: Metrics,
    say: Say,
    stopped: Event,
    bound: Callable[[int], object] = lambda port: None,
) -> None:
    """Serve what `make` makes (it is told how to ask whether the server drains) until `stopped` is set.

    `bound` is told the port before the first request is taken.
    Raises E_SERVE_ADDRESS, E_SERVE_SERVER, E_LOG_FILE, and what `make` raises.
    """
    lost = metrics.counter("tenge_log_lines_lost", "Log lines that could not be written.")
    log = Log(serving.log, lost.add) if serving.log else None
    watches: list[Watch] = []
    try:
        watch = Watch(make(lambda: watches[0].draining), metrics, SystemEntropy(), log)
        watches.append(watch)
        server = make_server(watch, host, port, kind=serving.server)
        server.unreadable, server.broken = watch.unreadable, watch.broken
        server.tell_figures(metrics)
        try:
            bound(int(server.bind_addr[1]))
            say(f"At {url(host, int(server.bind_addr[1]))}")
            say("Test money; not affiliated with the National Bank of Kazakhstan. Stop with Ctrl-C.")
            sys.stdout.flush()
            serve_until_stopped(server, stopped)
            watch.drain()
            watch.wait_until_idle(serving.drain_seconds)
        finally:
            server.stop()
    finally:
        if log is not None:
            log.close()
