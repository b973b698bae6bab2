"""The regulator's four measures of the corridor, counted from the event log alone: volume, behaviour, compliance,
resilience.

Which figures make up each measure is not published; those below are our choice. Everything is a whole number: shares
in basis points, times in seconds, and each division drops its broken part. Clients are counted by pseudonym, so the
same person at two providers is one.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cbdc.corridor.events import Event
from cbdc.corridor.rates import BASIS_POINTS

_HANDLED = ("accepted", "held", "refused")


class Measures(NamedTuple):
    """The report: each measure is a flat table of names and whole numbers."""

    volume: dict[str, int]
    behaviour: dict[str, int]
    compliance: dict[str, int]
    resilience: dict[str, int]


def measure(events: Sequence[Event], differences: int = 0) -> Measures:
    """The four measures of these events; `differences` is what the reconciliations of the period found."""
    accepted = [event for event in events if event.outcome == "accepted"]
    return Measures(
        _volume(accepted),
        _behaviour(accepted),
        _compliance(events),
        _resilience(events, accepted, differences),
    )


def _volume(accepted: Sequence[Event]) -> dict[str, int]:
    """Orders and amounts, by kind and by provider."""
    rows: Counter[str] = Counter()
    for event in accepted:
        rows[f"{event.kind}.orders"] += 1
        rows[f"{event.kind}.tiyn"] += event.tiyn
        rows[f"{event.provider}.orders"] += 1
    return dict(sorted(rows.items()))


def _behaviour(accepted: Sequence[Event]) -> dict[str, int]:
    """Who uses it and how: clients, orders and deposits for each, how much the largest client makes of it."""
    orders, funded = Counter[bytes](), Counter[bytes]()
    for event in accepted:
        orders[event.client] += 1
        if event.kind == "fund":
            funded[event.client] += event.usd_cents
    total = sum(funded.values())
    return {
        "clients": len(orders),
        "orders_a_client": sum(orders.values()) // max(1, len(orders)),
        "deposit_usd_cents_a_client": total // max(1, len(funded)),
        "largest_client_basis_points": max(funded.values(), default=0) * BASIS_POINTS // max(1, total),
    }


def _compliance(events: Iterable[Event]) -> dict[str, int]:
    """What was refused and by which code, what was held and what became of it, what travelled with transfers."""
    rows: Counter[str] = Counter()
    for event in events:
        if event.outcome == "refused":
            rows[f"refused.{event.code}"] += 1
        elif event.outcome == "held":
            rows[f"held.{event.code}"] += 1
        elif event.outcome in ("released", "account frozen"):
            rows[event.outcome.replace(" ", "_")] += 1
        rows["orders"] += int(event.outcome in _HANDLED)
    return dict(sorted(rows.items()))


def _resilience(events: Iterable[Event], accepted: Sequence[Event], differences: int) -> dict[str, int]:
    """Calls that nobody answered, how long orders took, and what did not reconcile."""
    waits = [event.time - event.asked for event in accepted]
    return {
        "unanswered": sum(1 for event in events if event.outcome == "unanswered"),
        "seconds_longest": max(waits, default=0),
        "seconds_mean": sum(waits) // max(1, len(waits)),
        "completed_late": sum(1 for wait in waits if wait > 0),
        "differences": differences,
    }
