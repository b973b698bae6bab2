"""What holders do: pay (Transfer), take money offline (LoadOffline), and the limits of guard G9.

Limits belong to the **holder**, not to the key: the counters stand under the pseudonym that the bank registered, so a
second key buys no second limit. What comes back to the payer is change, not a payment.
"""

from collections import Counter

from cbdc.errors import Refused
from cbdc.ledger.context import Case, create_all, spend_all
from cbdc.ledger.rules_marks import check_kept, check_transfer, definition_of, single_mark
from cbdc.ledger.state import RegisteredKey, StateKey, counter
from cbdc.ledger.view import number
from cbdc.token import ESCROW, LOSS_RESERVE, KeyLock, holder_class
from cbdc.transaction import LoadOffline, Transfer


def decide_transfer(case: Case, record: Transfer) -> None:
    """Holders pay holders: wallets, bank inventories and treasury accounts; escrow and reserve are not theirs."""
    spend_all(case)
    create_all(case)
    case.draft.check_balanced()
    check_transfer(case, record)
    for _, _, holder in case.draft.spent:
        _not_institutional(holder)
    for _, holder in case.draft.created:
        _not_institutional(holder)
    case.draft.check_not_frozen()
    check_limits(case)


def _not_institutional(holder: RegisteredKey) -> None:
    if holder.category in (ESCROW, LOSS_RESERVE):
        raise Refused("E_CATEGORY_LEDGER", category=holder.category, kind="Transfer")


def decide_load(case: Case, record: LoadOffline) -> None:
    """A wallet locks money in escrow for its device: escrow tokens first, one a note, then change to itself."""
    mark = single_mark(spend_all(case))
    create_all(case)
    case.draft.check_balanced()
    check_kept(case, mark)
    if mark:
        definition = definition_of(case, mark)
        if not definition.max_hops:
            raise Refused("E_MARK_OFFLINE", mark=definition.label)
        if not definition.valid_from <= case.now <= definition.valid_until:
            raise Refused(
                "E_MARK_TIME",
                mark=definition.label,
                now=case.now,
                valid_from=definition.valid_from,
                valid_until=definition.valid_until,
            )
    holders = {holder.pseudonym for _, _, holder in case.draft.spent}
    categories = [holder.category for _, holder in case.draft.created]
    notes = load_notes(categories)
    own = {holder.pseudonym for _, holder in case.draft.created[notes:]}
    wallet = holder_class(case.draft.spent[0][2].category) == "wallets"
    plain = all(isinstance(token.lock, KeyLock) for token, _ in case.draft.created)
    if not (wallet and notes and plain and len(holders) == 1 and own <= holders):
        raise Refused("E_CATEGORY_LEDGER", category=categories[0], kind="LoadOffline")
    case.draft.check_not_frozen()


def load_notes(categories: list[int]) -> int:
    """How many of a load's leading outputs are escrow tokens: one becomes one note."""
    for place, category in enumerate(categories):
        if category != ESCROW:
            return place
    return len(categories)


def check_limits(case: Case) -> None:
    """G9: what each wallet holder pays and comes to hold is within its tier's limits.

    Raises E_LIMIT_PAYMENT, E_LIMIT_DAY or E_LIMIT_HOLDING with the limit and what was tried.
    """
    flow: Counter[bytes] = Counter()
    holders: dict[bytes, RegisteredKey] = {}
    for _, token, holder in case.draft.spent:
        flow[holder.pseudonym] -= token.amount_tiyn
        holders[holder.pseudonym] = holder
    for token, holder in case.draft.created:
        flow[holder.pseudonym] += token.amount_tiyn
        holders[holder.pseudonym] = holder
    for pseudonym, change in flow.items():
        holder = holders[pseudonym]
        if holder_class(holder.category) != "wallets":
            continue
        if change < 0:
            _check_payment(case, holder, -change)
        elif change > 0:
            _check_holding(case, holder, change)


def _check_payment(case: Case, holder: RegisteredKey, paid_tiyn: int) -> None:
    limits = case.genesis.policy.limits(holder.tier)
    if limits.payment_limit_tiyn and paid_tiyn > limits.payment_limit_tiyn:
        raise Refused(
            "E_LIMIT_PAYMENT", tier=holder.tier, paid_tiyn=paid_tiyn, limit_tiyn=limits.payment_limit_tiyn
        )
    if limits.day_limit_tiyn:
        key = day_counter(case, holder)
        total = number(case.view, key) + paid_tiyn
        if total > limits.day_limit_tiyn:
            raise Refused("E_LIMIT_DAY", tier=holder.tier, paid_tiyn=total, limit_tiyn=limits.day_limit_tiyn)
        case.draft.moved[key] += paid_tiyn


def _check_holding(case: Case, holder: RegisteredKey, received_tiyn: int) -> None:
    limit = case.genesis.policy.limits(holder.tier).holding_limit_tiyn
    held = number(case.view, counter("holding", holder.pseudonym)) + received_tiyn
    if limit and held > limit:
        raise Refused("E_LIMIT_HOLDING", tier=holder.tier, held_tiyn=held, limit_tiyn=limit)


def day_counter(case: Case, holder: RegisteredKey) -> StateKey:
    """The counter of what a holder has paid on the day of `now`."""
    return counter("day", holder.pseudonym, str(case.genesis.policy.day(case.now)))
