"""The diary of a bulk run: what has been read and judged, on the disk, so that a kill loses nothing that was written.

    file   = "kzt-dt/reconcile/1\\n" || entry || entry || ...
    entry  = length (4) || MessagePack [kind, ...] || CRC-32 (4, over length and MessagePack)

The first entry says what the run is about (network, root, grace time, registry); then come files by name, and chunks:
which batches, which rows, and which of their signatures stand. Everything a run knows is a fold of these entries, so it
goes on after them with the same facts and the same digest. An entry torn off at the end does not count. Only whoever
owns the folder can write here; a diary is a memory and no proof, and its rows are not judged again.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import Any

import msgpack

from cbdc.errors import Refused, Unavailable
from cbdc.private import make_file

MAGIC = b"kzt-dt/reconcile/1\n"
ABOUT, FILE, CHUNK = 0, 1, 2

_WORD = Struct(">I")
_MOST_BYTES = 1 << 28


class Diary:
    """An open diary. `entries` gives what stands in it; `add` appends, `flush` waits for the disk."""

    def __init__(self, path: Path) -> None:
        """Opens or makes it and cuts a torn end away; E_RECONCILE_STATE when the file is something else."""
        make_file(path)
        try:
            self._file = path.open("r+b")
        except OSError as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None
        begins = self._file.read(len(MAGIC))
        if begins and begins != MAGIC[: len(begins)]:
            self._file.close()
            raise Refused("E_RECONCILE_STATE", problem="the file of its progress is something else")
        if len(begins) < len(MAGIC):
            self._file.seek(0)
            self._file.truncate()
            self._file.write(MAGIC)

    def entries(self) -> Iterator[list[Any]]:
        """Every whole entry, in order; afterwards the file ends behind the last one. Read it to its end once."""
        self._file.seek(0, os.SEEK_END)
        size, end = self._file.tell(), len(MAGIC)
        while True:
            self._file.seek(end)
            head = self._file.read(_WORD.size)
            if len(head) < _WORD.size:
                break
            (length,) = _WORD.unpack(head)
            if length > _MOST_BYTES or end + length + 2 * _WORD.size > size:
                break
            data = self._file.read(length)
            if _WORD.unpack(self._file.read(_WORD.size))[0] != zlib.crc32(head + data):
                break
            end += length + 2 * _WORD.size
            yield msgpack.unpackb(data, use_list=True, strict_map_key=False)
        self._file.seek(end)
        self._file.truncate()

    def add(self, kind: int, *values: Any) -> None:
        """Append one entry."""
        data = msgpack.packb([kind, *values])
        head = _WORD.pack(len(data))
        try:
            self._file.write(head + data + _WORD.pack(zlib.crc32(data, zlib.crc32(head))))
            self._file.flush()
        except OSError as error:
            raise Unavailable("E_STORE_UNAVAILABLE", detail=str(error)) from None

    def flush(self) -> None:
        """Return when everything added is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush and release the file."""
        self.flush()
        self._file.close()
