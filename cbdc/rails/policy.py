"""What a bank asks before it takes an order across the border: rules as data, each of which can be left out.

    quote      the rate was promised, and the promise still holds         E_RAILS_QUOTE_EXPIRED
    cut_off    the other side's settlement system is open                 E_RAILS_CUT_OFF
    sanctions  neither the payee nor the payee's country is on the list   E_RAILS_SANCTIONS
    limit      one payment through this corridor is at most so much       E_RAILS_LIMIT
    bank       the payee's bank is in the directory                       E_RAILS_BANK_UNKNOWN
    deadlines  the payer's lock outlives the other one by a margin        E_RAILS_DEADLINES

Every figure is an assumption of whoever builds a corridor. A list of names that is compared letter by letter is a
stand-in for screening, which in life is a matter of likeness and of people.
"""

import unicodedata
from dataclasses import dataclass

from cbdc.errors import Refused
from cbdc.rails.calendar import BusinessCalendar, moment_text
from cbdc.rails.messages import Initiation
from cbdc.rails.rates import Quote


def plain_name(name: str) -> str:
    """A name as lists compare it: one case, one form, single spaces, no punctuation."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join("".join(letter if letter.isalnum() else " " for letter in folded).split())


def country_of(bic: str) -> str:
    """The two letters of a bank's country in its identifier."""
    return bic[4:6]


@dataclass(frozen=True, slots=True)
class SimulatedScreening:
    """A sanctions list: names, and countries of banks."""

    names: frozenset[str] = frozenset()
    countries: frozenset[str] = frozenset()

    def hit(self, name: str, bic: str) -> bool:
        """Whether the list names this payee, or its bank's country."""
        return plain_name(name) in self.names or country_of(bic) in self.countries


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules of one bank for one corridor. None or 0 leaves a rule out."""

    quote: bool = True
    cut_off: BusinessCalendar | None = None
    screening: SimulatedScreening | None = None
    limit_minor: int = 0
    banks: frozenset[str] | None = None
    margin_seconds: int = 0

    def check(self, order: Initiation, quote: Quote, now: int, settles: bool) -> None:
        """Raise the first refusal of an order. `settles`: it goes through the other side's settlement system."""
        if self.screening is not None and self.screening.hit(order.creditor, order.creditor_bank):
            raise Refused("E_RAILS_SANCTIONS", payee=order.creditor)
        if self.banks is not None and order.creditor_bank not in self.banks:
            raise Refused("E_RAILS_BANK_UNKNOWN", bank=order.creditor_bank)
        if self.limit_minor and order.amount.minor > self.limit_minor:
            raise Refused(
                "E_RAILS_LIMIT",
                amount_minor=order.amount.minor,
                limit_minor=self.limit_minor,
                currency=order.amount.currency.code,
            )
        if self.quote:
            quote.check(now)
        if settles and self.cut_off is not None:
            self.cut_off.check_open(now)

    def check_deadlines(self, own: int, other: int, now: int) -> None:
        """E_RAILS_DEADLINES unless `now` < `other` and `other` plus the margin is not after `own`."""
        if self.margin_seconds and not (now < other and other + self.margin_seconds <= own):
            raise Refused(
                "E_RAILS_DEADLINES",
                own=moment_text(own),
                other=moment_text(other),
                margin_seconds=self.margin_seconds,
            )
