"""Clauses: what a mark asks of a payment, as closed, bounded data that a signature covers.

A mark's definition (`cbdc.marks`) holds at most 32 clauses. Each is one of the kinds below, has a name that a refusal
and an explanation speak of, and a scope: the categories of payers and of payees for which it asks anything (an empty
list is everybody; the treasury account only where it is named). There is no loop, no text to run and no reference
from one clause to another, so judging a payment takes at most (clauses x (lines + documents)) looks.

    LISTED     a holder stands in an outside register: a licence, a project's list of participants, a school
    DOCUMENT   the payment stands on documents of an outside register (contract, act, e-invoice), never above their sums
    GOODS      only these goods, or none of these: the payment names its lines, and the payee signs them
    PRICES     a price cap for each unit of some goods
    ESTIMATE   lines of a project's estimate, each with the sum that all payments together may take from it
    CAP        the most one payment may take
    PERIOD     the most that a payer, a payee or all together may pay or get in a day, week, month, year, or ever
    WINDOW     from when to when
    SHARE      a share of what is paid goes on under another mark (value added tax)
    DROPS      the mark ends here: the payee gets free money
    MARKS      holders who are not the treasury put this mark on a share of free money that they pay
    RELEASE    holders may make free money of a share of what documents prove; the rest is retained

Rules kept here: every kind of clause gives exactly one finding for a payment in its scope; the look-ups of a clause do
not depend on their answers, so that what a payment needs is known beforehand; a broken tiyn goes to the share.

Sources: `docs/domain.md`, programmability (licence, price and estimate are checked before money moves; the mark
disappears at the final recipient; VAT is marked automatically; a parent's rule).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

from cbdc.clause import (
    ABOUT_NAMES,
    ALL,
    DAY,
    EVER,
    NUMBER,
    PAIR,
    PAYEE,
    PAYER,
    PERIOD_NAMES,
    Clause,
    Finding,
    Found,
    Item,
    Known,
    Payment,
    about_parties,
    basket_problem,
    counter_name,
    fact_id,
    fact_problem,
    item_name,
    items_of,
    look_up,
    period_number,
    standing,
    take,
)
from cbdc.errors import Malformed
from cbdc.money import share
from cbdc.record import AMOUNT, HASH, HASH_OR_NONE, MOMENT, Group, Items, Kind, Text, Unsigned

MAX_CLAUSES = 32

_CATEGORIES = Items(Unsigned(0, 255), most=32)
_KIND_OF_FACT = Unsigned(1, 65_535)
_YES = Unsigned(0, 1)
_PART = Unsigned(1, 10_000)


@dataclass(frozen=True, slots=True)
class Listed(Clause):
    """LISTED: who `about` names stands in `register` under `fact_kind`, for `document` (a project) if one is given."""

    register: bytes
    fact_kind: int
    about: int
    document: bytes = b""

    TAG: ClassVar[int] = 1
    KIND: ClassVar[str] = "listed"
    ARGUMENTS: ClassVar[tuple[Kind, ...]] = (HASH, _KIND_OF_FACT, Unsigned(PAYER, PAIR), HASH_OR_NONE)

    def judge(self, payment: Payment, known: Known) -> Finding:
        """E_MARK_LISTED unless the register's fact is there, stands and has not expired."""
        subject, counterparty = about_parties(self.about, payment)
        fact = known.fact(fact_id(self.register, self.fact_kind, subject, counterparty, self.document))
        problem = fact_problem(fact, payment.now)
        about = ABOUT_NAMES[self.about]
        if problem:
            return self.refuse("E_MARK_LISTED", about=about, fact_kind=self.fact_kind, problem=problem)
        return self.allow(about=about, fact_kind=self.fact_kind)


@dataclass(frozen=True, slots=True)
class Document(Clause):
    """DOCUMENT: the payment names documents of `register`; their sums, less what was used, cover it.

    `same_lines` 1: all payments together pay no item above what the documents say of it.
    """

    register: bytes
    fact_kind: int
    about: int
    same_lines: int = 0

    TAG: ClassVar[int] = 2
    KIND: ClassVar[str] = "document"
    ARGUMENTS: ClassVar[tuple[Kind, ...]] = (HASH, _KIND_OF_FACT, Unsigned(PAYER, PAIR), _YES)

    def judge(self, payment: Payment, known: Known) -> Finding:
        """E_MARK_DOCUMENT for none that stands, E_MARK_DOCUMENT_SUM above their sums, E_MARK_DOCUMENT_LINES."""
        subject, counterparty = about_parties(self.about, payment)
        found = look_up(self.register, self.fact_kind, subject, counterparty, payment.documents, known)
        items = items_of(payment.lines if self.same_lines else (), found, known)
        good = standing(found, payment.now)
        if not good:
            problems = (fact_problem(item.fact, payment.now) for item in found if item.fact)
            problem = next(
                problems, "the register says nothing of what was named" if found else "none was named"
            )
            return self.refuse("E_MARK_DOCUMENT", fact_kind=self.fact_kind, problem=problem)
        left = sum(item.left_tiyn for item in good)
        if left < payment.amount_tiyn:
            return self.refuse("E_MARK_DOCUMENT_SUM", left_tiyn=left, amount_tiyn=payment.amount_tiyn)
        uses = take(good, payment.amount_tiyn)
        if self.same_lines:
            problem = basket_problem(payment)
            if problem:
                return self.refuse("E_MARK_BASKET", problem=problem)
            for number, item in items.items():
                taken = _take_item(item, number, good)
                if taken is None:
                    return self.refuse("E_MARK_DOCUMENT_LINES", item=number)
                uses += taken
        return self.allow(uses, fact_kind=self.fact_kind, left_tiyn=left)


def _take_item(item: Item, number: int, documents: list[Found]) -> tuple[tuple[bytes, int], ...] | None:
    """How an item is taken from the documents that stand, the first named first; None when they have too little."""
    rest, uses = item.paid_tiyn, []
    for found in documents:
        name = item_name(found.identity, number)
        part = min(rest, item.left_tiyn[name])
        rest -= part
        if part:
            uses.append((name, part))
    return None if rest else tuple(uses)


@dataclass(frozen=True, slots=True)
class Goods(Clause):
    """GOODS: every line's item lies in one of `ranges` (allowed 1), or in none of them (allowed 0)."""

    allowed: int
    ranges: tuple[tuple[int, int], ...]

    TAG: ClassVar[int] = 3
    KIND: ClassVar[str] = "goods"
    ARGUMENTS: ClassVar[tuple[Kind, ...]] = (_YES, Items(Group((NUMBER, NUMBER)), most=64, least=1))

    def judge(self, payment: Payment, known: Known) -> Finding:
        """E_MARK_BASKET for lines that are missing, unsigned or do not add up, E_MARK_GOODS for another item."""
        problem = basket_problem(payment)
        if problem:
            return self.refuse("E_MARK_BASKET", problem=problem)
        for line in payment.lines:
            if any(first <= line.item <= last for first, last in self.ranges) != bool(self.allowed):
                return self.refuse("E_MARK_GOODS", item=line.item)
        return self.allow(lines=len(payment.lines))


@dataclass(frozen=True, slots=True)
class Prices(Clause):
    """PRICES: no unit of item I costs more than its cap; items without a cap may cost anything."""

    caps: tuple[tuple[int, int], ...]

    TAG: ClassVar[int] = 4
    KIND: ClassVar[str] = "prices"
    ARGUMENTS: ClassVar[tuple[Kind, ...]] = (Items(Group((NUMBER, AMOUNT)), most=64, least=1),)

    def judge(self, payment: Payment, known: Known) -> Finding:
        """E_MARK_BASKET as for goods, E_MARK_PRICE for a unit above its cap."""
        problem = basket_problem(payment)
        if problem:
            return self.refuse("E_MARK_BASKET", problem=problem)
        caps = dict(self.caps)
        for line in payment.lines:
            cap = caps.get(line.item)
            if cap is not None and line.amount_tiyn > cap * line.quantity:
                return self.refuse(
                    "E_MARK_PRICE",
                    item=line.item,
                    quantity=line.quantity,
                    amount_tiyn=line.amount_tiyn,
                    cap_tiyn=cap,
                )
        return self.allow(lines=len(payment.lines))


@dataclass(frozen=True, slots=True)
class Estimate(Clause):
    """ESTIMATE: every line is a line of the estimate, and all payments together stay within its sum."""

    sums: tuple[tuple[int, int], ...]

    TAG: ClassVar[int] = 5
    KIND: ClassVar[str] = "estimate"
    ARGUMENTS: ClassVar[tuple[Kind, ...]] = (Items(Group((NUMBER, AMOUNT)), most=64, least=1),)

    def judge(self, payment: Payment, known: Known) -> Finding:
        """E_MARK_BASKET as for goods, E_MARK_ESTIMATE for no such line, E_MARK_ESTIMATE_SUM above its sum."""
        counters = {
            item: self.counter(payment.mark, item) for item in sorted({x.item for x in payment.lines})
        }
        spent = {item: known.used(name) for item, name in counters.items()}
        problem = basket_problem(payment)
        if problem:
            return self.refuse("E_MARK_BASKET", problem=problem)
        sums, paid = dict(self.sums), dict.fromkeys(counters, 0)
        for line in payment.lines:
            if line.item not in sums:
                return self.refuse("E_MARK_ESTIMATE", item=line.item)
            paid[line.item] += line.amount_tiyn
        for item, amount in paid.items():
            if spent[item] + amount > sums[item]:
                return self.refuse(
                    "E_MARK_ESTIMATE_SUM", item=item, paid_tiyn=spent[item] + amount, sum_tiyn=sums[item]
                )
        return self.allow(tuple((counters[item], amount) for item, amount in paid.items()))

    def counter(self, mark: bytes, item: int) -> bytes:
        """The name of the counter of what was paid from a line."""
        return counter_name(b"mark-estimate", mark, self.name, item)


@dataclass(frozen=True, slots=True)
class Cap(Clause):
    """CAP: one payment takes at most `cap_tiyn`."""

    cap_tiyn: int

    TAG: ClassVar[int] = 6
    KIND: ClassVar[str] = "cap"
    ARGUMENTS: ClassVar[tuple[Kind, ...]] = (AMOUNT,)

    def judge(self, payment: Payment, known: Known) -> Finding:
        """E_MARK_CAP above it."""
        facts = {"mark": self.name, "amount_tiyn": payment.amount_tiyn, "cap_tiyn": self.cap_tiyn}
        if payment.amount_tiyn > self.cap_tiyn:
            return self.refuse("E_MARK_CAP", **facts)
        return self.allow((), **facts)


@dataclass(frozen=True, slots=True)
class Period(Clause):
    """PERIOD: in one `period`, the payer, the payee or all together (`whose`: PAYER, PAYEE, ALL) take `cap_tiyn`."""

    period: int
    whose: int
    cap_tiyn: int

    TAG: ClassVar[int] = 7
    KIND: ClassVar[str] = "period"
    ARGUMENTS: ClassVar[tuple[Kind, ...]] = (Unsigned(DAY, EVER), Unsigned(PAYER, ALL), AMOUNT)

    def judge(self, payment: Payment, known: Known) -> Finding:
        """E_MARK_PERIOD above it."""
        name = self.counter(payment)
        total = known.used(name) + payment.amount_tiyn
        facts = {"period": PERIOD_NAMES[self.period], "total_tiyn": total, "cap_tiyn": self.cap_tiyn}
        if total > self.cap_tiyn:
            return self.refuse("E_MARK_PERIOD", **facts)
        return self.allow(((name, payment.amount_tiyn),), **facts)

    def counter(self, payment: Payment) -> bytes:
        """The name of the counter of what was paid in the payment's period."""
        holders = {
            PAYER: payment.payer.pseudonym,
            PAYEE: payment.payee.pseudonym,
            PAIR: payment.payer.pseudonym + payment.payee.pseudonym,
            ALL: b"",
        }
        number = period_number(self.period, payment.now + payment.day_offset_seconds)
        return counter_name(b"mark-period", payment.mark, self.name, holders[self.whose], number)


@dataclass(frozen=True, slots=True)
class Window(Clause):
    """WINDOW: only from `valid_from` to `valid_until`."""

    valid_from: int
    valid_until: int

    TAG: ClassVar[int] = 8
    KIND: ClassVar[str] = "window"
    ARGUMENTS: ClassVar[tuple[Kind, ...]] = (MOMENT, MOMENT)

    def judge(self, payment: Payment, known: Known) -> Finding:
        """E_MARK_TIME outside."""
        facts = {
            "mark": self.name,
            "now": payment.now,
            "valid_from": self.valid_from,
            "valid_until": self.valid_until,
        }
        if not self.valid_from <= payment.now <= self.valid_until:
            return self.refuse("E_MARK_TIME", **facts)
        return self.allow((), **facts)


@dataclass(frozen=True, slots=True)
class Share(Clause):
    """SHARE: `numerator`/`denominator` of what is paid (a broken tiyn more) goes to the payee under `mark`."""

    numerator: int
    denominator: int
    mark: bytes

    TAG: ClassVar[int] = 9
    KIND: ClassVar[str] = "share"
    ARGUMENTS: ClassVar[tuple[Kind, ...]] = (_PART, _PART, HASH)


@dataclass(frozen=True, slots=True)
class Drops(Clause):
    """DROPS: what such a payee gets is free money."""

    TAG: ClassVar[int] = 10
    KIND: ClassVar[str] = "drops"
    ARGUMENTS: ClassVar[tuple[Kind, ...]] = ()


@dataclass(frozen=True, slots=True)
class Marks(Clause):
    """MARKS: such payers put this mark on `numerator`/`denominator` of free money they pay (a broken tiyn more)."""

    numerator: int
    denominator: int

    TAG: ClassVar[int] = 11
    KIND: ClassVar[str] = "marks"
    ARGUMENTS: ClassVar[tuple[Kind, ...]] = (_PART, _PART)


@dataclass(frozen=True, slots=True)
class Release(Clause):
    """RELEASE: a holder (`payers` names the categories) frees `numerator`/`denominator` of what its documents prove.

    The broken tiyn and the rest stay marked until another release clause frees them: that is a retention.
    """

    register: bytes
    fact_kind: int
    numerator: int
    denominator: int

    TAG: ClassVar[int] = 12
    KIND: ClassVar[str] = "release"
    ARGUMENTS: ClassVar[tuple[Kind, ...]] = (HASH, _KIND_OF_FACT, _PART, _PART)

    def frees(self, category: int) -> bool:
        """Whether holders of this category may use it."""
        return not self.payers or category in self.payers


KINDS: dict[int, type[Clause]] = {
    kind.TAG: kind
    for kind in (
        Listed,
        Document,
        Goods,
        Prices,
        Estimate,
        Cap,
        Period,
        Window,
        Share,
        Drops,
        Marks,
        Release,
    )
}
_NAME = Text(32)


@dataclass(frozen=True, slots=True)
class ClauseKind:
    """The record field that holds a clause."""

    def load(self, value: object, name: str) -> Clause:
        """The clause; E_TYPE, E_FIELD or E_COUNT for a wrong shape, E_CLAUSE for one that cannot be."""
        if isinstance(value, Clause):
            value = value.wire()
        if not isinstance(value, list | tuple):
            raise Malformed("E_TYPE", type=f"{name}: {type(value).__name__}")
        if len(value) != 5:
            raise Malformed("E_FIELD", field=name, problem=f"{len(value)} items, not 5")
        kind = KINDS.get(value[0]) if type(value[0]) is int else None
        if kind is None:
            raise Malformed("E_CLAUSE", clause=name, problem=f"there is no kind {str(value[0])[:20]}")
        label = _NAME.load(value[1], f"{name}.name")
        if not label:
            raise Malformed("E_CLAUSE", clause=name, problem="it has no name")
        payers, payees = (_CATEGORIES.load(item, name) for item in value[2:4])
        clause = kind(label, payers, payees, *Group(kind.ARGUMENTS).load(value[4], label))
        _check(clause)
        return clause


def _check(clause: Clause) -> None:
    """E_CLAUSE for a clause of the right shape that could never do what it says."""
    problem = ""
    match clause:
        case Share() | Marks() | Release() if clause.numerator > clause.denominator:
            problem = "a share is at most the whole"
        case Release() if clause.payees:
            problem = "nobody is paid by a release"
        case Goods() if any(first > last for first, last in clause.ranges):
            problem = "a range ends before it begins"
        case Prices(caps=rows) | Estimate(sums=rows) if len(dict(rows)) != len(rows):
            problem = "an item stands twice"
        case Window() if clause.valid_from > clause.valid_until:
            problem = "it ends before it begins"
    if problem:
        raise Malformed("E_CLAUSE", clause=clause.name, problem=problem)


def parts_of(
    clauses: tuple[Clause, ...], mark: bytes, payer: int, payee: int, amount_tiyn: int
) -> dict[bytes, int]:
    """How a payment of marked money arrives: mark (empty: free money) to amount in tiyn, nothing of which is 0.

    A share goes on under its own mark; the rest keeps the mark, or is free where the mark ends.
    """
    rest = amount_tiyn
    arrives: dict[bytes, int] = {}
    for clause in _covering(clauses, payer, payee, Share):
        part = min(rest, share(amount_tiyn, clause.numerator, clause.denominator, remainder_to="share")[0])
        arrives[clause.mark] = arrives.get(clause.mark, 0) + part
        rest -= part
    ends = next(_covering(clauses, payer, payee, Drops), None) is not None
    name = b"" if ends else mark
    arrives[name] = arrives.get(name, 0) + rest
    return {name: amount for name, amount in arrives.items() if amount}


def _covering(clauses: tuple[Clause, ...], payer: int, payee: int, kind: type[Any]) -> Iterator[Any]:
    return (item for item in clauses if isinstance(item, kind) and item.covers(payer, payee))


def marking_of(clauses: tuple[Clause, ...], payer: int, payee: int) -> Marks | None:
    """The clause that lets such a payer put the mark on free money for such a payee, or None."""
    return next(_covering(clauses, payer, payee, Marks), None)
