"""The reconciler under crashes, failing stores, company and replay (attack list, R21, R22, R25)."""

import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Unavailable
from cbdc.ledger.sqlite import SqliteStore
from offline.archive import ArchiveStore, MemoryArchive, SqliteArchive
from offline.settle import LossPolicy
from tests.conftest import ROOT
from tests.offline.centre import Centre
from tests.offline.stories import RESERVE, Game, Line, check, outcome

# --- crashes and company ---


class Killed(Exception):
    """The process ends here."""


class Killer:
    """A checkpoint that kills at its n-th call."""

    def __init__(self, at: int) -> None:
        self.left = at
        self.names: list[str] = []

    def __call__(self, name: str) -> None:
        self.names.append(name)
        if self.left == 0:
            raise Killed(name)
        self.left -= 1


def _fork(centre: Centre) -> list[bytes]:
    """Three batches about a double spend, a redemption each and a sync."""
    devices = {name: centre.device(name) for name in ("kairat", "ayan", "bota", "dana")}
    (note,) = centre.load_notes("kairat", 900)
    left = centre.spend(note, 0, devices["ayan"], 900)
    right = centre.spend(note, 0, devices["bota"], 900)
    onward = centre.spend(right, 0, devices["dana"], 500)
    return [
        centre.batch(left, centre.take_home(left, 0, devices["ayan"])),
        centre.batch(right, onward, centre.take_home(onward, 0, devices["dana"])),
        centre.batch(centre.take_home(onward, 1, devices["bota"]), centre.declare(devices["dana"], 1)),
    ]


def _run(tmp_path: Path, name: str, kill_at: int) -> tuple[tuple[Any, ...], list[str]]:
    folder = tmp_path / name
    folder.mkdir()
    store = SqliteStore(folder / "ledger.sqlite")
    archive = SqliteArchive(folder / "archive.sqlite")
    centre = Centre(store=store, archive=archive, reserve_tiyn=RESERVE)
    batches = _fork(centre)
    killer = Killer(kill_at)
    reconciler = centre.open_reconciler(checkpoint=killer)
    for data in batches:
        try:
            reconciler.ingest(data)
        except Killed:
            archive.close()
            archive = SqliteArchive(folder / "archive.sqlite")
            reconciler = centre.open_reconciler(archive)
            reconciler.ingest(data)
    centre.reconciler = reconciler
    check(centre)
    end = outcome(centre)
    archive.close()
    store.close()
    return end, killer.names


def test_r21_a_crash_at_any_step_changes_nothing_in_the_end(tmp_path: Path) -> None:
    expected, names = _run(tmp_path, "whole", -1)
    assert set(names) == {
        "reconciler.ingest.before",
        "reconciler.ingest.after",
        "reconciler.post.before",
        "reconciler.post.after",
    }
    assert expected[1] == {"ayan": 900, "bota": 400, "dana": 500, "kairat": 0}
    for place in range(len(names)):
        assert _run(tmp_path, f"killed at {place}", place)[0] == expected, names[place]


def test_a_store_that_fails_leaves_the_reconciler_able_to_go_on() -> None:
    class Failing(MemoryArchive):
        broken = False

        def append(self, expected_size: Any, rows: Any, answers: Any) -> None:
            if self.broken:
                raise Unavailable("E_STORE_UNAVAILABLE", detail="the disk is full")
            super().append(expected_size, rows, answers)

    archive = Failing()
    line = Line(archive=archive)
    data = line.centre.batch(line.paid, line.home)
    archive.broken = True
    with pytest.raises(Unavailable):
        line.centre.reconciler.ingest(data)
    archive.broken = False
    line.centre.reconciler.ingest(data)
    assert line.centre.wallet("bota") == 400
    check(line.centre)


def test_a_ledger_that_fails_is_asked_again() -> None:
    line = Line()
    ledger = _Failing(line.centre.ledger)
    line.centre.reconciler = line.centre.open_reconciler(ledger=ledger)
    ledger.broken = True
    data = line.centre.batch(line.paid, line.home)
    with pytest.raises(Unavailable):
        line.centre.reconciler.ingest(data)
    ledger.broken = False
    line.centre.reconciler.tick()
    assert line.centre.wallet("bota") == 400


class _Failing:
    """A ledger that takes nothing while it is broken."""

    def __init__(self, ledger: Any) -> None:
        self._ledger = ledger
        self.broken = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def submit_many(self, transactions: Any) -> Any:
        if self.broken:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="the disk is full")
        return self._ledger.submit_many(transactions)


def _archives(kind: str, tmp_path: Path) -> Callable[[], ArchiveStore]:
    if kind == "shared file":
        return lambda: SqliteArchive(tmp_path / "archive.sqlite")
    if kind == "shared memory":
        shared = MemoryArchive()
        return lambda: shared
    return MemoryArchive


@pytest.mark.parametrize("kind", ["shared file", "shared memory", "separate"])
def test_r22_two_reconcilers_give_one_credit_per_fact(kind: str, tmp_path: Path) -> None:
    centre = Centre(reserve_tiyn=RESERVE, policy=LossPolicy("ISSUER"))
    game = Game(centre, seed=5)
    make = _archives(kind, tmp_path)
    both = [centre.open_reconciler(make()) for _ in range(2)]
    chance = random.Random(9)
    batches = [centre.batch(*game.objects[start : start + 3]) for start in range(0, len(game.objects), 3)]
    todo = [(data, one) for data in batches for one in both]
    chance.shuffle(todo)
    for data, one in todo:
        one.ingest(data)
    for one in both:
        one.tick()
    assert both[0].facts().digest() == both[1].facts().digest()
    alone = Centre(reserve_tiyn=RESERVE, policy=LossPolicy("ISSUER"))
    Game(alone, seed=5)
    alone.hand_in(*game.objects)
    assert centre.ledger.supply() == alone.ledger.supply()
    for name in ("ayan", "bota", "dana", "kairat"):
        assert centre.wallet(name) == alone.wallet(name)
    assert both[0].totals() == both[1].totals()


def test_two_reconcilers_answer_a_batch_and_a_sync_with_the_same_bytes(tmp_path: Path) -> None:
    line = Line()
    make = _archives("shared file", tmp_path)
    one, other = (line.centre.open_reconciler(make()) for _ in range(2))
    data = line.centre.batch(line.ayan.certificate, line.paid)
    first = one.ingest(data)
    line.centre.clock.advance(5)
    assert other.ingest(data) == first
    request = line.centre.declare(line.ayan, 1)
    assert other.sync(request) == one.sync(request)


def test_when_others_write_without_end_everything_is_refused_for_now() -> None:
    class Contended(MemoryArchive):
        busy = False

        def append(self, expected_size: Any, rows: Any, answers: Any) -> None:
            if self.busy:
                raise Unavailable("E_STORE_CONFLICT", expected=0, found=1)
            super().append(expected_size, rows, answers)

    archive = Contended()
    centre = Centre(archive=archive)
    ayan = centre.device("ayan")
    archive.busy = True
    for call in (
        lambda: centre.hand_in(),
        lambda: centre.reconciler.sync(centre.declare(ayan, 1)),
        lambda: centre.reconciler.submit(centre.order(ayan)),
        lambda: centre.revoke(ayan),
    ):
        with pytest.raises(Unavailable) as caught:
            call()
        assert caught.value.code == "E_STORE_CONFLICT"


def test_r22_who_was_overtaken_once_tries_again() -> None:
    class Overtaken(MemoryArchive):
        conflicts = 0

        def append(self, expected_size: Any, rows: Any, answers: Any) -> None:
            if self.conflicts:
                self.conflicts -= 1
                raise Unavailable("E_STORE_CONFLICT", expected=0, found=1)
            super().append(expected_size, rows, answers)

    archive = Overtaken()
    centre = Centre(archive=archive)
    ayan = centre.device("ayan")
    batch = centre.batch(centre.take_home(*centre.load_notes("ayan", 100), 0, ayan))
    archive.conflicts = 1
    ack = centre.reconciler.ingest(batch)
    assert archive.conflicts == 0
    assert centre.reconciler.ingest(batch) == ack


def test_a_load_in_the_middle_of_a_booking_is_not_missed() -> None:
    line = Line()
    centre = line.centre

    class Busy:
        def __getattr__(self, name: str) -> Any:
            return getattr(centre.ledger, name)

        def submit_many(self, transactions: Any) -> Any:
            if not notes:
                notes.extend(centre.load_notes("bota", 77))
            return centre.ledger.submit_many(transactions)

    notes: list[Any] = []
    centre.reconciler = centre.open_reconciler(ledger=Busy())
    centre.hand_in(line.paid, line.home)
    assert notes
    check(centre)
    assert notes[0].oid in centre.reconciler.facts().trees


def test_r25_a_replay_of_the_archive_gives_the_same_facts_and_books() -> None:
    centre = Centre(reserve_tiyn=RESERVE)
    game = Game(centre, seed=11)
    centre.hand_in(*game.objects)
    size = centre.ledger.size
    copy = MemoryArchive()
    copy.append(0, list(centre.archive.rows(0)), {})
    other = centre.open_reconciler(copy)
    other.tick()
    assert other.facts().digest() == centre.reconciler.facts().digest()
    assert other.head() == centre.reconciler.head()
    assert other.totals() == centre.reconciler.totals()
    assert centre.ledger.size == size, "everything was found booked"


def test_r25_another_hash_seed_gives_the_same_digest() -> None:
    program = (
        "from tests.offline.fakes import GRACE, Play, rules\n"
        "from tests.offline.test_graph import facts_of\n"
        "import sys\n"
        "for seed in range(5):\n"
        "    game = Play(seed)\n"
        "    sys.stdout.write(facts_of(game.events, game.notes).digest().hex())\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "77")
    }
    assert len(found) == 1
