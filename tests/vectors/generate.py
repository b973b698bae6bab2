"""Make the vector files, or check that they are just what this makes: `python -m tests.vectors.generate [--check]`.

Everything follows from fixed keys (`tests.offline.world.fixed_key`) and deterministic signatures, so the files are the
same on every machine, byte for byte.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from cbdc.keys import ED25519, ES256
from tests.vectors import (
    make_certificates,
    make_channel,
    make_commit,
    make_corners,
    make_corners_evidence,
    make_edges,
    make_encoding,
    make_evidence,
    make_evidence_logs,
    make_evidence_statements,
    make_frames,
    make_keys,
    make_messages,
    make_objects,
    make_payment,
    make_sizes,
    make_sync,
    make_transfers,
)
from tests.vectors.case import FOLDER, text_of

MAKERS: dict[str, Callable[[], dict[str, Any]]] = {
    "encoding": make_encoding.make,
    "keys": make_keys.make,
    "objects": make_objects.make,
    "certificates": make_certificates.make,
    "transfers-ed25519": partial(make_transfers.make, ED25519),
    "transfers-es256": partial(make_transfers.make, ES256),
    "payment": make_payment.make,
    "commit": make_commit.make,
    "edges": make_edges.make,
    "corners": make_corners.make,
    "corners_evidence": make_corners_evidence.make,
    "messages": make_messages.make,
    "frames": make_frames.make,
    "sync": make_sync.make,
    "evidence": make_evidence.make,
    "evidence_statements": make_evidence_statements.make,
    "evidence_limits": make_evidence_logs.make_limits,
    "evidence_notes": make_evidence_logs.make_notes,
    "sizes": make_sizes.make,
    "channel": make_channel.make,
}


def stale(name: str) -> bool:
    """Whether the file `name` is missing or other than it should be."""
    path = FOLDER / f"{name}.json"
    return not path.exists() or path.read_bytes() != text_of(MAKERS[name]()).encode()


def main(arguments: list[str]) -> int:
    """Write all files; with `--check` only tell which are not as they should be (then 1)."""
    if arguments == ["--check"]:
        wrong = [name for name in MAKERS if stale(name)]
        for name in wrong:
            print(f"{name}.json is stale; run `python -m tests.vectors.generate`")
        return 1 if wrong else 0
    for name, make in MAKERS.items():
        (FOLDER / f"{name}.json").write_bytes(text_of(make()).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
