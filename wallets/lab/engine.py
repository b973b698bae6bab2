"""What the laboratory asks of an offline system, so that several can be put through the same days.

The workload (`wallets.lab.days`) decides who meets whom, when, for how much, who is on the network, and whose device
is opened; an engine only plays it. Agents are named by their numbers in the region.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from wallets.lab.counter import Lost
from wallets.lab.population import Region
from wallets.lab.settings import Plan
from wallets.lab.tally import Paid, Tally


class Engine(Protocol):
    """One offline system with the devices of one region. Amounts in tiyn, moments in Unix seconds."""

    plan: Plan
    region: Region
    tally: Tally
    first_day: int

    def move_to(self, moment: int) -> None:
        """It is this late now."""
        ...

    def pay(self, payer: int, payee: int, amount_tiyn: int, near: bool, id: bytes, lost: Lost) -> Paid:
        """One payment, device to device."""
        ...

    def attack(self, attacker: int, payees: Sequence[int], amount_tiyn: int, id: bytes) -> list[Paid]:
        """An opened device pays each of these with the same money; how each ended."""
        ...

    def sync(self, numbers: Sequence[int], id: bytes) -> None:
        """These agents' devices are on the network."""
        ...

    def settle_all(self) -> None:
        """The end: the honest sync and send everything home, time passes, and whatever is due is settled."""
        ...

    def day_row(self) -> list[int]:
        """Of the honest devices now: [tiyn held, tiyn that can be paid no more before a sync]."""
        ...

    def findings(self) -> dict[str, Any]:
        """What the centre of the system knows at the end: plain numbers (see `wallets.lab.measures`)."""
        ...

    def audit(self) -> dict[str, Any]:
        """Independent checks of the whole run, each with what it counted."""
        ...

    def save(self, day: int) -> None:
        """Keep everything as it is at the end of this day."""
        ...

    def close(self) -> None:
        """Release files."""
        ...
