"""The state that follows from the journal (ledger/6) and the changes of one transaction."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from tests.second_ledger.errors import Refusal, require
from tests.second_ledger.forms import lock_keys
from tests.second_ledger.mpc import MAX, enc
from tests.second_ledger.records import Envelope

LINES = ("bank_inventory", "treasury", "wallets", "escrow", "loss_reserve")
_CATEGORY_LINE = {200: "bank_inventory", 201: "treasury", 202: "escrow", 203: "loss_reserve"}
TokenId = tuple[bytes, int]
Holder = tuple[bytes, int]


def line_of(category: int) -> str:
    """The line of the supply table of a category (ledger/1, "Categories and lines")."""
    return _CATEGORY_LINE.get(category, "wallets")


@dataclass(frozen=True)
class Key:
    """A registered key: row of kind 2."""

    algorithm: int
    raw: bytes
    bank: int
    tier: int
    category: int
    pseudonym: bytes
    successor: bytes = b""

    @property
    def holder(self) -> Holder:
        """The holder it belongs to."""
        return (self.pseudonym, self.category)

    @property
    def line(self) -> str:
        """The line of its category."""
        return line_of(self.category)


@dataclass(frozen=True)
class Token:
    """A token: row of kind 1."""

    amount: int
    lock: Any
    mark: bytes


@dataclass
class Changes:
    """What an accepted transaction changes; nothing is changed until all rules have passed."""

    spent: list[TokenId] = field(default_factory=list)
    made: list[tuple[TokenId, Token]] = field(default_factory=list)
    keys: dict[bytes, Key] = field(default_factory=dict)
    marks: dict[bytes, Envelope] = field(default_factory=dict)
    added: defaultdict[bytes, int] = field(default_factory=lambda: defaultdict(int))
    banks: dict[bytes, int] = field(default_factory=dict)
    frozen: dict[bytes, str | None] = field(default_factory=dict)
    register: set[bytes] = field(default_factory=set)
    facts: dict[bytes, tuple[Any, ...]] = field(default_factory=dict)


class State:
    """All rows."""

    def __init__(self) -> None:
        self.tokens: dict[TokenId, Token] = {}
        self.keys: dict[bytes, Key] = {}
        self.marks: dict[bytes, Envelope] = {}
        self.counters: dict[bytes, int] = {}
        self.frozen: dict[bytes, str] = {}
        self.register: dict[bytes, bytes] = {}
        self.facts: dict[bytes, tuple[Any, ...]] = {}

    def counter(self, name: bytes) -> int:
        """A counter; 0 when it is not there."""
        return self.counters.get(name, 0)

    def owner(self, token: Token) -> Key:
        """The registered key that counts as holder of a token."""
        return self.keys[lock_keys(token.lock)[0]]

    def _moves(self, changes: Changes) -> dict[bytes, int]:
        """By how much each counter moves (ledger/6, "Counters")."""
        moves: defaultdict[bytes, int] = defaultdict(int, changes.added)
        parts = [(self.tokens[place], -1) for place in changes.spent]
        parts += [(token, 1) for _, token in changes.made]
        for token, sign in parts:
            key = self.owner(token)
            moves[b"class:" + key.line.encode()] += sign * token.amount
            if token.mark:
                moves[b"mark:" + token.mark] += sign * token.amount
            if key.line == "wallets":
                moves[b"holding:" + key.pseudonym] += sign * token.amount
        for pseudonym, bank in changes.banks.items():
            name = b"bank:" + pseudonym
            moves[name] = bank + 1 - self.counter(name)
        return moves

    def _conserve(self, values: dict[bytes, int]) -> None:
        """G11 (ledger/4, "Conservation"); broken arithmetic is E_AUDIT_CONSERVATION (ledger/7)."""
        require(all(value >= 0 for value in values.values()), "E_AUDIT_CONSERVATION")
        require(all(value <= MAX for value in values.values()), "E_MONEY_RANGE")
        held = sum(values.get(n, self.counter(n)) for n in (b"class:" + li.encode() for li in LINES))
        issued, redeemed = (values.get(n, self.counter(n)) for n in (b"issued", b"redeemed"))
        require(issued - redeemed == held, "E_AUDIT_CONSERVATION")

    def prepare(self, changes: Changes) -> dict[bytes, int]:
        """The new values of the counters, after G11 was asked."""
        values = {name: self.counter(name) + move for name, move in self._moves(changes).items()}
        self._conserve(values)
        return values

    def apply(self, changes: Changes, values: dict[bytes, int], identity: bytes) -> None:
        """Make the changes of an accepted transaction."""
        for place in changes.spent:
            del self.tokens[place]
        self.tokens.update(changes.made)
        self.keys.update(changes.keys)
        for mark, envelope in changes.marks.items():
            self.marks.setdefault(mark, envelope)
        self.counters.update(values)
        for pseudonym, reference in changes.frozen.items():
            if reference is None:
                self.frozen.pop(pseudonym, None)
            else:
                self.frozen[pseudonym] = reference
        self.register.update((row, identity) for row in changes.register)
        self.facts.update(changes.facts)

    def rows(self) -> Iterator[tuple[bytes, bytes]]:
        """Every row of the table (ledger/6)."""
        for place, token in self.tokens.items():
            yield token_key(place), enc([token.amount, token.lock, token.mark])
        for kid, key in self.keys.items():
            parts = [key.algorithm, key.raw, key.bank, key.tier, key.category, key.pseudonym, key.successor]
            yield b"\2" + kid, enc(parts)
        for mark, envelope in self.marks.items():
            yield b"\3" + mark, enc(envelope.data)
        for name, value in self.counters.items():
            if value:
                yield b"\4" + name, enc(value)
        for pseudonym, reference in self.frozen.items():
            yield b"\5" + pseudonym, enc(reference)
        for row, identity in self.register.items():
            yield b"\6" + row, enc(identity)
        for fact, content in self.facts.items():
            yield b"\7" + fact, enc(content)

    def owners(self) -> Iterator[tuple[bytes, bytes]]:
        """The owner index (ledger/6, "Owners")."""
        for place, token in self.tokens.items():
            yield token_key(place), lock_keys(token.lock)[0]

    def supply(self) -> tuple[int, int, dict[str, int]]:
        """Issued, redeemed and the five lines, from the counters."""
        held = {line: self.counter(b"class:" + line.encode()) for line in LINES}
        return self.counter(b"issued"), self.counter(b"redeemed"), held

    def count(self) -> dict[str, int]:
        """The five lines, counted again token by token (ledger/6, "The supply table")."""
        held = dict.fromkeys(LINES, 0)
        for token in self.tokens.values():
            held[self.owner(token).line] += token.amount
        return held

    def succeed(self, changes: Changes, old: bytes, new: bytes) -> None:
        """The successor of old becomes new (RotateKey, Recover)."""
        if old not in self.keys:
            raise Refusal("E_KEY_UNKNOWN")
        changes.keys[old] = replace(self.keys[old], successor=new)


def token_key(place: TokenId) -> bytes:
    """The key of a token's row, with its kind byte."""
    return b"\1" + place[0] + place[1].to_bytes(2, "big")
