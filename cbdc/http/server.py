"""The institutions as a web application: `create_app(system, extensions=())`.

One thing happens to every request, in this order: count it against its client address; judge the size of its body
before reading it; take the arguments apart; let the handler make **one** call of the system, one request at a time
(the ledger has one writer); answer. Whatever goes wrong becomes a problem with a code. What nobody foresaw becomes
E_INTERNAL with an incident number; the details go to the log and to nobody else.

An extension is more routes: `create_app(system, [offline_routes])`. They share the limits, the lock and the document.
"""

import json
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from cbdc.errors import LANGUAGES, Malformed, Refused, TengeError, Unavailable
from cbdc.http import wire
from cbdc.http.api import Api, Institutions
from cbdc.http.routes import SCHEMAS, Ask, RateLimit, Route, fingerprint, openapi
from cbdc.ports import Clock, SystemClock

log = logging.getLogger("cbdc.http")

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
class Limits:
    """How much one client address may ask: requests a second and in a burst. Assumptions of this sandbox."""

    per_second: int = 50
    burst: int = 200


class _Server:
    """What all requests share."""

    def __init__(
        self,
        system: Institutions,
        real_clock: Clock,
        limits: Limits,
        lock: AbstractContextManager[object] | None,
    ) -> None:
        self._system = system
        self._clock = real_clock
        self._rate = RateLimit(real_clock, limits.per_second, limits.burst)
        self._lock = threading.Lock() if lock is None else lock
        self._counting = threading.Lock()
        self._incidents = 0

    def answer(self, route: Route, arguments: Mapping[str, str]) -> Response:
        """The answer to the present request; never an exception."""
        language = request.accept_languages.best_match(LANGUAGES) or "en"
        try:
            with self._counting:
                self._rate.take(request.remote_addr or "")
            body = _body(route) if route.takes else b""
            ask = Ask(
                request.method,
                request.path,
                arguments,
                dict(request.headers),
                body,
                language,
                self._system.ledger,
                self._clock,
            )
            with self._lock if route.waits else nullcontext():
                return _written(route.handler(ask), 200, wire.JSON)
        except TengeError as refusal:
            return problem(refusal, language)
        except HTTPException as refusal:
            return _not_here(refusal)
        except Exception:
            number = self._incident(route)
            log.exception("incident %s at %s %s", number, route.method, route.path)
            return problem(Unavailable("E_INTERNAL", incident=number), language)

    def _incident(self, route: Route) -> str:
        self._incidents += 1
        return fingerprint(f"{route.operation} {self._clock.now()} {self._incidents}")


def create_app(
    system: Institutions,
    extensions: Sequence[Extension] = (),
    real_clock: Clock | None = None,
    limits: Limits | None = None,
    lock: AbstractContextManager[object] | None = None,
) -> Flask:
    """The web application over a system. `real_clock` judges proofs and rates; money never reads it.

    `lock` is held around each handler and around nothing else, so that a slow body holds up nobody; whoever serves
    more than this application over the same system gives the lock that all of it shares. What it raises when it is
    entered is answered like a handler's refusal.
    """
    app = Flask("cbdc", static_folder=None)
    app.url_map.merge_slashes = False
    server = _Server(system, real_clock or SystemClock(), limits or Limits(), lock)
    schemas = dict(SCHEMAS)
    routes = Api(system).routes()
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
    app.register_error_handler(HTTPException, _not_here)
    app.after_request(_safe)
    return app


def _view(server: _Server, route: Route) -> Callable[..., Response]:
    def view(**arguments: str) -> Response:
        return server.answer(route, arguments)

    return view


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
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return Response(text, status=status, content_type=media)


def problem(error: TengeError, language: str) -> Response:
    """A refusal as an answer."""
    response = _written(wire.write_problem(error, language), wire.status_of(error), wire.PROBLEM)
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
