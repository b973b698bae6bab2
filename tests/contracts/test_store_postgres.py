"""A store on PostgreSQL and everything that happens to servers: overtaken, killed, cut off, locked, full, forgetful."""

import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import TengeError
from cbdc.ledger.audit import audit
from cbdc.ledger.engines import open_store
from cbdc.ledger.store import Page, Store
from tests.cbdc.world import World, answer_of, picture
from tests.contracts.stores import AYAN, SHOP, T1, T2, commit, postgres_url
from tests.servers.postgres import PostgresServer, as_user, the_postgres
from tests.servers.wire import Wire

SECONDS = 30
LOCKED = 100
WAITING = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"


@pytest.fixture
def server() -> PostgresServer:
    """The server of the session."""
    return the_postgres()


@pytest.fixture
def url(server: PostgresServer, tmp_path: Path) -> str:
    """A ledger of its own on it."""
    return postgres_url(tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Any]:
    """A writer with two entries and a token, who does not wait long for locks."""
    from cbdc.ledger.postgres import PostgresStore

    opened = PostgresStore(url, lock_timeout_ms=LOCKED)
    opened.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
    yield opened
    opened.close()


def schema(url: str) -> str:
    return url.partition("schema=")[2]


def until(done: Callable[[], object]) -> None:
    """Wait until something is so."""
    end = time.monotonic() + SECONDS
    while not done():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


def backend(store: Any) -> int:
    """The process that serves a store."""
    return int(store._connection.info.backend_pid)


def wait_long(store: Any) -> None:
    """Let a store wait long for locks, on this connection and on later ones."""
    store._settings = (*store._settings[:-1], ("lock_timeout", f"{SECONDS}s"))
    store._connection.execute(f"SET lock_timeout = '{SECONDS}s'")


def limit_files(store: Any, size_bytes: str) -> None:
    """The process that serves a store may write no file beyond a size: to it the disk is full there."""
    limit = ["prlimit", "--pid", f"{backend(store)}", f"--fsize={size_bytes}:"]
    subprocess.run(limit, check=True, cwd="/", **as_user())


@contextmanager
def locked(server: PostgresServer, url: str, table: str) -> Iterator[Any]:
    """Another session that holds a table."""
    import psycopg

    with psycopg.connect(server.address()) as other:
        other.execute(f"LOCK TABLE {schema(url)}.{table} IN ACCESS EXCLUSIVE MODE".encode())
        yield other
        other.rollback()


class Working(threading.Thread):
    """A call under way in a thread of its own, with its answer."""

    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        super().__init__(daemon=True)
        self.answer = "under way"
        self._call = lambda: answer_of(call, *arguments)
        self.start()

    def run(self) -> None:
        self.answer = self._call()

    def done(self) -> str:
        self.join(SECONDS)
        return self.answer


# --- one writer ---


def test_who_was_overtaken_answers_nothing_more(url: str, store: Any) -> None:
    newer = open_store(url)
    assert answer_of(store.commit, commit(2)) == "E_STORE_FENCED"
    for call in (store.size, lambda: list(store.entries()), lambda: store.get_many([T1])):
        assert answer_of(call) == "E_STORE_FENCED"
    assert answer_of(store.commit, commit(2)) == "E_STORE_FENCED"
    newer.commit(commit(2))
    assert newer.size() == 3
    newer.close()


def test_who_comes_back_after_another_took_over_is_shut_out(
    server: PostgresServer, url: str, store: Any
) -> None:
    newer = open_store(url)
    server.ask("SELECT pg_terminate_backend(%s)", backend(store))
    assert answer_of(store.size) == "E_STORE_FENCED"
    newer.commit(commit(2))
    newer.close()


def test_another_size_is_no_reason_to_go(store: Any) -> None:
    assert answer_of(store.commit, commit(1)) == "E_STORE_CONFLICT"
    assert answer_of(store.commit, commit(3)) == "E_STORE_CONFLICT"
    store.commit(commit(2))
    assert store.size() == 3


def test_writers_that_take_over_from_each_other(url: str) -> None:
    wins: list[int] = []

    def write(name: str) -> None:
        for _ in range(6):
            mine = open_store(url)
            size = mine.size()
            if answer_of(mine.commit, commit(size, 1, name=name)) == "ok":
                wins.append(size)
            mine.close()

    threads = [threading.Thread(target=write, args=(f"{n}",)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = open_store(url, read_only=True)
    assert sorted(wins) == list(range(len(wins)))
    assert last.size() == len(wins) == len(list(last.heads()))
    last.close()


def test_a_new_ledger_is_made_once(url: str) -> None:
    opened: list[Store] = []
    threads = [threading.Thread(target=lambda: opened.append(open_store(url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [store.size() for store in opened] == [0, 0, 0, 0]
    answers = sorted(answer_of(store.commit, commit(0)) for store in opened)
    assert answers == ["E_STORE_FENCED"] * 3 + ["ok"]
    for store in opened:
        store.close()


# --- lost connections ---


def test_a_connection_that_was_closed_between_two_calls(server: PostgresServer, store: Any) -> None:
    server.ask("SELECT pg_terminate_backend(%s)", backend(store))
    assert store.get_many([T1]) == {T1: b"one"}
    server.ask("SELECT pg_terminate_backend(%s)", backend(store))
    store.commit(commit(2, 1, {T1: None}))
    assert (store.size(), store.owned(AYAN)) == (3, [])


@pytest.mark.parametrize("released", [True, False])
def test_a_backend_killed_in_the_middle_of_a_commit(
    server: PostgresServer, url: str, store: Any, released: bool
) -> None:
    wait_long(store)
    with locked(server, url, "head") as other:
        working = Working(store.commit, commit(2, 1, {T1: None}))
        until(lambda: server.ask(WAITING, backend(store)))
        if not released:
            store._settings = (*store._settings[:-1], ("lock_timeout", str(LOCKED)))
        server.ask("SELECT pg_terminate_backend(%s)", backend(store))
        if released:
            other.rollback()
        else:
            assert working.done() == "E_STORE_OUTCOME"
    if released:
        assert working.done() == "ok"
    else:
        assert store.size() == 2
        store.commit(commit(2, 1, {T1: None}))
    assert (store.size(), store.owned(AYAN)) == (3, [])
    assert [row.index for row in store.entries()] == [0, 1, 2]


@pytest.mark.parametrize("plan", ["lose-request", "lose-answer"])
def test_a_wire_cut_in_the_middle_of_a_commit(server: PostgresServer, url: str, plan: str) -> None:
    wire = Wire(server.port)
    store = open_store(url.replace(f":{server.port}", f":{wire.port}"))
    store.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
    for size in (2, 3):
        wire.plan = plan
        store.commit(commit(size, 1, {T1: None} if size == 2 else {}))
    assert wire.cuts == 2
    assert (store.size(), store.owned(AYAN)) == (4, [])
    assert [size for size, _ in store.heads()] == [2, 3, 4]
    store.close()
    wire.close()


@pytest.mark.parametrize(("plan", "size"), [("lose-request", 2), ("lose-answer", 3)])
def test_an_outcome_that_nobody_can_tell(server: PostgresServer, url: str, plan: str, size: int) -> None:
    wire = Wire(server.port)
    store = open_store(url.replace(f":{server.port}", f":{wire.port}"))
    store.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
    wire.then_dead = True
    wire.plan = plan
    assert answer_of(store.commit, commit(2, 1, {T1: None})) == "E_STORE_OUTCOME"
    assert answer_of(store.size) == "E_STORE_UNAVAILABLE"
    wire.plan = "pass"
    assert store.size() == size, "what the server heard stands, what it did not does not"
    again = answer_of(store.commit, commit(2, 1, {T1: None}))
    assert again == ("ok" if size == 2 else "E_STORE_CONFLICT")
    assert store.size() == 3
    store.close()
    wire.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_server_that_was_started_again(server: PostgresServer, store: Any, how: int) -> None:
    before = picture(store)
    server.restart(how)
    assert picture(store) == before
    server.stop(how)
    try:
        assert answer_of(store.size) == "E_STORE_UNAVAILABLE"
        assert answer_of(store.commit, commit(2)) == "E_STORE_UNAVAILABLE"
    finally:
        server.start()
    store.commit(commit(2, 1, {T1: None}))
    assert store.size() == 3


def test_a_row_with_an_empty_key_is_read(store: Any) -> None:
    """No ledger writes one; pages begin behind a key."""
    store._connection.execute("INSERT INTO state (key, value, holder) VALUES ('', 'junk', NULL)")
    assert list(store.derived_rows()) == [Page((b"", T1), (b"junk", b"one"), (None, AYAN))]


def test_nothing_confirmed_is_lost_when_the_server_dies(server: PostgresServer, store: Any) -> None:
    confirmed: list[int] = []
    answers: set[str] = set()
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            try:
                size = store.size()
                store.commit(commit(size, 1, {b"\x04%d" % size: b"x"}))
                confirmed.append(size)
            except TengeError as error:
                answers.add(error.code)
                time.sleep(0.05)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        until(lambda: len(confirmed) > 20)
        server.restart(signal.SIGKILL)
        seen = len(confirmed)
        until(lambda: len(confirmed) > seen + 5)
    finally:
        stop.set()
        writer.join(SECONDS)
    assert answers <= {"E_STORE_UNAVAILABLE", "E_STORE_OUTCOME"}
    there = [row.index for row in store.entries()]
    assert there == list(range(len(there)))
    assert set(confirmed) <= set(there)
    assert dict(store.state()).keys() == {T1, *(b"\x04%d" % size for size in there[2:])}


# --- what a server may do instead of answering ---


def test_a_lock_that_another_session_holds(server: PostgresServer, url: str, store: Any) -> None:
    before = picture(store)
    for table in ("state", "clock", "entry"):
        with locked(server, url, table):
            assert answer_of(store.commit, commit(2, 1, {T1: None})) == "E_STORE_UNAVAILABLE"
    assert picture(store) == before
    store.commit(commit(2, 1, {T1: None}))
    assert store.size() == 3


def test_a_lock_that_is_given_back_in_time(server: PostgresServer, url: str, store: Any) -> None:
    wait_long(store)
    with locked(server, url, "state"):
        working = Working(store.commit, commit(2, 1, {T1: None}))
        until(lambda: server.ask(WAITING, backend(store)))
    assert working.done() == "ok"
    assert store.size() == 3


def test_a_lock_that_is_given_back_late_is_asked_for_again(
    server: PostgresServer, url: str, store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []
    call = store._call
    with locked(server, url, "state") as other, monkeypatch.context() as patched:

        def counted(*arguments: Any) -> Any:
            tries.append(1)
            if len(tries) == 2:
                other.rollback()
            return call(*arguments)

        patched.setattr(store, "_call", counted)
        store.commit(commit(2, 1, {T1: None}))
    assert len(tries) == 2
    assert store.size() == 3


def test_a_full_disk_refuses_and_changes_nothing(store: Any) -> None:
    # The backend may write files up to 16 MiB: enough for the log's segments, too little for what is sent.
    limit_files(store, f"{16 << 20}")
    before = picture(store)
    chance = random.Random(1)
    large: dict[bytes, bytes | None] = {b"\x04%d" % n: chance.randbytes(1_900) for n in range(10_000)}
    assert answer_of(store.commit, commit(2, 1, {**large, T1: None})) == "E_STORE_UNAVAILABLE"
    assert picture(store) == before
    limit_files(store, "unlimited")
    store.commit(commit(2, 1, {**large, T1: None}))
    assert store.size() == 3


def test_a_full_disk_under_the_servers_own_log(server: PostgresServer, store: Any) -> None:
    limit_files(store, "4096")
    large: dict[bytes, bytes | None] = {b"\x04%d" % n: bytes(500) for n in range(200)}
    answer = answer_of(store.commit, commit(2, 1, {**large, T1: None}))
    server.wait()
    assert store.size() == (3 if answer == "ok" else 2)
    assert len(store.get_many([*large, T1])) == (200 if answer == "ok" else 1)


@contextmanager
def no_standby(server: PostgresServer) -> Iterator[None]:
    """While it lasts every commit waits for a standby that does not exist."""
    server.ask("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    try:
        server.ask("SELECT pg_reload_conf()")
        until(lambda: server.ask("SHOW synchronous_standby_names") == [("nobody",)])
        # A commit looks at what the checkpointer has last read of the settings, so that has to have read them too.
        server.ask("CHECKPOINT")
        yield
    finally:
        server.ask("ALTER SYSTEM RESET synchronous_standby_names")
        server.ask("SELECT pg_reload_conf()")


def test_a_commit_that_the_cluster_did_not_confirm_is_not_answered(
    server: PostgresServer, store: Any
) -> None:
    pid = backend(store)
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    with no_standby(server):
        working = Working(store.commit, commit(2, 1, {T1: None}))
        until(lambda: server.ask(waiting) == [(pid,)])
        server.ask("SELECT pg_cancel_backend(%s)", pid)
        until(lambda: server.ask(waiting) not in ([], [(pid,)]))
        assert working.answer == "under way", "the server said yes, and no standby has it"
    assert working.done() == "ok"
    assert store.size() == 3


def test_a_server_that_waits_for_ever_is_left(server: PostgresServer, url: str) -> None:
    from cbdc.ledger.postgres import PostgresStore

    with closing(PostgresStore(url, patience_seconds=0.2)) as store:
        store.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
        with no_standby(server):
            assert answer_of(store.commit, commit(2, 1, {T1: None})) == "E_STORE_OUTCOME"
            assert answer_of(store.size) == "E_STORE_UNAVAILABLE"
        until(lambda: answer_of(store.size) == "ok")
        assert (store.size(), store.owned(AYAN)) == (3, [])
        store.commit(commit(3))


def test_each_connection_begins_at_the_next_host(server: PostgresServer, url: str) -> None:
    wires = [Wire(server.port), Wire(server.port)]
    hosts = ",".join(f"127.0.0.1:{wire.port}" for wire in wires)
    store = open_store(url.replace(f"127.0.0.1:{server.port}", hosts))
    store.commit(commit(0))
    for size in (1, 2, 3):
        wires[(size + 1) % 2].plan = "lose-answer"
        store.commit(commit(size))
    assert [wire.cuts for wire in wires] == [2, 1]
    assert store.size() == 4
    store.close()
    for wire in wires:
        wire.close()


# --- opening ---


def test_a_reader_sees_one_moment_and_writes_nothing(server: PostgresServer, url: str, store: Any) -> None:
    reader: Any = open_store(url, read_only=True)
    before = picture(reader)
    assert before == picture(store)
    store.commit(commit(2, 1, {T1: None, T2: b"two"}, {T2: SHOP}))
    assert picture(reader) == before
    assert answer_of(reader.commit, commit(2)) == "E_STORE_UNAVAILABLE"
    server.ask("SELECT pg_terminate_backend(%s)", backend(reader))
    assert answer_of(reader.size) == "E_STORE_UNAVAILABLE"
    assert answer_of(reader.size) == "E_STORE_UNAVAILABLE", "another connection would see another moment"
    reader.close()
    assert store.size() == 3, "a reader takes no epoch"


def test_reading_makes_nothing(server: PostgresServer, url: str) -> None:
    assert answer_of(lambda: open_store(url, read_only=True)) == "E_STORE_UNAVAILABLE"
    assert server.ask("SELECT 1 FROM pg_namespace WHERE nspname = %s", schema(url)) == []


def test_another_programs_schema_is_no_ledger(server: PostgresServer, url: str) -> None:
    name = schema(url)
    server.ask(f"CREATE SCHEMA {name}")
    server.ask(f"CREATE TABLE {name}.clock (hour integer)")
    for read_only in (False, True):
        assert answer_of(lambda way=read_only: open_store(url, read_only=way)) == "E_STORE_UNAVAILABLE"
    assert server.ask("SELECT tablename FROM pg_tables WHERE schemaname = %s", name) == [("clock",)]


def test_a_server_that_may_forget_is_refused(server: PostgresServer, url: str) -> None:
    server.ask("ALTER SYSTEM SET full_page_writes = off")
    try:
        server.ask("SELECT pg_reload_conf()")
        until(lambda: server.ask("SHOW full_page_writes") == [("off",)])
        assert answer_of(lambda: open_store(url)) == "E_STORE_NOT_DURABLE"
    finally:
        server.ask("ALTER SYSTEM RESET full_page_writes")
        server.ask("SELECT pg_reload_conf()")
    until(lambda: server.ask("SHOW full_page_writes") == [("on",)])
    open_store(url).close()


def test_a_closed_store_is_unavailable(store: Any) -> None:
    store.close()
    for call in (store.size, lambda: list(store.entries()), lambda: store.get_many([T1])):
        assert answer_of(call) == "E_STORE_UNAVAILABLE"
    assert answer_of(store.commit, commit(2)) == "E_STORE_UNAVAILABLE"


def test_a_whole_ledger_stands_on_it(url: str) -> None:
    store = open_store(url)
    world = World(store)
    world.register("ayan")
    world.issue("inventory1", 1_000_000)
    world.pay("inventory1", ("ayan", 50_000))
    reader = open_store(url, read_only=True)
    found = audit(reader)
    assert found.problems == []
    assert found.outstanding_tiyn == world.ledger.supply().outstanding_tiyn == 1_000_000
    reader.close()
    store.close()
