"""The narrow indexes of a SQLite ledger lag behind, and nobody who reads the ledger can tell.

Model: a dictionary of what was committed. Whatever the window, whenever the file is closed, killed or written by
somebody else, every id is found, every token is read and every holder's list is right; and what the indexes must name,
they name.
"""

import random
import shutil
from pathlib import Path

import pytest

from cbdc.ledger import sqlite_pending, sqlite_schema
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.sqlite_pending import Pending, hint_of, window_of
from cbdc.ledger.store import Commit, EntryRow
from tests.cbdc.world import answer_of, fixed_bytes
from tests.contracts.stores import AYAN, FILE, SHOP, T1, commit

HOLDERS = [fixed_bytes(f"holder {number}") for number in range(7)]


class Model:
    """What a store must answer."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.ids: list[bytes] = []
        self.tokens: dict[bytes, tuple[bytes, bytes]] = {}
        self.gone: list[bytes] = []

    def commit(self) -> Commit:
        """Some entries; each makes tokens, some of which are spent at once or later, and some change hands."""
        size, chance = len(self.ids), self.chance
        entries, changes, owners = list[EntryRow](), dict[bytes, bytes | None](), dict[bytes, bytes]()
        spent = chance.sample(sorted(self.tokens), min(len(self.tokens), chance.randrange(4)))
        for key in spent:
            changes[key] = None
            self.gone.append(key)
            del self.tokens[key]
        for place in range(size, size + chance.randrange(1, 5)):
            identity = fixed_bytes(f"entry {place}")
            entries.append(EntryRow(place, identity, b"data", fixed_bytes(f"leaf {place}")))
            self.ids.append(identity)
            for output in range(chance.randrange(3)):
                # One in ten is a token that no entry of this commit made.
                name = identity if chance.random() < 0.9 else fixed_bytes(f"strange {place}")
                key = b"\x01" + name + output.to_bytes(2, "big")
                self.tokens[key] = chance.choice(HOLDERS), b"value %d" % place
                owners[key], changes[key] = self.tokens[key]
        if self.tokens and chance.random() < 0.3:
            key = chance.choice(sorted(self.tokens))
            if key not in changes and key[1:33] in self.ids:
                self.tokens[key] = chance.choice(HOLDERS), b"changed"
                owners[key], changes[key] = self.tokens[key]
        return Commit(size, tuple(entries), changes, owners, b"head %d" % (size + len(entries)))

    def check(self, store: SqliteStore) -> None:
        """Everything that can be asked by a key."""
        assert store.find([*self.ids, fixed_bytes("nobody")]) == {name: n for n, name in enumerate(self.ids)}
        values = {key: value for key, (_, value) in self.tokens.items()}
        assert store.get_many([*self.tokens, *self.gone, b"\x01", b"\x04none"]) == values
        assert list(store.state()) == sorted(values.items())
        assert list(store.owner_rows()) == sorted((key, holder) for key, (holder, _) in self.tokens.items())
        held = {
            holder: sorted(key for key, (other, _) in self.tokens.items() if other == holder)
            for holder in HOLDERS
        }
        assert store.owned_by_each(HOLDERS) == held
        assert {holder: store.owned(holder) for holder in HOLDERS} == held


def lagging(monkeypatch: pytest.MonkeyPatch, small: int, widest: int) -> None:
    """Keep back as a large ledger does."""
    monkeypatch.setattr(sqlite_pending, "SMALL", small)
    monkeypatch.setattr(sqlite_pending, "WIDEST", widest)
    monkeypatch.setattr(sqlite_pending, "_PART", 1)


@pytest.mark.parametrize("widest", [1, 3, 20, 1 << 17])
@pytest.mark.parametrize("seed", range(3))
def test_nobody_can_tell_how_far_the_indexes_lag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, widest: int
) -> None:
    lagging(monkeypatch, 3, widest)
    chance = random.Random(f"{seed}/{widest}")
    model, path = Model(chance), tmp_path / FILE
    store, other = SqliteStore(path), SqliteStore(path)
    for step in range(40):
        made = model.commit()
        # A reader before a commit remembers tokens; it must not remember what is gone.
        (store if step % 2 else other).get_many([*made.changes, *model.gone])
        store.commit(made)
        if step % 5 == 0:
            model.check(chance.choice([store, other]))
        if chance.random() < 0.2:
            store, other = other, store
        if chance.random() < 0.1:
            # Killed: the file as it stands on the disk goes on without what the process remembers.
            place = tmp_path / str(step)
            place.mkdir()
            for name in (FILE, f"{FILE}-wal"):
                if path.with_name(name).exists():
                    shutil.copy(path.with_name(name), place / name)
            path = place / FILE
            other._database.close()
            store._database.close()
            store, other = SqliteStore(path), SqliteStore(path)
        elif chance.random() < 0.1:
            other.close()
            store.close()
            store, other = SqliteStore(path), SqliteStore(path)
    model.check(store)
    reader = SqliteStore(path, read_only=True)
    model.check(reader)
    for one in (reader, other, store):
        one.close()


def test_after_an_orderly_end_the_indexes_name_everything_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lagging(monkeypatch, 3, 1 << 17)
    model, store = Model(random.Random(5)), SqliteStore(tmp_path / FILE)
    for _ in range(60):
        store.commit(model.commit())
    held = store._rows("SELECT hint, number FROM holding")
    late = SqliteStore(tmp_path / FILE)
    assert len(held) < len(store._rows("SELECT 1 FROM token")), "it lags behind while it works"
    late.close()
    store.close()
    store = SqliteStore(tmp_path / FILE)
    tokens = store._rows("SELECT holder, number FROM token")
    assert sorted(store._rows("SELECT hint, number FROM holding")) == sorted(
        (hint_of(holder), number) for holder, number in tokens
    )
    assert (
        len(store._rows("SELECT * FROM identity")) == store.size() == store._rows(sqlite_schema.MERGED)[0][0]
    )
    store.close()


def test_a_failed_commit_leaves_nothing_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lagging(monkeypatch, 3, 1 << 17)
    model, store = Model(random.Random(6)), SqliteStore(tmp_path / FILE)
    for _ in range(10):
        store.commit(model.commit())
    before = store.size()
    store._database.execute("PRAGMA query_only = ON")
    failed = commit(before, 2, {T1: b"x"}, {T1: AYAN})
    assert answer_of(store.commit, failed) == "E_STORE_UNAVAILABLE"
    assert store.find([row.transaction_id for row in failed.entries]) == {}
    assert store.owned(AYAN) == []
    store._database.execute("PRAGMA query_only = OFF")
    model.check(store)
    store.commit(failed)
    assert store.owned(AYAN) == [T1]
    store.close()


def test_ids_that_begin_alike_are_told_apart(tmp_path: Path) -> None:
    begin = fixed_bytes("begin")[: sqlite_schema.HINT_BYTES]
    ids = [begin + fixed_bytes(f"rest {number}", 32 - len(begin)) for number in range(3)]
    holders = [begin + fixed_bytes(f"holder {number}", 32 - len(begin)) for number in range(3)]
    store = SqliteStore(tmp_path / FILE)
    for place, (identity, holder) in enumerate(zip(ids[:2], holders, strict=False)):
        key = b"\x01" + identity + b"\0\0"
        row = EntryRow(place, identity, b"data", fixed_bytes("leaf"))
        store.commit(Commit(place, (row,), {key: b"%d" % place}, {key: holder}, b"head"))
    assert store.find(ids) == {ids[0]: 0, ids[1]: 1}
    keys = [b"\x01" + identity + b"\0\0" for identity in ids]
    assert store.get_many(keys) == {keys[0]: b"0", keys[1]: b"1"}
    assert store.owned_by_each(holders) == {holders[0]: [keys[0]], holders[1]: [keys[1]], holders[2]: []}
    store.close()


def test_an_id_twice_in_one_commit(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / FILE)
    row = EntryRow(0, fixed_bytes("id"), b"data", fixed_bytes("leaf"))
    twice = Commit(0, (row, EntryRow(1, row.transaction_id, b"data", row.leaf)), {}, {}, b"head")
    assert answer_of(store.commit, twice) == "E_STORE_UNAVAILABLE"
    assert store.size() == 0
    store.close()


def test_what_is_found_missing_is_not_believed_for_longer_than_a_size(tmp_path: Path) -> None:
    store, other = SqliteStore(tmp_path / FILE), SqliteStore(tmp_path / FILE)
    made = commit(0, 1)
    assert store.find([made.entries[0].transaction_id]) == {}
    other.commit(made)
    again = Commit(1, (EntryRow(1, made.entries[0].transaction_id, b"data", SHOP),), {}, {}, b"head 2")
    assert answer_of(store.commit, again) == "E_STORE_UNAVAILABLE"
    other.close()
    store.close()


@pytest.mark.parametrize("statement", ["UPDATE merged SET place = 1000", "DELETE FROM merged"])
def test_a_wrong_mark_of_what_is_merged(tmp_path: Path, statement: str) -> None:
    store = SqliteStore(tmp_path / FILE)
    store.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
    store._database.execute(statement)
    store._pending = None
    assert store.size() == 2
    store.commit(commit(2, 1))
    assert len(store.find([row.transaction_id for row in store.entries()])) == 3
    store.close()


def test_a_window_grows_with_the_ledger_and_is_bounded() -> None:
    assert [window_of(size) for size in (0, sqlite_pending.SMALL - 1)] == [0, 0]
    sizes = [sqlite_pending.SMALL << shift for shift in range(16)]
    windows = [window_of(size) for size in sizes]
    assert windows == sorted(windows)
    assert windows[0] > 0
    assert windows[-1] == sqlite_pending.WIDEST


@pytest.mark.parametrize("group", [1, 7, 128, 5_000, 60_000])
def test_what_is_kept_back_is_bounded_by_two_windows(group: int) -> None:
    """Each entry is written within a window, however commits are cut."""
    first = sqlite_pending.SMALL * 4
    pending = Pending(first)
    pending.loaded()
    window, size = window_of(first), first
    written: set[int] = set()
    while size < first + 6 * window:
        names = [(size + number).to_bytes(4, "little") * 8 for number in range(group)]
        pending.add_entries((name[::-1], size + number) for number, name in enumerate(names))
        size += group
        due = pending.due()
        assert [hint for hint, _ in due.entries] == sorted(hint for hint, _ in due.entries)
        written.update(place for _, place in due.entries)
        assert len(pending.places) <= 2 * window_of(size) + group
        if due.merged is not None:
            assert written.issuperset(range(first, due.merged))
            assert due.merged > size - 2 * window_of(size) - 2 * group
        if group == 1 and size > first + 2 * window // 100:
            break
