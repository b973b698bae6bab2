"""Objects for tests of evidence: statements, acknowledgements, heads of logs and journals, over the small world.

Each maker takes the world and fields to override, and signs what it is told: an honest object where a test gives
honest fields, a forgery where it does not.
"""

from collections.abc import Sequence
from typing import Any

from cbdc import canonical
from cbdc.authority import LEDGER, Auth, Authority
from cbdc.keys import SoftwareKey
from cbdc.ledger.entry import Entry, LogHead, MerkleLog, leaf_hash
from cbdc.record import Record, Signed
from cbdc.token import KeyLock, Token, TokenId
from cbdc.transaction import LoadOffline
from offline.certificate_log import ShownLimits, after_hash, key_limits, limits_tree
from offline.records import CertificateLogHead, DeviceCertificate, SyncAck, SyncRequest, genesis_link
from tests.offline.world import NOW, Device, World, fixed_bytes

ESCROW = KeyLock(fixed_bytes("escrow", 32))
WALLET = KeyLock(fixed_bytes("wallet", 32))


def ledger_auth(world: World) -> Signed[Auth]:
    """ROOT's certificate for the ledger's key, which the world itself does not have."""
    return world.make_auth(LEDGER, world.key("ledger"))


def full_authority(world: World) -> Authority:
    """The world's authority and the ledger's key."""
    return Authority(world.root, [*world.authority.auths, ledger_auth(world)])


def make_request(world: World, device: Device, number: int = 1, **fields: Any) -> Signed[SyncRequest]:
    """A device's statement; by default it holds nothing and has done nothing."""
    values: dict[str, Any] = {
        "kid": device.kid,
        "sync_number": number,
        "counter": 0,
        "head": genesis_link(device.kid),
        "invoice_number": 0,
        "purse": (),
        "out_total_tiyn": 0,
        "in_total_tiyn": 0,
        "out_count": 0,
        "in_count": 0,
        "trust_sequence": 1,
        "nonce": fixed_bytes(f"{world.name}/sync/{number}", 16),
    }
    signer = fields.pop("signer", device.key)
    return world.sign(SyncRequest(**{**values, **fields}), signer)


def make_ack(
    world: World, request: Signed[SyncRequest], signer: SoftwareKey | None = None, **fields: Any
) -> Signed[SyncAck]:
    """Settlement's answer to a statement."""
    record = request.record
    values: dict[str, Any] = {
        "kid": record.kid,
        "sync_number": record.sync_number,
        "request": request.oid,
        "base_out_tiyn": record.out_total_tiyn,
        "base_in_tiyn": record.in_total_tiyn,
        "base_out_count": record.out_count,
        "base_in_count": record.in_count,
        "closed_invoice_number": record.invoice_number,
        "time": NOW,
        "min_trust_sequence": 1,
        "action": 0,
        "drop": (),
        "certificate": b"",
    }
    return world.sign(SyncAck(**{**values, **fields}), signer or world.settle_key)


def shown_limits(
    world: World,
    kid: bytes,
    certificates: Sequence[Signed[DeviceCertificate]],
    after: Sequence[bytes],
    signer: SoftwareKey | None = None,
    **fields: Any,
) -> ShownLimits:
    """What the log of these certificates shows of one key, under a head made after the objects `after`."""
    log = MerkleLog()
    for certificate in certificates:
        log.append(leaf_hash(certificate.oid))
    leaves = key_limits(certificate.record for certificate in certificates)
    tree = limits_tree(leaves)
    place = next(place for place, leaf in enumerate(leaves) if leaf.kid == kid)
    values: dict[str, Any] = {
        "size": log.size,
        "log_root": log.root(),
        "keys": tree.size,
        "limits_root": tree.root(),
        "after": after_hash(after),
        "time": NOW,
    }
    record: Record = CertificateLogHead(**{**values, **fields})
    head = world.sign(record, signer or world.status_key)
    return ShownLimits(head, place, leaves[place], tree.inclusion(place, tree.size))


class Journal:
    """A journal of entries with a signed head, as the ledger's: what E7 shows a note against."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._log = MerkleLog()
        self.entries: list[bytes] = []
        self.time = 0

    def add(self, payload: object, time: int, index: int | None = None) -> int:
        """One more entry with this payload; its index. A given `index` is a lie inside the entry."""
        place = len(self.entries)
        data = payload if isinstance(payload, bytes) else canonical.encode(payload)
        self.entries.append(Entry(place if index is None else index, time, data).encode())
        self._log.append(leaf_hash(self.entries[-1]))
        self.time = time
        return place

    def load(
        self, device: bytes, amounts: Sequence[int], time: int, load_number: int = 1, change: int = 0
    ) -> int:
        """An entry that loads these amounts for a device, with change for its loader."""
        outputs = [Token(amount, ESCROW) for amount in amounts]
        if change:
            outputs.append(Token(change, WALLET))
        inputs = (TokenId(fixed_bytes(f"input {len(self.entries)}", 32), 0),)
        record = LoadOffline(
            fixed_bytes(f"load {len(self.entries)}", 16), inputs, tuple(outputs), device, load_number
        )
        return self.add([record.TYPE, record.body(), [[bytes(32), bytes(64)]]], time)

    def head(self, signer: SoftwareKey | None = None, **fields: Any) -> Signed[LogHead]:
        """The head over all entries."""
        values: dict[str, Any] = {"size": self._log.size, "root": self._log.root(), "time": self.time}
        return self._world.sign(LogHead(**{**values, **fields}), signer or self._world.key("ledger"))

    def path(self, index: int) -> list[bytes]:
        """The path of an entry under the present head."""
        return self._log.inclusion(index, self._log.size)


def serial(index: int, place: int = 0, epoch: int = 1) -> bytes:
    """A note's serial."""
    return epoch.to_bytes(4, "big") + index.to_bytes(8, "big") + place.to_bytes(4, "big")
