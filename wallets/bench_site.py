"""`tenge bench site`: one server, many wallets that listen for news while others pay; beside an empty page.

The real server is measured, over real sockets on this machine: the whole site over a world in memory. A process of its
own plays the visitors. So many wallets keep a stream of news open each. Meanwhile some clients post payments between
these wallets, signed before the watch starts, and others load pages. In the same run, on the same kind of server, an
empty Flask page is loaded just as often: the ratio of the two says what the site costs, whatever the machine.

Rules kept here: nothing is asserted about time; a refusal, a broken connection and a piece of news that never comes are
errors and are counted; every payee must hear of every payment.
"""

import http.client
import json
import multiprocessing
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import Queue
from typing import Any

from flask import Flask

from cbdc.errors import Refused
from cbdc.http import wire
from cbdc.http.server import Limits
from cbdc.ports import ManualClock, SeededEntropy, SystemClock, stopwatch
from wallets.bench import bench_key, milliseconds, peak_memory_mib, per_second, prepare
from wallets.site.app import Options
from wallets.site.serving import running
from wallets.site.whole import Whole
from wallets.site.world import World

MOST_WALLETS = 300
PAGES = ("/", "/wallet/", "/v1/supply", "/sign-in/bank")
CLIENTS = 4
WAIT_SECONDS = 60
_START = 1_762_146_000
_MANY = 10_000_000


def site(wallets: int, loads: int) -> dict[str, Any]:
    """Measure `wallets` listening wallets and `loads` loads of each page; what `tenge bench site --json` prints.

    Latencies are milliseconds. Raises E_SETTING.
    """
    if not 2 <= wallets <= MOST_WALLETS:
        raise Refused(
            "E_SETTING", name="wallets", value=wallets, problem=f"it must be from 2 to {MOST_WALLETS}"
        )
    if not 1 <= loads <= 100_000:
        raise Refused("E_SETTING", name="loads", value=loads, problem="it must be from 1 to 100000")
    world = World(ManualClock(_START), 7)
    try:
        payments, more = prepare(world.system, wallets)
        options = Options(per_second=_MANY, burst=_MANY)
        whole = Whole(world, SeededEntropy(1), SystemClock(), options, limits=Limits(_MANY, _MANY))
        with running(whole, "127.0.0.1", 0) as port, running(_empty(), "127.0.0.1", 0) as empty_port:
            found = _played(port, empty_port, wallets, loads, [*payments, *more])
    finally:
        world.close()
    peak = peak_memory_mib()
    return found if peak is None else {**found, "server_peak_memory_mib": peak}


def _empty() -> Flask:
    app = Flask("empty")
    app.add_url_rule("/", "empty", lambda: "")
    return app


def _played(port: int, empty_port: int, wallets: int, loads: int, payments: list[bytes]) -> dict[str, Any]:
    """The visitors' process plays; its findings come back over a pipe."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_play, args=(theirs, port, empty_port, wallets, loads, payments))
    process.start()
    theirs.close()
    try:
        found: dict[str, Any] = ours.recv()
    finally:
        process.join()
    return found


# --- in the visitors' process ---


@dataclass(slots=True)
class _Tally:
    """What the visitors saw: seconds by what was asked, and everything that went wrong."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def took(self, what: str, seconds: float) -> None:
        with self.lock:
            self.seconds.setdefault(what, []).append(seconds)

    def wrong(self, what: str) -> None:
        with self.lock:
            self.errors.append(what)


def _play(pipe: Any, port: int, empty_port: int, wallets: int, loads: int, payments: list[bytes]) -> None:
    tally = _Tally()
    kids = [bench_key(f"wallet {number}").public.kid.hex() for number in range(wallets)]
    listeners = [_Listener(port, kid, tally) for kid in kids]
    for listener in listeners:
        listener.start()
    for listener in listeners:
        if not listener.ready.wait(WAIT_SECONDS):
            tally.wrong(f"no stream for {listener.kid[:8]}")
    before = [listener.newest for listener in listeners]
    queue: Queue[bytes] = Queue()
    for payment in payments:
        queue.put(payment)
    started = stopwatch()
    payers = [threading.Thread(target=_pay_all, args=(port, queue, tally)) for _ in range(CLIENTS)]
    readers = [
        threading.Thread(target=_load_all, args=(port, empty_port, loads, tally)) for _ in range(CLIENTS)
    ]
    for thread in (*payers, *readers):
        thread.start()
    for thread in payers:
        thread.join()
    paid_seconds = stopwatch() - started
    for thread in readers:
        thread.join()
    late = _deaf(listeners, before)
    for kid in late:
        tally.wrong(f"{kid[:8]} heard nothing")
    for listener in listeners:
        listener.stop()
    pipe.send(_findings(tally, wallets, len(payments), paid_seconds, listeners))
    pipe.close()


def _deaf(listeners: list["_Listener"], before: list[int]) -> list[str]:
    """The wallets that were paid and have not heard of it within a while."""
    deadline = stopwatch() + WAIT_SECONDS
    waiting = list(zip(listeners, before, strict=True))
    while waiting and stopwatch() < deadline:
        waiting = [(one, old) for one, old in waiting if one.newest <= old]
        if waiting:
            threading.Event().wait(0.05)
    return [one.kid for one, _ in waiting]


class _Listener(threading.Thread):
    """One wallet's stream of news."""

    def __init__(self, port: int, kid: str, tally: _Tally) -> None:
        super().__init__(daemon=True)
        self.kid = kid
        self.ready = threading.Event()
        self.newest = -1
        self.events = 0
        self._tally = tally
        self._stopped = False
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)

    def run(self) -> None:
        try:
            self._connection.request("GET", f"/v1/wallets/{self.kid}/events")
            answer = self._connection.getresponse()
            if answer.status != 200:
                self._tally.wrong(f"events {answer.status}")
                return
            for line in _lines(answer):
                if line.startswith(b"data: "):
                    self.newest = int(line[6:])
                    self.events += 1
                    self.ready.set()
        except (OSError, ValueError, http.client.HTTPException) as error:
            if not self._stopped:
                self._tally.wrong(f"events {type(error).__name__}")

    def stop(self) -> None:
        self._stopped = True
        if self._connection.sock is not None:
            self._connection.sock.close()


def _lines(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    while line := answer.readline():
        yield line.rstrip(b"\n")


def _pay_all(port: int, queue: "Queue[bytes]", tally: _Tally) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    while not queue.empty():
        payment = queue.get()
        headers = {"Content-Type": wire.CANONICAL}
        _asked(tally, "payment", lambda: _ask(connection, "POST", "/v1/transactions", payment, headers))  # noqa: B023
    connection.close()


def _load_all(port: int, empty_port: int, loads: int, tally: _Tally) -> None:
    """Load every page and the empty one in turn, so that both meet the same moments."""
    site_connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_SECONDS)
    empty = http.client.HTTPConnection("127.0.0.1", empty_port, timeout=WAIT_SECONDS)
    for _ in range(-(-loads // CLIENTS)):
        for page in PAGES:
            _asked(tally, page, lambda: _ask(site_connection, "GET", page))  # noqa: B023
            _asked(tally, "empty", lambda: _ask(empty, "GET", "/"))
    site_connection.close()
    empty.close()


def _ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> int:
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _asked(tally: _Tally, what: str, ask: Callable[[], int]) -> None:
    started = stopwatch()
    try:
        status = ask()
    except (OSError, http.client.HTTPException) as error:
        tally.wrong(f"{what} {type(error).__name__}")
        return
    tally.took(what, stopwatch() - started)
    if status != 200:
        tally.wrong(f"{what} {status}")


def _findings(
    tally: _Tally, wallets: int, payments: int, paid_seconds: float, listeners: list[_Listener]
) -> dict[str, Any]:
    pages = [seconds for page in PAGES for seconds in tally.seconds.get(page, [])]
    empty = tally.seconds.get("empty", [])
    rows = [
        {
            "what": what,
            "count": len(seconds),
            "p50_ms": milliseconds(seconds, 50),
            "p95_ms": milliseconds(seconds, 95),
            "p99_ms": milliseconds(seconds, 99),
        }
        for what, seconds in sorted(tally.seconds.items())
    ]
    p95_empty = milliseconds(empty, 95)
    return {
        "wallets": wallets,
        "payments": payments,
        "payments_per_second": per_second(payments, paid_seconds),
        "news_heard": sum(listener.events for listener in listeners),
        "rows": rows,
        "pages_p95_ms": milliseconds(pages, 95),
        "empty_p95_ms": p95_empty,
        "ratio": round(milliseconds(pages, 95) / max(p95_empty, 0.001), 2),
        "errors": len(tally.errors),
        "first_errors": tally.errors[:5],
    }


def words(found: dict[str, Any]) -> Iterator[str]:
    """The findings as lines for a person."""
    yield (
        f"{found['wallets']} wallets listened, {found['payments']} payments ({found['payments_per_second']} a second),"
        f" {found['news_heard']} pieces of news, {found['errors']} errors"
    )
    for row in found["rows"]:
        times = "   ".join(f"{name} {row[f'{name}_ms']} ms" for name in ("p50", "p95", "p99"))
        yield f"  {row['what']:16} {row['count']:6}   {times}"
    yield f"A page's p95 is {found['ratio']} times that of an empty page in the same run."
    if found["errors"]:
        yield "Errors: " + json.dumps(found["first_errors"])
