"""The graph: what really happened offline, as a pure function of the set of evidence.

Every note is the root of a tree: its transfers are the branches, and an outpoint that was spent twice is a fork. For
one note the derivation is

    admitted = the least set that holds the note and each transfer whose parent is admitted and which follows from it
    late     = admitted, but only after the note had closed (its outputs were refunded: too late to matter)
    spends   = per outpoint, the timely admitted transfers, and the CLAIM that credits undelivered money
    loss     = for each outpoint with n > 1 spends, n - 1 times its value, charged to its owner
    unspent  = timely outputs that nothing spends; payouts = what timely REDEEM transfers pay out
    float    = the sum of the unspent outputs

and always  **note + loss = float + redeemed + claimed**  (asserted), because a transfer keeps its sum, and a second
spend adds exactly the value of what it spends again. Being a least fixpoint of a monotone rule over a set, nothing
here depends on the order in which objects came; being local to a note, a new batch touches only its own trees.

The whole graph is the union of the trees, what is pending (waits for a parent, or descends from what was refused),
and the guilty: devices whose own signatures contradict each other.

Source: DTO/1, sections 5.9, 5.10 and 5.19 (1, 2).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cbdc.errors import TengeError
from cbdc.record import Signed
from offline.digests import CLAIM, JUDGED, UNSPENT, facts_digest, tree_digest
from offline.records import REDEEM, Note, Outpoint, Output, Transfer
from offline.seen import Seen
from offline.statements import Statements

DOUBLE_SPEND = 1
EQUIVOCATION = 2
CONTRADICTION = 3
BAD_STATEMENT = 4
LIMIT_BREACH = 5
FALSE_FRESH = 6

Parent = Signed[Note] | Signed[Transfer]
Judge = Callable[[Signed[Transfer], Parent, Signed[Note]], str]
Check = Callable[[Signed[Transfer], Parent, Signed[Note]], None]


@dataclass(frozen=True, slots=True)
class Conflict:
    """An outpoint with more than one spend: its value, its owner, the transfers (ids), and whether it was claimed."""

    outpoint: Outpoint
    amount_tiyn: int
    owner: bytes
    transfers: tuple[bytes, ...]
    claimed: bool

    @property
    def extra(self) -> int:
        """How many spends there are beyond the first: each is one loss of the outpoint's value."""
        return len(self.transfers) + self.claimed - 1


@dataclass(frozen=True, slots=True)
class Tree:
    """The facts of one note. Ids are object ids; mappings are ordered by key, so that equal facts are equal values."""

    note: Signed[Note]
    closes: int
    admitted: Mapping[bytes, int]
    """Transfer id to the moment it could first be admitted: it, its certificate and its ancestors had arrived."""
    late: tuple[bytes, ...]
    refused: Mapping[bytes, str]
    """Transfer id to the code of the rule it breaks, though its device signed it (E4)."""
    outputs: Mapping[Outpoint, Output]
    """Every timely output that can be spent."""
    spends: Mapping[Outpoint, tuple[bytes, ...]]
    claims: Mapping[Outpoint, int]
    """Undelivered outpoint to the moment that became certain."""
    conflicts: tuple[Conflict, ...]
    unspent: Mapping[Outpoint, Output]
    payouts: tuple[bytes, ...]
    """Timely REDEEM transfers."""
    float_tiyn: int
    redeemed_tiyn: int
    claimed_tiyn: int
    loss_tiyn: int

    @property
    def notes_tiyn(self) -> int:
        """The note's own amount."""
        return self.note.record.amount_tiyn

    def digest(self) -> bytes:
        """One hash over the facts of this note (`offline.digests`)."""
        late = set(self.late)
        return tree_digest(
            self.note.oid,
            self.closes,
            (self.float_tiyn, self.redeemed_tiyn, self.claimed_tiyn, self.loss_tiyn),
            [JUDGED.pack(oid, oid in late, moment) for oid, moment in self.admitted.items()],
            [UNSPENT.pack(*outpoint, *output) for outpoint, output in self.unspent.items()],
            self.refused.items(),
            [CLAIM.pack(*outpoint, moment) for outpoint, moment in self.claims.items()],
            [
                (*fork.outpoint, fork.amount_tiyn, fork.owner, fork.claimed, fork.transfers)
                for fork in self.conflicts
            ],
        )


@dataclass(frozen=True, slots=True)
class Guilt:
    """One proof against one device: the kind of evidence, the reason in words, and the objects it rests on (ids)."""

    kid: bytes
    type: int
    reason: str
    items: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """All trees by note id, what is pending, and the proofs of guilt, in a fixed order."""

    trees: Mapping[bytes, Tree]
    pending: tuple[bytes, ...]
    guilt: tuple[Guilt, ...]

    @property
    def float_tiyn(self) -> int:
        """The sum of all unspent outputs."""
        return sum(tree.float_tiyn for tree in self.trees.values())

    @property
    def loss_tiyn(self) -> int:
        """The sum of all losses."""
        return sum(tree.loss_tiyn for tree in self.trees.values())

    @property
    def guilty(self) -> tuple[bytes, ...]:
        """The key ids of the guilty devices, ascending."""
        return tuple(sorted({guilt.kid for guilt in self.guilt}))

    def digest(self) -> bytes:
        """One hash over every fact (`offline.digests`): equal on every machine that holds the same evidence."""
        trees = {oid: tree.digest() for oid, tree in self.trees.items()}
        proofs = [(guilt.kid, guilt.type, guilt.reason, guilt.items) for guilt in self.guilt]
        return facts_digest(trees, self.pending, proofs)


class Rules:
    """The rule of admission, asked once for each transfer: what it, its parent and its note are is fixed by their ids.

    `check` raises when a transfer does not follow (V5a, without signatures, which were verified before). `proves` says
    whether a refused transfer and its parent are evidence against the signer (E4).
    """

    def __init__(self, check: Check, proves: Callable[[Signed[Transfer], Parent], bool]) -> None:
        self._check = check
        self._proves = proves
        self._known: dict[bytes, str] = {}
        self._proven: dict[bytes, bool] = {}

    def judge(self, transfer: Signed[Transfer], parent: Parent, note: Signed[Note]) -> str:
        """The code of the rule that the transfer breaks, or "" when it is admitted."""
        if transfer.oid not in self._known:
            try:
                self._check(transfer, parent, note)
                self._known[transfer.oid] = ""
            except TengeError as error:
                self._known[transfer.oid] = error.code
        return self._known[transfer.oid]

    def proves(self, transfer: Signed[Transfer], parent: Parent) -> bool:
        """Whether the refused transfer is evidence against its signer."""
        if transfer.oid not in self._proven:
            self._proven[transfer.oid] = self._proves(transfer, parent)
        return self._proven[transfer.oid]


class _Growing:
    """One tree while it is derived, breadth first."""

    def __init__(self, note: Signed[Note], closes: int) -> None:
        self.note = note
        self.closes = closes
        self.admitted: dict[bytes, int] = {}
        self.late: list[bytes] = []
        self.refused: dict[bytes, str] = {}
        self.outputs: dict[Outpoint, Output] = {
            Outpoint(note.oid, 0): Output(note.record.amount_tiyn, note.record.owner)
        }
        self.spends: dict[Outpoint, list[bytes]] = {}
        self.claims: dict[Outpoint, int] = {}
        self.payouts: list[bytes] = []
        self.redeemed_tiyn = 0

    def grow(self, seen: Seen, statements: Statements, rules: Rules) -> None:
        queue: list[tuple[Parent, int]] = [(self.note, 0)]
        for parent, since in queue:
            for child in seen.children(parent.oid):
                code = rules.judge(child, parent, self.note)
                if code:
                    self.refused[child.oid] = code
                    continue
                certified = seen.certified_at(child.record.payer)
                assert certified is not None, "a transfer is verified only with its device's certificate"
                moment = max(since, seen.arrived(child.oid), certified)
                self.admitted[child.oid] = moment
                if moment > self.closes:
                    self.late.append(child.oid)
                else:
                    self._take(child, statements)
                queue.append((child, moment))

    def _take(self, child: Signed[Transfer], statements: Statements) -> None:
        record = child.record
        self.spends.setdefault(record.outpoint, []).append(child.oid)
        first = 0
        if record.kind == REDEEM:
            self.payouts.append(child.oid)
            self.redeemed_tiyn += record.outputs[0].amount_tiyn
            first = 1
        for position in range(first, len(record.outputs)):
            self.outputs[Outpoint(child.oid, position)] = record.outputs[position]
        undelivered = statements.undelivered_at(child)
        if undelivered is not None and undelivered <= self.closes:
            self.claims[Outpoint(child.oid, 0)] = undelivered

    def finish(self) -> Tree:
        spends = {outpoint: tuple(sorted(ids)) for outpoint, ids in sorted(self.spends.items())}
        claims = dict(sorted(self.claims.items()))
        conflicts = []
        for outpoint, (amount_tiyn, owner) in sorted(self.outputs.items()):
            conflict = Conflict(outpoint, amount_tiyn, owner, spends.get(outpoint, ()), outpoint in claims)
            if conflict.extra > 0:
                conflicts.append(conflict)
        unspent = {
            outpoint: output
            for outpoint, output in sorted(self.outputs.items())
            if outpoint not in spends and outpoint not in claims
        }
        tree = Tree(
            note=self.note,
            closes=self.closes,
            admitted=dict(sorted(self.admitted.items())),
            late=tuple(sorted(self.late)),
            refused=dict(sorted(self.refused.items())),
            outputs=dict(sorted(self.outputs.items())),
            spends=spends,
            claims=claims,
            conflicts=tuple(conflicts),
            unspent=unspent,
            payouts=tuple(sorted(self.payouts)),
            float_tiyn=sum(output.amount_tiyn for output in unspent.values()),
            redeemed_tiyn=self.redeemed_tiyn,
            claimed_tiyn=sum(self.outputs[outpoint].amount_tiyn for outpoint in claims),
            loss_tiyn=sum(conflict.extra * conflict.amount_tiyn for conflict in conflicts),
        )
        given, held = (
            tree.notes_tiyn + tree.loss_tiyn,
            tree.float_tiyn + tree.redeemed_tiyn + tree.claimed_tiyn,
        )
        assert given == held, f"note and losses are {given} tiyn, float and payouts {held}"
        return tree


def derive_tree(
    note: Signed[Note], seen: Seen, statements: Statements, rules: Rules, grace_seconds: int
) -> Tree:
    """The facts of one registered note; the note closes `grace_seconds` after its `redeem_by`."""
    growing = _Growing(note, note.record.redeem_by + grace_seconds)
    growing.grow(seen, statements, rules)
    return growing.finish()


def derive(seen: Seen, notes: Iterable[Signed[Note]], rules: Rules, grace_seconds: int) -> Facts:
    """All facts, from nothing: the trees of the registered `notes`, what is pending, and who is guilty."""
    statements = Statements(seen)
    trees = {note.oid: derive_tree(note, seen, statements, rules, grace_seconds) for note in notes}
    return gather(seen, statements, trees, rules)


def gather(seen: Seen, statements: Statements, trees: Mapping[bytes, Tree], rules: Rules) -> Facts:
    """The facts over trees already derived."""
    judged = {oid for tree in trees.values() for oid in (*tree.admitted, *tree.refused)}
    pending = tuple(sorted(signed.oid for signed in seen.transfers() if signed.oid not in judged))
    twice = (seen.twice_spent, seen.twice_counted, seen.twice_linked)
    kids = {*twice[0], *twice[1], *twice[2], *seen.broken_logs, *seen.synced_kids()}
    guilt = [one for kid in sorted(kids) for one in guilt_of_signatures(kid, seen, statements)]
    for tree in trees.values():
        guilt += guilt_in_tree(tree, seen, statements, rules)
    return Facts(dict(sorted(trees.items())), pending, tuple(sorted(set(guilt), key=_order)))


def _order(guilt: Guilt) -> tuple[bytes, int, tuple[bytes, ...], str]:
    return (guilt.kid, guilt.type, guilt.items, guilt.reason)


def guilt_of_signatures(kid: bytes, seen: Seen, statements: Statements) -> list[Guilt]:
    """What a device's own signatures prove against it: E1, E2, E3, E5, E6. Admission plays no part in it."""
    return [
        *(
            Guilt(kid, DOUBLE_SPEND, "double spend", tuple(seen.spent_by(kid, outpoint)[:2]))
            for outpoint in sorted(seen.twice_spent.get(kid, ()))
        ),
        *(
            Guilt(kid, EQUIVOCATION, "counter used twice", tuple(seen.counted(kid, counter)[:2]))
            for counter in sorted(seen.twice_counted.get(kid, ()))
        ),
        *(
            Guilt(kid, EQUIVOCATION, "link used twice", tuple(seen.linked(kid, link)[:2]))
            for link in sorted(seen.twice_linked.get(kid, ()))
        ),
        *(Guilt(kid, CONTRADICTION, one.reason, one.items) for one in statements.contradictions(kid)),
        *(Guilt(kid, LIMIT_BREACH, one.reason, one.items) for one in statements.limit_breaches(kid)),
        *(Guilt(kid, FALSE_FRESH, one.reason, one.items) for one in statements.false_fresh(kid)),
    ]


def guilt_in_tree(tree: Tree, seen: Seen, statements: Statements, rules: Rules) -> list[Guilt]:
    """What one tree proves: rule-breaking transfers (E4), and claimed money that was taken all the same (E3)."""
    found = []
    for oid, code in tree.refused.items():
        transfer = seen.transfer(oid)
        assert transfer is not None
        record = transfer.record
        parent = tree.note if record.previous == tree.note.oid else seen.transfer(record.previous)
        assert parent is not None
        if rules.proves(transfer, parent):
            found.append(Guilt(record.payer, BAD_STATEMENT, code, (record.previous, oid)))
    for outpoint in tree.claims:
        payment = seen.transfer(outpoint.previous)
        assert payment is not None, "only a payment can be undelivered"
        taken = statements.taken_after_cancel(payment)
        if taken is not None:
            found.append(Guilt(taken.kid, CONTRADICTION, taken.reason, taken.items))
    return found
