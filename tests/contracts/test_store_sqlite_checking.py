"""A SQLite file is checked and put in order by a thread: what it finds is never worse than looking oneself."""

import signal
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from cbdc import canonical
from cbdc.errors import Unavailable
from cbdc.ledger import sqlite_checking
from cbdc.ledger.audit import audit
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.sqlite_checking import Checking, page_of
from cbdc.ledger.state import COUNTER
from cbdc.ledger.store import PAGE_ROWS, Page
from tests.cbdc.world import World
from tests.contracts.stores import AYAN, SHOP, commit, row

T1, T2 = sorted(b"\x01" + row(0).transaction_id + bytes([0, output]) for output in (1, 2))
TWO = [Page((T1, T2), (b"one", b"two"), (AYAN, SHOP))]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """Two tokens."""
    opened = SqliteStore(tmp_path / "ledger.sqlite")
    opened.commit(commit(0, 1, {T1: b"one", T2: b"two"}, {T1: AYAN, T2: SHOP}))
    yield opened
    opened.close()


def looks(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows whenever the store looks for itself."""
    told: list[int] = []
    own = store._derived

    def derived() -> Any:
        told.append(1)
        return own()

    monkeypatch.setattr(store, "_derived", derived)
    return told


def begun(store: SqliteStore) -> Checking:
    """Pages, once the thread has done its part."""
    pages = store.derived_rows()
    assert isinstance(pages, Checking)
    assert pages._done.wait(30)
    return pages


def test_the_thread_answers_while_nothing_is_written(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = looks(store, monkeypatch)
    assert list(store.derived_rows()) == TWO
    assert told == []


def test_a_commit_after_the_call_is_seen(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    told = looks(store, monkeypatch)
    pages = begun(store)
    store.commit(commit(1, 1, {T1: None}))
    assert list(pages) == [Page((T2,), (b"two",), (SHOP,))]
    assert told == [1]


def test_without_a_thread_the_store_looks_itself(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_checking.threading.Thread, "start", none)
        pages = store.derived_rows()
    assert list(pages) == TWO


@pytest.mark.parametrize("ahead", [True, False], ids=["the thread", "the store"])
@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("DELETE FROM holding", "an index does not name a row"),
        ("DELETE FROM identity", "an index does not name a row"),
        ("UPDATE token SET key = CAST(key AS TEXT)", ""),
        ("UPDATE token SET value = 5", "a value of the type int in its rows"),
        ("UPDATE token SET holder = 5.5", ""),
        ("UPDATE merged SET place = 100", "an index does not name a row"),
        ("DELETE FROM merged", "an index does not name a row"),
    ],
)
def test_what_is_wrong_in_the_file_is_refused(
    tmp_path: Path, statement: str, detail: str, ahead: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.sqlite"
    first = SqliteStore(path)
    first.commit(commit(0, 1, {T1: b"one", T2: b"two"}, {T1: AYAN, T2: SHOP}))
    first.close()
    with sqlite3.connect(path) as database:
        database.execute(statement)
    database.close()
    if not ahead:
        monkeypatch.setattr(Checking, "_look", lambda checking: None)
    store = SqliteStore(path, read_only=True)
    with pytest.raises(Unavailable) as refusal:
        list(store.derived_rows())
    assert detail in str(refusal.value.facts["detail"])
    store.close()


def test_closing_stops_whatever_is_under_way(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A statement that would take for ever is interrupted, and none is begun after it."""
    begun = threading.Event()

    def for_ever(rows: Any, indexed: bool) -> None:
        begun.set()
        rows("WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n")

    monkeypatch.setattr(sqlite_checking, "check_trees", for_ever)
    pages = store.derived_rows()
    assert begun.wait(30)
    pages.close()
    assert pages._done.is_set()  # type: ignore[attr-defined]
    store.commit(commit(1, 1, {T1: None}))


@pytest.mark.parametrize("endless", [True, False])
def test_whoever_is_interrupted_while_waiting_stops_the_thread(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, alarms: None, endless: bool
) -> None:
    """Ctrl-C in Python 3.11 makes an interrupted join say that a running thread is dead."""
    begun = threading.Event()

    def slow(rows: Any, indexed: bool) -> None:
        begun.set()
        end = "" if endless else "WHERE x < 300000"
        rows(f"WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n {end}) SELECT count(*) FROM n")

    monkeypatch.setattr(sqlite_checking, "check_trees", slow)
    pages = store.derived_rows()
    assert begun.wait(30)
    with suppress(Interrupted):  # unless the statement was done before
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        list(pages)
        signal.setitimer(signal.ITIMER_REAL, 0)
    pages.close()
    assert pages._done.is_set()  # type: ignore[attr-defined]
    assert not [
        thread for thread in threading.enumerate() if thread.name == "tenge-checking" and thread.is_alive()
    ]


class Interrupted(BaseException):
    """What a signal raises here."""


@pytest.fixture
def alarms() -> Iterator[None]:
    """An alarm interrupts, as Ctrl-C does."""

    def interrupt(number: int, frame: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


# --- the file is let go ---


def folded(path: Path) -> tuple[int, ...]:
    """Fold the write-ahead log away; (1 for somebody who holds it, pages in it, pages folded)."""
    with closing(sqlite3.connect(path, timeout=0)) as database:
        return tuple(database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())


@pytest.mark.parametrize("read", ["nothing", "a page", "alone"])
def test_a_closed_one_holds_no_lock(store: SqliteStore, read: str) -> None:
    """Also where its rows were not read to their end, which keeps a connection of SQLite alive."""
    tokens = {b"\x01" + row(1).transaction_id + n.to_bytes(2, "big"): b"more" for n in range(PAGE_ROWS + 100)}
    store.commit(commit(1, 1, dict(tokens), dict.fromkeys(tokens, AYAN)))
    pages = begun(store)
    if read == "a page":
        assert len(next(pages).keys) == PAGE_ROWS
    store.commit(commit(2, 1, {T1: None}))
    if read == "alone":
        assert sum(len(page.keys) for page in pages) == PAGE_ROWS + 101
    assert folded(store.path)[0] == 1
    pages.close()
    assert folded(store.path) == (0, 0, 0)
    assert list(pages) == []


def test_readers_at_once_do_not_disturb_one_another(store: SqliteStore) -> None:
    first, second = store.derived_rows(), store.derived_rows()
    assert list(second) == TWO
    second.close()
    assert list(first) == TWO
    third, fourth = begun(store), store.derived_rows()
    store.close()
    assert third._done.is_set()
    assert list(fourth) == []


# --- another file of the same name ---


def test_a_file_that_took_the_place_of_the_open_one_is_not_believed(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = looks(store, monkeypatch)
    store.path.rename(tmp_path / "moved.sqlite")
    for end in ("-wal", "-shm"):
        Path(f"{store.path}{end}").rename(tmp_path / f"moved.sqlite{end}")
    other = SqliteStore(store.path)
    other.commit(commit(0, 1, {T1: b"another", T2: b"two"}, {T1: AYAN, T2: SHOP}))
    assert list(store.derived_rows()) == TWO
    assert told == [1]
    other.close()


def test_another_folder_to_stand_in_leads_to_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("one", b"one"), ("other", b"another")):
        (tmp_path / name).mkdir()
        with closing(SqliteStore(tmp_path / name / "ledger.sqlite")) as made:
            made.commit(commit(0, 1, {T1: value}, {T1: AYAN}))
    monkeypatch.chdir(tmp_path / "one")
    with closing(SqliteStore(Path("ledger.sqlite"), read_only=True)) as store:
        monkeypatch.chdir(tmp_path / "other")
        told = looks(store, monkeypatch)
        assert list(store.derived_rows()) == [Page((T1,), (b"one",), (AYAN,))]
        assert told == []


# --- rows that hide ---


@pytest.mark.parametrize(
    "row", [("k", b"v", None), (None, b"v", None), (b"k", 5, None), (b"k", b"v", 5.5), (b"k", "v", b"h")]
)
def test_a_page_holds_bytes_and_nothing_else(row: tuple[Any, ...]) -> None:
    assert page_of([(b"j", None, b"h"), (b"k", b"v", None)])
    with pytest.raises(Unavailable):
        page_of([(b"j", b"v", None), row])


def spoilt(path: Path, *statements: str) -> set[str]:
    """The codes of what an audit finds after these statements of a stranger."""
    world = World(SqliteStore(path))
    world.register("ayan")
    world.issue("inventory1", 1_000_000)
    world.pay("inventory1", ("ayan", 50_000))
    world.store.close()
    with closing(sqlite3.connect(path)) as database:
        for statement in statements:
            database.execute(statement)
        database.commit()
    with closing(SqliteStore(path, read_only=True)) as store:
        return {problem.code for problem in audit(store).problems}


# As the files of the first two versions keep tokens.
MOVED = (
    "INSERT INTO state SELECT key, value FROM token",
    "INSERT INTO owner SELECT holder, key FROM token",
    "DELETE FROM token",
    "DELETE FROM holding",
)
STRANGER = "INSERT INTO owner SELECT zeroblob(32), key FROM {} WHERE substr(key, 1, 1) = x'01'"


@pytest.mark.parametrize(
    ("statements", "code"),
    [
        (MOVED, ""),
        ((*MOVED, "DROP INDEX owner_token", STRANGER.format("state")), "E_AUDIT_OWNER"),
        (
            (
                "ALTER TABLE state ADD COLUMN token BLOB GENERATED ALWAYS AS (key) VIRTUAL",
                STRANGER.format("token"),
            ),
            "E_AUDIT_OWNER",
        ),
        ((STRANGER.format("token"),), "E_AUDIT_OWNER"),
    ],
    ids=["tokens of an older file", "a second owner", "a column that takes a name", "an owner too many"],
)
def test_an_owner_too_many_is_seen(tmp_path: Path, statements: tuple[str, ...], code: str) -> None:
    assert spoilt(tmp_path / "ledger.sqlite", *statements) == ({code} if code else set())


@pytest.mark.parametrize("kind", ["INTEGER", "REAL", "TEXT"])
def test_counters_that_are_numbers_to_sqlite_are_none_of_the_ledgers(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(SqliteStore(path)) as store:
        world = World(store)
        world.register("ayan")
        world.issue("inventory1", 1_000_000)
        counters = [(canonical.decode(value), key) for key, value in store.state() if key[0] == COUNTER]
    assert len(counters) > 2
    with closing(sqlite3.connect(path)) as database:
        database.executemany(f"UPDATE state SET value = CAST(? AS {kind}) WHERE key = ?", counters)
        database.commit()
    with closing(SqliteStore(path, read_only=True)) as store:
        assert [problem.code for problem in audit(store).problems] == ["E_STORE_UNAVAILABLE"]
