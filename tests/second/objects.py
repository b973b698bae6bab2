"""Objects: the table of 5.4, the forms and the reading of an envelope (5.3)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from . import keys
from .mpc import DEFAULT_LIMIT, MOST, Value, as_bytes, as_int, as_list, decode, encode
from .refusal import Refusal, need

ROOT, AUTH, DEVCERT, NOTE, TRANSFER, INVOICE, RECEIPT, SYNC_REQ, SYNC_ACK, TRUST = range(1, 11)
REDEEM_ORDER, SUBMIT_ACK, OUTCOME, ENROL, CERTLOG = range(11, 16)
BODY_LIMIT = 65_535
ONLINE_DST = b"kzt-dt/online/v1\0"
LOG_HEAD = 81


@dataclass(frozen=True)
class Num:
    """A number with bounds (5.3, the table of forms)."""

    low: int = 0
    high: int = MOST


@dataclass(frozen=True)
class Raw:
    """A byte string of one of these lengths."""

    lengths: tuple[int, ...]


@dataclass(frozen=True)
class Text:
    """Text of at most so many bytes."""

    most: int


@dataclass(frozen=True)
class Many:
    """`[x] a..b`: an array of a to b items."""

    item: Form
    low: int
    high: int


@dataclass(frozen=True)
class Tuple:
    """`(x, y)`: an array of exactly these."""

    items: tuple[Form, ...]


Form = Num | Raw | Text | Many | Tuple

U, U8, U16, U1 = Num(), Num(0, 255), Num(0, 65_535), Num(1)
ALG, BIT = Num(1, 255), Num(0, 1)
B8, B16, B32, KEY, B0_32 = Raw((8,)), Raw((16,)), Raw((32,)), Raw((32, 33)), Raw((0, 32))
LIMITS = Tuple((U,) * 6)
_EDGES = Many(Tuple((U8, Many(U8, 0, 64))), 0, 64)
_CAPS = Many(Tuple((Many(U8, 0, 32), Many(U8, 0, 32), U, U, U)), 0, 33)
PURPOSE = Tuple((U16, _EDGES, BIT, U8, BIT, _CAPS))

FIELDS: dict[int, dict[str, Form]] = {
    ROOT: {"algorithm": ALG, "public_key": KEY, "not_before": U, "expires": U, "label": Text(64)},
    AUTH: {
        "role": ALG,
        "algorithm": ALG,
        "public_key": KEY,
        "not_before": U,
        "expires": U,
        "scope": Many(U, 0, 8),
    },
    DEVCERT: {
        "ca_reference": B8,
        "device_id": B16,
        "algorithm": ALG,
        "public_key": KEY,
        "tier": ALG,
        "category": U8,
        "limits": LIMITS,
        "not_before": U,
        "expires": U,
        "certificate_number": U,
    },
    NOTE: {
        "issuer_reference": B8,
        "serial": B16,
        "amount_tiyn": U,
        "owner": B32,
        "purpose": U16,
        "max_hops": U8,
        "max_length": U8,
        "issued": U,
        "spend_by": U,
        "redeem_by": U,
        "load_number": U,
    },
    TRANSFER: {
        "kind": U8,
        "previous": B32,
        "index": U8,
        "outputs": Many(Tuple((U, B32)), 1, 2),
        "payer": B32,
        "counter": U1,
        "link": B32,
        "reference": B32,
        "part": U8,
        "parts": U8,
        "hop": U8,
        "length": U8,
        "purpose": U16,
        "spend_by": U,
        "trust_sequence": U,
        "sync_time": U,
        "time": U,
    },
    INVOICE: {
        "payee": B32,
        "invoice_number": U,
        "nonce": B16,
        "amount_tiyn": U1,
        "purpose": U16,
        "expires": U,
        "trust_sequence": U,
        "max_parts": Num(1, 8),
        "max_bytes": U,
        "offer": B0_32,
        "memo": B0_32,
    },
    RECEIPT: {"payee": B32, "invoice": B32, "payment_root": B32, "status": U8, "time": U},
    SYNC_REQ: {
        "kid": B32,
        "sync_number": U,
        "counter": U,
        "head": B32,
        "invoice_number": U,
        "purse": Many(Tuple((B32, U8, U1)), 0, 1024),
        "out_total_tiyn": U,
        "in_total_tiyn": U,
        "out_count": U,
        "in_count": U,
        "trust_sequence": U,
        "nonce": B16,
    },
    SYNC_ACK: {
        "kid": B32,
        "sync_number": U,
        "request": B32,
        "base_out_tiyn": U,
        "base_in_tiyn": U,
        "base_out_count": U,
        "base_in_count": U,
        "closed_invoice_number": U,
        "time": U,
        "min_trust_sequence": U,
        "action": U8,
        "drop": Many(Tuple((B32, U8)), 0, 1024),
        "certificate": B0_32,
    },
    TRUST: {
        "sequence": U,
        "base_sequence": U,
        "issued": U,
        "next_update": U,
        "revoked_kids": Many(B16, 0, 4096),
        "revoked_references": Many(B8, 0, 256),
        "tainted_notes": Many(B16, 0, 4096),
        "policy": Many(Tuple((U, U)), 0, 64),
        "purposes": Many(PURPOSE, 0, 256),
    },
    REDEEM_ORDER: {"kid": B32, "account": B32, "nonce": B16, "expires": U},
    SUBMIT_ACK: {"batch_id": B16, "batch_hash": B32, "log_size": U, "log_root": B32, "time": U},
    OUTCOME: {"subject": B32, "status": U8, "amount_tiyn": U, "evidence": B0_32, "log_index": U, "time": U},
    ENROL: {"bank_id": U, "algorithm": ALG, "public_key": KEY, "challenge": B32},
    CERTLOG: {"size": U, "log_root": B32, "keys": U, "limits_root": B32, "after": B0_32, "time": U},
}
ONLINE_FIELDS: dict[int, dict[str, Form]] = {LOG_HEAD: {"size": U1, "root": B32, "time": U}}


def check_form(value: Value, form: Form) -> None:
    """One field by its form (5.3, "Reading an envelope", step 6)."""
    if isinstance(form, Num):
        need(form.low <= as_int(value) <= form.high, "E_FIELD", "out of bounds")
    elif isinstance(form, Raw):
        need(len(as_bytes(value)) in form.lengths, "E_FIELD", "length")
    elif isinstance(form, Text):
        if not isinstance(value, str):
            raise Refusal("E_TYPE", "no text")
        need(len(value.encode()) <= form.most, "E_FIELD", "text too long")
    elif isinstance(form, Many):
        items = as_list(value)
        need(form.low <= len(items) <= form.high, "E_COUNT")
        for item in items:
            check_form(item, form.item)
    else:
        items = as_list(value)
        need(len(items) == len(form.items), "E_FIELD", "items")
        for item, inner in zip(items, form.items, strict=True):
            check_form(item, inner)


@dataclass(frozen=True)
class Obj:
    """An object: its type, the bytes of its body, its fields, its id, its signature (5.3)."""

    type: int
    body: bytes
    signature: bytes
    oid: bytes
    fields: dict[str, Value]
    dst: bytes = keys.DST

    def num(self, name: str) -> int:
        """A field that is a number."""
        return as_int(self.fields[name])

    def raw(self, name: str) -> bytes:
        """A field that is a byte string."""
        return as_bytes(self.fields[name])

    def seq(self, name: str) -> list[Value]:
        """A field that is an array."""
        return as_list(self.fields[name])

    def outputs(self) -> list[tuple[int, bytes]]:
        """(amount, owner) of each output; a note has only output 0 (5.1)."""
        if self.type == NOTE:
            return [(self.num("amount_tiyn"), self.raw("owner"))]
        return [(as_int(as_list(o)[0]), as_bytes(as_list(o)[1])) for o in self.seq("outputs")]

    def key_id(self) -> bytes:
        """The kid of the key that this record certifies or signs with (5.2)."""
        return keys.kid(self.num("algorithm"), self.raw("public_key"))

    def key_usable(self) -> bool:
        """Whether that key is taken (5.2)."""
        return keys.usable(self.num("algorithm"), self.raw("public_key"))

    def message(self) -> bytes:
        """What is signed (5.3): DST, "sig\\0", type, id."""
        return self.dst + b"sig\0" + bytes([self.type]) + self.oid

    def signed_by(self, record: Obj) -> bool:
        """Whether the signature is that of the key of a ROOT, AUTH, DEVCERT or ENROL (5.2)."""
        algorithm, key = record.num("algorithm"), record.raw("public_key")
        return keys.verify(algorithm, key, self.signature, self.message())


def network_of(root_body: bytes) -> bytes:
    """The network id: the first 8 bytes of SHA-256 over ROOT's body (5.3)."""
    return hashlib.sha256(root_body).digest()[:8]


def open_body(body: bytes, kind: int, network: bytes, signature: bytes = b"") -> Obj:
    """Steps 5 and 6 of "Reading an envelope" (5.3), and the object id."""
    online = kind in ONLINE_FIELDS
    forms = ONLINE_FIELDS[kind] if online else FIELDS[kind]
    dst = ONLINE_DST if online else keys.DST
    values = as_list(decode(body, BODY_LIMIT))
    need(len(values) == len(forms), "E_FIELD", "number of fields")
    for value, form in zip(values, forms.values(), strict=True):
        check_form(value, form)
    oid = hashlib.sha256(dst + bytes([kind]) + network + body).digest()
    return Obj(kind, body, signature, oid, dict(zip(forms, values, strict=True)), dst)


def open_item(item: Value, kind: int, network: bytes) -> Obj:
    """`open(envelope, type)` of 5.3, of an item of a container."""
    parts = as_list(item)
    need(len(parts) == 3, "E_FIELD", "an envelope has 3 items")
    need(as_int(parts[0]) == kind, "E_OBJTYPE")
    body = as_bytes(parts[1])
    signature = as_bytes(parts[2])
    need(len(signature) == 64, "E_FIELD", "a signature has 64 bytes")
    return open_body(body, kind, network, signature)


def open_envelope(data: bytes, kind: int, network: bytes) -> Obj:
    """`open(envelope, type)` of 5.3, of an envelope that stands alone."""
    return open_item(decode(data, DEFAULT_LIMIT), kind, network)


def open_root(data: bytes) -> Obj:
    """A ROOT (5.2): structure, its key, its own signature, under the network that its body makes."""
    root = open_envelope(data, ROOT, b"")
    network = network_of(root.body)
    root = open_body(root.body, ROOT, network, root.signature)
    need(root.key_usable(), "E_KEY")
    need(root.signed_by(root), "E_SIG")
    return root


def open_auth(item: Value, root: Obj) -> Obj:
    """An AUTH (5.2): structure, ROOT's signature, its key."""
    auth = open_item(item, AUTH, network_of(root.body))
    need(auth.signed_by(root), "E_SIG")
    need(auth.key_usable(), "E_KEY")
    return auth


def envelope_value(obj: Obj) -> Value:
    """The envelope as a value (5.3)."""
    return [obj.type, obj.body, obj.signature]


def envelope_bytes(obj: Obj) -> bytes:
    """The envelope's bytes (5.3)."""
    return encode(envelope_value(obj))
