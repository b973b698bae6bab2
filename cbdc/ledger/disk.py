"""The door between the journal engine and a disk: a folder of plain files, and the few things that are done to them.

Everything the journal engine writes or reads goes through a `Disk`, so that a test can put a virtual one below it that
tears writes, forgets what was not synced, is full, or dies. The rules that the engine relies on, and that a virtual
disk must keep for a real one:

- `append` may write any part of its bytes before it fails or the power goes; what lay before its start is untouched.
- What was appended is sure to be there after a power cut only once `sync` returned; before that any part of it may be,
  and where a part is missing there are zeros or the file is shorter.
- `rename` is atomic: afterwards, also after a power cut, the name leads to the old file or to the new one, whole. Which
  of the two is certain only once `sync_folder` returned; the same holds for files created and deleted.
- A failed `sync` says nothing about what is on the disk.

Every method raises `OSError` as the operating system would (ENOSPC for a full disk, EIO for a broken one). Names are
plain file names without a slash.
"""

import mmap
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from cbdc.private import FILE_MODE, make_folder

Buffer = bytes | mmap.mmap

WRITER_LOCK = "lock"
_ZEROS = bytes(1 << 20)


class DiskFile(Protocol):
    """One file that is open for writing at its end."""

    def append(self, data: bytes | bytearray) -> None:
        """Write `data` at the end of what was appended so far."""
        ...

    def sync(self) -> None:
        """Return when everything appended is on the disk."""
        ...

    def close(self) -> None:
        """Give the file back; says nothing about what is on the disk."""
        ...


class Disk(Protocol):
    """A folder of files."""

    def names(self) -> list[str]:
        """The names of all files, in ascending order."""
        ...

    def size(self, name: str) -> int:
        """How many bytes a file has."""
        ...

    def read(self, name: str, start: int = 0, count: int | None = None) -> bytes:
        """Bytes of a file from `start`, at most `count` of them (all by default); fewer at its end."""
        ...

    def map(self, name: str) -> Buffer:
        """The whole of a file that does not change any more, as bytes or something that is sliced like bytes."""
        ...

    def create(self, name: str) -> DiskFile:
        """A new empty file open for writing; one of that name that was there is emptied."""
        ...

    def open(self, name: str, position: int) -> DiskFile:
        """An existing file open for writing: the next `append` writes at `position`, over what is there."""
        ...

    def reserve(self, name: str, size: int) -> None:
        """Make the file at least `size` bytes long by zeros at its end, and sync it, so that later syncs cost less."""
        ...

    def truncate(self, name: str, size: int) -> None:
        """Cut the file to `size` bytes, and sync it."""
        ...

    def rename(self, old: str, new: str) -> None:
        """Give a file another name; a file that had that name is gone."""
        ...

    def delete(self, name: str) -> None:
        """Remove a file."""
        ...

    def sync_folder(self) -> None:
        """Return when the folder's names are on the disk."""
        ...

    def lock(self, name: str) -> Callable[[], None]:
        """Take the lock of that name for this holder alone; what is returned gives it back.

        Raises `BlockingIOError` when another holder, in this process or another one, has it. A process that dies gives
        it back.
        """
        ...


class RealFile:
    """A file of the operating system, written without a buffer of Python's."""

    def __init__(self, descriptor: int, position: int) -> None:
        self._descriptor = descriptor
        self._position = position

    def append(self, data: bytes | bytearray) -> None:
        """Write all of it; a partial write goes on where it stopped."""
        os.lseek(self._descriptor, self._position, os.SEEK_SET)
        rest = memoryview(data)
        while rest:
            written = os.write(self._descriptor, rest)
            rest = rest[written:]
            self._position += written

    def sync(self) -> None:
        """fdatasync, or fsync where there is none."""
        _data_sync(self._descriptor)

    def close(self) -> None:
        """Close the descriptor, once."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class RealDisk:
    """A real folder. It is made for its owner only when `create` is asked for."""

    def __init__(self, folder: Path, create: bool = False) -> None:
        """Raises `OSError` when there is no such folder and none is to be made, or what is above it is missing."""
        self.folder = folder
        if create and not folder.exists() and folder.parent.is_dir():
            make_folder(folder)
            _sync_folder(folder.parent)
        if not folder.is_dir():
            raise FileNotFoundError(2, "no such folder", folder.name)

    def names(self) -> list[str]:
        """The names of its files."""
        return sorted(entry.name for entry in os.scandir(self.folder) if entry.is_file())

    def size(self, name: str) -> int:
        """Its length."""
        return os.stat(f"{self.folder}{os.sep}{name}").st_size  # at every commit: half of what a `Path` costs

    def read(self, name: str, start: int = 0, count: int | None = None) -> bytes:
        """Bytes of the file."""
        with (self.folder / name).open("rb", buffering=0) as file:
            file.seek(start)
            parts = []
            left = self.size(name) - start if count is None else count
            while left > 0 and (part := file.read(left)):
                parts.append(part)
                left -= len(part)
            return b"".join(parts)

    def map(self, name: str) -> Buffer:
        """The file mapped into memory: pages come when they are touched, and the system may take them back."""
        with (self.folder / name).open("rb") as file:
            if self.size(name) == 0:
                return b""
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if hasattr(mmap, "MADV_RANDOM"):
            mapped.madvise(mmap.MADV_RANDOM)
        return mapped

    def create(self, name: str) -> DiskFile:
        """A new file for its owner only."""
        return RealFile(self._open(name, os.O_RDWR | os.O_CREAT | os.O_TRUNC), 0)

    def open(self, name: str, position: int) -> DiskFile:
        """The file, at a position."""
        return RealFile(self._open(name, os.O_RDWR), position)

    def _open(self, name: str, flags: int) -> int:
        return os.open(self.folder / name, flags | getattr(os, "O_BINARY", 0), FILE_MODE)

    def reserve(self, name: str, size: int) -> None:
        """Zeros that are really written: a place that is only promised would have to be noted at each sync."""
        start = self.size(name)
        with self._opened(name) as descriptor:
            os.lseek(descriptor, start, os.SEEK_SET)
            while start < size:
                start += os.write(descriptor, _ZEROS[: size - start])
            os.fsync(descriptor)

    def truncate(self, name: str, size: int) -> None:
        """Cut and sync."""
        with self._opened(name) as descriptor:
            os.ftruncate(descriptor, size)
            os.fsync(descriptor)

    def _opened(self, name: str) -> "_Descriptor":
        return _Descriptor(self._open(name, os.O_RDWR))

    def rename(self, old: str, new: str) -> None:
        """os.replace."""
        (self.folder / old).replace(self.folder / new)

    def delete(self, name: str) -> None:
        """Unlink; whoever has it mapped goes on seeing it."""
        (self.folder / name).unlink()

    def sync_folder(self) -> None:
        """fsync of the folder, where a folder can be opened."""
        _sync_folder(self.folder)

    def lock(self, name: str) -> Callable[[], None]:
        """A lock of the operating system on a file of that name: it goes with the process, however that ends."""
        descriptor = os.open(self.folder / name, os.O_RDWR | os.O_CREAT, FILE_MODE)
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise BlockingIOError(error.errno, "another process writes this ledger") from None
        return lambda: os.close(descriptor)


class _Descriptor:
    """A descriptor for the length of a block."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def __enter__(self) -> int:
        return self._descriptor

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):
            os.close(self._descriptor)


def _sync_folder(folder: Path) -> None:
    if sys.platform != "win32":
        with _Descriptor(os.open(folder, os.O_RDONLY)) as descriptor:
            os.fsync(descriptor)


def _data_sync(descriptor: int) -> None:
    if sys.platform == "linux":
        os.fdatasync(descriptor)
    else:
        os.fsync(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
