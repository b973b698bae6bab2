"""The quick reader of what is plainly right: the same answer as the strict one, or none."""

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.authority import Auth, Root
from cbdc.errors import Malformed
from cbdc.record import Bytes, Group, Items, Kind, Record, Text, Unsigned, plain_fields, plain_reader
from offline.records import (
    DeviceCertificate,
    Invoice,
    Note,
    Outcome,
    Receipt,
    RedeemOrder,
    SubmitAck,
    SyncAck,
    SyncRequest,
    Transfer,
    Trust,
)

CLASSES: list[type[Record]] = [
    Auth, DeviceCertificate, Invoice, Note, Outcome, Receipt, RedeemOrder, SubmitAck, SyncAck, SyncRequest, Transfer,
    Trust,
]  # fmt: skip


def strategy(kind: Kind) -> st.SearchStrategy[Any]:
    """Values that a kind takes."""
    if isinstance(kind, Unsigned):
        most = kind.most
        return st.sampled_from(sorted({kind.least, most, min(most, kind.least + 300)})) | st.integers(
            kind.least, most
        )
    if isinstance(kind, Bytes):
        sizes = kind.sizes or (0, min(kind.most, 40))
        return st.sampled_from(sizes).flatmap(lambda size: st.binary(min_size=size, max_size=size))
    if isinstance(kind, Group):
        return st.tuples(*(strategy(one) for one in kind.kinds)).map(list)
    assert isinstance(kind, Items)
    return st.lists(strategy(kind.kind), min_size=kind.least, max_size=min(kind.most, kind.least + 2))


def strict(cls: type[Record], body: bytes) -> tuple[Any, ...] | None:
    try:
        return cls.checked(canonical.decode_array(body))
    except Malformed:
        return None


@pytest.mark.parametrize("cls", CLASSES)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_what_is_right_is_read_quickly_and_the_same(cls: type[Record], data: st.DataObject) -> None:
    values = [data.draw(strategy(kind)) for kind in cls.SCHEMA]
    body = canonical.encode(values)
    assert plain_fields(cls, body) == strict(cls, body) is not None


@pytest.mark.slow
@pytest.mark.parametrize("cls", CLASSES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_what_is_changed_is_never_read_otherwise_than_strictly(
    cls: type[Record], data: st.DataObject
) -> None:
    """Whatever the quick reader takes, the strict one takes with the same fields; what it leaves is judged strictly."""
    values = [data.draw(strategy(kind)) for kind in cls.SCHEMA]
    body = bytearray(canonical.encode(values))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        change = data.draw(st.sampled_from(("bit", "cut", "put")))
        if change == "bit":
            body[place] ^= 1 << data.draw(st.integers(0, 7))
        elif change == "cut" and len(body) > 1:
            del body[place]
        else:
            body.insert(place, data.draw(st.integers(0, 255)))
    quick = plain_fields(cls, bytes(body))
    if quick is not None:
        assert quick == strict(cls, bytes(body))
        assert msgpack.packb([list(part) if isinstance(part, tuple) else part for part in quick])


STRANGE = {
    "a longer form of a number": b"\x91\xcd\x00\x05",
    "a number beyond": b"\x91\xcf" + (2**53).to_bytes(8, "big"),
    "negative": b"\x91\xff",
    "true": b"\x91\xc3",
    "a float": b"\x91\xca\x40\xa0\x00\x00",
    "nil": b"\x91\xc0",
    "text": b"\x91\xa15",
    "one too many": b"\x92\x05\x05",
    "none": b"\x90",
    "a map": b"\x81\x00\x05",
    "bytes behind": b"\x91\x05\x05",
    "nothing": b"",
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_is_not_canonical_is_left_to_the_strict_reader(what: str) -> None:
    assert plain_reader((Unsigned(),))(STRANGE[what]) is None
    assert plain_reader((Unsigned(),))(b"\x91\x05") == (5,)


def test_lengths_with_a_gap_are_asked_for() -> None:
    read = plain_reader((Bytes((0, 32)), Bytes((32, 33))))
    for first, second, right in (
        (0, 32, True),
        (32, 33, True),
        (16, 32, False),
        (32, 31, False),
        (33, 33, False),
    ):
        body = canonical.encode([bytes(first), bytes(second)])
        assert (read(body) is not None) == right


def test_kinds_without_a_quick_reader_are_left_alone() -> None:
    body = canonical.encode(["name"])
    for kind in (
        Text(),
        Items(Text(), 2),
        Group((Text(),)),
        Items(Bytes((0, 32)), 2),
        Group((Bytes((0, 32)),)),
    ):
        assert plain_reader((kind,))(body) is None
    assert plain_fields(Root, canonical.encode([1, bytes(32), 1, 2, "name"])) is None
