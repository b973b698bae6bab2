"""Money in a message: a currency, and an amount in its minor units, written with exactly the currency's digits.

A message between banks says `1000.00` with the currency beside it. Here that is 100 000 cents: a whole number, read
digit by digit. `1000`, `1000.0` and `1000.000` are refused for a currency of two digits, so one amount has one text.

Rules kept here: no floats; the bounds are those of `cbdc.money`; a conversion names who gets the remainder
(`cbdc.rails.rates`). The digits of a currency are those of ISO 4217.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from cbdc.errors import Malformed
from cbdc.money import check_tiyn


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency: its code of three letters, and how many digits stand behind the point."""

    code: str
    digits: int

    @property
    def minor_per_unit(self) -> int:
        """How many minor units one unit has: 100 for two digits."""
        return int(10**self.digits)


KZT = Currency("KZT", 2)
USD = Currency("USD", 2)
CURRENCIES = {row.code: row for row in (KZT, USD, Currency("JPY", 0), Currency("KWD", 3))}

_AMOUNT = re.compile(r"(0|[1-9][0-9]{0,15})(?:\.([0-9]{1,5}))?", re.ASCII)


def currency(code: str) -> Currency:
    """The currency with this code; E_RAILS_CURRENCY for one this sandbox does not know."""
    if code not in CURRENCIES:
        raise Malformed("E_RAILS_CURRENCY", currency=code[:10], known=", ".join(CURRENCIES))
    return CURRENCIES[code]


class Money(NamedTuple):
    """An amount of `minor` units (cents, tiyn) of a currency. Make it with `money`, which checks the bounds."""

    minor: int
    currency: Currency

    @property
    def text(self) -> str:
        """The amount as a message holds it: exactly the currency's digits."""
        digits = self.currency.digits
        whole, rest = divmod(self.minor, self.currency.minor_per_unit)
        return f"{whole}.{rest:0{digits}d}" if digits else str(whole)


def money(minor: int, of: Currency) -> Money:
    """An amount of at least one minor unit; E_MONEY_TYPE, E_MONEY_RANGE."""
    return Money(check_tiyn(minor, at_least=1), of)


def read_money(text: str, code: str, at_least: int = 1) -> Money:
    """The amount that a message holds; E_RAILS_CURRENCY, E_RAILS_AMOUNT_TEXT, E_MONEY_RANGE (also for zero, unless
    `at_least` is 0)."""
    of = currency(code)
    match = _AMOUNT.fullmatch(text)
    if match is None or len(match[2] or "") != of.digits:
        raise Malformed("E_RAILS_AMOUNT_TEXT", text=text[:40], currency=of.code, digits=of.digits)
    return Money(check_tiyn(int(match[1] + (match[2] or "")), at_least), of)
