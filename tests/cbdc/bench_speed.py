"""How near a stream of transfers comes to bare signatures: no test, a measure that a busy machine disturbs little.

    python -m tests.cbdc.bench_speed [--engine journal|memory|sqlite] [--transfers N] [--group N] [--submitters N]

One token in, two out, through a pipeline with a process for each core, in calls of `group` by so many submitters at
once. Beside it, in the same run, the bare verification that `wallets.benches.limits` counts. Two ratios come out:

    processor   processor time of one bare verification over that of one transfer, in the writer and in the workers
    clock       transfers a second over bare verifications a second on all cores: only true on a quiet machine
"""

import argparse
import cProfile
import os
import pstats
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from threading import Thread

from cbdc.errors import TengeError
from cbdc.keys import forget_verified
from cbdc.ledger.engines import open_store
from cbdc.ledger.pipeline import Pipeline
from cbdc.ports import ManualClock, processor_stopwatch, stopwatch
from cbdc.transaction import forget_opened
from wallets.benches.limits import CHOSEN, loop, signed_messages
from wallets.benches.scene import ONE_IN, Purse, Scene, found

START = 1_762_146_000
HOLDERS = 256
VERIFICATIONS = 6_000


def used_us(process: int) -> float:
    """Microseconds of processor time that every thread of a process has used."""
    total = 0
    for task in Path(f"/proc/{process}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except OSError:
            continue
    return total / 1_000


def _bare(count: int) -> float:
    questions = signed_messages(count)
    loop(questions[:64], CHOSEN)
    begun = processor_stopwatch()
    loop(questions, CHOSEN)
    return (processor_stopwatch() - begun) / count * 1e6


def bare_us(cores: int) -> float:
    """Microseconds of processor time of one bare verification while every core does them."""
    with ProcessPoolExecutor(cores, get_context("spawn")) as pool:
        return sum(pool.map(_bare, [VERIFICATIONS] * cores)) / cores


def stream(pipeline: Pipeline, calls: list[list[bytes]], submitters: int) -> None:
    """Every call by one of so many threads."""
    waiting, wrong = iter(calls), list[TengeError]()

    def work() -> None:
        for call in waiting:
            wrong.extend(one for one in pipeline.submit_many(call) if isinstance(one, TengeError))

    threads = [Thread(target=work) for _ in range(submitters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[0]


def measure(engine: str, transfers: int, group: int, submitters: int, profile: bool) -> None:
    """Print one line for a stretch of transfers on an engine."""
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(dir=os.environ.get("TENGE_BENCH_DIR")) as folder:
        urls = {
            "memory": "memory:",
            "journal": f"journal:///{folder}/j",
            "sqlite": f"sqlite:///{folder}/l.sqlite",
        }
        store, scene, clock = open_store(urls[engine]), Scene(HOLDERS), ManualClock(START)
        ledger, founded = found(store, scene, max(10_000, transfers // 4), clock, lambda _: None)
        purse = Purse(scene, founded)
        with Pipeline(ledger, workers=cores, capacity=20_000) as pipeline:
            warm = purse.script(ONE_IN, 2_000).operations
            stream(pipeline, [warm[start : start + 100] for start in range(0, 2_000, 100)], 4)
            assert pipeline._verifiers is not None
            workers = pipeline._verifiers.processes
            took, parent, others, done = 0.0, 0.0, 0.0, 0
            bares = [bare_us(cores)]
            profiler = cProfile.Profile()
            while done < transfers:
                made = purse.script(ONE_IN, 10_000).operations
                forget_verified()
                forget_opened()
                calls = [made[start : start + group] for start in range(0, len(made), group)]
                before = [processor_stopwatch() * 1e6, *map(used_us, workers)]
                begun = stopwatch()
                if profile:
                    profiler.enable()
                stream(pipeline, calls, submitters)
                profiler.disable()
                took += stopwatch() - begun
                after = [processor_stopwatch() * 1e6, *map(used_us, workers)]
                parent += after[0] - before[0]
                others += sum(after[1:]) - sum(before[1:])
                done += len(made)
            bares.append(bare_us(cores))
        entries = ledger.size
        store.close()
    bare = sum(bares) / len(bares)
    each, shared = parent / done, others / done
    sys.stdout.write(
        f"{engine:8} group {group:5} submitters {submitters:2}: bare {bare:6.2f} us, writer {each:6.2f} us,"
        f" workers {shared:6.2f} us, processor ratio {bare / (each + shared):.3f},"
        f" clock ratio {done / took * bare / cores / 1e6:.3f}, {done / took:,.0f}/s, {entries:,} entries\n"
    )
    if profile:
        pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", default="journal")
    parser.add_argument("--transfers", type=int, default=20_000)
    parser.add_argument("--group", type=int, default=100)
    parser.add_argument("--submitters", type=int, default=8)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    measure(given.engine, given.transfers, given.group, given.submitters, given.profile)


if __name__ == "__main__":
    main()
