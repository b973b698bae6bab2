"""The topologies, and which of them with which mishaps are explored: a small set always, all of them on demand."""

import os

from tests.model.states import Payment, Scenario

FULL = os.environ.get("TENGE_MODEL", "") == "full"

# Name: (notes, payments, the devices that take part).
TOPOLOGIES: dict[str, tuple[tuple[tuple[int, int], ...], tuple[Payment, ...], tuple[int, ...]]] = {
    "one payment": (((0, 1),), (Payment(0, 1, "n0"),), (0, 1)),
    "paid on": (((0, 1),), (Payment(0, 1, "n0"), Payment(1, 2, "0")), (0, 1, 2)),
    "out of the change": (((0, 2),), (Payment(0, 1, "n0"), Payment(0, 2, "0c")), (0, 1, 2)),
    "two payees, one note": (((0, 1),), (Payment(0, 1, "n0"), Payment(0, 2, "n0")), (0, 1, 2)),
    "there and back": (((0, 1),), (Payment(0, 1, "n0"), Payment(1, 0, "0")), (0, 1)),
    "twice": (((0, 1), (0, 2)), (Payment(0, 1, "n0"), Payment(0, 1, "n1", 2)), (0, 1)),
    "two payers": (((0, 1), (1, 1)), (Payment(0, 2, "n0"), Payment(1, 2, "n1")), (0, 1, 2)),
}
MISHAPS: dict[str, dict[str, object]] = {
    "losses": {"crashes": False, "late": False},
    "power cuts": {"late": False},
    "expiry": {"crashes": False},
    "lost host": {"crashes": False, "late": False, "wipes": 1},
    "statements alone, lost host": {"crashes": False, "late": False, "alone": True, "wipes": 1},
    "statements alone": {"crashes": False, "late": False, "alone": True},
}
EVERYTHING: dict[str, object] = {"wipes": 1}


def scenario(topology: str, mishaps: str = "losses", **changes: object) -> Scenario:
    """A topology with some mishaps (losses, repeats, reordering and late copies always)."""
    notes, payments, syncers = TOPOLOGIES[topology]
    fields = {"syncers": syncers, **MISHAPS.get(mishaps, EVERYTHING), **changes}
    return Scenario(f"{topology}, {mishaps}", notes, payments, **fields)  # type: ignore[arg-type]


def explored() -> list[Scenario]:
    """What the tests explore."""
    always = [
        scenario("one payment", "everything", wipes=0),
        scenario("one payment", "statements alone, lost host"),
        scenario("paid on"),
        scenario("paid on", "power cuts", syncers=(1, 2)),
        scenario("paid on", "expiry", syncers=(1, 2)),
        scenario("paid on", "statements alone", syncers=(1, 2)),
        scenario("two payees, one note"),
        scenario("there and back"),
        scenario("out of the change", syncers=(0, 1)),
    ]
    if not FULL:
        return always
    every = [scenario(topology, mishaps) for topology in TOPOLOGIES for mishaps in MISHAPS]
    return [
        *every,
        scenario("one payment", "everything"),
        scenario("paid on", "power cuts and expiry", wipes=0, syncers=(1, 2)),
    ]
