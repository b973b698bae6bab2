"""SEEN: the grow-only set of verified offline objects from which everything else follows.

An object enters when its signature has been verified, and never leaves. Two sets are joined by union; per object id
the smallest signature is kept (hardware signers make many for one body) and the earliest arrival. Both are joins of a
lattice, so the set does not depend on the order, the batching, the repetition or the submitter of what came in.

`Seen` also keeps the indexes that the graph reads: who spends which object, and which device signed twice what it may
sign once. An index holds sets of ids; whoever reads one sorts it.

Source: DTO/1, section 5.9 (`ingest`).
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from cbdc.record import Signed
from offline.records import (
    DeviceCertificate,
    Invoice,
    Note,
    Outpoint,
    Receipt,
    RedeemOrder,
    SyncRequest,
    Transfer,
    Trust,
)

_KID_PREFIX_BYTES = 16


class Seen:
    """The set and its indexes. `add` is the only door; all else is read."""

    def __init__(self) -> None:
        self._objects: dict[bytes, Signed[Any]] = {}
        self._arrived: dict[bytes, int] = {}
        self._certificates: dict[bytes, set[bytes]] = defaultdict(set)
        self._devices: dict[tuple[bytes, bytes], set[bytes]] = defaultdict(set)
        self._children: dict[bytes, set[bytes]] = defaultdict(set)
        self._same_counter: dict[tuple[bytes, int], set[bytes]] = defaultdict(set)
        self._same_link: dict[tuple[bytes, bytes], set[bytes]] = defaultdict(set)
        self._same_outpoint: dict[tuple[bytes, Outpoint], set[bytes]] = defaultdict(set)
        self._requests: dict[bytes, set[bytes]] = defaultdict(set)
        self._revoked: dict[bytes, dict[bytes, int]] = defaultdict(dict)
        self.twice_spent: dict[bytes, set[Outpoint]] = defaultdict(set)
        self.twice_counted: dict[bytes, set[int]] = defaultdict(set)
        self.twice_linked: dict[bytes, set[bytes]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._objects)

    def __contains__(self, oid: object) -> bool:
        return oid in self._objects

    def __iter__(self) -> Iterator[Signed[Any]]:
        return iter(self._objects.values())

    def add(self, signed: Signed[Any], arrived: int) -> bool:
        """Join one verified object that arrived at that moment; whether the set changed."""
        known = self._objects.get(signed.oid)
        if known is None:
            self._objects[signed.oid] = signed
            self._arrived[signed.oid] = arrived
            self._index(signed)
            return True
        changed = False
        if signed.signature < known.signature:
            self._objects[signed.oid] = signed
            changed = True
        if arrived < self._arrived[signed.oid]:
            self._arrived[signed.oid] = arrived
            changed = True
        return changed

    def join(self, other: "Seen") -> bool:
        """Join all of another set; whether this one changed."""
        changes = [self.add(signed, other.arrived(signed.oid)) for signed in other]
        return any(changes)

    def _index(self, signed: Signed[Any]) -> None:
        record = signed.record
        if isinstance(record, Transfer):
            self._index_transfer(signed.oid, record)
        elif isinstance(record, DeviceCertificate):
            self._certificates[record.kid].add(signed.oid)
            self._devices[record.ca_reference, record.device_id].add(signed.oid)
        elif isinstance(record, SyncRequest):
            self._requests[record.kid].add(signed.oid)
        elif isinstance(record, Trust):
            for prefix in record.revoked_kids:
                self._revoked[prefix][signed.oid] = record.sequence

    def _index_transfer(self, oid: bytes, record: Transfer) -> None:
        payer = record.payer
        self._children[record.previous].add(oid)
        _note(self._same_outpoint, (payer, record.outpoint), oid, self.twice_spent, record.outpoint)
        _note(self._same_counter, (payer, record.counter), oid, self.twice_counted, record.counter)
        _note(self._same_link, (payer, record.link), oid, self.twice_linked, record.link)

    # --- reading ---

    def arrived(self, oid: bytes) -> int:
        """When the object first arrived with a valid signature."""
        return self._arrived[oid]

    def get(self, oid: bytes) -> Signed[Any] | None:
        """The object with this id, or None."""
        return self._objects.get(oid)

    def transfer(self, oid: bytes) -> Signed[Transfer] | None:
        """The transfer with this id, or None."""
        return self._typed(oid, Transfer)

    def invoice(self, oid: bytes) -> Signed[Invoice] | None:
        """The invoice with this id, or None."""
        return self._typed(oid, Invoice)

    def order(self, oid: bytes) -> Signed[RedeemOrder] | None:
        """The redeem order with this id, or None."""
        return self._typed(oid, RedeemOrder)

    def _typed(self, oid: bytes, kind: type[Any]) -> Signed[Any] | None:
        found = self._objects.get(oid)
        return found if found is not None and isinstance(found.record, kind) else None

    def transfers(self) -> Iterator[Signed[Transfer]]:
        """Every transfer, in no order."""
        return (signed for signed in self._objects.values() if isinstance(signed.record, Transfer))

    def notes(self) -> Iterator[Signed[Note]]:
        """Every note that somebody handed in, in no order."""
        return (signed for signed in self._objects.values() if isinstance(signed.record, Note))

    def receipts(self) -> Iterator[Signed[Receipt]]:
        """Every receipt, in no order."""
        return (signed for signed in self._objects.values() if isinstance(signed.record, Receipt))

    def certificate(self, kid: bytes) -> Signed[DeviceCertificate] | None:
        """One certificate of this key (the smallest id, so that evidence names the same one everywhere), or None."""
        known = self._certificates.get(kid)
        return self._objects[min(known)] if known else None

    def certificates(self, kid: bytes) -> list[Signed[DeviceCertificate]]:
        """Every certificate of this key, by id."""
        return [self._objects[oid] for oid in sorted(self._certificates.get(kid, ()))]

    def certified_at(self, kid: bytes) -> int | None:
        """When the first certificate of this key arrived, or None."""
        return min((self._arrived[oid] for oid in self._certificates.get(kid, ())), default=None)

    def same_device(self, reference: bytes, device_id: bytes) -> list[Signed[DeviceCertificate]]:
        """Every certificate that this bank gave to this device, by id."""
        return [self._objects[oid] for oid in sorted(self._devices.get((reference, device_id), ()))]

    def children(self, oid: bytes) -> list[Signed[Transfer]]:
        """Every transfer that claims to spend an output of this object, by id."""
        return [self._objects[child] for child in sorted(self._children.get(oid, ()))]

    def requests(self, kid: bytes) -> list[Signed[SyncRequest]]:
        """The device's statements about itself, by sync number, then id."""
        found: list[Signed[SyncRequest]] = [self._objects[oid] for oid in self._requests.get(kid, ())]
        return sorted(found, key=lambda signed: (signed.record.sync_number, signed.oid))

    def synced_kids(self) -> list[bytes]:
        """Every device that made a statement about itself."""
        return sorted(self._requests)

    def spent_by(self, payer: bytes, outpoint: Outpoint) -> list[bytes]:
        """The ids of this device's transfers that spend an outpoint, ascending."""
        return sorted(self._same_outpoint.get((payer, outpoint), ()))

    def counted(self, payer: bytes, counter: int) -> list[bytes]:
        """The ids of this device's transfers with a counter value, ascending; more than one is a proof of guilt."""
        return sorted(self._same_counter.get((payer, counter), ()))

    def linked(self, payer: bytes, link: bytes) -> list[bytes]:
        """The ids of this device's transfers that continue one and the same log head, ascending."""
        return sorted(self._same_link.get((payer, link), ()))

    def first_revoked(self, kid: bytes, by: int | None = None) -> int | None:
        """The sequence number of the first TRUST list that revokes this key, or None; of those that arrived `by`."""
        lists = self._revoked.get(kid[:_KID_PREFIX_BYTES], {})
        return min((n for oid, n in lists.items() if by is None or self._arrived[oid] <= by), default=None)


def _note(index: Any, key: Any, oid: bytes, twice: Any, what: Any) -> None:
    """Add `oid` under `key`; when it is the second one there, remember what was done twice."""
    same = index[key]
    same.add(oid)
    if len(same) > 1:
        twice[key[0]].add(what)
