"""Coin choice: which tokens pay an amount. Pure; the same tokens give the same choice, in whatever order they come.

The fewest tokens that suffice are taken, the largest first; the last one is as small as still suffices, so an exact
token is preferred, change stays small and wallets do not fill with dust.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cbdc.errors import Refused
from cbdc.money import check_tiyn
from cbdc.token import TokenId


@dataclass(frozen=True, slots=True)
class Choice:
    """The tokens chosen, in ascending order of their ids, and the change they leave (tiyn, 0 when exact)."""

    chosen: tuple[TokenId, ...]
    change_tiyn: int


def choose(available: Sequence[tuple[TokenId, int]], amount_tiyn: int, most: int = 256) -> Choice:
    """A choice from `available` pairs (token id, amount in tiyn) that covers `amount_tiyn` with at most `most` tokens.

    Raises E_FUNDS when all together are too little, E_FUNDS_SCATTERED when `most` tokens are, and E_MONEY_RANGE or
    E_MONEY_TYPE when `amount_tiyn` is no amount.
    """
    check_tiyn(amount_tiyn)
    total = sum(amount for _, amount in available)
    if total < amount_tiyn:
        raise Refused("E_FUNDS", available_tiyn=total, amount_tiyn=amount_tiyn)
    ordered = sorted(available, key=lambda pair: (-pair[1], pair[0]))
    chosen: list[TokenId] = []
    missing = amount_tiyn
    while missing > 0:
        if len(chosen) == most:
            raise Refused("E_FUNDS_SCATTERED", amount_tiyn=amount_tiyn, most=most)
        # Without a token that suffices alone, the largest brings us nearest.
        pick = ordered[len(chosen)]
        if pick[1] >= missing:
            enough = (pair for pair in ordered[len(chosen) :] if pair[1] >= missing)
            pick = min(enough, key=lambda pair: (pair[1], pair[0]))
        chosen.append(pick[0])
        missing -= pick[1]
    return Choice(tuple(sorted(chosen)), -missing)
