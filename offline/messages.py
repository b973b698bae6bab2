"""What two devices say to each other: the messages of both flows, as bytes.

    flow Q (QR, one way each)         flow I (NFC, BLE: both ways)
    REQUEST  payee -> payer           HELLO    payee -> payer     who asks, for how much, how new its trust list is
    BUNDLE   payer -> payee           OFFER    payer -> payee     the lines that would pay, without new transfers
    RECEIPT  payee -> payer           DRAFT    payee -> payer     the invoice, bound to that offer
                                      COMMIT   payer -> payee     only the new transfers
                                      RECEIPT  payee -> payer

Each is a canonical array whose first number says what it is; a BUNDLE and a RECEIPT are those of the protocol itself.
Messages of flow I before the commit carry the 16-byte id of their exchange; from there on, the invoice's id does.
The side whose trust list is newer sends its chain along.

Source: DTO/1, sections 5.4, 5.5 and 5.12 (gossip).
"""

from dataclasses import dataclass
from typing import Any

from cbdc import canonical
from cbdc.errors import Malformed
from cbdc.record import AMOUNT, NONCE, Bytes, Items, Kind, Signed, Unsigned, open_part
from offline.records import (
    CONTAINER_VERSION,
    MAX_TOKENS,
    DeviceCertificate,
    Invoice,
    Receipt,
    SignedTransfer,
    Transfer,
    Trust,
)

REQUEST = 32
HELLO = 33
OFFER = 34
DRAFT = 35
COMMIT = 36
BUNDLE = CONTAINER_VERSION
RECEIPT = Receipt.TYPE

MAX_CHAIN = 64


@dataclass(frozen=True, slots=True)
class Request:
    """REQUEST: an invoice and the certificate of the payee who signed it."""

    invoice: Signed[Invoice]
    payee: Signed[DeviceCertificate]

    def encode(self) -> bytes:
        """The message."""
        return canonical.encode([REQUEST, self.invoice.envelope(), self.payee.envelope()])


@dataclass(frozen=True, slots=True)
class Hello:
    """HELLO: what a payee is about to ask for (tiyn, purpose), and the number of its trust list."""

    session: bytes
    payee: Signed[DeviceCertificate]
    amount_tiyn: int
    purpose: int
    max_parts: int
    max_bytes: int
    trust_sequence: int

    def encode(self) -> bytes:
        """The message."""
        wishes = (self.amount_tiyn, self.purpose, self.max_parts, self.max_bytes, self.trust_sequence)
        return canonical.encode([HELLO, self.session, self.payee.envelope(), *wishes])


@dataclass(frozen=True, slots=True)
class Offer:
    """OFFER: the bytes of the offer (bundle and picks), the payer's trust list number, and its chain if newer."""

    session: bytes
    offer: bytes
    trust_sequence: int
    chain: tuple[Signed[Trust], ...]

    def encode(self) -> bytes:
        """The message."""
        return canonical.encode(
            [OFFER, self.session, self.offer, self.trust_sequence, _envelopes(self.chain)]
        )


@dataclass(frozen=True, slots=True)
class Draft:
    """DRAFT: the invoice that answers an offer, and the payee's trust chain if newer."""

    session: bytes
    invoice: Signed[Invoice]
    chain: tuple[Signed[Trust], ...]

    def encode(self) -> bytes:
        """The message."""
        return canonical.encode([DRAFT, self.session, self.invoice.envelope(), _envelopes(self.chain)])


@dataclass(frozen=True, slots=True)
class Commit:
    """COMMIT: the new transfers of a payment, by part: the one message that must not be lost, and may be repeated."""

    transfers: tuple[SignedTransfer, ...]

    def encode(self) -> bytes:
        """The message."""
        return canonical.encode([COMMIT, _envelopes(self.transfers)])


Message = Request | Hello | Offer | Draft | Commit | Signed[Receipt] | bytes

_ANY: Kind = Unsigned()
_SIZES = {REQUEST: 3, HELLO: 8, OFFER: 5, DRAFT: 4, COMMIT: 2, RECEIPT: 3, BUNDLE: 3}


def open_message(data: bytes, network: bytes, limit_bytes: int) -> Message:
    """The message in `data`; a BUNDLE comes back as its bytes, for `verify_payment` to judge.

    Only structure is checked. Raises E_SIZE, the decoding errors, E_OBJTYPE, E_FIELD, E_TYPE, E_COUNT.
    """
    values: Any = canonical.decode_array(data, limit_bytes)
    kind = values[0] if values else None
    if type(kind) is not int or kind not in _SIZES:
        raise Malformed("E_OBJTYPE", type=str(kind)[:20], expected="a message between devices")
    if len(values) != _SIZES[kind]:
        raise Malformed("E_FIELD", field="message", problem=f"{len(values)} items, not {_SIZES[kind]}")
    if kind == BUNDLE:
        return data
    if kind == RECEIPT:
        return open_part(values, Receipt, network)
    if kind == REQUEST:
        return Request(
            open_part(values[1], Invoice, network), open_part(values[2], DeviceCertificate, network)
        )
    if kind == COMMIT:
        items = _list(values[1], "transfers", 1, MAX_TOKENS)
        return Commit(tuple(open_part(item, Transfer, network) for item in items))
    session = NONCE.load(values[1], "session")
    if kind == HELLO:
        numbers = [_ANY.load(value, "hello") for value in values[4:]]
        return Hello(
            session,
            open_part(values[2], DeviceCertificate, network),
            AMOUNT.load(values[3], "amount"),
            numbers[0],
            Unsigned(1, MAX_TOKENS).load(numbers[1], "parts"),
            *numbers[2:],
        )
    if kind == DRAFT:
        return Draft(session, open_part(values[2], Invoice, network), _chain(values[3], network))
    return Offer(
        session,
        Bytes().load(values[2], "offer"),
        _ANY.load(values[3], "trust sequence"),
        _chain(values[4], network),
    )


def _envelopes(items: tuple[Signed[Any], ...]) -> list[list[int | bytes]]:
    return [item.envelope() for item in items]


def _chain(value: object, network: bytes) -> tuple[Signed[Trust], ...]:
    return tuple(open_part(item, Trust, network) for item in _list(value, "trust chain", 0, MAX_CHAIN))


def _list(value: object, name: str, least: int, most: int) -> tuple[Any, ...]:
    return Items(_Anything(), most=most, least=least).load(value, name)


@dataclass(frozen=True, slots=True)
class _Anything:
    """Any decoded value: what it is, is judged by whoever opens it."""

    def load(self, value: object, name: str) -> object:
        return value
