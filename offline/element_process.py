"""Simulated secure elements in a process of their own, behind standard input and output.

    python -m offline.element_process FOLDER                        elements with a journal each, in this folder
    python -m offline.element_process FOLDER --seed 7               the same keys and nonces on every machine
    python -m offline.element_process FOLDER --open-for-attack WHY  a thief's elements: opened, and marked for ever

Frames come on standard input and go on standard output (`offline.element_frames`); the end of the input ends the
process. Each element's journal is a file of the folder, each record durable before anything signed leaves
(`--not-durable` leaves that to the operating system: a killed process loses nothing, a power cut might).

With `TENGE_CRASH_AT` the process kills itself at that write point, as the crash tests ask. `--open-for-attack` is the
one way to open elements here: it says so on standard error each time, and in each journal it touches for ever. A folder
with such a journal stays what it is when it is served without the flag.

Source: DTO/1, sections 5.7 and 5.19.12.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cbdc.errors import TengeError
from cbdc.keys import ED25519, ES256
from cbdc.ports import Entropy, SeededEntropy, SystemEntropy, checkpoint_from_environment
from offline.element_server import Drawer, ElementServer, OpenedDrawer
from offline.journal import JournalFolder

ALGORITHMS = {"es256": ES256, "ed25519": ED25519}
_READ_BYTES = 65_536


def serve(server: ElementServer, read: Callable[[int], bytes], write: Callable[[bytes], None]) -> None:
    """Answer until `read` gives nothing more. `read(n)` gives at most n bytes, as soon as there are any."""
    while data := read(_READ_BYTES):
        answers = server.take(data)
        if answers:
            write(answers)


def _arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m offline.element_process",
        description="SIMULATED secure elements behind a byte channel",
    )
    parser.add_argument("folder", type=Path, help="where the journals are kept")
    parser.add_argument("--algorithm", choices=sorted(ALGORITHMS), default="es256")
    parser.add_argument(
        "--seed", type=int, help="keys and nonces follow from this number; for tests and pilots only"
    )
    parser.add_argument(
        "--not-durable", action="store_true", help="let the operating system choose when to write"
    )
    parser.add_argument("--deep-checks", action="store_true", help="check the whole state at each step; slow")
    parser.add_argument(
        "--open-for-attack",
        metavar="WHY",
        default="",
        help="open every element for an attack study, for ever",
    )
    return parser.parse_args(arguments)


def _drawer(asked: argparse.Namespace) -> Drawer:
    folder = JournalFolder(asked.folder, not asked.not_durable, checkpoint=checkpoint_from_environment())
    entropy: Entropy = SystemEntropy() if asked.seed is None else SeededEntropy(asked.seed)
    algorithm: int = ALGORITHMS[asked.algorithm]
    if asked.open_for_attack:
        return OpenedDrawer(asked.open_for_attack, folder.journal, entropy, algorithm, asked.deep_checks)
    return Drawer(folder.journal, entropy, algorithm, asked.deep_checks)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the folder's elements until the input ends; 0, or 2 when there is no folder to serve."""
    try:
        server = ElementServer(_drawer(_arguments(arguments)))
    except (OSError, TengeError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    incoming, outgoing = sys.stdin.fileno(), sys.stdout.fileno()

    def write(data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(outgoing, view) :]

    try:
        serve(server, lambda size: os.read(incoming, size), write)
    except (BrokenPipeError, KeyboardInterrupt):
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
