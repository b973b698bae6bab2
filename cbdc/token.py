"""A token: an amount behind a lock, perhaps with a mark. Spent whole, once; change is a new token.

A lock says who may spend, as a tagged union that every rule and screen knows from the first day:

    [1, kid]                                    one key
    [2, threshold, [kid...]]                    so many of these keys
    [3, hash, claim kid, refund kid, deadline]  whoever shows the hash's preimage until the deadline; the payer after

Who *holds* a locked token, for limits and for the supply table, is always one registered key: the key itself, the
first of a group, or the payer of a hash lock until it is claimed.
"""

from dataclasses import dataclass
from typing import NamedTuple

from cbdc import canonical
from cbdc.errors import Malformed
from cbdc.record import HASH, MOMENT, Items, Unsigned

PERSON = 1
MERCHANT = 2
PUPIL = 3
CANTEEN = 4
SUPPLIER = 5
CONTRACTOR = 6
SUBCONTRACTOR = 7
PUBLIC_CUSTOMER = 8
FIRM = 9
FARMER = 10
LIVESTOCK_SELLER = 11
EXCHANGE = 12
CUSTODIAN = 13
VOUCHER_OFFICE = 14
BANK_INVENTORY = 200
TREASURY_ACCOUNT = 201
ESCROW = 202
LOSS_RESERVE = 203

CATEGORY_NAMES = {
    PERSON: "person",
    MERCHANT: "merchant",
    PUPIL: "pupil",
    CANTEEN: "canteen",
    SUPPLIER: "supplier",
    CONTRACTOR: "contractor",
    SUBCONTRACTOR: "subcontractor",
    PUBLIC_CUSTOMER: "public customer",
    FIRM: "firm",
    FARMER: "farmer",
    LIVESTOCK_SELLER: "livestock seller",
    EXCHANGE: "exchange",
    CUSTODIAN: "custodian",
    VOUCHER_OFFICE: "voucher office",
    BANK_INVENTORY: "bank inventory",
    TREASURY_ACCOUNT: "treasury account",
    ESCROW: "escrow",
    LOSS_RESERVE: "loss reserve",
}

HOLDER_CLASSES = ("bank_inventory", "treasury", "wallets", "escrow", "loss_reserve")
_CLASS_OF_CATEGORY = {
    BANK_INVENTORY: "bank_inventory",
    TREASURY_ACCOUNT: "treasury",
    ESCROW: "escrow",
    LOSS_RESERVE: "loss_reserve",
}

MAX_LOCK_KEYS = 16


def holder_class(category: int) -> str:
    """The line of the supply table that a holder of this category belongs to."""
    return _CLASS_OF_CATEGORY.get(category, "wallets")


@dataclass(frozen=True, slots=True)
class KeyLock:
    """One key."""

    kid: bytes

    @property
    def holder(self) -> bytes:
        """The key id that counts as holder."""
        return self.kid

    @property
    def kids(self) -> tuple[bytes, ...]:
        """Every key the lock names."""
        return (self.kid,)

    def wire(self) -> tuple[object, ...]:
        """Its canonical array."""
        return (1, self.kid)


@dataclass(frozen=True, slots=True)
class QuorumLock:
    """`threshold` of `kids`."""

    threshold: int
    kids: tuple[bytes, ...]

    @property
    def holder(self) -> bytes:
        """The first key counts as holder."""
        return self.kids[0]

    def wire(self) -> tuple[object, ...]:
        """Its canonical array."""
        return (2, self.threshold, self.kids)


@dataclass(frozen=True, slots=True)
class HashLock:
    """Until `deadline`, `claim` with the preimage of `hash`; after it, `refund`."""

    hash: bytes
    claim: bytes
    refund: bytes
    deadline: int

    @property
    def holder(self) -> bytes:
        """Still the payer's money until it is claimed."""
        return self.refund

    @property
    def kids(self) -> tuple[bytes, ...]:
        """Every key the lock names."""
        return (self.refund, self.claim)

    def wire(self) -> tuple[object, ...]:
        """Its canonical array."""
        return (3, self.hash, self.claim, self.refund, self.deadline)


Lock = KeyLock | QuorumLock | HashLock


@dataclass(frozen=True, slots=True)
class LockKind:
    """The record field that holds a lock."""

    def load(self, value: object, name: str) -> Lock:
        """The lock; raises E_TYPE or E_FIELD for a wrong shape, E_LOCK for one nobody could open."""
        if type(value) is KeyLock:
            HASH.load(value.kid, name)
            return value
        if isinstance(value, KeyLock | QuorumLock | HashLock):
            return load_lock(list(value.wire()), name)
        if not isinstance(value, list | tuple):
            raise Malformed("E_TYPE", type=f"{name}: {type(value).__name__}")
        return load_lock(list(value), name)


def load_lock(value: list[object], name: str = "lock") -> Lock:
    """The lock in a decoded array; raises E_TYPE, E_FIELD, E_COUNT or E_LOCK."""
    tag = value[0] if value else None
    if tag == 1 and type(tag) is int and len(value) == 2:
        return KeyLock(HASH.load(value[1], name))
    if tag == 2 and type(tag) is int and len(value) == 3:
        kids = Items(HASH, most=MAX_LOCK_KEYS, least=1).load(value[2], name)
        threshold = Unsigned(1).load(value[1], name)
        if threshold > len(kids) or len(set(kids)) != len(kids):
            raise Malformed("E_LOCK", field=name)
        return QuorumLock(threshold, kids)
    if tag == 3 and type(tag) is int and len(value) == 5:
        digest, claim, refund = (HASH.load(item, name) for item in value[1:4])
        return HashLock(digest, claim, refund, MOMENT.load(value[4], name))
    raise Malformed("E_LOCK", field=name)


class TokenId(NamedTuple):
    """Which token: output number `output` of the transaction with this id."""

    transaction_id: bytes
    output: int


@dataclass(frozen=True, slots=True)
class Token:
    """An unspent amount: `amount_tiyn` behind `lock`, with `mark` (32 bytes) or without (empty)."""

    amount_tiyn: int
    lock: Lock
    mark: bytes = b""

    def wire(self) -> tuple[object, ...]:
        """`[amount, lock, mark]`."""
        return (self.amount_tiyn, self.lock.wire(), self.mark)

    def encode(self) -> bytes:
        """The canonical bytes of `wire`."""
        return canonical.encode(self.wire())
