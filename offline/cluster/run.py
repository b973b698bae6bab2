"""Reconciliation on many machines: the same facts and the same digest as a bulk run, from jobs that workers share out.

    read chunks ──► ask ──► judge signatures ──► by device ──► statements ──► by note ──► trees ──► facts, digest
        jobs      shuffle        jobs            shuffle         jobs        shuffle      jobs

Dask distributed hands the jobs to workers and does a job again whose worker died; DuckDB does the shuffling. Each job
writes files that appear whole or not at all, so whatever is killed, a worker or the run itself, the next attempt goes
on with what is there. Nothing here decides anything about money: see `offline.cluster.jobs` and `.shuffle`.

On one machine the run starts its own workers; with the address of a scheduler it uses that one's, which must see the
run's folder and the input files under the same paths.

Source: DTO/1, section 5.9; `docs/reconciliation.md`.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cbdc import canonical
from cbdc.authority import Authority
from cbdc.errors import Refused, Unavailable
from cbdc.private import make_folder
from offline.bulk.files import Files
from offline.bulk.form import HEADER_BYTES, Frame, frames
from offline.cluster import engines, jobs, tables
from offline.cluster.jobs import Basis
from offline.cluster.shuffle import Shuffle
from offline.digests import facts_digest
from offline.parameters import GRACE_SECONDS

ABOUT = "about.json"
CHUNK_BYTES = 4 * 1_024 * 1_024
SHARES = 16
RETRIES = 3

Tell = Callable[[str, int, int], None]
"""Told of progress: the stage, jobs done, jobs in all."""
Job = tuple[Any, ...]
"""A function and its arguments; the last argument names what it writes."""


def silent(stage: str, done: int, total: int) -> None:
    """Tells nobody."""


@contextmanager
def workers(count: int, address: str = "", folder: Path | None = None) -> Iterator[Any]:
    """A client of Dask: of `count` workers of its own on this machine, or of the scheduler at `address`; None for 0."""
    if not count and not address:
        yield None
        return
    dask = engines.distributed()
    if address:
        try:
            connected = dask.Client(address)
        except OSError as error:
            raise Unavailable("E_CLUSTER_ENGINE", problem=str(error).rstrip(".")) from None
        with connected as client:
            yield client
        return
    local = dask.LocalCluster(
        n_workers=count,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        local_directory=None if folder is None else str(folder / "workers"),
        silence_logs=50,
    )
    with local, dask.Client(local) as client:
        yield client


class ClusterRun:
    """One run over files of batches, kept in a folder; `run` may be cut off anywhere and called again."""

    def __init__(
        self,
        folder: Path,
        authority: Authority,
        paths: Sequence[Path],
        registry: frozenset[bytes] | None = None,
        grace_seconds: int = GRACE_SECONDS.default,
        shares: int = SHARES,
    ) -> None:
        """`registry` as for a bulk run. E_BATCH_FILE for a file that is none, E_RECONCILE_STATE for another's folder.

        A folder that holds progress goes on with it; the files must be the same, byte for byte.
        """
        files = Files(authority.network)
        try:
            sizes = [[path.name, path.stat().st_size, files.mark(files.add(path))[1].hex()] for path in paths]
        finally:
            files.close()
        self.folder = folder
        self._paths = [path.resolve() for path in paths]
        self._registry = registry
        self._shares = shares
        self._basis = Basis(
            authority.root.encode(),
            tuple(auth.encode() for auth in authority.auths),
            tuple(str(path) for path in self._paths),
            grace_seconds,
        )
        listed = b"" if registry is None else hashlib.sha256(b"".join(sorted(registry))).digest()
        self._claim([authority.root.oid.hex(), grace_seconds, shares, listed.hex(), sizes])

    def _claim(self, about: list[Any]) -> None:
        make_folder(self.folder)
        path = self.folder / ABOUT
        if path.exists():
            if json.loads(path.read_text(encoding="utf-8")) != about:
                raise Refused("E_RECONCILE_STATE", problem="its progress is of other files, roots or shares")
            return
        path.write_text(json.dumps(about), encoding="utf-8")

    def run(self, client: Any, tell: Tell = silent) -> dict[str, Any]:
        """Do what is left to do, on the workers of a client or (None) here; the facts as one JSON value."""
        with engines.failures_named():
            return self._run(client, tell)

    def _run(self, client: Any, tell: Tell) -> dict[str, Any]:
        name = self._name
        self._all(client, tell, "read", [self._read(place, *one) for place, one in enumerate(self._chunks())])
        with Shuffle(self.folder, self._shares, self._registry) as shuffle:
            judging = [
                (jobs.judge_job, given, f"{name('judged', share)}.parquet")
                for share, given in shuffle.asks().items()
            ]
            self._all(client, tell, "judge", judging)
            devices = [
                (jobs.device_job, self._basis, given, name("device", share))
                for share, given in shuffle.devices().items()
            ]
            self._all(client, tell, "devices", devices)
            trees, moments = shuffle.notes()
            noted = [
                (jobs.note_job, self._basis, given, moments.get(share, []), name("note", share))
                for share, given in trees.items()
            ]
            self._all(client, tell, "notes", noted)
            return self._result(shuffle)

    def _name(self, stage: str, number: int) -> str:
        return str((self.folder / f"{stage}-{number:06}").resolve())

    def _read(self, place: int, file: int, some: list[Frame]) -> Job:
        return (jobs.read_job, self._basis, file, some, self._name("chunk", place))

    def _chunks(self) -> Iterator[tuple[int, list[Frame]]]:
        for file, path in enumerate(self._paths):
            some: list[Frame] = []
            with path.open("rb") as source:
                for frame in frames(source, path.name, HEADER_BYTES, 0):
                    some.append(frame)
                    if frame.end - some[0].offset >= CHUNK_BYTES:
                        yield file, some
                        some = []
            if some:
                yield file, some

    def _all(self, client: Any, tell: Tell, stage: str, todo: Sequence[Job]) -> None:
        """Do the jobs of a stage that left no mark yet; each leaves one when its files are written."""
        left = [job for job in todo if not _mark(job).exists()]
        done = len(todo) - len(left)
        tell(stage, done, len(todo))
        for _ in self._work(client, left):
            done += 1
            tell(stage, done, len(todo))

    def _work(self, client: Any, left: Sequence[Job]) -> Iterator[None]:
        if client is None:
            for job in left:
                do(*job)
                yield
            return
        futures = [client.submit(do, *job, pure=False, retries=RETRIES) for job in left]
        for future in engines.distributed().as_completed(futures):
            future.result()
            yield

    def _result(self, shuffle: Shuffle) -> dict[str, Any]:
        found = self._files("note-*.facts.parquet")
        names = [name for name, _ in tables.FACTS]
        rows = tables.read(found, names)
        left = [*self._files("note-*.left.parquet"), shuffle.orphans()]
        pending = [oid for (oid,) in tables.read(left, ["oid"])]
        proofs = {
            (kid, type_, reason, items)
            for kid, type_, reason, items in tables.read(
                [*self._files("note-*.proof.parquet"), *self._files("device-*.proof.parquet")],
                [name for name, _ in tables.PROOF],
            )
        }
        guilt: list[Any] = [
            (kid, type_, reason, canonical.decode_array(items))
            for kid, type_, reason, items in sorted(proofs)
        ]
        sums = [sum(values) for values in zip(*(row[2:] for row in rows), strict=True)] or [0] * 5
        notes_tiyn, redeemed_tiyn, claimed_tiyn, loss_tiyn, conflicts = sums
        return {
            "digest": facts_digest({row[0]: row[1] for row in rows}, pending, guilt).hex(),
            "files": len(self._paths),
            **shuffle.counts(),
            "pending": len(pending),
            "conflicts": conflicts,
            "guilty": sorted({kid.hex() for kid, *_ in proofs}),
            "notes_tiyn": notes_tiyn,
            "float_tiyn": notes_tiyn + loss_tiyn - redeemed_tiyn - claimed_tiyn,
            "redeemed_tiyn": redeemed_tiyn,
            "claimed_tiyn": claimed_tiyn,
            "loss_tiyn": loss_tiyn,
        }

    def _files(self, pattern: str) -> list[Path]:
        return sorted(self.folder.glob(pattern))


def _mark(job: Job) -> Path:
    return Path(f"{job[-1]}.done")


def do(*job: Any) -> None:
    """Do a job and leave its mark: its files are written whole, and then this says that all of them are."""
    work, *given = job
    work(*given)
    _mark(job).touch()
