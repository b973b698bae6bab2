"""Small journals to damage, for the journal engine's own tests."""

from pathlib import Path

from cbdc.ledger.journal import JournalSettings, JournalStore
from tests.cbdc.world import picture
from tests.contracts.stores import AYAN, T1, T2, commit

MANUAL = JournalSettings(segment_bytes=1_500, layer_rows=6, own_process=False)
NEVER = JournalSettings()


def filled(
    folder: Path, commits: int = 3, settings: JournalSettings = NEVER, close: bool = True
) -> JournalStore:
    """A journal of so many commits of two entries; each has a counter, the first a token."""
    store = JournalStore(folder, settings=settings)
    store.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
    for number in range(1, commits):
        store.commit(commit(2 * number, 2, {b"\x04n": b"%d" % number, b"\x04%d" % number: b"x"}))
    if close:
        store.close()
    return store


def abandoned(folder: Path, commits: int = 3, settings: JournalSettings = NEVER) -> list[object]:
    """A journal whose writer died: nothing was closed. What it held after each commit."""
    store = JournalStore(folder, settings=settings)
    seen: list[object] = [picture(store)]
    for number in range(commits):
        store.commit(
            commit(2 * number, 2, {b"\x04n": b"%d" % number, T1 if number == 0 else T2: b"one"}, {T1: AYAN})
        )
        seen.append(picture(store))
    store._abandon()
    return seen


def last_segment(folder: Path) -> Path:
    return max(path for path in folder.iterdir() if path.name.startswith("segment-"))


def content_end(path: Path) -> int:
    """Where the zeros that were written ahead begin."""
    return len(path.read_bytes().rstrip(b"\0"))
