"""The issuer goes on to its next key while devices are offline: old notes stand, new ones are of the next key."""

from dataclasses import replace

import pytest

from cbdc.errors import Refused
from cbdc.record import sign
from cbdc.token import MERCHANT
from offline.gateway import OfflineKeys
from offline.issue import NoteIssuer
from offline.parameters import ISSUER_EPOCH, value_of
from offline.prosecution import PHANTOM_NOTE
from offline.records import Note
from tests.cbdc.world import DAY
from tests.offline.desk import Desk


def begin() -> Desk:
    """Ayan, with a note of the first epoch offline, Bota and a shop."""
    desk = Desk(reserve_tiyn=1_000_000)
    desk.join("ayan")
    desk.join("bota")
    desk.join("shop", category=MERCHANT)
    desk.clock.advance(1)
    desk.take_offline("ayan", 5_000)
    return desk


def go_on(desk: Desk, epoch: int, name: bytes = b"next key") -> None:
    """A TRUST list that lets the issuer go on to an epoch, a second before the next load."""
    desk.centre.publish(name, policy={ISSUER_EPOCH.id: epoch})
    desk.clock.advance(1)


def epochs(desk: Desk, name: str) -> list[tuple[int, bytes]]:
    """Epoch and issuer's reference of each note of that device."""
    notes = [note.record for note in desk.centre.notes(desk.people[name].kid)]
    return [(int.from_bytes(note.serial[:4], "big"), note.issuer_reference) for note in notes]


def reference(desk: Desk, key: str) -> bytes:
    return desk.key(key).public.kid[:8]


def test_old_notes_stand_and_new_ones_are_the_next_key_s() -> None:
    desk = begin()
    before = [note.encode() for note in desk.centre.notes(desk.people["ayan"].kid)]
    go_on(desk, 2)
    desk.take_offline("ayan", 700)
    assert epochs(desk, "ayan") == [(1, reference(desk, "issuer")), (2, reference(desk, "issuer-2"))]
    again = [note.encode() for note in desk.open_centre().notes(desk.people["ayan"].kid)]
    assert again[:1] == before, "a registry opened again makes the same notes"
    # Both are money, over two hops and home again; the payees never saw the list that changed the key.
    desk.hand_over("ayan", "bota", 5_200)
    desk.hand_over("bota", "shop", 5_100)
    for name in ("shop", "bota", "ayan"):
        desk.send_home(name)
        desk.sync(name)
    desk.check()
    assert (desk.wallet("ayan"), desk.wallet("bota"), desk.wallet("shop")) == (500, 100, 5_100)
    assert desk.centre.reconciler.alarms() == []


def test_a_load_in_the_second_of_the_list_keeps_its_key() -> None:
    desk = begin()
    desk.take_offline("bota", 300, receive=False)
    desk.centre.publish(b"same second", policy={ISSUER_EPOCH.id: 2})
    assert epochs(desk, "bota") == [(1, reference(desk, "issuer"))]
    desk.take_offline("shop", 300, receive=False)
    assert epochs(desk, "shop") == [(1, reference(desk, "issuer"))]


@pytest.mark.parametrize("number", [0, 1, 3, 4])
def test_the_number_never_falls_and_names_a_key_certified_now(number: int) -> None:
    desk = begin()
    go_on(desk, 2)
    listed = len(desk.centre.lists.lists)
    for call in (
        lambda: desk.centre.publish(b"wrong", policy={ISSUER_EPOCH.id: number}),
        lambda: desk.centre.lists.publish(b"wrong", policy={ISSUER_EPOCH.id: number}),
        lambda: desk.centre.check_policy({ISSUER_EPOCH.id: number}),
    ):
        with pytest.raises(Refused) as caught:
            call()
        assert caught.value.code == "E_ISSUER_EPOCH"
        assert caught.value.facts == {"number": number, "present": 2, "later": "none"}
    assert len(desk.centre.lists.lists) == listed
    desk.clock.advance(1)
    desk.take_offline("bota", 100, receive=False)
    assert epochs(desk, "bota") == [(2, reference(desk, "issuer-2"))]


def test_an_epoch_that_begins_later_may_be_named_when_it_has_begun() -> None:
    desk = begin()
    desk.clock.advance(300 * DAY)
    with pytest.raises(Refused, match="E_ISSUER_EPOCH") as caught:
        desk.centre.publish(b"none such", policy={ISSUER_EPOCH.id: 4})
    assert caught.value.facts["later"] == "2, 3"
    go_on(desk, 3)
    desk.take_offline("bota", 100, receive=False)
    assert epochs(desk, "bota") == [(3, reference(desk, "issuer-3"))]


def test_a_clock_that_was_put_back_changes_no_note() -> None:
    desk = begin()
    before = [note.encode() for note in desk.centre.notes(desk.people["ayan"].kid)]
    loaded = desk.clock.now()
    desk.clock._now -= 300
    made = desk.centre.publish(b"next key", policy={ISSUER_EPOCH.id: 2})
    assert made.record.issued == loaded
    for centre in (desk.centre, desk.open_centre()):
        assert [note.encode() for note in centre.notes(desk.people["ayan"].kid)] == before
    desk.clock._now = loaded + 1
    desk.take_offline("ayan", 700)
    assert [epoch for epoch, _ in epochs(desk, "ayan")] == [1, 2]


def test_a_revoked_key_is_not_the_next_one() -> None:
    desk = begin()
    desk.clock.advance(300 * DAY)
    stolen = desk.key("issuer-2").public.kid
    for way in ({"revoke": [stolen]}, {"revoke_references": [stolen[:8]]}):
        with pytest.raises(Refused, match="E_ISSUER_EPOCH") as caught:
            desk.centre.publish(b"both at once", policy={ISSUER_EPOCH.id: 2}, **way)
        assert caught.value.facts["later"] == "3"
    desk.centre.publish(b"stolen", revoke=[stolen])
    with pytest.raises(Refused, match="E_ISSUER_EPOCH"):
        desk.centre.check_policy({ISSUER_EPOCH.id: 2})
    desk.centre.publish(
        b"the old one too", revoke=[desk.key("issuer").public.kid], policy={ISSUER_EPOCH.id: 3}
    )
    desk.clock.advance(1)
    desk.sync("bota")
    desk.take_offline("bota", 100)
    assert epochs(desk, "bota") == [(3, reference(desk, "issuer-3"))]


def test_the_same_request_again_is_the_same_list_also_after_a_later_one() -> None:
    desk = begin()
    first = desk.centre.publish(b"second key", policy={ISSUER_EPOCH.id: 2})
    desk.clock.advance(300 * DAY)
    desk.centre.publish(b"third key", policy={ISSUER_EPOCH.id: 3})
    assert desk.centre.lists.publish(b"second key", policy={ISSUER_EPOCH.id: 2}).oid == first.oid
    assert desk.centre.publish(b"second key", policy={ISSUER_EPOCH.id: 2}).oid == first.oid
    assert value_of(ISSUER_EPOCH, desk.centre.trust_view.policy) == 3


def test_a_desk_without_the_next_key_does_not_go_on() -> None:
    desk = begin()
    keys = OfflineKeys(
        [desk.key("issuer")], desk.key("status"), desk.key("settle"), {1: desk.key("ca1"), 2: desk.key("ca2")}
    )
    poor = desk.open_centre(keys=keys)
    with pytest.raises(Refused, match="E_ISSUER_EPOCH"):
        poor.publish(b"next key", policy={ISSUER_EPOCH.id: 2})
    with pytest.raises(Refused, match="E_ISSUER_EPOCH"):
        poor.check_policy({ISSUER_EPOCH.id: 2})
    assert value_of(ISSUER_EPOCH, poor.trust_view.policy) == 1


def test_a_registry_without_a_key_still_knows_the_notes_and_signs_none() -> None:
    desk = begin()
    go_on(desk, 2)
    desk.take_offline("bota", 700, receive=False)
    (load,) = desk.centre.reconciler.loads_of(desk.people["bota"].kid)
    poor = NoteIssuer(desk.ledger, desk.authority, [desk.key("issuer")], desk.centre.lists.policy_at)
    known = [note.oid for note in desk.centre.issuer.registry(load)]
    assert [note.oid for note in poor.registry(load)] == known
    with pytest.raises(Refused, match="E_AUTHORITY") as caught:
        poor.notes(load)
    assert caught.value.facts["kid"] == desk.key("issuer-2").public.kid.hex()


def test_a_note_by_a_key_that_was_left_is_nobody_s_money() -> None:
    """The thief of the old key signs what the load says, but under the epoch that has ended."""
    desk = begin()
    go_on(desk, 2)
    desk.take_offline("ayan", 700)
    honest = desk.centre.notes(desk.people["ayan"].kid)[-1].record
    forged: Note = replace(
        honest,
        issuer_reference=reference(desk, "issuer"),
        serial=(1).to_bytes(4, "big") + honest.serial[4:],
    )
    signed = sign(forged, desk.network, desk.key("issuer"))
    desk.centre.reconciler.submit(signed)
    alarms = desk.centre.reconciler.alarms()
    assert [(one.type, one.kid) for one in alarms] == [(PHANTOM_NOTE, desk.key("issuer").public.kid)]
    before = desk.ledger.supply()
    desk.centre.tick()
    assert desk.ledger.supply() == before, "nothing is booked for it"
    desk.check()


def test_an_issuer_knows_which_epochs_it_can_sign() -> None:
    desk = begin()
    known = [desk.key("issuer-2"), desk.key("issuer")]
    issuer = NoteIssuer(desk.ledger, desk.authority, known, desk.centre.lists.policy_at)
    assert issuer.epochs_at(desk.clock.now()) == (1, 2)
    assert issuer.epochs_at(desk.clock.now() + 10_000 * DAY) == ()
