"""The file form of batches: what settlement's door took in, one after the other, to be read in bounded memory.

    file   = "kzt-dt/batches/1\\n" || network (8) || frame || frame || ...
    frame  = length (4) || arrived (8) || BATCH bytes (length of them) || CRC-32 (4, over all before it in the frame)

Numbers are big-endian, `arrived` is the Unix second at which the door took the batch in, and it never falls within a
file. A file is only ever appended to, so the same batches in the same order have one file. A frame that is cut off
at the end of a file was being written when the power went: it does not count, and a writer cuts it away. Anything
else that is wrong is damage and is refused (E_BATCH_FILE): what lies behind it could not be trusted to be whole.

The BATCH bytes are those of the protocol (`offline.batch`), untouched: who was acknowledged for a batch finds these
very bytes here.

Source: DTO/1, section 5.9; `docs/reconciliation.md`.
"""

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from struct import Struct
from typing import BinaryIO, NamedTuple

from cbdc.errors import Malformed
from cbdc.private import make_file
from cbdc.record import NETWORK_BYTES
from offline.batch import MAX_BATCH_BYTES

MAGIC = b"kzt-dt/batches/1\n"
HEADER_BYTES = len(MAGIC) + NETWORK_BYTES
SUFFIX = ".dtb"

_HEAD = Struct(">IQ")
_TAIL = Struct(">I")
FRAME_BYTES = _HEAD.size + _TAIL.size


class Frame(NamedTuple):
    """Where one batch stands in a file: the place of its frame, its length in bytes, when it arrived."""

    offset: int
    length: int
    arrived: int

    @property
    def batch_offset(self) -> int:
        """Where the batch's own bytes begin."""
        return self.offset + _HEAD.size

    @property
    def end(self) -> int:
        """Where the next frame begins."""
        return self.offset + FRAME_BYTES + self.length


def open_header(file: BinaryIO, name: str) -> bytes:
    """The network of a file of batches, read from its start; E_BATCH_FILE when it is none."""
    header = file.read(HEADER_BYTES)
    if len(header) != HEADER_BYTES or not header.startswith(MAGIC):
        raise _damaged(name, 0, "it does not begin as a file of batches")
    return header[len(MAGIC) :]


def frames(file: BinaryIO, name: str, start: int = HEADER_BYTES, arrived: int = 0) -> Iterator[Frame]:
    """The whole frames from `start` on, by their heads alone: batches are not read. A torn last frame is left out.

    `arrived` is the moment of the frame before. Raises E_BATCH_FILE for a batch too long or an arrival that falls.
    """
    size = file.seek(0, os.SEEK_END)
    offset = start
    while offset + FRAME_BYTES <= size:
        file.seek(offset)
        length, moment = _HEAD.unpack(file.read(_HEAD.size))
        if not 0 < length <= MAX_BATCH_BYTES:
            raise _damaged(name, offset, f"a batch of {length} bytes")
        if moment < arrived:
            raise _damaged(name, offset, "an arrival before the one before it")
        frame = Frame(offset, length, moment)
        if frame.end > size:
            return
        yield frame
        offset, arrived = frame.end, moment


def read_batch(data: bytes, frame: Frame, name: str) -> bytes:
    """The batch in the bytes of a whole frame; E_BATCH_FILE when its checksum does not fit."""
    if (
        len(data) != FRAME_BYTES + frame.length
        or zlib.crc32(data[: -_TAIL.size]) != _TAIL.unpack(data[-_TAIL.size :])[0]
    ):
        raise _damaged(name, frame.offset, "the checksum does not fit")
    return data[_HEAD.size : -_TAIL.size]


def _damaged(name: str, offset: int, problem: str) -> Malformed:
    return Malformed("E_BATCH_FILE", file=name, offset=offset, problem=problem)


class BatchFile:
    """A file of batches that is appended to. Opening one that exists reads its frames and cuts a torn end away."""

    def __init__(self, path: Path, network: bytes) -> None:
        """Raises E_BATCH_FILE for a file of another network or a damaged one."""
        make_file(path)
        self._name = path.name
        self._file = path.open("r+b")
        self._arrived = 0
        self._end = HEADER_BYTES
        try:
            self._begin(network)
        except BaseException:
            self._file.close()
            raise

    def _begin(self, network: bytes) -> None:
        if os.fstat(self._file.fileno()).st_size < HEADER_BYTES:
            self._file.truncate(0)
            self._file.write(MAGIC + network)
        elif open_header(self._file, self._name) != network:
            raise _damaged(self._name, len(MAGIC), "it belongs to another network")
        else:
            for frame in frames(self._file, self._name):
                self._end, self._arrived = frame.end, frame.arrived
            self._file.truncate(self._end)
        self._file.seek(self._end)

    def append(self, batch: bytes, arrived: int) -> Frame:
        """Add one batch; E_SIZE when it is too long, E_BATCH_FILE when it arrived before the last one.

        It is on the disk only after `flush`.
        """
        if not 0 < len(batch) <= MAX_BATCH_BYTES:
            raise Malformed("E_SIZE", size_bytes=len(batch), limit_bytes=MAX_BATCH_BYTES)
        if arrived < self._arrived:
            raise _damaged(self._name, self._end, "an arrival before the one before it")
        frame = Frame(self._end, len(batch), arrived)
        body = _HEAD.pack(len(batch), arrived) + batch
        self._file.write(body + _TAIL.pack(zlib.crc32(body)))
        self._end, self._arrived = frame.end, arrived
        return frame

    def flush(self) -> None:
        """Return when everything appended is on the disk."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Flush and release the file."""
        self.flush()
        self._file.close()
