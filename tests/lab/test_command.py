"""`tenge lab`: a folder with results, tables and plots; asked again, taken up, refused; the page and the pictures."""

import json
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from click.testing import CliRunner, Result

from cbdc.errors import Unavailable
from tests.conftest import ROOT
from tests.lab.small import SMALL
from wallets import cli
from wallets.lab import jobs, plots_chart, tables_report
from wallets.lab.jobs import News
from wallets.lab.results import value

SWEPT = (
    SMALL
    + """
[sweep]
lab.engine = ["tokens", "purse"]
link.lost = [0, 300]

[[plot]]
title = "Who <pays> & how many"
x = "lab.engine"
y = "borne_tiyn.reserve, ring_gain_tiyn"

[[plot]]
title = "Succeeded"
x = "link.lost"
y = "success_permille"

[[plot]]
title = "Bytes"
x = "hop"
y = "payment_bytes"

[[plot]]
title = "Days"
x = "day"
y = "parked_by_day_permille"
"""
)


def tenge(*arguments: str) -> Result:
    return CliRunner().invoke(cli.main, ["lab", *arguments])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One run of the swept configuration."""
    path = tmp_path_factory.mktemp("lab")
    (path / "mine.toml").write_text(SWEPT, encoding="utf-8")
    done = tenge("offline", str(path / "mine.toml"), "--out", str(path / "run"))
    assert done.exit_code == 0, done.output
    assert "Who bore it" in done.stdout
    return path


def read(folder: Path) -> Any:
    return json.loads((folder / "run" / "results.json").read_text(encoding="utf-8"))


def test_the_results_have_the_form_that_is_promised(folder: Path) -> None:
    schema = json.loads(resources.files("wallets.lab").joinpath("results.schema.json").read_text("utf-8"))
    validator = jsonschema_rs.validator_for(schema)
    found = read(folder)
    validator.validate(found)
    assert [run["point"] for run in found["runs"]] == [
        {"lab.engine": engine, "link.lost": lost} for engine in ("tokens", "purse") for lost in (0, 300)
    ]
    for run in found["runs"]:
        del run["measures"]["hops"]
    assert not validator.is_valid(found)


def test_asked_again_it_reads_what_is_there_and_asked_otherwise_it_refuses(folder: Path) -> None:
    before = (folder / "run" / "results.json").read_bytes()
    again = tenge("offline", "--resume", str(folder / "run"), "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout) == json.loads(before)
    assert (folder / "run" / "results.json").read_bytes() == before
    mine = str(folder / "mine.toml")
    other = tenge("offline", mine, "--out", str(folder / "run"), "--seed", "8")
    assert (other.exit_code, "E_LAB_OTHER" in other.output) == (2, True)
    taken = tenge("offline", mine, "--out", str(folder))
    assert (taken.exit_code, "E_RUN_EXISTS" in taken.output) == (2, True)
    nothing = tenge("offline", "--resume", str(folder))
    assert (nothing.exit_code, "E_LAB_OTHER" in nothing.output) == (2, True)


def test_one_configuration_is_named(folder: Path) -> None:
    for arguments in ([], ["a.toml", "--preset", "policies"], ["--preset", "no-such"]):
        refused = tenge("offline", *arguments)
        assert (refused.exit_code, "E_LAB_UNKNOWN" in refused.output) == (2, True)
    wrong = tenge("offline", str(folder / "mine.toml"), "--set", "lab.days=0")
    assert (wrong.exit_code, "E_LAB" in wrong.output) == (2, True)
    assert "mine.toml, line 3, [lab] days" in wrong.output


def test_a_run_with_a_failing_audit_ends_with_one(folder: Path, tmp_path: Path) -> None:
    for file in ("lab.json", "config.toml"):
        (tmp_path / file).write_bytes((folder / "run" / file).read_bytes())
    for job in sorted((folder / "run").glob("point-*")):
        (tmp_path / job.name).mkdir()
        part = json.loads((job / "part.json").read_text(encoding="utf-8"))
        part["audit"]["ok"] = False
        part["audit"]["checks"]["people"]["ok"] = False
        (tmp_path / job.name / "part.json").write_text(json.dumps(part), encoding="utf-8")
    failed = tenge("offline", "--resume", str(tmp_path))
    assert failed.exit_code == 1
    assert "WRONG" in failed.stdout


# The command, which sends itself a signal as soon as it hears that a day is done.
STRUCK = """
import os, signal, sys
from wallets import cli
from wallets.lab import jobs

hear, number = jobs._hear, signal.Signals[sys.argv.pop(1)]

def struck(*given):
    news = hear(*given)
    os.kill(os.getpid(), number)
    return news

jobs._hear = struck
signal.signal(signal.SIGINT, signal.default_int_handler)
cli.main(prog_name="tenge")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_killed_and_taken_up_it_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ["lab", "offline", str(folder / "mine.toml"), "--out", str(run), "--workers", "2"]
    killed = subprocess.run([sys.executable, "-c", STRUCK, "SIGKILL", *arguments], check=False, cwd=ROOT)
    assert killed.returncode == -signal.SIGKILL
    assert list(run.glob("*/days.sqlite"))
    assert not (run / "results.json").exists(), "it was killed before its end"
    command = [sys.executable, "-m", "wallets.cli", "lab", "offline", "--resume", str(run), "--json"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert json.loads(done.stdout) == read(folder)
    assert (run / "results.json").read_bytes() == (folder / "run" / "results.json").read_bytes()
    assert not list(run.glob("*/days.sqlite*")), "what was kept for a resume is gone"


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="other signals here")
def test_stopped_with_control_c_it_says_how_to_go_on(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [
        sys.executable,
        "-c",
        STRUCK,
        "SIGINT",
        "lab",
        "offline",
        str(folder / "mine.toml"),
        "--out",
        str(run),
    ]
    stopped = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert stopped.returncode == 130
    told = stopped.stderr
    assert f"tenge lab offline --resume {run.as_posix()}" in told
    assert jobs.again(run).lab.days == 3, "and it can be taken up"


def test_a_job_that_dies_is_told(folder: Path, tmp_path: Path) -> None:
    plan = jobs.begin(tmp_path / "run", str(folder / "mine.toml"), {})
    (tmp_path / "run" / "config.toml").unlink()
    told: list[News] = []
    with pytest.raises(Unavailable, match=r"E_LAB_JOB: .*E_LAB_OTHER"):
        jobs.run(tmp_path / "run", plan, 1, told.append)
    assert not any(news.ended for news in told)


def test_presets_are_listed() -> None:
    listed = tenge("presets")
    assert (listed.exit_code, "hop-ladder" in listed.stdout) == (0, True)
    rows = json.loads(tenge("presets", "--json").stdout)
    assert {row["name"] for row in rows} >= {
        "village-outage", "class-break", "colluders", "hop-ladder", "policies", "trust-age", "compare-engines"
    }  # fmt: skip


# --- tables and pictures ---


def test_tables_show_every_point_and_measure(folder: Path) -> None:
    found = read(folder)
    shown = (folder / "run" / "tables.txt").read_text(encoding="utf-8")
    assert shown == tables_report.text(found)
    assert shown.count("tokens") >= 8
    loss = value(found["runs"][0]["measures"], "loss_tiyn")
    assert tables_report.shown("loss_tiyn", loss) in shown


def test_measures_are_shown_in_their_units() -> None:
    shown = tables_report.shown
    assert shown("loss_tiyn", 123_456) == "1 234.56 ₸"
    assert shown("borne_tiyn.bank", 100) == "1 ₸"
    assert shown("success_permille", 987) == "98.7 %"
    assert shown("detection_p95_seconds", 93_660) == "26 h 01"
    assert shown("talk_bytes", 2_048) == "2,048 B"
    assert shown("outcomes.short", None) == "-"
    assert value({"a": {"b": 1}}, "a.b") == 1
    assert value({"a": {"b": 1}}, "a.c") is None
    assert value({"a": {"b": 1}}, "a") is None


def test_pictures_are_whole_stand_alone_and_show_every_line(folder: Path) -> None:
    found = read(folder)
    for name, picture in plots_chart.pictures(found):
        data = (folder / "run" / "plots" / name).read_text(encoding="utf-8")
        assert data == plots_chart.svg(picture)
        root = ElementTree.fromstring(data)
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        lines = [item for item in root.iter() if item.tag.endswith("polyline")]
        assert len(lines) == len(picture.lines)
        for line in lines:
            for spot in str(line.get("points")).split():
                x, y = map(int, spot.split(","))
                assert 0 <= x <= plots_chart.WIDTH
                assert 0 <= y <= plots_chart.HEIGHT
        assert not re.search(r"<script|href|url\(", data)
    pictures = dict(plots_chart.pictures(found))
    assert set(pictures["laboratory-1.svg"].lines) == {
        f"{name}, link.lost {lost}" for name in ("borne_tiyn.reserve", "ring_gain_tiyn") for lost in (0, 300)
    }
    assert [label for _, label in pictures["laboratory-1.svg"].labels] == ["tokens", "purse"]
    assert set(pictures["laboratory-2.svg"].lines) == {"lab.engine tokens", "lab.engine purse"}
    assert len(pictures["laboratory-4.svg"].labels) == 3, "a place for each day"


def test_a_line_goes_through_its_measures(folder: Path) -> None:
    found = read(folder)
    line = plots_chart.drawn(found, {"title": "t", "x": "link.lost", "y": "success_permille"}).lines
    for run in found["runs"]:
        place = {0: 0, 300: 1}[run["point"]["link.lost"]]
        expected = (place, run["measures"]["success_permille"])
        assert expected in line[f"lab.engine {run['point']['lab.engine']}"]


def test_the_page_holds_everything_and_no_script(folder: Path) -> None:
    page = (folder / "run" / "index.html").read_text(encoding="utf-8")
    assert page == plots_chart.page(read(folder))
    assert page.count("<svg") == 4
    assert "<script" not in page
    assert "Who &lt;pays&gt; &amp; how many" in page
    assert "not affiliated with the National Bank" in page
