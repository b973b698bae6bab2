"""The commands `tenge lab ...`: experiments with offline systems on populations of real wallets and elements.

Heavy modules are loaded by the command that needs them, so that `tenge --version` answers at once.
"""

from pathlib import Path

import click

from wallets.cli_answers import FAILED, OK, print_json, refusals


@click.group()
def lab() -> None:
    """The laboratory: offline systems under outages, loss and attack, measured."""


@lab.command("presets")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def lab_presets(as_json: bool) -> int:
    """The experiments that come with the sandbox.

    \b
    Example:
      tenge lab presets
    """
    from wallets.lab import settings

    plans = [settings.load(name) for name in settings.presets()]
    if as_json:
        rows = [
            {"name": one.lab.name, "title": one.lab.title, "points": len(one.points()), "days": one.lab.days}
            for one in plans
        ]
        print_json(rows)
        return OK
    for one in plans:
        click.echo(f"{one.lab.name}: {one.lab.title}")
        axes = "; ".join(f"{name} {', '.join(map(str, values))}" for name, values in one.sweep.items())
        click.echo(f"  {len(one.points())} runs of {one.lab.days} days{f' over {axes}' if axes else ''}\n")
    return OK


@lab.command("offline")
@click.argument("config", required=False, metavar="[CONFIG.toml]")
@click.option("--preset", help="One of the experiments that come with the sandbox (tenge lab presets).")
@click.option("--out", type=click.Path(path_type=Path), help="A folder for the run [build/lab-NAME].")
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR", help="Go on with the run in DIR.")
@click.option("--seed", type=click.IntRange(min=0), help="Another seed than the configuration's.")
@click.option(
    "--set", "changes", multiple=True, metavar="SECTION.KEY=VALUE", help="Change a value; may be repeated."
)
@click.option("--workers", type=click.IntRange(1, 64), help="How many processes [the processors, at most 2].")
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@refusals
def lab_offline(
    config: str | None,
    preset: str | None,
    out: Path | None,
    resume: Path | None,
    seed: int | None,
    changes: tuple[str, ...],
    workers: int | None,
    as_json: bool,
) -> int:
    """Play an experiment on real devices and the real settlement, and measure it; exit 1 when its audit fails.

    The same configuration and seed give the same results, byte for byte. What was stopped (Ctrl-C, or killed) goes on
    from the last saved day when the same is asked again, or with --resume.

    \b
    Examples:
      tenge lab offline --preset village-outage
      tenge lab offline my.toml --set people.count=400 --out build/mine
      tenge lab offline --resume build/mine
    """
    from wallets.lab import command_progress as command
    from wallets.lab import jobs, tables_report

    if resume is not None:
        folder, plan = resume, jobs.again(resume)
    else:
        name, settings = command.chosen(config, preset, changes, seed)
        folder = out or Path("build") / f"lab-{Path(name).stem}"
        plan = jobs.begin(folder, name, settings)
    found = command.play(folder, plan, workers or jobs.processors())
    if as_json:
        print_json(found)
    else:
        click.echo(tables_report.text(found))
        click.echo(f"Results, tables and plots: {folder.as_posix()}")
    return OK if all(run["audit"]["ok"] for run in found["runs"]) else FAILED
