"""The journal engine's file of commits: one frame for each commit, frames after one another in a segment.

    segment   header, frame, frame, ... then zeros that were written in advance
    header    "TENGEJ01", number of the segment, entries before it, CRC-32
    frame     mark, entries before it, length of the body, CRC-32 of all of it and of its place, then the body
    body      MessagePack: [[id, entry, leaf, id, entry, leaf, ...], [key, value, key, value, ...], head]
    end       a frame with an empty body: nothing was in flight when it was written

A value of a change is nil for "gone", and else the packed value of `pack_value`, which carries the token's owner.

What is found where a frame should be is judged by one rule. Only the last commit can have been in flight when the
power went, so bytes that are no frame may be cut off **only if no frame follows them**, in this segment or a later one;
a frame that cannot be read with another one after it is damage, and damage is never cut. `Scan` finds the end,
`check_tail` judges.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from cbdc.errors import Refused
from cbdc.ledger.disk import Disk
from cbdc.ledger.store import Commit, EntryRow

SEGMENT = "segment-"
_HEADER = struct.Struct("<8sQQI")
_HEADER_MARK = b"TENGEJ01"
HEADER_BYTES = _HEADER.size
_FRAME = struct.Struct("<8sQII")
_MARK = b"\xf1frame\r\n"
FRAME_BYTES = _FRAME.size
_PLACE = struct.Struct("<QQ")
MOST_BODY_BYTES = (1 << 32) - 1
_READ_BYTES = 1 << 20

_Body = tuple[list[bytes], list[bytes | None], bytes]
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Body)

NO_OWNER = 255
OTHER_OWNER = 254
_PREFIXES = tuple(bytes([place]) for place in range(256))


class Frame(NamedTuple):
    """One commit as it stands in a segment: where, after how many entries, and what it holds."""

    offset: int
    first: int
    flat: list[bytes]
    changes: list[bytes | None]
    head: bytes

    @property
    def entries(self) -> int:
        """How many entries."""
        return len(self.flat) // 3

    @property
    def ids(self) -> list[bytes]:
        """The transaction ids in order."""
        return self.flat[0::3]

    @property
    def leaves(self) -> list[bytes]:
        """The leaf hashes in order."""
        return self.flat[2::3]

    def row(self, place: int) -> EntryRow:
        """The entry at a place within the frame."""
        identity, data, leaf = self.flat[3 * place : 3 * place + 3]
        return EntryRow(self.first + place, identity, data, leaf)


def segment_name(number: int) -> str:
    """The file of a segment."""
    return f"{SEGMENT}{number:012d}"


def segment_number(name: str) -> int | None:
    """Which segment a file is, or None for another file."""
    digits = name.removeprefix(SEGMENT)
    return int(digits) if name.startswith(SEGMENT) and digits.isdecimal() and len(digits) == 12 else None


def segment_numbers(disk: Disk) -> list[int]:
    """The numbers of all segments in the folder, ascending."""
    return [number for name in disk.names() if (number := segment_number(name)) is not None]


def segment_header(number: int, first: int) -> bytes:
    """The first bytes of a segment that begins after `first` entries."""
    start = _HEADER.pack(_HEADER_MARK, number, first, 0)[:-4]
    return start + zlib.crc32(start).to_bytes(4, "little")


def read_header(disk: Disk, number: int) -> int | None:
    """After how many entries a segment begins; None when its header is not whole or is another one's."""
    data = disk.read(segment_name(number), 0, HEADER_BYTES)
    if len(data) < HEADER_BYTES:
        return None
    first = int(_HEADER.unpack(data)[2])
    return first if data == segment_header(number, first) else None


# --- values with their owners ---


def pack_value(value: bytes, owner: bytes | None) -> bytes:
    """A value of the state with its owner: one byte more where the owner's id stands in the value, as in a token.

    The first byte is the owner's place in the value, or `NO_OWNER`, or `OTHER_OWNER` with a length and the owner.
    """
    if owner is None:
        return b"\xff" + value
    place = value.find(owner) if len(owner) == 32 else -1
    if 0 <= place < OTHER_OWNER:
        return _PREFIXES[place] + value
    return b"\xfe" + len(owner).to_bytes(2, "big") + owner + value


def value_of(packed: bytes) -> bytes:
    """The value in what `pack_value` made."""
    if packed[0] != OTHER_OWNER:
        return packed[1:]
    return packed[3 + int.from_bytes(packed[1:3], "big") :]


def owner_of(packed: bytes) -> bytes | None:
    """The owner in what `pack_value` made."""
    place = packed[0]
    if place == NO_OWNER:
        return None
    if place == OTHER_OWNER:
        return packed[3 : 3 + int.from_bytes(packed[1:3], "big")]
    return packed[place + 1 : place + 33]


# --- writing ---


def packed_changes(commit: Commit) -> list[bytes | None]:
    """The changes of a commit as a frame holds them."""
    owners = commit.owners.get
    flat: list[bytes | None] = [None] * (2 * len(commit.changes))
    flat[0::2] = commit.changes
    flat[1::2] = [
        value
        if value is None
        else (b"\xff" + value if (owner := owners(key)) is None else pack_value(value, owner))
        for key, value in commit.changes.items()
    ]
    return flat


def encode_frame(frame: Frame, number: int) -> bytearray:
    """The bytes of a commit for its place in a segment."""
    out = bytearray(FRAME_BYTES)
    _encoder.encode_into((frame.flat, frame.changes, frame.head), out, FRAME_BYTES)
    return _sealed(out, frame.first, number, frame.offset)


def end_frame(first: int, number: int, offset: int) -> bytearray:
    """The frame that says: everything before it was whole."""
    return _sealed(bytearray(FRAME_BYTES), first, number, offset)


def _sealed(out: bytearray, first: int, number: int, offset: int) -> bytearray:
    length = len(out) - FRAME_BYTES
    assert length <= MOST_BODY_BYTES, "a commit has less than 4 GiB"
    _FRAME.pack_into(out, 0, _MARK, first, length, 0)
    # The place goes into the check: a frame that somebody wrapped into a payment, or an old one, is none here.
    _FRAME.pack_into(out, 0, _MARK, first, length, zlib.crc32(out, _seed(number, offset)))
    return out


def _seed(number: int, offset: int) -> int:
    return zlib.crc32(_PLACE.pack(number, offset))


# --- reading ---


class Scan:
    """Reads the frames of a segment from `start` on, up to the first bytes that are no whole frame.

    `end` is where those begin, `size` how many entries came before them, `closed` whether the last frame was an end.
    """

    def __init__(self, disk: Disk, number: int, first: int, start: int = HEADER_BYTES) -> None:
        self._disk = disk
        self._name = segment_name(number)
        self.number = number
        self.end = start
        self.size = first
        self.closed = False

    def frames(self) -> Iterator[Frame]:
        """Every commit in order."""
        buffer, base = b"", self.end
        while True:
            raw = _frame_in(buffer, self.end - base, self.number, self.end)
            if raw is None:
                wanted = max(_READ_BYTES, _missing(buffer, self.end - base))
                fresh = self._disk.read(self._name, self.end, wanted)
                if len(fresh) <= len(buffer) - (self.end - base):
                    return
                buffer, base = fresh, self.end
                continue
            first, body = raw
            if first != self.size:
                return
            offset, self.end = self.end, self.end + FRAME_BYTES + len(body)
            self.closed = not body
            if body:
                frame = _opened(offset, first, body)
                if frame is None:
                    self.end = offset
                    return
                self.size += frame.entries
                yield frame


def _missing(buffer: bytes, start: int) -> int:
    """How many bytes from `start` the frame there claims to have; a claim that is wrong costs one larger read."""
    if len(buffer) - start < FRAME_BYTES:
        return 0
    mark, _, length, _ = _FRAME.unpack_from(buffer, start)
    return FRAME_BYTES + length if mark == _MARK else 0


def _frame_in(buffer: bytes, start: int, number: int, offset: int) -> tuple[int, bytes] | None:
    """The frame at `start` of a buffer, `offset` of its segment: entries before it and body; None if not whole."""
    if len(buffer) - start < FRAME_BYTES:
        return None
    mark, first, length, check = _FRAME.unpack_from(buffer, start)
    stop = start + FRAME_BYTES + length
    if mark != _MARK or stop > len(buffer):
        return None
    body = buffer[start + FRAME_BYTES : stop]
    if zlib.crc32(body, zlib.crc32(_FRAME.pack(mark, first, length, 0), _seed(number, offset))) != check:
        return None
    return first, body


def _opened(offset: int, first: int, body: bytes) -> Frame | None:
    try:
        flat, changes, head = _decoder.decode(body)
    except msgspec.MsgspecError:
        return None
    if not flat or len(flat) % 3 or len(changes) % 2:
        return None
    return Frame(offset, first, flat, changes, head)


def read_frame(disk: Disk, number: int, offset: int) -> Frame:
    """The commit at a known place; E_JOURNAL_DAMAGED when there is none any more."""
    name = segment_name(number)
    data = disk.read(name, offset, FRAME_BYTES)
    whole = disk.read(name, offset, _missing(data, 0))
    raw = _frame_in(whole, 0, number, offset)
    frame = _opened(offset, *raw) if raw is not None else None
    if frame is None:
        raise Refused("E_JOURNAL_DAMAGED", segment=number, position=offset)
    return frame


def check_tail(disk: Disk, scan: Scan, last: bool) -> None:
    """Return if what follows the end of a scan may be cut off; E_JOURNAL_DAMAGED otherwise.

    In the last segment it may unless a whole frame stands somewhere after it. Every other segment ends with an end
    frame and nothing more.
    """
    name = segment_name(scan.number)
    damaged = Refused("E_JOURNAL_DAMAGED", segment=scan.number, position=scan.end)
    if not last:
        if not scan.closed or disk.size(name) != scan.end:
            raise damaged
        return
    rest = disk.read(name, scan.end)
    place = rest.find(_MARK)
    while place >= 0:
        if _frame_in(rest, place, scan.number, scan.end + place) is not None:
            raise damaged
        place = rest.find(_MARK, place + 1)
