"""The desk of a commercial bank: its inventory, its customers, and its orders to the National Bank.

A clerk acts for the clerk's own bank and no other: every call here goes to `bank(asked)`. The pages about customers
stand in `wallets.site.roles.bank_customers`; what may be done for one of them at the counter stands here.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from msgspec import Meta

from cbdc.customers import Customer
from cbdc.distribution import CommercialBank
from cbdc.token import MERCHANT, PERSON
from wallets.site import opening
from wallets.site.operations import N_, Asked, Fields, Json, Operation, Query
from wallets.site.roles.lost import lift_report, report_lost_wallet
from wallets.site.roles.parts import Amount, LegalReference, octets, request_row, sheet_rows
from wallets.site.users import BANK_ROLE

MOST_SHOWN = 200

CustomerId = Annotated[str, Meta(min_length=64, max_length=64, pattern="^[0-9a-f]*$", title=N_("Customer"))]


class JustAmount(Fields, frozen=True):
    """An amount."""

    amount_tiyn: Amount


class NewCustomer(Fields, frozen=True):
    """Who opens an account."""

    name: Annotated[str, Meta(min_length=2, max_length=60, title=N_("Name"))]
    reference: Annotated[
        str,
        Meta(
            min_length=3,
            max_length=40,
            title=N_("Number of the document"),
            description=N_("Made up, please."),
        ),
    ]
    kind: Annotated[Literal["person", "shop"], Meta(title=N_("Person or shop"))]
    deposit_tiyn: Annotated[int, Meta(ge=0, le=10**12, title=N_("First deposit in tenge"))] = 0


class OfCustomer(Fields, frozen=True):
    """One customer."""

    customer: CustomerId


class CustomerAmount(Fields, frozen=True):
    """One customer and an amount."""

    customer: CustomerId
    amount_tiyn: Amount


class LostReport(Fields, frozen=True):
    """One customer, and on what the report stands."""

    customer: CustomerId
    reference: LegalReference


def bank(asked: Asked) -> CommercialBank:
    """The clerk's own bank."""
    return asked.world.system.banks[asked.user.bank_id]


# --- what is seen ---


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """Inventory, reserves, balance sheet, and the bank's requests at the operator."""
    mine, world = bank(asked), asked.world
    register = world.system.register
    rows = [
        request_row(world, one) for one in (*register.open(), *register.closed()) if one.party == mine.bank_id
    ]
    return {
        "bank_title": opening.bank_title(mine.name),
        "inventory_tiyn": mine.inventory_tiyn(),
        "reserve_tiyn": world.system.national_bank.reserve_tiyn(mine.bank_id),
        "sheet": sheet_rows(mine.balance_sheet()),
        "requests": list(reversed(rows))[:MOST_SHOWN],
        "customer_count": len(mine.customers.all()),
    }


# --- what is done ---


def order_tokens(asked: Asked, fields: JustAmount) -> Json:
    """Ask the National Bank for digital tenge: a request in the operator's register, for its officers to approve."""
    request = bank(asked).request_tokens(asked.id, fields.amount_tiyn)
    return {"request": request.id.hex(), "amount_tiyn": request.amount_tiyn}


def redeem_surplus(asked: Asked, fields: JustAmount) -> Json:
    """Give digital tenge of the inventory back for reserves; E_TILL before anything is registered.

    E_SETTLEMENT_CLOSED while the settlement system rests.
    """
    asked.world.check_settlement_open()
    mine = bank(asked)
    if asked.world.system.register.find(asked.id) is None:
        # Once registered, a redemption that finds too little would stay open for ever.
        mine.till.choose(mine.till.tokens(), fields.amount_tiyn)
    receipt = mine.redeem_surplus(asked.id, fields.amount_tiyn)
    return {"transaction": receipt.transaction_id.hex(), "amount_tiyn": fields.amount_tiyn}


def open_account(asked: Asked, fields: NewCustomer) -> Json:
    """A new customer with a first deposit."""
    is_shop = fields.kind == "shop"
    opened = bank(asked).open_account(
        asked.id,
        fields.name,
        fields.reference,
        opening.MERCHANT_TIER if is_shop else opening.PERSON_TIER,
        MERCHANT if is_shop else PERSON,
        fields.deposit_tiyn,
    )
    return {"customer": opened.id.hex(), "name": opened.name}


def pay_in(asked: Asked, fields: CustomerAmount) -> Json:
    """Cash comes onto a deposit."""
    customer = _customer(asked, fields.customer)
    bank(asked).receive_deposit(asked.id, customer.id, fields.amount_tiyn, "cash paid in")
    return {"name": customer.name, "amount_tiyn": fields.amount_tiyn}


def pay_out(asked: Asked, fields: CustomerAmount) -> Json:
    """Cash leaves a deposit."""
    customer = _customer(asked, fields.customer)
    bank(asked).pay_deposit_out(asked.id, customer.id, fields.amount_tiyn, "cash paid out")
    return {"name": customer.name, "amount_tiyn": fields.amount_tiyn}


def join_code(asked: Asked, fields: OfCustomer) -> Json:
    """A one-time code that joins a customer's wallet."""
    customer = _customer(asked, fields.customer)
    code = asked.world.joining[asked.user.bank_id].issue(asked.id, customer.id)
    return {"code": code, "bank_id": asked.user.bank_id, "name": customer.name}


def report_lost(asked: Asked, fields: LostReport) -> Json:
    """A customer's wallet is lost or stolen: the holder is frozen, the devices of its keys are revoked."""
    mine, customer = bank(asked), _customer(asked, fields.customer)
    report_lost_wallet(asked, mine, customer, fields.reference)
    return {"name": customer.name}


def unfreeze(asked: Asked, fields: LostReport) -> Json:
    """The wallet was found, or the report was a mistake: the freeze of the report is lifted. E_SITE_FREEZE."""
    customer = _customer(asked, fields.customer)
    lift_report(asked, customer, fields.reference)
    return {"name": customer.name}


def _customer(asked: Asked, id_text: str) -> Customer:
    """A customer of the clerk's own bank; E_CUSTOMER_UNKNOWN for another bank's."""
    return bank(asked).customers.get(octets(id_text))


QUERIES: tuple[Query, ...] = (Query(BANK_ROLE, "", N_("Overview"), home),)
OPERATIONS = (
    Operation(
        BANK_ROLE,
        "order-tokens",
        N_("Order digital tenge"),
        JustAmount,
        order_tokens,
        N_("Ordered: {amount}. Two officers of the National Bank must approve it."),
    ),
    Operation(
        BANK_ROLE,
        "redeem-surplus",
        N_("Redeem digital tenge"),
        JustAmount,
        redeem_surplus,
        N_("Redeemed: {amount}."),
    ),
    Operation(
        BANK_ROLE,
        "open-account",
        N_("Open an account"),
        NewCustomer,
        open_account,
        N_("Account opened: {name}."),
    ),
    Operation(
        BANK_ROLE, "pay-in", N_("Pay in cash"), CustomerAmount, pay_in, N_("Paid in: {amount} for {name}.")
    ),
    Operation(
        BANK_ROLE, "pay-out", N_("Pay out cash"), CustomerAmount, pay_out, N_("Paid out: {amount} to {name}.")
    ),
    Operation(
        BANK_ROLE,
        "join-code",
        N_("Code for a wallet"),
        OfCustomer,
        join_code,
        N_("A code for {name}'s wallet."),
    ),
    Operation(
        BANK_ROLE,
        "report-lost",
        N_("Report a wallet lost"),
        LostReport,
        report_lost,
        N_("{name}'s wallet is frozen and its devices are revoked."),
        danger=True,
    ),
    Operation(
        BANK_ROLE,
        "unfreeze",
        N_("Lift the freeze"),
        LostReport,
        unfreeze,
        N_("{name}'s wallet is free again."),
    ),
)
