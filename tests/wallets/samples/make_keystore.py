"""How `keystore-v1.bin` was made; run once for a version, never again: the sample must stay what users have."""

import sys
from pathlib import Path

from cbdc.ports import SeededEntropy
from wallets.keystore import WEAK_COSTS_FOR_PILOTS, create

PASSPHRASE = "сәлем, Алатау 2026"
SEED = 2026

if __name__ == "__main__":
    create(Path(sys.argv[1]), PASSPHRASE, SeededEntropy(SEED), costs=WEAK_COSTS_FOR_PILOTS)
