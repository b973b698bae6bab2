"""Proofs of inclusion for the grader, by the product's own log."""

from collections.abc import Sequence

from cbdc.ledger.entry import MerkleLog, leaf_hash


def inclusion(entries: Sequence[bytes], index: int) -> list[bytes]:
    """The proof that the entry at `index` is in the log of all these entries."""
    log = MerkleLog()
    for data in entries:
        log.append(leaf_hash(data))
    return log.inclusion(index, len(entries))
