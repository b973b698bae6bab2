"""Taking in rows: what is known already, which signatures are asked for, and what enters, waits or is set aside.

A chunk passes twice. `prepare` looks every row up and leaves a list of signatures to judge, which worker processes do
in any order; `take` then goes through the rows in the order of the files, with the verdicts, and lets the forest grow.
A verdict depends on nothing but the row, so `take` on the same rows and verdicts gives the same state: that is how a
run goes on after a kill.

- An object that is here with the same or a smaller signature and no later arrival is not judged again.
- The key of a device is whatever hashes to its key id, so a signature may be judged before its certificate counts.
- What a device signed before anybody showed its certificate waits, and enters with its own arrival.

Source: DTO/1, section 5.9 (`ingest`).
"""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from cbdc.ports import stopwatch
from offline.bulk import rows as fields
from offline.bulk.files import Files
from offline.bulk.forest import Forest
from offline.bulk.rows import BY_DEVICE, ROW, ReadBatch, ReadChunk, Row
from offline.bulk.shelf import CERTIFICATE, NOTE, TRANSFER
from offline.bulk.work import ASKED, Workers, judge
from offline.records import RedeemOrder

UNSOUND, SOUND, UNJUDGED = range(3)
SLICE = 384
_ORDER = RedeemOrder.TYPE
Key = tuple[int, bytes]
Given = tuple[Row, bytes]
"""A row, and its packed form."""


@dataclass(slots=True)
class BatchReport:
    """What one batch brought: its place and id, how its objects fared, and the facts as they stand after it.

    `objects` are accepted, known, waiting or refused (by code). `code` is the refusal of the batch as a whole; a batch
    that came before is `repeated`. Sums are in tiyn, over everything taken in so far.
    """

    file: str
    offset: int
    batch_id: str
    code: str = ""
    repeated: bool = False
    objects: int = 0
    accepted: int = 0
    known: int = 0
    waiting: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    conflicts: int = 0
    guilty: int = 0
    float_tiyn: int = 0
    loss_tiyn: int = 0
    redeemed_tiyn: int = 0
    claimed_tiyn: int = 0
    milliseconds: int = 0


@dataclass(slots=True)
class BatchPart:
    """One batch of a chunk: its rows that are left, and what is told of it."""

    offset: int
    batch_id: bytes
    batch_hash: bytes
    code: str
    repeated: bool
    known: int
    rows: int
    refused: dict[str, int]


@dataclass(slots=True)
class Prepared:
    """A chunk between its two passes: rows that are left, and the verdicts that are waited for."""

    file: int
    end: int
    arrived: int
    parts: list[BatchPart]
    keys: list[Key]
    rows: list[Row]
    raws: list[bytes]
    asked: list[int] = field(default_factory=list)
    verdicts: list["Future[list[int]]"] = field(default_factory=list)

    def is_ready(self) -> bool:
        """Whether no verdict is outstanding."""
        return all(verdict.done() for verdict in self.verdicts)

    def flags(self) -> bytearray:
        """The verdict on each row; waits for what is outstanding."""
        flags = bytearray([UNJUDGED]) * len(self.rows)
        for number, verdict in enumerate(self.verdicts):
            places = self.asked[number * SLICE : (number + 1) * SLICE]
            for place in places:
                flags[place] = UNSOUND
            for sound in verdict.result():
                flags[places[sound]] = SOUND
        return flags


class Taking:
    """See the module's text. It owns the forest's growth; whoever calls it keeps the diary."""

    def __init__(self, forest: Forest, files: Files) -> None:
        self.forest = forest
        self._files = files
        self._shelf = forest.shelf
        self._key_of: dict[bytes, Key] = {}
        self._banks_of: dict[bytes, list[Key]] = {}
        self._certified: set[bytes] = set()
        self._waiting: dict[bytes, list[tuple[Given, int]]] = {}
        self._batches: dict[bytes, bytes] = {}
        self.signatures = 0
        self.accepted: Counter[int] = Counter()
        self.refused: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """How many objects wait for a certificate."""
        return sum(len(rows) for rows in self._waiting.values())

    # --- the first pass ---

    def prepare(self, chunk: ReadChunk, workers: Workers) -> Prepared:
        """Leave out what is known and ask for the signatures of the rest."""
        found = list(ROW.iter_unpack(chunk.rows))
        size = ROW.size
        last = chunk.batches[-1].frame
        prepared = Prepared(chunk.file, last.end, last.arrived, [], chunk.keys, [], [])
        here: dict[bytes, bytes] = {}
        start = 0
        for batch in chunk.batches:
            part = self._part(batch)
            if not (part.code or part.repeated):
                before = len(prepared.rows)
                for place in self._sift(found, range(start, start + batch.rows), here):
                    prepared.rows.append(found[place])
                    prepared.raws.append(chunk.rows[place * size : (place + 1) * size])
                part.rows = len(prepared.rows) - before
                part.known = batch.rows - part.rows
            start += batch.rows
            prepared.parts.append(part)
        self._ask(prepared, workers)
        return prepared

    def _part(self, batch: ReadBatch) -> BatchPart:
        refused = Counter(code for _, code in batch.refused)
        part = BatchPart(
            batch.frame.offset, batch.batch_id, batch.batch_hash, batch.code, False, 0, 0, dict(refused)
        )
        if not part.code:
            digest = self._batches.setdefault(batch.batch_id, batch.batch_hash)
            if digest != batch.batch_hash:
                part.code, part.refused = "E_BATCH_REUSED", {}
        return part

    def _sift(self, found: list[Row], places: range, here: dict[bytes, bytes]) -> Iterator[int]:
        """The places of the rows that are not known."""
        shelf = self._shelf
        number = shelf.number
        for place in places:
            row = found[place]
            oid, signature = row[fields.OID], row[fields.SIGNATURE]
            if here.setdefault(oid, signature) is not signature:
                if here[oid] == signature:
                    continue
                here[oid] = signature
            node = number.get(oid)
            if node is None or shelf.arrival(node) > row[fields.ARRIVED] or shelf.signature(node) > signature:
                yield place

    def _ask(self, prepared: Prepared, workers: Workers) -> None:
        """Ask for every signature whose key is known, so many at a time, with the keys they need."""
        numbers: dict[Key, int] = {}
        asked: list[bytes] = []
        places = prepared.asked
        key_of, pack = self._key_of, ASKED.pack
        for place, row in enumerate(prepared.rows):
            kind, kid = row[fields.KIND], row[fields.KID]
            if kind == TRANSFER:
                key: Key | None = key_of.get(kid)
            else:
                key = self._key_of_other(kind, row, prepared.keys)
            if key is None:
                continue
            number = numbers.setdefault(key, len(numbers))
            asked.append(pack(number, kind, row[fields.OID], row[fields.SIGNATURE]))
            places.append(place)
            if len(asked) == SLICE:
                prepared.verdicts.append(workers.judge(list(numbers), b"".join(asked)))
                numbers, asked = {}, []
        if asked:
            prepared.verdicts.append(workers.judge(list(numbers), b"".join(asked)))
        self.signatures += len(places)

    def _key_of_other(self, kind: int, row: Row, known: list[Key]) -> Key | None:
        kid = row[fields.KID]
        if kind == CERTIFICATE:
            # Whatever hashes to the key id is the device's key. Which banks are its own, only sound certificates say.
            self._key_of[kid] = known[row[fields.COUNTER]]
        if row[fields.KEY] != BY_DEVICE:
            return known[row[fields.KEY]]
        if kind == _ORDER:
            return next(iter(self._banks_of.get(kid, ())), None)
        return self._key_of.get(kid)

    # --- the second pass ---

    def take(self, prepared: Prepared, flags: bytes | bytearray) -> list[BatchReport]:
        """Let in what may enter, in order; what each batch brought, with the facts after it."""
        reports = []
        start = 0
        for part in prepared.parts:
            began = stopwatch()
            report = BatchReport(
                self._files.names[prepared.file], part.offset, part.batch_id.hex(), part.code, part.repeated
            )
            report.refused = dict(part.refused)
            report.known = part.known
            if part.batch_id:
                self._batches.setdefault(part.batch_id, part.batch_hash)
            stop = start + part.rows
            self._take_plain(prepared, flags, range(start, stop), report)
            start = stop
            self.forest.refresh()
            self._tell(report, part, began)
            reports.append(report)
        return reports

    def _tell(self, report: BatchReport, part: BatchPart, began: Any) -> None:
        totals = self.forest.totals
        report.objects = part.rows + part.known + sum(part.refused.values())
        report.conflicts, report.guilty = totals.conflicts, len(self.forest.guilty)
        report.float_tiyn, report.loss_tiyn = totals.float_tiyn, totals.loss_tiyn
        report.redeemed_tiyn, report.claimed_tiyn = totals.redeemed_tiyn, totals.claimed_tiyn
        report.milliseconds = int((stopwatch() - began) * 1_000)
        self.refused.update(report.refused)
        if report.code:
            self.refused[report.code] += 1

    def _take_plain(
        self, prepared: Prepared, flags: bytes | bytearray, places: range, report: BatchReport
    ) -> None:
        """Most rows are transfers that stand, of a device that is certified: they enter without more ado."""
        rows, raws, certified, take = prepared.rows, prepared.raws, self._certified, self.forest.take
        entered = 0
        for place in places:
            row = rows[place]
            if row[0] == TRANSFER and flags[place] == SOUND and row[fields.KID] in certified:
                if take(row, raws[place]):
                    entered += 1
                else:
                    report.known += 1
            else:
                self._take((row, raws[place]), flags[place], prepared.keys, report)
        self.accepted[TRANSFER] += entered
        report.accepted += entered

    def _take(self, given: Given, flag: int, known: list[Key], report: BatchReport) -> None:
        row = given[0]
        kind, kid = row[fields.KIND], row[fields.KID]
        if kind == CERTIFICATE:
            self._certificate(given, flag, known, report)
        elif kind != NOTE and kid not in self._certified:
            self._waiting.setdefault(kid, []).append((given, flag))
            report.waiting += 1
        else:
            self._judged(given, flag, report)

    def _judged(self, given: Given, flag: int, report: BatchReport) -> None:
        if flag == SOUND or (
            (flag == UNJUDGED or given[0][fields.KIND] == _ORDER) and self._stands(given[0])
        ):
            self._enter(given, report)
        else:
            report.refused["E_SIG"] = report.refused.get("E_SIG", 0) + 1

    def _certificate(self, given: Given, flag: int, known: list[Key], report: BatchReport) -> None:
        row = given[0]
        kid = row[fields.KID]
        if flag != SOUND:
            report.refused["E_SIG"] = report.refused.get("E_SIG", 0) + 1
            if kid not in self._certified:
                self._key_of.pop(kid, None)
            return
        self._key_of[kid] = known[row[fields.COUNTER]]
        banks = self._banks_of.setdefault(kid, [])
        if known[row[fields.KEY]] not in banks:
            banks.append(known[row[fields.KEY]])
        self._certified.add(kid)
        self._enter(given, report)
        for late, verdict in self._waiting.pop(kid, ()):
            self._judged(late, verdict, report)

    def _enter(self, given: Given, report: BatchReport) -> None:
        if self.forest.take(*given):
            self.accepted[given[0][fields.KIND]] += 1
            report.accepted += 1
        else:
            report.known += 1

    def _stands(self, row: Row) -> bool:
        """Judge here and now: an object whose key was not known when the others were judged, or an order."""
        kind, kid = row[fields.KIND], row[fields.KID]
        given = self._banks_of[kid] if kind == _ORDER else [self._key_of[kid]]
        name = (kind, row[fields.OID], row[fields.SIGNATURE])
        return bool(judge(given, b"".join([ASKED.pack(number, *name) for number in range(len(given))])))
