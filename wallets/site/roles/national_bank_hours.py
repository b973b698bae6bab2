"""The National Bank's desk sets the opening hours of the settlement system, and sees first what that would change.

What waits now is each approved issue that was not carried out. For the hours in force and for those that somebody asks
about, the page says when each would be carried out, and when the system is open in the coming days.
"""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from cbdc.errors import Malformed
from cbdc.opening_hours import Calendar
from wallets.site.hours import SETTING, Hours, carry_out, waiting
from wallets.site.operations import N_, Asked, Fields, Json, Operation, Query
from wallets.site.roles.parts import request_row
from wallets.site.users import NATIONAL_BANK_ROLE as ROLE

DAYS_SHOWN = 8
DAY_SECONDS = 86_400


class HoursKept(Fields, frozen=True):
    """Whether the system keeps hours, and which."""

    kept: Annotated[bool, Meta(title=N_("The settlement system keeps opening hours"))] = False
    opens: Annotated[
        str,
        Meta(
            pattern="^([01][0-9]|2[0-4]):[0-5][0-9]$",
            min_length=5,
            max_length=5,
            title=N_("Opens at"),
            description=N_("Like 09:00, in Kazakhstan's time"),
        ),
    ] = "09:00"
    closes: Annotated[
        str,
        Meta(
            pattern="^([01][0-9]|2[0-4]):[0-5][0-9]$",
            min_length=5,
            max_length=5,
            title=N_("Closes at"),
            description=N_("Like 18:00; 24:00 is midnight"),
        ),
    ] = "18:00"
    weekdays: Annotated[
        str,
        Meta(
            pattern="^[1-7]{1,7}$",
            min_length=1,
            max_length=7,
            title=N_("Days of the week"),
            description=N_("Digits: 1 is Monday, 7 is Sunday. It rests on fixed holidays too."),
        ),
    ] = "12345"


def hours(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The hours in force, the coming days, and what waits; with hours in the address, what these would change."""
    world, now = asked.world, asked.world.clock.now()
    present = world.hours
    calendar = present.calendar()
    answer = {
        **present.kept_as(),
        "is_open": calendar is None or calendar.is_open(now),
        "opening": _next(calendar, now),
        "days": _days(calendar, now),
        "waiting": [request_row(world, one) | {"now": _next(calendar, now)} for one in waiting(world.system)],
        "now_is": now,
        "preview": None,
    }
    if "opens" in arguments:
        wished = _wish(arguments)
        other = wished.calendar()
        answer["preview"] = {
            **wished.kept_as(),
            "is_open": other is None or other.is_open(now),
            "opening": _next(other, now),
            "days": _days(other, now),
        }
    return answer


def _wish(arguments: Mapping[str, str]) -> Hours:
    """The hours in an address; E_SITE_FIELD, E_POLICY_RULE."""
    wished = Hours(
        arguments.get("kept", "") in ("on", "true", "1"),
        arguments["opens"][:5],
        arguments.get("closes", "")[:5],
        "".join(sorted(set(arguments.get("weekdays", "")[:7]))),
    )
    if not wished.weekdays or set(wished.weekdays) - set("1234567"):
        raise Malformed("E_SITE_FIELD", field="weekdays", problem="it is none of the choices")
    wished.calendar()
    return wished


def _next(calendar: Calendar | None, now: int) -> int:
    """When what waits would be carried out: now, or at the next opening."""
    return now if calendar is None else calendar.next_opening(now)


def _days(calendar: Calendar | None, now: int) -> list[Json]:
    """The coming days: when the system opens and closes, or why it rests."""
    rows = []
    for ahead in range(DAYS_SHOWN):
        moment = now + ahead * DAY_SECONDS
        span = None if calendar is None else calendar.hours_at(moment)
        rows.append(
            {
                "moment": moment,
                "opens": span[0] if span else 0,
                "closes": span[1] if span else 0,
                "rests": calendar is not None and span is None,
                "is_holiday": calendar is not None and calendar.is_holiday_at(moment),
            }
        )
    return rows


def set_hours(asked: Asked, fields: HoursKept) -> Json:
    """Put hours in force, for every desk; what waited and may go on is carried out at once. E_POLICY_RULE."""
    world = asked.world
    wished = Hours(fields.kept, fields.opens, fields.closes, "".join(sorted(set(fields.weekdays))))
    calendar = wished.calendar()
    before = world.memory.settings
    world.memory.settings = {**before, SETTING: wished.kept_as()}
    try:
        world.save()
    except BaseException:
        world.memory.settings = before
        raise
    is_open = calendar is None or calendar.is_open(world.clock.now())
    return {"kept": fields.kept, "carried_out": carry_out(world.system) if is_open else 0}


QUERIES: tuple[Query, ...] = (Query(ROLE, "hours", N_("Opening hours"), hours),)
OPERATIONS: tuple[Operation, ...] = (
    Operation(
        ROLE,
        "set-hours",
        N_("Put these hours in force"),
        HoursKept,
        set_hours,
        N_("The hours are in force. Carried out now: {carried_out}."),
        danger=True,
    ),
)
