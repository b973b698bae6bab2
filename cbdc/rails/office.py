"""What every institution on the network does alike: rows it must not lose, an outbox, requests it repeats.

The order of effects, for a message that came in and for a clock that struck:

    1  the new state **and** what is to be sent, in one commit
    2  what follows from the state in books and ledgers, under ids that follow from the payment
    3  the outbox is emptied into the network, which takes each id once
    4  the copy is done with

Killed anywhere, the same copy comes again (or `resume` goes through the open rows): step 2 repeats itself harmlessly,
step 3 sends what was written, with the moment that was written, and nothing is decided twice.

Whoever asks repeats the question until it is answered; whoever answers gives the same answer again to each copy of the
question. So no message needs to arrive, and no message hurts by arriving twice, late, or in another order.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Protocol, TypeVar

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.errors import Malformed, Refused, Unavailable
from cbdc.ports import Clock
from cbdc.rails.messages import Body, Message, open_message
from cbdc.rails.network import Copy, SimulatedCorrespondentNetwork
from cbdc.record import MOMENT, Bytes, Group

T = TypeVar("T")
_OUT = Group((MOMENT, Bytes()))


class Drawer(Generic[T]):
    """Typed rows of one drawer: `schema` checks what was stored, `make` builds the value from it."""

    def __init__(self, cabinet: Cabinet, name: str, schema: Group, make: Callable[..., T]) -> None:
        self._cabinet = cabinet
        self.name = name
        self._schema = schema
        self._make = make

    def get(self, key: bytes) -> T | None:
        """The row, or None."""
        data = self._cabinet.get(self.name, key)
        return None if data is None else self._load(data)

    def all(self) -> list[T]:
        """Every row in the order of arrival."""
        return [self._load(data) for _, data in self._cabinet.all(self.name)]

    def row(self, key: bytes, values: Sequence[object]) -> Row:
        """The row to write."""
        return Row(self.name, key, canonical.encode(list(values)))

    def gone(self, key: bytes) -> Row:
        """The row that takes it out."""
        return Row(self.name, key, None)

    def _load(self, data: bytes) -> T:
        return self._make(*self._schema.load(canonical.decode(data), self.name))


class Member(Protocol):
    """An institution on the network, as the corridor drives it."""

    @property
    def bic(self) -> str:
        """Its address."""
        ...

    def handle(self, copy: Copy) -> None:
        """Deal with a copy that arrived, durably. The same copy again changes nothing."""
        ...

    def tick(self) -> None:
        """Do what has fallen due by the clock."""
        ...

    def next_moment(self) -> int | None:
        """When something falls due next, or None."""
        ...

    def resume(self) -> None:
        """Complete what a crash left half done."""
        ...

    def strangers(self) -> int:
        """How many messages it has put aside."""
        ...


class Office:
    """The desk at which an institution writes and sends."""

    def __init__(
        self, bic: str, cabinet: Cabinet, network: SimulatedCorrespondentNetwork, clock: Clock
    ) -> None:
        self.bic = bic
        self.cabinet = cabinet
        self.network = network
        self.clock = clock
        self._out = f"{bic}/out"
        self._strange = f"{bic}/strange"

    def letter(self, id: bytes, receiver: str, body: Body, moment: int) -> Row:
        """A message to be sent under `id`, as a row to be written together with the state that it belongs to."""
        return self.again(id, Message(self.bic, receiver, body).encode(), moment)

    def again(self, id: bytes, data: bytes, moment: int) -> Row:
        """The bytes of a message to be sent (once more) under `id`."""
        return Row(self._out, id, canonical.encode([moment, data]))

    def put(self, rows: Sequence[Row]) -> None:
        """Write all rows in one commit."""
        if rows:
            self.cabinet.put_many(rows)

    def flush(self) -> None:
        """Hand the outbox to the network. What it will not carry is as good as lost: who asked will ask again."""
        waiting = self.cabinet.all(self._out)
        for key, data in waiting:
            moment, message = _OUT.load(canonical.decode(data), "out")
            try:
                self.network.send(key, self.bic, message, moment)
            except Unavailable as error:
                if error.code != "E_RAILS_NAK":
                    raise
        self.put([Row(self._out, key, None) for key, _ in waiting])

    def open(self, copy: Copy) -> Message | None:
        """The message in a copy, or None (and a note) when it cannot be read."""
        try:
            return open_message(copy.data)
        except (Malformed, Refused):
            self.strange(copy.id, copy.data)
            return None

    def strange(self, id: bytes, data: bytes) -> None:
        """Put aside what contradicts what is known, for people to look at. It changes nothing."""
        self.put([Row(self._strange, id, data)])

    def strangers(self) -> int:
        """How many messages were put aside."""
        return len(self.cabinet.all(self._strange))


def request_id(kind: str, uetr: str, attempt: int) -> bytes:
    """The id under which a request is sent for the `attempt`-th time."""
    return follow("request", kind.encode(), uetr.encode(), attempt.to_bytes(8, "big"))


def due_again(asked_at: int, attempt: int, retry_seconds: int) -> int:
    """When a question is asked again: after `retry_seconds`, then after twice as long, up to 16 times."""
    return asked_at + retry_seconds * int(2 ** min(max(attempt - 1, 0), 4))


def earliest(moments: Iterator[int]) -> int | None:
    """The smallest moment, or None when there is none."""
    return min(moments, default=None)


def values_of(record: Any) -> list[object]:
    """The fields of a row's dataclass, in their order."""
    return [getattr(record, name) for name in record.__dataclass_fields__]
