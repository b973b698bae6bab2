"""Bulk reconciliation: files of batches in, facts out; in bounded memory, on all cores, and through any kill.

    files ──► frames ──► workers: read into rows ──► what is new? ──► workers: judge signatures
                                                                            │
              facts, digest, reports ◄── forest ◄── diary ◄── in order ◄────┘

One process looks up and derives; the others read and judge, which is most of the work. A chunk is written to the diary
before the forest takes it, so after a kill the run goes on behind the last whole chunk, with the same facts. A run that
has come to the end of its files may be asked again when they have grown: what is new costs what is new.

The facts are those of `offline.graph.derive` over everything that entered, whatever order files and batches come in.
What to do about them, booking each once, is settlement's work (`offline.posting`).

Source: DTO/1, section 5.9.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cbdc.authority import Authority
from cbdc.errors import Refused
from cbdc.ports import Checkpoint, no_checkpoint
from cbdc.private import make_folder
from offline import evidence
from offline.admission import check_follows
from offline.bulk.diary import ABOUT, CHUNK, FILE, Diary
from offline.bulk.files import Files
from offline.bulk.forest import Forest
from offline.bulk.form import HEADER_BYTES, Frame, frames
from offline.bulk.rows import ROW, ReadChunk
from offline.bulk.shelf import CERTIFICATE, NOTE, TRANSFER, Shelf
from offline.bulk.taking import BatchPart, BatchReport, Prepared, Taking
from offline.bulk.work import Workers
from offline.graph import Rules
from offline.parameters import GRACE_SECONDS

DIARY = "diary.dtr"
CHUNK_BYTES = 192 * 1_024
_FLUSH_CHUNKS = 16
_FORMAT = 1

Tell = Callable[["Progress"], None]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: bytes of its files, objects that entered, and the batches that were just taken."""

    bytes_done: int
    bytes_all: int
    objects: int
    reports: list[BatchReport]


def protocol_rules() -> Rules:
    """The protocol's rule of admission, for objects whose signatures stand."""
    return Rules(check_follows, lambda transfer, parent: evidence.broken_rule(transfer, parent) is not None)


class BulkRun:
    """One run over files of batches, kept in a folder. A context manager; `run` does the work and may be cut off."""

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        registry: frozenset[bytes] | None = None,
        grace_seconds: int = GRACE_SECONDS.default,
        resume: bool = False,
        checkpoint: Checkpoint = no_checkpoint,
    ) -> None:
        """`registry` holds the ids of the registered notes; None takes every note that an issuer signed for one.

        Raises E_RECONCILE_STATE when the folder holds progress and `resume` is not given, or that of another run.
        """
        self._authority = authority
        self._checkpoint = checkpoint
        self._files = Files(authority.network)
        shelf = Shelf(self._files.fetch)
        self.forest = Forest(shelf, protocol_rules(), grace_seconds, open_registry=registry is None)
        self.taking = Taking(self.forest, self._files)
        for oid in registry or ():
            self.forest.register(oid)
        self._done: dict[int, tuple[int, int]] = {}
        self._paths: dict[str, Path] = {}
        self._untold: list[BatchReport] = []
        self._about = [_FORMAT, authority.network, authority.root.oid, grace_seconds, _digest(registry)]
        make_folder(folder)
        self._diary = Diary(folder / DIARY)
        self._is_begun = False
        self._resume = resume

    def __enter__(self) -> "BulkRun":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the files; what was written stays."""
        self._diary.close()
        self._files.close()

    # --- what was done before ---

    def begin(self, paths: Iterable[Path]) -> list[BatchReport]:
        """Take up what stands in the diary, and name the files; the reports of the batches taken before."""
        self._paths = {path.name: path for path in paths}
        reports: list[BatchReport] = []
        for entry in self._diary.entries():
            kind, *values = entry
            if kind == ABOUT:
                if values != self._about:
                    raise Refused(
                        "E_RECONCILE_STATE", problem="its progress is of another root, registry or grace time"
                    )
                self._is_begun = True
                if not self._resume:
                    raise Refused("E_RECONCILE_STATE", problem="it holds the progress of a run")
            elif kind == FILE:
                if values[0] not in self._paths:
                    raise Refused("E_RECONCILE_STATE", problem=f"the file {values[0]} is missing")
                number = self._files.add(self._paths[values[0]])
                if not self._files.fits(number, *values[1:]):
                    raise Refused("E_RECONCILE_STATE", problem=f"the file {values[0]} is another one now")
            else:
                reports += self._again(values)
        if not self._is_begun:
            self._diary.add(ABOUT, *self._about)
            self._is_begun = True
        for name, path in self._paths.items():
            if name not in self._files.names:
                self._diary.add(FILE, name, *self._files.mark(self._files.add(path)))
        return reports

    def _again(self, values: list[Any]) -> list[BatchReport]:
        file, end, arrived, parts, known, rows, flags = values
        self._done[file] = (end, arrived)
        prepared = Prepared(
            file,
            end,
            arrived,
            [BatchPart(*part) for part in parts],
            [(algorithm, raw) for algorithm, raw in known],
            list(ROW.iter_unpack(rows)),
            [rows[start : start + ROW.size] for start in range(0, len(rows), ROW.size)],
        )
        return self.taking.take(prepared, flags)

    # --- what is to be done ---

    def run(self, workers: Workers, tell: Tell = lambda progress: None) -> None:
        """Take in every whole frame that was not taken before. Call `begin` first. May be cut off at any moment."""
        reading: deque[Any] = deque()
        judging: deque[Prepared] = deque()
        chunks = self._chunks()
        room = 2 * workers.count + 2
        since_flush = 0
        more = True
        while more or reading or judging:
            while more and len(reading) < room:
                given = next(chunks, None)
                if given is None:
                    more = False
                    break
                file, some = given
                path, name = self._files.paths[file], self._files.names[file]
                reading.append(workers.read(path, name, file, some))
            if reading and len(judging) < room:
                read: ReadChunk = reading.popleft().result()
                judging.append(self.taking.prepare(read, workers))
            elif judging:
                tell(self._take(judging.popleft()))
                since_flush += 1
                if since_flush == _FLUSH_CHUNKS:
                    self._diary.flush()
                    since_flush = 0
        self._diary.flush()

    def _take(self, prepared: Prepared) -> Progress:
        flags = bytes(prepared.flags())
        self._checkpoint("bulk.diary.before")
        self._diary.add(
            CHUNK,
            prepared.file,
            prepared.end,
            prepared.arrived,
            [list(asdict(part).values()) for part in prepared.parts],
            prepared.keys,
            b"".join(prepared.raws),
            flags,
        )
        self._checkpoint("bulk.diary.after")
        reports = self.taking.take(prepared, flags)
        self._done[prepared.file] = (prepared.end, prepared.arrived)
        sizes = [path.stat().st_size for path in self._files.paths]
        done = sum(end for end, _ in self._done.values())
        return Progress(done, sum(sizes), len(self.forest.shelf), reports)

    def _chunks(self) -> Iterator[tuple[int, list[Frame]]]:
        """Adjacent frames of one file, about `CHUNK_BYTES` of them at a time, file after file."""
        for file, path in enumerate(self._files.paths):
            start, arrived = self._done.get(file, (HEADER_BYTES, 0))
            some: list[Frame] = []
            with path.open("rb") as source:
                for frame in frames(source, path.name, start, arrived):
                    some.append(frame)
                    if frame.end - some[0].offset >= CHUNK_BYTES:
                        yield file, some
                        some = []
            if some:
                yield file, some

    # --- what follows ---

    def result(self) -> dict[str, Any]:
        """The facts of everything taken in, as one JSON value; sums in tiyn, ids in hexadecimal."""
        self.forest.refresh()
        totals, accepted = self.forest.totals, self.taking.accepted
        return {
            "digest": self.forest.digest().hex(),
            "files": len(self._files.names),
            "objects": len(self.forest.shelf),
            "transfers": accepted[TRANSFER],
            "notes": accepted[NOTE],
            "certificates": accepted[CERTIFICATE],
            "pending": len(self.forest.pending()),
            "waiting": self.taking.waiting,
            "refused": dict(sorted(self.taking.refused.items())),
            "conflicts": totals.conflicts,
            "guilty": sorted(kid.hex() for kid in self.forest.guilty),
            "notes_tiyn": totals.notes_tiyn,
            "float_tiyn": totals.float_tiyn,
            "redeemed_tiyn": totals.redeemed_tiyn,
            "claimed_tiyn": totals.claimed_tiyn,
            "loss_tiyn": totals.loss_tiyn,
        }


def _digest(registry: frozenset[bytes] | None) -> bytes:
    return b"" if registry is None else hashlib.sha256(b"".join(sorted(registry))).digest()
