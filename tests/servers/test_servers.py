"""The servers of the tests themselves: nobody is given a port twice, and one that has ended is not waited for."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import ports
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer, need
from wallets.benches.private_postgres import missing

MANY = 80
DRAW = f"from tests.servers.ports import free_port; print(*[free_port() for _ in range({MANY})]); input()"


@pytest.fixture(autouse=True)
def own_claims(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test here claims is given back at its end."""
    with monkeypatch.context() as patched:
        claims: list[socket.socket] = []
        patched.setattr(ports, "_claims", claims)
        yield
    for claim in claims:
        claim.close()


def test_no_port_is_given_twice_in_any_process_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    # All begin at the same place, as processes whose numbers say so may.
    begin = "from itertools import count; from tests.servers import ports; ports._numbers = count(5_000); "
    run = [sys.executable, "-c", begin + DRAW]
    others = [
        subprocess.Popen(run, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    monkeypatch.setattr(ports, "_numbers", ports.itertools.count(5_000))
    drawn = [free_port() for _ in range(MANY)]
    for other in others:
        assert other.stdout is not None
        drawn += map(int, other.stdout.readline().split())
    for other in others:
        other.communicate("\n")
    assert len(drawn) == len(set(drawn)) == 4 * MANY
    assert ports.FIRST <= min(drawn) <= max(drawn) < ports.end()


def test_a_port_that_somebody_has_is_not_given() -> None:
    following = free_port() + 1
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", following))
        assert following not in [free_port() for _ in range(10)]


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ("32768\t60999\n", 32_768),
        ("49152 65535", 49_152),
        ("1024 65535", 32_768),
        ("", 32_768),
        (None, 32_768),
    ],
)
def test_ports_lie_below_those_of_the_system(
    told: str | None, wanted: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if told is not None:
        (tmp_path / "range").write_text(told)
    monkeypatch.setattr(ports, "_OWN_RANGE", tmp_path / "range")
    assert ports.end() == wanted


@pytest.mark.slow
def test_a_server_that_ended_and_another_in_its_place_are_no_server() -> None:
    need(missing())
    server = PostgresServer()
    other = PostgresServer()
    port = server.port
    try:
        server.port = other.port
        with pytest.raises(AssertionError, match="could not create any TCP/IP sockets"):
            server.restart()
        server.port = port
        server.start()
        server.restart(signal.SIGKILL)
    finally:
        other.remove()
        server.remove()
