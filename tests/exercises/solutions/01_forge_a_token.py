"""A solution of exercise 1. Students: this is where the fun ends."""

from collections.abc import Mapping
from dataclasses import replace

from bazaar import Bazaar

from cbdc import canonical
from cbdc.errors import TengeError
from cbdc.keys import ED25519, key_id, public_key
from cbdc.token import PERSON, KeyLock, Token, TokenId
from cbdc.transaction import Issue, RegisterKey, Transaction, Transfer, open_transaction, sign_transaction


def wire(record: Transaction, witnesses: tuple[tuple[bytes, bytes], ...]) -> bytes:
    """A transaction's bytes with any signatures."""
    return canonical.encode([record.TYPE, record.body(), witnesses])


def refusal(bazaar: Bazaar, data: bytes) -> tuple[str, str]:
    """What the ledger says."""
    try:
        bazaar.submit(data)
    except TengeError as error:
        return error.code, error.rule
    return "", ""


def _pay_yourself(bazaar: Bazaar, inputs: tuple[TokenId, ...], amount_tiyn: int) -> tuple[str, str]:
    outputs = (Token(amount_tiyn, KeyLock(bazaar.you.public.kid)),)
    record = Transfer(bazaar.nonce("forged", str(amount_tiyn)), inputs, outputs)
    return refusal(bazaar, sign_transaction(record, bazaar.network, [bazaar.you]).encode())


def change_the_amount(bazaar: Bazaar) -> tuple[str, str]:
    """E_SIG: the signature is over the id, and the id over every byte of the body."""
    waiting = open_transaction(bazaar.waiting, bazaar.network)
    mine, change = waiting.record.creates
    moved = change.amount_tiyn - 1
    outputs = (replace(mine, amount_tiyn=mine.amount_tiyn + moved), replace(change, amount_tiyn=1))
    return refusal(bazaar, wire(replace(waiting.record, outputs=outputs), waiting.witnesses))


def invent_a_token(bazaar: Bazaar) -> tuple[str, str]:
    """E_TOKEN_SPENT: nothing is there under this id."""
    return _pay_yourself(bazaar, (TokenId(bytes(32), 0),), 100_000)


def spend_again(bazaar: Bazaar) -> tuple[str, str]:
    """E_TOKEN_SPENT: nothing is there any more."""
    outputs = open_transaction(bazaar.settled, bazaar.network).record.creates
    return _pay_yourself(bazaar, (bazaar.spent,), sum(token.amount_tiyn for token in outputs))


def take_anothers_token(bazaar: Bazaar) -> tuple[str, str]:
    """E_LOCKED: a right signature of the wrong key."""
    identity, token = bazaar.misers_tokens()[0]
    return _pay_yourself(bazaar, (identity,), token.amount_tiyn)


def make_more_of_it(bazaar: Bazaar) -> tuple[str, str]:
    """E_SUM_LEDGER."""
    identity, token = bazaar.your_tokens()[0]
    return _pay_yourself(bazaar, (identity,), token.amount_tiyn + 1)


def count_it_twice(bazaar: Bazaar) -> tuple[str, str]:
    """E_INPUT_TWICE."""
    identity, token = bazaar.your_tokens()[0]
    return _pay_yourself(bazaar, (identity, identity), 2 * token.amount_tiyn)


def issue_without_officers(bazaar: Bazaar) -> tuple[str, str]:
    """E_QUORUM: no officer signed."""
    outputs = (Token(100_000, KeyLock(bazaar.you.public.kid)),)
    record = Issue(bazaar.nonce("issue"), bytes(32), outputs)
    return refusal(bazaar, sign_transaction(record, bazaar.network, [bazaar.you]).encode())


def key_of_small_order(bazaar: Bazaar) -> tuple[str, str]:
    """E_KEY: such points are no keys."""
    point = b"\1" + bytes(31)
    record = RegisterKey(bazaar.nonce("key"), ED25519, point, 1, 2, PERSON, bytes(32))
    return refusal(bazaar, wire(record, ((key_id(ED25519, point), point + bytes(32)),)))


def replay(bazaar: Bazaar) -> int:
    """The receipt of the first time: an id is booked once, and answers the same for ever."""
    return bazaar.submit(bazaar.settled).index


class Forged(Exception):
    """No payment to be booked."""


def accept(
    data: bytes,
    network: bytes,
    keys: Mapping[bytes, tuple[int, bytes]],
    unspent: Mapping[TokenId, Token],
) -> None:
    """Guards G1 to G6, for payments between single keys."""
    payment = open_transaction(data, network)
    record = payment.record
    if not isinstance(record, Transfer):
        raise Forged("it is no payment")
    for kid, signature in payment.witnesses:
        if kid not in keys:
            raise Forged("nobody knows a key that signed")
        public_key(*keys[kid]).verify(signature, payment.message)
    signers = {kid for kid, _ in payment.witnesses}
    inputs = []
    for identity in record.inputs:
        token = unspent.get(identity)
        if token is None:
            raise Forged("a token is not there to spend")
        if token.lock.holder not in signers:
            raise Forged("a token's owner did not sign")
        inputs.append(token)
    if any(kid not in keys for token in record.outputs for kid in token.lock.kids):
        raise Forged("nobody knows a payee's key")
    if sum(token.amount_tiyn for token in inputs) != sum(token.amount_tiyn for token in record.outputs):
        raise Forged("the sums differ")
    if len({token.mark for token in (*inputs, *record.outputs)}) != 1:
        raise Forged("a mark is lost, changed or mixed")
