"""The canonical byte form MP-C (5.3, "The canonical form MP-C" and "Reading")."""

import unicodedata
from collections.abc import Sequence
from typing import Any

from tests.second_ledger.errors import Refusal, require

MAX = 2**53 - 1
DEPTH = 6


def _head(small: int, count: int, heads: Sequence[tuple[int, int, int]], first: int) -> bytes:
    """The head of a value: one byte up to ``small``, else the shortest of the longer heads."""
    if count <= small:
        return bytes([first + count])
    for head, size, most in heads:
        if count <= most:
            return bytes([head]) + count.to_bytes(size, "big")
    raise Refusal("E_LENGTH")


_NUMBER = ((0xCC, 1, 0xFF), (0xCD, 2, 0xFFFF), (0xCE, 4, 0xFFFFFFFF), (0xCF, 8, MAX))
_BYTES = ((0xC4, 1, 0xFF), (0xC5, 2, 0xFFFF))
_ARRAY = ((0xDC, 2, 0xFFFF),)
_TEXT = ((0xD9, 1, 0xFF),)


def enc(value: Any) -> bytes:
    """The MP-C bytes of a value (5.3, table)."""
    if isinstance(value, bool):
        raise TypeError("no boolean in MP-C")
    if isinstance(value, int):
        return _head(127, value, _NUMBER, 0)
    if isinstance(value, bytes):
        return _head(-1, len(value), _BYTES, 0) + value
    if isinstance(value, str):
        raw = value.encode()
        return _head(31, len(raw), _TEXT, 0xA0) + raw
    if isinstance(value, list | tuple):
        return _head(15, len(value), _ARRAY, 0x90) + b"".join(enc(item) for item in value)
    raise TypeError(f"no MP-C value: {type(value)}")


class _Reader:
    """Reads one value; the first fault decides. All form codes agree with each other (ledger/7)."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes, or E_DECODE when they are not there."""
        require(self.at + count <= len(self.data), "E_DECODE")
        part = self.data[self.at : self.at + count]
        self.at += count
        return part

    def number(self, size: int) -> int:
        """A big-endian number of ``size`` bytes."""
        return int.from_bytes(self.take(size), "big")

    def text(self, size: int) -> str:
        """A text in UTF-8 and normal form C."""
        raw = self.take(size)
        try:
            value = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise Refusal("E_DECODE") from None
        require(size <= 255, "E_LENGTH")
        require(unicodedata.is_normalized("NFC", value), "E_NONCANON")
        return value

    def array(self, count: int, depth: int) -> list[Any]:
        """An array of ``count`` items that stands inside ``depth`` others."""
        require(depth < DEPTH, "E_DEPTH")
        require(count <= 0xFFFF, "E_LENGTH")
        return [self.value(depth + 1) for _ in range(count)]

    def value(self, depth: int) -> Any:
        """The next value, inside ``depth`` arrays."""
        head = self.take(1)[0]
        if head <= 0x7F:
            return head
        if 0x90 <= head <= 0x9F:
            return self.array(head - 0x90, depth)
        if 0xA0 <= head <= 0xBF:
            return self.text(head - 0xA0)
        if 0xCC <= head <= 0xCF:
            number = self.number(1 << (head - 0xCC))
            require(number <= MAX, "E_RANGE")
            return number
        if 0xC4 <= head <= 0xC6:
            size = self.number(1 << (head - 0xC4))
            raw = self.take(size)
            require(size <= 0xFFFF, "E_LENGTH")
            return raw
        if 0xD9 <= head <= 0xDB:
            return self.text(self.number(1 << (head - 0xD9)))
        if head in (0xDC, 0xDD):
            return self.array(self.number(2 if head == 0xDC else 4), depth)
        if 0xD0 <= head <= 0xD3:
            size = 1 << (head - 0xD0)
            signed = int.from_bytes(self.take(size), "big", signed=True)
            raise Refusal("E_RANGE" if signed < 0 else "E_NONCANON")
        if head >= 0xE0:
            raise Refusal("E_RANGE")
        raise Refusal("E_DECODE" if head == 0xC1 else "E_TYPE")


def decode(data: bytes, limit: int = 1_048_576) -> Any:
    """Read exactly one value in its shortest form (5.3, "Reading")."""
    require(len(data) <= limit, "E_SIZE")
    reader = _Reader(data)
    value = reader.value(0)
    require(reader.at == len(data), "E_DECODE")
    require(enc(value) == data, "E_NONCANON")
    return value


def decode_array(data: bytes, limit: int = 1_048_576) -> list[Any]:
    """Read one value that has to be an array (5.3, end of "Reading")."""
    value = decode(data, limit)
    if not isinstance(value, list):
        raise Refusal("E_TYPE")
    return value
