"""A backup of a folder of stores, taken while a server works on it, and a folder made from a backup.

    make_backup(folder, file, clock.now())
    restore(file, folder)

**One moment.** All SQLite files of the folder are locked against writing together, a reader is begun in each, and the
locks are let go: from then on every reader sees that moment, whatever is written meanwhile (all stores keep a
write-ahead log). Other files are append-only or replaced whole; what they are at that moment is what is taken. A
server that is between two of its stores is caught there as a kill would catch it, and completes what was begun when
the restored folder is opened.

**All or nothing.** The backup is written beside its place (`FILE.….part`, a new folder) and moved there whole; a killed
backup leaves no file of that name, but it leaves such a folder, with keys in it: its owner, who alone can know that no
backup is at work there, deletes it. A restored folder appears whole in the same way.

**No calls.** Which signed calls a server took is left out: what was taken after the backup would be taken once more. A
restored server takes none that is dated before it was started.

**Believed by checking.** A manifest holds the size and SHA-256 of each file. Before anything appears, a restore
checks them all and replays every ledger in it (`cbdc.ledger.audit`); a backup that is short, changed or no backup is
refused.

A backup holds keys (sealed as the folder's keystore seals them) and names: it is its owner's alone, and not encrypted.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, NamedTuple

from cbdc import private
from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.ledger.audit import audit
from cbdc.ledger.sqlite import SqliteStore
from cbdc.operations.alone import LOCKS
from cbdc.operations.whole_file import (
    MANIFEST,
    PACKED,
    PART,
    check_no_full_disk,
    check_room,
    hash_of,
    new_part,
    pack,
    sync_folder,
)
from cbdc.operations.whole_file import appear as appear_file

FORMAT = "tenge-backup-1"
LEDGER_FILE = "ledger.sqlite"
CALLS_FILE = "calls.sqlite"
"""The name under which a server keeps which signed calls it took (`cbdc.http.call_nonces`); see above."""
MOST_FILES = 10_000
MOST_MANIFEST = 4 * 1_048_576
_PIECE = 1_048_576
_SIDE_FILES = ("-wal", "-shm", "-journal", ".part", ".tmp", LOCKS)
_LOCK_SECONDS = 10


class Backup(NamedTuple):
    """What a backup holds: how many files and bytes, and the newest entry count of each ledger by its file's name."""

    files: int
    size_bytes: int
    ledgers: Mapping[str, int]


def _names(folder: Path) -> list[str]:
    found, problem = [], ""
    for path in folder.rglob("*"):
        place = path.relative_to(folder)
        if any(part.endswith(PART) for part in place.parts[:-1]):
            continue  # what a killed backup left
        if path.is_symlink():
            problem = f"{place.as_posix()} is a link, and what it leads to would be missing"
        if path.is_file() and not path.name.endswith(_SIDE_FILES) and path.name != CALLS_FILE:
            found.append(place.as_posix())
    if len(found) > MOST_FILES:
        problem = f"more than {MOST_FILES} files"
    if MANIFEST in found:
        problem = f"a backup has a {MANIFEST} of its own"
    if problem:
        raise Refused("E_BACKUP_FOLDER", folder=folder.as_posix(), problem=problem)
    return sorted(found)


def make_backup(folder: Path, file: Path, now: int) -> Backup:
    """Write the folder as it is at this moment to `file`, which must not be there; what it holds.

    Raises E_BACKUP_FOLDER when there is no ledger in the folder, E_BACKUP_EXISTS, E_BACKUP_FILE when the file cannot
    be written, E_BACKUP_BUSY when a writer does not let the stores be locked.
    """
    if not folder.is_dir() or not any(folder.rglob(LEDGER_FILE)):
        raise Refused("E_BACKUP_FOLDER", folder=folder.as_posix(), problem="no ledger is kept in it")
    if file.parent.resolve().is_relative_to(folder.resolve()):
        raise Refused("E_BACKUP_FOLDER", folder=folder.as_posix(), problem="the backup would lie in it")
    if file.exists():
        raise Refused("E_BACKUP_EXISTS", file=file.as_posix())
    part = file
    try:
        part = new_part(file)
        with _moment(folder) as taken:
            rows = [_copied(taken, name, part) for name in taken.names]
        ledgers = {row["name"]: _entries(part / row["name"]) for row in rows if _is_ledger(row["name"])}
        manifest = {"format": FORMAT, "time": now, "files": rows, "ledgers": ledgers}
        pack(part / PACKED, manifest, {f"files/{row['name']}": part / row["name"] for row in rows})
        appear_file(part / PACKED, file)
        return Backup(len(rows), file.stat().st_size, ledgers)
    except (OSError, ValueError, sqlite3.Error, zipfile.BadZipFile) as error:
        problem = getattr(error, "strerror", None) or type(error).__name__
        raise Unavailable("E_BACKUP_FILE", file=file.as_posix(), problem=problem) from None
    finally:
        if part != file:
            shutil.rmtree(part, ignore_errors=True)


class _Taken:
    """The folder at one moment: a reader in each database, an open file with its size for the others."""

    def __init__(
        self, names: list[str], readers: dict[str, sqlite3.Connection], plain: dict[str, tuple[BinaryIO, int]]
    ) -> None:
        self.names = names
        self.readers = readers
        self.plain = plain


@contextmanager
def _moment(folder: Path) -> Iterator[_Taken]:
    with ExitStack() as held:
        names = _names(folder)
        databases = [name for name in names if _is_database(folder / name)]
        with ExitStack() as locks:
            for name in databases:
                _lock(locks, folder / name)
            readers = {name: _reader(held, folder / name) for name in databases}
            plain: dict[str, tuple[BinaryIO, int]] = {}
            for name in names:
                if name not in readers:
                    opened = held.enter_context(open(folder / name, "rb"))
                    plain[name] = (opened, os.fstat(opened.fileno()).st_size)
        yield _Taken(names, readers, plain)


def _is_database(path: Path) -> bool:
    with open(path, "rb") as opened:
        return opened.read(16) == b"SQLite format 3\0"


def _lock(held: ExitStack, path: Path) -> None:
    connection = held.enter_context(closing(_connected(path)))
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError:
        raise Unavailable("E_BACKUP_BUSY", file=path.name, seconds=_LOCK_SECONDS) from None
    held.callback(connection.rollback)


def _reader(held: ExitStack, path: Path) -> sqlite3.Connection:
    connection = held.enter_context(closing(_connected(path)))
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    return connection


def _connected(path: Path) -> sqlite3.Connection:
    name = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(name, uri=True, isolation_level=None, timeout=_LOCK_SECONDS)


def _copied(taken: _Taken, name: str, part: Path) -> dict[str, Any]:
    target = part / name
    private.make_folder(target.parent)
    private.make_file(target)
    if name in taken.readers:
        with closing(sqlite3.connect(target)) as copy:
            taken.readers[name].backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
    else:
        source, left = taken.plain[name]
        with open(target, "wb") as out:
            while left and (piece := source.read(min(_PIECE, left))):
                out.write(piece)
                left -= len(piece)
    return {"name": name, "size_bytes": target.stat().st_size, "sha256": hash_of(target)}


def _is_ledger(name: str) -> bool:
    return PurePosixPath(name).name == LEDGER_FILE


def _entries(path: Path) -> int:
    store = SqliteStore(path, read_only=True)
    try:
        return store.size()
    finally:
        store.close()


# --- restoring ---


def restore(file: Path, folder: Path) -> Backup:
    """Make `folder`, which must not be there or be empty, from a backup that is checked first; what it held.

    Raises E_BACKUP_DAMAGED, E_RESTORE_FOLDER.
    """
    with unpacked(file, folder) as part:
        held = _held(part)
        (part / MANIFEST).unlink()
        if (part / CALLS_FILE).exists():
            # A backup of an earlier form.
            held = held._replace(
                files=held.files - 1, size_bytes=held.size_bytes - (part / CALLS_FILE).stat().st_size
            )
            (part / CALLS_FILE).unlink()
        appear(part, folder)
    return held


@contextmanager
def unpacked(file: Path, folder: Path) -> Iterator[Path]:
    """A folder beside `folder` with everything that a backup holds, checked and audited; gone afterwards.

    Raises E_BACKUP_DAMAGED, E_STORE_VERSION for a newer program's, E_RESTORE_FOLDER when `folder` is there and not
    empty, and E_RESTORE_FOLDER_WRITE when it cannot be written or has no room.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Refused("E_RESTORE_FOLDER", folder=folder.as_posix(), problem="it is not empty")
    try:
        part = new_part(folder)
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or type(error).__name__
        raise Unavailable("E_RESTORE_FOLDER_WRITE", folder=folder.as_posix(), problem=problem) from None
    try:
        _unpack(file, part, folder)
        yield part
    finally:
        shutil.rmtree(part, ignore_errors=True)


def appear(part: Path, folder: Path) -> None:
    """Let a finished folder take its place, whole; E_RESTORE_FOLDER_WRITE."""
    try:
        if folder.exists():
            folder.rmdir()
        os.replace(part, folder)
        sync_folder(folder.parent)
    except OSError as error:
        raise Unavailable(
            "E_RESTORE_FOLDER_WRITE", folder=folder.as_posix(), problem=error.strerror or "OSError"
        ) from None


def _damaged(problem: str) -> TengeError:
    return Malformed("E_BACKUP_DAMAGED", problem=problem)


def _unpack(file: Path, part: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(file) as packed:
            rows = _rows(packed)
            wanted = {MANIFEST, *(f"files/{row['name']}" for row in rows)}
            names = packed.namelist()
            if set(names) != wanted or len(names) != len(wanted):
                raise _damaged("it does not hold just the files of its manifest")
            check_room(part, sum(max(0, row["size_bytes"]) for row in rows))
            for row in rows:
                _take(packed, row, part)
            (part / MANIFEST).write_bytes(packed.read(MANIFEST))
    except TengeError:
        raise
    except OSError as error:
        check_no_full_disk(error, folder)
        raise _damaged(f"it cannot be read ({type(error).__name__})") from None
    except (
        ValueError,
        KeyError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        zipfile.BadZipFile,
    ) as error:
        raise _damaged(f"it cannot be read ({type(error).__name__})") from None
    except Exception as error:
        if type(error).__module__ not in ("zlib", "lzma", "struct"):
            raise
        raise _damaged("its contents cannot be unpacked") from None
    for row in rows:
        if _is_ledger(row["name"]):
            _audit(part / row["name"], row["name"])


def _rows(packed: zipfile.ZipFile) -> list[dict[str, Any]]:
    if packed.getinfo(MANIFEST).file_size > MOST_MANIFEST:
        raise _damaged("its manifest is too large")
    manifest = json.loads(packed.read(MANIFEST))
    rows = manifest.get("files") if isinstance(manifest, dict) else None
    if not isinstance(rows, list) or manifest.get("format") != FORMAT or len(rows) > MOST_FILES:
        raise _damaged("its manifest is of another form")
    for row in rows:
        sound = (
            isinstance(row, dict)
            and type(row.get("name")) is str
            and type(row.get("size_bytes")) is int
            and type(row.get("sha256")) is str
            and _is_inside(row["name"])
        )
        if not sound:
            raise _damaged("its manifest is of another form")
    if len({row["name"] for row in rows}) != len(rows):
        raise _damaged("its manifest names a file twice")
    if not any(_is_ledger(row["name"]) for row in rows):
        raise _damaged("there is no ledger in it")
    return rows


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    bad = "\\" in name or ":" in name or "\0" in name or name == MANIFEST
    # A log or a journal that lies beside a database would be taken for its own, after it was audited without.
    bad = bad or name.endswith(_SIDE_FILES) or path.as_posix() != name
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and not bad


def _take(packed: zipfile.ZipFile, row: Mapping[str, Any], part: Path) -> None:
    target, left = part / row["name"], int(row["size_bytes"])
    private.make_folder(target.parent)
    private.make_file(target)
    seen = hashlib.sha256()
    with packed.open(f"files/{row['name']}") as source, open(target, "wb") as out:
        while piece := source.read(_PIECE):
            left -= len(piece)
            if left < 0:
                break
            seen.update(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    if left or seen.hexdigest() != row["sha256"]:
        raise _damaged(f"{row['name']} is not what the manifest says")


def _audit(path: Path, name: str) -> None:
    try:
        with closing(SqliteStore(path, read_only=True)) as store:
            if not store.size():
                return  # the folder of a sandbox whose ledger is kept elsewhere
            found = audit(store)
    except TengeError as error:
        if error.code == "E_STORE_VERSION":
            raise
        raise _damaged(f"{name} is no ledger ({error.code})") from None
    if not found.ok:
        raise _damaged(f"the audit of {name} found {len(found.problems)} problems")


def _held(part: Path) -> Backup:
    manifest = json.loads((part / MANIFEST).read_bytes())
    files = manifest["files"]
    ledgers = {row["name"]: _entries(part / row["name"]) for row in files if _is_ledger(row["name"])}
    if manifest.get("ledgers") != ledgers:
        raise _damaged("its manifest counts other entries than its ledgers have")
    return Backup(len(files), sum(row["size_bytes"] for row in files), ledgers)
