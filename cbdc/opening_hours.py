"""When the settlement system at the National Bank is open: a calendar as data.

Orders of digital tenge, redemptions and transfers between banks move money on accounts at the National Bank, and that
system rests at night, at weekends and on holidays. Payments in digital tenge do not: they go on at every hour.

Source: `docs/domain.md`: the system works except at weekends and on holidays (official). The hours of the day are an
assumption, and so is that no day off is moved.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib import resources
from typing import Any

from cbdc.errors import Malformed, Refused
from cbdc.policies import UTC_PLUS_5_SECONDS

DAY_SECONDS = 86_400
_MOST_DAYS = 3_660
_TIME = re.compile(r"([01][0-9]|2[0-4]):([0-5][0-9])")
_DAY = re.compile(r"[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Calendar:
    """Open on `weekdays` (1 is Monday) from `opens` to `closes` (seconds after midnight, closes is closed), not on
    `holidays` ("MM-DD" each year, or "YYYY-MM-DD" once), in local time (`offset_seconds` after UTC)."""

    title: str
    weekdays: frozenset[int]
    opens: int
    closes: int
    holidays: Mapping[str, str] = field(default_factory=dict)
    offset_seconds: int = UTC_PLUS_5_SECONDS

    def __post_init__(self) -> None:
        if not self.weekdays or not self.weekdays <= set(range(1, 8)):
            raise wrong("weekdays are numbers from 1 (Monday) to 7")
        if not 0 <= self.opens < self.closes <= DAY_SECONDS:
            raise wrong("it opens before it closes, on the same day")

    def holiday(self, day: date) -> str:
        """The name of the holiday that a day is, or empty."""
        return self.holidays.get(day.isoformat(), self.holidays.get(day.strftime("%m-%d"), ""))

    def _hours(self, day: date) -> tuple[int, int] | None:
        """When it is open on a day, in Unix seconds; None when it rests."""
        if day.isoweekday() not in self.weekdays or self.holiday(day):
            return None
        midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) - self.offset_seconds
        return midnight + self.opens, midnight + self.closes

    def _day(self, now: int) -> date:
        return datetime.fromtimestamp(now + self.offset_seconds, UTC).date()

    def hours_at(self, moment: int) -> tuple[int, int] | None:
        """When it is open on the local day of a moment, in Unix seconds; None when it rests all day."""
        return self._hours(self._day(moment))

    def is_holiday_at(self, moment: int) -> bool:
        """Whether the local day of a moment is a holiday."""
        return bool(self.holiday(self._day(moment)))

    def is_open(self, now: int) -> bool:
        """Whether it is open at this second."""
        hours = self._hours(self._day(now))
        return hours is not None and hours[0] <= now < hours[1]

    def next_opening(self, now: int) -> int:
        """The first second from `now` on at which it is open."""
        day = self._day(now)
        for _ in range(_MOST_DAYS):
            hours = self._hours(day)
            if hours is not None and now < hours[1]:
                return max(now, hours[0])
            day += timedelta(days=1)
        raise wrong("it never opens")

    def check_open(self, now: int) -> None:
        """E_SETTLEMENT_CLOSED, with the next opening, unless it is open."""
        if not self.is_open(now):
            raise Refused("E_SETTLEMENT_CLOSED", opens=self.next_opening(now))


def wrong(problem: str) -> Malformed:
    """E_POLICY_RULE about the calendar."""
    return Malformed("E_POLICY_RULE", rule="calendar", problem=problem)


def seconds_of(text: object) -> int:
    """Seconds after midnight of a time such as 09:00, or 24:00; E_POLICY_RULE."""
    found = _TIME.fullmatch(text) if isinstance(text, str) else None
    if found is None or (found[1] == "24" and found[2] != "00"):
        raise wrong("a time is written as 09:00")
    return int(found[1]) * 3_600 + int(found[2]) * 60


def read_calendar(table: Mapping[str, Any]) -> Calendar:
    """The calendar in a file's table; E_POLICY_RULE."""
    holidays: dict[str, str] = {}
    for row in table.get("holiday", []):
        day = str(row.get("day", ""))
        _check_day(day)
        holidays[day] = str(row.get("name", day)) or day
    return Calendar(
        str(table.get("title", "settlement system")),
        frozenset(table.get("weekdays", ())),
        seconds_of(table.get("opens")),
        seconds_of(table.get("closes")),
        holidays,
    )


def _check_day(day: str) -> None:
    # Written against a leap year where it comes every year, so that 29 February can be a holiday.
    try:
        date.fromisoformat(f"2024-{day}" if _DAY.fullmatch(day) else day)
    except ValueError:
        raise wrong(f"{day[:20]} is no day such as 03-21 or 2026-03-21") from None


@cache
def standard_calendar() -> Calendar:
    """The calendar that comes with the sandbox: Kazakhstan's weekdays and fixed holidays, assumed hours."""
    file = resources.files("cbdc").joinpath("presets", "calendar.toml")
    return read_calendar(tomllib.loads(file.read_text(encoding="utf-8")))
