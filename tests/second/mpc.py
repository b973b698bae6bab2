"""MP-C, the canonical part of MessagePack (5.3): writing, and reading in the four steps of 5.3."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Union

from .refusal import Refusal, need

Value = Union[int, bytes, str, "list[Value]"]

DEFAULT_LIMIT = 1_048_576
MOST = 2**53 - 1
DEEPEST = 6
DEEPEST_WELL_FORMED = 1_024

_SIZED = {  # head: (kind, bytes of length)
    0xC4: ("bin", 1),
    0xC5: ("bin", 2),
    0xC6: ("bin", 4),
    0xC7: ("ext", 1),
    0xC8: ("ext", 2),
    0xC9: ("ext", 4),
    0xD9: ("str", 1),
    0xDA: ("str", 2),
    0xDB: ("str", 4),
    0xDC: ("array", 2),
    0xDD: ("array", 4),
    0xDE: ("map", 2),
    0xDF: ("map", 4),
}
_UNSIGNED = {0xCC: 1, 0xCD: 2, 0xCE: 4, 0xCF: 8}
_SIGNED = {0xD0: 1, 0xD1: 2, 0xD2: 4, 0xD3: 8}
_FLOATS = {0xCA: 4, 0xCB: 8}
_FIXEXT = {0xD4: 1, 0xD5: 2, 0xD6: 4, 0xD7: 8, 0xD8: 16}


def encode(value: Value) -> bytes:
    """The one byte form of a value (5.3, the table)."""
    if isinstance(value, bool):
        raise TypeError("MP-C has no boolean")
    if isinstance(value, int):
        return _number(value)
    if isinstance(value, bytes):
        if len(value) <= 0xFF:
            return b"\xc4" + bytes([len(value)]) + value
        return b"\xc5" + len(value).to_bytes(2, "big") + value
    if isinstance(value, str):
        raw = value.encode("utf-8")
        return (bytes([0xA0 + len(raw)]) if len(raw) <= 31 else b"\xd9" + bytes([len(raw)])) + raw
    count = len(value)
    head = bytes([0x90 + count]) if count <= 15 else b"\xdc" + count.to_bytes(2, "big")
    return head + b"".join([encode(item) for item in value])


def _number(value: int) -> bytes:
    """The shortest form of a whole number (5.3, the table)."""
    if value <= 0x7F:
        return bytes([value])
    for head, width in _UNSIGNED.items():
        if value < 1 << (8 * width):
            return bytes([head]) + value.to_bytes(width, "big")
    raise OverflowError(value)


@dataclass
class _Frame:
    """An array or map that is being read."""

    left: int
    is_map: bool
    walked: bool  # whether its items are walked in step 3: not those of a map
    items: list[Value] = field(default_factory=list)


class _Reader:
    """Steps 2 and 3 of 5.3 in one pass: the first fault of step 3 is kept until step 2 is through."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0
        self.fault = ""
        self.stack: list[_Frame] = []
        self.result: Value = 0

    def take(self, count: int) -> bytes:
        """The next bytes, none of which may be missing (step 2)."""
        need(count <= len(self.data) - self.at, "E_DECODE", "cut short")
        piece = self.data[self.at : self.at + count]
        self.at += count
        return piece

    def flaw(self, code: str) -> None:
        """Remember the first fault among what is walked (step 3)."""
        if not self.fault and (not self.stack or self.stack[-1].walked):
            self.fault = code

    def run(self) -> Value:
        """Read one value and nothing after it."""
        while True:
            value = self.item()
            if value is None:
                continue
            while self.stack:
                top = self.stack[-1]
                top.items.append(value)
                top.left -= 1
                if top.left:
                    break
                self.stack.pop()
                value = [] if top.is_map else top.items
            if not self.stack:
                need(self.at == len(self.data), "E_DECODE", "bytes after the value")
                return value

    def item(self) -> Value | None:
        """One head and what belongs to it; None when an array or map was opened."""
        head = self.take(1)[0]
        if head <= 0x7F:
            return head
        if head >= 0xE0:
            self.flaw("E_RANGE")
            return 0
        if head <= 0x8F:
            return self.group(head & 0x0F, True)
        if head <= 0x9F:
            return self.group(head & 0x0F, False)
        if head <= 0xBF:
            return self.text(head & 0x1F)
        if head in _UNSIGNED:
            return self.whole(int.from_bytes(self.take(_UNSIGNED[head]), "big"))
        if head in _SIGNED:
            return self.whole(int.from_bytes(self.take(_SIGNED[head]), "big", signed=True))
        if head in _FLOATS:
            self.take(_FLOATS[head])
            return self.other()
        if head in _FIXEXT:
            return self.extension(_FIXEXT[head])
        if head in (0xC0, 0xC2, 0xC3):
            return self.other()
        need(head in _SIZED, "E_DECODE", "unknown head")
        return self.sized(*_SIZED[head])

    def sized(self, kind: str, width: int) -> Value | None:
        """What has a length or count in bytes of its own."""
        size = int.from_bytes(self.take(width), "big")
        if kind == "bin":
            raw = self.take(size)
            if size > 0xFFFF:
                self.flaw("E_LENGTH")
            return raw
        if kind == "str":
            return self.text(size)
        if kind == "ext":
            return self.extension(size)
        return self.group(size, kind == "map")

    def other(self) -> Value:
        """What MP-C does not have: nil, booleans, floats, extensions (step 3)."""
        self.flaw("E_TYPE")
        return 0

    def whole(self, number: int) -> Value:
        """A number, which must lie in 0 to 2^53 - 1 (step 3)."""
        if not 0 <= number <= MOST:
            self.flaw("E_RANGE")
            return 0
        return number

    def text(self, size: int) -> Value:
        """Text: UTF-8 (step 2), its length and then its form (step 3)."""
        raw = self.take(size)
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise Refusal("E_DECODE", "no UTF-8") from error
        if size > 0xFF:
            self.flaw("E_LENGTH")
        elif unicodedata.normalize("NFC", text) != text:
            self.flaw("E_NONCANON")
        return text

    def extension(self, size: int) -> Value:
        """An extension: its type is 0 to 127 or it is a timestamp (step 2); then E_TYPE (step 3)."""
        kind = self.take(1)[0]
        raw = self.take(size)
        if kind > 127:
            need(kind == 0xFF and size in (4, 8, 12), "E_DECODE", "extension type")
            if size == 8:
                need(int.from_bytes(raw, "big") >> 34 < 10**9, "E_DECODE", "nanoseconds")
            if size == 12:
                need(int.from_bytes(raw[:4], "big") < 10**9, "E_DECODE", "nanoseconds")
        return self.other()

    def group(self, count: int, is_map: bool) -> Value | None:
        """An array or map: nesting and keys (step 2), then type, depth and count (step 3)."""
        if self.stack and self.stack[-1].is_map:
            need(self.stack[-1].left % 2 == 1, "E_DECODE", "an array or map as a key")
        need(len(self.stack) < DEEPEST_WELL_FORMED, "E_DECODE", "nested too deep")
        if is_map:
            self.flaw("E_TYPE")
        elif len(self.stack) >= DEEPEST:
            self.flaw("E_DEPTH")
        elif count > 0xFFFF:
            self.flaw("E_LENGTH")
        if not count:
            return []
        walked = not is_map and (not self.stack or self.stack[-1].walked)
        self.stack.append(_Frame(count * 2 if is_map else count, is_map, walked))
        return None


def decode(data: bytes, limit: int = DEFAULT_LIMIT) -> Value:
    """`decode(bytes, limit)` of 5.3: size, well-formed, the walk, the shortest form."""
    need(len(data) <= limit, "E_SIZE")
    reader = _Reader(data)
    value = reader.run()
    need(not reader.fault, reader.fault)
    need(encode(value) == data, "E_NONCANON")
    return value


def as_list(value: Value) -> list[Value]:
    """Where an array is wanted and the value is none, E_TYPE (5.3)."""
    if not isinstance(value, list):
        raise Refusal("E_TYPE", "no array")
    return value


def as_int(value: Value) -> int:
    """A number, else E_TYPE (5.3)."""
    if not isinstance(value, int):
        raise Refusal("E_TYPE", "no number")
    return value


def as_bytes(value: Value) -> bytes:
    """A byte string, else E_TYPE (5.3)."""
    if not isinstance(value, bytes):
        raise Refusal("E_TYPE", "no byte string")
    return value
