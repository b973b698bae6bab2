"""An audit in a process of its own: the journal replayed from entry 0 on a snapshot, with how far it is.

A ledger that lasts is opened read-only, which shows one moment while the ledger goes on writing; a ledger in memory is
copied when the process is started. Nothing of the running world is used, so a wrong world cannot help itself.
"""

from collections.abc import Iterator
from typing import Any, cast

from cbdc.ledger.audit import Audit, audit
from cbdc.ledger.engines import open_store
from cbdc.ledger.entry import LogHead, open_entry, open_genesis
from cbdc.ledger.store import EntryRow, Store
from cbdc.record import open_envelope
from wallets.site.jobs import Tell

CHECKS: dict[str, tuple[str, ...]] = {
    "rules": ("E_AUDIT_REPLAY", "E_AUDIT_ORDER", "E_AUDIT_TIME", "E_LEDGER_EMPTY"),
    "leaves": ("E_AUDIT_LEAF", "E_AUDIT_ID"),
    "heads": ("E_AUDIT_HEAD", "E_AUDIT_UNCOVERED", "E_SIG"),
    "kept": ("E_AUDIT_TAIL", "E_AUDIT_FORK", "E_AUDIT_HEAD_GONE"),
    "state": ("E_AUDIT_STATE", "E_AUDIT_OWNER"),
    "supply": ("E_AUDIT_CONSERVATION",),
}
_TOLD_EVERY = 50


class Watched:
    """A store that tells how far its reader is. It reads; it never writes."""

    def __init__(self, store: Store, tell: Tell) -> None:
        self._store = store
        self._tell = tell
        self._size = store.size()

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[EntryRow]:
        """The entries, told in steps."""
        for row in self._store.entries(start, stop):
            if row.index % _TOLD_EVERY == 0:
                self._tell(row.index, self._size, "replay")
            yield row
        self._tell(self._size, self._size, "replay")

    def state(self) -> Iterator[tuple[bytes, bytes]]:
        """The state."""
        self._tell(self._size, self._size, "state")
        return self._store.state()

    def __getattr__(self, name: str) -> Any:
        """Everything else, as the store has it."""
        return getattr(self._store, name)


def run_audit(source: str | Store, kept_head: bytes, tell: Tell) -> dict[str, Any]:
    """Audit the ledger behind a store's URL, or a copy of one in memory; `kept_head` is a head's envelope, or empty.

    What it finds is the result; it raises only what opening the store raises.
    """
    store = open_store(source, read_only=True) if isinstance(source, str) else source
    try:
        head = None
        if kept_head:
            network = open_genesis(open_entry(next(store.entries(0, 1)).data).payload).network
            head = open_envelope(kept_head, LogHead, network)
        return plain(audit(cast(Store, Watched(store, tell)), head), bool(kept_head))
    finally:
        if isinstance(source, str):
            store.close()


def plain(found: Audit, with_head: bool) -> dict[str, Any]:
    """An audit's result as plain data: figures, problems, and for each check whether it found any."""
    codes = {problem.code for problem in found.problems}
    kept = {problem.code for problem in found.problems if problem.subject == "kept head"}
    named = {code for group in CHECKS.values() for code in group}
    checks = []
    for name, group in CHECKS.items():
        bad = bool((codes - kept if name != "kept" else kept) & set(group))
        if name == "kept":
            bad = bool(kept)
            if not with_head:
                continue
        if name == "rules":
            bad = bad or bool(codes - kept - named)
        checks.append({"name": name, "ok": not bad})
    return {
        "ok": found.ok,
        "entries": found.entries,
        "log_root": found.log_root.hex(),
        "issued_tiyn": found.issued_tiyn,
        "redeemed_tiyn": found.redeemed_tiyn,
        "held_tiyn": dict(found.held_tiyn),
        "outstanding_tiyn": found.outstanding_tiyn,
        "checks": checks,
        "problems": [
            {"subject": one.subject, "code": one.code, "entry": one.entry, "facts": dict(one.details)}
            for one in found.problems[:200]
        ],
        "more_problems": max(0, len(found.problems) - 200),
    }
