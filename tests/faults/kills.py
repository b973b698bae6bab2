"""kill -9 of a real ledger process under load, and of the database server behind it.

    python -m tests.faults.kills --engine sqlite --kills 100 --seed 1 --json build/kills-sqlite.json

Clients pay without pause. Again and again the process dies: at a random moment (its start included), at each of the
ledger's write points, or, with PostgreSQL, because the database server or one of its sessions is killed. After each
death the auditor judges what the store holds; then the next process starts and the clients ask again. At the end
everything must have settled, and the product's own audit has to agree. What is random here is drawn from the seed; when
exactly a process is hit is the machine's affair.
"""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cbdc.errors import Unavailable
from cbdc.ports import CRASH_VARIABLE, JOURNAL_WRITE_POINTS
from tests.faults.auditor import Wrong
from tests.faults.kill_runs import POINTS, SECONDS, KillRun, command, played_again_by
from tests.faults.payers import Payers

PROGRAM = "tests.faults.kills"


@dataclass
class Database:
    """What can be done to the server behind an engine; an embedded engine has none."""

    kill: Callable[[], None] | None = None
    kill_session: Callable[[], None] | None = None
    cut_wire: Callable[[], None] | None = None


class Run(KillRun):
    """One kill run; see the module's text."""

    def __init__(
        self, engine: str, url: str, folder: Path, seed: int, database: Database, pipeline: bool
    ) -> None:
        super().__init__(engine, url, seed, Payers)
        self.folder, self.database, self.pipeline = folder, database, pipeline
        self.unknown: Counter[str] = Counter()
        self.starts: list[float] = []
        self.process: subprocess.Popen[bytes] | None = None

    # --- processes ---

    def start(self, crash: str = "") -> None:
        """Start a process; it may die before it serves."""
        port_file = self.folder / "port"
        port_file.unlink(missing_ok=True)
        environment = {**os.environ, CRASH_VARIABLE: crash}
        arguments = [sys.executable, "-m", "tests.faults.served", self.url, str(port_file)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*arguments, *(["--pipeline"] if self.pipeline else [])], env=environment, stderr=log
            )

    def wait_until_up(self) -> bool:
        """Wait until it serves, and tell the clients; False when it died first."""
        assert self.process is not None
        started = time.monotonic()
        while time.monotonic() - started < SECONDS:
            if (self.folder / "port").exists():
                self.starts.append(time.monotonic() - started)
                self.payers.serve_at(int((self.folder / "port").read_text(encoding="utf-8")))
                return True
            if self.process.poll() is not None:
                return False
            time.sleep(0.01)
        raise Wrong("a started server does not come up")

    def reap(self, kill: bool) -> None:
        """Kill it (or wait until it has died), and take it away from the clients."""
        assert self.process is not None
        if kill:
            self.process.kill()
        code = self.process.wait(SECONDS)
        self.payers.up.clear()
        if code != -signal.SIGKILL:
            log = (self.folder / "log").read_text(encoding="utf-8", errors="replace")
            raise Wrong(f"the server ended by itself with {code}: {log[-1_500:]}")

    # --- deaths ---

    def die(self, how: str) -> None:
        """One death."""
        if "." in how:
            often = (1, 2, 3, 10, 40) if how in POINTS else (1, 2)
            self.start(f"{how}:{self.chance.choice(often)}")
            self.wait_until_up()
            self.reap(kill=False)
        elif how == "start":
            self.start()
            time.sleep(self.chance.uniform(0, 1.2) * (self.starts[-1] if self.starts else 0.5))
            self.reap(kill=True)
        else:
            self.start()
            self.wait_until_up()
            time.sleep(self.chance.uniform(0.01, 0.3))
            strikes = {
                "database": self.database.kill,
                "session": self.database.kill_session,
                "wire": self.database.cut_wire,
            }
            strike = strikes.get(how)
            if strike is not None:
                strike()
                time.sleep(self.chance.uniform(0.05, 0.4))
            self.reap(kill=True)
        self.happened[how] += 1

    def judge(self) -> None:
        """The auditor looks at what a death left; when a database server recovers meanwhile, he begins anew."""
        end = time.monotonic() + SECONDS
        while True:
            try:
                with closing(self.read()) as store, self.payers.lock:
                    there = self.auditor.check(store)
                    unknown = set(self.payers.open)
            except Unavailable:
                if self.database.kill is None or time.monotonic() > end:
                    raise
                time.sleep(0.05)
            else:
                break
        self.unknown["stood"] += len(unknown & there)
        self.unknown["did not"] += len(unknown - there)

    def play(self, kills: int) -> dict[str, Any]:
        """All deaths; the figures. Raises `Wrong`."""
        ways = [*POINTS, "moment", "moment", "moment", "start"]
        ways += JOURNAL_WRITE_POINTS if self.engine == "journal" else ()
        ways += ["database"] * 2 if self.database.kill else []
        ways += ["session"] * 2 if self.database.kill_session else []
        ways += ["wire"] * 2 if self.database.cut_wire else []
        self.start()
        self.wait_until_up()
        self.payers.start()
        try:
            time.sleep(0.3)
            self.reap(kill=True)
            self.happened["moment"] += 1
            self.judge()
            while sum(self.happened.values()) < kills:
                self.die(ways[(sum(self.happened.values()) - 1) % len(ways)])
                self.judge()
                if self.payers.wrong:
                    break
            self.start()
            self.wait_until_up()
            self.payers.finish()
            self.reap(kill=True)
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.payers.stop()
        return self.figures()

    def figures(self) -> dict[str, Any]:
        """With what became of payments that nobody had heard of, and how long a start took."""
        seen = super().figures()
        starts = sorted(self.starts)
        return {
            **seen,
            "pipeline": self.pipeline,
            "unknown_when_killed_that_stood": self.unknown["stood"],
            "unknown_when_killed_that_did_not": self.unknown["did not"],
            "start_seconds_median": int(1_000 * starts[len(starts) // 2]) / 1_000,
        }


def play(engine: str, kills: int, seed: int, folder: Path, pipeline: bool = False) -> dict[str, Any]:
    """A kill run of one engine in `folder`; the figures, or `Wrong` with the command that repeats it."""
    database, server = Database(), None
    try:
        if engine == "postgresql":
            from tests.faults.database import started

            server, url, database = started()
        else:
            url = f"{engine}:///{folder / engine}"
        with played_again_by(PROGRAM, engine, kills, seed, *(["--pipeline"] if pipeline else [])):
            return Run(engine, url, folder, seed, database, pipeline).play(kills)
    finally:
        if server is not None:
            server.stop(signal.SIGKILL)
            server.remove()


if __name__ == "__main__":
    sys.exit(command(PROGRAM, __doc__, 100, play, ("pipeline",)))
