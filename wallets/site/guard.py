"""The web server's guard: whoever sends slowly, endlessly or from too many sides at once is let go before any work.

    head    a request's line and headers arrive within 10 seconds in all, whatever comes drop by drop
    body    a body arrives within 30 seconds in all
    sides   one address has at most 64 requests whose head is still coming
    lines   the lines between the pieces of a body without a stated length are short, so nothing grows in memory
    queue   512 connections wait for a thread; the next ones hear 503 at once

All numbers are assumptions of ours. A socket's own time limit starts anew with every byte, so one thread looks at every
connection that is being read, twice a second, and closes its reading side when its time is over; the thread that waited
for it is free at once. What the web server refuses by itself is told to `unreadable`, to be counted and logged.
"""

import socket
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from cheroot.errors import MaxSizeExceeded
from cheroot.server import HTTPConnection, HTTPRequest, SizeCheckWrapper
from cheroot.wsgi import Server

from cbdc.operations.metrics import Metrics
from cbdc.ports import stopwatch

HEAD_SECONDS = 10
BODY_SECONDS = 30
MOST_READING = 64
MOST_WAITING = 512
LOOK_SECONDS = 0.5
_QUEUE_SECONDS = 0.05

Unreadable = Callable[[int], None]


def unheard(status: int) -> None:
    """Nobody counts."""


class Guard:
    """Which connections are being read, since when, and for how many addresses."""

    def __init__(
        self,
        head_seconds: float = HEAD_SECONDS,
        body_seconds: float = BODY_SECONDS,
        most_reading: int = MOST_READING,
    ) -> None:
        self.head_seconds = head_seconds
        self.body_seconds = body_seconds
        self._most_reading = most_reading
        self._lock = threading.Lock()
        self._heads: Counter[str] = Counter()
        self._reading: dict[Any, tuple[float, Callable[[], bool]]] = {}
        self._late: set[Any] = set()
        self._stopped = threading.Event()
        self.closed = 0

    @property
    def reading(self) -> int:
        """How many connections are being read."""
        return len(self._reading)

    def begin_head(self, connection: Any) -> bool:
        """A connection begins to send a request; False when its address has too many that do."""
        address = str(connection.remote_addr)
        with self._lock:
            if self._heads[address] >= self._most_reading:
                return False
            self._heads[address] += 1
            self._reading[connection] = (stopwatch() + self.head_seconds, lambda: True)
        return True

    def end_head(self, connection: Any) -> None:
        """The head is there, or given up."""
        address = str(connection.remote_addr)
        with self._lock:
            self._reading.pop(connection, None)
            self._heads[address] -= 1
            if self._heads[address] <= 0:
                del self._heads[address]

    def begin_body(self, connection: Any, unread: Callable[[], bool]) -> None:
        """A body is on its way; `unread` says whether some of it is still missing."""
        with self._lock:
            self._reading[connection] = (stopwatch() + self.body_seconds, unread)

    def end_body(self, connection: Any) -> None:
        """The request is over."""
        with self._lock:
            self._reading.pop(connection, None)
            self._late.discard(connection)

    def is_late(self, connection: Any) -> bool:
        """Whether the guard closed this connection's reading side."""
        return connection in self._late

    def look(self) -> None:
        """Close the reading side of every connection whose time is over."""
        now = stopwatch()
        with self._lock:
            late = [one for one, (until, unread) in self._reading.items() if now > until and unread()]
            for connection in late:
                del self._reading[connection]
                self._late.add(connection)
        for connection in late:
            self.closed += 1
            with suppress(OSError):
                connection.socket.shutdown(socket.SHUT_RD)

    def forget(self, connection: Any) -> None:
        """The connection is closed."""
        with self._lock:
            self._late.discard(connection)

    def start(self) -> None:
        """Look again and again, in a thread of its own, until `stop`."""
        threading.Thread(target=self._watch, name="guard", daemon=True).start()

    def _watch(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            self.look()

    def stop(self) -> None:
        """Look no more."""
        self._stopped.set()


class _Pieces(SizeCheckWrapper):
    """The pieces of a body without a stated length; too much is an error of reading, which applications know."""

    def _check_length(self) -> None:
        try:
            super()._check_length()  # type: ignore[misc]  # the stubs do not know it
        except MaxSizeExceeded:
            raise OSError("too large") from None


class _Request(HTTPRequest):
    """A request whose reading is guarded."""

    def parse_request(self) -> None:
        guard: Guard = self.server.guard
        if not guard.begin_head(self.conn):
            self.simple_response("429 Too Many Requests", "Too many requests of this address are being sent.")
            return
        try:
            super().parse_request()
        finally:
            guard.end_head(self.conn)
            guard.forget(self.conn)

    def respond(self) -> None:
        guard: Guard = self.server.guard
        plain = self.conn.rfile
        if self.chunked_read:
            # The library reads the line before each piece whole, however long it is.
            self.conn.rfile = _Pieces(plain, self.server.max_request_body_size)
        guard.begin_body(self.conn, self._unread)
        try:
            super().respond()
        finally:
            guard.end_body(self.conn)
            self.conn.rfile = plain

    def _unread(self) -> bool:
        if self.chunked_read:
            return not getattr(self.rfile, "closed", True)
        return bool(getattr(self.rfile, "remaining", 0))

    def simple_response(self, status: object, msg: str = "") -> None:
        told = "408 Request Timeout" if self.server.guard.is_late(self.conn) else str(status)
        self.server.unreadable(int(told[:3]))
        super().simple_response(told, msg)


class _Connection(HTTPConnection):
    RequestHandlerClass = _Request


class GuardedServer(Server):
    """The web server with its guard. `unreadable` hears the status of what no application was asked."""

    ConnectionClass = _Connection

    def __init__(self, *arguments: Any, guard: Guard, **named: Any) -> None:
        queue: dict[str, Any] = {
            "accepted_queue_size": MOST_WAITING,
            "accepted_queue_timeout": _QUEUE_SECONDS,
        }
        super().__init__(*arguments, **(queue | named))
        self.guard = guard
        self.unreadable: Unreadable = unheard
        self.broken: Callable[[str, str], None] = lambda kind, level: None

    def error_log(self, msg: str = "", level: int = 20, traceback: bool = False) -> None:
        """The kind of an error and nothing of its text, which may quote a request."""
        kind = sys.exc_info()[0]
        self.broken("" if kind is None else kind.__name__, str(level))

    def tell_figures(self, metrics: Metrics) -> None:
        """Let the figures of a running server have what the web server itself knows."""
        line, guard = self.requests, self.guard
        metrics.gauge("tenge_connections_waiting", "Connections that wait for a thread.", lambda: line.qsize)
        metrics.gauge("tenge_threads_idle", "Threads that wait for a connection.", lambda: line.idle)
        metrics.gauge("tenge_connections_read", "Connections that are being read.", lambda: guard.reading)
        metrics.gauge("tenge_connections_slow", "Connections let go for being slow.", lambda: guard.closed)

    def prepare(self) -> None:
        """Listen, and begin to look."""
        super().prepare()
        self.guard.start()

    def stop(self) -> None:
        """Stop, and look no more."""
        super().stop()
        self.guard.stop()
