"""The command `tenge`, verb by verb: good input, bad input (exit 2, words, no traceback), JSON and nothing else."""

import importlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from cbdc.errors import Unavailable
from tests.pilot.play import SMALL, expect, script_text, step
from wallets import bench, cli, demo
from wallets.pilot import command, runner, script

SETTINGS = [f"--set={name}={value}" for name, value in SMALL.items()]


def tenge(*arguments: object) -> Result:
    """The command in this process; a traceback fails the test."""
    result = CliRunner().invoke(cli.main, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def refused(result: Result, code: str) -> Result:
    """A refusal in words: sentence, next step and code on standard error."""
    assert result.exit_code == 2, result.output
    lines = result.stderr.splitlines()
    assert re.fullmatch(rf"\({code}, rule [^)]+\)", lines[-1]), lines
    assert len(lines) >= 3
    assert "{" not in result.stderr
    return result


def only_json(result: Result) -> Any:
    """The one JSON value on standard output."""
    value = json.loads(result.stdout)
    assert result.stdout == json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1) + "\n"
    return value


def _besides_opened(errors: str) -> list[str]:
    """What stands on standard error besides the loud line of an opened element, told once in a process."""
    return [line for line in errors.splitlines() if not line.startswith("OPENED ")]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small run made by the command."""
    folder = tmp_path_factory.mktemp("cli") / "run"
    result = tenge("pilot", "run", "school-meals", "--out", folder, *SETTINGS)
    assert result.exit_code == 0, result.output
    assert _besides_opened(result.stderr) == []
    assert re.search(r"expectations met: (\d+) of \1\n", result.stdout)
    return folder


# --- the whole ---


def test_the_version() -> None:
    result = tenge("--version")
    assert (result.exit_code, result.stdout) == (0, f"tenge, version {version('digital-tenge-sandbox')}\n")


@pytest.mark.parametrize("arguments", [["-h"], ["--help"], []])
def test_help(arguments: list[str]) -> None:
    result = tenge(*arguments)
    assert "not affiliated with the National Bank of Kazakhstan" in result.output
    for verb in ("demo", "pilot", "audit", "evidence", "serve", "stage", "bench"):
        assert verb in result.output


def verbs(group: click.Group, *path: str) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for name, one in group.commands.items():
        found.append((*path, name))
        if isinstance(one, click.Group):
            found += verbs(one, *path, name)
    return found


@pytest.mark.parametrize("path", verbs(cli.main), ids=" ".join)
def test_every_verb_has_help_with_an_example(path: tuple[str, ...]) -> None:
    result = tenge(*path, "--help")
    assert result.exit_code == 0
    assert result.stderr == ""
    group = cli.main
    for name in path[:-1]:
        inner = group.commands[name]
        assert isinstance(inner, click.Group)
        group = inner
    if not isinstance(group.commands[path[-1]], click.Group):
        assert re.search(r"Examples?:\n\s+tenge " + " ".join(path), result.stdout)


@pytest.mark.parametrize(
    "arguments",
    [
        ["dance"],
        ["--colour"],
        ["demo", "--seed", "seven"],
        ["demo", "--seed", "-1"],
        ["demo", "extra"],
        ["pilot", "dance"],
        ["pilot", "run"],
        ["pilot", "run", "school-meals", "--resume", "x"],
        ["pilot", "run", "school-meals", "--seed", "-1"],
        ["pilot", "run", "a", "b"],
        ["pilot", "run", "school-meals", "--all"],
        ["pilot", "run", "--all", "--resume", "x"],
        ["pilot", "run", "--all", "--set", "a=1"],
        ["pilot", "run", "--all", "--without", "mark.meal.chain"],
        ["pilot", "run", "--resume", "x", "--quick"],
        ["pilot", "run", "--all", "--workers", "0"],
        ["pilot", "new"],
        ["pilot", "check"],
        ["pilot", "diff", "a"],
        ["pilot", "sweep", "school-meals", "--out", "x"],
        ["pilot", "sweep", "school-meals", "--fact", "x"],
        ["audit"],
        ["evidence", "verify"],
        ["evidence", "verify", "file"],
        ["serve", "--port", "http"],
        ["bench", "ledger", "--transfers", "many"],
    ],
)
def test_bad_usage(arguments: list[str]) -> None:
    result = tenge(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Usage:" in result.stderr


# --- demo ---


def test_demo(tmp_path: Path) -> None:
    result = tenge("demo", "--out", tmp_path / "demo", "--seed", 8)
    assert result.exit_code == 0
    assert result.stdout.startswith("A story of four people (seed 8).")
    assert len(result.stdout.splitlines()) <= 25
    assert (tmp_path / "demo" / "report.json").is_file()


def test_a_demo_that_does_not_add_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "tell", lambda *_: (["a story"], False))
    result = tenge("demo", "--out", tmp_path)
    assert (result.exit_code, result.stdout) == (1, "a story\n")


def test_a_demo_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    refused(tenge("demo", "--out", tmp_path / "file"), "E_STORE_UNAVAILABLE")
    assert (tmp_path / "file").read_text(encoding="utf-8") == "mine"


# --- pilot list ---


def test_pilot_list() -> None:
    result = tenge("pilot", "list")
    assert result.exit_code == 0
    assert "school-meals: " in result.stdout
    assert "--set pupils=1000  people (assumption: " in result.stdout


def test_pilot_list_as_json() -> None:
    rows = only_json(tenge("pilot", "list", "--json"))
    assert [row["name"] for row in rows] == script.built_in()
    meals = rows[script.built_in().index("school-meals")]
    (meals,) = [row for row in rows if row["name"] == "school-meals"]
    parameters = {row["name"]: row for row in meals["parameters"]}
    assert parameters["pupils"] == {
        "name": "pupils",
        "default": 1_000,
        "unit": "people",
        "grade": "assumption",
    }


# --- pilot run ---


def test_pilot_run_as_json_and_resume(run: Path, tmp_path: Path) -> None:
    result = tenge("pilot", "run", "school-meals", "--out", tmp_path / "run", "--json", *SETTINGS)
    report = only_json(result)
    assert (result.exit_code, result.stderr) == (0, "")
    assert report == json.loads((run / "report.json").read_text(encoding="utf-8"))
    again = tenge("pilot", "run", "--resume", tmp_path / "run", "--json")
    assert only_json(again) == report


def test_where_a_run_goes_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.toml").write_bytes(script_text())
    result = tenge("pilot", "run", "mine.toml", "--seed", 9)
    assert result.exit_code == 0
    assert (tmp_path / "build" / "tiny-9" / "report.json").is_file()
    assert "audit build/tiny-9" in result.stdout
    refused(tenge("pilot", "run", "mine.toml", "--seed", 9), "E_RUN_EXISTS")


def test_an_expectation_that_is_not_met_is_exit_1(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(script_text(expect("supply.escrow_tiyn", 5, "five in escrow")))
    result = tenge("pilot", "run", tmp_path / "mine.toml", "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "NOT MET: five in escrow: expected 5, found 0" in result.stdout
    assert tenge("pilot", "run", "--resume", tmp_path / "run").exit_code == 1
    assert only_json(tenge("pilot", "run", "--resume", tmp_path / "run", "--json"))["expectations"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["nowhere.toml"], "E_SCRIPT_UNKNOWN"),
        (["school-meals", "--set", "pupils"], "E_SETTING"),
        (["school-meals", "--set", "pupils=many"], "E_SETTING"),
        (["school-meals", "--set", "colour=1"], "E_SETTING"),
        (["school-meals", "--set", "pupils=1"], "E_SCRIPT_REQUIRES"),
        (["school-meals", "--store", "postgres://x"], "E_STORE_URL"),
    ],
)
def test_runs_that_do_not_begin(tmp_path: Path, arguments: list[str], code: str) -> None:
    out = tmp_path / "run"
    refused(tenge("pilot", "run", *arguments, "--out", out), code)
    told = only_json(tenge("pilot", "run", *arguments, "--out", out, "--json"))
    assert told["code"] == code
    assert set(told) == {"code", "rule", "facts", "text"}
    assert not out.exists()


def test_a_bad_script_names_its_place(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_bytes(script_text(step("buy", who="person"), "[[cast]]\nname = 5"))
    result = refused(tenge("pilot", "run", tmp_path / "mine.toml", "--out", tmp_path / "run"), "E_SCRIPT")
    assert "mine.toml, [[cast]] number 2: " in result.stderr


def test_resuming_what_is_no_run(tmp_path: Path) -> None:
    refused(tenge("pilot", "run", "--resume", tmp_path), "E_RUN_UNKNOWN")


def test_a_run_stopped_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "run", stop)
    result = tenge("pilot", "run", "school-meals", "--out", tmp_path / "run")
    assert result.exit_code == 130
    assert result.stdout == ""
    assert f"tenge pilot run --resume {(tmp_path / 'run').as_posix()}" in result.stderr
    assert "Stopped." in result.stderr


def test_a_disk_that_fails_is_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Unavailable("E_STORE_UNAVAILABLE", detail="disk full")

    monkeypatch.setattr(runner, "run", fail)
    result = refused(tenge("pilot", "run", "school-meals", "--out", tmp_path / "run"), "E_STORE_UNAVAILABLE")
    assert "disk full" in result.stderr


def test_a_terminal_sees_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(command.Console):
        """A terminal that is none."""

        def __init__(self, **_: Any) -> None:
            super().__init__(stderr=True, force_terminal=True, width=100)

    monkeypatch.setattr(command, "Console", Terminal)
    (tmp_path / "mine.toml").write_bytes(script_text())
    result = tenge("pilot", "run", tmp_path / "mine.toml", "--out", tmp_path / "run", "--json")
    assert only_json(result)["pilot"] == "tiny"
    assert result.stderr != ""


# --- audit ---


def test_audit(run: Path) -> None:
    result = tenge("audit", run)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == "everything adds up"
    found = only_json(tenge("audit", run, "--json"))
    assert found["ok"]
    assert found["problems"] == []
    url = f"sqlite:///{run / 'ledger.sqlite'}"
    assert only_json(tenge("audit", url, "--json"))["entries"] == found["entries"]
    kept = ["--head", run / "head.dto", "--root", run / "evidence" / "root.dto"]
    assert tenge("audit", run, *kept).exit_code == 0


def test_audit_of_a_changed_run(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(run, folder)
    (folder / "script.toml").write_bytes((folder / "script.toml").read_bytes() + b"\n")
    result = tenge("audit", folder)
    assert result.exit_code == 1
    assert "PROBLEM at script.toml: " in result.stdout
    assert "(E_AUDIT_FILE_CHANGED)" in result.stdout
    found = only_json(tenge("audit", folder, "--json"))
    assert not found["ok"]
    assert found["problems"][0]["file"] == "script.toml"


@pytest.mark.parametrize("target", ["nowhere", "sqlite:///nowhere/x.sqlite"])
def test_audit_of_nothing(target: str) -> None:
    refused(tenge("audit", target), "E_AUDIT_TARGET")
    assert only_json(tenge("audit", target, "--json"))["code"] == "E_AUDIT_TARGET"


def test_audit_with_files_that_are_none(run: Path, tmp_path: Path) -> None:
    refused(tenge("audit", run, "--head", tmp_path / "nowhere"), "E_FILE")
    (tmp_path / "noise").write_bytes(b"noise")
    assert tenge("audit", run, "--root", tmp_path / "noise").exit_code == 2
    assert tenge("audit", run, "--head", tmp_path / "noise").exit_code == 2


# --- evidence ---


def test_evidence(run: Path) -> None:
    proof, root = run / "evidence" / "case-1.dto", run / "evidence" / "root.dto"
    result = tenge("evidence", "verify", proof, "--root", root)
    assert result.exit_code == 0
    assert result.stdout.strip()
    found = only_json(tenge("evidence", "verify", proof, "--root", root, "--json"))
    assert found["ok"]
    assert found["amount_tiyn"] == 80_000


def test_evidence_that_proves_nothing(run: Path, tmp_path: Path) -> None:
    root = run / "evidence" / "root.dto"
    (tmp_path / "noise").write_bytes(b"noise")
    result = tenge("evidence", "verify", tmp_path / "noise", "--root", root)
    assert result.exit_code == 1
    assert not only_json(tenge("evidence", "verify", tmp_path / "noise", "--root", root, "--json"))["ok"]
    refused(tenge("evidence", "verify", tmp_path / "nowhere", "--root", root), "E_FILE")
    proof = run / "evidence" / "case-1.dto"
    assert tenge("evidence", "verify", proof, "--root", tmp_path / "noise").exit_code == 2
    refused(tenge("evidence", "verify", proof, "--root", tmp_path / "nowhere"), "E_FILE")


def test_another_root_proves_nothing(run: Path, tmp_path: Path) -> None:
    tenge("demo", "--out", tmp_path / "demo")
    proof = run / "evidence" / "case-1.dto"
    result = tenge("evidence", "verify", proof, "--root", tmp_path / "demo" / "evidence" / "root.dto")
    assert result.exit_code == 1


# --- bench and serve ---


def test_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "VERIFICATIONS", 2)
    monkeypatch.setattr(bench, "APPENDS", 2)
    result = tenge("bench", "ledger", "--transfers", 3)
    assert result.exit_code == 0
    assert "one by one" in result.stdout
    assert only_json(tenge("bench", "ledger", "--transfers", 3, "--json"))["errors"] == 0
    refused(tenge("bench", "ledger", "--transfers", 0), "E_SETTING")


@pytest.mark.parametrize(
    ("verb", "home"), [("serve", "wallets.site.server"), ("stage", "wallets.web.server")]
)
def test_serve_hands_everything_over(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verb: str, home: str
) -> None:
    server = importlib.import_module(home)

    seen: list[object] = []

    def serve(
        host: str,
        port: int,
        data: Path | None,
        store: str,
        say: Callable[[str], None],
        seats: int = 0,
        serving: object = None,
    ) -> int:
        seen.extend([host, port, data, store])
        say("ready")
        return 0

    monkeypatch.setattr(server, "serve", serve)
    result = tenge(verb, "--host", "::1", "--port", 0, "--data", tmp_path, "--store", "sqlite:///x")
    assert (result.exit_code, result.stdout) == (0, "ready\n")
    assert seen == ["::1", 0, tmp_path, "sqlite:///x"]


# --- as a process ---


def test_the_installed_command_tells_its_version() -> None:
    tenge_ = Path(sys.executable).with_name("tenge")
    command_ = [str(tenge_)] if tenge_.exists() else [sys.executable, "-m", "wallets.cli"]
    done = subprocess.run([*command_, "--version"], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0
    assert done.stdout.decode().split() == ["tenge,", "version", version("digital-tenge-sandbox")]
    assert done.stderr == b""
