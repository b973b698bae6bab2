"""The form of card messages: one byte form, strict reading, bounded, and every kind against the tables."""

import iso8583
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.cards import fields
from cbdc.cards.fields import FIELDS, KINDS
from cbdc.cards.message import Message, decode
from cbdc.cards.numbers import (
    VISA_LIKE,
    acquirer_number,
    bank_of_acquirer,
    card_number,
    luhn_ok,
    masked,
    prefix_of,
)
from cbdc.errors import Malformed, TengeError

SPEC = fields.library_spec()


def value_of(number: int, longest: bool = False) -> str:
    field = FIELDS[number]
    length = field.most if longest else field.least
    return "0A" * length if field.binary else "1" * length


def message(mti: str, longest: bool = False) -> Message:
    kind = KINDS[fields.first_type(mti)]
    numbers = kind.required | (kind.optional if longest else frozenset())
    return Message(mti, {number: value_of(number, longest) for number in numbers})


@pytest.mark.parametrize("longest", [False, True])
@pytest.mark.parametrize("mti", [*KINDS, *fields.REPEATED.values()])
def test_every_kind_comes_back_as_it_was(mti: str, longest: bool) -> None:
    sent = message(mti, longest)
    raw = sent.encode()
    assert decode(raw) == sent
    assert len(raw) <= fields.MAX_MESSAGE_BYTES


def test_every_request_has_an_answer_and_every_field_a_place() -> None:
    assert {*fields.ANSWERS, *fields.ANSWERS.values()} == set(KINDS)
    used = frozenset().union(*(kind.required | kind.optional for kind in KINDS.values()))
    assert used == set(FIELDS)
    for request, answer in fields.ANSWERS.items():
        assert message(request).answer("00").mti == answer


@pytest.mark.parametrize("mti", sorted(KINDS))
def test_a_field_too_many_or_too_few(mti: str) -> None:
    sent = message(mti)
    for number in sorted(sent.fields):
        less = {n: v for n, v in sent.fields.items() if n != number}
        assert refused(lambda less=less: Message(mti, less)).facts["field"] == number  # type: ignore[misc]
    strange = min(set(FIELDS) - KINDS[mti].required - KINDS[mti].optional)
    with pytest.raises(Malformed, match="no place"):
        Message(mti, {**sent.fields, strange: value_of(strange)})


def refused(call: object) -> TengeError:
    with pytest.raises(TengeError) as caught:
        call()  # type: ignore[operator]
    return caught.value


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (4, "12345678901"),
        (4, "1234567890123"),
        (4, "00000000676O"),
        (2, "12345678901"),
        (2, "1" * 20),
        (37, "abcdefghijkl"),
        (49, "39"),
        (55, ""),
        (55, "0A0"),
        (55, "0a"),
        (55, "0A" * 1_000),
        (42, "МАГАЗИН12345678"),
    ],
)
def test_a_value_of_a_wrong_form(number: int, value: str) -> None:
    sent = message("0100")
    assert refused(lambda: Message("0100", {**sent.fields, number: value})).code == "E_CARD_MESSAGE"


@pytest.mark.parametrize("mti", ["", "0100x", "0999", "0110 ", "²100", "0111"])
def test_a_type_that_is_not_there(mti: str) -> None:
    assert refused(lambda: Message(mti, message("0110").fields)).code == "E_CARD_MESSAGE"


def _wire(changes: dict[str, str], mti: str = "0110") -> bytes:
    document = {"t": mti, **{str(n): v for n, v in message(mti).fields.items()}, **changes}
    return bytes(iso8583.encode(document, SPEC)[0])


RAW = message("0100").encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"0100",
        RAW[:-1],
        RAW + b"0",
        RAW[:4] + bytes(8) + RAW[12:],
        b"\xff" * 40,
        RAW.replace(b"12111111111111", b"+1211111111111", 1),
        RAW.replace(b"12111111111111", b" 1211111111111", 1),
        b"0999" + RAW[4:],
        "٠١٠٠".encode() + RAW[4:],
        RAW[:4] + b"\xff" * 8 + RAW[12:],
        RAW[:4] + bytes([RAW[4] | 0x80]) + RAW[5:12] + bytes(8) + RAW[12:],
    ],
    ids=lambda raw: raw[:6].hex(),
)
def test_bytes_that_are_no_message(raw: bytes) -> None:
    assert raw != RAW
    assert refused(lambda: decode(raw)).code == "E_CARD_MESSAGE"


def test_too_many_bytes_are_not_read() -> None:
    assert refused(lambda: decode(b"0" * (fields.MAX_MESSAGE_BYTES + 1))).code == "E_SIZE"


def outcome(raw: bytes) -> str:
    """What reading does: a message that is written the same, or a code."""
    try:
        return "the same" if decode(raw).encode() == raw else "another"
    except Malformed as refusal:
        return refusal.code


@given(st.binary(max_size=300))
def test_any_bytes_give_a_message_or_a_code(raw: bytes) -> None:
    assert outcome(raw) in {"the same", "E_CARD_MESSAGE", "E_SIZE"}


@given(st.integers(0, len(RAW) - 1), st.integers(0, 255))
def test_one_changed_byte_gives_another_message_or_a_code(place: int, byte: int) -> None:
    raw = RAW[:place] + bytes([byte]) + RAW[place + 1 :]
    assert outcome(raw) in ({"the same"} if raw == RAW else {"the same", "E_CARD_MESSAGE"})


def test_a_repetition_is_the_same_message() -> None:
    first = message("0420")
    again = first.again()
    assert again.mti == "0421"
    assert (again.id, again.content, again.type) == (first.id, first.content, "0420")
    other = Message("0420", {**first.fields, 4: "000000000007"})
    assert other.id == first.id
    assert other.content != first.content
    assert message("0110").again().mti == "0110"


# --- numbers ---


@pytest.mark.parametrize(
    "number", ["4000010000000000", "", "4x", "22000000000000", "6000010000000007", "40000100"]
)
def test_numbers_that_lead_nowhere(number: str) -> None:
    assert prefix_of(number) is None


@given(st.binary(min_size=32, max_size=32), st.integers(1, 9_999), st.booleans())
def test_a_number_leads_to_its_bank(seed: bytes, bank: int, token: bool) -> None:
    number = card_number(VISA_LIKE, bank, seed, token)
    assert len(number) == 16
    assert luhn_ok(number)
    assert prefix_of(number) == (VISA_LIKE, bank, token)
    assert masked(number).count("*") == 6
    assert not luhn_ok(number[:-1] + str((int(number[-1]) + 1) % 10))


def test_acquirers_have_numbers() -> None:
    assert bank_of_acquirer(acquirer_number(7)) == 7
    assert bank_of_acquirer("900000") == bank_of_acquirer("1234567") == bank_of_acquirer("123456") == 0
