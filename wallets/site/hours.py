"""Whether the settlement system keeps opening hours at this sandbox's desks, and what waits for it.

Issue and redemption move money on accounts at the National Bank. While the system is closed, an approved issue waits
and is carried out when the system is open again: when the sandbox's clock is put forward into the hours, when the
server starts in them, or with the next act at any desk. A redemption is refused until then. Payments go on at every
hour.

The days of rest are official, the hours and this switch are assumptions of the sandbox (`cbdc.opening_hours`). By
default the system never rests. The setting is kept with what the site must not forget; it holds until a fresh start.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from cbdc.errors import Malformed, Refused
from cbdc.opening_hours import Calendar, seconds_of, standard_calendar
from cbdc.register import APPROVED, REDEEM, Request
from cbdc.system import System

SETTING = "settlement hours"


@dataclass(frozen=True, slots=True)
class Hours:
    """The setting: whether hours are `kept`; from when to when ("09:00"); `weekdays` as digits, 1 is Monday."""

    kept: bool = False
    opens: str = "09:00"
    closes: str = "18:00"
    weekdays: str = "12345"

    def calendar(self) -> Calendar | None:
        """The calendar with the fixed holidays; None when the system never rests. Raises E_POLICY_RULE."""
        opens, closes = seconds_of(self.opens), seconds_of(self.closes)
        days = frozenset(int(digit) for digit in self.weekdays)
        made = replace(standard_calendar(), weekdays=days, opens=opens, closes=closes)
        return made if self.kept else None

    def kept_as(self) -> dict[str, Any]:
        """The setting as the site keeps it."""
        return asdict(self)


def hours_of(settings: Mapping[str, Any]) -> Hours:
    """The setting in force."""
    kept = settings.get(SETTING)
    return Hours(**kept) if kept is not None else Hours()


def waiting(system: System) -> list[Request]:
    """The issues that enough officers approved and that were not carried out, oldest first."""
    return [one for one in system.register.open() if one.kind != REDEEM and one.state == APPROVED]


def carry_out(system: System) -> int:
    """Issue what is approved and waits; how many were issued. What the accounts do not cover goes on waiting."""
    done = 0
    for request in waiting(system):
        try:
            system.national_bank.issue(request.id)
            done += 1
        except (Refused, Malformed):
            continue
    return done
