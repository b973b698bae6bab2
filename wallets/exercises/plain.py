"""Plain values, as bytes: all that may come out of a student's process.

The grader never unpickles what a student's process sends, for that would run whatever it liked. What comes out is
None, truth values, whole numbers of any size, texts, bytes, and lists, tuples, sets and dictionaries of these, to a
depth and a size. Everything else is told to the student in words before it leaves.

Tuples and sets stay what they are, so a check may compare `("E_SIG", "G2")` with what the function returned. A tuple
with names (`TokenId`) arrives as a plain tuple, equal to it.
"""

from typing import Any

import msgpack

_TUPLE, _NUMBER, _SET = 1, 2, 3
LARGEST_BYTES = 8 << 20
"""The largest message that one process takes from the other."""
_LARGEST_NUMBER_BYTES = 4_096
_DEEPEST = 32
_SHORTEST, _LONGEST = -(2**63), 2**64


class NotPlain(ValueError):
    """A value that cannot leave the student's process, with the reason as its text."""


def encode(value: object) -> bytes:
    """A plain value as bytes; NotPlain when it is something else."""
    told = _told(value, 0)
    try:
        data: bytes = msgpack.packb(told, use_bin_type=True, strict_types=True)
    except (UnicodeEncodeError, TypeError, ValueError) as error:
        raise NotPlain(f"a value that cannot be written down ({error})") from error
    if len(data) > LARGEST_BYTES:
        raise NotPlain(f"more than {LARGEST_BYTES} bytes")
    return data


def decode(data: bytes) -> Any:
    """The value in these bytes; NotPlain when they are none."""
    if len(data) > LARGEST_BYTES:
        raise NotPlain(f"more than {LARGEST_BYTES} bytes")
    try:
        return msgpack.unpackb(data, ext_hook=_heard, use_list=True, strict_map_key=False)
    except (ValueError, TypeError, RecursionError, msgpack.UnpackException) as error:
        raise NotPlain(f"bytes that are no plain value ({type(error).__name__})") from error


def _told(value: object, depth: int) -> object:
    if depth > _DEEPEST:
        raise NotPlain(f"a value more than {_DEEPEST} deep")
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return int(value) if _SHORTEST <= value < _LONGEST else msgpack.ExtType(_NUMBER, _number(value))
    if isinstance(value, str):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, msgpack.ExtType):
        return value  # already told, one level down
    if isinstance(value, tuple):
        return msgpack.ExtType(_TUPLE, encode([_told(one, depth + 1) for one in value]))
    if isinstance(value, (set, frozenset)):
        return msgpack.ExtType(_SET, encode([_told(one, depth + 1) for one in value]))
    if isinstance(value, list):
        return [_told(one, depth + 1) for one in value]
    if isinstance(value, dict):
        return {_told(key, depth + 1): _told(one, depth + 1) for key, one in value.items()}
    raise NotPlain(
        f"{type(value).__name__}, which is no plain value (numbers, texts, bytes, lists, tuples, dicts)"
    )


def _number(value: int) -> bytes:
    size = value.bit_length() // 8 + 1
    if size > _LARGEST_NUMBER_BYTES:
        raise NotPlain(f"a whole number of {size} bytes")
    return value.to_bytes(size, "big", signed=True)


def _heard(kind: int, data: bytes) -> object:
    if kind == _TUPLE:
        return tuple(decode(data))
    if kind == _NUMBER:
        return int.from_bytes(data, "big", signed=True)
    if kind == _SET:
        return frozenset(decode(data))
    raise NotPlain(f"an unknown kind of value ({kind})")
