"""`tenge serve --role writer`: the ledger over HTTP, without the sandbox's desks, for clients and for front ends.

It holds the ledger in a store by URL, judges and commits, and serves the ledger's interface: submit, batch, log,
proofs, reads. Signatures are verified here, except those that a front certified by ROOT vouches for
(`cbdc.http.fronts`).

When another writer took over the store it ends by itself, with an exit code of its own: whoever starts it again decides
that it shall be the writer. A fenced writer that nobody asks does not know it yet; it can commit nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

from cbdc.authority import Auth
from cbdc.distribution import CommercialBank
from cbdc.errors import Refused
from cbdc.http.api import Piped
from cbdc.http.fronts import FrontApi
from cbdc.http.server import Extension, Limits, create_app
from cbdc.http.signed_calls import CallDoor, MemoryNonces
from cbdc.ledger.engines import open_store
from cbdc.ledger.entry import open_entry, open_genesis
from cbdc.ledger.ledger import Ledger
from cbdc.ledger.pipeline import Pipeline
from cbdc.ledger.store import Store
from cbdc.operations.alone import alone_at
from cbdc.operations.clock_guard import GuardedClock
from cbdc.operations.counted_store import CommitFigures
from cbdc.operations.metrics import Metrics
from cbdc.operations.readiness import Readiness
from cbdc.operations.routes import OperationsApi, ledger_figures
from cbdc.ports import Clock, SystemClock, SystemEntropy, checkpoint_from_environment
from cbdc.record import Signed
from offline.bulk.work import all_cores
from wallets.roles.keys import (
    check_name_is_free,
    institution_keys,
    keep_certificate,
    kept_certificates,
    make_front_key,
    open_ledger,
    write_front_key,
)
from wallets.roles.running import EndsWhenFenced, run
from wallets.site.authorities import authorities_of
from wallets.site.serving import Serving, Wsgi, stopping
from wallets.web.server import Say

OK, FENCED_EXIT = 0, 3
CAPACITY = 20_000
LIMITS = Limits(per_second=5_000, burst=20_000)
MOST_NONCES = 100_000
"""Fronts are few addresses that ask much; a batch of one front lives a minute. Assumptions."""


class LedgerAlone:
    """A ledger without banks, as the web application wants it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.banks: Mapping[int, CommercialBank] = MappingProxyType({})


def serve(host: str, port: int, folder: Path, store: str, say: Say, serving: Serving) -> int:
    """Run a writer with the keys in `folder` until it is stopped or fenced; the exit code.

    Without `store` the ledger is a file in the folder. Raises what `open_store`, `Ledger` and `run` raise, and E_SIG
    for a front's certificate that is not this network's.
    """
    clock = SystemClock()
    url = store or f"sqlite:///{(folder / 'ledger.sqlite').absolute()}"
    step_seconds = serving.keeping.clock_step_seconds
    with ExitStack() as held:
        keys = institution_keys(folder, SystemEntropy(), held.enter_context(serving.keeping.opened_keys()))
        held.enter_context(alone_at(url))
        return serve_ledger(
            host,
            port,
            open_store(url, checkpoint_from_environment()),
            lambda opened: open_ledger(opened, keys, guarded(clock, opened, step_seconds)),
            lambda network: kept_certificates(folder, network),
            clock,
            say,
            serving,
        )


def guarded(clock: Clock, store: Store, step_seconds: int) -> Clock:
    """The clock that dates a store's next entries; E_CLOCK_STEP when it stands too far after the last one."""
    size = store.size()
    row = next(store.entries(size - 1, size), None) if size else None
    dating = GuardedClock(clock, clock, 0 if row is None else open_entry(row.data).time, step_seconds)
    dating.now()
    return dating


def serve_ledger(
    host: str,
    port: int,
    store: Store,
    ledger_of: Callable[[Store], Ledger],
    fronts_of: Callable[[bytes], Sequence[Signed[Auth]]],
    clock: Clock,
    say: Say,
    serving: Serving,
) -> int:
    """Run a writer over an open store, and close it; `clock` is the ledger's. The exit code."""
    metrics = Metrics()
    try:
        ledger = ledger_of(CommitFigures(metrics).over(store))
        fronts = fronts_of(ledger.network)
        names: set[str] = set()
        nonces = MemoryNonces(SystemClock().now(), MOST_NONCES)
        authority = ledger.genesis.authority
        door = CallDoor(
            authority, clock, SystemClock(), fronts, knows=lambda name: name.lower() in names, nonces=nonces
        )
        workers = all_cores() if serving.workers is None else serving.workers
        with (
            Pipeline(ledger, workers=workers, capacity=CAPACITY, late=True) as pipeline,
            stopping() as stopped,
        ):
            ends: list[EndsWhenFenced] = []

            def make(draining: Callable[[], bool]) -> Wsgi:
                ready = Readiness(lambda: ledger, clock, SystemClock(), None, draining)
                ledger_figures(metrics, lambda: ledger)
                metrics.gauge(
                    "tenge_transactions_waiting",
                    "Transactions on their way into the ledger.",
                    lambda: pipeline.waiting,
                )
                app = application(pipeline, door, [OperationsApi(ready, metrics).extension()])
                ends.append(EndsWhenFenced(app, stopped))
                return ends[0]

            say(f"The writer of network {ledger.network.hex()}; it believes {len(fronts)} front ends.")

            def bound(port: int) -> None:
                names.update(authorities_of(host, port, False, serving.keeping.authorities))

            run(make, host, port, serving, metrics, say, stopped, bound)
    finally:
        store.close()
    if ends[0].fenced:
        say("Another writer took over the store (E_STORE_FENCED); this one has ended.")
        return FENCED_EXIT
    say("Stopped.")
    return OK


def application(pipeline: Pipeline, door: CallDoor, extensions: Sequence[Extension] = ()) -> Wsgi:
    """The web application of a writer."""
    system = Piped(LedgerAlone(pipeline.ledger), pipeline)
    fronts = FrontApi(pipeline).extension()
    return create_app(system, [fronts, *extensions], limits=LIMITS, calls=door)


def make_front(folder: Path, store: str, out: Path, days: int) -> str:
    """Make a front's file at `out` and keep its certificate in the writer's folder; a sentence about it.

    Raises E_FRONT_KEY where a file stands already or the writer believes a front of that name, E_LEDGER_EMPTY before
    the writer's first start, E_KEYSTORE_MISSING in another folder, and what `open_store` raises. The writer may be
    running: its store is only read.
    """
    opened = open_store(store or f"sqlite:///{(folder / 'ledger.sqlite').absolute()}", read_only=True)
    try:
        check_name_is_free(folder, out.stem)
        first = next(opened.entries(0, 1), None)
        if first is None:
            raise Refused("E_LEDGER_EMPTY")
        keys, now = institution_keys(folder, SystemEntropy(), make=False), SystemClock().now()
        authority = open_genesis(open_entry(first.data).payload).authority
        if authority.root.record.key.kid != keys.root.public.kid:
            raise Refused("E_SYSTEM_KEYS", kid=keys.root.public.kid)
        key = make_front_key(authority.root, keys.root, SystemEntropy(), now, days)
    finally:
        opened.close()
    write_front_key(out, key)
    keep_certificate(folder, out.stem, key.certificate)
    return f"{out.as_posix()}: a front end of network {key.network.hex()}, good for {days} days."
