"""The clients of a benchmark: one outcome for each request, whatever the server does."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from wallets.benches import http_client
from wallets.benches.http_client import Clients, get, outcomes, post

Answer = Callable[[socket.socket, int], None]


@contextmanager
def server(answer: Answer) -> Iterator[int]:
    """A server that reads a request and answers with `answer(connection, number)`; a thread for each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    count = [0]
    taking = threading.Lock()

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while True:
                read = b""
                while b"\r\n\r\n" not in read:
                    piece = connection.recv(65_536)
                    if not piece:
                        return
                    read += piece
                with taking:
                    number, count[0] = count[0], count[0] + 1
                answer(connection, number)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def whole(status: int, body: bytes) -> bytes:
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def test_all_requests_are_answered_and_timed() -> None:
    with server(lambda connection, number: connection.sendall(whole(200, b"{}"))) as port:
        heard = Clients(port, 3).play([get("/")] * 10)
    assert heard.outcomes == [[""]] * 10
    assert all(seconds > 0 for seconds in heard.seconds)
    assert heard.sample == b"{}"


def test_an_answer_in_pieces_is_one_answer() -> None:
    def answer(connection: socket.socket, number: int) -> None:
        for byte in whole(200, b'{"results":[{"receipt":{}},{"problem":{"code":"E_SIG"}}]}'):
            connection.sendall(bytes([byte]))

    with server(answer) as port:
        heard = Clients(port, 1).play([post("/", b"x")] * 2)
    assert heard.outcomes == [["", "E_SIG"]] * 2


def test_a_closed_connection_is_one_error_and_the_client_goes_on() -> None:
    def answer(connection: socket.socket, number: int) -> None:
        if number == 1:
            connection.close()
        else:
            connection.sendall(whole(200, b"{}"))

    with server(answer) as port:
        heard = Clients(port, 1).play([get("/")] * 4)
    assert heard.outcomes == [[""], ["E_PEER_DOWN"], [""], [""]]


def test_an_answer_without_a_length_is_an_error() -> None:
    with server(lambda connection, number: connection.sendall(b"HTTP/1.1 200 X\r\n\r\nwhat")) as port:
        assert Clients(port, 1).play([get("/")] * 2).outcomes == [["E_PEER_ANSWER"]] * 2


def test_a_server_that_went_away_leaves_errors_and_no_waiting() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        connection.recv(65_536)
        listener.close()
        connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    heard = Clients(listener.getsockname()[1], 1).play([get("/")] * 3)
    thread.join()
    assert heard.outcomes == [["E_PEER_DOWN"]] * 3


def test_a_server_that_says_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_client, "WAIT_SECONDS", 0.05)
    with server(lambda connection, number: None) as port:
        assert Clients(port, 2).play([get("/")] * 3).outcomes == [["E_PEER_DOWN"]] * 3


def test_more_clients_than_requests() -> None:
    with server(lambda connection, number: connection.sendall(whole(200, b"{}"))) as port:
        assert Clients(port, 64).play([get("/")]).outcomes == [[""]]


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (200, b"{}", [""]),
        (200, b'{"results":[]}', []),
        (409, json.dumps({"code": "E_TOKEN_SPENT"}).encode(), ["E_TOKEN_SPENT"]),
        (400, json.dumps({"detail": "x", "code": 11001}).encode(), ["11001"]),
        (500, b"<html>", ["E_PEER_ANSWER"]),
        (500, b"{}", ["E_PEER_ANSWER"]),
        (500, b"[]", ["E_PEER_ANSWER"]),
        (200, b'{"results":7}', ["E_PEER_ANSWER"]),
    ],
)
def test_what_an_answer_says(status: int, body: bytes, said: list[str]) -> None:
    assert outcomes(status, body) == said
