"""Frames of the byte channel between a host and a secure element's process.

    frame = D7 02 || address (4) || number (4) || length (2) || command or response || CRC-32 (4)

The **address** says which of the elements in that process is meant, so that one process serves thousands; the response
has the address and the number of its command. A frame that is damaged, too long or cut is as if it had never come: the
reader looks for the next beginning. So a command is carried out whole or not at all, and an answer that comes late is
known by its number and thrown away.

Source: DTO/1, sections 5.7 and 5.19.12.
"""

import zlib
from typing import NamedTuple

MAGIC = b"\xd7\x02"
MOST_BYTES = 261
LAST_ADDRESS = 2**32 - 1

_NUMBER_BYTES = 4
_LENGTH_BYTES = 2
_HEAD_BYTES = len(MAGIC) + 2 * _NUMBER_BYTES + _LENGTH_BYTES
_CRC_BYTES = 4


class Frame(NamedTuple):
    """One command or response, for or from the element with this address; `number` ties the two together."""

    address: int
    number: int
    data: bytes

    def encode(self) -> bytes:
        """The bytes of the frame; more than 261 bytes of data are a bug in the caller."""
        assert len(self.data) <= MOST_BYTES, "no command and no response is that long"
        body = (
            MAGIC + self.address.to_bytes(_NUMBER_BYTES, "big") + self.number.to_bytes(_NUMBER_BYTES, "big")
        )
        body += len(self.data).to_bytes(_LENGTH_BYTES, "big") + self.data
        return body + zlib.crc32(body).to_bytes(_CRC_BYTES, "big")


class FrameReader:
    """Finds frames in a stream of bytes; keeps at most one unfinished frame."""

    def __init__(self) -> None:
        self._held = bytearray()

    def take(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete, in order; whatever is no frame is passed over."""
        self._held += data
        found: list[Frame] = []
        while True:
            start = self._held.find(MAGIC)
            if start < 0:
                # The last byte may be the first half of a beginning.
                del self._held[: max(0, len(self._held) - 1)]
                return found
            del self._held[:start]
            if len(self._held) < _HEAD_BYTES:
                return found
            length = int.from_bytes(self._held[_HEAD_BYTES - _LENGTH_BYTES : _HEAD_BYTES], "big")
            end = _HEAD_BYTES + length
            if length > MOST_BYTES:
                del self._held[:1]
                continue
            if len(self._held) < end + _CRC_BYTES:
                return found
            crc = bytes(self._held[end : end + _CRC_BYTES])
            if zlib.crc32(self._held[:end]).to_bytes(_CRC_BYTES, "big") != crc:
                del self._held[:1]
                continue
            found.append(_opened(bytes(self._held[:end])))
            del self._held[: end + _CRC_BYTES]


def _opened(body: bytes) -> Frame:
    start = len(MAGIC)
    address = int.from_bytes(body[start : start + _NUMBER_BYTES], "big")
    number = int.from_bytes(body[start + _NUMBER_BYTES : start + 2 * _NUMBER_BYTES], "big")
    return Frame(address, number, body[_HEAD_BYTES:])
