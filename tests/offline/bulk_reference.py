"""The slow way to the same facts: every object of files of batches through settlement's own door, derived from nothing.

It uses what the reconciler uses (`open_batch`, `open_bundle`, `open_submitted`, `verify`, `Seen`, `derive`) and nothing
of `offline.bulk` but the frames.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cbdc.authority import Authority
from cbdc.errors import TengeError
from cbdc.record import Signed
from offline.batch import MAX_BATCH_BYTES, batch_hash, open_batch
from offline.bulk.form import frames, read_batch
from offline.bulk.stream import protocol_rules
from offline.bundle import open_bundle
from offline.graph import Facts, derive
from offline.intake import device_of, open_submitted, verify
from offline.parameters import GRACE_SECONDS
from offline.records import DeviceCertificate, Note
from offline.seen import Seen


class Reference:
    """Takes batches in one after the other; `facts` derives."""

    def __init__(self, authority: Authority, registry: frozenset[bytes] | None = None) -> None:
        self.authority = authority
        self.registry = registry
        self.seen = Seen()
        self.refused: Counter[str] = Counter()
        self.waiting: dict[bytes, list[tuple[Signed[Any], int]]] = {}
        self.batches: dict[bytes, bytes] = {}

    def files(self, paths: Iterable[Path]) -> "Reference":
        """Every batch of these files."""
        for path in paths:
            with path.open("rb") as source:
                for frame in list(frames(source, path.name)):
                    source.seek(frame.offset)
                    data = source.read(frame.end - frame.offset)
                    self.batch(read_batch(data, frame, path.name), frame.arrived)
        return self

    def batch(self, data: bytes, arrived: int) -> None:
        """One batch; what is wrong is counted by its code."""
        try:
            batch = open_batch(data, self.authority.network)
        except TengeError as error:
            self.refused[error.code] += 1
            return
        if self.batches.setdefault(batch.batch_id, batch_hash(data)) != batch_hash(data):
            self.refused["E_BATCH_REUSED"] += 1
            return
        spoilt: dict[bytes, str] = {}
        for bundle in batch.bundles:
            try:
                opened = open_bundle(bundle, self.authority.network, MAX_BATCH_BYTES)
            except TengeError as error:
                spoilt[hashlib.sha256(bundle).digest()] = error.code
                continue
            for certificate in opened.certificates:
                self.take(certificate, arrived, spoilt)
            for token in opened.tokens:
                for signed in (token.note, *token.transfers):
                    self.take(signed, arrived, spoilt)
        for envelope in batch.objects:
            try:
                loose = open_submitted(envelope, self.authority.network)
            except TengeError as error:
                spoilt[hashlib.sha256(repr(envelope).encode()).digest()] = error.code
                continue
            self.take(loose, arrived, spoilt)
        if batch.sync_request is not None:
            self.take(batch.sync_request, arrived, spoilt)
        self.refused.update(spoilt.values())

    def take(self, signed: Signed[Any], arrived: int, spoilt: dict[bytes, str]) -> None:
        """One object."""
        known = self.seen.get(signed.oid)
        if (
            known is not None
            and known.signature <= signed.signature
            and self.seen.arrived(signed.oid) <= arrived
        ):
            return
        try:
            stands = verify(signed, self.authority, self.seen.certificates)
        except TengeError as error:
            spoilt[hashlib.sha256(signed.encode()).digest()] = error.code
            return
        if not stands:
            kid = device_of(signed.record)
            assert kid is not None
            self.waiting.setdefault(kid, []).append((signed, arrived))
            return
        self.seen.add(signed, arrived)
        if isinstance(signed.record, DeviceCertificate):
            for late, moment in self.waiting.pop(signed.record.kid, []):
                self.take(late, moment, spoilt)

    def facts(self) -> Facts:
        """Derived from nothing."""
        notes = [
            signed
            for signed in self.seen
            if isinstance(signed.record, Note) and (self.registry is None or signed.oid in self.registry)
        ]
        return derive(self.seen, notes, protocol_rules(), GRACE_SECONDS.default)
