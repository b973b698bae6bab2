"""Revocation with whole devices: device, bank, epoch, tier, taint; changes, chains, the kill switch; lists over QR."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.record import Signed, sign
from cbdc.token import MERCHANT
from offline import gossip
from offline.archive import MemoryArchive
from offline.parameters import (
    CLOSED_TIERS,
    MAX_AGE_DAYS,
    MAX_HOPS,
    MAX_TRUST_AGE_SECONDS,
    PRESETS,
    REJECT_REVOKED_ANCESTOR,
    STAGED,
    mode_policy,
    preset,
    value_of,
)
from offline.records import TIER_SE, TIER_SW, Trust
from offline.settle import CREDITED, DENIED
from offline.trust import MAX_CHAIN, TrustView
from offline.trust_office import FULL_EVERY, TrustOffice
from tests.cbdc.world import BANK_TWO, DAY
from tests.offline.centre import Centre
from tests.offline.desk import Desk
from tests.offline.test_settle import status

RESERVE = 1_000_000
SW_BIT = 1 << TIER_SW


def refusal(code: str) -> Any:
    """The refusal with this code, and no other."""
    return pytest.raises(TengeError, match=f"^{code}:")


def trio(**fields: Any) -> Desk:
    """Ayan with 5,000 on his device, Bota and a shop."""
    desk = Desk(reserve_tiyn=RESERVE, **fields)
    desk.join("ayan")
    desk.join("bota")
    desk.join("shop", category=MERCHANT)
    desk.take_offline("ayan", 5_000)
    return desk


def learn(desk: Desk, *names: str) -> None:
    """These devices adopt what is newest, and nothing else."""
    for name in names:
        device = desk.people[name]
        device.trust(desk.centre.trust(device.trust_view.sequence))


# --- V1 to V7 ---


def test_v1_a_payer_whose_revocation_the_payee_knows_is_refused_and_keeps_its_money() -> None:
    desk = trio()
    desk.centre.revoke(desk.people["ayan"].kid)
    learn(desk, "bota")
    with refusal("E_REVOKED"):
        desk.hand_over("ayan", "bota", 1_000)
    assert desk.purse("bota") == 0
    desk.sync("bota")
    desk.sync("ayan")
    assert desk.wallet("bota") == 0
    desk.clock.advance(200 * DAY)
    desk.centre.tick()
    desk.check()
    assert (desk.wallet("ayan"), desk.wallet("bota")) == (5_000, 0), (
        "the payee knew: it goes back to the payer"
    )


def test_v2_a_payee_that_could_not_know_accepts_and_is_paid() -> None:
    desk = trio()
    desk.centre.revoke(desk.people["ayan"].kid)
    desk.hand_over("ayan", "bota", 1_000)
    desk.send_home("bota")
    desk.sync("bota")
    desk.check()
    assert desk.wallet("bota") == 1_000


@pytest.mark.parametrize("reason", ["bank", "bank's key", "tier"])
@pytest.mark.parametrize(("knew", "expected"), [(1, CREDITED), (2, DENIED), (3, DENIED)])
def test_v2_v3_good_faith_counts_for_banks_and_tiers_too(reason: str, knew: int, expected: int) -> None:
    """List 2 revokes the payer's bank or closes its tier; the invoice shows which list was known."""
    centre = Centre()
    centre.device("kairat")
    bota = centre.device("bota", ca_reference=centre.kid("ca1")[:8])
    (note,) = centre.load_notes("kairat", 1_000)
    invoice = centre.invoice(bota, trust_sequence=knew)
    paid = centre.spend(note, 0, bota, 1_000, reference=invoice.oid)
    centre.revoke()
    says: dict[str, dict[str, Any]] = {
        "bank": {"revoked_references": (centre.kid("ca1")[:8],)},
        "bank's key": {"revoked_kids": (centre.kid("ca1")[:16],)},
        "tier": {"policy": ((CLOSED_TIERS.id, 1 << TIER_SE),)},
    }
    _publish(centre, 2, **says[reason])
    home = centre.take_home(paid, 0, bota)
    centre.hand_in(paid, invoice, home)
    assert status(centre, home.oid)[0] == expected


def test_v3_who_knew_a_list_that_opened_the_tier_again_is_paid() -> None:
    centre = Centre()
    centre.device("kairat")
    bota = centre.device("bota")
    (note,) = centre.load_notes("kairat", 1_000)
    invoice = centre.invoice(bota, trust_sequence=4)
    paid = centre.spend(note, 0, bota, 1_000, reference=invoice.oid)
    home = centre.take_home(paid, 0, bota)
    _publish(centre, 2, policy=((CLOSED_TIERS.id, 1 << TIER_SE),))
    centre.hand_in(paid, invoice, home)
    assert status(centre, home.oid)[0] == DENIED, "as far as is known the tier is still closed"
    _publish(centre, 3, base_sequence=2, policy=((CLOSED_TIERS.id, 0),))
    centre.reconciler.tick()
    assert status(centre, home.oid)[0] == CREDITED


def _publish(centre: Centre, sequence: int, **fields: Any) -> None:
    now = centre.clock.now()
    record = Trust(sequence, 0, now, now + DAY, (), (), (), (), ())
    trust = sign(replace(record, **fields), centre.network, centre.key("status"))
    centre.reconciler.publish(trust)


def test_v6_an_earlier_holder_who_is_revoked_spoils_the_line_offline_but_not_at_home() -> None:
    desk = trio()
    desk.hand_over("ayan", "bota", 3_000)
    desk.centre.revoke(desk.people["ayan"].kid)
    learn(desk, "shop")
    with refusal("E_REVOKED"):
        desk.hand_over("bota", "shop", 1_000)
    learn(desk, "bota")
    with refusal("E_COINS"):
        desk.hand_over("bota", "shop", 1_000)
    desk.centre.publish(b"flip", policy={REJECT_REVOKED_ANCESTOR.id: 0})
    learn(desk, "bota", "shop")
    desk.hand_over("bota", "shop", 500)
    desk.send_home("bota")
    desk.sync("bota")
    desk.check()
    assert (desk.wallet("bota"), desk.purse("shop")) == (1_500, 500)


def test_v7_a_tainted_tree_is_refused_offline_and_redeemed_at_home() -> None:
    desk = trio()
    desk.hand_over("ayan", "bota", 3_000)
    (note,) = desk.centre.notes(desk.people["ayan"].kid)
    desk.centre.publish(b"taint", taint=[note.record.serial])
    learn(desk, "shop")
    with refusal("E_TAINTED"):
        desk.hand_over("bota", "shop", 1_000)
    learn(desk, "bota", "ayan")
    for name in ("bota", "ayan"):
        with refusal("E_COINS"):
            desk.hand_over(name, "shop", 1)
    desk.send_home("ayan")
    desk.sync("ayan")
    desk.send_home("bota")
    desk.sync("bota")
    assert (desk.wallet("ayan"), desk.wallet("bota")) == (2_000, 2_000), (
        "Bota's 1,000 to the shop still stand"
    )
    desk.check()


# --- bank, epoch, tier ---


def test_5_12_a_revoked_bank_takes_all_its_devices_with_it_and_no_other() -> None:
    desk = trio()
    desk.join("dana", bank=BANK_TWO, tier=2)
    desk.take_offline("dana", 700)
    desk.centre.publish(b"bank", revoke_references=[desk.kid("ca1")[:8]])
    learn(desk, "dana")
    with refusal("E_CA"):
        desk.hand_over("dana", "shop", 100)
    device, now = desk.people["dana"], desk.clock.now()
    invoice = device.invoice(desk.next_id(), 100, 0, now)
    payment = desk.people["ayan"].pay(invoice, device.certificate, now)
    with refusal("E_CA"):
        device.receive(payment, invoice, now)
    learn(desk, "ayan")
    order = desk.centre.redeem_order(desk.next_id(), desk.people["ayan"].kid)
    with refusal("E_ORDER"):
        desk.people["ayan"].redeem(order, now)
    desk.sync("dana")
    desk.sync("ayan")
    desk.clock.advance(200 * DAY)
    desk.centre.tick()
    desk.check()
    assert (desk.wallet("ayan"), desk.wallet("dana")) == (5_000, 700)


def test_5_12_a_revoked_epoch_stops_its_notes_offline_and_they_are_redeemed() -> None:
    desk = trio()
    desk.centre.publish(b"epoch", revoke_references=[desk.kid("issuer")[:8]])
    learn(desk, "shop")
    with refusal("E_ISSUER"):
        desk.hand_over("ayan", "shop", 1_000)
    desk.send_home("ayan")
    desk.sync("ayan")
    assert desk.wallet("ayan") == 4_000


def test_5_12_a_closed_tier_neither_pays_nor_is_paid_until_it_is_opened_again() -> None:
    desk = trio()
    desk.join("soft", tier=TIER_SW)
    desk.take_offline("soft", 900)
    desk.hand_over("soft", "bota", 300)
    desk.centre.publish(b"close", policy={CLOSED_TIERS.id: SW_BIT})
    learn(desk, "shop", "ayan", "bota")
    with refusal("E_TIER_CLOSED"):
        desk.hand_over("soft", "shop", 100)
    with refusal("E_TIER_CLOSED"):
        desk.hand_over("ayan", "soft", 100)
    with refusal("E_COINS"):
        desk.hand_over("bota", "shop", 100)
    learn(desk, "soft")
    with refusal("E_TIER_CLOSED"):
        desk.people["soft"].invoice(desk.next_id(), 10, 0, desk.clock.now())
    desk.send_home("bota")
    desk.sync("bota")
    assert desk.sync("soft").record.action == 1, "blocked while the tier is closed"
    desk.send_home("soft")
    desk.sync("soft")
    assert (desk.wallet("bota"), desk.wallet("soft")) == (300, 500)
    desk.check()
    desk.centre.publish(b"open", policy={CLOSED_TIERS.id: 0})
    assert desk.sync("soft").record.action == 0
    desk.take_offline("soft", 50)
    learn(desk, "shop")
    desk.hand_over("soft", "shop", 50)


# --- A5: the kill switch; modes ---


def test_a5_v14_staged_by_one_small_change_stops_chains_for_everybody() -> None:
    desk = trio()
    desk.hand_over("ayan", "bota", 3_000)
    trust = desk.centre.switch_mode(b"class break", "staged")
    assert trust.record.base_sequence == 1
    assert len(trust.encode()) < 200
    learn(desk, "bota")
    with refusal("E_COINS"):
        desk.hand_over("bota", "shop", 1_000)
    desk.hand_over("ayan", "shop", 1_000)
    learn(desk, "shop")
    opened = desk.opened("bota")
    invoice = desk.people["shop"].invoice(desk.next_id(), 3_000, 0, desk.clock.now())
    with refusal("E_HOPS"):
        opened.pay(invoice, desk.people["shop"].certificate, sorted(opened.status(0).purse), desk.clock.now())
    desk.send_home("bota")
    desk.sync("bota")
    assert desk.wallet("bota") == 3_000
    desk.clock.advance(1)
    desk.take_offline("bota", 100)
    (note,) = desk.centre.notes(desk.people["bota"].kid)
    assert note.record.max_hops == 1
    desk.centre.switch_mode(b"over", "intermittent")
    desk.sync("bota")
    desk.sync("shop")
    desk.hand_over("shop", "bota", 10)


def test_v14_a_payee_that_knows_staged_refuses_a_second_hop() -> None:
    desk = trio()
    desk.hand_over("ayan", "bota", 3_000)
    desk.centre.switch_mode(b"1", "staged")
    learn(desk, "shop")
    with refusal("E_HOPS"):
        desk.hand_over("bota", "shop", 1_000)


@pytest.mark.parametrize("before", list(PRESETS))
@pytest.mark.parametrize("after", list(PRESETS))
def test_5_18_a_mode_is_the_same_whatever_was_in_force_before(before: str, after: str) -> None:
    desk = Desk()
    desk.centre.switch_mode(b"1", before)
    desk.centre.switch_mode(b"2", after)
    view = desk.centre.trust_view
    numbers = (MAX_HOPS, MAX_AGE_DAYS, MAX_TRUST_AGE_SECONDS)
    expected = [value_of(number, preset(after)) for number in numbers]
    assert [view.parameter(number) for number in numbers] == expected
    assert {**mode_policy(after), **STAGED} == mode_policy("staged") or after == "extended"
    with refusal("E_PARAMETER_SET"):
        desk.centre.switch_mode(b"3", "for ever")


# --- S16, S17: changes, chains ---


def test_s16_old_forged_and_unfitting_lists_change_nothing_on_a_host() -> None:
    desk = trio()
    first = desk.centre.lists.lists[0]
    second = desk.centre.publish(b"2", taint=[b"a" * 16])
    third = desk.centre.publish(b"3", taint=[b"b" * 16])
    device = desk.people["ayan"]
    with refusal("E_TRUST_BASE"):
        device.trust([third])
    for forged in _forgeries(desk, third):
        with refusal("E_SIG"):
            device.trust([second, forged])
        with refusal("E_SIG"):
            desk.centre.reconciler.publish(forged)
    assert device.trust_view.sequence == 1
    device.trust([second, third])
    with refusal("E_TRUST_OLD"):
        device.trust([second])
    device.trust([first, second])
    assert device.trust_view.sequence == 3
    assert device.trust_view.is_tainted(b"a" * 16)


def _forgeries(desk: Desk, trust: Signed[Trust]) -> list[Signed[Trust]]:
    other = sign(trust.record, desk.network, desk.key("ca1"))
    altered = sign(replace(trust.record, tainted_notes=()), desk.network, desk.key("ca1"))
    return [other, replace(altered, signature=trust.signature)]


def test_s17_a_device_with_a_stale_list_asks_for_nothing_until_somebody_brings_a_newer_one() -> None:
    desk = trio()
    desk.clock.advance(MAX_TRUST_AGE_SECONDS.default + 1)
    with refusal("E_TRUST_STALE"):
        desk.hand_over("ayan", "bota", 100)
    desk.centre.publish(b"today")
    learn(desk, "shop")
    assert gossip.take(desk.people["bota"], gossip.show(desk.people["shop"], 1)) == 2
    desk.people["bota"].invoice(desk.next_id(), 100, 0, desk.clock.now())


def test_a_list_of_the_day_is_a_change_of_about_a_hundred_bytes() -> None:
    desk = trio()
    desk.centre.publish(b"many", revoke=[bytes([1, number]) + bytes(30) for number in range(200)])
    day = desk.centre.publish(b"day")
    assert day.record.base_sequence == 2
    assert len(day.encode()) < 120
    learn(desk, "ayan")
    assert len(desk.people["ayan"].trust_newer_than(2)) == 1


Step = st.tuples(st.sampled_from(["revoke", "taint", "policy", "nothing", "full"]), st.integers(0, 9))


@settings(max_examples=25, deadline=None)
@given(st.lists(Step, min_size=1, max_size=40), st.data())
def test_s16_whoever_asks_from_wherever_ends_at_the_same_view(
    steps: list[tuple[str, int]], data: Any
) -> None:
    centre = CENTRE
    office = TrustOffice(MemoryArchive(), centre.authority, centre.key("status"), centre.clock)
    views = [TrustView(centre.authority)]
    for place, (kind, number) in enumerate(steps):
        word = bytes([number]) * 32
        says: dict[str, Any] = {
            "revoke": {"revoke": [word]},
            "taint": {"taint": [word]},
            "policy": {"policy": {MAX_HOPS.id: number}},
            "full": {"full": True},
        }.get(kind, {})
        made = office.publish(place.to_bytes(4, "big"), **says)
        assert made.record.sequence == place + 1
        views.append(views[-1].adopt_all(office.chain(place)))
    newest = office.view
    start = data.draw(st.integers(0, len(steps)))
    caught = views[start].adopt_all(office.chain(start))
    for view in (views[-1], caught):
        assert (view.sequence, view.policy) == (newest.sequence, newest.policy)
        for number in range(10):
            word = bytes([number]) * 32
            assert view.is_revoked(word) == newest.is_revoked(word)
            assert view.is_tainted(word) == newest.is_tainted(word)
    assert len(office.chain()) <= FULL_EVERY <= MAX_CHAIN
    between = data.draw(st.integers(start, len(steps)))
    part = views[start].adopt_all(office.chain(start, between))
    assert part.sequence == between, "a chain may stop at an earlier list"


CENTRE = Centre(name="revocation")


def test_a_list_has_room_for_so_many_and_the_chain_goes_on_in_changes() -> None:
    office = TrustOffice(MemoryArchive(), CENTRE.authority, CENTRE.key("status"), CENTRE.clock)
    kids = [number.to_bytes(4, "big") + bytes(28) for number in range(1, 5_000)]
    with refusal("E_TRUST_ROOM"):
        office.publish(b"all", revoke=kids)
    with refusal("E_TRUST_ROOM"):
        office.publish(b"most", revoke=kids[:4_000])
    office.publish(b"some", revoke=kids[:3_000])
    office.publish(b"more", revoke=kids[3_000:])
    made = [office.publish(bytes([number]), full=True) for number in range(20)]
    assert {one.record.base_sequence for one in made} == set(range(2, 22)), "a full list would not fit"
    assert all(office.view.is_revoked(kid) for kid in (kids[0], kids[-1]))


def test_nobody_needs_a_long_chain() -> None:
    office = TrustOffice(MemoryArchive(), CENTRE.authority, CENTRE.key("status"), CENTRE.clock)
    for number in range(FULL_EVERY * 2 + 5):
        office.publish(number.to_bytes(4, "big"), taint=[bytes([number]) * 16])
    for start in (0, 1, FULL_EVERY):
        chain = office.chain(start)
        assert len(chain) == 5
        assert chain[0].record.base_sequence == 0
    assert [one.record.sequence for one in office.chain(FULL_EVERY * 2 + 3)] == [36, 37]
    assert office.chain(FULL_EVERY * 2 + 5) == ()


# --- over QR ---


def test_5_12_lists_over_qr_when_they_are_small_enough() -> None:
    desk = trio()
    shop, bota = desk.people["shop"], desk.people["bota"]
    assert gossip.take(bota, gossip.show(shop, 1)) == 1, "nothing newer: an empty message"
    desk.centre.revoke(desk.people["ayan"].kid)
    learn(desk, "shop")
    shown = gossip.show(shop, bota.trust_view.sequence)
    assert len(shown) <= gossip.MAX_QR_BYTES
    assert gossip.take(bota, shown) == 2
    assert gossip.take(bota, shown) == 2
    with refusal("E_REVOKED"):
        desk.hand_over("ayan", "bota", 100)
    desk.centre.publish(b"many", revoke=[bytes([1, number]) + bytes(30) for number in range(60)])
    learn(desk, "shop")
    with refusal("E_TRUST_QR"):
        gossip.show(shop, 2)
    with refusal("E_TRUST_QR"):
        gossip.take(bota, bytes(gossip.MAX_QR_BYTES + 1))
    for wrong in ([36, []], [37], [37, b""], [37, [[1]] * 65]):
        with pytest.raises(Malformed, match="E_FIELD"):
            gossip.take(bota, canonical.encode(wrong))
    (message,) = canonical.decode_array(gossip.show(shop, shop.trust_view.sequence))[1:]
    assert message == []
    forged = canonical.encode([37, [_forgeries(desk, desk.centre.lists.lists[-1])[0].envelope()]])
    with pytest.raises(Refused):
        gossip.take(bota, forged[: gossip.MAX_QR_BYTES] if len(forged) <= gossip.MAX_QR_BYTES else forged)
    assert bota.trust_view.sequence == 2


def test_a_chain_too_long_for_a_message_is_not_passed_on() -> None:
    desk = trio()
    view = desk.centre.trust_view
    for sequence in range(2, MAX_CHAIN + 3):
        record = Trust(sequence, sequence - 1, view.issued, view.issued + DAY, (), (), (), (), ())
        view = view.adopt(sign(record, desk.network, desk.key("status")))
    assert view.chain_after(0) == ()
    assert len(view.chain_after(view.sequence - MAX_CHAIN)) == MAX_CHAIN
    assert view.chain_after(view.sequence) == ()
