"""Conditional payments of a wallet: lock, take, take back, release. Each is an intent that is saved before it is sent.

The builders stand in `cbdc.conditional`; here a wallet chooses its tokens for a lock, finds a locked token on the
ledger, and signs what opens it. The same id gives the same transaction and the same answer, so a wallet that was
killed anywhere repeats the call. A lock's token is no token of a wallet: it comes in when it is taken.
"""

from collections.abc import Callable, Sequence

from cbdc import conditional
from cbdc.errors import Refused
from cbdc.gateway import Gateway
from cbdc.keys import Signer
from cbdc.ports import Clock
from cbdc.token import Lock, Token, TokenId
from cbdc.transaction import Transfer, open_transaction
from wallets.store import Intent, WalletStore
from wallets.wallet import Directory, Wallet, send_one

Build = Callable[[bytes, Token], Transfer]


class Deals:
    """Locks and what opens them, for the wallets of one store."""

    def __init__(self, store: WalletStore, gateway: Gateway, directory: Directory, clock: Clock) -> None:
        self._store = store
        self._gateway = gateway
        self._directory = directory
        self._clock = clock

    def lock(self, payer: Wallet, id: bytes, lock: Lock, amount_tiyn: int) -> TokenId:
        """Put free money of `payer` behind a lock; the locked token. Raises E_FUNDS, or the ledger's refusal."""
        intent = payer.prepare_outputs(id, "lock", [Token(amount_tiyn, lock)])
        self._send(intent)
        return TokenId(open_transaction(intent.body, self._gateway.network).id, 0)

    def claim(self, payee: Wallet, id: bytes, locked: TokenId, secret: bytes) -> int:
        """Take a hash-locked token with the secret; how much (tiyn). Raises E_TOKEN_SPENT, E_LOCK_KIND, E_LOCKED."""
        return self._open(payee, id, locked, "claim", lambda n, t: conditional.claim(n, locked, t, secret))

    def refund(self, payer: Wallet, id: bytes, locked: TokenId) -> int:
        """Take a hash-locked token back after its deadline; how much (tiyn). Raises as `claim`."""
        return self._open(payer, id, locked, "refund", lambda n, t: conditional.refund(n, locked, t))

    def release(
        self,
        one: Wallet,
        id: bytes,
        locked: TokenId,
        shares: Sequence[tuple[bytes, int]],
        others: Sequence[Signer],
    ) -> int:
        """Send a quorum's token to these key ids, signed by `one` and the others; how much (tiyn).

        Raises E_TOKEN_SPENT, E_LOCK_KIND, E_SUM_LEDGER, E_QUORUM.
        """

        def build(nonce: bytes, token: Token) -> Transfer:
            return conditional.release(nonce, locked, token, shares)

        return self._open(one, id, locked, "release", build, others)

    def _open(
        self,
        wallet: Wallet,
        id: bytes,
        locked: TokenId,
        kind: str,
        build: Build,
        others: Sequence[Signer] = (),
    ) -> int:
        known = self._store.intent(wallet.name, id)
        if known is None:
            token = self._gateway.token(locked)
            if token is None:
                raise Refused("E_TOKEN_SPENT", transaction_id=locked.transaction_id, output=locked.output)
            known = wallet.prepare_opening(id, kind, lambda nonce: build(nonce, token), others)
        record = open_transaction(known.body, self._gateway.network).record
        if record.spends != (locked,):
            raise Refused("E_ID_REUSED", id=id)
        self._send(known)
        return sum(token.amount_tiyn for token in record.creates)

    def _send(self, intent: Intent) -> None:
        send_one(self._store, self._gateway, intent, self._directory, self._clock)
