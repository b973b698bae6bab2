"""Coin choice: which tokens pay an amount. Pure; the same tokens give the same choice.

Order of preference: an exact token; then the fewest tokens, taking the largest first, with the last one chosen as
small as still suffices, so that change stays small and wallets do not fill with dust.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cbdc.errors import Refused
from cbdc.token import TokenId


@dataclass(frozen=True, slots=True)
class Choice:
    """The tokens chosen, in a stable order, and the change they leave (tiyn, 0 when exact)."""

    chosen: tuple[TokenId, ...]
    change_tiyn: int


def choose(available: Sequence[tuple[TokenId, int]], amount_tiyn: int, most: int = 256) -> Choice:
    """A choice from `available` pairs (token id, amount in tiyn) that covers `amount_tiyn` with at most `most` tokens.

    Raises E_FUNDS when all together are too little, E_FUNDS_SCATTERED when `most` tokens are.
    """
    total = sum(amount for _, amount in available)
    if total < amount_tiyn:
        raise Refused("E_FUNDS", available_tiyn=total, amount_tiyn=amount_tiyn)
    ordered = sorted(available, key=lambda pair: (-pair[1], pair[0]))
    chosen: list[TokenId] = []
    missing = amount_tiyn
    while missing > 0:
        if len(chosen) == most:
            raise Refused("E_FUNDS_SCATTERED", amount_tiyn=amount_tiyn, most=most)
        enough = [pair for pair in ordered if pair[1] >= missing]
        # The smallest sufficient token ends the search; without one, the largest brings us nearest.
        pick = min(enough, key=lambda pair: (pair[1], pair[0])) if enough else ordered[0]
        ordered.remove(pick)
        chosen.append(pick[0])
        missing -= pick[1]
    return Choice(tuple(sorted(chosen)), -missing)
