"""A solution of the wrapped amount. Students: this is where the fun ends."""

import re
from collections.abc import Sequence

from granary import Granary

MOST_TIYN = 2**53 - 1
_TYPED = re.compile(r"(\d{1,3}(?: \d{3})+|\d+)(?:\.(\d{1,2}))?", re.ASCII)


def wrap(granary: Granary) -> None:
    """Two amounts whose sum is 2**64 more than there is."""
    have = granary.balance("narrow", granary.you)
    granary.pay("narrow", [(granary.you, 2**64 - 1), (granary.friends[0], have + 1)])


def owe(granary: Granary) -> None:
    """A friend pays the difference."""
    have = granary.balance("trusting", granary.you)
    granary.pay("trusting", [(granary.you, have + 10**10), (granary.friends[1], -(10**10))])


def crumble(granary: Granary) -> None:
    """Four friends with equal weights: 2 of 4 tiyn shares of a half each, all rounded up."""
    weights = [1, 1, 1, 1, 0]
    for _ in range(60):
        granary.share(2, weights)


class Wrong(Exception):
    """What is refused."""


def check_outputs(have_tiyn: int, outputs: Sequence[object]) -> None:
    """Types, bounds, count, sum."""
    if not isinstance(outputs, list) or not 1 <= len(outputs) <= 16:
        raise Wrong("1 to 16 amounts in a list")
    for amount in outputs:
        if type(amount) is not int or not 1 <= amount <= MOST_TIYN:
            raise Wrong("an amount is a whole number of tiyn")
    if sum(outputs) != have_tiyn:
        raise Wrong("the sum is another")


def share_out(amount_tiyn: int, weights: Sequence[int]) -> list[int]:
    """Largest remainders, the first of equal ones."""
    if type(amount_tiyn) is not int or not 0 <= amount_tiyn <= MOST_TIYN:
        raise Wrong("no amount")
    if not weights or any(type(one) is not int or not 0 <= one <= 1_000_000 for one in weights):
        raise Wrong("no weights")
    whole = sum(weights)
    if whole == 0:
        raise Wrong("nobody gets anything")
    parts = [divmod(amount_tiyn * one, whole) for one in weights]
    shares = [part for part, _ in parts]
    order = sorted(range(len(parts)), key=lambda place: (-parts[place][1], place))
    for place in order[: amount_tiyn - sum(shares)]:
        shares[place] += 1
    return shares


def read_tenge(text: str) -> int:
    """One form, and the bound."""
    match = _TYPED.fullmatch(text.strip(" "))
    if match is None:
        raise Wrong("no amount in tenge")
    whole, tiyn = match[1].replace(" ", ""), (match[2] or "0").ljust(2, "0")
    if len(whole) > 30:
        raise Wrong("too large")
    amount_tiyn = int(whole) * 100 + int(tiyn)
    if amount_tiyn > MOST_TIYN:
        raise Wrong("too large")
    return amount_tiyn
