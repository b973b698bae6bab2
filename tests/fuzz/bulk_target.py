"""The quick reader of bulk reconciliation against settlement's own door: the same objects, places and refusals.

`offline.bulk.rows` reads millions of objects without making records of them; `offline.batch`, `offline.records` and
`offline.intake` are what the protocol says. Whatever a batch holds, the two must agree on it, object by object.
"""

import hashlib
import zlib
from typing import Any

from cbdc import canonical
from cbdc.errors import TengeError
from cbdc.record import Signed, object_id
from offline.admission import certificate_signer, note_signer
from offline.batch import MAX_BATCH_BYTES, open_batch
from offline.bulk.form import Frame
from offline.bulk.rows import KIND, LENGTH, OFFSET, OID, ROW, SIGNATURE, Reader
from offline.bundle import open_bundle
from offline.intake import open_submitted
from offline.records import DeviceCertificate, Note
from tests.fuzz.play_targets import fresh_id, settlement
from tests.fuzz.target import Target, expect

ARRIVED = 1_000


def rows() -> Target:
    """See the module's text."""
    world = settlement()
    authority = world.centre.authority
    reader = Reader(authority)

    def play(_: Any, data: bytes) -> None:
        if not 0 < len(data) <= MAX_BATCH_BYTES:
            canonical.decode(b"")
        framed = len(data).to_bytes(4, "big") + ARRIVED.to_bytes(8, "big") + data
        framed += zlib.crc32(framed).to_bytes(4, "big")
        chunk = reader.chunk(framed, [Frame(0, len(data), ARRIVED)], 0, "fuzz")
        (read,) = chunk.batches
        found = []
        for row in ROW.iter_unpack(chunk.rows):
            body = framed[row[OFFSET] : row[OFFSET] + row[LENGTH]]
            expect(
                object_id(Note.DOMAIN, row[KIND], authority.network, body) == row[OID],
                "a row with another place",
            )
            found.append((row[KIND], row[OID], row[SIGNATURE]))
        code, opened, refused = _by_the_door(data)
        expect(
            read.code == code, f"the batch is {read.code or 'taken'} quickly, {code or 'taken'} at the door"
        )
        expect(found == opened, "the two read other objects")
        expect(sorted(read.refused) == sorted(refused), "the two refuse other things")
        if code:
            open_batch(data, authority.network)

    def _by_the_door(data: bytes) -> tuple[str, list[tuple[int, bytes, bytes]], list[tuple[bytes, str]]]:
        refused: list[tuple[bytes, str]] = []
        opened: list[Signed[Any]] = []
        try:
            batch = open_batch(data, authority.network)
        except TengeError as error:
            return error.code, [], []
        for bundle_bytes in batch.bundles:
            try:
                bundle = open_bundle(bundle_bytes, authority.network, MAX_BATCH_BYTES)
            except TengeError as error:
                refused.append((hashlib.sha256(bundle_bytes).digest(), error.code))
                continue
            opened += bundle.certificates
            for token in bundle.tokens:
                opened += [token.note, *token.transfers]
        for envelope in batch.objects:
            try:
                opened.append(open_submitted(envelope, authority.network))
            except TengeError as error:
                refused.append((hashlib.sha256(canonical.encode(envelope)).digest(), error.code))
        if batch.sync_request is not None:
            opened.append(batch.sync_request)
        kept = [signed for signed in opened if _stands(signed, refused)]
        return "", [(signed.record.TYPE, signed.oid, signed.signature) for signed in kept], refused

    def _stands(signed: Signed[Any], refused: list[tuple[bytes, str]]) -> bool:
        try:
            if isinstance(signed.record, DeviceCertificate):
                certificate_signer(signed.record, authority)
            elif isinstance(signed.record, Note):
                note_signer(signed.record, authority)
        except TengeError as error:
            refused.append((hashlib.sha256(signed.encode()).digest(), error.code))
            return False
        return True

    return Target("rows", world.batches(), play, keyring=world.keyring(), finish=fresh_id)
