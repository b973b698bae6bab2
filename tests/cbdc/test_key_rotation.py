"""A ledger's key is replaced by the next one that the genesis certifies: old heads and receipts stay verifiable."""

import pytest

from cbdc import authority
from cbdc.authority import LEDGER, Auth, network_id
from cbdc.customers import sandbox_policy
from cbdc.errors import TengeError
from cbdc.institutions import STANDARD_BANKS, InstitutionKeys, build_genesis, registrations
from cbdc.keys import ED25519, SoftwareKey
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import check_consistency, make_genesis, open_genesis
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.memory import MemoryStore
from cbdc.ports import ManualClock
from cbdc.record import Signed, sign
from tests.cbdc.institutions import START, key

OLD, NEW = SoftwareKey(ED25519, b"o" * 32), SoftwareKey(ED25519, b"n" * 32)
OVERLAP, END = START + 1_000, START + 2_000


def genesis() -> tuple[bytes, list[bytes]]:
    """Entry 0 with two ledger keys whose periods overlap, and transactions to book."""
    keys = InstitutionKeys(key, STANDARD_BANKS, ())
    policy = sandbox_policy()
    made = open_genesis(build_genesis(keys, policy, "rotation", START))
    root = made.authority.root
    network = network_id(root.record)
    periods = ((OLD, START, END), (NEW, OVERLAP, END + 1_000_000))
    ledgers: list[Signed[Auth]] = [
        sign(Auth(LEDGER, ED25519, one.public.raw, begin, end, ()), network, keys.root)
        for one, begin, end in periods
    ]
    others = [auth for auth in made.authority.auths if auth.record.role != authority.LEDGER]
    payload = make_genesis(root, [*others, *ledgers], sign(policy, network, keys.root))
    return payload, [item.encode() for item in registrations(keys, network)]


def test_heads_of_both_keys_verify_and_old_receipts_stand() -> None:
    payload, transactions = genesis()
    store, clock = MemoryStore(), ManualClock(START)
    first = Ledger.create(store, payload, OLD, clock)
    receipt, head = first.submit(transactions[0]), first.head()
    head.verify(OLD.public)
    clock.move_to(OVERLAP + 1)
    second = Ledger(store, NEW, clock)
    later = second.submit(transactions[1])
    second.head().verify(NEW.public)
    for one in (receipt, later):
        second.genesis.verify_head(one.head)
    assert second.submit(transactions[0]) == receipt
    proof = second.consistency(head.record.size)
    now = second.head().record
    check_consistency(head.record.size, head.record.root, now.size, now.root, proof)
    # After the old key's last day its heads are still of their own time.
    clock.move_to(END + 10)
    third = Ledger(store, NEW, clock)
    third.submit(transactions[2])
    third.genesis.verify_head(receipt.head)
    assert audit(store, head).ok
    assert audit(store, third.head()).ok


def test_an_expired_key_signs_no_new_head() -> None:
    payload, transactions = genesis()
    store, clock = MemoryStore(), ManualClock(START)
    ledger = Ledger.create(store, payload, OLD, clock)
    clock.move_to(END + 1)
    with pytest.raises(TengeError, match="E_AUTHORITY_TIME"):
        ledger.submit(transactions[0])
    assert store.size() == 1


def test_a_key_signs_nothing_before_its_first_day() -> None:
    payload, _ = genesis()
    with pytest.raises(TengeError, match="E_AUTHORITY_TIME"):
        Ledger.create(MemoryStore(), payload, NEW, ManualClock(START))


def test_a_head_that_an_expired_key_signs_is_refused() -> None:
    payload, _ = genesis()
    store, clock = MemoryStore(), ManualClock(START)
    ledger = Ledger.create(store, payload, OLD, clock)
    opened = ledger.genesis
    record = ledger.head().record
    forged = type(record)(record.size, record.root, END + 1)
    with pytest.raises(TengeError, match="E_SIG"):
        opened.verify_head(sign(forged, opened.network, OLD))
    opened.verify_head(sign(forged, opened.network, NEW))
