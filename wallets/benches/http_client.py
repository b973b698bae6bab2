"""Clients of a benchmark over HTTP: many connections, one thread, and as little work as possible for each request.

A general HTTP client costs Python as much as the server's answer, and would be measured with it. This one sends
requests whose bytes were made before the watch started and reads of an answer what it must: the status, the length,
the body. Each connection is one client: it sends its next request when its last answer is whole. A server answers with
`Content-Length`; whatever else it does is an error, and the client goes on over a new connection.

Rules kept here: a request is sent once (nothing is repeated, so nothing is counted twice); an answer that does not come
within `WAIT_SECONDS` is E_PEER_DOWN; every request gets exactly one outcome.
"""

import json
import selectors
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from cbdc.http import wire
from cbdc.ports import processor_stopwatch, stopwatch

WAIT_SECONDS = 60
_READ_BYTES = 1 << 18
_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_DOWN, _ANSWER = "E_PEER_DOWN", "E_PEER_ANSWER"


def post(path: str, body: bytes, media: str = wire.CANONICAL) -> bytes:
    """The bytes of a POST over a kept connection."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {media}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def get(path: str) -> bytes:
    """The bytes of a GET over a kept connection."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


@dataclass(slots=True)
class Heard:
    """What the clients heard: by request its outcomes (empty text: done; else a code) and its seconds."""

    outcomes: list[list[str]]
    seconds: list[float]
    took_seconds: float = 0.0
    processor_seconds: float = 0.0
    sample: bytes = b""


@dataclass(slots=True)
class _Line:
    """One connection: whose requests it still sends, and what it has read of the present answer."""

    numbers: list[int]
    connection: socket.socket | None = None
    began: float = 0.0
    next: int = 0
    read: bytearray = field(default_factory=bytearray)
    whole: int = 0
    body_from: int = 0

    @property
    def number(self) -> int:
        return self.numbers[self.next]


class Clients:
    """`count` clients of the server at `port` on this machine."""

    def __init__(self, port: int, count: int) -> None:
        self._port = port
        self._count = count
        self._selector = selectors.DefaultSelector()

    def play(self, requests: Sequence[bytes]) -> Heard:
        """Send all requests, shared out in turn; what each client hears. Connections are made before."""
        heard = Heard([[_DOWN]] * len(requests), [0.0] * len(requests))
        places = range(len(requests))
        lines = [
            _Line(list(places[first :: self._count])) for first in range(min(self._count, len(requests)))
        ]
        for line in lines:
            self._connect(line)
        started, worked = stopwatch(), processor_stopwatch()
        for line in lines:
            self._send(line, requests)
        self._turn(lines, requests, heard)
        heard.took_seconds = stopwatch() - started
        heard.processor_seconds = processor_stopwatch() - worked
        self._selector.close()
        return heard

    def _turn(self, lines: list[_Line], requests: Sequence[bytes], heard: Heard) -> None:
        open_lines = len(lines)
        while open_lines:
            ready = self._selector.select(WAIT_SECONDS)
            if not ready:
                for line in lines:
                    self._hang_up(line)
                return
            for key, _ in ready:
                line = key.data
                outcome = self._read(line, heard)
                if outcome is None:
                    continue
                heard.outcomes[line.number] = outcome
                heard.seconds[line.number] = stopwatch() - line.began
                line.next += 1
                if line.next == len(line.numbers) or not self._send(line, requests):
                    self._hang_up(line)
                    open_lines -= 1

    def _connect(self, line: _Line) -> None:
        connection = socket.create_connection(("127.0.0.1", self._port), timeout=WAIT_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line.connection = connection
        self._selector.register(connection, selectors.EVENT_READ, line)

    def _hang_up(self, line: _Line) -> None:
        if line.connection is not None:
            self._selector.unregister(line.connection)
            line.connection.close()
            line.connection = None

    def _send(self, line: _Line, requests: Sequence[bytes]) -> bool:
        """Send a line's next request; False when there is no way to the server any more."""
        line.read.clear()
        line.whole = line.body_from = 0
        line.began = stopwatch()
        try:
            if line.connection is None:
                self._connect(line)
        except OSError:
            return False
        assert line.connection is not None
        # When the server closed it in between, the reader sees that next, and the request counts as unanswered.
        with suppress(OSError):
            line.connection.sendall(requests[line.number])
        return True

    def _read(self, line: _Line, heard: Heard) -> list[str] | None:
        """The outcomes in an answer that is whole now; None while more is to come."""
        assert line.connection is not None
        try:
            piece = line.connection.recv(_READ_BYTES)
        except OSError:
            piece = b""
        if not piece:
            self._hang_up(line)
            return [_DOWN]
        line.read += piece
        if not line.whole and not _measure(line):
            return None
        if line.whole < 0:
            self._hang_up(line)
            return [_ANSWER]
        if len(line.read) < line.whole:
            return None
        body = bytes(line.read[line.body_from : line.whole])
        if not heard.sample:
            heard.sample = body
        return outcomes(int(line.read[9:12]), body)


def _measure(line: _Line) -> bool:
    """Find an answer's length in its head; False while the head is not whole, a length below 0 for none."""
    end = line.read.find(_END)
    if end < 0:
        return False
    head = bytes(line.read[:end]).lower()
    at = head.find(_LENGTH)
    if at < 0:
        line.whole = -1
        return True
    until = head.find(b"\r\n", at)
    length = head[at + len(_LENGTH) : until if until >= 0 else None]
    line.body_from = end + len(_END)
    line.whole = line.body_from + int(length)
    return True


def outcomes(status: int, body: bytes) -> list[str]:
    """What an answer says: an empty text for each thing done, a refusal's code for each that was refused."""
    if status == 200 and not body.startswith(b'{"results"'):
        return [""]
    try:
        value = json.loads(body)
        if status == 200:
            return [result["problem"]["code"] if "problem" in result else "" for result in value["results"]]
        return [str(value["code"])]
    except (ValueError, KeyError, TypeError):
        return [_ANSWER]
