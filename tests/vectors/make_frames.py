"""Vectors of links: frames, QR texts, BLE packets (5.15; T13 to T16)."""

import zlib
from typing import Any

from offline.link import base45, ble_packets, frames, message_id, open_frame, qr_texts
from tests.offline.world import fixed_bytes
from tests.vectors.case import Case, case

_MESSAGE = b"".join(fixed_bytes(f"message {place}", 64) for place in range(25))


def _frame(id: bytes, index: int, total: int, payload: bytes) -> bytes:
    """A frame with any head and the CRC that belongs to it."""
    body = b"\xd7\x01" + id + bytes([index, total]) + payload
    return body + zlib.crc32(body).to_bytes(4, "big")


def _frames_cases() -> list[Case]:
    cases: list[Case] = []
    whole = frames(_MESSAGE)
    first, second, third = whole
    short = frames(b"\x05")
    id = message_id(_MESSAGE)
    payload = open_frame(second).payload

    def add(name: str, what: str, data: bytes, shown: list[bytes], expect: str = "ok", **more: Any) -> None:
        cases.append(case(name, what, "frames", data, expect, frames=shown, **more))

    add("frames-one", "a message of one byte in one frame", b"\x05", short)
    add("frames-three", "1,600 bytes in three frames", _MESSAGE, whole)
    add("T13-order", "the frames in another order", _MESSAGE, [third, first, second])
    add("T13-twice", "each frame twice", _MESSAGE, [first, first, third, third, second])
    add("T13-missing", "one frame never comes: no message yet", b"", [first, third])
    add("frames-limit", "a message of just the limit", _MESSAGE, whole, limit_bytes=len(_MESSAGE))
    add("N16-frames", "one byte above the limit", b"", whole, "E_SIZE", limit_bytes=len(_MESSAGE) - 1)
    limit = len(_MESSAGE)
    twin = frames(_MESSAGE[::-1])
    mixed = [first, twin[0], second, twin[1], twin[2], third]
    add("T13-two", "two messages at once: the limit is each one's own", _MESSAGE, mixed, limit_bytes=limit)
    add("T13-late", "a frame once more when the message is there: a new beginning", b"", [*whole, second])
    add("T13-again", "the whole message once more", _MESSAGE, [*whole, *whole])
    openings = [frames(_MESSAGE[place:])[0] for place in range(1, 5)]
    add("T15-four", "four messages at once", _MESSAGE, [first, *openings[:3], second, third])
    add("T15-five", "a fifth: the oldest was dropped", b"", [first, *openings, second, third])
    heavy = _frame(id, 2, 3, bytes(600))
    add(
        "N16-frames-hash",
        "too long, and another hash",
        b"",
        [first, second, heavy],
        "E_SIZE",
        limit_bytes=limit,
    )
    bent = bytearray(second)
    bent[20] ^= 1
    add("T14-bit", "one bit of a payload is changed", b"", [first, bytes(bent)], "E_FRAME")
    other = _frame(id, 1, 3, bytes([payload[0] ^ 1]) + payload[1:])
    add("T14-differs", "two frames for one place differ", b"", [first, second, other], "E_FRAME")
    add("T14-hash", "a frame with another content and a right CRC", b"", [first, other, third], "E_FRAME")
    total = _frame(id, 1, 4, payload)
    add("T14-total", "two totals in one message", b"", [first, total], "E_FRAME")
    for name, what, frame in (
        ("empty", "no bytes at all", b""),
        ("bare", "a frame without a payload", _frame(id, 0, 1, b"")),
        ("magic", "another beginning", b"\xd7\x02" + first[2:]),
        ("cut", "a frame cut short", first[:-1]),
        ("longer", "a frame and one byte more", first + b"\0"),
        ("total-0", "frame 0 of 0", _frame(id, 0, 0, payload)),
        ("total-65", "a message of 65 frames", _frame(id, 0, 65, payload)),
        ("index", "frame 3 of 3, which counts from 0", _frame(id, 3, 3, payload)),
    ):
        add(f"T14-{name}", what, b"", [frame], "E_FRAME")
    return cases


def _qr_cases() -> list[Case]:
    frame = frames(b"\x05")[0]
    (text,) = qr_texts(b"\x05")

    def one(name: str, what: str, text: str, expect: str = "ok", data: bytes = b"") -> Case:
        return case(name, what, "qr", data, expect, text=text)

    return [
        one("qr", "one frame as the text of a QR code", text, data=frame),
        one("qr-ab", "the example of RFC 9285: AB", "DT1:BB8", data=b"AB"),
        one("T14-qr-prefix", "another beginning", "DT2:" + text[4:], "E_FRAME"),
        one("T14-qr-bare", "Base45 without its beginning", base45(frame), "E_FRAME"),
        one("T14-qr-letter", "a small letter", "DT1:bb8", "E_FRAME"),
        one("T14-qr-length", "a letter alone at the end", text[:-1], "E_FRAME"),
        one("T14-qr-group", "a group of three that is above 65,535", "DT1:GGW", "E_FRAME"),
        one("T14-qr-pair", "a group of two that is above 255", "DT1:::", "E_FRAME"),
    ]


def _packet_cases() -> list[Case]:
    message = _MESSAGE[:100]
    packets = ble_packets(message, 23)

    def one(
        name: str, what: str, sent: list[bytes], expect: str = "ok", data: bytes = b"", **more: Any
    ) -> Case:
        return case(name, what, "packets", data, expect, packets=sent, **more)

    bent = bytes([packets[-1][0] ^ 1]) + packets[-1][1:]
    return [
        one("packets", "100 bytes at the smallest MTU, 23", packets, data=message),
        one("packets-one", "the same in one packet", ble_packets(message, 185), data=message),
        one("packets-missing", "the last packet never comes: no message yet", packets[:-1]),
        one("N16-packets", "a length above the limit", packets[:1], "E_SIZE", limit_bytes=99),
        one(
            "packets-head",
            "of a length above the limit, 7 bytes: nothing yet",
            [packets[0][:7]],
            limit_bytes=99,
        ),
        one("packets-next", "a second message in the same stream", [*packets, *packets], data=message),
        one("T14-packets", "one bit of a packet is changed", [*packets[:-1], bent], "E_FRAME"),
        one("T14-packets-swapped", "two packets exchanged", [packets[0], *packets[:0:-1]], "E_FRAME"),
        one("T14-packets-more", "a byte after the message", [*packets[:-1], packets[-1] + b"\0"], "E_FRAME"),
    ]


def make() -> dict[str, Any]:
    """The file `frames.json`."""
    return {
        "origin": "DTO/1, sections 5.15 and 7.6 (T13 to T16); RFC 9285",
        "schema": {
            "frames": "`frames`, shown one after the other, give the message in the bytes with the last of them (no "
            "bytes: no message yet); the refusal comes with the last frame; at most `limit_bytes` (24576)",
            "qr": "`text` is that of a QR code; the bytes are its frame, which is not opened",
            "packets": "`packets` of a BLE link, one after the other, give the message in the bytes",
        },
        "context": {},
        "cases": [*_frames_cases(), *_qr_cases(), *_packet_cases()],
    }
