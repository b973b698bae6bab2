"""`tenge audit --remote`, `--receipt`, `--evidence` and `--no-signatures` at the command line, with a real server."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import BaseWSGIServer, make_server

from cbdc.http import wire
from cbdc.http.server import create_app
from cbdc.ledger.entry import LogHead
from cbdc.ports import ManualClock
from cbdc.record import sign
from tests.cbdc.http_form import GENEROUS, LedgerOnly
from tests.cbdc.scene import Scene, scene
from tests.cbdc.test_fold import wrongly_signed
from tests.cbdc.world import START, World
from wallets import auditing, following
from wallets.cli import main


@pytest.fixture
def world() -> Scene:
    return scene()


def served(world: World) -> BaseWSGIServer:
    app = create_app(LedgerOnly(world.ledger), real_clock=ManualClock(START), limits=GENEROUS)
    return make_server("127.0.0.1", 0, app, threaded=True)


@pytest.fixture
def url(world: Scene) -> Iterator[str]:
    server = served(world)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["audit", *map(str, arguments)])


def told(result: Result) -> Any:
    return json.loads(result.stdout)


def test_a_ledger_is_followed_and_a_receipt_checked(world: Scene, url: str, tmp_path: Path) -> None:
    receipt = world.ledger.find(world.ledger.transaction(7).id)
    assert receipt is not None
    (tmp_path / "receipt.json").write_text(json.dumps(wire.write_receipt(receipt)), encoding="utf-8")
    (tmp_path / "root.dto").write_bytes(world.root.encode())
    (tmp_path / "head.dto").write_bytes(world.ledger.head().encode())
    given = ("--keep", tmp_path / "auditor", "--receipt", tmp_path / "receipt.json", "--json")
    trusted = ("--root", tmp_path / "root.dto", "--head", tmp_path / "head.dto")
    result = run("--remote", url, *given, *trusted)
    assert result.exit_code == 0, result.output
    first = told(result)
    assert (first["ok"], first["entries"], first["new_entries"]) == (
        True,
        world.ledger.size,
        world.ledger.size,
    )
    assert first["held_tiyn"]["wallets"] == world.ledger.supply().wallets_tiyn
    assert told(run("--remote", url, *given))["new_entries"] == 0
    assert "everything adds up" in run("--remote", url, "--keep", tmp_path / "auditor").output


def test_a_fork_leaves_evidence_that_a_stranger_checks(world: Scene, url: str, tmp_path: Path) -> None:
    keep = tmp_path / "auditor"
    assert run("--remote", url, "--keep", keep).exit_code == 0
    record = world.ledger.head().record
    other = sign(LogHead(record.size, bytes(32), record.time), world.network, world.key("ledger"))
    world.ledger._head = other
    result = run("--remote", url, "--keep", keep)
    assert result.exit_code == 1
    assert "E_AUDIT_FORK" in result.output
    assert "EVIDENCE in" in result.output
    (file,) = (keep / "evidence").iterdir()
    (tmp_path / "root.dto").write_bytes(world.root.encode())
    shown = run("--evidence", file, "--root", tmp_path / "root.dto")
    assert shown.exit_code == 0
    assert f"two heads of {record.size} entries" in shown.output
    (tmp_path / "root.dto").write_bytes(World(name="elsewhere").root.encode())
    assert run("--evidence", file, "--root", tmp_path / "root.dto").exit_code == 2


def test_nobody_there_is_no_finding(tmp_path: Path) -> None:
    result = run("--remote", "http://127.0.0.1:9", "--keep", tmp_path / "auditor")
    assert result.exit_code == 2
    assert "E_PEER_DOWN" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("somewhere", "--remote", "http://127.0.0.1:9"),
        ("--evidence", "file"),
        ("--remote", "http://127.0.0.1:9", "--no-signatures"),
    ],
)
def test_what_cannot_be_asked_together(arguments: tuple[str, ...]) -> None:
    assert run(*arguments).exit_code == 2


def test_what_was_not_checked_is_said_aloud(tmp_path: Path) -> None:
    world = wrongly_signed()
    file = tmp_path / "journal.jsonl"
    with file.open("w", encoding="utf-8") as out:
        auditing.write(world.store, out)
    result = run(file, "--no-signatures")
    assert result.exit_code == 0
    assert "NOT CHECKED" in result.output
    assert told(run(file, "--no-signatures", "--json"))["left_out"] == ["signatures"]
    full = run(file)
    assert full.exit_code == 1
    assert "E_SIG" in full.output
    assert "NOT CHECKED" not in full.output


def test_progress_is_told_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert following.progress(quiet=False) is None
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    assert following.progress(quiet=True) is None
    tell = following.progress(quiet=False)
    assert tell is not None
    tell(5, 9)
    tell(6, 0)
    assert "5 of 9 entries" in capsys.readouterr().err
