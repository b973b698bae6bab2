"""A backup of a ledger's journal on any engine, and a ledger made from it by replay on any engine.

    back_up_journal(store, file, clock.now())                       # a journal's folder, PostgreSQL, SQLite
    restore_journal(file, store, until_entries(500))                # another one, which is empty

State is a fold of the journal, so the journal is all that a backup needs: entries and signed heads, as lines
(`cbdc.ledger.export`) in a packed file with their SHA-256. It depends on no engine's own tools or files, and one
engine's backup becomes another engine's ledger.

**One moment, while the ledger works.** A journal only grows and a commit is whole, so what is taken is the journal up
to the size that it had when the backup began, whatever is written meanwhile.

**All or nothing.** The backup appears whole or not at all. A restore writes the groups as they were once committed,
each with its own head. When it is killed, the store holds an earlier head's ledger, and the same restore again goes on
from there. A store that holds anything else is refused before anything is written.

**Believed by checking.** The backup is audited before anything is written: signatures, hashes, rules, heads. Then each
transaction is judged by the rules again as it is written, and what the store holds at the end is audited against the
head that was reached, every row of state with it.

A backup is its owner's alone and not encrypted. It holds no keys: a journal has none.
"""

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from cbdc import private
from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import LogHead
from cbdc.ledger.export import Journal, JournalFile, write
from cbdc.ledger.store import EntryRow, Store
from cbdc.operations.point_in_time import Within, cut_back
from cbdc.record import Signed

FORMAT = "tenge-journal-backup-1"
MANIFEST, JOURNAL = "manifest.json", "journal.jsonl"
MOST_MANIFEST = 65_536
_PIECE = 1_048_576


class JournalBackup(NamedTuple):
    """What a backup holds: so many entries, and how large its file is."""

    entries: int
    size_bytes: int


class Upto:
    """A journal's entries and heads up to a size, whatever it grows to."""

    def __init__(self, store: Store, size: int) -> None:
        self._store = store
        self._size = size

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[EntryRow]:
        """The entries in order, none beyond the size."""
        return self._store.entries(start, self._size if stop is None else min(stop, self._size))

    def heads(self) -> Iterator[tuple[int, bytes]]:
        """The heads over at most so many entries."""
        for size, envelope in self._store.heads():
            if size > self._size:
                return
            yield size, envelope

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """Nothing: state is derived."""
        return iter(())

    def owner_rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Nothing: state is derived."""
        return iter(())


def back_up_journal(store: Store, file: Path, now: int) -> JournalBackup:
    """Write the journal as it is at this moment to `file`, which must not be there.

    Raises E_LEDGER_EMPTY, E_BACKUP_EXISTS, E_BACKUP_FILE when the file cannot be written, and what the store raises.
    """
    size = store.size()
    if size == 0:
        raise Refused("E_LEDGER_EMPTY")
    if file.exists():
        raise Refused("E_BACKUP_EXISTS", file=file.as_posix())
    part: Path | None = None
    try:
        part = Path(tempfile.mkdtemp(prefix=f"{file.name}.", suffix=".part", dir=file.parent))
        with open(part / JOURNAL, "w", encoding="utf-8", opener=private.opener) as out:
            write(Upto(store, size), out)
        manifest = {"format": FORMAT, "time": now, "entries": size, "sha256": _hash(part / JOURNAL)}
        _pack(part, manifest)
        os.replace(part / "backup.zip", file)
        _sync(file.parent)
        return JournalBackup(size, file.stat().st_size)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        problem = getattr(error, "strerror", None) or type(error).__name__
        raise Unavailable("E_BACKUP_FILE", file=file.as_posix(), problem=problem) from None
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


def _hash(path: Path) -> str:
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _pack(part: Path, manifest: dict[str, Any]) -> None:
    with open(part / "backup.zip", "wb", opener=private.opener) as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as packed:
            packed.writestr(MANIFEST, json.dumps(manifest, sort_keys=True, indent=1))
            packed.write(part / JOURNAL, JOURNAL)
        out.flush()
        os.fsync(out.fileno())


def _sync(folder: Path) -> None:
    if hasattr(os, "O_DIRECTORY"):
        place = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(place)
        finally:
            os.close(place)


# --- restoring ---


def is_journal_backup(file: Path) -> bool:
    """Whether a file says that it is a journal's backup; a folder's (`cbdc.operations.backup`) says otherwise."""
    try:
        with zipfile.ZipFile(file) as packed:
            return set(packed.namelist()) == {MANIFEST, JOURNAL}
    except (OSError, ValueError, zipfile.BadZipFile):
        return False


def restore_journal(file: Path, store: Store, within: Within | None = None) -> Signed[LogHead]:
    """Fill an empty `store` from a backup up to its last head `within` (all of it without one); that head.

    A store that a killed restore left is filled on. Raises E_BACKUP_DAMAGED, E_RESTORE_STORE when the store holds
    another ledger or more than is wanted, E_RESTORE_UNTIL, E_RESTORE_PROOF when the store does not hold what it was
    given, and what the store raises.
    """
    with _unpacked(file) as (journal, entries):
        already = store.size()
        if not _agree(journal, store, already):
            raise Refused("E_RESTORE_STORE", entries=already)
        found = audit(journal, derived=False)
        if not found.ok or found.entries != entries:
            raise _damaged(f"the audit of its journal found {len(found.problems)} problems")
        head = cut_back(journal, within or _all, store)
    proved = audit(store, head)
    if not proved.ok:
        raise Refused("E_RESTORE_PROOF", problems=len(proved.problems), entries=proved.entries)
    return head


def _all(head: LogHead) -> bool:
    return True


def _agree(journal: Journal, store: Store, already: int) -> bool:
    """Whether the store's entries are the first ones of the journal, byte for byte."""
    count = 0
    for ours, theirs in zip(journal.entries(0, already), store.entries(0, already), strict=False):
        if (ours.data, ours.transaction_id, ours.leaf) != (theirs.data, theirs.transaction_id, theirs.leaf):
            return False
        count += 1
    return count == already


def _damaged(problem: str) -> TengeError:
    return Malformed("E_BACKUP_DAMAGED", problem=problem)


@contextmanager
def _unpacked(file: Path) -> Iterator[tuple[JournalFile, int]]:
    with tempfile.TemporaryDirectory(prefix="tenge-restore-") as folder:
        target = Path(folder) / JOURNAL
        try:
            entries = _taken(file, target)
            journal = JournalFile(target)
            journal.check()
        except TengeError as error:
            if error.code == "E_BACKUP_DAMAGED":
                raise
            raise _damaged(f"its journal cannot be read ({error.code})") from None
        except (OSError, ValueError, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
            raise _damaged(f"it cannot be read ({type(error).__name__})") from None
        except Exception as error:
            if type(error).__module__ not in ("zlib", "lzma", "struct", "zipfile"):
                raise
            raise _damaged("its contents cannot be unpacked") from None
        yield journal, entries


def _taken(file: Path, target: Path) -> int:
    with zipfile.ZipFile(file) as packed:
        if sorted(packed.namelist()) != sorted((MANIFEST, JOURNAL)):
            raise _damaged("it does not hold a manifest and a journal")
        if packed.getinfo(MANIFEST).file_size > MOST_MANIFEST:
            raise _damaged("its manifest is too large")
        manifest = json.loads(packed.read(MANIFEST))
        sound = (
            isinstance(manifest, dict)
            and manifest.get("format") == FORMAT
            and type(manifest.get("entries")) is int
            and type(manifest.get("sha256")) is str
        )
        if not sound:
            raise _damaged("its manifest is of another form")
        seen = hashlib.sha256()
        with packed.open(JOURNAL) as source, open(target, "wb", opener=private.opener) as out:
            while piece := source.read(_PIECE):
                seen.update(piece)
                out.write(piece)
    if seen.hexdigest() != manifest["sha256"]:
        raise _damaged("its journal is not what the manifest says")
    return int(manifest["entries"])
