"""An issuing bank's cards and the devices that speak for them: the plastic, and tokens in phones and watches.

    card     a customer, the wallet that owns the pocket, a network; active or blocked
    device   a number (that of the plastic, or a device token), a key of its own, a last month, a count; active,
             suspended or deleted. The plastic is the first device of its card

Every device has its own key, which the bank registers on the ledger as one more key of the customer: same pseudonym,
same limits. The key never leaves the device. The **counter** is the highest that the bank has seen of a device: what
does not rise is a replay.

In the world a scheme keeps the device tokens; here the issuing bank does (an assumption of this sandbox).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow
from cbdc.cards.numbers import NETWORKS, card_number, masked
from cbdc.cards.pocket import MOST_KEYS, pocket_lock
from cbdc.distribution import CommercialBank
from cbdc.errors import Refused, TengeError
from cbdc.keys import PublicKey, Signer, public_key
from cbdc.record import ALGORITHM, HASH, RAW_KEY, Group, Items, Text, Unsigned
from cbdc.token import QuorumLock

ACTIVE = "active"
BLOCKED = "blocked"
SUSPENDED = "suspended"
DELETED = "deleted"

_CARD = Group((HASH, HASH, Text(), Text(), Items(Text(19), most=64)))
_DEVICE = Group((HASH, ALGORITHM, RAW_KEY, Text(4), Text(), Unsigned()))


@dataclass(frozen=True, slots=True)
class Card:
    """A card: `id` and `customer` (32 bytes), the wallet's key id, its network, and the numbers of its devices."""

    id: bytes
    customer: bytes
    wallet_kid: bytes
    network: str
    state: str
    numbers: tuple[str, ...]

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode(
            [self.customer, self.wallet_kid, self.network, self.state, list(self.numbers)]
        )


@dataclass(frozen=True, slots=True)
class Device:
    """What speaks for a card: its `number`, key, last month (`expires`, YYMM), state, and the highest count seen."""

    number: str
    card: bytes
    key: PublicKey
    expires: str
    state: str
    counter: int

    def encode(self) -> bytes:
        """The row in the cabinet."""
        return canonical.encode(
            [self.card, self.key.algorithm, self.key.raw, self.expires, self.state, self.counter]
        )


class NewCard(NamedTuple):
    """A card to issue: its id, the customer, the wallet's key id, network, the chip's key, the last month (YYMM)."""

    id: bytes
    customer: bytes
    wallet_kid: bytes
    network: str
    chip: Signer
    expires: str


class CardRegistry:
    """The cards of one bank."""

    def __init__(self, bank: CommercialBank, cabinet: Cabinet) -> None:
        self._bank = bank
        self._cabinet = cabinet
        self._cards = f"bank {bank.bank_id}/card"
        self._devices = f"bank {bank.bank_id}/card device"

    # --- cards ---

    def issue(self, orders: Sequence[NewCard]) -> list[Card]:
        """Issue cards, their chips' keys registered on the ledger in one group. The same order again: the same card.

        Raises E_CUSTOMER_UNKNOWN, E_CARD_ROUTE (no such network), E_ID_REUSED, or the ledger's refusal of a key.
        """
        for order in orders:
            if order.network not in NETWORKS.values():
                raise Refused("E_CARD_ROUTE", number=order.network)
        self._register([(order.customer, order.chip) for order in orders])
        return [self._issue(order) for order in orders]

    def _register(self, keys: Sequence[tuple[bytes, Signer]]) -> None:
        for answer in self._bank.register_keys(keys):
            if isinstance(answer, TengeError):
                raise answer

    def _issue(self, order: NewCard) -> Card:
        known = self._cabinet.get(self._cards, order.id)
        if known is not None:
            card = self._open_card(order.id, known)
            if (card.customer, card.wallet_kid, card.network) != (
                order.customer,
                order.wallet_kid,
                order.network,
            ):
                raise Refused("E_ID_REUSED", id=order.id)
            return card
        number = self._free_number(order.network, order.id, token=False)
        card = Card(order.id, order.customer, order.wallet_kid, order.network, ACTIVE, (number,))
        device = Device(number, order.id, order.chip.public, order.expires, ACTIVE, 0)
        self._put(card, device)
        return card

    def _free_number(self, network: str, id: bytes, token: bool) -> str:
        turn = 0
        while True:
            number = card_number(network, self._bank.bank_id, follow("number", id, bytes([turn])), token)
            if self._cabinet.get(self._devices, _row_id(number)) is None:
                return number
            turn += 1

    def card(self, id: bytes) -> Card:
        """The card with this id; E_CARD_UNKNOWN."""
        data = self._cabinet.get(self._cards, id)
        if data is None:
            raise Refused("E_CARD_UNKNOWN", card=id.hex()[:12])
        return self._open_card(id, data)

    def device(self, number: str) -> Device:
        """The device with this number; E_CARD_UNKNOWN."""
        data = self._cabinet.get(self._devices, _row_id(number))
        if data is None:
            raise Refused("E_CARD_UNKNOWN", card=masked(number))
        values: tuple[Any, ...] = _DEVICE.load(canonical.decode(data), "device")
        card, algorithm, raw, expires, state, counter = values
        return Device(number, card, public_key(algorithm, raw), expires, state, counter)

    def block(self, id: bytes) -> Card:
        """The customer says that the card is lost: nothing that it or its tokens ask is allowed until unblocked."""
        return self._set_card(id, BLOCKED)

    def unblock(self, id: bytes) -> Card:
        """It was found."""
        return self._set_card(id, ACTIVE)

    def _set_card(self, id: bytes, state: str) -> Card:
        card = replace(self.card(id), state=state)
        self._put(card)
        return card

    # --- device tokens ---

    def provision(self, id: bytes, device: bytes, signer: Signer) -> Device:
        """Give a phone or a watch a token for the card, under the id `device`; the same again gives the same token.

        Its key becomes one of the pocket's keys. What is in the pocket already stays behind the old keys until its
        owner moves it. Raises E_CARD_UNKNOWN, E_CARD_BLOCKED, E_CARD_KEYS (no room), or the ledger's refusal of a key.
        """
        card = self.card(id)
        if card.state != ACTIVE:
            raise Refused("E_CARD_BLOCKED", card=masked(card.numbers[0]))
        for number in card.numbers[1:]:
            known = self.device(number)
            if known.key == signer.public:
                return known
        if len(self._speaking(card)) + 1 >= MOST_KEYS:
            raise Refused("E_CARD_KEYS", card=masked(card.numbers[0]), most=MOST_KEYS - 2)
        self._register([(card.customer, signer)])
        number = self._free_number(card.network, device, token=True)
        expires = self.device(card.numbers[0]).expires
        made = Device(number, id, signer.public, expires, ACTIVE, 0)
        self._put(replace(card, numbers=(*card.numbers, number)), made)
        return made

    def suspend(self, number: str) -> Device:
        """A token that must not pay for a while; the plastic goes on."""
        return self._set_token(number, SUSPENDED)

    def resume_token(self, number: str) -> Device:
        """It may pay again; a deleted one never may (E_CARD_TOKEN_STATE)."""
        return self._set_token(number, ACTIVE)

    def delete(self, number: str) -> Device:
        """The token is gone for good, and its key leaves the pocket's lock."""
        return self._set_token(number, DELETED)

    def _set_token(self, number: str, state: str) -> Device:
        device = self.device(number)
        if number == self.card(device.card).numbers[0] or device.state == DELETED != state:
            raise Refused("E_CARD_TOKEN_STATE", card=masked(number), state=device.state)
        changed = replace(device, state=state)
        self._cabinet.put_many([self.device_row(changed)])
        return changed

    # --- the pocket ---

    def _speaking(self, card: Card) -> list[Device]:
        devices = [self.device(number) for number in card.numbers]
        return [device for device in devices if device.state != DELETED]

    def lock(self, id: bytes) -> QuorumLock:
        """The lock of a card's pocket now: the wallet, the plastic, and the tokens that were not deleted."""
        card = self.card(id)
        return pocket_lock((card.wallet_kid, *(device.key.kid for device in self._speaking(card))))

    def device_row(self, device: Device) -> Row:
        """The row that keeps a device, for a commit with others."""
        return Row(self._devices, _row_id(device.number), device.encode())

    def _put(self, card: Card, *devices: Device) -> None:
        rows = [self.device_row(device) for device in devices]
        self._cabinet.put_many([Row(self._cards, card.id, card.encode()), *rows])

    def _open_card(self, id: bytes, data: bytes) -> Card:
        values: tuple[Any, ...] = _CARD.load(canonical.decode(data), "card")
        return Card(id, *values)


def _row_id(number: str) -> bytes:
    return follow("card device", number.encode())
