"""BATCH: what a device, or anyone, hands to settlement: bundles, loose objects, and perhaps one SYNC_REQ.

    [1, batch id (16), [bundle bytes...], [envelope...], [SYNC_REQ envelope] or []]

A batch is unsigned, because each object in it is signed. Bundles travel as byte strings (an array would nest deeper
than the canonical form allows), and loose objects as envelopes that nobody has judged yet: certificates, notes,
transfers, invoices, receipts and redeem orders in any order. So one spoilt object spoils itself and not its batch,
and a host that lost the line of a token can still hand in the one transfer its element remembers.

Source: DTO/1, sections 5.4 and 5.9. (The one deviation: invoices and receipts share the list of loose objects.)
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from cbdc import canonical
from cbdc.errors import Malformed
from cbdc.record import NONCE, Bytes, Items, Signed, open_part
from offline.bundle import Bundle
from offline.records import CONTAINER_VERSION, SyncRequest

MAX_BATCH_BYTES = canonical.MAX_MESSAGE_BYTES
MAX_BUNDLES = 1_024
MAX_OBJECTS = 4_096

Envelope = tuple[int, bytes, bytes]


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch: its id, the bytes of each bundle, loose envelopes (unjudged), and a sync request or None."""

    batch_id: bytes
    bundles: tuple[bytes, ...]
    objects: tuple[Any, ...]
    sync_request: Signed[SyncRequest] | None

    def encode(self) -> bytes:
        """The canonical bytes."""
        request = [] if self.sync_request is None else [self.sync_request.envelope()]
        return canonical.encode([CONTAINER_VERSION, self.batch_id, self.bundles, self.objects, request])


def make_batch(
    batch_id: bytes,
    bundles: Iterable[Bundle] = (),
    objects: Iterable[Signed[Any]] = (),
    sync_request: Signed[SyncRequest] | None = None,
) -> Batch:
    """A batch of these bundles and loose signed objects."""
    return Batch(
        batch_id,
        tuple(bundle.encode() for bundle in bundles),
        tuple(signed.envelope() for signed in objects),
        sync_request,
    )


def batch_hash(data: bytes) -> bytes:
    """SHA-256 of the batch's bytes: what SUBMIT_ACK names."""
    return hashlib.sha256(data).digest()


def open_batch(data: bytes, network: bytes) -> Batch:
    """The batch in `data`; only the container is judged, and the structure of the sync request.

    Raises E_SIZE, the decoding errors, E_VERSION, E_FIELD, E_TYPE or E_COUNT.
    """
    values = canonical.decode_array(data, MAX_BATCH_BYTES)
    if len(values) != 5:
        raise Malformed("E_FIELD", field="batch", problem=f"{len(values)} items, not 5")
    version, batch_id, bundles, objects, requests = values
    if version != CONTAINER_VERSION or type(version) is not int:
        raise Malformed("E_VERSION", version=str(version)[:20], expected=CONTAINER_VERSION)
    opened = Items(_Envelope(), most=1).load(requests, "sync request")
    return Batch(
        NONCE.load(batch_id, "batch id"),
        Items(Bytes(), most=MAX_BUNDLES).load(bundles, "bundles"),
        Items(_Envelope(), most=MAX_OBJECTS).load(objects, "objects"),
        open_part(opened[0], SyncRequest, network) if opened else None,
    )


@dataclass(frozen=True, slots=True)
class _Envelope:
    """Any decoded value: an envelope is judged by whoever opens it."""

    def load(self, value: object, name: str) -> object:
        return value
