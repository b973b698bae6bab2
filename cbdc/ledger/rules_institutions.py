"""What institutions do: issue and redeem, register keys, freeze and seize, and settle what happened offline.

Each needs its certificate (guard G4); none can do another's work. Issue and redemption stand on a request that the
operator registered and that is used once (G10).
"""

from cbdc import authority, keys
from cbdc.errors import Refused
from cbdc.ledger.context import Case, create_all, require_emission, require_role, spend_all
from cbdc.ledger.rules_marks import definition_of, single_mark
from cbdc.ledger.state import FREEZE, ISSUED, KEY, REDEEMED, RegisteredKey, StateKey
from cbdc.ledger.view import registered
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
    require_role(case, authority.OPERATOR)
    create_all(case)
    for token, holder in case.draft.created:
        if holder.category not in (BANK_INVENTORY, TREASURY_ACCOUNT, LOSS_RESERVE):
            raise Refused("E_CATEGORY_LEDGER", category=holder.category, kind="Issue")
        if token.mark:
            raise Refused("E_MARK_ISSUER", mark=token.mark)
        case.draft.moved[ISSUED] += token.amount_tiyn
    case.draft.once(record.request, case.transaction.id, "E_REQUEST_USED")


def decide_redeem(case: Case, record: Redeem) -> None:
    """A bank or the treasury gives free money back; what is not given out again to the same holder is destroyed."""
    tokens = spend_all(case)
    require_role(case, authority.OPERATOR)
    create_all(case)
    inputs = sum(token.amount_tiyn for token in tokens)
    outputs = sum(token.amount_tiyn for token, _ in case.draft.created)
    if outputs >= inputs:
        raise Refused("E_SUM_LEDGER", inputs_tiyn=inputs, outputs_tiyn=outputs)
    if single_mark([*tokens, *record.outputs]):
        raise Refused("E_MARK_BLOCKS", mark=tokens[0].mark)
    holders = {(holder.pseudonym, holder.category) for _, _, holder in case.draft.spent}
    holders |= {(holder.pseudonym, holder.category) for _, holder in case.draft.created}
    category = case.draft.spent[0][2].category
    if len(holders) != 1 or category not in (BANK_INVENTORY, TREASURY_ACCOUNT):
        raise Refused("E_CATEGORY_LEDGER", category=category, kind="Redeem")
    case.draft.check_not_frozen()
    case.draft.moved[REDEEMED] += inputs - outputs
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
    case.draft.changes[StateKey(KEY, kid)] = RegisteredKey(
        record.algorithm, record.public_key, record.bank_id, record.tier, record.category, record.pseudonym
    )


def _require_registrar(case: Case, category: int, bank_id: int) -> None:
    role = _REGISTRARS.get(category, authority.BANK)
    auth = require_role(case, role)
    if role == authority.BANK and auth.scope != (bank_id,):
        raise Refused("E_BANK_SCOPE", bank_id=bank_id)


def decide_rotate(case: Case, record: RotateKey) -> None:
    """A holder's new key: signed by the old one, by itself, and by the registrar."""
    new = keys.key_id(record.algorithm, record.public_key)
    old = registered(case.view, record.old)
    for kid in (record.old, new):
        if kid not in case.signers:
            raise Refused("E_POSSESSION", kid=kid)
    _require_registrar(case, old.category, old.bank_id)
    if old.successor:
        raise Refused("E_KEY_RETIRED", kid=record.old)
    if case.view[StateKey(KEY, new)] is not None or case.genesis.authority.holds(new):
        raise Refused("E_KEY_TAKEN", kid=new)
    holder = (old.bank_id, old.tier, old.category, old.pseudonym)
    case.draft.changes[StateKey(KEY, record.old)] = RegisteredKey(old.algorithm, old.public_key, *holder, new)
    case.draft.changes[StateKey(KEY, new)] = RegisteredKey(record.algorithm, record.public_key, *holder)


def decide_freeze(case: Case, record: Freeze) -> None:
    """Stop a holder from spending."""
    require_role(case, authority.ENFORCEMENT)
    key = StateKey(FREEZE, record.holder)
    if case.view[key] is not None:
        raise Refused("E_FROZEN", holder=record.holder, legal_reference=case.view[key])
    case.draft.changes[key] = record.legal_reference


def decide_unfreeze(case: Case, record: Unfreeze) -> None:
    """Lift a freeze."""
    require_role(case, authority.ENFORCEMENT)
    key = StateKey(FREEZE, record.holder)
    if case.view[key] is None:
        raise Refused("E_NOT_FROZEN", holder=record.holder)
    case.draft.changes[key] = None


def decide_seize(case: Case, record: Seize) -> None:
    """A court's write-off: from wallets to the treasury or the loss reserve, change back to the same holders."""
    for identity in record.inputs:
        case.draft.spend(identity)
    require_role(case, authority.ENFORCEMENT)
    create_all(case)
    case.draft.check_balanced()
    owners = {holder.pseudonym for _, _, holder in case.draft.spent}
    if any(holder_class(holder.category) != "wallets" for _, _, holder in case.draft.spent):
        raise Refused("E_CATEGORY_LEDGER", category=case.draft.spent[0][2].category, kind="Seize")
    mark = single_mark([token for _, token, _ in case.draft.spent])
    for token, holder in case.draft.created:
        if holder.pseudonym in owners:
            if token.mark != mark:
                raise Refused("E_MARK_DROPPED", mark=mark)
        elif holder.category not in (TREASURY_ACCOUNT, LOSS_RESERVE) or token.mark:
            raise Refused("E_CATEGORY_LEDGER", category=holder.category, kind="Seize")


def decide_settle(case: Case, record: SettleOffline) -> None:
    """One fact of offline life, once: redemption and refund leave the escrow, losses enter it from the reserve."""
    for identity in record.inputs:
        case.draft.spend(identity)
    require_role(case, authority.SETTLE)
    create_all(case)
    case.draft.check_balanced()
    source = LOSS_RESERVE if record.kind == SETTLE_LOSS else ESCROW
    if any(holder.category != source for _, _, holder in case.draft.spent):
        raise Refused("E_CATEGORY_LEDGER", category=case.draft.spent[0][2].category, kind="SettleOffline")
    mark = single_mark([token for _, token, _ in case.draft.spent])
    for token, holder in case.draft.created:
        if holder.category != source:
            _check_settled_output(case, record.kind, mark, token, holder)
        elif token.mark != mark:
            raise Refused("E_MARK_DROPPED", mark=mark)
    case.draft.once(record.fact, case.transaction.id, "E_FACT_USED")


def _check_settled_output(case: Case, kind: int, mark: bytes, token: Token, holder: RegisteredKey) -> None:
    if kind == SETTLE_LOSS:
        # The reserve is free money; in a marked note's escrow it stands for marked money.
        right_holder = holder.category == ESCROW
        if token.mark:
            definition_of(case, token.mark)
    elif kind == SETTLE_RECOVER:
        right_holder = holder.category == LOSS_RESERVE
        if token.mark:
            raise Refused("E_MARK_DROPPED", mark=mark)
    else:
        right_holder = holder_class(holder.category) == "wallets"
        drops = kind == SETTLE_REDEEM and bool(mark) and definition_of(case, mark).converts_on_redeem == 1
        if token.mark != (b"" if drops else mark):
            raise Refused("E_MARK_DROPPED", mark=mark)
    if not right_holder:
        raise Refused("E_CATEGORY_LEDGER", category=holder.category, kind="SettleOffline")
