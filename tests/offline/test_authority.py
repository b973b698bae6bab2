"""Enrolment with proof of possession, certificates and their log, orders, TRUST lists."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Refused, Unavailable
from cbdc.keys import ED25519, SoftwareKey
from cbdc.ledger.entry import check_inclusion, leaf_hash
from cbdc.marks import OfflinePurpose
from cbdc.ports import SeededEntropy, SystemEntropy
from cbdc.record import Signed, sign
from cbdc.token import PERSON
from offline.admission import check_certificate_issue
from offline.archive import ArchiveStore, MemoryArchive, SqliteArchive
from offline.authority import CHALLENGE_SECONDS, DeviceRegister, purpose_row, purpose_rows
from offline.parameters import MAX_AGE_DAYS, MAX_HOPS, limits_for
from offline.records import TIER_SE, TIER_SW, Enrol
from offline.trust import TrustView
from offline.trust_office import TrustOffice
from tests.cbdc.world import DAY, World
from tests.offline.centre import Centre

CENTRE = Centre()


class Office:
    """A register of devices and a TRUST office over one world."""

    def __init__(self, store: ArchiveStore | None = None, entropy: Any = None) -> None:
        self.centre = Centre()
        self.store = store or MemoryArchive()
        self.entropy = entropy or SeededEntropy(3)
        self.lists = MemoryArchive()
        self.register = self.open()
        self.trust = self.open_trust()

    def open(self) -> DeviceRegister:
        signers = {1: self.centre.key("ca1"), 2: self.centre.key("ca2")}
        return DeviceRegister(self.store, self.centre.authority, signers, self.centre.clock, self.entropy)

    def open_trust(self) -> TrustOffice:
        return TrustOffice(self.lists, self.centre.authority, self.centre.key("status"), self.centre.clock)

    def proof(
        self, name: str = "ayan", bank: int = 1, challenge: bytes | None = None, **fields: Any
    ) -> Signed[Enrol]:
        key: SoftwareKey = self.centre.key(f"{name}/device")
        if challenge is None:
            challenge = self.register.challenge(bank, name.encode())
        record = Enrol(fields.pop("bank_id", bank), ED25519, key.public.raw, challenge)
        return sign(record, self.centre.network, fields.pop("signer", key))

    def enrol(self, proof: Signed[Enrol], tier: int = TIER_SE, **fields: Any) -> Any:
        return self.register.enrol(proof, tier, PERSON, bytes(32), **fields)


def test_a_device_that_proves_its_key_is_certified_once() -> None:
    office = Office()
    proof = office.proof()
    made = office.enrol(proof)
    check_certificate_issue(made, office.centre.authority)
    assert made.record.kid == office.centre.key("ayan/device").public.kid
    assert made.record.limits == limits_for(TIER_SE, PERSON)
    office.centre.clock.advance(10)
    assert office.enrol(proof) == made
    assert office.open().enrol(proof, TIER_SW, PERSON, bytes(32)) == made
    assert office.register.account_of(made.record.kid) == bytes(32)
    assert office.register.bank_of(made.record.kid) == 1
    assert office.register.devices() == [made.record.kid]
    assert list(office.register.papers()) == [made]


def test_the_same_question_has_the_same_challenge_whatever_chance_says() -> None:
    office = Office(entropy=SystemEntropy())
    first = office.register.challenge(1, b"one")
    assert office.register.challenge(1, b"one") == first
    assert office.register.challenge(1, b"two") != first
    assert office.register.challenge(2, b"one") != first


@pytest.mark.parametrize("wrong", ["invented", "other bank", "old", "used"])
def test_g22_without_its_own_fresh_challenge_no_device_is_certified(wrong: str) -> None:
    office = Office()
    if wrong == "invented":
        proof = office.proof(challenge=bytes(32))
    elif wrong == "other bank":
        proof = office.proof(challenge=office.register.challenge(2, b"ayan"))
    elif wrong == "old":
        proof = office.proof()
        office.centre.clock.advance(CHALLENGE_SECONDS + 1)
    else:
        proof = office.proof("bota", challenge=office.register.challenge(1, b"ayan"))
        office.enrol(office.proof())
    with pytest.raises(Refused) as caught:
        office.enrol(proof)
    assert caught.value.code == "E_CHALLENGE"


def test_g22_a_proof_by_another_key_proves_nothing() -> None:
    office = Office()
    with pytest.raises(Refused) as caught:
        office.enrol(office.proof(signer=office.centre.key("thief")))
    assert caught.value.code == "E_SIG"


def test_one_key_is_one_device() -> None:
    office = Office()
    office.enrol(office.proof())
    again = office.proof(challenge=office.register.challenge(2, b"again"), bank_id=2)
    with pytest.raises(Refused) as caught:
        office.enrol(again)
    assert caught.value.code == "E_DEVICE_KNOWN"


def test_a_bank_certifies_no_tier_above_its_own_and_no_unknown_bank_certifies() -> None:
    office = Office()
    with pytest.raises(Refused) as caught:
        office.enrol(office.proof(), tier=4)
    assert caught.value.code == "E_CA"
    for call in (
        lambda: office.register.challenge(9, b""),
        lambda: office.enrol(office.proof(challenge=bytes(32), bank_id=9)),
    ):
        with pytest.raises(Refused) as caught:
            call()
        assert caught.value.code == "E_BANK_UNKNOWN"


def test_an_owners_devices_share_the_limits() -> None:
    office = Office()
    whole, half = limits_for(TIER_SE, PERSON), office.enrol(office.proof(), share=2).record.limits
    assert half.max_balance_tiyn == whole.max_balance_tiyn // 2
    assert half.max_out_tiyn == whole.max_out_tiyn // 2
    assert half.max_count == whole.max_count


def test_a_renewal_keeps_key_and_device() -> None:
    office = Office()
    first = office.enrol(office.proof())
    office.centre.clock.advance(DAY)
    kid = first.record.kid
    again = office.register.renew(b"1", kid, {MAX_HOPS.id: 2})
    assert office.register.renew(b"1", kid) == again
    assert again.oid != first.oid
    assert (again.record.kid, again.record.device_id) == (kid, first.record.device_id)
    assert again.record.limits.max_hops == 2
    assert again.record.certificate_number > first.record.certificate_number
    with pytest.raises(Refused) as caught:
        office.register.renew(b"1", bytes(32))
    assert caught.value.code == "E_DEVICE_UNKNOWN"


def test_orders_name_the_owners_account_and_are_the_same_for_the_same_request() -> None:
    office = Office()
    kid = office.enrol(office.proof()).record.kid
    order = office.register.redeem_order(b"1", kid)
    order.verify(office.centre.key("ca1").public)
    assert (order.record.kid, order.record.account) == (kid, bytes(32))
    office.centre.clock.advance(60)
    assert office.register.redeem_order(b"1", kid) == order
    assert office.register.redeem_order(b"2", kid, bytes([7]) * 32).record.account == bytes([7]) * 32
    with pytest.raises(Refused) as caught:
        office.register.redeem_order(b"1", bytes(32))
    assert caught.value.code == "E_DEVICE_UNKNOWN"


def test_proofs_and_certificates_stand_in_a_log() -> None:
    office = Office()
    proof = office.proof()
    made = office.enrol(proof)
    size, root = office.register.head()
    assert size == 2
    for oid in (proof.oid, made.oid):
        place, path = office.register.inclusion(oid, size)
        check_inclusion(leaf_hash(oid), place, size, path, root)
    for unknown, at in ((bytes(32), size), (made.oid, 1)):
        with pytest.raises(Refused) as caught:
            office.register.inclusion(unknown, at)
        assert caught.value.code == "E_DEVICE_UNKNOWN"


def test_a_register_in_a_file_goes_on_where_it_stopped(tmp_path: Path) -> None:
    store = SqliteArchive(tmp_path / "devices.sqlite")
    office = Office(store)
    made = office.enrol(office.proof())
    store.close()
    office.store = SqliteArchive(tmp_path / "devices.sqlite")
    assert office.open().certificate(made.record.kid) == made
    office.store.close()


# --- lists ---


def test_lists_add_up_and_have_rising_numbers() -> None:
    office = Office()
    row = (7, ((1, (2,)),), 0, 1, 1, ())
    first = office.trust.publish(b"1", policy={MAX_HOPS.id: 3}, purposes=[row])
    second = office.trust.publish(b"2", revoke=[bytes(32)], taint=[b"n" * 32], revoke_references=[b"c" * 8])
    assert (first.record.sequence, second.record.sequence) == (1, 2)
    assert (second.record.base_sequence, second.record.policy, second.record.purposes) == (1, (), ())
    view = TrustView(office.centre.authority).adopt_all(office.trust.chain())
    assert view.is_revoked(bytes(32))
    assert view.is_tainted(b"n" * 16)
    assert view.parameter(MAX_HOPS) == 3
    assert view.purpose(7) is not None
    assert office.trust.view.sequence == 2
    assert office.trust.lists == (first, second)
    office.centre.clock.advance(5)
    assert office.trust.publish(b"1") == first
    assert office.open_trust().lists == (first, second)


def test_two_offices_over_one_archive_never_give_one_number_twice() -> None:
    office = Office()
    other = office.open_trust()
    one = office.trust.publish(b"1")
    two = other.publish(b"2")
    assert (one.record.sequence, two.record.sequence) == (1, 2)
    assert office.trust.view.sequence == 2


def test_a_moments_policy_is_that_of_the_list_before_it() -> None:
    office = Office()
    now = office.centre.clock.now()
    office.trust.publish(b"1", policy={MAX_HOPS.id: 3})
    office.centre.clock.advance(10)
    office.trust.publish(b"2", policy={MAX_HOPS.id: 1})
    assert office.trust.policy_at(now) == {}
    assert office.trust.policy_at(now + 1) == {MAX_HOPS.id: 3}
    assert office.trust.policy_at(now + 10) == {MAX_HOPS.id: 3}
    assert office.trust.policy_at(now + 11) == {MAX_HOPS.id: 1}


def test_v13_numbers_that_leave_no_time_to_sync_are_refused() -> None:
    office = Office()
    with pytest.raises(Refused) as caught:
        office.trust.publish(b"1", policy={MAX_AGE_DAYS.id: 400})
    assert caught.value.code == "E_PARAMETERS"
    assert office.trust.lists == ()


def test_only_the_status_key_makes_lists() -> None:
    with pytest.raises(Refused) as caught:
        TrustOffice(MemoryArchive(), CENTRE.authority, CENTRE.key("ca1"), CENTRE.clock)
    assert caught.value.code == "E_AUTHORITY"


@pytest.mark.parametrize("code", ["E_STORE_CONFLICT", "E_STORE_UNAVAILABLE"])
def test_a_store_that_does_not_take_papers_is_said_so(code: str) -> None:
    class Stubborn(MemoryArchive):
        def append(self, expected_size: Any, rows: Any, answers: Any) -> None:
            facts = {"expected": 0, "found": 1} if code == "E_STORE_CONFLICT" else {"detail": "full"}
            raise Unavailable(code, **facts)

    office = Office()
    office.lists = Stubborn()
    with pytest.raises(Unavailable) as caught:
        office.open_trust().publish(b"1")
    assert caught.value.code == code


# --- purposes of marks ---


def test_each_number_has_one_rule_offline() -> None:
    world = World(name="purposes")
    meals = world.definition().record
    books = replace(meals, label="books", purpose=8)
    online = replace(meals, label="online", max_hops=0)
    nobody = OfflinePurpose(7, (), 0, 0, 0, ())
    assert purpose_row(online) == nobody
    assert purpose_rows([meals, books]) == [purpose_row(meals), purpose_row(books)]
    assert purpose_rows([online]) == [nobody]
    assert purpose_rows([online, meals]) == purpose_rows([meals, online]) == [purpose_row(meals)]
    same = replace(meals, label="again")
    assert purpose_rows([meals, same]) == [purpose_row(meals)]


def test_two_rules_under_one_number_do_not_go_offline() -> None:
    world = World(name="purposes")
    meals = world.definition().record
    with pytest.raises(Refused, match="E_PARAMETERS"):
        purpose_rows([meals, replace(meals, payment_cap_tiyn=5)])
