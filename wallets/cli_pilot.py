"""The commands `tenge pilot ...`: list pilots, play them, write new ones.

Heavy modules are loaded by the command that needs them, so that `tenge --version` answers at once.
"""

from pathlib import Path

import click

from wallets.cli_answers import FAILED, OK, print_json, program, refusals


@click.group()
def pilot() -> None:
    """Scripted pilots: list them, play them, go on with one that was stopped."""


@pilot.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def pilot_list(as_json: bool) -> int:
    """The pilots that come with the sandbox, with their parameters.

    \b
    Example:
      tenge pilot list --json
    """
    from wallets.pilot import quantities, script

    loaded = [script.load(name) for name in script.built_in()]
    if as_json:
        print_json(
            [
                {
                    "name": one.name,
                    "title": one.title,
                    "summary": one.summary,
                    "parameters": [
                        {
                            "name": row.name,
                            "default": row.value,
                            "unit": row.unit,
                            "grade": quantities.GRADES[row.grade],
                        }
                        for row in one.parameters
                    ],
                }
                for one in loaded
            ]
        )
        return OK
    for one in loaded:
        click.echo(f"{one.name}: {one.title}\n  {one.summary}\n")
        for row in one.parameters:
            click.echo(
                f"  --set {row.name}={row.value}  {row.unit} ({quantities.GRADES[row.grade]}: {row.note})"
            )
    return OK


@pilot.command("run")
@click.argument("name", required=False)
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    help="The same seed gives the same report, byte for byte.",
)
@click.option("--out", type=click.Path(path_type=Path), help="An empty folder for the run [build/NAME-SEED].")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set a parameter; may be repeated."
)
@click.option(
    "--store", default="", help="URL of the ledger's store, such as sqlite:///PATH [a file in the folder]."
)
@click.option("--resume", type=click.Path(path_type=Path), metavar="DIR", help="Go on with the run in DIR.")
@click.option("--quick", is_flag=True, help="The script's own small size: its section [quick].")
@click.option(
    "--without",
    "off",
    multiple=True,
    metavar="RULE",
    help="Leave a rule out, such as mark.meal.goods; repeatable.",
)
@click.option(
    "--without-each",
    "each",
    is_flag=True,
    help="Once without each rule that a step names, at the quick size: is it that rule?",
)
@click.option("--full", is_flag=True, help="With --without-each: the full size.")
@click.option("--all", "everything", is_flag=True, help="Every pilot of `tenge pilot list`, side by side.")
@click.option(
    "--workers",
    type=click.IntRange(min=1, max=64),
    default=2,
    show_default=True,
    help="Processes for --all and --without-each.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, and nothing else.")
@refusals
def pilot_run(
    name: str | None,
    seed: int,
    out: Path | None,
    settings: tuple[str, ...],
    store: str,
    resume: Path | None,
    quick: bool,
    off: tuple[str, ...],
    each: bool,
    full: bool,
    everything: bool,
    workers: int,
    as_json: bool,
) -> int:
    """Play the pilot NAME (or a script file) and check every expectation.

    Ctrl-C or a kill loses nothing: go on with --resume; with --all, by naming the same --out again. Without a rule, the
    steps that it refuses are expected to be accepted, and you see what the rule is for. --without-each tries that for
    every rule that a step names; exit 1 when a step is refused all the same.

    \b
    Examples:
      tenge pilot run school-meals
      tenge pilot run school-meals --set pupils=37 --set days=3 --out build/small
      tenge pilot run --resume build/small
      tenge pilot run food-voucher --without-each
      tenge pilot run --all --quick --out build/all
    """
    from wallets.pilot import command

    if [name is not None, resume is not None, everything].count(True) != 1:
        raise click.UsageError("Name a pilot, or give --resume DIR, or --all.")
    if resume is not None and (quick or settings or off):
        raise click.UsageError("A run goes on with the settings it began with.")
    if everything and (settings or store or off):
        raise click.UsageError("--all plays every pilot with its own settings, each in its own folder.")
    if (each and (store or off or name is None)) or (full and not each) or (full and quick):
        raise click.UsageError("--without-each takes a pilot, --set, --full, --seed, --workers and --out.")
    if each:
        return _without_each(str(name), seed, settings, not full, out, workers, as_json)
    if everything:
        folder, results = command.play_all(seed, quick, out, workers)
        ok = all(result.ok for result in results)
        if as_json:
            print_json({"folder": folder.as_posix(), "ok": ok, "runs": command.fleet_rows(results)})
        else:
            for line in command.fleet_table(results):
                click.echo(line)
        return OK if ok else FAILED
    finished = command.play(name, resume, out, seed, settings, store, quick, off)
    if as_json:
        print_json(finished.report)
    else:
        for line in command.summary(finished, program()):
            click.echo(line)
    return OK if finished.ok else FAILED


def _without_each(
    name: str,
    seed: int,
    settings: tuple[str, ...],
    quick: bool,
    out: Path | None,
    workers: int,
    as_json: bool,
) -> int:
    """A run without each named rule: the table, and whether every attempt was accepted."""
    from dataclasses import asdict

    from wallets.pilot import command, without

    folder, found, problems = command.play_without_each(name, seed, settings, quick, out, workers)
    ok = not problems and all(row.accepted for row in found)
    if as_json:
        rows = [asdict(row) for row in found]
        print_json({"folder": folder.as_posix(), "ok": ok, "attempts": rows, "problems": problems})
    else:
        for line in [*without.table(found), *problems]:
            click.echo(line)
    return OK if ok else FAILED


@pilot.command("check")
@click.argument("script")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Check with this parameter set.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def pilot_check(script: str, settings: tuple[str, ...], as_json: bool) -> int:
    """Everything that is wrong with SCRIPT at once, each with its line and what to do; nothing is played.

    Warnings are allowed but doubtful; exit 1 is for mistakes only.

    \b
    Example:
      tenge pilot check my-pilot.toml
    """
    from dataclasses import asdict

    from wallets.pilot.check import check_script
    from wallets.pilot.command import read_settings
    from wallets.pilot.script import read_source

    found = check_script(*read_source(script), read_settings(settings))
    mistakes = sum(1 for one in found if not one.warning)
    if as_json:
        print_json([asdict(one) for one in found])
    else:
        for one in found:
            word = "warning: " if one.warning else ""
            click.echo(
                f"{one.file}:{one.line}:{one.column}: {word}{one.place}: {one.problem}\n    {one.advice}"
            )
        click.echo(f"{mistakes} mistakes, {len(found) - mistakes} warnings")
    return FAILED if mistakes else OK


@pilot.command("new")
@click.argument("name")
@click.option(
    "--from",
    "template",
    default="voucher",
    show_default=True,
    help="A template (payments, voucher) or a pilot.",
)
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="The folder [this one].")
@refusals
def pilot_new(name: str, template: str, out: Path) -> int:
    """Write a small script that plays, NAME.toml, the skeleton of its page and the schema for your editor.

    \b
    Examples:
      tenge pilot new sports-voucher
      tenge pilot new my-meals --from school-meals --out pilots
    """
    from wallets.pilot import draft

    for file in draft.write_draft(name, template, out):
        click.echo(file.as_posix())
    script = (out / f"{name}.toml").as_posix()
    click.echo(f"Next: {program()} pilot check {script}\n      {program()} pilot run {script} --quick")
    return OK


@pilot.command("diff")
@click.argument("first", type=click.Path(path_type=Path))
@click.argument("second", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Show equal figures too.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def pilot_diff(first: Path, second: Path, everything: bool, as_json: bool) -> int:
    """Two runs side by side: their folders, or their report.json. Exit 1 when a figure differs.

    \b
    Example:
      tenge pilot diff build/school-meals-7 build/small
    """
    from wallets.pilot import compare

    rows = compare.compare(compare.read_report(first), compare.read_report(second))
    differ = any(not row.same for row in rows)
    if as_json:
        shown = [row for row in rows if everything or not row.same]
        print_json(
            [
                {
                    "section": row.section,
                    "name": row.name,
                    "first": row.first,
                    "second": row.second,
                    "by": row.by,
                }
                for row in shown
            ]
        )
    else:
        for line in compare.words(rows, everything):
            click.echo(line)
    return FAILED if differ else OK


@pilot.command("sweep")
@click.argument("name")
@click.option(
    "--param", "params", multiple=True, metavar="NAME=VALUES", help="1,2,3 or 10..50:10; may be repeated."
)
@click.option("--fact", "facts", multiple=True, required=True, help="A fact to plot; may be repeated.")
@click.option("--seed", "seeds", default="7", show_default=True, help="One seed or several: 1,2,3.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Set a parameter in every run.")
@click.option("--quick", is_flag=True, help="Begin from the script's section [quick].")
@click.option(
    "--workers", type=click.IntRange(min=1, max=64), default=2, show_default=True, help="Processes."
)
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The folder of the runs and results."
)
@click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
@refusals
def pilot_sweep(
    name: str,
    params: tuple[str, ...],
    facts: tuple[str, ...],
    seeds: str,
    settings: tuple[str, ...],
    quick: bool,
    workers: int,
    out: Path,
    as_json: bool,
) -> int:
    """Play the pilot NAME over many values of its parameters, side by side.

    Writes sweep.json, sweep.csv and a page with plots, sweep.html. The same command goes on after Ctrl-C.

    \b
    Example:
      tenge pilot sweep school-meals --quick --param price_tenge=560,800,901 \\
        --param days=2..4 --fact supply.redeemed_tiyn --out build/prices
    """
    from wallets.pilot import command, sweep

    asked, jobs = sweep.plan(name, params, seeds, facts, command.read_settings(settings), quick)
    results = command.play_fleet(out, jobs, workers, f"the same command, with --out {out.as_posix()}")
    found = sweep.collect(out, asked, jobs, results)
    sweep.write_results(out, found)
    if as_json:
        print_json(found)
    else:
        for line in command.fleet_table(results):
            click.echo(line)
        click.echo(f"plots: {(out / 'sweep.html').as_posix()}")
    return OK if all(result.ok for result in results) else FAILED
