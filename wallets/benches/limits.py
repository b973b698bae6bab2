"""The limits of this machine, measured in the same run as what is compared with them.

    verifications    bare Ed25519 verifications by libsodium as `cbdc.keys` calls it, and by its peers (PyNaCl's own
                     call of it, cryptography), on one core and on all cores at once, in processes of their own
    commits          bare appends of 4 KiB to a file, each on the disk before the next: what a durable commit costs when
                     there is no engine

The bare engine's rate for the same rows is a limit too: the twin of a ledger's store, which takes the same commits with
no ledger above it. `wallets.benches.host` measures it beside each workload; `twin_url` says where it is.
"""

import multiprocessing
import os
import platform
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psutil

from cbdc import keys
from cbdc.keys import ED25519, Question
from cbdc.ports import stopwatch
from offline.bulk.limit import CRYPTOGRAPHY, PRODUCT
from offline.bulk.limit import loop as peer_loop
from offline.bulk.work import all_cores
from wallets.bench import APPEND_BYTES, bench_key

KEYS = 64
TWIN = "_twin"
CHOSEN = "libsodium"
LIBRARIES = {CHOSEN: "", "PyNaCl": PRODUCT, "cryptography": CRYPTOGRAPHY}
_PACKAGES = (
    "PyNaCl",
    "cryptography",
    "msgspec",
    "msgpack",
    "Flask",
    "cheroot",
    "waitress",
    "psycopg",
    "granian",
)


def twin_url(url: str) -> str:
    """Where the twin of a store on a PostgreSQL server is: a second schema of the same server and database."""
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    options["schema"] = options.get("schema", "ledger") + TWIN
    return urlunsplit(parts._replace(query=urlencode(options)))


def signed_messages(count: int) -> list[Question]:
    """Sound signatures over different messages, under so many keys as one server meets in a moment."""
    signers = [bench_key(f"limit {number}") for number in range(KEYS)]
    found: list[Question] = []
    for number in range(count):
        signer, message = signers[number % KEYS], number.to_bytes(32, "big")
        found.append((ED25519, signer.public.raw, signer.sign(message), message))
    return found


def verifications(count: int) -> dict[str, dict[str, float]]:
    """By library: verifications a second on one core and on all cores, the best of three stretches of each."""
    questions = signed_messages(count)
    found: dict[str, dict[str, float]] = {}
    for name in LIBRARIES:
        one = max(count / max(loop(questions, name), 1e-9) for _ in range(3))
        every = max(on_all_cores(questions, all_cores(), name) for _ in range(2))
        found[name] = {"one_core_per_second": round(one, 1), "all_cores_per_second": round(every, 1)}
    return found


def loop(questions: Sequence[Question], name: str) -> float:
    """Seconds for one plain loop over sound signatures by the library of that name, everything prepared before."""
    if name != CHOSEN:
        return peer_loop(questions, LIBRARIES[name])[0]
    ready = [(signature + message, raw) for _, raw, signature, message in questions]
    opens = keys._opens  # the bare call of the library, without the rules around it
    began = stopwatch()
    for signed, raw in ready:
        opens(signed, raw)
    return stopwatch() - began


def on_all_cores(questions: Sequence[Question], cores: int, name: str) -> float:
    """Verifications a second of so many loops at once, each in a process of its own."""
    shares = [questions[number::cores] for number in range(cores)]
    with ProcessPoolExecutor(cores, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(loop, [share[:8] for share in shares], [name] * cores))
        seconds = list(pool.map(loop, shares, [name] * cores))
    return len(questions) / max(*seconds, 1e-9)


def append_seconds(folder: Path, count: int) -> list[float]:
    """The seconds of each of `count` appends that waited for the disk."""
    page, seconds = bytes(APPEND_BYTES), list[float]()
    with (folder / "appends").open("ab", buffering=0) as file:
        for _ in range(count):
            began = stopwatch()
            file.write(page)
            os.fsync(file.fileno())
            seconds.append(stopwatch() - began)
    return seconds


def machine(sync_seconds: list[float]) -> dict[str, Any]:
    """What this machine is, for whoever reads the figures; the load at the end is filled in at the end."""
    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "processor": _processor(),
        "cores": all_cores(),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "disk_sync_ms": round(sorted(sync_seconds)[len(sync_seconds) // 2] * 1_000, 3),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": versions,
        "load_at_start": load(),
    }


def load() -> float:
    """The load average of the last minute."""
    return round(psutil.getloadavg()[0], 2)


def _processor(read: Callable[[], str] = lambda: Path("/proc/cpuinfo").read_text(encoding="utf-8")) -> str:
    if sys.platform == "linux":
        for line in read().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def peak_mib(pid: int) -> float:
    """The most memory that a process and its children had, in MiB; pages that they share count for each.

    Where the system does not tell the peak, what they have now.
    """
    return round(sum(map(_peak_bytes, _family(pid))) / 2**20, 1)


def _family(pid: int) -> list[psutil.Process]:
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _peak_bytes(process: psutil.Process) -> int:
    try:
        for line in Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1_024
        return 0
    except OSError:
        try:
            return int(process.memory_info().rss)
        except psutil.NoSuchProcess:
            return 0


def processor_seconds(pid: int) -> float:
    """The processor time that a process and its children used so far, those that ended included.

    One that ended counts from the moment its parent has waited for it.
    """
    used = 0.0
    for process in _family(pid):
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        # Where a system does not tell of children that ended, there is nothing.
        ended = getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
        used += times.user + times.system + ended
    return used
