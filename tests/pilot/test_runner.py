"""Runs of pilots: the expectations hold, the same seed gives the same bytes, and a stopped run goes on as if nothing
had happened."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cbdc.errors import TengeError, Unavailable
from cbdc.ports import no_checkpoint
from tests.conftest import ROOT
from tests.pilot.play import MEDIUM, SMALL, expect, played, run_text, script_text, step
from wallets.auditing import audit_target
from wallets.pilot import runner
from wallets.pilot.folder import RunFolder, file_hash, list_files

CAST = """
[[cast]]
name = "shop"
count = 1
category = "merchant"
bank = "bank"
tier = 4
"""
BUY = step("buy", who="person", amount="tenge(100)")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> runner.Finished:
    """The small school-meals run, played once."""
    return played(tmp_path_factory.mktemp("small") / "run", SMALL)


def copy_of(finished: runner.Finished, folder: Path) -> Path:
    shutil.copytree(finished.folder, folder / "copy")
    return folder / "copy"


def refused(call: Callable[[], object]) -> TengeError:
    with pytest.raises(TengeError) as caught:
        call()
    return caught.value


def failed(finished: runner.Finished) -> list[dict[str, Any]]:
    return [row for row in finished.report["expectations"] if not row["ok"]]


# --- one process a folder ---


def test_nobody_else_plays_in_a_folder_that_is_being_played(small: runner.Finished, tmp_path: Path) -> None:
    folder = copy_of(small, tmp_path)
    held = RunFolder.open(folder, no_checkpoint)
    assert refused(lambda: runner.resume(folder)).code == "E_RUN_BUSY"
    held.close()
    assert runner.resume(folder).report == small.report


# --- whole runs ---


def test_every_expectation_of_a_small_run_is_met(small: runner.Finished) -> None:
    assert failed(small) == []
    assert small.ok
    assert audit_target(str(small.folder))["problems"] == []


def test_every_expectation_of_a_larger_run_is_met(tmp_path: Path) -> None:
    finished = played(tmp_path / "run", MEDIUM)
    assert failed(finished) == []
    assert audit_target(str(finished.folder))["problems"] == []


def test_the_same_seed_gives_the_same_bytes(small: runner.Finished, tmp_path: Path) -> None:
    again = played(tmp_path / "another place", SMALL)
    assert again.report == small.report
    # The files of SQLite hold pages in an order of their own; everything written for people is the same.
    names = [name for name in list_files(small.folder) if not name.endswith((".sqlite", ".tenge"))]
    assert [name for name in list_files(again.folder) if not name.endswith((".sqlite", ".tenge"))] == names
    assert {"report.json", "report.html", "head.dto", "evidence/root.dto", "evidence/case-1.dto"} <= set(
        names
    )
    for name in names:
        assert (again.folder / name).read_bytes() == (small.folder / name).read_bytes(), name


def test_another_seed_gives_other_bytes_and_the_same_money(small: runner.Finished, tmp_path: Path) -> None:
    other = played(tmp_path / "run", SMALL, seed=8)
    assert other.report["digest"] != small.report["digest"]
    assert other.report["expectations"] == small.report["expectations"]
    assert other.report["supply"] == small.report["supply"]


def test_progress_counts_every_step(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(script_text(BUY))
    seen: list[tuple[int, int, str]] = []
    runner.run(str(tmp_path / "a.toml"), tmp_path / "run", 7, progress=lambda *row: seen.append(row))
    assert [(done, of) for done, of, _ in seen] == [(1, 3), (2, 3), (3, 3)]
    assert seen[-1][2] == "a step"


# --- folders ---


@pytest.mark.parametrize("inside", ["note.txt", "run.json"])
def test_a_folder_that_is_not_empty(tmp_path: Path, inside: str) -> None:
    (tmp_path / inside).write_text("mine", encoding="utf-8")
    error = refused(lambda: played(tmp_path, SMALL))
    assert error.code == "E_RUN_EXISTS"
    assert [item.name for item in tmp_path.iterdir()] == [inside]


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine", encoding="utf-8")
    assert refused(lambda: played(tmp_path / "run", SMALL)).code == "E_RUN_EXISTS"
    assert refused(lambda: played(tmp_path / "run" / "deeper", SMALL)).code == "E_STORE_UNAVAILABLE"


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    assert run_text(tmp_path, BUY).ok
    (tmp_path / "empty").mkdir()
    assert runner.run(str(tmp_path / "tiny.toml"), tmp_path / "empty", 7).ok


def test_a_store_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_bytes(script_text(BUY))
    url = f"sqlite:///{tmp_path / 'elsewhere.sqlite'}"
    finished = runner.run(str(tmp_path / "a.toml"), tmp_path / "run", 7, store=url)
    assert finished.ok
    found = audit_target(str(finished.folder))
    assert found["ok"]
    assert found["issued_tiyn"] == finished.report["supply"]["issued_tiyn"]
    assert audit_target(url)["entries"] == found["entries"]
    assert runner.resume(finished.folder).report == finished.report


@pytest.mark.parametrize("url", ["memory:", "postgres://host/ledger", "sqlite:ledger", "ledger.sqlite"])
def test_a_store_that_cannot_be(tmp_path: Path, url: str) -> None:
    (tmp_path / "a.toml").write_bytes(script_text())
    error = refused(lambda: runner.run(str(tmp_path / "a.toml"), tmp_path / "run", 7, store=url))
    assert error.code == "E_STORE_URL"
    assert not (tmp_path / "run").exists()


# --- going on ---


def test_a_finished_run_gives_its_report_again(small: runner.Finished, tmp_path: Path) -> None:
    folder = copy_of(small, tmp_path)
    before = {name: file_hash(folder / name) for name in list_files(folder) if "sqlite" not in name}
    assert runner.resume(folder).report == small.report
    assert {name: file_hash(folder / name) for name in before} == before
    assert audit_target(str(folder))["problems"] == []


class Stop(BaseException):
    """The process ends here, as by Ctrl-C."""


@pytest.mark.parametrize(
    ("step_number", "point"),
    [
        (1, "runner.step.before"),
        (1, "runner.step.after"),
        (9, "runner.step.before"),
        (25, "runner.step.after"),
    ],
)
def test_a_run_stopped_between_steps(
    small: runner.Finished, tmp_path: Path, step_number: int, point: str
) -> None:
    left = [step_number]

    def checkpoint(name: str) -> None:
        if name == point:
            left[0] -= 1
            if not left[0]:
                raise Stop

    with pytest.raises(Stop):
        runner.run("school-meals", tmp_path / "run", 7, SMALL, checkpoint=checkpoint)
    assert not (tmp_path / "run" / "report.json").exists()
    assert audit_target(str(tmp_path / "run"))["problems"] == []
    assert runner.resume(tmp_path / "run").report == small.report
    assert (tmp_path / "run" / "report.json").read_bytes() == (small.folder / "report.json").read_bytes()


def test_a_run_stopped_before_its_cases_close_still_finds_who_answers(
    small: runner.Finished, tmp_path: Path
) -> None:
    # Opened again at the moment of the last step, settlement closes the case before the cast is back.
    database = sqlite3.connect(small.folder / "run.sqlite")
    ((left,),) = database.execute("SELECT max(number) FROM step")
    database.close()

    def checkpoint(name: str) -> None:
        nonlocal left
        left -= name == "runner.step.after"
        if not left:
            raise Stop

    with pytest.raises(Stop):
        runner.run("school-meals", tmp_path / "run", 7, SMALL, checkpoint=checkpoint)
    assert failed(runner.resume(tmp_path / "run")) == []
    assert (tmp_path / "run" / "report.json").read_bytes() == (small.folder / "report.json").read_bytes()


def test_a_disk_that_is_full_for_a_while(small: runner.Finished, tmp_path: Path) -> None:
    left = [60]

    def checkpoint(name: str) -> None:
        left[0] -= 1
        if not left[0]:
            raise Unavailable("E_STORE_UNAVAILABLE", detail="database or disk is full")

    error = refused(lambda: runner.run("school-meals", tmp_path / "run", 7, SMALL, checkpoint=checkpoint))
    assert error.code == "E_STORE_UNAVAILABLE"
    assert runner.resume(tmp_path / "run").report == small.report


# The command, which hears Ctrl-C after its third step.
STRUCK = """
import os, signal
from wallets import cli
from wallets.pilot import command

left = [3]

def checkpoint(name):
    left[0] -= name == "runner.step.after"
    if left == [0]:
        left[0] = -1
        os.kill(os.getpid(), signal.SIGINT)

command.checkpoint_from_environment = lambda: checkpoint
signal.signal(signal.SIGINT, signal.default_int_handler)
cli.main(prog_name="tenge")
"""


def test_ctrl_c_and_resume(small: runner.Finished, tmp_path: Path) -> None:
    """The real command, interrupted by the signal of Ctrl-C, says so, and goes on to the same report."""
    command = [sys.executable, "-m", "wallets.cli", "pilot", "run"]
    run = tmp_path / "run"
    settings = [f"--set={name}={value}" for name, value in SMALL.items()]
    arguments = ["pilot", "run", "school-meals", "--seed", "7", "--out", str(run), *settings]
    stopped = subprocess.run(
        [sys.executable, "-c", STRUCK, *arguments], capture_output=True, cwd=ROOT, check=False
    )
    assert stopped.returncode == 130
    go_on = f"Nothing is lost. Go on with: tenge pilot run --resume {run.as_posix()}"
    assert (stopped.stdout, stopped.stderr.decode().split("\n")) == (b"", ["", go_on, "", "Stopped.", ""])
    resumed = subprocess.run([*command, "--resume", str(run)], capture_output=True, timeout=60, check=False)
    # What a study opens says so aloud, whenever it is opened again.
    said = [line for line in resumed.stderr.splitlines() if not line.startswith(b"OPENED ")]
    assert (resumed.returncode, said) == (0, [])
    assert (run / "report.json").read_bytes() == (small.folder / "report.json").read_bytes()


def test_nothing_to_go_on_with(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nowhere"):
        assert refused(lambda folder=folder: runner.resume(folder)).code == "E_RUN_UNKNOWN"  # type: ignore[misc]
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    assert refused(lambda: runner.resume(tmp_path)).code == "E_RUN_UNKNOWN"


@pytest.mark.parametrize(
    "change",
    [
        {"seed": "7"},
        {"seed": None},
        {"seed": True},
        {"seed": 7.5},
        {"format": 2},
        {"settings": []},
        {"settings": {"pupils": 9}},
        {"settings": None},
        {"store": None},
        {"file": 5},
        {"pilot": None},
        {"script_sha256": "00"},
        {"script_sha256": None},
    ],
)
def test_a_damaged_run_json(small: runner.Finished, tmp_path: Path, change: dict[str, Any]) -> None:
    folder = copy_of(small, tmp_path)
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (folder / "run.json").write_text(json.dumps({**run, **change}), encoding="utf-8")
    assert refused(lambda: runner.resume(folder)).code == "E_RUN_DAMAGED"


@pytest.mark.parametrize("text", ["", "[]", "7", "{", "\ufeff", '{"format": 1}', "[" * 100_000])
def test_a_run_json_that_is_none(small: runner.Finished, tmp_path: Path, text: str) -> None:
    folder = copy_of(small, tmp_path)
    (folder / "run.json").write_text(text, encoding="utf-8")
    assert refused(lambda: runner.resume(folder)).code == "E_RUN_DAMAGED"
    (folder / "run.json").write_bytes(b"\xff")
    assert refused(lambda: runner.resume(folder)).code == "E_RUN_DAMAGED"


def test_another_script(small: runner.Finished, tmp_path: Path) -> None:
    folder = copy_of(small, tmp_path)
    with (folder / "script.toml").open("ab") as file:
        file.write(b"\n# a word more\n")
    assert refused(lambda: runner.resume(folder)).facts["file"] == "script.toml"


def test_another_seed(small: runner.Finished, tmp_path: Path) -> None:
    """The keys in the folder are sealed; another seed in run.json neither opens nor changes anything."""
    folder = copy_of(small, tmp_path)
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    (folder / "run.json").write_text(json.dumps({**run, "seed": 8}), encoding="utf-8")
    assert "run.json" in [row["file"] for row in audit_target(str(folder))["problems"]]


@pytest.mark.parametrize(
    ("statement", "code"),
    [
        ("UPDATE step SET event = '{' WHERE number = 3", "E_RUN_DAMAGED"),
        ("UPDATE step SET event = x'00' WHERE number = 3", "E_RUN_DAMAGED"),
        ("UPDATE step SET event = '[]' WHERE number = 3", "E_RUN_DAMAGED"),
        ("DELETE FROM step WHERE number = 3", "E_RUN_DAMAGED"),
    ],
)
def test_damaged_rows(small: runner.Finished, tmp_path: Path, statement: str, code: str) -> None:
    folder = copy_of(small, tmp_path)
    with sqlite3.connect(folder / "run.sqlite") as database:
        database.execute(statement)
    database.close()
    assert refused(lambda: runner.resume(folder)).code == code


def test_a_database_that_is_none(small: runner.Finished, tmp_path: Path) -> None:
    folder = copy_of(small, tmp_path)
    (folder / "run.sqlite").write_bytes(b"no database" * 1_000)
    assert refused(lambda: runner.resume(folder)).code == "E_STORE_UNAVAILABLE"
    (folder / "run.sqlite").unlink()
    (folder / "run.sqlite").mkdir()
    assert refused(lambda: runner.resume(folder)).code == "E_STORE_UNAVAILABLE"


def test_a_ledger_of_another_run(small: runner.Finished, tmp_path: Path) -> None:
    folder = copy_of(small, tmp_path)
    other = run_text(tmp_path, BUY)
    shutil.copy(other.folder / "ledger.sqlite", folder / "ledger.sqlite")
    assert refused(lambda: runner.resume(folder)).code == "E_SYSTEM_KEYS"


# --- runs that fail ---


def test_a_wrong_expectation_fails_the_run(tmp_path: Path) -> None:
    finished = run_text(
        tmp_path,
        BUY,
        expect("supply.wallets_tiyn", "tenge(100) * people", "wallets"),
        expect("supply.wallets_tiyn", "tenge(100)", "a slip"),
        expect("supply.wallet_tiyn", 0, "no such figure"),
        expect("refusals.E_FUNDS", 0, "never refused"),
        expect("steps.buy.person", 2, "purchases"),
        expect("deposits.person_tiyn", "tenge(9900) * people", "deposits"),
    )
    assert not finished.ok
    assert [(row["name"], row["expected"], row["actual"]) for row in failed(finished)] == [
        ("a slip", 10_000, 20_000),
        ("no such figure", 0, "there is no such fact"),
    ]


PAY = {"who": "person", "to": "shop", "amount": "tenge(60)"}


@pytest.mark.parametrize(
    ("parts", "expected", "actual"),
    [
        ([step("pay", **PAY)], "nothing refused", "2 × E_FUNDS"),
        ([BUY, step("pay", at="11:00", refused="E_FUNDS", **PAY)], "refused as E_FUNDS", "2 × accepted"),
        ([step("pay", refused="E_MARK_EDGE", **PAY)], "refused as E_MARK_EDGE", "2 × E_FUNDS"),
        (
            [
                step("buy", who="person", when="i == 0", amount="tenge(100)"),
                step("pay", at="11:00", refused="E_FUNDS", **PAY),
            ],
            "refused as E_FUNDS",
            "1 × accepted",
        ),
    ],
)
def test_a_step_that_ends_otherwise_than_it_says(
    tmp_path: Path, parts: list[str], expected: str, actual: str
) -> None:
    finished = run_text(tmp_path, CAST, *parts)
    assert not finished.ok
    (row,) = failed(finished)
    assert (row["expected"], row["actual"]) == (expected, actual)
    assert row["name"] == "day 1, pay: a step"


def test_a_step_that_is_refused_as_it_says_or_not_tried_at_all(tmp_path: Path) -> None:
    nobody = step("pay", refused="E_MARK_TIME", **{**PAY, "amount": 0})
    finished = run_text(tmp_path, CAST, step("pay", refused="E_FUNDS", **PAY), nobody)
    assert finished.ok
    assert len(finished.report["refusals"]) == 1
    assert finished.report["refusals"][0]["count"] == 2


def test_a_step_that_cannot_be_played_stops_the_run_and_every_resume(tmp_path: Path) -> None:
    """What only shows while playing (a member that is not there) stops the run; going on stops at the same place."""
    (tmp_path / "tiny.toml").write_bytes(
        script_text(CAST, BUY, step("pay", at="11:00", to_member="i", **PAY))
    )
    for _ in range(2):
        run = tmp_path / "run"
        call = (
            runner.resume if run.exists() else (lambda run: runner.run(str(tmp_path / "tiny.toml"), run, 7))
        )
        error = refused(lambda call=call, run=run: call(run))  # type: ignore[misc]
        assert (error.code, error.facts["problem"]) == ("E_VERB", "shop has no member 1")
        assert audit_target(str(run))["problems"] == []


@pytest.mark.parametrize(
    ("part", "code"),
    [
        (step("dance"), "E_VERB"),
        (step("buy", who="robots", amount=1), "E_VERB"),
        ("[[require]]\nthat = 0\nelse = 'never'", "E_SCRIPT_REQUIRES"),
        ("[colour]", "E_SCRIPT"),
    ],
)
def test_a_bad_script_leaves_no_folder(tmp_path: Path, part: str, code: str) -> None:
    assert refused(lambda: run_text(tmp_path, part)).code == code
    assert not (tmp_path / "run").exists()


def test_the_environment_of_crash_tests_is_not_set_here() -> None:
    assert "TENGE_CRASH_AT" not in os.environ
