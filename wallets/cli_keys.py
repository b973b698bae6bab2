"""The commands `tenge keys ...`: which of its certified keys a ledger signs with."""

from pathlib import Path

import click

from wallets.cli_answers import OK, print_json, refusals


@click.group()
def keys() -> None:
    """The keys of a kept sandbox."""


@keys.command("rotate")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--to", "number", type=click.IntRange(1, 9), required=True, help="The number of the ledger's next key."
)
@click.option("--store", default="", help="URL of the ledger's store [the file in the folder].")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def rotate(folder: Path, number: int, store: str, as_json: bool) -> int:
    """Let the ledger of the sandbox in FOLDER sign with its next certified key, from its next start on.

    Heads and receipts of the earlier key stay verifiable. A key that was left does not come back.

    \b
    Example:
      tenge keys rotate build/site --to 2
    """
    from cbdc.ledger.engines import open_store
    from cbdc.operations import rotation

    act = max(folder.glob("act-[0-9][0-9][0-9][0-9]"), default=folder)
    opened = open_store(store or f"sqlite:///{act / 'ledger.sqlite'}", read_only=True)
    try:
        done = rotation.rotate(act, opened, number)
    finally:
        opened.close()
    if as_json:
        print_json({"folder": act.as_posix(), **done._asdict()})
    else:
        click.echo(
            f"The ledger in {act.as_posix()} signs with key {done.number} of {done.certified} (before: {done.before})"
            " from its next start on."
        )
    return OK
