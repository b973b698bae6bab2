"""Marks of a transfer (ledger/5, "A transfer") and who may go offline (ledger/5, "Offline")."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from tests.second_ledger import records
from tests.second_ledger.clauses import Payment, judge
from tests.second_ledger.context import Context
from tests.second_ledger.errors import require
from tests.second_ledger.state import Holder, Token


@dataclass(frozen=True)
class Flows:
    """Step 3: flows, spenders, who vouches."""

    flow: dict[Holder, int]
    spenders: tuple[Holder, ...]
    vouching: frozenset[Holder]


def ceil_part(amount: int, clause: records.Clause) -> int:
    """The amount times numerator through denominator, rounded up."""
    return int(-(-amount * clause.args["numerator"] // clause.args["denominator"]))


def _carried(ctx: Context) -> None:
    """Step 1: the definition that the transfer carries."""
    envelope = ctx.tx.definition
    if envelope is None:
        return
    network, fields = ctx.genesis.network, envelope.fields
    treasuries = [auth for auth in ctx.genesis.of_role(19) if auth.current(ctx.now)]
    require(any(envelope.signed_by(network, auth.algorithm, auth.key) for auth in treasuries), "E_SIG")
    own = [token for token in ctx.inputs if token.lock == (1, fields["issuer"])]
    require(bool(own) and ctx.key_of(own[0]).category == 201, "E_MARK_ISSUER")
    back = ctx.state.keys.get(fields["return_to"])
    require(back is not None and back.category == 201, "E_MARK_RETURN")
    ctx.changes.marks[envelope.identity(network)] = envelope


def _flows(ctx: Context) -> Flows:
    """Step 3. The order of ``flow`` is that of the inputs, then of the outputs."""
    flow: dict[Holder, int] = {}
    for token in ctx.inputs:
        flow[ctx.holder_of(token)] = flow.get(ctx.holder_of(token), 0) - token.amount
    spenders = tuple(flow)
    vouching = set()
    for token in ctx.outputs:
        holder = ctx.holder_of(token)
        flow[holder] = flow.get(holder, 0) + token.amount
        if token.lock[0] == 1 and token.lock[1] in ctx.signers:
            vouching.add(holder)
    return Flows(flow, spenders, frozenset(vouching))


def _by_issuer(ctx: Context, mark: bytes) -> bool:
    """Whether all inputs have the lock [1, issuer] of that mark's definition."""
    issuer = ctx.known(mark).fields["issuer"]
    return all(token.lock == (1, issuer) for token in ctx.inputs)


def _payments(ctx: Context, mark: bytes, flows: Flows) -> list[Payment]:
    """Step 4."""
    found = []
    if mark:
        payers = [holder for holder, flow in flows.flow.items() if flow < 0]
        for payee, flow in flows.flow.items():
            if flow > 0:
                vouched = payee in flows.vouching
                found += [Payment(mark, payer, payee, flow, False, vouched) for payer in payers]
        return found
    sums: dict[tuple[bytes, Holder], int] = {}
    for token in ctx.outputs:
        holder = ctx.holder_of(token)
        if token.mark and holder not in flows.spenders:
            sums[token.mark, holder] = sums.get((token.mark, holder), 0) + token.amount
    for (under, payee), amount in sums.items():
        marking, vouched = _by_issuer(ctx, under), payee in flows.vouching
        for payer in sorted(flows.spenders):
            found.append(Payment(under, payer, payee, amount, marking, vouched))
    return found


def _crowds(ctx: Context, payments: list[Payment]) -> None:
    """Step 5."""
    told = bool(ctx.tx.fields["lines"] or ctx.tx.fields["documents"])
    if len(payments) >= 2:
        for payment in payments:
            clauses = ctx.known(payment.mark).fields["clauses"]
            require(not clauses or (payment.marking and not told), "E_MARK_PAYEES")


def _parts(ctx: Context, mark: bytes, payer: int, payee: int, amount: int) -> dict[bytes, int]:
    """``parts(m, p, q, a)`` of step 6."""
    rest, parts = amount, defaultdict[bytes, int](int)
    clauses = [c for c in ctx.known(mark).fields["clauses"] if c.covers(payer, payee)]
    for clause in clauses:
        if clause.tag == records.SHARE:
            part = min(rest, ceil_part(amount, clause))
            parts[clause.args["mark"]] += part
            rest -= part
    drops = any(clause.tag == records.DROPS for clause in clauses)
    parts[b"" if drops else mark] += rest
    return {under: part for under, part in parts.items() if part}


def _arrives(ctx: Context, mark: bytes, flows: Flows) -> None:
    """Step 6: how marked money arrives."""
    gets: dict[Holder, defaultdict[bytes, int]] = {}
    for token in ctx.outputs:
        gets.setdefault(ctx.holder_of(token), defaultdict(int))[token.mark] += token.amount
    first = next((holder for holder, flow in flows.flow.items() if flow < 0), None)
    for holder, got in gets.items():
        flow = flows.flow[holder]
        wanted = {mark: sum(got.values())}
        if flow > 0 and first is not None:
            due = _parts(ctx, mark, first[1], holder[1], flow)
            if holder not in flows.spenders:
                wanted = due
            else:
                require(due == {mark: flow}, "E_MARK_PAYEES")
        shared = any(under not in (b"", mark) for under in wanted)
        require(dict(got) == wanted, "E_MARK_SHARE" if shared else "E_MARK_DROPPED")
    for token in ctx.outputs:
        holder = ctx.holder_of(token)
        keeps = holder in flows.spenders and flows.flow[holder] <= 0
        require(keeps or token.lock[0] == 1, "E_MARK_LOCK")


def _marked(ctx: Context, flows: Flows) -> None:
    """Step 6': how free money is marked."""
    marked: dict[tuple[bytes, Holder], int] = {}
    for token in ctx.outputs:
        if token.mark:
            require(token.lock[0] == 1, "E_MARK_LOCK")
            if not _by_issuer(ctx, token.mark):
                row = (token.mark, ctx.holder_of(token))
                marked[row] = marked.get(row, 0) + token.amount
    for (mark, holder), amount in marked.items():
        require(len(flows.spenders) == 1 and holder not in flows.spenders, "E_MARK_ISSUER")
        clauses = [
            clause
            for clause in ctx.known(mark).fields["clauses"]
            if clause.tag == records.MARKS and clause.covers(flows.spenders[0][1], holder[1])
        ]
        require(bool(clauses), "E_MARK_ISSUER")
        whole = sum(token.amount for token in ctx.outputs if ctx.holder_of(token) == holder)
        require(amount == ceil_part(whole, clauses[0]), "E_MARK_SHARE")


def ask_transfer(ctx: Context) -> None:
    """All steps of "A transfer"."""
    _carried(ctx)
    mark = ctx.one_mark()
    outputs: list[Token] = ctx.outputs
    for under in dict.fromkeys([mark, *(token.mark for token in outputs)]):
        if under:
            ctx.known(under)
    if not mark and not any(token.mark for token in outputs):
        return
    flows = _flows(ctx)
    payments = _payments(ctx, mark, flows)
    _crowds(ctx, payments)
    if mark:
        _arrives(ctx, mark, flows)
    else:
        _marked(ctx, flows)
    for payment in payments:
        judge(ctx, payment)


def may_go_offline(definition: dict[str, Any], category: int) -> bool:
    """Whether money of a mark may go offline for a loader of that category (ledger/5, "Offline")."""
    converts = definition["converts_on_redeem"] == 1
    if converts and category in definition["release_categories"]:
        return False
    if definition["max_hops"] == 0:
        return False
    harmless = (records.CAP, records.WINDOW, records.RELEASE, records.MARKS)
    for clause in definition["clauses"]:
        if clause.tag not in harmless and set(clause.payers) != {201}:
            return False
        if clause.tag == records.RELEASE and converts:
            return False
    return True
