"""Offline money as it came to reconciliation: each note as a graph of transfers, forks marked, with the evidence.

What devices pay each other offline is in no journal. Offline settlement is handed the signed transfers when somebody
syncs, and derives the facts from the set of them. In a real system only the National Bank holds these; this explorer
shows them to everybody, because it is there to teach, and the page says so.

A fork is an outpoint that was spent twice: both branches are shown, the device that signed both is named by its key,
and the evidence file can be downloaded and verified with ROOT alone (`tenge evidence verify`).
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from cbdc.errors import Refused
from cbdc.money import format_tenge
from cbdc.record import Signed
from offline.evidence import verify_evidence
from offline.graph import Tree
from offline.records import REDEEM, Transfer
from wallets.case import TYPE_NAMES
from wallets.site.graph_chart import Edge, Node, drawing
from wallets.site.operations import N_, Asked, Download, Json, Operation, Query
from wallets.site.roles.explorer import ROLE, whole_id
from wallets.site.roles.watching import page_of, paged

MOST_TRANSFERS = 120


def notes(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Every note that settlement knows, newest first, with its sums; and the proofs of guilt."""
    facts = asked.world.sandbox.field.reconciler.facts()
    trees = sorted(facts.trees.values(), key=lambda tree: (-tree.note.record.issued, tree.note.oid))
    page, pages, first = page_of(arguments, len(trees))
    rows = [_row(tree) for tree in trees[first : first + 25]]
    return {
        **paged(rows, page, pages),
        "float_tiyn": facts.float_tiyn,
        "loss_tiyn": facts.loss_tiyn,
        "notes": len(trees),
        "transfers": sum(len(tree.admitted) for tree in trees),
        "waiting": len(facts.pending),
        "forks": sum(1 for tree in trees if tree.conflicts),
        "evidence": evidence_rows(asked),
    }


def _row(tree: Tree) -> Json:
    record = tree.note.record
    return {
        "id": tree.note.oid.hex(),
        "amount_tiyn": record.amount_tiyn,
        "owner": record.owner.hex(),
        "issued": record.issued,
        "spend_by": record.spend_by,
        "closes": tree.closes,
        "transfers": len(tree.admitted),
        "forks": len(tree.conflicts),
        "float_tiyn": tree.float_tiyn,
        "redeemed_tiyn": tree.redeemed_tiyn,
        "loss_tiyn": tree.loss_tiyn,
    }


def evidence_rows(asked: Asked) -> list[Json]:
    """Each proof of guilt: its kind, the key that it names, the amount, the file and its hash. No names of people."""
    sandbox = asked.world.sandbox
    root = sandbox.system.authority.root
    found = []
    for name, data in sandbox.field.evidence_files():
        verdict = verify_evidence(data, root)
        found.append(
            {
                "file": name,
                "type": TYPE_NAMES[verdict.type],
                "kid": verdict.kid.hex(),
                "amount_tiyn": verdict.amount_tiyn,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )
    return found


def note(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """One note: its transfers as a graph and as a list, and what is wrong with them; E_EXPLORER_UNKNOWN."""
    sandbox = asked.world.sandbox
    tree = sandbox.field.reconciler.facts().trees.get(whole_id(arguments["note"]))
    if tree is None:
        raise Refused("E_EXPLORER_UNKNOWN", text=arguments["note"][:80])
    shown = {
        signed.oid: signed
        for signed in sandbox.field.transfers()
        if signed.oid in tree.admitted or signed.oid in tree.refused
    }
    cut = len(shown) > MOST_TRANSFERS
    kept = dict(list(shown.items())[:MOST_TRANSFERS])
    forked = {oid for conflict in tree.conflicts for oid in conflict.transfers}
    guilty = sorted({conflict.owner.hex() for conflict in tree.conflicts})
    return {
        **_row(tree),
        "serial": tree.note.record.serial.hex(),
        "purpose": tree.note.record.purpose,
        "graph": _graph(tree, kept, forked),
        "cut": cut,
        "steps": [_step(tree, signed, forked) for signed in kept.values()],
        "conflicts": [
            {
                "amount_tiyn": conflict.amount_tiyn,
                "owner": conflict.owner.hex(),
                "transfers": [oid.hex() for oid in conflict.transfers],
                "claimed": conflict.claimed,
                "extra": conflict.extra,
            }
            for conflict in tree.conflicts
        ],
        "evidence": [row for row in evidence_rows(asked) if row["kid"] in guilty],
    }


def _step(tree: Tree, signed: Signed[Transfer], forked: set[bytes]) -> Json:
    record = signed.record
    return {
        "id": signed.oid.hex(),
        "previous": record.previous.hex(),
        "redeem": record.kind == REDEEM,
        "payer": record.payer.hex(),
        "payee": record.outputs[0].owner.hex(),
        "amount_tiyn": record.outputs[0].amount_tiyn,
        "change_tiyn": sum(output.amount_tiyn for output in record.outputs[1:]),
        "counter": record.counter,
        "hop": record.hop,
        "time": record.time,
        "reference": record.reference.hex(),
        "fork": signed.oid in forked,
        "late": signed.oid in tree.late,
        "refused": tree.refused.get(signed.oid, ""),
    }


def _graph(tree: Tree, transfers: Mapping[bytes, Signed[Transfer]], forked: set[bytes]) -> Json:
    """The note first, then every transfer after the one that it spends; what nobody spent yet ends the lines."""
    first = tree.note.record
    nodes = {"note": Node(format_tenge(first.amount_tiyn), "", first.owner.hex()[:12], "", "note", True)}
    edges: list[Edge] = []
    for oid, signed in transfers.items():
        record: Any = signed.record
        kind = "fork" if oid in forked else "redeem" if record.kind == REDEEM else "transfer"
        kind += " bad" if oid in tree.refused or oid in tree.late else ""
        text = f"{record.payer.hex()[:8]} → {record.outputs[0].owner.hex()[:8]}"
        nodes[oid.hex()] = Node(format_tenge(record.outputs[0].amount_tiyn), "", text, "", kind)
    for oid, signed in transfers.items():
        start = "note" if signed.record.previous == tree.note.oid else signed.record.previous.hex()
        if start in nodes:
            edges.append(Edge(start, oid.hex(), "fork" if oid in forked else "flow"))
    return drawing(nodes, edges)


def evidence(asked: Asked, arguments: Mapping[str, str]) -> Download:
    """A proof of guilt, or "root.dto" to check it by; E_EXPLORER_UNKNOWN."""
    sandbox = asked.world.sandbox
    wanted = arguments["file"]
    if wanted == "root.dto":
        return Download(wanted, sandbox.system.authority.root.encode())
    for name, data in sandbox.field.evidence_files():
        if name == wanted:
            return Download(name, data)
    raise Refused("E_EXPLORER_UNKNOWN", text=wanted[:80])


OPERATIONS: tuple[Operation, ...] = ()
QUERIES = (
    Query(ROLE, "offline", N_("Offline money"), notes),
    Query(ROLE, "note", N_("Offline note"), note, takes="note", in_menu=False),
    Query(ROLE, "evidence", N_("Evidence"), evidence, takes="file", in_menu=False),
)
