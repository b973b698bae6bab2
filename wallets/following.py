"""`tenge audit --remote`: an auditor with a folder of its own that follows a ledger over HTTP.

The folder holds `auditor.sqlite` (what it replayed and the last head it believed, `cbdc.ledger.mirror`) and `evidence`
(what cannot be true, with what was signed). Progress goes to standard error, and only to a terminal.
"""

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cbdc.authority import open_root
from cbdc.http import wire
from cbdc.http.client import SocketTransport
from cbdc.http.follower import Follower, check_evidence
from cbdc.ledger.mirror import Mirror
from cbdc.private import make_folder
from wallets.auditing import MANY, page_of, read_file

Told = Callable[[int, int], None]


def follow(
    url: str,
    folder: Path,
    head: Path | None = None,
    root: Path | None = None,
    receipts: Sequence[Path] = (),
    told: Told | None = None,
) -> dict[str, Any]:
    """One look at the ledger at `url`; what `tenge audit --remote --json` prints.

    Like the result of `audit_target`, with `new_entries` and the files of `evidence` that were written. Raises
    E_PEER_DOWN, E_PEER_ANSWER, E_AUDITOR_FILE or E_FILE.
    """
    trusted = None if root is None else open_root(read_file(root)).encode()
    held = [read_file(path) for path in receipts]
    heads = [] if head is None else [read_file(head)]
    make_folder(folder)
    mirror = Mirror(folder / "auditor.sqlite")
    try:
        transport = SocketTransport(url)
        workers = _workers(transport, mirror.size)
        follower = Follower(
            transport,
            mirror,
            folder / "evidence",
            root=trusted,
            workers=workers,
            told=told,
            wait=lambda: time.sleep(1),
        )
        look = follower.look(held, heads)
    finally:
        mirror.close()
    found = look.audit
    return {
        "ok": found.ok,
        "entries": found.entries,
        "new_entries": found.entries - look.before,
        "issued_tiyn": found.issued_tiyn,
        "redeemed_tiyn": found.redeemed_tiyn,
        "outstanding_tiyn": found.outstanding_tiyn,
        "held_tiyn": found.held_tiyn,
        "log_root": found.log_root.hex(),
        "left_out": [],
        "problems": [{**problem.facts(), "page": page_of(problem.code)} for problem in found.problems],
        "evidence": [str(path) for path in look.evidence],
    }


def _workers(transport: SocketTransport, known: int) -> int:
    """One process for each core if there is much to read, none otherwise; a server may say what it likes."""
    answer = wire.parse_json(transport.request("GET", "/v1/health", {}, b"").body)
    entries = answer.get("entries") if isinstance(answer, dict) else None
    return (os.cpu_count() or 1) if isinstance(entries, int) and entries - known > MANY else 0


def evidence_of(file: Path, root: Path) -> str:
    """What a file of evidence proves under the root that is trusted; E_AUDIT_EVIDENCE when it proves nothing."""
    return check_evidence(read_file(file), open_root(read_file(root)).encode())


def progress(quiet: bool) -> Told | None:
    """Tells on a terminal how many entries were replayed; None where nobody looks."""
    if quiet or not sys.stderr.isatty():
        return None

    def told(entries: int, of: int) -> None:
        share = f" of {of}" if of else ""
        sys.stderr.write(f"\r{entries}{share} entries")
        sys.stderr.flush()

    return told
