"""What a wallet outside the server is served under `/v1/`: the extensions over the world's present act, and its turn.

Joining, history, limits, marks and phone numbers (`cbdc.http.wallets`), payment requests (`cbdc.http.requests`),
offline money (`offline.http_api`) and reports of a loss (`offline.http_losses`) stand on the one sandbox of the world.
Bodies are read before a request takes its turn, so whoever sends slowly holds up nobody.
"""

from cbdc.errors import Unavailable
from cbdc.http.requests import SCHEMAS as REQUEST_SCHEMAS
from cbdc.http.requests import RequestApi
from cbdc.http.server import Extension
from cbdc.http.wallets import SCHEMAS as WALLET_SCHEMAS
from cbdc.http.wallets import WalletApi
from cbdc.request_board import RequestBoard
from offline.http_api import SCHEMAS as OFFLINE_SCHEMAS
from offline.http_api import OfflineApi
from offline.http_losses import SCHEMAS as LOSS_SCHEMAS
from offline.http_losses import LossApi
from wallets.site.world import World


def extensions(world: World) -> list[Extension]:
    """The routes over the present act; made anew after a reset."""
    system, field = world.system, world.sandbox.field
    wallets = WalletApi(system.ledger, world.joining, world.aliases, world.clock)
    board = RequestBoard(system.ledger, system.stores.cabinet, world.clock)
    requests = RequestApi(system.ledger, board)
    offline = OfflineApi(field.centre, system.authority, system.escrow_kid, field.fresh_trust)
    losses = LossApi(system.ledger, field.centre, system.enforcement)
    return [
        Extension(wallets.routes(), WALLET_SCHEMAS),
        Extension(requests.routes(), REQUEST_SCHEMAS),
        Extension(offline.routes(), OFFLINE_SCHEMAS),
        Extension(losses.routes(), LOSS_SCHEMAS),
    ]


class Turn:
    """The world's lock, for the interface of one act: a request that a reset overtook is told to come again."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._system = world.system

    def __enter__(self) -> None:
        """Wait for one's turn; E_STORE_UNAVAILABLE when the act is over."""
        self._world.lock.acquire()
        if self._world.system is not self._system:
            self._world.lock.release()
            raise Unavailable("E_STORE_UNAVAILABLE", detail="the sandbox has begun anew")

    def __exit__(self, *error: object) -> None:
        """Let the next one in."""
        self._world.lock.release()
