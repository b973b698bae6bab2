"""The bench's own PostgreSQL server: it is had or its lack is said, its ledger has a twin, and nothing of it stays."""

import socket
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import Unavailable
from cbdc.ledger.engines import open_store
from tests.contracts.stores import AYAN, T1, commit
from tests.servers.postgres import need
from wallets.benches import limits, private_postgres
from wallets.benches.plan import Plan
from wallets.benches.private_postgres import PrivatePostgres
from wallets.benches.run import Bench
from wallets.benches.stored import store_bytes


@pytest.mark.parametrize(
    ("url", "twin"),
    [
        ("postgresql://me@host:5432/data?schema=bench", "postgresql://me@host:5432/data?schema=bench_twin"),
        ("postgresql://me@host/data", "postgresql://me@host/data?schema=ledger_twin"),
        (
            "postgresql://a:1,b:2/data?sslmode=require&schema=x",
            "postgresql://a:1,b:2/data?sslmode=require&schema=x_twin",
        ),
    ],
)
def test_a_twin_is_a_second_schema_of_the_same_server(url: str, twin: str) -> None:
    assert limits.twin_url(url) == twin


def test_who_has_no_server_is_told_how_to_have_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_postgres, "programs", lambda: "")
    monkeypatch.setattr(private_postgres.importlib.util, "find_spec", lambda name: name)
    bench = Bench(Plan(engines=("postgresql",)))
    bench._engine(tmp_path, "postgresql", 1_000)
    [said] = bench.found["left_out"]
    assert said.startswith("postgresql: ")
    assert "apt-get install postgresql" in said


def test_who_has_no_driver_is_told_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_postgres.importlib.util, "find_spec", lambda name: None)
    assert "pip install" in private_postgres.missing()


def test_a_server_of_its_own_comes_and_goes() -> None:
    need(private_postgres.missing())
    with PrivatePostgres() as server:
        url = server.url("ledger")
        for one in (url, limits.twin_url(url)):
            store = open_store(one)
            store.commit(commit(0, 2, {T1: b"one"}, {T1: AYAN}))
            assert store.owned(AYAN) == [T1]
            store.close()
        # Tables with nothing but one token have a page or more each; another schema is not counted.
        assert store_bytes(url) == store_bytes(limits.twin_url(url)) > 8_192
        assert store_bytes(server.url("nobody")) == 0
        folder = server._folder
        assert (folder / "data" / "PG_VERSION").exists()
    assert not folder.exists()
    with pytest.raises(Unavailable):
        open_store(url)


def test_a_server_that_does_not_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    need(private_postgres.missing())
    monkeypatch.setattr(private_postgres.tempfile, "mkdtemp", lambda prefix: str(tmp_path / prefix))
    (tmp_path / "tenge-bench-postgres-" / "data").mkdir(parents=True)
    (tmp_path / "tenge-bench-postgres-" / "data" / "something").write_text("here already", encoding="ascii")
    with pytest.raises(Unavailable) as told:
        PrivatePostgres()
    assert told.value.code == "E_STORE_UNAVAILABLE"
    assert not (tmp_path / "tenge-bench-postgres-").exists()


def test_a_port_that_was_taken_meanwhile_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    need(private_postgres.missing())
    begin = private_postgres.subprocess.Popen
    with socket.socket() as taken:

        def late(command: list[str], **how: Any) -> Any:
            if command[0].endswith("/postgres") and not taken.getsockname()[1]:
                [port] = [part[5:] for part in command if part.startswith("port=")]
                taken.bind(("127.0.0.1", int(port)))
            return begin(command, **how)

        monkeypatch.setattr(private_postgres.subprocess, "Popen", late)
        with PrivatePostgres() as server:
            open_store(server.url("ledger")).close()
            assert server._port != taken.getsockname()[1]


def test_another_server_on_the_port_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    need(private_postgres.missing())
    with PrivatePostgres() as other:
        draw = private_postgres._free_port
        ports = iter([other._port])
        monkeypatch.setattr(private_postgres, "_free_port", lambda: next(ports, 0) or draw())
        with PrivatePostgres() as server:
            assert server._port != other._port
            open_store(server.url("ledger")).close()
            assert store_bytes(other.url("ledger")) == 0
