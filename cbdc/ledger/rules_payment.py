"""What holders do: pay (Transfer), take money offline (LoadOffline), and the limits of guard G9.

Limits belong to the **holder**, not to the key: the counters stand under the pseudonym that the bank registered, so a
second key buys no second limit; where a holder's keys have several tiers, the limits of each key used hold. What comes
back to the payer is change, not a payment. Money behind a hash lock is its payer's until it is claimed, so it counts as
paid on the day of the claim.
"""

from collections import Counter
from collections.abc import Iterable

from cbdc.canonical import MAX_INTEGER
from cbdc.errors import Refused
from cbdc.ledger.context import Case, check_not_frozen, create_all, open_locks, spend_all
from cbdc.ledger.entry import PERIOD_NAMES, TierLimits
from cbdc.ledger.places import check_lock_holders, check_places
from cbdc.ledger.rules_marks import check_kept, check_transfer, definition_of, single_mark
from cbdc.ledger.state import day_counter, holding_counter, period_counter
from cbdc.ledger.view import number
from cbdc.marks import check, judge_offline, judge_time
from cbdc.token import ESCROW, holder_class
from cbdc.transaction import LoadOffline, Transfer


def decide_transfer(case: Case, record: Transfer) -> None:
    """Holders pay holders: wallets, bank inventories and treasury accounts; escrow and reserve are not theirs."""
    spend_all(case)
    open_locks(case)
    create_all(case)
    case.draft.check_balanced()
    check_transfer(case, record)
    check_places(case, "Transfer")
    check_lock_holders(case)
    check_not_frozen(case)
    check_limits(case)


def decide_load(case: Case, record: LoadOffline) -> None:
    """A wallet locks money in escrow for its device: escrow tokens first, one a note, then change to itself."""
    spend_all(case)
    open_locks(case)
    create_all(case)
    case.draft.check_balanced()
    mark = single_mark(case)
    check_kept(case, mark)
    if mark:
        definition = definition_of(case, mark)
        loader = case.draft.spent[0][2].category
        check([judge_offline(definition, loader), judge_time(definition, case.now)])
    check_places(case, "LoadOffline")
    categories = [holder.category for _, holder in case.draft.created]
    notes = load_notes(categories)
    if not notes or ESCROW in categories[notes:]:
        raise Refused("E_CATEGORY_LEDGER", category=categories[notes], kind="LoadOffline")
    if record.load_number + notes - 1 > MAX_INTEGER:
        raise Refused("E_LOAD_NUMBERS", load_number=record.load_number, notes=notes)
    check_not_frozen(case)


def load_notes(categories: list[int]) -> int:
    """How many of a load's leading outputs are escrow tokens: one becomes one note."""
    for place, category in enumerate(categories):
        if category != ESCROW:
            return place
    return len(categories)


def check_limits(case: Case) -> None:
    """G9: what each wallet holder pays and comes to hold is within its tiers' limits; first who pays, then who gets.

    Raises E_LIMIT_PAYMENT, E_LIMIT_DAY, E_LIMIT_PERIOD or E_LIMIT_HOLDING with the limit and what was tried.
    """
    flow: Counter[bytes] = Counter()
    paying: dict[bytes, set[int]] = {}
    paid: dict[bytes, set[int]] = {}
    for _, token, holder in case.draft.spent:
        if holder_class(holder.category) == "wallets":
            flow[holder.pseudonym] -= token.amount_tiyn
            paying.setdefault(holder.pseudonym, set()).add(holder.tier)
    for token, holder in case.draft.created:
        if holder_class(holder.category) == "wallets":
            flow[holder.pseudonym] += token.amount_tiyn
            paid.setdefault(holder.pseudonym, set()).add(holder.tier)
    for pseudonym, tiers in paying.items():
        if flow[pseudonym] < 0:
            _check_payment(case, pseudonym, _limits(case, tiers), -flow[pseudonym])
    for pseudonym, tiers in paid.items():
        if flow[pseudonym] > 0:
            _check_holding(case, pseudonym, _limits(case, tiers), flow[pseudonym])


def _limits(case: Case, tiers: Iterable[int]) -> list[TierLimits]:
    return [case.genesis.policy.limits(tier) for tier in sorted(tiers)]


def _check_payment(case: Case, pseudonym: bytes, limits: list[TierLimits], paid_tiyn: int) -> None:
    for row in limits:
        if row.payment_limit_tiyn and paid_tiyn > row.payment_limit_tiyn:
            raise Refused(
                "E_LIMIT_PAYMENT", tier=row.tier, paid_tiyn=paid_tiyn, limit_tiyn=row.payment_limit_tiyn
            )
    key = day_counter(pseudonym, case.genesis.policy.day(case.now))
    total = number(case.view, key) + paid_tiyn
    for row in limits:
        if row.day_limit_tiyn and total > row.day_limit_tiyn:
            raise Refused("E_LIMIT_DAY", tier=row.tier, paid_tiyn=total, limit_tiyn=row.day_limit_tiyn)
    if any(row.day_limit_tiyn for row in limits):
        case.draft.moved[key] += paid_tiyn
    tiers = {row.tier for row in limits}
    for tier, kind, limit_tiyn in case.genesis.policy.periods:
        if tier in tiers:
            _check_period(case, pseudonym, (tier, kind, limit_tiyn), paid_tiyn)


def _check_period(case: Case, pseudonym: bytes, limit: tuple[int, int, int], paid_tiyn: int) -> None:
    tier, kind, limit_tiyn = limit
    name = PERIOD_NAMES[kind]
    key = period_counter(pseudonym, name, case.genesis.policy.period(kind, case.now))
    so_far = number(case.view, key)
    if so_far + paid_tiyn > limit_tiyn:
        with_it = so_far + paid_tiyn
        raise Refused("E_LIMIT_PERIOD", tier=tier, period=name, paid_tiyn=with_it, limit_tiyn=limit_tiyn)
    # Two tiers of one holder count the same payment in the same counter, and it is one payment.
    case.draft.moved[key] = paid_tiyn


def _check_holding(case: Case, pseudonym: bytes, limits: list[TierLimits], received_tiyn: int) -> None:
    held = number(case.view, holding_counter(pseudonym)) + received_tiyn
    for row in limits:
        if row.holding_limit_tiyn and held > row.holding_limit_tiyn:
            raise Refused("E_LIMIT_HOLDING", tier=row.tier, held_tiyn=held, limit_tiyn=row.holding_limit_tiyn)
