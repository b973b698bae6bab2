"""`tenge backup` and `tenge restore`: a folder's stores at one moment in one file, and a folder out of that file."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cbdc.errors import Malformed
from wallets.cli_answers import OK, print_json, refusals

_NUMBER = re.compile(r"\d{1,15}", re.ASCII)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--to", "file", type=click.Path(path_type=Path), required=True, help="The new file of the backup."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def backup(folder: Path, file: Path, as_json: bool) -> int:
    """Back up the folder of a sandbox at one moment, also while a server works on it.

    \b
    Example:
      tenge backup build/site --to build/site-monday.tenge
    """
    from cbdc.operations.backup import make_backup
    from cbdc.ports import SystemClock

    made = make_backup(folder, file, SystemClock().now())
    found = {"file": file.as_posix(), **made._asdict()}
    if as_json:
        print_json(found)
    else:
        click.echo(f"{made.files} files in {file.as_posix()} ({made.size_bytes} bytes)")
        for name, entries in made.ledgers.items():
            click.echo(f"  {name}: {entries} entries")
    return OK


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), required=True, help="The new folder to restore to."
)
@click.option(
    "--until",
    default="",
    help="A number of entries, or a moment such as 2026-01-31T12:00:00Z: the ledger alone, as it stood then.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def restore(file: Path, folder: Path, until: str, as_json: bool) -> int:
    """Make a folder from a backup, after its files were checked and its ledgers audited.

    With --until there is the ledger alone, cut back to the last signed head of then, for looking and proving and not
    for going on: books and offline stores have no such history.

    \b
    Examples:
      tenge restore build/site-monday.tenge --to build/again
      tenge restore build/site-monday.tenge --to build/then --until 120
    """
    from cbdc.operations import backup as backups

    if until:
        found = _restore_until(file, folder, until)
    else:
        held = backups.restore(file, folder)
        found = {"folder": folder.as_posix(), "files": held.files, "ledgers": dict(held.ledgers)}
    if as_json:
        print_json(found)
    else:
        click.echo(f"Restored to {folder.as_posix()}; the audit of its ledger found nothing wrong.")
        if until:
            click.echo(f"The ledger alone, {found['entries']} entries; see {_NOTE}. It is not for going on.")
    return OK


_NOTE = "restored.json"
_ABOUT = (
    "The ledger of a backup, cut back to an earlier signed head. Later receipts stand outside it; a journal that goes"
    " on from here is a fork that later heads prove. Books, register, wallets and offline stores have no such history"
    " and are not here."
)


def _within(until: str) -> Any:
    from cbdc.operations.point_in_time import until_entries, until_time

    if _NUMBER.fullmatch(until):
        return until_entries(int(until))
    try:
        moment = datetime.fromisoformat(until)
    except ValueError:
        raise Malformed("E_RESTORE_MOMENT", text=until[:40]) from None
    known = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    return until_time(int(known.timestamp()))


def _restore_until(file: Path, folder: Path, until: str) -> dict[str, Any]:
    from cbdc.ledger.sqlite import SqliteStore
    from cbdc.operations import backup as backups
    from cbdc.operations.point_in_time import cut_back

    within = _within(until)
    with backups.unpacked(file, folder) as part:
        name = max(path.relative_to(part).as_posix() for path in part.rglob(backups.LEDGER_FILE))
        inner = part / "then"
        inner.mkdir(mode=0o700)
        source = SqliteStore(part / name, read_only=True)
        target = SqliteStore(inner / backups.LEDGER_FILE)
        try:
            head = cut_back(source, within, target)
        finally:
            source.close()
            target.close()
        found: dict[str, Any] = {
            "about": _ABOUT,
            "folder": folder.as_posix(),
            "ledger": name,
            "entries": head.record.size,
            "time": head.record.time,
            "root": head.record.root.hex(),
        }
        (inner / _NOTE).write_text(json.dumps(found, sort_keys=True, indent=1) + "\n", encoding="utf-8")
        backups.appear(inner, folder)
    return found
