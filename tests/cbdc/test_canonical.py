"""MP-C: what goes in comes out, and no two byte strings mean the same."""

import random
import sys

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.errors import Malformed, TengeError

NUMBERS = st.integers(0, canonical.MAX_INTEGER)
LEAVES = st.one_of(NUMBERS, st.binary(max_size=300), st.sampled_from(["", "a", "Теңге", "é", "🏫"]))


def nested(depth: int) -> st.SearchStrategy[object]:
    inner = LEAVES if depth == 1 else st.one_of(LEAVES, nested(depth - 1))
    return st.lists(inner, max_size=5)


VALUES = st.one_of(LEAVES, nested(6))


@given(VALUES)
def test_what_goes_in_comes_out(value: object) -> None:
    data = canonical.encode(value)
    assert canonical.decode(data) == value
    assert canonical.encode(canonical.decode(data)) == data


@given(VALUES, VALUES)
def test_different_values_have_different_bytes(one: object, other: object) -> None:
    assert (one == other) == (canonical.encode(one) == canonical.encode(other))


@given(st.binary(max_size=64))
def test_what_is_read_is_written_the_same(data: bytes) -> None:
    try:
        value = canonical.decode(data)
    except Malformed:
        return
    assert canonical.encode(value) == data


def test_bounded_fuzz() -> None:
    """N20: random and mutated bytes are refused by a code, or are the canonical form of what they mean."""
    dice = random.Random(20)
    seeds = [
        canonical.encode(value) for value in (0, b"x" * 40, [1, [b"ab", "text", [2**53 - 1]]], [[[[[[7]]]]]])
    ]
    taken = 0
    for _ in range(30_000):
        if dice.random() < 0.5:
            data = dice.randbytes(dice.randint(0, 24))
        else:
            bent = bytearray(dice.choice(seeds))
            bent[dice.randrange(len(bent))] = dice.randrange(256)
            data = bytes(bent)
        try:
            value = canonical.decode(data)
        except Malformed:
            continue
        taken += 1
        assert canonical.encode(value) == data
    assert taken, "some mutants are other values in canonical form"


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers(-(2**63), 2**64 - 1) | st.text(), st.lists
    )
)
def test_any_messagepack_is_judged_by_a_code(value: object) -> None:
    data = msgpack.packb(value, use_bin_type=True)
    code = ""
    try:
        assert canonical.encode(canonical.decode(data)) == data
    except Malformed as error:
        code = error.code
    assert code in {"", "E_TYPE", "E_RANGE", "E_DEPTH", "E_LENGTH", "E_NONCANON", "E_DECODE"}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (True, "E_TYPE"),
        (None, "E_TYPE"),
        (1.0, "E_TYPE"),
        ({}, "E_TYPE"),
        (bytearray(b"a"), "E_TYPE"),
        (memoryview(b"a"), "E_TYPE"),
        ([1, [2, {3}]], "E_TYPE"),
        (-1, "E_RANGE"),
        (2**53, "E_RANGE"),
        (10**400, "E_RANGE"),
        ([[[[[[[]]]]]]], "E_DEPTH"),
        (bytes(65_536), "E_LENGTH"),
        ([0] * 65_536, "E_LENGTH"),
        ("a" * 256, "E_LENGTH"),
        ("e\u0301", "E_NONCANON"),
        ("\ud800", "E_DECODE"),
    ],
)
def test_what_has_no_canonical_form_is_not_written(value: object, code: str) -> None:
    with pytest.raises(Malformed) as refusal:
        canonical.encode(value)
    assert refusal.value.code == code


class LoudInt(int):
    """A number that is not just a number."""


def test_subclasses_are_not_taken() -> None:
    with pytest.raises(Malformed):
        canonical.encode(LoudInt(5))


def test_tuples_are_arrays() -> None:
    assert canonical.encode((1, (b"a",))) == canonical.encode([1, [b"a"]])


@pytest.mark.parametrize("size", [65_535, 65_536])
def test_the_longest_bytes(size: int) -> None:
    data = msgpack.packb(bytes(size), use_bin_type=True)
    if size <= canonical.MAX_LENGTH:
        assert canonical.decode(data) == bytes(size)
    else:
        with pytest.raises(Malformed, match="E_LENGTH"):
            canonical.decode(data)


def test_the_limit_comes_before_parsing() -> None:
    with pytest.raises(Malformed, match="E_SIZE"):
        canonical.decode(b"\xc1" * 100, limit_bytes=99)
    with pytest.raises(Malformed, match="E_DECODE"):
        canonical.decode(b"\xc1" * 99, limit_bytes=99)
    with pytest.raises(Malformed, match="E_SIZE"):
        canonical.decode(bytes(canonical.MAX_MESSAGE_BYTES + 1))


@pytest.mark.parametrize("depth", [7, 400, 511, 512, 1_024, 2_000, 100_000])
def test_deep_nesting_never_exhausts_the_stack(depth: int) -> None:
    with pytest.raises(TengeError) as refusal:
        canonical.decode(b"\x91" * (depth - 1) + b"\x90")
    assert refusal.value.code in {"E_DEPTH", "E_DECODE"}
    assert sys.getrecursionlimit() < 100_000


def test_an_array_is_asked_for() -> None:
    assert canonical.decode_array(b"\x91\x05") == [5]
    for data in (b"\x05", b"\xc4\x00", b"\xa1a"):
        with pytest.raises(Malformed, match="E_TYPE"):
            canonical.decode_array(data)
