"""Pilot runs at the operator's desk: what there is to play, one run at a time in the background, and its reports.

A run has a folder under the sandbox's own (or a temporary one, when the sandbox lives in memory only). It plays in a
process of its own at the script's quick size, so it takes nothing from the world that the site shows, and it goes on
when it was stopped. The report is the pilot's own page: it is served with the policy that it brings, in a box without
this site's origin, so whatever stands in it can neither ask nor change anything here.
"""

import json
import re
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, NamedTuple
from weakref import WeakKeyDictionary

from msgspec import Meta

from cbdc.errors import Refused, TengeError
from cbdc.private import make_folder
from wallets.pilot import page
from wallets.pilot.folder import read_run
from wallets.pilot.script import Script, built_in, load
from wallets.pilot.style import style_sheet
from wallets.site.jobs import Job
from wallets.site.operations import N_, Asked, Download, Fields, Json, Operation, Query
from wallets.site.pilot_work import read_summary, run_pilot
from wallets.site.roles.watching import as_state, spoken
from wallets.site.users import OPERATOR_ROLE as ROLE
from wallets.site.world import World

KIND = "pilot"
RUNS = "pilots"
_RUN = re.compile(r"([a-z0-9-]{1,60})-(\d{1,10})-([0-9a-f]{8})", re.ASCII)
_TABLE = re.compile(r"[a-z0-9_-]{1,60}\.csv", re.ASCII)
_KINDS = {"report.json": "application/json", "report.html": "text/html"}
_STATES: Mapping[str, str] = {
    "running": N_("playing"),
    "done": N_("finished"),
    "failed": N_("could not finish"),
    "cancelled": N_("stopped"),
    "stopped": N_("stopped"),
}
_TEMPORARY: "WeakKeyDictionary[World, tempfile.TemporaryDirectory[str]]" = WeakKeyDictionary()


class Play(Fields, frozen=True):
    """Which pilot, and the seed from which everything in the run follows."""

    pilot: Annotated[str, Meta(max_length=60, title=N_("Pilot"))]
    seed: Annotated[int, Meta(ge=0, le=4_294_967_295, title=N_("Seed"))] = 7


class WhichRun(Fields, frozen=True):
    """Which run."""

    run: Annotated[str, Meta(max_length=90, title=N_("Run"))]


class _Found(NamedTuple):
    key: str
    pilot: str
    seed: int
    folder: Path


def runs_folder(world: World) -> Path:
    """Where runs lie: in the sandbox's folder, or in a temporary one that goes with the server."""
    if world.folder is not None:
        return world.folder / RUNS
    if world not in _TEMPORARY:
        _TEMPORARY[world] = tempfile.TemporaryDirectory(prefix="tenge-pilots-")
        world.jobs.at_close.append(_TEMPORARY[world].cleanup)
    return Path(_TEMPORARY[world].name)


@lru_cache(maxsize=1)
def scripts() -> tuple[Script, ...]:
    """The pilots that come with the sandbox."""
    return tuple(load(name) for name in built_in())


def told(script: Script, text: str, language: str) -> str:
    """A text of the script in a language, or in English where it has no translation."""
    return script.translations.get(text, {}).get(language, text)


def find_run(world: World, key: str) -> _Found:
    """The run of this key; E_SITE_JOB_UNKNOWN."""
    match = _RUN.fullmatch(key)
    folder = runs_folder(world) / key if match else None
    if match is None or folder is None or not folder.is_dir():
        raise Refused("E_SITE_JOB_UNKNOWN", kind=KIND, key=key[:40])
    return _Found(key, match[1], int(match[2]), folder)


def all_runs(world: World) -> list[_Found]:
    """Every run in the folder, newest first."""
    folder = runs_folder(world)
    found = []
    if folder.is_dir():
        for item in folder.iterdir():
            match = _RUN.fullmatch(item.name)
            if match and item.is_dir():
                found.append((item.stat().st_mtime_ns, _Found(item.name, match[1], int(match[2]), item)))
    return [run for _, run in sorted(found, key=lambda pair: (-pair[0], pair[1].key))]


def pilots(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """What can be played, what is playing, and the runs there are."""
    language = asked.language
    rows = [
        {
            "name": script.name,
            "title": told(script, script.title, language),
            "summary": told(script, script.summary, language),
            "steps": len(script.steps),
        }
        for script in scripts()
    ]
    running = asked.world.jobs.running(KIND)
    return {
        "pilots": rows,
        "runs": [_row(asked, run) for run in all_runs(asked.world)[:50]],
        "running": running.key if running is not None else "",
    }


def _row(asked: Asked, run: _Found) -> Json:
    job = _job(asked.world, run.key)
    summary = read_summary(run.folder)
    state = job.state if job is not None else "done" if summary else "stopped"
    title = next(
        (told(one, one.title, asked.language) for one in scripts() if one.name == run.pilot), run.pilot
    )
    return {
        "key": run.key,
        "pilot": run.pilot,
        "pilot_title": title,
        "seed": run.seed,
        "state": state,
        "state_title": _STATES[state],
        "done": job.done if job is not None else 0,
        "of": job.of if job is not None else 0,
        "text": job.text if job is not None else "",
        "met": summary.get("met", 0),
        "expectations": summary.get("expectations", 0),
        "ok": bool(summary.get("ok")),
        "finished": bool(summary),
    }


def _job(world: World, key: str) -> Job | None:
    try:
        return world.jobs.get(KIND, key)
    except Refused:
        return None


def one_run(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """One run: how far it is, what came out, its files; E_SITE_JOB_UNKNOWN."""
    run = find_run(asked.world, arguments["run"])
    job = _job(asked.world, run.key)
    refusal = job.refusal if job is not None else None
    row = _row(asked, run)
    tables = sorted(item.name for item in (run.folder / "tables").glob("*.csv")) if row["finished"] else []
    return {
        **row,
        "tables": tables,
        "failed": "" if refusal is None else refusal.sentence(spoken(asked.language)),
        "next": "" if refusal is None else refusal.next_step(spoken(asked.language)),
        "results": _results(asked, run) if row["finished"] else [],
    }


def _results(asked: Asked, run: _Found) -> list[Json]:
    """The expectations of a finished run."""
    try:
        report: dict[str, Any] = json.loads((run.folder / "report.json").read_text(encoding="utf-8"))
        rows = report["expectations"]
        return [
            {
                "name": _told(asked, run, str(row["name"])),
                "expected": row["expected"],
                "actual": row["actual"],
                "unit": row.get("unit", ""),
                "ok": bool(row["ok"]),
            }
            for row in rows
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _told(asked: Asked, run: _Found, text: str) -> str:
    script = next((one for one in scripts() if one.name == run.pilot), None)
    return told(script, text, asked.language) if script is not None else text


def state(asked: Asked, arguments: Mapping[str, str]) -> Download:
    """How far a run is, for the page that waits for it; E_SITE_JOB_UNKNOWN."""
    row = _row(asked, find_run(asked.world, arguments["run"]))
    return as_state(row)


def file(asked: Asked, arguments: Mapping[str, str]) -> Download:
    """A file of a finished run, as RUN:FILE (report.html, report.json, a table); E_SITE_JOB_UNKNOWN, E_SITE_PATH."""
    key, _, name = arguments["file"].partition(":")
    run = find_run(asked.world, key)
    if name in _KINDS:
        path, kind = run.folder / name, _KINDS[name]
    elif _TABLE.fullmatch(name):
        path, kind = run.folder / "tables" / name, "text/csv"
    else:
        raise Refused("E_SITE_PATH")
    try:
        data = path.read_bytes()
    except OSError:
        raise Refused("E_SITE_PATH") from None
    shown = name == "report.html"
    return Download(f"{run.key}-{name}", data, kind, shown, report_policy() if shown else "")


@lru_cache(maxsize=1)
def report_policy() -> str:
    """What a browser may do with a report: its own style and script, in a box without this site's origin."""
    return f"{page.policy(style_sheet())}; frame-ancestors 'none'; sandbox allow-scripts"


# --- operations ---


def play(asked: Asked, fields: Play) -> Json:
    """Begin a run at its quick size; E_SCRIPT_UNKNOWN, E_SITE_JOB_BUSY."""
    if fields.pilot not in built_in():
        raise Refused("E_SCRIPT_UNKNOWN", name=fields.pilot[:60], known=", ".join(built_in()))
    script = next(one for one in scripts() if one.name == fields.pilot)
    key = f"{fields.pilot}-{fields.seed}-{asked.id.hex()[:8]}"
    settings = {name: str(value) for name, value in script.quick.items()}
    return _begin(asked, key, fields.pilot, fields.seed, settings)


def _begin(asked: Asked, key: str, pilot: str, seed: int, settings: Mapping[str, str]) -> Json:
    folder = runs_folder(asked.world)
    make_folder(folder)
    jobs = asked.world.jobs
    running = jobs.running(KIND)
    if running is not None and running.key != key:
        raise Refused("E_SITE_JOB_BUSY", kind=KIND)
    make_folder(folder / key)
    jobs.start(KIND, key, {"pilot": pilot, "seed": seed}, run_pilot, pilot, str(folder / key), seed, settings)
    return {"run": key, "path": f"/{ROLE}/pilots/{key}"}


def cancel(asked: Asked, fields: WhichRun) -> Json:
    """Stop a run; what it has done stays and can be gone on with. E_SITE_JOB_UNKNOWN."""
    job = asked.world.jobs.cancel(KIND, fields.run)
    return {"run": job.key, "state": job.state}


def go_on(asked: Asked, fields: WhichRun) -> Json:
    """Go on with a run that was stopped; E_SITE_JOB_UNKNOWN, E_SITE_JOB_BUSY."""
    run = find_run(asked.world, fields.run)
    asked.world.jobs.forget(KIND, run.key)
    settings: Mapping[str, str] = {}
    try:
        settings = read_run(run.folder)[0]["settings"]
    except TengeError:
        script = next((one for one in scripts() if one.name == run.pilot), None)
        if script is not None:
            settings = {name: str(value) for name, value in script.quick.items()}
    return _begin(asked, run.key, run.pilot, run.seed, settings)


QUERIES = (
    Query(ROLE, "pilots", N_("Pilots"), pilots, template="roles/pilots/pilots.html"),
    Query(
        ROLE,
        "pilots",
        N_("Pilot run"),
        one_run,
        takes="run",
        in_menu=False,
        template="roles/pilots/pilots-one.html",
    ),
    Query(ROLE, "pilot-state", N_("Pilot run"), state, takes="run", in_menu=False),
    Query(ROLE, "pilot-file", N_("Pilot run"), file, takes="file", in_menu=False),
)
OPERATIONS = (
    Operation(ROLE, "play-pilot", N_("Play"), Play, play, N_("The run has begun.")),
    Operation(ROLE, "stop-pilot", N_("Stop the run"), WhichRun, cancel, N_("The run is stopped.")),
    Operation(ROLE, "go-on-pilot", N_("Go on with the run"), WhichRun, go_on, N_("The run goes on.")),
)
