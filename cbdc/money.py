"""Amounts: whole tiyn, one hundredth of a tenge, from 0 to 2**53 - 1.

The upper bound is the largest integer that every language a wallet may be written in keeps exactly. There is no float
anywhere: amounts are parsed from text digit by digit, and each division names who gets the remainder.

An amount is a plain `int` in a field or argument whose name ends in `_tiyn`; `check_tiyn` guards every door by which
one enters. (A wrapper class was tried and cost a third of the ledger's speed without catching a bug the names do not.)
"""

import re
from typing import Literal

from cbdc.errors import Malformed

TIYN_PER_TENGE = 100
MAX_TIYN = 2**53 - 1

_TENGE = re.compile(
    r"(?P<whole>\d{1,3}(?:[ \u00a0\u202f,]\d{3}){1,5}|\d{1,14})(?:\.(?P<tiyn>\d{1,2}))?", re.ASCII
)

Remainder = Literal["first", "last"]


def check_tiyn(amount: object, at_least: int = 0) -> int:
    """`amount` itself if it is a whole number of tiyn from `at_least` to `MAX_TIYN`.

    Raises E_MONEY_TYPE for anything but an `int` (True is not an amount), E_MONEY_RANGE outside the bounds.
    """
    if type(amount) is not int:
        raise Malformed("E_MONEY_TYPE", type=type(amount).__name__)
    if not at_least <= amount <= MAX_TIYN:
        raise Malformed("E_MONEY_RANGE", amount_tiyn=amount, least_tiyn=at_least, most_tiyn=MAX_TIYN)
    return amount


def tenge(whole: int, tiyn: int = 0) -> int:
    """`whole` tenge and `tiyn` tiyn as an amount in tiyn."""
    return check_tiyn(whole * TIYN_PER_TENGE + tiyn)


def parse_tenge(text: str) -> int:
    """The amount that a person wrote in tenge, such as `1 500`, `1,500` or `12975.50`, in tiyn.

    Raises E_MONEY_TEXT when it is not such a number and E_MONEY_RANGE when it is too large.
    """
    match = _TENGE.fullmatch(text.strip().removesuffix("₸").strip())
    if match is None:
        raise Malformed("E_MONEY_TEXT", text=text[:40])
    whole = int(re.sub(r"\D", "", match["whole"], flags=re.ASCII))
    cents = int((match["tiyn"] or "0").ljust(2, "0"))
    return check_tiyn(whole * TIYN_PER_TENGE + cents)


def format_tenge(amount_tiyn: int, sign: str = "₸") -> str:
    """An amount for a person: groups of three, tiyn only when there are any, `sign` behind (give "" for none)."""
    whole, tiyn = divmod(abs(amount_tiyn), TIYN_PER_TENGE)
    text = f"{whole:,}".replace(",", " ") + (f".{tiyn:02d}" if tiyn else "")
    return ("−" if amount_tiyn < 0 else "") + text + (f" {sign}" if sign else "")


def split(amount_tiyn: int, parts: int, remainder_to: Remainder) -> list[int]:
    """`amount_tiyn` in `parts` shares that differ by at most one tiyn; the first or the last shares get the rest.

    Nothing is lost and nothing made: the shares always sum to the amount. Raises E_MONEY_PARTS for no parts.
    """
    check_tiyn(amount_tiyn)
    if parts < 1:
        raise Malformed("E_MONEY_PARTS", parts=parts)
    share, rest = divmod(amount_tiyn, parts)
    shares = [share + 1] * rest + [share] * (parts - rest)
    return shares if remainder_to == "first" else shares[::-1]


def share(
    amount_tiyn: int, numerator: int, denominator: int, remainder_to: Literal["share", "rest"]
) -> tuple[int, int]:
    """`numerator`/`denominator` of an amount, and what is left of it; a broken tiyn goes whole to the named side.

    Raises E_MONEY_SHARE unless 0 <= numerator <= denominator and denominator > 0.
    """
    check_tiyn(amount_tiyn)
    if not 0 <= numerator <= denominator or denominator < 1:
        raise Malformed("E_MONEY_SHARE", numerator=numerator, denominator=denominator)
    part, broken = divmod(amount_tiyn * numerator, denominator)
    if broken and remainder_to == "share":
        part += 1
    return part, amount_tiyn - part
