"""The ledger's state, typed: seven kinds of keys, each with one kind of value.

    token       transaction id || output     an unspent Token; a spent one is simply not there
    key         key id                       a registered key: bank, tier, category, pseudonym
    mark        mark id                      the signed definition (its envelope)
    counter     a name                       a whole number: supply, holdings, what was paid in a day
    freeze      pseudonym                    the legal reference of a freeze
    register    32-byte id                   used once: a request, a settled fact, a statement
    fact        fact id                      what an outside register says now (`cbdc.clause.Fact`)

A store keeps bytes under bytes; this module is the only place that turns one into the other.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from cbdc import canonical
from cbdc.clause import LINES, Fact
from cbdc.keys import PublicKey
from cbdc.marks import open_definition
from cbdc.record import (
    ALGORITHM,
    AMOUNT,
    HASH,
    HASH_OR_NONE,
    MOMENT,
    NETWORK_BYTES,
    RAW_KEY,
    Bytes,
    Group,
    Text,
    Unsigned,
)
from cbdc.token import HOLDER_CLASSES, LockKind, Token, TokenId

TOKEN = 1
KEY = 2
MARK = 3
COUNTER = 4
FREEZE = 5
REGISTER = 6
FACT = 7

KIND_NAMES = {
    TOKEN: "token",
    KEY: "key",
    MARK: "mark",
    COUNTER: "counter",
    FREEZE: "freeze",
    REGISTER: "register",
    FACT: "fact",
}


class StateKey(NamedTuple):
    """Where a value stands: its kind and its id within the kind."""

    kind: int
    id: bytes

    def pack(self) -> bytes:
        """One byte string for a store: the kind, then the id."""
        return bytes([self.kind]) + self.id


@dataclass(frozen=True, slots=True)
class RegisteredKey:
    """What the ledger knows of a key: no name, only the bank, the tier, the category and a pseudonym.

    `successor` is the key id that replaced it, empty while it is the holder's current key.
    """

    algorithm: int
    public_key: bytes
    bank_id: int
    tier: int
    category: int
    pseudonym: bytes
    successor: bytes = b""

    @property
    def key(self) -> PublicKey:
        """The public key, ready to verify: whether it is a sound one was judged when it was registered (G2)."""
        return PublicKey(self.algorithm, self.public_key)


StateValue = Token | RegisteredKey | Fact | bytes | int | str

_FACT = Group((Unsigned(), LINES, MOMENT, Unsigned(0, 1)))
_TOKEN = Group((AMOUNT, LockKind(), HASH_OR_NONE))
_KEY = Group((ALGORITHM, RAW_KEY, Unsigned(), Unsigned(0, 255), Unsigned(1, 255), HASH, HASH_OR_NONE))


def token_key(identity: TokenId) -> StateKey:
    """Where a token stands."""
    return StateKey(TOKEN, identity.transaction_id + identity.output.to_bytes(2, "big"))


def token_id(key: StateKey) -> TokenId:
    """The token id in a token's state key."""
    return TokenId(key.id[:32], int.from_bytes(key.id[32:], "big"))


def counter(*parts: str | bytes) -> StateKey:
    """Where a counter stands: its name, parts joined by a colon."""
    return StateKey(COUNTER, b":".join(part.encode() if isinstance(part, str) else part for part in parts))


ISSUED = counter("issued")
REDEEMED = counter("redeemed")


@lru_cache(maxsize=64)
def class_counter(holder_class: str) -> StateKey:
    """The counter of one line of the supply table."""
    return counter("class", holder_class)


@lru_cache(maxsize=65_536)
def holding_counter(pseudonym: bytes) -> StateKey:
    """The counter of what a wallet holder holds, over all its keys and marks."""
    return counter("holding", pseudonym)


@lru_cache(maxsize=65_536)
def day_counter(pseudonym: bytes, day: int) -> StateKey:
    """The counter of what a wallet holder paid on one day (`Policy.day`)."""
    return counter("day", pseudonym, str(day))


@lru_cache(maxsize=65_536)
def period_counter(pseudonym: bytes, name: str, number: int) -> StateKey:
    """The counter of what a wallet holder paid in one calendar month or year (`Policy.period`)."""
    return counter(name, pseudonym, str(number))


@lru_cache(maxsize=65_536)
def bank_counter(pseudonym: bytes) -> StateKey:
    """Which institution answers for a pseudonym: its bank id plus one, written at its first registration."""
    return counter("bank", pseudonym)


@lru_cache(maxsize=4_096)
def mark_counter(mark: bytes) -> StateKey:
    """The counter of how much money carries a mark, wherever it is."""
    return counter("mark", mark)


@lru_cache(maxsize=65_536)
def fact_key(fact: bytes) -> StateKey:
    """Where what an outside register says stands, by `cbdc.clause.fact_id`."""
    return StateKey(FACT, fact)


SUPPLY_KEYS = (ISSUED, REDEEMED, *(class_counter(name) for name in HOLDER_CLASSES))


def encode_value(kind: int, value: StateValue) -> bytes:
    """The store's bytes of a value of this kind."""
    if kind == TOKEN:
        assert isinstance(value, Token)
        return value.encode()
    if kind == KEY:
        assert isinstance(value, RegisteredKey)
        return _encode_registered(value)
    if kind == FACT:
        assert isinstance(value, Fact)
        lines = tuple(tuple(line) for line in value.lines)
        return canonical.encode([value.amount_tiyn, lines, value.expires, value.standing])
    return canonical.encode(value)


@lru_cache(maxsize=4_096)
def _encode_registered(value: RegisteredKey) -> bytes:
    return canonical.encode(
        [
            value.algorithm,
            value.public_key,
            value.bank_id,
            value.tier,
            value.category,
            value.pseudonym,
            value.successor,
        ]
    )


def decode_value(kind: int, data: bytes) -> StateValue:
    """The value of this kind in a store's bytes; a decoding error when they are not its canonical form."""
    if kind == TOKEN:
        amount, lock, mark = _TOKEN.load(canonical.decode(data), "token")
        return Token(amount, lock, mark)
    if kind == KEY:
        return _decode_registered(data)
    value = canonical.decode(data)
    if kind == FACT:
        return Fact(*_FACT.load(value, "fact"))
    if kind == COUNTER:
        return Unsigned().load(value, "counter")
    if kind == FREEZE:
        return Text(128).load(value, "freeze")
    if kind == MARK:
        envelope = Bytes().load(value, "mark")
        open_definition(envelope, bytes(NETWORK_BYTES))
        return envelope
    return HASH.load(value, "register")


@lru_cache(maxsize=262_144)
def _decode_registered(data: bytes) -> RegisteredKey:
    return RegisteredKey(*_KEY.load(canonical.decode(data), "registered key"))
