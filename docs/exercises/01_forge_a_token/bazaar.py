"""The Green Bazaar in Almaty: the world of this exercise.

Shygaibai is rich and has never given anybody anything. You are Aldar Kose, who has talked many a miser out of his
money; this time you try it without talking. Both have a wallet at the same bank, both keys are registered, and the
ledger behind `submit` is the real one, with all its guards.

    bazaar = Bazaar(seed=7)
    bazaar.your_tokens()        [(token id, token)...] that your key holds
    bazaar.submit(data)         a receipt, or the refusal raised
"""

import random
from collections.abc import Sequence

from cbdc.errors import TengeError
from cbdc.keys import SoftwareKey
from cbdc.ledger.entry import Receipt
from cbdc.ports import SeededEntropy
from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import Transfer, sign_transaction
from wallets.sandbox import Sandbox


class Bazaar:
    """One morning at the bazaar; the same seed gives the same morning.

    network     eight bytes that every signature is bound to
    you         your signer; `you.public.kid` is your key id
    baker       the key id of Zylikha, who sells bread: an honest payee
    waiting     a payment of Shygaibai's to you, signed and still on its way to the ledger: bytes
    settled     a payment of yours to the baker, which the ledger has booked: bytes
    spent       the token that `settled` spent
    """

    # What an answer sees of it when it is graded, and what it may ask.
    SHOWN = ("network", "you", "baker", "waiting", "settled", "spent")
    CALLS = ("nonce", "your_tokens", "misers_tokens", "submit", "issued_tiyn", "journal_size")

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._entropy = SeededEntropy(seed)
        self._sandbox = Sandbox.in_memory(seed)
        self._sandbox.issue(tenge=500_000)
        self._ledger = self._sandbox.system.ledger
        aldar, shygaibai, zylikha = (
            self._sandbox.person(name, deposit_tenge=100_000, device=False)
            for name in ("Aldar Kose", "Shygaibai", "Zylikha")
        )
        for member in (aldar, aldar, aldar, shygaibai, shygaibai):
            self._sandbox.buy_once(member, tenge=self._chance.randrange(1_000, 9_000))
        for _ in range(self._chance.randrange(1, 12)):
            self._sandbox.pay_once(shygaibai, zylikha, tenge=self._chance.randrange(1, 90))
        self.network: bytes = self._ledger.network
        self.you: SoftwareKey = aldar.wallet.signer
        self.baker: bytes = zylikha.wallet.kid
        self._miser = shygaibai.wallet.signer
        self.submitted: list[tuple[bytes, Receipt | TengeError]] = []
        self.waiting: bytes = self._payment(self._miser, self.you.public.kid)
        self.settled: bytes = self._payment(self.you, self.baker)
        self.spent: TokenId = self.your_tokens()[0][0]
        self._ledger.submit(self.settled)

    def _payment(self, payer: SoftwareKey, payee: bytes) -> bytes:
        identity, token = self._ledger.owned(payer.public.kid)[0]
        paid = self._chance.randrange(token.amount_tiyn // 4, token.amount_tiyn // 2)
        outputs = (
            Token(paid, KeyLock(payee)),
            Token(token.amount_tiyn - paid, KeyLock(payer.public.kid)),
        )
        record = Transfer(self.nonce("payment", payer.public.kid), (identity,), outputs)
        return sign_transaction(record, self.network, [payer]).encode()

    def nonce(self, *parts: str | bytes) -> bytes:
        """Sixteen bytes that make a transaction's id its own; other parts, other bytes."""
        data = b"/".join(part if isinstance(part, bytes) else part.encode() for part in parts)
        return self._entropy.bytes("nonce", data, 16)

    def your_tokens(self) -> Sequence[tuple[TokenId, Token]]:
        """What your key holds."""
        return self._ledger.owned(self.you.public.kid)

    def misers_tokens(self) -> Sequence[tuple[TokenId, Token]]:
        """What Shygaibai's key holds. The ledger's owner and its auditors see this; a thief might too."""
        return self._ledger.owned(self._miser.public.kid)

    def submit(self, data: bytes) -> Receipt:
        """Hand a transaction to the ledger: its receipt, or its refusal raised."""
        try:
            receipt = self._ledger.submit(data)
        except TengeError as error:
            self.submitted.append((data, error))
            raise
        self.submitted.append((data, receipt))
        return receipt

    def issued_tiyn(self) -> int:
        """How much money was ever issued: what a forger would like to change."""
        return self._sandbox.supply().issued_tiyn

    def journal_size(self) -> int:
        """How many entries the ledger's journal has."""
        return self._ledger.size
