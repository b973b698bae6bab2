"""Whoever attacks the running service: refused, bounded, logged, and the ledger goes on.

TENGE_GARBAGE=100000 pytest tests/attacks/test_service.py     (some minutes; a few hundred in a normal run)
"""

import http.client
import json
import logging
import os
import random
import resource
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cbdc.http import wire
from cbdc.http.call_client import CallingTransport
from cbdc.http.client import HttpGateway, Reply, SocketTransport
from cbdc.http.server import Limits
from cbdc.keys import Signer
from cbdc.operations.logs import Log
from cbdc.operations.metrics import Metrics
from cbdc.operations.watch import Watch
from cbdc.ports import ManualClock, SeededEntropy
from cbdc.transaction import MAX_TRANSACTION_BYTES
from tests.site.visitor import START
from wallets.site.app import Options
from wallets.site.guard import Guard
from wallets.site.serving import MAX_BODY_BYTES, make_server
from wallets.site.whole import Whole
from wallets.site.world import World

GARBAGE = int(os.environ.get("TENGE_GARBAGE", "300"))
MOST_GROWTH_MIB, MOST_GROWTH_LATER_MIB = 96, 24
# The guard has patience wherever it is not what is tested: a busy machine is no slow client.
PATIENT_SECONDS, SHORT_SECONDS, MOST_READING = 60, 1, 8


class Service(NamedTuple):
    """A running server, and what watches it."""

    port: int
    world: World
    whole: Whole
    watch: Watch
    clock: ManualClock
    log: Path
    guard: Guard

    def gateway(self) -> HttpGateway:
        return HttpGateway(SocketTransport(f"http://127.0.0.1:{self.port}"))

    def calling(self, signer: Signer, seed: int, clock: ManualClock | None = None) -> CallingTransport:
        wired = SocketTransport(f"http://127.0.0.1:{self.port}")
        authority = f"127.0.0.1:{self.port}"
        return CallingTransport(wired, signer, authority, clock or self.clock, SeededEntropy(seed))

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def figure(self, name: str) -> int:
        rows = dict(line.rsplit(" ", 1) for line in self.whole.metrics.text().splitlines() if line[0] != "#")
        return int(rows.get(name, "0"))

    def goes_on(self) -> None:
        """The ledger takes a transaction over HTTP, and its supply adds up."""
        self.clock.advance(2)
        bank = self.world.sandbox.bank_name
        before = self.world.system.ledger.size
        with self.world.doing():
            self.world.sandbox.issue(100, bank)
        [entry] = list(self.world.system.ledger.entries(before))
        receipt = self.gateway().submit(entry.payload)
        assert receipt.index == before
        supply = self.gateway().supply()
        assert supply.outstanding_tiyn == supply.held_tiyn


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    import threading

    clock, metrics, log = ManualClock(START), Metrics(), Log(str(tmp_path / "log"))
    world = World(clock, 7)
    guard = Guard(PATIENT_SECONDS, PATIENT_SECONDS, MOST_READING)
    whole = Whole(
        world, SeededEntropy(7), clock, Options(per_second=20, burst=100), None, Limits(20, 150), metrics
    )
    watch = Watch(whole, metrics, SeededEntropy(8), log)
    server = make_server(watch, "127.0.0.1", 0, None, guard)
    server.unreadable, server.broken = watch.unreadable, watch.broken
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    port = int(server.bind_addr[1])
    try:
        yield Service(port, world, whole, watch, clock, tmp_path / "log", guard)
    finally:
        server.stop()
        thread.join(60)
        log.close()
        world.close()


def connected(service: Service) -> socket.socket:
    return socket.create_connection(("127.0.0.1", service.port), timeout=60)


def status_of(client: socket.socket) -> int:
    """The status of the answer, 0 when the connection ended without one."""
    data = b""
    with suppress(OSError):
        while b"\r\n" not in data:
            piece = client.recv(1_024)
            if not piece:
                break
            data += piece
    return int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/") else 0


def until(condition: Any) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# --- who may not ---


def test_wrong_roles_replays_and_expired_signatures_are_refused_and_logged(service: Service) -> None:
    keys, path = service.world.system.keys, "/v1/participants/1/account"
    sent: list[Any] = []

    class Kept:
        def request(self, method: str, path: str, headers: Any, body: bytes) -> Reply:
            sent.append((method, path, headers, body))
            return SocketTransport(f"http://127.0.0.1:{service.port}").request(method, path, headers, body)

    def code(reply: Reply) -> str:
        return str(json.loads(reply.body).get("code", ""))

    calling = CallingTransport(
        Kept(), keys.bank(1), f"127.0.0.1:{service.port}", service.clock, SeededEntropy(1)
    )
    assert calling.request("GET", path, {}, b"").status == 200
    replayed = SocketTransport(f"http://127.0.0.1:{service.port}").request(*sent[0])
    past = ManualClock(service.clock.now() - 3_600)
    codes = [
        code(replayed),
        code(service.calling(keys.treasury, 2).request("GET", path, {}, b"")),
        code(service.calling(keys.bank(2), 3).request("GET", path, {}, b"")),
        code(service.calling(keys.bank(1), 4, past).request("GET", path, {}, b"")),
        code(service.calling(keys.bank(1), 5).request("GET", "/v1/offices/requests", {}, b"")),
        code(service.calling(keys.officers[0], 6).request("GET", "/v1/offices/banks", {}, b"")),
        code(SocketTransport(f"http://127.0.0.1:{service.port}").request("GET", path, {}, b"")),
    ]
    assert codes == [
        "E_CALL_REPLAY",
        "E_CALL_ROLE",
        "E_CALL_SCOPE",
        "E_CALL_EXPIRED",
        "E_CALL_ROLE",
        "E_CALL_ROLE",
        "E_CALL_MISSING",
    ]
    until(lambda: len(service.lines()) >= 8)
    # Answers are written down by the threads that gave them, so two may change places.
    assert sorted(one["code"] for one in service.lines()) == sorted(["", *codes])
    (taken,) = [one for one in service.lines() if not one["code"]]
    assert taken["caller"] == keys.bank(1).public.kid.hex()[:16]
    assert service.figure('tenge_refusals_total{code="E_CALL_ROLE"}') == 3
    service.goes_on()


# --- what is too large ---

HEAD = b"POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def poured(service: Service, head: bytes, piece: bytes, most: int) -> tuple[int, int]:
    """Send a head and then a piece again and again, until it is refused; the status, and how much was taken."""
    taken = 0
    with closing(connected(service)) as client:
        with suppress(OSError):
            client.sendall(head)
            while taken < most:
                client.sendall(piece)
                taken += len(piece)
        return status_of(client), taken


@pytest.mark.parametrize("size", [MAX_TRANSACTION_BYTES + 1, MAX_BODY_BYTES + 1, 10**15])
def test_a_body_that_says_it_is_too_large_is_not_read(service: Service, size: int) -> None:
    with closing(connected(service)) as client:
        client.sendall(HEAD + f"Content-Length: {size}\r\n\r\n".encode())
        assert status_of(client) == 413
    service.goes_on()


@pytest.mark.parametrize("said", [b"-1", b"abc", b"1e9", b"99999999999999999999999999999999"])
def test_a_length_that_is_none_is_refused(service: Service, said: bytes) -> None:
    with closing(connected(service)) as client:
        client.sendall(HEAD + b"Content-Length: " + said + b"\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        assert status_of(client) in (400, 413)
    service.goes_on()


def test_a_body_in_pieces_is_cut_off_at_the_limit(service: Service) -> None:
    piece = b"2000\r\n" + b"x" * 0x2000 + b"\r\n"
    status, taken = poured(service, CHUNKED, piece, 64 * 1_048_576)
    assert status in (0, 413)
    assert taken < 16 * 1_048_576
    service.goes_on()


@pytest.mark.parametrize(
    "head",
    [
        CHUNKED + b"1;",  # the line before a piece, without an end
        CHUNKED,  # a size without an end
        HEAD + b"X-Large: ",  # a header without an end
        b"GET /",  # a line without an end
    ],
)
def test_a_line_without_an_end_grows_nowhere(service: Service, head: bytes) -> None:
    status, taken = poured(service, head, b"1" * 65_536, 64 * 1_048_576)
    assert status in (0, 400, 408, 413, 414)
    assert taken < 32 * 1_048_576
    service.goes_on()


def test_a_line_that_ends_with_the_connection_is_the_clients_fault(service: Service) -> None:
    # Longer than a body may be, and the library's own limit is asked only when the line has ended.
    with closing(connected(service)) as client:
        with suppress(OSError):
            client.sendall(CHUNKED + b"1" * (MAX_BODY_BYTES * 3 // 2))
            client.shutdown(socket.SHUT_WR)
        assert status_of(client) in (0, 400, 413)
    service.goes_on()


def test_many_headers_are_refused(service: Service) -> None:
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(5_000))
    with closing(connected(service)) as client:
        with suppress(OSError):
            client.sendall(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n" + lines + b"\r\n")
        assert status_of(client) in (0, 413)
    service.goes_on()


# --- who is slow ---


def dripped(service: Service, head: bytes, drop: bytes) -> int:
    """Send a head and then a drop at a time until the server has enough; the status."""
    with closing(connected(service)) as client:
        client.sendall(head)
        client.settimeout(0.1)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            with suppress(OSError):
                client.sendall(drop)
            try:
                data = client.recv(1_024)
            except TimeoutError:
                continue
            except OSError:
                return 0
            return int(data.split(b" ", 2)[1]) if data.startswith(b"HTTP/") else 0
    raise AssertionError("the server waited for ever")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n", b"X: y\r\n"),
        (b"GET /v1/hea", b"l"),
        (b"", b""),
        (HEAD + b"Content-Length: 60000\r\n\r\n", b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
    ],
)
def test_who_sends_drop_by_drop_is_let_go(service: Service, head: bytes, drop: bytes) -> None:
    service.guard.head_seconds = service.guard.body_seconds = SHORT_SECONDS
    assert dripped(service, head, drop) in (0, 400, 408)
    service.guard.head_seconds = service.guard.body_seconds = PATIENT_SECONDS
    assert service.guard.closed == 1
    until(lambda: service.watch.active == 0 and service.guard.reading == 0)
    service.goes_on()


def test_slow_ones_of_one_address_leave_room_for_others(service: Service) -> None:
    slow = [connected(service) for _ in range(3 * MOST_READING)]
    try:
        for client in slow:
            with suppress(OSError):
                client.sendall(b"GET /v1/health HTTP/1.1\r\n")
        answers: Counter[int] = Counter()
        waiting = list(slow)
        while len(waiting) > MOST_READING:
            answered, _, _ = select.select(waiting, [], [], 60)
            assert answered
            for client in answered:
                answers[status_of(client)] += 1
                waiting.remove(client)
        # So many may be read; the others were told at once, one perhaps by the end of its connection alone.
        assert answers[429] >= 2 * MOST_READING - 1
        assert answers[429] + answers[0] == 2 * MOST_READING
        assert service.guard.reading == MOST_READING
    finally:
        for client in slow:
            client.close()
    until(lambda: service.guard.reading == 0)
    service.goes_on()


# --- too much, and nonsense ---


def test_too_many_requests_are_refused_before_any_work(service: Service) -> None:
    answers: Counter[int] = Counter()
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=60)
    for number in range(400):
        connection.request("GET", f"/v1/nowhere/{number}" if number % 2 else "/v1/supply")
        reply = connection.getresponse()
        reply.read()
        answers[reply.status] += 1
    connection.close()
    # What leads nowhere is counted as well.
    assert answers == {200: 75, 404: 75, 429: 250}
    service.goes_on()


def garbage(chance: random.Random) -> bytes:
    """One thing that a stranger sends."""
    kind = chance.randrange(7)
    noise = chance.randbytes(chance.randrange(200))
    words = ["GET", "POST", "PUT", "", "G ET", "\0", "é"]
    places = [
        "/v1/transactions",
        "/v1/supply",
        "/",
        "//",
        "/%00",
        "/v1/keys/" + "f" * 64,
        "*",
        "/?" + "a" * 900,
    ]
    if kind == 0:
        return noise + b"\r\n\r\n"
    if kind == 1:
        return (
            b"POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\n" + noise.replace(b"\n", b"") + b"\r\n\r\n"
        )
    if kind == 2:
        head = f"Content-Type: {wire.CANONICAL}\r\nContent-Length: {len(noise)}\r\n\r\n"
        where = chance.choice(["/v1/transactions", "/v1/transactions/batch", "/v1/offline/batches"])
        return f"POST {where} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{head}".encode() + noise
    if kind == 3:
        line = (
            f"{chance.choice(words)} {chance.choice(places)} HTTP/{chance.choice(['1.1', '1.0', '9', 'x'])}"
        )
        return line.encode("latin-1") + b"\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    if kind == 4:
        text = chance.choice(["(", '("@method")', "x" * 5_000, 'tenge=("@method");created=1;keyid="a"'])
        head = f"Signature-Input: {text}\r\nSignature: {text}\r\nConnection: close\r\n\r\n"
        return f"GET /v1/participants/1/account HTTP/1.1\r\nHost: localhost\r\n{head}".encode()
    if kind == 5:
        size = chance.choice(["5", "-5", "zz", "99999999999"])
        return HEAD + f"Transfer-Encoding: chunked\r\n\r\n{size}\r\nhello\r\n0\r\n\r\n".encode()
    return b"GET /v1/health HTTP/1.1\r\n" + b"A: b\r\n" * chance.randrange(3_000) + b"\r\n"


@contextmanager
def kept_by_the_server_alone(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """The test runner keeps every log record in memory, twice, until the test ends; meanwhile it hears nothing."""
    root = logging.getLogger()
    runners = [handler for handler in root.handlers if isinstance(handler, type(caplog.handler))]
    assert runners
    for handler in runners:
        root.removeHandler(handler)
    try:
        yield
    finally:
        for handler in runners:
            root.addHandler(handler)


def most_memory_mib() -> int:
    """The most memory that this process had so far."""
    unit = 1_048_576 if sys.platform == "darwin" else 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


def test_garbage_is_refused_bounded_and_logged_and_the_ledger_goes_on(
    service: Service, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    chance, answers = random.Random(9421), Counter[int]()
    service.goes_on()
    began, before, half = time.monotonic(), most_memory_mib(), 0
    with kept_by_the_server_alone(caplog):
        for number in range(GARBAGE):
            with closing(connected(service)) as client:
                with suppress(OSError):
                    client.sendall(garbage(chance))
                    client.shutdown(socket.SHUT_WR)
                answers[status_of(client)] += 1
            if number % 500 == 499:
                service.clock.advance(2)
            if number == GARBAGE // 2:
                half = most_memory_mib()
        # Whatever was answered was counted; a keep-alive connection may have been answered twice.
        until(lambda: service.watch.active == 0)
    after = most_memory_mib()
    with capsys.disabled():
        if GARBAGE >= 10_000:
            took, by_status = int(time.monotonic() - began), sorted(answers.items())
            print(f"\n{GARBAGE} in {took} s; memory {before}, {half}, {after} MiB; answers {by_status}")
    assert sum(answers.values()) == GARBAGE
    assert not [status for status in answers if status >= 500], answers
    assert service.figure('tenge_refusals_total{code="E_INTERNAL"}') == 0
    text = service.whole.metrics.text()
    counted = sum(
        int(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("tenge_requests_total")
    )
    assert counted >= GARBAGE - answers[0]
    assert len(text.splitlines()) < 4_000
    # Threads and their arenas come with the first requests; what a request leaves behind would show in both.
    assert after - before <= MOST_GROWTH_MIB, (before, half, after)
    assert after - half <= MOST_GROWTH_LATER_MIB, (before, half, after)
    assert all(file.stat().st_size <= 11 * 1_048_576 for file in service.log.parent.iterdir())
    assert service.lines()[-1]["route"]
    service.goes_on()
