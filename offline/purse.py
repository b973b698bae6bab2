"""What a device may hold and spend: slots, limits, and the choice of coins. Pure arithmetic, no state of its own.

A **slot** is one outpoint a device owns, with what a small element needs to spend it without its history: amount,
purpose, how far it has come and how far it may go. **Limits** are judged on totals that only rise against baselines
that only a signed acknowledgement moves: nothing is ever reset, so payments made while a sync is on its way count.

**Coin choice** is deterministic: money of one purpose that may still move; an exact sum of few coins if a small search
finds one; otherwise as few coins as cover the amount, those with the shortest history first, then those that expire
first; the last one gives change. `choose_coins` yields choices in order of preference, so that a caller who finds the
first too large for the payee's message takes the next.

Source: DTO/1, sections 5.4 (hop and length), 5.5 (coin selection), 5.7 (I4, I7) and 5.19.10.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cbdc.errors import Refused
from offline.parameters import BUSINESS_CATEGORIES, MAX_SLOTS, MAX_SLOTS_MERCHANT
from offline.records import MAX_SLOTS as LARGEST_PURSE
from offline.records import (
    MAX_TOKENS,
    MAX_TRANSFERS,
    PAY,
    TIER_SW,
    DeviceCertificate,
    Limits,
    Note,
    Outpoint,
    Transfer,
)
from offline.trust import TrustView

MAX_PENDING = 4
# The wire numbers the parts of a redemption with one byte.
MAX_REDEEM_PARTS = 255

_SEARCH_STEPS = 2_000


class Caps(NamedTuple):
    """How far the note lets its money travel: hops between devices, and transfers in one line."""

    max_hops: int
    max_length: int


class Slot(NamedTuple):
    """One outpoint that a device owns: tiyn, purpose, hops and transfers so far, the note's caps and last day."""

    amount_tiyn: int
    purpose: int
    hop: int
    length: int
    max_hops: int
    max_length: int
    spend_by: int

    def may_move(self, device_max_hops: int) -> bool:
        """Whether one more payment stays within the note's caps and the device's."""
        return self.hop + 1 <= min(self.max_hops, device_max_hops) and self.length + 1 <= min(
            self.max_length, MAX_TRANSFERS
        )


def slot_of_note(note: Note) -> Slot:
    """The slot that a freshly loaded note fills."""
    return Slot(note.amount_tiyn, note.purpose, 0, 0, note.max_hops, note.max_length, note.spend_by)


def slot_of_output(transfer: Transfer, position: int, caps: Caps) -> Slot:
    """The slot that output `position` of a transfer fills; change keeps the hop of what was spent."""
    hop = transfer.hop - 1 if transfer.kind == PAY and position == 1 else transfer.hop
    amount_tiyn = transfer.outputs[position].amount_tiyn
    return Slot(
        amount_tiyn,
        transfer.purpose,
        hop,
        transfer.length,
        caps.max_hops,
        caps.max_length,
        transfer.spend_by,
    )


class Totals(NamedTuple):
    """What has passed through a device: tiyn and operations, out and in. They only rise."""

    out_tiyn: int = 0
    in_tiyn: int = 0
    out_count: int = 0
    in_count: int = 0

    def covers(self, other: "Totals") -> bool:
        """Whether no figure is lower than in `other`."""
        return all(mine >= theirs for mine, theirs in zip(self, other, strict=True))


NOTHING_PASSED = Totals()


def check_out(totals: Totals, base: Totals, limits: Limits, amount_tiyn: int) -> None:
    """Return if a payment of `amount_tiyn` stays within the limits since the last sync.

    Raises E_TXLIMIT (one payment), E_LIMIT_OUT (sum) or E_LIMIT_COUNT (number).
    """
    if amount_tiyn > limits.max_payment_tiyn:
        raise Refused("E_TXLIMIT", amount_tiyn=amount_tiyn, limit_tiyn=limits.max_payment_tiyn)
    spent_tiyn = totals.out_tiyn - base.out_tiyn
    if spent_tiyn + amount_tiyn > limits.max_out_tiyn:
        raise Refused(
            "E_LIMIT_OUT", amount_tiyn=amount_tiyn, spent_tiyn=spent_tiyn, limit_tiyn=limits.max_out_tiyn
        )
    count = totals.out_count - base.out_count
    if count + 1 > limits.max_count:
        raise Refused("E_LIMIT_COUNT", count=count, limit=limits.max_count)


def check_in(amount_tiyn: int, balance_tiyn: int, reserved_tiyn: int, limits: Limits) -> None:
    """Return if `amount_tiyn` more may come in beside what is held and promised; raise E_LIMIT_IN otherwise."""
    with_it_tiyn = balance_tiyn + reserved_tiyn + amount_tiyn
    if with_it_tiyn > limits.max_balance_tiyn:
        raise Refused("E_LIMIT_IN", balance_tiyn=with_it_tiyn, limit_tiyn=limits.max_balance_tiyn)


def max_slots(certificate: DeviceCertificate, trust: TrustView) -> int:
    """How many outpoints this device may hold: a business with hardware takes payments all day."""
    business = certificate.category in BUSINESS_CATEGORIES and certificate.tier != TIER_SW
    return min(trust.parameter(MAX_SLOTS_MERCHANT if business else MAX_SLOTS), LARGEST_PURSE)


def check_slots(slots: int, held: int, reserved: int, most: int) -> None:
    """Return if `slots` more outpoints fit beside those held and promised; raise E_PURSE_FULL otherwise."""
    if held + reserved + slots > most:
        problem = f"{held} places of {most} are taken, {reserved} promised, and {slots} more are needed"
        raise Refused("E_PURSE_FULL", problem=problem)


def outbox_capacity(limits: Limits) -> int:
    """How many own transfers a device keeps until they are acknowledged: every payment allowed, in most parts."""
    return limits.max_count * MAX_TOKENS


def split_amounts(held_tiyn: Sequence[int], amount_tiyn: int) -> list[int]:
    """What each pick, in order, gives to the payee: all of it, and of the last one the rest.

    Raises E_PICKS when the picks do not cover the amount, or when the ones before the last already do.
    """
    before_last_tiyn = sum(held_tiyn[:-1])
    if not held_tiyn or before_last_tiyn >= amount_tiyn or sum(held_tiyn) < amount_tiyn:
        raise Refused("E_PICKS", picks=len(held_tiyn), held_tiyn=sum(held_tiyn), amount_tiyn=amount_tiyn)
    return [*held_tiyn[:-1], amount_tiyn - before_last_tiyn]


class Coin(NamedTuple):
    """A slot as the chooser sees it: its outpoint and the bytes of its history."""

    outpoint: Outpoint
    slot: Slot
    history_bytes: int


Choice = tuple[Coin, ...]


def spendable(
    coins: Sequence[Coin], purpose: int, device_max_hops: int, now: int, margin_seconds: int
) -> list[Coin]:
    """The coins that may pay at `now`, those with the shortest history first."""
    usable = (
        coin
        for coin in coins
        if coin.slot.purpose == purpose
        and coin.slot.may_move(device_max_hops)
        and now + margin_seconds < coin.slot.spend_by
    )
    return sorted(usable, key=lambda coin: (coin.history_bytes, coin.slot.spend_by, coin.outpoint))


def choose_coins(coins: Sequence[Coin], amount_tiyn: int, most: int) -> Iterator[Choice]:
    """Choices of at most `most` coins that pay `amount_tiyn`, best first; `coins` stand in order of preference.

    First an exact sum, if the small search finds one; then, for each number of coins from the fewest, the first that
    cover the amount. In each choice every coin but the last is spent whole. Yields nothing when nothing covers it.
    """
    exact = _exact(coins, amount_tiyn, most)
    if exact:
        yield exact
    largest = sorted((coin.slot.amount_tiyn for coin in coins), reverse=True)
    for count in range(1, min(most, len(coins)) + 1):
        if sum(largest[:count]) >= amount_tiyn:
            choice = _covering(coins, amount_tiyn, count)
            if choice and choice != exact:
                yield choice


def _exact(coins: Sequence[Coin], amount_tiyn: int, most: int) -> Choice:
    # By rising number of coins; within one number, by order of preference. The steps are bounded, so a purse full of
    # dust costs no more than any other: then change is given instead.
    amounts = [coin.slot.amount_tiyn for coin in coins]
    steps = _SEARCH_STEPS

    def search(start: int, left_tiyn: int, count: int) -> tuple[int, ...] | None:
        nonlocal steps
        for place in range(start, len(amounts) - count + 1):
            steps -= 1
            if steps < 0:
                return None
            if count == 1:
                if amounts[place] == left_tiyn:
                    return (place,)
            elif amounts[place] < left_tiyn:
                rest = search(place + 1, left_tiyn - amounts[place], count - 1)
                if rest is not None:
                    return (place, *rest)
        return None

    for count in range(1, min(most, len(coins)) + 1):
        found = search(0, amount_tiyn, count)
        if found is not None:
            return tuple(coins[place] for place in found)
    return ()


def _covering(coins: Sequence[Coin], amount_tiyn: int, count: int) -> Choice:
    # Take the most preferred coin with which the largest of the others still reach the amount.
    chosen: list[Coin] = []
    left = list(coins)
    missing = amount_tiyn
    while missing > 0 and len(chosen) < count:
        others = count - len(chosen) - 1
        by_amount = sorted(left, key=lambda coin: -coin.slot.amount_tiyn)
        for coin in left:
            top = [other for other in by_amount[: others + 1] if other is not coin][:others]
            if coin.slot.amount_tiyn + sum(other.slot.amount_tiyn for other in top) >= missing:
                chosen.append(coin)
                left.remove(coin)
                missing -= coin.slot.amount_tiyn
                break
    # Every coin before the last must be needed: put the largest last and drop none.
    chosen.sort(key=lambda coin: coin.slot.amount_tiyn)
    before_last_tiyn = sum(coin.slot.amount_tiyn for coin in chosen[:-1])
    return tuple(chosen) if missing <= 0 and before_last_tiyn < amount_tiyn else ()
