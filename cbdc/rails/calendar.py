"""When a settlement system is open: working days, hours with a cut-off, holidays; and moments as messages write them.

Digital tenge moves at any hour. The systems at the other end of a corridor do not: an order after the cut-off waits,
or is refused, and a weekend lies in between. Everything here is whole seconds and plain dates.

Hours, holidays and the place of the other system are **assumptions**, data of whoever builds a corridor. That the
National Bank's settlement system is closed at weekends and holidays is a fact (`docs/domain.md`, architecture).
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from cbdc.errors import Malformed, Refused

DAY_SECONDS = 86_400
LONGEST_CLOSED_DAYS = 30
_EPOCH = date(1970, 1, 1)
_MOMENT = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])Z", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)


def moment_text(moment: int) -> str:
    """A Unix second as a message writes it: `2025-12-02T09:00:00Z`."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_moment(text: str) -> int:
    """The Unix second of a moment in a message, which is in UTC and whole seconds; E_RAILS_MOMENT."""
    match = _MOMENT.fullmatch(text)
    if match is None:
        raise Malformed("E_RAILS_MOMENT", text=text[:40])
    hours, minutes, seconds = (int(part) for part in match.groups()[1:])
    return read_date(match[1]) * DAY_SECONDS + hours * 3_600 + minutes * 60 + seconds


def date_text(day: int) -> str:
    """A day, counted from 1970-01-01, as a message writes it."""
    return (_EPOCH + timedelta(days=day)).isoformat()


def read_date(text: str) -> int:
    """The day of a date in a message, counted from 1970-01-01; E_RAILS_MOMENT for no date, or one before that."""
    try:
        day = (date.fromisoformat(text) - _EPOCH).days if _DATE.fullmatch(text) else -1
    except ValueError:
        day = -1
    if day < 0:
        raise Malformed("E_RAILS_MOMENT", text=text[:40])
    return day


@dataclass(frozen=True, slots=True)
class BusinessCalendar:
    """Open from `opens` to `cut_off` (seconds of the local day), Monday to Friday, but for `holidays` (days from 1970).

    `offset_seconds` is local time minus UTC.
    """

    name: str
    offset_seconds: int
    opens: int
    cut_off: int
    holidays: frozenset[int] = frozenset()

    def day(self, moment: int) -> int:
        """The local day of a moment, counted from 1970-01-01."""
        return (moment + self.offset_seconds) // DAY_SECONDS

    def is_working(self, day: int) -> bool:
        """Whether the system works on this day at all; 1970-01-01 was a Thursday."""
        return (day + 3) % 7 < 5 and day not in self.holidays

    def is_open(self, moment: int) -> bool:
        """Whether it takes payments now: the cut-off itself is too late."""
        second = (moment + self.offset_seconds) % DAY_SECONDS
        return self.is_working(self.day(moment)) and self.opens <= second < self.cut_off

    def next_open(self, moment: int) -> int:
        """The moment itself when it is open, else the next opening. A calendar without working days is a bug."""
        if self.is_open(moment):
            return moment
        day = self.day(moment)
        if (moment + self.offset_seconds) % DAY_SECONDS >= self.opens:
            day += 1
        for later in range(day, day + LONGEST_CLOSED_DAYS):
            if self.is_working(later):
                return later * DAY_SECONDS + self.opens - self.offset_seconds
        raise AssertionError(f"{self.name} never opens")

    def check_open(self, moment: int) -> None:
        """E_RAILS_CUT_OFF when a payment comes too late, too early, or on a day that is none."""
        if not self.is_open(moment):
            raise Refused(
                "E_RAILS_CUT_OFF",
                system=self.name,
                moment=moment_text(moment),
                opens=moment_text(self.next_open(moment)),
            )
