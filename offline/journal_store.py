"""One file for the journals of all simulated elements of a run.

A run has thousands of devices, and thousands of files cost more than what is written into them. Here each record of
each journal is one frame of one file, under the name of its journal, with the chained check of `offline.journal`:

    frame  = length (4 bytes) || CRC-32 of the length (4) || check (12) || body
    body   = kind (1) || length of the name (1) || name || record          kind 0 adds, kind 1 begins anew

Opening reads the file once and keeps only where each journal's records lie. A journal that is compacted begins anew,
and what it had before is dead; when more is dead than alive, the file is written again beside itself and renamed.

**A group** (`with store.group():`) waits for the disk once, at its end. Within it a record is handed to the operating
system before anything signed is released, so a killed process loses nothing; a power cut may take the whole end of a
group, which is why nothing of a group may leave the machine, or be kept durably anywhere else, before the group has
ended. Outside of a group each record is durable when `append` returns, as everywhere.

After a failed write every journal of the file refuses until one of them is opened anew.

Source: DTO/1, sections 5.7 (I2, I9), 5.19.12 and 7.5 (S5, S6).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import BinaryIO

from cbdc.errors import Malformed, Unavailable
from cbdc.ports import Checkpoint, no_checkpoint
from cbdc.private import make_file, opener
from offline.journal import (
    AFTER,
    BEFORE,
    FIRST_CHECK,
    HEADER_BYTES,
    TORN,
    frame_of,
    sync_folder,
    whole_frames,
    write_all,
)

_ADD, _ANEW = 0, 1
_NAME_BYTES = 255
_COMPACT_BYTES = 1 << 24


class JournalStore:
    """The journals of many elements in one file."""

    def __init__(
        self,
        path: Path,
        durable: bool = True,
        checkpoint: Checkpoint = no_checkpoint,
        compact_bytes: int = _COMPACT_BYTES,
    ) -> None:
        """`durable=False` never waits for the disk; what is dead is cleared away beyond `compact_bytes`."""
        self._path = path
        self._durable = durable
        self._checkpoint = checkpoint
        self._compact_bytes = compact_bytes
        self._lock = RLock()
        self._handle: BinaryIO | None = None
        self._check = FIRST_CHECK
        self._end = 0
        self._places: dict[str, list[tuple[int, int]]] = {}
        self._sizes: dict[str, int] = {}
        self._live_bytes = 0
        self._opened = False
        self._failed = False
        self._groups = 0
        self._waiting = False

    def journal(self, name: str) -> "StoredJournal":
        """The journal called `name`; any text of at most 255 bytes of UTF-8."""
        assert 1 <= len(name.encode()) <= _NAME_BYTES, f"{name!r} is no name for a journal"
        return StoredJournal(self, name)

    @contextmanager
    def group(self) -> Iterator[None]:
        """Wait for the disk once for everything that is written within; groups may stand in groups."""
        with self._lock:
            self._groups += 1
            try:
                yield
            finally:
                self._groups -= 1
                if self._groups == 0:
                    self.flush()

    def flush(self) -> None:
        """Wait until everything that was written is durable; E_JOURNAL_IO when that is not known."""
        with self._lock:
            if self._waiting and self._handle is not None:
                self._waiting = False
                try:
                    os.fsync(self._handle.fileno())
                except OSError as error:
                    raise self._broken(error) from None

    def close(self) -> None:
        """Make everything durable and close the file; it is opened again when it is needed."""
        with self._lock:
            self.flush()
            self._release()

    # --- what its journals ask ---

    def replay(self, name: str) -> list[bytes]:
        """The records of one journal, oldest first."""
        with self._lock:
            if self._failed or not self._opened:
                self._open()
            try:
                with open(self._path, "rb") as file:
                    return [_read(file, place, size) for place, size in self._places.get(name, ())]
            except FileNotFoundError:
                return []
            except OSError as error:
                raise self._broken(error) from None

    def size_bytes(self, name: str) -> int:
        """The bytes of one journal's records."""
        return self._sizes.get(name, 0)

    def append(self, name: str, record: bytes, anew: bool) -> None:
        """Add a record to one journal, or begin it anew with it."""
        with self._lock:
            if self._failed:
                raise Unavailable("E_JOURNAL_IO", journal=self._path.name, detail="an earlier write failed")
            if not self._opened:
                self._open()
            head = bytes([_ANEW if anew else _ADD, len(name.encode())]) + name.encode()
            frame, check = frame_of(self._check, head + record)
            self._failed = True
            try:
                self._write(frame)
            except OSError as error:
                raise self._broken(error) from None
            self._keep(name, self._end + HEADER_BYTES + len(head), len(record), anew)
            self._end, self._check, self._failed = self._end + len(frame), check, False
            self._checkpoint(AFTER)
            if self._end - self._live_bytes > max(self._compact_bytes, self._live_bytes):
                self._clear_away()

    # --- the file ---

    def _write(self, frame: bytes) -> None:
        handle = self._appending()
        if os.fstat(handle.fileno()).st_size != self._end:
            raise Malformed("E_JOURNAL", journal=self._path.name, problem="somebody else has written to it")
        self._checkpoint(BEFORE)
        if self._checkpoint is no_checkpoint:
            write_all(handle, frame)
        else:
            half = len(frame) // 2
            write_all(handle, frame[:half])
            self._checkpoint(TORN)
            write_all(handle, frame[half:])
        self._waiting = self._durable
        if self._groups == 0 and self._durable:
            os.fsync(handle.fileno())
            self._waiting = False

    def _appending(self) -> BinaryIO:
        if self._handle is None:
            new = not self._path.exists()
            make_file(self._path)
            self._handle = open(self._path, "ab", buffering=0)  # noqa: SIM115 - closed by `close`
            if new and self._durable:
                sync_folder(self._path.parent)
        return self._handle

    def _open(self) -> None:
        """Read the whole file: where each journal lies. An unfinished last frame is cut off."""
        self._release()
        self._places, self._sizes, self._live_bytes = {}, {}, 0
        self._end, self._check = 0, FIRST_CHECK
        try:
            _beside(self._path).unlink(missing_ok=True)
            if self._path.exists():
                with open(self._path, "rb") as file:
                    self._scan(file)
        except OSError as error:
            raise self._broken(error) from None
        self._opened, self._failed = True, False

    def _scan(self, file: BinaryIO) -> None:
        while header := file.read(HEADER_BYTES):
            body = file.read(int.from_bytes(header[:4], "big"))
            frame, check = frame_of(self._check, body) if body else (b"", b"")
            if frame != header + body:
                # Either the unfinished last frame, or damage: the same judgement as for a journal of its own.
                file.seek(self._end)
                whole_frames(file.read(), self._path.name, self._check)
                os.truncate(self._path, self._end)
                return
            start = 2 + body[1]
            name = body[2:start].decode()
            self._keep(name, self._end + HEADER_BYTES + start, len(body) - start, body[0] == _ANEW)
            self._end, self._check = self._end + len(frame), check

    def _keep(self, name: str, place: int, size: int, anew: bool) -> None:
        if anew:
            self._live_bytes -= self._sizes.get(name, 0)
            self._places[name], self._sizes[name] = [], 0
        self._places.setdefault(name, []).append((place, size))
        self._sizes[name] = self._sizes.get(name, 0) + size
        self._live_bytes += size

    def _clear_away(self) -> None:
        """Write what is alive beside the file and rename it: always exactly one of the two."""
        self._failed = True
        beside, check, end = _beside(self._path), FIRST_CHECK, 0
        places: dict[str, list[tuple[int, int]]] = {}
        try:
            self._checkpoint(BEFORE)
            with open(self._path, "rb") as old, open(beside, "wb", opener=opener) as new:
                for name in sorted(self._places):
                    head = bytes([_ADD, len(name.encode())]) + name.encode()
                    for place, size in self._places[name]:
                        frame, check = frame_of(check, head + _read(old, place, size))
                        new.write(frame)
                        places.setdefault(name, []).append((end + HEADER_BYTES + len(head), size))
                        end += len(frame)
                new.flush()
                if self._durable:
                    os.fsync(new.fileno())
            self._release()
            self._checkpoint(TORN)
            beside.replace(self._path)
            if self._durable:
                sync_folder(self._path.parent)
        except OSError as error:
            raise self._broken(error) from None
        self._places, self._end, self._check, self._failed = places, end, check, False
        self._waiting = False
        self._checkpoint(AFTER)

    def _release(self) -> None:
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def _broken(self, error: OSError) -> Unavailable:
        self._failed = True
        return Unavailable("E_JOURNAL_IO", journal=self._path.name, detail=type(error).__name__)


class StoredJournal:
    """One journal of a `JournalStore`; read when it is first asked for."""

    def __init__(self, store: JournalStore, name: str) -> None:
        self._store = store
        self._name = name

    @property
    def size_bytes(self) -> int:
        """The bytes of its records."""
        return self._store.size_bytes(self._name)

    def replay(self) -> list[bytes]:
        """All whole records, oldest first."""
        return self._store.replay(self._name)

    def append(self, record: bytes) -> None:
        """Add one record; durable when this returns, or at the end of the group."""
        assert record, "an empty record means nothing"
        self._store.append(self._name, record, anew=False)

    def compact(self, snapshot: bytes) -> None:
        """Begin anew with one record that means the same as all before it."""
        assert snapshot, "an empty record means nothing"
        self._store.append(self._name, snapshot, anew=True)

    def close(self) -> None:
        """Close the file that it shares; it is opened again when it is needed."""
        self._store.close()


def _read(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".new")
