"""The desk of the operator's register: every request to issue and redeem as registered, and what became of it."""

from collections.abc import Mapping

from wallets.site.operations import N_, Asked, Json, Operation, Query
from wallets.site.roles.parts import request_row
from wallets.site.users import REGISTER_ROLE

MOST_SHOWN = 500


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Open and closed requests, newest first."""
    register = asked.world.system.register
    return {
        "open": [request_row(asked.world, one) for one in register.open()],
        "closed": [request_row(asked.world, one) for one in reversed(register.closed())][:MOST_SHOWN],
    }


QUERIES: tuple[Query, ...] = (Query(REGISTER_ROLE, "", N_("Register of requests"), home),)
OPERATIONS: tuple[Operation, ...] = ()
