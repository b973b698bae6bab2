"""What planted bugs showed to be untested at the centre: edges of time and guilt, and who may speak for whom."""

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.ledger.entry import Entry, Receipt
from cbdc.ledger.ledger import Ledger
from cbdc.money import tenge
from cbdc.record import Signed
from cbdc.token import PERSON
from offline.evidence import double_spend, equivocation
from offline.parameters import limits_for
from offline.posting import OWNER
from offline.records import TIER_SE, Output
from offline.settle import (
    CREDITED,
    DENIED,
    HELD,
    HELD_INVOICE,
    HELD_ORDER,
    ISSUER,
    LATE,
    WATERFALL,
    LossPolicy,
)
from offline.sync import BLOCK
from tests.cbdc.world import DAY
from tests.offline.centre import CLOSE_DAYS, Centre
from tests.offline.test_settle import Fork, Payers
from tests.offline.test_settle_claims import RESERVE, Revoked, check, status
from tests.offline.world import World

# --- evidence ---


def test_a_signature_under_another_name_proves_nothing() -> None:
    world = World("gap evidence")
    ayan, bota, dana = (world.make_device(name) for name in ("ayan", "bota", "dana"))
    note = world.make_note(bota.kid, tenge(1_000))
    forged = [
        world.make_transfer(bota.key, note, note, dana.kid, tenge(amount), signer=ayan.key)
        for amount in (3, 4)
    ]
    for one in forged:
        one.verify(ayan.certificate.record.key)
    with pytest.raises(Refused, match="E_EVIDENCE"):
        double_spend(world.authority, ayan.certificate, *forged)
    with pytest.raises(Refused, match="E_EVIDENCE"):
        double_spend(world.authority, bota.certificate, *forged)


def test_spending_two_outputs_of_one_transfer_is_no_double_spend() -> None:
    world = World("gap evidence")
    ayan, bota, dana = (world.make_device(name) for name in ("ayan", "bota", "dana"))
    note = world.make_note(ayan.kid, tenge(1_000))
    both = (Output(tenge(400), bota.kid), Output(tenge(600), bota.kid))
    given = world.make_transfer(ayan.key, note, note, bota.kid, tenge(400), outputs=both)
    spends = [world.make_transfer(bota.key, given, note, dana.kid, tenge(9), index=index) for index in (0, 1)]
    for prove in (double_spend, equivocation):
        with pytest.raises(Refused, match="E_EVIDENCE"):
            prove(world.authority, bota.certificate, spends[0], spends[1])


# --- reconciliation ---


def test_what_waited_for_a_certificate_is_verified_when_it_comes() -> None:
    centre = Centre()
    ayan, bota = centre.device("ayan", known=False), centre.device("bota")
    (note,) = centre.load_notes("ayan", 1_000)
    paid = centre.spend(note, 0, bota, 400)
    true, forged = centre.spend(paid, 1, bota, 100), centre.spend(paid, 1, bota, 200)
    unsigned = Signed(forged.record, forged.body, bytes([1]) * 64, forged.oid)
    centre.hand_in(paid, true, unsigned)
    assert not centre.reconciler.knows(true.oid)
    centre.hand_in(ayan.certificate)
    assert centre.reconciler.knows(true.oid)
    assert not centre.reconciler.knows(forged.oid)
    assert centre.reconciler.guilty() == {}
    assert not centre.open_reconciler().knows(forged.oid)


class Behind:
    """A ledger whose journal is read only up to `seen` entries: a reader that is not there yet."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.seen = ledger.size

    def entries(self, start: int = 0) -> Iterator[Entry]:
        return (entry for entry in self.ledger.entries(start) if entry.index < self.seen)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)


def test_a_note_that_comes_before_its_load_is_a_phantom_only_until_then() -> None:
    centre = Centre()
    centre.device("ayan")
    behind = Behind(centre.ledger)
    reader = centre.open_reconciler(ledger=behind)
    (note,) = centre.load_notes("ayan", 1_000)
    reader.ingest(centre.batch(note))
    assert reader.phantoms() == [note.oid]
    behind.seen = centre.ledger.size
    reader.tick()
    assert reader.phantoms() == []
    assert reader.totals().float_tiyn == 1_000


def test_the_guilty_get_no_new_limits() -> None:
    fork = Fork(WATERFALL)
    centre = fork.centre
    centre.hand_in(fork.left, fork.right)
    record = centre.reconciler.sync(centre.declare(fork.kairat, 1, out_total_tiyn=2_000)).record
    assert record.action == BLOCK
    assert (record.base_out_tiyn, record.base_out_count) == (0, 0)


class Failing:
    """A ledger that does not answer as long as `down`."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.down = False

    def submit_many(self, transactions: Sequence[bytes]) -> list[Receipt | TengeError]:
        if self.down:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="the ledger is down")
        return self.ledger.submit_many(transactions)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.ledger, name)


def test_a_ledger_that_is_down_at_the_close_is_asked_again() -> None:
    centre = Centre()
    centre.device("ayan")
    centre.load_notes("ayan", 1_000)
    failing = Failing(centre.ledger)
    centre.reconciler = centre.open_reconciler(ledger=failing)
    centre.reconciler.tick()
    failing.down = True
    with pytest.raises(Unavailable):
        centre.close()
    failing.down = False
    centre.reconciler.tick()
    assert centre.wallet("ayan") == 1_000
    check(centre)


# --- good faith ---


def test_the_first_list_that_revokes_counts() -> None:
    centre = Centre(reserve_tiyn=RESERVE)
    kairat, bota = centre.device("kairat"), centre.device("bota")
    (note,) = centre.load_notes("kairat", 1_000)
    invoice = centre.invoice(bota, trust_sequence=1)
    paid = centre.spend(note, 0, bota, 1_000, reference=invoice.oid)
    for _ in range(3):
        centre.revoke(kairat)
    home = centre.take_home(paid, 0, bota)
    centre.hand_in(paid, invoice, home)
    assert status(centre, home.oid) == (DENIED, "")
    assert centre.wallet("bota") == 0


def test_another_payees_invoice_shows_no_good_faith() -> None:
    case = Revoked(knew=1)
    centre = case.centre
    (note,) = centre.load_notes("kairat", 700)
    asked = centre.invoice(case.dana, trust_sequence=1)
    paid = centre.spend(note, 0, case.bota, 700, reference=asked.oid)
    home = centre.take_home(paid, 0, case.bota)
    centre.hand_in(paid, asked, home)
    assert status(centre, home.oid) == (HELD, HELD_INVOICE)
    assert centre.wallet("bota") == 0


def test_a_revocation_is_felt_at_once_by_what_is_not_paid_yet() -> None:
    centre = Centre()
    kairat, bota = centre.device("kairat"), centre.device("bota")
    (note,) = centre.load_notes("kairat", 1_000)
    paid = centre.spend(note, 0, bota, 1_000)
    home = centre.take_home(paid, 0, bota, hand_in=False)
    centre.hand_in(paid, home)
    assert status(centre, home.oid) == (HELD, HELD_ORDER)
    centre.revoke(kairat)
    assert status(centre, home.oid) == (HELD, HELD_INVOICE)


def test_good_faith_may_be_shown_until_the_last_second() -> None:
    case = Revoked(knew=1)
    home = case.home()
    case.centre.hand_in(case.paid, home)
    case.centre.clock.move_to(case.note.record.redeem_by + (CLOSE_DAYS - 90) * DAY)
    case.centre.revoke(case.kairat)  # and so this note is looked at in this second
    assert status(case.centre, home.oid) == (HELD, HELD_INVOICE)
    case.centre.hand_in(case.invoice)
    assert status(case.centre, home.oid) == (CREDITED, "")


# --- late, guilty, charged ---


def test_marked_money_redeemed_late_is_refunded_with_its_mark() -> None:
    centre = Centre(policy=LossPolicy(ISSUER))
    centre.device("pupil", category=3)
    canteen = centre.device("canteen", category=4)
    definition = centre.definition()
    centre.mark(definition, ("pupil", 1_000))
    (note,) = centre.load_notes("pupil", 1_000, mark=definition.oid)
    paid = centre.spend(note, 0, canteen, 400)
    home = centre.take_home(paid, 0, canteen)
    centre.clock.move_to(note.record.redeem_by + 1)
    centre.hand_in(paid, home)
    assert status(centre, home.oid) == (LATE, "")
    centre.close()
    check(centre)
    tokens = [token for _, token in centre.ledger.owned(centre.kid("canteen"))]
    assert [(token.amount_tiyn, token.mark) for token in tokens] == [(400, definition.oid)]


def test_a_guilty_device_pays_for_its_own_forks_only() -> None:
    fork = Fork(WATERFALL)
    centre = fork.centre
    dana = centre.device("dana")
    (own,) = centre.load_notes("dana", 500)
    got = centre.spend(fork.left, 0, dana, 600)
    spends = [
        centre.spend(parent, 0, fork.bota, amount, counter=1) for parent, amount in ((got, 100), (own, 50))
    ]
    centre.hand_in(fork.left, fork.right, got, *spends)
    assert set(centre.reconciler.guilty()) == {fork.kairat.kid, dana.kid}
    centre.close()
    check(centre)
    assert centre.wallet("dana") == 500 + 450, (
        "two transfers with one counter are guilt, and cost nobody anything"
    )
    assert centre.reconciler.borne(dana.kid).loss_tiyn == 0


def test_a_case_is_opened_again_when_the_guilty_own_something_new() -> None:
    fork = Fork(WATERFALL)
    centre = fork.centre
    centre.hand_in(fork.left, fork.right, *fork.homes)
    centre.close()
    assert centre.reconciler.borne(fork.kairat.kid).device_tiyn == 300
    centre.load_notes("kairat", 500)
    centre.reconciler.tick()
    centre.close()
    check(centre)
    assert centre.reconciler.borne(fork.kairat.kid).device_tiyn == 800
    assert centre.ledger.supply().escrow_tiyn == 0


def test_an_owner_is_charged_once_up_to_the_cap_however_often_one_looks() -> None:
    payers = Payers(owner_tiyn=10**9)
    fork = Fork(WATERFALL, payers)
    centre = fork.centre
    limits = limits_for(TIER_SE, PERSON)._replace(max_out_tiyn=400_000)
    poor = centre.device("erlan", limits=limits)
    (note,) = centre.load_notes("erlan", 1_000)
    centre.loss_policy = LossPolicy(WATERFALL, recourse_permille=1, bank_permille=0)
    centre.reconciler = centre.open_reconciler()
    centre.hand_in(*(centre.spend(note, 0, payee, 1_000) for payee in (fork.ayan, fork.bota)))
    centre.close()
    for _ in range(3):
        centre.reconciler = centre.open_reconciler()
        centre.reconciler.tick()
    assert payers.asked == [(OWNER, 400)]
    assert centre.reconciler.borne(poor.kid).owner_tiyn == 400
    check(centre)
