"""`tenge offline reconcile`, `tenge offline traffic` and `tenge bench offline`: many batches at once, and how fast.

Heavy modules are loaded by the command that needs them.
"""

import sys
from pathlib import Path

import click

from wallets.cli_answers import FAILED, INTERRUPTED, OK, print_json, program, refusals


def show(text: str) -> None:
    """Progress, on standard error and only to a terminal."""
    if sys.stderr.isatty():
        click.echo(f"\r{text}\033[K", nl=False, err=True)


def end_of_progress() -> None:
    """Leave the line of progress."""
    if sys.stderr.isatty():
        click.echo(err=True)


@click.command("reconcile")
@click.argument("targets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    help="The file of authority: ROOT and its certificates. By default authority.dta beside the batches.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="The run's folder. By default FOLDER/reconciled."
)
@click.option(
    "--registry",
    type=click.Path(path_type=Path, exists=True),
    help="A file of batches with all issued notes; without it every note an issuer signed counts as issued.",
)
@click.option(
    "--workers", type=click.IntRange(0, 256), help="Worker processes. By default one for each core."
)
@click.option("--resume", is_flag=True, help="Go on where a run was stopped, or take in what has come since.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def reconcile(
    targets: tuple[Path, ...],
    root: Path | None,
    out: Path | None,
    registry: Path | None,
    workers: int | None,
    resume: bool,
    as_json: bool,
) -> int:
    """Reconcile files of batches (*.dtb, or folders of them): verify, derive, and find who spent twice.

    Memory stays bounded however long the files are. Ctrl-C or a kill loses nothing: --resume goes on behind what was
    written. batches.jsonl in the run's folder tells what each batch brought, report.json the facts. The digest is the
    same for the same evidence, in whatever order and cut it comes.

    \b
    Examples:
      tenge offline reconcile build/traffic                 # `tenge offline traffic build/traffic` makes some
      tenge offline reconcile build/traffic --resume --json
    """
    from offline.bulk.work import all_cores
    from wallets import reconcile_report as report

    authority = report.read_authority(root or report.find_authority(targets))
    folder = out or (targets[0] if targets[0].is_dir() else targets[0].parent) / "reconciled"
    listed = None if registry is None else report.read_registry(registry, authority)
    count = all_cores() if workers is None else workers
    try:
        found = report.reconcile(targets, folder, authority, count, resume, listed, show)
    except KeyboardInterrupt:
        end_of_progress()
        again = " ".join([program(), "offline", "reconcile", *(target.as_posix() for target in targets)])
        click.echo(
            f"Stopped. Nothing is lost; to go on: {again} --out {folder.as_posix()} --resume", err=True
        )
        return INTERRUPTED
    end_of_progress()
    if as_json:
        print_json(found)
    else:
        for line in report.words(found):
            click.echo(line)
    return OK


@click.command("traffic")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--transfers", default=20_000, show_default=True, help="About how many transfers.")
@click.option(
    "--cheats", default=100, show_default=True, type=click.IntRange(0, 1_000_000), help="Cheats in a million."
)
@click.option(
    "--seed", default=7, show_default=True, type=click.IntRange(min=0), help="The same, byte for byte."
)
@click.option(
    "--algorithm", type=click.Choice(["ed25519", "es256"]), default="es256", show_default=True,
    help="What devices sign with.",
)  # fmt: skip
@click.option("--parts", default=4, show_default=True, type=click.IntRange(1, 1_000), help="Files to write.")
@click.option(
    "--workers", type=click.IntRange(0, 256), help="Worker processes. By default one for each core."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def traffic(
    folder: Path,
    transfers: int,
    cheats: int,
    seed: int,
    algorithm: str,
    parts: int,
    workers: int | None,
    as_json: bool,
) -> int:
    """Write SIMULATED traffic: really signed batches with a seeded share of cheats, to reconcile and to learn from.

    expected.json says which devices must be found guilty and how much must be lost.

    \b
    Examples:
      tenge offline traffic build/traffic --transfers 20000 --cheats 500
      tenge offline traffic build/big --transfers 1000000 --parts 16
    """
    from offline.bulk.synthetic import ALGORITHMS, Plan
    from offline.bulk.work import all_cores
    from wallets import reconcile_report as report

    plan = Plan(transfers, cheats, seed, ALGORITHMS[algorithm])
    made = report.traffic(folder, plan, parts, all_cores() if workers is None else workers, show)
    end_of_progress()
    found = {
        "batches": made.batches,
        "certificates": made.certificates,
        "cheats": made.cheats,
        "guilty": len(made.guilty),
        "loss_tiyn": made.loss_tiyn,
        "notes": made.notes,
        "transfers": made.transfers,
    }
    if as_json:
        print_json(found)
    else:
        click.echo(
            f"{made.transfers:,} transfers, {made.notes:,} notes and {made.certificates:,} certificates in "
            f"{made.batches:,} batches; {len(made.guilty)} guilty devices, {sum(made.cheats.values())} cheats"
        )
    return OK if made.transfers else FAILED


@click.command("offline")
@click.option(
    "--transfers", default=20_000, show_default=True, help="How many transfers the streamed file has."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def bench_offline(transfers: int, as_json: bool) -> int:
    """What offline payments weigh and cost: checks, elements, evidence, reconciliation, beside bare signatures.

    Exit 1 when something was refused that should not be, or reconciliation found other cheats than were planned.

    \b
    Examples:
      tenge bench offline
      tenge bench offline --transfers 1000000 --json
    """
    from wallets import bench_offline as measure

    found = measure.offline(transfers, show)
    end_of_progress()
    if as_json:
        print_json(found)
    else:
        for line in measure.words(found):
            click.echo(line)
    return FAILED if found["errors"] else OK
