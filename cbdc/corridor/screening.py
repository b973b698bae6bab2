"""Which orders look suspicious: three named rules over a client's own recent orders. Pure.

    structuring   several orders within a window, each below a threshold, that together reach it
    velocity      more orders within a window than a person places
    mismatch      orders within a window worth more than the turnover the client declared

An order that meets a rule is held, not refused: a compliance officer releases or refuses it, with a reason that is
signed and kept. The rules and their numbers are data of a provider; all of them are our assumptions, as no thresholds
for such orders have been published.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

STRUCTURING = "structuring"
VELOCITY = "velocity"
MISMATCH = "mismatch"
SCREENS = (STRUCTURING, VELOCITY, MISMATCH)


@dataclass(frozen=True, slots=True)
class Screen:
    """One rule: `name` (how it is told), `kind` (one of SCREENS), the window, and its number.

    `count` is the number of orders from which structuring or velocity holds; `usd_cents` the threshold of structuring.
    Mismatch compares with what the client declared.
    """

    name: str
    kind: str
    window_seconds: int
    count: int = 0
    usd_cents: int = 0


class Seen(NamedTuple):
    """An earlier order of the same client: when, and what it was worth."""

    time: int
    usd_cents: int


def suspicious(
    screens: Sequence[Screen], order: Seen, earlier: Sequence[Seen], declared_usd_cents: int
) -> str:
    """The name of the first rule that the order meets, or the empty text."""
    for screen in screens:
        recent = [one for one in earlier if order.time - one.time <= screen.window_seconds]
        if _meets(screen, order, recent, declared_usd_cents):
            return screen.name
    return ""


def _meets(screen: Screen, order: Seen, recent: Sequence[Seen], declared_usd_cents: int) -> bool:
    if screen.kind == VELOCITY:
        return len(recent) + 1 >= screen.count
    if screen.kind == MISMATCH:
        return order.usd_cents + sum(one.usd_cents for one in recent) > declared_usd_cents
    small = [one.usd_cents for one in (*recent, order) if one.usd_cents < screen.usd_cents]
    return (
        order.usd_cents < screen.usd_cents and len(small) >= screen.count and sum(small) >= screen.usd_cents
    )
