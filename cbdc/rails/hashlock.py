"""Hash locks for payment against payment: make one, look at one, open it with the secret, take it back.

A lock is output 0 of a plain transfer (`cbdc.token.HashLock`). Who can spend it is the ledger's decision alone: until
the deadline whoever has the claim key and shows the preimage, afterwards the refund key. Transactions that spend it can
be signed before it is sent, because ids are known before: so a payer hands its bank the lock **and** the two ways out.
"""

import hashlib
from collections.abc import Sequence
from typing import Protocol

from cbdc.cabinet import follow_nonce
from cbdc.errors import Refused
from cbdc.gateway import Gateway
from cbdc.keys import Signer
from cbdc.token import HashLock, KeyLock, Token, TokenId
from cbdc.transaction import SignedTransaction, Transfer, sign_transaction

SECRET_BYTES = 32


class Journal(Gateway, Protocol):
    """A ledger with its journal; `cbdc.ledger.ledger.Ledger` fits it."""

    @property
    def size(self) -> int:
        """How many entries there are."""
        ...

    def transaction(self, index: int) -> SignedTransaction:
        """The transaction of entry `index`, from 1."""
        ...


def hash_of(secret: bytes) -> bytes:
    """The hash under which a secret locks."""
    return hashlib.sha256(secret).digest()


def make_lock(
    id: bytes,
    network: bytes,
    signer: Signer,
    tokens: Sequence[tuple[TokenId, int]],
    amount_tiyn: int,
    lock: HashLock,
) -> SignedTransaction:
    """The transfer that locks `amount_tiyn` out of the tokens (id, amount) of one key; change goes back to the key.

    Its nonce follows from `id`. The tokens must cover the amount: E_FUNDS.
    """
    total = sum(amount for _, amount in tokens)
    if total < amount_tiyn:
        raise Refused("E_FUNDS", available_tiyn=total, amount_tiyn=amount_tiyn)
    outputs = [Token(amount_tiyn, lock)]
    if total > amount_tiyn:
        outputs.append(Token(total - amount_tiyn, KeyLock(signer.public.kid)))
    inputs = tuple(identity for identity, _ in tokens)
    return sign_transaction(Transfer(follow_nonce("lock", id), inputs, tuple(outputs)), network, [signer])


def lock_id(lock: bytes) -> TokenId:
    """The token that the locking transaction with this id makes."""
    return TokenId(lock, 0)


def spend_lock(
    label: str,
    network: bytes,
    signer: Signer,
    lock: bytes,
    amount_tiyn: int,
    payee: bytes,
    secret: bytes = b"",
) -> SignedTransaction:
    """The transfer of all of a lock to the key `payee`: a claim with the secret, a refund without.

    `label` says what for; the nonce follows from it and from the lock.
    """
    record = Transfer(
        follow_nonce(label, lock),
        (lock_id(lock),),
        (Token(amount_tiyn, KeyLock(payee)),),
        preimages=(secret,) if secret else (),
    )
    return sign_transaction(record, network, [signer])


def check_lock(gateway: Gateway, lock: bytes, wanted: HashLock, amount_tiyn: int) -> None:
    """Return if the unspent token of `lock` is just what was agreed; E_RAILS_LOCK otherwise."""
    token = gateway.token(lock_id(lock))
    if token is None or token.mark or (token.lock, token.amount_tiyn) != (wanted, amount_tiyn):
        raise Refused("E_RAILS_LOCK", lock=lock)


def is_unspent(gateway: Gateway, lock: bytes) -> bool:
    """Whether the money still lies behind the lock."""
    return gateway.token(lock_id(lock)) is not None


def spender_of(journal: Journal, lock: bytes) -> Transfer | None:
    """The transfer that spent a lock, as the journal shows it to everybody; None while nobody has (or for no lock)."""
    made = journal.find(lock)
    if made is None or is_unspent(journal, lock):
        return None
    for index in range(made.index + 1, journal.size):
        record = journal.transaction(index).record
        if lock_id(lock) in record.spends:
            return record if isinstance(record, Transfer) else None
    return None


def secret_in(record: Transfer, digest: bytes) -> bytes:
    """The preimage of `digest` that a transfer shows, empty when it shows none."""
    return next((secret for secret in record.preimages if hash_of(secret) == digest), b"")
