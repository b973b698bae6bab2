"""The forest: the facts of every registered note, kept up to date on a shelf while objects come in.

Most trees are **plain**: every transfer follows from its parent, nothing is spent twice, nothing came too late, nobody
claims anything. Of a plain tree the facts are its transfers, what they redeemed, and what nothing spends; a new
transfer adds itself in a few comparisons, whatever else is on the shelf. A tree in which anything else happens, or
could, becomes **odd** for good, and is derived by the protocol's own `offline.graph.derive_tree` whenever one of its
circumstances changes. So the comparisons here never decide against anybody: they say "plain" or they ask the
protocol, and a test holds both ways together on random games.

What makes a tree odd: a transfer that is not plainly right, or spends what is spent, or comes after the note has
closed; an arrival that turns out earlier than it was; and money that a statement of its owner may leave undelivered
(`_doubt`).

Source: DTO/1, section 5.9 (`derive`).
"""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from offline import digests
from offline.bulk import rows as fields
from offline.bulk.rows import STEP, STEP_AT, Row
from offline.bulk.shelf import CERTIFICATE, INVOICE, NOTE, REQUEST, TRANSFER, Shelf
from offline.graph import Guilt, Rules, Tree, derive_tree, guilt_in_tree, guilt_of_signatures
from offline.records import PAY, REDEEM, SyncRequest
from offline.statements import Statements

WAITING, ADMITTED, LATE, REFUSED = range(4)


@dataclass(slots=True)
class Totals:
    """Sums over trees, in tiyn, and how many outpoints were spent more than once."""

    notes_tiyn: int = 0
    redeemed_tiyn: int = 0
    claimed_tiyn: int = 0
    loss_tiyn: int = 0
    conflicts: int = 0

    @property
    def float_tiyn(self) -> int:
        """What is unspent; by the identity, because every tree asserts it."""
        return self.notes_tiyn + self.loss_tiyn - self.redeemed_tiyn - self.claimed_tiyn

    def add(self, other: "Totals", sign: int) -> None:
        """Add others (sign 1), or take them away (-1)."""
        self.notes_tiyn += sign * other.notes_tiyn
        self.redeemed_tiyn += sign * other.redeemed_tiyn
        self.claimed_tiyn += sign * other.claimed_tiyn
        self.loss_tiyn += sign * other.loss_tiyn
        self.conflicts += sign * other.conflicts


class ShelfStatements(Statements):
    """The statements of devices, walking their logs by number instead of reading each transfer again."""

    def __init__(self, shelf: Shelf) -> None:
        super().__init__(shelf)  # type: ignore[arg-type]
        self._shelf = shelf
        self._latest: dict[bytes, int] = {}

    def completed_at(self, kid: bytes, head: bytes, counter: int) -> int | None:
        """As `Statements.completed_at`: every step back is a transfer of the device with one counter less."""
        shelf, path = self._shelf, list[Row]()
        place, left, latest = head, counter, 0
        genesis = shelf.genesis(kid)
        while left or place != genesis:
            row = shelf.chain_step(kid, place, left)
            if row is None:
                return None
            known = self._latest.get(place)
            if known is not None:
                latest = known
                break
            path.append(row)
            place, left = row[fields.LINK], left - 1
        for row in reversed(path):
            latest = max(latest, row[fields.ARRIVED])
            self._latest[row[fields.OID]] = latest
        return latest

    def forget_moments(self) -> None:
        """An arrival turned out earlier: what was remembered of logs is found again."""
        self._latest.clear()


@dataclass(slots=True)
class _Odd:
    """What is kept of an odd tree: its totals as they were counted, its digest, the proofs in it."""

    totals: Totals
    digest: bytes = b""
    guilt: list[Guilt] = field(default_factory=list)


class Forest:
    """See the module's text. `take` adds a verified object, `refresh` brings odd trees and accusations up to date."""

    def __init__(self, shelf: Shelf, rules: Rules, grace_seconds: int, open_registry: bool = True) -> None:
        """With an open registry every note that an issuer signed is registered; otherwise `register` says which."""
        self.shelf = shelf
        self.statements = ShelfStatements(shelf)
        self.totals = Totals()
        self.guilty: set[bytes] = set()
        self.roots: list[int] = []
        self._rules = rules
        self._grace_seconds = grace_seconds
        self._open_registry = open_registry
        self._registered: set[bytes] = set()
        self.state, self.moment, self.root = bytearray(), array("Q"), array("I")
        self._closes: dict[int, int] = {}
        self._redeemed: dict[int, int] = {}
        self._odd: dict[int, _Odd] = {}
        self._odd_of: dict[bytes, set[int]] = defaultdict(set)
        self._doubted: set[int] = set()
        self._dirty: set[int] = set()
        self._accused: set[bytes] = set()
        self._by_signature: dict[bytes, list[Guilt]] = {}
        self._in_trees: Counter[bytes] = Counter()

    # --- growing ---

    def take(self, row: Row, raw: bytes) -> bool:
        """Add a verified object, given as its row and the row's packed form; whether it is new here."""
        shelf = self.shelf
        known = shelf.number.get(row[fields.OID])
        if known is not None:
            if shelf.again(known, row):
                self._earlier(known, row)
            return False
        node = shelf.put(row, raw)
        if node >= len(self.state):
            self._grow()
        kind, kid = row[fields.KIND], row[fields.KID]
        if kind == TRANSFER:
            root = self.root[shelf.parent[node]]
            if root:
                self._attach(node, row, root)
            if kid in shelf.requests_of:
                # It may fill a gap in the payer's log, or contradict what the payer stated.
                self._accused.add(kid)
                self._dirty |= self._odd_of[kid]
        elif kind == NOTE:
            if self._open_registry or row[fields.OID] in self._registered:
                self._plant(node)
        elif kind == REQUEST:
            self._accused.add(kid)
            self._dirty |= self._odd_of[kid]
            self._doubt(kid, [shelf.get_node(node).record])
        elif kind == INVOICE and kid in shelf.requests_of:
            self._dirty |= self._odd_of[kid]
            requests = [shelf.get_node(one).record for one in shelf.requests_of[kid]]
            self._doubt(kid, [one for one in requests if one.invoice_number >= row[fields.COUNTER]])
        elif kind == CERTIFICATE:
            # Looser limits may clear the device; an earlier arrival moves what it signed.
            self._accused.add(kid)
            if shelf.certified_at(kid) == row[fields.ARRIVED]:
                self._recertified(kid)
                self._dirty |= self._odd_of[kid]
        return True

    def _grow(self) -> None:
        more = self.shelf.room - len(self.state)
        self.state += bytes(more)
        self.moment.extend(array("Q", bytes(8 * more)))
        self.root.extend(array("I", bytes(4 * more)))

    def register(self, oid: bytes) -> None:
        """A note of the registry, whether it has come in yet or not."""
        self._registered.add(oid)
        node = self.shelf.number.get(oid)
        if node is not None and not self.root[node]:
            self._plant(node)

    def _plant(self, node: int) -> None:
        self.root[node] = node
        self.roots.append(node)
        self.state[node] = ADMITTED
        row = self.shelf.unpack(node)
        self._closes[node] = row[fields.COUNTER] + self._grace_seconds
        self.totals.notes_tiyn += row[fields.AMOUNT]
        for child in self.shelf.children_of(node):
            self._attach(child, self.shelf.unpack(child), node)

    def _attach(self, node: int, row: Row, root: int) -> None:
        """A transfer whose parent stands in a tree stands in it too, and all that waited for it."""
        shelf = self.shelf
        self.root[node] = root
        if root not in self._odd and not self._is_plain(node, row, shelf.parent[node], root):
            self._make_odd(root)
        queue = shelf.children_of(node)
        for later in queue:
            self.root[later] = root
            if root not in self._odd and not self._is_plain(
                later, shelf.unpack(later), shelf.parent[later], root
            ):
                self._make_odd(root)
            queue += shelf.children_of(later)
        if root in self._odd:
            self._dirty.add(root)

    def _make_odd(self, root: int) -> None:
        if root not in self._odd:
            amount_tiyn = self.shelf.unpack(root)[fields.AMOUNT]
            was = Totals(notes_tiyn=amount_tiyn, redeemed_tiyn=self._redeemed.pop(root, 0))
            self._odd[root] = _Odd(was)
        self._dirty.add(root)

    def _is_plain(self, node: int, row: Row, parent: int, root: int) -> bool:
        """Admit a transfer that plainly follows from its parent and changes nothing else; False for any other.

        Whatever `offline.admission.check_follows` would refuse is not plain; the comparisons stand in its order.
        """
        rows = self.shelf.row
        (
            was, _, outputs, hop, steps, old_purpose, have, owner, have_change, change_owner, _, old_spend_by,
        ) = STEP.unpack_from(rows[parent], STEP_AT)  # fmt: skip
        paying, index, count, my_hop, my_steps, purpose, amount, payee, change, mine, _, spend_by = row[12:]
        payer = row[fields.KID]
        most_hops, most_steps = hop, steps
        if parent == root:
            hop, steps = 0, 0
        elif was == REDEEM and index == 0:
            return False
        if index == 1:
            have, owner = have_change, change_owner
            if parent != root and was == PAY:
                hop -= 1
        if index >= outputs or owner != payer or paying > REDEEM:
            return False
        if amount + change != have or not amount or (count == 2 and not change):
            return False
        if (paying == PAY and payee == payer) or (count == 2 and mine != payer):
            return False
        if my_hop != hop + (paying == PAY) or my_steps != steps + 1:
            return False
        if purpose != old_purpose or spend_by != old_spend_by:
            return False
        if paying == PAY:
            if parent != root:
                most_hops, most_steps = rows[root][_HOP_AT], rows[root][_STEPS_AT]
            if my_hop > most_hops or my_steps > most_steps:
                return False
        return self._is_single(node, row, parent, root)

    def _is_single(self, node: int, row: Row, parent: int, root: int) -> bool:
        """The rest of being plain: the only spend, in time, and in no doubt."""
        shelf = self.shelf
        index, other = row[fields.INDEX], shelf.last_child[parent]
        if other != node or shelf.sibling[node]:
            while other:
                if other != node and shelf.index(other) == index:
                    return False
                other = shelf.sibling[other]
        certified = shelf.certified_at(row[fields.KID])
        assert certified is not None, "a transfer is verified only with its device's certificate"
        moment = max(self.moment[parent], row[fields.ARRIVED], certified)
        if moment > self._closes[root]:
            return False
        payee, paying = row[fields.OWNER], row[fields.PAYING]
        if payee in shelf.requests_of and paying == PAY and self._is_doubtful(node, row):
            return False
        self.moment[node], self.state[node] = moment, ADMITTED
        if paying == REDEEM:
            redeemed_tiyn = row[fields.AMOUNT]
            self._redeemed[root] = self._redeemed.get(root, 0) + redeemed_tiyn
            self.totals.redeemed_tiyn += redeemed_tiyn
        return True

    # --- what may be undelivered ---

    def _is_doubtful(self, node: int, row: Row) -> bool:
        if node in self._doubted:
            return True
        shelf = self.shelf
        invoice = shelf.number.get(row[fields.REFERENCE], 0)
        if shelf.kind[invoice] != INVOICE:
            return False
        asked, payee = shelf.unpack(invoice)[fields.COUNTER], row[fields.OWNER]
        requests = [shelf.get_node(one).record for one in shelf.requests_of[payee]]
        return any(
            one.invoice_number >= asked
            and not any(slot[:2] == (row[fields.OID], 0) for slot in one.purse)
            and self._is_left(node, payee, one)
            for one in requests
        )

    def _doubt(self, kid: bytes, requests: list[SyncRequest]) -> None:
        """Trees become odd in which money of this device is neither spent nor held by what it stated.

        Whether its invoice is known, cancelled, and the log complete, the protocol's own derivation asks.
        """
        for request in requests:
            held = {slot[:2] for slot in request.purse}
            for node in self.shelf.paid_to(kid):
                if (self.shelf.oid[node], 0) not in held and self._is_left(node, kid, request):
                    self._doubted.add(node)
                    if self.root[node]:
                        self._make_odd(self.root[node])

    def _is_left(self, node: int, payee: bytes, request: SyncRequest) -> bool:
        for child in self.shelf.children_of(node):
            if self.shelf.index(child) == 0:
                row = self.shelf.unpack(child)
                if row[fields.KID] == payee and row[fields.COUNTER] <= request.counter:
                    return False
        return True

    def _earlier(self, node: int, row: Row) -> None:
        """An object that is here turns out to have arrived earlier: what depends on its arrival is derived again."""
        kind, kid = row[fields.KIND], row[fields.KID]
        if kind == TRANSFER:
            self.statements.forget_moments()
            if self.root[node]:
                self._make_odd(self.root[node])
        elif kind == CERTIFICATE:
            self._recertified(kid)
        self._dirty |= self._odd_of[kid]

    def _recertified(self, kid: bytes) -> None:
        for node in self.shelf.signed_by(kid):
            if self.root[node]:
                self._make_odd(self.root[node])

    # --- odd trees and the guilty ---

    def refresh(self) -> set[int]:
        """Derive the odd trees whose circumstances changed, and who is accused; the roots of those trees."""
        changed = self.derive_trees()
        suspects = self.shelf.suspects | {kid for kid in self._accused if not self._is_calm(kid)}
        for kid in sorted(suspects):
            found = guilt_of_signatures(kid, self.shelf, self.statements)  # type: ignore[arg-type]
            self._by_signature[kid] = found
            self._accuse(kid)
        self._accused.clear()
        self.shelf.suspects.clear()
        return changed

    def derive_trees(self) -> set[int]:
        """Derive the odd trees whose circumstances changed; their roots. Nobody's statements are judged."""
        changed, self._dirty = self._dirty, set()
        for root in sorted(changed):
            self._derive(root)
        return changed

    def _accuse(self, kid: bytes) -> None:
        if self._by_signature.get(kid) or self._in_trees[kid] > 0:
            self.guilty.add(kid)
        else:
            self.guilty.discard(kid)

    def _is_calm(self, kid: bytes) -> bool:
        """Whether a device's one statement plainly contradicts nothing: its head is its log's, its purse unspent."""
        shelf = self.shelf
        requests = shelf.requests_of.get(kid, [])
        if len(requests) > 1 or kid in self._by_signature or kid in shelf.broken_logs:
            return False
        if not requests:
            return True
        request = shelf.get_node(requests[0]).record
        at_head = shelf.signed_with(kid, request.counter)
        if not at_head or shelf.oid[at_head] != request.head or kid in shelf.twice_counted:
            return False
        for previous, position, _ in request.purse:
            node = shelf.number.get(previous, 0)
            if not node or any(shelf.index(child) == position for child in shelf.children_of(node)):
                return False
        return True

    def _derive(self, root: int) -> None:
        shelf, odd = self.shelf, self._odd[root]
        tree = self.tree(root)
        for oid in tree.admitted:
            self.state[shelf.number[oid]] = ADMITTED
        for oid in tree.late:
            self.state[shelf.number[oid]] = LATE
        for oid in tree.refused:
            self.state[shelf.number[oid]] = REFUSED
        for output in tree.outputs.values():
            self._odd_of[output.owner].add(root)
        before, odd.guilt = odd.guilt, guilt_in_tree(tree, shelf, self.statements, self._rules)  # type: ignore[arg-type]
        self._in_trees.subtract(guilt.kid for guilt in before)
        self._in_trees.update(guilt.kid for guilt in odd.guilt)
        for guilt in (*before, *odd.guilt):
            self._accuse(guilt.kid)
        odd.digest = tree.digest()
        now = Totals(
            tree.notes_tiyn, tree.redeemed_tiyn, tree.claimed_tiyn, tree.loss_tiyn, len(tree.conflicts)
        )
        self.totals.add(odd.totals, -1)
        self.totals.add(now, 1)
        odd.totals = now

    def tree(self, root: int) -> Tree:
        """The facts of one note by its number, derived by the protocol's own code."""
        note = self.shelf.get_node(root)
        return derive_tree(note, self.shelf, self.statements, self._rules, self._grace_seconds)  # type: ignore[arg-type]

    # --- reading ---

    def guilt(self) -> list[Guilt]:
        """Every proof, each once, in no order; call `refresh` first."""
        return list(self.tree_guilt().union(*self._by_signature.values()))

    def pending(self) -> list[bytes]:
        """The ids of the transfers that stand in no tree, or descend from what was refused."""
        kinds, shelf = self.shelf.kind, self.shelf
        return [
            shelf.oid[node]
            for node in range(1, len(shelf.row))
            if self.state[node] == WAITING and kinds[node] == TRANSFER
        ]

    def tree_digests(self) -> Iterator[tuple[bytes, bytes]]:
        """The digest of each note's facts, by note id; call `refresh` or `derive_trees` first."""
        for root in self.roots:
            odd = self._odd.get(root)
            yield self.shelf.oid[root], odd.digest if odd else self._plain_digest(root)

    def tree_totals(self, oid: bytes) -> Totals:
        """The sums of one note; call `refresh` or `derive_trees` first."""
        root = self.shelf.number[oid]
        if odd := self._odd.get(root):
            return odd.totals
        return Totals(self.shelf.unpack(root)[fields.AMOUNT], self._redeemed.get(root, 0))

    def tree_guilt(self) -> set[Guilt]:
        """Every proof that stands in one note alone, each once; call `refresh` or `derive_trees` first."""
        return {guilt for odd in self._odd.values() for guilt in odd.guilt}

    def digest(self) -> bytes:
        """One hash over every fact, equal to that of `offline.graph.Facts`; call `refresh` first."""
        trees = dict(self.tree_digests())
        proofs = [(guilt.kid, guilt.type, guilt.reason, guilt.items) for guilt in self.guilt()]
        return digests.facts_digest(trees, self.pending(), proofs)

    def _plain_digest(self, root: int) -> bytes:
        shelf, oids, moments = self.shelf, self.shelf.oid, self.moment
        judged, unspent, queue = [], [], [root]
        for node in queue:
            oid = oids[node]
            if node != root:
                judged.append(digests.JUDGED.pack(oid, 0, moments[node]))
            children = shelf.children_of(node)
            queue += children
            spent = [shelf.index(child) for child in children]
            if len(spent) == 2:
                continue
            step = STEP.unpack_from(shelf.row[node], STEP_AT)
            if 0 not in spent and (node == root or step[0] == PAY):
                unspent.append(digests.UNSPENT.pack(oid, 0, step[6], step[7]))
            if step[2] == 2 and 1 not in spent:
                unspent.append(digests.UNSPENT.pack(oid, 1, step[8], step[9]))
        redeemed_tiyn = self._redeemed.get(root, 0)
        float_tiyn = shelf.unpack(root)[fields.AMOUNT] - redeemed_tiyn
        sums_tiyn = (float_tiyn, redeemed_tiyn, 0, 0)
        return digests.tree_digest(oids[root], self._closes[root], sums_tiyn, judged, unspent)


_HOP_AT = STEP_AT + 3
_STEPS_AT = STEP_AT + 4
