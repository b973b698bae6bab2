"""Gossip over QR: newer TRUST lists from one screen to one camera, when they are small enough.

Over flow I the two sides compare their numbers and pass the newer lists along (`offline.transfer`). A QR code is shown
to whoever looks, so nobody is asked for a number: the shower says which list the other one is thought to have, and what
is shown has at most `MAX_QR_BYTES`, so that it stays one or two codes. Since lists are changes, that is the usual case.

    show    [37, [TRUST envelope...]]
    take    adopts them as any other chain: signatures, numbers and bases are checked, old lists change nothing

Source: DTO/1, section 5.12 (spread of lists).
"""

from cbdc import canonical
from cbdc.errors import Malformed, Refused
from cbdc.record import open_part
from offline.device import Device
from offline.records import Trust
from offline.trust import MAX_CHAIN

LISTS = 37
MAX_QR_BYTES = 1_024


def show(device: Device, newer_than: int) -> bytes:
    """The message with the lists for a device that has adopted number `newer_than`; no lists when it needs none.

    Raises E_TRUST_QR when it has more than `MAX_QR_BYTES`.
    """
    chain = device.trust_newer_than(newer_than)
    data = canonical.encode([LISTS, [trust.envelope() for trust in chain]])
    if len(data) > MAX_QR_BYTES:
        raise Refused("E_TRUST_QR", bytes=len(data), limit_bytes=MAX_QR_BYTES)
    return data


def take(device: Device, data: bytes) -> int:
    """Adopt the lists of a message; the number adopted afterwards. Older lists than the device's change nothing.

    Raises E_TRUST_QR for more bytes than a QR code carries, the errors of decoding, E_FIELD for another message, and
    what `Device.trust` raises.
    """
    if len(data) > MAX_QR_BYTES:
        raise Refused("E_TRUST_QR", bytes=len(data), limit_bytes=MAX_QR_BYTES)
    values = canonical.decode_array(data)
    if len(values) != 2 or values[0] != LISTS or type(values[1]) is not list or len(values[1]) > MAX_CHAIN:
        raise Malformed("E_FIELD", field="trust lists", problem="not a message of lists")
    chain = tuple(open_part(item, Trust, device.trust_view.network) for item in values[1])
    if chain and chain[-1].record.sequence > device.trust_view.sequence:
        device.trust(chain)
    return device.trust_view.sequence
