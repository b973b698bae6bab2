"""The jobs of a cluster run: pure functions from files to files, done by any worker, in any order, again and again.

    read_job      some frames of a file of batches   -> the rows of its objects
    judge_job     signatures and keys                -> those that stand
    device_job    all that some devices signed       -> when stated logs were complete; proofs against signers
    note_job      the trees of some notes            -> digests and sums; proofs; what waits

The derivation itself is that of bulk reconciliation: the same rows, shelf and forest, and through them the protocol's
own `derive_tree` and `guilt_of_signatures`. What a job of notes has to know of a device that is spread over many jobs
is one thing only, when each of its stated logs was complete, and the jobs of devices tell it.

A worker opens the input files by their paths, so all machines must see the same folder.

Source: DTO/1, section 5.9 (`derive`); `docs/reconciliation.md`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.authority import Authority, open_root
from offline.bulk import rows as fields
from offline.bulk.files import Files
from offline.bulk.forest import Forest, ShelfStatements
from offline.bulk.form import Frame
from offline.bulk.rows import BY_DEVICE, ROW, Reader
from offline.bulk.shelf import CERTIFICATE, INVOICE, NOTE, REQUEST, TRANSFER, Shelf
from offline.bulk.stream import protocol_rules
from offline.bulk.work import ASKED, judge
from offline.cluster import tables
from offline.graph import Guilt, guilt_of_signatures
from offline.records import SyncRequest

KINDS = (CERTIFICATE, NOTE, TRANSFER, INVOICE, REQUEST)
"""The objects that facts depend on; the others enter at settlement's door and decide nothing here."""

_PLACE_BITS = 40
_ORDER = {CERTIFICATE: 0, REQUEST: 1, INVOICE: 2, NOTE: 3, TRANSFER: 4}
_ID_BYTES = 32


class Basis(NamedTuple):
    """What every job must know, small enough to be sent along: ROOT, its certificates, the files, the grace time."""

    root: bytes
    auths: tuple[bytes, ...]
    files: tuple[str, ...]
    grace_seconds: int

    def authority(self) -> Authority:
        """ROOT and its certificates, verified."""
        return Authority(open_root(self.root), list(self.auths))


def place_of(file: int, offset: int) -> int:
    """One number for the place of a batch: files in their order, then offsets."""
    return (file << _PLACE_BITS) | offset


# --- reading and judging ---


def read_job(basis: Basis, file: int, frames: Sequence[Frame], out: str) -> int:
    """Read adjacent frames into `read` and `batches` tables named after `out`; how many objects there are."""
    path = Path(basis.files[file])
    with path.open("rb") as source:
        source.seek(frames[0].offset)
        data = source.read(frames[-1].end - frames[0].offset)
    chunk = Reader(basis.authority()).chunk(data, frames, file, path.name)
    keys = [bytes([algorithm]) + raw for algorithm, raw in chunk.keys]
    found, start, size = list[tuple[Any, ...]](), 0, ROW.size
    packed = [chunk.rows[at : at + size] for at in range(0, len(chunk.rows), size)]
    for batch in chunk.batches:
        place = place_of(file, batch.frame.offset)
        found += (_read_row(place, raw, keys) for raw in packed[start : start + batch.rows])
        start += batch.rows
    tables.write(Path(f"{out}.read.parquet"), tables.READ, [row for row in found if row[1] in KINDS])
    whole = [one for one in chunk.batches if not one.code]
    tables.write(
        Path(f"{out}.batches.parquet"),
        tables.BATCHES,
        [(place_of(file, one.frame.offset), one.batch_id, one.batch_hash) for one in whole],
    )
    return len(found)


def _read_row(place: int, raw: bytes, keys: list[bytes]) -> tuple[Any, ...]:
    row = ROW.unpack(raw)
    kind, key = row[fields.KIND], row[fields.KEY]
    return (
        place, kind, row[fields.OID], row[fields.SIGNATURE], row[fields.KID], row[fields.PREVIOUS],
        row[fields.REFERENCE], row[fields.OWNER], row[fields.PAYING], row[fields.ARRIVED],
        b"" if key == BY_DEVICE else keys[key], keys[row[fields.COUNTER]] if kind == CERTIFICATE else b"", raw,
    )  # fmt: skip


def judge_job(asked: Sequence[str], out: str) -> int:
    """Judge signatures (`ask` tables: kind, id, signature, key) into a `sound` table; how many stand."""
    numbers: dict[bytes, int] = {}
    packed, pairs = list[bytes](), list[tuple[bytes, bytes]]()
    for kind, oid, signature, key in tables.read(map(Path, asked), ("kind", "oid", "signature", "key")):
        packed.append(ASKED.pack(numbers.setdefault(key, len(numbers)), kind, oid, signature))
        pairs.append((oid, signature))
    standing = judge([(key[0], key[1:]) for key in numbers], b"".join(packed))
    tables.write(Path(out), tables.SOUND, [pairs[place] for place in standing])
    return len(standing)


# --- deriving ---


class _LentStatements(ShelfStatements):
    """The statements of devices of which only part is here: when a stated log was complete is told from outside."""

    def __init__(self, shelf: Shelf, moments: dict[tuple[bytes, bytes, int], int | None]) -> None:
        super().__init__(shelf)
        self._moments = moments

    def completed_at(self, kid: bytes, head: bytes, counter: int) -> int | None:
        """As a job of devices found it, with the whole log before it."""
        return self._moments[kid, head, counter]


def _forest(basis: Basis, given: Sequence[str], files: Files, registered: Sequence[bytes]) -> Forest:
    for path in basis.files:
        files.add(Path(path))
    forest = Forest(Shelf(files.fetch), protocol_rules(), basis.grace_seconds, open_registry=False)
    for oid in registered:
        forest.register(oid)
    return forest


def _rows(given: Sequence[str]) -> list[tuple[fields.Row, bytes]]:
    """The rows of `tree` or `device` tables (raw, arrived), each with its own earliest arrival; certificates first."""
    rows = []
    for raw, arrived in tables.read(map(Path, given), ("raw", "arrived")):
        values = list(ROW.unpack(raw))
        values[fields.ARRIVED] = arrived
        rows.append((tuple(values), ROW.pack(*values)))
    rows.sort(key=lambda one: (_ORDER[one[0][fields.KIND]], one[0][fields.OID]))
    return rows


def device_job(basis: Basis, given: Sequence[str], out: str) -> int:
    """Judge what some devices signed, each wholly given; writes `moment` and `proof` tables; how many proofs."""
    files = Files(basis.authority().network)
    try:
        forest = _forest(basis, given, files, ())
        rows = _rows(given)
        for row, raw in rows:
            forest.take(row, raw)
        shelf, statements = forest.shelf, forest.statements
        moments = set[tuple[bytes, bytes, int, int | None]]()
        for kid in shelf.synced_kids():
            for request in shelf.requests(kid):
                record: SyncRequest = request.record
                moment = statements.completed_at(kid, record.head, record.counter)
                moments.add((kid, record.head, record.counter, moment))
        forest.refresh()
        kids = sorted({row[fields.KID] for row, _ in rows})
        proofs = [one for kid in kids for one in guilt_of_signatures(kid, shelf, statements)]  # type: ignore[arg-type]
    finally:
        files.close()
    tables.write(Path(f"{out}.moment.parquet"), tables.MOMENT, moments)
    tables.write(Path(f"{out}.proof.parquet"), tables.PROOF, map(proof_row, proofs))
    return len(proofs)


def note_job(basis: Basis, given: Sequence[str], moments: Sequence[str], out: str) -> int:
    """Derive the trees of some notes, each wholly given; writes `facts`, `proof` and `left` tables; how many trees."""
    files = Files(basis.authority().network)
    try:
        rows = _rows(given)
        notes = [row[fields.OID] for row, _ in rows if row[fields.KIND] == NOTE]
        forest = _forest(basis, given, files, notes)
        told = tables.read(map(Path, moments), ("kid", "head", "counter", "moment"))
        forest.statements = _LentStatements(forest.shelf, {tuple(key): moment for *key, moment in told})
        for row, raw in rows:
            forest.take(row, raw)
        forest.derive_trees()
        facts = [(oid, digest, *_sums(forest, oid)) for oid, digest in forest.tree_digests()]
        proofs, left = forest.tree_guilt(), forest.pending()
    finally:
        files.close()
    tables.write(Path(f"{out}.facts.parquet"), tables.FACTS, facts)
    tables.write(Path(f"{out}.proof.parquet"), tables.PROOF, map(proof_row, proofs))
    tables.write(Path(f"{out}.left.parquet"), tables.LEFT, [(oid,) for oid in left])
    return len(facts)


def _sums(forest: Forest, oid: bytes) -> tuple[int, int, int, int, int]:
    sums = forest.tree_totals(oid)
    return sums.notes_tiyn, sums.redeemed_tiyn, sums.claimed_tiyn, sums.loss_tiyn, sums.conflicts


def proof_row(guilt: Guilt) -> tuple[bytes, int, str, bytes]:
    """A proof as a row of a `proof` table."""
    return guilt.kid, guilt.type, guilt.reason, canonical.encode(list(guilt.items))
