"""The accounts that cards add to the books, and what each means.

At the issuing bank:

    payments authorised        (debt)   digital tenge taken for a card payment that is not captured yet
    to be settled: NETWORK     (debt)   what the bank pays at the next settlement of a network
    from settlement: NETWORK   (asset)  what it gets
    owed to card holders       (debt)   money that returns to a pocket as soon as the inventory gives it
    in dispute                 (debt)   charged back, and not yet the card holder's again
    claims on card holders     (asset)  paid for them in their bank's silence, and not covered by their signature

At the acquiring bank also:

    refunds in course          (debt)   taken from a merchant for a refund that was not answered yet
    claims on merchants        (asset)  charged back, and not yet taken from the merchant
    cash in machines           (asset)  banknotes; at the National Bank they are **cash in circulation** (debt)

An account of a **merchant** is its deposit. Fees of schemes and banks do not exist here.
"""

from cbdc.accounts import (
    ASSET,
    LIABILITY,
    NATIONAL_BANK,
    Account,
    Line,
    credit,
    debit,
    institution_of,
    reserve,
    reserves,
)

CASH_IN_CIRCULATION = Account(NATIONAL_BANK, LIABILITY, "cash in circulation")


def authorised(bank_id: int) -> Account:
    """Digital tenge taken for payments that are not captured."""
    return Account(institution_of(bank_id), LIABILITY, "card payments authorised")


def payable(bank_id: int, network: str) -> Account:
    """What the bank pays at the next settlement."""
    return Account(institution_of(bank_id), LIABILITY, f"cards to be settled: {network}")


def receivable(bank_id: int, network: str) -> Account:
    """What the bank gets at the next settlement."""
    return Account(institution_of(bank_id), ASSET, f"cards from settlement: {network}")


def owed(bank_id: int) -> Account:
    """What returns to pockets."""
    return Account(institution_of(bank_id), LIABILITY, "owed to card holders")


def disputed(bank_id: int) -> Account:
    """What was charged back, while the merchant may still object."""
    return Account(institution_of(bank_id), LIABILITY, "card payments in dispute")


def claims(bank_id: int) -> Account:
    """What the bank paid for card holders without their signature."""
    return Account(institution_of(bank_id), ASSET, "claims on card holders")


def refunding(bank_id: int) -> Account:
    """Refunds that were not answered yet."""
    return Account(institution_of(bank_id), LIABILITY, "card refunds in course")


def merchant_claims(bank_id: int) -> Account:
    """What was charged back and not yet taken from merchants."""
    return Account(institution_of(bank_id), ASSET, "claims on merchants")


def cash(bank_id: int) -> Account:
    """Banknotes in the bank's machines."""
    return Account(institution_of(bank_id), ASSET, "cash in machines")


def buy_cash(bank_id: int, amount_tiyn: int) -> tuple[Line, ...]:
    """A bank fills its machines: reserves become banknotes, at both ends."""
    return (
        debit(cash(bank_id), amount_tiyn),
        credit(reserves(bank_id), amount_tiyn),
        debit(reserve(bank_id), amount_tiyn),
        credit(CASH_IN_CIRCULATION, amount_tiyn),
    )
