"""What one party believes: adoption in order, changes on their base, and never a step back."""

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc.authority import BANK_CA, ISSUER, STATUS, Authority
from cbdc.errors import Refused
from cbdc.token import CANTEEN, MERCHANT, PERSON, PUPIL, SUPPLIER
from offline.parameters import DAY_SECONDS, MAX_HOPS, MAX_TRUST_AGE_SECONDS, REJECT_REVOKED_ANCESTOR
from offline.trust import TrustView
from tests.offline.world import END, MEAL, NOW, START, World, fixed_bytes, fixed_key

WORLD = World("trust")
ONE, TWO, THREE = (fixed_bytes(name, 32) for name in ("one", "two", "three"))


def test_a_view_without_a_list() -> None:
    view = TrustView(WORLD.authority)
    assert (view.sequence, view.issued, view.record, view.signed, view.chain) == (0, 0, None, None, ())
    assert view.network == WORLD.network
    assert not view.is_revoked(ONE)
    assert not view.is_tainted(ONE)
    assert view.purpose(MEAL) is None
    assert view.parameter(MAX_HOPS) == MAX_HOPS.default
    assert view.age_seconds(NOW) == NOW


def test_the_first_list() -> None:
    view = WORLD.trust
    assert view.sequence == 1
    assert view.record == WORLD.first_trust.record
    assert view.issued == WORLD.first_trust.record.issued
    assert view.age_seconds(view.issued + 5) == 5
    assert view.age_seconds(view.issued - 5) == 0
    assert view.chain == (WORLD.first_trust,)
    assert view.adopt(WORLD.first_trust) is view


def test_a_view_never_changes() -> None:
    view = WORLD.trust
    after = view.adopt(WORLD.make_trust(2, revoked_kids=(ONE[:16],), policy=((MAX_HOPS.id, 2),)))
    assert after.is_revoked(ONE)
    assert after.parameter(MAX_HOPS) == 2
    assert after.policy == {MAX_HOPS.id: 2}
    assert not view.is_revoked(ONE)
    assert view.parameter(MAX_HOPS) == MAX_HOPS.default


def test_changes_add_and_full_lists_replace() -> None:
    full = WORLD.make_trust(2, revoked_kids=(ONE[:16],), tainted_notes=(ONE[:16],), policy=((9, 4), (10, 2)))
    change = WORLD.make_trust(
        3, base_sequence=2, revoked_kids=(TWO[:16],), policy=((9, 3),), purposes=((8, (), 1, 1, 0, ()),)
    )
    view = WORLD.trust.adopt(full).adopt(change)
    assert view.chain == (full, change)
    assert view.is_revoked(ONE)
    assert view.is_revoked(TWO)
    assert view.is_tainted(ONE)
    assert view.policy == {9: 3, 10: 2}
    assert {id for id in range(10) if view.purpose(id)} == {MEAL, 8}
    again = view.adopt(WORLD.make_trust(4, purposes=()))
    assert not again.is_revoked(ONE)
    assert again.purpose(MEAL) is None
    assert len(again.chain) == 1


def test_a_bank_a_note_and_a_device_are_named_by_prefixes() -> None:
    view = WORLD.trust.adopt(WORLD.make_trust(2, revoked_kids=(ONE[:16],), tainted_notes=(TWO[:16],)))
    assert view.is_revoked(ONE[:16])
    assert not view.is_revoked(TWO)
    assert view.is_tainted(TWO[:16])
    assert view.is_tainted(TWO)
    assert not view.is_tainted(ONE)


def test_references_and_moments() -> None:
    view = WORLD.trust
    bank, issuer = WORLD.bank_key.public.kid, WORLD.issuer_key.public.kid
    assert view.bank_ca(bank[:8], NOW) == WORLD.bank_auth.record
    assert view.issuer(issuer[:8], NOW) == WORLD.issuer_auth.record
    for reference, at in ((issuer[:8], NOW), (bytes(8), NOW), (bank[:8], START - 1), (bank[:8], END + 1)):
        with pytest.raises(Refused, match="E_CA"):
            view.bank_ca(reference, at)
    for reference, at in ((bank[:8], NOW), (issuer[:8], END + 1)):
        with pytest.raises(Refused, match="E_ISSUER"):
            view.issuer(reference, at)
    for fields in (
        {"revoked_kids": (bank[:16], issuer[:16])},
        {"revoked_references": (bank[:8], issuer[:8])},
    ):
        after = view.adopt(WORLD.make_trust(2, **fields))
        with pytest.raises(Refused, match="revoked"):
            after.bank_ca(bank[:8], NOW)
        with pytest.raises(Refused, match="revoked"):
            after.issuer(issuer[:8], NOW)


def test_g20_a_renewed_bank_keeps_its_reference() -> None:
    """One key with two certificates is one bank; the right period is found."""
    key = fixed_key("renewed bank")
    first = WORLD.make_auth(BANK_CA, key, (5, 3), expires=NOW)
    second = WORLD.make_auth(BANK_CA, key, (5, 1), not_before=NOW + 1)
    view = TrustView(Authority(WORLD.root, [first, second]))
    assert view.bank_ca(key.public.kid[:8], NOW) == first.record
    assert view.bank_ca(key.public.kid[:8], NOW + 1) == second.record


def test_g15_a_reference_of_two_keys_names_none() -> None:
    with pytest.raises(Refused, match="more than one key"):
        WORLD.trust.bank_ca(b"", NOW)


def test_any_status_key_in_its_time_may_sign() -> None:
    old, new = fixed_key("old status"), fixed_key("new status")
    auths = [
        WORLD.make_auth(STATUS, old, expires=NOW),
        WORLD.make_auth(STATUS, new),
        WORLD.make_auth(ISSUER, fixed_key("issuer"), (1, 5)),
    ]
    view = TrustView(Authority(WORLD.root, auths))
    for sequence, key in ((1, old), (2, new), (3, old)):
        view = view.adopt(WORLD.make_trust(sequence, signer=key, issued=NOW - 1))
    with pytest.raises(Refused, match="E_SIG"):
        view.adopt(WORLD.make_trust(4, signer=old, issued=NOW + 1))
    with pytest.raises(Refused, match="E_SIG"):
        view.adopt(WORLD.make_trust(4, signer=WORLD.status_key, issued=NOW))
    with pytest.raises(Refused, match="E_AUTHORITY"):
        view.adopt(WORLD.make_trust(4, signer=new, issued=END + 1))


def test_a_list_given_at_birth_is_verified() -> None:
    with pytest.raises(Refused, match="E_SIG"):
        TrustView(WORLD.authority, WORLD.make_trust(1, signer=WORLD.bank_key))
    with pytest.raises(Refused, match="E_TRUST_BASE"):
        TrustView(WORLD.authority, WORLD.make_trust(3, base_sequence=2))


CHAIN = (WORLD.make_trust(10), WORLD.make_trust(11, base_sequence=10), WORLD.make_trust(12, base_sequence=11))


def test_catching_up_with_another() -> None:
    behind = WORLD.trust
    assert behind.adopt_all(CHAIN).sequence == 12
    assert behind.adopt_all(CHAIN[:2]).adopt_all(CHAIN).sequence == 12, "only what is newer"
    ahead = behind.adopt(WORLD.make_trust(20))
    assert ahead.adopt_all(CHAIN) is ahead
    assert ahead.adopt_all(()) is ahead
    aside = behind.adopt(WORLD.make_trust(11))
    skipping = (CHAIN[0], WORLD.make_trust(12, base_sequence=10))
    assert aside.adopt_all(skipping).chain == skipping, (
        "its change rests on a list passed over: taken from the start"
    )
    with pytest.raises(Refused, match="E_TRUST_BASE"):
        behind.adopt_all(CHAIN[1:])


def test_any_order_ends_at_the_newest_or_is_refused() -> None:
    lists = [WORLD.make_trust(sequence) for sequence in (2, 3, 4)]
    for order in permutations(lists):
        view = WORLD.trust
        for one in order:
            if one.record.sequence > view.sequence:
                view = view.adopt(one)
                continue
            with pytest.raises(Refused, match="E_TRUST_OLD"):
                view.adopt(one)
        assert view.sequence == 4


@pytest.mark.slow
@given(st.lists(st.integers(0, 6).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))), max_size=6))
@settings(max_examples=60)
def test_the_sequence_only_rises(steps: list[tuple[int, int]]) -> None:
    view = WORLD.trust
    for sequence, base in steps:
        before = view
        try:
            view = view.adopt(WORLD.make_trust(sequence, base_sequence=base))
        except Refused:
            continue
        assert view is before or view.sequence > before.sequence
        assert base in (0, before.sequence) or view is before


@pytest.mark.parametrize(
    ("payer", "payee", "allowed"),
    [
        (PUPIL, CANTEEN, True),
        (CANTEEN, SUPPLIER, True),
        (PUPIL, SUPPLIER, False),
        (PUPIL, PUPIL, False),
        (PUPIL, MERCHANT, False),
        (CANTEEN, PUPIL, False),
        (SUPPLIER, CANTEEN, False),
        (MERCHANT, CANTEEN, False),
        (99, 99, False),
    ],
)
def test_the_edges_of_meal_money(payer: int, payee: int, allowed: bool) -> None:
    purpose = WORLD.trust.purpose(MEAL)
    assert purpose is not None
    assert purpose.allows(payer, payee) == allowed
    assert (purpose.max_hops, purpose.person_to_person, purpose.converts) == (2, False, True)


def test_people_may_pass_it_on_where_the_purpose_says_so() -> None:
    row = (8, ((PERSON, (MERCHANT,)),), 1, 3, 0, ())
    purpose = WORLD.trust.adopt(WORLD.make_trust(2, purposes=(row,))).purpose(8)
    assert purpose is not None
    assert purpose.allows(PERSON, PERSON)
    assert purpose.allows(PUPIL, PERSON)
    assert purpose.allows(PERSON, MERCHANT)
    assert not purpose.allows(MERCHANT, PERSON)
    assert not purpose.allows(PUPIL, MERCHANT)


def test_limits_are_the_stricter_of_the_two() -> None:
    certificate = WORLD.make_device("someone").certificate.record
    assert WORLD.trust.limits(certificate) == certificate.limits
    staged = WORLD.trust.adopt(WORLD.make_trust(2, policy=((MAX_HOPS.id, 1),)))
    assert staged.limits(certificate) == certificate.limits._replace(max_hops=1)
    wide = WORLD.trust.adopt(WORLD.make_trust(2, policy=((MAX_HOPS.id, 50),)))
    assert wide.limits(certificate) == certificate.limits


def test_parameters_come_from_the_list_or_are_the_default() -> None:
    view = WORLD.trust.adopt(WORLD.make_trust(2, policy=((REJECT_REVOKED_ANCESTOR.id, 0),)))
    assert view.parameter(REJECT_REVOKED_ANCESTOR) == 0
    assert view.parameter(MAX_TRUST_AGE_SECONDS) == 14 * DAY_SECONDS
