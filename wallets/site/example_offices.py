"""The part of the interface's examples that institutions play: calls that are signed with certified keys."""

from collections.abc import Mapping

from cbdc.http.call_client import CallingTransport
from cbdc.http.client import HttpGateway, Transport
from cbdc.keys import Signer
from cbdc.money import tenge
from cbdc.ports import Clock, SeededEntropy
from cbdc.system import System
from wallets.desk import derived

AUTHORITY = "localhost"


def office(
    transport: Transport,
    clock: Clock,
    seed: int,
    signer: Signer,
    own: Mapping[bytes, Signer] | None = None,
) -> HttpGateway:
    """The interface for an institution whose calls `signer` signs; `own` are keys whose tokens it asks for."""
    calling = CallingTransport(transport, signer, AUTHORITY, clock, SeededEntropy(seed))
    return HttpGateway(calling, (own or {}).get, clock, SeededEntropy(seed))


def ask_as_offices(transport: Transport, clock: Clock, seed: int, system: System) -> None:
    """The operator, the treasury and the supervisor read what is theirs."""
    keys = system.keys
    operator, treasury, supervisor = (
        office(transport, clock, seed, signer)
        for signer in (keys.operator, keys.treasury, keys.get("supervisor"))
    )
    operator.get("/v1/offices/requests")
    operator.get(f"/v1/offices/requests/{derived('example issue').hex()}")
    asked = system.treasury.request_tokens(derived("example treasury"), tenge(10))
    treasury.get("/v1/offices/treasury/account")
    treasury.get(f"/v1/offices/treasury/requests/{asked.id.hex()}")
    supervisor.get("/v1/offices/banks")
