"""What a wallet's store keeps: tokens, intents and lines of history, each checked when it is built.

A value is judged by its KINDS, which alone refuse. Most values are right, and a store builds many of them for each
payment, so a few comparisons let what is plainly right pass first.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, NamedTuple

from cbdc import canonical
from cbdc.errors import Malformed
from cbdc.record import AMOUNT, HASH, HASH_OR_NONE, MOMENT, Bytes, Group, Items, Kind, Unsigned
from cbdc.token import TokenId

TokenState = Literal["unspent", "pending", "spent"]
IntentState = Literal["saved", "done", "refused"]
Direction = Literal["in", "out", "own"]


@dataclass(frozen=True, slots=True)
class _Word:
    """Text of `least` to `most` bytes in normal form C, or one of `choices`."""

    least: int = 0
    most: int = canonical.MAX_TEXT_BYTES
    choices: tuple[str, ...] = ()

    def load(self, value: object, name: str) -> str:
        if type(value) is not str:
            raise Malformed("E_TYPE", type=f"{name}: {type(value).__name__}")
        canonical.encode(value)
        if not self.least <= len(value.encode()) <= self.most or (self.choices and value not in self.choices):
            raise Malformed("E_FIELD", field=name, problem=f"“{value[:40]}” cannot stand there")
        return value


_NAME = _Word(1, 64)
_LINE = _Word()
_ID = Bytes(tuple(range(16, 33)))
_TOKEN_ID = Group((HASH, Unsigned(0, 255)))
_CONTENT = Bytes(most=1 << 20)


@dataclass(frozen=True, slots=True)
class _Checked:
    """Base of the values: each is checked against its KINDS when it is built; raises E_FIELD, E_TYPE and the like."""

    wallet: str

    KINDS: ClassVar[Mapping[str, Kind]] = {}

    def __post_init__(self) -> None:
        if not self._plainly_right():
            _NAME.load(self.wallet, "wallet")
            for name, kind in self.KINDS.items():
                kind.load(getattr(self, name), name)

    def _plainly_right(self) -> bool:
        """True for what KINDS is sure to allow, told by a few comparisons; False asks KINDS, which alone refuses."""
        return False


def _is_name(text: object) -> bool:
    return type(text) is str and 1 <= len(text) <= 64 and text.isascii()


def _is_bytes(data: object, least: int, most: int) -> bool:
    return type(data) is bytes and least <= len(data) <= most


def _is_number(value: object, least: int = 0, most: int = canonical.MAX_INTEGER) -> bool:
    return type(value) is int and least <= value <= most


def _is_token_id(value: object) -> bool:
    return type(value) is TokenId and _is_bytes(value[0], 32, 32) and _is_number(value[1], 0, 255)


def _is_one_of(value: object, choices: frozenset[str]) -> bool:
    return type(value) is str and value in choices


_TOKEN_STATES = frozenset({"unspent", "pending", "spent"})
_INTENT_STATES = frozenset({"saved", "done", "refused"})
_DIRECTIONS = frozenset({"in", "out", "own"})


@dataclass(frozen=True, slots=True)
class WalletToken(_Checked):
    """A token that a wallet owns or owned; `intent` is the id of the intent that chose or spent it, or empty.

    `lock` is the lock's canonical bytes, `mark` the 32-byte mark or empty.
    """

    id: TokenId
    amount_tiyn: int
    lock: bytes
    mark: bytes = b""
    state: TokenState = "unspent"
    intent: bytes = b""

    KINDS: ClassVar[Mapping[str, Kind]] = {
        "id": _TOKEN_ID,
        "amount_tiyn": AMOUNT,
        "lock": Bytes(most=1_024),
        "mark": HASH_OR_NONE,
        "state": _Word(choices=("unspent", "pending", "spent")),
        "intent": Bytes((0, *range(16, 33))),
    }

    def moved(self, state: TokenState, intent: bytes) -> "WalletToken":
        """The same token in another state."""
        return WalletToken(self.wallet, self.id, self.amount_tiyn, self.lock, self.mark, state, intent)

    def _plainly_right(self) -> bool:
        return (
            _is_name(self.wallet)
            and _is_token_id(self.id)
            and _is_number(self.amount_tiyn, 1)
            and _is_bytes(self.lock, 0, 1_024)
            and type(self.mark) is bytes
            and len(self.mark) in (0, 32)
            and _is_one_of(self.state, _TOKEN_STATES)
            and type(self.intent) is bytes
            and (not self.intent or 16 <= len(self.intent) <= 32)
        )


@dataclass(frozen=True, slots=True)
class Intent(_Checked):
    """Something a wallet is about to do: `kind` and `body` are the wallet's own, `time` is when it was made.

    `inputs` are the tokens it chose. `result` is empty until it is closed: the receipt, or the refusal.
    """

    id: bytes
    kind: str
    body: bytes
    time: int
    inputs: tuple[TokenId, ...] = ()
    state: IntentState = "saved"
    result: bytes = b""

    KINDS: ClassVar[Mapping[str, Kind]] = {
        "id": _ID,
        "kind": _NAME,
        "body": _CONTENT,
        "time": MOMENT,
        "inputs": Items(_TOKEN_ID, most=256),
        "state": _Word(choices=("saved", "done", "refused")),
        "result": _CONTENT,
    }

    def closed(self, state: IntentState, result: bytes) -> "Intent":
        """The same intent with how it ended."""
        return Intent(self.wallet, self.id, self.kind, self.body, self.time, self.inputs, state, result)

    def _plainly_right(self) -> bool:
        return (
            _is_name(self.wallet)
            and _is_bytes(self.id, 16, 32)
            and _is_name(self.kind)
            and _is_bytes(self.body, 0, canonical.MAX_LENGTH)
            and _is_number(self.time)
            and type(self.inputs) is tuple
            and len(self.inputs) <= 256
            and all(map(_is_token_id, self.inputs))
            and _is_one_of(self.state, _INTENT_STATES)
            and _is_bytes(self.result, 0, canonical.MAX_LENGTH)
        )


@dataclass(frozen=True, slots=True)
class HistoryRow(_Checked):
    """One line a person reads: money in, out, or between places of one's own; `id` makes the line once for ever."""

    id: bytes
    time: int
    kind: str
    direction: Direction
    amount_tiyn: int
    other: str = ""
    memo: str = ""

    KINDS: ClassVar[Mapping[str, Kind]] = {
        "id": _ID,
        "time": MOMENT,
        "kind": _NAME,
        "direction": _Word(choices=("in", "out", "own")),
        "amount_tiyn": Unsigned(),
        "other": _LINE,
        "memo": _LINE,
    }

    def _plainly_right(self) -> bool:
        return (
            _is_name(self.wallet)
            and _is_bytes(self.id, 16, 32)
            and _is_number(self.time)
            and _is_name(self.kind)
            and _is_one_of(self.direction, _DIRECTIONS)
            and _is_number(self.amount_tiyn)
            and (self.other == "" or _is_name(self.other))
            and self.memo == ""
        )


@dataclass(frozen=True, slots=True)
class Done:
    """How an intent ended well: its result, the tokens it brought (to any wallet of the store), and the history."""

    wallet: str
    id: bytes
    result: bytes = b""
    added: tuple[WalletToken, ...] = ()
    history: tuple[HistoryRow, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """How an intent ended without effect: its result, such as the code of the refusal."""

    wallet: str
    id: bytes
    result: bytes = b""


class Balance(NamedTuple):
    """What is free, and what open intents hold."""

    unspent_tiyn: int
    pending_tiyn: int


IntentKey = tuple[str, bytes]
TokenKey = tuple[str, TokenId]
HistoryKey = tuple[str, bytes]
