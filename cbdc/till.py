"""A till: an institution's own free tokens, paid out in a chain of transfers.

An institution pays many customers at once from few tokens. Each payment's change is the next payment's money: ids are
known before anything is sent, so a whole chain can be signed, written down and committed as one group. If one link is
refused, those behind it that needed its change are refused with E_TOKEN_SPENT, and are simply planned again.

Only free tokens behind the institution's single key belong to the till; marked money never does.
"""

from collections.abc import Sequence
from typing import NamedTuple

from cbdc.cabinet import follow_nonce
from cbdc.errors import Refused, TengeError
from cbdc.gateway import Gateway
from cbdc.keys import Signer
from cbdc.selection import choose
from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import SignedTransaction, Transfer, sign_transaction

MOST_TOKENS = 128
MERGED_AT_ONCE = 200


class Payout(NamedTuple):
    """One payment from a till: the nonce that makes its id, what it creates, and a mark's definition to send along."""

    nonce: bytes
    outputs: tuple[Token, ...]
    definition: bytes = b""

    @property
    def amount_tiyn(self) -> int:
        """What it takes from the till."""
        return sum(token.amount_tiyn for token in self.outputs)


class Till:
    """The free tokens of one key. `name` says whose till it is, in refusals."""

    def __init__(self, gateway: Gateway, signer: Signer, name: str) -> None:
        self._gateway = gateway
        self._signer = signer
        self.name = name

    @property
    def kid(self) -> bytes:
        """The key that holds the tokens."""
        return self._signer.public.kid

    @property
    def signer(self) -> Signer:
        """The key's signer."""
        return self._signer

    def tokens(self) -> list[tuple[TokenId, int]]:
        """The free tokens and their amounts."""
        lock = KeyLock(self.kid)
        return [
            (identity, token.amount_tiyn)
            for identity, token in self._gateway.owned(self.kid)
            if not token.mark and token.lock == lock
        ]

    def available_tiyn(self) -> int:
        """What the till can pay."""
        return sum(amount for _, amount in self.tokens())

    def chain(self, payouts: Sequence[Payout]) -> list[SignedTransaction | TengeError]:
        """A signed transfer for each payout, in order, each able to spend the change of those before it.

        A payout that the till cannot cover gets E_TILL instead; the others go on without it.
        """
        self.tidy()
        pool = self.tokens()
        planned: list[SignedTransaction | TengeError] = []
        for payout in payouts:
            try:
                transaction, pool = self._link(pool, payout)
                planned.append(transaction)
            except TengeError as refusal:
                planned.append(refusal)
        return planned

    def choose(self, pool: list[tuple[TokenId, int]], amount_tiyn: int) -> tuple[tuple[TokenId, ...], int]:
        """Tokens that cover the amount, and their change; E_TILL when the till has too little."""
        available = sum(amount for _, amount in pool)
        if available < amount_tiyn:
            raise Refused("E_TILL", till=self.name, available_tiyn=available, amount_tiyn=amount_tiyn)
        choice = choose(pool, amount_tiyn)
        return choice.chosen, choice.change_tiyn

    def _link(
        self, pool: list[tuple[TokenId, int]], payout: Payout
    ) -> tuple[SignedTransaction, list[tuple[TokenId, int]]]:
        chosen, change_tiyn = self.choose(pool, payout.amount_tiyn)
        outputs = payout.outputs
        if change_tiyn:
            outputs = (*outputs, Token(change_tiyn, KeyLock(self.kid)))
        record = Transfer(payout.nonce, chosen, outputs, payout.definition)
        transaction = sign_transaction(record, self._gateway.network, [self._signer])
        left = [pair for pair in pool if pair[0] not in chosen]
        if change_tiyn:
            left.append((TokenId(transaction.id, len(payout.outputs)), change_tiyn))
        return transaction, left

    def tidy(self) -> None:
        """Melt small tokens together while there are too many to choose from; a payment to oneself, nothing more."""
        while len(tokens := self.tokens()) > MOST_TOKENS:
            smallest = sorted(tokens, key=lambda pair: (pair[1], pair[0]))[:MERGED_AT_ONCE]
            inputs = tuple(sorted(identity for identity, _ in smallest))
            amount = sum(amount for _, amount in smallest)
            named = b"".join(identity.transaction_id + bytes([identity.output]) for identity in inputs)
            record = Transfer(follow_nonce("tidy", named), inputs, (Token(amount, KeyLock(self.kid)),))
            self._gateway.submit(sign_transaction(record, self._gateway.network, [self._signer]).encode())
