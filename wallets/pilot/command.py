"""What `tenge pilot run` does around runs: where they go, progress on the screen, and summaries in words."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from cbdc.errors import Refused
from cbdc.money import format_tenge
from cbdc.ports import checkpoint_from_environment
from wallets.pilot import fleet, progress, runner, without
from wallets.pilot.script import built_in, load, quick_settings


def read_settings(settings: Sequence[str]) -> dict[str, str]:
    """`KEY=VALUE` texts as a dictionary; E_SETTING for anything else."""
    found: dict[str, str] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise Refused("E_SETTING", name=text[:40], value="", problem="write it as KEY=VALUE")
        found[key.strip()] = value.strip()
    return found


def play(
    name: str | None,
    resume: Path | None,
    out: Path | None,
    seed: int,
    settings: Sequence[str],
    store: str,
    quick: bool = False,
    off: Sequence[str] = (),
) -> runner.Finished:
    """Play or resume with a progress bar (on a terminal's standard error only).

    `quick` takes the settings of the script's section [quick], under those that are given here; `off` names rules that
    are left out.
    """
    console = Console(stderr=True)
    with progress.one_run(console) as show:
        checkpoint = checkpoint_from_environment()
        chosen = read_settings(settings)
        if quick:
            chosen = {**quick_settings(str(name)), **chosen}
        folder = resume or out or Path("build") / f"{load(str(name), chosen, seed).name}-{seed}"
        try:
            if resume is not None:
                return runner.resume(resume, checkpoint, show)
            return runner.run(str(name), folder, seed, chosen, store, checkpoint, show, off)
        except KeyboardInterrupt:
            way_on(console, f"tenge pilot run --resume {folder.as_posix()}")
            raise


def way_on(console: Console, command: str) -> None:
    """A command to be copied: no colours, no words in brackets lost, and in one line whatever the width."""
    console.print(f"\nNothing is lost. Go on with: {command}", soft_wrap=True, markup=False, highlight=False)


def all_jobs(seed: int, quick: bool) -> list[fleet.Job]:
    """One run of each built-in pilot, at its quick size or at its full one."""
    jobs = []
    for name in built_in():
        settings = quick_settings(name) if quick else {}
        script = load(name, settings, seed)
        jobs.append(fleet.Job(name, name, seed, settings, len(script.steps) + 1, script.sha256))
    return jobs


def play_all(seed: int, quick: bool, out: Path | None, workers: int) -> tuple[Path, list[fleet.Result]]:
    """Play every built-in pilot, each in a process of its own; asked again, go on with what is unfinished."""
    folder = out or Path("build") / f"all-{'quick-' if quick else ''}{seed}"
    if out is None and folder.exists():
        # Results of yesterday's code must not pass for today's: only who names a folder goes on in it.
        raise Refused("E_RUN_EXISTS", folder=folder.as_posix())
    command = f"tenge pilot run --all{' --quick' if quick else ''} --seed {seed} --out {folder.as_posix()}"
    return folder, play_fleet(folder, all_jobs(seed, quick), workers, command)


def play_without_each(
    name: str, seed: int, settings: Sequence[str], quick: bool, out: Path | None, workers: int
) -> tuple[Path, list[without.Attempt], list[str]]:
    """Play a pilot once without each rule that a step names; every attempt, and why a run could not be played.

    Raises E_RULES_NONE when no step names a rule, and what `script.load` and `play_all` raise.
    """
    chosen = {**(quick_settings(name) if quick else {}), **read_settings(settings)}
    script = load(name, chosen, seed)
    rules = without.named_rules(script)
    if not rules:
        raise Refused("E_RULES_NONE", pilot=script.name)
    folder = out or Path("build") / f"{script.name}-without-each-{seed}"
    if out is None and folder.exists():
        raise Refused("E_RUN_EXISTS", folder=folder.as_posix())
    jobs = [
        # The setting up is the first that is done, so the step with number n is the one after n + 1 others.
        fleet.Job(rule, name, seed, chosen, last + 2, script.sha256, (rule,))
        for rule, last in rules.items()
    ]
    results = play_fleet(folder, jobs, workers, f"the same command, with --out {folder.as_posix()}")
    found = [row for result in results if not result.problem for row in without.attempts(folder / result.key)]
    return folder, found, [f"without {row.key}: {row.problem}" for row in results if row.problem]


def play_fleet(folder: Path, jobs: Sequence[fleet.Job], workers: int, command: str) -> list[fleet.Result]:
    """Play a fleet with its bars; `command` is how to go on after Ctrl-C."""
    console = Console(stderr=True)
    try:
        with progress.many_runs(console, jobs) as tell:
            return fleet.run_fleet(folder, jobs, workers, tell)
    except KeyboardInterrupt:
        way_on(console, command)
        raise


def fleet_rows(results: Sequence[fleet.Result]) -> list[dict[str, Any]]:
    """The results as data."""
    return [
        {
            "name": row.key,
            "ok": row.ok,
            "expectations_met": row.met,
            "expectations": row.expectations,
            "refused_as_expected": row.refused,
            "to_be_refused": row.to_be_refused,
            "milliseconds": row.milliseconds,
            "finished_before": row.before,
            "problem": row.problem,
        }
        for row in results
    ]


def fleet_table(results: Sequence[fleet.Result]) -> Iterator[str]:
    """The results as a table, and what went wrong under it."""
    width = max(len(row.key) for row in results)
    yield f"{'pilot':{width}}  expectations met  refused as expected  seconds"
    for row in results:
        met, refused = f"{row.met} of {row.expectations}", f"{row.refused} of {row.to_be_refused}"
        seconds = f"{row.milliseconds // 1_000}.{row.milliseconds % 1_000 // 100}"
        note = "  before" if row.before else ""
        yield f"{row.key:{width}}  {met:>16}  {refused:>19}  {seconds:>7}{note}{'' if row.ok else '  NOT MET'}"
    for row in results:
        if row.problem:
            yield f"{row.key}: {row.problem}"
    good = sum(1 for row in results if row.ok)
    yield f"{good} of {len(results)} as expected"


def summary(finished: runner.Finished, program: str = "tenge") -> Iterator[str]:
    """The run in a dozen lines; `program` is how the reader started this command."""
    report = finished.report
    supply, offline = report["supply"], report["offline"]
    yield f"{report['title']} (seed {report['seed']})"
    tried = without.attempts(finished.folder) if report["off"] else []
    yield from (f"  {line}" for line in without.lines(tried))
    if tried:
        yield "  what else changed:"
    outstanding = supply["issued_tiyn"] - supply["redeemed_tiyn"]
    yield (
        f"  issued {format_tenge(supply['issued_tiyn'])}, redeemed {format_tenge(supply['redeemed_tiyn'])},"
        f" outstanding {format_tenge(outstanding)}"
    )
    yield (
        f"  offline: {offline['payments']} payments, chains of up to {offline['hops_max']} hops,"
        f" {offline['double_spends']} double spend, loss {format_tenge(offline['loss_tiyn'])}"
    )
    for name, amount in offline["borne_by"].items():
        yield f"    paid by {name}: {format_tenge(amount)}"
    for row in report["refusals"]:
        yield f"  refused {row['count']} × {row['code']}"
    met = sum(1 for row in report["expectations"] if row["ok"])
    yield f"  expectations met: {met} of {len(report['expectations'])}"
    for row in report["expectations"]:
        if not row["ok"]:
            yield f"  NOT MET: {row['name']}: expected {row['expected']}, found {row['actual']}"
    yield f"  report: {(finished.folder / 'report.html').as_posix()}"
    todo = "audit" if finished.ok else "explain refused --run"
    yield f"  next:   {program} {todo} {finished.folder.as_posix()}"
