"""A small sandbox of institutions for tests: the same keys everywhere, a manual clock, a seed."""

import hashlib
from pathlib import Path

from cbdc.accounts import CIRCULATION, ISSUE_IN_PROGRESS, being_sold, inventory, ordered
from cbdc.customers import PERSON_TIER
from cbdc.institutions import BankName
from cbdc.keys import ED25519, SoftwareKey
from cbdc.ledger.entry import Receipt
from cbdc.money import tenge
from cbdc.ports import Checkpoint, ManualClock, SeededEntropy, no_checkpoint
from cbdc.sales import SaleOrder
from cbdc.system import Setup, System, open_system
from cbdc.token import PERSON, KeyLock, Token, TokenId
from cbdc.transaction import SignedTransaction, Transfer, sign_transaction

START = 1_790_000_000
BANKS = (BankName(1, "Bank One"), BankName(2, "Bank Two"))


def key(label: str, algorithm: int = ED25519) -> SoftwareKey:
    """The key that belongs to a label, the same everywhere."""
    return SoftwareKey(algorithm, hashlib.sha256(b"institution-test\0" + label.encode()).digest())


def ident(name: str) -> bytes:
    """A 32-byte id by name."""
    return hashlib.sha256(name.encode()).digest()


def make_system(
    folder: Path | None = None, checkpoint: Checkpoint = no_checkpoint, clock: ManualClock | None = None
) -> System:
    """The institutions, in memory or in a folder."""
    return open_system(
        folder, key, clock or ManualClock(START), SeededEntropy(7), checkpoint, Setup(banks=BANKS)
    )


def stock(system: System, bank_id: int = 1, amount_tiyn: int = tenge(1_000_000)) -> None:
    """Give a bank reserves and an inventory of that much."""
    system.national_bank.endow(ident(f"endow {bank_id}"), bank_id, 2 * amount_tiyn)
    system.banks[bank_id].order_tokens(ident(f"order {bank_id}"), amount_tiyn)


def person(
    system: System,
    name: str,
    bank_id: int = 1,
    deposit_tiyn: int = tenge(100_000),
    category: int = PERSON,
    tier: int = PERSON_TIER,
) -> SoftwareKey:
    """A customer with a deposit and a registered key."""
    bank = system.banks[bank_id]
    bank.open_account(ident(name), name, f"000000{len(name):06d}", tier, category, deposit_tiyn)
    bank.register_key(ident(name), key(name))
    return key(name)


def buy(system: System, name: str, amount_tiyn: int, bank_id: int = 1, sale: str = "") -> object:
    """Sell to a customer; the answer."""
    order = SaleOrder(ident(sale or f"sale {name}"), ident(name), key(name).public.kid, amount_tiyn)
    return system.banks[bank_id].sell([order])[0]


def holdings(system: System, kid: bytes, mark: bytes = b"") -> int:
    """What a key holds of one mark."""
    return sum(token.amount_tiyn for _, token in system.ledger.owned(kid) if token.mark == mark)


def pay(
    system: System,
    payer: SoftwareKey,
    payee: bytes,
    amount_tiyn: int,
    nonce: bytes = bytes(16),
    mark: bytes = b"",
) -> SignedTransaction:
    """A transfer of all tokens of the payer that carry `mark`: the amount to the payee, the rest back."""
    owned = [(i, t) for i, t in system.ledger.owned(payer.public.kid) if t.mark == mark]
    total = sum(token.amount_tiyn for _, token in owned)
    outputs = [Token(amount_tiyn, KeyLock(payee), mark)]
    if total > amount_tiyn:
        outputs.append(Token(total - amount_tiyn, KeyLock(payer.public.kid), mark))
    inputs: tuple[TokenId, ...] = tuple(identity for identity, _ in owned)
    return sign_transaction(Transfer(nonce, inputs, tuple(outputs)), system.network, [payer])


def receipt(answer: object) -> Receipt:
    """The answer, which must be a receipt."""
    assert isinstance(answer, Receipt), answer
    return answer


def check_books(system: System) -> None:
    """What must hold whenever nothing is half done: books and ledger tell the same."""
    system.books.check()
    supply = system.ledger.supply()
    assert supply.held_tiyn == supply.outstanding_tiyn
    assert system.books.balance(CIRCULATION) == supply.outstanding_tiyn
    assert system.books.balance(ISSUE_IN_PROGRESS) == 0
    for bank in system.banks.values():
        assert system.books.balance(being_sold(bank.bank_id)) == 0
        assert system.books.balance(ordered(bank.bank_id)) == 0
        assert system.books.balance(inventory(bank.bank_id)) == bank.inventory_tiyn()
        sheet = bank.balance_sheet()
        assert sheet.assets_tiyn == sheet.claims_tiyn
    sheet = system.national_bank.balance_sheet()
    assert sheet.assets_tiyn == sheet.claims_tiyn
