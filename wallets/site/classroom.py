"""A class: so many students, each with an account at a bank, a seat taken by a name, and a code for a wallet.

The teacher starts the server with a number of seats. A student opens the class page, types a name and gets the address
of a wallet with a code in it; the wallet makes its keys on the student's own device. A seat is kept under the name: the
same name again gets a new code for the same account, so a student who lost a page is not shut out.

Rules kept here: no more seats than the teacher wanted; a name is what the teacher reads and is bounded; all students
are in the region `class`, so that one outage cuts the whole class.
"""

import unicodedata
from typing import NamedTuple

from cbdc.errors import Malformed, Refused
from wallets.desk import derived
from wallets.site.opening import customer_id
from wallets.site.users import PERSON_ROLE, User
from wallets.site.world import World

REGION = "class"
MOST_SEATS = 60
DEPOSIT_TENGE = 100_000
SEATS = "class seats"
MOST_LETTERS = 40


class Seat(NamedTuple):
    """A student's seat: the user, and a fresh code for a wallet at the user's bank."""

    user: User
    code: str


def open_class(world: World, seats: int) -> None:
    """Let so many students take seats, from now on and after a restart; E_SETTING."""
    if not 1 <= seats <= MOST_SEATS:
        raise Refused("E_SETTING", name="class", value=seats, problem=f"it must be from 1 to {MOST_SEATS}")
    with world.doing():
        world.memory.settings[SEATS] = seats
        world.save()


def seats_of(world: World) -> int:
    """How many seats there are, 0 without a class."""
    return int(world.memory.settings.get(SEATS, 0))


def students(world: World) -> list[User]:
    """The students who have taken seats, in the order they came."""
    return [user for user in world.users.of_role(PERSON_ROLE) if user.region == REGION]


def take_seat(world: World, name: str, request: str) -> Seat:
    """A seat for a name, and a code for a wallet; the same name has the same seat, the same request the same code.

    Raises E_SITE_FIELD for no name, E_CLASS_NONE without a class, E_CLASS_FULL.
    """
    shown = " ".join(unicodedata.normalize("NFC", name).split())
    if not 1 <= len(shown) <= MOST_LETTERS or not all(letter.isprintable() for letter in shown):
        raise Malformed("E_SITE_FIELD", field="name", problem=f"it needs 1 to {MOST_LETTERS} visible letters")
    with world.doing():
        seats = seats_of(world)
        if not seats:
            raise Refused("E_CLASS_NONE")
        there = students(world)
        user = next((one for one in there if one.name.casefold() == shown.casefold()), None)
        if user is None:
            if len(there) >= seats:
                raise Refused("E_CLASS_FULL", seats=seats)
            number = len(there) + 1
            bank_id = 1 + (number - 1) % len(world.system.banks)
            user = User(f"student-{number}", PERSON_ROLE, shown, 100 + number, bank_id, REGION, DEPOSIT_TENGE)
            world.add_user(user)
        code = world.joining[user.bank_id].issue(derived("class code", user.id, request), customer_id(user))
        return Seat(user, code)
