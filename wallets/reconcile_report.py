"""What `tenge offline reconcile` and `tenge offline traffic` do around a bulk run: files, progress, reports, words.

A run's folder holds the diary it goes on with, `batches.jsonl` with a line for each batch, and `report.json` with the
facts and the times. Times and progress are told, never kept in what a digest covers.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TextIO

from cbdc import canonical
from cbdc.authority import Authority, open_root
from cbdc.errors import Malformed, Refused, TengeError
from cbdc.ports import stopwatch
from cbdc.private import make_folder, opener
from offline.bulk.files import Files, find_files
from offline.bulk.form import HEADER_BYTES, frames, read_batch
from offline.bulk.rows import OID, ROW, Reader
from offline.bulk.shelf import NOTE
from offline.bulk.stream import BulkRun, Progress
from offline.bulk.synthetic import CHEATS, Country, Made, Plan, write_part
from offline.bulk.taking import BatchReport
from offline.bulk.work import Workers

AUTHORITY = "authority.dta"
BATCHES = "batches.jsonl"
REPORT = "report.json"
EXPECTED = "expected.json"

Show = Callable[[str], None]


def write_authority(path: Path, authority: Authority) -> None:
    """ROOT and its certificates in one file: `[ROOT envelope, [AUTH envelope...]]`."""
    envelopes = [authority.root.envelope(), [auth.envelope() for auth in authority.auths]]
    path.write_bytes(canonical.encode(envelopes))


def read_authority(path: Path) -> Authority:
    """What `write_authority` wrote, verified; E_RECONCILE_ROOT when it is something else."""
    try:
        values = canonical.decode_array(path.read_bytes())
        root, auths = values
        if type(auths) is not list:
            raise Malformed("E_TYPE", type=type(auths).__name__)
        return Authority(open_root(root), auths)
    except (OSError, ValueError) as error:
        raise Malformed("E_RECONCILE_ROOT", file=path.name, problem=str(error)) from None
    except TengeError as error:
        raise Malformed("E_RECONCILE_ROOT", file=path.name, problem=error.sentence()) from None


def find_authority(targets: Sequence[Path]) -> Path:
    """The one file of authority beside the batches; E_RECONCILE_ROOT when there is none."""
    folders = [target if target.is_dir() else target.parent for target in targets]
    for folder in folders:
        if (folder / AUTHORITY).is_file():
            return folder / AUTHORITY
    raise Malformed("E_RECONCILE_ROOT", file=AUTHORITY, problem="it does not stand beside the batches")


def read_registry(path: Path, authority: Authority) -> frozenset[bytes]:
    """The ids of the notes in a file of batches: the registry's own list of what was issued."""
    files = Files(authority.network)
    try:
        files.add(path)
    finally:
        files.close()
    found: set[bytes] = set()
    reader = Reader(authority)
    with path.open("rb") as source:
        for frame in frames(source, path.name, HEADER_BYTES):
            source.seek(frame.offset)
            data = source.read(frame.end - frame.offset)
            read_batch(data, frame, path.name)
            chunk = reader.chunk(data, [frame], 0, path.name)
            found |= {row[OID] for row in ROW.iter_unpack(chunk.rows) if row[0] == NOTE}
    return frozenset(found)


def reconcile(
    targets: Sequence[Path],
    out: Path,
    authority: Authority,
    workers: int,
    resume: bool,
    registry: frozenset[bytes] | None = None,
    show: Show = lambda text: None,
) -> dict[str, Any]:
    """Reconcile files of batches and write the reports; what `tenge offline reconcile --json` prints.

    Ctrl-C goes through: what was written to the diary counts, and `resume` goes on behind it.
    """
    paths = find_files(targets)
    began = stopwatch()
    with BulkRun(out, authority, registry, resume=resume) as run:
        before = run.begin(paths)
        with open(out / BATCHES, "w", encoding="utf-8", opener=opener) as lines:
            _write_lines(lines, before)
            started = stopwatch()

            def tell(progress: Progress) -> None:
                _write_lines(lines, progress.reports)
                percent = 100 * progress.bytes_done // max(1, progress.bytes_all)
                rate = run.taking.signatures / max(stopwatch() - started, 1e-9)
                show(f"{percent:3} %  {progress.objects:,} objects, {rate:,.0f} signatures a second")

            with Workers(workers, authority) as pool:
                run.run(pool, tell)
        read_seconds = stopwatch() - started
        found = run.result()
        found["batches"] = len(before)
        found["signatures"] = run.taking.signatures
        found["seconds"] = {
            "taken_up": round(started - began, 2),
            "taken_in": round(read_seconds, 2),
            "all": round(stopwatch() - began, 2),
        }
        found["signatures_per_second"] = round(run.taking.signatures / max(read_seconds, 1e-9), 1)
        found["workers"] = workers
    with (out / BATCHES).open(encoding="utf-8") as kept:
        found["batches"] = sum(1 for _ in kept)
    report = json.dumps(found, indent=1, sort_keys=True)
    with open(out / REPORT, "w", encoding="utf-8", opener=opener) as file:
        file.write(report + "\n")
    return found


def _write_lines(lines: TextIO, reports: Sequence[BatchReport]) -> None:
    lines.writelines(json.dumps(asdict(report), sort_keys=True) + "\n" for report in reports)


def words(found: dict[str, Any]) -> Iterator[str]:
    """A report for a person."""
    yield (
        f"{found['objects']:,} objects in {found['batches']:,} batches of {found['files']} files: "
        f"{found['transfers']:,} transfers, {found['notes']:,} notes, {found['certificates']:,} certificates"
    )
    yield (
        f"signatures judged: {found['signatures']:,}, {found['signatures_per_second']:,.0f} a second "
        f"with {found['workers']} worker processes; {found['seconds']['all']:.1f} s in all"
    )
    refused = ", ".join(f"{code} {count:,}" for code, count in found["refused"].items()) or "nothing"
    yield f"set aside: {refused}; waiting for a certificate: {found['waiting']:,}; pending: {found['pending']:,}"
    yield from words_of_facts(found)


def words_of_facts(found: dict[str, Any]) -> Iterator[str]:
    """What was derived, for a person."""
    yield f"spent more than once: {found['conflicts']:,} outpoints; guilty devices: {len(found['guilty']):,}"
    sums = ("notes", "loss", "float", "redeemed", "claimed")
    yield ", ".join(f"{name} {found[f'{name}_tiyn'] / 100:,.2f} tenge" for name in sums)
    yield f"digest {found['digest']}"


# --- synthetic traffic ---


def traffic(folder: Path, plan: Plan, parts: int, workers: int, show: Show = lambda text: None) -> Made:
    """Write SIMULATED traffic: so many part files, the authority, and what a reconciliation must find."""
    if not 1 <= plan.transfers <= 100_000_000 or not 1 <= parts <= 1_000:
        raise Refused("E_SETTING", name="transfers or parts", value=plan.transfers, problem="out of range")
    make_folder(folder)
    write_authority(folder / AUTHORITY, Country(plan.seed).authority)
    made = Made()
    pool = ProcessPoolExecutor(workers, get_context("spawn")) if workers else None
    with pool or nullcontext():
        run = pool.map if pool is not None else map
        for number, part in enumerate(
            run(write_part, [folder] * parts, [plan] * parts, range(parts), [parts] * parts)
        ):
            made.add(part)
            show(f"{100 * (number + 1) // parts:3} %  {made.transfers:,} transfers")
    expected = {
        "SIMULATED": "traffic made by `tenge offline traffic`",
        "seed": plan.seed,
        "transfers": made.transfers,
        "certificates": made.certificates,
        "notes": made.notes,
        "cheats": {kind: made.cheats[kind] for kind in CHEATS},
        "guilty": sorted(kid.hex() for kid in made.guilty),
        "loss_tiyn": made.loss_tiyn,
    }
    (folder / EXPECTED).write_text(json.dumps(expected, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return made
