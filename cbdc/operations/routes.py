"""How a server is, over HTTP: `/v1/ready` for whoever gives it work, `/v1/metrics` for whoever watches it.

Readiness is open to everybody and says no more than which check fails. Figures are for this computer, or for the
operator and the supervisor in signed calls: they show how much is done here, and by which refusals.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict

from cbdc.authority import OPERATOR, SUPERVISOR
from cbdc.http import wire
from cbdc.http.participants import CALL_CODES
from cbdc.http.routes import Ask, Route, object_schema
from cbdc.http.server import Extension, Text
from cbdc.ledger.ledger import Ledger
from cbdc.operations.metrics import MEDIA, Metrics
from cbdc.operations.readiness import Readiness

SCHEMAS: Mapping[str, wire.Json] = {
    "Ready": object_schema(status={"enum": ["ready"]}),
    "Figures": {"type": "string", "description": "Prometheus' text form"},
}


def ledger_figures(metrics: Metrics, ledger: Callable[[], Ledger]) -> None:
    """The gauges of a ledger: its supply by line, what does not add up (nothing), and how long its journal is."""

    def supply() -> dict[str, int]:
        return {name.removesuffix("_tiyn"): amount for name, amount in asdict(ledger().supply()).items()}

    def difference() -> int:
        table = ledger().supply()
        return table.outstanding_tiyn - table.held_tiyn

    metrics.gauges("tenge_supply_tiyn", "The supply table in tiyn.", "line", supply)
    metrics.gauge("tenge_conservation_difference_tiyn", "Outstanding minus held: 0, always.", difference)
    metrics.gauge("tenge_journal_entries", "Entries of the journal.", lambda: ledger().size)


class OperationsApi:
    """The handlers over one server's readiness and figures."""

    def __init__(self, readiness: Readiness, metrics: Metrics) -> None:
        self._readiness = readiness
        self._metrics = metrics

    def ready(self, ask: Ask) -> wire.Json:
        """Whether to give it work."""
        self._readiness.require()
        return {"status": "ready"}

    def figures(self, ask: Ask) -> Text:
        """Everything that is counted."""
        return Text(self._metrics.text())

    def extension(self) -> Extension:
        """The routes and their schemas."""
        ready = Route(
            "GET",
            "/v1/ready",
            "Whether this server should be given work: store, head, disk and clock are well, and it does not drain.",
            self.ready,
            "Ready",
            refusals=("E_NOT_READY",),
            waits=False,
        )
        figures = Route(
            "GET",
            "/v1/metrics",
            "What this server counts, in Prometheus' text form; on this computer without a signature.",
            self.figures,
            "Figures",
            roles=(OPERATOR, SUPERVISOR),
            local=True,
            waits=False,
            media=MEDIA,
            refusals=CALL_CODES,
        )
        return Extension([ready, figures], SCHEMAS)
