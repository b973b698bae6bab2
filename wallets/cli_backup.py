"""`tenge backup` and `tenge restore`: a folder's stores, or a store's journal, at one moment in one file, and back."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from cbdc.errors import Malformed, Refused
from cbdc.ledger.store import Store, shown_url
from wallets.cli_answers import OK, print_json, refusals

_NUMBER = re.compile(r"\d{1,15}", re.ASCII)


@click.command()
@click.argument("target")
@click.option(
    "--to", "file", type=click.Path(path_type=Path), required=True, help="The new file of the backup."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def backup(target: str, file: Path, as_json: bool) -> int:
    """Back up the folder of a sandbox, or the ledger at a store URL, at one moment, also while a server works on it.

    \b
    Examples:
      tenge backup build/site --to build/site-monday.tenge
      tenge backup journal:///build/ledger --to build/ledger-monday.tenge
      tenge backup postgresql://tenge@localhost/tenge --to build/ledger-monday.tenge
    """
    from cbdc.operations.backup import make_backup
    from cbdc.ports import SystemClock

    if "://" in target:
        return _backup_of_a_store(target, file, as_json)
    folder = Path(target)
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
    "--to",
    "target",
    required=True,
    help="The new folder, or the URL of an empty store for a journal's backup.",
)
@click.option(
    "--until",
    default="",
    help="A number of entries, or a moment such as 2026-01-31T12:00:00Z: the ledger alone, as it stood then.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def restore(file: Path, target: str, until: str, as_json: bool) -> int:
    """Make a folder, or the ledger of a store, from a backup, after it was checked and its ledgers audited.

    A backup of a store is replayed into any engine, empty or left by the same restore that was cut off. With --until
    there is the ledger alone, cut back to the last signed head of then, for looking and proving and not for going on:
    books and offline stores have no such history.

    \b
    Examples:
      tenge restore build/site-monday.tenge --to build/again
      tenge restore build/site-monday.tenge --to build/then --until 120
      tenge restore build/ledger-monday.tenge --to sqlite:///build/ledger.sqlite
    """
    from cbdc.operations import backup as backups
    from cbdc.operations.journal_backup import is_journal_backup

    of_a_journal, to_a_store = is_journal_backup(file), "://" in target
    if file.is_file() and of_a_journal != to_a_store:
        kind = "journal" if of_a_journal else "folder"
        raise Refused("E_RESTORE_KIND", kind=kind, target=shown_url(target)[:200])
    if to_a_store:
        return _restore_to_a_store(file, target, until, as_json)
    folder = Path(target)
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


def _backup_of_a_store(url: str, file: Path, as_json: bool) -> int:
    from cbdc.ledger.engines import open_store
    from cbdc.operations.journal_backup import back_up_journal
    from cbdc.ports import SystemClock

    store = open_store(url, read_only=True)
    try:
        made = back_up_journal(store, file, SystemClock().now())
    finally:
        store.close()
    if as_json:
        print_json({"file": file.as_posix(), **made._asdict()})
    else:
        click.echo(f"{made.entries} entries in {file.as_posix()} ({made.size_bytes} bytes)")
    return OK


def _restore_to_a_store(file: Path, url: str, until: str, as_json: bool) -> int:
    from cbdc.ledger.engines import SQLITE_URL, open_store
    from cbdc.operations.journal_backup import restore_journal_to

    within = _within(until) if until else None

    def opened(read_only: bool) -> Store:
        if read_only and url.startswith(SQLITE_URL) and not Path(url.removeprefix(SQLITE_URL)).exists():
            raise Refused("E_LEDGER_EMPTY")  # nothing to read there yet, and nothing to warn of
        return open_store(url, read_only=read_only)

    head = restore_journal_to(file, opened, within)
    if as_json:
        found = {"entries": head.record.size, "time": head.record.time, "root": head.record.root.hex()}
        print_json({"store": shown_url(url), **found})
    else:
        click.echo(f"Restored {head.record.size} entries to {shown_url(url)}; its audit found nothing wrong.")
        if until:
            click.echo("It ends before later receipts: it is for looking and proving, not for going on.")
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
        # The newest act, or the folder's own ledger; the stage for lessons beside it has acts of its own.
        place = max(part.glob("act-[0-9][0-9][0-9][0-9]"), default=part)
        name = (place / backups.LEDGER_FILE).relative_to(part).as_posix()
        if not (part / name).exists():
            raise Refused(
                "E_RESTORE_FOLDER", folder=folder.as_posix(), problem="the backup has no ledger at its top"
            )
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
