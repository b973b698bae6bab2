"""Guard G6: marks are inherited, obeyed, released and expired; nothing else takes a mark off.

Who may put a mark on money: only the treasury account that its definition names as issuer, and the definition comes
with the first such transfer, signed by a treasury certificate. From then on the ledger keeps it.
"""

from functools import lru_cache

from cbdc import authority
from cbdc.errors import Refused
from cbdc.ledger.context import Case, create_all, require_role, spend_all
from cbdc.ledger.entry import Genesis
from cbdc.ledger.state import MARK, RegisteredKey, StateKey
from cbdc.marks import MarkDefinition, Statement, check_payment
from cbdc.record import Signed, open_envelope
from cbdc.token import TREASURY_ACCOUNT, KeyLock, Token
from cbdc.transaction import ExpireMark, ReleaseMark, Transfer


@lru_cache(maxsize=4_096)
def open_definition(envelope: bytes, network: bytes) -> Signed[MarkDefinition]:
    """The definition in an envelope (not verified); decoding errors."""
    return open_envelope(envelope, MarkDefinition, network)


def definition_of(case: Case, mark: bytes) -> MarkDefinition:
    """The ledger's definition of a mark; E_MARK_UNKNOWN when it has none."""
    return open_definition(case.draft.mark_envelope(mark), case.genesis.network).record


def learn_definition(case: Case, envelope: bytes) -> None:
    """Keep a definition that came with a transfer: signed by a treasury certificate, issued by a treasury account."""
    signed = open_definition(envelope, case.genesis.network)
    verify_by_role(case.genesis, signed, authority.TREASURY, case.now)
    issuer = [holder for _, token, holder in case.draft.spent if token.lock.holder == signed.record.issuer]
    if not issuer or issuer[0].category != TREASURY_ACCOUNT:
        raise Refused("E_MARK_ISSUER", mark=signed.record.label)
    case.draft.changes[StateKey(MARK, signed.oid)] = envelope


def verify_by_role(genesis: Genesis, signed: Signed[MarkDefinition], role: int, now: int) -> None:
    """Return if some certificate of `role`, valid at `now`, made this signature; E_SIG otherwise."""
    for auth in genesis.authority.with_role(role):
        if auth.not_before <= now <= auth.expires:
            try:
                signed.verify(auth.key)
            except Refused:
                continue
            return
    raise Refused("E_SIG", kid=b"")


def single_mark(tokens: list[Token]) -> bytes:
    """The one mark of the inputs (empty for free money); E_MARK_MIXED when they have different ones."""
    marks = {token.mark for token in tokens}
    if len(marks) != 1:
        raise Refused("E_MARK_MIXED", marks=len(marks))
    return marks.pop()


def check_transfer(case: Case, record: Transfer) -> None:
    """G6 for a transfer: marked money stays marked and follows its definition; free money is marked by its issuer."""
    if record.definition:
        learn_definition(case, record.definition)
    mark = single_mark([token for _, token, _ in case.draft.spent])
    payers = {holder.pseudonym: holder for _, _, holder in case.draft.spent}
    if not mark:
        _check_marking(case, payers)
        return
    definition = definition_of(case, mark)
    for token, payee in case.draft.created:
        if token.mark != mark:
            raise Refused("E_MARK_DROPPED", mark=definition.label)
        if payee.pseudonym in payers:
            continue
        if not isinstance(token.lock, KeyLock):
            raise Refused("E_MARK_LOCK", mark=definition.label)
        for payer in payers.values():
            check_payment(definition, payer.category, payee.category, token.amount_tiyn, case.now)


def _check_marking(case: Case, payers: dict[bytes, RegisteredKey]) -> None:
    owners = {token.lock.holder for _, token, _ in case.draft.spent}
    for token, payee in case.draft.created:
        if not token.mark:
            continue
        definition = definition_of(case, token.mark)
        if owners != {definition.issuer}:
            raise Refused("E_MARK_ISSUER", mark=definition.label)
        if not isinstance(token.lock, KeyLock):
            raise Refused("E_MARK_LOCK", mark=definition.label)
        if payee.pseudonym not in payers:
            payer = next(iter(payers.values()))
            check_payment(definition, payer.category, payee.category, 0, case.now)


def check_kept(case: Case, mark: bytes) -> None:
    """E_MARK_DROPPED unless every output has the inputs' mark."""
    if any(token.mark != mark for token, _ in case.draft.created):
        raise Refused("E_MARK_DROPPED", mark=mark)


def decide_release(case: Case, record: ReleaseMark) -> None:
    """The holder whom the definition names turns marked money into free money, on signed statements."""
    mark = single_mark(spend_all(case))
    create_all(case)
    case.draft.check_balanced()
    if not mark:
        raise Refused("E_MARK_NONE")
    definition = definition_of(case, mark)
    holders = {holder.pseudonym for _, _, holder in case.draft.spent}
    if holders != {holder.pseudonym for _, holder in case.draft.created} or len(holders) != 1:
        raise Refused("E_MARK_RELEASE_HOLDER", mark=definition.label)
    holder = case.draft.spent[0][2]
    if holder.category not in definition.release_categories:
        raise Refused("E_MARK_RELEASE", mark=definition.label, category=holder.category)
    if any(token.mark not in (b"", mark) for token, _ in case.draft.created):
        raise Refused("E_MARK_DROPPED", mark=definition.label)
    released = sum(token.amount_tiyn for token, _ in case.draft.created if not token.mark)
    proven = _proven_tiyn(case, record, definition, mark, holder.pseudonym)
    if definition.evidence and proven < released:
        raise Refused("E_MARK_EVIDENCE", mark=definition.label, proven_tiyn=proven, released_tiyn=released)


def _proven_tiyn(
    case: Case, record: ReleaseMark, definition: MarkDefinition, mark: bytes, pseudonym: bytes
) -> int:
    total = 0
    for envelope in record.statements:
        statement = open_envelope(envelope, Statement, case.genesis.network)
        body = statement.record
        if (body.register, body.mark, body.holder) != (definition.evidence, mark, pseudonym):
            raise Refused("E_STATEMENT", mark=definition.label)
        case.genesis.authority.require(body.register, authority.REGISTER, case.now)
        statement.verify(case.genesis.authority.key(body.register))
        case.draft.once(statement.oid, case.transaction.id, "E_STATEMENT_USED")
        total += body.amount_tiyn
    return total


def decide_expire(case: Case, record: ExpireMark) -> None:
    """After the last day the treasury returns what is left, as free money, to the account the definition names."""
    tokens = [case.draft.spend(identity) for identity in record.inputs]
    require_role(case, authority.TREASURY)
    create_all(case)
    case.draft.check_balanced()
    mark = single_mark(tokens)
    if not mark:
        raise Refused("E_MARK_NONE")
    definition = definition_of(case, mark)
    if case.now <= definition.valid_until:
        raise Refused(
            "E_MARK_NOT_OVER", mark=definition.label, valid_until=definition.valid_until, now=case.now
        )
    for token, _ in case.draft.created:
        if token.mark or token.lock != KeyLock(definition.return_to):
            raise Refused("E_MARK_RETURN", mark=definition.label)
