"""A bank's side of the corridor: the provider's account, links between its customers and accounts there, payouts.

The bank opens an account for the provider's service, does its own due diligence, rates the provider's risk of money
laundering and ends the relation when it is high [P, AIFC rules]. A **link** ties one of its customers to one account at
the provider: both sides show their code of the person (`cbdc.corridor.persons`), and no name is told. Afterwards the
provider names links, never customers.

    links     a customer and a provider, agreed on by both
    owns      does this ledger key belong to the linked customer: yes or no, nothing else
    take in   the provider's digital tenge -> the provider's deposit (the bank's ordinary purchase)
    pay out   the provider's deposit -> the linked customer's own deposit

Everything else of the bank (deposits, digital tenge, books) stays with `cbdc.distribution`.
"""

from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.corridor.licences import Gate
from cbdc.corridor.persons import check_match, match_code
from cbdc.corridor.records import EXCHANGE_ACTIVITY
from cbdc.distribution import CommercialBank
from cbdc.enforcement import Enforcement
from cbdc.errors import Refused
from cbdc.keys import Signer
from cbdc.ledger.entry import Receipt
from cbdc.record import HASH, Group, Unsigned
from cbdc.token import EXCHANGE

BUSINESS_TIER = 4
LOW_RISK = 1
HIGH_RISK = 2

_LINK = Group((HASH, HASH))


class Link(NamedTuple):
    """A customer of the bank and the provider (key id) at which the customer has an account."""

    id: bytes
    provider: bytes
    customer: bytes


class BankDesk:
    """The corridor desk of one bank. `identify` False leaves the match out, to see what it is for."""

    def __init__(
        self,
        bank: CommercialBank,
        cabinet: Cabinet,
        gate: Gate,
        secrets: dict[bytes, bytes],
        identify: bool = True,
    ) -> None:
        """`secrets`: for each provider (key id) the secret that this bank shares with it."""
        self.bank = bank
        self._cabinet = cabinet
        self._gate = gate
        self._secrets = secrets
        self._identify = identify
        self._links = f"bank {bank.bank_id}/corridor link"
        self._risks = f"bank {bank.bank_id}/corridor risk"

    # --- providers ---

    def open_provider(self, provider: bytes, name: str, till: Signer, capital_tiyn: int = 0) -> bytes:
        """An account for a licensed provider, and its key on the ledger; the customer's id.

        Again is harmless, whatever became of the licence since. E_CORRIDOR_LICENCE.
        """
        customer = self.account_of(provider)
        if all(known.id != customer for known in self.bank.customers.all()):
            self._gate.require(provider, EXCHANGE_ACTIVITY)
        self.bank.open_account(customer, name, "provider", BUSINESS_TIER, EXCHANGE, capital_tiyn)
        self.bank.register_key(customer, till)
        return customer

    def account_of(self, provider: bytes) -> bytes:
        """The id of the provider's account at this bank."""
        return follow(
            "corridor provider", self.bank.bank_id.to_bytes(8, "big"), HASH.load(provider, "provider")
        )

    def rate(self, provider: bytes, risk: int) -> None:
        """Rate a provider's risk; a high one ends the relation until it is rated low again."""
        risk = Unsigned(LOW_RISK, HIGH_RISK).load(risk, "risk")
        self._cabinet.put_many([Row(self._risks, HASH.load(provider, "provider"), bytes([risk]))])

    def require(self, provider: bytes) -> None:
        """Return if this bank works with the provider now. E_PROVIDER_RISK, and what the gate says of its licence."""
        if self._cabinet.get(self._risks, provider) == bytes([HIGH_RISK]):
            raise Refused("E_PROVIDER_RISK", bank_id=self.bank.bank_id)
        self._gate.require(provider, EXCHANGE_ACTIVITY)

    # --- links ---

    def link(self, id: bytes, provider: bytes, customer: bytes, code: bytes) -> Link:
        """Tie a customer to its account at a provider. `code` is what the provider computed of the person.

        Once per `id`. Raises E_CUSTOMER_UNKNOWN, E_PERSON_MATCH, E_PROVIDER_RISK, E_CORRIDOR_LICENCE, E_ID_REUSED.
        """
        known = self._cabinet.get(self._links, HASH.load(id, "link id"))
        if known is not None:
            link = self._load(id, known)
            if (link.provider, link.customer) != (provider, customer):
                raise Refused("E_ID_REUSED", id=id)
            return link
        self.require(provider)
        person = self.bank.customers.get(customer)
        if self._identify:
            check_match(match_code(self._secrets[provider], person.reference), code)
        self._cabinet.put_many([Row(self._links, id, canonical.encode([provider, customer]))])
        return Link(id, provider, customer)

    def find(self, id: bytes, provider: bytes) -> Link:
        """The link with this id; E_CORRIDOR_LINK when it is nobody's, or another provider's."""
        data = self._cabinet.get(self._links, HASH.load(id, "link id"))
        link = self._load(id, data) if data is not None else None
        if link is None or link.provider != provider:
            raise Refused("E_CORRIDOR_LINK", id=id)
        return link

    def _load(self, id: bytes, data: bytes) -> Link:
        values: tuple[Any, ...] = _LINK.load(canonical.decode(data), "link")
        return Link(id, *values)

    def owns(self, link: Link, kid: bytes) -> bool:
        """Whether a ledger key belongs to the linked customer."""
        try:
            return self.bank.customers.owner_of(kid).id == link.customer
        except Refused:
            return False

    # --- money ---

    def take_in(self, transaction: bytes) -> Receipt:
        """The provider's transfer to the bank's inventory becomes the provider's deposit; once; raises the refusal."""
        return self.bank.defund(transaction)

    def pay_out(self, id: bytes, link: Link, amount_tiyn: int) -> None:
        """From the provider's deposit to the linked customer's own. Once per `id`; E_FUNDS_ACCOUNT."""
        account = self.account_of(link.provider)
        self.bank.move_deposit(id, account, link.customer, amount_tiyn, "paid out by a provider")

    def ask_freeze(self, id: bytes, link: Link, enforcement: Enforcement, legal_reference: str) -> Receipt:
        """Ask enforcement to freeze the linked customer on the ledger: the bank alone knows the pseudonym."""
        pseudonym = self.bank.customers.get(link.customer).pseudonym
        return enforcement.freeze(id, pseudonym, legal_reference)
