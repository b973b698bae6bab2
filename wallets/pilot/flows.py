"""Who passed how much to whom: the moves of the journal added up by group, by mark and by day.

    parties   the National Bank, each bank, the treasury, the escrow of offline money, the loss reserve, each group of
              the cast; whoever else has a key stands by its category
    flows     for each (from, to, mark, action): how often and how much
    marks     for each mark: given, covered, released, returned, recovered, and to whom it was released
    days      for each day: payments, their sum, and what carries a mark at the end of the day

A **payment** is a transfer from a wallet to another holder's wallet or to the treasury; what a bank sells and buys
back, what the treasury gives and what settlement books are flows of their own. Change, merges and a holder's own keys
are no flow. Everything is counted while the journal goes by; what is kept grows with groups, marks and days only.

Conserved, for each mark, at every moment:

    given + covered = released + returned + recovered + outstanding
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from cbdc.token import BANK_INVENTORY, CATEGORY_NAMES
from cbdc.transaction import (
    SETTLE_LOSS,
    SETTLE_RECOVER,
    SETTLE_REDEEM,
    SETTLE_REFUND,
    ExpireMark,
    Issue,
    LoadOffline,
    Redeem,
    Seize,
    SettleOffline,
    Transfer,
)
from wallets.pilot.moves import Holder, Move

NATIONAL_BANK = "national_bank"
BANK, GROUP, CATEGORY = "bank/", "group/", "category/"
OWN = ("treasury", "escrow", "loss_reserve")

_BY_TYPE = {
    Issue.TYPE: "issue",
    Redeem.TYPE: "redeem",
    Seize.TYPE: "seize",
    ExpireMark.TYPE: "return",
    LoadOffline.TYPE: "load",
}
_BY_SETTLEMENT = {
    SETTLE_REDEEM: "redeem_offline",
    SETTLE_LOSS: "cover",
    SETTLE_RECOVER: "recover",
    SETTLE_REFUND: "refund",
}
_BY_LINES = {
    ("bank_inventory", "wallets"): "sale",
    ("wallets", "bank_inventory"): "buy_back",
    ("bank_inventory", "treasury"): "sale",
    ("treasury", "bank_inventory"): "buy_back",
    ("treasury", "wallets"): "give",
    ("wallets", "wallets"): "payment",
    ("wallets", "treasury"): "payment",
}
_ENDS = {
    "return": "returned",
    "refund": "returned",
    "recover": "recovered",
    "seize": "recovered",
}


class Flow(NamedTuple):
    """What went from one party to another under one mark (its hexadecimal id, empty: free) by one action."""

    source: str
    target: str
    mark: str
    action: str


@dataclass(slots=True)
class MarkLife:
    """What became of money of one mark, in tiyn; `released_to` by party."""

    given_tiyn: int = 0
    covered_tiyn: int = 0
    released_tiyn: int = 0
    returned_tiyn: int = 0
    recovered_tiyn: int = 0
    released_to: Counter[str] = field(default_factory=Counter)

    @property
    def outstanding_tiyn(self) -> int:
        """What still carries the mark."""
        out = self.released_tiyn + self.returned_tiyn + self.recovered_tiyn
        return self.given_tiyn + self.covered_tiyn - out


@dataclass(slots=True)
class DayFigures:
    """One day: payments online, their sum, and the marked money outstanding at its end (by mark, tiyn)."""

    payments: int = 0
    paid_tiyn: int = 0
    marked_tiyn: dict[str, int] = field(default_factory=dict)


class Flows:
    """The sums. `keys` is the journal's (it fills as the journal goes by), `groups` the cast by pseudonym.

    `day_of` gives the name of the day that a moment falls in.
    """

    def __init__(
        self, keys: Mapping[bytes, Holder], groups: Mapping[bytes, str], day_of: Callable[[int], str]
    ) -> None:
        self._keys = keys
        self._groups = groups
        self._day_of = day_of
        self._parties: dict[bytes, str] = {}
        self.amounts_tiyn: Counter[Flow] = Counter()
        self.counts: Counter[Flow] = Counter()
        self.marks: dict[str, MarkLife] = {}
        self.days: dict[str, DayFigures] = {}

    def party_of(self, kid: bytes) -> str:
        """The party a key belongs to."""
        known = self._parties.get(kid)
        if known is None:
            known = self._parties[kid] = self._find(self._keys[kid])
        return known

    def _find(self, holder: Holder) -> str:
        if holder.pseudonym in self._groups:
            return GROUP + self._groups[holder.pseudonym]
        if holder.category == BANK_INVENTORY:
            return f"{BANK}{holder.bank_id}"
        if holder.line in OWN:
            return holder.line
        return CATEGORY + CATEGORY_NAMES.get(holder.category, str(holder.category))

    def add(self, move: Move) -> None:
        """One move more."""
        day = self._day(move.time)
        mark = next((piece.mark for piece in move.spent if piece.mark), b"")
        source = self.party_of(move.payer) if move.spent else NATIONAL_BANK
        paid: dict[tuple[bytes, bytes], int] = {}
        own = self._keys[move.payer].pseudonym if move.spent else b""
        for piece in move.made:
            pseudonym = self._keys[piece.holder].pseudonym
            if pseudonym != own:
                place = (piece.holder, piece.mark or mark)
                paid[place] = paid.get(place, 0) + piece.amount_tiyn
        for (kid, carried), amount_tiyn in paid.items():
            action = self._action(move, kid)
            self._count(Flow(source, self.party_of(kid), carried.hex(), action), amount_tiyn)
            if action == "payment":
                day.payments += 1
                day.paid_tiyn += amount_tiyn
        destroyed = _sum(move.spent) - _sum(move.made) if move.type == Redeem.TYPE else 0
        if destroyed:
            self._count(Flow(source, NATIONAL_BANK, mark.hex(), "redeem"), destroyed)
        if mark or any(piece.mark for piece in move.made):
            self._follow_marks(move, day)

    def _day(self, time: int) -> DayFigures:
        name = self._day_of(time)
        if name not in self.days:
            carried = {mark: life.outstanding_tiyn for mark, life in self.marks.items()}
            self.days[name] = DayFigures(marked_tiyn=carried)
        return self.days[name]

    def _action(self, move: Move, kid: bytes) -> str:
        if move.type == SettleOffline.TYPE:
            return _BY_SETTLEMENT[move.settled]
        if move.type != Transfer.TYPE:
            return _BY_TYPE.get(move.type, "other")
        return _BY_LINES.get((self._keys[move.payer].line, self._keys[kid].line), "other")

    def _count(self, flow: Flow, amount_tiyn: int) -> None:
        self.amounts_tiyn[flow] += amount_tiyn
        self.counts[flow] += 1

    def _follow_marks(self, move: Move, day: DayFigures) -> None:
        """Marks that came on and marks that went off: what was made of each, less what was spent of it."""
        change: dict[bytes, int] = {}
        for piece in move.made:
            change[piece.mark] = change.get(piece.mark, 0) + piece.amount_tiyn
        for piece in move.spent:
            change[piece.mark] = change.get(piece.mark, 0) - piece.amount_tiyn
        change.pop(b"", None)
        action = self._action(move, move.made[0].holder) if move.made else "redeem"
        for mark, amount_tiyn in change.items():
            name = mark.hex()
            life = self.marks.setdefault(name, MarkLife())
            if amount_tiyn > 0 and action == "cover":
                life.covered_tiyn += amount_tiyn
            elif amount_tiyn > 0:
                life.given_tiyn += amount_tiyn
            elif amount_tiyn < 0:
                self._end(life, _ENDS.get(action, "released"), move, -amount_tiyn)
            day.marked_tiyn[name] = life.outstanding_tiyn

    def _end(self, life: MarkLife, how: str, move: Move, amount_tiyn: int) -> None:
        if how == "returned":
            life.returned_tiyn += amount_tiyn
        elif how == "recovered":
            life.recovered_tiyn += amount_tiyn
        else:
            life.released_tiyn += amount_tiyn
            # A release stays with its holder; a settlement or a payment that ends the mark is somebody else's money.
            others = [piece.holder for piece in move.made if not piece.mark and piece.holder != move.payer]
            kid = others[0] if others else move.payer
            life.released_to[self.party_of(kid)] += amount_tiyn

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every flow with its count and amount, in a fixed order."""
        for flow in sorted(self.counts):
            row = {"from": flow.source, "to": flow.target, "mark": flow.mark, "action": flow.action}
            yield {**row, "count": self.counts[flow], "tiyn": self.amounts_tiyn[flow]}

    @property
    def payments(self) -> int:
        """How many payments online there were."""
        return sum(day.payments for day in self.days.values())


def _sum(pieces: tuple[Any, ...]) -> int:
    return sum(piece.amount_tiyn for piece in pieces)
