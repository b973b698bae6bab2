"""How a front end is: alive by itself, ready when a writer is, and its figures.

A front that has no writer is alive: whoever starts it again helps nobody. Figures are for programs on this computer.
"""

from collections.abc import Callable

from cbdc.http import wire
from cbdc.http.front import Front
from cbdc.http.routes import Ask, Route
from cbdc.http.server import Extension
from cbdc.http.writers import Writers
from cbdc.operations.metrics import Metrics
from cbdc.operations.readiness import Readiness
from cbdc.operations.routes import OperationsApi


class FrontReadiness(Readiness):
    """Ready when it does not drain and its writer is ready."""

    def __init__(self, writers: Writers, draining: Callable[[], bool]) -> None:
        self._writers = writers
        self._draining = draining

    def failing(self) -> list[str]:
        """The names of the checks that fail."""
        found = {"draining": not self._draining(), "writer": self._writers.is_ready()}
        return [name for name, good in found.items() if not good]


def front_figures(metrics: Metrics, front: Front, writers: Writers) -> None:
    """What a front has to tell."""
    metrics.gauge(
        "tenge_transactions_waiting",
        "Transactions on their way into the ledger.",
        lambda: front.waiting,
    )
    metrics.gauge("tenge_writers_left", "How often another writer was tried.", lambda: writers.moved)


def front_routes(front: Front, writers: Writers, metrics: Metrics, draining: Callable[[], bool]) -> Extension:
    """`/v1/health`, `/v1/ready` and `/v1/metrics` of a front."""

    def health(ask: Ask) -> wire.Json:
        """That it is alive, and the newest head that it passed on."""
        newest = front.newest
        return {
            "status": "ok",
            "network": front.network.hex(),
            "entries": 0 if newest is None else newest.size,
            "time": 0 if newest is None else newest.time,
        }

    operations = OperationsApi(FrontReadiness(writers, draining), metrics).extension()
    alive = Route(
        "GET",
        "/v1/health",
        "Which network this front serves, and the newest head that it passed on (0 before the first).",
        health,
        "Health",
        waits=False,
    )
    return Extension([alive, *operations.routes], operations.schemas)
