"""Locks and tokens: one wire form each, and nothing else is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.errors import TengeError
from cbdc.token import (
    BANK_INVENTORY,
    CATEGORY_NAMES,
    ESCROW,
    HOLDER_CLASSES,
    LOSS_RESERVE,
    PERSON,
    TREASURY_ACCOUNT,
    HashLock,
    KeyLock,
    Lock,
    LockKind,
    QuorumLock,
    Token,
    holder_class,
    load_lock,
)
from tests.cbdc.world import fixed_bytes

A, B, C = (fixed_bytes(name) for name in "abc")
KIDS = st.binary(min_size=32, max_size=32)


@st.composite
def locks(draw: st.DrawFn) -> Lock:
    """Any lock that somebody could open."""
    match draw(st.integers(1, 3)):
        case 1:
            return KeyLock(draw(KIDS))
        case 2:
            kids = draw(st.lists(KIDS, min_size=1, max_size=16, unique=True))
            return QuorumLock(draw(st.integers(1, len(kids))), tuple(kids))
        case _:
            return HashLock(draw(KIDS), draw(KIDS), draw(KIDS), draw(st.integers(0, canonical.MAX_INTEGER)))


@given(lock=locks())
def test_a_lock_comes_back_from_its_wire_form(lock: Lock) -> None:
    decoded = canonical.decode(canonical.encode(lock.wire()))
    assert isinstance(decoded, list)
    assert load_lock(list(decoded)) == lock
    assert LockKind().load(decoded, "lock") == lock == LockKind().load(lock, "lock")
    assert lock.holder in lock.kids


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        ([], "E_LOCK"),
        ([0, A], "E_LOCK"),
        ([4, A], "E_LOCK"),
        ([1], "E_LOCK"),
        ([1, A, B], "E_LOCK"),
        ([1, A[:31]], "E_FIELD"),
        ([1, b""], "E_FIELD"),
        ([1, 7], "E_TYPE"),
        ([True, A], "E_LOCK"),
        ([b"\x01", A], "E_LOCK"),
        ([2, 1], "E_LOCK"),
        ([2, 0, [A]], "E_FIELD"),
        ([2, 2, [A]], "E_LOCK"),
        ([2, 1, [A, A]], "E_LOCK"),
        ([2, 1, []], "E_COUNT"),
        ([2, 1, [fixed_bytes(str(n)) for n in range(17)]], "E_COUNT"),
        ([2, 1, A], "E_TYPE"),
        ([2, A, [A]], "E_TYPE"),
        ([2, 1, [A, 5]], "E_TYPE"),
        ([2, 1, [A, b"short"]], "E_FIELD"),
        ([3, A, B, C], "E_LOCK"),
        ([3, A, B, C, 1, 2], "E_LOCK"),
        ([3, A, B, C[:5], 1], "E_FIELD"),
        ([3, A, B, C, b""], "E_TYPE"),
        ([3, A, B, C, -1], "E_FIELD"),
    ],
)
def test_other_locks_are_refused(wire: list[object], code: str) -> None:
    with pytest.raises(TengeError) as refusal:
        load_lock(wire)
    assert refusal.value.code == code


@pytest.mark.parametrize("value", [None, 5, b"lock", "lock", {1: A}])
def test_what_is_no_array_is_no_lock(value: object) -> None:
    with pytest.raises(TengeError) as refusal:
        LockKind().load(value, "lock")
    assert refusal.value.code == "E_TYPE"


def test_a_lock_made_in_code_is_checked_as_well() -> None:
    with pytest.raises(TengeError, match="E_LOCK"):
        LockKind().load(QuorumLock(3, (A, B)), "lock")


def test_who_holds() -> None:
    assert KeyLock(A).holder == A
    assert QuorumLock(1, (B, A)).holder == B
    hashed = HashLock(hash=C, claim=A, refund=B, deadline=5)
    assert hashed.holder == B
    assert set(hashed.kids) == {A, B}


@given(lock=locks(), amount=st.integers(1, canonical.MAX_INTEGER), mark=st.sampled_from([b"", A]))
def test_a_token_encodes_its_three_parts(lock: Lock, amount: int, mark: bytes) -> None:
    decoded = canonical.decode(Token(amount, lock, mark).encode())
    assert isinstance(decoded, list)
    assert (decoded[0], decoded[2]) == (amount, mark)


def test_every_category_is_in_one_line_of_the_supply_table() -> None:
    lines = {category: holder_class(category) for category in (*CATEGORY_NAMES, 77)}
    assert set(lines.values()) == set(HOLDER_CLASSES)
    assert lines[PERSON] == lines[77] == "wallets"
    assert (lines[BANK_INVENTORY], lines[TREASURY_ACCOUNT]) == ("bank_inventory", "treasury")
    assert (lines[ESCROW], lines[LOSS_RESERVE]) == ("escrow", "loss_reserve")
