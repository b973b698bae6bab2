"""A card's pocket, from the wallet's side: fill it, empty it, move it behind other keys. Only the wallet's key signs.

The wallet stays the holder of what is in the pocket (`cbdc.cards.pocket`), so all three are moves between locks of one
holder: no payment, no limit, and marks stay as they are. A transfer is built once for an id and written down before it
is sent; the same id again sends the same bytes.
"""

from collections.abc import Callable, Sequence

from cbdc import canonical
from cbdc.cabinet import Cabinet, Row, follow, follow_nonce
from cbdc.cards.pocket import tokens_in
from cbdc.errors import Refused
from cbdc.gateway import Gateway
from cbdc.record import HASH, Bytes, Group
from cbdc.selection import choose
from cbdc.token import KeyLock, Lock, QuorumLock, Token, TokenId
from cbdc.transaction import Transfer, open_transaction, sign_transaction
from wallets.wallet import MAX_TOKENS_A_PAYMENT, Wallet

_DRAWER = "pocket moves"
_ROW = Group((HASH, Bytes()))


class PocketMover:
    """Moves money of wallets into pockets and out of them."""

    def __init__(self, gateway: Gateway, cabinet: Cabinet) -> None:
        self._gateway = gateway
        self._cabinet = cabinet

    def fill(self, wallet: Wallet, id: bytes, lock: QuorumLock, amount_tiyn: int, mark: bytes = b"") -> int:
        """Put an amount of a mark (free money: empty) into the pocket; how much. E_FUNDS, E_FUNDS_SCATTERED,
        E_ID_REUSED."""

        def build(nonce: bytes) -> Transfer:
            own = KeyLock(wallet.kid)
            there = [
                (identity, token.amount_tiyn)
                for identity, token in self._gateway.owned(wallet.kid)
                if token.lock == own and token.mark == mark
            ]
            choice = choose(there, amount_tiyn, MAX_TOKENS_A_PAYMENT)
            outputs = [Token(amount_tiyn, lock, mark)]
            if choice.change_tiyn:
                outputs.append(Token(choice.change_tiyn, own, mark))
            return Transfer(nonce, choice.chosen, tuple(outputs))

        content = canonical.encode([lock.wire(), amount_tiyn, mark])
        return self._once(wallet, id, follow("fill", content), build)

    def empty(self, wallet: Wallet, id: bytes, mark: bytes = b"") -> int:
        """Take everything of a mark out of the pocket, into the wallet; how much. E_FUNDS when nothing is there."""
        return self._move(wallet, id, KeyLock(wallet.kid), mark, follow("empty", mark))

    def relock(self, wallet: Wallet, id: bytes, lock: QuorumLock, mark: bytes = b"") -> int:
        """Move the whole pocket behind its present keys, when a device came or went; how much."""
        return self._move(wallet, id, lock, mark, follow("relock", canonical.encode([lock.wire(), mark])))

    def inside(self, wallet: Wallet, mark: bytes | None = b"") -> int:
        """What the ledger says is in the wallet's pockets, of one mark or of all (tiyn)."""
        tokens = tokens_in(self._gateway, wallet.kid)
        return sum(token.amount_tiyn for token in tokens if mark in (None, token.mark))

    def _move(self, wallet: Wallet, id: bytes, lock: Lock, mark: bytes, content: bytes) -> int:
        def build(nonce: bytes) -> Transfer:
            tokens = [token for token in tokens_in(self._gateway, wallet.kid) if token.mark == mark]
            total = sum(token.amount_tiyn for token in tokens[:MAX_TOKENS_A_PAYMENT])
            if not total:
                raise Refused("E_FUNDS", available_tiyn=0, amount_tiyn=1)
            inputs: Sequence[TokenId] = sorted(token.id for token in tokens[:MAX_TOKENS_A_PAYMENT])
            return Transfer(nonce, tuple(inputs), (Token(total, lock, mark),))

        return self._once(wallet, id, content, build)

    def _once(self, wallet: Wallet, id: bytes, content: bytes, build: Callable[[bytes], Transfer]) -> int:
        identity = follow("pocket move", wallet.kid, HASH.load(id, "pocket move id"))
        row = self._cabinet.get(_DRAWER, identity)
        if row is None:
            record = build(follow_nonce("pocket move", identity))
            data = sign_transaction(record, self._gateway.network, [wallet.signer]).encode()
            self._cabinet.put_many([Row(_DRAWER, identity, canonical.encode([content, data]))])
        else:
            before, data = _ROW.load(canonical.decode(row), "pocket move")
            if before != content:
                raise Refused("E_ID_REUSED", id=id)
        self._gateway.submit(data)
        return open_transaction(data, self._gateway.network).record.creates[0].amount_tiyn
