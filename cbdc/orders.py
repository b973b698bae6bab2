"""What a holder signs besides transactions: an order to its bank, and a proof that it is the one who asks.

Both are bound to one network and one purpose like every signed value, so neither can be shown as the other.
"""

from dataclasses import dataclass
from typing import ClassVar

from cbdc.record import AMOUNT, HASH, MOMENT, NONCE, ONLINE_DOMAIN, Kind, Record, Text, Unsigned


@dataclass(frozen=True, slots=True)
class FundOrder(Record):
    """A customer's order to its bank: debit my deposit, and send digital tenge to my key `kid`.

    `id` is made by the customer: the same order again is the same sale. `time` is when it was written.
    """

    id: bytes
    bank_id: int
    kid: bytes
    amount_tiyn: int
    time: int

    TYPE: ClassVar[int] = 85
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, Unsigned(1), HASH, AMOUNT, MOMENT)


@dataclass(frozen=True, slots=True)
class HolderProof(Record):
    """ "It is I who ask": the key `kid` asks for `purpose` at `time` (real seconds), once more or less (`nonce`).

    It authorises reading what belongs to the key, or that a device is enrolled for it (the purpose names which); it
    never moves money.
    """

    kid: bytes
    purpose: str
    time: int
    nonce: bytes

    TYPE: ClassVar[int] = 86
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, Text(128), MOMENT, NONCE)
