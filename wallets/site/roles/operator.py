"""The desk of the sandbox's operator: the clock, outages, a day in the neighbours' lives, a fresh start.

None of this exists outside a sandbox. The neighbours are simulated wallets and devices in the server; their opened
device is loud and is caught.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Meta

from cbdc.errors import Refused, TengeError
from cbdc.money import tenge
from wallets.desk import derived
from wallets.site import bank_rules
from wallets.site.opening import STREET
from wallets.site.operations import N_, Asked, Fields, Json, Operation, Query
from wallets.site.users import OPERATOR_ROLE
from wallets.site.world import World

MINUTE_SECONDS = 60
HOUR_SECONDS = 3_600
DAY_SECONDS = 86_400
CLOCK_MARGIN_SECONDS = 365 * DAY_SECONDS


class Wait(Fields, frozen=True):
    """How far to put the clock forward."""

    days: Annotated[int, Meta(ge=0, le=400, title=N_("Days"))] = 0
    hours: Annotated[int, Meta(ge=0, le=23, title=N_("Hours"))] = 0
    minutes: Annotated[int, Meta(ge=0, le=59, title=N_("Minutes"))] = 0


class Outage(Fields, frozen=True):
    """Whose network: a region, or a wallet's key id."""

    name: Annotated[
        str,
        Meta(
            min_length=2,
            max_length=64,
            pattern=r"^[\w -]+$",
            title=N_("Region, or key id of a wallet"),
        ),
    ]


class Life(Fields, frozen=True):
    """A day in the neighbours' lives."""

    fraud: Annotated[bool, Meta(title=N_("One of them opens a device and spends twice"))] = False


class Sure(Fields, frozen=True):
    """A word typed, so that nobody resets by a slip."""

    word: Annotated[str, Meta(min_length=5, max_length=5, pattern="^RESET$", title=N_("Type RESET"))]


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The state of the sandbox: clock, act, journal, outages, who listens."""
    world = asked.world
    regions = regions_of(world)
    wallets = [
        {"kid": kid.hex(), "owner": customer.name, "bank_id": number}
        for number, bank in world.system.banks.items()
        for customer in bank.customers.all()
        for kid in bank.customers.keys_of(customer.id)
    ]
    return {
        "act": world.memory.act,
        "entries": world.system.ledger.size,
        "network": world.system.network.hex(),
        "shift_seconds": world.memory.shift_seconds,
        "clock": world.clock.now(),
        "listeners": world.hub.count,
        "regions": [{"name": name, "is_cut": name in world.memory.outages} for name in regions],
        "wallets": [row | {"is_cut": row["kid"] in world.memory.outages} for row in wallets],
        "outages": list(world.memory.outages),
    }


def wait(asked: Asked, fields: Wait) -> Json:
    """Let virtual time pass: what falls due is booked, who agreed is topped up. E_SITE_CLOCK."""
    seconds = fields.days * DAY_SECONDS + fields.hours * HOUR_SECONDS + fields.minutes * MINUTE_SECONDS
    world = asked.world
    check_clock(world, seconds)
    world.put_forward(seconds)
    bank_rules.top_up_all(world, derived(asked.id, "top up"))
    return {"days": fields.days, "hours": fields.hours, "minutes": fields.minutes}


def check_clock(world: World, seconds: int) -> None:
    """E_SITE_CLOCK when the clock, put forward by so much, would come near the end of a certificate."""
    # Past that moment no institution may sign: the sandbox could not even be opened again.
    ends = min(auth.record.expires for auth in world.system.authority.auths) - CLOCK_MARGIN_SECONDS
    if world.clock.now() + seconds > ends:
        raise Refused("E_SITE_CLOCK", ends=ends)


def regions_of(world: World) -> list[str]:
    """The names of all regions, of users and of the street's residents."""
    known = {user.region for user in world.users.all() if user.region}
    return sorted(known | {one.region for one in STREET if world.street})


def check_region(world: World, name: str, known: Sequence[str]) -> None:
    """E_OUTAGE_NAME for a region that is none of those known."""
    if name not in known:
        raise Refused("E_OUTAGE_NAME", name=name[:40], known=", ".join(sorted(set(known))))


def _check_name(world: World, name: str) -> None:
    """E_OUTAGE_NAME for what is neither a region, nor a wallet's key, nor cut off."""
    kid = bytes.fromhex(name) if re.fullmatch("[0-9a-f]{64}", name) else b""
    if name in world.memory.outages or (kid and world.system.ledger.registered(kid) is not None):
        return
    check_region(world, name, regions_of(world))


def cut(asked: Asked, fields: Outage) -> Json:
    """Cut the network for a wallet or a region; E_OUTAGE_NAME."""
    _check_name(asked.world, fields.name)
    asked.world.set_outage(fields.name, True)
    return {"name": fields.name[:16]}


def connect(asked: Asked, fields: Outage) -> Json:
    """Connect it again; E_OUTAGE_NAME."""
    _check_name(asked.world, fields.name)
    asked.world.set_outage(fields.name, False)
    return {"name": fields.name[:16]}


def live(asked: Asked, fields: Life) -> Json:
    """The neighbours buy, pay each other on- and offline, and sync; with fraud, one note is spent twice on the way."""
    world, request = asked.world, asked.id
    sandbox = world.sandbox
    *people, shop = world.neighbours
    payer, other = people[0], people[1]
    refused: list[TengeError | None] = []
    refused += sandbox.buy([(one, tenge(1_000)) for one in people], derived(request, "buy"))
    rows = [(people[1], shop, tenge(350)), (people[2], people[1], tenge(200))]
    refused += sandbox.pay(rows, b"", derived(request, "pay"))
    refused += sandbox.load([(payer, [tenge(600)])], b"", derived(request, "load"))
    paid = 0
    try:
        if fields.fraud:
            sandbox.clone(payer)
        sandbox.pay_offline(payer, other, tenge(400), b"", derived(request, "offline"))
        sandbox.pay_offline(other, shop, tenge(150), b"", derived(request, "onward"))
        paid = 2
        if fields.fraud:
            sandbox.pay_offline(payer, people[2], tenge(400), b"", derived(request, "again"), clone=True)
            paid = 3
    except TengeError as error:
        refused.append(error)
    refused += sandbox.sync([other, shop, *people], derived(request, "sync"))
    sandbox.close_cases()
    return {"offline": paid, "refused": sum(1 for one in refused if one is not None)}


def reset(asked: Asked, fields: Sure) -> Json:
    """Begin anew from zero. The earlier act stays in its folder, where there is one."""
    asked.world.reset()
    return {"act": asked.world.memory.act}


QUERIES: tuple[Query, ...] = (Query(OPERATOR_ROLE, "", N_("State of the sandbox"), home),)
OPERATIONS: tuple[Operation, ...] = (
    Operation(
        OPERATOR_ROLE,
        "wait",
        N_("Let time pass"),
        Wait,
        wait,
        N_("Time has passed: {days} d {hours} h {minutes} min."),
    ),
    Operation(OPERATOR_ROLE, "cut", N_("Cut the network"), Outage, cut, N_("Cut off: {name}."), danger=True),
    Operation(OPERATOR_ROLE, "connect", N_("Connect again"), Outage, connect, N_("Connected again: {name}.")),
    Operation(
        OPERATOR_ROLE,
        "live",
        N_("Let the neighbours live a day"),
        Life,
        live,
        N_("The neighbours bought and paid; offline payments: {offline}, refusals: {refused}."),
    ),
    Operation(
        OPERATOR_ROLE, "reset", N_("Begin anew"), Sure, reset, N_("A new act has begun: {act}."), danger=True
    ),
)
