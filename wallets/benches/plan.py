"""What a run of `tenge bench all` measures: engines, transports, workloads, clients, and how long.

A **case** is one row of the answer. Transports are `in-process` and `http`, where each client submits one transaction
and waits; and `in-process-batch` and `http-batch`, where each submits `BATCH` in one call. Reading has no batches, and
an audit has one client.

The first size is measured whole. Every **further size** is there to be compared with it: the transfer of one token in
batches by the most clients, in process, and batches of the transfer of two over HTTP, for the server's memory; without
the bare engine beside them and without an audit, for ten million tokens take long enough to be issued once.

Memory, which keeps nothing, has no further size above `MOST_IN_MEMORY`: nobody would run it, and it takes 10 GB.

`--quick` measures everything on SQLite, the two transfers on the journal, and the other engines with the transfer of
two tokens alone, in stretches so short that all of it takes a few minutes: it shows that everything runs and which
figures are of which order. For figures to quote leave it away.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from cbdc.errors import Refused
from wallets.benches.scene import AUDIT, ONE_IN, READ, TWO_IN, WORKLOADS

BATCH = 100
CLIENTS = (1, 4, 16, 64)
IN_PROCESS, HTTP = "in-process", "http"
TRANSPORTS = (IN_PROCESS, f"{IN_PROCESS}-batch", HTTP, f"{HTTP}-batch")
GRANIAN = "granian"
SERVERS = ("waitress", "cheroot", GRANIAN)
POSTGRESQL = "postgresql"
ENGINES = ("memory", "sqlite", "journal", POSTGRESQL)
MOST_CLIENTS, MOST_TOKENS, MOST_REPEATS = 64, 20_000_000, 100
LEAST_TOKENS, MOST_IN_MEMORY = 1_000, 1_000_000
LEAST_SECONDS, MOST_SECONDS = 0.001, 60.0


class Case(NamedTuple):
    """One row: what is measured, by how many clients, with how many operations in a call (0: nothing is submitted)."""

    workload: str
    transport: str
    clients: int
    batch: int

    @property
    def group(self) -> int:
        """How many transactions the callers can have before the ledger at one moment."""
        return self.clients * max(self.batch, 1)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to measure. A repeat lasts about `seconds`; of `tokens`, the ledger's sizes, the first is measured whole."""

    engines: Sequence[str] = ENGINES
    transports: Sequence[str] = TRANSPORTS
    workloads: Sequence[str] = WORKLOADS
    clients: Sequence[int] = CLIENTS
    tokens: Sequence[int] = (1_000_000, 10_000)
    holders: int = 4_096
    repeats: int = 5
    seconds: float = 0.5
    warm: int = 400
    most: int = 20_000
    verifications: int = 40_000
    appends: int = 500
    server: str = "waitress"
    quick: bool = False

    def check(self) -> None:
        """E_SETTING for anything that cannot be measured."""
        _among("engine", [engine for engine in self.engines if "://" not in engine], ENGINES)
        _among("transport", self.transports, TRANSPORTS)
        _among("server", [self.server], SERVERS)
        _among("workload", self.workloads, WORKLOADS)
        for name, values, least, most in (
            ("clients", self.clients, 1, MOST_CLIENTS),
            ("tokens", self.tokens, LEAST_TOKENS, MOST_TOKENS),
            ("repeats", [self.repeats], 1, MOST_REPEATS),
        ):
            for value in values:
                if not least <= value <= most:
                    raise Refused(
                        "E_SETTING", name=name, value=value, problem=f"it must be from {least} to {most}"
                    )
        if not LEAST_SECONDS <= self.seconds <= MOST_SECONDS:
            problem = f"it must be from {LEAST_SECONDS} to {MOST_SECONDS:g}"
            raise Refused("E_SETTING", name="seconds", value=self.seconds, problem=problem)

    def plays(self, engine: str, tokens: int) -> bool:
        """Whether this engine is played at this size."""
        return engine != "memory" or tokens == self.tokens[0] or tokens <= MOST_IN_MEMORY

    def growth(self, transports: Sequence[str]) -> Iterator[Case]:
        """The rows of every size but the first over these transports."""
        most = sorted(set(self.clients))[-2:]
        for workload, transport in ((ONE_IN, f"{IN_PROCESS}-batch"), (TWO_IN, f"{HTTP}-batch")):
            if workload in self.workloads and transport in self.transports and transport in transports:
                for clients in most:
                    yield Case(workload, transport, clients, BATCH)

    def cases(self, engine: str, transports: Sequence[str]) -> Iterator[Case]:
        """The rows of one engine over these transports, in the order they are measured; the audit comes last."""
        for workload in self.workloads:
            if workload == AUDIT or not self._asks(engine, workload):
                continue
            for transport in transports:
                batch = BATCH if transport.endswith("-batch") else 1
                if transport not in self.transports or (workload == READ and batch > 1):
                    continue
                for clients in self._clients(engine, workload, batch):
                    yield Case(workload, transport, clients, 0 if workload == READ else batch)
        if AUDIT in self.workloads and transports[0] == IN_PROCESS and IN_PROCESS in self.transports:
            yield Case(AUDIT, IN_PROCESS, 1, 0)

    def _asks(self, engine: str, workload: str) -> bool:
        """Memory keeps nothing: it is the yardstick of the transfers. In short runs SQLite alone plays everything."""
        if engine == "memory":
            return workload in ((TWO_IN,) if self.quick else (ONE_IN, TWO_IN))
        if not self.quick or engine == "sqlite":
            return True
        return workload == TWO_IN or (engine == "journal" and workload == ONE_IN)

    def _clients(self, engine: str, workload: str, batch: int) -> list[int]:
        chosen = list(dict.fromkeys(self.clients))
        if not self.quick:
            return chosen
        if workload not in (ONE_IN, TWO_IN):
            return [clients for clients in chosen if clients in (1, 16)] or chosen[:1]
        if batch == 1 and (engine, workload) == ("journal", ONE_IN):
            return chosen[:1]
        if batch > 1 and (engine, workload) != ("sqlite", TWO_IN):
            # One call of each of 64 clients is 6,400 transactions, which somebody must sign first.
            return [clients for clients in chosen if clients <= 16] or chosen[:1]
        return chosen


def quick(plan: Plan) -> Plan:
    """The same in a few minutes."""
    return Plan(
        plan.engines, plan.transports, plan.workloads, plan.clients, (10_000,), 256, plan.repeats, 0.1, 100, 1_500,
        4_000, 100, plan.server, True,
    )  # fmt: skip


def _among(name: str, values: Sequence[str], known: Sequence[str]) -> None:
    for value in values:
        if value not in known:
            problem = f"it must be one of {', '.join(known)}"
            raise Refused("E_SETTING", name=name, value=value, problem=problem)
