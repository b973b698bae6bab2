"""The desk of a bank's customer, a person or a shop: what is on the account, and how a wallet joins it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from wallets.site import bank_rules
from wallets.site.opening import bank_title, customer_id
from wallets.site.operations import N_, Asked, Json, Nothing, Operation, Query
from wallets.site.roles.lost import report_lost_wallet
from wallets.site.users import PERSON_ROLE, SHOP_ROLE


def home(asked: Asked, arguments: Mapping[str, str]) -> Json:
    """The account at the bank: its deposit, and the wallets that joined it."""
    bank = asked.world.system.banks[asked.user.bank_id]
    customer = customer_id(asked.user)
    return {
        "bank": bank.name,
        "bank_title": bank_title(bank.name),
        "name": asked.user.name,
        "deposit_tiyn": bank.deposit_tiyn(customer),
        "wallets": [
            kid.hex()
            for kid in bank.customers.keys_of(customer)
            if not asked.world.cards.is_chip(bank.bank_id, kid)
        ],
        "frozen": asked.world.system.ledger.frozen(bank.customers.get(customer).pseudonym),
        "top_up": bank_rules.agrees(asked.world, bank.bank_id, customer),
        "rule": asdict(bank_rules.rules_of(asked.world, bank.bank_id)[bank.customers.get(customer).tier]),
    }


def join_code(asked: Asked, fields: Any) -> Json:
    """A one-time code that joins a wallet to this account."""
    user = asked.user
    code = asked.world.joining[user.bank_id].issue(asked.id, customer_id(user))
    return {"code": code, "bank_id": user.bank_id, "wallet": user.id}


def report_lost(asked: Asked, fields: Any) -> Json:
    """All wallets of this account are lost: frozen at once, their devices revoked."""
    user = asked.user
    bank = asked.world.system.banks[user.bank_id]
    report_lost_wallet(asked, bank, bank.customers.get(customer_id(user)), f"reported by {user.id}")
    return {}


def agree_top_up(asked: Asked, fields: Any) -> Json:
    """The customer agrees that the bank fills its wallet by the bank's rule."""
    bank_rules.agree(asked.world, asked.user.bank_id, customer_id(asked.user), True)
    return {}


def end_top_up(asked: Asked, fields: Any) -> Json:
    """The customer does no longer agree."""
    bank_rules.agree(asked.world, asked.user.bank_id, customer_id(asked.user), False)
    return {}


QUERIES = tuple(
    Query(role, "", N_("My account"), home, template="roles/customer/home.html")
    for role in (PERSON_ROLE, SHOP_ROLE)
)
OPERATIONS = tuple(
    operation
    for role in (PERSON_ROLE, SHOP_ROLE)
    for operation in (
        Operation(
            role, "join-code", N_("A code for a new wallet"), Nothing, join_code, N_("Here is your code.")
        ),
        Operation(
            role,
            "report-lost",
            N_("My device is lost or stolen"),
            Nothing,
            report_lost,
            N_("Your wallet is frozen and your devices are revoked. Your bank can lift this."),
            danger=True,
        ),
        Operation(
            role,
            "agree-top-up",
            N_("Agree to automatic top-up"),
            Nothing,
            agree_top_up,
            N_("Your bank may fill your wallet by its rule."),
        ),
        Operation(
            role,
            "end-top-up",
            N_("End automatic top-up"),
            Nothing,
            end_top_up,
            N_("Your bank no longer fills your wallet."),
        ),
    )
)
