"""Plain transfers: the commonest transaction, read and laid out for the ledger without building its records.

A plain transfer spends tokens and creates tokens behind single keys, without marks, definition, preimages, lines or
documents. Nearly every payment is one. `read_plain` takes its bytes apart with a decoder that lets nothing else
through and encodes again to compare every byte, so it never says anything but what `cbdc.transaction.open_transaction`
would say; bytes that are not plainly a plain transfer give None, and nothing is refused here. A verifying process does
this for the writer of the ledger (`cbdc.ledger.verifying`), and what it hands over is a `Plain`.

`Plain.signers` are the keys whose signatures **were verified** over just these bytes in this network. A key id is a
hash of algorithm and key, so no other key can be meant by it, in whatever state the ledger is.
"""

import hashlib
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from cbdc.canonical import MAX_INTEGER
from cbdc.ledger.state import TOKEN
from cbdc.record import ONLINE_DOMAIN, signing_message
from cbdc.token import KeyLock
from cbdc.transaction import (
    MAX_INPUTS,
    MAX_OUTPUTS,
    MAX_TRANSACTION_BYTES,
    MAX_WITNESSES,
    SignedTransaction,
    Transfer,
)

Created = tuple[bytes, bytes, int, bytes]
"""A token that a plain transfer creates: its packed state key, its key id, its amount, its value in the state."""


class Plain(NamedTuple):
    """A plain transfer: its id, the packed state keys of what it spends, what it creates, and who truly signed it."""

    id: bytes
    spends: tuple[bytes, ...]
    creates: tuple[Created, ...]
    signers: tuple[bytes, ...]


class ReadPlain(NamedTuple):
    """A plain transfer whose signatures nobody verified yet: [(key id, signature)...] over `message`."""

    plain: Plain
    witnesses: tuple[tuple[bytes, bytes], ...]
    message: bytes


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

_TOKEN_KEY = bytes([TOKEN])
_PLACES = [place.to_bytes(2, "big") for place in range(max(MAX_INPUTS, MAX_OUTPUTS))]
_ID_PREFIX = ONLINE_DOMAIN + bytes([Transfer.TYPE])
_SIGNED_PREFIX = signing_message(ONLINE_DOMAIN, Transfer.TYPE, b"")


def read_plain(data: bytes, network: bytes) -> ReadPlain | None:
    """The plain transfer in these wire bytes, well formed and not yet verified; None when it is not plainly one."""
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
    inputs, outputs = values[1], values[2]
    if len(witnesses) > 1 and len({kid for kid, _ in witnesses}) != len(witnesses):
        return None
    if len(inputs) > 1 and len(set(inputs)) != len(inputs):
        return None
    if sum([output[0] for output in outputs]) > MAX_INTEGER:
        return None
    identity = hashlib.sha256(_ID_PREFIX + network + body).digest()
    stem = _TOKEN_KEY + identity
    plain = Plain(
        identity,
        tuple([_TOKEN_KEY + transaction + _PLACES[place] for transaction, place in inputs]),
        tuple(
            [
                (stem + _PLACES[place], output[1][1], output[0], _encode(output))
                for place, output in enumerate(outputs)
            ]
        ),
        tuple([kid for kid, _ in witnesses]),
    )
    return ReadPlain(plain, witnesses, _SIGNED_PREFIX + identity)


def plain_of(transaction: SignedTransaction) -> Plain | None:
    """The plain transfer that an opened transaction is, or None. Its signatures are as unverified as they were."""
    record = transaction.record
    if type(record) is not Transfer or (
        record.definition or record.preimages or record.lines or record.documents
    ):
        return None
    stem = _TOKEN_KEY + transaction.id
    creates: list[Created] = []
    for place, token in enumerate(record.outputs):
        lock = token.lock
        if type(lock) is not KeyLock or token.mark:
            return None
        value = _encode((token.amount_tiyn, (1, lock.kid), b""))
        creates.append((stem + _PLACES[place], lock.kid, token.amount_tiyn, value))
    spends = tuple([_TOKEN_KEY + spent.transaction_id + _PLACES[spent.output] for spent in record.inputs])
    return Plain(transaction.id, spends, tuple(creates), tuple([kid for kid, _ in transaction.witnesses]))


def read_token(value: bytes) -> tuple[int, bytes] | None:
    """Amount and key id of an unmarked token behind a single key, as the state keeps it; None for any other value."""
    try:
        form = _decode_token(value)
    except (msgspec.DecodeError, RecursionError):
        return None
    if _encode(form) != value:
        return None
    return form[0], form[1][1]
