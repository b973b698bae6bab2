"""Journals of simulated secure elements: append-only, atomic, and torn only where nothing was promised yet.

A journal is a list of records; an element's state is the fold of them. A record either stands whole or not at all:

    file  = frame frame frame ...
    frame = length (4 bytes) || CRC-32 of the length (4) || check (12) || record
    check = SHA-256(check of the frame before || record)[:12]

The chained check makes each frame valid only in its place. Opening replays whole frames; an unfinished **last** frame
was never answered for, and is cut off. Damage anywhere else is not a crash but a broken medium, and the journal then
refuses to open: an element that silently forgot a record could spend the same money twice. The length has a check of
its own, so that a damaged length is not taken for a frame that was never finished.

Rules kept here:

- `append` returns only when the record is durable (or, with `durable=False`, handed to the operating system);
- after a failed write nobody knows what stands on the disk, so the journal refuses everything until it is opened anew;
- compaction writes the new file beside the old one and renames it: always exactly one of the two;
- a file that somebody else has written to is noticed before the next append.

Hundreds of elements may share a folder: `JournalFolder` keeps only the handles used last open. Thousands share one
file: `offline.journal_store`.

Source: DTO/1, sections 5.7 (state in one atomic journal, I2, I9) and 7.5 (S5, S6).
"""

import hashlib
import os
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO, Protocol

from cbdc.errors import Malformed, Unavailable
from cbdc.ports import Checkpoint, no_checkpoint
from cbdc.private import make_file, make_folder, opener

BEFORE = "element.journal.before"
TORN = "element.journal.torn"
AFTER = "element.journal.after"

_LENGTH_BYTES = 4
_CRC_BYTES = 4
_CHECK_BYTES = 12
# What stands before each record in a file.
HEADER_BYTES = _LENGTH_BYTES + _CRC_BYTES + _CHECK_BYTES
FIRST_CHECK = bytes(_CHECK_BYTES)
# A folder cannot be opened to be synced everywhere; where it cannot, a rename is durable when the system says so.
_FOLDERS_SYNC = os.name == "posix"


class Journal(Protocol):
    """Records in order, appended one at a time, each whole or absent."""

    @property
    def size_bytes(self) -> int:
        """How much the journal holds, so that its owner can decide to compact it."""
        ...

    def replay(self) -> list[bytes]:
        """All whole records, oldest first; E_JOURNAL when the medium is damaged, E_JOURNAL_IO when it is mute."""
        ...

    def append(self, record: bytes) -> None:
        """Add one record and return when it is safe; E_JOURNAL_IO when it is not known whether it is."""
        ...

    def compact(self, snapshot: bytes) -> None:
        """Replace all records by one that means the same; E_JOURNAL_IO as for `append`."""
        ...

    def close(self) -> None:
        """Give back what the journal holds open; it may be used again afterwards."""
        ...


class MemoryJournal:
    """A journal in memory, for tests and for devices that need not outlive the process."""

    def __init__(self, records: Iterable[bytes] = (), checkpoint: Checkpoint = no_checkpoint) -> None:
        self._records = list(records)
        self._size_bytes = sum(map(len, self._records))
        self._checkpoint = checkpoint

    @property
    def size_bytes(self) -> int:
        """The bytes of all records."""
        return self._size_bytes

    def replay(self) -> list[bytes]:
        """All records, oldest first."""
        return list(self._records)

    def append(self, record: bytes) -> None:
        """Add one record."""
        self._checkpoint(BEFORE)
        self._checkpoint(TORN)
        self._records.append(record)
        self._size_bytes += len(record)
        self._checkpoint(AFTER)

    def compact(self, snapshot: bytes) -> None:
        """Replace all records by one."""
        self._checkpoint(BEFORE)
        self._checkpoint(TORN)
        self._records, self._size_bytes = [snapshot], len(snapshot)
        self._checkpoint(AFTER)

    def close(self) -> None:
        """Nothing is held open."""


class _Handles:
    """Open files, at most `most` of them: the ones not used for longest are closed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: OrderedDict[Path, BinaryIO] = OrderedDict()

    def appending(self, path: Path) -> BinaryIO:
        """An unbuffered handle that appends to `path`; the file must exist."""
        handle = self._open.get(path)
        if handle is None:
            while len(self._open) >= self._most:
                self._open.popitem(last=False)[1].close()
            handle = open(path, "ab", buffering=0)  # noqa: SIM115 - closed by `close` or when others need the place
            self._open[path] = handle
        else:
            self._open.move_to_end(path)
        return handle

    def close(self, path: Path) -> None:
        """Close the handle of one file, if it is open."""
        handle = self._open.pop(path, None)
        if handle is not None:
            handle.close()

    def close_all(self) -> None:
        """Close every handle."""
        for path in list(self._open):
            self.close(path)


class FileJournal:
    """A journal in one file; made when first appended to, read when first used."""

    def __init__(
        self,
        path: Path,
        durable: bool = True,
        checkpoint: Checkpoint = no_checkpoint,
        handles: _Handles | None = None,
    ) -> None:
        """`durable=False` leaves the moment of writing to the operating system: quick, and lost if the machine dies."""
        self._path = path
        self._durable = durable
        self._checkpoint = checkpoint
        self._handles = handles or _Handles(1)
        self._check = FIRST_CHECK
        self._end = 0
        self._opened = False
        self._failed = False

    @property
    def size_bytes(self) -> int:
        """The length of the file as far as this journal wrote or read it."""
        return self._end

    def replay(self) -> list[bytes]:
        """All whole records, oldest first, after cutting off an unfinished last one."""
        self._handles.close(self._path)
        try:
            _beside(self._path).unlink(missing_ok=True)
            data = self._path.read_bytes() if self._path.exists() else b""
            records, end, self._check = whole_frames(data, self._path.name)
            if end < len(data):
                os.truncate(self._path, end)
        except OSError as error:
            raise self._unavailable(error) from None
        self._end, self._opened, self._failed = end, True, False
        return records

    def append(self, record: bytes) -> None:
        """Add one record; durable when this returns."""
        self._ready()
        frame, check = frame_of(self._check, record)
        self._failed = True
        try:
            if self._end == 0:
                self._create()
            handle = self._handles.appending(self._path)
            if os.fstat(handle.fileno()).st_size != self._end:
                raise Malformed(
                    "E_JOURNAL", journal=self._path.name, problem="somebody else has written to it"
                )
            self._checkpoint(BEFORE)
            if self._checkpoint is no_checkpoint:
                write_all(handle, frame)
            else:
                half = len(frame) // 2
                write_all(handle, frame[:half])
                self._checkpoint(TORN)
                write_all(handle, frame[half:])
            if self._durable:
                os.fsync(handle.fileno())
        except OSError as error:
            raise self._unavailable(error) from None
        self._end, self._check, self._failed = self._end + len(frame), check, False
        self._checkpoint(AFTER)

    def compact(self, snapshot: bytes) -> None:
        """Replace all records by one: a new file beside the old one, made durable, then renamed over it."""
        self._ready()
        frame, check = frame_of(FIRST_CHECK, snapshot)
        beside = _beside(self._path)
        self._failed = True
        try:
            self._checkpoint(BEFORE)
            with open(beside, "wb", buffering=0, opener=opener) as handle:
                write_all(handle, frame)
                if self._durable:
                    os.fsync(handle.fileno())
            self._handles.close(self._path)
            self._checkpoint(TORN)
            beside.replace(self._path)
            if self._durable:
                sync_folder(self._path.parent)
        except OSError as error:
            raise self._unavailable(error) from None
        self._end, self._check, self._failed = len(frame), check, False
        self._checkpoint(AFTER)

    def close(self) -> None:
        """Close the file; the next append opens it again."""
        self._handles.close(self._path)

    def _ready(self) -> None:
        if self._failed:
            raise Unavailable("E_JOURNAL_IO", journal=self._path.name, detail="an earlier write failed")
        if not self._opened:
            self.replay()

    def _create(self) -> None:
        make_file(self._path)
        if self._durable:
            sync_folder(self._path.parent)

    def _unavailable(self, error: OSError) -> Unavailable:
        return Unavailable("E_JOURNAL_IO", journal=self._path.name, detail=type(error).__name__)


class JournalFolder:
    """The journals of many elements in one folder, with at most `most_open` files open at a time."""

    def __init__(
        self,
        folder: Path,
        durable: bool = True,
        most_open: int = 64,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        self._folder = folder
        self._durable = durable
        self._checkpoint = checkpoint
        self._handles = _Handles(most_open)
        make_folder(folder)

    def journal(self, name: str) -> FileJournal:
        """The journal called `name` (letters, digits, dash and underscore; anything else is a bug in the caller)."""
        assert name.replace("-", "").replace("_", "").isalnum(), f"{name!r} is no name for a journal"
        return FileJournal(self._folder / f"{name}.journal", self._durable, self._checkpoint, self._handles)

    def close(self) -> None:
        """Close every file."""
        self._handles.close_all()


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def frame_of(check_before: bytes, record: bytes) -> tuple[bytes, bytes]:
    """The frame of a record and its check, which the next frame is chained to."""
    assert record, "an empty record means nothing"
    check = hashlib.sha256(check_before + record).digest()[:_CHECK_BYTES]
    length = len(record).to_bytes(_LENGTH_BYTES, "big")
    return length + _crc(length) + check + record, check


def _crc(length: bytes) -> bytes:
    return zlib.crc32(length).to_bytes(_CRC_BYTES, "big")


def whole_frames(data: bytes, name: str, check: bytes = FIRST_CHECK) -> tuple[list[bytes], int, bytes]:
    """The records in `data`, where the last whole frame ends, and its check; `check` is that of the frame before.

    Raises E_JOURNAL when anything but an unfinished last frame is wrong.
    """
    records: list[bytes] = []
    place = 0
    while place < len(data):
        head = data[place : place + _LENGTH_BYTES]
        sound = data[place + _LENGTH_BYTES : place + _LENGTH_BYTES + _CRC_BYTES] == _crc(head)
        end = place + HEADER_BYTES + int.from_bytes(head, "big")
        record = data[place + HEADER_BYTES : end]
        if sound and record and end <= len(data):
            frame, next_check = frame_of(check, record)
            if frame == data[place:end]:
                records.append(record)
                check, place = next_check, end
                continue
        # Only the last frame is ever unfinished: it reaches to the end of the file, or its head was never written.
        if end >= len(data) if sound else not any(data[place + HEADER_BYTES :]):
            break
        raise Malformed("E_JOURNAL", journal=name, problem=f"the frame at byte {place} is damaged")
    return records, place, check


def write_all(handle: BinaryIO, data: bytes) -> None:
    """Write to an unbuffered file until nothing is left; raises `OSError`."""
    view = memoryview(data)
    while view:
        view = view[handle.write(view) :]


def sync_folder(folder: Path) -> None:
    """Make what was renamed or made in a folder durable; raises `OSError`."""
    if not _FOLDERS_SYNC:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
