"""How tests kill: every process of a family at once, as when the power goes.

One that ends by itself between the look and the blow (a server's worker whose work is done, a child whose parent has
just been killed) is as dead as the others, and no fault of what is tested.
"""

import contextlib
from collections.abc import Iterable

import psutil


def family(pid: int) -> list[psutil.Process]:
    """A process and everything under it. It is stopped first, so that it starts nobody after the look."""
    with contextlib.suppress(psutil.NoSuchProcess):
        head = psutil.Process(pid)
        head.suspend()
        return [head, *head.children(recursive=True)]
    return []


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """SIGKILL to each that still is."""
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
