"""Many runs side by side: results in order, going on after a stop, and a run that cannot end is a row that says so."""

import json
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cbdc.errors import TengeError
from tests.pilot.play import expect, script_text, step
from wallets import cli
from wallets.pilot import command, fleet, runner
from wallets.pilot.script import load

BUY = step("buy", who="person", amount="tenge(100)")
_WORK = fleet._work
REFUSED = step("pay", who="person", to="person", amount="tenge(50)", refused="E_FUNDS")


def job(folder: Path, key: str, *parts: str, seed: int = 7, **settings: str) -> fleet.Job:
    file = folder / f"{key}.toml"
    file.write_bytes(script_text(*parts))
    script = load(str(file), settings)
    return fleet.Job(key, str(file), seed, settings, len(script.steps) + 1, script.sha256)


def quiet(news: fleet.News) -> None:
    pass


def test_results_come_in_the_order_of_the_jobs(tmp_path: Path) -> None:
    jobs = [
        job(tmp_path, "short"),
        job(tmp_path, "long", BUY, expect("wallets.person_tiyn", 3 * 10_000), people="3"),
        job(tmp_path, "wrong", BUY, expect("wallets.person_tiyn", 1)),
    ]
    heard: list[fleet.News] = []
    results = fleet.run_fleet(tmp_path / "fleet", jobs, 2, heard.append)
    assert [row.key for row in results] == ["short", "long", "wrong"]
    assert [row.ok for row in results] == [True, True, False]
    assert [(row.met, row.expectations) for row in results] == [(0, 0), (1, 1), (0, 1)]
    assert {news.key for news in heard if news.result is None} == {"short", "long", "wrong"}
    alone = runner.run(jobs[1].pilot, tmp_path / "alone", 7, jobs[1].settings)
    same = (tmp_path / "fleet/long/report.json").read_bytes() == (alone.folder / "report.json").read_bytes()
    assert same, "a run in a fleet is the run it would be alone"


def test_refused_tries_are_counted(tmp_path: Path) -> None:
    jobs = [
        job(tmp_path, "refused", REFUSED, people="3"),
        job(tmp_path, "otherwise", REFUSED.replace("E_FUNDS", "E_CONSENT"), people="3"),
    ]
    right, other = fleet.run_fleet(tmp_path / "fleet", jobs, 2, quiet)
    assert (right.refused, right.to_be_refused, right.ok) == (3, 3, True)
    assert (other.refused, other.to_be_refused, other.ok) == (0, 3, False), (
        "another code is not the expected one"
    )


def test_a_second_time_only_what_is_unfinished_is_played(tmp_path: Path) -> None:
    jobs = [job(tmp_path, name, BUY, seed=seed) for seed, name in enumerate(("one", "two"))]
    fleet.run_fleet(tmp_path / "fleet", jobs, 2, quiet)
    kept = json.loads((tmp_path / "fleet/fleet.json").read_text())
    del kept["ended"]["two"]
    (tmp_path / "fleet/fleet.json").write_text(json.dumps(kept))
    report = (tmp_path / "fleet/two/report.json").read_bytes()
    results = fleet.run_fleet(tmp_path / "fleet", jobs, 2, quiet)
    assert [row.before for row in results] == [True, False]
    assert (tmp_path / "fleet/two/report.json").read_bytes() == report


def stop_after(steps: int) -> runner.Progress:
    def show(done: int, of: int, text: str) -> None:
        if done == steps:
            raise KeyboardInterrupt

    return show


@pytest.mark.parametrize("left", ["script.toml", "step"])
def test_a_run_that_was_killed_goes_on(tmp_path: Path, left: str) -> None:
    one = job(tmp_path, "one", BUY)
    fleet.begin_or_go_on(one, tmp_path / "whole", runner.quiet)
    if left == "step":
        with pytest.raises(KeyboardInterrupt):
            fleet.begin_or_go_on(one, tmp_path / "cut", stop_after(2))
    else:
        (tmp_path / "cut").mkdir()
        (tmp_path / "cut/script.toml").write_bytes(b"half of it")
    fleet.begin_or_go_on(one, tmp_path / "cut", runner.quiet)
    reports = [(tmp_path / name / "report.json").read_bytes() for name in ("whole", "cut")]
    assert reports[0] == reports[1]


def test_another_question_for_the_same_folder_is_refused(tmp_path: Path) -> None:
    one = job(tmp_path, "one", BUY)
    fleet.run_fleet(tmp_path / "fleet", [one], 1, quiet)
    for other in (
        [job(tmp_path, "one", BUY, seed=8)],
        [job(tmp_path, "one", BUY, people="3")],
        [job(tmp_path, "one", BUY, BUY)],
        [one, job(tmp_path, "two", BUY)],
    ):
        with pytest.raises(TengeError) as found:
            fleet.run_fleet(tmp_path / "fleet", other, 1, quiet)
        assert found.value.code == "E_FLEET_OTHER"
    with pytest.raises(TengeError) as found:
        fleet.begin_or_go_on(job(tmp_path, "one", BUY, seed=9), tmp_path / "fleet/one", runner.quiet)
    assert found.value.code == "E_FLEET_OTHER"


@pytest.mark.parametrize(
    "text", ["", "[]", '{"ended": 1}', '{"ended": {"one": {"nothing": 1}}, "asked": {}}']
)
def test_a_fleet_that_cannot_be_read_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "fleet").mkdir()
    (tmp_path / "fleet/fleet.json").write_text(text)
    with pytest.raises(TengeError) as found:
        fleet.run_fleet(tmp_path / "fleet", [job(tmp_path, "one")], 1, quiet)
    assert found.value.code == "E_FLEET_OTHER"


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TengeError) as found:
        fleet.run_fleet(tmp_path, [job(tmp_path, "one")], 1, quiet)
    assert found.value.code == "E_RUN_EXISTS"


def test_a_run_that_cannot_end_is_a_row(tmp_path: Path) -> None:
    good = job(tmp_path, "good", BUY)
    bad = job(tmp_path, "bad", step("buy", who="person", amount="tenge(1)", surprise=1))
    results = fleet.run_fleet(tmp_path / "fleet", [bad, good], 2, quiet)
    assert [row.ok for row in results] == [False, True]
    assert "(E_" in results[0].problem
    told = "\n".join(command.fleet_table(results))
    assert f"bad: {results[0].problem}" in told
    assert "1 of 2 as expected" in told


class Deadly:
    """The end of a pipe at which whoever tells of the first step dies."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def send(self, word: Any) -> None:
        self._connection.send(word)
        if isinstance(word, tuple) and word[0] == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def dying_work(one: fleet.Job, path: str, connection: Connection) -> None:
    _WORK(one, path, Deadly(connection))  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_a_process_that_dies_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = job(tmp_path, "one", *(BUY for _ in range(3)))
    with monkeypatch.context() as patched:
        patched.setattr(fleet, "_work", dying_work)
        (row,) = fleet.run_fleet(tmp_path / "fleet", [one], 1, quiet)
    assert not row.ok
    assert "-9" in row.problem
    (again,) = fleet.run_fleet(tmp_path / "fleet", [one], 1, quiet)
    assert (again.ok, again.before) == (True, False)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent to a process group")
def test_ctrl_c_ends_every_process_and_says_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "all"
    words = [sys.executable, "-m", "wallets.cli", "pilot", "run", "--all", "--out", str(out)]
    started = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(out.glob("*/run.json")) and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(started.pid, signal.SIGINT)
    _, told = started.communicate(timeout=60)
    assert started.returncode == 130, told
    assert f"Nothing is lost. Go on with: tenge pilot run --all --seed 7 --out {out.as_posix()}" in told
    assert "Traceback" not in told
    assert gone(started.pid), "a process is left behind"


def gone(group: int) -> bool:
    """Whether no process of the group is left; the last one may need a moment to end."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_all_pilots_by_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "all_jobs", lambda seed, quick: [job(tmp_path, "one", BUY, seed=seed)])
    out = str(tmp_path / "all")
    first = CliRunner().invoke(cli.main, ["pilot", "run", "--all", "--quick", "--out", out, "--json"])
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert (told["ok"], [row["name"] for row in told["runs"]]) == (True, ["one"])
    second = CliRunner().invoke(cli.main, ["pilot", "run", "--all", "--quick", "--out", out])
    assert "before" in second.stdout
    monkeypatch.chdir(tmp_path)
    (tmp_path / "build/all-quick-7").mkdir(parents=True)
    third = CliRunner().invoke(cli.main, ["pilot", "run", "--all", "--quick"])
    assert (third.exit_code, "E_RUN_EXISTS" in third.stderr) == (2, True)
