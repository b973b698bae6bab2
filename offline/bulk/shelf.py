"""The shelf: the set of evidence (`offline.seen`) in a few hundred bytes an object, for millions of them.

Every object has a number and keeps its packed row (`offline.bulk.rows`); the object itself stays in the file it came
in and is read again when somebody wants to see it. Indexes hold numbers, and only what is out of the ordinary (two
transfers under one counter, one log head continued twice) has sets of its own. The shelf answers the questions of
`offline.seen.Seen` with the same answers, so that the derivation of the protocol (`offline.graph`,
`offline.statements`) runs on it unchanged; a test holds the two together.

Number 0 stands for nothing. An object enters when its signature has been verified, and never leaves; of two signatures
over one body the smaller stays, of two arrivals the earlier.

Source: DTO/1, section 5.9 (`ingest`).
"""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

from cbdc.record import Signed
from offline.bulk import rows as fields
from offline.bulk.rows import ROW, Row
from offline.records import (
    DeviceCertificate,
    Invoice,
    Note,
    Outpoint,
    Receipt,
    RedeemOrder,
    SyncAck,
    SyncRequest,
    Transfer,
    genesis_link,
)

TRANSFER = Transfer.TYPE
NOTE = Note.TYPE
CERTIFICATE = DeviceCertificate.TYPE
REQUEST = SyncRequest.TYPE
INVOICE = Invoice.TYPE

_KEPT_OBJECTS = 4_096
_ROOM = 4_096
Fetch = Callable[[int, int, int, int], Signed[Any]]
"""Reads an object again: its type, file number, offset and length of its body."""


class Shelf:
    """See the module's text. `offline.bulk.forest` reads its lists; everybody else asks as one asks `Seen`."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._kept: dict[int, Signed[Any]] = {}
        self.number: dict[bytes, int] = {}
        self.row: list[bytes] = [bytes(ROW.size)]
        self.oid: list[bytes] = [b""]
        self.kind = bytearray()
        # The tree: my parent, my last child, the child of my parent before me.
        self.parent, self.last_child, self.sibling = array("I"), array("I"), array("I")
        self.orphans: dict[bytes, list[int]] = {}
        # The transfer to the same payee before this one, and the one that continues the payer's log behind it.
        self._paid_before, self._next = array("I"), array("I")
        self._last_paid: dict[bytes, int] = {}
        self._counters: dict[bytes, dict[int, int]] = {}
        self._more_counted: dict[tuple[bytes, int], list[int]] = {}
        self._links: dict[tuple[bytes, bytes], list[int]] = {}
        self.certified_at_: dict[bytes, int] = {}
        self._certificates: dict[bytes, list[int]] = defaultdict(list)
        self.requests_of: dict[bytes, list[int]] = {}
        self.suspects: set[bytes] = set()
        self.twice_spent: dict[bytes, set[Outpoint]] = defaultdict(set)
        self.twice_counted: dict[bytes, set[int]] = defaultdict(set)
        self.twice_linked: dict[bytes, set[bytes]] = defaultdict(set)
        self.broken_logs: dict[bytes, set[tuple[bytes, bytes]]] = defaultdict(set)
        self.room = 0
        self.grow()

    # --- growing ---

    def grow(self) -> None:
        """Make room for some more numbers; the forest has the same room."""
        zeros = array("I", bytes(4 * _ROOM))
        self.kind += bytes(_ROOM)
        for numbers in (self.parent, self.last_child, self.sibling, self._paid_before, self._next):
            numbers.extend(zeros)
        self.room += _ROOM

    def put(self, row: Row, raw: bytes) -> int:
        """The number of a verified object that is new here; a transfer is tied to its parent and its children."""
        node = len(self.row)
        if node == self.room:
            self.grow()
        oid, kind = row[fields.OID], row[fields.KIND]
        self.number[oid] = node
        self.row.append(raw)
        self.oid.append(oid)
        self.kind[node] = kind
        if kind == TRANSFER:
            self._put_transfer(node, row)
        else:
            kid = row[fields.KID]
            if kind == CERTIFICATE:
                self._certificates[kid].append(node)
                self._certify(kid, row[fields.ARRIVED])
            elif kind == REQUEST:
                self.requests_of.setdefault(kid, []).append(node)
        if oid in self.orphans:
            for child in self.orphans.pop(oid):
                self._tie(child, node)
        return node

    def _certify(self, kid: bytes, arrived: int) -> None:
        self.certified_at_[kid] = min(arrived, self.certified_at_.get(kid, arrived))

    def _put_transfer(self, node: int, row: Row) -> None:
        payer, owner, previous, link = (
            row[fields.KID],
            row[fields.OWNER],
            row[fields.PREVIOUS],
            row[fields.LINK],
        )
        before = self._last_paid.get(owner)
        if before is not None:
            self._paid_before[node] = before
        self._last_paid[owner] = node
        parent = self.number.get(previous, 0)
        if parent:
            self._tie(node, parent)
        else:
            same = self.orphans.setdefault(previous, [])
            self._spent_before(node, same)
            same.append(node)
        counters = self._counters.get(payer)
        counter = row[fields.COUNTER]
        if counters is None:
            self._counters[payer] = {counter: node}
        elif counters.setdefault(counter, node) != node:
            self._more_counted.setdefault((payer, counter), []).append(node)
            self.twice_counted[payer].add(counter)
            self.suspects.add(payer)
        # An honest log goes on from the payer's own last transfer, once; anything else is kept by name.
        before = self.number.get(link, 0)
        if before and not self._next[before] and (payer, link) not in self._links:
            self._next[before] = node
        else:
            self._keep_link(node, payer, link, before)
        self._look_around(node, row, before)

    def _look_around(self, node: int, row: Row, before: int) -> None:
        """Note every neighbour in the device's log that does not fit, as `Seen` does.

        Most transfers follow on the only one with one counter less, and nothing follows on them yet.
        """
        payer, counter, oid = row[fields.KID], row[fields.COUNTER], row[fields.OID]
        counters = self._counters[payer]
        plain = before and counters.get(counter - 1) == before and counter + 1 not in counters
        if plain and (payer, oid) not in self._links and (payer, counter - 1) not in self._more_counted:
            return
        link = row[fields.LINK]
        found = set()
        if (counter == 1) != (link == genesis_link(payer)):
            found.add((link, oid))
        if before and self._is_by(before, payer) and self._counter(before) != counter - 1:
            found.add((self.oid[before], oid))
        found |= {(other, oid) for other in self.counted(payer, counter - 1) if other != link}
        for other in self.counted(payer, counter + 1):
            if self.unpack(self.number[other])[fields.LINK] != oid:
                found.add((oid, other))
        for other in self.linked(payer, oid):
            if self._counter(self.number[other]) != counter + 1:
                found.add((oid, other))
        if found:
            self.broken_logs[payer] |= found
            self.suspects.add(payer)

    def _counter(self, node: int) -> int:
        return int(self.unpack(node)[fields.COUNTER])

    def _is_by(self, node: int, payer: bytes) -> bool:
        return self.kind[node] == TRANSFER and self._signed_by(node, payer)

    def _keep_link(self, node: int, payer: bytes, link: bytes, before: int) -> None:
        known = self._links.setdefault((payer, link), [])
        if known or (before and self._signed_by(self._next[before], payer)):
            self.twice_linked[payer].add(link)
            self.suspects.add(payer)
        known.append(node)

    def _signed_by(self, node: int, payer: bytes) -> bool:
        return bool(node) and ROW.unpack(self.row[node])[fields.KID] == payer

    def _tie(self, node: int, parent: int) -> None:
        """Make a transfer the child of an object that is here."""
        self.parent[node] = parent
        other = self.last_child[parent]
        self.last_child[parent] = node
        if other:
            self.sibling[node] = other
            index = self.row[node][_INDEX_AT]
            while other:
                if self.row[other][_INDEX_AT] == index:
                    self._spent_before(node, self.children_of(parent))
                    return
                other = self.sibling[other]

    def _spent_before(self, node: int, others: list[int]) -> None:
        if not others:
            return
        mine = ROW.unpack(self.row[node])
        payer, index = mine[fields.KID], mine[fields.INDEX]
        outpoint = Outpoint(mine[fields.PREVIOUS], index)
        if outpoint in self.twice_spent.get(payer, ()):
            self.suspects.add(payer)
            return
        for other in others:
            if other != node and self.index(other) == index and self._signed_by(other, payer):
                self.twice_spent[payer].add(outpoint)
                self.suspects.add(payer)
                return

    def again(self, node: int, row: Row) -> bool:
        """Join the same object, verified once more: whether its arrival is earlier than what was known."""
        known = ROW.unpack(self.row[node])
        arrived = min(known[fields.ARRIVED], row[fields.ARRIVED])
        stays = row if row[fields.SIGNATURE] < known[fields.SIGNATURE] else known
        values = list(stays)
        values[fields.ARRIVED] = arrived
        self.row[node] = ROW.pack(*values)
        self._kept.pop(node, None)
        if arrived == known[fields.ARRIVED]:
            return False
        if row[fields.KIND] == CERTIFICATE:
            self._certify(row[fields.KID], arrived)
        return True

    # --- reading by number ---

    def unpack(self, node: int) -> Row:
        """The whole row of an object."""
        return ROW.unpack(self.row[node])

    def index(self, node: int) -> int:
        """Which output of its parent a transfer spends."""
        return self.row[node][_INDEX_AT]

    def arrival(self, node: int) -> int:
        """When the object first arrived."""
        return int.from_bytes(self.row[node][_ARRIVED_AT : _ARRIVED_AT + 8], "big")

    def signature(self, node: int) -> bytes:
        """The smallest signature that came with the object."""
        return self.row[node][_SIGNATURE_AT : _SIGNATURE_AT + 64]

    def children_of(self, node: int) -> list[int]:
        """The numbers of the transfers that claim to spend an output of this object, the last first."""
        found = []
        child = self.last_child[node]
        while child:
            found.append(child)
            child = self.sibling[child]
        return found

    def paid_to(self, kid: bytes) -> Iterator[int]:
        """The transfers whose first output is this device's, the last first."""
        node = self._last_paid.get(kid, 0)
        while node:
            yield node
            node = self._paid_before[node]

    def signed_with(self, kid: bytes, counter: int) -> int:
        """A transfer that this device signed with this counter, the first that came; 0 for none."""
        return self._counters.get(kid, {}).get(counter, 0)

    def signed_by(self, kid: bytes) -> list[int]:
        """The transfers that this device signed, in no order."""
        more = [node for key, nodes in self._more_counted.items() if key[0] == kid for node in nodes]
        return [*self._counters.get(kid, {}).values(), *more]

    def get_node(self, node: int) -> Signed[Any]:
        """The object itself, read again if it was not lately."""
        found = self._kept.get(node)
        if found is None:
            row = self.unpack(node)
            found = self._fetch(row[fields.KIND], row[fields.FILE], row[fields.OFFSET], row[fields.LENGTH])
            if len(self._kept) >= _KEPT_OBJECTS:
                self._kept.clear()
            self._kept[node] = found
        return found

    # --- reading as from `Seen` ---

    def __len__(self) -> int:
        return len(self.row) - 1

    def __contains__(self, oid: object) -> bool:
        return oid in self.number

    def arrived(self, oid: bytes) -> int:
        """When the object first arrived with a valid signature."""
        return self.arrival(self.number[oid])

    def get(self, oid: bytes) -> Signed[Any] | None:
        """The object with this id, or None."""
        node = self.number.get(oid)
        return None if node is None else self.get_node(node)

    def _typed(self, oid: bytes, kind: int) -> Signed[Any] | None:
        node = self.number.get(oid, 0)
        return self.get_node(node) if self.kind[node] == kind else None

    def transfer(self, oid: bytes) -> Signed[Transfer] | None:
        """The transfer with this id, or None."""
        return self._typed(oid, TRANSFER)

    def invoice(self, oid: bytes) -> Signed[Invoice] | None:
        """The invoice with this id, or None."""
        return self._typed(oid, INVOICE)

    def order(self, oid: bytes) -> Signed[RedeemOrder] | None:
        """The redeem order with this id, or None."""
        return self._typed(oid, RedeemOrder.TYPE)

    def _all(self, kind: int) -> Iterator[Signed[Any]]:
        return (self.get_node(node) for node in range(1, len(self.row)) if self.kind[node] == kind)

    def transfers(self) -> Iterator[Signed[Transfer]]:
        """Every transfer, each read again."""
        return self._all(TRANSFER)

    def notes(self) -> Iterator[Signed[Note]]:
        """Every note that somebody handed in, each read again."""
        return self._all(NOTE)

    def receipts(self) -> Iterator[Signed[Receipt]]:
        """Every receipt, each read again."""
        return self._all(Receipt.TYPE)

    def certificates(self, kid: bytes) -> list[Signed[DeviceCertificate]]:
        """Every certificate of this key, by id."""
        return self._objects(self._certificates.get(kid, []))

    def _objects(self, nodes: list[int]) -> list[Signed[Any]]:
        return [self.get_node(node) for node in sorted(nodes, key=self.oid.__getitem__)]

    def certificate(self, kid: bytes) -> Signed[DeviceCertificate] | None:
        """One certificate of this key (the smallest id), or None."""
        return next(iter(self.certificates(kid)), None)

    def acks(self, kid: bytes) -> list[Signed[SyncAck]]:
        """None: what settlement itself signed does not come in batches."""
        return []

    def paid_since(self, kid: bytes, sync_time: int) -> list[bytes]:
        """None: nobody asks without an answer of settlement."""
        return []

    def last_invoices(self, kid: bytes) -> list[Signed[Invoice]]:
        """None: nobody asks without an answer of settlement."""
        return []

    def certified_at(self, kid: bytes) -> int | None:
        """When the first certificate of this key arrived, or None."""
        return self.certified_at_.get(kid)

    def children(self, oid: bytes) -> list[Signed[Transfer]]:
        """Every transfer that claims to spend an output of this object, by id."""
        return self._objects(self._children(oid))

    def _children(self, oid: bytes) -> list[int]:
        node = self.number.get(oid)
        return self.orphans.get(oid, []) if node is None else self.children_of(node)

    def requests(self, kid: bytes) -> list[Signed[SyncRequest]]:
        """The device's statements about itself, by sync number, then id."""
        found = [self.get_node(node) for node in self.requests_of.get(kid, [])]
        return sorted(found, key=lambda signed: (signed.record.sync_number, signed.oid))

    def synced_kids(self) -> list[bytes]:
        """Every device that made a statement about itself."""
        return sorted(self.requests_of)

    def spent_by(self, payer: bytes, outpoint: Outpoint) -> list[bytes]:
        """The ids of this device's transfers that spend an outpoint, ascending."""
        index = outpoint.position
        nodes = self._children(outpoint.previous)
        return sorted(self.oid[n] for n in nodes if self.index(n) == index and self._signed_by(n, payer))

    def counted(self, payer: bytes, counter: int) -> list[bytes]:
        """The ids of this device's transfers with a counter value, ascending."""
        first = self._counters.get(payer, {}).get(counter)
        nodes = [] if first is None else [first, *self._more_counted.get((payer, counter), [])]
        return sorted(self.oid[node] for node in nodes)

    def linked(self, payer: bytes, link: bytes) -> list[bytes]:
        """The ids of this device's transfers that continue one and the same log head, ascending."""
        first = self._next[self.number.get(link, 0)]
        nodes = [first] if self._signed_by(first, payer) else []
        return sorted(self.oid[node] for node in [*nodes, *self._links.get((payer, link), [])])

    def chain_step(self, kid: bytes, place: bytes, counter: int) -> Row | None:
        """The row of a device's transfer with this id and counter; None when it is not here."""
        node = self.number.get(place, 0)
        if self.kind[node] != TRANSFER:
            return None
        row = self.unpack(node)
        return row if row[fields.KID] == kid and row[fields.COUNTER] == counter else None

    def genesis(self, kid: bytes) -> bytes:
        """The link of a device's first transfer."""
        return genesis_link(kid)


_SIGNATURE_AT = 1 + 2 + 32
_ARRIVED_AT = _SIGNATURE_AT + 64 + 2 + 8 + 2
_INDEX_AT = fields.STEP_AT + 1
