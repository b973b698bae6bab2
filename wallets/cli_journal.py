"""The commands `tenge journal ...`: a ledger's journal in a file, for auditors that are not this program."""

from pathlib import Path

import click

from wallets.cli_answers import OK, refusals


@click.group()
def journal() -> None:
    """The ledger's journal: write it into a file that any program can audit."""


@journal.command("export")
@click.argument("target")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--state", is_flag=True, help="Also what the ledger derived: rows of state and the owner index."
)
@refusals
def journal_export(target: str, file: Path, state: bool) -> int:
    """Write the journal of TARGET (a run's folder, a store URL) into FILE, one JSON object a line.

    The form stands in docs/protocol/ledger/7-audit.md. Nothing is judged: that is what an audit is for.

    \b
    Examples:
      tenge journal export build/school-meals-7 build/journal.jsonl
      tenge audit build/journal.jsonl
    """
    from wallets import auditing

    click.echo(f"{auditing.export_target(target, file, state)} lines in {file}")
    return OK
