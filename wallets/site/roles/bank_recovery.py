"""A commercial bank gives a lost wallet back to a new key: the clerk's half, a page for each customer.

The clerk says that the person was identified, and types the number of the document that was shown. **That somebody
looked at a face and a document is the clerk's word here: SIMULATED.** Then the holder is frozen (or stays frozen under
the bank's earlier report), the devices of the lost key are revoked, and a code is handed out. What follows is between
the new wallet and the bank (`cbdc.http.recoveries`); the freeze is lifted when the new key has the money.
"""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from cbdc.customers import Customer
from cbdc.errors import Refused
from offline.http_losses import freeze_reference
from wallets.site.operations import N_, Asked, Fields, Json, Operation, Query
from wallets.site.roles.bank import CustomerId, OfCustomer, bank
from wallets.site.roles.lost import devices_of
from wallets.site.roles.parts import octets
from wallets.site.users import BANK_ROLE


class LostWallet(Fields, frozen=True):
    """Whose wallet is lost, which one, what was shown for it, and that it was the person."""

    customer: CustomerId
    wallet: Annotated[str, Meta(min_length=64, max_length=64, pattern="^[0-9a-f]*$", title=N_("Lost wallet"))]
    document: Annotated[
        str,
        Meta(
            min_length=3,
            max_length=40,
            title=N_("Number of the document shown"),
            description=N_("The one that the account was opened with"),
        ),
    ]
    identified: Annotated[
        bool, Meta(title=N_("I have seen the person and the document, and they are the customer's"))
    ] = False


# --- what is seen ---


def recovery(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """A customer's wallets, what each holds, and the recovery that is open."""
    customer = bank(asked).customers.get(octets(arguments["customer"]))
    ledger, codes = asked.world.system.ledger, asked.world.recoveries[asked.user.bank_id]
    rows = []
    for kid in bank(asked).customers.keys_of(customer.id):
        key = ledger.registered(kid)
        held = sum(token.amount_tiyn for _, token in ledger.owned(kid))
        rows.append(
            {
                "kid": kid.hex(),
                "held_tiyn": held,
                "devices": len(devices_of(asked.world, [kid])),
                "successor": key.successor.hex() if key else "",
            }
        )
    code = codes.open_code(customer.id)
    begun = code is not None and bool(code.kid)
    return {
        "id": customer.id.hex(),
        "name": customer.name,
        "wallets": rows,
        "frozen": ledger.frozen(customer.pseudonym),
        "open": code is not None,
        "lost": code.lost.hex() if code else "",
        "expires": code.expires if code and not begun else None,
        "new": code.kid.hex() if code else "",
        "ready": codes.desk.ready(code.id) if code and begun else None,
    }


# --- what is done ---


def recovery_code(asked: Asked, fields: LostWallet) -> Json:
    """Freeze the holder, revoke the lost key's devices, hand out a code.

    Raises E_RECOVERY_IDENTITY, E_CUSTOMER_UNKNOWN, E_CUSTOMER_CLOSED, E_CUSTOMER_KEY, E_KEY_RETIRED, and E_SITE_FREEZE
    under another authority's freeze, which this bank's recovery would not lift.
    """
    customer, lost = _customer(asked, fields.customer), octets(fields.wallet)
    world, number = asked.world, asked.user.bank_id
    codes = world.recoveries[number]
    if not fields.identified:
        raise Refused("E_RECOVERY_IDENTITY", bank_id=number)
    codes.check(customer.id, lost, fields.document)
    standing, own = world.system.ledger.frozen(customer.pseudonym), freeze_reference(number, "")
    if standing and not standing.startswith(own):
        raise Refused("E_SITE_FREEZE", reference=standing)
    codes.desk.report(asked.id, customer.id, standing or f"{own}recovery asked for at the desk")
    for device in devices_of(world, [lost]):
        world.sandbox.field.centre.report_lost(device)
    code = codes.issue(asked.id, customer.id, lost, fields.document)
    return {"recovery_code": code, "bank_id": number, "name": customer.name}


def end_recovery(asked: Asked, fields: OfCustomer) -> Json:
    """Take the open code back; the freeze stays until the desk lifts it. E_RECOVERY_UNKNOWN when none is open."""
    customer = _customer(asked, fields.customer)
    if not asked.world.recoveries[asked.user.bank_id].end(customer.id):
        raise Refused("E_RECOVERY_UNKNOWN", bank_id=asked.user.bank_id, id=customer.id)
    return {"name": customer.name}


def _customer(asked: Asked, id_text: str) -> Customer:
    """A customer of the clerk's own bank; E_CUSTOMER_UNKNOWN for another bank's."""
    return bank(asked).customers.get(octets(id_text))


QUERIES = (
    Query(BANK_ROLE, "recovery", N_("Recovery of a wallet"), recovery, takes="customer", in_menu=False),
)
OPERATIONS = (
    Operation(
        BANK_ROLE,
        "recovery-code",
        N_("Hand out a recovery code"),
        LostWallet,
        recovery_code,
        N_("A recovery code for {name}; the lost wallet is frozen."),
        danger=True,
    ),
    Operation(
        BANK_ROLE,
        "end-recovery",
        N_("End this recovery"),
        OfCustomer,
        end_recovery,
        N_("The recovery of {name} is ended; the freeze stays until it is lifted."),
        danger=True,
    ),
)
