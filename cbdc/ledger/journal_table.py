"""Sorted tables on disk, what the journal engine's snapshots are made of: written once, never changed, read in place.

    table     block, block, ..., footer, length of the footer, mark
    block     number of records, a byte of each key, where each begins and the last ends, the records ascending by key
    record    length of the key, key, value
    footer    MessagePack: [records, [first key of each block, cut as short as will do], where each block begins]

A key is looked up by its block's first key (in memory, a few bytes for each block) and then by its byte within that one
block, which is mapped from the file. So a table of ten million rows is open in a moment, and what is not asked for
costs no memory that the system could not take back.

A new table is an old one with changes: blocks that no change touches are copied as they stand.
"""

import struct
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate, pairwise

import msgspec

from cbdc.errors import Refused
from cbdc.ledger.disk import Buffer, Disk

_MARK = b"TENGET01"
_TAIL = struct.Struct("<Q8s")
_COUNT = struct.Struct("<H")
_BLOCK_RECORDS = 32
_MOST_RECORDS = 48
_FEWEST_RECORDS = 16
_WRITE_BYTES = 1 << 20
MOST_KEY_BYTES = 0xFFFF
_LENGTHS = tuple(_COUNT.pack(length) for length in range(512))
_STARTS = tuple(struct.Struct(f"<{count + 1}I") for count in range(_MOST_RECORDS + 1))
_START_STOP = struct.Struct("<II")
_BYTES = tuple(bytes([value]) for value in range(256))
_PREFIX = 3

_Footer = tuple[int, list[bytes], bytes]
_footer_decoder = msgspec.msgpack.Decoder(_Footer)

Record = tuple[bytes, bytes]
Change = tuple[bytes, bytes | None]
Replaced = Callable[[bytes, bytes], None]


class TableFile(msgspec.Struct, frozen=True, array_like=True):
    """Which file a table is: its name, its length in bytes, its CRC-32, and how many records it has."""

    name: str
    size: int
    check: int
    count: int


def check_file(disk: Disk, file: TableFile) -> None:
    """Return if a table's file is whole, all of it read once; E_JOURNAL_SNAPSHOT otherwise."""
    refusal = Refused("E_JOURNAL_SNAPSHOT", file=file.name)
    try:
        if disk.size(file.name) != file.size:
            raise refusal
        found = 0
        for start in range(0, file.size, _WRITE_BYTES):
            found = zlib.crc32(disk.read(file.name, start, _WRITE_BYTES), found)
    except OSError:
        raise refusal from None
    if found != file.check:
        raise refusal


class Table:
    """An open table. Reading needs no lock: nothing of it ever changes."""

    def __init__(self, disk: Disk, file: TableFile) -> None:
        """Raises E_JOURNAL_SNAPSHOT when the file is no table; `check_file` is what looks at every byte."""
        self.file = file
        refusal = Refused("E_JOURNAL_SNAPSHOT", file=file.name)
        try:
            data = disk.map(file.name)
            length, mark = _TAIL.unpack(data[-_TAIL.size :])
            footer = data[len(data) - _TAIL.size - length : len(data) - _TAIL.size]
            if mark != _MARK or len(data) != file.size:
                raise refusal
            self.count, self.fences, starts = _footer_decoder.decode(footer)
        except (OSError, ValueError, struct.error, msgspec.MsgspecError):
            raise refusal from None
        self._data: Buffer = data
        self.starts = array("Q", starts)
        self._spans = _spans(self.fences)

    def get_into(self, keys: Iterable[bytes], found: dict[bytes, bytes]) -> None:
        """Add the values of those keys that are here."""
        data, fences, starts, spans = self._data, self.fences, self.starts, self._spans
        whole = (0, len(fences))
        for key in keys:
            low, high = spans.get(key[:_PREFIX], whole)
            place = bisect_right(fences, key, low, high) - 1
            if place < 0:
                continue
            length = len(key)
            needle = (_LENGTHS[length] if length < 512 else _COUNT.pack(length)) + key
            base = starts[place]
            count = data[base]
            names = base + 1
            stop = names + count
            byte = _BYTES[(key[length >> 1] + key[-1]) & 255]
            at = data.find(byte, names, stop)
            while at >= 0:
                start, end = _START_STOP.unpack_from(data, stop + 4 * (at - names))
                record = data[base + start : base + end]
                if record.startswith(needle):
                    found[key] = record[length + 2 :]
                    break
                at = data.find(byte, at + 1, stop)

    def records(self, start: bytes = b"") -> Iterator[Record]:
        """Every record whose key is not below `start`, ascending."""
        first = max(bisect_right(self.fences, start) - 1, 0)
        for place in range(first, len(self.fences)):
            for record in self.block_records(place):
                if record[0] >= start:
                    yield record

    def block(self, place: int) -> bytes:
        """The bytes of a block."""
        return self._data[self.starts[place] : self.starts[place + 1]]

    def block_records(self, place: int) -> list[Record]:
        """The records of a block."""
        block = self.block(place)
        begins = _STARTS[block[0]].unpack_from(block, 1 + block[0])
        out = []
        for start, stop in pairwise(begins):
            value = start + 2 + (block[start] | block[start + 1] << 8)
            out.append((block[start + 2 : value], block[value:stop]))
        return out

    def close(self) -> None:
        """Give the mapping back."""
        if not isinstance(self._data, bytes):
            self._data.close()


def _spans(fences: Sequence[bytes]) -> dict[bytes, tuple[int, int]]:
    """For each beginning of a key that fences share, between which of them the search goes on.

    The block before the first of them may hold keys with that beginning too, so it is within.
    """
    spans: dict[bytes, tuple[int, int]] = {}
    begun, current = 0, b""
    for place, fence in enumerate(fences):
        if (prefix := fence[:_PREFIX]) != current:
            spans[current] = (max(begun - 1, 0), place)
            begun, current = place, prefix
    spans[current] = (max(begun - 1, 0), len(fences))
    return spans


class TableWriter:
    """Writes a table from records that come in ascending order of the key."""

    def __init__(self, disk: Disk, name: str) -> None:
        self._name = name
        self._file = disk.create(name)
        self._fences: list[bytes] = []
        self._starts = array("Q", [0])
        self._waiting: list[Record] = []
        self._fence: bytes | None = None
        self._last = b""
        self._out = bytearray()
        self._check = 0
        self._written = 0
        self._count = 0

    def add(self, records: Sequence[Record], fence: bytes | None = None) -> None:
        """Records that come next; `fence` is a text above every key so far and not above theirs, where one is known."""
        if not self._waiting:
            self._fence = fence
        self._waiting += records
        if len(self._waiting) >= _FEWEST_RECORDS:
            self._flush()

    def copy(self, block: bytes, fence: bytes) -> None:
        """A whole block of another table comes next, as it stands."""
        self._flush()
        self._put(block, block[0], fence)

    def _flush(self) -> None:
        waiting = self._waiting
        pieces = max(-(-len(waiting) // _MOST_RECORDS), 1)
        size = -(-len(waiting) // pieces) if pieces == 1 else min(_BLOCK_RECORDS, len(waiting))
        for start in range(0, len(waiting), size or 1):
            part = waiting[start : start + size]
            fence = (
                self._fence if start == 0 and self._fence is not None else _between(self._last, part[0][0])
            )
            raw = [b"".join((_COUNT.pack(len(key)), key, value)) for key, value in part]
            names = bytes([(key[len(key) >> 1] + key[-1]) & 255 for key, _ in part])
            begins = accumulate(map(len, raw), initial=1 + len(raw) + 4 * (len(raw) + 1))
            block = b"".join((_BYTES[len(raw)], names, _STARTS[len(raw)].pack(*begins), *raw))
            self._put(block, len(raw), fence)
            self._last = part[-1][0]
        self._waiting = []
        self._fence = None

    def _put(self, block: bytes, count: int, fence: bytes) -> None:
        self._count += count
        self._fences.append(fence if self._fences else b"")
        self._starts.append(self._starts[-1] + len(block))
        self._write(block)

    def _write(self, data: bytes) -> None:
        self._out += data
        if len(self._out) >= _WRITE_BYTES:
            self._drain()

    def _drain(self) -> None:
        self._check = zlib.crc32(self._out, self._check)
        self._file.append(self._out)
        self._written += len(self._out)
        self._out = bytearray()

    def finish(self) -> TableFile:
        """Write the footer and sync; what the file is."""
        self._flush()
        footer = msgspec.msgpack.encode((self._count, self._fences, self._starts.tobytes()))
        self._write(footer + _TAIL.pack(len(footer), _MARK))
        self._drain()
        self._file.sync()
        self._file.close()
        return TableFile(self._name, self._written, self._check, self._count)


def _between(low: bytes, high: bytes) -> bytes:
    """The shortest beginning of `high` that is above `low`."""
    for length in range(1, len(high) + 1):
        if high[:length] > low:
            return high[:length]
    return high


def write_changed(
    writer: TableWriter,
    old: Table | None,
    changes: Sequence[Change],
    replaced: Replaced | None = None,
) -> None:
    """Write `old` with `changes` (ascending by key; None deletes). `replaced` hears of each old record that is gone."""
    if old is None or not old.fences:
        records = [(key, value) for key, value in changes if value is not None]
        for start in range(0, len(records), _BLOCK_RECORDS):
            writer.add(records[start : start + _BLOCK_RECORDS])
        return
    keys = [key for key, _ in changes]
    done = 0
    for place, fence in enumerate(old.fences):
        last = place + 1 == len(old.fences)
        stop = len(changes) if last else bisect_left(keys, old.fences[place + 1], done)
        if stop == done:
            writer.copy(old.block(place), fence)
            continue
        kept = dict(old.block_records(place))
        for key, value in changes[done:stop]:
            before = kept.pop(key, None)
            if before is not None and replaced is not None:
                replaced(key, before)
            if value is not None:
                kept[key] = value
        writer.add(sorted(kept.items()), fence)
        done = stop
