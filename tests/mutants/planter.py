"""Plants bugs in copies of the tree, one at a time, and asks the tests.

The working tree is never touched: each worker has a copy in a temporary folder, plants a bug there, runs the tests that
should find it up to the first failure, and puts the text back. A bug is found only when a test **fails**: tests that
cannot even be collected, or do not end in time, show nothing.

Python tells a changed module by the second of its change, and a bug comes and goes within one. So the copies are
compiled by the hash of their source.
"""

import compileall
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from py_compile import PycInvalidationMode
from queue import SimpleQueue

from tests.mutants.plant import Plant

PACKAGES = ("cbdc", "offline", "wallets")
COPIED = (*PACKAGES, "tests", "docs", "requirements", "pyproject.toml", "README.md", "Makefile")
SECONDS_FOR_A_BUG = 120
SECONDS_FOR_ALL = 1_800

FOUND = "found"
SURVIVED = "SURVIVED"
TOO_SLOW = "TOO SLOW"
BROKEN = "BROKEN"

_FAILED = re.compile(r"^FAILED ([^\s\[]+)", re.MULTILINE)
_NO_HERITAGE = ("COV_", "COVERAGE_", "PYTEST_")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one bug: the verdict, and the test that found it."""

    plant: Plant
    verdict: str
    found_by: str = ""


@dataclass(frozen=True, slots=True)
class Ran:
    """A run of pytest: its exit status, None when it was stopped, and what it printed."""

    status: int | None
    output: str

    @property
    def failed(self) -> list[str]:
        """The ids of the tests that failed, without their parameters."""
        return list(dict.fromkeys(_FAILED.findall(self.output)))


class Bench:
    """Copies of the tree and the test runs in them; a context, at whose end everything is stopped and gone."""

    def __init__(self, root: Path, workers: int, seconds_for_a_bug: float = SECONDS_FOR_A_BUG) -> None:
        self._seconds_for_a_bug = seconds_for_a_bug
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._stopped = False
        self._folder = tempfile.TemporaryDirectory(prefix="tenge-mutants-")
        self._pool = ThreadPoolExecutor(workers)
        self._free: SimpleQueue[Path] = SimpleQueue()
        try:
            self.trees = [Path(self._folder.name) / f"tree{number}" for number in range(workers)]
            for tree in self.trees:
                _copy(root, tree)
                self._free.put(tree)
        except BaseException:
            self._folder.cleanup()
            raise

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._stopped = True
            for process in self._running:
                _kill(process)
        self._pool.shutdown(cancel_futures=True)
        self._folder.cleanup()

    def without_a_bug(self, plants: Sequence[Plant]) -> list[str]:
        """What fails of the chosen tests when nothing is planted: ids, or how the run ended if it was no failure."""
        chosen = sorted({test for plant in plants for test in plant.tests})
        shares = [chosen[place :: len(self.trees)] for place in range(len(self.trees))]
        runs = self._pool.map(self._whole_run, self.trees, shares)
        return [problem for ran in runs if ran.status for problem in ran.failed or [ran.output[-2_000:]]]

    def _whole_run(self, tree: Path, tests: Sequence[str]) -> Ran:
        return self._run(tree, tests, SECONDS_FOR_ALL) if tests else Ran(0, "")

    def try_all(self, plants: Sequence[Plant], told: Callable[[Outcome], None]) -> list[Outcome]:
        """Plant each bug; `told` hears each outcome as it comes. The outcomes in the order of `plants`."""
        futures = [self._pool.submit(self._try, plant) for plant in plants]
        for future in as_completed(futures):
            told(future.result())
        return [future.result() for future in futures]

    def _try(self, plant: Plant) -> Outcome:
        tree = self._free.get()
        file = tree / plant.file
        source = file.read_text(encoding="utf-8")
        try:
            file.write_text(plant.planted(source), encoding="utf-8")
            return _judged(plant, self._run(tree, ["-x", *plant.tests], self._seconds_for_a_bug))
        finally:
            file.write_text(source, encoding="utf-8")
            self._free.put(tree)

    def _run(self, tree: Path, arguments: Sequence[str], seconds: float) -> Ran:
        command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-p", "no:cacheprovider", *arguments]
        with self._lock:
            if self._stopped:
                return Ran(None, "stopped")
            process = subprocess.Popen(
                command,
                cwd=tree,
                env=_environment(tree),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self._running.add(process)
        try:
            return _finished(process, seconds)
        finally:
            with self._lock:
                self._running.discard(process)


def _finished(process: subprocess.Popen[str], seconds: float) -> Ran:
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        _kill(process)
        return Ran(None, process.communicate()[0])
    return Ran(process.returncode, output)


def _judged(plant: Plant, ran: Ran) -> Outcome:
    if ran.status is None:
        return Outcome(plant, TOO_SLOW)
    if ran.status == 0:
        return Outcome(plant, SURVIVED)
    if ran.failed:
        return Outcome(plant, FOUND, ran.failed[0])
    return Outcome(plant, BROKEN)


def _kill(process: subprocess.Popen[str]) -> None:
    """End a run together with whatever its tests started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


def _copy(root: Path, tree: Path) -> None:
    for name in COPIED:
        source = root / name
        if source.is_dir():
            shutil.copytree(source, tree / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        elif source.exists():
            tree.mkdir(exist_ok=True)
            shutil.copy2(source, tree / name)
    for name in PACKAGES:
        if (tree / name).is_dir():
            compileall.compile_dir(tree / name, quiet=2, invalidation_mode=PycInvalidationMode.CHECKED_HASH)


def _environment(tree: Path) -> dict[str, str]:
    # The copy stands before an installed package; with CI, property tests use the same examples on every run.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_NO_HERITAGE)}
    return {**kept, "PYTHONPATH": str(tree), "CI": "true"}
