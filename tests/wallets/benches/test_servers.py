"""The bench's web servers end while a client is connected: no thread of theirs is left, and none ends by an error."""

import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from wallets.benches.servers import SERVERS, serving


def hello(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """An application that answers at once."""
    start("200 OK", [("Content-Length", "2")])
    return [b"ok"]


@pytest.mark.parametrize("name", sorted(SERVERS))
def test_it_ends_under_its_clients(name: str) -> None:
    before = set(threading.enumerate())
    for _ in range(3):
        with serving(name, hello) as port:
            client = socket.create_connection(("127.0.0.1", port), timeout=10)
            client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
            assert client.recv(1_000).startswith(b"HTTP/1.1 200")
        # The connection is still open on this side, and the server is gone.
        assert set(threading.enumerate()) <= before  # one of an earlier test may have ended meanwhile
        client.close()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", port), timeout=10)
