"""Moving old segments of a journal to an archive, with their proofs kept.

The first segment stays: entry 0 is in it, without which no ledger opens. Another one may go once two snapshots cover
it: the newest one, and the older one that stands in for it. It is copied to the archive under another name, synced,
renamed, read again there frame by frame and compared, and only then removed here. A kill
leaves it in one place or in both, and the next call goes on.

What stays beside the ledger: the leaf hash of every entry, so every inclusion and consistency proof is answered as
before; the id and place of every transaction, so that none is ever booked twice; and where each commit stands. What is
asked of an archived entry itself, its receipt too, is read from the archive if the store was opened with it, and is
refused with E_JOURNAL_ARCHIVED if not. An audit reads both: the archive is a folder like the ledger's own.
"""

from collections.abc import Callable

from cbdc.errors import Refused, Unavailable
from cbdc.ledger.disk import Disk
from cbdc.ledger.journal_frames import Scan, check_tail, read_header, segment_name, segment_numbers
from cbdc.ledger.journal_log import unavailable
from cbdc.ledger.journal_snapshot import snapshots

FIRST = 1
_FRESH = "new-"
LOCK = "archive.lock"
_COPY_BYTES = 1 << 20


def archivable(disk: Disk) -> list[int]:
    """The segments that may be moved now, ascending; none before two snapshots stand, and never the first."""
    kept = list(snapshots(disk))
    closed = [number for number in segment_numbers(disk) if number > FIRST]
    return [number for number in closed if len(kept) > 1 and number < kept[1].segment]


def archive_segments(
    disk: Disk, archive: Disk, told: Callable[[int, int], None] = lambda done, total: None
) -> list[int]:
    """Move every segment that may go; the numbers of those that went, ascending.

    `told` hears after each how many are moved, and of how many.
    Raises E_JOURNAL_DAMAGED for one that is not whole, which then stays, E_ARCHIVE_TARGET when the archive has another
    file of its name, and E_STORE_UNAVAILABLE when a disk fails or another program moves segments into this archive.
    """
    moved: list[int] = []
    leave = _alone(archive)
    try:
        going = archivable(disk)
        for number in going:
            _copy(disk, archive, number)
            disk.delete(segment_name(number))
            disk.sync_folder()
            moved.append(number)
            told(len(moved), len(going))
    except OSError as error:
        raise unavailable(error) from None
    finally:
        leave()
    return moved


def _alone(archive: Disk) -> Callable[[], None]:
    """Keep others from writing to this archive; what is returned lets them in."""
    try:
        return archive.lock(LOCK)
    except BlockingIOError:
        raise Unavailable("E_STORE_UNAVAILABLE", detail="another program writes to this archive") from None
    except OSError as error:
        raise unavailable(error) from None


def _copy(disk: Disk, archive: Disk, number: int) -> None:
    name = segment_name(number)
    _check_whole(disk, number)
    if name not in archive.names():
        file = archive.create(_FRESH + name)
        for start in range(0, disk.size(name), _COPY_BYTES):
            file.append(disk.read(name, start, _COPY_BYTES))
        file.sync()
        file.close()
        archive.rename(_FRESH + name, name)
        archive.sync_folder()
    _check_whole(archive, number)
    if not _same(disk, archive, name):
        # Whole, and of the same length, it may be another ledger's, or of a fork of this one.
        problem = "the archive has another file of that name, as of another ledger"
        raise Refused("E_ARCHIVE_TARGET", ledger=name, problem=problem)


def _same(disk: Disk, archive: Disk, name: str) -> bool:
    size = disk.size(name)
    return archive.size(name) == size and all(
        disk.read(name, start, _COPY_BYTES) == archive.read(name, start, _COPY_BYTES)
        for start in range(0, size, _COPY_BYTES)
    )


def _check_whole(disk: Disk, number: int) -> None:
    """Return if a closed segment is whole, read from its first frame to its end; E_JOURNAL_DAMAGED otherwise."""
    first = read_header(disk, number)
    if first is None:
        raise Refused("E_JOURNAL_DAMAGED", segment=number, position=0)
    scan = Scan(disk, number, first)
    for _ in scan.frames():
        pass
    check_tail(disk, scan, last=False)
