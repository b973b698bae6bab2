"""Guard G7: which holders may stand where. One table, for the rules and for the page that explains them.

Every token has one holder (the registered key that counts as holder of its lock), every holder is of one class, and
each kind of transaction says which classes it takes money from and which it gives money to. Where money of **one
holder** is moved for a purpose of its own (redeemed, seized, released, taken offline), all inputs belong to the same
pseudonym and category, and change goes back there and nowhere else.
"""

from dataclasses import dataclass

from cbdc.errors import Refused
from cbdc.ledger.context import Case
from cbdc.ledger.state import RegisteredKey
from cbdc.ledger.view import registered
from cbdc.token import HashLock, KeyLock, QuorumLock, holder_class
from cbdc.transaction import SETTLE_LOSS, SETTLE_RECOVER, SETTLE_REDEEM, SETTLE_REFUND

INVENTORY, TREASURY, WALLETS, ESCROW, RESERVE = (
    "bank_inventory",
    "treasury",
    "wallets",
    "escrow",
    "loss_reserve",
)
_PUBLIC = (INVENTORY, TREASURY, WALLETS)


@dataclass(frozen=True, slots=True)
class Place:
    """Who may stand in one kind of transaction, by holder class.

    - `spenders`: whose tokens may be inputs; `receivers`: who may get outputs.
    - `one_holder`: the inputs are one holder's, who may also receive, whatever `receivers` says.
    - `plain`: each output is locked to a single key, because somebody else than its owner chose the lock.
    """

    spenders: tuple[str, ...]
    receivers: tuple[str, ...]
    one_holder: bool = False
    plain: bool = False


PLACES = {
    "Issue": Place((), (INVENTORY, TREASURY, RESERVE)),
    "Transfer": Place(_PUBLIC, _PUBLIC),
    "Redeem": Place((INVENTORY, TREASURY), (), one_holder=True),
    "Seize": Place((WALLETS,), (TREASURY, RESERVE), one_holder=True, plain=True),
    "ReleaseMark": Place(_PUBLIC, (), one_holder=True),
    "ExpireMark": Place(_PUBLIC, (TREASURY,), plain=True),
    "Recover": Place((WALLETS,), (), one_holder=True, plain=True),
    "LoadOffline": Place((WALLETS,), (ESCROW,), one_holder=True, plain=True),
    "SettleOffline redeem": Place((ESCROW,), (WALLETS, ESCROW), plain=True),
    "SettleOffline loss": Place((RESERVE,), (ESCROW, RESERVE), plain=True),
    "SettleOffline recover": Place((ESCROW,), (RESERVE, ESCROW), plain=True),
    "SettleOffline refund": Place((ESCROW,), (WALLETS, ESCROW), plain=True),
}

SETTLE_PLACES = {
    SETTLE_REDEEM: "SettleOffline redeem",
    SETTLE_LOSS: "SettleOffline loss",
    SETTLE_RECOVER: "SettleOffline recover",
    SETTLE_REFUND: "SettleOffline refund",
}

Holder = tuple[bytes, int]


def identity(key: RegisteredKey) -> Holder:
    """Who a registered key belongs to: pseudonym and category. Two keys of one holder are the same holder."""
    return key.pseudonym, key.category


def check_places(case: Case, kind: str) -> None:
    """Return if every holder in the case may stand where it stands in a transaction of this `kind` of `PLACES`.

    Raises E_CATEGORY_LEDGER, E_ONE_HOLDER or E_PLAIN_LOCK.
    """
    place = PLACES[kind]
    spenders = [holder for _, _, holder in case.draft.spent]
    for holder in spenders:
        if holder_class(holder.category) not in place.spenders:
            raise Refused("E_CATEGORY_LEDGER", category=holder.category, kind=kind)
    own = {identity(holder) for holder in spenders}
    if place.one_holder and len(own) != 1:
        raise Refused("E_ONE_HOLDER", kind=kind, holders=len(own))
    for token, holder in case.draft.created:
        if place.plain and not isinstance(token.lock, KeyLock):
            raise Refused("E_PLAIN_LOCK", kind=kind)
        change = place.one_holder and identity(holder) in own
        if not change and holder_class(holder.category) not in place.receivers:
            raise Refused("E_CATEGORY_LEDGER", category=holder.category, kind=kind)


def check_lock_holders(case: Case) -> None:
    """Return if nobody is made the holder of money that somebody else can spend, without a word of his own.

    A quorum's keys are all of one class, and they are all one holder's unless the holder that counts (the first key)
    signs; what a hash lock refunds goes back to who paid into it. Otherwise limits, freezes and the supply table would
    count the money for a stranger. Raises E_LOCK_HOLDER.
    """
    payers = {identity(holder) for _, _, holder in case.draft.spent}
    for token, holder in case.draft.created:
        lock = token.lock
        if isinstance(lock, HashLock) and identity(holder) not in payers:
            raise Refused("E_LOCK_HOLDER", kid=lock.refund)
        if isinstance(lock, QuorumLock):
            named = [registered(case.view, kid) for kid in lock.kids]
            classes = {holder_class(key.category) for key in named}
            one_holder = {identity(key) for key in named} == {identity(holder)}
            if len(classes) > 1 or not (one_holder or lock.holder in case.signers):
                raise Refused("E_LOCK_HOLDER", kid=lock.holder)
