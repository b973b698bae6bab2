"""The files of a bulk run, in a fixed order, and the objects in them, read again whenever somebody asks.

Files have numbers in the order in which they were first met, and are known by their names, so a folder may be moved as
a whole. A file may have grown since it was read, never shrunk or changed: it is only ever appended to.
"""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cbdc.errors import Malformed, Refused
from cbdc.keys import SIGNATURE_BYTES
from cbdc.record import Record, Signed, object_id
from offline.bulk.form import SUFFIX, open_header
from offline.intake import kept_kind

_BETWEEN = 2
_MARK_BYTES = 65_536


def find_files(targets: Iterable[Path]) -> list[Path]:
    """The files of batches that `targets` name (a folder names all of its own, by name); E_BATCH_FILE for none."""
    found: list[Path] = []
    for target in targets:
        inside = sorted(target.glob(f"*{SUFFIX}")) if target.is_dir() else [target]
        found += [path for path in inside if path not in found]
    if not found:
        raise Malformed("E_BATCH_FILE", file="(none)", offset=0, problem=f"no file ends in {SUFFIX}")
    return found


class Files:
    """Open files by number. `add` opens one, `fetch` reads an object again."""

    def __init__(self, network: bytes) -> None:
        self._network = network
        self.paths: list[Path] = []
        self.names: list[str] = []
        self._open: list[int] = []

    def add(self, path: Path) -> int:
        """The number of a file; E_BATCH_FILE when it is no file of batches, or one of another network."""
        if path.name in self.names:
            number = self.names.index(path.name)
            if self.paths[number] != path:
                raise Refused("E_BATCH_NAME", file=path.name)
            return number
        try:
            with path.open("rb") as file:
                network = open_header(file, path.name)
            handle = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise Malformed("E_BATCH_FILE", file=path.name, offset=0, problem=str(error.strerror)) from None
        if network != self._network:
            os.close(handle)
            raise Malformed("E_BATCH_FILE", file=path.name, offset=0, problem="it belongs to another network")
        self.paths.append(path)
        self.names.append(path.name)
        self._open.append(handle)
        return len(self.names) - 1

    def mark(self, number: int) -> tuple[int, bytes]:
        """The file's beginning, which never changes: how many bytes of it, and their hash."""
        data = os.pread(self._open[number], _MARK_BYTES, 0)
        return len(data), hashlib.sha256(data).digest()

    def fits(self, number: int, length: int, digest: bytes) -> bool:
        """Whether the file begins as it did when it was marked."""
        return hashlib.sha256(os.pread(self._open[number], length, 0)).digest() == digest

    def fetch(self, kind: int, file: int, offset: int, length: int) -> Signed[Any]:
        """The object whose body stands there."""
        data = self._read(file, offset, length + _BETWEEN + SIGNATURE_BYTES)
        cls: type[Record] = kept_kind(kind)
        body, signature = data[:length], data[length + _BETWEEN :]
        oid = object_id(cls.DOMAIN, cls.TYPE, self._network, body)
        return Signed(cls.from_body(body), body, signature, oid)

    def signature(self, file: int, offset: int, length: int) -> bytes:
        """The signature behind the body that stands there."""
        return self._read(file, offset + length + _BETWEEN, SIGNATURE_BYTES)

    def _read(self, file: int, offset: int, size: int) -> bytes:
        data = os.pread(self._open[file], size, offset)
        if len(data) != size:
            raise Malformed("E_BATCH_FILE", file=self.names[file], offset=offset, problem="it has shrunk")
        return data

    def close(self) -> None:
        """Release the files."""
        for handle in self._open:
            os.close(handle)
        self._open.clear()
