"""Targets of the carriers: frames and their assembler, QR texts, NFC commands on both sides, BLE packets.

An input is a canonical array of what arrives: frames, commands or packets, in the order of arrival.
"""

import random
from typing import Any

from cbdc import canonical
from cbdc.errors import TengeError
from cbdc.ports import SeededEntropy
from offline.channel import SUITES, Inviter, Joiner
from offline.link import (
    MAX_OPEN,
    ApduResponder,
    Assembler,
    BleReceiver,
    ble_packets,
    exchange_apdus,
    frames,
    message_id,
    open_frame,
    open_qr,
    qr_texts,
    select_application,
)
from tests.fuzz.mutation import mended_frame, type_is
from tests.fuzz.stage import shared
from tests.fuzz.target import Target, expect

LIMIT = 6_000
SELECT = bytes.fromhex("00a4040007") + b"\xf0KZTDT1"


def _arrivals(data: bytes, most: int = 200) -> list[bytes]:
    values: Any = canonical.decode_array(data)
    return [item for item in values if type_is(item, bytes)][:most]


def _messages() -> list[bytes]:
    stage = shared()
    payment = stage.payer.resend(stage.payer.status(stage.now).outbox[0])
    return [b"hello", payment, payment * 3, stage.payer.certificate.encode()]


def _mend_frames(tree: list[Any], dice: random.Random) -> None:
    for place, item in enumerate(tree):
        if type_is(item, bytes) and item[:2] == b"\xd7\x01" and len(item) > 12 and dice.random() < 0.7:
            tree[place] = mended_frame(item)


def assembler() -> Target:
    """Frames in any order, torn, forged and mixed: what comes out is what its frames say, and little is kept."""
    messages = _messages()
    seeds = [canonical.encode(frames(message)) for message in messages]
    seeds.append(canonical.encode([frame for message in messages for frame in frames(message, 400)]))
    seeds.append(canonical.encode([frames(messages[1] + bytes([number]))[0] for number in range(7)]))

    def play(_: Any, data: bytes) -> None:
        receiver = Assembler(LIMIT)
        refused = None
        for number, frame in enumerate(_arrivals(data)):
            try:
                whole = receiver.take(frame, number)
            except Exception as error:
                refused = error
                continue
            held = list(receiver._open.values())
            expect(len(held) <= MAX_OPEN, "too many assemblies are open")
            kept = sum(len(part) for assembly in held for part in assembly.parts.values())
            expect(kept <= MAX_OPEN * LIMIT, "an assembly keeps more than its limit")
            if whole is not None:
                last = open_frame(frame)
                expect(message_id(whole) == last.id, "a message came out that its frames did not name")
                expect(len(whole) <= LIMIT and last.payload in whole, "a message without its last frame")
        if refused is not None:
            raise refused

    return Target("frames", seeds, play, finish=_mend_frames)


def qr() -> Target:
    """QR texts: what opens was written just so."""
    texts = [text.encode() for message in _messages()[:2] for text in qr_texts(message)]

    def play(_: Any, data: bytes) -> None:
        for item in _arrivals(data):
            text = item.decode("utf-8", "replace")
            frame = open_qr(text)
            opened = open_frame(frame)
            expect(len(opened.payload) > 0, "an empty frame")

    return Target("qr", [canonical.encode([text]) for text in texts], play)


def apdus() -> Target:
    """A card under hostile commands: every answer is short, ends with a status word, and no message is too long."""

    def commands(message: bytes) -> list[bytes]:
        sent: list[bytes] = []
        card = ApduResponder(lambda data: data[::-1], LIMIT)

        def transmit(command: bytes) -> bytes:
            sent.append(command)
            return card.process(command)

        select_application(transmit)
        exchange_apdus(message, transmit)
        return sent

    seeds = [canonical.encode(commands(message)) for message in _messages()[:3]]

    def play(_: Any, data: bytes) -> None:
        taken: list[bytes] = []

        def answer(message: bytes) -> bytes:
            taken.append(message)
            return message[::-1]

        card = ApduResponder(answer, LIMIT)
        card.process(SELECT)
        for command in _arrivals(data):
            response = card.process(command)
            expect(2 <= len(response) <= 257, f"a response of {len(response)} bytes")
            expect(response[-2] in (0x90, 0x61, 0x69, 0x6A, 0x6D, 0x67), "a strange status word")
            expect(len(card._coming) <= LIMIT, "the card keeps more than its limit")
        expect(all(len(message) <= LIMIT for message in taken), "a message above the limit")

    return Target("apdu", seeds, play)


def reader() -> Target:
    """A reader before a hostile card: it ends, and what it collects is bounded."""
    good = [
        [b"\x90\x00", b"\x90\x00", b"abc\x90\x00"],
        [b"\x90\x00", b"x" * 255 + b"\x61\x05", b"12345\x90\x00"],
    ]

    def play(_: Any, data: bytes) -> None:
        responses = _arrivals(data)
        asked = 0

        def transmit(command: bytes) -> bytes:
            nonlocal asked
            asked += 1
            expect(asked <= 400, "the reader asks for ever")
            return responses[asked % len(responses)] if responses else b""

        select_application(transmit)
        answer = exchange_apdus(b"m" * 300, transmit, LIMIT)
        expect(len(answer) <= LIMIT, "an answer above the limit")

    return Target("reader", [canonical.encode(one) for one in good], play)


def packets() -> Target:
    """BLE packets in any order and of any size: a message comes out whole or not at all."""
    seeds = [canonical.encode(ble_packets(message, mtu)) for message in _messages() for mtu in (23, 185)]

    def play(_: Any, data: bytes) -> None:
        receiver = BleReceiver(LIMIT)
        refused = None
        sent = b""
        for packet in _arrivals(data):
            sent += packet
            try:
                whole = receiver.take(packet)
            except Exception as error:
                refused = error
                continue
            expect(len(receiver._stream) <= LIMIT + 8 + len(packet), "the receiver keeps more than its limit")
            expect(whole is None or (whole in sent and len(whole) <= LIMIT), "a message that nobody sent")
        if refused is not None:
            raise refused

    return Target("ble", seeds, play)


def channels() -> Target:
    """An encrypted channel under any bytes: only the records of the other side come through, once and in order."""
    chance = SeededEntropy(7)
    seeds: list[bytes] = []
    # Of each right engagement: the right reveal, the code, and the records that are sealed.
    right: dict[bytes, tuple[bytes, str, list[bytes]]] = {}
    for suite in SUITES:
        inviter = Inviter(chance, b"i", suite)
        joiner = Joiner(chance, b"j", inviter.engagement)
        reveal, near = inviter.accept(joiner.answer)
        own = joiner.finish(reveal).seal(b"own")
        records = [near.seal(bytes([number])) for number in range(3)]
        right[inviter.engagement] = (reveal, near.code, records)
        said = [suite, inviter.engagement, joiner.answer, reveal]
        seeds += [canonical.encode([*said, *records]), canonical.encode([*said, own, *records])]

    def play(_: Any, data: bytes) -> None:
        suite, engagement, answer, reveal, *records = _said(data)
        Inviter(chance, b"i", suite).accept(answer)
        far = Joiner(chance, b"j", engagement).finish(reveal)
        true_reveal, code, sent = right.get(engagement, (b"", "", []))
        came = 0
        refused = None
        for record in records:
            try:
                message = far.open(record)
            except TengeError as error:
                refused = error
                continue
            expect((reveal, far.code) == (true_reveal, code), "a channel over other messages than were said")
            expect(record == sent[came] and message == bytes([came]), "a record that was not the next one")
            came += 1
        if refused is not None:
            raise refused

    return Target("channel", seeds, play)


def _said(data: bytes) -> list[Any]:
    values: Any = canonical.decode_array(data)
    if len(values) < 4 or values[0] not in (1, 2) or not all(type_is(value, bytes) for value in values[1:]):
        canonical.decode(b"")
    return values[:20]
