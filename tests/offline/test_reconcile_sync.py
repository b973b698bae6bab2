"""What the reconciler proves and answers: guilt and its evidence, phantoms, and device sync (attack list, R)."""

from typing import Any

import pytest

from cbdc.errors import Refused
from cbdc.record import Signed, sign
from offline.batch import make_batch
from offline.evidence import verify_evidence
from offline.evidence_file import CONTRADICTION
from offline.settle import DENIED, HELD, HELD_PENDING
from offline.sync import BLOCK, CARRY_ON
from tests.cbdc.world import DAY
from tests.offline import fakes
from tests.offline.centre import Centre, Owned
from tests.offline.stories import RESERVE, Line

# --- guilt ---


def test_r6_the_evidence_convinces_a_stranger() -> None:
    centre = Centre(reserve_tiyn=RESERVE)
    kairat, ayan, bota = (centre.device(name) for name in ("kairat", "ayan", "bota"))
    (note,) = centre.load_notes("kairat", 900)
    left, right = centre.spend(note, 0, ayan, 900), centre.spend(note, 0, bota, 900)
    centre.hand_in(left, right)
    (file,) = centre.reconciler.evidence(kairat.kid)
    verdict = verify_evidence(file, centre.root)
    assert (verdict.kid, verdict.type) == (kairat.kid, 1)
    assert centre.reconciler.evidence(ayan.kid) == []
    home = centre.take_home(left, 0, ayan)
    centre.hand_in(home)
    assert centre.reconciler.outcome(home.oid).record.evidence == b""
    assert list(centre.reconciler.guilty()) == [kairat.kid]


def test_r12_a_bad_statement_is_evidence_and_its_descendants_get_nothing() -> None:
    centre = Centre()
    kairat, ayan = centre.device("kairat"), centre.device("ayan")
    (note,) = centre.load_notes("kairat", 900)
    bad = centre.spend(note, 0, ayan, 901)
    home = centre.take_home(bad, 0, ayan)
    centre.hand_in(bad, home)
    assert centre.wallet("ayan") == 0
    (file,) = centre.reconciler.evidence(kairat.kid)
    assert verify_evidence(file, centre.root).type == 4
    standing = centre.reconciler.standing(bad.oid)
    assert standing is not None
    assert (standing.status, standing.reason) == (DENIED, "E_SUM")
    waiting = centre.reconciler.standing(home.oid)
    assert waiting is not None
    assert (waiting.status, waiting.reason) == (HELD, HELD_PENDING)
    child = centre.declare(ayan, 1, (bad.oid, 0, 901), (home.oid, 0, 1))
    assert set(centre.reconciler.sync(child).record.drop) == {(bad.oid, 0), (home.oid, 0)}


def test_s3_clones_are_found_though_no_output_was_spent_twice() -> None:
    centre = Centre()
    kairat, ayan = centre.device("kairat"), centre.device("ayan")
    one, two = centre.load_notes("kairat", 500, 400)
    first = centre.spend(one, 0, ayan, 500)
    clone = centre.spend(two, 0, ayan, 400, counter=1)
    centre.hand_in(first, clone)
    kinds = [verify_evidence(file, centre.root).type for file in centre.reconciler.evidence(kairat.kid)]
    assert kinds == [2]
    assert centre.reconciler.borne(kairat.kid).loss_tiyn == 0


def test_r10_r11_a_note_that_no_load_backs_is_a_phantom() -> None:
    line = Line()
    centre = line.centre
    record = line.note.record
    altered = record.from_values((*record.values()[:2], 5_000, *record.values()[3:]))
    unbacked = record.from_values((record.issuer_reference, bytes(16), *record.values()[2:]))
    phantoms = [sign(one, centre.network, centre.key("issuer")) for one in (altered, unbacked)]
    spends = [centre.spend(phantom, 0, line.bota, 900) for phantom in phantoms]
    centre.hand_in(*phantoms, *spends, line.note, line.paid)
    assert centre.reconciler.phantoms() == sorted(phantom.oid for phantom in phantoms)
    assert centre.reconciler.guilty() == {}, "the device is not guilty of the issuer's lost key"
    assert centre.reconciler.totals().notes_tiyn == 1_000
    slots = [
        (phantoms[0].oid, 0, 5_000),
        (spends[1].oid, 1, 100),
        (spends[0].oid, 0, 1),
        (line.paid.oid, 0, 400),
    ]
    ack = centre.reconciler.sync(centre.declare(line.bota, 1, *slots))
    assert set(ack.record.drop) == {slot[:2] for slot in slots[:3]}


# --- sync ---


def _bota() -> tuple[Centre, Owned, Signed[Any], Signed[Any], Owned]:
    centre = Centre(reserve_tiyn=RESERVE)
    _, bota, dana = (centre.device(name) for name in ("ayan", "bota", "dana"))
    (note,) = centre.load_notes("ayan", 1_000)
    paid = centre.spend(note, 0, bota, 400)
    onward = centre.spend(paid, 0, dana, 150)
    return centre, bota, paid, onward, dana


def test_r39_one_request_has_one_answer() -> None:
    centre, bota, paid, onward, _ = _bota()
    centre.hand_in(paid, onward)
    request = centre.declare(bota, 1, (onward.oid, 1, 250), out_total_tiyn=150, in_total_tiyn=400)
    ack = centre.reconciler.sync(request)
    ack.verify(centre.key("settle").public)
    record = ack.record
    assert (record.base_out_tiyn, record.base_in_tiyn, record.base_out_count) == (150, 400, 1)
    assert (record.request, record.sync_number, record.action, record.drop) == (request.oid, 1, CARRY_ON, ())
    assert record.certificate == bota.certificate.oid
    centre.clock.advance(DAY)
    assert centre.reconciler.sync(request) == ack
    assert centre.open_reconciler().sync(request) == ack


def test_r16_a_gap_in_the_log_keeps_the_old_limits_until_it_is_filled() -> None:
    centre, bota, paid, onward, dana = _bota()
    last = centre.spend(onward, 1, dana, 50)
    centre.hand_in(paid, last)
    slots = [(last.oid, 1, 200)]
    ack = centre.reconciler.sync(centre.declare(bota, 1, *slots, out_total_tiyn=200))
    assert (ack.record.base_out_tiyn, ack.record.action) == (0, CARRY_ON)
    assert ack.record.drop == (), "what is only pending is not dropped"
    assert centre.reconciler.guilty() == {}
    centre.hand_in(onward)
    ack = centre.reconciler.sync(centre.declare(bota, 2, *slots, out_total_tiyn=200))
    assert ack.record.base_out_tiyn == 200
    again = centre.spend(last, 1, dana, 20)
    ack = centre.reconciler.sync(centre.declare(bota, 3, (again.oid, 1, 180), out_total_tiyn=220))
    assert ack.record.base_out_tiyn == 200, "a new gap keeps the last complete baselines"


def test_r15_a_counter_below_the_acknowledged_one_blocks_the_device() -> None:
    centre, bota, paid, onward, _ = _bota()
    centre.hand_in(paid, onward)
    centre.reconciler.sync(centre.declare(bota, 1, (onward.oid, 1, 250), out_total_tiyn=150))
    rolled_back = centre.declare(
        bota, 2, (paid.oid, 0, 400), counter=0, head=fakes.digest("old"), out_total_tiyn=0
    )
    ack = centre.reconciler.sync(rolled_back)
    assert ack.record.action == BLOCK
    assert ack.record.base_out_tiyn == 150
    assert "the counter fell" in {guilt.reason for guilt in centre.reconciler.guilty()[bota.kid]}
    verdicts = [verify_evidence(file, centre.root) for file in centre.reconciler.evidence(bota.kid)]
    assert {(one.type, one.kid) for one in verdicts} == {(CONTRADICTION, bota.kid)}


def test_slots_that_are_no_money_are_dropped() -> None:
    centre, bota, paid, onward, dana = _bota()
    (note,) = centre.load_notes(
        "bota",
        60,
    )
    centre.hand_in(paid, onward)
    slots = [
        (onward.oid, 1, 250),
        (onward.oid, 0, 150),
        (onward.oid, 1, 251),
        (note.oid, 0, 60),
        (note.oid, 1, 60),
        (fakes.digest("unknown"), 0, 5),
    ]
    ack = centre.reconciler.sync(centre.declare(bota, 1, *slots[:1], *slots[1:]))
    assert ack.record.drop == ((onward.oid, 0), (onward.oid, 1), (note.oid, 1))
    assert dana.kid not in centre.reconciler.guilty()
    centre.close()
    ack = centre.reconciler.sync(centre.declare(bota, 2, (onward.oid, 1, 250), out_count=9))
    assert ack.record.drop == ((onward.oid, 1),), "its note has closed and was refunded"


def test_claimed_late_and_denied_slots_are_dropped() -> None:
    centre = Centre(reserve_tiyn=RESERVE)
    kairat, bota = centre.device("kairat"), centre.device("bota")
    (note, other) = centre.load_notes("kairat", 1_000, 500)
    invoice = centre.invoice(bota, trust_sequence=5)
    paid = centre.spend(note, 0, bota, 1_000, reference=invoice.oid)
    for _ in range(2):
        centre.revoke(kairat)
    centre.hand_in(paid, invoice)
    ack = centre.reconciler.sync(centre.declare(bota, 1, (paid.oid, 0, 1_000)))
    assert ack.record.drop == ((paid.oid, 0),)
    assert ack.record.min_trust_sequence == 2
    assert centre.reconciler.sync(centre.declare(kairat, 1, (other.oid, 0, 500))).record.action == BLOCK
    asked = centre.invoice(bota, trust_sequence=0)
    undelivered = centre.spend(other, 0, bota, 500, reference=asked.oid)
    centre.hand_in(undelivered, asked, centre.declare(bota, 2))
    assert centre.wallet("bota") == 500
    ack = centre.reconciler.sync(centre.declare(bota, 3, (undelivered.oid, 0, 500)))
    assert (undelivered.oid, 0) in ack.record.drop


def test_a_sync_of_an_uncertified_device_is_refused() -> None:
    centre = Centre()
    ayan = centre.device("ayan", known=False)
    request = centre.declare(ayan, 1)
    with pytest.raises(Refused) as caught:
        centre.reconciler.sync(request)
    assert caught.value.code == "E_CERT_MISSING"
    centre.hand_in(ayan.certificate)
    assert centre.reconciler.sync(request).record.action == CARRY_ON
    forged = Signed(request.record, request.body, bytes(64), fakes.digest("another"))
    with pytest.raises(Refused):
        centre.reconciler.sync(forged)


def test_a_batch_may_carry_the_sync_request() -> None:
    centre, bota, paid, onward, _ = _bota()
    request = centre.declare(bota, 1, (onward.oid, 1, 250))
    centre.reconciler.ingest(make_batch(bytes(16), objects=[paid, onward], sync_request=request).encode())
    assert centre.reconciler.sync(request).record.base_out_count == 1
