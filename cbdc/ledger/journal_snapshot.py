"""Snapshots of the journal engine: what the closed segments say, as tables, so that a start need not read them.

    state-N    every key with its packed value after N entries
    owners-N   which holder was given which token; several of these, merged as they grow, the spent left out at last
    ids-N      which entry each transaction is; several of these too
    leaves     the leaf hash of each entry, 32 bytes each: all that inclusion proofs need of an archived segment
    frames     after which entry each commit begins, in which segment and where
    snapshot-N names the files above with their lengths and checks; written last

A snapshot is made from an older one and the segments closed since, never from the writer's memory, so another process
makes it while payments go on: `python -m cbdc.ledger.journal_snapshot FOLDER SEGMENT`. Each file is written under
another name, synced and renamed, and the file `snapshot-N` comes last. A kill leaves the older snapshot, which is kept
until the next one is whole, as are its files. A snapshot that does not match its checks is passed over for the older
one.
"""

import os
import struct
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cbdc.errors import Refused, TengeError
from cbdc.ledger.disk import Disk, RealDisk
from cbdc.ledger.journal_frames import Scan, check_tail, owner_of, read_header
from cbdc.ledger.journal_memory import HOLDER_BYTES, PLACE_BYTES, Tables, owner_key
from cbdc.ledger.journal_table import (
    Change,
    Table,
    TableFile,
    TableWriter,
    check_file,
    raw_record,
    write_changed,
    write_merged,
)
from cbdc.ports import Checkpoint, checkpoint_from_environment, no_checkpoint

SNAPSHOT = "snapshot-"
LEAVES = "leaves"
FRAMES = "frames"
SNAPSHOT_LOCK = "lock-snapshot"
LEAF_BYTES = 32
FRAME_ROW = struct.Struct("<QII")
_FRESH = "new-"
_OURS = ("state-", "owners-", "ids-", SNAPSHOT, _FRESH)
_VERSION = 1

DONE, FAILED, BUSY = 0, 2, 3


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """What a snapshot's file says: entries covered, the first segment that is not, its tables, and commits covered."""

    version: int
    size: int
    segment: int
    frames: int
    state: TableFile
    owners: list[TableFile]
    ids: list[TableFile]

    def files(self) -> list[TableFile]:
        """All its tables."""
        return [self.state, *self.owners, *self.ids]


_decoder = msgspec.msgpack.Decoder(Snapshot)


def snapshot_name(size: int) -> str:
    """The file of the snapshot after `size` entries."""
    return f"{SNAPSHOT}{size:016d}"


def snapshots(disk: Disk) -> Iterator[Snapshot]:
    """The snapshots that can be read, newest first; whether their tables are whole is another question."""
    for name in sorted((name for name in disk.names() if name.startswith(SNAPSHOT)), reverse=True):
        with suppress(OSError, msgspec.MsgspecError):
            data = disk.read(name)
            if len(data) > 4 and zlib.crc32(data[:-4]).to_bytes(4, "little") == data[-4:]:
                found = _decoder.decode(data[:-4])
                if found.version == _VERSION:
                    yield found


def open_tables(disk: Disk, snapshot: Snapshot, check: bool) -> Tables:
    """The tables of a snapshot; E_JOURNAL_SNAPSHOT when one is not there or not whole. `check` reads every byte."""
    for name, size in ((LEAVES, snapshot.size * LEAF_BYTES), (FRAMES, snapshot.frames * FRAME_ROW.size)):
        with suppress(OSError):
            if disk.size(name) >= size:
                continue
        raise Refused("E_JOURNAL_SNAPSHOT", file=name)
    if check:
        for file in snapshot.files():
            check_file(disk, file)
    state, *rest = [Table(disk, file) for file in snapshot.files()]
    return Tables(snapshot.size, state, rest[: len(snapshot.owners)], rest[len(snapshot.owners) :])


def newest(disk: Disk, check: bool) -> tuple[Snapshot | None, Tables]:
    """The newest snapshot that is whole, with its tables; None and empty tables when there is none."""
    for snapshot in snapshots(disk):
        with suppress(TengeError):
            return snapshot, open_tables(disk, snapshot, check)
    return None, Tables()


@dataclass(slots=True)
class _Gathered:
    """What the segments since the older snapshot say."""

    changes: dict[bytes, bytes | None]
    ids: list[bytes]
    size: int
    frames: int


def build(disk: Disk, upto: int, checkpoint: Checkpoint = no_checkpoint) -> Snapshot:
    """Make the snapshot of everything up to and with segment `upto`, which is closed; the snapshot.

    Raises `BlockingIOError` while another one is being made, E_JOURNAL_DAMAGED for a segment that is not whole.
    """
    release = disk.lock(SNAPSHOT_LOCK)
    try:
        return _build(disk, upto, checkpoint)
    finally:
        release()


def _build(disk: Disk, upto: int, checkpoint: Checkpoint) -> Snapshot:
    base, tables = newest(disk, check=True)
    if base is not None and base.segment > upto:
        return base
    checkpoint("journal.snapshot.before")
    gathered = _gather(disk, base, upto)
    changes: list[Change] = sorted(gathered.changes.items())
    gathered.changes.clear()
    given = [
        raw_record(owner_key(owner, key), b"")
        for key, packed in changes
        if packed is not None and (owner := owner_of(packed)) is not None
    ]
    writer = TableWriter(disk, f"{_FRESH}state-{gathered.size:016d}")
    write_changed(writer, tables.state, changes)
    state = _named(disk, writer)
    changes.clear()
    owners = _grown(disk, f"owners-{gathered.size:016d}", given, tables.owners, Table(disk, state))
    ids = _grown(disk, f"ids-{gathered.size:016d}", gathered.ids, tables.ids, None)
    snapshot = Snapshot(_VERSION, gathered.size, upto + 1, gathered.frames, state, owners, ids)
    checkpoint("journal.snapshot.written")
    _publish(disk, snapshot, base)
    checkpoint("journal.snapshot.after")
    return snapshot


def _gather(disk: Disk, base: Snapshot | None, upto: int) -> _Gathered:
    """Read the segments, and write their leaves and the places of their commits at once."""
    size, frames = (0, 0) if base is None else (base.size, base.frames)
    gathered = _Gathered({}, [], size, frames)
    names = disk.names()
    leaf_file = disk.open(LEAVES, size * LEAF_BYTES) if LEAVES in names else disk.create(LEAVES)
    frame_file = disk.open(FRAMES, frames * FRAME_ROW.size) if FRAMES in names else disk.create(FRAMES)
    for number in range(1 if base is None else base.segment, upto + 1):
        if read_header(disk, number) != gathered.size:
            raise Refused("E_JOURNAL_DAMAGED", segment=number, position=0)
        scan = Scan(disk, number, gathered.size)
        leaves, rows = bytearray(), bytearray()
        for frame in scan.frames():
            gathered.changes.update(zip(frame.changes[0::2], frame.changes[1::2], strict=True))  # type: ignore[arg-type]
            for place, identity in enumerate(frame.ids, frame.first):
                gathered.ids.append(raw_record(identity, place.to_bytes(PLACE_BYTES, "big")))
            leaves += b"".join(frame.leaves)
            rows += FRAME_ROW.pack(frame.first, number, frame.offset)
            gathered.frames += 1
        check_tail(disk, scan, last=False)
        gathered.size = scan.size
        leaf_file.append(leaves)
        frame_file.append(rows)
    for file in (leaf_file, frame_file):
        file.sync()
        file.close()
    return gathered


def _named(disk: Disk, writer: TableWriter) -> TableFile:
    file = writer.finish()
    name = file.name.removeprefix(_FRESH)
    disk.rename(file.name, name)
    return TableFile(name, file.size, file.check, file.count)


def _grown(
    disk: Disk, name: str, fresh: list[bytes], tables: list[Table], state: Table | None
) -> list[TableFile]:
    """Tables with `fresh` records, newest first. Those not twice as long are merged: they are few, each written seldom.

    When all of them are merged, owners' records of tokens that are not in `state` are left out.
    """
    if not fresh:
        return [table.file for table in tables]
    kept = list(tables)
    merged: list[Table] = []
    count = len(fresh)
    while kept and kept[0].count < 2 * count:
        merged.append(kept.pop(0))
        count += merged[-1].count
    writer = TableWriter(disk, _FRESH + name)
    write_merged(_Living(writer, state) if merged and not kept and state else writer, merged, fresh)
    return [_named(disk, writer), *(table.file for table in kept)]


class _Living:
    """Writes those owners' records whose token is in the state."""

    def __init__(self, writer: TableWriter, state: Table) -> None:
        self._writer = writer
        self._state = state

    def add(self, raw: Sequence[bytes], fence: bytes | None = None, length: int = 0) -> None:
        """Records that come next."""
        tokens = [record[2 + HOLDER_BYTES :] for record in raw]
        found: dict[bytes, bytes] = {}
        self._state.get_into(tokens, found)
        kept = [record for record, token in zip(raw, tokens, strict=True) if token in found]
        self._writer.add(kept, fence, length)


def _publish(disk: Disk, snapshot: Snapshot, base: Snapshot | None) -> None:
    """Write the snapshot's own file, and delete what neither it nor the older one names."""
    disk.sync_folder()
    data = msgspec.msgpack.encode(snapshot)
    name = snapshot_name(snapshot.size)
    file = disk.create(_FRESH + name)
    file.append(data + zlib.crc32(data).to_bytes(4, "little"))
    file.sync()
    file.close()
    disk.rename(_FRESH + name, name)
    disk.sync_folder()
    kept = {name, *(file.name for file in snapshot.files())}
    if base is not None:
        kept |= {snapshot_name(base.size), *(file.name for file in base.files())}
    for other in disk.names():
        if other.startswith(_OURS) and other not in kept:
            with suppress(OSError):
                disk.delete(other)


def main(arguments: list[str]) -> int:
    """The other process: make a snapshot of a folder up to a segment. 0 when done, 3 when one is being made, else 2."""
    folder, upto = arguments
    with suppress(OSError, AttributeError):
        os.nice(5)
    try:
        build(RealDisk(Path(folder)), int(upto), checkpoint_from_environment())
    except BlockingIOError:
        return BUSY
    except (OSError, TengeError):
        return FAILED
    return DONE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
