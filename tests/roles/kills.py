"""kill -9 of front ends and writers under load, over HTTP.

    python -m tests.roles.kills --engine sqlite --kills 40 --seed 1 --json build/kills-fronts-sqlite.json

Clients pay through two fronts without pause. Again and again a front is killed, or the writer: at a random moment, or
at one of the ledger's write points; with PostgreSQL also a second writer takes over while the first one is alive, and
the first must end by itself. After each death the auditor of the fault runs judges what the store holds. At the end
everything must have settled, and the product's own audit has to agree. What is random is drawn from the seed; when
exactly a process is hit is the machine's affair.
"""

import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.faults.auditor import Wrong
from tests.faults.kill_runs import POINTS, SECONDS, KillRun, command, played_again_by
from tests.roles.fleet import Fleet, FrontPayers
from wallets.roles.writer import FENCED_EXIT

PROGRAM = "tests.roles.kills"


class Run(KillRun):
    """One run; see the module's text."""

    payers: FrontPayers

    def __init__(self, engine: str, url: str, folder: Path, seed: int) -> None:
        super().__init__(engine, url, seed, FrontPayers)
        self.fleet = Fleet(url, folder)
        self.payers.ports = tuple(self.fleet.front_ports)
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
        return self.figures()

    def figures(self) -> dict[str, Any]:
        """With the requests that were refused as a whole."""
        return {**super().figures(), "refused_requests": dict(sorted(Counter(self.payers.refusals).items()))}


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
        with played_again_by(PROGRAM, engine, kills, seed):
            return Run(engine, url, folder, seed).play(kills)
    finally:
        if server is not None:
            server.remove()


if __name__ == "__main__":
    sys.exit(command(PROGRAM, __doc__, 40, play))
