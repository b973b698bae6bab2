"""`tenge offline frames`: a message as frames, weighed against what QR codes, NFC commands and BLE packets hold.

Everything here shows; `offline.payload` reads, and `offline.link` and `offline.carriers` cut. The seconds are those of
a link that loses nothing, at the assumed speeds of `offline.carriers`.
"""

from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import segno

from cbdc.errors import Malformed, Refused
from cbdc.ports import SeededEntropy
from offline.carriers import BleCarrier, Carrier, NfcCarrier, QrCarrier
from offline.link import APDU_DATA_BYTES, MAX_FRAMES, QR_PAYLOAD_BYTES, Faults, ble_packets, frames, qr_texts
from offline.parameters import MAX_BYTES, MAX_BYTES_QR
from offline.payload import Payload, read_payload

CARRIERS = ("qr", "nfc", "ble")
LEAST_MTU, USUAL_MTU, MOST_MTU = 23, 185, 517
MOST_BYTES = 1 << 20

_ERROR_LEVELS = ("L", "M")
_SHOWN = 32


def read_file(path: Path) -> Payload:
    """The payload in a file; E_FILE or E_PAYLOAD."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Refused("E_FILE", file=path.name, problem=error.strerror or "unreadable") from None
    return read_payload(data, path.name)


def pieces(data: bytes, carrier: str, mtu: int) -> list[dict[str, Any]]:
    """The frames, commands or packets that carry a message, each with its bytes in hexadecimal; QR also as text.

    Raises E_FRAME for QR when the message is too long for 64 frames.
    """
    if carrier == "qr":
        rows = zip(frames(data), qr_texts(data), strict=True)
        return [{"bytes": len(frame), "hex": frame.hex(), "text": text} for frame, text in rows]
    if carrier == "nfc":
        places = range(0, max(1, len(data)), APDU_DATA_BYTES)
        cut = [data[place : place + APDU_DATA_BYTES] for place in places]
    else:
        cut = ble_packets(data, mtu)
    return [{"bytes": len(piece), "hex": piece.hex()} for piece in cut]


def weigh(payload: Payload, mtu: int = USUAL_MTU) -> dict[str, Any]:
    """The payload meter as plain values: what it holds, what each hop adds, and what each carrier makes of it."""
    size = len(payload.data)
    qr = _qr(payload.data)
    return {
        "kind": payload.kind,
        "bytes": size,
        "objects": [
            {"name": part.name, "count": part.count, "bytes": part.size_bytes} for part in payload.parts
        ],
        "packing_bytes": payload.packing_bytes,
        "lines": [
            {
                "note_bytes": line.note_bytes,
                "hops": [
                    {
                        "hop": step.hop,
                        "transfer_bytes": step.transfer_bytes,
                        "certificate_bytes": step.certificate_bytes,
                    }
                    for step in line.steps
                ],
            }
            for line in payload.lines
        ],
        "qr": qr,
        "nfc": _carried(NfcCarrier(SeededEntropy(0), b"", Faults()), payload.data)
        | {"bytes_each": APDU_DATA_BYTES},
        "ble": _carried(BleCarrier(SeededEntropy(0), b"", Faults(), mtu), payload.data)
        | {"mtu": mtu, "bytes_each": mtu - 3},
        "limits": {
            "max_bytes": {"bytes": MAX_BYTES.default, "fits": size <= MAX_BYTES.default},
            "max_bytes_qr": {"bytes": MAX_BYTES_QR.default, "fits": size <= MAX_BYTES_QR.default},
            "qr_codes": {"codes": MAX_FRAMES, "fits": qr is not None},
        },
    }


def _carried(carrier: Carrier, data: bytes) -> dict[str, Any]:
    passage = carrier.send(data)
    return {"pieces": passage.pieces, "bytes_on_air": passage.sent_bytes, "seconds": passage.seconds}


def _qr(data: bytes) -> dict[str, Any] | None:
    try:
        longest = max(qr_texts(data), key=len)
    except Malformed:
        return None
    versions = {
        level: segno.make(longest, error=level, boost_error=False, micro=False).version
        for level in _ERROR_LEVELS
    }
    carried = _carried(QrCarrier(SeededEntropy(0), b"", Faults()), data)
    return carried | {"bytes_each": QR_PAYLOAD_BYTES, "characters": len(longest), "versions": versions}


def lines_of(found: Mapping[str, Any]) -> list[str]:
    """The meter for a terminal."""
    told = [f"{found['kind']}, {found['bytes']:,} bytes", "", "WHAT IT HOLDS"]
    told += [f"  {row['count']:>3} {row['name']:<14} {row['bytes']:>7,} bytes" for row in found["objects"]]
    told.append(f"      {'packing':<14} {found['packing_bytes']:>7,} bytes")
    for number, line in enumerate(found["lines"], start=1):
        told += [
            "",
            f"LINE {number}: WHAT EACH HOP ADDS",
            f"  note            {line['note_bytes']:>7,} bytes",
        ]
        for step in line["hops"]:
            certificate = step["certificate_bytes"]
            total = step["transfer_bytes"] + certificate
            made_of = f"transfer {step['transfer_bytes']}" + (
                f" + certificate {certificate}" if certificate else ""
            )
            told.append(f"  hop {step['hop']:<11} {total:>7,} bytes   {made_of}")
    told += ["", "WHAT CARRIES IT (nothing lost, assumed speeds)", *_carrier_lines(found)]
    return told


def _carrier_lines(found: Mapping[str, Any]) -> list[str]:
    limits, qr, nfc, ble = found["limits"], found["qr"], found["nfc"], found["ble"]
    mtu = ble["mtu"]
    if qr is None:
        told = [f"  QR    does not fit into {MAX_FRAMES} codes"]
    else:
        version = ", ".join(f"{number}-{level}" for level, number in qr["versions"].items())
        codes = f"{qr['pieces']:>4} codes of at most {qr['bytes_each']} bytes"
        told = [f"  QR    {codes}, version {version}, {qr['seconds']} s"]
    told += [
        f"  NFC   {nfc['pieces'] - 1:>4} short commands of at most {nfc['bytes_each']} bytes, {nfc['seconds']} s",
        f"  BLE   {ble['pieces']:>4} packets of at most {ble['bytes_each']} bytes (MTU {mtu}), {ble['seconds']} s",
    ]
    for name in ("max_bytes_qr", "max_bytes"):
        row = limits[name]
        told.append(f"  {name} {row['bytes']:,} bytes: {'fits' if row['fits'] else 'DOES NOT FIT'}")
    return told


def piece_lines(found: list[dict[str, Any]], carrier: str) -> list[str]:
    """The frames, commands or packets for a terminal, each by its beginning."""
    word = {"qr": "QR CODE", "nfc": "NFC COMMAND", "ble": "BLE PACKET"}[carrier]
    told = []
    for number, row in enumerate(found, start=1):
        shown = row.get("text", row["hex"])
        more = "..." if len(shown) > _SHOWN else ""
        told.append(f"  {word} {number}/{len(found)}  {row['bytes']:>4} bytes  {shown[:_SHOWN]}{more}")
    return told


def drawings(data: bytes) -> list[str]:
    """The QR codes of a message, drawn with letters; E_FRAME when it needs more than 64."""
    drawn = []
    for text in qr_texts(data):
        out = StringIO()
        segno.make(text, error="L", boost_error=False, micro=False).terminal(out, compact=True)
        drawn.append(out.getvalue())
    return drawn
