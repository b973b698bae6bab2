"""What to book for one tree under a policy that decides at close, as a pure function of how it is settled.

While the tree or a case it belongs to is open, every claim is HELD. Then there are three steps, each booked before the
next: what is taken from a guilty device or forfeit goes into the loss reserve; what the reserve adds goes into the
note's escrow; and every claim is paid its award. A claim that is paid in part is CREDITED with the amount it gets, one
that gets nothing is DENIED; both say why (`BY_SHARE`, `BY_POLICY`). In the end the note's escrow is empty.

Source: DTO/1, sections 5.11 and 5.19 (2, 9).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from cbdc.transaction import SETTLE_LOSS, SETTLE_RECOVER
from offline.closing import Award, Closing, Settling
from offline.graph import Tree
from offline.settle import (
    BY_POLICY,
    BY_SHARE,
    CREDITED,
    DENIED,
    HELD,
    HELD_BEACON,
    HELD_CASE,
    HELD_OPEN,
    HELD_RESERVE,
    LATE,
    REDEMPTION,
    Borne,
    Circumstances,
    Judged,
    Posting,
    Settled,
    Standing,
    claims_of,
    fact_key,
    forfeit_fact,
    judge,
    loss_facts,
    pay_claim,
    standing_of,
)


@dataclass(frozen=True, slots=True)
class ClosePlan:
    """The postings of one tree that are not booked yet, in the order of the steps, and where its claims stand."""

    taken: tuple[Posting, ...] = ()
    losses: tuple[Posting, ...] = ()
    payments: tuple[Posting, ...] = ()
    standings: tuple[Standing, ...] = ()


def plan_close(tree: Tree, closing: Closing, circumstances: Circumstances) -> ClosePlan:
    """What to book for a tree now, after what is booked already."""
    settling = closing.settling(tree)
    if settling is None:
        waits = HELD_BEACON if circumstances.now > tree.closes and closing.shares(tree) is None else HELD_CASE
        return ClosePlan(standings=tuple(_waiting(tree, waits, circumstances)))
    booked = circumstances.settled
    taken = [
        Posting(SETTLE_RECOVER, fact, tree.note.oid, amount_tiyn)
        for fact, amount_tiyn in _takings(settling)
        if fact not in booked
    ]
    losses = _losses(tree, settling, booked)
    payments: list[Posting] = []
    standings: list[Standing] = []
    for award in settling.awards:
        posting, standing = _award(award, tree, circumstances, bool(losses))
        payments += posting
        standings.append(standing)
    return ClosePlan(tuple(taken), tuple(losses), tuple(payments), tuple(standings))


def _waiting(tree: Tree, waits: str, circumstances: Circumstances) -> list[Standing]:
    standings = []
    for claim in claims_of(tree, circumstances.seen):
        judged = judge(claim, tree, circumstances.seen, closed=False)
        if circumstances.now > tree.closes:
            standings.append(standing_of(judged, HELD, waits))
        elif claim.kind == REDEMPTION and claim.arrived > tree.note.record.redeem_by:
            standings.append(standing_of(judged, LATE))
        else:
            standings.append(standing_of(judged, HELD, HELD_OPEN))
    return standings


def _takings(settling: Settling) -> list[tuple[bytes, int]]:
    takings = [
        (fact_key("recover", award.judged.claim.subject), award.taken_tiyn)
        for award in settling.awards
        if award.taken_tiyn
    ]
    return takings + [(forfeit_fact(fork), amount_tiyn) for fork, amount_tiyn in settling.forfeits.items()]


def _losses(tree: Tree, settling: Settling, booked: Mapping[bytes, Settled]) -> list[Posting]:
    first = {conflict.outpoint: loss_facts(conflict)[0] for conflict in tree.conflicts}
    return [
        Posting(SETTLE_LOSS, first[fork], tree.note.oid, amount_tiyn)
        for fork, amount_tiyn in settling.funding.items()
        if first[fork] not in booked
    ]


def _award(
    award: Award, tree: Tree, circumstances: Circumstances, unfunded: bool
) -> tuple[list[Posting], Standing]:
    judged, subject = award.judged, award.judged.claim.subject
    if not award.paid_tiyn:
        return [], _told(judged, DENIED, 0, BY_POLICY)
    reason = "" if award.paid_tiyn == judged.claim.amount_tiyn else BY_SHARE
    final = _told(judged, DENIED if judged.denied else CREDITED, award.paid_tiyn, reason)
    if fact_key("pay", subject) in circumstances.settled:
        return [], final
    if unfunded:
        return [], _told(judged, HELD, award.paid_tiyn, HELD_RESERVE)
    posting, standing = pay_claim(judged, award.paid_tiyn, tree, circumstances, by=tree.closes)
    return posting, final if posting else standing


def _told(judged: Judged, status: int, amount_tiyn: int, reason: str) -> Standing:
    return Standing(judged.claim.subject, status, reason, judged.beneficiary, amount_tiyn)


@dataclass(frozen=True, slots=True)
class Written:
    """The parts of the books that only a policy which decides at close has, in tiyn: what payees bear, what was
    forfeit, and what is awarded and not booked."""

    borne_tiyn: int
    forfeit_tiyn: int
    open_tiyn: int


def written(settling: Settling, booked: Mapping[bytes, Settled]) -> Written:
    """How one settled tree stands in the books."""
    forfeit_tiyn = sum(settling.forfeits.values())
    awarded_tiyn = sum(award.paid_tiyn + award.taken_tiyn for award in settling.awards) + forfeit_tiyn
    facts = [fact for fact, _ in _takings(settling)]
    facts += [fact_key("pay", award.judged.claim.subject) for award in settling.awards]
    done_tiyn = sum(booked[fact].amount_tiyn for fact in facts if fact in booked)
    borne_tiyn = sum(award.borne_tiyn for award in settling.awards)
    return Written(borne_tiyn, forfeit_tiyn, awarded_tiyn - done_tiyn)


def borne_at_close(
    kid: bytes, loss_tiyn: int, closing: Closing, trees: Mapping[bytes, Tree], collected: tuple[int, int]
) -> Borne:
    """Who bears a guilty device's losses as its cases decided; `collected` is what its owner and its bank paid."""
    own_tiyn = others_tiyn = taken_tiyn = given_tiyn = forfeit_tiyn = decided_tiyn = 0
    for decision in closing.decisions(kid):
        if decision is None:
            continue
        taken_tiyn += sum(decision.taken.values())
        given_tiyn += sum(decision.restitution.values())
        for tree in (trees[oid] for oid in decision.case.notes):
            shares = closing.shares(tree)
            assert shares is not None, "a decided case knows its shares"
            forks = decision.case.forks
            decided_tiyn += sum(
                fork.extra * fork.amount_tiyn for fork in tree.conflicts if fork.outpoint in forks
            )
            forfeit_tiyn += sum(amount for fork, amount in shares.forfeits.items() if fork in forks)
            for judged in closing.judged(tree):
                shorts = shares.of[judged.claim.subject].shorts
                missing_tiyn = sum(part for fork, part in shorts.items() if fork in forks)
                if judged.beneficiary == kid:
                    own_tiyn += missing_tiyn
                else:
                    others_tiyn += missing_tiyn
    owner_tiyn, bank_tiyn = collected
    return Borne(
        kid,
        loss_tiyn,
        device_tiyn=own_tiyn + taken_tiyn,
        owner_tiyn=owner_tiyn,
        bank_tiyn=bank_tiyn,
        reserve_tiyn=given_tiyn - taken_tiyn - forfeit_tiyn - owner_tiyn - bank_tiyn,
        payees_tiyn=others_tiyn - given_tiyn,
        open_tiyn=loss_tiyn - decided_tiyn,
    )
