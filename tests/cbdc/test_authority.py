"""ROOT, its certificates, and which key may do what and when."""

from dataclasses import replace

import pytest

from cbdc.authority import (
    BANK_CA,
    ISSUER,
    ROLE_NAMES,
    STATUS,
    Authority,
    make_root,
    network_id,
    open_root,
)
from cbdc.errors import Malformed, Refused
from cbdc.keys import ED25519, ES256
from cbdc.record import sign
from tests.offline.world import END, NOW, START, World, fixed_key
from tests.vectors import edwards

WORLD = World("authority")


@pytest.mark.parametrize("algorithm", [ED25519, ES256])
def test_a_root_leads_to_itself(algorithm: int) -> None:
    root = make_root(fixed_key("root", algorithm), START, END, "Ұлттық Банк")
    assert open_root(root.encode()) == root
    assert Authority(root).network == network_id(root.record)
    assert len(network_id(root.record)) == 8


def test_the_network_follows_from_every_field_of_root() -> None:
    record = WORLD.root.record
    others = [
        replace(record, label="Another"),
        replace(record, expires=END + 1),
        replace(record, not_before=START + 1),
        replace(record, public_key=fixed_key("other").public.raw),
    ]
    assert len({network_id(one) for one in (record, *others)}) == 5


def test_a_root_signed_by_another_is_none() -> None:
    record = WORLD.root.record
    forged = sign(record, network_id(record), fixed_key("thief"))
    with pytest.raises(Refused, match="E_SIG"):
        open_root(forged.encode())
    with pytest.raises(Refused, match="E_SIG"):
        Authority(forged)


def test_a_root_with_a_weak_key_is_none() -> None:
    record = replace(WORLD.root.record, public_key=edwards.encode(edwards.NEUTRAL))
    with pytest.raises(Malformed, match="E_KEY"):
        open_root(sign(record, network_id(record), WORLD.root_key).encode())


def test_only_root_certifies() -> None:
    good = WORLD.make_auth(STATUS, fixed_key("status"))
    by_bank = WORLD.make_auth(STATUS, fixed_key("status"), signer=WORLD.bank_key)
    abroad = World("authority abroad").make_auth(STATUS, fixed_key("status"))
    assert Authority(WORLD.root, [good.encode(), good]).with_role(STATUS) == [good.record, good.record]
    for bad in (by_bank, abroad):
        with pytest.raises(Refused, match="E_SIG"):
            Authority(WORLD.root, [bad.envelope()])
    with pytest.raises(Malformed, match="E_OBJTYPE"):
        Authority(WORLD.root, [WORLD.root.encode()])


def test_a_weak_certified_key_is_refused() -> None:
    weak = WORLD.make_auth(STATUS, fixed_key("status"), public_key=edwards.encode(edwards.NEUTRAL))
    with pytest.raises(Malformed, match="E_KEY"):
        Authority(WORLD.root, [weak])


def test_roles_and_times() -> None:
    authority, kid = WORLD.authority, WORLD.bank_key.public.kid
    assert authority.require(kid, BANK_CA, NOW) == WORLD.bank_auth.record
    assert authority.require(kid, BANK_CA, START) == authority.require(kid, BANK_CA, END)
    for moment in (START - 1, END + 1):
        with pytest.raises(Refused, match="E_AUTHORITY_TIME") as refusal:
            authority.require(kid, BANK_CA, moment)
        assert refusal.value.facts["now"] == moment
    with pytest.raises(Refused, match="E_AUTHORITY:") as refusal:
        authority.require(kid, ISSUER, NOW)
    assert refusal.value.facts["role"] == ROLE_NAMES[ISSUER]
    with pytest.raises(Refused, match="E_AUTHORITY:"):
        authority.require(bytes(32), BANK_CA, NOW)
    with pytest.raises(Refused, match="E_AUTHORITY:"):
        authority.require(kid, 99, NOW)


def test_one_key_in_two_periods() -> None:
    key = fixed_key("renewed")
    first = WORLD.make_auth(STATUS, key, expires=NOW)
    second = WORLD.make_auth(STATUS, key, not_before=NOW + 10)
    authority = Authority(WORLD.root, [first, second])
    assert authority.require(key.public.kid, STATUS, NOW) == first.record
    assert authority.require(key.public.kid, STATUS, NOW + 10) == second.record
    with pytest.raises(Refused, match="E_AUTHORITY_TIME"):
        authority.require(key.public.kid, STATUS, NOW + 5)


def test_keys_by_id_and_by_reference() -> None:
    authority, key = WORLD.authority, WORLD.bank_key.public
    assert authority.holds(key.kid)
    assert not authority.holds(bytes(32))
    assert authority.key(key.kid) == key
    with pytest.raises(Refused, match="E_AUTHORITY:"):
        authority.key(bytes(32))
    assert authority.by_reference(key.kid[:8], BANK_CA) == WORLD.bank_auth.record
    assert authority.by_reference(key.kid[:8], ISSUER) is None
    assert authority.by_reference(b"", BANK_CA) is None, "two banks: a reference must name one"


def test_every_role_has_a_name_of_its_own() -> None:
    assert len(set(ROLE_NAMES.values())) == len(ROLE_NAMES)
