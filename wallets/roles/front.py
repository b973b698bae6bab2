"""`tenge serve --role front`: a front end over HTTP. It keeps nothing, and may stand on any machine, as many as wanted.

Transactions go through `cbdc.http.front`; what is read is passed on to the writer as it was asked. It starts without a
writer too, and is ready when one is.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cbdc.http import wire
from cbdc.http.client import HttpGateway, Reply
from cbdc.http.front import Front
from cbdc.http.server import Limits, create_front
from cbdc.http.writers import Writers, transport_to
from cbdc.operations.front_routes import front_figures, front_routes
from cbdc.operations.metrics import Metrics
from cbdc.ports import SystemClock, SystemEntropy
from offline.bulk.work import all_cores
from wallets.roles.keys import read_front_key
from wallets.roles.running import run
from wallets.site.serving import Serving, Wsgi, stopping
from wallets.web.server import Say

CAPACITY = 4_000
LIMITS = Limits(per_second=400, burst=4_000)


class PassedOn:
    """Reads of a front as a transport of the library's client."""

    def __init__(self, writers: Writers) -> None:
        self._writers = writers

    def request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """What a writer answers to a GET; E_WRITER_AWAY."""
        assert method == "GET"
        return self._writers.read(path, headers)


def serve(host: str, port: int, writers: Sequence[str], key: Path, say: Say, serving: Serving) -> int:
    """Run a front end before these writers until it is stopped; the exit code.

    Raises E_PEER_DOWN for an address that is none, and what `read_front_key` and `run` raise.
    """
    clock, entropy, metrics = SystemClock(), SystemEntropy(), Metrics()
    given = read_front_key(key, clock.now())
    known = Writers([(url, transport_to(url)) for url in writers], given.signer, clock, entropy)
    workers = all_cores() if serving.workers is None else serving.workers
    front = Front(given.network, known, workers=workers, capacity=CAPACITY)
    front_figures(metrics, front, known)

    def make(draining: Callable[[], bool]) -> Wsgi:
        return application(front, known, metrics, draining)

    say(f"A front end of network {given.network.hex()}, before {len(writers)} writers.")
    with stopping() as stopped:
        try:
            run(make, host, port, serving, metrics, say, stopped)
        finally:
            front.close()
    say("Stopped.")
    return 0


def application(front: Front, writers: Writers, metrics: Metrics, draining: Callable[[], bool]) -> Wsgi:
    """The web application of a front end."""

    def passed(path: str, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
        reply = writers.read(path, headers)
        return reply.status, wire.JSON if reply.status == 200 else wire.PROBLEM, reply.body

    return create_front(
        front,
        HttpGateway(PassedOn(writers)),
        passed,
        [front_routes(front, writers, metrics, draining)],
        SystemClock(),
        LIMITS,
    )
