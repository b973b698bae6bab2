"""Exchange rates: a simulated source, quotes that hold for a while, and conversions that name who gets the remainder.

A rate is whole: millionths of a home unit for one foreign unit (513.45 tenge for a dollar are 513 450 000). The source
knows the middle rate; a quote to a customer who buys the foreign currency is the middle plus a spread, **rounded up**,
and what the customer pays is rounded up to a whole minor unit. So each broken part goes to the dealer, who states the
rate, and a customer never gets more for less by ordering in small pieces.

    asked     what the customer pays      ceil(foreign * asked rate)
    middle    what the dealer's position is worth    floor(foreign * middle rate)
    spread    asked - middle, the dealer's income

Simulated: one source, one middle rate at a time, set by whoever plays; the spread and the validity are assumptions.
The rate of 2 December 2025 is in `docs/domain.md`.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.errors import Refused
from cbdc.money import check_tiyn
from cbdc.rails.calendar import moment_text
from cbdc.rails.currency import Currency, Money, money
from cbdc.record import AMOUNT, HASH, MOMENT, Group, Text, Unsigned

MILLION = 1_000_000
BASIS_POINTS = 10_000

_QUOTES = "rates/quote"
_MIDDLE = "rates/middle"
_NOW = bytes(32)


class Rates(NamedTuple):
    """A middle rate and what is asked, in millionths of a home unit for one foreign unit."""

    middle: int
    asked: int


def asked_rate(middle: int, spread_bp: int) -> int:
    """The rate asked of who buys the foreign currency: the middle plus the spread (1/10 000), rounded up."""
    return -(-middle * (BASIS_POINTS + spread_bp) // BASIS_POINTS)


def convert(foreign: Money, rate: int, home: Currency, up: bool) -> Money:
    """A foreign amount at a rate, in home minor units; what is broken goes up (to who sells) or down.

    Raises E_MONEY_RANGE outside the bounds of an amount, and when nothing is left.
    """
    product = foreign.minor * rate * home.minor_per_unit
    divisor = MILLION * foreign.currency.minor_per_unit
    return money(-(-product // divisor) if up else product // divisor, home)


@dataclass(frozen=True, slots=True)
class Quote:
    """A binding offer: so much foreign money at these rates, if it is accepted by `until` (Unix seconds)."""

    id: bytes
    dealer: str
    foreign: Money
    home: Currency
    rates: Rates
    made: int
    until: int

    @property
    def asked(self) -> Money:
        """What the buyer pays; the broken minor unit is the dealer's."""
        return convert(self.foreign, self.rates.asked, self.home, up=True)

    @property
    def middle(self) -> Money:
        """What the foreign money is worth at the middle rate."""
        return convert(self.foreign, self.rates.middle, self.home, up=False)

    @property
    def spread_minor(self) -> int:
        """The dealer's income from it."""
        return self.asked.minor - self.middle.minor

    def check(self, now: int) -> None:
        """E_RAILS_QUOTE_EXPIRED when it has run out."""
        if now > self.until:
            raise Refused("E_RAILS_QUOTE_EXPIRED", quote=self.id, until=moment_text(self.until))


_ROW = Group((Text(16), AMOUNT, Unsigned(1), Unsigned(1), MOMENT, MOMENT))


class SimulatedRateSource:
    """Middle rates as somebody sets them, and the quotes of one dealer, in a cabinet under the ids of who asked."""

    def __init__(
        self, cabinet: Cabinet, foreign: Currency, home: Currency, spread_bp: int, validity_seconds: int
    ) -> None:
        self._cabinet = cabinet
        self.foreign = foreign
        self.home = home
        self.spread_bp = spread_bp
        self.validity_seconds = validity_seconds

    def set_middle(self, rate: int) -> None:
        """From now on this is the middle rate; E_MONEY_RANGE unless it is 1 or more."""
        check_tiyn(rate, at_least=1)
        self._cabinet.put_many([Row(_MIDDLE, _NOW, canonical.encode(rate))])

    @property
    def known(self) -> int | None:
        """The middle rate, or None when none was set."""
        data = self._cabinet.get(_MIDDLE, _NOW)
        return None if data is None else Unsigned(1).load(canonical.decode(data), "rate")

    @property
    def middle(self) -> int:
        """The middle rate; E_RAILS_NO_RATE when none was set."""
        rate = self.known
        if rate is None:
            raise Refused("E_RAILS_NO_RATE", currency=self.foreign.code)
        return rate

    def quote(self, id: bytes, dealer: str, foreign: Money, now: int) -> Quote:
        """A quote for `foreign`, under the id of who asks: again, the same quote. E_ID_REUSED for another amount."""
        HASH.load(id, "quote id")
        known = self._find(id)
        if known is None:
            middle = self.middle
            rates = Rates(middle, asked_rate(middle, self.spread_bp))
            known = Quote(id, dealer, foreign, self.home, rates, now, now + self.validity_seconds)
            _ = known.middle, known.asked  # out of range is refused before anything is promised
            row = [dealer, foreign.minor, rates.middle, rates.asked, known.made, known.until]
            self._cabinet.put_many([Row(_QUOTES, self._key(id), canonical.encode([id, *row]))])
        if (known.foreign, known.dealer) != (foreign, dealer):
            raise Refused("E_ID_REUSED", id=id)
        return known

    def get(self, reference: str) -> Quote:
        """The quote that a message names by the first 32 digits of its id; E_RAILS_QUOTE_UNKNOWN."""
        data = self._cabinet.get(_QUOTES, reference.encode())
        if data is None:
            raise Refused("E_RAILS_QUOTE_UNKNOWN", quote=reference[:40])
        return self._load(data)

    def _find(self, id: bytes) -> Quote | None:
        data = self._cabinet.get(_QUOTES, self._key(id))
        return None if data is None else self._load(data)

    def _key(self, id: bytes) -> bytes:
        return id.hex()[:32].encode()

    def _load(self, data: bytes) -> Quote:
        values: tuple[Any, ...] = Group((HASH, *_ROW.kinds)).load(canonical.decode(data), "quote")
        key, dealer, minor, middle, asked, made, until = values
        return Quote(key, dealer, Money(minor, self.foreign), self.home, Rates(middle, asked), made, until)


def quote_id(*parts: bytes) -> bytes:
    """The id of a quote that follows from an order's."""
    return follow("quote", *parts)
