"""Who watches a server: a WSGI application around another one that counts, logs, and lets the last ones out.

    watch = Watch(application, Metrics(), clock, entropy, log)
    watch.drain()              from now on new requests are refused: E_DRAINING, try again
    watch.wait_until_idle(20)  whether what was begun has ended within so many seconds

Rules kept here:

- every request has an id that is made here and answered in the header `Tenge-Request`; what a client calls a request
  is not believed and not written down;
- of a request only names of ours are kept: the route that took it (`cbdc.http.server.ROUTE`), the code of its
  refusal, the caller's key (sixteen digits); what no route took is the route `none`, so a stranger invents no rows;
- a request is under way until its answer has been sent or given up, streams included;
- while it drains, the server still says that it is alive (`/v1/health`) and that it is not ready (`/v1/ready`).
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from cbdc.errors import TengeError, Unavailable
from cbdc.http.server import CALLER, CODE, ROUTE, problem
from cbdc.operations.logs import Log
from cbdc.operations.metrics import Metrics
from cbdc.ports import Entropy, stopwatch

REQUEST_HEADER = "Tenge-Request"
NO_ROUTE = "none"
OPEN_WHILE_DRAINING = frozenset({"/v1/health", "/v1/ready", "/v1/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"})
_MICROSECONDS = 1_000_000

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class Watch:
    """The application around `application`. `entropy` makes the ids of this process's requests."""

    def __init__(self, application: Wsgi, metrics: Metrics, entropy: Entropy, log: Log | None = None) -> None:
        self._application = application
        self._log = log
        self._name = entropy.bytes("request ids", b"", 4).hex()
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._number = 0
        self._active = 0
        self._draining = False
        self._requests = metrics.counter("tenge_requests", "Requests answered.", "route", "status")
        self._refusals = metrics.counter("tenge_refusals", "Refusals by code.", "code")
        self._seconds = metrics.histogram("tenge_request_seconds", "How long answers took.", "route")
        metrics.gauge("tenge_requests_under_way", "Requests begun and not ended.", lambda: self._active)
        metrics.gauge(
            "tenge_draining", "1 while the server lets the last ones out.", lambda: int(self._draining)
        )

    # --- draining ---

    @property
    def draining(self) -> bool:
        """Whether new requests are refused."""
        return self._draining

    @property
    def active(self) -> int:
        """How many requests are under way."""
        return self._active

    def drain(self) -> None:
        """Refuse new requests from now on."""
        self._draining = True

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until nothing is under way, so many seconds at most; whether that is so."""
        with self._idle:
            return self._idle.wait_for(lambda: self._active == 0, timeout=seconds)

    # --- requests ---

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        with self._lock:
            self._number += 1
            self._active += 1
            one = _Request(self, environ, f"{self._name}-{self._number}")
        try:
            if self._draining and environ.get("PATH_INFO") not in OPEN_WHILE_DRAINING:
                environ[CODE] = "E_DRAINING"
                refused = problem(_draining(), "en")
                refused.headers["Connection"] = "close"
                return one.sent(refused(environ, one.starting(start_response)))
            return one.sent(self._application(environ, one.starting(start_response)))
        except BaseException:
            one.end(500)
            raise

    def unreadable(self, status: int) -> None:
        """Count and log what was no request that an application could be asked: the web server refused it itself."""
        self._note(f"{self._name}-0", "OTHER", {}, status, 0)

    def broken(self, kind: str, level: str) -> None:
        """The web server met an error of its own: the kind, and nothing of its text."""
        if self._log is not None:
            self._log.request(id=f"{self._name}-0", error=kind, level_number=level)

    def _note(self, name: str, method: str, environ: dict[str, Any], status: int, microseconds: int) -> None:
        route, code = str(environ.get(ROUTE, NO_ROUTE)), str(environ.get(CODE, ""))
        self._requests.add(route, str(status))
        self._seconds.see(microseconds / _MICROSECONDS, route)
        if code:
            self._refusals.add(code)
        if self._log is not None:
            self._log.request(
                id=name,
                method=method if method in _METHODS else "OTHER",
                route=route,
                status=status,
                microseconds=microseconds,
                caller=str(environ.get(CALLER, "")),
                code=code,
            )

    def _ended(self, one: "_Request", status: int) -> None:
        method = str(one.environ.get("REQUEST_METHOD", ""))
        microseconds = int((stopwatch() - one.begun) * _MICROSECONDS)
        self._note(one.name, method, one.environ, status, microseconds)
        with self._idle:
            self._active -= 1
            self._idle.notify_all()


def _draining() -> TengeError:
    return Unavailable("E_DRAINING")


class _Request:
    """One request under way; it ends once, whoever ends it."""

    def __init__(self, watch: Watch, environ: dict[str, Any], name: str) -> None:
        self._watch = watch
        self.environ = environ
        self.name = name
        self.begun = stopwatch()
        self._status = 0
        self._ended = False

    def starting(self, start_response: Callable[..., Any]) -> Callable[..., Any]:
        """`start_response` with the request's id among the headers."""

        def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
            self._status = int(status.split(" ", 1)[0])
            named = [*headers, (REQUEST_HEADER, self.name)]
            return start_response(status, named, exc_info) if exc_info else start_response(status, named)

        return start

    def sent(self, answer: Iterable[bytes]) -> Iterable[bytes]:
        """The answer, which tells when it has been sent or given up."""
        return _Answer(answer, self)

    def end(self, status: int = 0) -> None:
        """It is over."""
        if not self._ended:
            self._ended = True
            self._watch._ended(self, status or self._status)


class _Answer:
    def __init__(self, answer: Iterable[bytes], one: _Request) -> None:
        self._answer = answer
        self._one = one

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answer)

    def close(self) -> None:
        """Sent, or given up: let the application clean up, and end the request."""
        try:
            close = getattr(self._answer, "close", None)
            if close is not None:
                close()
        finally:
            self._one.end()
