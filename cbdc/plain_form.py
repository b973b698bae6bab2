"""The form of a plain transfer: the bytes of the commonest transaction, taken apart at one stroke.

A plain transfer spends tokens and creates tokens behind single keys, without marks, definition, preimages, lines or
documents. A decoder that lets nothing else through reads its bytes, and encoding the values again must give every byte
(so the form is the canonical one). Bytes that are not plainly a plain transfer are None here and are judged by
`cbdc.transaction`; nothing is refused in this module, and nothing is read differently from there.
"""

from typing import Annotated, Any, Literal

import msgspec

from cbdc.canonical import MAX_INTEGER

MAX_INPUTS = 256
MAX_OUTPUTS = 256
MAX_WITNESSES = 32
MAX_TRANSACTION_BYTES = 65_000


Inputs = tuple[tuple[bytes, int], ...]
Outputs = tuple[tuple[int, tuple[int, bytes], bytes], ...]
Witnesses = tuple[tuple[bytes, bytes], ...]
PlainForm = tuple[bytes, bytes, Inputs, Outputs, Witnesses]
"""What the bytes of a plain transfer say: body, nonce, inputs (id, place), outputs (amount, (1, key id), no mark),
witnesses (key id, signature)."""


def _exactly(length: int) -> Any:
    return Annotated[bytes, msgspec.Meta(min_length=length, max_length=length)]


def _some(kind: Any, most: int) -> Any:
    return Annotated[tuple[kind, ...], msgspec.Meta(min_length=1, max_length=most)]


_AMOUNT: Any = Annotated[int, msgspec.Meta(ge=1, le=MAX_INTEGER)]
_HASH: Any = _exactly(32)
_NONE: Any = _exactly(0)
_TOKEN_FORM: Any = tuple[_AMOUNT, tuple[Literal[1], _HASH], _NONE]
_PLACE: Any = Annotated[int, msgspec.Meta(ge=0, le=MAX_OUTPUTS - 1)]
_NONCE: Any = _exactly(16)
_INPUTS: Any = _some(tuple[_HASH, _PLACE], MAX_INPUTS)
_OUTPUTS: Any = _some(_TOKEN_FORM, MAX_OUTPUTS)
_BODY_FORM: Any = tuple[_NONCE, _INPUTS, _OUTPUTS, _NONE, tuple[()], tuple[()], tuple[()]]
_SIGNATURE: Any = _exactly(64)
_WITNESSES: Any = _some(tuple[_HASH, _SIGNATURE], MAX_WITNESSES)
_BODY_BYTES: Any = Annotated[bytes, msgspec.Meta(max_length=MAX_TRANSACTION_BYTES)]
_WIRE_FORM: Any = tuple[Literal[65], _BODY_BYTES, _WITNESSES]
_decode_wire = msgspec.msgpack.Decoder(_WIRE_FORM).decode
_decode_body = msgspec.msgpack.Decoder(_BODY_FORM).decode
_decode_token = msgspec.msgpack.Decoder(_TOKEN_FORM).decode
_encode = msgspec.msgpack.Encoder().encode


def plain_form(data: bytes) -> PlainForm | None:
    """What these wire bytes of a plain transfer say; None when they are not plainly one."""
    if len(data) > MAX_TRANSACTION_BYTES:
        return None
    try:
        wire = _decode_wire(data)
        _, body, witnesses = wire
        values = _decode_body(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    if _encode(wire) != data or _encode(values) != body:
        return None
    nonce, inputs, outputs, _, _, _, _ = values
    if len(witnesses) > 1 and len({kid for kid, _ in witnesses}) != len(witnesses):
        return None
    if len(inputs) > 1 and len(set(inputs)) != len(inputs):
        return None
    if len(outputs) > 1 and sum([output[0] for output in outputs]) > MAX_INTEGER:
        return None
    return body, nonce, inputs, outputs, witnesses


def plain_token(value: bytes) -> tuple[int, bytes] | None:
    """Amount and key id of an unmarked token behind a single key, in its canonical bytes; None for any other bytes."""
    try:
        form = _decode_token(value)
    except (msgspec.DecodeError, RecursionError):
        return None
    if _encode(form) != value:
        return None
    return form[0], form[1][1]
