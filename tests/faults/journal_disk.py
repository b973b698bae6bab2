"""The journal engine's door to a disk (`cbdc.ledger.disk.Disk`), with the virtual disk behind it."""

import errno
from collections.abc import Callable

from tests.faults.disk import Disk


class VirtualFile:
    """One file open for writing at its end."""

    def __init__(self, disk: Disk, name: str, position: int) -> None:
        self._disk = disk
        self._file = disk.names[name]
        self._name = name
        self._position = position

    def _where(self) -> str:
        """The name the file has now; a file that was renamed stays the same file."""
        for name, file in self._disk.names.items():
            if file is self._file:
                self._name = name
        return self._name

    def append(self, data: bytes | bytearray) -> None:
        """Write at the end of what was appended so far; after a failure, of what of it was written."""
        name, before = self._where(), len(self._file.pending)
        try:
            self._disk.write(name, self._position, bytes(data))
        except OSError:
            if len(self._file.pending) > before:
                self._position += len(self._file.pending[-1].data or b"")
            raise
        self._position += len(data)

    def sync(self) -> None:
        """Return when everything appended is on the disk."""
        self._disk.sync(self._where())

    def close(self) -> None:
        """Nothing to give back."""


class VirtualFolder:
    """A folder of files on the virtual disk, as one process has it: its locks are gone with it."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.locked: set[str] = set()

    def names(self) -> list[str]:
        """The names of all files."""
        return sorted(self.disk.names)

    def size(self, name: str) -> int:
        """How many bytes a file has."""
        self.disk.read(name, 0, 0)
        return len(self.disk.names[name].cache)

    def read(self, name: str, start: int = 0, count: int | None = None) -> bytes:
        """Bytes of a file."""
        return self.disk.read(name, start, count)

    def map(self, name: str) -> bytes:
        """The whole of a file."""
        return self.disk.read(name)

    def create(self, name: str) -> VirtualFile:
        """A new empty file; one that was there is emptied."""
        if self.disk.exists(name):
            self.disk.truncate(name, 0)
        else:
            self.disk.create(name)
        return VirtualFile(self.disk, name, 0)

    def open(self, name: str, position: int) -> VirtualFile:
        """An existing file, to write from `position` on."""
        self.disk.read(name, 0, 0)
        return VirtualFile(self.disk, name, position)

    def reserve(self, name: str, size: int) -> None:
        """Zeros at its end, synced."""
        start = self.size(name)
        while start < size:
            piece = min(1 << 16, size - start)
            self.disk.write(name, start, bytes(piece))
            start += piece
        self.disk.sync(name)

    def truncate(self, name: str, size: int) -> None:
        """Cut and sync."""
        self.disk.truncate(name, size)
        self.disk.sync(name)

    def rename(self, old: str, new: str) -> None:
        """Another name."""
        self.disk.rename(old, new)

    def delete(self, name: str) -> None:
        """Remove it."""
        self.disk.remove(name)

    def sync_folder(self) -> None:
        """The names are kept."""
        self.disk.sync_folder()

    def lock(self, name: str) -> Callable[[], None]:
        """A lock for one holder alone."""
        if name in self.locked:
            raise BlockingIOError(errno.EWOULDBLOCK, "another process has it")
        self.locked.add(name)
        return lambda: self.locked.discard(name)
