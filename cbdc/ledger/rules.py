"""The law of the ledger: `decide(context, view, transaction, now)` gives effects, or raises. No I/O, no clock.

The guards, in the order of precedence in which they are asked (so two mistakes in one transaction always give the same
answer):

    G1   form                 cbdc.transaction, before the ledger is asked
    G2   signatures           each witness's key is known and its signature is right        E_KEY_UNKNOWN E_SIG
    G3   tokens               each input is there to spend                                   E_TOKEN_SPENT
    G4   authority and locks  the witnesses may do this, and open each input's lock          E_LOCKED E_QUORUM...
    G5   sums                 outputs equal inputs (Issue and Redeem excepted)               E_SUM_LEDGER
    G6   marks                the mark is inherited and its definition allows the payment    E_MARK_...
    G7   holders              each output goes to holders the kind allows                    E_CATEGORY_LEDGER
    G8   freezes              no spender is frozen                                           E_FROZEN
    G9   limits               holding, payment and day limits of the tier                    E_LIMIT_...
    G10  once                 a request, a fact, a statement is used once for ever           E_..._USED
    G11  conservation         issued - redeemed = inventory + treasury + wallets + escrow + loss reserve (asserted)

`needs(transaction, view)` names the state that is still missing from a view. It is asked until it answers nothing,
at most four rounds: a transaction names its tokens, a token its keys, a key its pseudonym, a pseudonym its counters.
Both functions are pure; the ledger does the reading in between, for a whole batch at once.
"""

from typing import Any

from cbdc import keys
from cbdc.ledger import rules_institutions, rules_marks, rules_payment
from cbdc.ledger.context import Case, open_case
from cbdc.ledger.entry import Genesis
from cbdc.ledger.state import (
    FREEZE,
    KEY,
    MARK,
    REGISTER,
    RegisteredKey,
    StateKey,
    StateValue,
    counter,
    token_key,
)
from cbdc.ledger.view import SUPPLY_KEYS, View
from cbdc.marks import Statement
from cbdc.record import open_envelope
from cbdc.token import Token
from cbdc.transaction import (
    ExpireMark,
    Freeze,
    Issue,
    LoadOffline,
    Redeem,
    RegisterKey,
    ReleaseMark,
    RotateKey,
    Seize,
    SettleOffline,
    SignedTransaction,
    Transfer,
    Unfreeze,
)

Effects = dict[StateKey, StateValue | None]


def _rule(case: Case) -> None:
    record: Any = case.transaction.record
    match record:
        case Issue():
            rules_institutions.decide_issue(case, record)
        case Transfer():
            rules_payment.decide_transfer(case, record)
        case Redeem():
            rules_institutions.decide_redeem(case, record)
        case Freeze():
            rules_institutions.decide_freeze(case, record)
        case Unfreeze():
            rules_institutions.decide_unfreeze(case, record)
        case Seize():
            rules_institutions.decide_seize(case, record)
        case ReleaseMark():
            rules_marks.decide_release(case, record)
        case ExpireMark():
            rules_marks.decide_expire(case, record)
        case LoadOffline():
            rules_payment.decide_load(case, record)
        case SettleOffline():
            rules_institutions.decide_settle(case, record)
        case RegisterKey():
            rules_institutions.decide_register(case, record)
        case RotateKey():
            rules_institutions.decide_rotate(case, record)
        case _:
            raise AssertionError(f"no rule for {type(record).__name__}")


def decide(genesis: Genesis, view: View, transaction: SignedTransaction, now: int) -> Effects:
    """What `transaction` changes at the moment `now`: state keys to new values, None for what is gone.

    `view` must hold all that `needs` names. Raises a refusal when a guard says no; nothing has changed then.
    """
    case = open_case(genesis, view, transaction, now)
    _rule(case)
    return case.draft.finish()


def needs(genesis: Genesis, view: View, transaction: SignedTransaction, now: int) -> set[StateKey]:
    """The state keys that `decide` will ask for and `view` does not hold yet; empty when the view is complete."""
    record = transaction.record
    wanted: set[StateKey] = set(SUPPLY_KEYS)
    wanted.update(StateKey(KEY, kid) for kid, _ in transaction.witnesses)
    wanted.update(_named(genesis, record))
    tokens = list(record.creates)
    for identity in record.spends:
        key = token_key(identity)
        wanted.add(key)
        token = view.get(key)
        if isinstance(token, Token):
            tokens.append(token)
    for token in tokens:
        wanted.update(StateKey(KEY, kid) for kid in token.lock.kids)
        if token.mark:
            wanted.add(StateKey(MARK, token.mark))
            wanted.add(counter("mark", token.mark))
        holder = view.get(StateKey(KEY, token.lock.holder))
        if isinstance(holder, RegisteredKey):
            wanted.add(StateKey(FREEZE, holder.pseudonym))
            wanted.add(counter("holding", holder.pseudonym))
            wanted.add(counter("day", holder.pseudonym, str(genesis.policy.day(now))))
    return {key for key in wanted if key not in view}


def _named(genesis: Genesis, record: object) -> list[StateKey]:
    """State that the transaction names outright."""
    match record:
        case Issue() | Redeem():
            return [StateKey(REGISTER, record.request)]
        case SettleOffline():
            return [StateKey(REGISTER, record.fact)]
        case Freeze() | Unfreeze():
            return [StateKey(FREEZE, record.holder)]
        case RegisterKey():
            return [StateKey(KEY, keys.key_id(record.algorithm, record.public_key))]
        case RotateKey():
            new = keys.key_id(record.algorithm, record.public_key)
            return [StateKey(KEY, record.old), StateKey(KEY, new)]
        case ReleaseMark():
            return [
                StateKey(REGISTER, _statement_id(envelope, genesis.network)) for envelope in record.statements
            ]
    return []


def _statement_id(envelope: bytes, network: bytes) -> bytes:
    return open_envelope(envelope, Statement, network).oid
