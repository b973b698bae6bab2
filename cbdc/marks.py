"""Marks: what a "coloured" tenge may be used for, as data that a signature can cover.

A mark is the 32-byte id of a **definition** signed by the treasury. The definition says, in closed and bounded form,
between which categories of holders the money may move, how much one payment may take, from when to when, who may
turn it into free money and on whose evidence, and where what is left returns; **clauses** (`cbdc.clauses`) ask for
more: registers, documents, goods, prices, estimates, periods, shares. The mark is part of the token: change and every
onward transfer inherit it, and marked money is neither redeemed nor cashed out.

`judge` is the one place where a payment meets a definition: the ledger refuses by its first finding that refuses, and
an explanation tells all of them.

The same definition names its offline `purpose`: what a receiver can judge alone (categories, hops, caps, windows) goes
with the note, and a definition that asks for more does not go offline (`offline_purpose`). There is one rule, compiled,
not two.

Sources: `docs/domain.md`, programmability (marks disappear after the expenditure; while marked no conversion to cash
or ordinary money); DTO/1, sections 5.13 and 5.19.6.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, NamedTuple

from cbdc import canonical
from cbdc.canonical import MAX_INTEGER
from cbdc.clause import (
    TREASURY_CATEGORY,
    Clause,
    Finding,
    Known,
    Party,
    Payment,
    look_up,
    standing,
    take,
)
from cbdc.clauses import MAX_CLAUSES, Cap, ClauseKind, Drops, Marks, Release, Share, Window
from cbdc.errors import Malformed, by_code
from cbdc.record import (
    AMOUNT,
    HASH,
    HASH_OR_NONE,
    MOMENT,
    ONLINE_DOMAIN,
    Group,
    Items,
    Kind,
    Record,
    Signed,
    Text,
    Unsigned,
    open_envelope,
)

_CATEGORY = Unsigned(0, 255)


@dataclass(frozen=True, slots=True)
class MarkDefinition(Record):
    """One purpose of marked money. Its object id is the mark.

    - `issuer`: key id of the treasury account that may put the mark on money; `return_to`: key id that gets the rest.
    - `edges`: [[payer category, [payee category...]]...]: who may pay whom.
    - `person_to_person` and `max_hops`: offline use (0 hops: not loadable); `purpose`: its number offline, 1..65535.
    - `payment_cap_tiyn`: the most one payment may take, 0 for no cap.
    - `valid_from`, `valid_until`: payments are allowed in between; after it the rest returns.
    - `release_categories`: holders who may turn it into free money; `evidence`: key id of the register whose signed
      statements that takes, or empty when none is needed.
    - `converts_on_redeem`: 1 if offline redemption drops the mark for holders who may free it (`release_categories`);
      everybody else's money comes home with its mark, so that a load and a redemption free nothing.
    - `clauses`: what else is asked of payments and releases, each under a name of its own.
    """

    issuer: bytes
    label: str
    purpose: int
    edges: tuple[tuple[int, tuple[int, ...]], ...]
    person_to_person: int
    max_hops: int
    payment_cap_tiyn: int
    valid_from: int
    valid_until: int
    return_to: bytes
    release_categories: tuple[int, ...]
    evidence: bytes
    converts_on_redeem: int
    clauses: tuple[Clause, ...] = ()

    TYPE: ClassVar[int] = 82
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        HASH,
        Text(),
        Unsigned(1, 65_535),
        Items(Group((_CATEGORY, Items(_CATEGORY, most=64))), most=64),
        Unsigned(0, 1),
        Unsigned(0, 255),
        Unsigned(),
        MOMENT,
        MOMENT,
        HASH,
        Items(_CATEGORY, most=64),
        HASH_OR_NONE,
        Unsigned(0, 1),
        Items(ClauseKind(), most=MAX_CLAUSES),
    )

    def body(self) -> bytes:
        """The canonical bytes of the body; E_CLAUSE when two clauses have one name."""
        values = self.checked(self.values())
        return canonical.encode([*values[:-1], tuple(clause.wire() for clause in values[-1])])

    @classmethod
    def checked(cls, values: tuple[Any, ...] | list[Any]) -> tuple[Any, ...]:
        """`values` checked field by field, and each clause's name once: E_CLAUSE."""
        loaded = super(MarkDefinition, cls).checked(values)
        names = [clause.name for clause in loaded[-1]]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise Malformed("E_CLAUSE", clause=twice, problem="the name stands twice")
        return loaded

    @property
    def releases(self) -> tuple[Release, ...]:
        """The clauses that free money on documents."""
        return tuple(clause for clause in self.clauses if isinstance(clause, Release))

    def converts_for(self, category: int) -> bool:
        """Whether what such a holder redeems offline comes home as free money."""
        return bool(self.converts_on_redeem) and category in self.release_categories

    def allows(self, payer_category: int, payee_category: int) -> bool:
        """Whether the definition has an edge from one category to the other."""
        return any(payer == payer_category and payee_category in payees for payer, payees in self.edges)


@dataclass(frozen=True, slots=True)
class Statement(Record):
    """A register's signed word that marked money was earned: used once, for one holder, up to an amount.

    `document` identifies what the register saw (an act, a tap of meals, an e-invoice), as a hash.
    """

    register: bytes
    mark: bytes
    holder: bytes
    amount_tiyn: int
    document: bytes
    time: int

    TYPE: ClassVar[int] = 83
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, HASH, HASH, AMOUNT, HASH, MOMENT)


@lru_cache(maxsize=4_096)
def open_definition(envelope: bytes, network: bytes) -> Signed[MarkDefinition]:
    """The definition in an envelope, structure checked and not verified; the errors of `record.open_envelope`."""
    return open_envelope(envelope, MarkDefinition, network)


@lru_cache(maxsize=4_096)
def open_statement(envelope: bytes, network: bytes) -> Signed[Statement]:
    """The statement in an envelope, structure checked and not verified; the errors of `record.open_envelope`."""
    return open_envelope(envelope, Statement, network)


class PurposeLimit(NamedTuple):
    """What a receiver with no network holds a payment to: for these payers and payees (empty: all), cap and period."""

    payers: tuple[int, ...]
    payees: tuple[int, ...]
    cap_tiyn: int
    valid_from: int
    valid_until: int


class OfflinePurpose(NamedTuple):
    """A definition as TRUST carries it: what a receiver can judge alone. Fields in wire order."""

    purpose: int
    edges: tuple[tuple[int, tuple[int, ...]], ...]
    person_to_person: int
    max_hops: int
    converts: int
    limits: tuple[PurposeLimit, ...]


class NotOffline(NamedTuple):
    """Why money of a mark cannot go offline, and the rule that keeps it back."""

    problem: str
    rule: str


def offline_purpose(definition: MarkDefinition) -> OfflinePurpose | NotOffline:
    """What of a definition goes with its notes offline, or why its money cannot go.

    A receiver alone knows the categories, the amount and the time; caps and windows are compiled for it. Clauses that
    bind only the treasury's handing out, and those that bind free money or a release, ask nothing of a payment offline.
    """
    if not definition.max_hops:
        return NotOffline("its definition allows no hops", "hops")
    limits = [
        PurposeLimit((), (), definition.payment_cap_tiyn, definition.valid_from, definition.valid_until)
    ]
    for clause in definition.clauses:
        match clause:
            case Cap():
                limits.append(PurposeLimit(clause.payers, clause.payees, clause.cap_tiyn, 0, MAX_INTEGER))
            case Window():
                row = PurposeLimit(clause.payers, clause.payees, 0, clause.valid_from, clause.valid_until)
                limits.append(row)
            case Release() if definition.converts_on_redeem:
                return NotOffline("redeeming would free it without documents", clause.name)
            case Release() | Marks():
                pass
            case _ if set(clause.payers) != {TREASURY_CATEGORY}:
                return NotOffline("a receiver alone cannot judge this rule", clause.name)
    return OfflinePurpose(
        definition.purpose,
        definition.edges,
        definition.person_to_person,
        definition.max_hops,
        definition.converts_on_redeem,
        tuple(limits),
    )


def judge_offline(definition: MarkDefinition, category: int) -> Finding:
    """Whether such a holder may take money of the mark offline: E_MARK_OFFLINE with the rule that keeps it back.

    Who gets free money by redeeming takes none along: what was earned online is released on its evidence, and only
    notes that were paid without a network come home free.
    """
    purpose: OfflinePurpose | NotOffline = offline_purpose(definition)
    if definition.converts_for(category):
        purpose = NotOffline("who may free it releases it online", "release")
    if isinstance(purpose, NotOffline):
        facts = {"mark": definition.label, "problem": purpose.problem, "rule": purpose.rule}
        return Finding(purpose.rule, "offline", "E_MARK_OFFLINE", facts)
    return Finding("offline", "offline", "", {"mark": definition.label})


def judge_over(definition: MarkDefinition, now: int) -> Finding:
    """Whether what is left may return: E_MARK_NOT_OVER up to the last moment."""
    facts = {"mark": definition.label, "valid_until": definition.valid_until, "now": now}
    return Finding("time", "expire", "E_MARK_NOT_OVER" if now <= definition.valid_until else "", facts)


def judge(definition: MarkDefinition, payment: Payment, known: Known) -> list[Finding]:
    """What each rule of the definition says of a payment, in order of precedence: time, edge, cap, then the clauses.

    Clauses outside whose scope the payment lies say nothing; those that only say how money arrives are not asked here
    (`cbdc.clauses.parts_of`, `marking_of`).
    """
    findings = [judge_time(definition, payment.now), _edge(definition, payment), _cap(definition, payment)]
    payer, payee = payment.payer.category, payment.payee.category
    asked = (
        clause for clause in definition.clauses if not isinstance(clause, Share | Drops | Marks | Release)
    )
    return findings + [clause.judge(payment, known) for clause in asked if clause.covers(payer, payee)]


def check(findings: Iterable[Finding]) -> tuple[tuple[bytes, int], ...]:
    """What the payment uses up, if every finding allows it; raises the refusal of the first that does not."""
    found = list(findings)
    for finding in found:
        if finding.code:
            raise by_code(finding.code, finding.facts)
    return tuple(uses_of(found).items())


def uses_of(findings: Iterable[Finding]) -> dict[bytes, int]:
    """What findings use up, by counter: two clauses that ask for one document use it up once, for it is one payment."""
    uses: dict[bytes, int] = {}
    for finding in findings:
        for name, amount in finding.uses:
            uses[name] = max(amount, uses.get(name, 0))
    return uses


def judge_release(
    definition: MarkDefinition,
    holder: Party,
    documents: tuple[bytes, ...],
    released_tiyn: int,
    now: int,
    known: Known,
) -> list[Finding]:
    """What the release clauses about a holder say of freeing so much on these documents; nothing without clauses.

    Each clause tells what it frees; the last finding, which refuses with E_MARK_RELEASE_SUM when that is too little,
    uses the documents up. Two clauses that count the same document count it once.
    """
    clauses = [clause for clause in definition.releases if clause.frees(holder.category)]
    taken: Counter[bytes] = Counter()
    findings: list[Finding] = []
    left = released_tiyn
    for clause in clauses:
        part = (clause.numerator, clause.denominator)
        found = look_up(clause.register, clause.fact_kind, holder.pseudonym, b"", documents, known, part)
        good = [item._replace(left_tiyn=max(0, item.left_tiyn - taken[item.counter])) for item in found]
        good = standing(good, now)
        freed = 0
        for name, amount in take(good, left):
            taken[name] += amount
            freed += amount
        left -= freed
        can = sum(item.left_tiyn for item in good)
        facts = {"fact_kind": clause.fact_kind, "allowed_tiyn": can, "freed_tiyn": freed}
        findings.append(clause.allow((), numerator=part[0], denominator=part[1], **facts))
    if not clauses:
        return []
    summary: dict[str, Any] = {
        "mark": definition.label,
        "allowed_tiyn": sum(finding.facts["allowed_tiyn"] for finding in findings),
        "released_tiyn": released_tiyn,
    }
    code = "E_MARK_RELEASE_SUM" if left else ""
    return [*findings, Finding("documents", "documents", code, summary, tuple(taken.items()))]


def judge_time(definition: MarkDefinition, now: int) -> Finding:
    """Whether marked money may move at `now`: E_MARK_TIME outside its period."""
    facts = {
        "mark": definition.label,
        "now": now,
        "valid_from": definition.valid_from,
        "valid_until": definition.valid_until,
    }
    inside = definition.valid_from <= now <= definition.valid_until
    return Finding("time", "time", "" if inside else "E_MARK_TIME", facts)


def _edge(definition: MarkDefinition, payment: Payment) -> Finding:
    payer, payee = payment.payer.category, payment.payee.category
    facts = {"mark": definition.label, "payer": payer, "payee": payee}
    return Finding("edges", "edge", "" if definition.allows(payer, payee) else "E_MARK_EDGE", facts)


def _cap(definition: MarkDefinition, payment: Payment) -> Finding:
    # The budget that hands money out under its own mark is bound by who and when, not by what a payment may take.
    cap = 0 if payment.marking else definition.payment_cap_tiyn
    facts = {"mark": definition.label, "amount_tiyn": payment.amount_tiyn, "cap_tiyn": cap}
    return Finding("cap", "cap", "E_MARK_CAP" if cap and payment.amount_tiyn > cap else "", facts)
