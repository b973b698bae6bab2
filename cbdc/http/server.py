"""The institutions as a web application: `create_app(system, extensions=())`.

One thing happens to every request, in this order: count it against its client address, also when it leads nowhere;
judge the size of its body before reading it; take the arguments apart; see who signed it, where an institution must;
let the handler make **one** call of the system, one request at a time (the ledger has one writer); answer. Whatever
goes wrong becomes a problem with a code. What nobody foresaw becomes E_INTERNAL with an incident number; the details
go to the log and to nobody else.

For whoever watches the server from outside (`cbdc.operations.watch`) a request notes its route, its code and its
caller's key in the WSGI environment, under `ROUTE`, `CODE` and `CALLER`: names of ours, never what was sent.

What is posted plainly to the two writing routes takes a short way (`cbdc.http.short_way`), with the same answers.

An extension is more routes: `create_app(system, [offline_routes])`. They share the limits, the lock and the document.
"""

import json
import logging
import threading
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from flask import Flask, Response, has_request_context, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from cbdc.authority import Auth
from cbdc.errors import LANGUAGES, Malformed, Refused, TengeError, Unavailable
from cbdc.gateway import Gateway
from cbdc.http import wire
from cbdc.http.api import Api, Institutions, Piped, Submits, writing_routes
from cbdc.http.routes import SCHEMAS, Ask, RateLimit, Route, fingerprint, openapi
from cbdc.http.short_way import COUNTED, ShortWay
from cbdc.http.signed_calls import CallDoor, Message, check_bank
from cbdc.ports import Clock, SystemClock

log = logging.getLogger("cbdc.http")

ROUTE = "tenge.route"
CODE = "tenge.code"
CALLER = "tenge.caller"
PASSED = "/v1/{passed}"
_PASSED_ON = (wire.PROOF_HEADER, "Accept-Language")
_PLAIN_QUERY = "".join(map(chr, range(0x21, 0x7F)))
LOCAL_ADDRESSES = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})

SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class Extension:
    """More routes, and the schemas of their answers."""

    routes: Sequence[Route]
    schemas: Mapping[str, wire.Json]


@dataclass(frozen=True, slots=True)
class Text:
    """An answer that is no JSON."""

    text: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one client address may ask: requests a second and in a burst. Assumptions of this sandbox."""

    per_second: int = 50
    burst: int = 200


class _Server:
    """What all requests share."""

    def __init__(
        self,
        gateway: Gateway,
        real_clock: Clock,
        limits: Limits,
        lock: AbstractContextManager[object] | None,
        calls: CallDoor | None,
    ) -> None:
        self._gateway = gateway
        self._clock = real_clock
        self._calls = calls
        self._rate = RateLimit(real_clock, limits.per_second, limits.burst)
        self.lock = threading.Lock() if lock is None else lock
        self._counting = threading.Lock()
        self._incidents = 0

    def answer(self, route: Route, arguments: Mapping[str, str]) -> Response:
        """The answer to the present request; never an exception."""
        language = request.accept_languages.best_match(LANGUAGES) or "en"
        try:
            request.environ[ROUTE] = route.path
            body = _body(route) if route.takes else b""
            ask = Ask(
                request.method,
                request.path,
                arguments,
                dict(request.headers),
                body,
                language,
                self._gateway,
                self._clock,
                self._admitted(route, body),
            )
            if route.scope and ask.caller is not None:
                check_bank(ask.caller, ask.number(route.scope))
            with self.lock if route.waits else nullcontext():
                return _written(route.handler(ask), 200, route.media)
        except TengeError as refusal:
            return problem(refusal, language)
        except HTTPException as refusal:
            return _not_here(refusal)
        except Exception:
            number = self._incident(route)
            log.exception("incident %s at %s %s", number, route.method, route.path)
            return problem(Unavailable("E_INTERNAL", incident=number), language)

    def count(self) -> Response | None:
        """Count the present request against its address, before anything else; the refusal when it has too many."""
        if request.environ.get(COUNTED):
            return None
        try:
            self.take(request.remote_addr or "")
        except TengeError as refusal:
            return problem(refusal, request.accept_languages.best_match(LANGUAGES) or "en")
        return None

    def take(self, address: str) -> None:
        """Count a request against its address; E_HTTP_RATE."""
        with self._counting:
            self._rate.take(address)

    def _admitted(self, route: Route, body: bytes) -> Auth | None:
        """The certificate of who signed the present request, on a route that asks for one."""
        if not route.roles:
            return None
        if route.local and _is_local():
            return None
        if self._calls is None:
            raise Refused("E_CALL_KEY", keyid="")
        query = request.query_string.decode("ascii", "replace")
        headers = dict(request.headers.items())
        sent = body if route.takes else None
        message = Message(request.method, request.host, request.path, query, headers, sent)
        caller = self._calls.admit(message, route.roles)
        request.environ[CALLER] = caller.kid.hex()[:16]
        return caller

    def _incident(self, route: Route) -> str:
        self._incidents += 1
        return fingerprint(f"{route.operation} {self._clock.now()} {self._incidents}")


def create_app(
    system: Institutions,
    extensions: Sequence[Extension] = (),
    real_clock: Clock | None = None,
    limits: Limits | None = None,
    lock: AbstractContextManager[object] | None = None,
    calls: CallDoor | None = None,
) -> Flask:
    """The web application over a system. `real_clock` judges proofs and rates; money never reads it.

    `lock` is held around each handler and around nothing else, so that a slow body holds up nobody; whoever serves
    more than this application over the same system gives the lock that all of it shares. What it raises when it is
    entered is answered like a handler's refusal. `calls` judges the calls of institutions; without it nobody is let in
    where one must have signed.
    """
    server = _Server(system.ledger, real_clock or SystemClock(), limits or Limits(), lock, calls)
    writer, turn = (
        (system.pipeline, nullcontext()) if isinstance(system, Piped) else (system.ledger, server.lock)
    )
    return _application(server, Api(system).routes(), extensions, writer, turn)


def create_front(
    front: Submits,
    gateway: Gateway,
    passed: Callable[[str, Mapping[str, str]], tuple[int, str, bytes]],
    extensions: Sequence[Extension],
    real_clock: Clock,
    limits: Limits,
) -> Flask:
    """The web application of a front end: it submits to `front`, and passes on what is read.

    `passed(path with query, headers)` is what the writer answers to a GET under `/v1/` that no route here takes:
    status, media type and body. `gateway` is the ledger behind the writer.
    """
    server = _Server(gateway, real_clock, limits, None, None)
    app = _application(server, writing_routes(front), extensions, front, nullcontext())

    def view(rest: str) -> Response:
        request.environ[ROUTE] = PASSED
        try:
            # Percent-encoded again: a decoded line break or a letter outside ASCII is no path, and says nothing of a
            # writer.
            query = urllib.parse.quote(request.query_string, safe=_PLAIN_QUERY)
            path = urllib.parse.quote(request.path) + (f"?{query}" if query else "")
            headers = {name: request.headers[name] for name in _PASSED_ON if name in request.headers}
            status, media, body = passed(path, headers)
        except TengeError as refusal:
            return problem(refusal, request.accept_languages.best_match(LANGUAGES) or "en")
        return Response(body, status=status, content_type=media)

    app.add_url_rule("/v1/<path:rest>", "passed", view, methods=["GET"], provide_automatic_options=False)
    return app


def _application(
    server: _Server,
    routes: list[Route],
    extensions: Sequence[Extension],
    writer: Submits,
    turn: AbstractContextManager[object],
) -> Flask:
    app = Flask("cbdc", static_folder=None)
    app.url_map.merge_slashes = False
    schemas = dict(SCHEMAS)
    for extension in extensions:
        routes += extension.routes
        schemas.update(extension.schemas)
    document: wire.Json = {}
    routes.append(
        Route(
            "GET",
            "/v1/openapi.json",
            "This interface as an OpenAPI document.",
            lambda ask: document,
            "Document",
        )
    )
    document.update(openapi(routes, schemas))
    for route in routes:
        app.add_url_rule(
            route.rule,
            route.operation,
            _view(server, route),
            methods=[route.method],
            provide_automatic_options=False,
        )
    app.before_request(server.count)
    app.register_error_handler(HTTPException, _not_here)
    app.after_request(_safe)
    app.wsgi_app = ShortWay(  # type: ignore[assignment, method-assign]
        app.wsgi_app, writer, server.take, turn, SAFE_HEADERS, _note
    )
    return app


def _note(environ: dict[str, Any], route: str, code: str) -> None:
    """Tell whoever watches what the short way was asked and what it refused."""
    environ[ROUTE] = route
    if code:
        environ[CODE] = code


def _view(server: _Server, route: Route) -> Callable[..., Response]:
    def view(**arguments: str) -> Response:
        return server.answer(route, arguments)

    return view


def _is_local() -> bool:
    """Whether the present request is unsigned and was made on this computer, and not through a proxy on it."""
    named = ("Signature", "Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
    return request.remote_addr in LOCAL_ADDRESSES and not any(name in request.headers for name in named)


def _body(route: Route) -> bytes:
    """The body of a POST: E_SIZE before anything is read, E_HTTP_MEDIA for another content type."""
    size = request.content_length or 0
    if size > route.limit_bytes:
        raise Malformed("E_SIZE", size_bytes=size, limit_bytes=route.limit_bytes)
    if request.mimetype != wire.CANONICAL:
        raise Malformed("E_HTTP_MEDIA", media=request.mimetype[:80], expected=wire.CANONICAL)
    # A body without a stated length is cut off silently at the limit, so one byte more is read, to see it.
    request.max_content_length = route.limit_bytes + 1
    body = request.get_data(cache=False)
    if len(body) > route.limit_bytes:
        raise Malformed("E_SIZE", size_bytes=len(body), limit_bytes=route.limit_bytes)
    return body


def _written(value: object, status: int, media: str) -> Response:
    if isinstance(value, Text):
        return Response(value.text, status=status, content_type=media)
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return Response(text, status=status, content_type=media)


def problem(error: TengeError, language: str) -> Response:
    """A refusal as an answer."""
    if has_request_context():
        request.environ[CODE] = error.code
    response = _safe(_written(wire.write_problem(error, language), wire.status_of(error), wire.PROBLEM))
    if response.status_code in (429, 503):
        response.headers["Retry-After"] = "1"
    return response


def _not_here(error: HTTPException) -> Response:
    """What the web framework itself refuses, in our words."""
    language = request.accept_languages.best_match(LANGUAGES) or "en"
    if isinstance(error, MethodNotAllowed):
        refusal: TengeError = Refused("E_HTTP_METHOD", method=request.method[:16], path=request.path[:120])
    elif isinstance(error, NotFound):
        refusal = Refused("E_HTTP_PATH", method=request.method[:16], path=request.path[:120])
    else:
        refusal = Malformed("E_HTTP_ARGUMENT", name="request", value=type(error).__name__)
    response = problem(refusal, language)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return response


def _safe(response: Response) -> Response:
    for name, value in SAFE_HEADERS.items():
        response.headers.setdefault(name, value)
    return response
