"""The weakened reconciler of this exercise: whoever synchronises first is paid.

It keeps what the product's reconciler gave up on purpose. It decides at the moment of a sync, for ever, and by what it
has seen so far:

- an output that was spent in a line it knows is spent; whoever comes with another spend of it is refused and written
  down as a suspect;
- a line that it does not know yet is paid to whoever hands it in.

Nothing here is a switch in the product: the code lives in this folder only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cbdc.record import Signed
from offline.records import Outpoint, Transfer


@dataclass(slots=True)
class FirstCome:
    """`paid` and `refused` are tiyn by name; `suspects` the names of those who came too late."""

    paid: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    suspects: set[str] = field(default_factory=set)
    _first: dict[Outpoint, bytes] = field(default_factory=dict)
    _ends: set[Outpoint] = field(default_factory=set)

    def hand_in(self, name: str, transfers: Sequence[Signed[Transfer]], position: int) -> bool:
        """Take a line's transfers, the last of which pays `name` its output number `position`; whether it is paid."""
        end = Outpoint(transfers[-1].oid, position)
        amount_tiyn = transfers[-1].record.outputs[position].amount_tiyn
        if end in self._ends:
            return True  # the same line again changes nothing
        taken = any(self._first.get(one.record.outpoint, one.oid) != one.oid for one in transfers)
        if taken or end in self._first:
            self.refused[name] = self.refused.get(name, 0) + amount_tiyn
            self.suspects.add(name)
            return False
        for one in transfers:
            self._first[one.record.outpoint] = one.oid
        self._ends.add(end)
        self.paid[name] = self.paid.get(name, 0) + amount_tiyn
        return True
