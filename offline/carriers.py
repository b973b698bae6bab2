"""SIMULATED carriers: the same message by QR codes, NFC, BLE or a file, over links that misbehave, and what that takes.

    carrier = NfcCarrier(entropy, b"till", Faults(drop=100))
    passage = carrier.send(message)
    passage.message, passage.pieces, passage.sent, passage.sent_bytes, passage.microseconds

A carrier cuts a message as `offline.link` says, carries the pieces over a `LinkSimulator`, and puts them together at
the other end. QR codes are shown in a loop until the reader has them all. NFC and BLE have a link layer that repeats a
block until it is acknowledged; the one here is simulated (a number, the block, a CRC-32, one block at a time), as is
the time: the speeds in `Times` are assumptions about ordinary phones, never measurements. What comes out is always the
very bytes that went in, or nothing (the patience ended): then the caller sends the same message again.

Source: DTO/1, sections 5.15 and 7.6 (T1 to T16).
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from cbdc.errors import Malformed, Refused
from cbdc.ports import Entropy
from offline.channel import Channel, Inviter, Joiner
from offline.link import (
    ApduResponder,
    Assembler,
    BleReceiver,
    Faults,
    LinkSimulator,
    ble_packets,
    exchange_apdus,
    frames,
    open_qr,
    qr_texts,
    select_application,
)

LIMIT_BYTES = 1 << 19
ROUNDS = 60
TRIES = 80

_NUMBER_BYTES = 4
_CRC_BYTES = 4
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Times:
    """How fast carriers are, as assumptions: microseconds for each piece, and for each byte of it."""

    qr_frame: int = 166_667  # six codes a second
    nfc_command: int = 12_000
    nfc_byte: int = 76  # 106 kbit/s and nothing else
    ble_packet: int = 30_000  # one packet in a connection interval
    ble_byte: int = 8  # 1 Mbit/s
    file_byte: int = 1


@dataclass(frozen=True, slots=True)
class Passage:
    """One message on its way: what arrived (None: nothing), in how many pieces, what went out, and how long it took.

    `sent` counts frames, blocks and answers to them, each time they went out; `sent_bytes` all their bytes.
    """

    message: bytes | None
    pieces: int
    sent: int
    sent_bytes: int
    microseconds: int

    @property
    def seconds(self) -> str:
        """The time in seconds, with one digit, rounded up."""
        tenths = -(-self.microseconds * 10 // _MILLION)
        return f"{tenths // 10}.{tenths % 10}"


class Carrier(Protocol):
    """Anything that carries messages from one device to the other."""

    name: str

    def send(self, message: bytes) -> Passage:
        """Carry one message; `passage.message` is None when it did not arrive."""
        ...


class LinkLost(Exception):
    """A block was repeated until patience ended."""


class QrCarrier:
    """Codes shown in a loop, and a camera that sees some of them."""

    name = "QR"

    def __init__(
        self, entropy: Entropy, id: bytes, faults: Faults, times: Times | None = None, rounds: int = ROUNDS
    ) -> None:
        self._question = (entropy, b"qr/" + id, faults)
        self._times = times or Times()
        self._rounds = rounds
        self._shown = 0

    def send(self, message: bytes) -> Passage:
        """Show the codes of `message` in a loop until they were all seen, or for so many rounds."""
        # A link of its own for each message: what the camera saw late of the last one is no part of this one.
        entropy, till, faults = self._question
        self._shown += 1
        link = LinkSimulator(entropy, till + b"/" + self._shown.to_bytes(4, "big"), faults)
        texts = [text.encode("ascii") for text in qr_texts(message)]
        assembler = Assembler(LIMIT_BYTES)
        whole: bytes | None = None
        for number in range(self._rounds * len(texts)):
            whole = self._seen(assembler, link.carry([texts[number % len(texts)]]))
            if whole is not None:
                break
        return Passage(whole, len(texts), link.sent, link.sent_bytes, link.sent * self._times.qr_frame)

    def _seen(self, assembler: Assembler, arrived: list[bytes]) -> bytes | None:
        whole: bytes | None = None
        for data in arrived:
            try:
                whole = assembler.take(open_qr(data.decode("ascii", "replace")), 0) or whole
            except Malformed:
                continue  # a blurred code: it comes again
        return whole


class Blocks:
    """A SIMULATED link layer: each block reaches the other side once and in order, however often it is repeated.

    `receive` is the other side: a block in, its answer out. A block has a number that never comes again, so whatever is
    late or repeated is known for what it is.
    """

    def __init__(
        self,
        entropy: Entropy,
        id: bytes,
        faults: Faults,
        receive: Callable[[bytes], bytes],
        tries: int = TRIES,
    ) -> None:
        self.there = LinkSimulator(entropy, id + b"/there", faults)
        self.back = LinkSimulator(entropy, id + b"/back", faults)
        self._receive = receive
        self._tries = tries
        self._number = 0
        self._done = 0
        self._answer = b""

    @property
    def sent(self) -> int:
        """How many blocks and answers went out."""
        return self.there.sent + self.back.sent

    @property
    def sent_bytes(self) -> int:
        """Their bytes."""
        return self.there.sent_bytes + self.back.sent_bytes

    def exchange(self, block: bytes) -> bytes:
        """The other side's answer to this block; `LinkLost` when none came, however often it was repeated."""
        self._number += 1
        for _ in range(self._tries):
            for arrived in self.there.carry([_wrapped(self._number, block)]):
                self._arrived(arrived)
            waiting = [] if self._done != self._number else [_wrapped(self._number, self._answer)]
            for arrived in self.back.carry(waiting):
                number, answer = _unwrapped(arrived)
                if number == self._number:
                    return answer
        raise LinkLost

    def _arrived(self, data: bytes) -> None:
        number, block = _unwrapped(data)
        if number == self._done + 1:
            self._answer = self._receive(block)
            self._done = number


def _wrapped(number: int, block: bytes) -> bytes:
    data = number.to_bytes(_NUMBER_BYTES, "big") + block
    return data + zlib.crc32(data).to_bytes(_CRC_BYTES, "big")


def _unwrapped(data: bytes) -> tuple[int, bytes]:
    # (0, nothing) for what was damaged: no block has the number 0.
    content, crc = data[:-_CRC_BYTES], data[-_CRC_BYTES:]
    if len(content) < _NUMBER_BYTES or zlib.crc32(content).to_bytes(_CRC_BYTES, "big") != crc:
        return 0, b""
    return int.from_bytes(content[:_NUMBER_BYTES], "big"), content[_NUMBER_BYTES:]


class NfcCarrier:
    """A reader and a card: chained commands, with blocks that are repeated until they are answered."""

    name = "NFC"

    def __init__(
        self, entropy: Entropy, id: bytes, faults: Faults, times: Times | None = None, tries: int = TRIES
    ) -> None:
        self._question = (entropy, b"nfc/" + id, faults)
        self._times = times or Times()
        self._tries = tries
        self._touches = 0

    def send(self, message: bytes) -> Passage:
        """One touch: SELECT, then `message` by chained commands."""
        arrived: list[bytes] = []

        def take(data: bytes) -> bytes:
            arrived.append(data)
            return b""

        entropy, till, faults = self._question
        self._touches += 1
        card = ApduResponder(take, LIMIT_BYTES)
        name = till + b"/" + self._touches.to_bytes(4, "big")
        blocks = Blocks(entropy, name, faults, card.process, self._tries)
        pieces = 0

        def transmit(command: bytes) -> bytes:
            nonlocal pieces
            pieces += 1
            return blocks.exchange(command)

        try:
            select_application(transmit)
            exchange_apdus(message, transmit)
        except LinkLost:
            arrived = []
        time = blocks.sent * self._times.nfc_command + blocks.sent_bytes * self._times.nfc_byte
        return Passage(arrived[0] if arrived else None, pieces, blocks.sent, blocks.sent_bytes, time)


class BleCarrier:
    """Packets in order over a connection; with `sealed` an encrypted channel, begun anew with each connection.

    The engagement goes by another carrier (`engage`, usually a `QrCarrier`); its cost is part of the first passage.
    """

    name = "BLE"

    def __init__(
        self,
        entropy: Entropy,
        id: bytes,
        faults: Faults,
        mtu: int = 185,
        engage: Carrier | None = None,
        times: Times | None = None,
        tries: int = TRIES,
    ) -> None:
        self.mtu = mtu
        self.code = ""
        self._entropy, self._id, self._faults = entropy, b"ble/" + id, faults
        self._engage = engage
        self._times = times or Times()
        self._tries = tries
        self._connections = 0
        self._blocks: Blocks | None = None
        self._ends: tuple[Channel, Channel] | None = None
        self._pieces = 0
        self._before = Passage(None, 0, 0, 0, 0)

    def send(self, message: bytes) -> Passage:
        """Carry `message` over the open connection, or a new one."""
        self._pieces, self._before = 0, Passage(None, 0, 0, 0, 0)
        counted = (0, 0) if self._blocks is None else (self._blocks.sent, self._blocks.sent_bytes)
        try:
            if self._blocks is None:
                self._connect()
            arrived = self._sealed(message)
        except LinkLost:
            arrived = None
        blocks = self._blocks
        assert blocks is not None, "a connection was begun"
        sent, sent_bytes = blocks.sent - counted[0], blocks.sent_bytes - counted[1]
        if arrived is None:
            self._blocks = self._ends = None
        before = self._before
        time = before.microseconds + sent * self._times.ble_packet + sent_bytes * self._times.ble_byte
        pieces = self._pieces + before.pieces
        return Passage(arrived, pieces, sent + before.sent, sent_bytes + before.sent_bytes, time)

    def _connect(self) -> None:
        self._connections += 1
        name = self._id + b"/" + self._connections.to_bytes(4, "big")
        self._receiver = BleReceiver(LIMIT_BYTES)
        self._arrived: bytes | None = None
        self._blocks = Blocks(self._entropy, name, self._faults, self._take, self._tries)
        if self._engage is None:
            return
        inviter = Inviter(self._entropy, name + b"/inviter")
        self._before = self._engage.send(inviter.engagement)
        if self._before.message is None:
            raise LinkLost
        joiner = Joiner(self._entropy, name + b"/joiner", self._before.message)
        reveal, far = inviter.accept(self._carried(joiner.answer))
        near = joiner.finish(self._carried(reveal))
        self._ends, self.code = (near, far), near.code

    def _take(self, packet: bytes) -> bytes:
        self._arrived = self._receiver.take(packet)
        return b""

    def _carried(self, message: bytes) -> bytes:
        assert self._blocks is not None, "there is a connection"
        for packet in ble_packets(message, self.mtu):
            self._pieces += 1
            self._blocks.exchange(packet)
        assert self._arrived is not None, "the last packet made the message whole"
        return self._arrived

    def _sealed(self, message: bytes) -> bytes | None:
        if self._ends is None:
            return self._carried(message)
        near, far = self._ends
        try:
            return far.open(self._carried(near.seal(message)))
        except Refused:
            return None


class FileCarrier:
    """A file on a stick: the message's bytes and nothing else; copied again until the copy reads as the original."""

    name = "file"

    def __init__(
        self, entropy: Entropy, id: bytes, faults: Faults, times: Times | None = None, tries: int = TRIES
    ) -> None:
        self._link = LinkSimulator(entropy, b"file/" + id, faults)
        self._times = times or Times()
        self._tries = tries

    def send(self, message: bytes) -> Passage:
        """Copy the file until it reads as it should."""
        before = (self._link.sent, self._link.sent_bytes)
        arrived: bytes | None = None
        for _ in range(self._tries):
            if message in self._link.carry([message]):
                arrived = message
                break
        sent_bytes = self._link.sent_bytes - before[1]
        time = sent_bytes * self._times.file_byte
        return Passage(arrived, 1, self._link.sent - before[0], sent_bytes, time)


def pieces_of(message: bytes, mtu: int) -> dict[str, int]:
    """Into how many pieces each carrier cuts a message: QR codes, NFC commands (SELECT apart), BLE packets."""
    commands = max(1, -(-len(message) // 255))
    return {"qr": len(frames(message)), "nfc": commands, "ble": len(ble_packets(message, mtu))}
