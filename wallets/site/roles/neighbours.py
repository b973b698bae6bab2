"""The street at the operator's desk: a simulated day begins, is watched, stopped, gone on with, or given up.

The operator sees the residents' names and what each has: they are simulated, and it is the operator who lets them live.
No other desk sees more of them than of anybody.
"""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from cbdc.errors import Refused
from wallets.site import living
from wallets.site.living import Day
from wallets.site.living_acts import is_cut
from wallets.site.opening import STREET, bank_title
from wallets.site.operations import N_, Asked, Download, Fields, Json, Nothing, Operation, Query
from wallets.site.roles.operator import check_clock, check_region
from wallets.site.roles.watching import as_state, spoken
from wallets.site.users import OPERATOR_ROLE as ROLE
from wallets.site.walking import walker_of
from wallets.site.world import World

MOST_LINES = 60
KIND_TITLES = {
    "wages": N_("Wages come in"),
    "order": N_("A bank's order is issued"),
    "top-up": N_("Wallets are topped up"),
    "buy": N_("Everybody buys digital tenge"),
    "load": N_("Everybody takes money offline"),
    "pay": N_("Payment"),
    "purpose": N_("The ministry gives vouchers"),
    "meal": N_("A meal for a voucher"),
    "guest": N_("Payment to a shop from outside"),
    "mislaid": N_("A wallet is mislaid and frozen"),
    "found": N_("The wallet is found"),
    "refund": N_("A shop gives half back"),
    "cut": N_("A region is cut off"),
    "connect": N_("The region is connected again"),
    "fraud load": N_("Somebody prepares a fraud"),
    "fraud copy": N_("A device is opened and copied"),
    "fraud pay": N_("The note is spent"),
    "fraud again": N_("The same note is spent again"),
    "sync": N_("Devices sync"),
    "home": N_("Shops bring offline money home"),
    "sell": N_("Shops sell their takings"),
    "close": N_("The day is closed"),
}
WAY_TITLES = {"online": N_("online"), "offline": N_("offline"), "": "–"}
STATE_TITLES = {
    "running": N_("under way"),
    "stopped": N_("stopped"),
    "done": N_("over"),
    "left": N_("given up"),
}


class NewDay(Fields, frozen=True):
    """A day of the street."""

    seed: Annotated[
        int,
        Meta(ge=0, le=4_294_967_295, title=N_("Seed"), description=N_("The same seed is the same day.")),
    ] = 7
    payments: Annotated[int, Meta(ge=5, le=living.MOST_PAYMENTS, title=N_("Payments"))] = 40
    outage: Annotated[str, Meta(max_length=40, title=N_("A region that is cut off for the morning"))] = ""
    fraud: Annotated[bool, Meta(title=N_("One of them opens a device and spends twice"))] = False


def state_of(world: World, day: Day) -> str:
    """running, stopped, done or left."""
    if day.left:
        return "left"
    if day.is_over:
        return "done"
    return "running" if walker_of(world).is_walking else "stopped"


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The present day and how far it is, what happened, the residents, and the days before."""
    world, found = asked.world, living.days(asked.world)
    day = found[-1] if found else None
    problem = walker_of(world).problem
    return {
        "day": None if day is None else _row(world, day),
        "days": [_row(world, one) for one in reversed(found)],
        "lines": [] if day is None else _lines(world, day),
        "residents": [_resident(world, place) for place in range(len(world.street))],
        "regions": [(name, name) for name in sorted({one.region for one in STREET})],
        "problem": "" if problem is None else problem.sentence(spoken(asked.language)),
    }


def _row(world: World, day: Day) -> Json:
    state = state_of(world, day)
    return {
        "number": day.number,
        "seed": day.seed,
        "payments": day.payments,
        "fraud": day.fraud,
        "outage": day.outage,
        "began": day.began,
        "done": day.done,
        "of": day.of,
        "online": day.online,
        "offline": day.offline,
        "refused": day.refused,
        "paid_tiyn": day.paid_tiyn,
        "state": state,
        "state_title": STATE_TITLES[state],
        "text": day.moment,
    }


def _lines(world: World, day: Day) -> list[Json]:
    """The newest lines of a day's log, newest first."""
    return [
        line | {"title": KIND_TITLES[line["kind"]], "way_title": WAY_TITLES[line["way"]]}
        for line in reversed(living.log(world, day)[-MOST_LINES:])
    ]


def _resident(world: World, place: int) -> Json:
    member, one = world.street[place], STREET[place]
    device, now = member.device, world.clock.now()
    return {
        "name": one.name,
        "bank": bank_title(one.bank),
        "region": one.region,
        "wallet_tiyn": member.wallet.total_tiyn(),
        "deposit_tiyn": world.sandbox.deposit_tiyn(member),
        "device_tiyn": 0 if device is None else device.balance_tiyn(now),
        "is_cut": is_cut(world, member),
        "is_opened": member.clone is not None,
        "is_revoked": device is not None and world.sandbox.field.centre.trust_view.is_revoked(device.kid),
        "path": f"/explorer/key/{member.wallet.kid.hex()}",
    }


def state(asked: Asked, arguments: Mapping[str, str]) -> Download:
    """How far a day is, for the page that waits for it; E_DAY_NONE."""
    for day in living.days(asked.world):
        if str(day.number) == arguments["day"]:
            return as_state(_row(asked.world, day))
    raise Refused("E_DAY_NONE")


# --- operations ---


def start(asked: Asked, fields: NewDay) -> Json:
    """Begin a day and walk through it. Raises E_DAY_BUSY, E_DAY_HONEST, E_OUTAGE_NAME, E_SITE_CLOCK."""
    world = asked.world
    if fields.outage:
        check_region(world, fields.outage, [one.region for one in STREET])
    check_clock(world, 2 * living.DAY_SECONDS)
    day = living.begin(world, asked.id.hex(), fields.seed, fields.payments, fields.fraud, fields.outage)
    walker_of(world).start()
    return {"number": day.number, "of": day.of}


def _unfinished(world: World) -> Day:
    """The present day, if anything of it is left to do; E_DAY_NONE."""
    day = living.present_day(world)
    if day is None or day.is_over:
        raise Refused("E_DAY_NONE")
    return day


def stop(asked: Asked, fields: Nothing) -> Json:
    """Stop between two steps: what is done stays. E_DAY_NONE."""
    day = _unfinished(asked.world)
    walker_of(asked.world).stop()
    return {"number": day.number, "done": day.done, "of": day.of}


def go_on(asked: Asked, fields: Nothing) -> Json:
    """Go on where the day was stopped, or where a server died. E_DAY_NONE."""
    day = _unfinished(asked.world)
    walker_of(asked.world).start()
    return {"number": day.number, "done": day.done, "of": day.of}


def leave(asked: Asked, fields: Nothing) -> Json:
    """Give the day up, so that another can begin. E_DAY_NONE."""
    day = _unfinished(asked.world)
    walker_of(asked.world).stop()
    living.leave(asked.world, day)
    return {"number": day.number}


QUERIES = (
    Query(ROLE, "day", N_("A day in the street"), home),
    Query(ROLE, "day-state", N_("A day in the street"), state, takes="day", in_menu=False),
)
OPERATIONS = (
    Operation(ROLE, "start-day", N_("Begin the day"), NewDay, start, N_("Day {number} has begun.")),
    Operation(ROLE, "stop-day", N_("Stop the day"), Nothing, stop, N_("Day {number} is stopped.")),
    Operation(ROLE, "go-on-day", N_("Go on with the day"), Nothing, go_on, N_("Day {number} goes on.")),
    Operation(
        ROLE, "leave-day", N_("Give the day up"), Nothing, leave, N_("Day {number} is given up."), danger=True
    ),
)
