"""The command `tenge bench all`."""

from pathlib import Path
from typing import Any

import click

from wallets.cli_answers import FAILED, INTERRUPTED, OK, print_json, refusals
from wallets.cli_reconcile import end_of_progress, show


@click.command("all")
@click.option(
    "--quick", is_flag=True, help="Everything in a few minutes: shows the order of a figure, no more."
)
@click.option(
    "--engine",
    "engines",
    multiple=True,
    help="memory, sqlite, journal, postgresql (a server of its own), or the URL of an empty store [those four].",
)
@click.option("--workload", "workloads", multiple=True, help="One workload; may be repeated [all].")
@click.option(
    "--transport", "transports", multiple=True, help="in-process, http, and either with -batch [all four]."
)
@click.option("--clients", multiple=True, type=int, help="How many clients; may be repeated [1, 4, 16, 64].")
@click.option(
    "--tokens",
    multiple=True,
    type=int,
    help="Unspent tokens of the ledger; may be repeated: the first size is measured whole, the others beside it"
    " [1,000,000, then 10,000].",
)
@click.option(
    "--repeats", default=5, show_default=True, help="How often each row is played, after a warm-up."
)
@click.option(
    "--seconds",
    type=float,
    help="About how long a repeat of a row lasts [0.5; with --quick 0.1]. Shorter fits more sizes into an hour.",
)
@click.option(
    "--server",
    type=click.Choice(["waitress", "cheroot", "granian"]),
    default="waitress",
    show_default=True,
    help="The web server under the interface; granian is an extra.",
)
@click.option(
    "--peer", type=click.Choice(["nutshell"]), help="The same swap against this peer, in the same run."
)
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Write a picture (SVG) of the rates here."
)
@click.option("--write", is_flag=True, help="Put the table into docs/performance.md, between its markers.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def bench_all(as_json: bool, plot: Path | None, write: bool, peer: str | None, **chosen: Any) -> int:
    """The ledger under every workload, in process and over HTTP, beside what this machine can do at all.

    Workloads: transfer-1in-2out, transfer-2in-2out, mixed-with-5%-double-spends, hot-account, issue, audit, read.
    Ctrl-C prints what was measured so far. Exit 1 when anything was refused that the workload does not ask for.

    \b
    Examples:
      tenge bench all --quick
      tenge bench all --quick --json > bench.json
      tenge bench all --engine sqlite --workload transfer-2in-2out --transport http --peer nutshell
      tenge bench all --tokens 1000000 --tokens 10000 --tokens 10000000 --seconds 0.25 --write
      tenge bench all --engine postgresql://tenge@localhost:5432/tenge?schema=bench --tokens 100000
    """
    from wallets.benches import page, run

    bench = run.Bench(_plan(**chosen), show, peer or "")
    stopped = False
    try:
        bench.run()
    except KeyboardInterrupt:
        stopped = True
        bench.close()
    end_of_progress()
    found = bench.found
    if plot is not None:
        plot.write_text(page.picture(found), encoding="utf-8")
    if write and not stopped:
        click.echo(f"Written: {page.write(found)}", err=True)
    if as_json:
        print_json(found)
    else:
        for line in page.words(found):
            click.echo(line)
    if stopped:
        click.echo("Stopped: this is what was measured so far.", err=True)
        return INTERRUPTED
    return FAILED if found["errors"] else OK


def _plan(
    quick: bool, repeats: int, server: str, seconds: float | None = None, **lists: tuple[Any, ...]
) -> Any:
    """The plan that the options describe; what was not said is the plan's own."""
    from dataclasses import replace

    from wallets.benches.plan import Plan
    from wallets.benches.plan import quick as short

    said: dict[str, Any] = {name: values for name, values in lists.items() if values}
    if seconds is not None:
        said["seconds"] = seconds
    plan = replace(Plan(repeats=repeats, server=server), **said)
    return replace(short(plan), **said) if quick else plan
