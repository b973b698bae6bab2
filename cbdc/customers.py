"""A bank's customers: identity stays here, the ledger sees keys, a tier, a category and a pseudonym.

The pseudonym is one for each customer of a bank and stands for the person in limits and freezes; only the bank can
lead it back to a name. What a tier allows is data (`cbdc.policies`), enforced by the ledger's policy in entry 0.

Every limit of the sandbox's own preset is an **assumption**: none has been published for the digital tenge.

Source: `docs/domain.md`, privacy and identification.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row
from cbdc.errors import Refused
from cbdc.gateway import Gateway
from cbdc.ledger.entry import Policy
from cbdc.policies import preset
from cbdc.ports import Entropy
from cbdc.record import HASH, Group, Text, Unsigned

PERSON_TIER = 2
BUSINESS_TIER = 4


def sandbox_policy() -> Policy:
    """The policy for entry 0 of a ledger: the sandbox's own preset, and days that begin at midnight in Kazakhstan."""
    return preset("sandbox").ledger_policy()


@dataclass(frozen=True, slots=True)
class Customer:
    """Whom a bank knows: `id` (32 bytes) names the account, `reference` is the person's or firm's number."""

    id: bytes
    name: str
    reference: str
    tier: int
    category: int
    pseudonym: bytes

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode([self.name, self.reference, self.tier, self.category, self.pseudonym])


_CUSTOMER = Group((Text(128), Text(64), Unsigned(0, 255), Unsigned(1, 255), HASH))


class CustomerFile:
    """One bank's customers and their keys, over a cabinet."""

    def __init__(self, cabinet: Cabinet, gateway: Gateway, bank_id: int, entropy: Entropy) -> None:
        self._cabinet = cabinet
        self._gateway = gateway
        self._bank_id = bank_id
        self._entropy = entropy
        self._people = f"bank {bank_id}/customer"
        self._keys = f"bank {bank_id}/key"
        self._closed = f"bank {bank_id}/customer.closed"
        self._by_pseudonym = {customer.pseudonym: customer for customer in self.all()}

    def open(self, id: bytes, name: str, reference: str, tier: int, category: int) -> Customer:
        """A new customer, or the one known under this id; E_ID_REUSED when that is somebody else."""
        return self.open_many([(id, name, reference, tier, category)])[0]

    def open_many(self, people: Sequence[tuple[bytes, str, str, int, int]]) -> list[Customer]:
        """For each (id, name, reference, tier, category) the customer; the new ones are written in one commit.

        Raises E_ID_REUSED when an id is somebody else's; nothing is written then.
        """
        known = self.get_many([name for name, *_ in people])
        fresh: dict[bytes, Customer] = {}
        for name, *said in people:
            customer = known.get(name) or fresh.get(name)
            if customer is None:
                HASH.load(name, "customer id")
                pseudonym = self._entropy.bytes("pseudonym", self._bank_id.to_bytes(8, "big") + name)
                fresh[name] = Customer(name, *_CUSTOMER.load((*said, pseudonym), "customer"))
            elif [customer.name, customer.reference, customer.tier, customer.category] != said:
                raise Refused("E_ID_REUSED", id=name)
        if fresh:
            self._cabinet.put_many(
                [Row(self._people, name, customer.encode()) for name, customer in fresh.items()]
            )
        self._by_pseudonym.update({customer.pseudonym: customer for customer in fresh.values()})
        return [known.get(name) or fresh[name] for name, *_ in people]

    def _load(self, id: bytes, data: bytes) -> Customer:
        values: tuple[Any, ...] = _CUSTOMER.load(canonical.decode(data), "customer")
        return Customer(id, *values)

    def get(self, id: bytes) -> Customer:
        """The customer with this id; E_CUSTOMER_UNKNOWN when the bank has none."""
        data = self._cabinet.get(self._people, id)
        if data is None:
            raise Refused("E_CUSTOMER_UNKNOWN", bank_id=self._bank_id, id=id)
        return self._load(id, data)

    def close(self, id: bytes) -> None:
        """Close a customer's account: the bank takes nothing more in for it and gives it no new key; again: nothing.

        What is still the customer's can go out, and its keys stay as they are on the ledger. E_CUSTOMER_UNKNOWN.
        """
        self.get(id)
        self._cabinet.put_many([Row(self._closed, id, b"1")])

    def reopen(self, id: bytes) -> None:
        """Open a closed account again; E_CUSTOMER_UNKNOWN."""
        self.get(id)
        self._cabinet.put_many([Row(self._closed, id, None)])

    def is_closed(self, id: bytes) -> bool:
        """Whether the account was closed."""
        return self._cabinet.get(self._closed, id) is not None

    def closed(self) -> set[bytes]:
        """The ids of all closed accounts."""
        return {name for name, _ in self._cabinet.all(self._closed)}

    def served(self, id: bytes, again: bool = False) -> Customer:
        """The customer, whose account is open, or not when what was done before is asked for `again`.

        Raises E_CUSTOMER_UNKNOWN, E_CUSTOMER_CLOSED.
        """
        customer = self.get(id)
        if not again and self.is_closed(id):
            raise Refused("E_CUSTOMER_CLOSED", bank_id=self._bank_id, id=id)
        return customer

    def get_many(self, ids: Sequence[bytes]) -> dict[bytes, Customer]:
        """Those of these customers that the bank has, by id."""
        found = self._cabinet.get_many(self._people, ids)
        return {name: self._load(name, data) for name, data in found.items()}

    def attached(self, kids: Sequence[bytes]) -> set[bytes]:
        """Those of these key ids that are noted as a customer's."""
        return set(self._cabinet.get_many(self._keys, kids))

    def all(self) -> list[Customer]:
        """Every customer, oldest first."""
        return [self._load(*row) for row in self._cabinet.all(self._people)]

    def check_adoptable(self, customer: Customer) -> None:
        """E_ID_REUSED when the bank has somebody else under this id, or the same person by another pseudonym."""
        known = self._cabinet.get(self._people, customer.id)
        if known is not None and self._load(customer.id, known) != customer:
            raise Refused("E_ID_REUSED", id=customer.id)

    def adopt(self, customer: Customer) -> None:
        """Take a customer of another bank over as it is, pseudonym included; again: nothing. E_ID_REUSED."""
        self.check_adoptable(customer)
        if self._cabinet.get(self._people, customer.id) is None:
            self._cabinet.put_many([Row(self._people, customer.id, customer.encode())])
        self._by_pseudonym[customer.pseudonym] = customer

    def attach(self, keys: list[tuple[bytes, bytes]]) -> None:
        """Note which key ids belong to which customers: pairs (key id, customer id)."""
        self._cabinet.put_many([Row(self._keys, kid, customer) for kid, customer in keys])

    def keys_of(self, id: bytes) -> list[bytes]:
        """The key ids of a customer, oldest first."""
        return [kid for kid, customer in self._cabinet.all(self._keys) if customer == id]

    def all_keys(self) -> list[tuple[bytes, bytes]]:
        """Every key id with its customer, oldest first."""
        return self._cabinet.all(self._keys)

    def owner_of(self, kid: bytes) -> Customer:
        """The customer whose key this is; E_CUSTOMER_KEY when it is nobody's here."""
        attached = self._cabinet.get(self._keys, kid)
        if attached is not None:
            return self.get(attached)
        # A crash between the ledger's answer and our note leaves the pseudonym, which is as good if this bank wrote it:
        # pseudonyms are public, and another bank may register a key under one of ours.
        record = self._gateway.registered(kid)
        if record is not None and record.bank_id != self._bank_id:
            record = None
        customer = self._by_pseudonym.get(record.pseudonym) if record is not None else None
        if customer is None:
            raise Refused("E_CUSTOMER_KEY", bank_id=self._bank_id, kid=kid)
        return customer
