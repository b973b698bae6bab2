"""A provider's file of clients: who they are, whom they are linked to at a bank, and what they hold.

The provider identifies its clients itself, so it knows names. Towards everybody else a client is its **person**: the
pseudonym that follows from the person's number and the secret that licensed providers share. A client has one link to
one bank; without it nothing moves.
"""

from dataclasses import dataclass, replace
from typing import Any

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row
from cbdc.corridor.persons import match_code
from cbdc.errors import Refused
from cbdc.record import HASH, HASH_OR_NONE, Group, Text, Unsigned
from cbdc.token import MERCHANT

ACTIVE = 1
FROZEN = 2

_CLIENT = Group(
    (
        Text(128),
        Text(64),
        Text(200),
        Unsigned(1, 255),
        Unsigned(0, 1),
        Unsigned(0, 1),
        Unsigned(),
        HASH_OR_NONE,
        Unsigned(),
        Unsigned(ACTIVE, FROZEN),
    )
)


@dataclass(frozen=True, slots=True)
class Client:
    """One client: `reference` is the person's number, `category` as on the ledger (a person, a merchant), `resident`
    and `tested` decide its cap, `declared_usd_cents` is its own statement of turnover, `link` ties it to a bank."""

    id: bytes
    name: str
    reference: str
    address: str
    category: int
    resident: int = 1
    tested: int = 0
    declared_usd_cents: int = 0
    link: bytes = b""
    bank_id: int = 0
    state: int = ACTIVE

    @property
    def is_merchant(self) -> bool:
        """Whether it sells goods: then what it is sent would be a payment."""
        return self.category == MERCHANT

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode(
            [
                self.name,
                self.reference,
                self.address,
                self.category,
                self.resident,
                self.tested,
                self.declared_usd_cents,
                self.link,
                self.bank_id,
                self.state,
            ]
        )


class ClientFile:
    """The clients of one provider; fits `cbdc.corridor.orders.Clients`. `secret` is shared by licensed providers."""

    def __init__(self, cabinet: Cabinet, provider: str, secret: bytes) -> None:
        self._cabinet = cabinet
        self._secret = secret
        self._drawer = f"exchange {provider}/client"

    def open(self, client: Client) -> Client:
        """A new client, or the one known under this id; E_ID_REUSED when that is somebody else."""
        known = self.known(client)
        if known is None:
            self._put(client)
        return known or client

    def known(self, client: Client) -> Client | None:
        """The client that is known under this id, or None; E_ID_REUSED when that is somebody else."""
        data = self._cabinet.get(self._drawer, HASH.load(client.id, "client id"))
        if data is None:
            return None
        before = self._load(client.id, data)
        if (before.name, before.reference, before.category) != (
            client.name,
            client.reference,
            client.category,
        ):
            raise Refused("E_ID_REUSED", id=client.id)
        return before

    def get(self, id: bytes) -> Client:
        """The client with this id; E_CLIENT_UNKNOWN."""
        data = self._cabinet.get(self._drawer, HASH.load(id, "client id"))
        if data is None:
            raise Refused("E_CLIENT_UNKNOWN", id=id)
        return self._load(id, data)

    def active(self, id: bytes) -> Client:
        """A client that may place orders: E_CLIENT_UNKNOWN, E_CLIENT_FROZEN."""
        client = self.get(id)
        if client.state == FROZEN:
            raise Refused("E_CLIENT_FROZEN", id=id)
        return client

    def all(self) -> list[Client]:
        """Every client, oldest first."""
        return [self._load(*row) for row in self._cabinet.all(self._drawer)]

    def note_test(self, id: bytes) -> Client:
        """The client passed the knowledge test."""
        client = replace(self.get(id), tested=1)
        self._put(client)
        return client

    def person(self, client: bytes) -> bytes:
        """The pseudonym of a client among all providers; E_CLIENT_UNKNOWN."""
        return match_code(self._secret, self.get(client).reference)

    def declared_usd_cents(self, client: bytes) -> int:
        """What the client declared as its turnover."""
        return self.get(client).declared_usd_cents

    def freeze(self, client: bytes) -> Row:
        """The row that freezes an account: it neither places orders nor receives."""
        return Row(self._drawer, client, replace(self.get(client), state=FROZEN).encode())

    def _put(self, client: Client) -> None:
        self._cabinet.put_many([Row(self._drawer, client.id, client.encode())])

    def _load(self, id: bytes, data: bytes) -> Client:
        values: tuple[Any, ...] = _CLIENT.load(canonical.decode(data), "client")
        return Client(id, *values)
