"""What settlement answers to a device's statement of itself, as a pure function.

A SYNC_REQ states a log head, a purse and totals. The answer lets the device's limits start anew only if its log is
complete up to that head; otherwise the old baselines stand until the gap is filled. It cancels the invoices that the
request named, lists the slots that are no money at the centre, and blocks a device with a proof against it or a
revocation. The answer to one request is given once and repeated.

Source: DTO/1, sections 5.8, 5.9 and 5.19 (4, 10).
"""

from offline.graph import Tree
from offline.live import LiveGraph
from offline.records import Note, Outpoint, SyncAck, SyncRequest
from offline.settle import UNDELIVERED, Claim, judge, subject_of

CARRY_ON = 0
BLOCK = 1


def answer(
    oid: bytes, request: SyncRequest, last: SyncAck | None, graph: LiveGraph, trust_sequence: int, now: int
) -> SyncAck:
    """The answer to the request with id `oid`; `last` is the device's last answer, `trust_sequence` the newest list's.

    The graph must hold the request and be refreshed.
    """
    kid = request.kid
    complete = graph.statements.completed_at(kid, request.head, request.counter) is not None
    guilty = kid in graph.guilty
    revoked = graph.seen.refused_at(kid, trust_sequence)
    if complete and not guilty:
        base = (request.out_total_tiyn, request.in_total_tiyn, request.out_count, request.in_count)
    elif last is not None:
        base = (last.base_out_tiyn, last.base_in_tiyn, last.base_out_count, last.base_in_count)
    else:
        base = (0, 0, 0, 0)
    newest = max(
        graph.seen.certificates(kid),
        key=lambda signed: (signed.record.certificate_number, signed.oid),
        default=None,
    )
    return SyncAck(
        kid,
        request.sync_number,
        oid,
        *base,
        closed_invoice_number=request.invoice_number,
        # The times of one device's answers rise: each transfer says after which answer it was made (evidence E5).
        time=now if last is None else max(now, last.time + 1),
        min_trust_sequence=trust_sequence,
        action=BLOCK if guilty or revoked else CARRY_ON,
        drop=tuple(
            (previous, position)
            for previous, position, amount_tiyn in request.purse
            if _is_no_money(Outpoint(previous, position), amount_tiyn, kid, graph, now)
        ),
        certificate=b"" if newest is None else newest.oid,
    )


def _is_no_money(outpoint: Outpoint, amount_tiyn: int, kid: bytes, graph: LiveGraph, now: int) -> bool:
    """Whether the centre knows that this slot is not the device's money; what it does not know yet is no reason."""
    root = graph.root_of(outpoint.previous)
    if root is None:
        return _is_phantom(outpoint.previous, graph)
    tree = graph.trees[root]
    if now > tree.closes or outpoint.previous in tree.refused or outpoint.previous in tree.late:
        return True
    if outpoint.previous != root and outpoint.previous not in tree.admitted:
        # It descends from a refused transfer, or its parent still waits for a certificate.
        return _descends_from_refused(outpoint.previous, tree, graph)
    output = tree.outputs.get(outpoint)
    if output is None or output != (amount_tiyn, kid):
        return True
    if outpoint in tree.claims:
        return True
    if outpoint in tree.unspent:
        claim = Claim(subject_of(outpoint), root, UNDELIVERED, outpoint, kid, amount_tiyn)
        return judge(claim, tree, graph.seen, closed=False).denied
    return False


def _is_phantom(oid: bytes, graph: LiveGraph) -> bool:
    """Whether the object descends from a note that an issuer signed and nobody registered."""
    while (step := graph.seen.transfer(oid)) is not None:
        oid = step.record.previous
    found = graph.seen.get(oid)
    return found is not None and isinstance(found.record, Note) and oid not in graph.notes


def _descends_from_refused(oid: bytes, tree: Tree, graph: LiveGraph) -> bool:
    step = graph.seen.transfer(oid)
    while step is not None:
        if step.oid in tree.refused:
            return True
        step = graph.seen.transfer(step.record.previous)
    return False
