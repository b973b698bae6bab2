"""The wallet's rows in memory: for tests, and for pilots that start from nothing."""

import threading
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from cbdc.ports import Checkpoint, no_checkpoint
from wallets.store import (
    Balance,
    Draft,
    HistoryKey,
    HistoryRow,
    Intent,
    IntentKey,
    TokenKey,
    TokenState,
    WalletStore,
    WalletToken,
)


class MemoryRows:
    """`Rows` in dictionaries, in the order in which they were written."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._intents: dict[IntentKey, Intent] = {}
        self._tokens: dict[TokenKey, WalletToken] = {}
        self._history: dict[HistoryKey, HistoryRow] = {}

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Alone with the rows; a draft is written only at the end of a block, by assignments that cannot fail."""
        with self._lock:
            yield

    def find_intent(self, key: IntentKey) -> Intent | None:
        """One intent."""
        return self._intents.get(key)

    def find_token(self, key: TokenKey) -> WalletToken | None:
        """One token."""
        return self._tokens.get(key)

    def find_history(self, key: HistoryKey) -> HistoryRow | None:
        """One line of history."""
        return self._history.get(key)

    def find_intents(self, keys: Collection[IntentKey]) -> dict[IntentKey, Intent]:
        """Those that are there."""
        return {key: self._intents[key] for key in keys if key in self._intents}

    def find_tokens(self, keys: Collection[TokenKey]) -> dict[TokenKey, WalletToken]:
        """Those that are there."""
        return {key: self._tokens[key] for key in keys if key in self._tokens}

    def find_histories(self, keys: Collection[HistoryKey]) -> dict[HistoryKey, HistoryRow]:
        """Those that are there."""
        return {key: self._history[key] for key in keys if key in self._history}

    def unspent(self, wallets: Collection[str]) -> dict[str, list[WalletToken]]:
        """Unspent tokens by wallet."""
        wanted = set(wallets)
        found: dict[str, list[WalletToken]] = {}
        with self._lock:
            for token in self._tokens.values():
                if token.state == "unspent" and token.wallet in wanted:
                    found.setdefault(token.wallet, []).append(token)
        return {wallet: sorted(tokens, key=lambda token: token.id) for wallet, tokens in found.items()}

    def totals(self) -> dict[str, int]:
        """Sums by wallet."""
        sums: Counter[str] = Counter()
        with self._lock:
            for token in self._tokens.values():
                if token.state != "spent":
                    sums[token.wallet] += token.amount_tiyn
        return dict(sums)

    def write(self, draft: Draft) -> None:
        """Put every row of the draft."""
        self._intents.update(draft.intents)
        self._tokens.update(draft.tokens)
        self._history.update(draft.history)

    def intents(self, wallet: str | None) -> list[Intent]:
        """Open intents, oldest first."""
        with self._lock:
            return [i for i in self._intents.values() if i.state == "saved" and wallet in {None, i.wallet}]

    def tokens(self, wallet: str, state: TokenState) -> list[WalletToken]:
        """Tokens in one state, by id."""
        with self._lock:
            found = [t for t in self._tokens.values() if t.wallet == wallet and t.state == state]
        return sorted(found, key=lambda token: token.id)

    def balance(self, wallet: str) -> dict[bytes, Balance]:
        """Sums by mark."""
        sums: dict[bytes, Balance] = {}
        for token in (*self.tokens(wallet, "unspent"), *self.tokens(wallet, "pending")):
            unspent, pending = sums.get(token.mark, Balance(0, 0))
            if token.state == "unspent":
                sums[token.mark] = Balance(unspent + token.amount_tiyn, pending)
            else:
                sums[token.mark] = Balance(unspent, pending + token.amount_tiyn)
        return dict(sorted(sums.items()))

    def history(self, wallet: str, limit: int, skip: int) -> list[HistoryRow]:
        """Lines, the last written first."""
        with self._lock:
            rows = [row for row in reversed(self._history.values()) if row.wallet == wallet]
        return rows[skip : skip + limit]

    def wallets(self) -> list[str]:
        """All names."""
        with self._lock:
            return sorted({name for name, _ in (*self._tokens, *self._intents, *self._history)})

    def close(self) -> None:
        """Nothing is held open."""


def memory_store(checkpoint: Checkpoint = no_checkpoint) -> WalletStore:
    """An empty store in memory."""
    return WalletStore(MemoryRows(), checkpoint)
