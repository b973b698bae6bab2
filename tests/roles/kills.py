"""kill -9 of front ends and writers under load, over HTTP.

    python -m tests.roles.kills --engine sqlite --kills 40 --seed 1 --json build/kills-fronts-sqlite.json

Clients pay through two fronts without pause. Again and again a front is killed, or the writer: at a random moment, or
at one of the ledger's write points; with PostgreSQL also a second writer takes over while the first one is alive, and
the first must end by itself. After each death the auditor of the fault runs judges what the store holds. At the end
everything must have settled, and the product's own audit has to agree. What is random is drawn from the seed; when
exactly a process is hit is the machine's affair.
"""

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from cbdc.ledger.audit import audit
from cbdc.ledger.engines import open_store
from tests.faults.auditor import Auditor, Wrong
from tests.faults.kills import POINTS
from tests.faults.town import big_town
from tests.roles.fleet import Fleet, FrontPayers
from wallets.roles.writer import FENCED_EXIT

SECONDS = 60


class Run:
    """One run; see the module's text."""

    def __init__(self, engine: str, url: str, folder: Path, seed: int) -> None:
        self.engine, self.url, self.seed = engine, url, seed
        self.chance = random.Random(f"{engine}/{seed}")
        self.auditor = Auditor(big_town())
        self.payers = FrontPayers(self.auditor, seed)
        self.fleet = Fleet(url, folder)
        self.payers.ports = tuple(self.fleet.front_ports)
        self.happened: Counter[str] = Counter()
        self.writer = 0

    def ways(self) -> list[str]:
        """Who dies, in turn."""
        there = ["front", "writer", POINTS[0], "front", "writer", POINTS[1], "both", POINTS[2]]
        return [*there, "takeover"] if self.engine == "postgresql" else there

    def die(self, how: str) -> None:
        """One death, and somebody in its place."""
        fleet, name = self.fleet, f"writer {self.writer}"
        heard = self.payers.spoken
        if how in ("front", "both"):
            number = self.chance.randrange(len(fleet.front_ports))
            fleet.processes[f"front {number}"].kill()
            fleet.processes[f"front {number}"].wait(SECONDS)
            fleet.start_front(number)
        if how in ("writer", "both"):
            fleet.processes[name].kill()
            fleet.processes[name].wait(SECONDS)
            self.judge()
            fleet.start_writer(self.writer)
        if how in POINTS:
            fleet.processes[name].send_signal(signal.SIGTERM)
            self.expect(name, 0)
            fleet.start_writer(self.writer, f"{how}:{self.chance.choice((1, 3, 10))}")
            self.expect(name, -signal.SIGKILL)
            self.judge()
            fleet.start_writer(self.writer)
        if how == "takeover":
            self.writer = 1 - self.writer
            fleet.start_writer(self.writer)
            self.expect(name, FENCED_EXIT)
        for front in range(len(fleet.front_ports)):
            fleet.wait_until_ready(f"front {front}")
        self.wait_until(lambda: self.payers.spoken > heard + 5, f"nobody is answered after {how}")
        time.sleep(self.chance.uniform(0.05, 0.3))
        self.judge()
        self.happened[how] += 1

    def expect(self, name: str, code: int) -> None:
        """A process ends by itself, in this way."""
        found = self.fleet.processes[name].wait(SECONDS)
        if found != code:
            raise Wrong(f"{name} ended with {found}, not {code}: {self.fleet.log(name)[-1_500:]}")

    def wait_until(self, condition: Any, sentence: str) -> None:
        """Until it holds; `Wrong` with the sentence when it does not."""
        end = time.monotonic() + SECONDS
        while not condition():
            if time.monotonic() > end or self.payers.wrong:
                raise Wrong(f"{sentence}; {self.payers.wrong}; {self.payers.refusals[-3:]}")
            time.sleep(0.02)

    def judge(self) -> None:
        """The auditor looks at the store; what the clients heard before that moment must stand in it."""
        with self.payers.lock, closing(open_store(self.url, read_only=True)) as store:
            self.auditor.check(store)

    def play(self, kills: int) -> dict[str, Any]:
        """All deaths; the figures. Raises `Wrong`."""
        with self.fleet as fleet:
            fleet.start_writer(0)
            fleet.start_front(0)
            fleet.start_front(1)
            for name in ("writer 0", "front 0", "front 1"):
                if not fleet.wait_until_ready(name):
                    raise Wrong(f"{name} does not start: {fleet.log(name)[-1_500:]}")
            self.payers.serve_at(0)
            self.payers.start()
            try:
                ways = self.ways()
                for number in range(kills):
                    self.die(ways[number % len(ways)])
                self.payers.finish()
            finally:
                self.payers.stop()
        if self.payers.wrong:
            raise Wrong("; ".join(self.payers.wrong))
        return self.figures()

    def figures(self) -> dict[str, Any]:
        """Both judges look at the end; what was seen."""
        self.judge()
        with closing(open_store(self.url, read_only=True)) as store:
            found = audit(store)
        if found.problems:
            raise Wrong(f"the product's own audit: {found.problems[0]}")
        if self.payers.open:
            raise Wrong(f"{len(self.payers.open)} payments never settled")
        return {
            "engine": self.engine,
            "seed": self.seed,
            "kills": sum(self.happened.values()),
            "how": dict(sorted(self.happened.items())),
            "acknowledged": len(self.auditor.receipts),
            "lost": 0,
            "doubled": 0,
            "asked_again": self.payers.asked_again,
            "refused_requests": dict(sorted(Counter(self.payers.refusals).items())),
        }


def play(engine: str, kills: int, seed: int, folder: Path) -> dict[str, Any]:
    """A run of one engine in `folder`; the figures, or `Wrong` with the command that repeats it."""
    server = None
    try:
        if engine == "postgresql":
            from tests.servers.postgres import PostgresServer

            server = PostgresServer()
            url = server.url("kills")
        else:
            url = f"{engine}:///{folder / engine}"
        return Run(engine, url, folder, seed).play(kills)
    except Wrong as wrong:
        again = f"python -m tests.roles.kills --engine {engine} --kills {kills} --seed {seed}"
        raise Wrong(f"{wrong}\nagain: {again}") from wrong
    finally:
        if server is not None:
            server.remove()


def main() -> int:
    """A run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.roles.kills", description=__doc__)
    parser.add_argument("--engine", default="sqlite")
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tenge-fronts-") as name:
        figures = play(asked.engine, asked.kills, asked.seed, Path(name))
    text = json.dumps(figures, indent=1)
    print(text)
    if asked.json:
        asked.json.parent.mkdir(parents=True, exist_ok=True)
        asked.json.write_text(text + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
