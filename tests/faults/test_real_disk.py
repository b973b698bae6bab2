"""Real disks: a small one that is full, one that is read-only, and files that somebody takes away under the ledger.

A file system of 8 MiB in memory is mounted where the system lets us (root on Linux); elsewhere these tests are skipped.
"""

import errno
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from cbdc.errors import TengeError, Unavailable
from cbdc.ledger import sqlite_failures
from cbdc.ledger.audit import audit
from cbdc.ledger.engines import open_store
from cbdc.ledger.entry import Receipt
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.store import Store
from cbdc.ports import ManualClock
from tests.cbdc.world import DAY, START
from tests.faults.auditor import Auditor
from tests.faults.network import Clients, Network
from tests.faults.town import Plan, town

ENGINES = ["sqlite", "journal"]


def mount(folder: Path, *options: str) -> None:
    """Mount a small file system in memory, or change how it is mounted; skips where that is not allowed."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root on Linux")
    asked = subprocess.run(["mount", *options, "tmpfs", str(folder)], capture_output=True, check=False)
    if asked.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {asked.stderr.decode().strip()}")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder that is a disk of 8 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mount(folder, "-t", "tmpfs", "-o", "size=8m")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def start(engine: str, folder: Path) -> tuple[Store, Ledger]:
    """The ledger in a folder, made when it is new."""
    store = open_store(f"{engine}:///{folder / 'kept'}")
    if store.size() == 0:
        town().settle_in(store)
    return store, Ledger(store, town().signer, ManualClock(START + 20 * DAY))


class Payer:
    """Pays by itself, and tells the auditor."""

    def __init__(self) -> None:
        self.auditor = Auditor(town())
        self.network = Network(random.Random(1))
        self.clients = Clients(self.auditor, self.network, random.Random(1))
        self.waiting: list[Plan] = []

    def pay(self, ledger: Ledger) -> None:
        """What waits, or something new; raises what the ledger raises, and then it waits."""
        while not self.waiting:
            self.clients.pay_something()
            self.waiting = self.network.requests.pop() if self.network.requests else []
        answers = ledger.submit_many([plan.data for plan in self.waiting])
        self.clients.hear(list(zip(self.waiting, answers, strict=True)))
        assert any(isinstance(answer, Receipt) for answer in answers)
        self.waiting = []


def pay_until_it_fails(payer: Payer, ledger: Ledger, most: int = 3_000) -> None:
    """Pay until the store gives up."""
    for _ in range(most):
        try:
            payer.pay(ledger)
        except Unavailable as error:
            assert error.code in {"E_STORE_UNAVAILABLE", "E_STORE_OUTCOME"}  # noqa: PT017
            return
    pytest.fail("the full disk was never noticed")


@pytest.mark.parametrize("engine", ENGINES)
def test_a_full_disk_stops_the_ledger_and_loses_nothing(engine: str, small: Path) -> None:
    store, ledger = start(engine, small)
    payer = Payer()
    for _ in range(5):
        payer.pay(ledger)
    for left in (50_000, 4_096, 0):
        filler = small / "filler"
        room = os.statvfs(small)
        filler.write_bytes(bytes(max(0, room.f_bavail * room.f_frsize - left)))
        pay_until_it_fails(payer, ledger)
        payer.auditor.check(store)
        payer.auditor.check_answers(ledger)
        filler.unlink()
        try:
            payer.pay(ledger)
        except Unavailable:
            # An engine may insist on being started anew.
            store.close()
            store, ledger = start(engine, small)
            payer.pay(ledger)
        payer.auditor.check(store)
    store.close()
    store, ledger = start(engine, small)
    payer.auditor.check(store)
    payer.auditor.check_answers(ledger)
    payer.auditor.check_supply(ledger)
    assert audit(store).problems == []
    store.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_read_only_disk_is_refused_and_not_changed(engine: str, small: Path) -> None:
    store, ledger = start(engine, small)
    payer = Payer()
    payer.pay(ledger)
    store.close()
    before = {path: path.read_bytes() for path in small.rglob("*") if path.is_file()}
    mount(small, "-o", "remount,ro")
    with pytest.raises(Unavailable):
        start(engine, small)[1].submit(b"")
    mount(small, "-o", "remount,rw")
    assert {path: path.read_bytes() for path in small.rglob("*") if path.is_file()} == before
    store, ledger = start(engine, small)
    payer.auditor.check(store)
    payer.pay(ledger)
    store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps an open file from being taken away")
@pytest.mark.parametrize("how", ["removed", "replaced"])
@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_acknowledged_into_a_file_that_was_taken_away(
    engine: str, how: str, tmp_path: Path
) -> None:
    store, ledger = start(engine, tmp_path)
    payer = Payer()
    for _ in range(3):
        payer.pay(ledger)
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file() and (engine == "sqlite" or path.name.startswith("segment-")):
            path.unlink()
            if how == "replaced":
                path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(TengeError):
            payer.pay(ledger)
    store.close()


def left_behind(tmp_path: Path) -> Path:
    """SQLite's files as a process leaves them that dies with a commit in its log."""
    (tmp_path / "alive").mkdir()
    store, ledger = start("sqlite", tmp_path / "alive")
    Payer().pay(ledger)
    dead = tmp_path / "dead"
    dead.mkdir()
    for name in ("kept", "kept-wal"):
        (dead / name).write_bytes((tmp_path / "alive" / name).read_bytes())
    store.close()
    return dead


def test_what_a_dead_process_left_is_put_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = left_behind(tmp_path)
    log = (dead / "kept-wal").read_bytes()
    # In pieces, so that more than one is written.
    monkeypatch.setattr(sqlite_failures, "_PIECE_BYTES", 1_000)
    sqlite_failures.keep_log(dead / "kept-wal")
    assert (dead / "kept-wal").read_bytes() == log
    store, ledger = start("sqlite", dead)
    assert ledger.size > len(town().commit.entries)
    assert audit(store).problems == []
    store.close()


def test_a_log_that_cannot_be_put_on_the_disk_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = left_behind(tmp_path)

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "the disk failed")

    monkeypatch.setattr(sqlite_failures.os, "fsync", fail)
    with pytest.raises(Unavailable) as told:
        start("sqlite", dead)
    assert told.value.code == "E_STORE_UNAVAILABLE"
    monkeypatch.undo()
    start("sqlite", dead)[0].close()


@pytest.mark.parametrize("end", ["cut", "zeros", "rubbish"])
def test_a_log_torn_at_any_length_is_before_or_after_a_commit(tmp_path: Path, end: str) -> None:
    (tmp_path / "alive").mkdir()
    store, ledger = start("sqlite", tmp_path / "alive")
    payer = Payer()
    sizes = {0, store.size()}
    for _ in range(4):
        payer.pay(ledger)
        sizes.add(store.size())
    base, log = ((tmp_path / "alive" / name).read_bytes() for name in ("kept", "kept-wal"))
    store.close()
    # The judge holds no receipt here: how much is left is up to the tear, and whatever is left must be whole.
    judge, chance = Auditor(town(), sent=payer.auditor.sent), random.Random(end)
    dead = tmp_path / "dead"
    seen = set()
    for length in sorted({*range(0, len(log), 2_741), *chance.sample(range(len(log)), 20)}):
        dead.mkdir()
        rest = {"cut": b"", "zeros": bytes(len(log) - length), "rubbish": chance.randbytes(4_500)}[end]
        (dead / "kept").write_bytes(base)
        (dead / "kept-wal").write_bytes(log[:length] + rest)
        torn = open_store(f"sqlite:///{dead / 'kept'}")
        seen.add(torn.size())
        if torn.size():
            judge.check(torn)
        torn.close()
        shutil.rmtree(dead)
    assert len(seen) > 1, seen
    assert seen <= sizes
