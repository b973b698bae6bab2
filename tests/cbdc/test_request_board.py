"""What counts as paying a request: free money behind the payee's key alone, whatever else the transaction does."""

from types import SimpleNamespace
from typing import Any

import pytest

from cbdc.cabinet import MemoryCabinet
from cbdc.errors import TengeError
from cbdc.keys import ED25519, SoftwareKey
from cbdc.orders import HolderProof
from cbdc.ports import ManualClock
from cbdc.record import sign
from cbdc.request_board import PAID, RequestBoard, RequestToPay, paid_purpose
from cbdc.token import KeyLock, QuorumLock, Token, TokenId
from cbdc.transaction import SignedTransaction, Transfer, sign_transaction

NETWORK = bytes(range(8))
LINK = b"\1" * 32
PAYER, PAYEE = (SoftwareKey(ED25519, bytes([number]) * 32) for number in (3, 4))
MARK = b"\7" * 32
MINE, THEIRS = KeyLock(PAYEE.public.kid), KeyLock(PAYER.public.kid)
BOTH = QuorumLock(1, tuple(sorted((PAYEE.public.kid, PAYER.public.kid))))


class OneTransaction:
    """A ledger that knows two keys and one transaction, which came after the request."""

    network = NETWORK
    size = 5

    def __init__(self, transaction: SignedTransaction) -> None:
        self._transaction = transaction

    def registered(self, kid: bytes) -> Any:
        known = {key.public.kid: key.public for key in (PAYER, PAYEE)}
        return SimpleNamespace(key=known[kid], successor=b"", pseudonym=kid) if kid in known else None

    def find(self, transaction_id: bytes) -> Any:
        return SimpleNamespace(index=5, time=100) if transaction_id == self._transaction.id else None

    def transaction(self, index: int) -> SignedTransaction:
        return self._transaction


def state_after(outputs: tuple[Token, ...], amount_tiyn: int) -> str:
    """The state of a request for an amount, after a transfer with these outputs was named; or the refusal's code."""
    transfer = Transfer(bytes(16), (TokenId(bytes(32), 0),), outputs)
    transaction = sign_transaction(transfer, NETWORK, [PAYER])
    gateway: Any = OneTransaction(transaction)
    board = RequestBoard(gateway, MemoryCabinet(), ManualClock(100))
    board.post(sign(RequestToPay(LINK, PAYEE.public.kid, amount_tiyn, "", 90, 0), NETWORK, PAYEE))
    purpose = paid_purpose(LINK, transaction.id)
    word = sign(HolderProof(PAYER.public.kid, purpose, 0, bytes(16)), NETWORK, PAYER)
    try:
        return board.mark_paid(LINK, transaction.id, word).state
    except TengeError as refusal:
        return refusal.code


@pytest.mark.parametrize(
    ("outputs", "amount_tiyn", "state"),
    [
        ((Token(500, MINE),), 500, PAID),
        ((Token(500, MINE), Token(9, THEIRS)), 500, PAID),
        ((Token(200, MINE), Token(300, MINE)), 500, PAID),
        ((Token(500, MINE), Token(500, MINE, MARK)), 500, PAID),
        ((Token(1, MINE),), 0, PAID),
        ((Token(500, MINE, MARK),), 500, "E_REQUEST_PAYMENT"),
        ((Token(200, MINE), Token(300, MINE, MARK)), 500, "E_REQUEST_PAYMENT"),
        ((Token(500, BOTH),), 500, "E_REQUEST_PAYMENT"),
        ((Token(500, THEIRS),), 500, "E_REQUEST_PAYMENT"),
        ((Token(499, MINE),), 500, "E_REQUEST_PAYMENT"),
        ((Token(501, MINE),), 500, "E_REQUEST_PAYMENT"),
        ((Token(500, THEIRS),), 0, "E_REQUEST_PAYMENT"),
        ((Token(500, MINE, MARK),), 0, "E_REQUEST_PAYMENT"),
    ],
)
def test_what_pays_a_request(outputs: tuple[Token, ...], amount_tiyn: int, state: str) -> None:
    assert state_after(outputs, amount_tiyn) == state
