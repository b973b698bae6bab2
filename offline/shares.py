"""Shares: what each end of one tree keeps of the note's money when a fork's branches are not all paid in full.

Under a policy that decides at close a fork adds no money. The note's amount is pushed down its tree: along a single
spend it follows the outputs, at a fork the policy's verdict divides it among the branches:

    EVERYBODY   equal shares (PRO_RATA, CAPPED); a broken tiyn goes to the branches with the smallest names
    a name      that branch has it whole (LOTTERY, FIRST_SEEN)
    NOBODY      it is forfeit (PAYEE)

What an end lacks of its nominal amount is written down by the fork that took it, so that a case can make it good
(`offline.closing`). All of it is exact:

    kept + forfeit = the note            short = the tree's losses + forfeit            kept + short = nominal, each end

and an assertion says so for every tree. Where money splits at a payment and does not divide, the payee has the broken
tiyn, not the payer's change.

Source: DTO/1, sections 5.11 and 5.19.9.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cbdc.money import share, split
from offline.graph import Conflict, Tree
from offline.records import REDEEM, Outpoint
from offline.seen import Seen
from offline.settle import subject_of

EVERYBODY = b"everybody"
NOBODY = b"nobody"

Verdict = Callable[[Conflict, Sequence[bytes]], bytes]
"""What becomes of a fork: EVERYBODY, NOBODY, or the name of one of its branches (given in ascending order)."""


@dataclass(frozen=True, slots=True)
class Share:
    """One end of a tree: what it keeps, and what it is short of by which fork (tiyn); together its nominal amount."""

    kept_tiyn: int
    shorts: Mapping[Outpoint, int]

    @property
    def nominal_tiyn(self) -> int:
        """What the end would have if nobody had spent twice."""
        return self.kept_tiyn + sum(self.shorts.values())


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares of a tree: of each claim by its subject, and what of each fork is forfeit (tiyn)."""

    of: Mapping[bytes, Share]
    forfeits: Mapping[Outpoint, int]


def apportion(amount_tiyn: int, weights: Sequence[int]) -> list[int]:
    """`amount_tiyn` in proportion to `weights`, exactly; a broken tiyn passes on to the next, the last takes the rest.

    No part is above its weight while the amount is not above their sum, and a weight of 0 gets nothing.
    """
    assert 0 <= amount_tiyn <= sum(weights), "no more is apportioned than is missing"
    parts: list[int] = []
    left_tiyn, left_weight = amount_tiyn, sum(weights)
    for weight in weights:
        part, left_tiyn = share(left_tiyn, weight, left_weight, "rest") if weight else (0, left_tiyn)
        left_weight -= weight
        parts.append(part)
    return parts


def shares_of(tree: Tree, seen: Seen, verdict: Verdict) -> Shares:
    """Push the note's money down its tree; `verdict` is asked once for each fork."""
    conflicts = {conflict.outpoint: conflict for conflict in tree.conflicts}
    found: dict[bytes, Share] = {}
    forfeits: dict[Outpoint, int] = {}
    queue = [(Outpoint(tree.note.oid, 0), Share(tree.notes_tiyn, {}))]
    for outpoint, position in queue:
        branches = list(tree.spends.get(outpoint, ()))
        if outpoint in tree.claims or not branches:
            branches.append(subject_of(outpoint))
        branches.sort()
        positions = [position]
        if outpoint in conflicts:
            conflict = conflicts[outpoint]
            positions, forfeit_tiyn = _at_fork(position, conflict, branches, verdict(conflict, branches))
            if forfeit_tiyn:
                forfeits[outpoint] = forfeit_tiyn
        for name, branch in zip(branches, positions, strict=True):
            if name == subject_of(outpoint):
                found[name] = branch
            else:
                queue += _along(name, branch, seen, found)
    shares = Shares(dict(sorted(found.items())), forfeits)
    _check(tree, shares)
    return shares


def _at_fork(
    position: Share, conflict: Conflict, branches: Sequence[bytes], verdict: bytes
) -> tuple[list[Share], int]:
    """The positions of the branches, in order, and what is forfeit."""
    count = len(branches)
    if verdict == EVERYBODY:
        kept, forfeit_tiyn = split(position.kept_tiyn, count, "first"), 0
    elif verdict == NOBODY:
        kept, forfeit_tiyn = [0] * count, position.kept_tiyn
    else:
        # The winner stands where the fork stood; the others have nothing.
        winner = branches.index(verdict)
        lost = Share(0, {conflict.outpoint: position.nominal_tiyn})
        return [position if place == winner else lost for place in range(count)], 0
    before = {fork: split(short, count, "first") for fork, short in position.shorts.items()}
    positions = []
    for place in range(count):
        shorts = {fork: parts[place] for fork, parts in before.items() if parts[place]}
        missing_tiyn = position.nominal_tiyn - kept[place] - sum(shorts.values())
        positions.append(Share(kept[place], {**shorts, conflict.outpoint: missing_tiyn}))
    return positions, forfeit_tiyn


def _along(
    oid: bytes, position: Share, seen: Seen, found: dict[bytes, Share]
) -> list[tuple[Outpoint, Share]]:
    """The positions of a transfer's outputs to be followed on; what a redemption pays out is an end (into `found`)."""
    transfer = seen.transfer(oid)
    assert transfer is not None, "an admitted transfer is in the set"
    record = transfer.record
    shares = [position]
    if len(record.outputs) == 2:
        shares = _in_two(position, record.outputs[0].amount_tiyn)
    onward = [(Outpoint(oid, place), one) for place, one in enumerate(shares)]
    if record.kind == REDEEM:
        found[oid] = onward.pop(0)[1]
    return onward


def _in_two(position: Share, first_tiyn: int) -> list[Share]:
    """A position divided between the payee's output of `first_tiyn` and the payer's change."""
    kept, rest_kept = share(position.kept_tiyn, first_tiyn, position.nominal_tiyn, "share")
    forks = sorted(position.shorts)
    firsts = apportion(first_tiyn - kept, [position.shorts[fork] for fork in forks])
    first = {fork: part for fork, part in zip(forks, firsts, strict=True) if part}
    rest = {
        fork: left for fork, part in zip(forks, firsts, strict=True) if (left := position.shorts[fork] - part)
    }
    return [Share(kept, first), Share(rest_kept, rest)]


def _check(tree: Tree, shares: Shares) -> None:
    forfeit_tiyn = sum(shares.forfeits.values())
    kept_tiyn = sum(one.kept_tiyn for one in shares.of.values())
    short_tiyn = sum(sum(one.shorts.values()) for one in shares.of.values())
    assert kept_tiyn + forfeit_tiyn == tree.notes_tiyn, "what is kept and forfeit is the note"
    assert short_tiyn == tree.loss_tiyn + forfeit_tiyn, "what is missing is the losses and what is forfeit"
