"""Frames, QR texts and BLE packets (5.15)."""

from __future__ import annotations

import hashlib
import zlib

from .refusal import Refusal, need

LIMIT = 24_576
_MOST_OPEN = 4
_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"


class Assembler:
    """Frames that come in any order, at one moment (5.15, "Assembling")."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Nothing is held yet; `limit` is the reader's (5.15)."""
        self.limit = limit
        self.open: dict[bytes, tuple[int, dict[int, bytes]]] = {}

    def take(self, frame: bytes) -> bytes | None:
        """One frame; the message when it is whole."""
        need(len(frame) > 12 and frame[:2] == b"\xd7\x01", "E_FRAME")
        need(zlib.crc32(frame[:-4]).to_bytes(4, "big") == frame[-4:], "E_FRAME", "CRC")
        name, index, total, payload = frame[2:6], frame[6], frame[7], frame[8:-4]
        need(1 <= total <= 64 and index < total, "E_FRAME")
        if name not in self.open:
            if len(self.open) == _MOST_OPEN:
                del self.open[next(iter(self.open))]
            self.open[name] = (total, {})
        expected, pieces = self.open[name]
        if expected != total or pieces.setdefault(index, payload) != payload:
            self.drop(name, "E_FRAME")
        if sum(map(len, pieces.values())) > self.limit:
            self.drop(name, "E_SIZE")
        if len(pieces) < total:
            return None
        message = b"".join(pieces[i] for i in range(total))
        if hashlib.sha256(message).digest()[:4] != name:
            self.drop(name, "E_FRAME")
        del self.open[name]
        return message

    def drop(self, name: bytes, code: str) -> None:
        """Drop an assembly and say why."""
        del self.open[name]
        raise Refusal(code)


def qr_frame(text: str) -> bytes:
    """The frame in the text of a QR code: `DT1:` and Base45 of RFC 9285 (5.15)."""
    need(text.startswith("DT1:"), "E_FRAME")
    try:
        digits = [_ALPHABET.index(letter) for letter in text[4:]]
    except ValueError as error:
        raise Refusal("E_FRAME", "no Base45") from error
    out = b""
    for at in range(0, len(digits), 3):
        group = digits[at : at + 3]
        need(len(group) > 1, "E_FRAME", "a letter alone")
        number = sum(digit * 45**power for power, digit in enumerate(group))
        need(number < 1 << (8 * (len(group) - 1)), "E_FRAME", "a group that is too large")
        out += number.to_bytes(len(group) - 1, "big")
    return out


class Stream:
    """The packets of a BLE link, in order (5.15)."""

    def __init__(self, limit: int = LIMIT) -> None:
        """Nothing is held yet; `limit` is the reader's (5.15)."""
        self.limit = limit
        self.held = b""

    def take(self, packet: bytes) -> bytes | None:
        """One packet; the message when it is whole. After a refusal the stream starts anew."""
        self.held += packet
        if len(self.held) < 8:
            return None
        size = int.from_bytes(self.held[:4], "big")
        if size > self.limit:
            self.held = b""
            raise Refusal("E_SIZE")
        if len(self.held) < 8 + size:
            return None
        held, self.held = self.held, b""
        need(len(held) == 8 + size, "E_FRAME", "bytes after the message")
        need(hashlib.sha256(held[8:]).digest()[:4] == held[4:8], "E_FRAME", "another hash")
        return held[8:]
