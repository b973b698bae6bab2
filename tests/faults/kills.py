"""kill -9 of a real ledger process under load, and of the database server behind it.

    python -m tests.faults.kills --engine sqlite --kills 100 --seed 1 --json build/kills-sqlite.json

Clients pay without pause. Again and again the process dies: at a random moment (its start included), at each of the
ledger's write points, or, with PostgreSQL, because the database server or one of its sessions is killed. After each
death the auditor judges what the store holds; then the next process starts and the clients ask again. At the end
everything must have settled, and the product's own audit has to agree. What is random here is drawn from the seed; when
exactly a process is hit is the machine's affair.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cbdc.errors import Unavailable
from cbdc.ledger.audit import audit
from cbdc.ledger.engines import open_store
from cbdc.ledger.store import Store
from cbdc.ports import CRASH_VARIABLE, JOURNAL_WRITE_POINTS, WRITE_POINTS
from tests.faults.auditor import Auditor, Wrong
from tests.faults.payers import Payers
from tests.faults.town import big_town

POINTS = [point for point in WRITE_POINTS if point.startswith("ledger.")]
SECONDS = 60


@dataclass
class Database:
    """What can be done to the server behind an engine; an embedded engine has none."""

    kill: Callable[[], None] | None = None
    kill_session: Callable[[], None] | None = None
    cut_wire: Callable[[], None] | None = None


@dataclass
class Run:
    """One kill run; see the module's text."""

    engine: str
    url: str
    folder: Path
    seed: int
    database: Database = field(default_factory=Database)
    pipeline: bool = False
    happened: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    starts: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(f"{self.engine}/{self.seed}")
        self.auditor = Auditor(big_town())
        self.payers = Payers(self.auditor, self.seed)
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

    def read(self) -> Store:
        """The store, opened for reading; a database server that recovers is waited for."""
        end = time.monotonic() + SECONDS
        while True:
            try:
                return open_store(self.url, read_only=True)
            except Unavailable:
                if self.database.kill is None or time.monotonic() > end:
                    raise
                time.sleep(0.05)

    def judge(self) -> None:
        """The auditor looks at what a death left."""
        with closing(self.read()) as store, self.payers.lock:
            there = self.auditor.check(store)
            unknown = set(self.payers.open)
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
        if self.payers.wrong:
            raise Wrong("; ".join(self.payers.wrong))
        return self.figures()

    def figures(self) -> dict[str, Any]:
        """Both judges look at the end; what was seen."""
        self.judge()
        with closing(self.read()) as store:
            found = audit(store)
        if found.problems:
            raise Wrong(f"the product's own audit: {found.problems[0]}")
        if self.payers.open:
            raise Wrong(f"{len(self.payers.open)} payments never settled")
        starts = sorted(self.starts)
        return {
            "engine": self.engine,
            "seed": self.seed,
            "pipeline": self.pipeline,
            "kills": sum(self.happened.values()),
            "how": dict(sorted(self.happened.items())),
            "acknowledged": len(self.auditor.receipts),
            "lost": 0,
            "doubled": 0,
            "asked_again": self.payers.asked_again,
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
        return Run(engine, url, folder, seed, database, pipeline).play(kills)
    except Wrong as wrong:
        again = f"python -m tests.faults.kills --engine {engine} --kills {kills} --seed {seed}"
        raise Wrong(f"{wrong}\nagain: {again}") from wrong
    finally:
        if server is not None:
            server.stop(signal.SIGKILL)
            server.remove()


def main() -> int:
    """A kill run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.kills", description=__doc__)
    parser.add_argument("--engine", default="sqlite")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pipeline", action="store_true")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tenge-kills-") as name:
        figures = play(asked.engine, asked.kills, asked.seed, Path(name), asked.pipeline)
    text = json.dumps(figures, indent=1)
    print(text)
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
