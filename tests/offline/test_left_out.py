"""Cases that the list leaves open for an implementation: refunds, disputes, and a settlement with two logs."""

import pytest

from cbdc import canonical
from cbdc.errors import Refused
from cbdc.money import tenge
from cbdc.token import MERCHANT
from offline.archive import MemoryArchive
from offline.batch import make_batch
from offline.element_protocol import SecureElement
from offline.evidence import double_spend, dual_certificate, verify_evidence
from offline.settle import CREDITED
from tests.offline.bench import Bench
from tests.offline.centre import Centre
from tests.offline.stories import Line
from tests.offline.world import NOW, World


def test_g21_two_keys_for_one_device_name_the_bank() -> None:
    world = World("left out")
    first = world.make_device("first")
    twin = world.make_device("twin", device_id=first.certificate.record.device_id)
    renewed = world.make_device("first", device_id=first.certificate.record.device_id)
    verdict = verify_evidence(
        dual_certificate(world.authority, first.certificate, twin.certificate), world.root
    )
    assert verdict.kid == world.bank_key.public.kid
    with pytest.raises(Refused, match=r"^E_EVIDENCE:"):
        dual_certificate(world.authority, first.certificate, renewed.certificate)


@pytest.mark.parametrize("place", ["auth", "certificate", "transfer"])
def test_n4_evidence_has_one_form(place: str) -> None:
    """N4: an envelope inside an evidence file is an array; as a byte string of its bytes it proves nothing."""
    world = World("one form")
    payer, payee = world.make_device("payer"), world.make_device("payee")
    note = world.make_note(payer.kid, tenge(10))
    spends = [world.make_transfer(payer.key, note, note, payee.kid, tenge(10)) for _ in range(2)]
    data = double_spend(world.authority, payer.certificate, *spends)
    assert verify_evidence(data, world.root).kid == payer.kid
    version, auths, items = canonical.decode_array(data)
    assert isinstance(auths, list)
    assert isinstance(items, list)
    if place == "auth":
        auths[0] = canonical.encode(auths[0])
    else:
        index = 1 if place == "certificate" else 2
        items[index] = canonical.encode(items[index])
    with pytest.raises(Refused, match=r"^E_EVIDENCE:"):
        verify_evidence(canonical.encode([version, auths, items]), world.root)


def test_p20_a_refund_is_a_payment_back() -> None:
    bench = Bench()
    ayan, shop = bench.device("ayan"), bench.device("shop", category=MERCHANT)
    bench.load(ayan, tenge(5_000))
    bench.hand_over(ayan, shop, tenge(1_200))
    bench.hand_over(shop, ayan, tenge(1_200))
    assert (ayan.balance_tiyn(NOW), shop.balance_tiyn(NOW)) == (tenge(5_000), 0)
    totals = ayan.status(NOW).totals
    assert (totals.out_tiyn, totals.in_tiyn) == (tenge(1_200), tenge(1_200)), "two payments, and no reversal"
    words = ("void", "cancel", "revers", "refund", "undo")
    assert [call for call in vars(SecureElement) if any(word in call for word in words)] == []


def test_r38_a_dispute_about_goods_has_facts_and_no_verdict() -> None:
    line = Line()
    line.centre.hand_in(line.paid)
    line.centre.hand_in(line.home)
    told = line.centre.reconciler.outcome(line.paid.oid).record
    assert (told.status, told.evidence) == (CREDITED, b"")
    assert line.centre.reconciler.guilty() == {}
    for kid in line.centre.devices:
        assert line.centre.reconciler.evidence(kid) == []


def test_r35_two_heads_of_one_size_convict_settlement() -> None:
    centre = Centre()
    ayan = centre.device("ayan", known=False)
    (note,) = centre.load_notes("ayan", 300)
    honest = [centre.hand_in(ayan.certificate), centre.hand_in(note), centre.hand_in(ayan.certificate)]
    heads = {ack.record.log_size: ack.record.log_root for ack in honest}
    assert all(heads[ack.record.log_size] == ack.record.log_root for ack in honest)
    # Another log under the same settlement key, as only a cheating settlement keeps one.
    twin = centre.open_reconciler(MemoryArchive())
    batch = make_batch(bytes(16), objects=[centre.order(ayan), ayan.certificate])
    other = twin.ingest(batch.encode())
    key = centre.key("settle").public
    pairs = [(ack, other) for ack in honest if ack.record.log_size == other.record.log_size]
    assert pairs, "both logs have had this size"
    for ack, second in pairs:
        ack.verify(key)
        second.verify(key)
        assert ack.record.log_root != second.record.log_root
