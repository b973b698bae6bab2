"""Conditional payments: money behind a lock that opens when something else has happened. Pure builders.

    hash lock     until the deadline the payee takes it with the secret; after it the payer takes it back
    two parties   payer and payee together say where it goes
    three         two of buyer, seller and arbiter say where it goes, so no one of them can keep it from the others

**Delivery or payment against payment.** Two legs are locked under one hash, the second with the shorter time. Who made
the secret takes the second leg and shows the secret by that; the other then takes the first leg with it. Either both
legs move or both go back (`check_legs` asks that enough time lies between). The second leg may be a payment on another
ledger, or a delivery in a register outside that knows the same hash.

The ledger enforces all of this (guard G4 opens locks, G7 says who may stand in one: what a hash lock refunds goes back
to who paid into it, and a quorum's first key signs). Locked money stays its payer's for limits, freezes and the supply
table until it is taken. Marked money goes to a plain key only.
"""

import hashlib
from collections.abc import Sequence

from cbdc.errors import Refused
from cbdc.money import check_tiyn
from cbdc.record import HASH
from cbdc.token import HashLock, KeyLock, QuorumLock, Token, TokenId
from cbdc.transaction import SignedTransaction, Transfer

SECRET_BYTES = 32


def hash_of(secret: bytes) -> bytes:
    """The hash under which a secret of 32 bytes locks money."""
    return hashlib.sha256(HASH.load(secret, "secret")).digest()


def hash_lock(digest: bytes, payee: bytes, payer: bytes, deadline: int) -> HashLock:
    """Payee (key id) takes it with the secret until `deadline`, its second included; payer (key id) after it."""
    return HashLock(HASH.load(digest, "hash"), payee, payer, deadline)


def two_party_lock(payer: bytes, payee: bytes) -> QuorumLock:
    """Payer and payee together; the payer counts as holder."""
    return QuorumLock(2, (payer, payee))


def three_party_lock(buyer: bytes, seller: bytes, arbiter: bytes) -> QuorumLock:
    """Any two of the three; the buyer counts as holder."""
    return QuorumLock(2, (buyer, seller, arbiter))


def check_legs(first_deadline: int, second_deadline: int, margin_seconds: int) -> None:
    """E_SWAP_DEADLINES unless the second leg ends at least `margin_seconds` before the first one.

    The first leg is paid by who made the secret. He takes the second leg, shows the secret by that, at the latest
    moment, and the other must still have the margin to take the first.
    """
    if first_deadline - second_deadline < margin_seconds:
        raise Refused(
            "E_SWAP_DEADLINES", first=first_deadline, second=second_deadline, margin_seconds=margin_seconds
        )


def claim(nonce: bytes, identity: TokenId, token: Token, secret: bytes) -> Transfer:
    """The payee takes a hash-locked token with the secret; signed by the lock's claim key. E_LOCK_KIND."""
    lock = token.lock
    if not isinstance(lock, HashLock):
        raise _wrong_lock(identity)
    output = Token(token.amount_tiyn, KeyLock(lock.claim), token.mark)
    return Transfer(nonce, (identity,), (output,), preimages=(secret,))


def refund(nonce: bytes, identity: TokenId, token: Token) -> Transfer:
    """The payer takes a hash-locked token back after its deadline; signed by the lock's refund key. E_LOCK_KIND."""
    lock = token.lock
    if not isinstance(lock, HashLock):
        raise _wrong_lock(identity)
    return Transfer(nonce, (identity,), (Token(token.amount_tiyn, KeyLock(lock.refund), token.mark),))


def release(nonce: bytes, identity: TokenId, token: Token, shares: Sequence[tuple[bytes, int]]) -> Transfer:
    """A quorum's token goes to these key ids, in these shares (tiyn, all of it); signed by enough of its keys.

    Raises E_LOCK_KIND, E_SUM_LEDGER when the shares are not the whole.
    """
    if not isinstance(token.lock, QuorumLock):
        raise _wrong_lock(identity)
    outputs = tuple(
        Token(check_tiyn(amount, at_least=1), KeyLock(kid), token.mark) for kid, amount in shares if amount
    )
    total = sum(output.amount_tiyn for output in outputs)
    if total != token.amount_tiyn:
        raise Refused("E_SUM_LEDGER", inputs_tiyn=token.amount_tiyn, outputs_tiyn=total)
    return Transfer(nonce, (identity,), outputs)


def secret_shown(transaction: SignedTransaction, digest: bytes) -> bytes | None:
    """The secret that a transfer in the journal shows for a hash, or None: how the other leg's payee learns it."""
    record = transaction.record
    shown = record.preimages if isinstance(record, Transfer) else ()
    return next((secret for secret in shown if hashlib.sha256(secret).digest() == digest), None)


def _wrong_lock(identity: TokenId) -> Refused:
    return Refused("E_LOCK_KIND", transaction_id=identity.transaction_id, output=identity.output)
