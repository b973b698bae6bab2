"""The door of settlement: what may enter the set of evidence, and what waits outside for its certificate.

An object enters when its signature leads back to ROOT; nothing else is asked (no time, no limit, no revocation):

    certificate    by its bank                     transfer, invoice, receipt, sync request   by its device
    note           by an issuer's epoch key        redeem order                               by a bank of the device
    TRUST list     by the status key

What a device signed before anybody showed its certificate **waits**, with every signature it came under, and is
judged when the certificate comes; its arrival is the moment it came first. What can never enter is refused with the
code of what is wrong, and spoils nothing else in its batch.

Source: DTO/1, section 5.9 (`ingest`).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from cbdc.authority import BANK_CA, STATUS, Authority
from cbdc.errors import Malformed, Refused
from cbdc.record import Record, Signed, open_envelope
from offline.admission import check_certificate_issue, check_note_issue, find_auth
from offline.archive import Row
from offline.records import (
    DeviceCertificate,
    Invoice,
    Note,
    Receipt,
    RedeemOrder,
    SyncAck,
    SyncRequest,
    Transfer,
    Trust,
)

Certificates = Callable[[bytes], list[Signed[DeviceCertificate]]]

_BY_DEVICE: dict[type[Record], str] = {
    Transfer: "payer",
    Invoice: "payee",
    Receipt: "payee",
    SyncRequest: "kid",
    RedeemOrder: "kid",
}
_SUBMITTED: dict[int, type[Record]] = {
    kind.TYPE: kind
    for kind in (DeviceCertificate, Note, Transfer, Invoice, Receipt, SyncRequest, RedeemOrder)
}
_KEPT: dict[int, type[Record]] = {**_SUBMITTED, Trust.TYPE: Trust, SyncAck.TYPE: SyncAck}


def open_submitted(envelope: object, network: bytes) -> Signed[Any]:
    """The object in an envelope that somebody handed in; decoding errors, E_OBJTYPE for a type that nobody submits."""
    if type(envelope) is bytes:
        raise Malformed("E_OBJTYPE", type="bytes", expected="an object of the offline protocol")
    return _open(envelope, network, _SUBMITTED)


def open_kept(envelope: bytes, network: bytes) -> Signed[Any]:
    """The object in an archived envelope."""
    return _open(envelope, network, _KEPT)


def kept_kind(type_number: int) -> type[Record]:
    """The class of an archived object's type number."""
    return _KEPT[type_number]


def _open(envelope: object, network: bytes, kinds: dict[int, type[Record]]) -> Signed[Any]:
    if type(envelope) is bytes:
        # The type stands in the second byte: every type of DTO/1 is below 128.
        type_number: object = envelope[1] if len(envelope) > 1 else None
    else:
        type_number = envelope[0] if isinstance(envelope, list | tuple) and envelope else None
    kind = kinds.get(type_number) if type(type_number) is int else None
    if kind is None:
        raise Malformed("E_OBJTYPE", type=str(type_number)[:20], expected="an object of the offline protocol")
    return open_envelope(envelope, kind, network)


def device_of(record: Record) -> bytes | None:
    """The key id of the device that must be certified before the object can be judged; None when none must."""
    name = _BY_DEVICE.get(type(record))
    return None if name is None else getattr(record, name)


def verify(signed: Signed[Any], authority: Authority, certificates: Certificates) -> bool:
    """True when the object may enter, False when it waits for its device's certificate; raises what is wrong with it.

    Raises E_CA, E_KEY, E_ISSUER, E_AMOUNT, E_NOTE_TIME, E_AUTHORITY or E_SIG.
    """
    record = signed.record
    if isinstance(record, DeviceCertificate):
        check_certificate_issue(signed, authority)
    elif isinstance(record, Note):
        check_note_issue(signed, authority)
    elif isinstance(record, Trust):
        _by_any(signed, [auth.key for auth in authority.with_role(STATUS)])
    else:
        kid = device_of(record)
        assert kid is not None, "every other object is a device's, or about one"
        known = certificates(kid)
        if not known:
            return False
        if isinstance(record, RedeemOrder):
            _by_any(signed, _banks(known, authority))
        else:
            signed.verify(known[0].record.key)
    return True


def _banks(certificates: list[Signed[DeviceCertificate]], authority: Authority) -> list[Any]:
    found = [
        find_auth(authority, signed.record.ca_reference, BANK_CA, signed.record.not_before)
        for signed in certificates
    ]
    return [auth.key for auth in found if not isinstance(auth, str)]


def _by_any(signed: Signed[Any], keys: list[Any]) -> None:
    for key in keys:
        try:
            signed.verify(key)
        except Refused:
            continue
        return
    raise Refused("E_SIG", kid=b"")


@dataclass(slots=True)
class Intake:
    """One batch while it is judged: rows to archive with their objects, what was refused, and who is certified."""

    rows: list[tuple[Row, Signed[Any]]] = field(default_factory=list)
    refused: dict[bytes, str] = field(default_factory=dict)
    certificates: dict[bytes, list[Signed[DeviceCertificate]]] = field(default_factory=dict)
    known: set[tuple[bytes, bytes]] = field(default_factory=set)
    logged: set[bytes] = field(default_factory=set)
