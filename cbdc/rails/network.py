"""A simulated network of correspondent banks: it carries messages, and does to them what networks do.

    send      a message is taken (or refused, E_RAILS_NAK) under an id of the sender's; again, it is no second send
    copies    what is on its way: none when it was lost, two when it was repeated, each with its moment of arrival
    done      the receiver has dealt with a copy, durably; until then it is handed out again
    track     where a payment stands, by its UETR, as the network has seen it: who sent what to whom, and when

What goes wrong is data: a `Fault` names a kind of message, a leg (from whom to whom), the how-manieth of that kind on
that leg, and what happens; or chance decides, by the id of the send, so that a run with a seed repeats itself.

The network looks at the form of a message, at who hands it in and at whom it is for, never at money. It is no real
network: no keys of its own (the sender is known by the door it comes through), no cryptography on the wire, and one
transit time. It fits the shape of a store-and-forward service with delivery notices and a payment tracker.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.errors import Refused, Unavailable
from cbdc.ports import Entropy
from cbdc.rails.messages import Message, Status, open_message
from cbdc.record import HASH, MOMENT, Bytes, Group, Text, Unsigned

LOSE, REPEAT, LATE, SWAP, REFUSE = "lose", "repeat", "late", "swap", "refuse"
ACTIONS = (LOSE, REPEAT, LATE, SWAP, REFUSE)

_SENT = "network/sent"
_COPY = "network/copy"


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to the `number`-th (from 1; 0: to each) message of `kind` from `sender` to `receiver`.

    `kind` is the beginning of a kind, such as `pacs.008`. `late` comes `seconds` later; `swap` lets the next message
    on the leg overtake (it comes three transit times later); `refuse` is told to the sender.
    """

    kind: str
    sender: str
    receiver: str
    number: int
    action: str
    seconds: int = 0

    def fits(self, kind: str, sender: str, receiver: str, number: int) -> bool:
        """Whether this message is meant."""
        leg = (self.sender, self.receiver) == (sender, receiver)
        return leg and kind.startswith(self.kind) and self.number in (0, number)


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """Named faults first, then chance: `percent` of messages for each action (late by `late_seconds`), by `entropy`."""

    faults: Sequence[Fault] = ()
    percent: Mapping[str, int] = field(default_factory=dict)
    late_seconds: int = 7_200
    entropy: Entropy | None = None

    def action(self, id: bytes, kind: str, sender: str, receiver: str, number: int) -> tuple[str, int]:
        """What happens to a message, and by how many seconds."""
        for fault in self.faults:
            if fault.fits(kind, sender, receiver, number):
                return fault.action, fault.seconds
        if self.entropy is not None and self.percent:
            dice = int.from_bytes(self.entropy.bytes("network fault", id, 4), "big") % 100
            for action in ACTIONS:
                dice -= self.percent.get(action, 0)
                if dice < 0:
                    return action, self.late_seconds
        return "", 0


@dataclass(frozen=True, slots=True)
class Copy:
    """One copy on its way: it arrives at `moment`; `number` orders what arrives together."""

    id: bytes
    moment: int
    number: int
    receiver: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Seen:
    """What the network saw of a payment: when, from whom, to whom, which kind, and the status in it (or empty)."""

    moment: int
    sender: str
    receiver: str
    kind: str
    status: str


_SEEN = Group((Unsigned(), MOMENT, Text(34), Text(34), Text(32), Text(36), Text(8), Text(8)))
_COPIES = Group((MOMENT, Unsigned(), Text(34), Bytes()))


class SimulatedCorrespondentNetwork:
    """The network over a cabinet of its own. `members` are the BICs it serves."""

    def __init__(
        self,
        cabinet: Cabinet,
        members: Sequence[str],
        plan: FaultPlan = FaultPlan(),
        transit_seconds: int = 60,
    ) -> None:
        self._cabinet = cabinet
        self._members = frozenset(members)
        self.plan = plan
        self.transit_seconds = transit_seconds
        self._legs: Counter[tuple[str, str, str]] = Counter()
        self.total = 0
        for _, data in cabinet.all(_SENT):
            _, _, sender, receiver, kind, *_ = self._seen(data)
            self._count(sender, receiver, kind)

    def _count(self, sender: str, receiver: str, kind: str) -> None:
        self._legs[sender, receiver, kind] += 1
        self.total += 1

    def send(self, id: bytes, sender: str, data: bytes, moment: int) -> None:
        """Take a message from the member `sender`, at `moment` (its sender's word; never before it was written down).

        Once for each id. Raises E_RAILS_SENDER when the header names another sender, E_RAILS_BANK_UNKNOWN when the
        receiver is no member, the errors of `open_message`, E_ID_REUSED, and E_RAILS_NAK when the plan says so.
        """
        # An id is its sender's own: two members may use the same.
        key = follow("send", sender.encode(), HASH.load(id, "send id"))
        message = open_message(data)
        if message.sender != sender:
            raise Refused("E_RAILS_SENDER", sender=message.sender, door=sender)
        if message.receiver not in self._members:
            raise Refused("E_RAILS_BANK_UNKNOWN", bank=message.receiver)
        known = self._cabinet.get(_SENT, key)
        if known is not None:
            if self._digest(known) != follow("message", data):
                raise Refused("E_ID_REUSED", id=id)
            action = self._seen(known)[7]
        else:
            action = self._take(key, message, data, moment)
        if action == REFUSE:
            raise Unavailable("E_RAILS_NAK", receiver=message.receiver, kind=message.body.KIND)

    def _take(self, id: bytes, message: Message, data: bytes, moment: int) -> str:
        sender, receiver, kind = message.sender, message.receiver, message.body.KIND
        number = self._legs[sender, receiver, kind] + 1
        action, seconds = self.plan.action(id, kind, sender, receiver, number)
        arrives = moment + self.transit_seconds
        moments = [arrives]
        if action in (LOSE, REFUSE):
            moments = []
        elif action == REPEAT:
            moments = [arrives, arrives + 2 * self.transit_seconds]
        elif action == LATE:
            moments = [arrives + seconds]
        elif action == SWAP:
            moments = [arrives + 3 * self.transit_seconds]
        status = message.body.status if isinstance(message.body, Status) else ""
        uetr = str(getattr(message.body, "uetr", ""))
        row = [self.total, moment, sender, receiver, kind, uetr, status, action]
        rows = [Row(_SENT, id, canonical.encode([follow("message", data), *row]))]
        rows += [
            Row(
                _COPY,
                follow("copy", id, bytes([place])),
                canonical.encode([at, self.total, receiver, data]),
            )
            for place, at in enumerate(moments)
        ]
        self._cabinet.put_many(rows)
        self._count(sender, receiver, kind)
        return action

    def _seen(self, data: bytes) -> tuple[Any, ...]:
        values = canonical.decode(data)
        assert isinstance(values, list)
        return _SEEN.load(values[1:], "sent")

    def _digest(self, data: bytes) -> bytes:
        values = canonical.decode(data)
        assert isinstance(values, list)
        return HASH.load(values[0], "digest")

    def on_the_way(self) -> list[Copy]:
        """Every copy that nobody has dealt with, in the order of arrival."""
        copies = []
        for key, data in self._cabinet.all(_COPY):
            moment, number, receiver, message = _COPIES.load(canonical.decode(data), "copy")
            copies.append(Copy(key, moment, number, receiver, message))
        return sorted(copies, key=lambda copy: (copy.moment, copy.number, copy.id))

    def done(self, copy: Copy) -> None:
        """The receiver has dealt with a copy and written down what follows."""
        self._cabinet.put_many([Row(_COPY, copy.id, None)])

    def track(self, uetr: str) -> list[Seen]:
        """What was sent about a payment, in the order in which the network took it; lost messages too."""
        seen = [self._seen(data) for _, data in self._cabinet.all(_SENT)]
        return [Seen(row[1], row[2], row[3], row[4], row[6]) for row in sorted(seen) if row[5] == uetr]

    def counts(self) -> Counter[str]:
        """How many messages of each kind were handed in, and how many met each fault."""
        counts: Counter[str] = Counter()
        for _, data in self._cabinet.all(_SENT):
            row = self._seen(data)
            counts[row[4][:8]] += 1
            if row[7]:
                counts[row[7]] += 1
        return counts
