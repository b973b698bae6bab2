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
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from cbdc import private
from cbdc.errors import Malformed, Refused, TengeError, Unavailable
from cbdc.ledger.audit import audit
from cbdc.ledger.entry import LogHead
from cbdc.ledger.export import Journal, JournalFile, write
from cbdc.ledger.store import EntryRow, Pages, Store, together
from cbdc.operations.point_in_time import Within, cut_back
from cbdc.operations.whole_file import (
    MANIFEST,
    PACKED,
    appear,
    check_no_full_disk,
    check_room,
    hash_of,
    new_part,
    pack,
)
from cbdc.record import NETWORK_BYTES, Signed, open_envelope

FORMAT = "tenge-journal-backup-1"
JOURNAL = "journal.jsonl"
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

    def derived_rows(self) -> Pages:
        """Nothing."""
        return together((), ())


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
        part = new_part(file)
        with open(part / JOURNAL, "w", encoding="utf-8", opener=private.opener) as out:
            write(Upto(store, size), out)
        manifest = {"format": FORMAT, "time": now, "entries": size, "sha256": hash_of(part / JOURNAL)}
        pack(part / PACKED, manifest, {JOURNAL: part / JOURNAL})
        appear(part / PACKED, file)
        return JournalBackup(size, file.stat().st_size)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        problem = getattr(error, "strerror", None) or type(error).__name__
        raise Unavailable("E_BACKUP_FILE", file=file.as_posix(), problem=problem) from None
    finally:
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)


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
        _check_agrees(journal, store, within)
        _check_journal(journal, entries)
        return _filled(journal, store, within)


def restore_journal_to(
    file: Path, opened: Callable[[bool], Store], within: Within | None = None
) -> Signed[LogHead]:
    """`restore_journal` into a store that `opened(read_only)` opens, for writing only when it may be written.

    Whoever opens a server's store for writing takes the place of the program that writes there, so a store that holds
    something else is found by reading it.
    """
    with _unpacked(file) as (journal, entries):
        with _there(opened) as there:
            whole = there is not None and _check_agrees(journal, there, within)
            _check_journal(journal, entries)
            if there is not None and whole:
                return _filled(journal, there, within)
        with closing(opened(False)) as store:
            # It may be one that could not be read just now, or that somebody founded since.
            _check_agrees(journal, store, within)
            return _filled(journal, store, within)


@contextmanager
def _there(opened: Callable[[bool], Store]) -> Iterator[Store | None]:
    """The store for reading, or None where there is none yet; what else is wrong, opening it for writing says."""
    try:
        store = opened(True)
    except TengeError:
        yield None
        return
    with closing(store):
        yield store


def _check_agrees(journal: Journal, store: Store, within: Within | None) -> bool:
    """Whether a store holds all that is wanted; E_RESTORE_STORE when it holds other entries, or more."""
    already = store.size()
    if not _agree(journal, store, already):
        raise Refused("E_RESTORE_STORE", entries=already)
    wanted = sum(1 for _ in journal.entries()) if within is None else _size_within(journal, within)
    if already > wanted > 0:
        raise Refused("E_RESTORE_STORE", entries=already)
    return already == wanted > 0


def _size_within(journal: Journal, within: Within) -> int:
    """How many entries the last head within has; 0 when none is."""
    size = 0
    for head_size, envelope in journal.heads():
        with suppress(TengeError):
            if within(open_envelope(envelope, LogHead, bytes(NETWORK_BYTES)).record):
                size = head_size
    return size


def _check_journal(journal: JournalFile, entries: int) -> None:
    found = audit(journal, derived=False)
    if not found.ok or found.entries != entries:
        raise _damaged(f"the audit of its journal found {len(found.problems)} problems")


def _filled(journal: Journal, store: Store, within: Within | None) -> Signed[LogHead]:
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
            if error.code in ("E_BACKUP_DAMAGED", "E_RESTORE_FOLDER_WRITE"):
                raise
            raise _damaged(f"its journal cannot be read ({error.code})") from None
        except OSError as error:
            check_no_full_disk(error, Path(folder))
            raise _damaged(f"it cannot be read ({type(error).__name__})") from None
        except (ValueError, KeyError, EOFError, NotImplementedError, RuntimeError) as error:
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
        # No more than this is ever read of it, whatever it unpacks to.
        check_room(target.parent, packed.getinfo(JOURNAL).file_size)
        seen = hashlib.sha256()
        with packed.open(JOURNAL) as source, open(target, "wb", opener=private.opener) as out:
            while piece := source.read(_PIECE):
                seen.update(piece)
                out.write(piece)
    if seen.hexdigest() != manifest["sha256"]:
        raise _damaged("its journal is not what the manifest says")
    return int(manifest["entries"])
