"""Records and envelopes: each field's kind, ids that cover type and network, signatures that fit one object."""

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.errors import Malformed, Refused
from cbdc.record import (
    OFFLINE_DOMAIN,
    ONLINE_DOMAIN,
    Bytes,
    Group,
    Items,
    Kind,
    Record,
    Signed,
    Text,
    Unsigned,
    object_id,
    open_envelope,
    remember_opened,
    sign,
    signing_message,
)
from tests.offline.world import fixed_key

NETWORK = b"network1"


@dataclass(frozen=True, slots=True)
class Letter(Record):
    """A record for these tests."""

    number: int
    seal: bytes
    words: str
    pairs: tuple[tuple[int, bytes], ...]

    TYPE: ClassVar[int] = 77
    DOMAIN: ClassVar[bytes] = OFFLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        Unsigned(1, 10),
        Bytes((2, 4)),
        Text(8),
        Items(Group((Unsigned(), Bytes(most=3))), most=2, least=1),
    )


@dataclass(frozen=True, slots=True)
class Postcard(Letter):
    """The same fields under another type number."""

    TYPE: ClassVar[int] = 78


@dataclass(frozen=True, slots=True)
class OnlineLetter(Letter):
    """The same fields and number in the other domain."""

    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN


FIELDS: tuple[Any, ...] = (5, b"ab", "hello", ((1, b""), (2, b"xyz")))
LETTER = Letter(*FIELDS)
KEY = fixed_key("letters")

LETTERS = st.builds(
    Letter,
    st.integers(1, 10),
    st.binary(min_size=2, max_size=2) | st.binary(min_size=4, max_size=4),
    st.sampled_from(["", "a", "Теңг"]),
    st.lists(st.tuples(st.integers(0, 2**53 - 1), st.binary(max_size=3)), min_size=1, max_size=2).map(tuple),
)


@given(LETTERS)
def test_a_body_holds_its_record(letter: Letter) -> None:
    assert Letter.from_body(letter.body()) == letter
    assert Letter.from_values(letter.values()) == letter
    opened = open_envelope(sign(letter, NETWORK, KEY).encode(), Letter, NETWORK)
    assert opened.record == letter
    assert opened.oid == letter.oid(NETWORK)
    opened.verify(KEY.public)


@given(LETTERS, LETTERS)
def test_two_records_have_one_id_only_if_they_are_one(one: Letter, other: Letter) -> None:
    assert (one == other) == (one.oid(NETWORK) == other.oid(NETWORK))


@pytest.mark.parametrize(
    ("place", "value", "code"),
    [
        (0, 0, "E_FIELD"),
        (0, 11, "E_FIELD"),
        (0, True, "E_TYPE"),
        (0, b"5", "E_TYPE"),
        (0, "5", "E_TYPE"),
        (1, b"abc", "E_FIELD"),
        (1, b"", "E_FIELD"),
        (1, "ab", "E_TYPE"),
        (1, 5, "E_TYPE"),
        (2, "too long!", "E_FIELD"),
        (2, "Теңге", "E_FIELD"),
        (2, b"hello", "E_TYPE"),
        (2, 5, "E_TYPE"),
        (3, (), "E_COUNT"),
        (3, ((1, b""),) * 3, "E_COUNT"),
        (3, b"", "E_TYPE"),
        (3, (1,), "E_TYPE"),
        (3, ((1,),), "E_FIELD"),
        (3, ((1, b"", b""),), "E_FIELD"),
        (3, ((1, b"long"),), "E_FIELD"),
        (3, ((b"", 1),), "E_TYPE"),
    ],
)
def test_each_field_is_judged(place: int, value: Any, code: str) -> None:
    values = (*FIELDS[:place], value, *FIELDS[place + 1 :])
    for make in (lambda: Letter(*values).body(), lambda: Letter.from_values(values)):
        with pytest.raises(Malformed) as refusal:
            make()
        assert refusal.value.code == code
        assert "{" not in refusal.value.sentence(), "every fact of the sentence was given"


@pytest.mark.parametrize("values", [FIELDS[:-1], (*FIELDS, 0), ()])
def test_missing_and_extra_fields(values: tuple[Any, ...]) -> None:
    with pytest.raises(Malformed, match="E_FIELD"):
        Letter.from_body(canonical.encode(values))


def test_the_bounds_themselves_are_taken() -> None:
    assert Letter(1, b"abcd", "12345678", ((0, b""),)).body()
    assert Letter(10, b"ab", "", ((2**53 - 1, b"xyz"),) * 2).body()


def test_type_domain_and_network_are_in_the_id() -> None:
    same = [Letter(*FIELDS), Postcard(*FIELDS), OnlineLetter(*FIELDS)]
    assert len({record.body() for record in same}) == 1
    ids = {record.oid(network) for record in same for network in (NETWORK, b"network2")}
    assert len(ids) == 6


def test_a_signature_is_for_one_type_and_network() -> None:
    signed = sign(LETTER, NETWORK, KEY)
    for other, network in ((Postcard, NETWORK), (OnlineLetter, NETWORK), (Letter, b"network2")):
        envelope = [other.TYPE, signed.body, signed.signature]
        with pytest.raises(Refused, match="E_SIG"):
            open_envelope(envelope, other, network).verify(KEY.public)
    with pytest.raises(Refused, match="E_SIG"):
        signed.verify(fixed_key("another").public)


def test_the_signature_is_not_in_the_id() -> None:
    signed = sign(LETTER, NETWORK, KEY)
    bent = open_envelope([LETTER.TYPE, signed.body, bytes(64)], Letter, NETWORK)
    assert bent.oid == signed.oid


def test_what_is_signed() -> None:
    """The formulas of the protocol, byte by byte."""
    signed = sign(LETTER, NETWORK, KEY)
    assert signed.oid == object_id(OFFLINE_DOMAIN, 77, NETWORK, signed.body)
    message = signing_message(OFFLINE_DOMAIN, 77, signed.oid)
    assert message == b"kzt-dt/offline/v1\0sig\0\x4d" + signed.oid
    assert len(message) == 55
    assert KEY.sign(message) == signed.signature


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        (5, "E_TYPE"),
        ("text", "E_TYPE"),
        (None, "E_TYPE"),
        ([], "E_FIELD"),
        ([77, b""], "E_FIELD"),
        ([77, b"", bytes(64), 0], "E_FIELD"),
        ([True, b"", bytes(64)], "E_TYPE"),
        ([b"M", b"", bytes(64)], "E_TYPE"),
        ([78, b"", bytes(64)], "E_OBJTYPE"),
        ([77, "", bytes(64)], "E_TYPE"),
        ([77, [], bytes(64)], "E_TYPE"),
        ([77, b"", bytes(63)], "E_FIELD"),
        ([77, b"", bytes(65)], "E_FIELD"),
        ([77, b"", "s"], "E_TYPE"),
        ([77, b"", bytes(64)], "E_DECODE"),
        ([77, b"\x05", bytes(64)], "E_TYPE"),
        (b"\x05", "E_TYPE"),
        (b"", "E_DECODE"),
    ],
)
def test_what_is_no_envelope(envelope: object, code: str) -> None:
    with pytest.raises(Malformed) as refusal:
        open_envelope(envelope, Letter, NETWORK)
    assert refusal.value.code == code


def test_an_envelope_as_bytes_or_as_array() -> None:
    signed = sign(LETTER, NETWORK, KEY)
    for form in (signed.encode(), signed.envelope(), tuple(signed.envelope())):
        assert open_envelope(form, Letter, NETWORK) == signed
    assert isinstance(signed, Signed)


def test_a_process_that_remembers_opens_the_same_values_and_forgets_the_oldest() -> None:
    network = bytes(8)
    records = [_Remembered(number) for number in range(6)]
    bodies = [canonical.encode(list(record.values())) for record in records]
    plain = [open_envelope([_Remembered.TYPE, body, bytes(64)], _Remembered, network) for body in bodies]
    remember_opened(4)
    try:
        for _ in range(2):
            again = [
                open_envelope([_Remembered.TYPE, body, bytes(64)], _Remembered, network) for body in bodies
            ]
            assert again == plain
        last = open_envelope([_Remembered.TYPE, bodies[-1], bytes(64)], _Remembered, network)
        twin = open_envelope([_Remembered.TYPE, bodies[-1], b"\1" * 64], _Remembered, network)
        assert twin.record is last.record, "it is remembered"
        assert twin.signature != last.signature, "a signature is never remembered with it"
        other = open_envelope([_Remembered.TYPE, bodies[-1], bytes(64)], _Remembered, b"\1" * 8)
        assert other.oid != last.oid, "another network is another object"
        with pytest.raises(Malformed):
            open_envelope([_Remembered.TYPE, b"\x91", bytes(64)], _Remembered, network)
    finally:
        remember_opened(0)
    assert open_envelope([_Remembered.TYPE, bodies[0], bytes(64)], _Remembered, network) == plain[0]


@dataclass(frozen=True, slots=True)
class _Remembered(Record):
    number: int

    TYPE: ClassVar[int] = 99
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (Unsigned(),)
