"""A shop's card terminal, **simulated**: it asks the card that a customer holds to it for an amount, and captures that.

The customer's wallet shows a code of eight letters, which stands for the touch of a card (`wallets.site.cards`). The
terminal learns what a terminal learns: yes, or two characters. The reason in words is the card holder's, in the wallet.
Captured money is on the shop's deposit at once, in ordinary tenge; the banks settle when the sandbox's clock is put
forward.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import Meta

from cbdc.accounts import deposit
from cbdc.cards.numbers import masked, merchant_number
from cbdc.cards.sale import CAPTURED, CAPTURING
from cbdc.errors import Refused, TengeError
from cbdc.money import MAX_TIYN
from wallets.site.opening import customer_id
from wallets.site.operations import N_, Asked, Fields, Json, Operation, Query
from wallets.site.users import SHOP_ROLE as ROLE

MOST_ROWS = 20


class CardPayment(Fields, frozen=True):
    """What the shop types: the code on the customer's screen, and the amount."""

    code: Annotated[
        str,
        Meta(
            min_length=8,
            max_length=12,
            title=N_("Code on the customer's screen"),
            description=N_("Eight letters; they stand for the touch of a card."),
        ),
    ]
    amount_tiyn: Annotated[int, Meta(ge=1, le=MAX_TIYN, title=N_("Amount"))]
    silent: Annotated[bool, Meta(title=N_("Play a network that falls silent (simulated)"))] = False


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The terminal, and the shop's newest card payments with what the terminal knows of each."""
    bank_id, merchant = asked.user.bank_id, customer_id(asked.user)
    acquirer = asked.world.cards.cards.acquirers[bank_id]
    own = [sale for sale in acquirer.sales.all() if sale.merchant == merchant]
    rows = []
    for sale in own[::-1][:MOST_ROWS]:
        problem = acquirer.reason(sale.id)
        rows.append(
            {
                "reference": sale.reference,
                "number": masked(sale.number),
                "network": sale.network,
                "amount_tiyn": sale.amount_tiyn,
                "state": sale.state,
                "paid": sale.state in (CAPTURED, CAPTURING),
                "code": problem.code if problem else "",
                "sentence": problem.sentence(asked.language) if problem else "",
            }
        )
    return {
        "merchant": merchant_number(merchant),
        "deposit_tiyn": asked.world.system.books.balance(deposit(bank_id, merchant)),
        "rows": rows,
    }


def pay(asked: Asked, fields: Any) -> Json:
    """Ask the card under a code for an amount; raises what the terminal knows of why it came to nothing."""
    world, bank_id = asked.world, asked.user.bank_id
    card, outcome = world.cards.pay(
        asked.id, bank_id, customer_id(asked.user), fields.code, fields.amount_tiyn, fields.silent
    )
    world.tell([card.wallet_kid])
    if outcome.sale.state not in (CAPTURED, CAPTURING):
        problem: TengeError | None = world.cards.cards.acquirers[bank_id].reason(outcome.sale.id)
        raise problem or Refused("E_CARD_TIMEOUT", reference=outcome.sale.reference)
    return {"amount_tiyn": outcome.sale.amount_tiyn, "reference": outcome.sale.reference}


QUERIES = (Query(ROLE, "card-till", N_("Card terminal"), home),)
OPERATIONS = (
    Operation(
        ROLE, "card-payment", N_("Pay by card"), CardPayment, pay, N_("Paid by card: reference {reference}.")
    ),
)
