"""The wallet's store on disk: what only a file can do, and that it does what the store in memory does."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cbdc.errors import Malformed, Refused, Unavailable
from tests.wallets.store_values import MARK, intent, intent_id, refused, row, states, token, token_id
from wallets import store_sqlite
from wallets.store import Balance, Done, Refusal, WalletStore
from wallets.store_memory import memory_store
from wallets.store_sqlite import sqlite_store

SAMPLES = Path(__file__).parent / "samples"


def test_a_file_opens_again_as_it_was(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "w")
    store.record(added=[token(1), token(2, mark=MARK)], history=[row(1), row(2)])
    store.save_intents([intent(1, 1)])
    before = (
        store.open_intents(),
        store.tokens("aigerim"),
        store.history("aigerim"),
        store.balance("aigerim"),
    )
    store.close()
    store = sqlite_store(tmp_path / "w")
    assert before == (
        store.open_intents(),
        store.tokens("aigerim"),
        store.history("aigerim"),
        store.balance("aigerim"),
    )
    store.close()


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "w")
    store.save_intents([intent(1)])
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in tmp_path.iterdir()}
    store.close()
    assert modes == dict.fromkeys(("w", "w-wal", "w-shm"), 0o600)


def test_a_commit_is_durable_by_the_strictest_setting(tmp_path: Path) -> None:
    rows = store_sqlite.SqliteRows(tmp_path / "w")
    assert rows._rows("PRAGMA journal_mode") == [("wal",)]
    assert rows._rows("PRAGMA synchronous") == [(2,)]
    rows.close()


_KILLED = """
import os, sys
from pathlib import Path
from tests.wallets import store_values as t
from wallets.store import Done
from wallets.store_sqlite import sqlite_store
path, point = Path(sys.argv[1]), sys.argv[2]
store = sqlite_store(path, lambda name: os._exit(9) if name == point else None)
store.save_intents([t.intent(1, 1)])
store.finish([Done("aigerim", t.intent_id(1), b"receipt", (t.token(2),), (t.row(1),))])
"""


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        ("wallet.intent.after", ["pending", "none"]),
        ("wallet.done.before", ["pending", "none"]),
        ("wallet.done.after", ["spent", "unspent"]),
    ],
)
def test_a_killed_wallet_finds_its_intent_again(
    tmp_path: Path, point: str, expected: list[str], root: Path
) -> None:
    path = tmp_path / "w"
    store = sqlite_store(path)
    store.record(added=[token(1)])
    store.close()
    ended = subprocess.run(
        [sys.executable, "-c", _KILLED, str(path), point],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (9, "")
    store = sqlite_store(path)
    assert states(store, 1, 2) == expected
    assert len(store.open_intents()) == (0 if point == "wallet.done.after" else 1)
    store.finish([Done("aigerim", intent_id(1), b"receipt", (token(2),), (row(1),))])
    assert states(store, 1, 2) == ["spent", "unspent"]
    assert store.history("aigerim") == [row(1)]
    store.close()


def test_files_that_are_no_store_are_refused_and_left_alone(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "other")
    other.execute("CREATE TABLE mine (a)")
    other.commit()
    other.close()
    (tmp_path / "noise").write_bytes(b"this is no database at all, " * 100)
    for name in ("other", "noise"):
        before = (tmp_path / name).read_bytes()
        with pytest.raises(Malformed) as caught:
            sqlite_store(tmp_path / name)
        assert caught.value.code == "E_WALLET_DAMAGED"
        assert (tmp_path / name).read_bytes() == before


def test_a_later_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    sqlite_store(tmp_path / "w").close()
    later = sqlite3.connect(tmp_path / "w")
    later.execute("PRAGMA user_version = 2")
    later.close()
    with pytest.raises(Malformed) as caught:
        sqlite_store(tmp_path / "w")
    assert (caught.value.code, caught.value.facts) == ("E_WALLET_VERSION", {"version": 2, "expected": 1})


def test_a_file_that_breaks_while_it_is_open(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "w")
    store.record(added=[token(n) for n in range(500)])
    store.close()
    with (tmp_path / "w").open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * 60_000)
    store = sqlite_store(tmp_path / "w")
    with pytest.raises(Malformed) as caught:
        store.tokens("aigerim")
    assert caught.value.code == "E_WALLET_DAMAGED"
    store.close()


@pytest.mark.parametrize("name", [".", "no/such/folder", "a\0b"])
def test_places_that_cannot_be_opened(tmp_path: Path, name: str) -> None:
    with pytest.raises(Unavailable) as caught:
        sqlite_store(tmp_path / name)
    assert caught.value.code == "E_WALLET_STORE"


def test_a_file_held_by_another_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_sqlite, "BUSY_SECONDS", 0.01)
    store = sqlite_store(tmp_path / "w")
    other = sqlite3.connect(tmp_path / "w", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert refused(lambda: store.record(added=[token(1)])) == "E_WALLET_STORE"
    other.execute("ROLLBACK")
    store.record(added=[token(1)])
    assert states(store, 1) == ["unspent"]
    other.close()
    store.close()


def test_a_transaction_that_sqlite_has_undone_itself(tmp_path: Path) -> None:
    rows = store_sqlite.SqliteRows(tmp_path / "w")
    with pytest.raises(RuntimeError, match="full"), rows.transaction():  # noqa: PT012
        rows._database.execute("ROLLBACK")
        raise RuntimeError("full")
    with rows.transaction():
        pass
    rows.close()


def test_a_bug_is_not_called_a_broken_disk(tmp_path: Path) -> None:
    store = sqlite_store(tmp_path / "w")
    store.close()
    with pytest.raises(sqlite3.ProgrammingError):
        store.wallets()


def test_the_sample_of_version_1_opens(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "wallet-store-v1.db", tmp_path / "w")
    store = sqlite_store(tmp_path / "w")
    assert store.wallets() == ["aigerim", "daulet"]
    assert store.open_intents() == [intent(2, 2)]
    assert store.history("aigerim") == [row(1)]
    assert states(store, 1, 2, 3) == ["spent", "pending", "unspent"]
    assert store.balance("daulet") == {MARK: Balance(56_000, 0)}
    store.close()


# --- the two kinds of rows are one ---


class BothStores(RuleBasedStateMachine):
    """Whatever is done to a store in memory and to one on disk, they answer and hold the same."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.path = self.folder / "w"
        for file in self.folder.iterdir():
            file.unlink()
        self.stores = (memory_store(), sqlite_store(self.path))
        self.issued = 0

    def both(self, call: Callable[[WalletStore], object]) -> None:
        answers: list[object] = []
        for store in self.stores:
            try:
                answers.append(call(store))
            except Refused as refusal:
                answers.append((refusal.code, refusal.facts))
        assert answers[0] == answers[1]

    wallets = st.sampled_from(["aigerim", "daulet"])
    numbers = st.integers(0, 5)

    @rule(wallet=wallets, number=numbers, amount=st.sampled_from([100, 100, 100, 50]), line=numbers)
    def receive(self, wallet: str, number: int, amount: int, line: int) -> None:
        self.both(lambda store: store.record([token(number, amount, wallet)], history=[row(line, wallet)]))

    @rule(wallet=wallets, batch=st.lists(st.tuples(numbers, st.lists(numbers, max_size=2)), max_size=3))
    def save(self, wallet: str, batch: list[tuple[int, list[int]]]) -> None:
        self.both(
            lambda store: store.save_intents([intent(n, *inputs, wallet=wallet) for n, inputs in batch])
        )

    @rule(wallet=wallets, batch=st.lists(st.tuples(numbers, numbers), max_size=2))
    def finish(self, wallet: str, batch: list[tuple[int, int]]) -> None:
        done = [
            Done(wallet, intent_id(n), b"r", (token(new + 6, 10, wallet),), (row(new, wallet),))
            for n, new in batch
        ]
        self.both(lambda store: store.finish(done))

    @rule(wallet=wallets, batch=st.lists(numbers, max_size=2))
    def refuse(self, wallet: str, batch: list[int]) -> None:
        self.both(lambda store: store.refuse([Refusal(wallet, intent_id(n), b"no") for n in batch]))

    @rule(wallet=wallets, number=numbers)
    def drop(self, wallet: str, number: int) -> None:
        self.both(lambda store: store.record(dropped=[(wallet, token_id(number))]))

    @precondition(lambda self: self.stores[1].wallets())
    @rule()
    def open_again(self) -> None:
        self.stores[1].close()
        self.stores = (self.stores[0], sqlite_store(self.path))

    @invariant()
    def they_hold_the_same(self) -> None:
        self.both(lambda store: (store.wallets(), store.open_intents()))
        for wallet in ("aigerim", "daulet"):
            self.both(lambda store, wallet=wallet: (store.balance(wallet), store.history(wallet)))  # type: ignore[misc]
            for state in ("unspent", "pending", "spent"):
                self.both(lambda store, wallet=wallet, state=state: store.tokens(wallet, state))  # type: ignore[misc]

    @invariant()
    def pending_tokens_are_those_of_open_intents(self) -> None:
        store = self.stores[0]
        for wallet in ("aigerim", "daulet"):
            held = {(i.id, chosen) for i in store.open_intents(wallet) for chosen in i.inputs}
            pending = {(t.intent, t.id) for t in store.tokens(wallet, "pending")}
            assert pending <= held
            assert all(store.token(wallet, chosen) is not None for _, chosen in held)

    def teardown(self) -> None:
        self.stores[1].close()


def test_both_kinds_of_rows_are_one(tmp_path: Path) -> None:
    BothStores.folder = tmp_path
    case = BothStores.TestCase
    case.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
    case().runTest()
