"""`tenge bench all`: every workload on every engine, in process and over HTTP, beside the limits of this machine.

For each engine and size a process of its own founds a ledger and plays the workloads; for HTTP the same ledger is
opened by a server's process, and the clients have one of their own. Transactions are signed between the runs, so nobody
signs while a watch runs. Each row is warmed up and played `repeats` times; its rate is the median, and its percentiles
are over all calls of all repeats. A stretch at half load lasts a second or longer, but for `--quick`.

    rate_per_second    operations decided, refusals that the workload asks for included; for an audit its entries
    errors             outcomes that the workload does not ask for; their codes stand in `details`
    rss_mib            the most memory the ledger's process had so far (in process with the clients' transactions)
    limit_per_second   the lower of two: bare verifications a second on all cores over the signatures of an operation,
                       and the bare engine's rate for the very same rows in groups as large as the callers allow; for
                       reads the bare engine's look-ups; for an audit the signatures alone
    ratio              rate over limit

Rules kept here: limits are measured in the same run; nothing is left out, an error least of all; every ledger is
audited at the end, and what it finds is an error; whoever stops early keeps what was measured.
"""

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cbdc.errors import Refused
from cbdc.http import wire
from cbdc.ports import stopwatch
from wallets.bench import milliseconds, per_second
from wallets.benches import limits, private_postgres
from wallets.benches.children import ClientChild, HostChild
from wallets.benches.figures import median, p999
from wallets.benches.granian_host import GranianHost
from wallets.benches.http_client import get, post
from wallets.benches.plan import ENGINES, GRANIAN, HTTP, IN_PROCESS, POSTGRESQL, Case, Plan
from wallets.benches.scene import (
    AUDIT,
    HELD_TIYN,
    ONE_IN,
    READ,
    SIGNATURES,
    TWO_IN,
    Founded,
    Purse,
    Scene,
    Script,
    Tell,
    expected,
)
from wallets.benches.stored import store_bytes
from wallets.benches.wanted import targets

CALLS = 5
"""The fewest calls of each client in a repeat one by one, so that beginning and end weigh little."""
HALF_LOAD_SECONDS = 1.0
"""The shortest stretch at half load: the 99th of a hundred says little about fewer calls."""


@dataclass(slots=True)
class _Tries:
    """What the repeats of one row gave."""

    rates: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    bare: list[float] = field(default_factory=list)
    operations: int = 0
    client_seconds: float = 0.0


class Bench:
    """A run. `found` holds what was measured so far, whenever one looks."""

    def __init__(self, plan: Plan, tell: Tell = lambda text: None, peer: str = "") -> None:
        """Raises E_SETTING. `peer` is empty or "nutshell"."""
        plan.check()
        self.plan = plan
        self._peer = peer
        self._tell = tell
        self.found: dict[str, Any] = {
            "machine": {}, "limits": {}, "rows": [], "details": [], "half_load": [],
            "left_out": [], "founded": [],
            "audits": [], "targets": [], "errors": 0
        }  # fmt: skip
        self._things = ExitStack()
        self._server: private_postgres.PrivatePostgres | None = None
        self._keys: list[tuple[str, int, str, int]] = []
        self._shares: dict[tuple[str, int], float] = {}
        self._bare: dict[tuple[str, int, str, int], float] = {}

    def run(self) -> dict[str, Any]:
        """Measure everything; what `tenge bench all --json` prints."""
        with tempfile.TemporaryDirectory(prefix="tenge-bench-") as name, self._things:
            folder = Path(name)
            self._limits(folder)
            self._size(folder, self.plan.tokens[0])
            if self._peer:
                from wallets.benches import nutshell

                self.found["peer"] = nutshell.compare(self.plan.repeats, self._tell)
            for tokens in self.plan.tokens[1:]:
                self._size(folder, tokens)
        self._limits_again()
        self.close()
        return self.found

    def _size(self, folder: Path, tokens: int) -> None:
        for engine in self.plan.engines:
            if not self.plan.plays(engine, tokens):
                self.found["left_out"].append(f"{engine}, {tokens:,} tokens: too many to keep in memory")
                continue
            try:
                self._engine(folder, engine, tokens)
            except Refused as refusal:
                if refusal.code != "E_STORE_URL" or engine not in ENGINES:
                    raise
                self.found["left_out"].append(f"{engine}: {refusal.sentence()}")

    def close(self) -> None:
        """Note how busy the machine was at the end; also of a run that was stopped."""
        if self.found["machine"]:
            self.found["machine"]["load_at_end"] = limits.load()
        self.found["errors"] = sum(row["errors"] for row in (*self.found["rows"], *self.found["half_load"]))
        self.found["targets"] = targets(self.found)

    def _limits(self, folder: Path) -> None:
        self._tell("bare signatures and appends")
        appends = limits.append_seconds(folder, self.plan.appends)
        self.found["machine"] = limits.machine(appends)
        self.found["server"] = self.plan.server
        self.found["limits"] = {
            "verifications": limits.verifications(self.plan.verifications),
            "chosen": limits.CHOSEN,
            "durable_commits_per_second": per_second(len(appends), sum(appends)),
        }

    def _limits_again(self) -> None:
        """Measure the signatures once more at the end: the better of the two is the limit of every row.

        What slows the machine for a while would make a limit that rows of another while pass.
        """
        self._tell("bare signatures")
        again = limits.verifications(self.plan.verifications)
        for name, speeds in self.found["limits"]["verifications"].items():
            for which, speed in again[name].items():
                speeds[which] = max(speeds[which], speed)
        for row, key in zip(self.found["rows"], self._keys, strict=True):
            limit = self._limit(key, row["workload"])
            row["limit_per_second"] = round(limit, 1)
            row["ratio"] = _ratio(row["rate_per_second"], limit)

    @property
    def _signatures_per_second(self) -> float:
        chosen: float = self.found["limits"]["verifications"][limits.CHOSEN]["all_cores_per_second"]
        return chosen

    # --- one engine ---

    def _engine(self, folder: Path, engine: str, tokens: int) -> None:
        place = folder / f"{_word(engine)}-{tokens}"
        place.mkdir()
        urls = self._urls(engine, tokens, place)
        if not urls:
            return
        url, twin = urls if tokens == self.plan.tokens[0] else (urls[0], "")
        host = HostChild(url, twin, self.plan.holders)
        try:
            founded, purse = self._found(host, url, engine, tokens)
            for case in self._cases(engine, tokens, (IN_PROCESS, f"{IN_PROCESS}-batch")):
                if case.workload == AUDIT:
                    self._half_load(host, engine, tokens, purse)
                    self._audit(host, engine, tokens, founded)
                else:
                    self._row(engine, tokens, case, purse, _InProcess(host, case, bool(twin)), host.pid)
            if twin:
                self._bare_only(host, engine, tokens, purse)
            host.tell("close")
        finally:
            host.end()
        cases = self._cases(engine, tokens, (HTTP, f"{HTTP}-batch"))
        if cases:
            self._http(url, engine, tokens, cases, founded, purse)

    def _cases(self, engine: str, tokens: int, transports: Sequence[str]) -> list[Case]:
        whole = tokens == self.plan.tokens[0]
        return list(self.plan.cases(engine, transports) if whole else self.plan.growth(transports))

    def _urls(self, engine: str, tokens: int, place: Path) -> tuple[str, str] | None:
        """Where the ledger and its twin are; None, and a line in `left_out`, where the engine cannot be had."""
        if engine != POSTGRESQL:
            if "://" not in engine:
                return _url(engine, place / "ledger"), _url(engine, place / "twin")
            return engine, limits.twin_url(engine) if _word(engine) == POSTGRESQL else ""
        lack = private_postgres.missing()
        if lack:
            self.found["left_out"].append(f"{engine}: {lack}")
            return None
        if self._server is None:
            self._tell("a PostgreSQL server of our own")
            self._server = self._things.enter_context(private_postgres.PrivatePostgres())
        url = self._server.url(f"ledger_{tokens}")
        return url, limits.twin_url(url)

    def _bare_only(self, host: HostChild, engine: str, tokens: int, purse: Purse) -> None:
        """The bare engine's rate for what is only asked over HTTP in this run."""
        for case in self.plan.cases(engine, (HTTP, f"{HTTP}-batch")):
            key = (_word(engine), tokens, case.workload, case.group)
            if key not in self._bare:
                tries = _Tries()
                count = case.clients * (case.batch if case.batch > 1 else CALLS)
                _InProcess(host, case, True)(purse.script(case.workload, max(self.plan.warm, count)), tries)
                self._bare[key] = median(tries.bare)

    def _found(self, host: HostChild, url: str, engine: str, tokens: int) -> tuple[Founded, Purse]:
        title = f"{_word(engine)}, {tokens:,} tokens: "
        began = stopwatch()
        founded: Founded = host.tell("found", tokens, heard=lambda text: self._tell(title + text))
        took = stopwatch() - began
        size = store_bytes(url)
        self.found["founded"].append(
            {
                "engine": _word(engine),
                "tokens": tokens,
                "bytes_per_token": round(size / tokens, 1),
                "seconds": round(took, 1),
                "rss_mib": limits.peak_mib(host.pid),
            }
        )
        return founded, Purse(Scene(self.plan.holders), founded)

    def _http(
        self, url: str, engine: str, tokens: int, cases: Sequence[Case], founded: Founded, purse: Purse
    ) -> None:
        founding = tokens if engine == "memory" else 0
        clients = ClientChild()
        host: HostChild | GranianHost | None = None
        try:
            if self.plan.server == GRANIAN:
                self._tell(f"{_word(engine)}, {tokens:,} tokens: granian opens the ledger")
                host = GranianHost(url, self.plan.holders, founding)
                port = host.port
            else:
                host = HostChild(url, "", self.plan.holders)
                if founding:
                    host.tell("found", tokens)
                else:
                    host.tell("open")
                port = host.tell("serve", self.plan.server)
            if founding:
                # The memory of the ledger that was played in process is gone: this one begins anew.
                purse = Purse(Scene(self.plan.holders), founded)
            for case in cases:
                self._row(engine, tokens, case, purse, _OverHttp(clients, case, port), host.pid)
        finally:
            clients.end()
            if host is not None:
                host.end()

    # --- one row ---

    def _row(self, engine: str, tokens: int, case: Case, purse: Purse, play: "_Way", pid: int) -> None:
        self._tell(
            f"{_word(engine)}, {tokens:,} tokens, {case.transport}: {case.workload}, {case.clients} clients"
        )
        plan, tries = self.plan, _Tries()
        least = case.clients * (case.batch if case.batch > 1 else CALLS)
        warm = purse.script(case.workload, max(plan.warm, least))
        rate = play(warm, _Tries())
        count = max(least, min(plan.most, int(rate * plan.seconds)))
        count = -(-count // least) * least
        worked = limits.processor_seconds(pid)
        for _ in range(plan.repeats):
            script = purse.script(case.workload, count)
            if script.operations:
                play(script, tries)
        used = limits.processor_seconds(pid) - worked
        self._note(engine, tokens, case, tries, pid, used)

    def _note(
        self, engine: str, tokens: int, case: Case, tries: _Tries, pid: int, used_seconds: float
    ) -> None:
        key = (_word(engine), tokens, case.workload, case.group)
        if tries.bare:
            self._bare[key] = median(tries.bare)
        limit = self._limit(key, case.workload)
        rate = median(tries.rates)
        self._keys.append(key)
        self.found["rows"].append(
            {
                "workload": case.workload,
                "engine": _word(engine),
                "transport": case.transport,
                "clients": case.clients,
                "tokens": tokens,
                "rate_per_second": round(rate, 1),
                "p50_ms": milliseconds(tries.seconds, 50),
                "p99_ms": milliseconds(tries.seconds, 99),
                "p999_ms": p999(tries.seconds),
                "errors": tries.errors.total(),
                "rss_mib": limits.peak_mib(pid),
                "limit_per_second": round(limit, 1),
                "ratio": _ratio(rate, limit),
            }
        )
        self.found["details"].append(
            {
                "operations": tries.operations,
                "calls": len(tries.seconds),
                "rates_per_second": [round(one, 1) for one in tries.rates],
                "errors_by_code": dict(sorted(tries.errors.items())),
                "ledger_processor_us": round(used_seconds * 1e6 / max(tries.operations, 1), 1),
                "client_processor_us": round(tries.client_seconds * 1e6 / max(tries.operations, 1), 1),
                "bare_engine_per_second": round(self._bare.get(key, 0.0), 1),
            }
        )

    def _limit(self, key: tuple[str, int, str, int], workload: str) -> float:
        if workload == AUDIT:
            return self._signatures_per_second * self._shares[key[:2]]
        bare = self._bare.get(key) or self._nearest(key)
        signatures = SIGNATURES.get(workload, 0)
        bounds = [self._signatures_per_second / signatures] if signatures else []
        return min([*bounds, *([bare] if bare else [])], default=0.0)

    def _nearest(self, key: tuple[str, int, str, int]) -> float:
        """The bare engine for the largest group below, where this very group was not measured in process."""
        same = [group for *rest, group in self._bare if tuple(rest) == key[:3] and group <= key[3]]
        return self._bare[(*key[:3], max(same))] if same else 0.0

    # --- half load, and the audit ---

    def _half_load(self, host: HostChild, engine: str, tokens: int, purse: Purse) -> None:
        """Single submits that arrive at half the rate of the fullest row: how long one waits, in durable appends."""
        rates = [
            row["rate_per_second"]
            for row in self.found["rows"]
            if (row["workload"], row["engine"], row["tokens"], row["transport"])
            in ((ONE_IN, _word(engine), tokens, IN_PROCESS), (TWO_IN, _word(engine), tokens, IN_PROCESS))
        ]
        if not rates:
            return
        self._tell(f"{_word(engine)}, {tokens:,} tokens: half load")
        half = max(int(max(rates) / 2), 1)
        lasts = self.plan.seconds if self.plan.quick else max(self.plan.seconds, HALF_LOAD_SECONDS)
        count = max(self.plan.warm, min(self.plan.most, int(half * lasts)))
        tries = _Tries()
        for measured in (False, *[True] * self.plan.repeats):
            script = purse.script(ONE_IN, count)
            played = host.tell("pace", script.operations, max(self.plan.clients), half)
            rate = len(script.operations) / played.took_seconds
            _tried(tries if measured else _Tries(), script, played.outcomes, played.seconds, rate)
        p99_ms = milliseconds(tries.seconds, 99)
        append_ms = 1_000 / self.found["limits"]["durable_commits_per_second"]
        self.found["half_load"].append(
            {
                "engine": _word(engine),
                "tokens": tokens,
                "rate_per_second": half,
                "p50_ms": milliseconds(tries.seconds, 50),
                "p99_ms": p99_ms,
                "durable_commits_in_p99": round(p99_ms / append_ms, 1),
                "errors": tries.errors.total(),
            }
        )

    def _audit(self, host: HostChild, engine: str, tokens: int, founded: Founded) -> None:
        self._tell(f"{_word(engine)}, {tokens:,} tokens: audit")
        tries = _Tries()
        worked = limits.processor_seconds(host.pid)
        entries = 0
        for _ in range(1 if self.plan.quick else self.plan.repeats):
            checked = host.tell("audit")
            entries = checked.entries
            tries.rates.append(checked.entries / checked.took_seconds)
            tries.seconds.append(checked.took_seconds)
            tries.errors.update(checked.problems)
            tries.operations += checked.entries
            held = {
                name: tiyn
                for name, tiyn in checked.supply_tiyn.items()
                if name not in ("issued_tiyn", "redeemed_tiyn")
            }
            if (
                sum(held.values()) != checked.supply_tiyn["issued_tiyn"]
                or held["wallets_tiyn"] != tokens * HELD_TIYN
            ):
                tries.errors["sums are not conserved"] += 1
        used = limits.processor_seconds(host.pid) - worked
        self._shares[_word(engine), tokens] = entries / max(host.tell("signatures"), 1)
        plain = host.tell("audit", False)
        if plain is not None:
            tries.errors.update(plain.problems)
            self.found["audits"].append(
                {
                    "engine": _word(engine),
                    "tokens": tokens,
                    "signatures": "left out",
                    "rate_per_second": per_second(plain.entries, plain.took_seconds),
                }
            )
        self._note(engine, tokens, Case(AUDIT, IN_PROCESS, 1, 0), tries, host.pid, used)


_Way = Callable[[Script, _Tries], float]


class _InProcess:
    """Operations played by threads in the ledger's process; afterwards the bare engine takes the same rows."""

    def __init__(self, host: HostChild, case: Case, twin: bool) -> None:
        self._host, self._case, self._twin = host, case, twin

    def __call__(self, script: Script, tries: _Tries) -> float:
        case = self._case
        if self._twin and case.batch:
            self._host.tell("settle")
        played = self._host.tell("play", script.operations, case.clients, case.batch)
        rate: float = len(script.operations) / max(played.took_seconds, 1e-9)
        _tried(tries, script, played.outcomes, played.seconds, rate)
        if case.workload == READ:
            tries.bare.append(self._host.tell("bare_reads", script.operations))
        elif self._twin:
            accepted = sum(1 for outcome in played.outcomes if not outcome)
            bare = self._host.tell("bare", case.group)
            tries.bare.append(bare * len(script.operations) / max(accepted, 1))
        return rate


class _OverHttp:
    """Operations sent by clients in a process of their own."""

    def __init__(self, clients: ClientChild, case: Case, port: int) -> None:
        self._clients, self._case, self._port = clients, case, port

    def __call__(self, script: Script, tries: _Tries) -> float:
        heard = self._clients.play(self._port, self._case.clients, requests(script, self._case.batch))
        outcomes: list[str] = []
        size = max(self._case.batch, 1)
        for place, answers in enumerate(heard.outcomes):
            asked = min(size, len(script.operations) - place * size)
            outcomes += answers if len(answers) == asked else answers[:1] * asked
        rate = len(script.operations) / max(heard.took_seconds, 1e-9)
        tries.client_seconds += heard.processor_seconds
        _tried(tries, script, outcomes, heard.seconds, rate)
        return rate


def requests(script: Script, batch: int) -> list[bytes]:
    """A script as the bytes of HTTP requests."""
    operations = script.operations
    if script.workload == READ:
        return [get(f"/v1/tokens/{one[:32].hex()}:{int.from_bytes(one[32:], 'big')}") for one in operations]
    if batch == 1:
        return [post("/v1/transactions", one) for one in operations]
    parts = [operations[start : start + batch] for start in range(0, len(operations), batch)]
    return [post("/v1/transactions/batch", wire.write_batch(part)) for part in parts]


def _tried(
    tries: _Tries, script: Script, outcomes: Sequence[str], seconds: Sequence[float], rate: float
) -> None:
    tries.rates.append(rate)
    tries.seconds += seconds
    tries.operations += len(script.operations)
    tries.errors.update(code for code in expected(script, outcomes) if code)


def _ratio(rate: float, limit: float) -> float:
    return round(rate / max(limit, 1e-9), 4)


def _word(engine: str) -> str:
    """The engine in a row: its scheme, never an address with a password."""
    return engine.partition(":")[0]


def _url(engine: str, place: Path) -> str:
    """A URL of a new store of one of the engines that need nothing but a folder."""
    if engine == "memory":
        return "memory:"
    return f"sqlite:///{place}.sqlite" if engine == "sqlite" else f"{engine}:///{place}"
