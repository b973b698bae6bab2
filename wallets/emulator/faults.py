"""A bad network, **simulated** in front of an application: the next request to a path meets what was armed for it.

    lose     the request never arrives: nothing is carried out, the client hears nothing (status 504)
    drop     it is carried out and the answer is lost (status 504)
    delay    the answer comes late
    twice    the network delivers the request twice; the client gets the second answer

A 504 without a body is what a gateway in between says when no answer comes.
"""

import io
import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

LOSE = "lose"
DROP = "drop"
DELAY = "delay"
TWICE = "twice"
KINDS = (LOSE, DROP, DELAY, TWICE)
DELAY_SECONDS = 1

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Fault(NamedTuple):
    """What the next request whose path begins so meets."""

    kind: str
    path: str


class BadNetwork:
    """The application behind a network that does what was armed, and is good otherwise."""

    def __init__(self, application: Wsgi, delay_seconds: int = DELAY_SECONDS) -> None:
        self._application = application
        self._delay_seconds = delay_seconds
        self._armed: deque[Fault] = deque()
        self._lock = threading.Lock()
        self.met = 0

    def arm(self, *faults: Fault) -> None:
        """These faults are met in this order; what was armed before is forgotten."""
        with self._lock:
            self._armed = deque(faults)

    def _take(self, path: str) -> str:
        with self._lock:
            if self._armed and path.startswith(self._armed[0].path):
                self.met += 1
                return self._armed.popleft().kind
        return ""

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request, or not."""
        kind = self._take(str(environ.get("PATH_INFO", "")))
        if kind == LOSE:
            return _nothing(start_response)
        if kind in (DROP, TWICE):
            size = int(environ.get("CONTENT_LENGTH") or 0)
            body = environ["wsgi.input"].read(size) if size else b""
            first = dict(environ) | {"wsgi.input": io.BytesIO(body)}
            for _ in self._application(first, lambda status, headers, info=None: None):
                pass
            if kind == DROP:
                return _nothing(start_response)
            environ = dict(environ) | {"wsgi.input": io.BytesIO(body)}
        if kind == DELAY:
            threading.Event().wait(self._delay_seconds)
        return self._application(environ, start_response)


def _nothing(start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("504 Gateway Timeout", [("Content-Length", "0"), ("Content-Type", "text/plain")])
    return [b""]
