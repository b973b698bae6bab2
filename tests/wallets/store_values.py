"""Small tokens, intents and lines for the tests of the wallet's store, and what those tests ask again and again."""

from collections.abc import Callable

import pytest

from cbdc.errors import TengeError
from cbdc.token import TokenId
from wallets.store import HistoryRow, Intent, WalletStore, WalletToken

MARK = b"m" * 32


def token(number: int, amount_tiyn: int = 100, wallet: str = "aigerim", mark: bytes = b"") -> WalletToken:
    return WalletToken(wallet, token_id(number), amount_tiyn, b"lock", mark)


def token_id(number: int) -> TokenId:
    return TokenId(number.to_bytes(32, "big"), number % 3)


def intent(number: int, *inputs: int, wallet: str = "aigerim", body: bytes = b"body") -> Intent:
    return Intent(wallet, intent_id(number), "pay", body, 1_000 + number, tuple(map(token_id, inputs)))


def intent_id(number: int) -> bytes:
    return number.to_bytes(16, "big")


def row(number: int, wallet: str = "aigerim", memo: str = "нан") -> HistoryRow:
    return HistoryRow(wallet, intent_id(number), 2_000 + number, "pay", "out", 70, "Дүкен", memo)


def states(store: WalletStore, *numbers: int, wallet: str = "aigerim") -> list[str]:
    return [found.state if (found := store.token(wallet, token_id(n))) else "none" for n in numbers]


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(TengeError) as caught:
        call()
    return caught.value.code
