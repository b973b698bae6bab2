"""Marks: what a "coloured" tenge may be used for, as data that a signature can cover.

A mark is the 32-byte id of a **definition** signed by the treasury. The definition says, in closed and bounded form,
between which categories of holders the money may move, how much one payment may take, from when to when, who may
turn it into free money and on whose evidence, and where what is left returns; **clauses** (`cbdc.clauses`) ask for
more: registers, documents, goods, prices, estimates, periods, shares. The mark is part of the token: change and every
onward transfer inherit it, and marked money is neither redeemed nor cashed out.

`judge` is the one place where a payment meets a definition: the ledger refuses by its first finding that refuses, and
an explanation tells all of them.

The same definition names its offline `purpose`: what a receiver can judge alone (categories, hops) goes with the
note, so there is one rule, compiled, not two.

Sources: `docs/domain.md`, programmability (marks disappear after the expenditure; while marked no conversion to cash
or ordinary money); DTO/1, sections 5.13 and 5.19.6.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from cbdc import canonical
from cbdc.clause import Clause, Finding, Known, Payment
from cbdc.clauses import MAX_CLAUSES, ClauseKind, Drops, Marks, Release, Share
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
    - `converts_on_redeem`: 1 if offline redemption drops the mark.
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


def check_time(definition: MarkDefinition, now: int) -> None:
    """E_MARK_TIME unless marked money may move at `now`."""
    check([_time(definition, now)])


def judge(definition: MarkDefinition, payment: Payment, known: Known) -> list[Finding]:
    """What each rule of the definition says of a payment, in order of precedence: time, edge, cap, then the clauses.

    Clauses outside whose scope the payment lies say nothing; those that only say how money arrives are not asked here
    (`cbdc.clauses.parts_of`, `marking_of`).
    """
    findings = [_time(definition, payment.now), _edge(definition, payment), _cap(definition, payment)]
    payer, payee = payment.payer.category, payment.payee.category
    asked = (
        clause for clause in definition.clauses if not isinstance(clause, Share | Drops | Marks | Release)
    )
    return findings + [clause.judge(payment, known) for clause in asked if clause.covers(payer, payee)]


def check(findings: Iterable[Finding]) -> tuple[tuple[bytes, int], ...]:
    """What the payment uses up, if every finding allows it; raises the refusal of the first that does not.

    Two clauses that ask for the same document use it up once: it is one payment.
    """
    uses: dict[bytes, int] = {}
    for finding in findings:
        if finding.code:
            raise by_code(finding.code, finding.facts)
        for name, amount in finding.uses:
            uses[name] = max(amount, uses.get(name, 0))
    return tuple(uses.items())


def _time(definition: MarkDefinition, now: int) -> Finding:
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
