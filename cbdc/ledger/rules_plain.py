"""A short way to yes: plain transfers between wallets, judged on the state's own bytes.

`decide_plain` gives exactly the effects that `cbdc.ledger.rules.decide` gives for the same transaction over the same
state, or None. It never refuses: whatever it does not recognise, and whatever a rule might object to (a token that is
gone, an account that is no wallet, a freeze, a limit, a key that was replaced, a sum that is wrong), is None, and the
general judge decides it and gives the refusal. So there is one law, and this is a quick proof that a case keeps it.

What it recognises: every input is there, unmarked, behind one key, and all of them belong to one holder with keys of
one tier; just these keys signed; every output goes to a current key of a wallet. Such a transfer moves no line of the
supply table, because wallets pay wallets and outputs equal inputs, which is asked here of every single one (G5, G11).
"""

from collections.abc import Mapping, MutableMapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from cbdc.canonical import MAX_INTEGER
from cbdc.errors import TengeError
from cbdc.ledger.entry import PERIOD_NAMES, Policy, TierLimits
from cbdc.ledger.plain import Plain, read_token
from cbdc.ledger.state import COUNTER, FREEZE, KEY, RegisteredKey, decode_value, holding_counter
from cbdc.token import holder_class

Rows = Mapping[bytes, bytes | None]
"""Packed state keys to the state's bytes; None for a row that is known not to be there."""

PackedEffects = dict[bytes, bytes | None]

_KEY = bytes([KEY])
_UNREAD = b""  # no value of the state is empty
_encode = msgspec.msgpack.Encoder().encode
_decode_number = msgspec.msgpack.Decoder(int).decode


class _Damaged(Exception):
    """A row that is not what the ledger writes: the general judge reads it and says so."""


class Holder(NamedTuple):
    """A registered key as a plain transfer sees it: whose it is, in which tier, and where its holder's rows stand."""

    algorithm: int
    public_key: bytes
    pseudonym: bytes
    tier: int
    wallet: bool
    current: bool
    holding: bytes
    freeze: bytes


@lru_cache(maxsize=65_536)
def holder_in(row: bytes) -> Holder:
    """The holder in the row of a registered key; a decoding error when it is none."""
    key = decode_value(KEY, row)
    assert isinstance(key, RegisteredKey)
    return Holder(
        key.algorithm,
        key.public_key,
        key.pseudonym,
        key.tier,
        holder_class(key.category) == "wallets",
        not key.successor,
        holding_counter(key.pseudonym).pack(),
        bytes([FREEZE]) + key.pseudonym,
    )


class Moment:
    """What a policy asks at one moment: limits by tier, and where counters of this day, month and year stand."""

    def __init__(self, policy: Policy, now: int) -> None:
        self.now = now
        self.limits: dict[int, TierLimits] = {row[0]: policy.limits(row[0]) for row in policy.tiers}
        self._day = f":{policy.day(now)}".encode()
        self.periods: dict[int, list[tuple[str, bytes, int]]] = {}
        for tier, kind, limit_tiyn in policy.periods:
            row = (PERIOD_NAMES[kind], f":{policy.period(kind, now)}".encode(), limit_tiyn)
            self.periods.setdefault(tier, []).append(row)
        self._names = sorted({(name, number) for rows in self.periods.values() for name, number, _ in rows})

    def day_of(self, pseudonym: bytes) -> bytes:
        """The packed key of what a holder paid on this day."""
        return b"\x04day:" + pseudonym + self._day

    def counters_of(self, pseudonym: bytes) -> list[bytes]:
        """The packed keys of all that a holder paid in, today and in this month and year."""
        return [
            self.day_of(pseudonym),
            *(_period(name, pseudonym, number) for name, number in self._names),
        ]


def _period(name: str, pseudonym: bytes, number: bytes) -> bytes:
    return bytes([COUNTER]) + name.encode() + b":" + pseudonym + number


def decide_plain(
    moment: Moment, rows: Rows, holders: MutableMapping[bytes, Holder | None], transfer: Plain
) -> PackedEffects | None:
    """What a plain transfer changes, or None when the general judge must say. Nothing is changed here but `holders`.

    `holders` remembers by key id what `rows` say of keys; whoever changes the row of a key takes it out.
    """
    try:
        return _decided(moment, rows, holders, transfer)
    except (_Damaged, TengeError):
        return None


def _decided(
    moment: Moment, rows: Rows, holders: MutableMapping[bytes, Holder | None], transfer: Plain
) -> PackedEffects | None:
    effects: PackedEffects = {}
    payer: Holder | None = None
    opened, spent = set(), 0
    for key in transfer.spends:
        value = rows.get(key)
        token = read_token(value) if value else None
        if token is None:
            return None
        holder = find_holder(rows, holders, token[1])
        if holder is None or not holder.wallet:
            return None
        if payer is None:
            payer = holder
        elif holder.pseudonym != payer.pseudonym or holder.tier != payer.tier:
            return None
        opened.add(token[1])
        spent += token[0]
        effects[key] = None
    # Just the keys of the inputs signed: more signers would be asked about freezes of their own.
    if payer is None or opened != set(transfer.signers) or rows.get(payer.freeze, _UNREAD) is not None:
        return None
    paid, payees = spent, []
    gains: dict[bytes, int] = {}
    for key, kid, amount, value in transfer.creates:
        holder = find_holder(rows, holders, kid)
        if holder is None or not holder.wallet or not holder.current:
            return None
        effects[key] = value
        spent -= amount
        if holder.pseudonym == payer.pseudonym:
            paid -= amount
            continue
        payees.append(holder)
        gains[holder.holding] = gains.get(holder.holding, 0) + amount
    # Conservation of this transfer, and the sum that the loop has counted down (G5).
    if spent or (paid and not _pay(moment, rows, payer, paid, effects)):
        return None
    for holder in payees:
        held = _held(moment, rows, holder, gains[holder.holding])
        if held is None:
            return None
        effects[holder.holding] = _encode(held)
    return effects


def find_holder(rows: Rows, holders: MutableMapping[bytes, Holder | None], kid: bytes) -> Holder | None:
    """The holder with this key id, remembered in `holders`; None when the rows have no such key."""
    try:
        return holders[kid]
    except KeyError:
        row = rows.get(_KEY + kid)
        holder = holders[kid] = holder_in(row) if row else None
        return holder


def _held(moment: Moment, rows: Rows, payee: Holder, gained_tiyn: int) -> int | None:
    """What a payee comes to hold; None when that may be more than its tier allows, or nobody knows."""
    limits = moment.limits.get(payee.tier)
    value = rows.get(payee.holding, _UNREAD)
    if limits is None or value == _UNREAD:
        return None
    held = gained_tiyn + _number(rows, payee.holding)
    return None if held > MAX_INTEGER or 0 < limits.holding_limit_tiyn < held else held


def _pay(moment: Moment, rows: Rows, payer: Holder, paid_tiyn: int, effects: PackedEffects) -> bool:
    """Count a payment in the payer's counters, if its tier allows it; whether it does."""
    limits = moment.limits.get(payer.tier)
    if limits is None or 0 < limits.payment_limit_tiyn < paid_tiyn:
        return False
    left = _number(rows, payer.holding) - paid_tiyn
    if left < 0:
        return False
    effects[payer.holding] = _encode(left) if left else None
    if limits.day_limit_tiyn:
        key = moment.day_of(payer.pseudonym)
        total = _number(rows, key) + paid_tiyn
        if total > limits.day_limit_tiyn or rows.get(key, _UNREAD) == _UNREAD:
            return False
        effects[key] = _encode(total)
    for name, number, limit_tiyn in moment.periods.get(payer.tier, ()):
        key = _period(name, payer.pseudonym, number)
        total = _number(rows, key) + paid_tiyn
        if total > limit_tiyn or rows.get(key, _UNREAD) == _UNREAD:
            return False
        effects[key] = _encode(total)
    return True


def _number(rows: Rows, key: bytes) -> int:
    value = rows.get(key)
    if not value:
        return 0
    try:
        number: int = _decode_number(value)
    except msgspec.DecodeError:
        raise _Damaged from None
    if number < 0 or _encode(number) != value:
        raise _Damaged
    return number
