"""Runs of the laboratory side by side: each region of each point is a job, in a process of its own.

A folder holds what was asked (`lab.json`, `config.toml`), a folder for each job with the last saved day and, in the
end, its part, and the results. Asked again for the same, finished jobs are read and the others go on from their last
saved day; asked for something else, the folder is refused (E_LAB_OTHER). Ctrl-C and kill -9 cost at most a day of each
job at work, and the results are the same bytes.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from cbdc.errors import Refused, TengeError, Unavailable
from cbdc.private import make_folder
from cbdc.record import remember_opened
from wallets.lab import results, settings
from wallets.lab.days import Days
from wallets.lab.engine import Engine
from wallets.lab.notebook import Notebook
from wallets.lab.population import Chance, populate
from wallets.lab.purse import PurseEngine
from wallets.lab.settings import Plan
from wallets.lab.tokens import TokenEngine
from wallets.pilot.folder import canonical_json, write_atomic
from wallets.processes import side_by_side

ASKED, CONFIG = "lab.json", "config.toml"
FORMAT = 1
REMEMBERED = 32_768


@dataclass(frozen=True, slots=True)
class Job:
    """One region (from 1) of one point (from 0)."""

    point: int
    region: int

    @property
    def key(self) -> str:
        """Its name, and that of its folder."""
        return f"point-{self.point:03d}-region-{self.region}"


@dataclass(frozen=True, slots=True)
class News:
    """What a job tells: days done, of how many, payments so far; `ended` when that was the last."""

    job: Job
    done: int
    of: int
    payments: int
    ended: bool = False


Teller = Callable[[News], None]


# --- the folder ---


def begin(folder: Path, name: str, changes: Mapping[str, str]) -> Plan:
    """The plan, with its folder ready; E_LAB_OTHER when the folder holds another run, E_RUN_EXISTS something else."""
    file, data = settings.source(name)
    plan = settings.read(file, data, changes)
    asked = {"format": FORMAT, "file": file, "changes": dict(sorted(changes.items())), "sha256": plan.sha256}
    if not (folder / ASKED).exists():
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise Refused("E_RUN_EXISTS", folder=folder.name)
        make_folder(folder)
        write_atomic(folder / CONFIG, data)
        write_atomic(folder / ASKED, canonical_json(asked).encode())
    elif _read(folder) != asked:
        raise Refused("E_LAB_OTHER", folder=folder.name)
    return plan


def again(folder: Path) -> Plan:
    """The plan that a folder was begun with; E_LAB_OTHER when it holds none."""
    asked = _read(folder)
    try:
        return settings.read(asked["file"], (folder / CONFIG).read_bytes(), asked["changes"])
    except (OSError, KeyError, TypeError, AttributeError):
        raise Refused("E_LAB_OTHER", folder=folder.name) from None


def _read(folder: Path) -> Any:
    try:
        return json.loads((folder / ASKED).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        raise Refused("E_LAB_OTHER", folder=folder.name) from None


# --- one job ---


def make_engine(plan: Plan, region: int, notebook: Notebook) -> tuple[Engine, Chance, int]:
    """The engine of a plan for one region, its chance, and the first day that is still to be played."""
    chance = Chance(plan.lab.seed, region)
    make: type[TokenEngine] | type[PurseEngine] = PurseEngine if plan.lab.engine == "purse" else TokenEngine
    engine = make(plan, region, populate(plan, chance), notebook)
    return engine, chance, engine.first_day


def play(
    plan: Plan, region: int, path: Path | None, progress: Callable[[int, int, int], None]
) -> dict[str, Any]:
    """Play one region of a point, from the last day saved in `path`; its part."""
    engine, chance, first = make_engine(plan, region, Notebook(path))
    try:
        Days(engine, chance).play(first, progress)
        return results.part(engine)
    finally:
        engine.close()


def _finish(folder: Path, plan: Plan, job: Job, progress: Callable[[int, int, int], None]) -> None:
    mine = folder / job.key
    make_folder(mine)
    checkpoint = mine / "days.sqlite"
    found = play(plan.points()[job.point], job.region, checkpoint, progress)
    write_atomic(mine / "part.json", canonical_json(found).encode())
    for left in mine.glob("days.sqlite*"):
        left.unlink()


# --- many jobs ---


def jobs_of(plan: Plan) -> list[Job]:
    """Every job of a plan, in order."""
    regions = range(1, plan.lab.regions + 1)
    return [Job(point, region) for point in range(len(plan.points())) for region in regions]


def run(folder: Path, plan: Plan, workers: int, tell: Teller) -> dict[str, Any]:
    """Play what is not finished, with so many processes, and write and give the results.

    KeyboardInterrupt goes through after every process has ended; E_LAB_JOB when one died.
    """
    jobs = jobs_of(plan)
    waiting = []
    for job in jobs:
        if (folder / job.key / "part.json").exists():
            tell(News(job, 1, 1, 0, True))
        else:
            waiting.append(job)
    for news in _play(folder, waiting, workers):
        tell(news)
    points = plan.points()
    parts = [
        [
            json.loads((folder / job.key / "part.json").read_text(encoding="utf-8"))
            for job in jobs
            if job.point == place
        ]
        for place in range(len(points))
    ]
    found = results.results(plan, points, parts)
    write_atomic(folder / "results.json", canonical_json(found).encode())
    return found


def _play(folder: Path, waiting: Sequence[Job], workers: int) -> Iterator[News]:
    def hear(connection: Connection, job: Job, process: BaseProcess) -> tuple[News, bool]:
        news = _hear(connection, job, process)
        return news, news.ended

    return side_by_side(waiting, workers, _work, lambda job: (job, str(folder)), hear)


def _hear(connection: Connection, job: Job, process: BaseProcess) -> News:
    try:
        word = connection.recv()
    except (EOFError, OSError):
        process.join()
        problem = f"its process ended with exit code {process.exitcode} and without a word"
        raise Unavailable("E_LAB_JOB", job=job.key, problem=problem) from None
    if isinstance(word, str):
        raise Unavailable("E_LAB_JOB", job=job.key, problem=word)
    done, of, payments, ended = word
    return News(job, done, of, payments, ended)


def _work(job: Job, folder: str, parent: Connection) -> None:
    """One job in its own process."""
    remember_opened(REMEMBERED)
    try:
        _finish(
            Path(folder),
            again(Path(folder)),
            job,
            lambda done, of, payments: parent.send((done, of, payments, False)),
        )
        parent.send((1, 1, 0, True))
    except TengeError as error:
        parent.send(f"{error.sentence()} ({error.code})")
    parent.close()


def processors() -> int:
    """How many processes make sense here."""
    return max(1, min(2, os.cpu_count() or 1))
