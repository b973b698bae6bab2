"""Proofs, step by step: that an entry is in the log, and that the log of today continues the log of then.

Each step names the two hashes that are joined and what comes out, so that anybody can follow with a pencil, or with
`sha256sum`: SHA-256(0x01 || left || right) for inner nodes, SHA-256(0x00 || entry) for a leaf (RFC 6962). The last
step must give the root that the ledger's key signed. The proofs are checked by `cbdc.ledger.entry` before they are
shown; what is shown is computed here a second time, and both must agree.
"""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

from cbdc.errors import Refused
from cbdc.ledger.entry import check_consistency, check_inclusion
from wallets.site.following import following
from wallets.site.operations import N_, Asked, Download, Json, Operation, Query
from wallets.site.roles.explorer import ROLE, find_line
from wallets.site.roles.watching import line_row


class Step(NamedTuple):
    """Two hashes joined into one; `ours` says which of them came from the step before ("left" or "right")."""

    left: bytes
    right: bytes
    ours: str
    result: bytes

    def plain(self) -> Json:
        """For a page."""
        return {
            "left": self.left.hex(),
            "right": self.right.hex(),
            "ours": self.ours,
            "result": self.result.hex(),
        }


def _join(left: bytes, right: bytes, ours: str) -> Step:
    return Step(left, right, ours, hashlib.sha256(b"\1" + left + right).digest())


def inclusion_steps(leaf: bytes, index: int, size: int, proof: list[bytes]) -> list[Step]:
    """How the leaf at `index` and the proof's hashes make the root of the log of `size` leaves. RFC 9162, 2.1.3.2."""
    steps: list[Step] = []
    place, last, node = index, size - 1, leaf
    for sibling in proof:
        if place % 2 or place == last:
            steps.append(_join(sibling, node, "right"))
            while place % 2 == 0 and place:
                place >>= 1
                last >>= 1
        else:
            steps.append(_join(node, sibling, "left"))
        node = steps[-1].result
        place >>= 1
        last >>= 1
    return steps


def consistency_steps(
    old: int, new: int, old_root: bytes, proof: list[bytes]
) -> tuple[list[Step], list[Step]]:
    """How the same hashes make the old root, and the new one. RFC 9162, 2.1.4.2."""
    if old == new or not proof:
        return [], []
    path = list(proof) if old & (old - 1) else [old_root, *proof]
    place, last = old - 1, new - 1
    while place % 2:
        place >>= 1
        last >>= 1
    olds: list[Step] = []
    news: list[Step] = []
    first = second = path[0]
    for sibling in path[1:]:
        if place % 2 or place == last:
            olds.append(_join(sibling, first, "right"))
            news.append(_join(sibling, second, "right"))
            first, second = olds[-1].result, news[-1].result
            while place % 2 == 0 and place:
                place >>= 1
                last >>= 1
        else:
            news.append(_join(second, sibling, "left"))
            second = news[-1].result
        place >>= 1
        last >>= 1
    return olds, news


def inclusion(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The proof that an entry is in the log of the newest head, step by step."""
    system = asked.world.system
    book = following(system)
    line = find_line(book, arguments["entry"])
    found = system.ledger.inclusion_of(line.index)
    head = found.head.record
    check_inclusion(found.leaf, line.index, head.size, found.proof, head.root)
    steps = inclusion_steps(found.leaf, line.index, head.size, found.proof)
    assert (steps[-1].result if steps else found.leaf) == head.root, "the steps shown make the signed root"
    entry = system.ledger.entry(line.index).encode()
    return {
        "line": line_row(system, book, line),
        "entry_bytes": len(entry),
        "entry_start": entry[:48].hex(),
        "leaf": found.leaf.hex(),
        "steps": [step.plain() for step in steps],
        "proof": [node.hex() for node in found.proof],
        "size": head.size,
        "root": head.root.hex(),
        "time": head.time,
        "signature": found.head.signature.hex(),
        "ledger_kid": system.keys.ledger.public.kid.hex(),
    }


def entry_file(asked: Asked, arguments: Mapping[str, str]) -> Download:
    """An entry's canonical bytes, whose leaf anybody can hash."""
    line = find_line(following(asked.world.system), arguments["entry"])
    return Download(f"entry-{line.index}.bin", asked.world.system.ledger.entry(line.index).encode())


def consistency(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The proof that the present log continues the log of `old` entries (by default half as many), step by step."""
    ledger = asked.world.system.ledger
    size = ledger.size
    text = arguments.get("old", "")
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Refused("E_ENTRY_UNKNOWN", index=text[:20], size=size)
    old = int(text) if text else max(1, size // 2)
    proof = ledger.consistency(old)
    old_root, new_root = ledger.root_at(old), ledger.head().record.root
    check_consistency(old, old_root, size, new_root, proof)
    olds, news = consistency_steps(old, size, old_root, proof)
    assert not olds or olds[-1].result == old_root, "the steps shown make the old root"
    assert not news or news[-1].result == new_root, "the steps shown make the new root"
    return {
        "old": old,
        "size": size,
        "old_root": old_root.hex(),
        "new_root": new_root.hex(),
        "proof": [node.hex() for node in proof],
        "old_steps": [step.plain() for step in olds],
        "new_steps": [step.plain() for step in news],
    }


OPERATIONS: tuple[Operation, ...] = ()
QUERIES = (
    Query(ROLE, "proof", N_("Inclusion proof"), inclusion, takes="entry", in_menu=False),
    Query(ROLE, "entry-file", N_("Entry as a file"), entry_file, takes="entry", in_menu=False),
    Query(ROLE, "consistency", N_("Consistency proof"), consistency),
)
