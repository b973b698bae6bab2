"""Guard G6: marks are inherited, obeyed, released and expired; nothing else takes a mark off.

Who may put a mark on money: only the treasury account that its definition names as issuer, and the definition comes
with the first such transfer, signed by a treasury certificate. From then on the ledger keeps it.

What moves between the keys of one holder (the same pseudonym **and** category) is no payment. A cap holds for all that
one payee gets in a transaction, however many outputs it is cut into. Under a definition with clauses one transaction
makes one payment (`cbdc.ledger.judgement.crowded`): lines and documents then speak of just that one. What a payment
uses up (a document's sum, a line of an estimate, a period's cap) is booked with it, in the same commit.
"""

from collections import Counter
from collections.abc import Iterable

from cbdc import authority
from cbdc.clause import Party
from cbdc.clauses import marking_of, parts_of
from cbdc.errors import Refused, by_code
from cbdc.ledger.context import Case, check_not_frozen, create_all, open_locks, signing_as, spend_all
from cbdc.ledger.judgement import Held, Judged, Seen, crowded, flows, judged
from cbdc.ledger.places import Holder, check_places, identity
from cbdc.ledger.state import COUNTER, KEY, MARK, RegisteredKey, StateKey
from cbdc.marks import (
    MarkDefinition,
    Statement,
    check,
    judge,
    judge_over,
    judge_release,
    open_definition,
    open_statement,
)
from cbdc.money import share
from cbdc.record import Signed
from cbdc.token import TREASURY_ACCOUNT, KeyLock, Token
from cbdc.transaction import ExpireMark, ReleaseMark, Transfer


def definition_of(case: Case, mark: bytes) -> MarkDefinition:
    """The ledger's definition of a mark; E_MARK_UNKNOWN when it has none."""
    return open_definition(case.draft.mark_envelope(mark), case.genesis.network).record


def learn_definition(case: Case, envelope: bytes) -> None:
    """Take a definition that a treasury certificate valid now signed, and the treasury account that it names brings.

    Raises E_SIG, E_MARK_ISSUER, or E_MARK_RETURN unless what is left can return to a treasury account.
    """
    signed = open_definition(envelope, case.genesis.network)
    _verify_by_treasury(case, signed)
    own = KeyLock(signed.record.issuer)
    issuers = [holder for _, token, holder in case.draft.spent if token.lock == own]
    if not issuers or issuers[0].category != TREASURY_ACCOUNT:
        raise Refused("E_MARK_ISSUER", mark=signed.record.label)
    account = case.view[StateKey(KEY, signed.record.return_to)]
    if not isinstance(account, RegisteredKey) or account.category != TREASURY_ACCOUNT:
        # No later transaction could mend it: after the last day the money would neither move nor return.
        raise Refused("E_MARK_RETURN", mark=signed.record.label)
    key = StateKey(MARK, signed.oid)
    if case.view[key] is None:
        case.draft.changes[key] = envelope


def _verify_by_treasury(case: Case, signed: Signed[MarkDefinition]) -> None:
    refusal = Refused("E_SIG", kid=signed.record.issuer)
    for auth in case.genesis.authority.with_role(authority.TREASURY):
        if auth.not_before <= case.now <= auth.expires:
            try:
                signed.verify(auth.key)
            except Refused as error:
                refusal = error
                continue
            return
    raise refusal


def single_mark(case: Case) -> bytes:
    """The one mark of the inputs (empty for free money); E_MARK_MIXED when they have different ones."""
    marks = {token.mark for _, token, _ in case.draft.spent}
    if len(marks) != 1:
        raise Refused("E_MARK_MIXED", marks=len(marks))
    return marks.pop()


def check_kept(case: Case, mark: bytes, tokens: Iterable[Token] | None = None) -> None:
    """E_MARK_DROPPED unless every output (or each of `tokens`) has the inputs' mark."""
    outputs = [token for token, _ in case.draft.created] if tokens is None else tokens
    if any(token.mark != mark for token in outputs):
        raise Refused("E_MARK_DROPPED", mark=mark)


def check_unmarked(tokens: Iterable[Token]) -> None:
    """E_MARK_ISSUER when one of `tokens`, new money or money that was free, carries a mark."""
    for token in tokens:
        if token.mark:
            raise Refused("E_MARK_ISSUER", mark=token.mark)


def check_transfer(case: Case, record: Transfer) -> None:
    """G6 for a transfer: marked money arrives as its definition says, free money is marked by those who may, and every
    payment under a mark is judged by its definition."""
    if record.definition:
        learn_definition(case, record.definition)
    mark, spent, payments = payments_of(case, record)
    if crowd := crowded(payments):
        raise Refused("E_MARK_PAYEES", mark=crowd.definition.label, payments=len(payments))
    if mark:
        _check_arrival(case, mark, spent)
    else:
        _check_marking(case, spent)
    seen = Seen(case.view, case.draft)
    for definition, payment in payments:
        for name, amount in check(judge(definition, payment, seen)):
            case.draft.moved[StateKey(COUNTER, name)] += amount


def payments_of(case: Case, record: Transfer) -> tuple[bytes, list[Held], list[Judged]]:
    """The mark of the inputs, what was spent, and the payments that marks judge; E_MARK_MIXED, E_MARK_UNKNOWN."""
    mark = single_mark(case)
    spent = [(token, holder) for _, token, holder in case.draft.spent]
    marks = dict.fromkeys([mark, *(token.mark for token, _ in case.draft.created)])
    definitions = {name: definition_of(case, name) for name in marks if name}
    if not definitions:
        return mark, spent, []
    vouchers = _signing_holders(case)
    created = case.draft.created
    found = judged(case.genesis, definitions, record, spent, created, vouchers, case.now)
    return mark, spent, list(found)


def _signing_holders(case: Case) -> frozenset[Holder]:
    """The holders among the payees who signed the transaction too."""
    return frozenset(
        identity(payee)
        for token, payee in case.draft.created
        if isinstance(token.lock, KeyLock) and token.lock.kid in case.signers
    )


def _check_arrival(case: Case, mark: bytes, spent: list[Held]) -> None:
    """What stays keeps the mark; what a payee gets keeps it, is in part under another, or is free where it ends.

    Where a payee's own tokens of the mark are among the inputs, nobody could tell what is his from what he gets: there
    everything keeps the mark.
    """
    definition = definition_of(case, mark)
    spenders = {identity(holder) for _, holder in spent}
    flow = flows(spent, case.draft.created)
    payers = [holder for holder, amount in flow.items() if amount < 0]
    arrived: dict[Holder, Counter[bytes]] = {}
    for token, payee in case.draft.created:
        arrived.setdefault(identity(payee), Counter())[token.mark] += token.amount_tiyn
    for holder, parts in arrived.items():
        wanted = {mark: parts.total()}
        if flow[holder] > 0:
            # Several payers are several payments, so then there is no clause that could part the money.
            due = parts_of(definition.clauses, mark, payers[0][1], holder[1], flow[holder])
            if holder not in spenders:
                wanted = due
            elif due != {mark: flow[holder]}:
                raise Refused("E_MARK_PAYEES", mark=definition.label, payments=len(arrived))
        if parts != wanted:
            code = "E_MARK_SHARE" if any(wanted.keys() - {b"", mark}) else "E_MARK_DROPPED"
            raise by_code(code, {"mark": definition.label})
    for token, payee in case.draft.created:
        stays = identity(payee) in spenders and flow[identity(payee)] <= 0
        if not stays and not isinstance(token.lock, KeyLock):
            raise Refused("E_MARK_LOCK", mark=definition.label)


def _check_marking(case: Case, spent: list[Held]) -> None:
    """Only the issuer marks free money, or a payer whom the definition lets mark a share of what it pays."""
    locks = {token.lock for token, _ in spent}
    spenders = {identity(holder) for _, holder in spent}
    gross: Counter[Holder] = Counter()
    marked: Counter[tuple[bytes, Holder]] = Counter()
    for token, payee in case.draft.created:
        gross[identity(payee)] += token.amount_tiyn
        if not token.mark:
            continue
        definition = definition_of(case, token.mark)
        if locks != {KeyLock(definition.issuer)}:
            marked[token.mark, identity(payee)] += token.amount_tiyn
        if not isinstance(token.lock, KeyLock):
            raise Refused("E_MARK_LOCK", mark=definition.label)
    for (mark, payee_holder), amount in marked.items():
        definition = definition_of(case, mark)
        clause = None
        if len(spenders) == 1 and payee_holder not in spenders:
            clause = marking_of(definition.clauses, next(iter(spenders))[1], payee_holder[1])
        if clause is None:
            raise Refused("E_MARK_ISSUER", mark=definition.label)
        whole = gross[payee_holder]
        if amount != share(whole, clause.numerator, clause.denominator, remainder_to="share")[0]:
            raise Refused("E_MARK_SHARE", mark=definition.label)


def decide_release(case: Case, record: ReleaseMark) -> None:
    """The holder whom the definition names turns marked money into free money, on signed statements."""
    spend_all(case)
    open_locks(case)
    create_all(case)
    case.draft.check_balanced()
    mark = single_mark(case)
    if not mark:
        raise Refused("E_MARK_NONE")
    definition = definition_of(case, mark)
    holders = {identity(holder) for _, _, holder in case.draft.spent}
    if len(holders) != 1 or holders != {identity(holder) for _, holder in case.draft.created}:
        raise Refused("E_MARK_RELEASE_HOLDER", mark=definition.label)
    pseudonym, category = holders.pop()
    if category not in definition.release_categories or not _has_release(definition, category):
        raise Refused("E_MARK_RELEASE", mark=definition.label, category=category)
    if any(token.mark not in (b"", mark) for token, _ in case.draft.created):
        raise Refused("E_MARK_DROPPED", mark=definition.label)
    statements = [open_statement(envelope, case.genesis.network) for envelope in record.statements]
    for statement in statements:
        _check_statement(case, statement, definition, mark, pseudonym)
    released = sum(token.amount_tiyn for token, _ in case.draft.created if not token.mark)
    proven = sum(statement.record.amount_tiyn for statement in statements)
    if definition.evidence and proven < released:
        raise Refused("E_MARK_EVIDENCE", mark=definition.label, proven_tiyn=proven, released_tiyn=released)
    holder, seen = Party(pseudonym, category), Seen(case.view, case.draft)
    findings = judge_release(definition, holder, record.documents, released, case.now, seen)
    for name, amount in check(findings):
        case.draft.moved[StateKey(COUNTER, name)] += amount
    check_places(case, "ReleaseMark")
    check_not_frozen(case)
    for statement in statements:
        case.draft.once(statement.oid, case.transaction.id, "E_STATEMENT_USED")


def _has_release(definition: MarkDefinition, category: int) -> bool:
    """Whether some release clause is about this category, if there is any at all."""
    return not definition.releases or any(clause.frees(category) for clause in definition.releases)


def _check_statement(
    case: Case, statement: Signed[Statement], definition: MarkDefinition, mark: bytes, pseudonym: bytes
) -> None:
    """E_STATEMENT unless it is about this mark and holder; E_AUTHORITY or E_SIG unless its register made it."""
    body = statement.record
    if (body.register, body.mark, body.holder) != (definition.evidence, mark, pseudonym):
        raise Refused("E_STATEMENT", mark=definition.label)
    case.genesis.authority.require(body.register, authority.REGISTER, case.now)
    statement.verify(case.genesis.authority.key(body.register))


def decide_expire(case: Case, record: ExpireMark) -> None:
    """After the last day the treasury returns what is left, as free money, to the account the definition names.

    Money in escrow stays there: it stands for notes, and settlement returns it when they are closed.
    """
    spend_all(case)
    signing_as(case, authority.TREASURY)
    create_all(case)
    case.draft.check_balanced()
    mark = single_mark(case)
    if not mark:
        raise Refused("E_MARK_NONE")
    definition = definition_of(case, mark)
    check([judge_over(definition, case.now)])
    # The account is a holder, not a key: after a rotation it is still the same account.
    account = case.view[StateKey(KEY, definition.return_to)]
    for token, holder in case.draft.created:
        returns = isinstance(account, RegisteredKey) and identity(holder) == identity(account)
        if token.mark or not returns:
            raise Refused("E_MARK_RETURN", mark=definition.label)
    check_places(case, "ExpireMark")
