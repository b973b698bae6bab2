"""The bulk half of `tenge bench offline`: the signatures in files of batches, a timed stream, a timed derivation."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cbdc import keys
from cbdc.authority import Authority
from cbdc.keys import Question
from cbdc.ports import processor_stopwatch, stopwatch
from cbdc.record import OFFLINE_DOMAIN
from offline.bulk import rows as fields
from offline.bulk.files import Files, find_files
from offline.bulk.forest import Forest
from offline.bulk.form import Frame, frames
from offline.bulk.rows import BY_DEVICE, ROW, ReadChunk, Reader, Row
from offline.bulk.shelf import CERTIFICATE, NOTE, TRANSFER, Shelf
from offline.bulk.stream import BulkRun, protocol_rules
from offline.bulk.work import Workers
from offline.parameters import GRACE_SECONDS
from offline.records import RedeemOrder
from wallets.bench import peak_memory_mib

_FRAMES = 4
_RUNS = 5

Given = tuple[Row, bytes]
"""A row, and its packed form."""


def _chunks(path: Path, authority: Authority, file: int = 0) -> Iterator[ReadChunk]:
    """The rows of a file, which has that number, some frames at a time."""
    reader = Reader(authority)
    with path.open("rb") as source:
        some: list[Frame] = []
        for frame in [*frames(source, path.name), None]:
            if frame is not None:
                some.append(frame)
            if some and (frame is None or len(some) == _FRAMES):
                source.seek(some[0].offset)
                data = source.read(some[-1].end - some[0].offset)
                yield reader.chunk(data, some, file, path.name)
                some = []


def questions_in(folder: Path, authority: Authority, most: int) -> list[Question]:
    """The first `most` signatures in the files of a folder that stand, as questions."""
    found: list[Question] = []
    device: dict[bytes, tuple[int, bytes]] = {}
    bank: dict[bytes, tuple[int, bytes]] = {}
    for path in find_files([folder]):
        for chunk in _chunks(path, authority):
            for row in ROW.iter_unpack(chunk.rows):
                kid = row[fields.KID]
                if row[fields.KIND] == CERTIFICATE:
                    device[kid] = chunk.keys[row[fields.COUNTER]]
                    bank[kid] = chunk.keys[row[fields.KEY]]
                key = device[kid] if row[fields.KEY] == BY_DEVICE else chunk.keys[row[fields.KEY]]
                if row[fields.KIND] == RedeemOrder.TYPE:
                    key = bank[kid]
                message = OFFLINE_DOMAIN + b"sig\0" + bytes([row[fields.KIND]]) + row[fields.OID]
                found.append((*key, row[fields.SIGNATURE], message))
                if len(found) == most:
                    return _standing(found)
    return _standing(found)


def _standing(found: Sequence[Question]) -> list[Question]:
    known = [(algorithm, raw) for algorithm, raw, _, _ in found]
    asked = [(number, signature, message) for number, (_, _, signature, message) in enumerate(found)]
    return [found[place] for place in keys.sound(known, asked)]


def stream(inputs: Path, out: Path, authority: Authority, workers: Workers) -> dict[str, Any]:
    """Reconcile a folder, timed from the first byte to the facts' digest; workers are started before."""
    workers.processor_seconds()
    before = workers.processor_seconds()
    began, worked = stopwatch(), processor_stopwatch()
    with BulkRun(out, authority) as run:
        run.begin(find_files([inputs]))
        run.run(workers)
        result = run.result()
        seconds, own = stopwatch() - began, processor_stopwatch() - worked
        signatures = run.taking.signatures
    memory = (peak_memory_mib() or 0.0) + workers.memory_mib()
    return {
        "seconds": seconds,
        "processor_seconds": own + workers.processor_seconds() - before,
        "signatures": signatures,
        "transfers": result["transfers"],
        "memory_mib": round(memory, 1),
        "result": result,
    }


def incremental(inputs: Path, authority: Authority) -> dict[str, Any]:
    """What it takes to derive the transfers kept for later on the whole history, and as many on an empty shelf.

    Nothing is verified or written here: the rows are taken as standing. The empty shelf is given as many transfers from
    the middle of the history, with their notes and certificates, which are not timed. Both are medians of a few lots.
    """
    later, base = list[Given](), list[Given]()
    for number, path in enumerate(find_files([inputs])):
        (later if path.name.startswith("tail") else base).extend(_rows(path, authority, number))
    times, empty_times = list[float](), list[float]()
    transfers = [pair for pair in later if pair[0][fields.KIND] == TRANSFER]
    forest = _forest(authority, inputs)
    for row, raw in base:
        forest.take(row, raw)
    forest.refresh()
    history = sum(1 for row, _ in base if row[fields.KIND] == TRANSFER)
    # In lots, so that one disturbance does not spoil the whole measurement.
    size = max(1, len(transfers) // _RUNS)
    for start in range(0, size * _RUNS, size):
        times.append(_time(forest, transfers[start : start + size]))
    for run in range(_RUNS):
        empty, lot = _alike(base, size, run)
        fresh = _forest(authority, inputs)
        for row, raw in empty:
            fresh.take(row, raw)
        fresh.refresh()
        empty_times.append(_time(fresh, lot))
    one, other = (sorted(some)[_RUNS // 2] * _RUNS for some in (times, empty_times))
    return {
        "transfers": len(transfers),
        "history": history,
        "milliseconds": round(one * 1_000, 2),
        "empty_milliseconds": round(other * 1_000, 2),
        "ratio": round(one / max(other, 1e-9), 3),
        "errors": 0,
    }


def _rows(path: Path, authority: Authority, file: int) -> list[Given]:
    size = ROW.size
    return [
        (row, chunk.rows[place * size : (place + 1) * size])
        for chunk in _chunks(path, authority, file)
        for place, row in enumerate(ROW.iter_unpack(chunk.rows))
    ]


def _forest(authority: Authority, inputs: Path) -> Forest:
    files = Files(authority.network)
    for path in find_files([inputs]):
        files.add(path)
    return Forest(Shelf(files.fetch), protocol_rules(), GRACE_SECONDS.default)


def _time(forest: Forest, given: Sequence[Given]) -> float:
    started = processor_stopwatch()
    for row, raw in given:
        forest.take(row, raw)
    forest.refresh()
    return processor_stopwatch() - started


def _alike(base: Sequence[Given], count: int, run: int) -> tuple[list[Given], list[Given]]:
    """So many transfers from somewhere in the history that follow on their notes, and the certificates and notes."""
    start = len(base) * run // (_RUNS + 1)
    kinds = (CERTIFICATE, NOTE)
    empty, lot = list[Given](), list[Given]()
    # Begin where a group begins, with the first certificate of its devices.
    while start and not (_kind(base[start]) == CERTIFICATE != _kind(base[start - 1])):
        start = (start + 1) % len(base)
    for pair in base[start:]:
        if pair[0][fields.KIND] in kinds:
            empty.append(pair)
        elif pair[0][fields.KIND] == TRANSFER:
            lot.append(pair)
            if len(lot) == count:
                break
    return empty, lot


def _kind(given: Given) -> int:
    return int(given[0][fields.KIND])
