"""Rows: batches read into packed rows of a fixed width, one for each object, as worker processes hand them over.

Reading is everything that needs no memory of what came before: the canonical form, types and fields, ids, and the
rules of certificates and notes (`offline.admission`). What remains for the process that derives is to look up whether
an object is known and whether its signature stands. A row says where the object's own bytes stand in its file, so
nobody has to keep them.

Transfers that are plainly right are read without making record objects (`cbdc.record.plain_fields`). Everything else is
opened by the same code as at settlement's door (`offline.intake`, `offline.records.open_bundle`), which also names
what is wrong with it, so a batch ends the same here and there:

- a batch whose container is wrong is refused whole, and so is a bundle in it;
- any other object that cannot enter is refused alone, under the hash of its envelope, with its code.

Source: DTO/1, section 5.9 (`ingest`).
"""

import hashlib
from collections.abc import Sequence
from struct import Struct
from typing import Any, NamedTuple

from cbdc import canonical
from cbdc.authority import Authority
from cbdc.errors import TengeError
from cbdc.keys import SIGNATURE_BYTES
from cbdc.record import OFFLINE_DOMAIN, Signed, plain_fields
from offline.admission import certificate_signer, note_signer
from offline.batch import MAX_BATCH_BYTES, batch_hash, open_batch
from offline.bulk.form import Frame, read_batch
from offline.intake import device_of, open_submitted
from offline.records import (
    CONTAINER_VERSION,
    MAX_CERTIFICATES,
    MAX_TOKENS,
    MAX_TRANSFERS,
    DeviceCertificate,
    Invoice,
    Note,
    SyncRequest,
    Transfer,
    open_bundle,
)

# What stands in every row, then what only transfers say. A note puts its amount, owner, hops, length, purpose, spend_by
# and redeem_by (as the counter) in the same places; in the counter's place a certificate has the number of its own key,
# an invoice its own number, a SYNC_REQ the counter of its log.
ROW = Struct(">BH32s64sHQHQ32s32s32s32sBBBBBHQ32sQ32sQQ")
(
    KIND, KEY, OID, SIGNATURE, FILE, OFFSET, LENGTH, ARRIVED, KID, PREVIOUS, LINK, REFERENCE,
    PAYING, INDEX, COUNT, HOP, STEPS, PURPOSE, AMOUNT, OWNER, CHANGE, CHANGE_OWNER, COUNTER, SPEND_BY,
) = range(24)  # fmt: skip
STEP = Struct(">BBBBBHQ32sQ32sQQ")
"""The last twelve fields, from PAYING on: what stands behind `STEP_AT` in a packed row."""
STEP_AT = ROW.size - STEP.size
Row = tuple[Any, ...]

BY_DEVICE = 0
"""The key number of an object that its device signs; notes and certificates have the number of their signer's key."""

_ZERO = bytes(32)
_NOTHING = (_ZERO, _ZERO, _ZERO, 0, 0, 0, 0, 0, 0, 0, _ZERO, 0, _ZERO)
_TAIL = b"\xc4\x40"


class ReadBatch(NamedTuple):
    """One batch as it was read: its place, id and hash, how many rows, what was refused, and the batch's own refusal."""

    frame: Frame
    batch_id: bytes
    batch_hash: bytes
    rows: int
    refused: list[tuple[bytes, str]]
    code: str


class ReadChunk(NamedTuple):
    """Some batches of one file: their rows one behind the other, the keys that rows name by number, the batches."""

    file: int
    rows: bytes
    keys: list[tuple[int, bytes]]
    batches: list[ReadBatch]


class Reader:
    """Reads batches of one network into rows. One for each worker process."""

    def __init__(self, authority: Authority) -> None:
        self._authority = authority
        self._network = authority.network

    def chunk(self, data: bytes, frames: Sequence[Frame], file: int, name: str) -> ReadChunk:
        """The rows of adjacent frames, whose bytes are `data`; E_BATCH_FILE when one is damaged."""
        chunk = _Chunk(self._authority, file)
        start = frames[0].offset
        for frame in frames:
            batch = read_batch(data[frame.offset - start : frame.end - start], frame, name)
            chunk.batch(batch, frame)
        return ReadChunk(file, b"".join(chunk.rows), chunk.keys, chunk.batches)


class _Chunk:
    """A chunk while it is read."""

    def __init__(self, authority: Authority, file: int) -> None:
        self._authority = authority
        self._network = authority.network
        self._file = file
        self._numbers: dict[tuple[int, bytes], int] = {}
        self.keys: list[tuple[int, bytes]] = [(0, b"")]
        self.rows: list[bytes] = []
        self.batches: list[ReadBatch] = []
        self._refused: list[tuple[bytes, str]] = []
        self._data = b""
        self._at = 0
        self._base = 0
        self._arrived = 0

    def batch(self, data: bytes, frame: Frame) -> None:
        digest = batch_hash(data)
        self._refused, before = [], len(self.rows)
        self._data, self._at, self._base, self._arrived = data, 0, frame.batch_offset, frame.arrived
        try:
            batch = open_batch(data, self._network)
        except TengeError as error:
            self.batches.append(ReadBatch(frame, b"", digest, 0, [], error.code))
            return
        for bundle in batch.bundles:
            self._bundle(bundle)
        for envelope in batch.objects:
            self._loose(envelope)
        if batch.sync_request is not None:
            self._take(batch.sync_request)
        count = len(self.rows) - before
        self.batches.append(ReadBatch(frame, batch.batch_id, digest, count, self._refused, ""))

    # --- bundles ---

    def _bundle(self, data: bytes) -> None:
        mark, at, wrong = len(self.rows), self._at, len(self._refused)
        if self._plain_bundle(data):
            return
        # Not plainly right: forget what was read of it, and let the protocol's own reader judge it.
        del self.rows[mark:], self._refused[wrong:]
        self._at = at
        try:
            bundle = open_bundle(data, self._network, MAX_BATCH_BYTES)
        except TengeError as error:
            self._refused.append((hashlib.sha256(data).digest(), error.code))
            return
        for certificate in bundle.certificates:
            self._take(certificate)
        for token in bundle.tokens:
            self._take(token.note)
            for transfer in token.transfers:
                self._take(transfer)

    def _plain_bundle(self, data: bytes) -> bool:
        try:
            values: Any = canonical.decode_array(data, MAX_BATCH_BYTES)
        except TengeError:
            return False
        if len(values) != 3 or type(values[0]) is not int or values[0] != CONTAINER_VERSION:
            return False
        _, certificates, tokens = values
        if not (_is_array(certificates, 0, MAX_CERTIFICATES) and _is_array(tokens, 1, MAX_TOKENS)):
            return False
        if not all(self._typed(item, DeviceCertificate) for item in certificates):
            return False
        for token in tokens:
            if not (_is_array(token, 2, 2) and _is_array(token[1], 0, MAX_TRANSFERS)):
                return False
            if not (self._typed(token[0], Note) and all(self._plain_transfer(item) for item in token[1])):
                return False
        return True

    def _typed(self, envelope: object, cls: type[Note] | type[DeviceCertificate]) -> bool:
        if not _is_array(envelope, 3, 3) or envelope[0] != cls.TYPE:  # type: ignore[index]
            return False
        try:
            signed = open_submitted(envelope, self._network)
        except TengeError:
            return False
        self._take(signed)
        return True

    # --- single objects ---

    def _loose(self, envelope: Any) -> None:
        if self._plain_transfer(envelope):
            return
        try:
            signed = open_submitted(envelope, self._network)
        except TengeError as error:
            self._refused.append((hashlib.sha256(canonical.encode(envelope)).digest(), error.code))
            return
        self._take(signed)

    def _plain_transfer(self, envelope: Any) -> bool:
        """Add the row of an envelope that is plainly a transfer's; False for any other."""
        if type(envelope) is not list or len(envelope) != 3:
            return False
        type_number, body, signature = envelope
        if type(type_number) is not int or type_number != Transfer.TYPE or type(body) is not bytes:
            return False
        if type(signature) is not bytes or len(signature) != SIGNATURE_BYTES:
            return False
        values = plain_fields(Transfer, body)
        if values is None:
            return False
        oid = hashlib.sha256(_TRANSFER_DOMAIN + self._network + body).digest()
        self.rows.append(self._transfer_row(values, body, signature, oid))
        return True

    def _transfer_row(self, values: Sequence[Any], body: bytes, signature: bytes, oid: bytes) -> bytes:
        (
            kind, previous, index, outputs, payer, counter, link, reference, _, _, hop, steps, purpose, spend_by, _, _, _,
        ) = values  # fmt: skip
        amount, owner = outputs[0]
        change, change_owner = outputs[1] if len(outputs) == 2 else (0, _ZERO)
        return ROW.pack(
            5, BY_DEVICE, oid, signature, self._file, self._offset(body, signature), len(body), self._arrived, payer,
            previous, link, reference, kind, index, len(outputs), hop, steps, purpose, amount, owner, change, change_owner,
            counter, spend_by,
        )  # fmt: skip

    def _take(self, signed: Signed[Any]) -> None:
        """Add the row of an opened object, or refuse it for what is wrong besides its signature."""
        record = signed.record
        if isinstance(record, Transfer):
            values = record.values()
            self.rows.append(self._transfer_row(values, signed.body, signed.signature, signed.oid))
            return
        try:
            if isinstance(record, DeviceCertificate):
                signer = certificate_signer(record, self._authority)
                number, kid = self._key(signer.algorithm, signer.raw), record.kid
                rest = (*_NOTHING, self._key(record.algorithm, record.public_key), 0)
            elif isinstance(record, Note):
                signer = note_signer(record, self._authority)
                number, kid = self._key(signer.algorithm, signer.raw), record.owner
                rest = (
                    _ZERO, _ZERO, _ZERO, 0, 0, 1, record.max_hops, record.max_length, record.purpose,
                    record.amount_tiyn, record.owner, 0, _ZERO, record.redeem_by, record.spend_by,
                )  # fmt: skip
            else:
                device = device_of(record)
                assert device is not None, "every other object is a device's, or about one"
                number, kid, rest = BY_DEVICE, device, (*_NOTHING, 0, 0)
                if isinstance(record, Invoice):
                    rest = (*_NOTHING, record.invoice_number, 0)
                elif isinstance(record, SyncRequest):
                    rest = (*_NOTHING, record.counter, 0)
        except TengeError as error:
            self._refused.append((hashlib.sha256(signed.encode()).digest(), error.code))
            return
        where = self._offset(signed.body, signed.signature)
        head = (record.TYPE, number, signed.oid, signed.signature, self._file, where, len(signed.body))
        self.rows.append(ROW.pack(*head, self._arrived, kid, *rest))

    def _offset(self, body: bytes, signature: bytes) -> int:
        """Where the body stands in its file. Whatever is found is the same bytes, so any place is a right one."""
        whole = body + _TAIL + signature
        place = self._data.find(whole, self._at)
        if place < 0:
            place = self._data.index(whole)
        self._at = place + len(whole)
        return self._base + place

    def _key(self, algorithm: int, raw: bytes) -> int:
        key = (algorithm, raw)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.keys)
            self.keys.append(key)
        return number


_TRANSFER_DOMAIN = OFFLINE_DOMAIN + bytes([Transfer.TYPE])


def _is_array(value: object, least: int, most: int) -> bool:
    return type(value) is list and least <= len(value) <= most

