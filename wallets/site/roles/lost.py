"""A lost or stolen wallet: the holder is frozen on the ledger, and the devices of its keys are revoked.

A bank may report for its own customer and lift its own report again; a freeze that a court or the supervisor asked for
is not the bank's to lift. What was on a device comes back when its notes close; what a thief spends meanwhile is
a matter of the device's limits.
"""

from collections.abc import Sequence

from cbdc.customers import Customer
from cbdc.distribution import CommercialBank
from cbdc.errors import Refused
from offline.http_losses import freeze_reference
from wallets.site.operations import Asked
from wallets.site.world import World


def devices_of(world: World, kids: Sequence[bytes]) -> list[bytes]:
    """The devices that these online keys own, oldest first."""
    register = world.sandbox.field.centre.devices
    return [device for device in register.devices() if register.account_of(device) in kids]


def report_lost_wallet(asked: Asked, bank: CommercialBank, customer: Customer, reference: str) -> None:
    """Freeze the holder, once for the request, and revoke its devices; a holder who is frozen already stays so."""
    world = asked.world
    try:
        world.system.enforcement.freeze(
            asked.id, customer.pseudonym, freeze_reference(bank.bank_id, reference)
        )
    except Refused as refusal:
        if refusal.code != "E_FROZEN":
            raise
    for device in devices_of(world, bank.customers.keys_of(customer.id)):
        world.sandbox.field.centre.report_lost(device)


def lift_report(asked: Asked, customer: Customer, reference: str) -> None:
    """Lift the freeze of a bank's own report; E_NOT_FROZEN, E_SITE_FREEZE for another authority's freeze."""
    system = asked.world.system
    why = system.ledger.frozen(customer.pseudonym)
    mine = freeze_reference(asked.user.bank_id, "")
    if why and not why.startswith(mine):
        raise Refused("E_SITE_FREEZE", reference=why)
    system.enforcement.unfreeze(asked.id, customer.pseudonym, mine + reference)
