"""The teacher's page at the operator's desk: who is there, who is cut off, an outage for the whole class, the frauds.

A class begins with `tenge serve --class 30`. The page shows the address to open, as a picture for phones; the students'
wallets are theirs alone, and the teacher sees what the bank sees of them and no more: names, deposits, whether a wallet
has joined.
"""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from wallets.site.classroom import REGION, open_class, seats_of, students
from wallets.site.opening import customer_id
from wallets.site.operations import N_, Asked, Fields, Json, Nothing, Operation, Query
from wallets.site.roles.lost import devices_of
from wallets.site.users import OPERATOR_ROLE


class Seats(Fields, frozen=True):
    """How many seats."""

    seats: Annotated[int, Meta(ge=1, le=60, title=N_("Seats"))]


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The seats, who took them, and whose device has been proved guilty."""
    world = asked.world
    guilty = set(world.sandbox.field.centre.reconciler.guilty())
    rows = []
    for user in students(world):
        bank = world.system.banks[user.bank_id]
        customer = bank.customers.get(customer_id(user))
        kids = bank.customers.keys_of(customer.id)
        rows.append(
            {
                "name": user.name,
                "bank_id": user.bank_id,
                "customer": customer.id.hex(),
                "deposit_tiyn": bank.deposit_tiyn(customer.id),
                "holding_tiyn": world.system.ledger.holding_tiyn(customer.pseudonym),
                "wallets": [{"kid": kid.hex(), "is_cut": kid.hex() in world.memory.outages} for kid in kids],
                "is_guilty": any(device in guilty for device in devices_of(world, kids)),
            }
        )
    return {"seats": seats_of(world), "students": rows, "is_cut": REGION in world.memory.outages}


def open_seats(asked: Asked, fields: Seats) -> Json:
    """Let so many students take seats."""
    open_class(asked.world, fields.seats)
    return {"seats": fields.seats}


def cut_class(asked: Asked, fields: Nothing) -> Json:
    """Cut the network for the whole class."""
    asked.world.set_outage(REGION, True)
    return {}


def connect_class(asked: Asked, fields: Nothing) -> Json:
    """Connect the whole class again."""
    asked.world.set_outage(REGION, False)
    return {}


QUERIES: tuple[Query, ...] = (Query(OPERATOR_ROLE, "class", N_("Class"), home),)
OPERATIONS: tuple[Operation, ...] = (
    Operation(OPERATOR_ROLE, "open-class", N_("Open a class"), Seats, open_seats, N_("Seats: {seats}.")),
    Operation(
        OPERATOR_ROLE,
        "cut-class",
        N_("Start an outage for the class"),
        Nothing,
        cut_class,
        N_("The class is cut off."),
        danger=True,
    ),
    Operation(
        OPERATOR_ROLE,
        "connect-class",
        N_("End the outage"),
        Nothing,
        connect_class,
        N_("The class is connected again."),
    ),
)
