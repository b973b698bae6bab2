"""A store in a folder: the journal on disk is the truth, and what it says is in memory and in snapshots beside it.

    segment-N   the journal: every commit, one after the other; the newest one is written to
    snapshot-N  the state after N entries, with the tables it names (`cbdc.ledger.journal_snapshot`)
    lock        one process writes

A commit is one append and one sync, so it is on the disk when it returns. A start takes the newest snapshot that is
whole and reads the segments after it. Snapshots are made by another process from closed segments, while commits go on.

Rules kept here: a torn last commit is cut off, damage anywhere else is refused (E_JOURNAL_DAMAGED); a second writer is
refused (E_JOURNAL_LOCKED); a store opened `read_only` sees one moment and takes no lock; when snapshots do not get done
and memory would grow without end, commits are refused (E_JOURNAL_FULL).

This store has one writer. A token's owner goes when the token changes, unless the commit names one again.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock, Thread

from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.ledger.disk import WRITER_LOCK, Disk, RealDisk
from cbdc.ledger.journal_frames import OTHER_OWNER, Frame, owner_of, packed_changes, segment_numbers, value_of
from cbdc.ledger.journal_log import JournalLog, Progress, unavailable
from cbdc.ledger.journal_memory import Memory, Tables
from cbdc.ledger.journal_snapshot import Snapshot, build, newest, open_tables, snapshots
from cbdc.ledger.journal_table import Record
from cbdc.ledger.store import Commit, EntryRow, Page
from cbdc.ports import Checkpoint, no_checkpoint

_LEAVE_SECONDS = 5
_ENOENT = "there is no journal in the folder"


@dataclass(frozen=True, slots=True)
class JournalSettings:
    """How large things grow. The numbers are our assumptions; docs/scale.md says what they cost.

    A segment is closed at `segment_bytes`. A snapshot is begun when the changes since the last one are `layer_rows`, or
    an eighth of the rows that the snapshot has, if that is more. `most_layers` of that size may wait before commits are
    refused. `own_process` makes snapshots beside the writer; else the commit that is due makes it and waits.
    """

    segment_bytes: int = 128 << 20
    layer_rows: int = 300_000
    most_layers: int = 3
    own_process: bool = True


def no_progress(done: int, total: int) -> None:
    """Nobody watches."""


def _leave(child: "subprocess.Popen[bytes]") -> None:
    """Wait a little for a process, and then let it end alone."""
    try:
        child.wait(_LEAVE_SECONDS)
    except subprocess.TimeoutExpired:
        # Somebody has to be there when it ends; a thread that does not keep this process alive.
        Thread(target=child.wait, daemon=True).start()


class JournalStore:
    """A `Store` in the folder at `path`. `read_only` opens an existing ledger without changing it (audits)."""

    def __init__(
        self,
        path: Path,
        checkpoint: Checkpoint = no_checkpoint,
        read_only: bool = False,
        archive: Path | None = None,
        settings: JournalSettings | None = None,
        progress: Progress = no_progress,
        disk: Disk | None = None,
    ) -> None:
        """`progress(done, total)` hears how many bytes of journal were read at the start; `archive` has old segments.

        `disk` stands for the folder in tests. Raises E_STORE_UNAVAILABLE without a folder or journal, E_JOURNAL_LOCKED,
        E_JOURNAL_DAMAGED, E_JOURNAL_SNAPSHOT, or E_JOURNAL_ARCHIVED when the segments after the snapshot are missing.
        """
        self.path = path
        self.settings = settings or JournalSettings()
        self._checkpoint = checkpoint
        self._read_only = read_only
        self._turn = RLock()
        self._lock = RLock()
        self._open = False
        self._child: subprocess.Popen[bytes] | None = None
        self._release: Callable[[], None] | None = None
        try:
            self._real = disk is None
            self._disk: Disk = RealDisk(path, create=not read_only) if disk is None else disk
            self._start(None if archive is None else RealDisk(archive), progress)
        except OSError as error:
            self._abandon()
            raise unavailable(error) from None
        except BaseException:
            self._abandon()
            raise

    # --- opening and closing ---

    def _start(self, archive: Disk | None, progress: Progress) -> None:
        if not self._read_only:
            try:
                self._release = self._disk.lock(WRITER_LOCK)
            except BlockingIOError:
                raise Unavailable("E_JOURNAL_LOCKED", folder=self.path.name) from None
        numbers = segment_numbers(self._disk)
        if not numbers and (self._read_only or self._has_strangers()):
            raise Unavailable("E_STORE_UNAVAILABLE", detail=_ENOENT)
        snapshot, tables = self._newest(numbers)
        self._log = JournalLog(self._disk, archive, snapshot, self._checkpoint)
        self._memory = Memory(tables)
        if numbers:
            self._log.replay(self._apply, progress, not self._read_only)
        else:
            self._log.begin()
        self._open = True

    def _has_strangers(self) -> bool:
        return any(name != WRITER_LOCK for name in self._disk.names())

    def _newest(self, numbers: list[int]) -> tuple[Snapshot | None, Tables]:
        """The newest whole snapshot; none at all will do while the journal is here from its first segment."""
        snapshot, tables = newest(self._disk, check=True)
        broken = None if snapshot else next((bad.state.name for bad in snapshots(self._disk)), None)
        gaps = numbers and numbers != list(range(1, numbers[-1] + 1))
        if snapshot is None and gaps and (broken or numbers[0] != 1):
            raise Refused("E_JOURNAL_SNAPSHOT", file=broken or "snapshot")
        return snapshot, tables

    def _abandon(self) -> None:
        if self._release is not None:
            self._release()
            self._release = None

    def _apply(self, frame: Frame) -> None:
        self._memory.apply(frame.changes, frame.ids, frame.first)

    def close(self) -> None:
        """End the segment, and let another process write; a snapshot in the making is waited for, but not for long.

        It needs nobody: what is not done by then gets done by itself, and the next start finds it.
        """
        with self._turn, self._lock:
            if not self._open:
                return
            self._open = False
            self._log.close()
            self._abandon()
            if self._child is not None:
                _leave(self._child)
                self._child = None

    def _check_open(self) -> None:
        if not self._open:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="it is closed")

    # --- writing ---

    def commit(self, commit: Commit) -> None:
        """All of it in one append, durable when this returns."""
        with self._turn:
            self._check_open()
            self._log.check()
            self._checkpoint("ledger.commit.before")
            commit.check(self._log.size)
            self._check_ids(commit)
            self._grow()
            frame, end = self._log.write(commit, packed_changes(commit))
            with self._lock:
                self._log.took(frame, end)
                self._apply(frame)
            self._checkpoint("ledger.commit.after")

    def _check_ids(self, commit: Commit) -> None:
        ids = {row.transaction_id for row in commit.entries}
        if len(ids) < len(commit.entries) or self.find(ids):
            raise Unavailable("E_STORE_UNAVAILABLE", detail="a transaction id stands in the journal already")

    def _grow(self) -> None:
        """Before a commit: take over a snapshot that is done, close a long segment, begin a snapshot that is due."""
        if self._child is not None and self._child.poll() is not None:
            self._child = None
            self._take_over()
            if self._memory.frozen:
                self._begin_snapshot(self._memory.frozen[0].segment)
        due = self._memory.active.weight >= self._layer_rows()
        if due and len(self._memory.frozen) >= self.settings.most_layers:
            self._wait_for_snapshot()
        if due or self._log.end >= self.settings.segment_bytes:
            closed = self._log.roll()
            if due:
                with self._lock:
                    self._memory.freeze(closed)
                self._begin_snapshot(closed)

    def _layer_rows(self) -> int:
        table = self._memory.tables.state
        return max(self.settings.layer_rows, 0 if table is None else table.count // 8)

    def _wait_for_snapshot(self) -> None:
        """Memory is full of what no snapshot holds: wait for the one in the making, or make one, or refuse."""
        if self._child is None:
            self._begin_snapshot(self._memory.frozen[0].segment)
        if self._child is not None:
            self._child.wait()
            self._child = None
            self._take_over()
        if len(self._memory.frozen) >= self.settings.most_layers:
            raise Unavailable("E_JOURNAL_FULL", layers=len(self._memory.frozen))

    def _begin_snapshot(self, upto: int) -> None:
        if self._child is not None:
            return
        if self._real and self.settings.own_process:
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
            program = [sys.executable, "-m", "cbdc.ledger.journal_snapshot"]
            # Without a process the layers stay in memory, and the next one that is due tries again.
            with suppress(OSError):
                self._child = subprocess.Popen(  # noqa: S603 - our own interpreter, and no shell
                    [*program, str(self.path.absolute()), str(upto)],
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
            return
        with suppress(OSError, TengeError):
            build(self._disk, upto, self._checkpoint)
            self._take_over()

    def make_snapshot(self) -> None:
        """A snapshot of everything now, in this process: before an archive, or a start that must be fast.

        Raises E_STORE_UNAVAILABLE when the disk does not take it.
        """
        with self._turn:
            self._check_open()
            if self._child is not None:
                self._child.wait()
                self._child = None
            closed = self._log.roll()
            with self._lock:
                self._memory.freeze(closed)
            try:
                build(self._disk, closed, self._checkpoint)
            except OSError as error:
                raise unavailable(error) from None
            self._take_over()

    def _take_over(self) -> None:
        """Let the newest snapshot answer for what it holds; if it is no use, everything stays as it is."""
        with suppress(OSError, TengeError):
            snapshot = next(snapshots(self._disk), None)
            if snapshot is None or snapshot.size < self._log.covered:
                return
            tables = open_tables(self._disk, snapshot, check=False)
            with self._lock:
                self._memory.settle(tables, snapshot.segment)
                self._log.settle(snapshot)

    # --- reading ---

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that exist."""
        with self._lock:
            self._check_open()
            found = self._memory.packed(keys)
        return {
            key: packed[1:] if packed[0] != OTHER_OWNER else value_of(packed) for key, packed in found.items()
        }

    def size(self) -> int:
        """How many entries."""
        with self._lock:
            self._check_open()
            return self._log.size

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[EntryRow]:
        """The entries in order."""
        start = max(start, 0)
        for frame in self._frames(start, stop):
            first = max(start - frame.first, 0)
            last = frame.entries if stop is None else min(frame.entries, stop - frame.first)
            for place in range(first, last):
                yield frame.row(place)

    def _frames(self, start: int, stop: int | None) -> Iterator[Frame]:
        """The commits that hold these entries, as far as there are any now."""
        size = self.size()
        last = size if stop is None else min(stop, size)
        if start >= last:
            return
        try:
            with self._lock:
                frame = self._log.frame_of(start)
            yield frame
            after = frame.first + frame.entries
            if after < last:
                yield from self._log.frames(after, last)
        except OSError as error:
            raise unavailable(error) from None

    def leaves(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The leaf hashes in order."""
        with self._lock:
            self._check_open()
            leaves = self._log.leaves(start, stop)
        try:
            yield from leaves
        except OSError as error:
            raise unavailable(error) from None

    def find(self, transaction_ids: Iterable[bytes]) -> dict[bytes, int]:
        """The places of accepted transactions."""
        with self._lock:
            self._check_open()
            return self._memory.find(transaction_ids)

    def head_covering(self, index: int) -> bytes | None:
        """The head of the commit that the entry belongs to."""
        if index >= self.size():
            return None
        with self._lock:
            try:
                return self._log.frame_of(max(index, 0)).head
            except OSError as error:
                raise unavailable(error) from None

    def heads(self) -> Iterator[tuple[int, bytes]]:
        """Every head with its size, oldest first."""
        for frame in self._frames(0, None):
            yield frame.first + frame.entries, frame.head

    def owned(self, holder: bytes) -> list[bytes]:
        """A holder's tokens."""
        with self._lock:
            self._check_open()
            return self._memory.owned(holder)

    def owned_by_each(self, holders: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Each holder's tokens."""
        with self._lock:
            self._check_open()
            return {holder: self._memory.owned(holder) for holder in holders}

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """The whole state in order of the key."""
        return ((key, value_of(packed)) for page in self._pages() for key, packed in page)

    def owner_rows(self) -> Iterator[tuple[bytes, bytes]]:
        """The owner index in order of the token key."""
        rows = (row for page in self._pages() for row in page)
        return ((key, owner) for key, packed in rows if (owner := owner_of(packed)) is not None)

    def derived_rows(self) -> Generator[Page, None, None]:
        """Both together: the owner stands in the value, or beside it."""
        for records in self._pages():
            if records:
                keys, packed = zip(*records, strict=True)
                yield Page(keys, tuple(map(value_of, packed)), tuple(map(owner_of, packed)))

    def _pages(self) -> Iterator[list[Record]]:
        with self._lock:
            self._check_open()
            return self._memory.pages()
