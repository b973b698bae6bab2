"""What a run counts while it plays: whole numbers only, and the truth that nobody in the system is told.

A tally is plain lists, texts and numbers, so that it is saved with the day and read back as it was. It holds what
happened at the counter (payments, refusals by code, bytes), and the **truth**: what each honest person paid and took,
which payments were cut, which coins an opened device really spent twice, and when. The measures compare this truth
with what settlement found (`wallets.lab.measures`).
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

# Why a payment that was spent did not count for its payee.
LOST = 0
REFUSED = 1
REFUSED_COPY = 2


@dataclass(frozen=True, slots=True)
class Paid:
    """How one payment ended.

    `outcome`: paid, refused (with `code`), short (the payer had too little), link (cut before anything was spent) or
    interrupted (spent, and not arrived). `spent` are (previous, position, transfer id, tiyn to the payee) of the coins.
    """

    outcome: str
    code: str = ""
    hop: int = 0
    parts: int = 0
    size_bytes: int = 0
    talk_bytes: int = 0
    repeats: int = 0
    spent: tuple[tuple[bytes, int, bytes, int], ...] = ()


@dataclass(slots=True)
class Tally:
    """See the module's text.

    `outcomes` and the codes count payments among honest people, `attack_*` all others. `hops` maps a hop to [payments,
    bytes]; `days` has a row a day; `received` and `paid` are tiyn by agent. `cut` are payments that were spent and not
    taken, as [payer, payee, tiyn, time, handed in, why, [[transfer, tiyn]...]]; `attacks` the coins that opened devices
    spent, as [previous, position, transfer, time, tiyn, taken].
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    attack_outcomes: Counter[str] = field(default_factory=Counter)
    attack_refused: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    hops: dict[int, list[int]] = field(default_factory=dict)
    days: list[list[int]] = field(default_factory=list)
    received: Counter[int] = field(default_factory=Counter)
    paid: Counter[int] = field(default_factory=Counter)
    cut: list[list[Any]] = field(default_factory=list)
    attacks: list[list[Any]] = field(default_factory=list)

    def values(self) -> list[Any]:
        """Everything as a plain value."""
        counters = [
            sorted(one.items())
            for one in (
                self.outcomes,
                self.refused,
                self.attack_outcomes,
                self.attack_refused,
                self.sums,
                self.received,
                self.paid,
                self.hops,
            )
        ]
        return [*counters, self.days, self.cut, self.attacks]

    @classmethod
    def of(cls, values: list[Any]) -> "Tally":
        """The tally that `values` gave."""
        named = [Counter[str](dict(rows)) for rows in values[:5]]
        received, paid = (Counter[int](dict(rows)) for rows in values[5:7])
        hops = {hop: list(row) for hop, row in values[7]}
        days, cut, attacks = values[8:]
        return cls(named[0], named[1], named[2], named[3], named[4], hops, days, received, paid, cut, attacks)

    def took_place(
        self, payer: int, payee: int, amount_tiyn: int, paid: Paid, time: int, honest: bool
    ) -> None:
        """A payment between two honest people, or (`honest` False) one by an opened or colluding device."""
        if honest:
            self.outcomes[paid.outcome] += 1
            if paid.code:
                self.refused[paid.code] += 1
        else:
            self.attack_outcomes[paid.outcome] += 1
            if paid.code:
                self.attack_refused[paid.code] += 1
        if paid.spent:
            self.paid[payer] += amount_tiyn
        if paid.outcome == "paid":
            self.received[payee] += amount_tiyn
            row = self.hops.setdefault(paid.hop, [0, 0])
            row[0] += 1
            row[1] += paid.size_bytes
            self.sums["bytes"] += paid.size_bytes
            self.sums["talk_bytes"] += paid.talk_bytes
            self.sums["parts"] += paid.parts
            self.sums["amount_tiyn"] += amount_tiyn
        elif paid.spent:
            kind = LOST if paid.outcome == "interrupted" else REFUSED if honest else REFUSED_COPY
            spent = [[oid, part_tiyn] for _, _, oid, part_tiyn in paid.spent]
            self.cut.append([payer, payee, amount_tiyn, time, 0, kind, spent])
        self.sums["repeats"] += paid.repeats

    def handed_in(self, numbers: set[int]) -> None:
        """These agents have synced: what was cut on its way from them is with settlement now."""
        for row in self.cut:
            by_payer = row[5] != REFUSED_COPY and row[0] in numbers
            if by_payer or (row[5] != LOST and row[1] in numbers):
                row[4] = 1

    def waiting_tiyn(self) -> int:
        """What honest people paid, did not arrive, and is not handed in yet."""
        return sum(row[2] for row in self.cut if not row[4] and row[5] != REFUSED_COPY)
