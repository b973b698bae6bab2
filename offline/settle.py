"""Who gets what: from the facts of the graph to the postings that the ledger will see, as pure functions.

A tree ends in **claims**: what its REDEEM transfers pay out, what is undelivered, and, once the note has closed, what
is still unspent. Each claim is settled once, under fact keys that follow from the graph alone, so that a crash, a
repetition or a second reconciler cannot pay it twice:

    loss     outpoint, n     the n-th extra spend of an outpoint: loss reserve -> the note's escrow, before any credit
    pay      subject         a claim: escrow -> an account (a redemption, an undelivered payment, a refund)
    recover  subject         a claim of a guilty device: escrow -> loss reserve

What can happen to a claim:

- CREDITED when it is due: a redemption under its bank's order, an undelivered payment at once; what is unspent, and a
  redemption that came after `redeem_by` (LATE), once the note has closed;
- HELD while the loss of a fork above it is not funded, while its order or its owner's account is not known, while the
  invoice that would show good faith is missing, and, for a guilty device, until its case closes;
- DENIED when the claimant's own invoice shows that it knew of the payer's revocation: the money counts as not paid,
  and returns to the payer's side at close.

Policies. ISSUER: every good-faith branch is paid and the loss reserve bears the rest. WATERFALL: as ISSUER, and then
what a guilty device still has pays for its losses, then its owner's online money up to a cap, then the certifying
bank up to a cap; the reserve bears what remains. A case closes with the last of its notes, so its amounts depend on
no order. What the policies that decide at close do instead stands in `offline.closing`.

Source: DTO/1, sections 5.9, 5.11 and 5.19 (2, 5, 9).
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from cbdc.record import OFFLINE_DOMAIN
from cbdc.transaction import SETTLE_LOSS, SETTLE_RECOVER, SETTLE_REDEEM, SETTLE_REFUND
from offline.graph import Conflict, Tree
from offline.loss_policy import ISSUER as ISSUER  # noqa: PLC0414 - also known from here
from offline.loss_policy import WATERFALL as WATERFALL  # noqa: PLC0414 - also known from here
from offline.loss_policy import LossPolicy as LossPolicy  # noqa: PLC0414 - also known from here
from offline.records import Outpoint, Transfer
from offline.seen import Seen

CREDITED = 1
HELD = 2
DENIED = 3
LATE = 4

REDEMPTION = "redemption"
UNDELIVERED = "undelivered"
UNSPENT = "unspent"

# Why a claim is held, in a word (or the code of the ledger's refusal).
HELD_RESERVE = "reserve"
HELD_ORDER = "order"
HELD_ACCOUNT = "account"
HELD_INVOICE = "invoice"
HELD_GUILTY = "guilty"
HELD_OPEN = "open"
HELD_PENDING = "pending"
HELD_CASE = "case"
HELD_BEACON = "beacon"

# Why a claim is credited in part, or denied, under a policy that decides at close.
BY_SHARE = "share"
BY_POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Claim:
    """One end of a tree: `amount_tiyn` drawn on `outpoint` by `holder`.

    `subject` is its 32-byte name for ever; `arrived` the moment of the redemption (0 otherwise); `account` and
    `reference` are those of a redemption, empty otherwise.
    """

    subject: bytes
    note: bytes
    kind: str
    outpoint: Outpoint
    holder: bytes
    amount_tiyn: int
    account: bytes = b""
    reference: bytes = b""
    arrived: int = 0


@dataclass(frozen=True, slots=True)
class Judged:
    """A claim after the test of good faith: whose money it is, and whether the claimant was denied."""

    claim: Claim
    beneficiary: bytes
    denied: bool
    unshown: bool


@dataclass(frozen=True, slots=True)
class Posting:
    """One fact to be booked once: `amount_tiyn` out of a note's escrow or into it; `account` if it goes to a wallet."""

    kind: int
    fact: bytes
    note: bytes
    amount_tiyn: int
    account: bytes = b""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a claim stands: CREDITED, HELD, DENIED or LATE, why, whose it is and how much."""

    subject: bytes
    status: int
    reason: str
    beneficiary: bytes
    amount_tiyn: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What the ledger says of one booked fact: kind of settlement, amount, journal index and time."""

    kind: int
    amount_tiyn: int
    index: int
    time: int


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Everything outside one tree that its settlement depends on.

    `settled` are the booked facts; `guilty` maps a guilty device to the moment its case closes; `account_of` gives a
    device owner's online key id, or None.
    """

    seen: Seen
    settled: Mapping[bytes, Settled]
    guilty: Mapping[bytes, int]
    account_of: Callable[[bytes], bytes | None]
    now: int


@lru_cache(maxsize=262_144)
def fact_key(kind: str, subject: bytes, number: int = 0) -> bytes:
    """The 32-byte key of a fact: SHA-256 over a domain, the kind, the subject and a number."""
    return hashlib.sha256(
        OFFLINE_DOMAIN + b"fact\0" + kind.encode() + b"\0" + subject + number.to_bytes(4, "big")
    ).digest()


@lru_cache(maxsize=262_144)
def subject_of(outpoint: Outpoint) -> bytes:
    """The 32-byte name of an outpoint as the subject of a claim."""
    return hashlib.sha256(
        OFFLINE_DOMAIN + b"outpoint\0" + outpoint.previous + outpoint.position.to_bytes(1, "big")
    ).digest()


# --- losses ---


def loss_facts(conflict: Conflict) -> list[bytes]:
    """The fact keys of a fork's losses, one for each spend beyond the first."""
    subject = subject_of(conflict.outpoint)
    return [fact_key("loss", subject, number) for number in range(1, conflict.extra + 1)]


def all_loss_facts(tree: Tree) -> list[bytes]:
    """The fact keys of all losses of a tree."""
    return [fact for conflict in tree.conflicts for fact in loss_facts(conflict)]


def loss_postings(tree: Tree, settled: Mapping[bytes, Settled]) -> list[Posting]:
    """The losses of a tree that are not booked yet."""
    return [
        Posting(SETTLE_LOSS, fact, tree.note.oid, conflict.amount_tiyn)
        for conflict in tree.conflicts
        for fact in loss_facts(conflict)
        if fact not in settled
    ]


# --- claims and good faith ---


def claims_of(tree: Tree, seen: Seen) -> list[Claim]:
    """Every end of a tree, by subject. Their amounts sum to the note and its losses."""
    note = tree.note.oid
    found = [
        Claim(subject_of(outpoint), note, UNSPENT, outpoint, output.owner, output.amount_tiyn)
        for outpoint, output in tree.unspent.items()
    ]
    for outpoint in tree.claims:
        output = tree.outputs[outpoint]
        found.append(
            Claim(subject_of(outpoint), note, UNDELIVERED, outpoint, output.owner, output.amount_tiyn)
        )
    for oid in tree.payouts:
        record = _transfer(seen, oid)
        amount_tiyn, account = record.outputs[0]
        found.append(
            Claim(
                oid,
                note,
                REDEMPTION,
                record.outpoint,
                record.payer,
                amount_tiyn,
                account,
                record.reference,
                seen.arrived(oid),
            )
        )
    assert sum(claim.amount_tiyn for claim in found) == tree.notes_tiyn + tree.loss_tiyn
    return sorted(found, key=lambda claim: claim.subject)


def _transfer(seen: Seen, oid: bytes) -> Transfer:
    found = seen.transfer(oid)
    assert found is not None, "an admitted transfer is in the set"
    return found.record


def lineage(outpoint: Outpoint, tree: Tree, seen: Seen) -> Iterator[Outpoint]:
    """The outpoint and those it came from, up to the note's own."""
    yield outpoint
    while outpoint.previous != tree.note.oid:
        outpoint = _transfer(seen, outpoint.previous).outpoint
        yield outpoint


def _incoming(outpoint: Outpoint, holder: bytes, tree: Tree, seen: Seen) -> Transfer | None:
    """The payment by which `holder` got what this outpoint is a part of; None when it was loaded."""
    for step in lineage(outpoint, tree, seen):
        if step.previous == tree.note.oid:
            return None
        record = _transfer(seen, step.previous)
        if record.payer != holder:
            return record
    raise AssertionError("a lineage ends at its note")


def judge(claim: Claim, tree: Tree, seen: Seen, closed: bool, by: int | None = None) -> Judged:
    """The test of good faith: did the claimant's own invoice know that its payer, its bank or its tier was refused?

    A redemption whose payer was refused by some list must show that invoice; until then it is `unshown`, and once the
    note has closed without it, denied. Whoever claims nothing (the money is unspent at close) is presumed to have acted
    in good faith, and so are earlier holders whose invoices nobody submitted. With `by`, only what had arrived at that
    moment counts: a policy that decides at close must give the same answer ever after.
    """
    outpoint, holder, denied = claim.outpoint, claim.holder, False
    while (incoming := _incoming(outpoint, holder, tree, seen)) is not None:
        if not seen.ever_refused(incoming.payer, by):
            break
        invoice = seen.invoice(incoming.reference)
        shown = invoice is not None and (
            by is None or seen.counts_from(invoice.oid, invoice.record.payee) <= by
        )
        if shown and invoice is not None and invoice.record.payee == holder:
            if not seen.refused_at(incoming.payer, invoice.record.trust_sequence, by):
                break
        elif denied or claim.kind == UNSPENT:
            break
        elif not closed:
            return Judged(claim, holder, False, True)
        holder, outpoint, denied = incoming.payer, incoming.outpoint, True
    return Judged(claim, holder, denied, False)


# --- plans ---


@dataclass(frozen=True, slots=True)
class Plan:
    """What to book for one tree now, after its losses; and where each of its claims stands."""

    postings: tuple[Posting, ...]
    standings: tuple[Standing, ...]


def payment_facts(claims: Iterable[Claim], tree: Tree) -> list[bytes]:
    """The keys of every fact that can take money out of a tree's escrow."""
    facts = [fact_key(kind, claim.subject) for claim in claims for kind in ("pay", "recover")]
    return facts + [forfeit_fact(conflict.outpoint) for conflict in tree.conflicts]


def forfeit_fact(fork: Outpoint) -> bytes:
    """The key of what a fork held and nobody is paid (PAYEE)."""
    return fact_key("forfeit", subject_of(fork))


def paid_tiyn(claim: Claim, settled: Mapping[bytes, Settled]) -> int:
    """How much of a claim has been booked, paid or recovered."""
    facts = (fact_key("pay", claim.subject), fact_key("recover", claim.subject))
    return sum(settled[fact].amount_tiyn for fact in facts if fact in settled)


def plan_tree(tree: Tree, circumstances: Circumstances) -> Plan:
    """The payments of one tree that are due now. Losses must have been booked before, or what they fund is held."""
    seen, now = circumstances.seen, circumstances.now
    closed = now > tree.closes
    unfunded = {
        conflict.outpoint
        for conflict in tree.conflicts
        if any(fact not in circumstances.settled for fact in loss_facts(conflict))
    }
    postings: list[Posting] = []
    standings: list[Standing] = []
    for claim in claims_of(tree, seen):
        judged = judge(claim, tree, seen, closed)
        if paid_tiyn(claim, circumstances.settled) == claim.amount_tiyn:
            standings.append(_final(judged, circumstances.settled))
        elif unfunded and not unfunded.isdisjoint(lineage(claim.outpoint, tree, seen)):
            standings.append(standing_of(judged, HELD, HELD_RESERVE))
        else:
            posting, standing = _plan_claim(judged, tree, circumstances)
            standings.append(standing)
            postings += posting
    return Plan(tuple(postings), tuple(standings))


def standing_of(judged: Judged, status: int, reason: str = "") -> Standing:
    """Where a judged claim stands."""
    return Standing(judged.claim.subject, status, reason, judged.beneficiary, judged.claim.amount_tiyn)


def _final(judged: Judged, settled: Mapping[bytes, Settled]) -> Standing:
    """The standing of a claim that is booked whole."""
    recovered = fact_key("recover", judged.claim.subject) in settled
    return standing_of(judged, DENIED if judged.denied or recovered else CREDITED)


def _plan_claim(judged: Judged, tree: Tree, circumstances: Circumstances) -> tuple[list[Posting], Standing]:
    claim, closed = judged.claim, circumstances.now > tree.closes
    if judged.unshown:
        return [], standing_of(judged, HELD, HELD_INVOICE)
    if judged.beneficiary in circumstances.guilty:
        # A guilty device's claims wait for its case, which books them whole (`plan_case`).
        return [], standing_of(judged, DENIED if judged.denied else HELD, HELD_GUILTY)
    if not closed:
        if judged.denied:
            return [], standing_of(judged, DENIED)
        if claim.kind == UNSPENT:
            return [], standing_of(judged, HELD, HELD_OPEN)
        if claim.kind == REDEMPTION and claim.arrived > tree.note.record.redeem_by:
            return [], standing_of(judged, LATE)
        if claim.kind == REDEMPTION and not _ordered(claim, circumstances.seen):
            return [], standing_of(judged, HELD, HELD_ORDER)
    return pay_claim(judged, claim.amount_tiyn, tree, circumstances)


def _ordered(claim: Claim, seen: Seen, by: int | None = None) -> bool:
    order = seen.order(claim.reference)
    if order is None or (by is not None and seen.arrived(order.oid) > by):
        return False
    return (order.record.kid, order.record.account) == (claim.holder, claim.account)


def pay_claim(
    judged: Judged, amount_tiyn: int, tree: Tree, circumstances: Circumstances, by: int | None = None
) -> tuple[list[Posting], Standing]:
    """The posting that pays so much on a claim, and its standing then; HELD without an account to pay it to."""
    claim = judged.claim
    redeems = claim.kind == REDEMPTION and not judged.denied and _ordered(claim, circumstances.seen, by)
    if redeems and claim.arrived <= tree.note.record.redeem_by:
        kind, account = SETTLE_REDEEM, claim.account
    else:
        kind, account = SETTLE_REFUND, circumstances.account_of(judged.beneficiary) or b""
    if not account:
        return [], standing_of(judged, HELD, HELD_ACCOUNT)
    posting = Posting(kind, fact_key("pay", claim.subject), tree.note.oid, amount_tiyn, account)
    return [posting], standing_of(judged, DENIED if judged.denied else CREDITED)


# --- cases ---


@dataclass(frozen=True, slots=True)
class Case:
    """A guilty device's case: what its forks cost, and when the last note it is involved in closes."""

    kid: bytes
    loss_tiyn: int
    closes: int


@dataclass(frozen=True, slots=True)
class CasePlan:
    """What to book when a case closes, the loss that is then left for recourse, and where the claims stand."""

    postings: tuple[Posting, ...]
    standings: tuple[Standing, ...]
    rest_tiyn: int


def case_of(kid: bytes, trees: list[Tree]) -> Case:
    """The case of a guilty device over the trees in which it ever owned anything."""
    loss_tiyn = sum(
        conflict.extra * conflict.amount_tiyn
        for tree in trees
        for conflict in tree.conflicts
        if conflict.owner == kid
    )
    return Case(kid, loss_tiyn, max((tree.closes for tree in trees), default=0))


def plan_case(
    case: Case, trees: list[Tree], circumstances: Circumstances, policy: LossPolicy, collected_tiyn: int
) -> CasePlan:
    """What a closed case books: the device's claims pay for its losses first (WATERFALL), and what is left is paid.

    `collected_tiyn` is what recourse has already brought in. Claims are taken in the order of note and subject.
    """
    assert circumstances.now > case.closes, "a case is settled when it has closed"
    settled, seen = circumstances.settled, circumstances.seen
    mine = [
        (judged, tree)
        for tree in sorted(trees, key=lambda tree: tree.note.oid)
        for claim in claims_of(tree, seen)
        if (judged := judge(claim, tree, seen, closed=True)).beneficiary == case.kid
    ]
    recovered_tiyn = sum(_settled_tiyn("recover", judged.claim, settled) for judged, _ in mine)
    rest_tiyn = max(0, case.loss_tiyn - recovered_tiyn - collected_tiyn) if policy.recovers else 0
    postings: list[Posting] = []
    standings: list[Standing] = []
    for judged, tree in mine:
        claim = judged.claim
        taken_tiyn = _settled_tiyn("recover", claim, settled)
        open_tiyn = claim.amount_tiyn - paid_tiyn(claim, settled)
        if not taken_tiyn and open_tiyn and rest_tiyn:
            taken_tiyn = min(open_tiyn, rest_tiyn)
            fact = fact_key("recover", claim.subject)
            postings.append(Posting(SETTLE_RECOVER, fact, claim.note, taken_tiyn))
            rest_tiyn -= taken_tiyn
            open_tiyn -= taken_tiyn
        if open_tiyn:
            posting, standing = pay_claim(judged, open_tiyn, tree, circumstances)
            postings += posting
        else:
            standing = standing_of(judged, DENIED if judged.denied or taken_tiyn else CREDITED)
        standings.append(standing)
    return CasePlan(tuple(postings), tuple(standings), rest_tiyn)


def _settled_tiyn(kind: str, claim: Claim, settled: Mapping[bytes, Settled]) -> int:
    found = settled.get(fact_key(kind, claim.subject))
    return 0 if found is None else found.amount_tiyn


@dataclass(frozen=True, slots=True)
class Borne:
    """Who bore a guilty device's losses, in tiyn: its own money, its owner, its bank, the loss reserve, the payees.

    `reserve_tiyn` is below 0 where the reserve came to have more than it gave (PAYEE). `open_tiyn` is what a policy
    that decides at close has not decided yet. The parts sum to `loss_tiyn`.
    """

    kid: bytes
    loss_tiyn: int
    device_tiyn: int
    owner_tiyn: int
    bank_tiyn: int
    reserve_tiyn: int
    payees_tiyn: int = 0
    open_tiyn: int = 0
