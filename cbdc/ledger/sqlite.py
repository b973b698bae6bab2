"""A store in one SQLite file: the embedded default. Write-ahead log, synchronous FULL: a commit is on the disk.

The journal is the truth; the other tables can be rebuilt from it (`cbdc.ledger.sqlite_schema` tells them). Tokens stand
in the order in which they came, and the narrow indexes over entries and tokens lag behind in memory
(`cbdc.ledger.sqlite_pending`), so that a payment changes few pages of a large file.

One connection serves all threads of the process, one at a time. A store opened `read_only` sees one moment: an audit
reads the journal and the state as they stood together, while the ledger goes on writing.

Rules kept here: whoever wrote the file meanwhile is seen before anything is read or built on; what a commit changed in
memory is forgotten and read again when the commit fails; a COMMIT that fails may stand on the disk all the same
(E_STORE_OUTCOME); what SQLite says goes to the log, a caller gets a short kind.
"""

import logging
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from threading import RLock
from typing import Any

from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.ledger import sqlite_schema as words
from cbdc.ledger.sqlite_checking import Checkings, check_trees, pages_of
from cbdc.ledger.sqlite_failures import FAILURES, KINDS, blob, keep_log, place_in, unavailable
from cbdc.ledger.sqlite_folding import LONGEST_PAGES, Folding
from cbdc.ledger.sqlite_pending import Due, Pending, hint_of
from cbdc.ledger.sqlite_rows import write_rows
from cbdc.ledger.store import PAGE_ROWS, Commit, EntryRow, Page, Pages
from cbdc.ports import Checkpoint, no_checkpoint
from cbdc.private import make_file

log = logging.getLogger("cbdc.ledger")

_EVERYTHING = 2**62
# Lists of values go in sizes that SQLite has seen before, filled up with a few NULL: no statement is read twice.
_SIZES = (1, 8, 64, 256)
_FILL_MOST = 56
_REMEMBERED = 20_000
_TOKEN_KEY_BYTES = 35
_UNDECIDED = ("SQLITE_BUSY", "SQLITE_LOCKED")

_Token = tuple[int, bytes]
"""A token's number, and the key id that holds it."""


class SqliteStore:
    """A `Store` in the file at `path`. `read_only` opens an existing ledger without changing it (audits)."""

    def __init__(self, path: Path, checkpoint: Checkpoint = no_checkpoint, read_only: bool = False) -> None:
        """Raises E_STORE_UNAVAILABLE when there is no such file or folder, or it is no ledger's.

        E_STORE_VERSION when a newer program wrote it: then nothing is changed. An older file is brought up to date,
        unless it is only read.
        """
        self.path = path
        self.url = f"sqlite:///{path.absolute()}"
        self._checkpoint = checkpoint
        self._read_only = read_only
        self._lock = RLock()
        self._place: list[tuple[int, int]] = []
        self._indexed = True
        self._pending: Pending | None = None
        self._seen: dict[bytes, _Token] = {}
        self._unknown: tuple[int, set[bytes]] = (-1, set())
        self._folding = Folding(path, self._lock)
        name = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        if not read_only:
            make_file(path)
        self._checkings = Checkings(path)
        try:
            self._database = sqlite3.connect(
                name, uri=True, isolation_level=None, timeout=10, check_same_thread=False
            )
        except FAILURES as error:
            raise unavailable(error) from None
        try:
            self._prepare()
            self._checkings.opened()
        except FAILURES as error:
            self._database.close()
            raise unavailable(error) from None
        except TengeError:
            self._database.close()
            raise

    def _prepare(self) -> None:
        if self._read_only:
            # The first read after BEGIN fixes the moment that every later one sees.
            self._database.execute("BEGIN")
            self._database.execute("SELECT size FROM head LIMIT 1").fetchone()
            self._indexed = self._version() >= words.INDEXED
            if not self._indexed:
                for statement in words.BESIDE:
                    self._database.execute(statement)
            return
        done = self._version()
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(f"PRAGMA wal_autocheckpoint = {LONGEST_PAGES}")
        self._database.execute("PRAGMA cache_size = -131072")
        self._take_over()
        if done < len(words.VERSIONS):
            self._migrate()
        if self.path.with_name(self.path.name + "-wal").exists():
            self._check_place()

    def _take_over(self) -> None:
        """Put what a dead process left on the disk; under the write lock, so that no other writer adds to the log."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            keep_log(self.path.with_name(self.path.name + "-wal"))
        except OSError as error:
            log.warning("the write-ahead log cannot be kept: %s", error)
            raise Unavailable("E_STORE_UNAVAILABLE", detail=KINDS["SQLITE_IOERR"]) from None
        finally:
            self._database.execute("ROLLBACK")

    def _version(self) -> int:
        """How many versions are done: 0 for a new file, and for one of the first version, which said nothing."""
        found = int(self._database.execute("PRAGMA user_version").fetchone()[0])
        if not 0 <= found <= len(words.VERSIONS):
            raise Refused("E_STORE_VERSION", found=found, known=len(words.VERSIONS))
        return found

    def _migrate(self) -> None:
        """Make the tables, or bring an older file up to date: all in one transaction."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            for statements in words.VERSIONS[self._version() :]:
                for statement in statements:
                    self._database.execute(statement)
            self._database.execute(f"PRAGMA user_version = {len(words.VERSIONS)}")
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    # --- what the indexes do not name yet ---

    def _late(self) -> Pending:
        """What stands in the file and not in its indexes, after what anybody wrote meanwhile."""
        size = self.size()
        pending = self._pending
        if pending is not None and pending.size == size:
            return pending
        self._seen.clear()
        if pending is None or pending.size > size:
            rows = self._rows(words.MERGED)
            pending = Pending(min(place_in(rows[0][0]), size) if rows else 0)
            self._load(pending)
            pending.loaded()
        else:
            self._load(pending)
        self._pending = pending
        return pending

    def _load(self, pending: Pending) -> None:
        first = pending.size
        pending.add_entries((blob(name), place) for name, place in self._rows(words.LATE_ENTRIES, (first,)))
        tokens = self._rows(words.LATE_TOKENS, (first << words.OUTPUT_BITS,))
        pending.add_tokens((number, blob(holder)) for number, holder in tokens)

    # --- reading ---

    def get_many(self, keys: Iterable[bytes]) -> dict[bytes, bytes]:
        """The values of those keys that exist."""
        wanted = list(keys)
        found: dict[bytes, bytes] = {}
        with self._lock:
            for number, (key, value, holder) in self._tokens(wanted).items():
                found[key] = value
                self._seen[key] = number, holder
            rest = [key for key in wanted if key not in found]
            found |= {key: blob(value) for key, value in self._among(words.VALUES_OF, rest)}
            if len(self._seen) > _REMEMBERED:
                self._seen.clear()
        return found

    def _tokens(self, keys: Iterable[bytes]) -> dict[int, tuple[bytes, bytes, bytes]]:
        """The key, value and holder of each token of `token` that is among the keys, by its number."""
        shaped = {key for key in keys if _is_token(key)}
        if not shaped:
            return {}
        places = self._late().places
        numbers: list[int] = []
        by_hint: dict[bytes, list[bytes]] = {}
        for key in shaped:
            place = places.get(key[1:33])
            if place is None:
                by_hint.setdefault(hint_of(key[1:33]), []).append(key)
            else:
                numbers.append(_number(place, key))
        for hint, place in self._among(words.PLACES_OF, by_hint):
            numbers += [_number(place_in(place), key) for key in by_hint[blob(hint)]]
        return {
            number: (key, blob(value), blob(holder))
            for number, key, value, holder in self._among(words.TOKENS_OF, numbers)
            if key in shaped
        }

    def _among(self, statement: str, values: Iterable[object]) -> list[Any]:
        """The rows of `statement IN (values)`, read in one go so that no commit falls between."""
        wanted = list(values)
        rows: list[Any] = []
        with self._lock:
            while wanted:
                count = len(wanted)
                size = next((size for size in _SIZES if count <= size <= count + _FILL_MOST), 0)
                size = size or next(size for size in reversed(_SIZES) if size <= count)
                part, wanted = wanted[:size], wanted[size:]
                part += [None] * (size - len(part))
                rows += self._rows(f"{statement} IN ({','.join('?' * size)})", part)
        return rows

    def _rows(self, statement: str, values: Sequence[object] = ()) -> list[Any]:
        try:
            with self._lock:
                return self._database.execute(statement, values).fetchall()
        except FAILURES as error:
            raise unavailable(error) from None

    def _each(self, statement: str, *values: object) -> Iterator[Any]:
        try:
            with self._lock:
                cursor = self._database.execute(statement, values)
            while True:
                with self._lock:
                    rows = cursor.fetchmany(PAGE_ROWS)
                if not rows:
                    return
                yield from rows
        except FAILURES as error:
            raise unavailable(error) from None

    # --- writing ---

    def commit(self, commit: Commit) -> None:
        """All of it in one transaction, durable when this returns.

        Raises E_STORE_CONFLICT, E_STORE_UNAVAILABLE, and E_STORE_OUTCOME when the disk failed while it took the commit:
        it may be there after a restart, and the same transaction sent again is booked once.
        """
        if self._read_only:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="it was opened for reading only")
        self._checkpoint("ledger.commit.before")
        try:
            with self._lock:
                self._database.execute("BEGIN IMMEDIATE")
                try:
                    pending = self._late()
                    commit.check(pending.size)
                    self._write(commit, pending)
                    self._finish()
                except BaseException:
                    self._pending = None
                    if self._database.in_transaction:
                        self._database.execute("ROLLBACK")
                    raise
                self._folding.wrote(len(commit.entries) + len(commit.changes))
                # Before anybody may close: the last who closes takes the log's file away himself.
                self._check_place()
        except FAILURES as error:
            raise unavailable(error) from None
        self._checkpoint("ledger.commit.after")

    def _finish(self) -> None:
        """COMMIT; E_STORE_OUTCOME when it failed after the log may have taken it."""
        try:
            self._database.execute("COMMIT")
        except FAILURES as error:
            if getattr(error, "sqlite_errorname", "").startswith(_UNDECIDED):
                raise
            raise Unavailable("E_STORE_OUTCOME", detail=unavailable(error).facts["detail"]) from None

    def _check_place(self) -> None:
        """E_STORE_OUTCOME, and E_STORE_UNAVAILABLE at every later call, when the file or its log is not at its place.

        Who moves or deletes an open file takes what is written to it afterwards out of the world with this process.
        """
        log_path = self.path.with_name(self.path.name + "-wal")
        try:
            there = [(found.st_dev, found.st_ino) for found in (self.path.stat(), log_path.stat())]
        except OSError:
            there = []
        self._place = self._place or there
        if not there or there != self._place:
            self._database.close()
            raise Unavailable("E_STORE_OUTCOME", detail="its file was taken away while it was open")

    def _write(self, commit: Commit, pending: Pending) -> None:
        database = self._database
        places = {row.transaction_id: row.index for row in commit.entries}
        self._check_new(places, commit)
        write_rows(
            database,
            words.ADD_ENTRY,
            [(row.index, row.transaction_id, row.data, row.leaf) for row in commit.entries],
        )
        pending.add_entries(places.items())
        # In the order of the key, as the tables are: neighbours share a page.
        changes = sorted(commit.changes.items())
        self._spend([key for key, value in changes if value is None], pending)
        self._checkpoint("ledger.commit.inside")
        born: list[tuple[int, bytes, bytes, bytes]] = []
        kept: list[tuple[bytes, bytes]] = []
        owners = commit.owners
        for key, value in changes:
            if value is None:
                continue
            holder = owners.get(key)
            place = None if holder is None else places.get(key[1:33])
            if holder is not None and place is not None and _is_token(key):
                born.append((_number(place, key), key, value, holder))
            else:
                kept.append((key, value))
        born.sort()
        write_rows(database, words.ADD_UNSPENT, born)
        pending.add_tokens([(number, holder) for number, _, _, holder in born])
        self._keep(kept, commit.owners, pending)
        self._index(pending.due())
        database.execute(words.ADD_HEAD, (commit.size, commit.head))

    def _check_new(self, places: dict[bytes, int], commit: Commit) -> None:
        """E_STORE_UNAVAILABLE when an id stands in the journal already; those that `find` just missed do not."""
        size, unknown = self._unknown
        asked = [identity for identity in places if size != commit.expected_size or identity not in unknown]
        if len(places) != len(commit.entries) or self.find(asked):
            raise Unavailable("E_STORE_UNAVAILABLE", detail="a transaction id stands in the journal already")

    def _spend(self, keys: Sequence[bytes], pending: Pending) -> None:
        tokens = self._located(keys)
        for key, (number, holder) in tokens.items():
            pending.spend(number, holder)
            self._seen.pop(key, None)
        write_rows(self._database, words.SPEND, sorted([(number,) for number, _ in tokens.values()]))
        rest = [(key,) for key in keys if key not in tokens]
        write_rows(self._database, words.DROP_STATE, rest)
        write_rows(self._database, words.DROP_OWNER, rest)

    def _keep(self, rows: list[tuple[bytes, bytes]], owners: dict[bytes, bytes], pending: Pending) -> None:
        """Set rows of `state`; a token that stands in `token` already is changed there."""
        values = dict(rows)
        tokens = self._located([key for key in values if _is_token(key)])
        for key, (number, holder) in tokens.items():
            self._seen.pop(key, None)
            owner = owners.get(key, holder)
            self._database.execute(words.CHANGE_UNSPENT, (values[key], owner, number))
            # Written at once: a change of an old token is not among the last entries, where others would see it.
            write_rows(self._database, words.FORGET_HOLDING, [(hint_of(holder), number)], words.A_HOLDING)
            write_rows(self._database, words.INDEX_HOLDING, [(hint_of(owner), number)])
            pending.withdraw(number, holder)
        rest = [(key, value) for key, value in rows if key not in tokens]
        write_rows(self._database, words.SET_STATE, rest)
        write_rows(self._database, words.ADD_OWNER, [(owners[key], key) for key, _ in rest if key in owners])

    def _located(self, keys: Iterable[bytes]) -> dict[bytes, _Token]:
        """Which of the keys are tokens of `token`: a number belongs to its key for ever."""
        found: dict[bytes, _Token] = {}
        asked: list[bytes] = []
        for key in keys:
            token = self._seen.get(key)
            if token is None:
                asked.append(key)
            else:
                found[key] = token
        for number, (key, _, holder) in self._tokens(asked).items():
            found[key] = number, holder
        return found

    def _index(self, due: Due) -> None:
        database = self._database
        write_rows(database, words.FORGET_HOLDING, due.spent, words.A_HOLDING)
        write_rows(database, words.INDEX_ENTRY, due.entries)
        write_rows(database, words.INDEX_HOLDING, due.tokens)
        if due.merged is not None:
            database.execute(words.MERGE, (due.merged,))

    # --- reading, continued ---

    def size(self) -> int:
        """How many entries."""
        return int(self._rows(words.SIZE)[0][0])

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[EntryRow]:
        """The entries in order."""
        last = _EVERYTHING if stop is None else stop
        for place, identity, data, leaf in self._each(words.ENTRIES, start, last):
            yield EntryRow(place, blob(identity), blob(data), blob(leaf))

    def leaves(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The leaf hashes in order."""
        for (leaf,) in self._each(words.LEAVES, start, _EVERYTHING if stop is None else stop):
            yield blob(leaf)

    def find(self, transaction_ids: Iterable[bytes]) -> dict[bytes, int]:
        """The places of accepted transactions."""
        wanted = set(transaction_ids)
        with self._lock:
            if not self._indexed:
                return dict(self._among(words.IDS_OF, wanted))
            pending = self._late()
            found = {name: pending.places[name] for name in wanted if name in pending.places}
            hints = {hint_of(name) for name in wanted if name not in found}
            places = {place for _, place in self._among(words.PLACES_OF, hints)}
            rows = self._among(words.IDS_AT, places)
            found |= {name: place for name, place in rows if name in wanted}
            self._unknown = pending.size, wanted.difference(found)
        return found

    def head_covering(self, index: int) -> bytes | None:
        """The first head that covers the entry."""
        rows = self._rows(words.HEAD_AFTER, (index,))
        return blob(rows[0][0]) if rows else None

    def heads(self) -> Iterator[tuple[int, bytes]]:
        """Every head with its size, oldest first."""
        for size, envelope in self._each(words.HEADS):
            yield size, blob(envelope)

    def owned(self, holder: bytes) -> list[bytes]:
        """A holder's tokens."""
        return self.owned_by_each([holder])[holder]

    def owned_by_each(self, holders: Sequence[bytes]) -> dict[bytes, list[bytes]]:
        """Each holder's tokens."""
        found: dict[bytes, list[bytes]] = {holder: [] for holder in holders}
        with self._lock:
            held = self._late().held
            numbers = {number for holder in found for number in held.get(holder, ())}
            hints = {hint_of(holder) for holder in found}
            numbers.update(number for (number,) in self._among(words.NUMBERS_OF, hints))
            for _, key, _, holder in self._among(words.TOKENS_OF, numbers):
                if holder in found:
                    found[holder].append(blob(key))
            for holder, token in self._among(words.OWNED_OF, found):
                found[blob(holder)].append(blob(token))
        return {holder: sorted(tokens) for holder, tokens in found.items()}

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """The whole state in order of the key; E_STORE_UNAVAILABLE when the file's trees contradict one another."""
        self._check_trees()
        for key, value in self._each(words.STATE):
            yield blob(key), blob(value)

    def _check_trees(self) -> None:
        check_trees(self._rows, self._indexed)
        self._late()

    def owner_rows(self) -> Iterator[tuple[bytes, bytes]]:
        """The owner index in order of the token key."""
        for token, holder in self._each(words.OWNERS):
            yield blob(token), blob(holder)

    def derived_rows(self) -> Pages:
        """Both together. The file is checked, and its rows are put in order, from the call on (`Checking`)."""
        return self._checkings.begin(lambda: self._late().size, self._derived)

    def _derived(self) -> Iterator[Page]:
        self._check_trees()
        return pages_of(self._each(words.DERIVED))

    def close(self) -> None:
        """Close the file; what the indexes do not name yet is written to them, if the file lets us."""
        self._folding.end()
        self._checkings.close()
        with self._lock:
            try:
                if self._pending is not None and not self._read_only:
                    self._settle(self._pending)
            except (TengeError, *FAILURES) as error:
                log.warning("the indexes are left as they are: %s", error)
            finally:
                self._pending = None
                self._database.close()

    def _settle(self, pending: Pending) -> None:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            if self.size() == pending.size:
                self._index(pending.all())
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise


def _is_token(key: bytes) -> bool:
    return len(key) == _TOKEN_KEY_BYTES and key[0] == 1


def _number(place: int, key: bytes) -> int:
    return place << words.OUTPUT_BITS | int.from_bytes(key[33:], "big")
