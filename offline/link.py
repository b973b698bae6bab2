"""Links that carry a message from device to device: QR frames, NFC commands, BLE packets, and a simulator of bad ones.

    frame = D7 01 || message id (4) || index (1) || total (1) || payload || CRC-32 (4)

The message id is the first four bytes of the message's SHA-256, and an assembled message is accepted only if its hash
has that prefix; frames may come in any order and as often as they like. A frame that contradicts one already held
spoils its assembly, because one of the two is a lie. Assemblies are few, bounded and short-lived, so garbage in front
of a camera costs nothing.

- QR: each frame is the text `DT1:` + Base45 (RFC 9285), which a QR code holds in alphanumeric mode.
- NFC (ISO 7816-4): the message is chained over short commands of at most 255 bytes; the answer comes back by
  GET RESPONSE.
- BLE: packets of at most MTU - 3 bytes, in order, because the link keeps order.

`LinkSimulator` drops, repeats, reorders, corrupts, delays and cuts, the same way for the same seed.

Source: DTO/1, section 5.15 and 7.6 (T13 to T16).
"""

import hashlib
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cbdc.errors import Malformed
from cbdc.ports import Entropy

MAGIC = b"\xd7\x01"
QR_PREFIX = "DT1:"
QR_PAYLOAD_BYTES = 640
MAX_FRAMES = 64
MAX_OPEN = 4
ASSEMBLY_SECONDS = 120

_ID_BYTES = 4
_HEAD_BYTES = len(MAGIC) + _ID_BYTES + 2
_CRC_BYTES = 4

_BASE45 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_BASE45_VALUES = {letter: value for value, letter in enumerate(_BASE45)}


# --- frames ---


def message_id(message: bytes) -> bytes:
    """The four bytes that name a message in its frames."""
    return hashlib.sha256(message).digest()[:_ID_BYTES]


def frames(message: bytes, payload_bytes: int = QR_PAYLOAD_BYTES) -> list[bytes]:
    """The frames of `message`, in order; E_FRAME when it is empty or needs more than 64."""
    total = -(-len(message) // payload_bytes)
    if not 1 <= total <= MAX_FRAMES:
        raise Malformed("E_FRAME", problem=f"{len(message)} bytes do not fit into 1 to {MAX_FRAMES} frames")
    made = []
    for index in range(total):
        payload = message[index * payload_bytes : (index + 1) * payload_bytes]
        body = MAGIC + message_id(message) + bytes([index, total]) + payload
        made.append(body + zlib.crc32(body).to_bytes(_CRC_BYTES, "big"))
    return made


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame, opened: its message's id, its place, how many there are, and its part of the message."""

    id: bytes
    index: int
    total: int
    payload: bytes


def open_frame(data: bytes) -> Frame:
    """The frame in `data`; E_FRAME when its head, its place or its CRC is wrong."""
    if len(data) <= _HEAD_BYTES + _CRC_BYTES or data[: len(MAGIC)] != MAGIC:
        raise Malformed("E_FRAME", problem="this is no frame of this protocol")
    body, crc = data[:-_CRC_BYTES], data[-_CRC_BYTES:]
    if zlib.crc32(body).to_bytes(_CRC_BYTES, "big") != crc:
        raise Malformed("E_FRAME", problem="a frame was damaged on the way")
    index, total = body[_HEAD_BYTES - 2], body[_HEAD_BYTES - 1]
    if not 1 <= total <= MAX_FRAMES or index >= total:
        raise Malformed("E_FRAME", problem=f"frame {index} of {total}")
    return Frame(body[len(MAGIC) : len(MAGIC) + _ID_BYTES], index, total, body[_HEAD_BYTES:])


@dataclass(slots=True)
class _Assembly:
    total: int
    started: int
    parts: dict[int, bytes] = field(default_factory=dict)


class Assembler:
    """Puts frames together; at most four messages at a time, each for at most two minutes.

    `limit_bytes` bounds what is kept of one message.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._open: OrderedDict[bytes, _Assembly] = OrderedDict()

    def take(self, data: bytes, now: int) -> bytes | None:
        """The whole message, if this frame completes one; None while frames are missing.

        Raises E_FRAME when the frame is damaged, contradicts one that is held, or completes a message whose hash is
        another (the assembly is then dropped); E_SIZE when the message grows too long.
        """
        for old in [key for key, item in self._open.items() if now - item.started > ASSEMBLY_SECONDS]:
            del self._open[old]
        frame = open_frame(data)
        assembly = self._open.get(frame.id)
        if assembly is None:
            while len(self._open) >= MAX_OPEN:
                self._open.popitem(last=False)
            assembly = self._open[frame.id] = _Assembly(frame.total, now)
        held = assembly.parts.get(frame.index, frame.payload)
        if assembly.total != frame.total or held != frame.payload:
            del self._open[frame.id]
            raise Malformed("E_FRAME", problem="two frames for one place differ")
        assembly.parts[frame.index] = frame.payload
        size = sum(map(len, assembly.parts.values()))
        if size > self._limit_bytes:
            del self._open[frame.id]
            raise Malformed("E_SIZE", size_bytes=size, limit_bytes=self._limit_bytes)
        if len(assembly.parts) < assembly.total:
            return None
        del self._open[frame.id]
        message = b"".join(assembly.parts[index] for index in range(assembly.total))
        if message_id(message) != frame.id:
            raise Malformed("E_FRAME", problem="the assembled message has another hash")
        return message


# --- QR ---


def base45(data: bytes) -> str:
    """`data` in Base45 (RFC 9285): two bytes as three letters, a last single byte as two."""
    text = []
    for place in range(0, len(data), 2):
        pair = data[place : place + 2]
        value = int.from_bytes(pair, "big")
        for _ in range(len(pair) + 1):
            value, letter = divmod(value, len(_BASE45))
            text.append(_BASE45[letter])
    return "".join(text)


def unbase45(text: str) -> bytes:
    """The bytes of a Base45 text; E_FRAME for a strange letter, a wrong length, or a group that is too large."""
    data = bytearray()
    for place in range(0, len(text), 3):
        group = text[place : place + 3]
        values = [_BASE45_VALUES.get(letter, -1) for letter in group]
        size = len(group) - 1
        number = sum(value * len(_BASE45) ** power for power, value in enumerate(values))
        if size < 1 or -1 in values or number >= 1 << 8 * size:
            raise Malformed("E_FRAME", problem="the QR text is no Base45")
        data += number.to_bytes(size, "big")
    return bytes(data)


def qr_texts(message: bytes) -> list[str]:
    """The texts of the QR codes that carry `message`, to be shown in a loop; E_FRAME when it is too long."""
    return [QR_PREFIX + base45(frame) for frame in frames(message)]


def open_qr(text: str) -> bytes:
    """The frame in one QR text; E_FRAME when it is none of ours."""
    if not text.startswith(QR_PREFIX):
        raise Malformed("E_FRAME", problem=f"the QR text does not begin with {QR_PREFIX}")
    return unbase45(text[len(QR_PREFIX) :])


# --- NFC: ISO 7816-4 short commands ---

APPLICATION_ID = b"\xf0KZTDT1"
APDU_DATA_BYTES = 255
MAX_ANSWER_BYTES = 1 << 19

_SELECT = bytes([0x00, 0xA4, 0x04, 0x00])
_ENVELOPE = bytes([0x80, 0xC2, 0x00, 0x00])
_CHAINED = bytes([0x90, 0xC2, 0x00, 0x00])
_GET_RESPONSE = bytes([0x00, 0xC0, 0x00, 0x00])
_DONE = b"\x90\x00"
_MORE = 0x61
_BAD_ORDER = b"\x69\x85"
_TOO_LONG = b"\x6a\x84"
_UNKNOWN = b"\x6d\x00"


class ApduResponder:
    """The card's side: collects a chained message, hands it to `answer`, and gives the answer back in pieces."""

    def __init__(self, answer: Callable[[bytes], bytes], limit_bytes: int) -> None:
        self._answer = answer
        self._limit_bytes = limit_bytes
        self._selected = False
        self._coming = bytearray()
        self._going = b""

    def process(self, command: bytes) -> bytes:
        """The response to one command: data and a status word; strange commands get an error status and no more."""
        head, data = command[:4], command[5:]
        if len(command) < 5 or (head != _GET_RESPONSE and command[4] != len(data)):
            return _UNKNOWN
        if head == _SELECT:
            self._selected, self._coming, self._going = data == APPLICATION_ID, bytearray(), b""
            return _DONE if self._selected else _UNKNOWN
        if not self._selected:
            return _BAD_ORDER
        if head == _GET_RESPONSE:
            return self._piece()
        if head not in (_ENVELOPE, _CHAINED):
            return _UNKNOWN
        self._coming += data
        if len(self._coming) > self._limit_bytes:
            self._coming.clear()
            return _TOO_LONG
        if head == _CHAINED:
            return _DONE
        message, self._coming = bytes(self._coming), bytearray()
        self._going = self._answer(message)
        return self._piece()

    def _piece(self) -> bytes:
        piece, self._going = self._going[:APDU_DATA_BYTES], self._going[APDU_DATA_BYTES:]
        if not self._going:
            return piece + _DONE
        return piece + bytes([_MORE, min(len(self._going), APDU_DATA_BYTES)])


def select_application(transmit: Callable[[bytes], bytes]) -> None:
    """Choose the application on a card; E_FRAME when the card has none."""
    _expect(transmit(_SELECT + bytes([len(APPLICATION_ID)]) + APPLICATION_ID))


def exchange_apdus(
    message: bytes, transmit: Callable[[bytes], bytes], limit_bytes: int = MAX_ANSWER_BYTES
) -> bytes:
    """Send `message` to a selected card by chained commands, and collect its answer of at most `limit_bytes`.

    `transmit` carries one command and gives its response. Raises E_FRAME when the card answers with an error or with
    pieces of nothing, E_SIZE when it never comes to an end.
    """
    pieces = [
        message[place : place + APDU_DATA_BYTES] for place in range(0, max(len(message), 1), APDU_DATA_BYTES)
    ]
    for piece in pieces[:-1]:
        _expect(transmit(_CHAINED + bytes([len(piece)]) + piece))
    response = transmit(_ENVELOPE + bytes([len(pieces[-1])]) + pieces[-1])
    answer = bytearray()
    while len(response) >= 2 and response[-2] == _MORE:
        if len(response) == 2:
            raise Malformed("E_FRAME", problem="the card promises more and gives nothing")
        answer += response[:-2]
        _check_length(answer, limit_bytes)
        response = transmit(_GET_RESPONSE + bytes([response[-1]]))
    _expect(response)
    answer += response[:-2]
    _check_length(answer, limit_bytes)
    return bytes(answer)


def _check_length(answer: bytearray, limit_bytes: int) -> None:
    if len(answer) > limit_bytes:
        raise Malformed("E_SIZE", size_bytes=len(answer), limit_bytes=limit_bytes)


def _expect(response: bytes) -> None:
    if response[-2:] != _DONE:
        raise Malformed("E_FRAME", problem=f"the card answered {response[-2:].hex() or 'nothing'}")


# --- BLE: packets in order ---

_BLE_OVERHEAD_BYTES = 3
_BLE_HEAD_BYTES = 8


def ble_packets(message: bytes, mtu: int) -> list[bytes]:
    """The packets of `message` for a link of this MTU (23 at least): length and hash prefix first, then the bytes."""
    assert mtu > _BLE_OVERHEAD_BYTES, "no link is that narrow"
    room = mtu - _BLE_OVERHEAD_BYTES
    stream = len(message).to_bytes(4, "big") + message_id(message) + message
    return [stream[place : place + room] for place in range(0, len(stream), room)]


class BleReceiver:
    """Puts packets together in the order they come."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._stream = bytearray()

    def take(self, packet: bytes) -> bytes | None:
        """The whole message with its last packet, None before; E_SIZE or E_FRAME, and the link starts anew."""
        self._stream += packet
        if len(self._stream) < _BLE_HEAD_BYTES:
            return None
        length = int.from_bytes(self._stream[:4], "big")
        if length > self._limit_bytes:
            self._stream.clear()
            raise Malformed("E_SIZE", size_bytes=length, limit_bytes=self._limit_bytes)
        if len(self._stream) < _BLE_HEAD_BYTES + length:
            return None
        prefix, message = bytes(self._stream[4:_BLE_HEAD_BYTES]), bytes(self._stream[_BLE_HEAD_BYTES:])
        self._stream.clear()
        if len(message) != length or message_id(message) != prefix:
            raise Malformed("E_FRAME", problem="the received message has another hash")
        return message


# --- a bad link ---


@dataclass(frozen=True, slots=True)
class Faults:
    """How bad a link is, in thousandths for each packet.

    A delayed packet arrives with the next transmission; a cut ends a transmission at that packet.
    """

    drop: int = 0
    repeat: int = 0
    swap: int = 0
    corrupt: int = 0
    delay: int = 0
    cut: int = 0


class LinkSimulator:
    """A link that drops, repeats, swaps, corrupts, delays and cuts; the same seed and name behave the same.

    Counts what it was given and what arrived: `sent` and `arrived` (packets), `sent_bytes`.
    """

    def __init__(self, entropy: Entropy, name: bytes, faults: Faults) -> None:
        self._entropy = entropy
        self._name = name
        self._faults = faults
        self._number = 0
        self._late: list[bytes] = []
        self.sent = 0
        self.arrived = 0
        self.sent_bytes = 0

    def carry(self, packets: Iterable[bytes]) -> list[bytes]:
        """What arrives of these packets, in the order of arrival."""
        out, self._late = self._late, []
        for packet in packets:
            self.sent, self.sent_bytes = self.sent + 1, self.sent_bytes + len(packet)
            if self._happens("cut", self._faults.cut):
                break
            if self._happens("drop", self._faults.drop):
                continue
            arrived = self._corrupted(packet) if self._happens("corrupt", self._faults.corrupt) else packet
            if self._happens("delay", self._faults.delay):
                self._late.append(arrived)
                continue
            out.append(arrived)
            if self._happens("repeat", self._faults.repeat):
                out.append(arrived)
            if len(out) > 1 and self._happens("swap", self._faults.swap):
                out[-1], out[-2] = out[-2], out[-1]
        self.arrived += len(out)
        return out

    def deliver(self, message: bytes, limit_bytes: int, now: int, rounds: int = 20) -> bytes | None:
        """Show the frames of `message` in a loop, at most `rounds` times; the message, or None if it never arrived."""
        assembler = Assembler(limit_bytes)
        for _ in range(rounds):
            for frame in self.carry(frames(message)):
                try:
                    whole = assembler.take(frame, now)
                except Malformed:
                    continue
                if whole is not None:
                    return whole
        return None

    def _dice(self, label: str, size: int) -> int:
        self._number += 1
        question = self._name + self._number.to_bytes(8, "big")
        return int.from_bytes(self._entropy.bytes(f"link.{label}", question, size), "big")

    def _happens(self, label: str, thousandths: int) -> bool:
        return thousandths > 0 and self._dice(label, 8) % 1_000 < thousandths

    def _corrupted(self, packet: bytes) -> bytes:
        if not packet:
            return packet
        bit = self._dice("bit", 8) % (8 * len(packet))
        changed = bytearray(packet)
        changed[bit // 8] ^= 1 << bit % 8
        return bytes(changed)
