"""A commercial bank's customers one by one: the list to search and page through, a page each, and what a clerk may do.

A clerk acts for the own bank and no other: a customer of another bank is E_CUSTOMER_UNKNOWN here, whatever is asked.
Freezing stops the holder on the ledger and is the enforcement authority's act on the bank's word; the bank lifts what
it asked for, and no court's. A closed account takes nothing more in; what is the customer's can always go out.
"""

from collections.abc import Mapping
from typing import Annotated

from msgspec import Meta

from cbdc.customers import Customer
from cbdc.distribution import CommercialBank
from cbdc.errors import Refused
from cbdc.money import format_tenge
from cbdc.token import MERCHANT
from offline.http_losses import freeze_reference
from wallets.site.operations import N_, Asked, Fields, Json, Operation, Query
from wallets.site.roles.bank import CustomerId, LostReport, OfCustomer, bank
from wallets.site.roles.holder import (
    device_rows,
    limit_rows,
    mark_rows,
    movement_rows,
    offline_tiyn,
    request_rows,
)
from wallets.site.roles.lost import devices_of
from wallets.site.roles.parts import octets
from wallets.site.roles.watching import page_of
from wallets.site.users import BANK_ROLE

PAGE_ROWS = 25
SHOWN = {
    "all": N_("Everybody"),
    "people": N_("People"),
    "shops": N_("Shops"),
    "frozen": N_("Frozen"),
    "closed": N_("Closed"),
}


class LostDevice(Fields, frozen=True):
    """One device of a customer, and whether it was stolen."""

    customer: CustomerId
    device: Annotated[str, Meta(min_length=64, max_length=64, pattern="^[0-9a-f]*$", title=N_("Device"))]
    stolen: Annotated[bool, Meta(title=N_("It was stolen, not only lost"))] = False


# --- what is seen ---


def customers(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The bank's customers, a page of them: all, or of one kind, or those whose name or document holds a text."""
    mine = bank(asked)
    wanted = arguments.get("search", "").strip().casefold()[:60]
    shown = arguments.get("show", "all")
    shown = shown if shown in SHOWN else "all"
    closed = mine.customers.closed()
    found = [
        one
        for one in mine.customers.all()
        if (not wanted or wanted in one.name.casefold() or wanted in one.reference.casefold())
        and _is_shown(asked, one, shown, closed)
    ]
    page, pages, first = page_of(arguments, len(found), PAGE_ROWS)
    keys: dict[bytes, int] = {}
    for _, owner in mine.customers.all_keys():
        keys[owner] = keys.get(owner, 0) + 1
    rows = [
        {
            "id": one.id.hex(),
            "name": one.name,
            "reference": one.reference,
            "tier": one.tier,
            "is_shop": one.category == MERCHANT,
            "deposit_tiyn": mine.deposit_tiyn(one.id),
            "keys": keys.get(one.id, 0),
            "is_frozen": bool(asked.world.system.ledger.frozen(one.pseudonym)),
            "is_closed": one.id in closed,
        }
        for one in found[first : first + PAGE_ROWS]
    ]
    return {
        "customers": rows,
        "found": len(found),
        "search": wanted,
        "show": shown,
        "choices": list(SHOWN.items()),
        "page": page,
        "pages": pages,
    }


def _is_shown(asked: Asked, customer: Customer, shown: str, closed: set[bytes]) -> bool:
    if shown == "closed":
        return customer.id in closed
    if shown == "frozen":
        return bool(asked.world.system.ledger.frozen(customer.pseudonym))
    return shown == "all" or (customer.category == MERCHANT) == (shown == "shops")


def one_customer(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """One customer: account, wallets, what the limits leave, marks, devices, requests, movements, frozen or not."""
    mine, world = bank(asked), asked.world
    customer = mine.customers.get(octets(arguments["customer"]))
    ledger = world.system.ledger
    limits = ledger.genesis.policy.limits(customer.tier)
    kids = mine.customers.keys_of(customer.id)
    frozen = ledger.frozen(customer.pseudonym)
    return {
        "id": customer.id.hex(),
        "name": customer.name,
        "reference": customer.reference,
        "tier": customer.tier,
        "is_shop": customer.category == MERCHANT,
        "pseudonym": customer.pseudonym.hex(),
        "deposit_tiyn": mine.deposit_tiyn(customer.id),
        "keys": [kid.hex() for kid in kids],
        "devices": [kid.hex() for kid in devices_of(world, kids)],
        "numbers": world.aliases.numbers_of(kids),
        "holding_tiyn": ledger.holding_tiyn(customer.pseudonym),
        "holding_limit_tiyn": limits.holding_limit_tiyn,
        "payment_limit_tiyn": limits.payment_limit_tiyn,
        "day_limit_tiyn": limits.day_limit_tiyn,
        "limits": limit_rows(world, customer),
        "marks": mark_rows(world, kids, asked.language),
        "device_rows": device_rows(world, kids),
        "requests": request_rows(world, kids),
        "movements": movement_rows(world, mine, customer.id),
        "frozen": frozen,
        "is_own_freeze": frozen.startswith(freeze_reference(mine.bank_id, "")),
        "is_closed": mine.customers.is_closed(customer.id),
    }


# --- what is done ---


def freeze(asked: Asked, fields: LostReport) -> Json:
    """Freeze a holder at the customer's own wish; devices stay what they are. E_FROZEN when it is frozen already."""
    mine, customer = _own(asked, fields.customer)
    reference = freeze_reference(mine.bank_id, fields.reference)
    asked.world.system.enforcement.freeze(asked.id, customer.pseudonym, reference)
    return {"name": customer.name}


def revoke_device(asked: Asked, fields: LostDevice) -> Json:
    """Report one device of a customer lost or stolen: written down once, and revoked. E_BANK_DEVICE."""
    mine, customer = _own(asked, fields.customer)
    device = octets(fields.device)
    if device not in devices_of(asked.world, mine.customers.keys_of(customer.id)):
        raise Refused("E_BANK_DEVICE", device=fields.device[:16])
    asked.world.sandbox.field.centre.report_lost(device, fields.stolen)
    return {"name": customer.name, "device": fields.device}


def close_account(asked: Asked, fields: OfCustomer) -> Json:
    """Close an account in which nothing is left: E_BANK_CLOSE, and E_FROZEN for a frozen holder."""
    mine, customer = _own(asked, fields.customer)
    ledger = asked.world.system.ledger
    if reference := ledger.frozen(customer.pseudonym):
        raise Refused("E_FROZEN", holder=customer.pseudonym, legal_reference=reference)
    has_tiyn = mine.deposit_tiyn(customer.id)
    held_tiyn = ledger.holding_tiyn(customer.pseudonym)
    away_tiyn = offline_tiyn(asked.world, mine.customers.keys_of(customer.id))
    if has_tiyn or held_tiyn or away_tiyn:
        raise Refused(
            "E_BANK_CLOSE",
            deposit_tenge=format_tenge(has_tiyn),
            held_tenge=format_tenge(held_tiyn),
            offline_tenge=format_tenge(away_tiyn),
        )
    mine.customers.close(customer.id)
    return {"name": customer.name}


def reopen_account(asked: Asked, fields: OfCustomer) -> Json:
    """Open a closed account again."""
    mine, customer = _own(asked, fields.customer)
    mine.customers.reopen(customer.id)
    return {"name": customer.name}


def _own(asked: Asked, id_text: str) -> tuple[CommercialBank, Customer]:
    """The clerk's own bank and a customer of it; E_CUSTOMER_UNKNOWN for another bank's."""
    mine = bank(asked)
    return mine, mine.customers.get(octets(id_text))


QUERIES = (
    Query(BANK_ROLE, "customers", N_("Customers"), customers),
    Query(BANK_ROLE, "customers", N_("Customer"), one_customer, takes="customer", in_menu=False),
)
OPERATIONS = (
    Operation(
        BANK_ROLE,
        "freeze",
        N_("Freeze the wallets"),
        LostReport,
        freeze,
        N_("{name}'s wallets are frozen."),
        danger=True,
    ),
    Operation(
        BANK_ROLE,
        "revoke-device",
        N_("Revoke the device"),
        LostDevice,
        revoke_device,
        N_("The device of {name} is revoked; every device learns it at its next sync."),
        danger=True,
    ),
    Operation(
        BANK_ROLE,
        "close-account",
        N_("Close the account"),
        OfCustomer,
        close_account,
        N_("The account of {name} is closed."),
        danger=True,
    ),
    Operation(
        BANK_ROLE,
        "reopen-account",
        N_("Open the account again"),
        OfCustomer,
        reopen_account,
        N_("The account of {name} is open again."),
    ),
)
