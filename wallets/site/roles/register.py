"""The desk of the operator's register: every request to issue and redeem as registered, and what became of it."""

from collections.abc import Mapping

from wallets.site.operations import N_, Asked, Json, Operation, Query
from wallets.site.roles.parts import octets, request_page, request_row
from wallets.site.users import REGISTER_ROLE

MOST_SHOWN = 500


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Open and closed requests, newest first."""
    register = asked.world.system.register
    return {
        "open": [request_row(asked.world, one) for one in register.open()],
        "closed": [request_row(asked.world, one) for one in reversed(register.closed())][:MOST_SHOWN],
    }


def one_request(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """One request with the bytes that its party signed, who approved or refused it and when; E_REQUEST_UNKNOWN."""
    world = asked.world
    return {"one": request_page(world, world.system.register.get(octets(arguments["request"])))}


QUERIES: tuple[Query, ...] = (
    Query(REGISTER_ROLE, "", N_("Register of requests"), home),
    Query(REGISTER_ROLE, "requests", N_("Request"), one_request, takes="request", in_menu=False),
)
OPERATIONS: tuple[Operation, ...] = ()
