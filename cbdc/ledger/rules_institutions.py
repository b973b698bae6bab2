"""What institutions do: issue and redeem, register keys, freeze and seize, and settle what happened offline.

Each needs its certificate (guard G4); none can do another's work. Issue and redemption stand on a request that the
operator registered and that is used once (G10).
"""

from dataclasses import replace

from cbdc import authority, keys
from cbdc.clause import Fact, fact_id
from cbdc.errors import Refused
from cbdc.ledger.context import (
    Case,
    check_not_frozen,
    create_all,
    open_locks,
    require_emission,
    signing_as,
    spend_all,
)
from cbdc.ledger.places import SETTLE_PLACES, check_places
from cbdc.ledger.rules_marks import check_kept, check_unmarked, definition_of, single_mark
from cbdc.ledger.state import FREEZE, ISSUED, KEY, REDEEMED, RegisteredKey, StateKey, bank_counter, fact_key
from cbdc.ledger.view import number, registered
from cbdc.token import (
    BANK_INVENTORY,
    ESCROW,
    LOSS_RESERVE,
    TREASURY_ACCOUNT,
    Token,
    holder_class,
)
from cbdc.transaction import (
    SETTLE_LOSS,
    SETTLE_RECOVER,
    SETTLE_REDEEM,
    Attest,
    Freeze,
    Issue,
    Redeem,
    RegisterKey,
    RotateKey,
    Seize,
    SettleOffline,
    Unfreeze,
)


def decide_issue(case: Case, record: Issue) -> None:
    """New money, for a bank, the treasury or the loss reserve: m of n officers and the operator sign."""
    require_emission(case)
    signing_as(case, authority.OPERATOR)
    create_all(case)
    case.draft.moved[ISSUED] += case.draft.created_tiyn
    check_unmarked(record.outputs)
    check_places(case, "Issue")
    case.draft.once(record.request, case.transaction.id, "E_REQUEST_USED")


def decide_redeem(case: Case, record: Redeem) -> None:
    """A bank or the treasury gives free money back; what is not given out again to the same holder is destroyed."""
    spend_all(case)
    open_locks(case)
    signing_as(case, authority.OPERATOR)
    create_all(case)
    inputs, outputs = case.draft.spent_tiyn, case.draft.created_tiyn
    if outputs >= inputs:
        raise Refused("E_SUM_LEDGER", inputs_tiyn=inputs, outputs_tiyn=outputs)
    case.draft.moved[REDEEMED] += inputs - outputs
    for _, token, _ in case.draft.spent:
        if token.mark:
            raise Refused("E_MARK_BLOCKS", mark=token.mark)
    check_unmarked(record.outputs)
    check_places(case, "Redeem")
    check_not_frozen(case)
    case.draft.once(record.request, case.transaction.id, "E_REQUEST_USED")


_REGISTRARS = {
    BANK_INVENTORY: authority.BANK,
    TREASURY_ACCOUNT: authority.TREASURY,
    ESCROW: authority.SETTLE,
    LOSS_RESERVE: authority.SETTLE,
}


def decide_register(case: Case, record: RegisterKey) -> None:
    """A new key: signed by itself (proof of possession) and by the institution that answers for the holder."""
    kid = keys.key_id(record.algorithm, record.public_key)
    if kid not in case.signers:
        raise Refused("E_POSSESSION", kid=kid)
    _require_registrar(case, record.category, record.bank_id)
    if holder_class(record.category) == "wallets":
        case.genesis.policy.limits(record.tier)
    if case.view[StateKey(KEY, kid)] is not None or case.genesis.authority.holds(kid):
        raise Refused("E_KEY_TAKEN", kid=kid)
    answers_for = bank_counter(record.pseudonym)
    if number(case.view, answers_for) not in (0, record.bank_id + 1):
        raise Refused("E_PSEUDONYM_TAKEN", pseudonym=record.pseudonym, bank_id=record.bank_id)
    case.draft.changes[answers_for] = record.bank_id + 1
    case.draft.changes[StateKey(KEY, kid)] = RegisteredKey(
        record.algorithm, record.public_key, record.bank_id, record.tier, record.category, record.pseudonym
    )


def _require_registrar(case: Case, category: int, bank_id: int) -> None:
    role = _REGISTRARS.get(category, authority.BANK)
    auths = signing_as(case, role)
    if role == authority.BANK and all(auth.scope != (bank_id,) for auth in auths):
        raise Refused("E_BANK_SCOPE", bank_id=bank_id)


def decide_rotate(case: Case, record: RotateKey) -> None:
    """A holder's new key: signed by the old one, by itself, and by the registrar."""
    new = keys.key_id(record.algorithm, record.public_key)
    old = registered(case.view, record.old)
    if old.successor:
        raise Refused("E_KEY_RETIRED", kid=record.old)
    for kid in (record.old, new):
        if kid not in case.signers:
            raise Refused("E_POSSESSION", kid=kid)
    _require_registrar(case, old.category, old.bank_id)
    if case.view[StateKey(KEY, new)] is not None or case.genesis.authority.holds(new):
        raise Refused("E_KEY_TAKEN", kid=new)
    case.draft.changes[StateKey(KEY, record.old)] = replace(old, successor=new)
    case.draft.changes[StateKey(KEY, new)] = replace(
        old, algorithm=record.algorithm, public_key=record.public_key
    )


def decide_freeze(case: Case, record: Freeze) -> None:
    """Stop a holder from spending."""
    signing_as(case, authority.ENFORCEMENT)
    key = StateKey(FREEZE, record.holder)
    if case.view[key] is not None:
        raise Refused("E_FROZEN", holder=record.holder, legal_reference=case.view[key])
    case.draft.changes[key] = record.legal_reference


def decide_unfreeze(case: Case, record: Unfreeze) -> None:
    """Lift a freeze."""
    signing_as(case, authority.ENFORCEMENT)
    key = StateKey(FREEZE, record.holder)
    if case.view[key] is None:
        raise Refused("E_NOT_FROZEN", holder=record.holder)
    case.draft.changes[key] = None


def decide_seize(case: Case, record: Seize) -> None:
    """A court's write-off: from one wallet holder to the treasury or the loss reserve, change back to the holder.

    What is written off becomes free money; the change keeps its mark.
    """
    spend_all(case)
    signing_as(case, authority.ENFORCEMENT)
    create_all(case)
    case.draft.check_balanced()
    mark = single_mark(case)
    change = [token for token, holder in case.draft.created if holder_class(holder.category) == "wallets"]
    taken = [token for token, holder in case.draft.created if holder_class(holder.category) != "wallets"]
    check_kept(case, mark, change)
    check_unmarked(taken)
    check_places(case, "Seize")
    if not taken:
        raise Refused("E_CATEGORY_LEDGER", category=case.draft.created[0][1].category, kind="Seize")


def decide_settle(case: Case, record: SettleOffline) -> None:
    """One fact of offline life, once: redemption and refund leave the escrow, losses enter it from the reserve."""
    spend_all(case)
    signing_as(case, authority.SETTLE)
    create_all(case)
    case.draft.check_balanced()
    source = LOSS_RESERVE if record.kind == SETTLE_LOSS else ESCROW
    mark = single_mark(case)
    for token, holder in case.draft.created:
        if holder.category == source:
            check_kept(case, mark, [token])
        else:
            _check_settled_mark(case, record.kind, mark, token, holder)
    check_places(case, SETTLE_PLACES[record.kind])
    case.draft.once(record.fact, case.transaction.id, "E_FACT_USED")


def _check_settled_mark(case: Case, kind: int, mark: bytes, token: Token, holder: RegisteredKey) -> None:
    """Which mark an output has that leaves the place its money came from.

    Only who may free the mark redeems it as free money: a voucher taken offline and home again is still a voucher.
    """
    if kind == SETTLE_LOSS:
        # The reserve is free money; in a marked note's escrow it stands for marked money.
        if token.mark:
            definition_of(case, token.mark)
    elif kind == SETTLE_RECOVER:
        check_kept(case, b"", [token])
    else:
        redeemed = kind == SETTLE_REDEEM and bool(mark)
        drops = redeemed and definition_of(case, mark).converts_for(holder.category)
        check_kept(case, b"" if drops else mark, [token])


def decide_attest(case: Case, record: Attest) -> None:
    """One outside register says something of a holder, in the place of what it said before; nobody else can."""
    # One register may hold several certificates (an old and a new one); two registers may not speak at once.
    registers = {auth.kid for auth in signing_as(case, authority.REGISTER)}
    if len(registers) != 1:
        raise Refused("E_ATTEST", registers=len(registers))
    identity = fact_id(
        registers.pop(), record.fact_kind, record.subject, record.counterparty, record.document
    )
    case.draft.changes[fact_key(identity)] = Fact(
        record.amount_tiyn, record.lines, record.expires, record.standing
    )
