"""The tables that jobs of a cluster run hand to each other: Parquet files, each written whole or not at all.

A file appears under its name only when it is complete, so a job that was killed left nothing, and a job that is done
twice wrote the same file twice. That is all the resuming a run needs.

    read     one row for each object of a chunk of a file, as it was read
    batches  the batches of that chunk
    ask      signatures to judge
    sound    those that stand
    tree     an object for the jobs of notes
    device   an object for the jobs of devices
    moment   when a stated log was complete
    proof    a proof of guilt
    facts    the digest and the sums of one note
    left     transfers that wait
"""

import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from offline.cluster import engines

READ = (
    ("place", "u8"), ("kind", "u1"), ("oid", "b"), ("signature", "b"), ("kid", "b"), ("previous", "b"),
    ("reference", "b"), ("owner", "b"), ("paying", "u1"), ("arrived", "u8"), ("signer", "b"), ("own", "b"),
    ("raw", "b"),
)  # fmt: skip
BATCHES = (("place", "u8"), ("batch_id", "b"), ("batch_hash", "b"))
SOUND = (("oid", "b"), ("signature", "b"))
MOMENT = (("kid", "b"), ("head", "b"), ("counter", "u8"), ("moment", "u8"))
PROOF = (("kid", "b"), ("type", "u1"), ("reason", "s"), ("items", "b"))
FACTS = (
    ("note", "b"), ("digest", "b"), ("notes_tiyn", "u8"), ("redeemed_tiyn", "u8"), ("claimed_tiyn", "u8"),
    ("loss_tiyn", "u8"), ("conflicts", "u8"),
)  # fmt: skip
LEFT = (("oid", "b"),)
Columns = Sequence[tuple[str, str]]


def write(path: Path, columns: Columns, rows: Iterable[Sequence[Any]]) -> None:
    """Write a table; the file appears when it is complete."""
    arrow = engines.arrow()
    kinds = {"u1": arrow.uint8(), "u8": arrow.uint64(), "b": arrow.binary(), "s": arrow.string()}
    schema = arrow.schema([(name, kinds[kind]) for name, kind in columns])
    lists = list(zip(*rows, strict=True)) or [()] * len(columns)
    arrays = [arrow.array(values, schema.field(place).type) for place, values in enumerate(lists)]
    table = arrow.Table.from_arrays(arrays, schema=schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(prefix=".", suffix=".unfinished", dir=path.parent)
    os.close(handle)
    engines.parquet().write_table(table, unfinished)
    Path(unfinished).replace(path)


def read(paths: Iterable[Path], names: Sequence[str]) -> list[tuple[Any, ...]]:
    """Some columns of the rows of some files, in the order of the files."""
    rows: list[tuple[Any, ...]] = []
    for path in paths:
        table = engines.parquet().read_table(path, columns=list(names))
        rows += zip(*(table.column(name).to_pylist() for name in names), strict=True)
    return rows
