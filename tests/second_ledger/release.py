"""Release of marked money and the end of a mark (ledger/5, "Release" and "Expiry")."""

from typing import Any

from tests.second_ledger import records
from tests.second_ledger.clauses import fact_id, stands
from tests.second_ledger.context import Context
from tests.second_ledger.errors import require
from tests.second_ledger.records import Clause, Envelope


def _statement(
    ctx: Context, statement: Envelope, definition: dict[str, Any], mark: bytes, who: bytes
) -> None:
    """One statement of a release."""
    fields = statement.fields
    fits = fields["register"] == definition["evidence"] and fields["mark"] == mark and fields["holder"] == who
    require(fits, "E_STATEMENT")
    auths = [auth for auth in ctx.genesis.of_role(22) if auth.kid == fields["register"]]
    require(bool(auths), "E_AUTHORITY")
    require(any(auth.current(ctx.now) for auth in auths), "E_AUTHORITY_TIME")
    signed = statement.signed_by(ctx.genesis.network, auths[0].algorithm, auths[0].key)
    require(signed, "E_SIG")


def _clauses(ctx: Context, clauses: list[Clause], who: bytes, released: int) -> None:
    """The release clauses: what documents free."""
    if not clauses:
        return
    left, taken = released, dict[bytes, int]()
    for clause in clauses:
        for document in dict.fromkeys(ctx.tx.fields["documents"]):
            fact = fact_id(clause.args["register"], clause.args["fact_kind"], who, b"", document)
            if not stands(ctx, fact):
                continue
            whole = ctx.state.facts[fact][0] * clause.args["numerator"] // clause.args["denominator"]
            free = max(0, whole - ctx.state.counter(b"used:" + fact))
            free = max(0, free - taken.get(fact, 0))
            part = min(free, left)
            taken[fact] = taken.get(fact, 0) + part
            left -= part
    require(left == 0, "E_MARK_RELEASE_SUM")
    for fact, part in taken.items():
        ctx.changes.added[b"used:" + fact] += part


def ask_release(ctx: Context) -> None:
    """Type 70, in the order of ledger/5, "Release"."""
    ctx.take_inputs()
    ctx.locks()
    ctx.balanced()
    mark = ctx.one_mark()
    require(mark != b"", "E_MARK_NONE")
    holders = {ctx.holder_of(token) for token in [*ctx.inputs, *ctx.outputs]}
    require(len(holders) == 1, "E_MARK_RELEASE_HOLDER")
    who, category = holders.pop()
    definition = ctx.known(mark).fields
    clauses = [clause for clause in definition["clauses"] if clause.tag == records.RELEASE]
    mine = [clause for clause in clauses if not clause.payers or category in clause.payers]
    require(category in definition["release_categories"] and (bool(mine) or not clauses), "E_MARK_RELEASE")
    require(all(token.mark in (b"", mark) for token in ctx.outputs), "E_MARK_DROPPED")
    for statement in ctx.tx.statements:
        _statement(ctx, statement, definition, mark, who)
    released = sum(token.amount for token in ctx.outputs if not token.mark)
    if definition["evidence"]:
        stated = sum(statement.fields["amount"] for statement in ctx.tx.statements)
        require(stated >= released, "E_MARK_EVIDENCE")
    _clauses(ctx, mine, who, released)
    ctx.places("ReleaseMark")
    ctx.not_frozen()
    for statement in ctx.tx.statements:
        ctx.once(statement.identity(ctx.genesis.network), "E_STATEMENT_USED")


def ask_expiry(ctx: Context) -> None:
    """Type 71 (ledger/5, "Expiry")."""
    ctx.take_inputs()
    ctx.role(19)
    ctx.balanced()
    mark = ctx.one_mark()
    require(mark != b"", "E_MARK_NONE")
    definition = ctx.known(mark).fields
    require(ctx.now > definition["valid_until"], "E_MARK_NOT_OVER")
    back = ctx.state.keys[definition["return_to"]].holder
    require(all(not t.mark and ctx.holder_of(t) == back for t in ctx.outputs), "E_MARK_RETURN")
    ctx.places("ExpireMark")
