"""`tenge pilot sweep`: one pilot over many values of its parameters, side by side, and what that does to its facts.

    --param price_tenge=560,800,901     these values
    --param days=5..20:5                from 5 to 20 in steps of 5: 5, 10, 15, 20
    --seed 1,2                          each combination once for each seed

Every combination is a run of a fleet (`wallets.pilot.fleet`), so a sweep goes on after Ctrl-C when the same is asked
again. The results stand in the fleet's folder as `sweep.json`, `sweep.csv` and one page with plots, `sweep.html`.
"""

import csv
import io
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cbdc.errors import Refused
from wallets.pilot import sweep_chart
from wallets.pilot.fleet import Job, Result
from wallets.pilot.folder import canonical_json, write_atomic
from wallets.pilot.script import load, quick_settings
from wallets.pilot.step_check import fact_problem

MOST_RUNS = 1_000


@dataclass(frozen=True, slots=True)
class Sweep:
    """What is asked for: the pilot, the values of each parameter, the seeds, and the facts to be told."""

    pilot: str
    values: Mapping[str, tuple[int, ...]]
    seeds: tuple[int, ...]
    facts: tuple[str, ...]
    settings: Mapping[str, str]


def read_values(text: str) -> tuple[str, tuple[int, ...]]:
    """`NAME=1,2,3` or `NAME=1..9:2` (or both, with commas) as a name and its values; E_SWEEP for anything else."""
    name, equals, rest = text.partition("=")
    try:
        values = [value for part in rest.split(",") for value in _range(part)]
    except ValueError:
        raise Refused(
            "E_SWEEP", text=text[:40], problem="values are whole numbers: 1,2,3 or 10..50:10"
        ) from None
    if not equals or not name.strip():
        raise Refused("E_SWEEP", text=text[:40], problem="write it as NAME=VALUES")
    if len(values) > MOST_RUNS:
        raise Refused("E_SWEEP", text=text[:40], problem=f"more than {MOST_RUNS} values")
    return name.strip(), tuple(dict.fromkeys(values))


def _range(text: str) -> range:
    first, dots, rest = text.partition("..")
    if not dots:
        value = int(text.replace("_", ""))
        return range(value, value + 1)
    last, colon, step = rest.partition(":")
    return range(int(first), int(last) + 1, int(step) if colon else 1)


def plan(
    pilot: str,
    params: Sequence[str],
    seeds: str,
    facts: Sequence[str],
    settings: Mapping[str, str],
    quick: bool,
) -> tuple[Sweep, list[Job]]:
    """The sweep and its runs.

    Raises E_SWEEP for what cannot be read, too many runs, or a fact that the pilot does not have; and what
    `script.load` raises, before anything is played.
    """
    base = {**(quick_settings(pilot) if quick else {}), **settings}
    values = dict(map(read_values, params))
    seed_values = read_values(f"seed={seeds}")[1]
    asked = Sweep(pilot, values, seed_values, tuple(dict.fromkeys(facts)), base)
    script = load(pilot, base)
    if not asked.facts:
        raise Refused("E_SWEEP", text="--fact", problem="name at least one fact")
    for fact in asked.facts:
        problem = fact_problem(script, fact)
        if problem:
            raise Refused("E_SWEEP", text=fact[:40], problem=problem)
    points = list(itertools.product(*values.values(), seed_values))
    if len(points) > MOST_RUNS:
        raise Refused("E_SWEEP", text="--param", problem=f"{len(points)} runs; {MOST_RUNS} are allowed")
    return asked, [_job(asked, dict(zip([*values, "seed"], point, strict=True))) for point in points]


def _job(asked: Sweep, point: Mapping[str, int]) -> Job:
    settings = {**asked.settings, **{name: str(value) for name, value in point.items() if name != "seed"}}
    script = load(asked.pilot, settings, point["seed"])
    key = "_".join(f"{name}-{value}" for name, value in point.items())
    return Job(key, asked.pilot, point["seed"], settings, len(script.steps) + 1, script.sha256)


def collect(folder: Path, asked: Sweep, jobs: Sequence[Job], results: Sequence[Result]) -> dict[str, Any]:
    """What the runs gave, one row each; a run that could not end has its problem and no facts."""
    rows = []
    for job, result in zip(jobs, results, strict=True):
        found = {} if result.problem else _facts(folder / job.key / "report.json")
        rows.append(
            {
                "run": job.key,
                "seed": job.seed,
                "parameters": {name: int(job.settings[name]) for name in asked.values},
                "facts": {fact: found.get(fact, 0) for fact in asked.facts} if not result.problem else {},
                "ok": result.ok,
                "expectations_met": result.met,
                "expectations": result.expectations,
                "problem": result.problem,
            }
        )
    return {
        "format": 1,
        "pilot": asked.pilot,
        "swept": list(asked.values),
        "settings": {name: value for name, value in asked.settings.items() if name not in asked.values},
        "facts": list(asked.facts),
        "runs": rows,
    }


def _facts(file: Path) -> dict[str, int]:
    report = json.loads(file.read_text(encoding="utf-8"))
    return dict(report["facts"])


def csv_text(found: Mapping[str, Any]) -> str:
    """The rows for a spreadsheet: a column for each parameter, the seed, and each fact."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    runs = found["runs"]
    names = found["swept"]
    writer.writerow([*names, "seed", *found["facts"], "ok", "problem"])
    for row in runs:
        facts = [row["facts"].get(fact, "") for fact in found["facts"]]
        values = [row["parameters"][name] for name in names]
        writer.writerow([*values, row["seed"], *facts, int(row["ok"]), row["problem"]])
    return out.getvalue()


def write_results(folder: Path, found: Mapping[str, Any]) -> None:
    """Write `sweep.json`, `sweep.csv` and `sweep.html`."""
    write_atomic(folder / "sweep.json", canonical_json(found).encode())
    write_atomic(folder / "sweep.csv", csv_text(found).encode())
    write_atomic(folder / "sweep.html", sweep_chart.page(found).encode())
