"""The whole server as one WSGI application: the site, the HTTP interface, the stage, over one world.

A path decides: `/v1/...` is the HTTP interface, `/stage/...` the stage, everything else the site. What of `/v1/`
belongs to the site itself (the news of a wallet, the desks' operations as JSON) goes there first. After every request
that may have changed something, whoever waits for news is told.

What only submits goes through a pipeline (`cbdc.ledger.pipeline`) and waits for no desk's turn: those who come during a
commit share the next one. Its verifying processes start when the first long batch comes, so a sandbox that only serves
people never has them. A reset lets those inside out first; whoever comes then is told to come again.

A wallet names itself in the header `Tenge-Wallet`. It proves nothing and opens nothing: it is how an outage of this
sandbox finds the wallets that it cuts off.
"""

import gzip
from collections.abc import Callable, Iterable
from functools import lru_cache
from threading import Event, Lock
from typing import Any

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from cbdc.errors import TengeError
from cbdc.http.api import Api, Piped
from cbdc.http.call_nonces import FileNonces
from cbdc.http.offices import SCHEMAS as OFFICE_SCHEMAS
from cbdc.http.offices import OfficeApi, supervisor_certificate
from cbdc.http.participants import SCHEMAS as PARTICIPANT_SCHEMAS
from cbdc.http.participants import ParticipantApi
from cbdc.http.routes import SCHEMAS, Route
from cbdc.http.server import CODE, ROUTE, Extension, Limits, problem
from cbdc.http.server import create_app as create_interface
from cbdc.http.signed_calls import CallDoor, Knows
from cbdc.ledger.pipeline import Pipeline
from cbdc.operations.backup import CALLS_FILE
from cbdc.operations.metrics import Metrics
from cbdc.operations.readiness import Readiness
from cbdc.operations.routes import OperationsApi, ledger_figures
from cbdc.ports import Clock, Entropy, ManualClock, SeededEntropy, stopwatch
from cbdc.system import System
from wallets.site import (
    chart,
    class_pages,
    examples,
    interface,
    pages,
    reference,
    wallet_files,
    wallet_interface,
)
from wallets.site.app import MAX_FORM_BYTES, Options, Site
from wallets.site.document import make_document
from wallets.site.partners import Partners
from wallets.site.serving import Wsgi
from wallets.site.world import World
from wallets.web.app import Door
from wallets.web.words import choose_language

LIMITS = Limits(per_second=400, burst=4_000)
CAPACITY = 4_000
"""How many transactions may be on their way into the ledger at once: four full batches. An assumption."""

_LOOK_SECONDS, _OUT_SECONDS = 0.01, 10
WALLET_HEADER = "HTTP_TENGE_WALLET"
_PACKED = (
    "text/",
    "application/javascript",
    "application/json",
    "image/svg+xml",
    "application/manifest+json",
    "application/wasm",
)
_LEAST_PACKED = 600
_FILES = frozenset({"static", "wallet", "wallet file", "wallet words"})


def create_site(
    world: World, entropy: Entropy, real_clock: Clock, options: Options | None = None
) -> tuple[Flask, Site]:
    """The site alone; `entropy` makes the names of sessions, `real_clock` judges their age and the rates."""
    app = Flask("wallets.site", static_folder="static", template_folder="templates")
    app.url_map.merge_slashes = False
    app.config.update(MAX_CONTENT_LENGTH=MAX_FORM_BYTES, MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    site = Site(world, entropy, real_clock, options or Options())
    site.words.install(app.jinja_env)
    chart.install(app.jinja_env)
    app.before_request(_note_route)
    app.before_request(site.enter)
    app.after_request(_packed)
    app.after_request(site.leave)
    app.register_error_handler(TengeError, site.refusal)
    app.register_error_handler(HTTPException, site.http_refusal)
    app.register_error_handler(Exception, site.broken)
    pages.install(app, site)
    wallet_files.install(app, site)
    interface.install(app, site)
    class_pages.install(app, site)
    return app, site


def _note_route() -> None:
    """The pattern that took the request, for whoever watches the server."""
    if request.url_rule is not None:
        request.environ[ROUTE] = request.url_rule.rule


def _pack(data: bytes) -> bytes:
    return gzip.compress(data, 6, mtime=0)


# A first visit to the wallet asks for some fifty files, and every visitor for the same ones.
_packed_file = lru_cache(maxsize=256)(_pack)


def _packed(response: Response) -> Response:
    """Text travels compressed where the browser can take it; streams and small answers do not."""
    wanted = "gzip" in request.headers.get("Accept-Encoding", "")
    kind = response.mimetype or ""
    if response.is_streamed and response.direct_passthrough and kind.startswith(_PACKED):
        response.direct_passthrough = False  # a file of ours: small enough to read
    if not wanted or response.status_code != 200 or kind == "text/event-stream":
        return response
    if not kind.startswith(_PACKED) or "Content-Encoding" in response.headers:
        return response
    data = response.get_data()
    if len(data) < _LEAST_PACKED:
        return response
    response.set_data(_packed_file(data) if request.endpoint in _FILES else _pack(data))
    response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    return response


class Whole:
    """The dispatcher. `stage` is the stage's application, or None; `metrics` are the figures it serves.

    `knows_authority` says under which names institutions may ask; until a server says its own, those of this computer.
    `workers` processes verify long batches, none when it is 0; `capacity` bounds what is on its way into the ledger.
    `close` ends them and leaves the world open.
    """

    def __init__(
        self,
        world: World,
        entropy: Entropy,
        real_clock: Clock,
        options: Options | None = None,
        stage: Wsgi | None = None,
        limits: Limits = LIMITS,
        metrics: Metrics | None = None,
        workers: int = 0,
        capacity: int = CAPACITY,
    ) -> None:
        self.world = world
        self.metrics = metrics or Metrics()
        self._workers, self._capacity = workers, capacity
        ledger_figures(self.metrics, lambda: world.system.ledger)
        self.draining: Callable[[], bool] = lambda: False
        self.readiness = Readiness(
            lambda: world.system.ledger, world.clock, real_clock, world.folder, self._is_draining
        )
        self._operations = OperationsApi(self.readiness, self.metrics).extension()
        self.app, self.site = create_site(world, entropy, real_clock, options)
        self._real_clock = real_clock
        self._limits = limits
        self.knows_authority: Knows = Door().knows
        self._nonces: FileNonces | None = None
        if world.folder is not None:
            self._nonces = FileNonces(world.folder / CALLS_FILE, real_clock.now())
            world.on_close.append(self._nonces.close)
        self.partners = Partners(world, real_clock)
        self._document: dict[str, Any] = {}
        self._documenting = Lock()
        reference.install(self.app, self.site, self.document)
        self._mounts = DispatcherMiddleware(self.app, {} if stage is None else {"/stage": stage})
        self._interface: Wsgi = self._make_interface()
        self.metrics.gauge(
            "tenge_transactions_waiting", "Transactions on their way.", lambda: self.pipeline.waiting
        )
        world.before_reset.append(self.close)
        world.on_reset.append(self._begin_anew)

    def _make_interface(self) -> Wsgi:
        turn = wallet_interface.Turn(self.world)
        system = self.world.system
        self.pipeline = Pipeline(system.ledger, workers=self._workers, capacity=self._capacity, late=True)
        piped = Piped(system, self.pipeline)
        return create_interface(
            piped, self._extensions(), self._real_clock, self._limits, turn, self._calls(system)
        )

    def _calls(self, system: System) -> CallDoor:
        """Who may sign calls: the certificates of entry 0, and the supervisor's beside them."""
        root = system.authority.root.record
        supervisor = supervisor_certificate(system.keys, system.network, root.not_before, root.expires)
        return CallDoor(
            system.authority,
            self.world.clock,
            self._real_clock,
            [supervisor],
            knows=self._knows,
            nonces=self._nonces,
        )

    def extension_routes(self) -> list[Route]:
        """Every route of the interface beyond those of the institutions."""
        return [route for extension in self._extensions() for route in extension.routes]

    def _extensions(self) -> list[Extension]:
        participants = Extension(ParticipantApi(self.world.system).routes(), PARTICIPANT_SCHEMAS)
        offices = Extension(OfficeApi(self.world.system).routes(), OFFICE_SCHEMAS)
        ours = [self.partners.extension(), participants, offices, self._operations]
        return [*wallet_interface.extensions(self.world), *ours]

    def _knows(self, authority: str) -> bool:
        return self.knows_authority(authority)

    def _is_draining(self) -> bool:
        return self.draining()

    def document(self) -> dict[str, Any]:
        """The OpenAPI document of everything under `/v1/`, made when it is first asked for."""
        with self._documenting:
            if not self._document:
                routes, schemas = Api(self.world.system).routes(), dict(SCHEMAS)
                for extension in self._extensions():
                    routes += extension.routes
                    schemas |= extension.schemas
                plain = make_document(routes, schemas, self.site.table)
                found = examples.examples_of(self.examples(), plain)
                self._document = make_document(routes, schemas, self.site.table, found)
            return self._document

    @staticmethod
    def examples() -> list[examples.Traffic]:
        """The story of the examples, played in a world of its own that is in memory and stands still."""
        clock, entropy = ManualClock(examples.START), SeededEntropy(examples.SEED)
        world, much = World(clock, examples.SEED), 1_000_000
        try:
            own = Whole(
                world, entropy, clock, Options(per_second=much, burst=much), limits=Limits(much, much)
            )
            return examples.play(world, own, clock, own.partners, own.site.table)
        finally:
            world.close()

    def close(self) -> None:
        """Take no more transactions, let those inside be answered, and end the verifying processes."""
        self.pipeline.close()
        until = stopwatch() + _OUT_SECONDS
        while self.pipeline.waiting and stopwatch() < until:
            Event().wait(_LOOK_SECONDS)

    def _begin_anew(self) -> None:
        self._interface = self._make_interface()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        path = str(environ.get("PATH_INFO", ""))
        try:
            self.world.require_wallets_network(str(environ.get(WALLET_HEADER, "")))
        except TengeError as cut:
            environ[CODE] = cut.code
            spoken = choose_language("", str(environ.get("HTTP_ACCEPT_LANGUAGE", "")))
            return problem(cut, spoken)(environ, start_response)
        if not path.startswith("/v1/") or self._is_ours(path):
            return self._mounts(environ, start_response)
        answer = self._interface(environ, start_response)
        if environ.get("REQUEST_METHOD") not in ("GET", "HEAD") or self.world.has_news:
            self.world.changed()
        return answer

    @staticmethod
    def _is_ours(path: str) -> bool:
        return (
            path.startswith(("/v1/roles/", "/v1/sessions"))
            or path in reference.PATHS
            or (path.startswith("/v1/wallets/") and path.endswith("/events"))
        )
