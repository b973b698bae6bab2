"""The form of the commonest entry: a plain transfer of few tokens in the journal, read at one stroke.

`cbdc.plain_form` reads a plain transfer by decoding it and encoding it again. An audit reads millions of them, and
nearly all have one signer, one or two inputs and one or two outputs. The canonical bytes of these follow one pattern,
shortest numbers and lengths included, so one match says that they are canonical and gives every value. What does not
match is nothing wrong: the general reader takes it. Nothing is read differently here, and nothing is refused.
"""

import re

import msgspec

from cbdc.canonical import MAX_INTEGER, MAX_LENGTH
from cbdc.ledger.state import TOKEN
from cbdc.plain_form import MAX_OUTPUTS, plain_form

Parts = tuple[int, int, bytes]
"""An entry taken apart: its index, its time, its payload."""


Witnesses = tuple[tuple[bytes, bytes], ...]

PlainEntry = tuple[int, int, bytes, tuple[bytes, ...], tuple[bytes, ...], tuple[int, ...], Witnesses]
"""An entry with a plain transfer: index, time, body; packed state keys of what it spends; payees and amounts of what it
creates; and its witnesses (key id, signature)."""


_encode = msgspec.msgpack.Encoder().encode
_decode_number = msgspec.msgpack.Decoder(int).decode
_decode_entry = msgspec.msgpack.Decoder(tuple[int, int, bytes]).decode

# A whole number up to 2**53 - 1 in its shortest form; an amount is at least 1.
_LONGER = rb"\xcc[\x80-\xff]|\xcd[\x01-\xff].|\xce(?!\0\0).{4}|\xcf\0(?!\0\0\0)[\0-\x1f].{6}"
_NUMBER = rb"([\0-\x7f]|" + _LONGER + rb")"
_AMOUNT = rb"([\x01-\x7f]|" + _LONGER + rb")"
_LENGTH = rb"(\xc4.|\xc5[\x01-\xff].)"
_INPUT = rb"\x92\xc4\x20(.{32})([\0-\x7f]|\xcc[\x80-\xff])"
_OUTPUT = rb"\x93" + _AMOUNT + rb"\x92\x01\xc4\x20(.{32})\xc4\0"
_BODY = rb"(\x97\xc4\x10.{16}(?:\x91|\x92%b)%b(?:\x91|\x92%b)%b\xc4\0\x90\x90\x90)" % (
    _INPUT,
    _INPUT,
    _OUTPUT,
    _OUTPUT,
)
_WIRE = rb"\x93\x41%b%b\x91\x92\xc4\x20(.{32})\xc4\x40(.{64})" % (_LENGTH, _BODY)
_AROUND = 104  # what a payload of this form has beside its body and that one's length
_match = re.compile(rb"\x93%b%b%b%b" % (_NUMBER, _NUMBER, _LENGTH, _WIRE), re.DOTALL).fullmatch
_TOKEN_KEY = bytes([TOKEN])
_PLACES = [place.to_bytes(2, "big") for place in range(MAX_OUTPUTS)]
_PLACE_OF = {_encode(place): raw for place, raw in enumerate(_PLACES)}
_LENGTHS = {
    size: b"\xc4%c" % size if size < 256 else b"\xc5" + size.to_bytes(2, "big") for size in range(1_024)
}


def parts_of(data: bytes) -> Parts | None:
    """The parts of an entry in its canonical form, or None: what is not plainly right `open_entry` judges."""
    # What is read here and, written again, gives the same bytes, is in the canonical form.
    try:
        parts: Parts = _decode_entry(data)
    except (msgspec.DecodeError, RecursionError):
        return None
    index, time, payload = parts
    plain = 0 <= index <= MAX_INTEGER and 0 <= time <= MAX_INTEGER and len(payload) <= MAX_LENGTH
    return parts if plain and _encode(parts) == data else None


def common_entry(data: bytes) -> PlainEntry | None:
    """The entry in these bytes, if it follows the pattern; None says nothing."""
    found = _match(data)
    if found is None:
        return None
    (
        index, time, payload_length, body_length, body,
        other_id, other_place, last_id, last_place, other_amount, other_kid, last_amount, last_kid, signer, signature,
    ) = found.groups()  # fmt: skip
    payload_bytes = _AROUND + len(body_length) + len(body)
    if payload_length != _LENGTHS[payload_bytes] or body_length != _LENGTHS[len(body)]:
        return None
    last = _TOKEN_KEY + last_id + _PLACE_OF[last_place]
    spends: tuple[bytes, ...] = (last,)
    if other_id is not None:
        other = _TOKEN_KEY + other_id + _PLACE_OF[other_place]
        if other == last:
            return None
        spends = (other, last)
    amount = _decode_number(last_amount)
    payees: tuple[bytes, ...] = (last_kid,)
    amounts: tuple[int, ...] = (amount,)
    if other_kid is not None:
        payees, amounts = (other_kid, last_kid), (_decode_number(other_amount), amount)
        if amounts[0] + amount > MAX_INTEGER:
            return None
    number, moment = _decode_number(index), _decode_number(time)
    return number, moment, body, spends, payees, amounts, ((signer, signature),)


def plain_entry(parts: Parts) -> PlainEntry | None:
    """The plain transfer in the payload of an entry that was taken apart, whatever its size; None when it is none."""
    index, time, payload = parts
    form = plain_form(payload)
    if form is None:
        return None
    body, _, inputs, outputs, witnesses = form
    return (
        index,
        time,
        body,
        tuple([_TOKEN_KEY + transaction + _PLACES[place] for transaction, place in inputs]),
        tuple([output[1][1] for output in outputs]),
        tuple([output[0] for output in outputs]),
        witnesses,
    )
