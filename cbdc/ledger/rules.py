"""The law of the ledger: `decide(genesis, view, transaction, now)` gives effects, or raises. No I/O, no clock.

The guards, in the order of precedence in which they are asked (so two mistakes in one transaction always give the same
answer):

    G1   form                 cbdc.transaction, before the ledger is asked
    G2   keys and signatures  each witness is known and its signature right; each key that receives is known and current
    G3   tokens               each input is there to spend
    G4   authority and locks  the witnesses may do this, and open each input's lock
    G5   sums                 outputs equal inputs; only Issue makes and only Redeem destroys
    G6   marks                the mark is inherited, and its definition allows what happens
    G7   holders              each holder may stand where it stands (cbdc.ledger.places)
    G8   freezes              neither a spender nor a signer is frozen
    G9   limits               holding, payment, day and period limits of the tier
    G10  once                 a request, a fact, a statement, a key is used once for ever
    G11  conservation         issued - redeemed = inventory + treasury + wallets + escrow + loss reserve (asserted)

The codes of each guard stand in `docs/ledger.md`, in the same order.

`needs(genesis, view, transaction, now)` names the state that is still missing from a view. It is asked until it
answers nothing, at most four rounds: a transaction names its tokens, a token its keys and mark, a key its pseudonym, a
pseudonym its counters, a mark's definition the facts and counters that its clauses ask for. Both functions are pure;
the ledger does the reading in between, for a whole batch at once.
"""

from collections.abc import Iterator
from typing import Any

from cbdc import keys
from cbdc.ledger import rules_institutions, rules_marks, rules_payment, rules_service
from cbdc.ledger.context import Case, open_case
from cbdc.ledger.entry import PERIOD_NAMES, Genesis
from cbdc.ledger.judgement import needed
from cbdc.ledger.state import (
    FREEZE,
    KEY,
    MARK,
    REGISTER,
    SUPPLY_KEYS,
    RegisteredKey,
    StateKey,
    StateValue,
    bank_counter,
    day_counter,
    holding_counter,
    mark_counter,
    period_counter,
    token_key,
)
from cbdc.ledger.view import View
from cbdc.marks import open_definition, open_statement
from cbdc.token import Token
from cbdc.transaction import (
    Attest,
    ExpireMark,
    Freeze,
    HandOver,
    Issue,
    LoadOffline,
    Recover,
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
        case HandOver():
            rules_service.decide_hand_over(case, record)
        case Recover():
            rules_service.decide_recover(case, record)
        case Attest():
            rules_institutions.decide_attest(case, record)
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
    wanted = [*SUPPLY_KEYS, *_named(genesis, view, record)]
    wanted += [StateKey(KEY, kid) for kid, _ in transaction.witnesses]
    for token in record.creates:
        wanted += [StateKey(KEY, kid) for kid in token.lock.kids]
        _about(wanted, view, token)
    day = genesis.policy.day(now)
    kinds = {kind for _, kind, _ in genesis.policy.periods}
    periods = [(PERIOD_NAMES[kind], genesis.policy.period(kind, now)) for kind in sorted(kinds)]
    for identity in record.spends:
        key = token_key(identity)
        wanted.append(key)
        spent = view.get(key)
        if isinstance(spent, Token):
            holder = _about(wanted, view, spent)
            if holder is not None:
                wanted += (StateKey(FREEZE, holder.pseudonym), day_counter(holder.pseudonym, day))
                wanted += [period_counter(holder.pseudonym, *period) for period in periods]
    wanted += needed(genesis, view, transaction, now)
    if record.spends:
        signers = (view.get(StateKey(KEY, kid)) for kid, _ in transaction.witnesses)
        wanted += [StateKey(FREEZE, key.pseudonym) for key in signers if isinstance(key, RegisteredKey)]
    return {key for key in wanted if key not in view}


def _about(wanted: list[StateKey], view: View, token: Token) -> RegisteredKey | None:
    """Add what moving a token touches: its holder, what the holder holds, its mark. The holder, once it is there."""
    key = StateKey(KEY, token.lock.holder)
    wanted.append(key)
    if token.mark:
        wanted += (StateKey(MARK, token.mark), mark_counter(token.mark))
    holder = view.get(key)
    if not isinstance(holder, RegisteredKey):
        return None
    wanted.append(holding_counter(holder.pseudonym))
    return holder


def _named(genesis: Genesis, view: View, record: object) -> list[StateKey]:
    """State that the transaction names outright, or through a mark's definition."""
    match record:
        case Transfer() if record.definition:
            carried = open_definition(record.definition, genesis.network)
            return [StateKey(MARK, carried.oid), StateKey(KEY, carried.record.return_to)]
        case Issue() | Redeem():
            return [StateKey(REGISTER, record.request)]
        case SettleOffline():
            return [StateKey(REGISTER, record.fact)]
        case Freeze() | Unfreeze():
            return [StateKey(FREEZE, record.holder)]
        case RegisterKey():
            new = keys.key_id(record.algorithm, record.public_key)
            return [StateKey(KEY, new), bank_counter(record.pseudonym)]
        case RotateKey():
            new = keys.key_id(record.algorithm, record.public_key)
            return [StateKey(KEY, record.old), StateKey(KEY, new)]
        case HandOver():
            return [bank_counter(record.pseudonym), *(StateKey(KEY, kid) for kid in record.keys)]
        case Recover():
            old = view.get(StateKey(KEY, record.old))
            followed = [old.successor] if isinstance(old, RegisteredKey) and old.successor else []
            return [StateKey(KEY, kid) for kid in (record.old, record.new, *followed)]
        case ReleaseMark():
            opened = (open_statement(envelope, genesis.network) for envelope in record.statements)
            return [StateKey(REGISTER, statement.oid) for statement in opened]
        case ExpireMark():
            return [StateKey(KEY, kid) for kid in _return_accounts(genesis, view, record)]
    return []


def _return_accounts(genesis: Genesis, view: View, record: ExpireMark) -> Iterator[bytes]:
    for identity in record.inputs:
        token = view.get(token_key(identity))
        envelope = view.get(StateKey(MARK, token.mark)) if isinstance(token, Token) else None
        if isinstance(envelope, bytes):
            yield open_definition(envelope, genesis.network).record.return_to
