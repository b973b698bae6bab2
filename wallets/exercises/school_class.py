"""Grade a class: a folder of submissions, each in a process of its own, in the same fresh worlds.

A submission is a student's folder (with its `lab.txt`), a folder that holds such folders, or a Python file; the last
needs the lab's name. Each is graded by another `tenge exercise check` with a time limit, so that an answer which breaks
its grader costs its own grade and no other. Submissions are read, never written: the answer is copied before it runs.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from cbdc.errors import Refused, TengeError, Unavailable
from wallets.exercises.folder import mark
from wallets.exercises.labs import ANSWER, Lab, find_lab

GRADING_SECONDS = 90
_MOST_FOLDERS_DEEP = 2


@dataclass(frozen=True, slots=True)
class Submission:
    """Whose answer it is, the file, and the lab it answers ("" when nothing says)."""

    who: str
    answer: Path
    lab: str


def submissions(folder: Path, lab: Lab | None) -> list[Submission]:
    """What a class has handed in, sorted; E_EXERCISE_CLASS when there is nothing."""
    found = list(_found(folder, "", lab, 0)) if folder.is_dir() else []
    if not found:
        raise Refused("E_EXERCISE_CLASS", folder=folder.as_posix())
    return sorted(found, key=lambda one: (one.who, one.lab))


def _found(folder: Path, who: str, lab: Lab | None, depth: int) -> Iterator[Submission]:
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "_")) or entry.is_symlink():
            continue
        if entry.is_dir():
            name = f"{who}/{entry.name}" if who else entry.name
            marked = mark(entry)
            if (entry / ANSWER).is_file():
                yield Submission(name, entry / ANSWER, _lab_of(marked, lab))
            elif depth < _MOST_FOLDERS_DEEP:
                yield from _found(entry, name, lab, depth + 1)
        elif depth == 0 and entry.suffix == ".py":
            yield Submission(entry.stem, entry, lab.name if lab else "")


def _lab_of(marked: tuple[str, str] | None, lab: Lab | None) -> str:
    if lab is not None:
        return lab.name
    with contextlib.suppress(TengeError):
        return find_lab(marked[0]).name if marked else ""
    return ""


def grade_class(
    handed_in: Sequence[Submission],
    seeds: Sequence[int],
    language: str,
    workers: int,
    told: Callable[[dict[str, Any]], None],
) -> list[dict[str, Any]]:
    """A row for each submission, in their order; `told` hears each as it is ready.

    A row is the grade's JSON with `student`, or `student`, `lab` and `error` when there is no grade.
    """
    rows: dict[int, dict[str, Any]] = {}
    with ThreadPoolExecutor(workers) as pool:
        jobs = {pool.submit(_graded, one, seeds, language): number for number, one in enumerate(handed_in)}
        try:
            for job in as_completed(jobs):
                rows[jobs[job]] = job.result()
                told(job.result())
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [rows[number] for number in sorted(rows)]


def _graded(one: Submission, seeds: Sequence[int], language: str) -> dict[str, Any]:
    told = {"student": one.who, "lab": one.lab}

    def without(error: TengeError) -> dict[str, Any]:
        words = error.sentence(language)
        return {**told, "error": error.code, "text": words, "points": 0, "of": 0, "passed": False}

    if not one.lab:
        return without(Refused("E_EXERCISE_UNMARKED", file=one.answer.as_posix()))
    command = [sys.executable, "-m", "wallets.cli", "exercise", "check", one.lab, "--json"]
    command += ["--file", str(one.answer), "--language", language]
    for seed in seeds:
        command += ["--seed", str(seed)]
    # The grader's own output is small; whatever else a broken one would write is cut off by the pipe.
    with subprocess.Popen(  # noqa: S603 - our own command, and no shell
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONUTF8": "1"},
    ) as process:
        try:
            output, _ = process.communicate(timeout=GRADING_SECONDS)
        except subprocess.TimeoutExpired:
            _end(process)
            return without(Unavailable("E_EXERCISE_TIME", seconds=GRADING_SECONDS))
    try:
        return {**told, **json.loads(output)}
    except (ValueError, TypeError):
        return without(Unavailable("E_EXERCISE_BROKEN", file=one.answer.as_posix()))


def _end(process: "subprocess.Popen[bytes]") -> None:
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                child.kill()
    process.kill()
    process.communicate()
