"""The command `tenge`.

    tenge demo                     a story of four people: issue, pay, pay offline, clone, prove, settle
    tenge pilot ...                scripted pilots: list, run (`wallets.cli_pilot`)
    tenge lab ...                  experiments with offline systems (`wallets.cli_lab`)
    tenge audit DIR | STORE-URL    believe nothing, add everything up again (`wallets.cli_audit`)
    tenge journal ...              the journal in a file, for other programs that audit (`wallets.cli_journal`)
    tenge explain ID --run DIR     which rule allowed or refused it, with the facts
    tenge offline ...              messages as frames, and batches reconciled (`wallets.cli_offline`, `cli_reconcile`)
    tenge evidence ...             check a proof with nothing but the root (`wallets.cli_evidence`)
    tenge exercise ...             exercises that grade themselves (`wallets.cli_exercise`)
    tenge serve                    the sandbox in the browser, or a role of a ledger (`wallets.cli_serve`)
    tenge backup FOLDER, restore   a folder's stores at one moment, and back (`wallets.cli_backup`)
    tenge bench ...                measure (`wallets.cli_bench` for the ledger)

Exit codes everywhere: 0 all is well, 1 an expectation or a check failed, 2 bad input. A refusal is printed as its
sentence and the next step, never as a traceback. Progress goes to standard error, and only to a terminal; `--json`
prints one JSON value on standard output and nothing else. Heavy modules are loaded by the command that needs them,
so that `tenge --version` answers at once.
"""

from importlib.metadata import version
from pathlib import Path

import click

from cbdc.errors import LANGUAGES
from wallets.cli_answers import FAILED, OK
from wallets.cli_answers import print_json as _print_json
from wallets.cli_answers import program as _program
from wallets.cli_answers import refusals as _refusals
from wallets.cli_archive import archive
from wallets.cli_audit import audit
from wallets.cli_backup import backup, restore
from wallets.cli_bench import bench_all
from wallets.cli_cluster import cluster
from wallets.cli_emulator import bank_emulator
from wallets.cli_evidence import evidence
from wallets.cli_exercise import exercise
from wallets.cli_journal import journal
from wallets.cli_keys import keys
from wallets.cli_lab import lab
from wallets.cli_offline import offline
from wallets.cli_pilot import pilot
from wallets.cli_reconcile import bench_offline, reconcile, traffic
from wallets.cli_serve import front_key, serve, where


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(version("digital-tenge-sandbox"), prog_name="tenge")
def main() -> None:
    """A sandbox of the digital tenge: issue, distribute, pay online and offline, reconcile, prove, redeem.

    Test money; not affiliated with the National Bank of Kazakhstan. Start with: tenge demo
    """


@main.command()
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    help="The same seed tells the same story, byte for byte.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), default=Path("build/demo"), help="Where the report is written."
)
@_refusals
def demo(seed: int, out: Path) -> int:
    """Play a story of four people in a few seconds.

    \b
    Example:
      tenge demo --seed 11
    """
    from wallets import demo as story

    lines, ok = story.tell(seed, out, _program())
    for line in lines:
        click.echo(line)
    return OK if ok else FAILED


main.add_command(pilot)
main.add_command(audit)
main.add_command(lab)
main.add_command(evidence)
main.add_command(journal)
main.add_command(keys)
main.add_command(archive)
main.add_command(exercise)
main.add_command(bank_emulator)
main.add_command(backup)
main.add_command(restore)
main.add_command(offline)
offline.add_command(reconcile)
offline.add_command(traffic)
offline.add_command(cluster)


@main.command()
@click.argument("name", metavar="ID")
@click.option(
    "--run", "folder", type=click.Path(path_type=Path), required=True, help="The folder of the run."
)
@click.option(
    "--language",
    type=click.Choice(LANGUAGES),
    default="en",
    show_default=True,
    help="The language of the words.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_refusals
def explain(name: str, folder: Path, language: str, as_json: bool) -> int:
    """Tell which rule allowed or refused ID, with the facts, and what a mark asks.

    ID is the beginning of the id of a transaction, of a wallet's intent (also a refused one) or of a mark, a mark's
    label, a token as ID:OUTPUT, or the word "refused" for a list of all refused intents.

    \b
    Examples:
      tenge explain refused --run build/railway-7
      tenge explain 3f9c02 --run build/railway-7 --language kk
    """
    from wallets import explaining

    found = explaining.explain_target(name, folder, language)
    if as_json:
        _print_json(found)
    else:
        for line in found["lines"]:
            click.echo(line)
    return OK


main.add_command(serve)
main.add_command(front_key)


@main.command()
@where("the stage")
@_refusals
def stage(host: str, port: int, data: Path | None, store: str) -> int:
    """Open the stage alone: three phones, a bank and the National Bank on one page, with a story of twelve clicks.

    \b
    Example:
      tenge stage --port 8765     then open http://127.0.0.1:8765
    """
    from wallets.web import server

    return server.serve(host, port, data, store, click.echo)


@main.group()
def bench() -> None:
    """Measure the sandbox on this machine."""


bench.add_command(bench_all)
bench.add_command(bench_offline)


@bench.command("ledger")
@click.option("--transfers", default=5_000, show_default=True, help="How many transfers to measure.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_refusals
def bench_ledger(transfers: int, as_json: bool) -> int:
    """Durable transfers per second on SQLite, one by one and in groups, beside the speed of bare signatures.

    \b
    Example:
      tenge bench ledger --json
    """
    from wallets import bench as measure

    found = measure.ledger(transfers)
    if as_json:
        _print_json(found)
    else:
        for line in measure.words(found):
            click.echo(line)
    return OK


@bench.command("site")
@click.option("--wallets", default=200, show_default=True, help="How many wallets listen for news.")
@click.option("--loads", default=400, show_default=True, help="How often each page is loaded.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_refusals
def bench_site(wallets: int, loads: int, as_json: bool) -> int:
    """One server, many listening wallets, payments and pages, beside an empty page; exit 1 when something went wrong.

    \b
    Example:
      tenge bench site --wallets 200
    """
    from wallets import bench_site as measure

    found = measure.site(wallets, loads)
    if as_json:
        _print_json(found)
    else:
        for line in measure.words(found):
            click.echo(line)
    return FAILED if found["errors"] else OK


@bench.command("pilot")
@click.option("--people", default=2_000, show_default=True, help="How many people the pilot has.")
@click.option("--days", default=12, show_default=True, help="How many days, a multiple of three.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_refusals
def bench_pilot(people: int, days: int, as_json: bool) -> int:
    """A whole pilot (scale), beside the bare ledger with the very same transactions; exit 1 when something went wrong.

    \b
    Example:
      tenge bench pilot --people 20000 --days 30
    """
    from wallets import bench_pilot as measure

    found = measure.pilot(people, days)
    if as_json:
        _print_json(found)
    else:
        for line in measure.words(found):
            click.echo(line)
    return FAILED if found["errors"] else OK


if __name__ == "__main__":
    main()


if __name__ == "__main__":
    main()
