"""The desk from end to end: real elements and hosts, enrolment to settlement, crashes between any two steps."""

from dataclasses import replace
from typing import Any

import pytest

from cbdc.errors import Refused, TengeError
from cbdc.token import CANTEEN, MERCHANT, PUPIL, SUPPLIER
from offline.archive import MemoryArchive
from offline.authority import purpose_row
from offline.batch import make_batch
from offline.gateway import OfflineStores
from offline.records import SyncAck
from offline.settle import CREDITED
from tests.cbdc.world import BANK_TWO, DAY
from tests.offline.desk import Desk

RESERVE = 1_000_000


def _trio(**fields: Any) -> Desk:
    desk = Desk(reserve_tiyn=RESERVE, **fields)
    desk.join("ayan")
    desk.join("bota")
    desk.join("shop", category=MERCHANT)
    return desk


def test_several_hops_and_home_again() -> None:
    desk = _trio()
    desk.take_offline("ayan", 5_000, 2_000)
    desk.hand_over("ayan", "bota", 6_000)
    desk.hand_over("bota", "shop", 4_500)
    assert (desk.purse("ayan"), desk.purse("bota"), desk.purse("shop")) == (1_000, 1_500, 4_500)
    desk.send_home("shop")
    ack = desk.sync("shop")
    assert (ack.record.action, ack.record.drop) == (0, ())
    desk.check()
    assert (desk.wallet("shop"), desk.purse("shop")) == (4_500, 0)
    for name in ("ayan", "bota"):
        desk.sync(name)
        desk.send_home(name)
        desk.sync(name)
    desk.check()
    assert (desk.wallet("ayan"), desk.wallet("bota")) == (1_000, 1_500)
    assert desk.ledger.supply().escrow_tiyn == 0
    assert desk.centre.reconciler.guilty() == {}


def test_limits_start_anew_with_a_complete_sync_only() -> None:
    desk = _trio()
    desk.take_offline("ayan", 5_000)
    desk.hand_over("ayan", "bota", 3_000)
    ack = desk.sync("ayan")
    assert (ack.record.base_out_tiyn, ack.record.base_out_count) == (3_000, 1)
    assert ack.record.request
    desk.hand_over("ayan", "bota", 1_000)
    ack = desk.sync("bota")
    assert (ack.record.base_in_tiyn, ack.record.base_in_count) == (4_000, 2)


def test_t17_notes_that_never_arrived_are_fetched_again_or_refunded() -> None:
    desk = _trio()
    desk.take_offline("ayan", 5_000, receive=False)
    device = desk.people["ayan"]
    first = [note.encode() for note in desk.centre.notes(device.kid)]
    assert [note.encode() for note in desk.open_centre().notes(device.kid)] == first
    desk.fetch("ayan")
    desk.fetch("ayan")
    assert desk.purse("ayan") == 5_000
    desk.take_offline("bota", 700, receive=False)
    desk.clock.advance(200 * DAY)
    desk.centre.tick()
    desk.check()
    assert (desk.wallet("ayan"), desk.wallet("bota")) == (5_000, 700)


def test_a_new_list_does_not_change_a_note_that_was_made() -> None:
    desk = _trio()
    desk.take_offline("ayan", 5_000, receive=False)
    kid = desk.people["ayan"].kid
    before = [note.encode() for note in desk.centre.notes(kid)]
    desk.centre.publish(b"stricter", policy={9: 1})
    assert [note.encode() for note in desk.open_centre().notes(kid)] == before
    desk.clock.advance(1)
    desk.take_offline("ayan", 100, receive=False)
    assert [note.record.max_hops for note in desk.centre.notes(kid)] == [5, 1]
    assert [note.record.load_number for note in desk.centre.notes(kid, 1)] == [2]


def test_a_lost_answer_is_repeated_and_later_payments_still_count() -> None:
    desk = _trio()
    desk.take_offline("ayan", 5_000)
    desk.hand_over("ayan", "bota", 1_000)
    device, now = desk.people["ayan"], desk.clock.now()
    lost = desk.centre.sync(device.sync(desk.next_id(), now)[-1].encode()).sync
    desk.hand_over("ayan", "bota", 500)
    ack = desk.sync("ayan")
    assert ack == lost
    assert device.status(now).base.out_tiyn == 1_000
    assert device.status(now).totals.out_tiyn == 1_500
    assert desk.sync("ayan").record.base_out_tiyn == 1_500


def test_p6_a_payment_after_its_invoice_closed_is_credited_at_the_centre() -> None:
    desk = _trio()
    desk.take_offline("ayan", 5_000)
    payer, payee, now = desk.people["ayan"], desk.people["bota"], desk.clock.now()
    invoice = payee.invoice(desk.next_id(), 2_000, 0, now)
    payer.pay(invoice, payee.certificate, now)
    desk.sync("bota")
    desk.sync("ayan")
    assert desk.purse("bota") == 0
    assert desk.wallet("bota") == 2_000, "bota's own statement showed that it can never take it"
    desk.check()


def test_t11_a_host_that_lost_its_histories_can_still_send_money_home() -> None:
    desk = _trio()
    desk.take_offline("ayan", 5_000)
    desk.hand_over("ayan", "bota", 2_000)
    desk.hosts["bota"] = type(desk.hosts["bota"])()
    desk.restart("bota")
    desk.send_home("bota")
    desk.sync("bota")
    assert desk.wallet("bota") == 0, "nobody has shown where the money came from"
    desk.sync("ayan")
    assert desk.wallet("bota") == 2_000
    desk.check()


def test_a_double_spender_is_revoked_at_once_and_everybody_honest_is_paid() -> None:
    desk = _trio()
    desk.take_offline("ayan", 5_000)
    now = desk.clock.now()
    opened = desk.opened("ayan")
    before = opened.capture()
    for payee in ("bota", "shop"):
        device = desk.people[payee]
        invoice = device.invoice(desk.next_id(), 5_000, 0, now)
        opened.rollback(before)
        device.receive(desk.pay_opened(opened, device, invoice), invoice, now)
    for payee in ("bota", "shop"):
        desk.send_home(payee)
        desk.sync(payee)
    desk.check()
    assert (desk.wallet("bota"), desk.wallet("shop")) == (5_000, 5_000)
    assert desk.ledger.supply().loss_reserve_tiyn == RESERVE - 5_000
    kid = opened.public_key.kid
    assert desk.centre.trust_view.is_revoked(kid)
    assert desk.centre.trust_view.sequence == 2
    assert len(desk.centre.evidence(kid)) == 2, "one output twice; one counter and one link, by the same pair"
    assert desk.people["shop"].trust_view.is_revoked(kid), "the sync brought the new list"
    with pytest.raises(Refused) as caught:
        desk.hand_over("ayan", "shop", 10)
    assert caught.value.code in ("E_REVOKED", "E_COINS")
    assert desk.sync("ayan").record.action == 1


def test_marked_money_keeps_its_rule_offline_and_converts_at_home() -> None:
    desk = Desk(reserve_tiyn=RESERVE)
    definition = desk.definition(release_categories=(CANTEEN, SUPPLIER))
    desk.centre.publish(b"meals", purposes=[purpose_row(definition.record)])
    desk.join("pupil", category=PUPIL)
    desk.join("canteen", category=CANTEEN)
    desk.join("ayan")
    desk.mark(definition, ("pupil", 1_000))
    desk.take_offline("pupil", 1_000, mark=definition.oid)
    with pytest.raises(Refused):
        desk.hand_over("pupil", "ayan", 100, definition.record.purpose)
    desk.hand_over("pupil", "canteen", 400, definition.record.purpose)
    desk.send_home("canteen")
    desk.sync("canteen")
    assert [(token.amount_tiyn, token.mark) for _, token in desk.ledger.owned(desk.kid("canteen"))] == [
        (400, b"")
    ]
    desk.send_home("pupil")
    desk.sync("pupil")
    home = [(token.amount_tiyn, token.mark) for _, token in desk.ledger.owned(desk.kid("pupil"))]
    assert home == [(600, definition.oid)], "a voucher that went offline and came home is a voucher"
    desk.check()


def test_a_lost_device_is_revoked_once_and_its_owner_refunded_at_close() -> None:
    desk = _trio()
    desk.take_offline("ayan", 5_000)
    kid = desk.people["ayan"].kid
    trust = desk.centre.revoke(kid)
    assert desk.centre.revoke(kid) == trust
    desk.clock.advance(200 * DAY)
    desk.centre.tick()
    assert desk.wallet("ayan") == 5_000


def test_a_rotated_account_gets_what_its_device_held() -> None:
    desk = _trio()
    desk.take_offline("ayan", 5_000)
    desk.rotate("ayan", "ayan.2")
    desk.send_home("ayan", 1_000)
    desk.sync("ayan")
    assert desk.wallet("ayan.2") == 1_000
    desk.clock.advance(200 * DAY)
    desk.centre.tick()
    assert desk.wallet("ayan.2") == 5_000
    desk.check()


def test_outcomes_and_inclusion_can_be_asked_for() -> None:
    desk = _trio()
    desk.take_offline("ayan", 5_000)
    desk.send_home("ayan")
    device, now = desk.people["ayan"], desk.clock.now()
    order = desk.centre.redeem_order(b"again", device.kid)
    assert desk.centre.redeem_order(b"again", device.kid) == order
    batches = device.sync(desk.next_id(), now)
    answer = desk.centre.sync(batches[-1].encode())
    homes = [
        standing for standing in desk.centre.reconciler.standings().values() if standing.status == CREDITED
    ]
    assert [standing.amount_tiyn for standing in homes] == [5_000]
    assert desk.centre.outcome(homes[0].subject).record.status == CREDITED
    assert answer.submit.record.log_size <= desk.centre.reconciler.head()[0]


def test_questions_that_cannot_be_answered_are_refused() -> None:
    desk = _trio()
    element = desk.bare("stranger")
    challenge = desk.centre.challenge(1, b"stranger")
    enrol = element.enrol(desk.network, 1, challenge)
    other = desk.bare("other").enrol(desk.network, 1, challenge)
    desk.register("far", bank=BANK_TWO)
    for word, code in (
        (desk.word(enrol, "nobody"), "E_KEY_UNKNOWN"),
        (desk.word(enrol, "far"), "E_DEVICE_OWNER"),
        (desk.word(other, "ayan"), "E_DEVICE_WORD"),
    ):
        with pytest.raises(Refused) as caught:
            desk.centre.enrol(enrol, word)
        assert caught.value.code == code
    with pytest.raises(TengeError) as wrong:
        desk.centre.enrol(
            enrol, replace(desk.word(enrol, "ayan"), signature=desk.word(other, "ayan").signature)
        )
    assert wrong.value.code == "E_SIG"
    with pytest.raises(Refused) as caught:
        desk.centre.sync(make_batch(bytes(16)).encode())
    assert caught.value.code == "E_SYNC_MISSING"
    assert desk.centre.account_of(bytes(32)) is None


def test_trust_is_handed_out_to_whoever_has_an_older_list() -> None:
    desk = _trio()
    assert len(desk.centre.trust()) == 1
    assert desk.centre.trust(1) == ()
    desk.centre.publish(b"second", taint=[bytes(16)])
    (newest,) = desk.centre.trust(1)
    assert newest.record.sequence == 2
    assert newest.record.base_sequence == 1
    assert [one.record.sequence for one in desk.centre.trust()] == [1, 2]


def test_what_a_crash_left_untold_is_told_when_the_desk_opens_again() -> None:
    desk = _trio()
    lost = desk.open_centre(memory_evidence(desk))
    for paper in desk.centre.devices.papers():
        assert lost.reconciler.knows(paper.oid)
    assert lost.reconciler.knows(desk.centre.lists.lists[0].oid)
    certificate = desk.centre.renew(b"renewal", desk.people["ayan"].kid)
    assert desk.open_centre(memory_evidence(desk)).reconciler.knows(certificate.oid)
    desk.people["ayan"].renew(certificate)
    assert desk.people["ayan"].certificate == certificate
    ack: SyncAck = desk.sync("ayan").record
    assert ack.certificate == certificate.oid


def memory_evidence(desk: Desk) -> OfflineStores:
    """The desk's stores, with the evidence lost."""
    return replace(desk.stores, evidence=MemoryArchive())
