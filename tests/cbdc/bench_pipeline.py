"""What a transfer costs in each part of the pipeline, beside bare verifications in the same run: no test, a measure.

    python -m tests.cbdc.bench_pipeline [transfers] [memory|sqlite]

Processor time of the quickest of many small stretches, in microseconds a transfer (one token in, two out), so that
other programs disturb it least; then one run through processes by the clock, which only says something on a quiet
machine. The sum of the parts beside one bare verification is the share of the processors that signatures can get.
"""

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from nacl.bindings import crypto_sign_open

from cbdc.errors import TengeError
from cbdc.keys import forget_verified
from cbdc.ledger.group import Item
from cbdc.ledger.memory import MemoryStore
from cbdc.ledger.pipeline import Pipeline
from cbdc.ledger.plain import read_plain
from cbdc.ledger.sqlite import SqliteStore
from cbdc.ledger.store import Store
from cbdc.ledger.verifying import (
    CHUNK,
    Chunk,
    Verifier,
    _decode_chunk,
    _decode_found,
    _encode,
    likely_signers,
)
from cbdc.ports import processor_stopwatch, stopwatch
from cbdc.transaction import forget_opened, open_transaction
from tests.cbdc.test_pipeline import payments, people
from tests.cbdc.world import World

GROUP = 1_000
HELD_AT_ONCE = 200


def quickest(work: Callable[[Any], object], parts: Sequence[Any], size: int) -> float:
    """Microseconds of processor time for one of `size`, in the quickest part."""
    best = 1e9
    for part in parts:
        begun = processor_stopwatch()
        work(part)
        best = min(best, processor_stopwatch() - begun)
    return best / size * 1e6


def scene(world: World, count: int) -> list[bytes]:
    """Transfers of different holders, signed."""
    tokens = []
    for start in range(0, count, HELD_AT_ONCE):
        world.clock.advance(1)
        tokens += people(world, min(HELD_AT_ONCE, count - start), start)
    return [one.encode() for one in payments(world, tokens)]


def measure(world: World, data: list[bytes]) -> dict[str, float]:
    """Every part, by name."""
    ledger, network = world.ledger, world.network
    half = data[: len(data) // 2]
    opened = [open_transaction(one, network) for one in half]
    signed = [
        (one.witnesses[0][1] + one.message, world.ledger.registered(one.witnesses[0][0])) for one in opened
    ]
    bare = [(message, key.public_key) for message, key in signed if key is not None]
    forget_verified()
    forget_opened()
    gc.collect()
    gc.freeze()
    parts = [half[start : start + CHUNK] for start in range(0, len(half) - CHUNK + 1, CHUNK)]
    chunks: list[Chunk] = []

    def ask(part: list[bytes]) -> None:
        chunks.append(Chunk(part, ledger.key_rows({kid for one in part for kid in likely_signers(one)})))

    verifier, answers = Verifier(network, []), list[bytes]()
    found = {
        "bare verification": quickest(
            lambda some: [crypto_sign_open(*one) for one in some],
            [bare[start : start + 100] for start in range(0, len(bare) - 99, 100)],
            100,
        ),
        "asked of a process": quickest(ask, parts, CHUNK),
        "done by a process": quickest(
            lambda one: answers.append(_encode(verifier.judge(*_decode_chunk(one.message)))), chunks, CHUNK
        ),
        "taken back": quickest(_decode_found, answers, CHUNK),
    }
    items: list[Item] = [(one, read[0]) for one in half if (read := read_plain(one, network))]
    groups = [items[start : start + GROUP] for start in range(0, len(items) - GROUP + 1, GROUP)]
    found["decided and committed"] = quickest(ledger.settle, groups, GROUP)
    return found


def through_processes(world: World, data: list[bytes]) -> float:
    """Transfers a second through a pipeline with a process for each core."""
    with Pipeline(world.ledger, workers=os.cpu_count() or 1, capacity=20_000) as pipeline:
        for _ in range(20):  # until every process has started
            pipeline.submit_many(data[:64])
        begun = stopwatch()
        answers = pipeline.submit_many(data[64:])
        seconds = stopwatch() - begun
    assert not any(isinstance(answer, TengeError) for answer in answers)
    return len(answers) / seconds


def main(count: int, engine: str) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        store: Store = MemoryStore() if engine == "memory" else SqliteStore(Path(folder) / "ledger.sqlite")
        world = World(store)
        data = scene(world, count)
        found = measure(world, data)
        rate = through_processes(world, data[len(data) // 2 :])
    bare, *others = found.values()
    for name, microseconds in found.items():
        sys.stdout.write(f"{name:<24}{microseconds:8.2f} us\n")
    sys.stdout.write(f"share of signatures      {bare / sum(others):8.2f}\n")
    sys.stdout.write(f"by the clock             {rate:8.0f} a second\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 4_000, sys.argv[2] if len(sys.argv) > 2 else "memory")
