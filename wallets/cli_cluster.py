"""`tenge offline cluster`: reconcile on several workers, of this machine or of many, with the digest of a plain run.

Heavy modules, and the extra they need, are loaded by the command.
"""

import json
from pathlib import Path

import click

from wallets.cli_answers import INTERRUPTED, OK, print_json, program, refusals
from wallets.cli_reconcile import end_of_progress, show


@click.command("cluster")
@click.argument("targets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    help="The file of authority: ROOT and its certificates. By default authority.dta beside the batches.",
)
@click.option("--out", type=click.Path(path_type=Path), help="The run's folder. By default FOLDER/cluster.")
@click.option(
    "--registry",
    type=click.Path(path_type=Path, exists=True),
    help="A file of batches with all issued notes; without it every note an issuer signed counts as issued.",
)
@click.option(
    "--workers",
    type=click.IntRange(0, 256),
    help="Workers on this machine. By default one for each core; 0 for none.",
)
@click.option(
    "--scheduler", default="", help="The address of a Dask scheduler whose workers see the same folders."
)
@click.option(
    "--shares", type=click.IntRange(1, 4_096), default=16, show_default=True, help="Pieces to cut into."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def cluster(
    targets: tuple[Path, ...],
    root: Path | None,
    out: Path | None,
    registry: Path | None,
    workers: int | None,
    scheduler: str,
    shares: int,
    as_json: bool,
) -> int:
    """Reconcile files of batches on several workers, for what outgrows one machine. Needs the extra `cluster`.

    The facts and the digest are those of `tenge offline reconcile`. A worker that dies is replaced and its job done
    again; a run that is stopped goes on when the same command is given again.

    \b
    Examples:
      tenge offline cluster build/traffic                   # `make cluster` installs the extra into .venv
      tenge offline cluster build/traffic --scheduler tcp://10.0.0.1:8786 --shares 256
    """
    from offline.bulk.files import find_files
    from offline.bulk.work import all_cores
    from offline.cluster.run import ClusterRun
    from offline.cluster.run import workers as start_workers
    from wallets import reconcile_report as report

    authority = report.read_authority(root or report.find_authority(targets))
    folder = out or (targets[0] if targets[0].is_dir() else targets[0].parent) / "cluster"
    listed = None if registry is None else report.read_registry(registry, authority)
    run = ClusterRun(folder, authority, find_files(targets), listed, shares=shares)
    count = all_cores() if workers is None else workers
    try:
        with start_workers(count, scheduler, folder) as client:
            found = run.run(client, lambda stage, done, total: show(f"{stage}: {done} of {total} jobs"))
    except KeyboardInterrupt:
        end_of_progress()
        again = " ".join([program(), "offline", "cluster", *(target.as_posix() for target in targets)])
        click.echo(f"Stopped. Nothing is lost; to go on: {again} --out {folder.as_posix()}", err=True)
        return INTERRUPTED
    end_of_progress()
    (folder / report.REPORT).write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    if as_json:
        print_json(found)
        return OK
    click.echo(
        f"{found['files']} files: {found['transfers']:,} transfers, {found['notes']:,} notes, "
        f"{found['certificates']:,} certificates; pending: {found['pending']:,}"
    )
    for line in report.words_of_facts(found):
        click.echo(line)
    return OK
