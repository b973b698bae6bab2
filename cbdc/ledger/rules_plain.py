"""A short way to yes: plain transfers between wallets, judged on the state's own bytes.

`decide_plain` gives exactly the effects that `cbdc.ledger.rules.decide` gives for the same transaction over the same
state, or None. It never refuses: whatever it does not recognise, and whatever a rule might object to (a token that is
gone, an account that is no wallet, a freeze, a limit, a key that was replaced, a sum that is wrong), is None, and the
general judge decides it and gives the refusal. So there is one law, and this is a quick proof that a case keeps it.

What it recognises: every input is there, unmarked, behind one key, and all of them belong to one holder with keys of
one tier; just these keys signed; every output goes to a current key of a wallet. Such a transfer moves no line of the
supply table, because wallets pay wallets and outputs equal inputs, which is asked here of every single one (G5, G11).
"""

from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

import msgspec

from cbdc.canonical import MAX_INTEGER
from cbdc.ledger.entry import PERIOD_NAMES, Policy, TierLimits
from cbdc.ledger.plain import Plain
from cbdc.ledger.state import COUNTER, FREEZE, counter
from cbdc.plain_form import plain_token
from cbdc.token import holder_class

Rows = Mapping[bytes, bytes | None]
"""Packed state keys to the state's bytes; None for a row that is known not to be there."""

PackedEffects = dict[bytes, bytes | None]

_HOLDING = counter("holding", b"").pack()
_DAY = counter("day", b"").pack()
_FREEZE = bytes([FREEZE])
_UNREAD = b""  # no value of the state is empty
_encode = msgspec.msgpack.Encoder().encode
_decode_number = msgspec.msgpack.Decoder(int).decode


def _number_of(least: int, most: int) -> Any:
    return Annotated[int, msgspec.Meta(ge=least, le=most)]


def _bytes_of(least: int, most: int) -> Any:
    return Annotated[bytes, msgspec.Meta(min_length=least, max_length=most)]


_BYTE: Any = _number_of(0, 255)
_ALGORITHM: Any = _number_of(1, 255)
_RAW: Any = _bytes_of(32, 33)
_BANK: Any = _number_of(0, MAX_INTEGER)
_HASH: Any = _bytes_of(32, 32)
_SUCCESSOR: Any = _bytes_of(0, 32)
_KEY_FORM: Any = tuple[_ALGORITHM, _RAW, _BANK, _BYTE, _ALGORITHM, _HASH, _SUCCESSOR]
_decode_key = msgspec.msgpack.Decoder(_KEY_FORM).decode


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


def holder_in(row: bytes) -> Holder | None:
    """The holder in the row of a registered key; None when it is not what the ledger writes."""
    try:
        form = _decode_key(row)
    except msgspec.DecodeError:
        return None
    algorithm, raw, _, tier, category, pseudonym, successor = form
    if _encode(form) != row or len(successor) not in (0, 32):
        return None
    return Holder(
        algorithm,
        raw,
        pseudonym,
        tier,
        holder_class(category) == "wallets",
        not successor,
        _HOLDING + pseudonym,
        _FREEZE + pseudonym,
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
        return _DAY + pseudonym + self._day

    def periods_of(self, pseudonym: bytes) -> list[bytes]:
        """The packed keys of what a holder paid in this month and year, as far as the policy asks for them."""
        return [_period(name, pseudonym, number) for name, number in self._names]


def _period(name: str, pseudonym: bytes, number: bytes) -> bytes:
    return bytes([COUNTER]) + name.encode() + b":" + pseudonym + number


def decide_plain(
    moment: Moment, rows: Rows, holders: Mapping[bytes, Holder], transfer: Plain
) -> PackedEffects | None:
    """What a plain transfer changes, or None when the general judge must say.

    `holders` are what `rows` say of keys, by key id (`holder_in`); of a key that is not there nothing is known.
    """
    try:
        return _decided(moment, rows, holders, transfer)
    except _Damaged:
        return None


def _decided(
    moment: Moment, rows: Rows, holders: Mapping[bytes, Holder], transfer: Plain
) -> PackedEffects | None:
    _, spends, creates, signers = transfer
    payer = holders.get(signers[0])
    if payer is None:
        return None
    _, _, name, _, wallet, _, _, freeze = payer
    # More signers than payers would be asked about freezes of their own.
    if not wallet or rows.get(freeze, _UNREAD) is not None:
        return None
    spent = _spent(rows, holders, payer, spends, signers)
    if spent is None:
        return None
    effects: PackedEffects = dict.fromkeys(spends)
    paid = spent
    payees: list[Holder] = []
    gains: dict[bytes, int] = {}
    for key, kid, amount, value in creates:
        holder = holders.get(kid)
        if holder is None:
            return None
        _, _, payee, _, wallet, current, holding, _ = holder
        if not wallet or not current:
            return None
        effects[key] = value
        spent -= amount
        if payee == name:
            paid -= amount
        else:
            payees.append(holder)
            gains[holding] = gains.get(holding, 0) + amount
    # Conservation of this transfer, and the sum that the loop has counted down (G5).
    if spent or (paid and not _pay(moment, rows, payer, paid, effects)):
        return None
    for holder in payees:
        held = _held(moment, rows, holder, gains[holder.holding])
        if held is None:
            return None
        effects[holder.holding] = _encode(held)
    return effects


def _spent(
    rows: Rows,
    holders: Mapping[bytes, Holder],
    payer: Holder,
    spends: tuple[bytes, ...],
    signers: tuple[bytes, ...],
) -> int | None:
    """How much the inputs are, if they are there, are the payer's, and just their keys signed; else None."""
    if len(spends) == 1:
        value = rows.get(spends[0])
        token = plain_token(value) if value else None
        return token[0] if token is not None and (token[1],) == signers else None
    spent, owners = 0, set[bytes]()
    for key in spends:
        value = rows.get(key)
        token = plain_token(value) if value else None
        if token is None:
            return None
        amount, owner = token
        if owner != signers[0] and not _same_payer(payer, holders.get(owner)):
            return None
        owners.add(owner)
        spent += amount
    return spent if len(owners) == len(signers) and owners.issuperset(signers) else None


def _same_payer(payer: Holder, other: Holder | None) -> bool:
    """Whether another input's key is of the same holder, in the same tier."""
    return (
        other is not None and other.wallet and other.pseudonym == payer.pseudonym and other.tier == payer.tier
    )


def _held(moment: Moment, rows: Rows, payee: Holder, gained_tiyn: int) -> int | None:
    """What a payee comes to hold; None when that may be more than its tier allows, or nobody knows."""
    limits = moment.limits.get(payee.tier)
    value = rows.get(payee.holding, _UNREAD)
    if limits is None or value == _UNREAD:
        return None
    held = gained_tiyn + (_number(value) if value else 0)
    return None if held > MAX_INTEGER or 0 < limits.holding_limit_tiyn < held else held


def _pay(moment: Moment, rows: Rows, payer: Holder, paid_tiyn: int, effects: PackedEffects) -> bool:
    """Count a payment in the payer's counters, if its tier allows it; whether it does."""
    _, _, pseudonym, tier, _, _, holding, _ = payer
    limits = moment.limits.get(tier)
    if limits is None or 0 < limits.payment_limit_tiyn < paid_tiyn:
        return False
    value = rows.get(holding)
    left = (_number(value) if value else 0) - paid_tiyn
    if left < 0:
        return False
    effects[holding] = _encode(left) if left else None
    if limits.day_limit_tiyn and not _count(
        rows, moment.day_of(pseudonym), paid_tiyn, limits.day_limit_tiyn, effects
    ):
        return False
    for name, number, limit_tiyn in moment.periods.get(tier, ()):
        if not _count(rows, _period(name, pseudonym, number), paid_tiyn, limit_tiyn, effects):
            return False
    return True


def _count(rows: Rows, key: bytes, paid_tiyn: int, limit_tiyn: int, effects: PackedEffects) -> bool:
    """Add a payment to a counter of a day, month or year; whether the limit allows it and the counter was read."""
    value = rows.get(key, _UNREAD)
    if value == _UNREAD:
        return False
    total = paid_tiyn + (_number(value) if value else 0)
    if total > limit_tiyn:
        return False
    effects[key] = _encode(total)
    return True


def _number(value: bytes) -> int:
    try:
        number: int = _decode_number(value)
    except msgspec.DecodeError:
        raise _Damaged from None
    if number < 0 or _encode(number) != value:
        raise _Damaged
    return number
