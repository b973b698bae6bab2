"""A purse: how a party of the corridor moves its own digital tenge, under ids that follow from what it does.

A transfer is built once for an id, written down, and only then sent, so the same id gives the same bytes after a
crash. If the tokens it chose are gone before it was accepted, it can never be accepted, and it is built anew.

Only free tokens that the purse's locks open are touched: **marked money never leaves here**, and so never enters the
corridor. A purse holds the keys of one party; the institutions of the corridor only get the finished bytes.
"""

from collections.abc import Callable, Sequence

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow, follow_nonce
from cbdc.errors import Refused
from cbdc.gateway import Gateway
from cbdc.keys import Signer
from cbdc.ledger.entry import Receipt
from cbdc.record import HASH, Bytes, Group, Unsigned
from cbdc.selection import choose
from cbdc.token import KeyLock, Lock, Token, TokenId
from cbdc.transaction import SignedTransaction, Transfer, open_transaction, sign_transaction

_ROW = Group((HASH, Unsigned(1), Bytes()))
MOST_TOKENS = 200


class Purse:
    """The free tokens behind one lock, and the signers that open it. Without a lock: the first signer's key."""

    def __init__(
        self, gateway: Gateway, cabinet: Cabinet, signers: Sequence[Signer], lock: Lock | None = None
    ) -> None:
        self._gateway = gateway
        self._cabinet = cabinet
        self._signers = list(signers)
        self.lock: Lock = lock or KeyLock(self._signers[0].public.kid)
        self._drawer = f"purse {self.kid.hex()}"

    @property
    def kid(self) -> bytes:
        """The key id that counts as holder."""
        return self.lock.holder

    def tokens(self) -> list[tuple[TokenId, int]]:
        """The free tokens behind the lock, and their amounts."""
        return [
            (identity, token.amount_tiyn)
            for identity, token in self._gateway.owned(self.kid)
            if not token.mark and token.lock == self.lock
        ]

    def available_tiyn(self) -> int:
        """What it can pay."""
        return sum(amount for _, amount in self.tokens())

    def pay(self, id: bytes, outputs: Sequence[Token]) -> bytes:
        """The signed transfer that creates `outputs` and gives the change back; written down, not sent.

        Raises E_FUNDS, E_FUNDS_SCATTERED, or E_ID_REUSED when the id stands for other outputs.
        """

        def build(nonce: bytes) -> Transfer:
            choice = choose(self.tokens(), sum(token.amount_tiyn for token in outputs), MOST_TOKENS)
            change = (Token(choice.change_tiyn, self.lock),) if choice.change_tiyn else ()
            return Transfer(nonce, choice.chosen, (*outputs, *change))

        content = canonical.encode([token.wire() for token in outputs])
        return self._once(id, follow("purse pays", content), build)

    def spend(
        self, id: bytes, inputs: Sequence[TokenId], outputs: Sequence[Token], preimages: Sequence[bytes] = ()
    ) -> bytes:
        """The signed transfer of these very tokens (a hash lock claimed or taken back); written down, not sent."""

        def build(nonce: bytes) -> Transfer:
            return Transfer(nonce, tuple(inputs), tuple(outputs), b"", tuple(preimages))

        content = canonical.encode([list(item) for item in inputs])
        return self._once(id, follow("purse spends", content), build, again=False)

    def send(self, transaction: bytes) -> Receipt:
        """Hand a transfer to the ledger; its refusal raised."""
        return self._gateway.submit(transaction)

    def sent(self, id: bytes) -> Receipt | None:
        """The receipt of the payment with this id, if the ledger has taken it."""
        data = self._cabinet.get(self._drawer, HASH.load(id, "payment id"))
        if data is None:
            return None
        _, _, transaction = _ROW.load(canonical.decode(data, canonical.MAX_MESSAGE_BYTES), "payment")
        return self._gateway.find(open_transaction(transaction, self._gateway.network).id)

    def _once(
        self, id: bytes, content: bytes, build: Callable[[bytes], Transfer], again: bool = True
    ) -> bytes:
        known = self._cabinet.get(self._drawer, HASH.load(id, "payment id"))
        attempt = 1
        if known is not None:
            before, attempt, data = _ROW.load(canonical.decode(known, canonical.MAX_MESSAGE_BYTES), "payment")
            if before != content:
                raise Refused("E_ID_REUSED", id=id)
            if not again or not self._gone(open_transaction(data, self._gateway.network)):
                return bytes(data)
            attempt += 1
        record = build(follow_nonce("purse", self.kid, id, attempt.to_bytes(8, "big")))
        data = sign_transaction(record, self._gateway.network, self._signers).encode()
        self._cabinet.put_many([Row(self._drawer, id, canonical.encode([content, attempt, data]))])
        return data

    def _gone(self, transaction: SignedTransaction) -> bool:
        """Whether it was not accepted and never can be, because a token it spends is gone."""
        if self._gateway.find(transaction.id) is not None:
            return False
        return any(self._gateway.token(identity) is None for identity in transaction.record.spends)
