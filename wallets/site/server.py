"""`tenge serve`: the sandbox's site behind a web server on this computer, until Ctrl-C.

Rules kept here:

- without another wish it listens on this computer only, and shows the demo users' passcodes on the sign-in pages; on
  any other address the passcodes are printed in the terminal alone;
- keys that follow from a seed never leave this computer;
- a class has TLS, since phones make no keys without it, and a door for as many students as were named;
- the stage is made when somebody first opens it;
- transactions meet in a pipeline, whose verifying processes start with the first long batch;
- a first Ctrl-C or polite kill drains: new requests are refused, readiness says no, what runs may finish within a
  limit, the stores are closed, and the exit code is 0; a second one ends the process at once.
"""

import ipaddress
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock
from typing import Any

from cbdc.errors import Refused
from cbdc.http.signed_calls import named
from cbdc.institutions import OverKeys
from cbdc.operations.alone import alone, alone_at
from cbdc.operations.counted_store import CommitFigures
from cbdc.operations.logs import Log
from cbdc.operations.metrics import Metrics
from cbdc.operations.watch import Watch
from cbdc.ports import Clock, SystemClock, SystemEntropy, checkpoint_from_environment
from cbdc.private import make_folder
from offline.bulk.work import all_cores
from wallets.site.app import Options
from wallets.site.authorities import authorities_of
from wallets.site.classroom import REGION, open_class
from wallets.site.serving import (
    Certificate,
    Serving,
    Wsgi,
    check_server,
    make_server,
    serve_until_stopped,
    stopping,
)
from wallets.site.tls import AUTHORITY_FILE, addresses_of_this_computer, make_certificate
from wallets.site.whole import Whole
from wallets.site.world import World
from wallets.web.app import LOCAL_NAMES, Door
from wallets.web.app import create_app as create_stage_app
from wallets.web.server import Say, is_loopback, is_wildcard, url
from wallets.web.stage import Stage

LOCK = "serve.lock"
WARNING = """\
WARNING: the sandbox listens on {host}. Everybody who reaches this computer can open it;
         desks need the passcodes below. Do this only in a network you trust, such as a classroom's."""


class LazyStage:
    """The stage's application, made at its first request."""

    def __init__(self, clock: Clock, seed: int | None, folder: Path | None, door: Door) -> None:
        self._clock = clock
        self._seed = seed
        self._folder = folder
        self._door = door
        self._lock = Lock()
        self._stage: Stage | None = None
        self._app: Wsgi | None = None

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request of the stage."""
        with self._lock:
            if self._app is None:
                self._stage = Stage(self._clock, self._seed, self._folder, "", checkpoint_from_environment())
                self._app = create_stage_app(self._stage, SystemEntropy(), self._door)
        return self._app(environ, start_response)

    def close(self) -> None:
        """Release the stage, if there is one."""
        with self._lock:
            if self._stage is not None:
                self._stage.close()


def serve(
    host: str,
    port: int,
    data: Path | None,
    store: str,
    say: Say,
    seed: int | None = None,
    seats: int = 0,
    serving: Serving | None = None,
) -> int:
    """Run the site until it is stopped; the exit code. `port` 0 takes a free one; `seed` is for tests.

    With `seats` it is a class: TLS by a certificate made now, on every address of this computer unless `host` names
    one. Raises E_STORE_UNAVAILABLE when another server has the folder, E_SERVE_SEEDED, E_SERVE_ADDRESS, E_SERVE_SERVER,
    E_SETTING, E_LOG_FILE, and what `World` and `Keeping` raise.
    """
    serving, metrics = serving or Serving(), Metrics()
    check_server(serving.server, certified=bool(seats))
    if seats and is_loopback(host):
        host = "0.0.0.0"  # noqa: S104 - what a class is for, and said loudly
    if seed is not None and not is_loopback(host):
        raise Refused("E_SERVE_SEEDED", host=host)
    lost = metrics.counter("tenge_log_lines_lost", "Log lines that could not be written.")
    log = Log(serving.log, lost.add) if serving.log else None
    try:
        with stopping() as stopped, _alone(data), alone_at(store), serving.keeping.opened_keys() as keys:
            step = serving.keeping.clock_step_seconds
            place = _Place(host, port, data, store, seed, seats, keys, step)
            _serve(place, say, serving, (metrics, log), stopped)
    finally:
        if log is not None:
            log.close()
    say("Stopped." if data is None else f"Stopped; the sandbox is kept in {data.as_posix()}.")
    return 0


def _alone(data: Path | None) -> AbstractContextManager[None]:
    """The sandbox's folder for this server only; E_STORE_UNAVAILABLE."""
    if data is None:
        return nullcontext()
    make_folder(data)
    return alone(data, LOCK, "another server keeps its sandbox in this folder")


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the site is served, and from which stores."""

    host: str
    port: int
    data: Path | None
    store: str
    seed: int | None
    seats: int
    keys: OverKeys
    clock_step_seconds: int

    def door(self, name: str) -> Door:
        """The names that a part answers to."""
        return Door(LOCAL_NAMES | {self.host.lower()}, is_wildcard(self.host), f"tenge_{name}_{self.port}")


def _serve(
    place: _Place, say: Say, serving: Serving, watched: tuple[Metrics, Log | None], stopped: Event
) -> None:
    clock, (metrics, log) = SystemClock(), watched
    counted = CommitFigures(metrics).over
    world = World(
        clock,
        place.seed,
        place.data,
        place.store,
        checkpoint_from_environment(),
        counted,
        place.keys,
        place.clock_step_seconds,
    )
    folder = None if place.data is None else place.data / "stage"
    stage = LazyStage(clock, place.seed, folder, place.door("stage"))
    with tempfile.TemporaryDirectory(prefix="tenge-class-") as certificates:
        try:
            door = place.door("site")
            options, certificate = Options(door, show_passcodes=is_loopback(place.host)), None
            if place.seats:
                certificate = _open_class(world, place, Path(certificates), clock)
                options = Options(door, secure=True, authority=Path(certificates) / AUTHORITY_FILE)
            workers = all_cores() if serving.workers is None else serving.workers
            whole = Whole(world, SystemEntropy(), clock, options, stage, metrics=metrics, workers=workers)
            watch = Watch(whole, metrics, SystemEntropy(), log)
            whole.draining = lambda: watch.draining
            server = make_server(watch, place.host, place.port, certificate, kind=serving.server)
            server.unreadable, server.broken = watch.unreadable, watch.broken
            port = int(server.bind_addr[1])
            names = authorities_of(place.host, port, bool(place.seats), serving.keeping.authorities)
            whole.knows_authority = named(names)
            server.tell_figures(metrics)
            whole.partners.start()
            world.on_reset.append(lambda: _begin_anew(say, place.host, world, place.seats))
            try:
                _announce(say, place.host, int(server.bind_addr[1]), place.data, world, place.seats)
                serve_until_stopped(server, stopped)
                watch.drain()
                world.hub.close()
                watch.wait_until_idle(serving.drain_seconds)
            finally:
                world.hub.close()
                whole.partners.close()
                server.stop()
                whole.close()
        finally:
            stage.close()
            world.close()


def _open_class(world: World, place: _Place, folder: Path, clock: Clock) -> Certificate:
    open_class(world, place.seats)
    host = place.host
    made = addresses_of_this_computer() if is_wildcard(host) else [ipaddress.ip_address(host)]
    return make_certificate(folder, made, clock.now(), SystemEntropy())


def _begin_anew(say: Say, host: str, world: World, seats: int) -> None:
    """After a fresh start the class is open again, and the desks have new passcodes."""
    if seats:
        open_class(world, seats)
    if not is_loopback(host):
        say("A new act has begun; the desks have new passcodes:")
        _tell_passcodes(say, world)
        sys.stdout.flush()


def _tell_passcodes(say: Say, world: World) -> None:
    for user in world.users.all():
        if user.region != REGION:
            say(f"  {user.role:14} {user.id:12} {world.users.passcode(user)}")


def _announce(say: Say, host: str, port: int, data: Path | None, world: World, seats: int = 0) -> None:
    if not is_loopback(host):
        say(WARNING.format(host=host))
        _tell_passcodes(say, world)
    address = url(host, port)
    if seats:
        address = address.replace("http://", "https://")
        reached = addresses_of_this_computer() if is_wildcard(host) else [ipaddress.ip_address(host)]
        for one in reached:
            if not one.is_loopback:
                shown = f"[{one}]" if one.version == 6 else str(one)
                say(f"Students open https://{shown}:{port}/class/   (seats: {seats})")
        say("Their browsers warn once: the certificate was made here, a moment ago.")
    say(f"The sandbox is at {address}")
    say("It lives in memory only." if data is None else f"It is kept in {data.as_posix()}.")
    say("Test money; not affiliated with the National Bank of Kazakhstan. Stop with Ctrl-C.")
    sys.stdout.flush()
