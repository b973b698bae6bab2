"""The event log of the corridor: one row for each order, refusal, verdict, and call that nobody answered.

The regulator's measures (`cbdc.corridor.measures`) are counted from these rows and nothing else. A row has an id that
follows from what it tells of, so whatever is done again after a crash is told once. An institution writes the row of
an accepted order in the same commit as the order itself.

No name stands here: a client is its pseudonym among the licensed providers.
"""

from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.ports import Clock
from cbdc.record import MOMENT, Bytes, Group, Text, Unsigned

_DRAWER = "corridor/event"
_EVENT = Group(
    (MOMENT, MOMENT, Text(), Text(), Bytes((0, 32)), Text(), Text(), Unsigned(), Unsigned(), Unsigned())
)


class Event(NamedTuple):
    """One row. `asked` is when the order came, `time` when this happened (virtual seconds).

    `kind` is the order's kind, `outcome` one of accepted, held, released, refused, frozen, unanswered; `code` the
    error code or the name of a rule; `client` a pseudonym or empty. Amounts: tiyn, units of the asset, US cents.
    """

    asked: int
    time: int
    provider: str
    kind: str
    client: bytes
    outcome: str
    code: str
    tiyn: int = 0
    units: int = 0
    usd_cents: int = 0


class EventLog:
    """The log over a cabinet."""

    def __init__(self, cabinet: Cabinet, clock: Clock) -> None:
        self._cabinet = cabinet
        self._clock = clock

    def row(
        self,
        order: bytes,
        provider: str,
        kind: str,
        outcome: str,
        client: bytes = b"",
        code: str = "",
        asked: int = 0,
        tiyn: int = 0,
        units: int = 0,
        usd_cents: int = 0,
    ) -> Row:
        """The row to be written; the same order, outcome and code give the same row for ever."""
        now = self._clock.now()
        event = Event(asked or now, now, provider, kind, client, outcome, code, tiyn, units, usd_cents)
        identity = follow(
            "corridor event", provider.encode(), kind.encode(), order, outcome.encode(), code.encode()
        )
        known = self._cabinet.get(_DRAWER, identity)
        return Row(_DRAWER, identity, known if known is not None else canonical.encode(list(event)))

    def note(self, row: Row) -> None:
        """Write one row by itself."""
        self._cabinet.put_many([row])

    def all(self) -> list[Event]:
        """Every event in order."""
        return [_open(data) for _, data in self._cabinet.all(_DRAWER)]


def _open(data: bytes) -> Event:
    values: tuple[Any, ...] = _EVENT.load(canonical.decode(data), "event")
    return Event(*values)
