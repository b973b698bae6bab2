"""Pilot runs at the operator's desk: one at a time, live, stopped and gone on with; reports in a box of their own."""

import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.site.test_jobs import process_of
from tests.site.visitor import Program, Visitor, opened
from wallets.auditing import audit_target
from wallets.pilot import page
from wallets.pilot.script import built_in
from wallets.pilot.style import style_sheet
from wallets.site import jobs
from wallets.site.jobs import RUNNING, Tell
from wallets.site.pilot_work import summary_file
from wallets.site.roles import pilots
from wallets.site.whole import Whole

WAIT = 100
SMALL = "food-voucher"


@pytest.fixture(scope="module")
def whole() -> Iterator[Whole]:
    with opened() as one:
        yield one


@pytest.fixture(scope="module")
def operator(whole: Whole) -> Program:
    return Program(whole, "operator")


@pytest.fixture(scope="module")
def finished(whole: Whole, operator: Program) -> str:
    """A run that has ended."""
    key = operator.do("operator", "play-pilot", pilot=SMALL, seed=3).get_json()["run"]
    whole.world.jobs.wait("pilot", key, WAIT)
    return str(key)


def see(program: Program, name: str) -> Any:
    answer = program.get(f"/v1/roles/operator/{name}")
    assert answer.status_code == 200, answer.text
    return answer.get_json()


def code(answer: Any) -> str:
    return str(answer.get_json()["code"])


def test_every_pilot_is_listed_in_three_languages(operator: Program) -> None:
    told = {name: see(operator, f"pilots?language={name}")["pilots"] for name in ("kk", "ru", "en")}
    for rows in told.values():
        assert [row["name"] for row in rows] == built_in()
    for place in range(len(built_in())):
        assert len({rows[place]["title"] for rows in told.values()}) == 3


def test_runs_are_the_operators_alone(whole: Whole, finished: str) -> None:
    for user in ("supervisor", "treasurer", "clerk-1", "dana"):
        other = Program(whole, user)
        assert other.do("operator", "play-pilot", pilot=SMALL).status_code in (401, 403)
        for name in ("pilots", f"pilots/{finished}", f"pilot-file/{finished}:report.json"):
            assert other.get(f"/v1/roles/operator/{name}").status_code in (401, 403)
    assert Visitor(whole).get(f"/operator/pilot-file/{finished}:report.html").status_code == 303


def test_a_run_meets_its_expectations_and_shows_them(whole: Whole, operator: Program, finished: str) -> None:
    found = see(operator, f"pilots/{finished}")
    assert (found["state"], found["ok"], found["finished"]) == ("done", True, True)
    assert found["met"] == found["expectations"] == len(found["results"])
    text = Visitor(whole).signed_in("operator").get(f"/operator/pilots/{finished}").text
    assert "Open the report" in text
    assert see(operator, f"pilot-state/{finished}")["state"] == "done"
    assert audit_target(str(pilots.runs_folder(whole.world) / finished))["problems"] == []


def test_the_same_press_plays_once(operator: Program, finished: str) -> None:
    before = len(see(operator, "pilots")["runs"])
    again = operator.do("operator", "play-pilot", "a-fresh-request-00000001", pilot=SMALL, seed=3)
    assert again.get_json()["run"] == finished
    assert len(see(operator, "pilots")["runs"]) == before


def test_a_report_is_shown_in_a_box_with_its_own_policy(operator: Program, finished: str) -> None:
    answer = operator.get(f"/v1/roles/operator/pilot-file/{finished}:report.html")
    policy = answer.headers["Content-Security-Policy"]
    assert "sandbox allow-scripts" in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert page.policy(style_sheet()) in policy
    assert answer.headers["Content-Disposition"].startswith("inline")
    assert "not affiliated with the National Bank of Kazakhstan" in answer.text


def test_json_and_tables_are_downloads(operator: Program, finished: str) -> None:
    answer = operator.get(f"/v1/roles/operator/pilot-file/{finished}:report.json")
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert json.loads(answer.data)["seed"] == 3
    tables = see(operator, f"pilots/{finished}")["tables"]
    assert tables
    for name in tables:
        answer = operator.get(f"/v1/roles/operator/pilot-file/{finished}:{name}")
        assert answer.mimetype == "text/csv"
        assert answer.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    "name",
    [
        "run.json",
        "script.toml",
        "ledger.sqlite",
        "..",
        "../site.json",
        "..%2f..%2fsite.json",
        "tables",
        "x.csv",
        "",
        "report.html:x",
        "REPORT.HTML",
    ],
)
def test_no_other_file_of_a_run_is_given_away(operator: Program, finished: str, name: str) -> None:
    answer = operator.get(f"/v1/roles/operator/pilot-file/{finished}:{name}")
    assert answer.status_code in (400, 404, 409, 422)


@pytest.mark.parametrize(
    "key", ["nothing", "food-voucher-3-00000000", "..", "%2e%2e", "a" * 300, "x-1-zzzzzzzz"]
)
def test_a_run_that_never_was_is_refused(operator: Program, key: str) -> None:
    for name in ("pilots", "pilot-state"):
        assert operator.get(f"/v1/roles/operator/{name}/{key}").status_code in (400, 404, 409, 422)
    if len(key) <= 90:
        assert code(operator.do("operator", "go-on-pilot", run=key)) == "E_SITE_JOB_UNKNOWN"
        assert code(operator.do("operator", "stop-pilot", run=key)) == "E_SITE_JOB_UNKNOWN"


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"pilot": "nothing"}, "E_SCRIPT_UNKNOWN"),
        ({"pilot": "../../etc/passwd"}, "E_SCRIPT_UNKNOWN"),
        ({"pilot": "/etc/passwd"}, "E_SCRIPT_UNKNOWN"),
        ({"pilot": SMALL, "seed": -1}, "E_SITE_FIELD"),
        ({"pilot": SMALL, "seed": 2**40}, "E_SITE_FIELD"),
        ({"pilot": SMALL, "seed": "x"}, "E_SITE_FIELD"),
        ({}, "E_SITE_FIELD"),
    ],
)
def test_what_cannot_be_played_is_refused(operator: Program, fields: dict[str, Any], wanted: str) -> None:
    before = len(see(operator, "pilots")["runs"])
    assert code(operator.do("operator", "play-pilot", **fields)) == wanted
    assert len(see(operator, "pilots")["runs"]) == before


def wait_for_ever(name: str, folder: str, seed: int, settings: dict[str, str], tell: Tell) -> dict[str, Any]:
    """A run that does not end by itself, nor when it is asked to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell(1, 9, str(os.getpid()))
    threading.Event().wait(600)
    return {}


def test_a_run_is_stopped_and_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(folder=tmp_path) as whole:
        operator = Program(whole, "operator")
        visitor = Visitor(whole).signed_in("operator")
        with monkeypatch.context() as patched:
            patched.setattr(pilots, "run_pilot", wait_for_ever)
            key = operator.do("operator", "play-pilot", pilot=SMALL, seed=5).get_json()["run"]
        job = whole.world.jobs.get("pilot", key)
        assert job.state == RUNNING
        assert code(operator.do("operator", "play-pilot", pilot="railway")) == "E_SITE_JOB_BUSY"
        text = visitor.get(f"/operator/pilots/{key}").text
        assert f'data-state="/operator/pilot-state/{key}"' in text
        assert see(operator, "pilots")["running"] == key
        process = process_of(job)
        operator.do("operator", "stop-pilot", run=key)
        assert see(operator, f"pilots/{key}")["state"] == "cancelled"
        monkeypatch.setattr(jobs, "_END_SECONDS", 1)
        operator.do("operator", "go-on-pilot", run=key)
        assert not process.is_running(), "two would write into one folder"
        whole.world.jobs.wait("pilot", key, WAIT)
        found = see(operator, f"pilots/{key}")
        assert (found["state"], found["ok"]) == ("done", True)
        report = (tmp_path / "pilots" / key / "report.json").read_bytes()
    with opened(folder=tmp_path) as again:
        operator = Program(again, "operator")
        rows = see(operator, "pilots")["runs"]
        assert [(row["key"], row["state"], row["ok"]) for row in rows] == [(key, "done", True)]
        assert operator.get(f"/v1/roles/operator/pilot-file/{key}:report.json").data == report


def ends_at_once(name: str, folder: str, seed: int, settings: dict[str, str], tell: Tell) -> dict[str, Any]:
    """A run that is over as soon as it is begun."""
    found = {"met": 1, "expectations": 1, "ok": True}
    summary_file(Path(folder)).write_text(json.dumps(found), encoding="utf-8")
    return found


def test_a_run_that_a_kill_cut_off_is_stopped_and_can_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pilots, "run_pilot", ends_at_once)
    (tmp_path / "pilots" / f"{SMALL}-9-0123abcd").mkdir(parents=True)
    with opened(folder=tmp_path) as whole:
        operator = Program(whole, "operator")
        (row,) = see(operator, "pilots")["runs"]
        assert (row["state"], row["finished"]) == ("stopped", False)
        text = Visitor(whole).signed_in("operator").get(f"/operator/pilots/{row['key']}").text
        assert re.search(r'action="/operator/do/go-on-pilot"', text)
        operator.do("operator", "go-on-pilot", run=row["key"])
        whole.world.jobs.wait("pilot", row["key"], WAIT)
        assert see(operator, f"pilots/{row['key']}")["ok"]
