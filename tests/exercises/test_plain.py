"""Plain values cross the wall between a student's process and the grader unchanged, and nothing else does."""

from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallets.exercises import plain

_LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(), st.binary(), st.integers(-(2**300), 2**300)
)
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(st.one_of(st.text(), st.binary(), st.integers()), inner, max_size=4),
        st.frozensets(_LEAVES, max_size=4),
    ),
    max_leaves=12,
)


@given(_VALUES)
def test_a_plain_value_comes_back_the_same(value: Any) -> None:
    back = plain.decode(plain.encode(value))
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize(
    "value",
    [
        object(),
        len,
        [object()],
        {"a": (1, {object()})},
        "\ud800",
        pytest.param(2 ** (8 * 4_096 + 8), id="a huge number"),
        pytest.param(b"0" * (plain.LARGEST_BYTES + 1), id="too many bytes"),
        Exception("no"),
    ],
)
def test_what_is_not_plain_is_told(value: Any) -> None:
    with pytest.raises(plain.NotPlain):
        plain.encode(value)


def test_depth_has_an_end() -> None:
    value: list[Any] = []
    for _ in range(100):
        value = [value]
    with pytest.raises(plain.NotPlain, match="deep"):
        plain.encode(value)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"\x81\x90\x00",
        msgpack.packb([1]) + b"\0",
        msgpack.packb(msgpack.ExtType(9, b"")),
        msgpack.packb(msgpack.ExtType(1, b"\x01")),
        msgpack.packb(msgpack.ExtType(3, msgpack.packb([[1]]))),
        b"\xdd\xff\xff\xff\xff",
    ],
)
def test_bytes_that_are_no_value_are_refused(data: bytes) -> None:
    with pytest.raises(plain.NotPlain):
        plain.decode(data)


@given(st.binary(max_size=200))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    try:
        plain.decode(data)
    except plain.NotPlain:
        return
