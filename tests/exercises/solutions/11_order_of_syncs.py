"""A solution of the exercise on the order of syncs. Students: this is where the fun ends."""

import hashlib
from collections.abc import Mapping, Sequence
from itertools import permutations

from three_roads import Line, Pasture

from cbdc import canonical
from cbdc.errors import TengeError
from cbdc.keys import public_key
from cbdc.record import Signed, open_envelope
from offline.admission import check_follows
from offline.records import Note, Outpoint, Output, Transfer

Batch = tuple[int, list[bytes]]
Row = tuple[tuple[str, ...], int, int, str]


def steps(pasture: Pasture, line: Line) -> list[Signed[Transfer]]:
    """The transfers of a line."""
    return [open_envelope(data, Transfer, pasture.network) for data in line.transfers]


def make_the_shop_lose(pasture: Pasture) -> list[str]:
    """The spared shop first, the victim last, the ring between."""
    return [pasture.spared, *pasture.ring, pasture.victim]


def paid_twice(pasture: Pasture) -> list[tuple[str, int]]:
    """Who passed a line on shows it first; then comes who has it now."""
    for name, lines in pasture.lines.items():
        for place, line in enumerate(lines):
            for other, theirs in pasture.lines.items():
                for there, longer in enumerate(theirs):
                    if goes_on(pasture, line, longer):
                        return [(name, place), (other, there)]
    return []


def goes_on(pasture: Pasture, line: Line, longer: Line) -> bool:
    """Whether the longer line spends the very output that the other is about."""
    length = len(line.transfers)
    if len(longer.transfers) <= length or longer.transfers[:length] != line.transfers:
        return False
    return steps(pasture, longer)[length].record.index == line.position


def measure(pasture: Pasture) -> list[Row]:
    """Each order once."""
    rows = []
    for order in permutations(pasture.claimants):
        refused = pasture.play(order)["refused"]
        losses = refused.get(pasture.victim, 0), refused.get(pasture.spared, 0)
        rows.append((order, *losses, pasture.product(order)["digest"]))
    return rows


def decide(
    notes: Sequence[bytes],
    batches: Sequence[Batch],
    keys: Mapping[bytes, tuple[int, bytes]],
    network: bytes,
    closes_at: int,
) -> dict[str, object]:
    """A set of facts, a least fixpoint over it, and sums."""
    genuine: dict[bytes, Signed[Transfer]] = {}
    arrived: dict[bytes, int] = {}
    for moment, papers in batches:
        for data in papers:
            transfer = opened(data, keys, network)
            if transfer is not None:
                genuine[transfer.oid] = transfer
                arrived[transfer.oid] = min(moment, arrived.get(transfer.oid, moment))
    children: dict[bytes, list[Signed[Transfer]]] = {}
    for oid in sorted(genuine):
        if arrived[oid] <= closes_at:
            children.setdefault(genuine[oid].record.previous, []).append(genuine[oid])
    outputs: dict[Outpoint, Output] = {}
    spends: dict[Outpoint, set[bytes]] = {}
    for data in notes:
        note = opened_note(data, network)
        outputs[Outpoint(note.oid, 0)] = Output(note.record.amount_tiyn, note.record.owner)
        queue: list[Signed[Note] | Signed[Transfer]] = [note]
        for parent in queue:
            for child in children.get(parent.oid, []):
                if follows(child, parent, note):
                    spends.setdefault(child.record.outpoint, set()).add(child.oid)
                    for place, output in enumerate(child.record.outputs):
                        outputs[Outpoint(child.oid, place)] = output
                    queue.append(child)
    credited: dict[bytes, int] = {}
    losses: dict[Outpoint, int] = {}
    guilty: set[bytes] = set()
    for outpoint, output in outputs.items():
        count = len(spends.get(outpoint, ()))
        if count == 0:
            credited[output.owner] = credited.get(output.owner, 0) + output.amount_tiyn
        elif count > 1:
            losses[outpoint] = (count - 1) * output.amount_tiyn
            guilty.add(output.owner)
    return {"credited": credited, "losses": losses, "guilty": sorted(guilty)}


def follows(child: Signed[Transfer], parent: Signed[Note] | Signed[Transfer], note: Signed[Note]) -> bool:
    """Whether a transfer rightly follows."""
    try:
        check_follows(child, parent, note)
    except TengeError:
        return False
    return True


def digest(decision: Mapping[str, object]) -> bytes:
    """Sorted, in one form, hashed."""
    credited = sorted([kid, tiyn] for kid, tiyn in decision["credited"].items())
    losses = sorted([previous, place, tiyn] for (previous, place), tiyn in decision["losses"].items())
    return hashlib.sha256(canonical.encode([credited, losses, sorted(decision["guilty"])])).digest()


def opened(data: bytes, keys: Mapping[bytes, tuple[int, bytes]], network: bytes) -> Signed[Transfer] | None:
    """The transfer in these bytes with the signature of a certified device, or None."""
    try:
        signed = open_envelope(data, Transfer, network)
        if signed.record.payer not in keys:
            return None
        signed.verify(public_key(*keys[signed.record.payer]))
    except TengeError:
        return None
    return signed


def opened_note(data: bytes, network: bytes) -> Signed[Note]:
    """One of the registered notes."""
    return open_envelope(data, Note, network)
