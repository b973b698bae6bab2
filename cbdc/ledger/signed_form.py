"""The form of any signed transaction: which of its signatures stand, whatever it does and whether it may.

Who verifies ahead of a judge need not know what a transaction means: its kind, its body and its witnesses tell what was
signed and by whom. A transaction in its canonical form can be read in no other way, and one that is in no canonical
form every judge refuses, whatever is said of its signatures. So nothing is judged here: what is said of a signature
holds for these bytes, and the judge opens the transaction himself.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from cbdc.keys import KEY_BYTES, PublicKey, key_id, standing
from cbdc.plain_form import MAX_TRANSACTION_BYTES, MAX_WITNESSES
from cbdc.record import ONLINE_DOMAIN, object_id, signing_message
from cbdc.transaction import KINDS, RegisterKey, RotateKey

SignedForm = tuple[int, bytes, tuple[tuple[bytes, bytes], ...]]
"""A kind's number, a body, and the witnesses (key id, signature)."""

# Where the algorithm stands in the body of a kind that brings a key; the key comes after it.
_ALGORITHM_AT = {RegisterKey.TYPE: 1, RotateKey.TYPE: 2}
_decode = msgspec.msgpack.Decoder(SignedForm).decode
_decode_body = msgspec.msgpack.Decoder(list[Any]).decode
_encode = msgspec.msgpack.Encoder().encode


def signed_form(payload: bytes) -> SignedForm | None:
    """The parts of a transaction in its canonical form and of a known kind; None for anything else."""
    if len(payload) > MAX_TRANSACTION_BYTES:
        return None
    try:
        form: SignedForm = _decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return None
    known = form[0] in KINDS and len(form[2]) <= MAX_WITNESSES
    return form if known and _encode(form) == payload else None


def key_in(form: SignedForm) -> tuple[bytes, tuple[int, bytes]] | None:
    """The key that a transaction brings: its id, and (algorithm, key). Nothing says that it is usable."""
    kind, body, _ = form
    place = _ALGORITHM_AT.get(kind)
    if place is None:
        return None
    try:
        algorithm, key = _decode_body(body)[place : place + 2]
    except (msgspec.DecodeError, RecursionError, ValueError):
        return None
    right = type(algorithm) is int and type(key) is bytes and len(key) == KEY_BYTES.get(algorithm)
    return (key_id(algorithm, key), (algorithm, key)) if right else None


def standing_bits(payload: bytes, network: bytes, key_of: Callable[[bytes], PublicKey | None]) -> int:
    """A number whose bits say which witnesses' signatures stand, under the keys that `key_of` gives for a key id.

    A transaction that brings a key may be signed by it. 0 for what is in no canonical form.
    """
    form = signed_form(payload)
    if form is None:
        return 0
    kind, body, witnesses = form
    brought = key_in(form)
    own = {} if brought is None else {brought[0]: PublicKey(*brought[1])}
    message = signing_message(ONLINE_DOMAIN, kind, object_id(ONLINE_DOMAIN, kind, network, body))
    asked = [(key_of(kid) or own.get(kid), signature, message) for kid, signature in witnesses]
    return sum(1 << place for place in standing(asked))
