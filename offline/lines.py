"""Lines: the history of one piece of money, as a host keeps it, and how lines are packed for others.

A line is a note and the straight run of transfers that leads to one outpoint (`HeldToken`). Hosts keep one for each
slot of their purse, put their own transfer at its end when they pay, and hand lines to the payee or to settlement.

Packing for settlement drops every line that another one contains, shares certificates, and keeps each bundle within
the counts that any reader accepts; what does not fit a bundle (a redemption at the end of a full line) travels loose.

Source: DTO/1, sections 5.4 (containers), 5.5 and 5.9.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cbdc import canonical
from cbdc.record import Signed, open_envelope
from offline.bundle import Bundle, HeldToken
from offline.records import (
    MAX_CERTIFICATES,
    MAX_TOKENS,
    MAX_TRANSFERS,
    DeviceCertificate,
    Note,
    Outpoint,
    SignedTransfer,
    Transfer,
)

Certificates = Mapping[bytes, Signed[DeviceCertificate]]

MAX_BUNDLE_BYTES = canonical.MAX_LENGTH
# No transfer is longer than this on the wire, whatever its numbers: what a payment adds to each line it uses.
TRANSFER_BYTES = 380

_BUNDLE_OVERHEAD_BYTES = 16


def line_bytes(line: HeldToken) -> bytes:
    """A line as a host keeps it."""
    return canonical.encode(line.envelope())


def open_line(data: bytes, network: bytes) -> HeldToken:
    """The line in `data`; E_FIELD or a decoding error when it is none. Signatures are not verified."""
    decoded: Any = canonical.decode_array(data)
    note, transfers = decoded
    return HeldToken(
        open_envelope(note, Note, network),
        tuple(open_envelope(item, Transfer, network) for item in transfers),
    )


def extended(line: HeldToken, transfer: SignedTransfer) -> HeldToken:
    """`line` with one more transfer at its end."""
    return HeldToken(line.note, (*line.transfers, transfer))


def outpoint_bytes(outpoint: Outpoint) -> bytes:
    """The 33 bytes under which an outpoint is kept."""
    return outpoint.previous + bytes([outpoint.position])


def people(lines: Iterable[HeldToken]) -> list[bytes]:
    """The key ids of every payer on these lines, each once, in order."""
    found: dict[bytes, None] = {}
    for line in lines:
        found.update((transfer.record.payer, None) for transfer in line.transfers)
    return list(found)


def bundle_of(lines: Sequence[HeldToken], certificates: Certificates, owner: bytes | None = None) -> Bundle:
    """A bundle of these lines with the certificates of their payers that are known, and the owner's if it is named."""
    kids = people(lines)
    if owner is not None and owner not in kids:
        kids.append(owner)
    return Bundle(tuple(certificates[kid] for kid in kids if kid in certificates), tuple(lines))


def pack(lines: Iterable[HeldToken], certificates: Certificates) -> tuple[list[Bundle], list[SignedTransfer]]:
    """Bundles that together hold all these lines, and the transfers that fit in none."""
    loose: list[SignedTransfer] = []
    short: list[HeldToken] = []
    for line in _longest(lines):
        loose += line.transfers[MAX_TRANSFERS:]
        short.append(HeldToken(line.note, line.transfers[:MAX_TRANSFERS]))
    bundles: list[Bundle] = []
    group: list[HeldToken] = []
    for line in short:
        if group and not _fits([*group, line], certificates):
            bundles.append(bundle_of(group, certificates))
            group = []
        group.append(line)
    if group:
        bundles.append(bundle_of(group, certificates))
    return bundles, loose


def _longest(lines: Iterable[HeldToken]) -> list[HeldToken]:
    by_tip = {line.tip: line for line in lines}
    inner = {transfer.record.previous for line in by_tip.values() for transfer in line.transfers}
    return [line for tip, line in sorted(by_tip.items()) if tip not in inner]


def _fits(lines: Sequence[HeldToken], certificates: Certificates) -> bool:
    if len(lines) > MAX_TOKENS or len(people(lines)) > MAX_CERTIFICATES:
        return False
    return bundle_size(lines, certificates) <= MAX_BUNDLE_BYTES


def bundle_size(lines: Sequence[HeldToken], certificates: Certificates, owner: bytes | None = None) -> int:
    """An upper bound of the bytes of `bundle_of` for the same arguments."""
    kids = {*people(lines)} if owner is None else {*people(lines), owner}
    known = [certificates[kid] for kid in kids if kid in certificates]
    objects: list[Signed[Any]] = [*known, *(line.note for line in lines)]
    for line in lines:
        objects += line.transfers
    return _BUNDLE_OVERHEAD_BYTES + sum(envelope_bytes(signed) for signed in objects) + 4 * len(lines)


def envelope_bytes(signed: Signed[Any]) -> int:
    """The bytes of an envelope: array, type, body and signature with their heads (at most two more than exact)."""
    return 1 + 1 + 3 + len(signed.body) + 2 + len(signed.signature)
