"""The adversary campaign: honest life and all twelve adversaries in one world after another.

    figures = play(seed=1, payments=3_000)      raises when an honest device is named, or anything else does not hold
    print(table(figures.as_dict()))

A world is some 1,000 payments in three parts. After each part some people sync and settlement answers: guilty devices
are revoked by settlement itself at once; stolen ones, phantom notes and a broken class of devices by the National Bank
in the part that follows. In the end everybody hands in what it has and `Field.judge` decides.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.campaign.adversaries_element import Colluders, Opened, OpenedClass
from tests.campaign.adversaries_host import PayeeHost, PayerHost, Thief
from tests.campaign.adversaries_inside import BankInsider, IssuerThief, SettlementInsider
from tests.campaign.adversaries_link import Curious, Exhauster, Link
from tests.campaign.adversary import Adversary
from tests.campaign.field import Field, Tally

KINDS: tuple[type[Adversary], ...] = (
    Link, PayerHost, PayeeHost, Opened, OpenedClass, Colluders, Thief, BankInsider, IssuerThief, SettlementInsider,
    Curious, Exhauster,
)  # fmt: skip
PER_WORLD = 1_000
PARTS = 3
PEOPLE = 20
HONEST_SHARE = 0.8


@dataclass
class Figures:
    """What a campaign did, by adversary."""

    worlds: int = 0
    payments: int = 0
    honest_payments: int = 0
    honest_refused: dict[str, int] = field(default_factory=dict)
    transfers: int = 0
    named: int = 0
    evidence_files: int = 0
    linkable_pairs: int = 0
    loss_tiyn: int = 0
    by_adversary: dict[str, Tally] = field(default_factory=lambda: {kind.ID: Tally() for kind in KINDS})

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "worlds": self.worlds,
            "payments": self.payments,
            "honest_payments": self.honest_payments,
            "honest_refused": dict(sorted(self.honest_refused.items())),
            "transfers_at_settlement": self.transfers,
            "honest_named_guilty": 0,
            "named_guilty": self.named,
            "evidence_files_verified": self.evidence_files,
            "linkable_pairs": self.linkable_pairs,
            "loss_tiyn": self.loss_tiyn,
            "adversaries": {kind.ID: _row(kind, self.by_adversary[kind.ID]) for kind in KINDS},
        }


def _row(kind: type[Adversary], tally: Tally) -> dict[str, Any]:
    return {
        "who": kind.WHO,
        "payments": tally.payments,
        "tried": tally.tried,
        "refused": dict(sorted(tally.refused.items())),
        "landed": tally.landed,
        "named": tally.named,
        "loss_tiyn": tally.loss_tiyn,
        "more": dict(sorted(tally.more.items())),
    }


class World:
    """One world of the campaign, from its own seed."""

    def __init__(self, seed: int, figures: Figures) -> None:
        self.chance = random.Random(seed)
        self.figures = figures
        self.field = Field(self.chance, PEOPLE)
        self.adversaries = {
            kind.ID: kind(self.field, figures.by_adversary[kind.ID], self.chance) for kind in KINDS
        }
        self.before = self._payments()

    def _payments(self) -> int:
        return (
            sum(tally.payments for tally in self.figures.by_adversary.values()) + self.field.honest_payments
        )

    def play(self, payments: int) -> None:
        """So many payments, and then the judgement."""
        turn = 0
        adversaries = list(self.adversaries.values())
        for part in range(PARTS):
            goal = payments * (part + 1) // PARTS
            while self._payments() - self.before < goal:
                if self.chance.random() < HONEST_SHARE:
                    self.field.honest_payment()
                else:
                    adversaries[turn % len(adversaries)].strike()
                    turn += 1
            self.answer(part)
        for adversary in adversaries:
            adversary.finish()
        self.field.hand_in_all()
        self.count(payments)

    def answer(self, part: int) -> None:
        """What institutions do after a part."""
        self.field.clock.advance(self.chance.randint(600, 7_200))
        self.field.sync_some(0.3, statements=1)
        thief, issuer, broken = self.adversaries["A7"], self.adversaries["A9"], self.adversaries["A5"]
        assert isinstance(thief, Thief)
        assert isinstance(issuer, IssuerThief)
        assert isinstance(broken, OpenedClass)
        if part == 0:
            thief.report()
            issuer.taint()
        if part == 1:
            broken.answer()
        self.field.sync_some(0.2, statements=1)

    def count(self, payments: int) -> None:
        """Judge, and add to the figures."""
        derived = self.field.judge()
        figures, reconciler = self.figures, self.field.centre.reconciler
        named = reconciler.guilty()
        for kid in named:
            figures.by_adversary[self.field.culprits[kid]].named += 1
            figures.evidence_files += len(reconciler.evidence(kid))
        for kid, loss_tiyn in derived.lost_by.items():
            figures.by_adversary[self.field.culprits[kid]].loss_tiyn += loss_tiyn
        phantoms = set(reconciler.phantoms())
        issuer = self.adversaries["A9"]
        assert isinstance(issuer, IssuerThief)
        assert derived.phantoms == len(phantoms), "phantom notes differ by our own count"
        assert phantoms <= {note.oid for note in issuer.notes}
        figures.worlds += 1
        figures.payments += self._payments() - self.before
        figures.honest_payments += self.field.honest_payments
        figures.named += len(named)
        figures.transfers += derived.transfers
        figures.linkable_pairs += derived.pairs_linked
        figures.loss_tiyn += derived.loss_tiyn
        for code, count in self.field.refused_honest.items():
            figures.honest_refused[code] = figures.honest_refused.get(code, 0) + count


def play(seed: int, payments: int, tell: Callable[[Figures], None] = lambda figures: None) -> Figures:
    """At least so many payments from `seed`; raises when anything does not hold, and names the world's seed."""
    figures = Figures()
    number = 0
    while figures.payments < payments:
        world_seed = seed * 1_000_003 + number
        try:
            World(world_seed, figures).play(min(PER_WORLD, payments - figures.payments))
        except Exception as failure:
            failure.add_note(f"world with the seed {world_seed}")
            raise
        number += 1
        tell(figures)
    return figures


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    heads = ("payments", "tried", "refused", "landed", "named", "loss, tiyn")
    lines = [
        f"{figures['payments']:,} payments in {figures['worlds']:,} worlds",
        f"{figures['honest_payments']:,} of them among honest people only",
        f"{figures['honest_named_guilty']} honest devices named guilty",
        f"{figures['named_guilty']:,} devices of attackers named guilty",
        f"{figures['evidence_files_verified']:,} evidence files checked with ROOT alone",
        f"{figures['loss_tiyn']:,} tiyn lost by double spends",
        "",
        f"{'id':4} {'who':42} " + " ".join(f"{head:>10}" for head in heads),
    ]
    for name, row in figures["adversaries"].items():
        refused = sum(row["refused"].values())
        lines.append(
            f"{name:4} {row['who']:42} "
            + " ".join(
                f"{number:>10,}"
                for number in (
                    row["payments"], row["tried"], refused, row["landed"], row["named"], row["loss_tiyn"],
                )
            )
        )  # fmt: skip
        codes = ", ".join(f"{code} {count:,}" for code, count in row["refused"].items())
        lines.append(f"     refused with: {codes or 'nothing'}")
        lines.append(f"     {', '.join(f'{what} {count:,}' for what, count in row['more'].items())}")
    return "\n".join(lines)
