"""How an engine bears growth: the same durable commits over 10^4, 10^6 and 10^7 unspent tokens.

What is measured is the store, without rules and signatures above it: each transfer looks up its id, reads its rows,
spends one token, makes two, counts two counters and is committed in a group that is on the disk before it counts.
Tokens have ids that follow from their numbers and lie as evenly as real ones, and each has a holder.

Each engine and size takes two processes: one fills the store, one opens it again and measures, so that memory and
start-up are those of a server that was started over a ledger that size. Memory is told twice: the most the process ever
had, and what of that is its own and not mapped from files.

Rules kept here: no figure is asserted; everything follows from numbers; refusals are counted; a size is filled once.
`rows` is what `tenge bench` calls, with a small size by default.
"""

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from cbdc.errors import TengeError
from cbdc.ledger.disk import RealDisk
from cbdc.ledger.journal import JournalSettings, JournalStore
from cbdc.ledger.journal_snapshot import snapshots
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.store import Commit, EntryRow, Store
from cbdc.ports import processor_stopwatch, stopwatch
from cbdc.token import KeyLock, Token

QUICK_SIZES = (10_000, 100_000)
FULL_SIZES = (10_000, 1_000_000, 10_000_000)
ENGINES = ("journal", "sqlite")
GROUP = 128
QUICK_TRANSFERS = 12_800
HOLDERS = int(os.environ.get("TENGE_GROWTH_HOLDERS", "10000"))
_FILL = 100_000
_STRIDE = 7_919
_PAYLOAD_BYTES = 330
_FILL_PAYLOAD_BYTES = 40
_OUTPUTS = 2
_APPENDS = 200
_FILL_SNAPSHOTS = 10

Tell = Callable[[str], None]


def rows(
    sizes: Sequence[int] = QUICK_SIZES,
    engines: Sequence[str] = ENGINES,
    transfers: int = QUICK_TRANSFERS,
    tell: Tell = lambda line: None,
    folder: Path | None = None,
) -> list[dict[str, Any]]:
    """One row for each engine and size, sizes ascending; `ratio` is the throughput beside that of the smallest size.

    Speeds are transfers a second by the clock, times are of a commit of `GROUP` transfers, `processor_us` is the
    processor time of a transfer, with what other processes of the engine used. `folder` is where the stores are made
    and removed again.
    """
    found: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="tenge-growth-", dir=folder) as name:
        for engine in engines:
            smallest: dict[str, Any] | None = None
            for size in sizes:
                tell(f"{engine}, {size:,} tokens")
                place = Path(name) / f"{engine}-{size}"
                place.mkdir()
                _process("fill", engine, size, 0, place)
                row = _process("measure", engine, size, transfers, place)
                smallest = smallest or row
                row["ratio"] = round(row["rate_per_second"] / smallest["rate_per_second"], 3)
                row["processor_ratio"] = round(smallest["processor_us"] / row["processor_us"], 3)
                found.append(row)
                for path in sorted(place.rglob("*"), reverse=True):
                    path.rmdir() if path.is_dir() else path.unlink()
    return found


def words(found: Sequence[dict[str, Any]]) -> Iterator[str]:
    """The rows as a table for a person."""
    yield (
        f"{'engine':<9}{'tokens':>12}{'per second':>12}{'us each':>9}{'p50 ms':>8}{'p99 ms':>8}{'ratio':>7}"
        f"{'of work':>9}{'peak MiB':>10}{'own MiB':>9}{'B/token':>9}{'start s':>9}"
    )
    for row in found:
        yield (
            f"{row['engine']:<9}{row['tokens']:>12,}{row['rate_per_second']:>12,.0f}{row['processor_us']:>9.1f}"
            f"{row['p50_ms']:>8.2f}{row['p99_ms']:>8.2f}{row['ratio']:>7.2f}{row['processor_ratio']:>9.2f}"
            f"{row['rss_mib']:>10,.0f}{row['own_mib']:>9,.0f}{row['bytes_per_token']:>9,.0f}{row['start_seconds']:>9.2f}"
        )


def _process(work: str, engine: str, tokens: int, transfers: int, place: Path) -> dict[str, Any]:
    """Do a piece of work in a process of its own; what it found."""
    result = place / "result.json"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
    program = [sys.executable, "-m", __name__, work, engine, str(tokens), str(transfers), str(place)]
    subprocess.run(program, env=environment, check=True)  # noqa: S603 - our own interpreter, and no shell
    found: dict[str, Any] = json.loads(result.read_text(encoding="utf-8"))
    result.unlink()
    return found


# --- the rows ---


def _hash(label: str, number: int) -> bytes:
    return hashlib.sha256(f"tenge growth {label} {number}".encode()).digest()


def _token(number: int) -> bytes:
    """Where a token stands that filling made: each entry made `_OUTPUTS`, as payments do."""
    return _token_of(_hash("fill", number // _OUTPUTS), number % _OUTPUTS)


def _token_of(transaction_id: bytes, output: int) -> bytes:
    return b"\x01" + transaction_id + output.to_bytes(2, "big")


@lru_cache(maxsize=HOLDERS)
def _holder(number: int) -> tuple[bytes, bytes]:
    """A key id, and the bytes of a token that it holds."""
    kid = _hash("holder", number)
    return kid, Token(100_000, KeyLock(kid)).encode()


def _entry(index: int, name: str, payload_bytes: int) -> EntryRow:
    identity = _hash(name, index)
    data = (identity * (payload_bytes // 32 + 1))[:payload_bytes]
    return EntryRow(index, identity, data, hashlib.sha256(b"\0" + data).digest())


def _fill_commits(tokens: int) -> Iterator[Commit]:
    """Commits of entries that are shorter than payments, each with as many tokens as a payment makes."""
    for first in range(0, tokens, _FILL):
        numbers = range(first, min(first + _FILL, tokens))
        places = range(first // _OUTPUTS, -(-numbers.stop // _OUTPUTS))
        changes: dict[bytes, bytes | None] = {}
        owners: dict[bytes, bytes] = {}
        for number in numbers:
            key = _token(number)
            owners[key], changes[key] = _holder(number % HOLDERS)
        entries = tuple([_entry(place, "fill", _FILL_PAYLOAD_BYTES) for place in places])
        yield Commit(places.start, entries, changes, owners, bytes(150))


def _transfer_commits(size: int, tokens: int, transfers: int) -> Iterator[Commit]:
    """Groups of transfers over tokens that lie far apart; each is spent once."""
    for first in range(0, transfers, GROUP):
        changes: dict[bytes, bytes | None] = {}
        owners: dict[bytes, bytes] = {}
        entries = []
        for number in range(first, min(first + GROUP, transfers)):
            entry = _entry(size + number, "transfer", _PAYLOAD_BYTES)
            entries.append(entry)
            changes[_token(number * _STRIDE % tokens)] = None
            for output in range(_OUTPUTS):
                key = _token_of(entry.transaction_id, output)
                owners[key], changes[key] = _holder((number * _OUTPUTS + output) * _STRIDE % HOLDERS)
                changes[b"\x04holding:" + owners[key]] = b"\xce\x00\x01\x86\xa0"
        yield Commit(size + first, tuple(entries), changes, owners, bytes(150))


# --- the two processes ---


def _open(engine: str, place: Path, filling: bool = False) -> Store:
    if engine == "sqlite":
        return SqliteStore(place / "ledger.sqlite")
    settings = JournalSettings(layer_rows=2 * _FILL * _FILL_SNAPSHOTS) if filling else JournalSettings()
    return JournalStore(place / "journal", settings=settings)


def _fill(engine: str, tokens: int, place: Path) -> dict[str, Any]:
    store = _open(engine, place, filling=True)
    for number, commit in enumerate(_fill_commits(tokens), 1):
        store.commit(commit)
        if isinstance(store, JournalStore) and number % _FILL_SNAPSHOTS == 0:
            store.make_snapshot()
    if isinstance(store, JournalStore):
        store.make_snapshot()
    store.close()
    return {}


def _measure(engine: str, tokens: int, transfers: int, place: Path) -> dict[str, Any]:
    bytes_per_token = _state_bytes(engine, place) / tokens
    on_disk = _folder_bytes(place)
    before, begun = processor_stopwatch(), stopwatch()
    store = _open(engine, place)
    start_seconds, start_processor = stopwatch() - begun, processor_stopwatch() - before
    seconds: list[float] = []
    busy = errors = 0
    processor = 0.0
    for commit in _transfer_commits(store.size(), tokens, min(transfers, tokens)):
        before, begun = processor_stopwatch(), stopwatch()
        try:
            store.find([row.transaction_id for row in commit.entries])
            store.get_many(commit.changes)
            store.commit(commit)
        except TengeError:
            errors += len(commit.entries)
        seconds.append(stopwatch() - begun)
        processor += processor_stopwatch() - before
        busy += len(commit.entries)
    own_mib = _own_memory_mib()
    begun = stopwatch()
    store.close()
    closing = stopwatch() - begun
    processor += _children_processor_seconds()
    rate = (busy - errors) / max(sum(seconds), 1e-9)
    limit = _appends_per_second(place / "appends") * GROUP
    return {
        "workload": "store-transfers",
        "engine": engine,
        "transport": "store",
        "clients": 1,
        "tokens": tokens,
        "transfers": busy,
        "group": GROUP,
        "rate_per_second": round(rate, 1),
        "p50_ms": _milliseconds(seconds, 500),
        "p99_ms": _milliseconds(seconds, 990),
        "p999_ms": _milliseconds(seconds, 999),
        "errors": errors,
        "processor_us": round(processor / max(busy, 1) * 1e6, 2),
        "rss_mib": _peak_memory_mib(),
        "own_mib": own_mib,
        "bytes_per_token": round(bytes_per_token, 1),
        "disk_mib": round(on_disk / 2**20, 1),
        "bytes_per_transfer": round((_folder_bytes(place) - on_disk) / max(busy, 1), 1),
        "start_seconds": round(start_seconds, 3),
        "start_processor_seconds": round(start_processor, 3),
        "close_seconds": round(closing, 3),
        "limit_per_second": round(limit, 1),
    }


def _state_bytes(engine: str, place: Path) -> int:
    """What the state and the owner index take on the disk: of a journal the newest snapshot's tables, else the file."""
    if engine == "sqlite":
        return _folder_bytes(place)
    newest = next(snapshots(RealDisk(place / "journal")))
    return newest.state.size + sum(table.size for table in newest.owners)


def _folder_bytes(place: Path) -> int:
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def _milliseconds(seconds: Sequence[float], permille: int) -> float:
    if not seconds:
        return 0.0
    return round(sorted(seconds)[-(-len(seconds) * permille // 1_000) - 1] * 1_000, 3)


def _appends_per_second(path: Path) -> float:
    """Bare appends of 4 KiB, each on the disk before the next."""
    page = bytes(4_096)
    with path.open("ab", buffering=0) as file:
        begun = stopwatch()
        for _ in range(_APPENDS):
            file.write(page)
            os.fsync(file.fileno())
        return _APPENDS / max(stopwatch() - begun, 1e-9)


def _peak_memory_mib() -> float:
    if sys.platform == "win32":
        return 0.0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def _children_processor_seconds() -> float:
    if sys.platform == "win32":
        return 0.0
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _own_memory_mib() -> float:
    """Memory that is this process's own, not mapped from files; 0 where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("RssAnon:"):
                return round(int(line.split()[1]) / 1_024, 1)
    return 0.0


def main(arguments: Sequence[str]) -> None:
    """One of the two processes: `fill` or `measure`, the engine, tokens, transfers and the folder."""
    work, engine, tokens, transfers, folder = arguments
    place = Path(folder)
    found = (
        _fill(engine, int(tokens), place)
        if work == "fill"
        else _measure(engine, int(tokens), int(transfers), place)
    )
    (place / "result.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
