"""How `wallet-store-v1.db` was made; run once for a version, never again: the sample must stay what users have."""

import sys
from pathlib import Path

from tests.wallets.store_values import MARK, intent, intent_id, row, token
from wallets.store import Done, WalletToken
from wallets.store_sqlite import sqlite_store

if __name__ == "__main__":
    store = sqlite_store(Path(sys.argv[1]))
    meal: WalletToken = token(4, 56_000, "daulet", MARK)
    store.record(added=[token(1), token(2), meal])
    store.save_intents([intent(1, 1), intent(2, 2)])
    store.finish([Done("aigerim", intent_id(1), b"receipt", (token(3, 30),), (row(1),))])
    store.close()
