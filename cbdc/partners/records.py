"""What third parties and holders sign: an introduction, a consent, a call; and the orders that calls carry.

    Introduction   a third party shows its key and its name, signed by that key
    Consent        a holder lets one third party do so much, until then, signed by the holder's wallet key
    Call           "I, this third party, ask for just this, now, once": every request of a third party, reading ones too
    PaymentOrder   in a call: please have the holder pay these outputs (one payee, several, or locks)
    OpeningOrder   in a call: please have a lock opened (claimed, taken back, released)
    Collection     in a call: collect on a mandate that the holder gave
    HookOrder      in a call: tell me of these events at this address

A third party never holds the holder's key and moves nothing by itself: what it orders, the holder's wallet signs, or a
mandate that the holder signed before allows. The groups of functions (accounts, pay, split, request to pay, locks,
third parties) are shaped after those that Project Rosalind of the BIS Innovation Hub published in 2023; the messages
are our own.
"""

from dataclasses import dataclass
from typing import ClassVar

from cbdc import canonical
from cbdc.errors import Malformed
from cbdc.record import (
    ALGORITHM,
    AMOUNT,
    HASH,
    MOMENT,
    NONCE,
    ONLINE_DOMAIN,
    RAW_KEY,
    Bytes,
    Group,
    Items,
    Kind,
    Record,
    Text,
    Unsigned,
)
from cbdc.token import LockKind, Token

BALANCE = "balance"
HISTORY = "history"
PAY = "pay"
SPLIT = "split"
LOCK = "lock"
MANDATE = "mandate"
SCOPES = (BALANCE, HISTORY, LOCK, MANDATE, PAY, SPLIT)

CLAIM = 1
REFUND = 2
RELEASE = 3
OPENING_NAMES = {CLAIM: "claim", REFUND: "refund", RELEASE: "release"}

PAYMENT_RECEIVED = "payment.received"
CONSENT_REVOKED = "consent.revoked"
ORDER_PAID = "order.paid"
EVENTS = (CONSENT_REVOKED, ORDER_PAID, PAYMENT_RECEIVED)

MAX_CALL_BYTES = 16_384
MOST_OUTPUTS = 32
_NAME_BYTES = 64
_MEMO_BYTES = 140
_URL_BYTES = 512


@dataclass(frozen=True, slots=True)
class _Among:
    """Some of these words, each once, in the order of the alphabet: one set has one form."""

    words: tuple[str, ...]
    least: int = 1

    def load(self, value: object, name: str) -> tuple[str, ...]:
        found = tuple(Items(Text(32), most=len(self.words), least=self.least).load(value, name))
        if list(found) != sorted(set(found)) or not set(found) <= set(self.words):
            raise Malformed("E_FIELD", field=name, problem="not some of the known words, each once, in order")
        return found


@dataclass(frozen=True, slots=True)
class _Line:
    """One line of visible text, perhaps empty."""

    most_bytes: int
    least: int = 0

    def load(self, value: object, name: str) -> str:
        text: str = Text(self.most_bytes).load(value, name)
        if not text.isprintable() or text != text.strip() or len(text) < self.least:
            raise Malformed("E_FIELD", field=name, problem="not one line of visible text")
        return text


_PAIR = Group((AMOUNT, LockKind()))


@dataclass(frozen=True, slots=True)
class _Output:
    """`[amount, lock]`: a token without a mark."""

    def load(self, value: object, name: str) -> Token:
        if isinstance(value, Token):
            value = (value.amount_tiyn, value.lock)
        return Token(*_PAIR.load(value, name))


@dataclass(frozen=True, slots=True)
class Introduction(Record):
    """A third party's key and its name, signed by that very key; `time` is when it was made."""

    algorithm: int
    public_key: bytes
    name: str
    time: int

    TYPE: ClassVar[int] = 100
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (ALGORITHM, RAW_KEY, _Line(_NAME_BYTES, 1), MOMENT)


@dataclass(frozen=True, slots=True)
class Consent(Record):
    """What `holder` (a wallet's key id) lets `partner` (a third party's key id) do, from `first` to `last`, included.

    `scopes` are words of SCOPES. What the third party starts is at most `payment_limit_tiyn` at once and at most
    `day_limit_tiyn` in a day; 0 lets it start nothing. `id` is the holder's.
    """

    id: bytes
    holder: bytes
    partner: bytes
    scopes: tuple[str, ...]
    payment_limit_tiyn: int
    day_limit_tiyn: int
    first: int
    last: int

    TYPE: ClassVar[int] = 101
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        HASH,
        HASH,
        HASH,
        _Among(SCOPES),
        Unsigned(),
        Unsigned(),
        MOMENT,
        MOMENT,
    )


@dataclass(frozen=True, slots=True)
class Call(Record):
    """One request of a third party: `partner` asks for `purpose` (method and path) with the bytes `carried`, at `time`
    (real seconds), under the request id `id`. `nonce` is used once: the same call sent twice is refused, and who got no
    answer signs the same request id anew."""

    id: bytes
    partner: bytes
    purpose: str
    carried: bytes
    time: int
    nonce: bytes

    TYPE: ClassVar[int] = 102
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        HASH,
        HASH,
        Text(256),
        Bytes(most=MAX_CALL_BYTES - 1_024),
        MOMENT,
        NONCE,
    )


@dataclass(frozen=True, slots=True)
class PaymentOrder(Record):
    """Have the holder of `consent` pay these outputs in one transaction, until `expires` (virtual seconds).

    An output is `[amount, lock]`. One plain key is a request to pay, several are a split payment, and a lock that is
    none (hash lock, quorum) puts money behind it. `memo` is shown to the holder.
    """

    consent: bytes
    outputs: tuple[Token, ...]
    memo: str
    expires: int

    TYPE: ClassVar[int] = 103
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        HASH,
        Items(_Output(), most=MOST_OUTPUTS, least=1),
        _Line(_MEMO_BYTES),
        MOMENT,
    )

    @property
    def amount_tiyn(self) -> int:
        """What the holder pays in all."""
        return sum(token.amount_tiyn for token in self.outputs)

    def body(self) -> bytes:
        """The canonical bytes of the body, locks in their wire form."""
        consent, outputs, memo, expires = self.checked(self.values())
        wired = [(token.amount_tiyn, token.lock.wire()) for token in outputs]
        return canonical.encode([consent, wired, memo, expires])


@dataclass(frozen=True, slots=True)
class OpeningOrder(Record):
    """Have a locked token opened: `kind` CLAIM with the secret, REFUND after the deadline, RELEASE into `shares`.

    `consent` is of the holder whose key the lock names; `shares` are (key id, tiyn).
    """

    consent: bytes
    kind: int
    transaction_id: bytes
    output: int
    secret: bytes
    shares: tuple[tuple[bytes, int], ...]
    expires: int

    TYPE: ClassVar[int] = 104
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        HASH,
        Unsigned(CLAIM, RELEASE),
        HASH,
        Unsigned(0, 255),
        Bytes((0, 32)),
        Items(Group((HASH, AMOUNT)), most=MOST_OUTPUTS),
        MOMENT,
    )


@dataclass(frozen=True, slots=True)
class Collection(Record):
    """Collect `amount_tiyn` on the mandate `mandate` of the holder of `consent`, for the payee it names."""

    consent: bytes
    mandate: bytes
    amount_tiyn: int

    TYPE: ClassVar[int] = 105
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (HASH, HASH, AMOUNT)


@dataclass(frozen=True, slots=True)
class HookOrder(Record):
    """Deliver these events (words of EVENTS) to `url`."""

    url: str
    events: tuple[str, ...]

    TYPE: ClassVar[int] = 106
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (_Line(_URL_BYTES, 1), _Among(EVENTS))


def revoke_purpose(id: bytes) -> str:
    """What the holder's key signs (`HolderProof`) to take a consent back."""
    return f"consent revoke {id.hex()}"


def decline_purpose(id: bytes) -> str:
    """What the holder's key signs (`HolderProof`) to say no to an order."""
    return f"order decline {id.hex()}"
