"""The books of settlement as one value: what the graph says, what the ledger holds, and that the two agree.

Two identities are asserted whenever they are asked for, over all notes:

    notes + funded = escrow + paid + recovered
    escrow + unfunded = float + held

Funded and paid contain what the scheme owes the owners of stolen devices (`offline.lost`).

Source: DTO/1, sections 5.9 and 5.19.2.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from offline.closing import Closing
from offline.escrow import EscrowBook
from offline.graph import Tree
from offline.lost import Cover
from offline.plan_close import written
from offline.seen import Seen
from offline.settle import (
    UNSPENT,
    Claim,
    Settled,
    all_loss_facts,
    claims_of,
    fact_key,
    paid_tiyn,
    payment_facts,
)


@dataclass(frozen=True, slots=True)
class Totals:
    """The books of settlement, in tiyn. Always notes + funded = escrow + paid + recovered.

    `float_tiyn` is what the graph says is unspent, `held_tiyn` what is claimed and not yet booked, `unfunded_tiyn`
    the losses the reserve could not fund; escrow + unfunded = float + held. `borne_tiyn` is what payees bear under a
    policy that decides at close: it is neither unfunded nor held any more. `covered_tiyn`, a part of what is funded
    and paid, went to the owners of stolen devices.
    """

    notes_tiyn: int
    loss_tiyn: int
    float_tiyn: int
    held_tiyn: int
    funded_tiyn: int
    unfunded_tiyn: int
    paid_tiyn: int
    recovered_tiyn: int
    escrow_tiyn: int
    reserve_tiyn: int
    borne_tiyn: int = 0
    covered_tiyn: int = 0


def booked_tiyn(facts: Iterable[bytes], settled: Mapping[bytes, Settled]) -> int:
    """The sum of those of these facts that are booked."""
    return sum(settled[fact].amount_tiyn for fact in facts if fact in settled)


def totals_of(
    trees: Sequence[Tree], seen: Seen, book: EscrowBook, closing: Closing | None, covers: Sequence[Cover]
) -> Totals:
    """The books over all trees, asserted to balance. `closing` is given when the policy decides at close."""
    settled = book.settled
    notes_tiyn = sum(tree.notes_tiyn for tree in trees)
    loss_tiyn = sum(tree.loss_tiyn for tree in trees)
    funded_tiyn = booked_tiyn((fact for tree in trees for fact in all_loss_facts(tree)), settled)
    float_tiyn = held_tiyn = paid_out_tiyn = taken_tiyn = borne_tiyn = forfeit_tiyn = 0
    for tree in trees:
        claims = claims_of(tree, seen)
        settling = closing.settling(tree) if closing is not None else None
        if settling is None:
            float_tiyn += sum(_open_tiyn(claim, settled) for claim in claims if claim.kind == UNSPENT)
            held_tiyn += sum(_open_tiyn(claim, settled) for claim in claims if claim.kind != UNSPENT)
        else:
            books = written(settling, settled)
            held_tiyn += books.open_tiyn
            borne_tiyn += books.borne_tiyn
            forfeit_tiyn += books.forfeit_tiyn
        pays = {fact_key("pay", claim.subject) for claim in claims}
        paid_out_tiyn += booked_tiyn(pays, settled)
        taken_tiyn += booked_tiyn(set(payment_facts(claims, tree)) - pays, settled)
    lent_tiyn = booked_tiyn((cover.loss for cover in covers), settled)
    covered_tiyn = booked_tiyn((cover.payment for cover in covers), settled)
    totals = Totals(
        notes_tiyn=notes_tiyn,
        loss_tiyn=loss_tiyn,
        float_tiyn=float_tiyn,
        held_tiyn=held_tiyn + lent_tiyn - covered_tiyn,
        funded_tiyn=funded_tiyn + lent_tiyn,
        unfunded_tiyn=loss_tiyn - funded_tiyn - (borne_tiyn - forfeit_tiyn),
        paid_tiyn=paid_out_tiyn + covered_tiyn,
        recovered_tiyn=taken_tiyn,
        escrow_tiyn=book.escrow_tiyn,
        reserve_tiyn=book.reserve_tiyn,
        borne_tiyn=borne_tiyn,
        covered_tiyn=covered_tiyn,
    )
    given = totals.notes_tiyn + totals.funded_tiyn
    assert given == totals.escrow_tiyn + totals.paid_tiyn + totals.recovered_tiyn, "escrow and payments"
    assert totals.escrow_tiyn + totals.unfunded_tiyn == totals.float_tiyn + totals.held_tiyn, (
        "escrow and float"
    )
    return totals


def _open_tiyn(claim: Claim, settled: Mapping[bytes, Settled]) -> int:
    return claim.amount_tiyn - paid_tiyn(claim, settled)
