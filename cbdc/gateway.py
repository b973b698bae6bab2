"""What a wallet may ask of the institutions, whether they are in this process or behind HTTP.

`Gateway` is the ledger's side; `cbdc.ledger.ledger.Ledger` fits it as it is. `BankGateway` is the bank's side. One
contract suite runs on the local and on the HTTP form of each.
"""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from cbdc.errors import TengeError
from cbdc.ledger.entry import LogHead, Receipt
from cbdc.ledger.ledger import Inclusion, Supply
from cbdc.ledger.state import RegisteredKey
from cbdc.orders import FundOrder
from cbdc.record import Signed
from cbdc.token import Token, TokenId


class Gateway(Protocol):
    """The ledger as its users see it."""

    @property
    def network(self) -> bytes:
        """The network id, 8 bytes."""
        ...

    def submit(self, transaction: bytes) -> Receipt:
        """The receipt of a transaction; its refusal raised; the same answer for the same bytes, for ever."""
        ...

    def submit_many(self, transactions: Sequence[bytes]) -> list[Receipt | TengeError]:
        """For each transaction its receipt or its refusal."""
        ...

    def find(self, transaction_id: bytes) -> Receipt | None:
        """The receipt of an accepted transaction, or None."""
        ...

    def token(self, identity: TokenId) -> Token | None:
        """An unspent token, or None."""
        ...

    def owned(self, kid: bytes) -> list[tuple[TokenId, Token]]:
        """The unspent tokens a key id holds."""
        ...

    def registered(self, kid: bytes) -> RegisteredKey | None:
        """What the ledger knows of a key, or None."""
        ...

    def supply(self) -> Supply:
        """The supply table."""
        ...

    def head(self) -> Signed[LogHead]:
        """The newest signed head."""
        ...

    def inclusion(self, receipt: Receipt) -> Inclusion:
        """The proof that a receipt is in the log."""
        ...


@runtime_checkable
class Freezes(Protocol):
    """A gateway that knows who is frozen; the ledger itself does."""

    def frozen(self, pseudonym: bytes) -> str:
        """The legal reference under which a holder is frozen, empty when it is not."""
        ...


class BankGateway(Protocol):
    """A bank as its customers see it."""

    @property
    def bank_id(self) -> int:
        """The bank's number."""
        ...

    @property
    def inventory_kid(self) -> bytes:
        """The key id that a customer pays to turn digital tenge into a deposit."""
        ...

    def fund(self, order: Signed[FundOrder]) -> Receipt:
        """Carry out a customer's signed order: its deposit is debited, digital tenge goes to its key.

        The same order again gives the same receipt. Raises E_SIG, E_CUSTOMER_KEY, E_BANK_SCOPE, E_FUNDS_ACCOUNT,
        E_TILL, or the ledger's refusal.
        """
        ...

    def defund(self, transaction: bytes) -> Receipt:
        """Submit a customer's transfer to `inventory_kid` and credit its deposit; the same transfer is credited once.

        Raises E_BUYBACK, E_CUSTOMER_KEY, E_MARK_BLOCKS, or the ledger's refusal.
        """
        ...
