"""The graph kept up to date: what came in since last time touches only its own trees.

`LiveGraph` holds the set of evidence and the derived tree of every registered note. Adding an object marks the notes
whose facts may have changed; `refresh` derives just those again. The result is always what `offline.graph.derive`
would give from nothing (a test compares them), because a tree depends only on the set and on its own note.

What marks which notes: a transfer, its own tree; an invoice or an order, the trees of the transfers that refer to it;
a certificate, the trees of its device; a revocation, the trees of the revoked; a statement, or a transfer that may fill
a gap in a log before one, the trees with money that the statement leaves in doubt: paid to the device, and not spent by
then.

Source: DTO/1, section 5.9 (`derive`).
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from cbdc.record import Signed
from offline.graph import Facts, Guilt, Rules, Tree, derive_tree, gather, guilt_in_tree, guilt_of_signatures
from offline.records import (
    PAY,
    DeviceCertificate,
    Invoice,
    Note,
    Outpoint,
    RedeemOrder,
    SyncAck,
    SyncRequest,
    Transfer,
    Trust,
)
from offline.seen import Seen
from offline.statements import Statements

_KID_PREFIX_BYTES = 16
_REFERENCE_BYTES = 8


class LiveGraph:
    """The set of evidence, the trees of all registered notes, and the guilty."""

    def __init__(self, rules: Rules, grace_seconds: int) -> None:
        self.seen = Seen()
        self.statements = Statements(self.seen)
        self.notes: dict[bytes, Signed[Note]] = {}
        self.trees: dict[bytes, Tree] = {}
        self._rules = rules
        self._grace_seconds = grace_seconds
        self._root: dict[bytes, bytes] = {}
        self._owned: dict[bytes, set[bytes]] = defaultdict(set)
        self._referring: dict[bytes, set[bytes]] = defaultdict(set)
        # Payments to a device: all, and those spent by its newest statement; its trees with claims; that counter.
        self._received: dict[bytes, set[bytes]] = defaultdict(set)
        self._settled: dict[bytes, set[bytes]] = defaultdict(set)
        self._claimed: dict[bytes, set[bytes]] = defaultdict(set)
        self._stated: dict[bytes, int] = {}
        self._dirty: set[bytes] = set()
        self._accused: set[bytes] = set()
        self._by_signature: dict[bytes, list[Guilt]] = {}
        self._by_tree: dict[bytes, list[Guilt]] = {}
        self._self_accused: set[bytes] = set()
        self.guilty: set[bytes] = set()
        """The devices with a proof against them. A certificate with looser limits that comes late clears one of E5."""

    # --- growing ---

    def register(self, note: Signed[Note]) -> None:
        """A note of the registry: the root of a tree."""
        self.notes[note.oid] = note
        self._dirty.add(note.oid)
        for child in self.seen.children(note.oid):
            self._attach(child, note.oid)

    def add(self, signed: Signed[Any], arrived: int) -> None:
        """A verified object."""
        if not self.seen.add(signed, arrived):
            return
        record = signed.record
        if isinstance(record, Transfer):
            self._referring[record.reference].add(signed.oid)
            root = record.previous if record.previous in self.notes else self._root.get(record.previous)
            if root is not None:
                self._attach(signed, root)
            self._accused.add(record.payer)
            if record.kind == PAY:
                self._received[record.outputs[0].owner].add(signed.oid)
            if record.counter <= self._stated.get(record.payer, 0):
                self._mark_roots(self._received[record.payer])
        elif isinstance(record, Invoice | RedeemOrder):
            self._mark_roots(self._referring[signed.oid])
            if isinstance(record, Invoice):
                self._accused.add(record.payee)
        elif isinstance(record, SyncRequest):
            self._accused.add(record.kid)
            self._state(record)
        elif isinstance(record, SyncAck):
            self._accused.add(record.kid)
        elif isinstance(record, DeviceCertificate):
            self._accused.add(record.kid)
            # One good certificate is enough: those who were refused for the other may be paid.
            self._dirty |= self._owned[record.kid]
        elif isinstance(record, Trust):
            revoked = set(record.revoked_kids)
            # A list that names a bank or sets the policy may concern any device.
            wide = bool(record.revoked_references or record.policy)
            banks = {prefix[:_REFERENCE_BYTES] for prefix in revoked}
            for kid, notes in self._owned.items():
                if kid[:_KID_PREFIX_BYTES] in revoked or (
                    (wide or not banks.isdisjoint(self.seen.banks_of(kid))) and self.seen.ever_refused(kid)
                ):
                    self._dirty |= notes

    def _state(self, request: SyncRequest) -> None:
        """A statement: what it leaves in doubt is derived again.

        Money that was spent before it is in doubt for no later statement either, so a device's history is not gone
        through at each of its syncs; an older statement that comes late, or a gap that is filled, asks for all of it.
        """
        kid = request.kid
        self._dirty |= self._claimed[kid]
        if request.counter < self._stated.get(kid, 0):
            self._mark_roots(self._received[kid])
            return
        self._stated[kid] = request.counter
        asked = self._received[kid] - self._settled[kid]
        self._mark_roots(asked)
        self._settled[kid] |= {oid for oid in asked if self._is_spent(kid, oid, request.counter)}

    def _is_spent(self, kid: bytes, oid: bytes, counter: int) -> bool:
        spends = (self.seen.transfer(one) for one in self.seen.spent_by(kid, Outpoint(oid, 0)))
        return any(spend is not None and spend.record.counter <= counter for spend in spends)

    def _mark_roots(self, transfers: Iterable[bytes]) -> None:
        self._dirty |= {self._root[oid] for oid in transfers if oid in self._root}

    def _attach(self, transfer: Signed[Transfer], root: bytes) -> None:
        self._dirty.add(root)
        queue = [transfer]
        for step in queue:
            if step.oid not in self._root:
                self._root[step.oid] = root
                queue += self.seen.children(step.oid)

    def refresh(self) -> set[bytes]:
        """Derive what has changed; the notes whose facts or circumstances may be new."""
        changed, self._dirty = self._dirty, set()
        before = set(self.guilty)
        for oid in sorted(changed):
            tree = derive_tree(self.notes[oid], self.seen, self.statements, self._rules, self._grace_seconds)
            self.trees[oid] = tree
            for output in tree.outputs.values():
                self._owned[output.owner].add(oid)
            for outpoint in tree.claims:
                self._claimed[tree.outputs[outpoint].owner].add(oid)
            self._by_tree.pop(oid, None)
            if found := guilt_in_tree(tree, self.seen, self.statements, self._rules):
                self._by_tree[oid] = found
        for kid in sorted(self._accused):
            self._by_signature[kid] = guilt_of_signatures(kid, self.seen, self.statements)
            if self._by_signature[kid]:
                self._self_accused.add(kid)
            else:
                self._self_accused.discard(kid)
        self._accused.clear()
        self.guilty = self._self_accused | {guilt.kid for found in self._by_tree.values() for guilt in found}
        for kid in self.guilty ^ before:
            changed |= self._owned[kid]
        return changed

    # --- reading ---

    def guilt(self, kid: bytes) -> list[Guilt]:
        """Every proof against one device, in a fixed order."""
        found = set(self._by_signature.get(kid, ()))
        found |= {guilt for tree in self._by_tree.values() for guilt in tree if guilt.kid == kid}
        return sorted(found, key=lambda guilt: (guilt.type, guilt.items, guilt.reason))

    def trees_of(self, kid: bytes) -> list[Tree]:
        """The trees in which a device ever owned something, by note."""
        return [self.trees[oid] for oid in sorted(self._owned.get(kid, ()))]

    def root_of(self, oid: bytes) -> bytes | None:
        """The registered note that an object descends from (a note: itself), or None while that is unknown."""
        return oid if oid in self.notes else self._root.get(oid)

    def facts(self) -> Facts:
        """All facts as one value; call `refresh` first."""
        return gather(self.seen, self.statements, self.trees, self._rules)
