"""One program at a time in a folder: a lock of the operating system, which goes with its process however that ends.

with alone(folder, "serve.lock", "another server keeps its sandbox in this folder"): ...
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cbdc.errors import Unavailable
from cbdc.ledger.disk import RealDisk

LOCKS = ".lock"
"""How the names of such files end; they hold nothing, and no backup takes them."""


@contextmanager
def alone(folder: Path, name: str, otherwise: str) -> Iterator[None]:
    """The folder, which is there, without another holder of this lock; E_STORE_UNAVAILABLE (`otherwise`), `OSError`."""
    assert name.endswith(LOCKS)
    try:
        leave = RealDisk(folder).lock(name)
    except BlockingIOError:
        raise Unavailable("E_STORE_UNAVAILABLE", detail=otherwise) from None
    try:
        yield
    finally:
        leave()
