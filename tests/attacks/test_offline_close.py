"""Attacks on what was decided at close: nothing that is shown afterwards may change it."""

from typing import Any

import pytest

from offline.loss_policy import CAPPED, LOTTERY, PAYEE, PRO_RATA
from tests.offline.centre import Centre
from tests.offline.losses import Payers, beacon, policy_of

RESERVE_TIYN = 1_000_000


def decided(centre: Centre, note: Any) -> Any:
    """Who gets what of a note, as settlement says now."""
    facts = centre.reconciler.facts()
    subjects = {
        one.subject: (one.status, one.beneficiary, one.amount_tiyn)
        for one in centre.reconciler.standings().values()
    }
    return facts.trees[note.oid].digest(), subjects, centre.reconciler.totals()


@pytest.mark.parametrize("policy", [PRO_RATA, CAPPED, LOTTERY, PAYEE])
def test_a_certificate_held_back_until_the_close_changes_nothing_that_was_decided(policy: str) -> None:
    """P's invoice waits for P's certificate. Shown before the close it would deny P; its friend shows it after."""
    centre = Centre(
        policy=policy_of(policy),
        reserve_tiyn=RESERVE_TIYN,
        recourse=Payers(0, 0),
        beacon=beacon() if policy == LOTTERY else None,
    )
    kairat, ayan = centre.device("kairat"), centre.device("ayan")
    hidden = centre.device("hidden", known=False)
    note, other = centre.load_notes("kairat", 1_000, 300)
    centre.sequence = 1
    centre.revoke(kairat)
    invoice = centre.invoice(hidden, trust_sequence=2)
    left = centre.spend(note, 0, ayan, 1_000)
    right = centre.spend(note, 0, hidden, 1_000, reference=invoice.oid)
    centre.hand_in(left, right, invoice, centre.declare(hidden, 1))
    centre.close()
    before = decided(centre, note)
    wallets = {name: centre.wallet(name) for name in ("kairat", "ayan", "hidden")}
    assert centre.reconciler.totals().escrow_tiyn == 0
    centre.hand_in(hidden.certificate)
    centre.reconciler.tick()
    assert {name: centre.wallet(name) for name in wallets} == wallets
    assert decided(centre, note) == before
    assert other.oid in centre.reconciler.facts().trees
