"""`tenge serve`: the sandbox's site behind a web server on this computer, until Ctrl-C.

Rules kept here:

- without another wish it listens on this computer only, and shows the demo users' passcodes on the sign-in pages; on
  any other address the passcodes are printed in the terminal alone;
- keys that follow from a seed never leave this computer;
- a class has TLS, since phones make no keys without it, and a door for as many students as were named;
- the stage is made when somebody first opens it.
"""

import ipaddress
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from threading import Lock
from typing import Any

from cbdc.errors import Refused
from cbdc.ports import Clock, SystemClock, SystemEntropy, checkpoint_from_environment
from wallets.site.app import Options
from wallets.site.classroom import REGION, open_class
from wallets.site.serving import Wsgi, make_server, serve_until_stopped
from wallets.site.tls import AUTHORITY_FILE, addresses_of_this_computer, make_certificate
from wallets.site.whole import Whole
from wallets.site.world import World
from wallets.web.app import LOCAL_NAMES, Door
from wallets.web.app import create_app as create_stage_app
from wallets.web.server import Say, is_loopback, is_wildcard, url
from wallets.web.stage import Stage

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
    host: str, port: int, data: Path | None, store: str, say: Say, seed: int | None = None, seats: int = 0
) -> int:
    """Run the site until it is stopped; the exit code. `port` 0 takes a free one; `seed` is for tests.

    With `seats` it is a class: TLS by a certificate made now, on every address of this computer unless `host` names
    one. Raises E_SERVE_SEEDED, E_SERVE_ADDRESS, E_SETTING, and what `World` raises.
    """
    if seats and is_loopback(host):
        host = "0.0.0.0"  # noqa: S104 - what a class is for, and said loudly
    if seed is not None and not is_loopback(host):
        raise Refused("E_SERVE_SEEDED", host=host)
    clock = SystemClock()
    world = World(clock, seed, data, store, checkpoint_from_environment())
    names, any_address = LOCAL_NAMES | {host.lower()}, is_wildcard(host)
    folder = None if data is None else data / "stage"
    stage = LazyStage(clock, seed, folder, Door(names, any_address, f"tenge_stage_{port}"))
    door = Door(names, any_address, f"tenge_site_{port}")
    with tempfile.TemporaryDirectory(prefix="tenge-class-") as certificates:
        try:
            options, certificate = Options(door, show_passcodes=is_loopback(host)), None
            if seats:
                open_class(world, seats)
                made = addresses_of_this_computer() if any_address else [ipaddress.ip_address(host)]
                certificate = make_certificate(Path(certificates), made, clock.now(), SystemEntropy())
                options = Options(door, secure=True, authority=Path(certificates) / AUTHORITY_FILE)
            whole = Whole(world, SystemEntropy(), clock, options, stage)
            server = make_server(whole, host, port, certificate)
            whole.partners.start()
            world.on_reset.append(lambda: _begin_anew(say, host, world, seats))
            try:
                _announce(say, host, int(server.bind_addr[1]), data, world, seats)
                serve_until_stopped(server)
            finally:
                world.hub.close()
                whole.partners.close()
                server.stop()
        finally:
            stage.close()
            world.close()
    say("Stopped." if data is None else f"Stopped; the sandbox is kept in {data.as_posix()}.")
    return 0


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
