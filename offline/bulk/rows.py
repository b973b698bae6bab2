"""Rows: batches read into packed rows of a fixed width, one for each object, as worker processes hand them over.

Reading is everything that needs no memory of what came before: the canonical form, types and fields, ids, and the
rules of certificates and notes (`offline.admission`). What remains for the process that derives is to look up whether
an object is known and whether its signature stands. A row says where the object's own bytes stand in its file, so
nobody has to keep them.

Transfers that are plainly right are read without making record objects (`cbdc.record.plain_fields`). Everything else is
opened by the same code as at settlement's door (`offline.intake`, `offline.bundle.open_bundle`), which also names
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
from cbdc.record import (
    NONCE,
    OFFLINE_DOMAIN,
    Bytes,
    Items,
    Record,
    Signed,
    open_envelope,
    plain_fields,
    plain_reader,
)
from offline.admission import certificate_signer, note_signer
from offline.batch import MAX_BATCH_BYTES, MAX_BUNDLES, MAX_OBJECTS, batch_hash, open_batch
from offline.bulk.form import Frame, read_batch
from offline.bundle import ENVELOPE, VERSION, open_bundle, read_plain_bundle
from offline.intake import open_submitted
from offline.records import DeviceCertificate, Invoice, Note, Receipt, RedeemOrder, SyncRequest, Transfer

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
_BEHIND = len(_TAIL) + SIGNATURE_BYTES


class ReadBatch(NamedTuple):
    """One batch as it was read: its place, id and hash, how many rows, what was refused, and its own refusal."""

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

    def chunk(self, data: bytes, frames: Sequence[Frame], file: int, name: str) -> ReadChunk:
        """The rows of adjacent frames, whose bytes are `data`; E_BATCH_FILE when one is damaged."""
        chunk = _Chunk(self._authority, file)
        start = frames[0].offset
        for frame in frames:
            batch = read_batch(data[frame.offset - start : frame.end - start], frame, name)
            chunk.batch(batch, frame)
        return ReadChunk(file, b"".join(chunk.rows), chunk.keys, chunk.batches)


class _NotPlain(Exception):
    """Something in a container is not plainly right; the protocol's own reader will judge all of it."""


class _Chunk:
    """A chunk while it is read."""

    def __init__(self, authority: Authority, file: int) -> None:
        self._authority = authority
        self._network = authority.network
        self._file = file
        self._numbers: dict[tuple[int, bytes], int] = {}
        self._domains = {number: OFFLINE_DOMAIN + bytes([number]) + self._network for number in _KINDS}
        self.keys: list[tuple[int, bytes]] = [(0, b"")]
        self.rows: list[bytes] = []
        self.batches: list[ReadBatch] = []
        self._refused: list[tuple[bytes, str]] = []
        self._data = b""
        self._at = 0
        self._base = 0
        self._arrived = 0

    def batch(self, data: bytes, frame: Frame) -> None:
        """Add one batch's rows."""
        digest = batch_hash(data)
        self._refused, before = [], len(self.rows)
        self._data, self._at, self._base, self._arrived = data, 0, frame.batch_offset, frame.arrived
        plain = _plain_batch(data)
        try:
            if plain is not None and len(data) <= MAX_BATCH_BYTES:
                batch_id = self._plain_batch(plain)
            else:
                batch_id = self._batch(data)
        except TengeError as error:
            del self.rows[before:]
            self.batches.append(ReadBatch(frame, b"", digest, 0, [], error.code))
            return
        count = len(self.rows) - before
        self.batches.append(ReadBatch(frame, batch_id, digest, count, self._refused, ""))

    def _plain_batch(self, values: Any) -> bytes:
        _, batch_id, bundles, objects, requests = values
        opened = [open_envelope(list(item), SyncRequest, self._network) for item in requests]
        # In front of the bundles stand the container's head, its version and the batch id behind its own head.
        at = 4 + len(batch_id) + _array_head(len(bundles))
        for bundle in bundles:
            self._at = at + _bytes_head(len(bundle))
            at = self._at + len(bundle)
            self._bundle(bundle)
        self._at = at + _array_head(len(objects))
        for envelope in objects:
            if not self._is_plain(envelope):
                self._loose(envelope)
        for request in opened:
            self._open(request)
        return bytes(batch_id)

    def _batch(self, data: bytes) -> bytes:
        batch = open_batch(data, self._network)
        for bundle in batch.bundles:
            self._bundle(bundle)
        for envelope in batch.objects:
            self._loose(envelope)
        if batch.sync_request is not None:
            self._open(batch.sync_request)
        return batch.batch_id

    # --- bundles ---

    def _bundle(self, data: bytes) -> None:
        mark, at, wrong = len(self.rows), self._at, len(self._refused)
        plain = read_plain_bundle(data)
        if plain is not None:
            try:
                _, certificates, tokens = plain
                self._at += 2 + _array_head(len(certificates))
                self._plain_all(certificates, DeviceCertificate)
                self._at += _array_head(len(tokens))
                for note, transfers in tokens:
                    self._at += 1
                    self._plain_all((note,), Note)
                    self._at += _array_head(len(transfers))
                    self._plain_all(transfers, Transfer)
                return
            except _NotPlain:
                # Forget what was read of it, and let the protocol's own reader judge it.
                del self.rows[mark:], self._refused[wrong:]
                self._at = at
        try:
            bundle = open_bundle(data, self._network, MAX_BATCH_BYTES)
        except TengeError as error:
            self._refused.append((hashlib.sha256(data).digest(), error.code))
            return
        for certificate in bundle.certificates:
            self._open(certificate)
        for token in bundle.tokens:
            self._open(token.note)
            for transfer in token.transfers:
                self._open(transfer)

    def _plain_all(self, envelopes: Sequence[Any], cls: type[Record]) -> None:
        for type_number, body, signature in envelopes:
            values = plain_fields(cls, body) if type_number == cls.TYPE else None
            if values is None:
                raise _NotPlain
            self._row(cls, values, body, signature)

    # --- single objects ---

    def _loose(self, envelope: Any) -> None:
        if _is_shaped(envelope) and self._is_plain(envelope):
            return
        try:
            signed = open_submitted(_as_list(envelope), self._network)
        except TengeError as error:
            self._refused.append((hashlib.sha256(canonical.encode(envelope)).digest(), error.code))
            return
        self._open(signed)

    def _is_plain(self, envelope: tuple[int, bytes, bytes]) -> bool:
        """Add the row of a well-shaped envelope whose body is plainly right; False for any other."""
        type_number, body, signature = envelope
        cls = _KINDS.get(type_number)
        if cls is None:
            return False
        values = plain_fields(cls, body)
        if values is None:
            return False
        self._row(cls, values, body, signature)
        return True

    def _open(self, signed: Signed[Any]) -> None:
        record = signed.record
        self._row(type(record), record.values(), signed.body, signed.signature)

    def _row(self, cls: type[Record], values: Sequence[Any], body: bytes, signature: bytes) -> None:
        """Add the row of an object, or refuse it for what is wrong besides its signature."""
        number, kid, rest = BY_DEVICE, b"", (*_NOTHING, 0, 0)
        if cls is Transfer:
            (
                kind, previous, index, outputs, kid, counter, link, reference, _, _, hop, steps, purpose, spend_by, *_,
            ) = values  # fmt: skip
            amount, owner = outputs[0]
            change, change_owner = outputs[1] if len(outputs) == 2 else (0, _ZERO)
            rest = (
                previous, link, reference, kind, index, len(outputs), hop, steps, purpose, amount, owner, change,
                change_owner, counter, spend_by,
            )  # fmt: skip
        elif cls is DeviceCertificate or cls is Note:
            try:
                number, kid, rest = self._certified(cls(*values))
            except TengeError as error:
                envelope = canonical.encode([cls.TYPE, body, signature])
                self._refused.append((hashlib.sha256(envelope).digest(), error.code))
                return
        else:
            # The device is the first field of all of these.
            kid = values[0]
            if cls is Invoice:
                rest = (*_NOTHING, values[1], 0)
            elif cls is SyncRequest:
                rest = (*_NOTHING, values[2], 0)
        oid = hashlib.sha256(self._domains[cls.TYPE] + body).digest()
        self.rows.append(
            ROW.pack(
                cls.TYPE, number, oid, signature, self._file, self._offset(body, signature), len(body), self._arrived,
                kid, *rest,
            )
        )  # fmt: skip

    def _certified(self, record: Record) -> tuple[int, bytes, tuple[Any, ...]]:
        """What is particular to certificates and notes; raises what is wrong with them besides the signature."""
        if isinstance(record, DeviceCertificate):
            signer = certificate_signer(record, self._authority)
            own = self._key(record.algorithm, record.public_key)
            return self._key(signer.algorithm, signer.raw), record.kid, (*_NOTHING, own, 0)
        assert isinstance(record, Note)
        signer = note_signer(record, self._authority)
        rest = (
            _ZERO, _ZERO, _ZERO, 0, 0, 1, record.max_hops, record.max_length, record.purpose, record.amount_tiyn,
            record.owner, 0, _ZERO, record.redeem_by, record.spend_by,
        )  # fmt: skip
        return self._key(signer.algorithm, signer.raw), record.owner, rest

    def _offset(self, body: bytes, signature: bytes) -> int:
        """Where the body stands in its file: where the canonical form has it, or wherever the same bytes stand."""
        length = len(body)
        place = self._at + 2 + _bytes_head(length)
        if self._data[place : place + length + _BEHIND] != body + _TAIL + signature:
            place = self._data.index(body + _TAIL + signature)
        self._at = place + length + _BEHIND
        return self._base + place

    def _key(self, algorithm: int, raw: bytes) -> int:
        key = (algorithm, raw)
        number = self._numbers.get(key)
        if number is None:
            number = self._numbers[key] = len(self.keys)
            self.keys.append(key)
        return number


def _is_shaped(envelope: Any) -> bool:
    if type(envelope) not in (list, tuple) or len(envelope) != 3:
        return False
    type_number, body, signature = envelope
    if type(type_number) is not int or type(body) is not bytes or type(signature) is not bytes:
        return False
    return len(signature) == SIGNATURE_BYTES


def _array_head(count: int) -> int:
    """How many bytes stand before the items of an array, in its shortest form."""
    return 1 if count < 16 else 3


def _bytes_head(length: int) -> int:
    """How many bytes stand before the bytes of a byte string, in its shortest form."""
    return 2 if length < 256 else 3


def _as_list(envelope: Any) -> Any:
    return list(envelope) if type(envelope) is tuple else envelope


_KINDS: dict[int, type[Record]] = {
    cls.TYPE: cls for cls in (DeviceCertificate, Note, Transfer, Invoice, Receipt, SyncRequest, RedeemOrder)
}
_plain_batch = plain_reader(
    (VERSION, NONCE, Items(Bytes(), MAX_BUNDLES), Items(ENVELOPE, MAX_OBJECTS), Items(ENVELOPE, 1))
)
