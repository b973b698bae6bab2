"""What a device hands in at a sync, and what it may forget once settlement has acknowledged it.

Handed in: the lines of everything paid, sent home or held, what lies in the inbox, loose transfers whose line the
host had lost, and the invoices and receipts that show who asked for what. The last batch carries the SYNC_REQ, so an
acknowledgement of it speaks for all of them; batches must be submitted in their order.

Forgotten: only what an acknowledged request covers, and of several hand-ins for it only the first, because nobody knows
which one was answered. A payment leaves when the element has let its transfers go, that
is when settlement has the whole log (5.19.10); what came after the request stays for the next sync.

Source: DTO/1, section 5.9 and 5.19.10.
"""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import Any

from cbdc import canonical
from cbdc.record import Signed
from offline.batch import Batch
from offline.bundle import HeldToken
from offline.element_protocol import ElementStatus, SecureElement
from offline.host_rows import (
    INBOX,
    INCOMING,
    INVOICE,
    LINE,
    LOADED,
    PAYMENT,
    PROOF,
    RECEIPT,
    REDEMPTION,
    REQUEST,
    SEEN,
    SETTLED,
    SUBMITTED,
    Changes,
    Rows,
)
from offline.lines import outpoint_bytes, pack
from offline.records import Outpoint, SyncAck, SyncRequest

# One batch stays well below what settlement reads at once (`offline.batch`).
BATCH_BYTES = 512 * 1_024
BATCH_ITEMS = 1_000

_OBJECT_BYTES = 512
_LET_GO = (INBOX, INVOICE, RECEIPT, PROOF, INCOMING)


def gather(
    rows: Rows, element: SecureElement, request: Signed[SyncRequest], outbox: Iterable[bytes]
) -> list[Batch]:
    """The batches for `request`, the last of which carries it; remembers in the rows what they hold.

    Everything stands in the order of its key, so a host that was restarted hands in the same bytes.

    `outbox` are the references whose transfers the element still keeps.
    """
    lines = list(_lines(rows, request))
    redemptions = [made for key in sorted(rows.of(REDEMPTION)) if (made := rows.redemption(key)) is not None]
    for made in redemptions:
        lines += made.lines
    bundles, loose = pack(lines, rows.certificates)
    objects: list[Signed[Any]] = [element.certificate, *loose]
    for made in redemptions:
        objects += made.loose
        objects += [] if made.order is None else [made.order]
    for reference in outbox:
        if reference not in rows.of(PAYMENT) and reference not in rows.of(REDEMPTION):
            objects += element.resend(reference)
    objects += [invoice for key in sorted(rows.of(INVOICE)) if (invoice := rows.invoice(key)) is not None]
    for kind in (RECEIPT, PROOF):
        objects += [
            receipt for key in sorted(rows.of(kind)) if (receipt := rows.receipt(kind, key)) is not None
        ]
    handed_in = [[kind, sorted(rows.of(kind))] for kind in _LET_GO]
    tips = sorted({line.tip for line in lines})
    if request.oid not in rows.of(SUBMITTED):
        # Only the first hand-in is let go by the answer, which may be the answer to that one: what came since is handed
        # in as well, and again with the next statement.
        rows.commit(
            {(SUBMITTED, request.oid): canonical.encode([handed_in, tips, request.record.invoice_number])}
        )
    packed = [bundle.encode() for bundle in bundles] + [
        _inbox_bundle(value) for _, value in sorted(rows.of(INBOX).items())
    ]
    return list(_batches(packed, objects, request))


def _lines(rows: Rows, request: Signed[SyncRequest]) -> Iterator[HeldToken]:
    for previous, position, _ in request.record.purse:
        line = rows.line(Outpoint(previous, position))
        if line is not None and line.tip not in rows.of(SETTLED):
            yield line
    for key in sorted(rows.of(PAYMENT)):
        made = rows.payment(key)
        if made is not None:
            yield from rows.bundle_lines(made.bundle)
    for _, data in sorted(rows.of(INCOMING).items()):
        yield from rows.bundle_lines(data)


def _inbox_bundle(value: bytes) -> bytes:
    decoded: Any = canonical.decode_array(value)
    data: bytes = decoded[1]
    return data


def _batches(
    bundles: list[bytes], objects: list[Signed[Any]], request: Signed[SyncRequest]
) -> Iterator[Batch]:
    def chunk(sizes: Iterable[int]) -> list[int]:
        numbers, number, used_bytes, used = [], 0, 0, 0
        for size in sizes:
            if used_bytes + size > BATCH_BYTES or used == BATCH_ITEMS:
                number, used_bytes, used = number + 1, 0, 0
            numbers.append(number)
            used_bytes, used = used_bytes + size, used + 1
        return numbers

    items = [*bundles, *objects]
    sizes = [len(item) if isinstance(item, bytes) else _OBJECT_BYTES for item in items]
    groups = [
        [item for _, item in group]
        for _, group in groupby(zip(chunk(sizes), items, strict=True), key=lambda pair: pair[0])
    ]
    for place, group in enumerate(groups, start=1):
        own_bundles = tuple(item for item in group if isinstance(item, bytes))
        own_objects = tuple(item.envelope() for item in group if isinstance(item, Signed))
        carried = request if place == len(groups) else None
        request_bytes = b"" if carried is None else carried.encode()
        content = canonical.encode([own_bundles, own_objects, request_bytes])
        yield Batch(hashlib.sha256(content).digest()[:16], own_bundles, own_objects, carried)


def let_go(rows: Rows, status: ElementStatus, ack: SyncAck) -> None:
    """Forget what `ack` covers: handed-in papers, payments the element has let go, lines of money that is gone."""
    changes: Changes = {}
    kept = rows.of(SUBMITTED).get(ack.request)
    if kept is not None:
        decoded: Any = canonical.decode_array(kept)
        handed_in, tips, closed_number = decoded
        for kind, keys in handed_in:
            _forget(rows, kind, keys, closed_number, changes)
        changes |= {(SETTLED, tip): b"\1" for tip in tips}
    for request in rows.of(SUBMITTED):
        changes[SUBMITTED, request] = None
    for kind in (PAYMENT, REDEMPTION):
        changes |= {(kind, key): None for key in sorted(rows.of(kind)) if key not in status.outbox}
    _prune(rows, status, ack.time, changes)
    rows.commit(changes)


def _forget(rows: Rows, kind: str, keys: list[bytes], closed_number: int, changes: Changes) -> None:
    for key in keys:
        if key not in rows.of(kind):
            continue
        if kind == INVOICE:
            invoice = rows.invoice(key)
            if invoice is not None and invoice.record.invoice_number > closed_number:
                continue
        if kind == INCOMING:
            data = rows.of(INCOMING)[key]
            redeem_by = max(line.note.record.redeem_by for line in rows.bundle_lines(data))
            changes[SEEN, key] = canonical.encode([redeem_by, data])
        changes[kind, key] = None


def _prune(rows: Rows, status: ElementStatus, time: int, changes: Changes) -> None:
    held = {outpoint_bytes(outpoint): outpoint for outpoint in status.purse}
    changes |= {(LINE, key): None for key in rows.of(LINE) if key not in held}
    tips = {outpoint.previous for outpoint in held.values()}
    settled = {*rows.of(SETTLED), *(key for kind, key in changes if kind == SETTLED)}
    changes |= {(SETTLED, tip): None for tip in settled if tip not in tips}
    for kind in (LOADED, SEEN):
        for key, value in rows.of(kind).items():
            decoded: Any = canonical.decode_array(value)
            if decoded[0] < time:
                changes[kind, key] = None
    for key, value in rows.of(REQUEST).items():
        wishes: Any = canonical.decode_array(value)
        if wishes[4] < time:
            changes[REQUEST, key] = None
