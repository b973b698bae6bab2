"""The journal engine's segments: where a commit goes, where it is found again, and what a start makes of the last one.

One commit is one `append` and one `sync`. Zeros are written ahead of the place where the next commit goes, so that a
sync finds the length of the file as it was. When a segment is long enough it is closed with an end frame, cut to its
length and never written again.

If writing fails, the segment is cut back to where the commit began, and nothing has happened. If that fails too, or if
the sync failed, which says nothing about what is on the disk, the log is **broken**: it refuses everything until the
store is opened again and looks.
"""

import errno
from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache

from cbdc.errors import Refused, Unavailable
from cbdc.ledger.disk import Buffer, Disk, DiskFile
from cbdc.ledger.journal_frames import (
    HEADER_BYTES,
    Frame,
    Scan,
    check_tail,
    encode_frame,
    end_frame,
    read_frame,
    read_header,
    segment_header,
    segment_name,
    segment_numbers,
)
from cbdc.ledger.journal_snapshot import FRAME_ROW, FRAMES, LEAF_BYTES, LEAVES, Snapshot
from cbdc.ledger.store import Commit
from cbdc.ports import Checkpoint

LEAST_RESERVE_BYTES = 1 << 14
MOST_RESERVE_BYTES = 4 << 20
_LEAF_BATCH = 1 << 15
_KEPT_FRAMES = 4

Progress = Callable[[int, int], None]
Apply = Callable[[Frame], None]


def unavailable(error: OSError) -> Unavailable:
    """An error of the disk as a refusal."""
    return Unavailable("E_STORE_UNAVAILABLE", detail=error.strerror or type(error).__name__)


class JournalLog:
    """The segments of a folder, from a snapshot on; `archive` is where older ones may have been moved."""

    def __init__(
        self, disk: Disk, archive: Disk | None, snapshot: Snapshot | None, checkpoint: Checkpoint
    ) -> None:
        self._disk = disk
        self._archive = archive
        self._checkpoint = checkpoint
        self._file: DiskFile | None = None
        self._reserved = 0
        self._broken = False
        self._firsts = array("Q")
        self._segments = array("L")
        self._offsets = array("L")
        self._leaves = bytearray()
        self._frame_map: Buffer = b""
        self.segment = 1 if snapshot is None else snapshot.segment
        self.end = HEADER_BYTES
        self.size = self.covered = 0 if snapshot is None else snapshot.size
        self._covered_frames = 0
        if snapshot is not None:
            self._cover(snapshot)
        self._recent = lru_cache(maxsize=_KEPT_FRAMES)(self._read_frame)

    # --- opening ---

    def begin(self) -> None:
        """The first segment of a new journal."""
        self._new_segment(1)

    def replay(self, apply: Apply, progress: Progress, write: bool) -> None:
        """Read what came after the snapshot, and with `write` cut a torn end and get ready to go on.

        Raises E_JOURNAL_DAMAGED for anything but a torn end, E_JOURNAL_ARCHIVED for a segment that is not there.
        """
        numbers = [number for number in segment_numbers(self._disk) if number >= self.segment]
        if not numbers or numbers != list(range(self.segment, numbers[-1] + 1)):
            gone = next(
                number
                for number in range(self.segment, self.segment + len(numbers) + 1)
                if number not in numbers
            )
            raise Unavailable("E_JOURNAL_ARCHIVED", segment=gone)
        total = sum(self._disk.size(segment_name(number)) for number in numbers)
        done = 0
        closed = False
        for number in numbers:
            last = number == numbers[-1]
            if read_header(self._disk, number) != self.size:
                if last and (closed or number == 1) and self._is_unborn(number):
                    self._drop_unborn(number, write)
                    break
                raise Refused("E_JOURNAL_DAMAGED", segment=number, position=0)
            closed = self._replay_segment(number, apply, last, write)
            done += self._disk.size(segment_name(number))
            progress(done, total)
        if write and self._file is None:
            self._file = self._disk.open(segment_name(self.segment), self.end)

    def _replay_segment(self, number: int, apply: Apply, last: bool, write: bool) -> bool:
        scan = Scan(self._disk, number, self.size)
        while True:
            begun = scan.end
            for frame in scan.frames():
                self._note(number, frame)
                apply(frame)
            try:
                check_tail(self._disk, scan, last)
                break
            except Refused:
                # A reader may have looked while the writer was in the middle of a frame, and then at a later one; as
                # often as the writer gets on between the two.
                if write or not last or scan.end == begun:
                    raise
        self.segment, self.end, self.size = number, scan.end, scan.size
        if last and write:
            self._keep(number, scan.end)
        return scan.closed

    def _keep(self, number: int, end: int) -> None:
        """Put the end of the last segment on the disk before anybody builds on it, and cut what is torn after it.

        A process may have died before its sync, or after a sync that failed: then the last commit is whole in the
        system's cache and not on the disk, and Linux would call a second sync done without writing anything. So the
        last commit (of an empty segment: the header) is written once more, in its place, and synced.
        """
        name = segment_name(number)
        start = self._offsets[-1] if self._segments and self._segments[-1] == number else 0
        data = self._disk.read(name, start, end - start)
        file = self._disk.open(name, start)
        try:
            file.append(data)
            file.sync()
        finally:
            file.close()
        self._disk.truncate(name, end)
        self._disk.sync_folder()
        self._reserved = end

    def _is_unborn(self, number: int) -> bool:
        """Whether a segment is what a death in the middle of making it leaves: no header, and nothing after it."""
        data = self._disk.read(segment_name(number))
        header = data[:HEADER_BYTES]
        torn = all(
            found in (0, right)
            for found, right in zip(header, segment_header(number, self.size), strict=False)
        )
        return torn and not data[HEADER_BYTES:].strip(b"\0")

    def _drop_unborn(self, number: int, write: bool) -> None:
        if write and number == 1:
            self.begin()
        elif write:
            self._disk.delete(segment_name(number))
            self._keep(self.segment, self.end)

    # --- writing ---

    def write(self, commit: Commit, changes: list[bytes | None]) -> tuple[Frame, int]:
        """Write a commit durably, or raise E_STORE_UNAVAILABLE and leave the journal as it was.

        Raises E_STORE_OUTCOME when the sync failed and what it left could not be cut off either. Its frame
        and where it ends, for `took`: between the two readers see the journal as it was.
        """
        self.check()
        assert self._file is not None
        start = self.end
        flat = [part for row in commit.entries for part in (row.transaction_id, row.data, row.leaf)]
        frame = Frame(start, commit.expected_size, flat, changes, commit.head)
        data = encode_frame(frame, self.segment)
        synced = False
        try:
            if start + len(data) > self._reserved:
                self._reserve(start + len(data))
            self._file.append(data)
            self._checkpoint("ledger.commit.inside")
            synced = True
            self._file.sync()
            if self._disk.size(segment_name(self.segment)) < start + len(data):
                # Who moves or deletes an open file takes what is written to it out of the world with this process.
                raise FileNotFoundError(errno.ENOENT, "its file was taken away while it was open")
        except BaseException as error:
            undone = self._undo(start, for_good=synced)
            if isinstance(error, OSError) and synced and not undone:
                raise Unavailable("E_STORE_OUTCOME", detail=error.strerror or "the disk failed") from None
            if isinstance(error, OSError):
                raise unavailable(error) from None
            raise
        return frame, start + len(data)

    def took(self, frame: Frame, end: int) -> None:
        """What was written is in the journal from now on."""
        self._note(self.segment, frame)
        self.end = end
        self.size = frame.first + frame.entries

    def _reserve(self, needed: int) -> None:
        """Write zeros ahead: as much as there is already, so that a small ledger stays small on the disk."""
        reserved = needed + min(max(needed, LEAST_RESERVE_BYTES), MOST_RESERVE_BYTES)
        self._disk.reserve(segment_name(self.segment), reserved)
        self._reserved = reserved

    def _undo(self, start: int, for_good: bool) -> bool:
        """Cut what a failed commit may have left; whether that worked. After `for_good` nothing more is written."""
        self._broken = True
        name = segment_name(self.segment)
        with suppress(OSError):
            if self._file is not None:
                self._file.close()
            self._disk.truncate(name, start)
            self._file = self._disk.open(name, start)
            self._reserved = start
            self._broken = for_good
            return True
        return False

    def check(self) -> None:
        """Return unless the log is broken or only for reading; E_STORE_UNAVAILABLE otherwise."""
        if self._broken:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="the disk failed; open the ledger again")
        if self._file is None:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="it was opened for reading only")

    def roll(self) -> int:
        """Close the segment and begin the next one; the number of the closed one. Raises E_STORE_UNAVAILABLE."""
        self.check()
        assert self._file is not None
        closed = self.segment
        try:
            self._checkpoint("journal.segment.before")
            self._finish()
            self._new_segment(closed + 1)
            self._checkpoint("journal.segment.after")
        except OSError as error:
            self._reopen(closed)
            raise unavailable(error) from None
        return closed

    def _finish(self) -> None:
        """Write an end frame, and cut the zeros after it."""
        assert self._file is not None
        data = end_frame(self.size, self.segment, self.end)
        self._file.append(data)
        self._file.sync()
        self.end += len(data)
        self._disk.truncate(segment_name(self.segment), self.end)
        self._reserved = self.end

    def _reopen(self, number: int) -> None:
        """After a failed roll the old segment goes on; if it cannot, the log is broken."""
        self._broken = True
        with suppress(OSError):
            self.segment = number
            self._disk.truncate(segment_name(number), self.end)
            self._file = self._disk.open(segment_name(number), self.end)
            self._reserved = self.end
            self._broken = False

    def _new_segment(self, number: int) -> None:
        name = segment_name(number)
        file = self._disk.create(name)
        file.append(segment_header(number, self.size))
        file.sync()
        self._disk.sync_folder()
        if self._file is not None:
            self._file.close()
        self._file = file
        self.segment, self.end, self._reserved = number, HEADER_BYTES, HEADER_BYTES

    def close(self) -> None:
        """End the segment, so that what stands in it can never be taken for a torn end, and give the file back."""
        if self._file is not None:
            with suppress(OSError):
                if not self._broken:
                    self._finish()
            with suppress(OSError):
                self._file.close()
            self._file = None

    # --- what stands where ---

    def _note(self, number: int, frame: Frame) -> None:
        self._firsts.append(frame.first)
        self._segments.append(number)
        self._offsets.append(frame.offset)
        leaves = b"".join(frame.leaves)
        assert len(leaves) == LEAF_BYTES * frame.entries, "a leaf is a hash"
        self._leaves += leaves

    def settle(self, snapshot: Snapshot) -> None:
        """A snapshot's files answer for what it covers: forget it here."""
        place = bisect_right(self._firsts, snapshot.size - 1)
        del self._firsts[:place], self._segments[:place], self._offsets[:place]
        del self._leaves[: (snapshot.size - self.covered) * LEAF_BYTES]
        self.covered = snapshot.size
        self._cover(snapshot)

    def _cover(self, snapshot: Snapshot) -> None:
        self._covered_frames = snapshot.frames
        self._frame_map = self._disk.map(FRAMES)

    def _covered_frame(self, place: int) -> tuple[int, int, int]:
        row = FRAME_ROW.size
        first, segment, offset = FRAME_ROW.unpack(self._frame_map[place * row : (place + 1) * row])
        return first, segment, offset

    def locate(self, index: int) -> tuple[int, int]:
        """The segment and offset of the commit that holds the entry at `index`, which exists."""
        if index >= self.covered:
            place = bisect_right(self._firsts, index) - 1
            return self._segments[place], self._offsets[place]
        low, high = 0, self._covered_frames
        while high - low > 1:
            middle = (low + high) // 2
            if self._covered_frame(middle)[0] <= index:
                low = middle
            else:
                high = middle
        _, segment, offset = self._covered_frame(low)
        return segment, offset

    def frame_of(self, index: int) -> Frame:
        """The commit that holds the entry at `index`, which exists; E_JOURNAL_ARCHIVED or E_JOURNAL_DAMAGED."""
        frame = self._recent(*self.locate(index))
        if not frame.first <= index < frame.first + frame.entries:
            raise Refused("E_JOURNAL_DAMAGED", segment=self.locate(index)[0], position=frame.offset)
        return frame

    def _read_frame(self, number: int, offset: int) -> Frame:
        return read_frame(self._disk_of(number), number, offset)

    def _disk_of(self, number: int) -> Disk:
        for disk in (self._disk, self._archive):
            if disk is not None and segment_name(number) in _Names(disk):
                return disk
        raise Unavailable("E_JOURNAL_ARCHIVED", segment=number)

    def frames(self, start: int, stop: int) -> Iterator[Frame]:
        """The commits that hold the entries from `start` up to `stop`, in order; both are within the journal."""
        if start >= stop:
            return
        number, offset = self.locate(start)
        size = self.frame_of(start).first
        while True:
            scan = Scan(self._disk_of(number), number, size, offset)
            for frame in scan.frames():
                yield frame
                if scan.size >= stop:
                    return
            if number >= self.segment or read_header(self._disk_of(number + 1), number + 1) != scan.size:
                raise Refused("E_JOURNAL_DAMAGED", segment=number, position=scan.end)
            number, offset, size = number + 1, HEADER_BYTES, scan.size

    def leaves(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The leaf hashes of the entries from `start` up to (not including) `stop`, of those there are now."""
        first = max(start, 0)
        last = self.size if stop is None else min(stop, self.size)
        newer = self._leaves[
            max(first - self.covered, 0) * LEAF_BYTES : max(last - self.covered, 0) * LEAF_BYTES
        ]
        return _each_leaf(self._disk, first * LEAF_BYTES, min(last, self.covered) * LEAF_BYTES, bytes(newer))


def _each_leaf(disk: Disk, first: int, end: int, newer: bytes) -> Iterator[bytes]:
    for start in range(first, end, _LEAF_BATCH):
        yield from _leaves_in(disk.read(LEAVES, start, min(_LEAF_BATCH, end - start)))
    yield from _leaves_in(newer)


def _leaves_in(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), LEAF_BYTES):
        yield data[start : start + LEAF_BYTES]


class _Names:
    """Whether a file is there, without listing the folder. `OSError` from a disk that does not say."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def __contains__(self, name: object) -> bool:
        try:
            self._disk.size(str(name))
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True
