"""Sorted tables on disk, what the journal engine's snapshots are made of: written once, never changed, read in place.

    table     block, block, ..., footer, length of the footer, mark
    block     number of records, length of every key or 0, a byte of each key, where each begins and the last ends, and
              the records ascending by key
    record    length of the key, key, value
    footer    MessagePack: [records, length of every key or 0, [first key of each block, cut as short as will do], where
              each block begins]

A key is looked up by its block's first key (in memory, a few bytes for each block) and then by its byte within that one
block, which is mapped from the file. So a table of ten million rows is open in a moment, and what is not asked for
costs no memory that the system could not take back.

A new table is an old one with changes: blocks that no change touches are copied as they stand, and in the others
records are moved whole, without being read. Where all keys of a table are of one length, records sort as their keys do.
"""

import heapq
import struct
import zlib
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate, pairwise
from operator import itemgetter, xor
from typing import Protocol

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
_SPAN_BLOCKS = 64
MOST_KEY_BYTES = 0xFFFF
_LENGTHS = tuple(_COUNT.pack(length) for length in range(512))
_STARTS = tuple(struct.Struct(f"<{count + 1}I") for count in range(_MOST_RECORDS + 1))
_START_STOP = struct.Struct("<II")
_BYTES = tuple(bytes([value]) for value in range(256))
_PREFIX = 3

_Footer = tuple[int, int, list[bytes], bytes]
_footer_decoder = msgspec.msgpack.Decoder(_Footer)

Record = tuple[bytes, bytes]
Change = tuple[bytes, bytes | None]


def raw_record(key: bytes, value: bytes) -> bytes:
    """A record as a table holds it."""
    return _COUNT.pack(len(key)) + key + value


def _key_of(raw: bytes) -> bytes:
    return raw[2 : 2 + (raw[0] | raw[1] << 8)]


def _key_length(raw: Sequence[bytes], before: int | None) -> int:
    """The length that all these keys have, and the ones before them; 0 for several, None for none at all before."""
    lengths = {record[:2] for record in raw}
    found = int.from_bytes(lengths.pop(), "little") if len(lengths) == 1 else 0
    return found if before in (None, found) else 0


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
            self.count, self.key_length, self.fences, starts = _footer_decoder.decode(footer)
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
            names = base + 2
            stop = names + count
            byte = _BYTES[key[length >> 1] ^ key[-1]]
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

    def block_raw(self, place: int) -> list[bytes]:
        """The records of a block as they stand there."""
        block = self.block(place)
        begins = _STARTS[block[0]].unpack_from(block, 2 + block[0])
        return [block[start:stop] for start, stop in pairwise(begins)]

    def block_records(self, place: int) -> list[Record]:
        """The records of a block; E_JOURNAL_SNAPSHOT when there is none, as in no block that we write."""
        found = [(key := _key_of(raw), raw[2 + len(key) :]) for raw in self.block_raw(place)]
        if not found:
            raise Refused("E_JOURNAL_SNAPSHOT", file=self.file.name)
        return found

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
        self._waiting: list[bytes] = []
        self._fence: bytes | None = None
        self._last = b""
        self._out = bytearray()
        self._check = 0
        self._written = 0
        self._count = 0
        self._key_length: int | None = None
        self._length = 0

    def add(self, raw: Sequence[bytes], fence: bytes | None = None, length: int = 0) -> None:
        """Records that come next, as `raw_record` makes them.

        `fence` is a text above every key so far and not above theirs, `length` that of every key, where one is known.
        """
        if not raw:
            return
        length = length or _key_length(raw, None)
        if not self._waiting:
            self._fence, self._length = fence, length
        elif length != self._length:
            self._length = 0
        self._waiting += raw
        if len(self._waiting) >= _FEWEST_RECORDS:
            self._flush()

    def copy(self, block: bytes, fence: bytes, key_length: int) -> None:
        """A whole block of another table comes next, as it stands; all keys of that table have a length, or 0."""
        self._flush()
        self._key_length = key_length if self._key_length in (None, key_length) else 0
        self._put(block, block[0], fence)

    def _flush(self) -> None:
        waiting = self._waiting
        if not waiting:
            return
        length = self._length
        self._key_length = length if self._key_length in (None, length) else 0
        size = len(waiting) if len(waiting) <= _MOST_RECORDS else _BLOCK_RECORDS
        for start in range(0, len(waiting), size):
            part = waiting[start : start + size]
            known = self._fence is not None and start == 0
            fence = self._fence if known else _between(self._last, _key_of(part[0]))
            names = _names(part, length)
            begins = accumulate(map(len, part), initial=2 + len(part) + 4 * (len(part) + 1))
            head = _BYTES[len(part)] + _BYTES[length if length < 256 else 0]
            block = b"".join((head, names, _STARTS[len(part)].pack(*begins), *part))
            self._put(block, len(part), fence or b"")
            self._last = _key_of(part[-1])
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
        footer = msgspec.msgpack.encode(
            (self._count, self._key_length or 0, self._fences, self._starts.tobytes())
        )
        self._write(footer + _TAIL.pack(len(footer), _MARK))
        self._drain()
        self._file.sync()
        self._file.close()
        return TableFile(self._name, self._written, self._check, self._count)


def _names(part: Sequence[bytes], length: int) -> bytes:
    """The byte by which each record is looked for in its block: of its middle and its last byte."""
    if length:
        return bytes(map(xor, map(itemgetter(2 + (length >> 1)), part), map(itemgetter(1 + length), part)))
    keys = [_key_of(raw) for raw in part]
    return bytes([key[len(key) >> 1] ^ key[-1] for key in keys])


def _between(low: bytes, high: bytes) -> bytes:
    """The shortest beginning of `high` that is above `low`."""
    for length in range(1, len(high) + 1):
        if high[:length] > low:
            return high[:length]
    return high


def write_changed(writer: TableWriter, old: Table | None, changes: Sequence[Change]) -> None:
    """Write `old` with `changes` (ascending by key; None deletes)."""
    if old is None or not old.fences:
        records = [raw_record(key, value) for key, value in changes if value is not None]
        for start in range(0, len(records), _BLOCK_RECORDS):
            writer.add(records[start : start + _BLOCK_RECORDS])
        return
    keys = [key for key, _ in changes]
    done = 0
    for place, fence in enumerate(old.fences):
        last = place + 1 == len(old.fences)
        stop = len(changes) if last else bisect_left(keys, old.fences[place + 1], done)
        if stop == done:
            writer.copy(old.block(place), fence, old.key_length)
            continue
        raw = old.block_raw(place)
        length = old.block(place)[1]
        if length and all(len(key) == length for key in keys[done:stop]):
            _splice(raw, changes[done:stop], _LENGTHS[length])
        else:
            raw, length = _rewritten(raw, changes[done:stop]), 0
        writer.add(raw, fence, length)
        done = stop


def _splice(raw: list[bytes], changes: Sequence[Change], length: bytes) -> None:
    """Apply changes to the records of a block whose keys are of one length, as theirs are."""
    for key, value in changes:
        start = length + key
        place = bisect_left(raw, start)
        if place < len(raw) and raw[place].startswith(start):
            if value is None:
                del raw[place]
            else:
                raw[place] = start + value
        elif value is not None:
            raw.insert(place, start + value)


def _rewritten(raw: Sequence[bytes], changes: Sequence[Change]) -> list[bytes]:
    """The same for keys of any lengths."""
    kept: dict[bytes, bytes] = {_key_of(record): record for record in raw}
    for key, value in changes:
        kept.pop(key, None)
        if value is not None:
            kept[key] = raw_record(key, value)
    return [record for _, record in sorted(kept.items())]


class Adder(Protocol):
    """What takes records in ascending order of the key."""

    def add(self, raw: Sequence[bytes], fence: bytes | None = None, length: int = 0) -> None:
        """Records that come next."""
        ...


def write_merged(writer: Adder, tables: Sequence[Table], fresh: list[bytes]) -> None:
    """Write the records of several tables and `fresh` ones (in any order) as one table, twins as they come."""
    length = _key_length(fresh, None) if fresh else None
    if all(table.key_length and length in (None, table.key_length) for table in tables) and length != 0:
        fresh.sort()
        _merge_raw(writer, tables, fresh, length or 0)
        return
    fresh.sort(key=_key_of)
    sources = [
        (raw for place in range(len(table.fences)) for raw in table.block_raw(place)) for table in tables
    ]
    for raw in heapq.merge(fresh, *sources, key=_key_of):
        writer.add([raw])


def _merge_raw(writer: Adder, tables: Sequence[Table], fresh: list[bytes], length: int) -> None:
    """A span of keys at a time, all of a span's records sorted at once: they are runs, so that sorting is merging."""
    longest = max(tables, key=lambda table: len(table.fences), default=None)
    bounds = [] if longest is None else longest.fences[_SPAN_BLOCKS::_SPAN_BLOCKS]
    cursors = [_Cursor(table) for table in tables]
    done = 0
    for bound in [*bounds, None]:
        stop = len(fresh) if bound is None else bisect_left(fresh, bound, done, key=_key_of)
        records = fresh[done:stop]
        done = stop
        for cursor in cursors:
            records += cursor.take(bound)
        records.sort()
        writer.add(records, None, length)


class _Cursor:
    """Reads a table's records up to one bound after the other."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._place = 0
        self._left: list[bytes] = []

    def take(self, bound: bytes | None) -> list[bytes]:
        """The records below `bound` that were not taken yet; all for None."""
        fences = self._table.fences
        while self._place < len(fences) and (bound is None or fences[self._place] < bound):
            self._left += self._table.block_raw(self._place)
            self._place += 1
        cut = len(self._left) if bound is None else bisect_left(self._left, bound, key=_key_of)
        taken, self._left = self._left[:cut], self._left[cut:]
        return taken
