"""Guard G6: marks are inherited, obeyed, released and expired; nothing else takes a mark off.

Who may put a mark on money: only the treasury account that its definition names as issuer, and the definition comes
with the first such transfer, signed by a treasury certificate. From then on the ledger keeps it.

What moves between the keys of one holder (the same pseudonym **and** category) is no payment. A cap holds for all that
one payee gets in a transaction, however many outputs it is cut into.
"""

from collections import Counter
from collections.abc import Iterable

from cbdc import authority
from cbdc.errors import Refused
from cbdc.ledger.context import Case, check_not_frozen, create_all, open_locks, signing_as, spend_all
from cbdc.ledger.places import Holder, check_places, identity
from cbdc.ledger.state import KEY, MARK, RegisteredKey, StateKey
from cbdc.marks import MarkDefinition, Statement, check_payment, open_definition, open_statement
from cbdc.record import Signed
from cbdc.token import TREASURY_ACCOUNT, KeyLock, Token
from cbdc.transaction import ExpireMark, ReleaseMark, Transfer


def definition_of(case: Case, mark: bytes) -> MarkDefinition:
    """The ledger's definition of a mark; E_MARK_UNKNOWN when it has none."""
    return open_definition(case.draft.mark_envelope(mark), case.genesis.network).record


def _learn_definition(case: Case, envelope: bytes) -> None:
    # Signed by a treasury certificate that is valid now, and brought by the treasury account that it names.
    signed = open_definition(envelope, case.genesis.network)
    _verify_by_treasury(case, signed)
    own = KeyLock(signed.record.issuer)
    issuers = [holder for _, token, holder in case.draft.spent if token.lock == own]
    if not issuers or issuers[0].category != TREASURY_ACCOUNT:
        raise Refused("E_MARK_ISSUER", mark=signed.record.label)
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
    """G6 for a transfer: marked money stays marked and follows its definition; free money is marked by its issuer."""
    if record.definition:
        _learn_definition(case, record.definition)
    mark = single_mark(case)
    spenders = {identity(holder) for _, _, holder in case.draft.spent}
    if not mark:
        _check_marking(case, spenders)
        return
    definition = definition_of(case, mark)
    if any(token.mark != mark for token, _ in case.draft.created):
        raise Refused("E_MARK_DROPPED", mark=definition.label)
    # What counts is who ends with more and who with less: putting in a coin of one's own makes nobody a payer.
    flow: Counter[Holder] = Counter()
    for _, token, holder in case.draft.spent:
        flow[identity(holder)] -= token.amount_tiyn
    for token, payee in case.draft.created:
        if identity(payee) not in spenders and not isinstance(token.lock, KeyLock):
            raise Refused("E_MARK_LOCK", mark=definition.label)
        flow[identity(payee)] += token.amount_tiyn
    payers = [category for (_, category), amount in flow.items() if amount < 0]
    for (_, category), amount in flow.items():
        if amount > 0:
            for payer in payers:
                check_payment(definition, payer, category, amount, case.now)


def _check_marking(case: Case, spenders: set[Holder]) -> None:
    locks = {token.lock for _, token, _ in case.draft.spent}
    for token, payee in case.draft.created:
        if not token.mark:
            continue
        definition = definition_of(case, token.mark)
        if locks != {KeyLock(definition.issuer)}:
            raise Refused("E_MARK_ISSUER", mark=definition.label)
        if not isinstance(token.lock, KeyLock):
            raise Refused("E_MARK_LOCK", mark=definition.label)
        if identity(payee) not in spenders:
            # The budget hands the money out here: who and when is judged, a payment's cap is not.
            check_payment(definition, TREASURY_ACCOUNT, payee.category, 0, case.now)


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
    if category not in definition.release_categories:
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
    check_places(case, "ReleaseMark")
    check_not_frozen(case)
    for statement in statements:
        case.draft.once(statement.oid, case.transaction.id, "E_STATEMENT_USED")


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
    if case.now <= definition.valid_until:
        raise Refused(
            "E_MARK_NOT_OVER", mark=definition.label, valid_until=definition.valid_until, now=case.now
        )
    # The account is a holder, not a key: after a rotation it is still the same account.
    account = case.view[StateKey(KEY, definition.return_to)]
    for token, holder in case.draft.created:
        returns = isinstance(account, RegisteredKey) and identity(holder) == identity(account)
        if token.mark or not returns:
            raise Refused("E_MARK_RETURN", mark=definition.label)
    check_places(case, "ExpireMark")
