"""What a supervised bank does for a holder: take over the service of its keys, and recover a lost key's money.

Both need two words, the enforcement authority's and the bank's, so neither a bank nor the authority can do it alone.
Neither moves money from one holder to another:

    HandOver   a failed bank's customer is served by another bank. The pseudonym stays, and with it every limit's
               counter, every freeze and every token; only the bank that answers for the pseudonym and its keys changes
    Recover    the plain tokens of a lost key go to another key of the same pseudonym and category, under the same
               marks; the lost key is retired, so it receives no more. What an even older key holds goes there too,
               once the key that replaced that one is retired as well. A token that was spent is not there, and no
               transaction brings it back. Freezes do not bind it: a stolen wallet is frozen first and recovered then
"""

from dataclasses import replace

from cbdc import authority
from cbdc.errors import Refused
from cbdc.ledger.context import Case, create_all, signing_as, spend_all
from cbdc.ledger.places import check_places, identity
from cbdc.ledger.rules_marks import check_kept, single_mark
from cbdc.ledger.state import KEY, StateKey, bank_counter
from cbdc.ledger.view import number, registered
from cbdc.token import KeyLock, holder_class
from cbdc.transaction import HandOver, Recover


def _require_supervised_bank(case: Case, bank_id: int) -> None:
    """E_AUTHORITY, E_AUTHORITY_TIME or E_BANK_SCOPE unless the enforcement authority and this bank signed (G4)."""
    signing_as(case, authority.ENFORCEMENT)
    if all(auth.scope != (bank_id,) for auth in signing_as(case, authority.BANK)):
        raise Refused("E_BANK_SCOPE", bank_id=bank_id)


def decide_hand_over(case: Case, record: HandOver) -> None:
    """Another bank answers for a pseudonym and for these keys of it; more of its keys may follow later."""
    _require_supervised_bank(case, record.to_bank)
    answers_for = bank_counter(record.pseudonym)
    banks = {record.from_bank + 1, record.to_bank + 1}
    wrong = Refused("E_HANDOVER_BANK", pseudonym=record.pseudonym, bank_id=record.from_bank)
    if len(banks) < 2 or number(case.view, answers_for) not in banks:
        raise wrong
    for kid in record.keys:
        key = registered(case.view, kid)
        if (key.pseudonym, key.bank_id, holder_class(key.category)) != (
            record.pseudonym,
            record.from_bank,
            "wallets",
        ):
            raise wrong
        case.draft.changes[StateKey(KEY, kid)] = replace(key, bank_id=record.to_bank)
    case.draft.changes[answers_for] = record.to_bank + 1


def decide_recover(case: Case, record: Recover) -> None:
    """The lost key's plain tokens, to the new key of the same holder; the lost key is retired."""
    old, new = registered(case.view, record.old), registered(case.view, record.new)
    if new.successor:
        raise Refused("E_KEY_RETIRED", kid=record.new)
    # A key that was replaced goes to what replaced it, unless that key has been given up as well.
    if old.successor not in (b"", record.new) and not registered(case.view, old.successor).successor:
        raise Refused("E_KEY_RETIRED", kid=record.old)
    spend_all(case)
    _require_supervised_bank(case, new.bank_id)
    if record.new not in case.signers:
        raise Refused("E_POSSESSION", kid=record.new)
    create_all(case)
    case.draft.check_balanced()
    if record.inputs:
        check_kept(case, single_mark(case))
        check_places(case, "Recover")
    locks = {token.lock for _, token, _ in case.draft.spent} | {KeyLock(record.old)}
    targets = {token.lock for token, _ in case.draft.created} | {KeyLock(record.new)}
    same = identity(old) == identity(new) and old.bank_id == new.bank_id and record.old != record.new
    if not same or len(locks) > 1 or len(targets) > 1:
        raise Refused("E_RECOVER_KEYS", old=record.old, new=record.new)
    case.draft.changes[StateKey(KEY, record.old)] = replace(old, successor=record.new)
