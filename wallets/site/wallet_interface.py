"""What a wallet outside the server is served under `/v1/`: the extensions over the world's present act, and its turn.

Joining, history, limits, marks and phone numbers (`cbdc.http.wallets`), payment requests (`cbdc.http.requests`),
offline money (`offline.http_api`), reports of a loss (`offline.http_losses`) and recoveries (`cbdc.http.recoveries`)
stand on the one sandbox of the world.
Bodies are read before a request takes its turn, so whoever sends slowly holds up nobody.
"""

from collections.abc import Callable, Mapping

from cbdc.errors import Unavailable
from cbdc.http import wire
from cbdc.http.recoveries import SCHEMAS as RECOVERY_SCHEMAS
from cbdc.http.recoveries import RecoveryApi
from cbdc.http.requests import SCHEMAS as REQUEST_SCHEMAS
from cbdc.http.requests import RequestApi
from cbdc.http.routes import NUMBER_SCHEMA, Ask, Route, list_of, object_schema, reference
from cbdc.http.server import Extension
from cbdc.http.wallets import SCHEMAS as WALLET_SCHEMAS
from cbdc.http.wallets import WalletApi
from cbdc.request_board import RequestBoard
from offline.http_api import SCHEMAS as OFFLINE_SCHEMAS
from offline.http_api import OfflineApi
from offline.http_losses import SCHEMAS as LOSS_SCHEMAS
from offline.http_losses import LossApi
from wallets.site import wallet_cards, wallet_rules
from wallets.site.opening import bank_title
from wallets.site.roles.holder import open_notes
from wallets.site.roles.lost import devices_of
from wallets.site.words import LANGUAGES, Words
from wallets.site.world import World

_TEXT = {"type": "string"}
TITLE_SCHEMAS: Mapping[str, wire.Json] = {
    "BankTitle": object_schema(
        bank_id=NUMBER_SCHEMA, name=_TEXT, titles=object_schema(**dict.fromkeys(sorted(LANGUAGES), _TEXT))
    ),
    "BankTitles": object_schema(banks=list_of(reference("BankTitle"))),
}


def extensions(world: World) -> list[Extension]:
    """The routes over the present act; made anew after a reset."""
    system, field = world.system, world.sandbox.field
    wallets = WalletApi(system.ledger, world.joining, world.aliases, world.clock)
    board = RequestBoard(system.ledger, system.stores.cabinet, world.clock)
    requests = RequestApi(system.ledger, board, world.tell)
    titles = Route(
        "GET", "/v1/bank-titles", "What banks are called, in each language.", _titles(world), "BankTitles"
    )
    offline = OfflineApi(field.centre, system.authority, system.escrow_kid, field.fresh_trust)
    recoveries = RecoveryApi(system.ledger, world.recoveries, _away(world))
    losses = LossApi(system.ledger, field.centre, system.enforcement)
    return [
        Extension(wallets.routes(), WALLET_SCHEMAS),
        Extension(requests.routes(), REQUEST_SCHEMAS),
        Extension([titles], TITLE_SCHEMAS),
        Extension(wallet_rules.RulesApi(world).routes(), wallet_rules.SCHEMAS),
        Extension(wallet_cards.CardsApi(world).routes(), wallet_cards.SCHEMAS),
        Extension(offline.routes(), OFFLINE_SCHEMAS),
        Extension(losses.routes(), LOSS_SCHEMAS),
        Extension(recoveries.routes(), RECOVERY_SCHEMAS),
    ]


def _titles(world: World) -> Callable[[Ask], wire.Json]:
    banks, words = world.system.banks, Words()

    def titles(ask: Ask) -> wire.Json:
        """The names of banks as people say them."""
        return {
            "banks": [
                {
                    "bank_id": bank.bank_id,
                    "name": bank.name,
                    "titles": {one: words.say(one, bank_title(bank.name)) for one in sorted(LANGUAGES)},
                }
                for bank in banks.values()
            ]
        }

    return titles


def _away(world: World) -> Callable[[bytes], tuple[int, int]]:
    def away(kid: bytes) -> tuple[int, int]:
        """What is in open notes of the devices of a key (tiyn), and when the last of them closes."""
        notes = [note for device in devices_of(world, [kid]) for note in open_notes(world, device)]
        return sum(amount for amount, _, _ in notes), max((closes for _, _, closes in notes), default=0)

    return away


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
