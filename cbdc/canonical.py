"""MP-C, the one byte form of a signed value.

MP-C is a small part of MessagePack: arrays, byte strings, unsigned integers to 2**53 - 1 and, where a schema lists
them, text in Unicode normal form C. No map, nil, boolean, float, extension or negative number exists in it, every
length and integer takes its shortest form, and arrays nest at most six deep. Two different byte strings therefore
never mean the same value.

The library reads far more than that: it keeps the last of two equal map keys, takes `cd0005` for 5, and thinks True
is an integer. So decoding is: parse, check each value's exact type and range, encode again, and compare every byte.

Source: DTO/1, section 5.3 (`docs/protocol/05-03-encoding.md`).
"""

import unicodedata

import msgpack

from cbdc.errors import Malformed

MAX_INTEGER = 2**53 - 1
MAX_LENGTH = 65_535
MAX_TEXT_BYTES = 255
MAX_DEPTH = 6
MAX_MESSAGE_BYTES = 1 << 20

Value = int | bytes | str | list["Value"] | tuple["Value", ...]


def encode(value: object) -> bytes:
    """The MP-C bytes of `value` (int, bytes, str, and lists or tuples of these).

    Raises E_TYPE, E_RANGE, E_DEPTH, E_LENGTH or E_NONCANON (text that is not in normal form C).
    """
    _check(value, 1)
    packed: bytes = msgpack.packb(value, use_bin_type=True)
    return packed


def decode(data: bytes, limit_bytes: int = MAX_MESSAGE_BYTES) -> Value:
    """The value whose MP-C form is exactly `data`; arrays come back as lists.

    Raises E_SIZE before any parsing, E_DECODE for what is no MessagePack, and the errors of `encode`; E_NONCANON when
    the value has another, shorter form than the one given.
    """
    if len(data) > limit_bytes:
        raise Malformed("E_SIZE", size_bytes=len(data), limit_bytes=limit_bytes)
    try:
        value: Value = msgpack.unpackb(data, raw=False, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, OverflowError, msgpack.UnpackException) as error:
        raise Malformed("E_DECODE", size_bytes=len(data), detail=type(error).__name__) from None
    _check(value, 1)
    if msgpack.packb(value, use_bin_type=True) != data:
        raise Malformed("E_NONCANON", size_bytes=len(data))
    return value


def decode_array(data: bytes, limit_bytes: int = MAX_MESSAGE_BYTES) -> list[Value]:
    """Like `decode`, for bytes that must hold an array; E_TYPE when they hold anything else."""
    value = decode(data, limit_bytes)
    if type(value) is not list:
        raise Malformed("E_TYPE", type=type(value).__name__)
    return value


def _check(value: object, depth: int) -> None:
    kind = type(value)
    if kind is list or kind is tuple:
        _check_items(value, depth)  # type: ignore[arg-type]
    else:
        _check_one(value)


def _check_items(items: list[object] | tuple[object, ...], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Malformed("E_DEPTH", most=MAX_DEPTH)
    if len(items) > MAX_LENGTH:
        raise Malformed("E_LENGTH", length=len(items), most=MAX_LENGTH)
    for item in items:
        # The two commonest kinds are judged here: a call for each leaf would be half the cost of decoding.
        kind = type(item)
        if kind is bytes:
            if len(item) <= MAX_LENGTH:  # type: ignore[arg-type]
                continue
        elif kind is int:
            if 0 <= item <= MAX_INTEGER:  # type: ignore[operator]
                continue
        elif kind is list or kind is tuple:
            _check_items(item, depth + 1)  # type: ignore[arg-type]
            continue
        _check_one(item)


def _check_one(value: object) -> None:
    kind = type(value)
    if kind is int:
        if not 0 <= value <= MAX_INTEGER:  # type: ignore[operator]
            raise Malformed("E_RANGE", value=str(value)[:24], most=MAX_INTEGER)
    elif kind is bytes:
        if len(value) > MAX_LENGTH:  # type: ignore[arg-type]
            raise Malformed("E_LENGTH", length=len(value), most=MAX_LENGTH)  # type: ignore[arg-type]
    elif kind is str:
        _check_text(value)  # type: ignore[arg-type]
    else:
        raise Malformed("E_TYPE", type=kind.__name__)


def _check_text(text: str) -> None:
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:
        raise Malformed("E_DECODE", size_bytes=len(text), detail="UnicodeEncodeError") from None
    if size > MAX_TEXT_BYTES:
        raise Malformed("E_LENGTH", length=size, most=MAX_TEXT_BYTES)
    if not unicodedata.is_normalized("NFC", text):
        raise Malformed("E_NONCANON", size_bytes=size)
