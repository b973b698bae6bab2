"""What every clause of a mark works with: the payment it judges, what can be looked up, and what it found.

A register outside speaks through **facts** on the ledger (`cbdc.transaction.Attest`): signed, replaceable, revocable.
A clause looks facts and counters up through `Known`; what it would use up (a document's sum, a line of an estimate, a
period's cap) is part of its finding, so that judging, explaining and booking are one computation. The kinds of clauses
stand in `cbdc.clauses`.
"""

import hashlib
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, Protocol

from cbdc import canonical
from cbdc.money import share
from cbdc.record import AMOUNT, HASH, Group, Items, Kind, Unsigned

MAX_LINES = 64
MAX_DOCUMENTS = 16
TREASURY_CATEGORY = 201

PAYER, PAYEE, PAIR, ALL = 1, 2, 3, 4
ABOUT_NAMES = {PAYER: "payer", PAYEE: "payee", PAIR: "payer and payee", ALL: "all"}

DAY, WEEK, MONTH, YEAR, EVER = 1, 2, 3, 4, 5
PERIOD_NAMES = {DAY: "day", WEEK: "week", MONTH: "month", YEAR: "year", EVER: "ever"}

NUMBER = Unsigned(0, 2**32 - 1)


class BasketLine(NamedTuple):
    """One line of what is paid for: an item's number (goods, or a line of an estimate), how many, for how much."""

    item: int
    quantity: int
    amount_tiyn: int


@dataclass(frozen=True, slots=True)
class _LineKind:
    def load(self, value: object, name: str) -> BasketLine:
        return BasketLine(*Group((NUMBER, Unsigned(1, 10**9), AMOUNT)).load(value, name))


LINES = Items(_LineKind(), most=MAX_LINES)
DOCUMENTS = Items(HASH, most=MAX_DOCUMENTS)


class Party(NamedTuple):
    """One side of a payment: a holder's pseudonym (32 bytes) and category."""

    pseudonym: bytes
    category: int


@dataclass(frozen=True, slots=True)
class Fact:
    """What a register says now: up to which sum, for which lines, until when; `standing` 0 once it took it back."""

    amount_tiyn: int
    lines: tuple[BasketLine, ...]
    expires: int
    standing: int


def fact_id(register: bytes, kind: int, subject: bytes, counterparty: bytes, document: bytes) -> bytes:
    """Where a fact stands: its register's key id, its kind, whom it is about, and the document it speaks of."""
    return hashlib.sha256(
        b"kzt-dt/fact/v1\0" + canonical.encode([register, kind, subject, counterparty, document])
    ).digest()


class Known(Protocol):
    """What can be looked up while a payment is judged."""

    def fact(self, id: bytes) -> Fact | None:
        """The fact with this id, or None."""
        ...

    def used(self, name: bytes) -> int:
        """A counter, 0 when it was never moved."""
        ...


@dataclass(frozen=True, slots=True)
class Payment:
    """What a mark judges: who pays whom how much, when, for which lines, on which documents.

    `mark` is the mark's id; `vouched` whether the payee signed the payment (and so its lines); `marking` whether the
    mark's issuer puts the mark on the money with this payment; `day_offset_seconds` where a day begins.
    """

    mark: bytes
    payer: Party
    payee: Party
    amount_tiyn: int
    now: int
    lines: tuple[BasketLine, ...] = ()
    documents: tuple[bytes, ...] = ()
    vouched: bool = False
    marking: bool = False
    day_offset_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule found: its name and kind, the refusal's code (empty: it allows), the facts, and what it uses up."""

    rule: str
    kind: str
    code: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    uses: tuple[tuple[bytes, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Clause:
    """Base of the closed list: a name and a scope. Arguments are the fields of the subclass, in wire order."""

    name: str
    payers: tuple[int, ...]
    payees: tuple[int, ...]

    TAG: ClassVar[int]
    KIND: ClassVar[str]
    ARGUMENTS: ClassVar[tuple[Kind, ...]]

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The values behind the scope, in wire order."""
        return tuple(getattr(self, item.name) for item in fields(self)[3:])

    def wire(self) -> tuple[object, ...]:
        """`[tag, name, payers, payees, arguments]`."""
        return (self.TAG, self.name, self.payers, self.payees, self.arguments)

    def covers(self, payer_category: int, payee_category: int) -> bool:
        """Whether a payment between these categories is in its scope."""
        by_payer = payer_category in self.payers if self.payers else payer_category != TREASURY_CATEGORY
        return by_payer and (not self.payees or payee_category in self.payees)

    def judge(self, payment: Payment, known: Known) -> Finding:
        """What it says of a payment in its scope."""
        return self.allow()

    def allow(self, uses: tuple[tuple[bytes, int], ...] = (), **facts: Any) -> Finding:
        """The finding that allows."""
        return Finding(self.name, self.KIND, "", facts, uses)

    def refuse(self, code: str, **facts: Any) -> Finding:
        """The finding that refuses."""
        return Finding(self.name, self.KIND, code, {"rule": self.name, **facts})


class Found(NamedTuple):
    """A document that was named: its fact (None: there is none), what it has left, its counter, and its fact's id."""

    fact: Fact | None
    left_tiyn: int
    counter: bytes
    identity: bytes


def look_up(
    register: bytes,
    kind: int,
    subject: bytes,
    counterparty: bytes,
    documents: tuple[bytes, ...],
    known: Known,
    part: tuple[int, int] = (1, 1),
) -> list[Found]:
    """What a register says of each document that is named, in the order named; one named twice counts once.

    Of each sum, `part` (numerator, denominator) may be used; a broken tiyn may not.
    """
    found = []
    for document in dict.fromkeys(documents):
        identity = fact_id(register, kind, subject, counterparty, document)
        fact, used = known.fact(identity), known.used(used_name(identity))
        allowed = share(fact.amount_tiyn, *part, remainder_to="rest")[0] if fact else 0
        found.append(Found(fact, max(0, allowed - used), used_name(identity), identity))
    return found


def used_name(fact: bytes) -> bytes:
    """The name of the counter of what was paid or freed on a fact."""
    return b"used:" + fact


def item_name(fact: bytes, item: int) -> bytes:
    """The name of the counter of what was paid for one item of a fact."""
    return b"item:" + fact + item.to_bytes(4, "big")


def counter_name(word: bytes, *parts: bytes | str | int) -> bytes:
    """The name of a counter of a clause: no two lists of parts give the same."""
    return word + b":" + canonical.encode(list(parts))


def take(found: list[Found], amount_tiyn: int) -> tuple[tuple[bytes, int], ...]:
    """How an amount is taken from documents, the first named first."""
    uses = []
    for item in found:
        part = min(item.left_tiyn, amount_tiyn)
        amount_tiyn -= part
        if part:
            uses.append((item.counter, part))
    return tuple(uses)


def fact_problem(fact: Fact | None, now: int) -> str:
    """Why a fact cannot be relied on now, or nothing."""
    if fact is None:
        return "the register says nothing of it"
    if not fact.standing:
        return "the register took it back"
    return "it has expired" if now > fact.expires else ""


def standing(found: list[Found], now: int) -> list[Found]:
    """The documents among `found` that stand now."""
    return [item for item in found if not fact_problem(item.fact, now)]


def about_parties(about: int, payment: Payment) -> tuple[bytes, bytes]:
    """The subject and the counterparty (empty for one party) of the facts that a clause asks for."""
    if about == PAYER:
        return payment.payer.pseudonym, b""
    return payment.payee.pseudonym, payment.payer.pseudonym if about == PAIR else b""


def basket_problem(payment: Payment) -> str:
    """Why the lines of a payment cannot be relied on, or nothing."""
    if not payment.lines:
        return "the payment names no lines"
    if sum(line.amount_tiyn for line in payment.lines) != payment.amount_tiyn:
        return "the lines do not add up to what is paid"
    return "" if payment.vouched else "the payee did not sign it"


class Item(NamedTuple):
    """An item that is paid for: how much, and what each document has left of it, by the counter's name."""

    paid_tiyn: int
    left_tiyn: dict[bytes, int]


def items_of(lines: tuple[BasketLine, ...], documents: list[Found], known: Known) -> dict[int, Item]:
    """What is paid for each item, and what the documents still have of it."""
    paid = {item: 0 for item, _, _ in lines}
    for item, _, amount in lines:
        paid[item] += amount
    items = {}
    for item, amount in paid.items():
        left = {}
        for found in documents:
            name = item_name(found.identity, item)
            allowed = (
                sum(line.amount_tiyn for line in found.fact.lines if line.item == item) if found.fact else 0
            )
            left[name] = max(0, allowed - known.used(name))
        items[item] = Item(amount, left)
    return items


def period_number(period: int, local_seconds: int) -> int:
    """The number of the day, week (from Monday), calendar month or year that a local time falls in; 0 for EVER."""
    days = local_seconds // 86_400
    if period == DAY:
        return days
    if period == WEEK:
        return (days + 3) // 7
    if period == EVER:
        return 0
    # Days since 0000-03-01, so that leap days end a year; `datetime` ends with the year 9999, a moment of the ledger
    # does not. Source: H. Hinnant, "chrono-compatible low-level date algorithms", days to civil.
    era, day = divmod(days + 719_468, 146_097)
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    month = (5 * (day - (365 * year + year // 4 - year // 100)) + 2) // 153 + 3
    civil = era * 400 + year + (month > 12)
    return civil if period == YEAR else civil * 12 + (month - 12 if month > 12 else month) - 1
