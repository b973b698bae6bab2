"""The command `tenge archive`: the old part of a journal goes to another folder, and every proof stays."""

from pathlib import Path
from typing import Any

import click

from cbdc.errors import Refused
from wallets.cli_answers import OK, print_json, program, refusals

JOURNAL = "journal:///"


@click.command()
@click.argument("ledger")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), required=True, help="The folder of the archive."
)
@click.option(
    "--snapshot", is_flag=True, help="First make a snapshot, so that more may go; no server may be writing."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@refusals
def archive(ledger: str, folder: Path, snapshot: bool, as_json: bool) -> int:
    """Move the old segments of the journal LEDGER (journal:///FOLDER, or its folder) to an archive.

    A server may go on writing. What two snapshots cover may go, and the first segment never. Each copy is read again in
    the archive before the segment is removed; a kill loses nothing, and the same command goes on. Leaf hashes and ids
    stay, so every proof is answered as before. To read archived entries, or to audit, name the archive:
    journal:///FOLDER?archive=ARCHIVE.

    \b
    Examples:
      tenge archive journal:///build/ledger --to /mnt/archive/ledger
      tenge audit "journal:///build/ledger?archive=/mnt/archive/ledger"
    """
    from cbdc.ledger.disk import RealDisk
    from cbdc.ledger.journal_archive import archive_segments
    from cbdc.ledger.journal_frames import segment_name, segment_numbers

    path = journal_folder(ledger)
    if folder.exists() and folder.resolve() == path.resolve():
        raise Refused(
            "E_ARCHIVE_TARGET", ledger=ledger[:200], problem="the archive is the journal's own folder"
        )
    if snapshot:
        _snapshot(path, folder)
    disk, target = RealDisk(path), RealDisk(folder, create=True)

    def told(done: int, total: int) -> None:
        if not as_json:
            click.echo(f"{done} of {total} segments are in the archive", err=True)

    moved = archive_segments(disk, target, told)
    found: dict[str, Any] = {
        "moved": moved,
        "moved_bytes": sum(target.size(segment_name(number)) for number in moved),
        "left": segment_numbers(disk),
        "archived": segment_numbers(target),
        "store": f"{JOURNAL}{path.as_posix()}?archive={folder.as_posix()}",
    }
    if as_json:
        print_json(found)
        return OK
    if moved:
        click.echo(f"{len(moved)} segments moved to {folder.as_posix()} ({found['moved_bytes']} bytes).")
    else:
        click.echo(
            "Nothing to move: a segment may go once two snapshots cover it. A server makes them as it goes on; with"
            " --snapshot this command makes one."
        )
    click.echo(f'With its archive: {program()} audit "{found["store"]}"')
    return OK


def journal_folder(ledger: str) -> Path:
    """The folder of the journal that a URL or a path names; E_ARCHIVE_TARGET when there is none."""
    from cbdc.ledger.disk import RealDisk
    from cbdc.ledger.journal_frames import segment_numbers
    from cbdc.ledger.store import shown_url

    name = ledger.removeprefix(JOURNAL).partition("?")[0]
    problem = "it names no folder of a journal"
    if "://" not in name and name:
        path = Path(name)
        if path.is_dir() and segment_numbers(RealDisk(path)):
            return path
        problem = "there is no journal in that folder" if path.is_dir() else "there is no such folder"
    raise Refused("E_ARCHIVE_TARGET", ledger=shown_url(ledger)[:200], problem=problem)


def _snapshot(path: Path, folder: Path) -> None:
    from cbdc.ledger.journal import JournalStore

    store = JournalStore(path, archive=folder if folder.is_dir() else None)
    try:
        store.make_snapshot()
    finally:
        store.close()
