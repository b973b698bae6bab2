"""SQLite on the virtual disk: its own calls for writing and syncing, seen and judged one by one.

SQLite speaks to the disk through a table of functions (a VFS, https://sqlite.org/vfs.html). This module registers one
that is the system's own but for six of them: open, delete, read, write, truncate and sync ask the virtual `Disk` first
and do what it says. The real file is only the cache that the library reads back; what a power cut leaves of it, the
disk decides from what was written and synced, in SQLite's own order. So it is SQLite itself that is tested, not a guess
at how it writes.

It works where Python's `sqlite3` uses a shared library that can be reached by `ctypes`; `library()` is None elsewhere.
"""

import ctypes
import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CFUNCTYPE, POINTER, Structure, byref, c_char_p, c_int, c_int64, c_void_p, cast, string_at
from functools import lru_cache
from pathlib import Path
from typing import Any

from tests.faults.disk import Disk, PowerCut

OK, IOERR, FULL = 0, 10, 13
IOERR_READ, IOERR_SHORT_READ, IOERR_WRITE, IOERR_FSYNC = 266, 522, 778, 1034
IOERR_TRUNCATE, IOERR_DELETE, CANTOPEN = 1546, 2570, 14
OPEN_CREATE = 4
NAME = b"virtual-disk"

_METHODS = [
    *("close", "read", "write", "truncate", "sync", "file_size", "lock", "unlock", "check_reserved"),
    *("file_control", "sector_size", "characteristics"),
    *("shm_map", "shm_lock", "shm_barrier", "shm_unmap", "fetch", "unfetch"),
]
_CALLS = [
    *(
        "open",
        "delete",
        "access",
        "full_path",
        "dl_open",
        "dl_error",
        "dl_sym",
        "dl_close",
        "randomness",
        "sleep",
    ),
    *("time", "last_error", "time_64", "set_call", "get_call", "next_call"),
]


class _Methods(Structure):
    _fields_ = [("version", c_int), *((name, c_void_p) for name in _METHODS)]


class _File(Structure):
    _fields_ = [("methods", POINTER(_Methods))]


class _Vfs(Structure):
    pass


_Vfs._fields_ = [
    ("version", c_int),
    ("file_size", c_int),
    ("path_size", c_int),
    ("next", POINTER(_Vfs)),
    ("name", c_char_p),
    ("data", c_void_p),
    *((name, c_void_p) for name in _CALLS),
]

_CLOSE = CFUNCTYPE(c_int, c_void_p)
_MOVE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)
_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)


@lru_cache
def library() -> Any:
    """The SQLite library that this Python uses, or None where it cannot be reached."""
    maps = Path("/proc/self/maps")
    sqlite3.connect(":memory:").close()
    if not maps.exists():
        return None
    paths = {
        line.split()[-1] for line in maps.read_text(encoding="utf-8").splitlines() if "libsqlite3" in line
    }
    return ctypes.CDLL(paths.pop()) if len(paths) == 1 else None


class Shim:
    """The registered table; `disks` says which folder lies on which virtual disk, all others on the real one."""

    def __init__(self) -> None:
        self.disks: dict[str, Disk] = {}
        self._open_files: dict[int, tuple[Disk, str, dict[str, Any]]] = {}
        self._tables: dict[int, tuple[_Methods, dict[str, Any]]] = {}
        found = library()
        found.sqlite3_vfs_find.restype = POINTER(_Vfs)
        self._system = found.sqlite3_vfs_find(None).contents
        self._real_open = _OPEN(self._system.open)
        self._real_delete = _DELETE(self._system.delete)
        self._vfs = _Vfs()
        ctypes.memmove(byref(self._vfs), byref(self._system), ctypes.sizeof(_Vfs))
        self._vfs.next = None
        self._vfs.name = NAME
        self._callbacks = {
            "open": _OPEN(self._open),
            "delete": _DELETE(self._delete),
            "close": _CLOSE(self._close),
            "read": _MOVE(self._read),
            "write": _MOVE(self._write),
            "truncate": _TRUNCATE(self._truncate),
            "sync": _SYNC(self._sync),
        }
        for name in ("open", "delete"):
            setattr(self._vfs, name, cast(self._callbacks[name], c_void_p))
        self._library = found

    @contextmanager
    def on(self) -> Iterator[None]:
        """Within it, new connections of this process go through this table."""
        assert self._library.sqlite3_vfs_register(byref(self._vfs), 1) == OK
        try:
            yield
        finally:
            assert self._library.sqlite3_vfs_register(byref(self._system), 1) == OK

    def _disk(self, path: str) -> Disk | None:
        return self.disks.get(os.path.dirname(path))

    def _ask(self, wrong: int, call: Any, *arguments: Any) -> int:
        """What the virtual disk says, as SQLite's code."""
        try:
            call(*arguments)
        except PowerCut:
            return IOERR
        except OSError as error:
            return FULL if error.errno == errno.ENOSPC else wrong
        return OK

    def _open(self, vfs: int, name: int | None, file: int, flags: int, out: Any) -> int:
        path = string_at(name).decode() if name else ""
        disk = self._disk(path)
        if disk is not None and (said := self._ask(CANTOPEN, self._made, disk, path, flags)) != OK:
            cast(file, POINTER(_File)).contents.methods = None
            return said
        result = self._real_open(vfs, name, file, flags, out)
        if result == OK and disk is not None:
            opened = cast(file, POINTER(_File)).contents
            table, originals = self._table(opened.methods.contents)
            opened.methods = ctypes.pointer(table)
            self._open_files[file] = (disk, os.path.basename(path), originals)
        return int(result)

    @staticmethod
    def _made(disk: Disk, path: str, flags: int) -> None:
        if flags & OPEN_CREATE or os.path.exists(path):
            disk.create(os.path.basename(path))

    def _table(self, original: _Methods) -> tuple[_Methods, dict[str, Any]]:
        """The methods of an open file with ours among them, and the system's own in their place."""
        address = ctypes.addressof(original)
        if address not in self._tables:
            table = _Methods()
            assert original.version == 3
            ctypes.memmove(byref(table), byref(original), ctypes.sizeof(_Methods))
            kinds = {"close": _CLOSE, "read": _MOVE, "write": _MOVE, "truncate": _TRUNCATE, "sync": _SYNC}
            originals = {name: kind(getattr(original, name)) for name, kind in kinds.items()}
            for name in kinds:
                setattr(table, name, cast(self._callbacks[name], c_void_p))
            self._tables[address] = (table, originals)
        return self._tables[address]

    def _close(self, file: int) -> int:
        _, _, originals = self._open_files.pop(file)
        return int(originals["close"](file))

    def _read(self, file: int, buffer: int, amount: int, offset: int) -> int:
        disk, name, originals = self._open_files[file]
        said = self._ask(IOERR_READ, disk.read, name, 0, 0)
        return said if said != OK else int(originals["read"](file, buffer, amount, offset))

    def _write(self, file: int, buffer: int, amount: int, offset: int) -> int:
        disk, name, originals = self._open_files[file]
        said = self._ask(IOERR_WRITE, disk.write, name, offset, string_at(buffer, amount))
        return said if said != OK else int(originals["write"](file, buffer, amount, offset))

    def _truncate(self, file: int, size: int) -> int:
        disk, name, originals = self._open_files[file]
        said = self._ask(IOERR_TRUNCATE, disk.truncate, name, size)
        return said if said != OK else int(originals["truncate"](file, size))

    def _sync(self, file: int, flags: int) -> int:
        disk, name, _ = self._open_files[file]
        said = self._ask(IOERR_FSYNC, disk.sync, name)
        if said == OK and name.endswith(("-wal", "-journal")) and disk.pending_names:
            # The system's own VFS syncs the folder with the first sync of a journal that it made.
            said = self._ask(IOERR_FSYNC, disk.sync_folder)
        return said

    def _delete(self, vfs: int, name: bytes, folder: int) -> int:
        path = name.decode()
        disk = self._disk(path)
        base = os.path.basename(path)
        if disk is not None and disk.exists(base):
            said = self._ask(IOERR_DELETE, disk.remove, base)
            if said == OK and folder:
                said = self._ask(IOERR_DELETE, disk.sync_folder)
            if said != OK:
                return said
        return int(self._real_delete(vfs, name, 0 if disk is not None else folder))


@lru_cache
def shim() -> Shim:
    """The one table of this process. It is never freed: a connection may be closed later than everything else."""
    made = Shim()
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))
    return made


def lay_out(folder: Path, disk: Disk) -> None:
    """Give the folder the files that the disk has."""
    for path in folder.iterdir():
        path.unlink()
    for name, file in disk.names.items():
        (folder / name).write_bytes(file.cache)
    shim().disks[str(folder)] = disk
