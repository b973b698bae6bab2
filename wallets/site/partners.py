"""Third parties at the sandbox's site: their desks over the present act, and the postman who delivers their events.

Every act has a ledger of its own, so the desks are made anew when the sandbox starts again; the postman asks for the
present ones each time. Deliveries go to this computer and to private networks only.
"""

from cbdc.http.partner_routes import extension
from cbdc.http.partners import Desks, out_of_deposit
from cbdc.http.requests import Tell, nobody
from cbdc.http.server import Extension
from cbdc.mandates import MandateDesk
from cbdc.partners.desk import PartnerDesk
from cbdc.partners.hooks import Hooks
from cbdc.partners.orders import OrderBook
from cbdc.policies import PolicySet, Rule, preset
from cbdc.ports import Clock
from cbdc.system import System
from wallets.site.postman import Postman
from wallets.site.world import World

WEBHOOK_KEY = "webhooks"
_MANDATE_RULES = ("mandate_payment", "mandate_period", "mandate_window")


def mandate_policy() -> PolicySet:
    """The sandbox's policy with every rule of mandates in force."""
    return preset("sandbox").with_rules([Rule(kind, kind, 1) for kind in _MANDATE_RULES])


def open_desks(
    system: System, clock: Clock, real_clock: Clock, public: bool = False, news: Tell = nobody
) -> Desks:
    """The desks of third parties over a system's ledger and cabinet; `news` wakes the wallets of these keys."""
    cabinet = system.stores.cabinet
    hooks = Hooks(cabinet, real_clock)
    partners = PartnerDesk(system.ledger, cabinet, clock, real_clock, hooks.tell)
    execute = out_of_deposit(system.ledger, system.banks)
    mandates = MandateDesk(system.ledger, cabinet, mandate_policy(), clock, execute)
    key = system.keys.get(WEBHOOK_KEY).public
    return Desks(system.ledger, partners, OrderBook(partners), hooks, mandates, key, public, news)


class Partners:
    """The desks of the present act. `start` the postman when a server runs; `close` ends it."""

    def __init__(self, world: World, real_clock: Clock) -> None:
        self._world = world
        self._real_clock = real_clock
        self._open()
        world.on_reset.append(self._open)
        self.postman = Postman(world, lambda: (self.desks, world.system.keys.get(WEBHOOK_KEY)), real_clock)

    def _open(self) -> None:
        world = self._world
        self.desks = open_desks(world.system, world.clock, self._real_clock, news=world.tell)

    def extension(self) -> Extension:
        """The routes over the present desks."""
        return extension(self.desks)

    def start(self) -> None:
        """Let the postman go round."""
        self.postman.start()

    def close(self) -> None:
        """The postman ends his round."""
        self.postman.close()
