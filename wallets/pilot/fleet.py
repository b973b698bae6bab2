"""Many runs side by side, each in a process of its own: every pilot at once, or one pilot over many values.

A fleet has a folder. Each run has a folder of its own in it, and `fleet.json` holds what was asked for and how each
finished run ended. Asked again for the same, the fleet reads what is finished and goes on with what is not; asked for
something else, it refuses (E_FLEET_OTHER). A run that was killed goes on where it was, as always.

Rules kept here: one run never changes another; a run that could not end (a refusal, a process that died) is a row
that says so, never a missing row; Ctrl-C ends every process before it reaches the caller.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from cbdc.errors import Refused, TengeError
from cbdc.ports import no_checkpoint, stopwatch
from wallets.pilot import runner, without
from wallets.pilot.folder import RunFolder, canonical_json, read_run, write_atomic
from wallets.processes import side_by_side

FLEET = "fleet.json"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Job:
    """One run that is asked for. `key` is its name in the fleet and the name of its folder; `steps` its length.

    A run without the rules `off` is stopped after `steps`: what is behind them does not matter there.
    """

    key: str
    pilot: str
    seed: int
    settings: Mapping[str, str]
    steps: int
    script_sha256: str
    off: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """How one run ended: expectations, tries that had to be refused, time. `problem` says why there is no report."""

    key: str
    met: int = 0
    expectations: int = 0
    refused: int = 0
    to_be_refused: int = 0
    milliseconds: int = 0
    problem: str = ""
    before: bool = False

    @property
    def ok(self) -> bool:
        """Whether the run ended with every expectation met."""
        return not self.problem and self.met == self.expectations and self.refused == self.to_be_refused


@dataclass(frozen=True, slots=True)
class News:
    """What a fleet tells while it works: a run has done so many of its steps, or has ended."""

    key: str
    done: int
    of: int
    text: str
    result: Result | None = None


class _Enough(Exception):
    """The steps that were asked for are played."""


Teller = Callable[[News], None]


def run_fleet(folder: Path, jobs: Sequence[Job], workers: int, tell: Teller) -> list[Result]:
    """Play what is not finished of `jobs` with so many processes, and give all results in the order of the jobs.

    Raises E_FLEET_OTHER when the folder holds a fleet that was asked for otherwise, and E_RUN_EXISTS when it holds
    something else. KeyboardInterrupt goes through, after every process has ended.
    """
    ended = _begin(folder, jobs)
    for result in ended.values():
        tell(News(result.key, 1, 1, "finished before", result))
    waiting = sorted((job for job in jobs if job.key not in ended), key=lambda job: -job.steps)
    for result in _play(folder, waiting, workers, tell):
        ended[result.key] = result
        _write(folder, jobs, ended)
    return [ended[job.key] for job in jobs]


def _asked(jobs: Sequence[Job]) -> dict[str, Any]:
    return {job.key: {**asdict(job), "settings": dict(job.settings), "off": list(job.off)} for job in jobs}


def _begin(folder: Path, jobs: Sequence[Job]) -> dict[str, Result]:
    """What is finished already; a folder that is new gets its `fleet.json`."""
    file = folder / FLEET
    if not file.exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Refused("E_RUN_EXISTS", folder=folder.name)
        _write(folder, jobs, {})
        return {}
    try:
        kept = json.loads(file.read_text(encoding="utf-8"))
        ended = {key: Result(**{**row, "before": True}) for key, row in kept["ended"].items()}
        same = kept["asked"] == _asked(jobs)
    except (ValueError, TypeError, KeyError, AttributeError):
        raise Refused("E_FLEET_OTHER", folder=folder.name) from None
    if not same:
        raise Refused("E_FLEET_OTHER", folder=folder.name)
    # A run that could not end is tried again; one that ended badly is what it is.
    return {key: row for key, row in ended.items() if not row.problem and (folder / key).is_dir()}


def _write(folder: Path, jobs: Sequence[Job], ended: Mapping[str, Result]) -> None:
    rows = {key: {**asdict(result), "before": False} for key, result in sorted(ended.items())}
    value = {"format": FORMAT, "asked": _asked(jobs), "ended": rows}
    write_atomic(folder / FLEET, canonical_json(value).encode())


# --- the parent's side ---


def _play(folder: Path, waiting: list[Job], workers: int, tell: Teller) -> Iterator[Result]:
    def hear(connection: Connection, job: Job, process: BaseProcess) -> tuple[Result | None, bool]:
        result = _hear(connection, job, process, tell)
        return result, result is not None

    return side_by_side(waiting, workers, _work, lambda job: (job, str(folder / job.key)), hear)


def _hear(connection: Connection, job: Job, process: BaseProcess, tell: Teller) -> Result | None:
    """Read one word of a run; its result when that was the last."""
    try:
        word = connection.recv()
    except (EOFError, OSError):
        process.join()
        word = Result(job.key, problem=f"the process ended without a word (exit code {process.exitcode})")
    if isinstance(word, Result):
        tell(News(job.key, 1, 1, "", word))
        return word
    done, of, text = word
    tell(News(job.key, done, of, text))
    return None


# --- the run's side ---


def _work(job: Job, path: str, parent: Connection) -> None:
    """Play one run and send its steps and its result."""
    begun = stopwatch()
    try:
        result = _result(job, Path(path), lambda done, of, text: parent.send((done, of, text)))
    except TengeError as error:
        result = Result(job.key, problem=f"{error.sentence()} ({error.code})")
    milliseconds = int((stopwatch() - begun) * 1_000)
    parent.send(Result(**{**asdict(result), "milliseconds": milliseconds}))
    parent.close()


def _result(job: Job, path: Path, progress: runner.Progress) -> Result:
    if job.off:
        return _attempts(job, path, progress)
    finished = begin_or_go_on(job, path, progress)
    folder = RunFolder.open(path, no_checkpoint)
    try:
        events = [event for event in folder.finished() if event.get("refused_as")]
    finally:
        folder.close()
    rows = finished.report["expectations"]
    return Result(
        key=job.key,
        met=sum(1 for row in rows if row["ok"]),
        expectations=len(rows),
        refused=sum(
            event["refusals"].get(event["refused_as"], 0) - sum(event.get("refused_by_others", {}).values())
            for event in events
        ),
        to_be_refused=sum(event["tries"] for event in events),
    )


def _attempts(job: Job, path: Path, progress: runner.Progress) -> Result:
    """Play a run without some rules up to the last step that they would refuse."""

    def until(done: int, of: int, text: str) -> None:
        progress(done, job.steps, text)
        if done >= job.steps:
            raise _Enough

    with suppress(_Enough):
        begin_or_go_on(job, path, until)
    rows = without.attempts(path)
    return Result(job.key, met=sum(1 for row in rows if row.accepted), expectations=len(rows))


def begin_or_go_on(job: Job, path: Path, progress: runner.Progress) -> runner.Finished:
    """Play the run into `path`, or go on with it there. E_FLEET_OTHER for a folder that holds another run."""
    if not (path / "run.json").exists():
        # Killed before the question was written: only the copy of the script can be there.
        for name in ("script.toml", "script.toml.new", "run.json.new"):
            (path / name).unlink(missing_ok=True)
        return runner.run(job.pilot, path, job.seed, job.settings, progress=progress, off=job.off)
    asked, _ = read_run(path)
    found = (asked["script_sha256"], asked["seed"], asked["settings"], asked["off"])
    if found != (job.script_sha256, job.seed, dict(job.settings), list(job.off)):
        raise Refused("E_FLEET_OTHER", folder=path.name)
    return runner.resume(path, progress=progress)
