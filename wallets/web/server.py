"""`tenge stage`: the stage alone, behind a web server on this computer, until Ctrl-C.

Rules kept here:

- without another wish it listens on this computer only; on any other address it says loudly that there is no login;
- keys that follow from a seed never leave this computer;
- nothing secret is printed: the address, the folder, and how to stop.
"""

import ipaddress
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import waitress

from cbdc.errors import Refused, Unavailable
from cbdc.ports import SystemClock, SystemEntropy, checkpoint_from_environment
from wallets.web.app import LOCAL_NAMES, MAX_REQUEST_BYTES, Door, create_app
from wallets.web.stage import Stage

Say = Callable[[str], object]

THREADS = 4
MAX_HEADER_BYTES = 16_384
WARNING = """\
WARNING: the stage listens on {host}. Everybody who reaches this computer can press every
         button, reset and clone included: there is no login, because this is test money.
         Do this only in a network you trust, such as a classroom's."""


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this computer only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_wildcard(host: str) -> bool:
    """Whether a host means every address of this computer."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return not host


def url(host: str, port: int) -> str:
    """The address to open in a browser."""
    if is_wildcard(host):
        host = "localhost"
    return f"http://[{host}]:{port}/" if ":" in host else f"http://{host}:{port}/"


def serve(host: str, port: int, data: Path | None, store: str, say: Say, seed: int | None = None) -> int:
    """Run the stage until it is stopped; the exit code. `port` 0 takes a free one; `seed` is for tests.

    Raises E_SERVE_SEEDED, E_SERVE_ADDRESS, and what `Stage` raises.
    """
    if seed is not None and not is_loopback(host):
        raise Refused("E_SERVE_SEEDED", host=host)
    stage = Stage(SystemClock(), seed, data, store, checkpoint_from_environment())
    try:
        server = _listen(stage, host, port)
        try:
            with suppress(KeyboardInterrupt), stopped_politely():
                _announce(say, host, int(server.effective_port), data)
                server.run()
        finally:
            server.close()
    finally:
        stage.close()
    say("Stopped." if data is None else f"Stopped; the stage is kept in {data.as_posix()}.")
    return 0


def _listen(stage: Stage, host: str, port: int) -> Any:
    quiet_queue()
    door = Door(LOCAL_NAMES | {host.lower()}, is_wildcard(host), f"tenge_stage_{port}")
    app = create_app(stage, SystemEntropy(), door)
    # Bound here and not by the library, which leaves sockets behind when it cannot bind.
    listener = bound(host, port)
    return waitress.create_server(
        app,
        sockets=[listener],
        threads=THREADS,
        ident="",
        max_request_body_size=4 * MAX_REQUEST_BYTES,
        max_request_header_size=MAX_HEADER_BYTES,
        channel_timeout=30,
    )


def quiet_queue() -> None:
    """Silence the web server's "queue depth" warnings: they are about load, and pages say themselves when they wait."""
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def bound(host: str, port: int) -> socket.socket:
    """A listening socket on one address of the host, IPv4 first: two would be two servers, perhaps on two ports."""
    try:
        if not 0 <= port < 1 << 16:
            raise ValueError("a port is a number from 0 to 65535")
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, _, _, _, address = min(found)
        return socket.create_server((str(address[0]), port), family=family)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise Unavailable("E_SERVE_ADDRESS", host=host, port=port, problem=problem) from None


def _announce(say: Say, host: str, port: int, data: Path | None) -> None:
    if not is_loopback(host):
        say(WARNING.format(host=host))
    say(f"The stage is at {url(host, port)}")
    say("It lives in memory only." if data is None else f"It is kept in {data.as_posix()}.")
    say("Test money; not affiliated with the National Bank of Kazakhstan. Stop with Ctrl-C.")
    sys.stdout.flush()


@contextmanager
def stopped_politely() -> Iterator[None]:
    """Let a polite kill end the server as Ctrl-C does."""

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: whoever runs us here stops us
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
