"""Policies that decide at close: which notes make a case, when it closes, and what each claim gets then.

Under CAPPED, LOTTERY, PRO_RATA, PAYEE and FIRST_SEEN nothing is paid while a note is open: a redemption paid today
might be half of a fork tomorrow, and the outcome would depend on who synced first. Everything here is a pure function
of the evidence with its arrivals, and uses of it only what had arrived when it mattered, so the answer never changes
afterwards, whatever still comes.

**A case.** A device that spent an output twice has a case. To it belong the notes that were issued before the first
of its forked notes closes, were still open when the first fork was known, and in which the device owned something
before the case closes; it closes with the last of them (`redeem_by` + grace each). Loading or being paid more later
neither prolongs nor enriches it; what is forked later is another case of the same device. A note is settled when it
and every case it belongs to have closed.

**What a case decides.** Each claim has its share (`offline.shares`). Then, except under PAYEE,

1. *restitution*: what the guilty device itself still has in the notes of its case makes good, for everybody else,
   what its forks took, in proportion to it;
2. under CAPPED the loss reserve adds up to `cap_mult` x `max_out` for that device, over all its cases, and recourse
   asks its owner and its bank for that (`offline.posting`);
3. what is then still missing the payees bear. What is left of the guilty device's own money is paid to it.

Who is guilty of a fork itself gets no restitution. Under PAYEE what a fork held is forfeit to the loss reserve. LOTTERY
asks the beacon of the day after the note has closed (`offline.beacon`) and waits for it.

Source: DTO/1, sections 5.11 and 5.19.9.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from offline.beacon import winner
from offline.graph import Conflict, Tree
from offline.loss_policy import CAPPED, FIRST_SEEN, LOTTERY, PAYEE, LossPolicy
from offline.records import Outpoint
from offline.seen import Seen
from offline.settle import Judged, claims_of, judge, subject_of
from offline.shares import EVERYBODY, NOBODY, Shares, apportion, shares_of

BeaconAfter = Callable[[int], bytes | None]
"""The beacon for what closed at a moment, or None while it is not out."""


@dataclass(frozen=True, slots=True)
class ClosingCase:
    """One case of a guilty device: when it closes, its notes, and those of its forks that belong to it."""

    kid: bytes
    closes: int
    notes: tuple[bytes, ...]
    forks: frozenset[Outpoint]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a case decided, in tiyn: `restitution` by the subjects of the claims that get it, `taken` by those of the
    guilty device that pay for it; `funded_tiyn` is what the loss reserve adds (CAPPED)."""

    case: ClosingCase
    restitution: Mapping[bytes, int] = field(default_factory=dict)
    taken: Mapping[bytes, int] = field(default_factory=dict)
    funded_tiyn: int = 0


@dataclass(frozen=True, slots=True)
class Award:
    """What becomes of one claim: paid to its beneficiary, taken into the loss reserve, and borne by it (tiyn)."""

    judged: Judged
    paid_tiyn: int
    taken_tiyn: int
    borne_tiyn: int


@dataclass(frozen=True, slots=True)
class Settling:
    """How one tree is settled: its awards, what of each fork is forfeit, and what the reserve adds at each fork."""

    awards: tuple[Award, ...]
    forfeits: Mapping[Outpoint, int]
    funding: Mapping[Outpoint, int]


def fork_known(conflict: Conflict, tree: Tree) -> int:
    """When a fork was first known: the second branch had arrived."""
    moments = [tree.admitted[oid] for oid in conflict.transfers]
    if conflict.claimed:
        moments.append(tree.claims[conflict.outpoint])
    return sorted(moments)[1]


def owned_since(kid: bytes, tree: Tree) -> int | None:
    """When it was first known that a device owned something in a tree (0: the note is its own), or None."""
    moments = [
        tree.admitted.get(outpoint.previous, 0)
        for outpoint, output in tree.outputs.items()
        if output.owner == kid
    ]
    return min(moments, default=None)


def forks_of(kid: bytes, tree: Tree) -> list[Conflict]:
    """The forks of a tree that this device made."""
    return [conflict for conflict in tree.conflicts if conflict.owner == kid]


def cases_of(kid: bytes, trees: Iterable[Tree]) -> list[ClosingCase]:
    """The cases of a device over the trees in which it ever owned anything, in the order in which they close."""
    cases: list[ClosingCase] = []
    left = {tree.note.oid: tree for tree in trees}
    while forked := [tree for tree in left.values() if forks_of(kid, tree)]:
        known = min(fork_known(fork, tree) for tree in forked for fork in forks_of(kid, tree))
        closes = first = min(tree.closes for tree in forked)
        members: list[Tree] = []
        while True:
            members = [tree for tree in left.values() if _belongs(kid, tree, known, first, closes)]
            last = max(tree.closes for tree in members)
            if last <= closes:
                break
            closes = last
        forks = frozenset(fork.outpoint for tree in members for fork in forks_of(kid, tree))
        cases.append(ClosingCase(kid, closes, tuple(sorted(tree.note.oid for tree in members)), forks))
        for tree in members:
            del left[tree.note.oid]
    return cases


def _belongs(kid: bytes, tree: Tree, known: int, first: int, closes: int) -> bool:
    since = owned_since(kid, tree)
    return since is not None and since <= closes and tree.note.record.issued <= first and tree.closes >= known


class Closing:
    """The decisions over one set of trees at one moment. `trees_of` gives those in which a device owned anything."""

    def __init__(
        self,
        policy: LossPolicy,
        seen: Seen,
        trees: Mapping[bytes, Tree],
        trees_of: Callable[[bytes], Sequence[Tree]],
        beacon: BeaconAfter,
        now: int,
    ) -> None:
        self._policy = policy
        self._seen = seen
        self._trees = trees
        self._trees_of = trees_of
        self._beacon = beacon
        self._now = now
        self._cases: dict[bytes, list[ClosingCase]] = {}
        self._shares: dict[bytes, Shares | None] = {}
        self._decisions: dict[bytes, list[Decision | None]] = {}

    # --- cases ---

    def cases(self, kid: bytes) -> list[ClosingCase]:
        """The cases of a device; none for one that never spent twice."""
        if kid not in self._cases:
            self._cases[kid] = cases_of(kid, self._trees_of(kid))
        return self._cases[kid]

    def decisions(self, kid: bytes) -> list[Decision | None]:
        """The decisions of a device's cases, in their order; None for one that is open or waits for a beacon."""
        if kid not in self._decisions:
            self._decisions[kid] = []
            spent_tiyn = 0
            for case in self.cases(kid):
                decision = self._decide(case, spent_tiyn) if self._now > case.closes else None
                spent_tiyn += decision.funded_tiyn if decision is not None else 0
                self._decisions[kid].append(decision)
        return self._decisions[kid]

    def _belonging(self, tree: Tree) -> list[Decision | None]:
        """The decisions of every case that a tree belongs to."""
        kids = sorted({output.owner for output in tree.outputs.values()})
        return [
            decision
            for kid in kids
            for case, decision in zip(self.cases(kid), self.decisions(kid), strict=True)
            if tree.note.oid in case.notes
        ]

    def _is_guilty(self, kid: bytes, by: int) -> bool:
        """Whether this device was known to have spent twice."""
        return any(
            fork_known(fork, tree) <= by for tree in self._trees_of(kid) for fork in forks_of(kid, tree)
        )

    # --- shares ---

    def shares(self, tree: Tree) -> Shares | None:
        """The shares of a closed tree; None while the beacon that its forks need is not out."""
        oid = tree.note.oid
        if oid not in self._shares:
            lottery = self._policy.name == LOTTERY and bool(tree.conflicts)
            drawn = self._beacon(tree.closes) if lottery else b""
            self._shares[oid] = (
                None if drawn is None else shares_of(tree, self._seen, self._verdict(tree, drawn))
            )
        return self._shares[oid]

    def _verdict(self, tree: Tree, drawn: bytes) -> Callable[[Conflict, Sequence[bytes]], bytes]:
        def verdict(conflict: Conflict, branches: Sequence[bytes]) -> bytes:
            if self._policy.name == PAYEE:
                return NOBODY
            if self._policy.name == LOTTERY:
                return winner(drawn, conflict, branches)
            if self._policy.name == FIRST_SEEN:
                # A branch that is no transfer is settlement's own credit of undelivered money.
                return min(branches, key=lambda name: (_arrived(tree, conflict, name), name))
            return EVERYBODY

        return verdict

    def judged(self, tree: Tree) -> list[Judged]:
        """The claims of a closed tree and whose they are, by what had arrived when it closed."""
        claims = claims_of(tree, self._seen)
        return [judge(claim, tree, self._seen, closed=True, by=tree.closes) for claim in claims]

    # --- decisions ---

    def _decide(self, case: ClosingCase, spent_tiyn: int) -> Decision | None:
        own: dict[bytes, int] = {}
        short: dict[bytes, int] = {}
        for oid in case.notes:
            tree = self._trees[oid]
            shares = self.shares(tree)
            if shares is None:
                return None
            for judged in self.judged(tree):
                one = shares.of[judged.claim.subject]
                missing_tiyn = sum(part for fork, part in one.shorts.items() if fork in case.forks)
                if judged.beneficiary == case.kid:
                    own[judged.claim.subject] = one.kept_tiyn
                elif missing_tiyn and not self._is_guilty(judged.beneficiary, case.closes):
                    short[judged.claim.subject] = missing_tiyn
        if self._policy.name == PAYEE:
            return Decision(case)
        missing_tiyn = sum(short.values())
        given_tiyn = min(missing_tiyn, sum(own.values()))
        funded_tiyn = 0
        if self._policy.name == CAPPED:
            funded_tiyn = min(missing_tiyn - given_tiyn, max(0, self._cap_tiyn(case) - spent_tiyn))
        parts = apportion(given_tiyn + funded_tiyn, list(short.values()))
        return Decision(
            case,
            {subject: part for subject, part in zip(short, parts, strict=True) if part},
            dict(_first_of(own, given_tiyn)),
            funded_tiyn,
        )

    def _cap_tiyn(self, case: ClosingCase) -> int:
        """The most the loss reserve adds for this device: by the loosest certificate known when the case closed."""
        certificates = self._seen.certificates(case.kid)
        most_tiyn = max(
            (
                one.record.limits.max_out_tiyn
                for one in certificates
                if self._seen.arrived(one.oid) <= case.closes
            ),
            default=0,
        )
        return most_tiyn * self._policy.cap_permille // 1_000

    def settling(self, tree: Tree) -> Settling | None:
        """How a tree is settled; None while it, or a case it belongs to, is open, or a beacon is not out."""
        if self._now <= tree.closes:
            return None
        decisions = self._belonging(tree)
        shares = self.shares(tree)
        if shares is None or any(decision is None for decision in decisions):
            return None
        made = [decision for decision in decisions if decision is not None]
        awards = []
        for judged in self.judged(tree):
            subject = judged.claim.subject
            more_tiyn = sum(decision.restitution.get(subject, 0) for decision in made)
            taken_tiyn = sum(decision.taken.get(subject, 0) for decision in made)
            have_tiyn = shares.of[subject].kept_tiyn + more_tiyn
            borne_tiyn = judged.claim.amount_tiyn - have_tiyn
            awards.append(Award(judged, have_tiyn - taken_tiyn, taken_tiyn, borne_tiyn))
        return Settling(tuple(awards), shares.forfeits, _funding(tree, made))


def _funding(tree: Tree, decisions: Sequence[Decision]) -> dict[Outpoint, int]:
    """What the loss reserve adds to a tree's escrow, at the first fork of each case."""
    subjects = {subject_of(outpoint) for outpoint in tree.outputs} | set(tree.payouts)
    found: dict[Outpoint, int] = {}
    for decision in decisions:
        amount_tiyn = sum(part for subject, part in decision.restitution.items() if subject in subjects)
        forks = sorted(fork.outpoint for fork in tree.conflicts if fork.outpoint in decision.case.forks)
        if amount_tiyn:
            found[forks[0]] = found.get(forks[0], 0) + amount_tiyn
    return found


def _arrived(tree: Tree, conflict: Conflict, name: bytes) -> int:
    return tree.admitted[name] if name in tree.admitted else tree.claims[conflict.outpoint]


def _first_of(own: Mapping[bytes, int], amount_tiyn: int) -> Iterable[tuple[bytes, int]]:
    """So much of the device's own claims, whole ones first, in the order of note and subject."""
    for subject, kept_tiyn in own.items():
        part = min(kept_tiyn, amount_tiyn)
        amount_tiyn -= part
        if part:
            yield subject, part
