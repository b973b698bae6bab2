"""A card's pocket: the card holder's digital tenge that the card may spend, and how the chip signs for it.

**Nobody spends a customer's digital tenge without a key of the customer.** So a card is not a promise of the bank to
look into a wallet. The pocket is a set of tokens behind a lock that any of the customer's own keys opens:

    one of [wallet key, chip of the plastic, device tokens...]

The wallet's key stands first: the pocket counts as the wallet's, in limits, freezes and the supply table, and the
customer empties it without the card. At a till the chip signs a **transfer of this very payment**: from the pocket to
the bank (or straight to a merchant that takes digital tenge), change back to the pocket. That signed transfer is the
cryptogram of the message: nothing else has to be believed. Its nonce follows from what is bought (the counter, the
terminal, the trace number, the amount), so a signature made for one purchase is no signature for another.

A chip has no network. It learns which tokens its pocket has from a **pocket note** that the bank signs and that comes
back with an answer, and it asks for one (`PocketQuestion`) when it knows too little.
"""

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from cbdc.cabinet import follow_nonce
from cbdc.cards.message import Message
from cbdc.errors import Refused, TengeError
from cbdc.gateway import Gateway
from cbdc.keys import PublicKey, Signer
from cbdc.record import (
    AMOUNT,
    HASH,
    HASH_OR_NONE,
    NONCE,
    ONLINE_DOMAIN,
    Group,
    Items,
    Kind,
    Record,
    Text,
    Unsigned,
)
from cbdc.token import KeyLock, QuorumLock, Token, TokenId
from cbdc.transaction import MAX_OUTPUTS, SignedTransaction, Transfer, open_transaction, sign_transaction

MOST_TOKENS = 6  # so that a signed transfer fits into field 55
MOST_KEYS = 4  # the wallet, the plastic, two phones or watches

_POCKET = Items(Group((HASH, Unsigned(0, MAX_OUTPUTS - 1), AMOUNT, HASH_OR_NONE)), most=MOST_TOKENS)


class PocketToken(NamedTuple):
    """A token in a pocket: which, how much, of which mark (empty: free money)."""

    transaction_id: bytes
    output: int
    amount_tiyn: int
    mark: bytes

    @property
    def id(self) -> TokenId:
        """Which token."""
        return TokenId(self.transaction_id, self.output)


@dataclass(frozen=True, slots=True)
class PocketNote(Record):
    """The bank tells a chip what its pocket has (at most `MOST_TOKENS`, the largest), at that `counter` of the chip.

    `lock` names the keys of the pocket, for the change.
    """

    number: str
    counter: int
    lock: tuple[bytes, ...]
    rows: tuple[tuple[bytes, int, int, bytes], ...]

    TYPE: ClassVar[int] = 96
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (
        Text(19),
        Unsigned(),
        Items(HASH, most=MOST_KEYS, least=2),
        _POCKET,
    )

    @property
    def tokens(self) -> list[PocketToken]:
        """The tokens it tells."""
        return [PocketToken(*row) for row in self.rows]


@dataclass(frozen=True, slots=True)
class PocketQuestion(Record):
    """A chip asks what its pocket has. `binding` follows from the message that carries it."""

    number: str
    counter: int
    binding: bytes

    TYPE: ClassVar[int] = 97
    DOMAIN: ClassVar[bytes] = ONLINE_DOMAIN
    SCHEMA: ClassVar[tuple[Kind, ...]] = (Text(19), Unsigned(1), NONCE)


def pocket_lock(kids: tuple[bytes, ...]) -> QuorumLock:
    """The lock of a pocket: any one of these keys, the wallet's first."""
    return QuorumLock(1, kids)


def is_pocket(token: Token, wallet_kid: bytes, device_kid: bytes = b"") -> bool:
    """Whether a token lies in a pocket of this wallet (that the device can open)."""
    lock = token.lock
    return (
        isinstance(lock, QuorumLock)
        and lock.threshold == 1
        and lock.kids[0] == wallet_kid
        and (not device_kid or device_kid in lock.kids)
    )


def tokens_in(gateway: Gateway, wallet_kid: bytes, device_kid: bytes = b"") -> list[PocketToken]:
    """What the ledger says is in the pocket, largest first."""
    found = [
        PocketToken(identity.transaction_id, identity.output, token.amount_tiyn, token.mark)
        for identity, token in gateway.owned(wallet_kid)
        if is_pocket(token, wallet_kid, device_kid)
    ]
    return sorted(found, key=lambda token: (-token.amount_tiyn, token.id))


def binding_of(message_fields: dict[int, str], counter: int) -> bytes:
    """The 16 bytes that tie a signature to one message and one count of the chip."""
    parts = [counter.to_bytes(8, "big")]
    parts += [message_fields.get(number, "").encode() for number in (2, 3, 4, 11, 12, 32, 37, 41, 42, 48)]
    return follow_nonce("card cryptogram", *parts)


def sign_payment(
    signer: Signer,
    network: bytes,
    note: PocketNote,
    payee_kid: bytes,
    amount_tiyn: int,
    nonce: bytes,
    mark: bytes = b"",
) -> SignedTransaction:
    """The chip's transfer: `amount_tiyn` from the pocket to `payee_kid`, change back. E_CARD_FUNDS by what it knows.

    It takes every token of the mark that it knows, so the pocket becomes one token.
    """
    tokens = [token for token in note.tokens if token.mark == mark]
    total = sum(token.amount_tiyn for token in tokens)
    if total < amount_tiyn:
        raise Refused("E_CARD_FUNDS", available_tiyn=total, amount_tiyn=amount_tiyn)
    outputs = [Token(amount_tiyn, KeyLock(payee_kid), mark)]
    if total > amount_tiyn:
        outputs.append(Token(total - amount_tiyn, pocket_lock(note.lock), mark))
    inputs = tuple(sorted(token.id for token in tokens))
    return sign_transaction(Transfer(nonce, inputs, tuple(outputs)), network, [signer])


class Shown(NamedTuple):
    """What a chip showed in field 55: its counter and the signed transfer or question. Six bytes of counter first."""

    counter: int
    data: bytes

    def encode(self) -> bytes:
        """Field 55 of a request."""
        return self.counter.to_bytes(6, "big") + self.data


def open_shown(data: bytes) -> Shown:
    """What stands in field 55; whoever reads it judges the rest."""
    return Shown(int.from_bytes(data[:6], "big"), data[6:])


def check_payment(
    message: Message, shown: Shown, key: PublicKey, lock: QuorumLock, payee_kid: bytes, network: bytes
) -> SignedTransaction:
    """The card holder's transfer in a message: signed by `key`, this amount to this payee, change to the pocket.

    E_CARD_CRYPTOGRAM for anything else; E_CARD_POCKET when only the change goes to keys that the pocket no longer has.
    It asks nothing of the ledger, so it says nothing of whether the tokens are there; see also `bound_to`.
    """
    wrong = Refused("E_CARD_CRYPTOGRAM", counter=shown.counter)
    try:
        signed = open_transaction(shown.data, network)
        key.verify(dict(signed.witnesses).get(key.kid, b""), signed.message)
    except TengeError:
        raise wrong from None
    record = signed.record
    if not isinstance(record, Transfer) or len(signed.witnesses) != 1:
        raise wrong
    if record.definition or record.preimages or record.lines or record.documents:
        raise wrong
    paid, *change = record.outputs
    if (
        paid.lock != KeyLock(payee_kid)
        or paid.amount_tiyn != message.amount_tiyn
        or len(change) > 1
        or len(record.inputs) > MOST_TOKENS
    ):
        raise wrong
    if any(token.lock != lock for token in change):
        raise Refused("E_CARD_POCKET", counter=shown.counter)
    return signed


def bound_to(message: Message, shown: Shown, signed: SignedTransaction) -> bool:
    """Whether the transfer was signed for this message and this count, and no other."""
    return signed.record.nonce == binding_of(dict(message.fields), shown.counter)
