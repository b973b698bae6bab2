"""The journal's entries, the genesis, and the Merkle log against a naive one: every proof for every small size."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.errors import TengeError
from cbdc.ledger.entry import (
    EMPTY_ROOT,
    Entry,
    LogHead,
    MerkleLog,
    Policy,
    check_consistency,
    check_inclusion,
    leaf_hash,
    make_genesis,
    open_entry,
    open_genesis,
)
from cbdc.record import Signed, open_envelope, sign
from tests.cbdc.world import DAY, END, LEDGER_END, START, World, answer_of, fixed_bytes

SIZES = range(1, 34)


# --- the naive log: RFC 6962, section 2.1, word for word ---


def naive_root(leaves: list[bytes]) -> bytes:
    """MTH(D[n])."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    half = naive_half(len(leaves))
    return naive_node(naive_root(leaves[:half]), naive_root(leaves[half:]))


def naive_half(size: int) -> int:
    """The largest power of two smaller than `size`."""
    half = 1
    while half * 2 < size:
        half *= 2
    return half


def naive_node(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    half = naive_half(len(leaves))
    if index < half:
        return [*naive_path(index, leaves[:half]), naive_root(leaves[half:])]
    return [*naive_path(index - half, leaves[half:]), naive_root(leaves[:half])]


def naive_consistency(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b)."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    half = naive_half(len(leaves))
    if old <= half:
        return [*naive_consistency(old, leaves[:half], whole), naive_root(leaves[half:])]
    return [*naive_consistency(old - half, leaves[half:], False), naive_root(leaves[:half])]


LEAVES = [leaf_hash(bytes([n])) for n in range(max(SIZES) + 1)]


def log_of(size: int) -> MerkleLog:
    """A log of the first `size` leaves."""
    log = MerkleLog()
    for leaf in LEAVES[:size]:
        log.append(leaf)
    return log


LOG = log_of(len(LEAVES))


def spoiled(proof: list[bytes]) -> list[list[bytes]]:
    """Proofs that are nearly `proof`: a byte flipped, a node gone, doubled, added, swapped, cut or longer."""
    others = [[*proof, bytes(32)], [bytes(32), *proof]]
    for place, node in enumerate(proof):
        flipped = bytes([node[0] ^ 1]) + node[1:]
        others.append([*proof[:place], flipped, *proof[place + 1 :]])
        others.append(proof[:place] + proof[place + 1 :])
        others.append([*proof[:place], node, *proof[place:]])
        others.append([*proof[:place], node[:31], *proof[place + 1 :]])
        others.append([*proof[:place], node + b"\0", *proof[place + 1 :]])
        if place:
            others.append([*proof[: place - 1], node, proof[place - 1], *proof[place + 1 :]])
    return [other for other in others if other != proof]


@pytest.mark.parametrize("size", SIZES)
def test_every_inclusion_proof(size: int) -> None:
    root = LOG.root(size)
    assert root == naive_root(LEAVES[:size])
    for index in range(size):
        proof = LOG.inclusion(index, size)
        assert proof == naive_path(index, LEAVES[:size])
        check_inclusion(LEAVES[index], index, size, proof, root)
        for other in (*range(index), *range(index + 1, size + 2)):
            assert answer_of(check_inclusion, LEAVES[index], other, size, proof, root) == "E_LOG_PROOF"
        for wrong in spoiled(proof):
            assert answer_of(check_inclusion, LEAVES[index], index, size, wrong, root) == "E_LOG_PROOF"
        assert answer_of(check_inclusion, LEAVES[index + 1], index, size, proof, root) == "E_LOG_PROOF"
        assert answer_of(check_inclusion, LEAVES[index], index, size, proof, bytes(32)) == "E_LOG_PROOF"


def test_an_index_outside_is_no_proof() -> None:
    for index, size in ((-1, 1), (1, 1), (0, 0), (5, 3)):
        assert answer_of(check_inclusion, LEAVES[0], index, size, [], LEAVES[0]) == "E_LOG_PROOF"


@pytest.mark.parametrize("new", SIZES)
def test_every_consistency_proof(new: int) -> None:
    new_root = LOG.root(new)
    for old in range(1, new + 1):
        old_root = LOG.root(old)
        proof = LOG.consistency(old, new)
        assert proof == naive_consistency(old, LEAVES[:new])
        check_consistency(old, old_root, new, new_root, proof)
        for wrong in spoiled(proof):
            assert answer_of(check_consistency, old, old_root, new, new_root, wrong) == "E_LOG_PROOF"
        for other_old in {1, old - 1, old + 1, new, 0} - {old}:
            assert answer_of(check_consistency, other_old, old_root, new, new_root, proof) == "E_LOG_PROOF"
        assert answer_of(check_consistency, old, bytes(32), new, new_root, proof) == "E_LOG_PROOF"
        assert answer_of(check_consistency, old, old_root, new, bytes(32), proof) == "E_LOG_PROOF"


def test_a_changed_history_has_no_consistency_proof() -> None:
    other = MerkleLog()
    for leaf in (leaf_hash(b"changed"), *LEAVES[1:9]):
        other.append(leaf)
    for old in range(1, 9):
        proof = other.consistency(old, 9)
        assert answer_of(check_consistency, old, LOG.root(old), 9, other.root(), proof) == "E_LOG_PROOF"


def test_leaves_and_nodes_live_in_different_worlds() -> None:
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != naive_node(left, right)
    forged = log_of(2).root()
    assert answer_of(check_inclusion, leaf_hash(left + right), 0, 1, [], forged) == "E_LOG_PROOF"


@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=6))
def test_truncating_and_appending_again_gives_the_same_log(sizes: list[int]) -> None:
    log = MerkleLog()
    for size in sizes:
        for leaf in LEAVES[log.size : size]:
            log.append(leaf)
        log.truncate(min(size, log.size))
        assert log.root() == naive_root(LEAVES[: log.size])
        for old in range(1, log.size + 1):
            assert log.root(old) == LOG.root(old)


def test_the_empty_log_has_a_root() -> None:
    assert MerkleLog().root() == EMPTY_ROOT == naive_root([])
    assert MerkleLog().size == 0


# --- entries ---


@given(index=st.integers(0, 2**53 - 1), time=st.integers(0, 2**53 - 1), payload=st.binary(max_size=99))
def test_an_entry_comes_back(index: int, time: int, payload: bytes) -> None:
    assert open_entry(Entry(index, time, payload).encode()) == Entry(index, time, payload)


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ([], "E_FIELD"),
        ([0, 0], "E_FIELD"),
        ([0, 0, b"", 0], "E_FIELD"),
        ([b"", 0, b""], "E_TYPE"),
        ([0, "0", b""], "E_TYPE"),
        ([0, 0, [b""]], "E_TYPE"),
    ],
)
def test_other_entries_are_refused(values: list[object], code: str) -> None:
    assert answer_of(open_entry, canonical.encode(values)) == code


# --- genesis, policy, heads ---

WORLD = World(name="entry")


def test_a_genesis_comes_back_verified() -> None:
    genesis = open_genesis(WORLD.genesis_payload)
    assert genesis.network == WORLD.network
    assert genesis.policy == WORLD.policy.record
    assert [auth.record for auth in genesis.authority.auths] == [auth.record for auth in WORLD.auths]


def test_every_flipped_byte_of_a_genesis_is_refused() -> None:
    whole = WORLD.genesis_payload
    for place in range(0, len(whole), 7):
        changed = whole[:place] + bytes([whole[place] ^ 0x11]) + whole[place + 1 :]
        assert answer_of(open_genesis, changed) != "ok", place


def forged_policy() -> Signed[Policy]:
    """The policy, signed by the operator in place of ROOT."""
    return sign(WORLD.policy.record, WORLD.network, WORLD.key("operator"))


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (canonical.encode([]), "E_FIELD"),
        (canonical.encode([1, b"", []]), "E_FIELD"),
        (canonical.encode([2, WORLD.root.envelope(), [], WORLD.policy.envelope()]), "E_VERSION"),
        (canonical.encode([b"", WORLD.root.envelope(), [], WORLD.policy.envelope()]), "E_VERSION"),
        (canonical.encode([1, WORLD.root.envelope(), b"", WORLD.policy.envelope()]), "E_TYPE"),
        (canonical.encode([1, WORLD.policy.envelope(), [], WORLD.policy.envelope()]), "E_OBJTYPE"),
        (make_genesis(WORLD.root, WORLD.auths, forged_policy()), "E_SIG"),
        (make_genesis(WORLD.root, World(name="foreign").auths, WORLD.policy), "E_SIG"),
    ],
)
def test_other_genesis_are_refused(payload: bytes, code: str) -> None:
    assert answer_of(open_genesis, payload) == code


def test_the_policy_names_its_tiers() -> None:
    policy = WORLD.policy.record
    assert policy.limits(1).payment_limit_tiyn == 4_000_000
    with pytest.raises(TengeError, match="E_TIER"):
        policy.limits(9)


def test_a_day_begins_where_the_policy_says() -> None:
    policy = Policy("p", (), 5 * 3_600)
    midnight_in_almaty = 19 * 3_600
    assert policy.day(midnight_in_almaty - 1) == 0
    assert policy.day(midnight_in_almaty) == 1
    assert policy.day(midnight_in_almaty + DAY) == 2


def head(time: int, signer: str = "ledger", network: bytes = WORLD.network) -> Signed[LogHead]:
    """A head of that time, made for `network` and read in the world's."""
    signed = sign(LogHead(1, fixed_bytes("root"), time), network, WORLD.key(signer))
    return open_envelope(signed.encode(), LogHead, WORLD.network)


def test_heads_are_verified_at_their_own_time() -> None:
    genesis = open_genesis(WORLD.genesis_payload)
    genesis.verify_head(head(START))
    genesis.verify_head(head(LEDGER_END))
    assert answer_of(genesis.verify_head, head(LEDGER_END + 1)) == "E_SIG"
    assert answer_of(genesis.verify_head, head(START - 1)) == "E_SIG"
    assert answer_of(genesis.verify_head, head(START, "operator")) == "E_SIG"
    assert answer_of(genesis.verify_head, head(START, network=bytes(8))) == "E_SIG"
    right = head(START)
    assert answer_of(genesis.verify_head, replace(right, signature=bytes(64))) == "E_SIG"


def test_an_old_ledger_key_verifies_what_it_signed_in_its_time() -> None:
    world = World(name="two keys", extra_auths=[("ledger.2", 20, (), START + 50 * DAY, END)])
    genesis = world.ledger.genesis
    for name, time, answer in (
        ("ledger", START + 1, "ok"),
        ("ledger.2", START + 60 * DAY, "ok"),
        ("ledger.2", START + 1, "E_SIG"),
    ):
        signed = sign(LogHead(1, fixed_bytes("root"), time), world.network, world.key(name))
        assert answer_of(genesis.verify_head, signed) == answer
