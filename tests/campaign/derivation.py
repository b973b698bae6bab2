"""A derivation of our own, from settlement's raw rows: what was admitted, spent twice, lost, and by whom.

It shares no code with the protocol's modules: envelopes are opened with msgpack, signatures checked with the library,
and the rule of admission (5.6, V5a) is written down once more. The campaign compares its answers with settlement's.
Undelivered claims are left out: the people of the campaign hand in their lines, so settlement is asked for its own.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tests.campaign.auditor import CERTIFICATE, NOTE, PAY, REDEEM, TRANSFER, key_id, object_id, stands, unpack


@dataclass(frozen=True)
class Derived:
    """What follows from the rows. Amounts in tiyn; `lost_by` says whose outputs were spent more than once."""

    contradicted: frozenset[bytes]
    loss_tiyn: int
    float_tiyn: int
    lost_by: dict[bytes, int]
    transfers: int
    phantoms: int
    pairs_linked: int


def derive(network: bytes, rows: Iterable[Any], notes: Iterable[Any], authority: Any) -> Derived:
    """Everything from the raw rows and the registered notes (as signed or unsigned objects with `body`)."""
    keys: dict[bytes, bytes] = {}
    transfers: dict[bytes, tuple[Any, bytes]] = {}
    phantoms: set[bytes] = set()
    for row in rows:
        kind, body, signature = unpack(row.envelope)
        assert object_id(network, kind, body) == row.oid, "a row lies under another's id"
        if kind == CERTIFICATE:
            values = unpack(body)
            keys[key_id(values[2], values[3])] = values[3]
        elif kind == TRANSFER:
            transfers[row.oid] = (unpack(body), signature)
        elif kind == NOTE:
            phantoms.add(row.oid)
    sound = {
        oid: values
        for oid, (values, signature) in transfers.items()
        if stands(oid, keys.get(values[4]), signature)
    }
    bodies = {object_id(network, NOTE, note.body): unpack(note.body) for note in notes}
    tree = _Tree(bodies, sound)
    return Derived(
        frozenset(_contradicted(sound)),
        tree.loss_tiyn,
        tree.float_tiyn,
        dict(tree.lost_by),
        len(sound),
        len(phantoms - bodies.keys()),
        _pairs(sound),
    )


def _contradicted(sound: dict[bytes, Any]) -> set[bytes]:
    """Payers with one outpoint, one counter or one link in two transfers."""
    seen: dict[tuple[Any, ...], bytes] = {}
    found: set[bytes] = set()
    for oid, values in sound.items():
        payer = values[4]
        for name in (
            ("spends", payer, values[1], values[2]),
            ("counts", payer, values[5]),
            ("links", payer, values[6]),
        ):
            if seen.setdefault(name, oid) != oid:
                found.add(payer)
    return found


def _pairs(sound: dict[bytes, Any]) -> int:
    """How many pairs of payments the key of their payer links."""
    by_payer: dict[bytes, int] = defaultdict(int)
    for values in sound.values():
        by_payer[values[4]] += 1
    return sum(count * (count - 1) // 2 for count in by_payer.values())


class _Tree:
    """Admission over all notes at once."""

    def __init__(self, notes: dict[bytes, Any], sound: dict[bytes, Any]) -> None:
        self.children: dict[bytes, list[bytes]] = defaultdict(list)
        for oid, values in sound.items():
            self.children[values[1]].append(oid)
        self.loss_tiyn = self.float_tiyn = 0
        self.lost_by: dict[bytes, int] = defaultdict(int)
        for oid, note in notes.items():
            self._grow(oid, note, sound)

    def _grow(self, root: bytes, note: Any, sound: dict[bytes, Any]) -> None:
        amount_tiyn, owner, purpose = note[2], note[3], note[4]
        spends: dict[tuple[bytes, int], int] = defaultdict(int)
        outputs = {(root, 0): (amount_tiyn, owner)}
        line = {root: (0, 0)}
        queue = [root]
        for parent in queue:
            for oid in self.children.get(parent, ()):
                values = sound[oid]
                held = outputs.get((parent, values[2]))
                if held is None or not self._follows(values, held, line[parent], note, sound.get(parent)):
                    continue
                assert values[12] == purpose
                spends[parent, values[2]] += 1
                line[oid] = (values[10], values[11])
                for place, (part_tiyn, to) in enumerate(values[3]):
                    if not (values[0] == REDEEM and place == 0):
                        outputs[oid, place] = (part_tiyn, to)
                queue.append(oid)
        for outpoint, (part_tiyn, holder) in outputs.items():
            count = spends.get(outpoint, 0)
            if count == 0:
                self.float_tiyn += part_tiyn
            elif count > 1:
                self.loss_tiyn += (count - 1) * part_tiyn
                self.lost_by[holder] += (count - 1) * part_tiyn

    def _follows(
        self, values: Any, held: tuple[int, bytes], line: tuple[int, int], note: Any, parent: Any
    ) -> bool:
        kind, _, index, outputs, payer = values[:5]
        amount_tiyn, owner = held
        hop, length = line
        if parent is not None and parent[0] == PAY and index == 1:
            hop -= 1
        rules = (
            kind in (PAY, REDEEM),
            payer == owner,
            sum(part[0] for part in outputs) == amount_tiyn and all(part[0] > 0 for part in outputs),
            not (kind == PAY and outputs[0][1] == payer),
            len(outputs) == 1 or outputs[1][1] == payer,
            values[10] == hop + (kind == PAY),
            values[11] == length + 1,
            values[12] == note[4],
            values[13] == note[8],
            kind == REDEEM or (values[10] <= note[5] and values[11] <= note[6]),
        )
        return all(rules)


def digest(parts: Iterable[bytes]) -> bytes:
    """SHA-256 over parts."""
    state = hashlib.sha256()
    for part in parts:
        state.update(part)
    return state.digest()
