"""The reconciler over a real ledger: taking in, repeating, waiting, and its log (attack list, R)."""

import random
from typing import Any

import pytest

from cbdc.errors import Malformed, Refused
from cbdc.ledger.entry import check_inclusion
from cbdc.record import Signed, sign
from offline.archive import MemoryArchive
from offline.batch import MAX_BUNDLES, make_batch
from offline.bundle import Bundle, HeldToken
from offline.graph import derive
from offline.reconcile import Reconciler, Settings
from offline.records import Outpoint
from offline.settle import CREDITED, HELD, HELD_PENDING, LossPolicy
from tests.cbdc.world import DAY
from tests.offline import fakes
from tests.offline.centre import Centre
from tests.offline.stories import RESERVE, Game, Line, check, outcome


def test_a_payment_offline_comes_home() -> None:
    line = Line()
    line.centre.hand_in(line.note, line.paid, line.home)
    assert line.centre.wallet("bota") == 400
    check(line.centre)
    back = line.centre.take_home(line.paid, 1, line.ayan, 100)
    line.centre.hand_in(back)
    assert line.centre.wallet("ayan") == 100
    assert line.centre.ledger.supply().escrow_tiyn == 500
    check(line.centre)


def test_a_bundle_is_handed_in_as_it_was_received() -> None:
    line = Line(known=False)
    bundle = Bundle(
        (line.ayan.certificate, line.bota.certificate), (HeldToken(line.note, (line.paid, line.home)),)
    )
    line.centre.reconciler.ingest(make_batch(bytes(16), [bundle], [line.centre.order(line.bota)]).encode())
    assert line.centre.wallet("bota") == 400


# --- the same again ---


def test_r1_the_same_batch_gives_the_same_answer_and_changes_nothing() -> None:
    line = Line()
    data = line.centre.batch(line.paid, line.home)
    ack = line.centre.reconciler.ingest(data)
    size = line.centre.ledger.size
    line.centre.clock.advance(60)
    assert line.centre.reconciler.ingest(data) == ack
    assert line.centre.open_reconciler().ingest(data) == ack
    again = line.centre.hand_in(line.paid, line.home)
    assert again.record.log_size == ack.record.log_size, "what is known is no new leaf"
    assert line.centre.ledger.size == size
    ack.verify(line.centre.key("settle").public)


def test_many_batches_are_answered_one_by_one_and_booked_once() -> None:
    line = Line()
    good = [line.centre.batch(line.home), line.centre.batch(line.paid)]
    first, junk, last = line.centre.reconciler.ingest_many([good[0], b"junk", good[1]])
    assert isinstance(junk, Malformed)
    assert isinstance(first, Signed)
    assert isinstance(last, Signed)
    assert line.centre.wallet("bota") == 400
    assert line.centre.reconciler.ingest(good[0]) == first


def test_one_batch_id_stands_for_one_batch() -> None:
    line = Line()
    line.centre.reconciler.ingest(make_batch(bytes(16), objects=[line.paid]).encode())
    with pytest.raises(Refused) as caught:
        line.centre.reconciler.ingest(make_batch(bytes(16), objects=[line.home]).encode())
    assert caught.value.code == "E_BATCH_REUSED"
    assert line.centre.wallet("bota") == 0


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "E_DECODE"),
        (b"\x90", "E_FIELD"),
        (b"\x01", "E_TYPE"),
        (b"\x95\x02\xc4\x10" + bytes(16) + b"\x90\x90\x90", "E_VERSION"),
        (b"\x95\x01\xc4\x0f" + bytes(15) + b"\x90\x90\x90", "E_FIELD"),
        (b"\x95\x01\xc4\x10" + bytes(16) + b"\x01\x90\x90", "E_TYPE"),
        (b"\x95\x01\xc4\x10" + bytes(16) + b"\x90\x90\x92\x01\x01", "E_COUNT"),
        (b"\x95\x01\xc4\x10" + bytes(16) + b"\x90\x90\x91\x01", "E_TYPE"),
        (make_batch(bytes(16)).encode() + b"\x00", "E_DECODE"),
        (bytes(1 << 21), "E_SIZE"),
    ],
)
def test_a_container_that_is_none_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(Malformed) as caught:
        Centre().reconciler.ingest(data)
    assert caught.value.code == code
    assert MAX_BUNDLES < 65_535


def test_what_is_spoilt_spoils_nothing_else() -> None:
    line = Line()
    forged = Signed(line.home.record, line.home.body, bytes(64), line.home.oid)
    stranger = sign(line.ayan.certificate.record, line.centre.network, line.centre.key("nobody"))
    note = sign(line.note.record, line.centre.network, line.centre.key("ca1"))
    batch = make_batch(bytes(16), objects=[forged, stranger, note, line.paid])
    mixed = batch.__class__(
        batch.batch_id,
        (b"junk", b"\x93\x01\x90\x90"),
        (*batch.objects, 7, [9, b"", b""], [5, b"", bytes(64)]),
        None,
    )
    line.centre.reconciler.ingest(mixed.encode())
    codes = sorted(line.centre.reconciler.quarantined().values())
    assert codes == sorted(
        ["E_SIG", "E_SIG", "E_SIG", "E_DECODE", "E_COUNT", "E_OBJTYPE", "E_OBJTYPE", "E_DECODE"]
    ), codes
    line.centre.hand_in(line.home)
    assert line.centre.wallet("bota") == 400


# --- order, chunks, restarts ---


@pytest.mark.parametrize("seed", range(6))
def test_r2_r3_batches_in_any_cut_and_order_end_the_same(seed: int) -> None:
    ends = []
    for order in range(4):
        centre = Centre(reserve_tiyn=RESERVE, policy=LossPolicy("ISSUER"))
        game = Game(centre, seed)
        chance = random.Random(order)
        objects = list(game.objects)
        if order:
            chance.shuffle(objects)
            objects += chance.choices(objects, k=4)
        while objects:
            size = chance.randint(1, 6) if order else len(objects)
            batch, objects = objects[:size], objects[size:]
            centre.hand_in(*batch)
            check(centre)
            if chance.random() < 0.2:
                centre.reconciler = centre.open_reconciler()
        ends.append(outcome(centre))
        whole = derive(centre.reconciler._graph.seen, game.notes, centre.reconciler._graph._rules, 15 * DAY)
        assert whole.digest() == ends[-1][0], "kept up to date is the same as derived from nothing"
        centre.close()
        check(centre)
        assert centre.ledger.supply().escrow_tiyn == 0, "after the close everything has gone home"
    assert all(end == ends[0] for end in ends)


def test_r4_a_child_waits_for_its_parent() -> None:
    line = Line()
    line.centre.hand_in(line.home)
    standing = line.centre.reconciler.standing(line.home.oid)
    assert standing is not None
    assert (standing.status, standing.reason) == (HELD, HELD_PENDING)
    assert line.centre.reconciler.outcome(line.home.oid).record.status == HELD
    line.centre.hand_in(line.paid)
    assert line.centre.wallet("bota") == 400
    assert line.centre.reconciler.outcome(line.home.oid).record.status == CREDITED


def test_r5_a_transfer_waits_for_its_certificate_and_keeps_its_arrival() -> None:
    line = Line(known=False)
    line.centre.hand_in(line.home, line.paid, line.centre.order(line.bota))
    assert line.centre.reconciler.facts().pending == ()
    assert line.centre.reconciler.standing(line.paid.oid) is None
    forged = Signed(line.home.record, line.home.body, b"\1" * 64, line.home.oid)
    line.centre.hand_in(forged)
    line.centre.clock.advance(DAY)
    line.centre.reconciler = line.centre.open_reconciler()
    line.centre.hand_in(line.bota.certificate)
    assert line.centre.reconciler.facts().pending == (line.home.oid,)
    line.centre.hand_in(line.ayan.certificate)
    assert line.centre.wallet("bota") == 400
    assert line.centre.reconciler._graph.seen.arrived(line.home.oid) == line.centre.clock.now() - DAY


def test_a_note_is_known_before_anybody_hands_it_in_and_after_its_transfers() -> None:
    line = Line()
    line.centre.hand_in(line.paid)
    assert line.note.oid in line.centre.reconciler.facts().trees
    late = Line()
    behind = late.centre.reconciler
    ledger = late.centre.ledger
    hidden = MemoryArchive()
    blind = _Blind(ledger)
    early = late.centre.open_reconciler(hidden, ledger=blind)
    early.ingest(late.centre.batch(late.ayan.certificate, late.bota.certificate, late.paid))
    assert early.facts().pending == (late.paid.oid,)
    blind.seeing = True
    early.tick()
    assert early.facts().pending == ()
    assert behind is not early


class _Blind:
    """A ledger whose journal shows nothing until it is told to."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self.seeing = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def entries(self, start: int = 0) -> Any:
        return self._ledger.entries(start) if self.seeing else iter(())


# --- the log ---


def test_r34_whatever_was_acknowledged_is_in_the_log() -> None:
    line = Line()
    ack = line.centre.hand_in(line.paid, line.home, line.note)
    later = line.centre.hand_in(line.centre.invoice(line.ayan))
    assert later.record.log_size == ack.record.log_size + 1
    assert line.centre.reconciler.head() == (later.record.log_size, later.record.log_root)
    for signed in (line.paid, line.home, line.note):
        leaf, index, proof = line.centre.reconciler.inclusion(signed.oid, ack.record.log_size)
        check_inclusion(leaf, index, ack.record.log_size, proof, ack.record.log_root)
    with pytest.raises(Refused) as caught:
        line.centre.reconciler.inclusion(fakes.digest("never"), ack.record.log_size)
    assert caught.value.code == "E_CLAIM_UNKNOWN"
    with pytest.raises(Refused):
        line.centre.reconciler.outcome(fakes.digest("never"))


def test_g8_two_signatures_on_one_body_are_one_leaf_and_no_guilt() -> None:
    centre = Centre()
    ayan = centre.device("ayan", known=True)
    bota = centre.device("bota")
    (note,) = centre.load_notes("ayan", 300)
    paid = centre.spend(note, 0, bota, 300)
    ack = centre.hand_in(paid)
    # Another valid signature on the same body: what a randomised hardware signer makes. The smaller one is kept.
    twin = Signed(paid.record, paid.body, bytes(64), paid.oid)
    assert centre.hand_in(twin).record.log_size == ack.record.log_size
    assert centre.reconciler.guilty() == {}
    assert list(centre.reconciler.quarantined().values()) == ["E_SIG"]
    assert ayan.kid != bota.kid


def test_p14_r36_a_payer_learns_that_the_payee_owns_what_was_paid() -> None:
    line = Line()
    line.centre.hand_in(line.paid)
    told = line.centre.reconciler.outcome(line.paid.oid)
    assert (told.record.subject, told.record.status, told.record.amount_tiyn) == (line.paid.oid, HELD, 400)
    line.centre.hand_in(line.home)
    assert line.centre.reconciler.outcome(line.paid.oid).record.status == CREDITED
    assert len(line.centre.reconciler.standings()) == 2


def test_r30_a_list_is_published_once_and_must_be_signed_by_the_status_key() -> None:
    centre = Centre()
    ayan = centre.device("ayan")
    trust = centre.revoke(ayan)
    size = centre.reconciler.head()
    centre.reconciler.publish(trust)
    assert centre.reconciler.head() == size
    forged = sign(trust.record, centre.network, centre.key("ca1"))
    with pytest.raises(Refused) as caught:
        centre.open_reconciler(MemoryArchive()).publish(forged)
    assert caught.value.code == "E_SIG"


def test_r30_one_object_may_be_submitted_alone() -> None:
    centre = Centre()
    ayan = centre.device("ayan", known=False)
    order = centre.order(ayan)
    with pytest.raises(Refused) as caught:
        centre.reconciler.submit(order)
    assert caught.value.code == "E_CERT_MISSING"
    centre.reconciler.submit(ayan.certificate)
    size = centre.reconciler.head()
    centre.reconciler.submit(order)
    centre.reconciler.submit(order)
    assert centre.reconciler.head()[0] == size[0] + 1
    with pytest.raises(Refused) as caught:
        centre.reconciler.submit(centre.order(ayan, "bota", "ca2"))
    assert caught.value.code == "E_SIG"


def test_a_reconciler_needs_no_accounts_to_be_asked() -> None:
    centre = Centre()
    bare = Reconciler(
        MemoryArchive(),
        centre.ledger,
        centre.issuer.registry,
        centre.authority,
        centre.key("settle"),
        centre.clock,
        Settings(centre.kid("escrow"), centre.kid("reserve")),
    )
    centre.device("ayan")
    (note,) = centre.load_notes("ayan", 100)
    centre.clock.advance(200 * DAY)
    bare.tick()
    assert bare.totals().held_tiyn == 0
    assert bare.totals().float_tiyn == 100, "nobody's account is known, so nothing was refunded"
    assert Outpoint(note.oid, 0) in bare.facts().trees[note.oid].unspent
