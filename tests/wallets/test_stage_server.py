"""`tenge stage`: where it listens, what it says, what it refuses, and that it stops as it should."""

import http.client
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from cbdc.errors import TengeError
from tests.site.process import served
from wallets import cli
from wallets.web import server

LOOPBACK = ("127.0.0.1", "127.8.9.1", "::1", "localhost")
ELSEWHERE = ("0.0.0.0", "::", "192.168.0.7", "classroom.example", "")


def _get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.getheader("Server") in (None, "")
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _stop(process: subprocess.Popen[str], how: int) -> str:
    process.send_signal(how)
    assert process.wait(timeout=30) == 0
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stderr.read() == ""
    return process.stdout.read()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_and_stops(how: int) -> None:
    with served(command="stage") as (process, port, lines):
        assert lines == [
            f"The stage is at http://127.0.0.1:{port}/",
            "It lives in memory only.",
            "Test money; not affiliated with the National Bank of Kazakhstan. Stop with Ctrl-C.",
        ]
        assert _get(port, "/")[0] == 200
        assert _get(port, "/api/stage")[0] == 200
        assert _stop(process, how) == "Stopped.\n"


@pytest.mark.slow
def test_it_keeps_its_stage_in_a_folder(tmp_path: Path) -> None:
    for _ in range(2):
        with served("--data", str(tmp_path / "stage"), command="stage") as (process, port, lines):
            assert lines[1] == f"It is kept in {(tmp_path / 'stage').as_posix()}."
            assert '"act":1' in _get(port, "/api/stage")[1].replace(" ", "")
            assert "Stopped; the stage is kept in" in _stop(process, signal.SIGINT)


@pytest.mark.parametrize("host", LOOPBACK)
def test_this_computer_is_loopback(host: str) -> None:
    assert server.is_loopback(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_other_addresses_are_not(host: str) -> None:
    assert not server.is_loopback(host)


@pytest.mark.parametrize("host", ELSEWHERE)
def test_seeded_keys_stay_on_this_computer(host: str) -> None:
    with pytest.raises(TengeError) as caught:
        server.serve(host, 0, None, "", lambda line: None, seed=7)
    assert caught.value.code == "E_SERVE_SEEDED"


def test_another_address_is_said_loudly() -> None:
    said: list[str] = []
    server._announce(said.append, "0.0.0.0", 8765, None)
    assert said[0].startswith("WARNING")
    assert "no login" in said[0]
    assert said[1] == "The stage is at http://localhost:8765/"


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "[::1]"),
        ("localhost", "localhost"),
        ("::", "localhost"),
        ("", "localhost"),
    ],
)
def test_the_address_can_be_opened(host: str, shown: str) -> None:
    assert server.url(host, 80) == f"http://{shown}:80/"


@pytest.mark.parametrize(
    ("host", "port"),
    [("127.0.0.1", -1), ("127.0.0.1", 65_536), ("no.such.host.invalid", 0), ("203.0.113.1", 0)],
)
def test_where_it_cannot_listen_it_says_so(host: str, port: int) -> None:
    with pytest.raises(TengeError) as caught:
        server.serve(host, port, None, "", lambda line: None)
    assert caught.value.code == "E_SERVE_ADDRESS"


def test_a_port_in_use_is_no_traceback() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = CliRunner().invoke(cli.main, ["stage", "--port", str(taken.getsockname()[1])])
    assert answer.exit_code == 2
    assert "E_SERVE_ADDRESS" in answer.output
    assert "Traceback" not in answer.output


def test_a_bad_store_is_no_traceback(tmp_path: Path) -> None:
    for options in (["--store", "sqlite:///x.db"], ["--data", str(tmp_path / "a"), "--store", "oracle:x"]):
        answer = CliRunner().invoke(cli.main, ["stage", "--port", "0", *options])
        assert answer.exit_code == 2
        assert "E_ST" in answer.output
