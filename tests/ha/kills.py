"""Kill runs of the cluster under load: nothing acknowledged is lost, nothing is doubled, and every client settles.

    python -m tests.ha.kills --kills 20 --seed 1        (make ha KILLS=20 SEED=1)

Clients pay themselves in chains: each transaction spends what the one before made, so a lost one breaks its chain and a
doubled one would show in the audit. Between kills of the leader (its Patroni and its server), the seed chooses one of
the others: Patroni alone, the server alone, an etcd node, the application, or a second application that takes over. The
moments are the machine's own, so a run is repeatable in what is killed and in which order, not in its interleaving.
"""

import argparse
import contextlib
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cbdc.ledger.audit import audit
from cbdc.ledger.engines import open_store
from cbdc.token import TokenId
from cbdc.transaction import Transfer
from tests.cbdc.world import World
from tests.servers.cluster import Cluster, missing, unreadable

CLIENTS = 8
OTHERS = ("patroni", "postgres", "etcd", "application", "takeover")
BETWEEN_SECONDS = 3
SETTLE_SECONDS = 180


class Application:
    """The process that keeps the ledger; started again when it died or was overtaken."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._process: subprocess.Popen[str] | None = None
        self.starts = 0

    def ask(self, transactions: list[str]) -> list[int | str] | str:
        """Its answers, or what was wrong: a code, or "dead" when it was killed meanwhile."""
        process = self._process
        try:
            if process is None or process.poll() is not None:
                process = self._start()
                if (told := json.loads(process.stdout.readline())) != "ready":  # type: ignore[union-attr]
                    return str(told)
            process.stdin.write(json.dumps(transactions) + "\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
            answer: list[int | str] | str = json.loads(process.stdout.readline())  # type: ignore[union-attr]
        except (OSError, ValueError):
            self.kill()
            return "dead"
        if answer == "E_STORE_FENCED":
            self.kill()
        return answer

    def _start(self) -> subprocess.Popen[str]:
        self.kill()
        self.starts += 1
        command = [sys.executable, "-m", "tests.ha.application", self._url]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        return self._process

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for end in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    if end is not None:
                        end.close()


@dataclass
class Chain:
    """One client: what it sends now, what it sent first, and the places of what was acknowledged."""

    name: str
    current: str
    first: str = ""
    ids: list[bytes] = field(default_factory=list)
    places: list[int] = field(default_factory=list)


def chain_of(world: World, name: str, token: TokenId, amount_tiyn: int) -> Iterator[tuple[str, bytes]]:
    """Endless payments of a holder to himself: each transaction in hexadecimal, with its id."""
    while True:
        record = Transfer(world.nonce(), (token,), (world.token(name, amount_tiyn),))
        signed = world.sign(record, name)
        token = TokenId(signed.id, 0)
        yield signed.encode().hex(), signed.id


@dataclass
class Result:
    """What a run showed; `gaps` are the seconds without an acknowledgement after each kill, by its kind."""

    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    entries: int = 0
    unanswered: dict[str, int] = field(default_factory=dict)
    kills: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, list[float]] = field(default_factory=dict)

    def figures(self) -> dict[str, Any]:
        """All of it for a file, with the median and the longest gap of each kind."""
        gaps = {
            kind: {"median": statistics.median(seconds), "longest": max(seconds), "all": seconds}
            for kind, seconds in self.gaps.items()
        }
        return {**vars(self), "gaps": gaps}


class Run:
    """One run over a cluster that is ready."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.url = cluster.url("kills")
        self.result = Result()
        self._chance = random.Random(seed)
        self._stop = threading.Event()
        self._last = time.monotonic()
        self._longest = 0.0
        self._acknowledged = 0
        self.problem: BaseException | None = None
        store = open_store(self.url)
        world = World(store)
        names = [f"client{n}" for n in range(CLIENTS)]
        for name in names:
            world.register(name)
        tokens = world.fund(*((name, 1_000) for name in names))
        store.close()
        makers = [chain_of(world, name, token, 1_000) for name, token in zip(names, tokens, strict=True)]
        self._makers = makers
        self.chains = []
        for name, maker in zip(names, makers, strict=True):
            text, identity = next(maker)
            self.chains.append(Chain(name, text, text, [identity]))
        self.application = Application(self.url)

    def load(self) -> None:
        """The clients, until they are told to stop and have all settled."""
        try:
            while not (self._stop.is_set() and self._settled()):
                self._round()
        except BaseException as error:
            self.problem = error
            raise

    def _settled(self) -> bool:
        return all(len(chain.places) == len(chain.ids) for chain in self.chains)

    def _round(self) -> None:
        going = [chain for chain in self.chains if len(chain.places) < len(chain.ids)]
        answers = self.application.ask([chain.current for chain in going])
        if isinstance(answers, str):
            self.result.unanswered[answers] = self.result.unanswered.get(answers, 0) + 1
            time.sleep(0.1)
            return
        now = time.monotonic()
        self._longest = max(self._longest, now - self._last)
        self._last = now
        for chain, answer in zip(going, answers, strict=True):
            assert isinstance(answer, int), (
                f"{chain.name} was refused by {answer}: an earlier payment is lost"
            )
            chain.places.append(answer)
            self._acknowledged += 1
        if not self._stop.is_set():
            for chain, maker in zip(self.chains, self._makers, strict=True):
                chain.current, identity = next(maker)
                chain.ids.append(identity)

    def kill(self, kind: str) -> None:
        """One kill. A part of the cluster is only killed in a whole one, as one that may lose any part."""
        if kind not in ("application", "takeover"):
            self.cluster.mend()
            self.cluster.wait_ready()
        self.result.kills[kind] = self.result.kills.get(kind, 0) + 1
        self._longest, before = 0.0, self._acknowledged
        other = None
        if kind == "application":
            self.application.kill()
        elif kind == "takeover":
            other, before = self._take_over(), self._acknowledged
        elif kind == "etcd":
            self._chance.choice(self.cluster.etcd).kill()
        else:
            killed = self.cluster.kill_leader("" if kind == "leader" else kind)
            if kind == "patroni":
                # Its server still runs and listens; the cluster goes on without it when its term has run out.
                self.cluster.wait_for(
                    lambda: self.cluster.leader() not in (None, killed), "nobody took over from a lone server"
                )
                before = self._acknowledged
        self.await_acknowledged(before + CLIENTS * 20)
        self.result.gaps.setdefault(kind, []).append(max(self._longest, time.monotonic() - self._last))
        print(f"{kind}: {self.result}", file=sys.stderr, flush=True)
        if other is not None:
            other.kill()

    def _take_over(self) -> Application:
        """A second application that has become the writer, and the first one told so."""
        fenced = self.result.unanswered.get("E_STORE_FENCED", 0)
        other = Application(self.url)
        # An empty line is answered by an empty list as soon as the store is open, which is the takeover.
        self.cluster.wait_for(lambda: other.ask([]) == [], "the second application did not open")
        self.cluster.wait_for(
            lambda: self.result.unanswered.get("E_STORE_FENCED", 0) > fenced, "the first one was not fenced"
        )
        return other

    def await_acknowledged(self, count: int) -> None:
        """Until so many were acknowledged in all."""
        end = time.monotonic() + SETTLE_SECONDS
        while self._acknowledged < count:
            assert self.problem is None, self.problem
            assert time.monotonic() < end, f"no acknowledgement: {self.result}"
            time.sleep(0.05)

    def play(self, kills: list[str]) -> Result:
        """The kills under load, then the check."""
        clients = threading.Thread(target=self.load, daemon=True)
        clients.start()
        self.await_acknowledged(CLIENTS * 20)
        try:
            for kind in kills:
                time.sleep(self._chance.random() * BETWEEN_SECONDS)
                self.kill(kind)
            self._stop.set()
            clients.join(SETTLE_SECONDS)
        finally:
            self._stop.set()
            self.application.kill()
        assert not clients.is_alive(), "a client never settled"
        assert self.problem is None, self.problem
        self.check()
        return self.result

    def check(self) -> None:
        """Every acknowledged transaction is where its receipt said, once, and the ledger adds up."""
        self._same_again()
        store = open_store(self.url, read_only=True)
        try:
            found = audit(store)
            assert found.problems == [], found.problems
            entries = [entry.transaction_id for entry in store.entries()]
        finally:
            store.close()
        acknowledged = [pair for chain in self.chains for pair in zip(chain.ids, chain.places, strict=True)]
        self.result.acknowledged, self.result.entries = len(acknowledged), len(entries)
        self.result.lost = sum(entries[place : place + 1] != [identity] for identity, place in acknowledged)
        self.result.doubled = len(entries) - len(set(entries))
        assert len(acknowledged) == self._acknowledged
        assert (self.result.lost, self.result.doubled) == (0, 0), self.result

    def _same_again(self) -> None:
        """A new application answers each client's first and last transaction with the places of before."""
        again = Application(self.url)
        try:
            told = again.ask([text for chain in self.chains for text in (chain.first, chain.current)])
        finally:
            again.kill()
        before = [place for chain in self.chains for place in (chain.places[0], chain.places[-1])]
        assert told == before, (told, before)


def plan_of(kills: int, seed: int) -> list[str]:
    """So many kills of the leader, and after every second one another kind, as the seed says."""
    chance = random.Random(seed)
    plan = []
    for number in range(kills):
        plan.append("leader")
        if number % 2:
            plan.append(chance.choice(OTHERS))
    return plan


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=("leader", *OTHERS), help="this kind of kill and no other")
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    options = parser.parse_args()
    plan = [options.only] * options.kills if options.only else plan_of(options.kills, options.seed)
    if lack := missing() or unreadable():
        sys.exit(lack)
    with Cluster(nodes=3) as cluster:
        result = Run(cluster, options.seed).play(plan)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(result.figures(), indent=1) + "\n", encoding="utf-8")
    print(f"{result.acknowledged} acknowledged, {result.lost} lost, {result.doubled} doubled")
    for kind, seconds in result.gaps.items():
        middle, longest = statistics.median(seconds), max(seconds)
        print(f"{kind}: {len(seconds)} kills, gap median {middle:.1f} s, longest {longest:.1f} s")


if __name__ == "__main__":
    main()
