"""R34 and R35: an acknowledgement promises a place in a log, and two heads of one size convict settlement."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.authority import SETTLE
from cbdc.errors import Refused, TengeError
from cbdc.keys import ED25519
from cbdc.ledger.entry import MerkleLog, leaf_hash
from cbdc.record import Signed
from offline.heads import TWO_HEADS, Contradicted, HeadBook, check_logged, two_heads, verify_two_heads
from offline.records import SubmitAck
from tests.offline.world import NOW, World, fixed_bytes

WORLD = World("heads")


def ack(size: int, root: bytes, number: int = 1, world: World = WORLD, key: Any = None, **fields: Any) -> Any:
    values = {
        "batch_id": number.to_bytes(16, "big"),
        "batch_hash": fixed_bytes(f"batch {number}", 32),
        "log_size": size,
        "log_root": root,
        "time": NOW,
    }
    return world.sign(SubmitAck(**{**values, **fields}), key or world.settle_key)


ONE, OTHER = fixed_bytes("one", 32), fixed_bytes("other", 32)


def code_of(work: Any) -> str:
    with pytest.raises(TengeError) as refused:
        work()
    return refused.value.code


def test_r34_an_acknowledgement_promises_a_place_in_its_log() -> None:
    log = MerkleLog()
    oids = [fixed_bytes(f"object {number}", 32) for number in range(7)]
    for oid in oids:
        log.append(leaf_hash(oid))
    given = ack(5, log.root(5))
    for index, oid in enumerate(oids[:5]):
        check_logged(given, oid, index, log.inclusion(index, 5))
    for oid, index, proof in (
        (oids[5], 4, log.inclusion(4, 5)),
        (oids[4], 3, log.inclusion(4, 5)),
        (oids[5], 5, log.inclusion(5, 7)),
        (oids[4], 4, []),
    ):
        assert (
            code_of(lambda oid=oid, index=index, proof=proof: check_logged(given, oid, index, proof))
            == "E_LOG_PROOF"
        )


def test_r35_two_heads_of_one_size_are_a_proof_with_root_alone() -> None:
    first, second = ack(3, ONE, 1), ack(3, OTHER, 2)
    file = two_heads(WORLD.authority, first, second)
    assert file == two_heads(WORLD.authority, second, first), "one pair has one file"
    verdict = verify_two_heads(file, WORLD.root)
    assert (verdict.kid, verdict.log_size, set(verdict.roots)) == (
        WORLD.settle_key.public.kid,
        3,
        {ONE, OTHER},
    )
    assert verdict.refusal().code == "E_TWO_HEADS"
    assert code_of(lambda: verify_two_heads(file, World("elsewhere").root)) != "E_TWO_HEADS"


def test_r35_what_proves_nothing_is_no_file() -> None:
    stranger = WORLD.key("stranger")
    later = WORLD.key("settle later")
    other = World("heads")
    other.authority.auths.append(other.make_auth(SETTLE, later))
    for first, second in (
        (ack(3, ONE), ack(4, OTHER, 2)),
        (ack(3, ONE), ack(3, ONE, 2)),
        (ack(3, ONE), ack(3, OTHER, 2, key=stranger)),
        (ack(3, ONE), ack(3, OTHER, 2, key=WORLD.status_key)),
        (ack(3, ONE), ack(3, OTHER, 2, time=1)),
        (ack(3, ONE, world=other), ack(3, OTHER, 2, world=other, key=later)),
    ):
        assert code_of(lambda pair=(first, second): two_heads(other.authority, *pair)) == "E_EVIDENCE"


def _file(*acks: Any, number: int = TWO_HEADS) -> bytes:
    auth = next(auth for auth in WORLD.authority.auths if auth.record.role == SETTLE)
    return canonical.encode([1, [auth.envelope()], [number, *(one.envelope() for one in acks)]])


def test_r35_a_file_is_judged_again_by_whoever_reads_it() -> None:
    first, second = sorted((ack(3, ONE, 1), ack(3, OTHER, 2)), key=lambda one: one.oid)
    assert verify_two_heads(_file(first, second), WORLD.root).log_size == 3
    unsigned = Signed(second.record, second.body, bytes(64), second.oid)
    for file in (
        _file(second, first),
        _file(first, first),
        _file(first),
        _file(first, second, second),
        _file(first, unsigned),
        _file(first, second, number=1),
        _file(*sorted((first, ack(3, first.record.log_root, 5)), key=lambda one: one.oid)),
        _file(*sorted((first, ack(4, OTHER, 5)), key=lambda one: one.oid)),
    ):
        assert code_of(lambda file=file: verify_two_heads(file, WORLD.root)) in {"E_EVIDENCE", "E_SIG"}


@settings(max_examples=60, deadline=None)
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_r35_a_changed_file_convicts_nobody(place: int, bit: int) -> None:
    file = bytearray(two_heads(WORLD.authority, ack(3, ONE, 1), ack(3, OTHER, 2)))
    file[place % len(file)] ^= 1 << bit
    with pytest.raises(TengeError):
        verify_two_heads(bytes(file), WORLD.root)


def test_r35_a_book_of_heads_finds_the_contradiction_and_keeps_the_proof() -> None:
    book = HeadBook(WORLD.authority)
    for honest in (ack(1, ONE, 1), ack(2, OTHER, 2), ack(2, OTHER, 3), ack(1, ONE, 1)):
        book.add(honest)
    with pytest.raises(Contradicted) as caught:
        book.add(ack(2, ONE, 4))
    assert caught.value.code == "E_TWO_HEADS"
    assert verify_two_heads(caught.value.evidence, WORLD.root).log_size == 2
    with pytest.raises(Refused) as refused:
        book.add(ack(2, ONE, 4, key=WORLD.key("stranger", ED25519)))
    assert refused.value.code == "E_EVIDENCE"
