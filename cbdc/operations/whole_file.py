"""Packed files that appear whole or not at all and never over something, for backups of both kinds.

    part = new_part(file)                     a folder of our own beside the place
    pack(part / PACKED, manifest, {...})      on the disk when it returns
    appear(part / PACKED, file)               E_BACKUP_EXISTS when somebody was faster

Rules kept here: whatever is there already, a link too, is left alone; what was begun lies in a folder of a name of its
own, which nothing follows; a disk without room for what would be unpacked is told before anything is written to it.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cbdc import private
from cbdc.errors import Refused, Unavailable

MANIFEST = "manifest.json"
PACKED = "backup.zip"
PART = ".part"
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def new_part(place: Path) -> Path:
    """A new folder of our own beside `place`: one that is there already may be anybody's, or a link. `OSError`."""
    return Path(tempfile.mkdtemp(prefix=f"{place.name}.", suffix=PART, dir=place.parent))


def pack(target: Path, manifest: Mapping[str, Any], files: Mapping[str, Path]) -> None:
    """Write a packed file with a manifest and these files by their names in it; on the disk when it returns."""
    with open(target, "wb", opener=private.opener) as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as packed:
            packed.writestr(MANIFEST, json.dumps(manifest, sort_keys=True, indent=1))
            for name, path in files.items():
                packed.write(path, name)
        out.flush()
        os.fsync(out.fileno())


def appear(packed: Path, file: Path) -> None:
    """Let a finished file take its place, on the disk when it returns; E_BACKUP_EXISTS, `OSError`."""
    try:
        os.link(packed, file)
    except FileExistsError:
        raise Refused("E_BACKUP_EXISTS", file=file.as_posix()) from None
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # A disk that knows no links: whoever made a file of that name a moment ago loses it.
        os.replace(packed, file)
    sync_folder(file.parent)


def sync_folder(folder: Path) -> None:
    """fsync of a folder, where a folder can be opened; `OSError`."""
    if hasattr(os, "O_DIRECTORY"):
        place = os.open(folder, os.O_DIRECTORY)
        try:
            os.fsync(place)
        finally:
            os.close(place)


def hash_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    with open(path, "rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def check_room(folder: Path, needed_bytes: int) -> None:
    """Return if so many bytes are free for this folder; E_RESTORE_FOLDER_WRITE."""
    free_bytes = shutil.disk_usage(folder).free
    if needed_bytes > free_bytes:
        problem = f"what would be unpacked has {needed_bytes} bytes, and {free_bytes} are free"
        raise Unavailable("E_RESTORE_FOLDER_WRITE", folder=folder.as_posix(), problem=problem)


def check_no_full_disk(error: OSError, folder: Path) -> None:
    """Return unless an error says that the disk takes no more: that is no fault of the backup.

    Raises E_RESTORE_FOLDER_WRITE.
    """
    if error.errno in _NO_ROOM:
        raise Unavailable(
            "E_RESTORE_FOLDER_WRITE", folder=folder.as_posix(), problem=error.strerror or "no room"
        ) from None
