"""The journal engine's own troubles: torn ends, damage, bad snapshots."""

import errno
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pytest

from cbdc.ledger.disk import RealDisk
from cbdc.ledger.journal import JournalSettings, JournalStore
from cbdc.ledger.journal_frames import FRAME_BYTES, HEADER_BYTES, segment_name
from cbdc.ledger.journal_memory import Memory, Tables
from cbdc.ledger.journal_snapshot import snapshots
from cbdc.ledger.store import PAGE_ROWS
from tests.cbdc.world import answer_of, fixed_bytes, picture
from tests.contracts.journals import MANUAL, abandoned, content_end, filled, last_segment
from tests.contracts.stores import AYAN, SHOP, SMALL, T1, T2, T3, commit

# --- ends and damage ---


@pytest.mark.parametrize("left", [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 40])
def test_a_torn_last_commit_is_cut_off(tmp_path: Path, left: int) -> None:
    folder = tmp_path / "j"
    seen = abandoned(folder)
    path = last_segment(folder)
    data = path.read_bytes()
    whole = JournalStore(folder, read_only=True)
    start = whole._log._offsets[-1]
    path.write_bytes(data[: start + left] + bytes(len(data) - start - left))
    store = JournalStore(folder)
    assert picture(store) == seen[2]
    store.commit(commit(4, 2, {T3: b"three"}, {T3: SHOP}))
    store.close()
    again = JournalStore(folder)
    assert again.size() == 6
    assert again.owned(SHOP) == [T3]
    again.close()


def test_every_byte_of_a_torn_commit(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    seen = abandoned(folder)
    path = last_segment(folder)
    data = path.read_bytes()[: content_end(path)]
    start = JournalStore(folder, read_only=True)._log._offsets[-1]
    for length in range(start, len(data), 7):
        path.write_bytes(data[:length])
        store = JournalStore(folder, read_only=True)
        assert picture(store) == seen[2], length


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("byte", [0, 9, 17, 21, FRAME_BYTES, FRAME_BYTES + 50])
def test_damage_before_the_end_is_never_cut(tmp_path: Path, place: int, byte: int) -> None:
    folder = tmp_path / "j"
    filled(folder)
    path = last_segment(folder)
    start = JournalStore(folder, read_only=True)._log._offsets[place]
    data = bytearray(path.read_bytes())
    data[start + byte] ^= 0x40
    path.write_bytes(data)
    assert answer_of(lambda: JournalStore(folder)) == "E_JOURNAL_DAMAGED"
    assert answer_of(lambda: JournalStore(folder, read_only=True)) == "E_JOURNAL_DAMAGED"
    assert path.read_bytes() == data, "what is damaged is left as it is"


def test_the_last_commit_of_a_ledger_that_was_closed_is_no_torn_end(tmp_path: Path) -> None:
    """A closed segment ends with an end frame, so a last commit that cannot be read is damage."""
    test_damage_before_the_end_is_never_cut(tmp_path, 2, FRAME_BYTES + 3)


def test_a_frame_inside_a_payment_is_no_frame(tmp_path: Path) -> None:
    """Somebody wraps a whole commit into a value: it stands at another place, so it proves nothing."""
    folder = tmp_path / "j"
    abandoned(folder)
    path = last_segment(folder)
    start = JournalStore(folder, read_only=True)._log._offsets[1]
    frame = path.read_bytes()[start : content_end(path)]
    store = JournalStore(folder)
    store.commit(commit(6, 1, {b"\x04trap": frame}))
    last = store._log._offsets[-1]
    store._abandon()
    data = bytearray(path.read_bytes())
    data[last + FRAME_BYTES] ^= 1
    path.write_bytes(data)
    torn = JournalStore(folder)
    assert torn.size() == 6
    torn.close()


@pytest.mark.parametrize("change", ["header", "tail", "gone", "first gone"])
def test_an_older_segment_must_be_whole(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "j"
    filled(folder, 12, JournalSettings(segment_bytes=700))
    first = folder / segment_name(1)
    second = folder / segment_name(2)
    if change == "header":
        second.write_bytes(b"X" + second.read_bytes()[1:])
    elif change == "tail":
        first.write_bytes(first.read_bytes()[:-1])
    elif change == "gone":
        second.unlink()
    else:
        first.unlink()
    expected = "E_JOURNAL_DAMAGED" if change in ("header", "tail") else "E_JOURNAL_ARCHIVED"
    expected = "E_JOURNAL_SNAPSHOT" if change == "first gone" else expected
    assert answer_of(lambda: JournalStore(folder)) == expected


@pytest.mark.parametrize("length", [0, 5, HEADER_BYTES - 1])
@pytest.mark.parametrize("zeros", [0, 4_096])
def test_a_death_in_the_middle_of_a_new_segment(tmp_path: Path, length: int, zeros: int) -> None:
    folder = tmp_path / "j"
    store = filled(folder, close=False)
    before = picture(store)
    store._log.roll()
    store._abandon()
    path = folder / segment_name(2)
    path.write_bytes(path.read_bytes()[:length] + bytes(zeros))
    again = JournalStore(folder)
    assert picture(again) == before
    again.commit(commit(6, 1))
    again.close()
    last = JournalStore(folder)
    assert last.size() == 7
    last.close()


@pytest.mark.parametrize("length", [0, 5, HEADER_BYTES - 1])
def test_a_death_in_the_middle_of_the_first_segment(tmp_path: Path, length: int) -> None:
    folder = tmp_path / "j"
    JournalStore(folder)._abandon()
    path = folder / segment_name(1)
    path.write_bytes(path.read_bytes()[:length])
    assert JournalStore(folder, read_only=True).size() == 0
    store = JournalStore(folder)
    store.commit(commit(0, 1))
    store.close()
    assert JournalStore(folder, read_only=True).size() == 1


# --- snapshots ---


def test_a_start_needs_only_what_came_after_the_snapshot(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    store = filled(folder, 40, MANUAL, close=False)
    before = picture(store)
    store.close()
    newest = next(snapshots(RealDisk(folder)))
    assert 0 < newest.size < 80
    for number in range(1, newest.segment):
        (folder / segment_name(number)).rename(tmp_path / segment_name(number))
    told: list[tuple[int, int]] = []
    again = JournalStore(folder, progress=lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1] < 5_000
    assert (list(again.state()), list(again.owner_rows())) == before[4:6]
    assert list(again.leaves()) == before[2]
    assert answer_of(lambda: list(again.entries())) == "E_JOURNAL_ARCHIVED"
    again.close()
    archived = JournalStore(folder, read_only=True, archive=tmp_path)
    assert picture(archived) == before


# Leaves are checked against the signed head, and frames where they lead.
CHANGES = [(kind, "byte") for kind in ("state-", "owners-", "ids-", "snapshot-")]
CHANGES += [
    (kind, change) for kind in ("state-", "snapshot-", "leaves", "frames") for change in ("cut", "gone")
]


@pytest.mark.parametrize(("kind", "change"), CHANGES)
def test_a_bad_snapshot_is_passed_over(tmp_path: Path, kind: str, change: str) -> None:
    folder = tmp_path / "j"
    store = filled(folder, 40, MANUAL, close=False)
    before = picture(store)
    store.close()
    path = max(path for path in folder.iterdir() if path.name.startswith(kind))
    data = path.read_bytes()
    if change == "gone":
        path.unlink()
    else:
        middle = len(data) // 2
        path.write_bytes(data[:middle] if change == "cut" else data[:middle] + b"?" + data[middle + 1 :])
    again = JournalStore(folder, settings=MANUAL)
    assert picture(again) == before
    again.commit(commit(80, 2, {T3: b"three", b"\x04%d" % 7: None}, {T3: SHOP}))
    after = picture(again)
    again.close()
    last = JournalStore(folder)
    assert picture(last) == after
    last.close()


def test_without_a_snapshot_the_journal_alone_will_do(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    store = filled(folder, 40, MANUAL, close=False)
    before = picture(store)
    store.close()
    for path in folder.iterdir():
        if not path.name.startswith("segment-"):
            path.unlink()
    again = JournalStore(folder)
    assert picture(again) == before
    again.close()


def test_snapshots_by_another_process(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    settings = JournalSettings(layer_rows=60)
    store = filled(folder, 60, settings, close=False)
    store.commit(commit(120, 1, {T1: None, T2: b"two"}, {T2: SHOP}))
    for number in range(10):
        if store._child is not None:
            store._child.wait()
        store.commit(commit(121 + number, 1))
    assert store._log.covered > 0
    assert store._memory.frozen == []
    before = picture(store)
    assert (store.owned(AYAN), store.owned(SHOP)) == ([], [T2])
    store.close()
    again = JournalStore(folder, settings=settings)
    assert picture(again) == before
    again.close()


@pytest.mark.parametrize(
    "point", ["journal.snapshot.before", "journal.snapshot.written", "journal.snapshot.after"]
)
def test_a_kill_of_the_process_that_makes_a_snapshot(tmp_path: Path, point: str) -> None:
    folder = tmp_path / "j"
    store = filled(folder, 5, close=False)
    before = picture(store)
    closed = store._log.roll()
    program = [sys.executable, "-m", "cbdc.ledger.journal_snapshot", str(folder), str(closed)]
    killed = subprocess.run(program, env={**os.environ, "TENGE_CRASH_AT": point}, check=False)
    assert killed.returncode != 0
    assert picture(store) == before
    store.close()
    assert subprocess.run(program, check=False).returncode == 0
    again = JournalStore(folder)
    assert again._log.covered == 10
    assert picture(again) == before
    again.close()


def test_two_snapshots_are_kept_and_no_more(tmp_path: Path) -> None:
    folder = tmp_path / "j"
    filled(folder, 80, MANUAL)
    names = [path.name for path in folder.iterdir()]
    assert len([name for name in names if name.startswith("snapshot-")]) == 2
    assert len([name for name in names if name.startswith("state-")]) == 2
    assert len([name for name in names if name.startswith("owners-")]) < 12
    assert not any(name.startswith("new-") for name in names)
    assert len([name for name in names if name.startswith("ids-")]) < 12


def test_a_snapshot_of_nothing_new_leaves_nothing_waiting(tmp_path: Path) -> None:
    store = filled(tmp_path / "j", close=False)
    before = picture(store)
    for _ in range(5):
        store.make_snapshot()
    assert store._memory.frozen == []
    assert picture(store) == before
    store.commit(commit(6, 2, {T1: None}))
    after = picture(store)
    store.close()
    again = JournalStore(tmp_path / "j")
    assert picture(again) == after
    again.close()


def test_a_snapshot_that_does_not_get_done_stops_commits_in_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    store = JournalStore(tmp_path / "j", settings=SMALL)
    monkeypatch.setattr("cbdc.ledger.journal.build", full)
    answers = [answer_of(store.commit, commit(size, 1, {b"\x04%d" % size: b"x"})) for size in range(20)]
    accepted = answers.index("E_JOURNAL_FULL")
    assert set(answers[:accepted]) == {"ok"}
    assert len(store._memory.frozen) == SMALL.most_layers
    assert store.size() == accepted
    monkeypatch.undo()
    store.commit(commit(accepted, 1))
    assert store.size() == accepted + 1
    store.close()


def test_pages_hold_what_is_newer_before_within_and_behind_a_snapshots_blocks(tmp_path: Path) -> None:
    """Rows that came, changed and went after the snapshot; whole blocks of it are gone."""
    store = JournalStore(tmp_path / "merged")
    keys = sorted(b"\x01" + fixed_bytes(f"{n}", 34) for n in range(2_000))
    inner = keys[100:-100]
    model: dict[bytes, bytes] = dict.fromkeys(inner[::2], b"older")
    owners = dict.fromkeys(inner[::2], AYAN)
    store.commit(commit(0, 1, dict(model), owners))
    store.make_snapshot()
    gone = inner[200:900:2]
    newer = dict.fromkeys([*keys[:100:3], *inner[1::6], *keys[-100::3]], b"newer")
    store.commit(commit(1, 1, {**newer, **dict.fromkeys(gone)}, dict.fromkeys(newer, SHOP)))
    owners = {**owners, **dict.fromkeys(newer, SHOP)}
    model = {key: value for key, value in {**model, **newer}.items() if key not in set(gone)}
    rows = [row for page in store.derived_rows() for row in zip(*page, strict=True)]
    assert rows == [(key, model[key], owners[key]) for key in sorted(model)]
    assert list(store.state()) == sorted(model.items())
    store.close()


class Blocks:
    """A table of these blocks, as a faulty writer might leave it."""

    def __init__(self, *blocks: list[bytes]) -> None:
        self._blocks = blocks
        self.fences = [block[0] for block in blocks]

    def block_records(self, place: int) -> list[tuple[bytes, bytes]]:
        return [(key, b"older") for key in self._blocks[place]]


def test_a_block_that_does_not_ascend_is_told_as_it_stands() -> None:
    """Putting it right beside what is newer would hide from an audit what no question finds."""
    tables = Tables(size=1, state=cast(Any, Blocks([b"a", b"d", b"c", b"e"], [b"h", b"i"])))
    memory = Memory(tables)
    memory.active.state[b"b"] = b"newer"
    memory.active.state[b"i"] = None
    keys = [key for page in memory.pages() for key, _ in page]
    assert keys == [b"a", b"d", b"c", b"e", b"b", b"h"]


def test_a_page_is_never_longer_than_a_page() -> None:
    memory = Memory(Tables(size=1, state=cast(Any, Blocks([b"a", b"z"]))))
    memory.active.state.update({b"b%d" % n: b"newer" for n in range(2 * PAGE_ROWS)})
    pages = list(memory.pages())
    assert [len(page) for page in pages] == [PAGE_ROWS, PAGE_ROWS, 2]
    assert [key for page in pages for key, _ in page] == sorted([b"a", b"z", *memory.active.state])


# --- a reader beside a writer ---


def test_a_reader_who_comes_in_the_middle_of_a_frame_time_and_again_finds_no_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever it looks for more it sees half a frame; whenever it looks for damage, that frame is whole."""
    folder = tmp_path / "j"
    store = filled(folder, commits=6, close=False)
    name = last_segment(folder).name
    begins = [*store._log._offsets, content_end(last_segment(folder))]
    middles = [((begin + end) // 2, end) for begin, end in pairwise(begins[1:])]
    # The scan looks twice, and then whoever judges what follows.
    seen = [upto for middle, whole in middles for upto in (middle, middle, whole)]
    read = RealDisk.read

    def growing(disk: RealDisk, file: str, start: int = 0, count: int | None = None) -> bytes:
        data = read(disk, file, start, count)
        if file != name or start < HEADER_BYTES or not seen:
            return data
        return data[: max(seen.pop(0) - start, 0)].ljust(len(data), b"\0")

    monkeypatch.setattr(RealDisk, "read", growing)
    reader = JournalStore(folder, read_only=True)
    assert seen == []
    assert reader.size() == 12
    reader.close()
    monkeypatch.undo()
    store.close()
