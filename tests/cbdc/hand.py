"""A hand that changes a right ledger's store behind its back, and asks the audit what it sees."""

from dataclasses import replace

from cbdc.ledger.audit import Audit, audit
from cbdc.ledger.entry import LogHead, MerkleLog, leaf_hash, open_entry
from cbdc.ledger.memory import MemoryStore
from cbdc.record import Signed, open_envelope, sign
from tests.cbdc.scene import Scene, scene

Codes = set[tuple[str, str]]


class Hand:
    """A copy of the scene's store, and the hand that changes it. `found` is what the audit then says."""

    def __init__(self) -> None:
        self.world: Scene = scene()
        self.world.attest("supplier", 5)
        self.world.freeze("rich")
        store = self.world.store
        assert isinstance(store, MemoryStore)
        self.store = store
        self.kept = self.world.ledger.head()
        self.state = store._state
        self.owner_of = store._owner_of
        self.rows = store._entries
        self.sizes = store._sizes
        self.heads = store._heads

    def audit(self, kept: Signed[LogHead] | bytes | None = None, root: bytes | None = None) -> Audit:
        """The audit of the store as it is now."""
        return audit(self.store, kept, root)

    def found(self, kept: Signed[LogHead] | None = None) -> Codes:
        """(subject, code) of every problem."""
        return {(problem.subject, problem.code) for problem in self.audit(kept).problems}

    def codes(self, kept: Signed[LogHead] | None = None) -> set[str]:
        """The code of every problem."""
        return {code for _, code in self.found(kept)}

    def head(self, place: int) -> LogHead:
        """The record of a stored head."""
        return open_envelope(self.heads[place], LogHead, self.world.network).record

    def sign(self, record: LogHead, signer: str = "ledger") -> bytes:
        """A head, signed."""
        return sign(record, self.world.network, self.world.key(signer)).encode()

    def relog(self) -> None:
        """What a thief of the ledger's key would do: new leaves, numbers and heads for the rows as they are now."""
        log = MerkleLog()
        self.sizes.clear()
        self.heads.clear()
        for place, row in enumerate(self.rows):
            self.rows[place] = replace(row, index=place, leaf=leaf_hash(row.data))
            log.append(self.rows[place].leaf)
            try:
                time = open_entry(row.data).time
            except Exception:
                time = 0
            self.sizes.append(log.size)
            self.heads.append(self.sign(LogHead(log.size, log.root(), time)))


def flipped(data: bytes, place: int, bit: int = 1) -> bytes:
    """The bytes with one bit of one byte changed."""
    return data[:place] + bytes([data[place] ^ bit]) + data[place + 1 :]
