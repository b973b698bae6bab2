"""A process that owns one ledger under measurement, and does what the bench tells it through a pipe.

It opens the engine at a URL, founds the ledger when the store is empty, plays operations in this process with so many
threads as clients, or serves the institutions' interface over HTTP on this machine's loopback. So what is measured has
a process of its own: its memory and its processor time are the ledger's.

While it plays, every commit is noted, and can be written once more to a **twin**: another store of the same engine that
holds the same rows. That is the bare engine's rate for the very same rows, with no ledger above it.

Rules kept here: what a process remembers of signatures, keys' points and opened transactions is forgotten before each
run; Ctrl-C is the parent's business; when the pipe closes, this process ends.
"""

import inspect
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, cast

from cbdc import keys
from cbdc.errors import TengeError
from cbdc.http.api import Piped
from cbdc.http.server import Limits, create_app
from cbdc.ledger.audit import audit
from cbdc.ledger.engines import open_store
from cbdc.ledger.ledger import MAX_GROUP, Ledger
from cbdc.ledger.pipeline import Pipeline
from cbdc.ledger.store import Commit, Store
from cbdc.ports import ManualClock, stopwatch
from cbdc.token import TokenId
from cbdc.transaction import forget_opened, open_transaction
from offline.bulk.work import all_cores
from wallets.benches.scene import Founded, Scene, found
from wallets.benches.servers import Wsgi, serving

START = 1_762_146_000
CAPACITY = 20_000
_MANY = 1_000_000_000


class Played(NamedTuple):
    """A run in process: seconds by the clock, the seconds of each call, and the outcome of each operation."""

    took_seconds: float
    seconds: list[float]
    outcomes: list[str]


class Checked(NamedTuple):
    """An audit: how long it took, what it read, and its problems."""

    took_seconds: float
    entries: int
    problems: list[str]
    supply_tiyn: dict[str, int]


class Recorder:
    """A store that also notes every commit, for the twin."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.noted: list[Commit] = []

    def commit(self, commit: Commit) -> None:
        """Commit, and note it when it stood."""
        self._store.commit(commit)
        self.noted.append(commit)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def merged(commits: Sequence[Commit], group: int) -> list[Commit]:
    """The same rows in commits of up to `group` entries; a commit that is larger stays as it is."""
    result: list[Commit] = []
    for commit in commits:
        if result and len(result[-1].entries) + len(commit.entries) <= group:
            last = result[-1]
            changes = {**last.changes, **commit.changes}
            owners = {**last.owners, **commit.owners}
            result[-1] = replace(
                last,
                entries=(*last.entries, *commit.entries),
                changes=changes,
                owners={key: owner for key, owner in owners.items() if changes[key] is not None},
                head=commit.head,
            )
        else:
            result.append(commit)
    return result


class Host:
    """One ledger in this process; each public method is a command of the pipe."""

    def __init__(self, url: str, twin_url: str, holders: int) -> None:
        self._scene = Scene(holders)
        self._store = open_store(url)
        self._twin = open_store(twin_url) if twin_url else None
        self._recorder = Recorder(self._store) if twin_url else None
        self._clock = ManualClock(START)
        self._serving: Any = None
        self._gate: Pipeline | None = None

    def found(self, tokens: int, tell: Callable[[str], None]) -> Founded:
        """Found the ledger; its twin gets the same commits as they come."""
        store = self._writable()

        def told(text: str) -> None:
            self.settle()
            tell(text)

        ledger, founded = found(store, self._scene, tokens, self._clock, told)
        self.settle()
        self._gate = _piped(ledger)
        return founded

    def open(self) -> None:
        """Go on with a ledger that stands already."""
        self._gate = _piped(Ledger(self._writable(), self._scene.institutions.ledger, self._clock))

    def _writable(self) -> Store:
        return self._store if self._recorder is None else cast(Store, self._recorder)

    def settle(self) -> None:
        """Give the twin what was committed since, unmeasured."""
        if self._recorder is not None and self._twin is not None:
            for commit in self._recorder.noted:
                self._twin.commit(commit)
            self._recorder.noted.clear()

    def bare(self, group: int) -> float:
        """Give the twin what was committed since in groups of up to `group`: entries a second; 0 for none."""
        assert self._recorder is not None
        assert self._twin is not None
        commits = merged(self._recorder.noted, min(group, MAX_GROUP))
        self._recorder.noted.clear()
        if not commits:
            return 0.0
        began = stopwatch()
        for commit in commits:
            self._twin.commit(commit)
        return sum(len(commit.entries) for commit in commits) / max(stopwatch() - began, 1e-9)

    def bare_reads(self, identities: Sequence[bytes]) -> float:
        """The bare engine's look-ups of these tokens, one by one: a second."""
        wanted = [b"\x01" + identity for identity in identities]
        began = stopwatch()
        for key in wanted:
            self._store.get_many([key])
        return len(wanted) / max(stopwatch() - began, 1e-9)

    def play(self, operations: Sequence[bytes], clients: int, batch: int) -> Played:
        """So many threads submit; each call has `batch` operations, or 0 for a look-up of one token."""
        assert self._gate is not None
        forget()
        return play(self._gate, operations, clients, batch)

    def pace(self, operations: Sequence[bytes], clients: int, per_second: int) -> Played:
        """So many operations a second arrive, one by one, whatever became of those before; see `play`."""
        assert self._gate is not None
        forget()
        return play(self._gate, operations, clients, 1, per_second)

    def application(self) -> Wsgi:
        """The institutions' interface over this ledger, without limits of requests for an address."""
        assert self._gate is not None
        forget()
        served = Piped(_Institutions(self._gate.ledger), self._gate)
        return create_app(served, limits=Limits(_MANY, _MANY))

    def serve(self, server: str) -> int:
        """Serve over HTTP from now on; the port."""
        self._serving = serving(server, self.application())
        return int(self._serving.__enter__())

    def audit(self, signatures: bool = True) -> Checked | None:
        """Audit the store, also without `signatures`; None where an audit always asks for them."""
        forget()
        options: dict[str, Any] = {"workers": all_cores(), "signatures": signatures}
        known = inspect.signature(audit).parameters
        if not signatures and "signatures" not in known:
            return None
        began = stopwatch()
        result = audit(self._store, **{name: value for name, value in options.items() if name in known})
        took = stopwatch() - began
        problems = [f"{problem.subject}: {problem.code}" for problem in result.problems]
        return Checked(took, result.entries, problems, result.supply_tiyn)

    def signatures(self) -> int:
        """How many signatures an audit verifies: those of the entries and of the heads."""
        assert self._gate is not None
        network = self._gate.ledger.network
        entries = self._gate.ledger.entries(1)
        counted = sum(len(open_transaction(entry.payload, network).witnesses) for entry in entries)
        return counted + sum(1 for _ in self._store.heads())

    def close(self) -> None:
        """Stop serving and release the stores."""
        if self._serving is not None:
            self._serving.__exit__(None, None, None)
        if self._gate is not None:
            self._gate.close()
        self._store.close()
        if self._twin is not None:
            self._twin.close()


@dataclass(frozen=True, slots=True)
class _Institutions:
    """The ledger as the HTTP interface wants it, without banks."""

    ledger: Ledger
    banks: dict[int, Any] = field(default_factory=dict)


def _piped(ledger: Ledger) -> Pipeline:
    return Pipeline(ledger, workers=all_cores(), capacity=CAPACITY)


def forget() -> None:
    """Remember no verified signature and no opened transaction."""
    keys.forget_verified()
    forget_opened()


def play(
    gate: Pipeline, operations: Sequence[bytes], clients: int, batch: int, per_second: int = 0
) -> Played:
    """Operations shared out to `clients` threads, which begin together.

    With `per_second` each call has its moment, and its seconds count from that moment, so whoever comes late because
    others were slow counts the waiting too.
    """
    size = max(batch, 1)
    calls = [range(start, min(start + size, len(operations))) for start in range(0, len(operations), size)]
    seconds, outcomes = [0.0] * len(calls), ["unheard"] * len(operations)
    together = threading.Barrier(min(clients, len(calls)) + 1, action=lambda: begun.append(stopwatch()))
    begun, waiting = list[float](), threading.Event()

    def client(first: int) -> None:
        together.wait()
        for number in range(first, len(calls), clients):
            places = calls[number]
            due = begun[0] + number / per_second if per_second else 0.0
            if per_second and (early := due - stopwatch()) > 0:
                waiting.wait(early)
            began = due or stopwatch()
            answers = _call(gate, operations, places, batch)
            seconds[number] = stopwatch() - began
            for place, answer in zip(places, answers, strict=True):
                outcomes[place] = answer

    threads = [
        threading.Thread(target=client, args=(first,), daemon=True)
        for first in range(min(clients, len(calls)))
    ]
    for thread in threads:
        thread.start()
    together.wait()
    for thread in threads:
        thread.join()
    return Played(stopwatch() - begun[0], seconds, outcomes)


def _call(gate: Pipeline, operations: Sequence[bytes], places: range, batch: int) -> list[str]:
    try:
        if batch == 0:
            data = operations[places.start]
            identity = TokenId(data[:32], int.from_bytes(data[32:], "big"))
            return ["" if gate.ledger.token(identity) is not None else "E_HTTP_NONE"]
        if batch == 1:
            gate.submit(operations[places.start])
            return [""]
        answers = gate.submit_many([operations[place] for place in places])
    except TengeError as error:
        return [error.code] * len(places)
    return [answer.code if isinstance(answer, TengeError) else "" for answer in answers]


# --- the process ---


def run(url: str, twin_url: str, holders: int, pipe: Connection) -> None:
    """Obey until the pipe closes: (name, arguments) in, ("told", text), ("done", value) ("failed", ...) go out."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    host: Host | None = None
    try:
        host = Host(url, twin_url, holders)
        while True:
            name, arguments = pipe.recv()
            if name == "found":
                arguments = (*arguments, lambda text: pipe.send(("told", text)))
            pipe.send(("done", getattr(host, name)(*arguments)))
            if name == "close":
                return
    except (EOFError, BrokenPipeError):
        pass
    except TengeError as error:
        pipe.send(("failed", (error.code, error.facts)))
    finally:
        if host is not None:
            host.close()
        pipe.close()
