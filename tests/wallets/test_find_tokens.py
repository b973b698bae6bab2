"""A wallet counts what its key spends alone, and nothing that only names it."""

from collections.abc import Sequence

from cbdc.ports import SeededEntropy
from cbdc.token import HashLock, KeyLock, QuorumLock, Token, TokenId
from tests.cbdc.world import END, World
from wallets.store import WalletStore
from wallets.store_memory import MemoryRows
from wallets.wallet import Wallet, find_tokens_of, refresh


class Told:
    """A ledger that names the wallet as holder of these tokens."""

    network = bytes(8)

    def __init__(self) -> None:
        self.tokens: Sequence[tuple[TokenId, Token]] = ()

    def owned(self, kid: bytes) -> list[tuple[TokenId, Token]]:
        return list(self.tokens)


def test_a_lock_that_only_names_the_key_is_no_balance() -> None:
    world, ledger, store = World(), Told(), WalletStore(MemoryRows())
    wallet = Wallet("ayan", world.key("ayan"), store, ledger, SeededEntropy(1), world.clock)  # type: ignore[arg-type]
    mine, other = wallet.kid, world.kid("other")
    locks = [KeyLock(mine), QuorumLock(2, (mine, other)), HashLock(bytes(32), other, mine, END)]
    ledger.tokens = [(TokenId(bytes([n]) * 32, 0), Token(100 + n, lock)) for n, lock in enumerate(locks)]
    assert find_tokens_of(store, ledger, [wallet]) == 1  # type: ignore[arg-type]
    assert wallet.total_tiyn() == 100
    assert find_tokens_of(store, ledger, [wallet]) == 0  # type: ignore[arg-type]

    # What became a lock of another kind in the ledger's eyes is not the wallet's any more.
    ledger.tokens = [(TokenId(bytes(32), 0), Token(100, locks[1]))]
    refresh(store, ledger, wallet)  # type: ignore[arg-type]
    assert wallet.total_tiyn() == 0
