"""Kill a pilot run, audit what is left, go on, and compare with a run nobody touched.

    python -m tests.simulation.kills points            every write point, first and later occurrences
    python -m tests.simulation.kills random 200        SIGKILL at random moments of the run

Each run is a process of its own (the real command), so a kill is a kill. What is killed at a write point is forked,
where that can be, from a process that has read the program already: half of such a run would else be reading it.
"""

import multiprocessing
import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cbdc.ports import CRASH_VARIABLE, WRITE_POINTS
from wallets.auditing import audit_target

SETTINGS = ("--set", "pupils=9", "--set", "days=2", "--set", "canteens=2", "--set", "no_consent=1")
LIMIT_SECONDS = 120


def settings() -> dict[str, str]:
    """The settings of the small pilot, for a run in this process."""
    return dict(text.split("=") for text in SETTINGS if "=" in text)


@dataclass(frozen=True, slots=True)
class Killed:
    """One killed run: where, whether it died, what the audits said, and whether it ended like the untouched one."""

    where: str
    died: bool
    problems: tuple[str, ...]
    same: bool


def command(*arguments: str) -> list[str]:
    """The real command in a process of its own."""
    return [sys.executable, "-m", "wallets.cli", "pilot", "run", *arguments]


def _be_the_command(arguments: tuple[str, ...], crash: str) -> None:
    """What a forked process does: the command, deaf and dumb, with its own exit code."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    os.environ[CRASH_VARIABLE] = crash
    from wallets.cli import main

    main(["pilot", "run", *arguments], prog_name="tenge")


def _ended(arguments: tuple[str, ...], crash: str = "") -> int:
    """Run the command to its end or its death; the exit code (negative when killed)."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        environment = {**os.environ, CRASH_VARIABLE: crash}
        return subprocess.run(
            command(*arguments), env=environment, capture_output=True, timeout=LIMIT_SECONDS, check=False
        ).returncode
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["wallets.cli", "wallets.pilot.runner"])
    process = context.Process(target=_be_the_command, args=(arguments, crash))
    process.start()
    process.join(LIMIT_SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError(f"{arguments} did not end within {LIMIT_SECONDS} s")
    code = process.exitcode
    process.close()
    return code


def play(folder: Path, crash: str = "") -> int:
    """Play the small pilot into `folder`; the exit code (negative when killed)."""
    return _ended(("school-meals", "--seed", "7", "--out", str(folder), *SETTINGS), crash)


def resume(folder: Path) -> int:
    """Go on with the run in `folder`; the exit code."""
    return _ended(("--resume", str(folder)))


def untouched(base: Path) -> bytes:
    """The report of a run that nobody killed."""
    folder = base / "untouched"
    words = command("school-meals", "--seed", "7", "--out", str(folder), *SETTINGS)
    code = subprocess.run(words, capture_output=True, timeout=LIMIT_SECONDS, check=False).returncode
    assert code == 0, f"the untouched run ended with {code}"
    return (folder / "report.json").read_bytes()


def has_ledger(path: Path) -> bool:
    """Whether the first commit is there. Opened to be written, as the run itself would: a kill while the file was made
    leaves something that only such an opening can undo."""
    if not path.exists():
        return False
    with closing(sqlite3.connect(path)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'head'").fetchall():
            return False
        return bool(database.execute("SELECT 1 FROM head").fetchall())


def audit_problems(folder: Path) -> tuple[str, ...]:
    """What the audit of a killed run finds; a run killed before it had a ledger has nothing to audit."""
    if not has_ledger(folder / "ledger.sqlite"):
        return ()
    found = audit_target(str(folder))
    return tuple(f"{row.get('file') or row.get('subject')}: {row['code']}" for row in found["problems"])


def finish(folder: Path, where: str, died: bool, report: bytes) -> Killed:
    """Audit what the kill left, resume, audit again, compare."""
    problems = audit_problems(folder) if died else ()
    if not (folder / "run.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        ended = play(folder)
    else:
        ended = resume(folder)
    problems += audit_problems(folder)
    path = folder / "report.json"
    same = ended == 0 and path.exists() and path.read_bytes() == report
    return Killed(where, died, problems, same)


def kill_at_point(base: Path, point: str, count: int, report: bytes) -> Killed:
    """Kill when `point` is reached for the `count`-th time."""
    folder = base / f"{point}-{count}"
    code = play(folder, f"{point}:{count}")
    return finish(folder, f"{point}:{count}", code < 0, report)


def kill_at_moment(base: Path, number: int, seconds: float, report: bytes) -> Killed:
    """SIGKILL after so many seconds."""
    folder = base / f"moment-{number}"
    arguments = command("school-meals", "--seed", "7", "--out", str(folder), *SETTINGS)
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        time.sleep(seconds)
        process.kill()
        died = process.wait() < 0
    return finish(folder, f"after {seconds:.3f} s", died, report)


def main(arguments: list[str]) -> int:
    """Run the kills named on the command line and print what happened."""
    with tempfile.TemporaryDirectory() as name:
        base = Path(name)
        started = time.perf_counter()
        report = untouched(base)
        lasts = time.perf_counter() - started
        results = []
        if arguments[:1] == ["points"]:
            counts = [int(text) for text in arguments[1:]] or [1, 2, 7, 40]
            for point in WRITE_POINTS:
                for count in counts:
                    results.append(kill_at_point(base, point, count, report))
                    print(results[-1])
        else:
            chance = random.Random(int(arguments[2]) if len(arguments) > 2 else 1)
            for number in range(int(arguments[1])):
                moment = chance.uniform(0.15, lasts * 1.02)
                results.append(kill_at_moment(base, number, moment, report))
                if not results[-1].same or results[-1].problems:
                    print(results[-1])
                shutil.rmtree(base / f"moment-{number}", ignore_errors=True)
        died = sum(1 for row in results if row.died)
        bad = [row for row in results if row.problems or not row.same]
        print(f"{len(results)} kills, {died} hit, {len(bad)} wrong")
        return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
