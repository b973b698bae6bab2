"""Plain transfers: the commonest transaction, read and laid out for the ledger without building its records.

Nearly every payment is a plain transfer (`cbdc.plain_form` says what that is). `read_plain` never says anything but
what `cbdc.transaction.open_transaction` would say; bytes that are not plainly a plain transfer give None, and nothing
is refused here. A verifying process does this for the writer of the ledger (`cbdc.ledger.verifying`), and what it hands
over is a `Plain`.

`Plain.signers` are the keys whose signatures **were verified** over just these bytes in this network. A key id is a
hash of algorithm and key, so no other key can be meant by it, in whatever state the ledger is.
"""

import hashlib
from typing import NamedTuple

import msgspec

from cbdc.ledger.state import TOKEN
from cbdc.plain_form import MAX_INPUTS, MAX_OUTPUTS, plain_form
from cbdc.record import ONLINE_DOMAIN, signing_message
from cbdc.token import KeyLock
from cbdc.transaction import SignedTransaction, Transfer

Created = tuple[bytes, bytes, int, bytes]
"""A token that a plain transfer creates: its packed state key, its key id, its amount, its value in the state."""


class Plain(NamedTuple):
    """A plain transfer: its id, the packed state keys of what it spends, what it creates, and who truly signed it."""

    id: bytes
    spends: tuple[bytes, ...]
    creates: tuple[Created, ...]
    signers: tuple[bytes, ...]


ReadPlain = tuple[Plain, tuple[tuple[bytes, bytes], ...], bytes]
"""A plain transfer, and what nobody verified yet: [(key id, signature)...] over the message at the end."""


_encode = msgspec.msgpack.Encoder().encode
_sha256 = hashlib.sha256
_fill = tuple.__new__  # what a named tuple's own class does in three times the time

_TOKEN_KEY = bytes([TOKEN])
_PLACES = [place.to_bytes(2, "big") for place in range(max(MAX_INPUTS, MAX_OUTPUTS))]
_ID_PREFIX = ONLINE_DOMAIN + bytes([Transfer.TYPE])
_SIGNED_PREFIX = signing_message(ONLINE_DOMAIN, Transfer.TYPE, b"")


def read_plain(data: bytes, network: bytes) -> ReadPlain | None:
    """The plain transfer in these wire bytes, well formed and not yet verified; None when it is not plainly one."""
    form = plain_form(data)
    if form is None:
        return None
    body, _, inputs, outputs, witnesses = form
    identity = _sha256(_ID_PREFIX + network + body).digest()
    stem = _TOKEN_KEY + identity
    creates = [
        (stem + place, lock[1], amount, _encode((amount, lock, mark)))
        for place, (amount, lock, mark) in zip(_PLACES, outputs)  # noqa: B905 - there are more places
    ]
    # One input and one signer is what there nearly always is, and a list costs more than what stands in it.
    if len(inputs) == 1:
        ((transaction, place),) = inputs
        spends: tuple[bytes, ...] = (_TOKEN_KEY + transaction + _PLACES[place],)
    else:
        spends = tuple([_TOKEN_KEY + transaction + _PLACES[place] for transaction, place in inputs])
    signers = (witnesses[0][0],) if len(witnesses) == 1 else tuple([kid for kid, _ in witnesses])
    plain = _fill(Plain, (identity, spends, tuple(creates), signers))
    return plain, witnesses, _SIGNED_PREFIX + identity


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
