"""What a decision sees, and what it changes: a view of named state, and a draft of effects.

`View` is a plain mapping from typed state keys to typed values; a key that was asked for and does not exist maps to
None, and asking for a key that was never loaded is a bug, not a refusal. `Draft` collects the effects of one
transaction on top of a view: tokens spent and created, counters moved, and the supply table, whose conservation is
asserted before the effects leave it.
"""

from collections import Counter
from collections.abc import Mapping

from cbdc.canonical import MAX_INTEGER
from cbdc.errors import Malformed, Refused
from cbdc.ledger.state import (
    KEY,
    MARK,
    REGISTER,
    SUPPLY_KEYS,
    RegisteredKey,
    StateKey,
    StateValue,
    class_counter,
    holding_counter,
    mark_counter,
    token_key,
)
from cbdc.token import Lock, Token, TokenId, holder_class

View = Mapping[StateKey, StateValue | None]


def registered(view: View, kid: bytes) -> RegisteredKey:
    """The registered key with this id; E_KEY_UNKNOWN when the ledger has none."""
    value = view[StateKey(KEY, kid)]
    if value is None:
        raise Refused("E_KEY_UNKNOWN", kid=kid)
    assert isinstance(value, RegisteredKey)
    return value


def holder_of(view: View, lock: Lock) -> RegisteredKey:
    """The registered key that counts as holder of a lock; E_KEY_UNKNOWN when the ledger has none."""
    return registered(view, lock.holder)


def number(view: View, key: StateKey) -> int:
    """A counter's value, 0 when it was never moved."""
    value = view[key]
    assert value is None or isinstance(value, int)
    return value or 0


class Draft:
    """The effects of one transaction in the making. `changes` maps state keys to new values (None deletes)."""

    def __init__(self, view: View) -> None:
        self.view = view
        self.changes: dict[StateKey, StateValue | None] = {}
        self.moved: Counter[StateKey] = Counter()
        self.spent: list[tuple[TokenId, Token, RegisteredKey]] = []
        self.created: list[tuple[Token, RegisteredKey]] = []

    def spend(self, identity: TokenId) -> Token:
        """Take a token away; E_TOKEN_SPENT when it is not there (guard G3)."""
        key = token_key(identity)
        token = self.view[key]
        if token is None:
            raise Refused("E_TOKEN_SPENT", transaction_id=identity.transaction_id, output=identity.output)
        assert isinstance(token, Token)
        holder = holder_of(self.view, token.lock)
        self.changes[key] = None
        self.spent.append((identity, token, holder))
        self._move(token, holder, -1)
        return token

    def create(self, identity: TokenId, token: Token) -> None:
        """Add a token, whose keys guard G2 has found registered."""
        holder = holder_of(self.view, token.lock)
        self.changes[token_key(identity)] = token
        self.created.append((token, holder))
        self._move(token, holder, 1)

    def _move(self, token: Token, holder: RegisteredKey, sign: int) -> None:
        amount = sign * token.amount_tiyn
        name = holder_class(holder.category)
        self.moved[class_counter(name)] += amount
        if token.mark:
            self.moved[mark_counter(token.mark)] += amount
        if name == "wallets":
            self.moved[holding_counter(holder.pseudonym)] += amount

    def once(self, identity: bytes, transaction_id: bytes, code: str) -> None:
        """Use a 32-byte id for ever; refuse with `code` when it was used before (guard G10)."""
        key = StateKey(REGISTER, identity)
        if self.view[key] is not None or key in self.changes:
            raise Refused(code, identity=identity)
        self.changes[key] = transaction_id

    def mark_envelope(self, mark: bytes) -> bytes:
        """The stored definition of a mark; E_MARK_UNKNOWN when the ledger has none."""
        value = self.changes.get(StateKey(MARK, mark)) or self.view[StateKey(MARK, mark)]
        if value is None:
            raise Refused("E_MARK_UNKNOWN", mark=mark)
        assert isinstance(value, bytes)
        return value

    @property
    def spent_tiyn(self) -> int:
        """What is taken away, in sum."""
        return sum(token.amount_tiyn for _, token, _ in self.spent)

    @property
    def created_tiyn(self) -> int:
        """What is added, in sum."""
        return sum(token.amount_tiyn for token, _ in self.created)

    def check_balanced(self) -> None:
        """E_SUM_LEDGER unless what is created equals what is spent (guard G5)."""
        if self.spent_tiyn != self.created_tiyn:
            raise Refused("E_SUM_LEDGER", inputs_tiyn=self.spent_tiyn, outputs_tiyn=self.created_tiyn)

    def finish(self) -> dict[StateKey, StateValue | None]:
        """The changes with all counters, after asserting that the supply table still adds up (guard G11).

        Raises E_MONEY_RANGE if issue or redemption in total would pass the largest amount.
        """
        for key, delta in self.moved.items():
            value = number(self.view, key) + delta
            assert value >= 0, f"counter {key.id!r} would fall below zero"
            if value > MAX_INTEGER:
                raise Malformed("E_MONEY_RANGE", amount_tiyn=value, least_tiyn=0, most_tiyn=MAX_INTEGER)
            if delta:
                self.changes[key] = value or None
        totals = [self._after(key) for key in SUPPLY_KEYS]
        assert totals[0] - totals[1] == sum(totals[2:]), "issued - redeemed must equal what the holders hold"
        return self.changes

    def _after(self, key: StateKey) -> int:
        value = self.changes[key] if key in self.changes else self.view[key]
        assert value is None or isinstance(value, int)
        return value or 0
