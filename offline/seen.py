"""SEEN: the grow-only set of verified offline objects from which everything else follows.

An object enters when its signature has been verified, and never leaves. Two sets are joined by union; per object id
the smallest signature is kept (hardware signers make many for one body) and the earliest arrival. Both are joins of a
lattice, so the set does not depend on the order, the batching, the repetition or the submitter of what came in.

`Seen` also keeps the indexes that the graph reads: who spends which object, and which device signed twice what it may
sign once. An index holds sets of ids; whoever reads one sorts it.

Source: DTO/1, section 5.9 (`ingest`).
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from cbdc.record import Signed
from offline.parameters import CLOSED_TIERS, value_of
from offline.records import (
    PAY,
    DeviceCertificate,
    Invoice,
    Note,
    Outpoint,
    Receipt,
    RedeemOrder,
    SyncAck,
    SyncRequest,
    Transfer,
    Trust,
    genesis_link,
)

_KID_PREFIX_BYTES = 16
_REFERENCE_BYTES = 8


class Seen:
    """The set and its indexes. `add` is the only door; all else is read."""

    def __init__(self) -> None:
        self._objects: dict[bytes, Signed[Any]] = {}
        self._arrived: dict[bytes, int] = {}
        self._certificates: dict[bytes, set[bytes]] = defaultdict(set)
        self._devices: dict[tuple[bytes, bytes], set[bytes]] = defaultdict(set)
        self._numbers: dict[tuple[bytes, int], set[bytes]] = defaultdict(set)
        self._children: dict[bytes, set[bytes]] = defaultdict(set)
        self._same_counter: dict[tuple[bytes, int], set[bytes]] = defaultdict(set)
        self._same_link: dict[tuple[bytes, bytes], set[bytes]] = defaultdict(set)
        self._same_outpoint: dict[tuple[bytes, Outpoint], set[bytes]] = defaultdict(set)
        self._requests: dict[bytes, set[bytes]] = defaultdict(set)
        self._acks: dict[bytes, set[bytes]] = defaultdict(set)
        self._paid_since: dict[tuple[bytes, int], list[bytes]] = defaultdict(list)
        self._last_invoice: dict[bytes, dict[int, tuple[int, bytes]]] = defaultdict(dict)
        self.broken_logs: dict[bytes, set[tuple[bytes, bytes]]] = defaultdict(set)
        """By device: a transfer, and one that by its own words follows on it and does not, or the other way round."""
        self._revoked: dict[bytes, dict[bytes, int]] = defaultdict(dict)
        self._revoked_banks: dict[bytes, dict[bytes, int]] = defaultdict(dict)
        self._tiers: dict[bytes, tuple[int, int]] = {}
        self._closes_tiers = False
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
            self._numbers[record.ca_reference, record.certificate_number].add(signed.oid)
        elif isinstance(record, SyncRequest):
            self._requests[record.kid].add(signed.oid)
        elif isinstance(record, SyncAck):
            self._acks[record.kid].add(signed.oid)
        elif isinstance(record, Invoice):
            known = self._last_invoice[record.payee].get(record.trust_sequence, (-1, b""))
            # Of equal numbers the smaller id, so that the choice depends on no order.
            if (record.invoice_number, known[1]) > (known[0], signed.oid):
                self._last_invoice[record.payee][record.trust_sequence] = (record.invoice_number, signed.oid)
        elif isinstance(record, Trust):
            self._index_trust(signed.oid, record)

    def _index_trust(self, oid: bytes, record: Trust) -> None:
        for prefix in record.revoked_kids:
            self._revoked[prefix][oid] = record.sequence
        for reference in (
            *record.revoked_references,
            *(one[:_REFERENCE_BYTES] for one in record.revoked_kids),
        ):
            self._revoked_banks[reference][oid] = record.sequence
        policy = dict(record.policy)
        if CLOSED_TIERS.id in policy or not record.base_sequence:
            self._tiers[oid] = (record.sequence, value_of(CLOSED_TIERS, policy))
            self._closes_tiers |= CLOSED_TIERS.id in policy

    def _index_transfer(self, oid: bytes, record: Transfer) -> None:
        payer = record.payer
        self._children[record.previous].add(oid)
        _note(self._same_outpoint, (payer, record.outpoint), oid, self.twice_spent, record.outpoint)
        _note(self._same_counter, (payer, record.counter), oid, self.twice_counted, record.counter)
        _note(self._same_link, (payer, record.link), oid, self.twice_linked, record.link)
        if record.kind == PAY:
            self._paid_since[payer, record.sync_time].append(oid)
        self._index_log(oid, record)

    def _index_log(self, oid: bytes, record: Transfer) -> None:
        """Note every neighbour in the device's log that does not fit: by counter or by link, but not by both."""
        payer, counter = record.payer, record.counter
        if (counter == 1) != (record.link == genesis_link(payer)):
            self.broken_logs[payer].add((record.link, oid))
        before = self.transfer(record.link)
        if before is not None and before.record.payer == payer and before.record.counter != counter - 1:
            self.broken_logs[payer].add((before.oid, oid))
        for other in self._same_counter.get((payer, counter - 1), ()):
            if other != record.link:
                self.broken_logs[payer].add((other, oid))
        for other in self._same_counter.get((payer, counter + 1), ()):
            if self._objects[other].record.link != oid:
                self.broken_logs[payer].add((oid, other))
        for other in self._same_link.get((payer, oid), ()):
            if self._objects[other].record.counter != counter + 1:
                self.broken_logs[payer].add((oid, other))

    # --- reading ---

    def arrived(self, oid: bytes) -> int:
        """When the object first arrived with a valid signature."""
        return self._arrived[oid]

    def counts_from(self, oid: bytes, kid: bytes) -> int:
        """When an object that this device signed had arrived together with a certificate of the device."""
        return max(self._arrived[oid], self.certified_at(kid) or 0)

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

    def banks_of(self, kid: bytes) -> set[bytes]:
        """The references of the banks that certified this key."""
        return {self._objects[oid].record.ca_reference for oid in self._certificates.get(kid, ())}

    def certified_at(self, kid: bytes) -> int | None:
        """When the first certificate of this key arrived, or None."""
        return min((self._arrived[oid] for oid in self._certificates.get(kid, ())), default=None)

    def same_device(self, reference: bytes, device_id: bytes) -> list[Signed[DeviceCertificate]]:
        """Every certificate that this bank gave to this device, by id."""
        return [self._objects[oid] for oid in sorted(self._devices.get((reference, device_id), ()))]

    def certified_twice(self) -> list[tuple[Signed[DeviceCertificate], Signed[DeviceCertificate]]]:
        """For each device (and each number) to which a bank certified two keys: two such certificates, by their ids."""
        found = {}
        for oids in (*self._devices.values(), *self._numbers.values()):
            first, *others = (self._objects[oid] for oid in sorted(oids))
            for other in others:
                if other.record.kid != first.record.kid:
                    found[first.oid, other.oid] = (first, other)
                    break
        return [found[pair] for pair in sorted(found)]

    def acks(self, kid: bytes) -> list[Signed[SyncAck]]:
        """Settlement's answers to a device, by sync number, then id."""
        found: list[Signed[SyncAck]] = [self._objects[oid] for oid in self._acks.get(kid, ())]
        return sorted(found, key=lambda signed: (signed.record.sync_number, signed.oid))

    def paid_since(self, kid: bytes, sync_time: int) -> list[bytes]:
        """The ids of a device's payments that name this moment as its last sync, in no order."""
        return self._paid_since.get((kid, sync_time), [])

    def last_invoices(self, kid: bytes) -> list[Signed[Invoice]]:
        """For each TRUST list under which a device made invoices, the one with the highest number, by list."""
        return [self._objects[oid] for _, (_, oid) in sorted(self._last_invoice.get(kid, {}).items())]

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

    def ever_refused(self, kid: bytes, by: int | None = None) -> bool:
        """Whether a TRUST list revokes this device, or each of its certificates is refused by some list: its bank is
        revoked, or its tier closed; with `by`, of what was here then."""
        if self._first_of(self._revoked.get(kid[:_KID_PREFIX_BYTES]), by) is not None:
            return True
        known = self._known_as(kid, by) if self._revoked_banks or self._closes_tiers else set()
        closed = 0
        if self._closes_tiers:
            for oid, (_, bits) in self._tiers.items():
                closed |= bits if self._was_here(oid, by) else 0
        return bool(known) and all(
            closed >> tier & 1 or self._first_of(self._revoked_banks.get(bank), by) is not None
            for bank, tier in known
        )

    def refused_at(self, kid: bytes, sequence: int, by: int | None = None) -> bool:
        """Whether who has TRUST list number `sequence` knows that this device must not pay: it is revoked, or each of
        its certificates is refused, because the bank is revoked, or the tier is closed then (it may be opened again).

        A device is refused for its certificates only when no one of them is good: a payee is shown one, and another
        that comes later, by whomever, must not take from it what it took in good faith.
        """
        first = self._first_of(self._revoked.get(kid[:_KID_PREFIX_BYTES]), by)
        if first is not None and sequence >= first:
            return True
        known = self._known_as(kid, by) if self._revoked_banks or self._closes_tiers else set()
        closed = 0
        if self._closes_tiers:
            tiers = [
                one for oid, one in self._tiers.items() if one[0] <= sequence and self._was_here(oid, by)
            ]
            closed = max(tiers, default=(0, 0))[1]
        return bool(known) and all(
            closed >> tier & 1
            or (
                (since := self._first_of(self._revoked_banks.get(bank), by)) is not None and sequence >= since
            )
            for bank, tier in known
        )

    def is_revoked(self, kid: bytes) -> bool:
        """Whether a TRUST list names this device itself."""
        return kid[:_KID_PREFIX_BYTES] in self._revoked

    def _first_of(self, lists: Mapping[bytes, int] | None, by: int | None) -> int | None:
        """The lowest number of these TRUST lists (by id), of those here `by` then; None without any."""
        numbers = [number for oid, number in (lists or {}).items() if self._was_here(oid, by)]
        return min(numbers, default=None)

    def _was_here(self, oid: bytes, by: int | None) -> bool:
        return by is None or self._arrived[oid] <= by

    def _known_as(self, kid: bytes, by: int | None) -> set[tuple[bytes, int]]:
        """What a device is certified as, by the certificates here `by` then: bank (reference) and tier."""
        records = [
            self._objects[oid].record for oid in self._certificates.get(kid, ()) if self._was_here(oid, by)
        ]
        return {(record.ca_reference, record.tier) for record in records}


def _note(index: Any, key: Any, oid: bytes, twice: Any, what: Any) -> None:
    """Add `oid` under `key`; when it is the second one there, remember what was done twice."""
    same = index[key]
    same.add(oid)
    if len(same) > 1:
        twice[key[0]].add(what)
