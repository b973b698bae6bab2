"""One program at a time in a folder: a lock of the operating system, which goes with its process however that ends.

with alone(folder, "serve.lock", "another server keeps its sandbox in this folder"): ...
with alone_at("sqlite:////srv/ledger.sqlite"): ...
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

from cbdc.errors import Unavailable
from cbdc.ledger.disk import RealDisk
from cbdc.ledger.engines import SQLITE_URL

LOCKS = ".lock"
"""How the names of such files end; they hold nothing, and no backup takes them."""


@contextmanager
def alone(folder: Path, name: str, otherwise: str) -> Iterator[None]:
    """The folder, which is there, without another holder of this lock; E_STORE_UNAVAILABLE (`otherwise`)."""
    assert name.endswith(LOCKS)
    try:
        leave = RealDisk(folder).lock(name)
    except BlockingIOError:
        raise Unavailable("E_STORE_UNAVAILABLE", detail=otherwise) from None
    except OSError as error:
        raise Unavailable("E_STORE_UNAVAILABLE", detail=f"{name}: {error.strerror}") from None
    try:
        yield
    finally:
        leave()


def alone_at(url: str) -> AbstractContextManager[None]:
    """The SQLite file behind a store's URL, from whatever folder it is served, without another server of it.

    Such a file has no epoch that shuts an older writer out: of two, each would refuse what it did not see. Other
    engines have, or lock their own folder. Raises E_STORE_UNAVAILABLE.
    """
    named = url.removeprefix(SQLITE_URL)
    file = Path(named).resolve()
    if named in ("", url) or not file.parent.is_dir():
        return nullcontext()  # whoever opens it says what is wrong
    return alone(file.parent, f"{file.name}{LOCKS}", f"another server writes to {file.name}")
