"""What the clauses of a definition ask of a payment (ledger/5, "What the clauses ask")."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from tests.second_ledger import records
from tests.second_ledger.context import Context
from tests.second_ledger.errors import require
from tests.second_ledger.mpc import enc
from tests.second_ledger.records import Clause
from tests.second_ledger.state import Holder

Uses = dict[bytes, int]


@dataclass(frozen=True)
class Payment:
    """One payment of a transfer (ledger/5, "A transfer", 4)."""

    mark: bytes
    payer: Holder
    payee: Holder
    amount: int
    marking: bool
    vouched: bool


def fact_id(register: bytes, kind: int, subject: bytes, counterparty: bytes, document: bytes) -> bytes:
    """The id of a fact (ledger/5, "Facts")."""
    return sha256(b"kzt-dt/fact/v1\0" + enc([register, kind, subject, counterparty, document])).digest()


def stands(ctx: Context, fact: bytes) -> bool:
    """Whether a fact stands at now."""
    found = ctx.state.facts.get(fact)
    return found is not None and found[3] == 1 and ctx.now <= found[2]


def _look_up(clause: Clause, payment: Payment, document: bytes) -> bytes:
    """The fact that a clause looks up: by register, kind and about."""
    about = clause.args["about"]
    subject = payment.payer[0] if about == 1 else payment.payee[0]
    counterparty = payment.payer[0] if about == 3 else b""
    return fact_id(clause.args["register"], clause.args["fact_kind"], subject, counterparty, document)


def _lines_count(ctx: Context, payment: Payment) -> list[tuple[int, int, int]]:
    """The lines, when they count; else E_MARK_BASKET."""
    lines = list(ctx.tx.fields["lines"])
    sums_up = sum(line[2] for line in lines) == payment.amount
    require(bool(lines) and sums_up and payment.vouched, "E_MARK_BASKET")
    return lines


def _by_item(lines: Iterable[tuple[int, int, int]]) -> dict[int, int]:
    """The sum of the lines of each item, in the order of its first line."""
    sums: dict[int, int] = {}
    for item, _, amount in lines:
        sums[item] = sums.get(item, 0) + amount
    return sums


def _draw(wanted: int, sources: list[tuple[bytes, int]], code: str) -> Uses:
    """Use an amount from (counter, what is left) in order; refuse when they have too little."""
    require(sum(left for _, left in sources) >= wanted, code)
    uses: Uses = {}
    for name, left in sources:
        part = min(left, wanted)
        if part:
            uses[name] = part
            wanted -= part
    return uses


def _listed(ctx: Context, clause: Clause, payment: Payment) -> Uses:
    """LISTED (ledger/5, "What the clauses ask")."""
    require(stands(ctx, _look_up(clause, payment, clause.args["document"])), "E_MARK_LISTED")
    return {}


def _document(ctx: Context, clause: Clause, payment: Payment) -> Uses:
    """DOCUMENT (ledger/5, "What the clauses ask")."""
    named = dict.fromkeys(ctx.tx.fields["documents"])
    facts = [_look_up(clause, payment, document) for document in named]
    good = [fact for fact in facts if stands(ctx, fact)]
    require(bool(good), "E_MARK_DOCUMENT")
    sources = []
    for fact in good:
        name = b"used:" + fact
        sources.append((name, max(0, ctx.state.facts[fact][0] - ctx.counter(name))))
    uses = _draw(payment.amount, sources, "E_MARK_DOCUMENT_SUM")
    if clause.args["same_lines"]:
        for item, amount in _by_item(_lines_count(ctx, payment)).items():
            sources = []
            for fact in good:
                name = b"item:" + fact + item.to_bytes(4, "big")
                whole = _by_item(ctx.state.facts[fact][1]).get(item, 0)
                sources.append((name, max(0, whole - ctx.counter(name))))
            uses |= _draw(amount, sources, "E_MARK_DOCUMENT_LINES")
    return uses


def _goods(ctx: Context, clause: Clause, payment: Payment) -> Uses:
    """GOODS (ledger/5, "What the clauses ask")."""
    for item, _, _ in _lines_count(ctx, payment):
        inside = any(first <= item <= last for first, last in clause.args["ranges"])
        require(inside == (clause.args["allowed"] == 1), "E_MARK_GOODS")
    return {}


def _prices(ctx: Context, clause: Clause, payment: Payment) -> Uses:
    """PRICES (ledger/5, "What the clauses ask")."""
    caps = dict(clause.args["caps"])
    for item, quantity, amount in _lines_count(ctx, payment):
        require(item not in caps or amount <= caps[item] * quantity, "E_MARK_PRICE")
    return {}


def _estimate(ctx: Context, clause: Clause, payment: Payment) -> Uses:
    """ESTIMATE (ledger/5, "What the clauses ask")."""
    sums, uses = dict(clause.args["sums"]), {}
    lines = _by_item(_lines_count(ctx, payment))
    require(all(item in sums for item in lines), "E_MARK_ESTIMATE")
    for item, amount in lines.items():
        name = b"mark-estimate:" + enc([payment.mark, clause.name, item])
        require(ctx.counter(name) + amount <= sums[item], "E_MARK_ESTIMATE_SUM")
        uses[name] = amount
    return uses


def _cap(ctx: Context, clause: Clause, payment: Payment) -> Uses:
    """CAP (ledger/5, "What the clauses ask")."""
    require(payment.amount <= clause.args["cap"], "E_MARK_CAP")
    return {}


def _period(ctx: Context, clause: Clause, payment: Payment) -> Uses:
    """PERIOD (ledger/5, "What the clauses ask")."""
    payer, payee = payment.payer[0], payment.payee[0]
    holders = (payer, payee, payer + payee, b"")[clause.args["whose"] - 1]
    day = ctx.genesis.day(ctx.now)
    year, month = ctx.genesis.year_month(ctx.now)
    number = (day, (day + 3) // 7, month, year, 0)[clause.args["period"] - 1]
    name = b"mark-period:" + enc([payment.mark, clause.name, holders, number])
    require(ctx.counter(name) + payment.amount <= clause.args["cap"], "E_MARK_PERIOD")
    return {name: payment.amount}


def _window(ctx: Context, clause: Clause, payment: Payment) -> Uses:
    """WINDOW (ledger/5, "What the clauses ask")."""
    require(clause.args["valid_from"] <= ctx.now <= clause.args["valid_until"], "E_MARK_TIME")
    return {}


_ASK = {
    records.LISTED: _listed,
    records.DOCUMENT: _document,
    records.GOODS: _goods,
    records.PRICES: _prices,
    records.ESTIMATE: _estimate,
    records.CAP: _cap,
    records.PERIOD: _period,
    records.WINDOW: _window,
}


def judge(ctx: Context, payment: Payment) -> None:
    """One payment by the definition of its mark (ledger/5, "A transfer", 7)."""
    definition: dict[str, Any] = ctx.known(payment.mark).fields
    require(definition["valid_from"] <= ctx.now <= definition["valid_until"], "E_MARK_TIME")
    payer, payee = payment.payer[1], payment.payee[1]
    edges = definition["edges"]
    require(any(row[0] == payer and payee in row[1] for row in edges), "E_MARK_EDGE")
    cap = definition["payment_cap"]
    require(not cap or payment.marking or payment.amount <= cap, "E_MARK_CAP")
    uses: Uses = {}
    for clause in definition["clauses"]:
        if clause.tag in _ASK and clause.covers(payer, payee):
            for name, amount in _ASK[clause.tag](ctx, clause, payment).items():
                uses[name] = max(amount, uses.get(name, 0))
    for name, amount in uses.items():
        ctx.changes.added[name] += amount
