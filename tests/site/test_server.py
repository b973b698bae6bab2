"""`tenge serve`: the real process: it serves, keeps, drops what is too large, and stops while wallets listen."""

import http.client
import signal
import socket
from pathlib import Path

import pytest

from cbdc.errors import TengeError
from tests.site.process import served
from tests.site.visitor import opened
from wallets.site import server
from wallets.site.serving import running


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.getheader("Server") in (None, "", "tenge")
        return answer.status, answer.read().decode()
    finally:
        connection.close()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_everything_and_stops_while_somebody_listens(how: int) -> None:
    with served() as (process, port, lines):
        assert lines == [
            f"The sandbox is at http://127.0.0.1:{port}/",
            "It lives in memory only.",
            "Test money; not affiliated with the National Bank of Kazakhstan. Stop with Ctrl-C.",
        ]
        for path in (
            "/",
            "/sign-in/bank",
            "/v1/health",
            "/stage/",
            "/stage/api/stage",
            "/stage/static/stage.js",
        ):
            assert _get(port, path)[0] == 200, path
        listener = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        listener.request("GET", f"/v1/wallets/{'ab' * 32}/events")
        assert listener.getresponse().status == 200
        process.send_signal(how)
        assert process.wait(timeout=120) == 0
        assert process.stdout is not None
        assert process.stderr is not None
        assert (process.stdout.read(), process.stderr.read()) == ("Stopped.\n", "")
        listener.close()


@pytest.mark.slow
def test_it_keeps_its_world_in_a_folder(tmp_path: Path) -> None:
    healths = []
    for _ in range(2):
        with served("--data", str(tmp_path / "site")) as (process, port, lines):
            assert lines[1] == f"It is kept in {(tmp_path / 'site').as_posix()}."
            healths.append(_get(port, "/v1/health"))
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=120) == 0
    assert healths[0][0] == 200
    assert healths[0] == healths[1]


def test_seeded_keys_stay_on_this_computer() -> None:
    with pytest.raises(TengeError) as caught:
        server.serve("0.0.0.0", 0, None, "", lambda line: None, seed=7)
    assert caught.value.code == "E_SERVE_SEEDED"


def test_passcodes_are_printed_for_other_addresses_only() -> None:
    with opened() as whole:
        local: list[str] = []
        server._announce(local.append, "127.0.0.1", 1, None, whole.world)
        code = whole.world.users.passcode(whole.world.users.get("operator"))
        assert not any(code in line for line in local)
        public: list[str] = []
        server._announce(public.append, "0.0.0.0", 1, None, whole.world)
        assert public[0].startswith("WARNING")
        assert any(code in line for line in public)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /v1/transactions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", b"413"),
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"421"),
    ],
)
def test_what_is_too_large_or_no_request_is_refused_at_the_door(head: bytes, status: bytes) -> None:
    with opened() as whole, running(whole, "127.0.0.1", 0) as port:
        with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
            client.sendall(head)
            assert status in client.recv(200).partition(b"\r\n")[0]
        assert _get(port, "/v1/health")[0] == 200
