"""Frames, QR texts, NFC commands, BLE packets, and links that misbehave (T13, T14, T16)."""

import hashlib
import zlib
from collections.abc import Callable, Iterator
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Malformed
from cbdc.ports import SeededEntropy
from offline.link import (
    APPLICATION_ID,
    ApduResponder,
    Assembler,
    BleReceiver,
    Faults,
    LinkSimulator,
    base45,
    ble_packets,
    exchange_apdus,
    frames,
    message_id,
    open_frame,
    open_qr,
    qr_texts,
    select_application,
    unbase45,
)

MESSAGE = hashlib.sha512(b"message").digest() * 30  # 1,920 bytes: three QR frames
LIMIT = 24 * 1_024


def frame_error() -> Any:
    return pytest.raises(Malformed, match="E_FRAME")


def reframed(id: bytes, index: int, total: int, payload: bytes) -> bytes:
    """A frame with any content and the right CRC."""
    body = b"\xd7\x01" + id + bytes([index, total]) + payload
    return body + zlib.crc32(body).to_bytes(4, "big")


# --- frames ---


def test_a_frame_is_as_the_protocol_writes_it() -> None:
    (frame,) = frames(b"hello")
    assert frame[:2] == b"\xd7\x01"
    assert frame[2:6] == hashlib.sha256(b"hello").digest()[:4]
    assert frame[6:8] == b"\0\1"
    assert frame[8:-4] == b"hello"
    assert frame[-4:] == zlib.crc32(frame[:-4]).to_bytes(4, "big")


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_t13_any_order_and_any_repetition(order: tuple[int, ...]) -> None:
    made = frames(MESSAGE)
    assembler = Assembler(LIMIT)
    results = [
        assembler.take(made[index], 0) for index in order for _ in range(2 if index != order[-1] else 1)
    ]
    assert results[:-1] == [None] * (len(results) - 1)
    assert results[-1] == MESSAGE


def test_t13_a_missing_frame_is_waited_for() -> None:
    made = frames(MESSAGE)
    assembler = Assembler(LIMIT)
    assert assembler.take(made[0], 0) is None
    assert assembler.take(made[2], 0) is None
    assert assembler.take(made[0], 0) is None
    assert assembler.take(made[1], 100) == MESSAGE


def test_t13_t15_z8_an_assembly_is_forgotten_after_two_minutes() -> None:
    made = frames(MESSAGE)
    assembler = Assembler(LIMIT)
    assembler.take(made[0], 0)
    assembler.take(made[1], 120)
    assert assembler.take(made[2], 121) is None
    assert assembler.take(made[0], 121) is None
    assert assembler.take(made[1], 121) == MESSAGE


def test_every_flipped_bit_of_a_frame_is_seen() -> None:
    (frame,) = frames(b"a short message")
    for bit in range(8 * len(frame)):
        changed = bytearray(frame)
        changed[bit // 8] ^= 1 << bit % 8
        with frame_error():
            Assembler(LIMIT).take(bytes(changed), 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xd7\x01",
        b"\xd7\x02" + frames(b"x")[0][2:],
        frames(b"x")[0][:-1],
        frames(b"x")[0] + b"\0",
        reframed(b"abcd", 0, 0, b"x"),
        reframed(b"abcd", 1, 1, b"x"),
        reframed(b"abcd", 2, 65, b"x"),
        reframed(b"abcd", 0, 1, b""),
    ],
)
def test_what_is_no_frame(data: bytes) -> None:
    with frame_error():
        open_frame(data)


def test_t14_a_frame_with_right_crc_and_wrong_bytes_spoils_only_its_assembly() -> None:
    made = frames(MESSAGE)
    forged = reframed(message_id(MESSAGE), 1, 3, b"\0" * 640)
    assembler = Assembler(LIMIT)
    assembler.take(made[0], 0)
    assembler.take(forged, 0)
    with frame_error():
        assembler.take(made[2], 0)
    assert [assembler.take(frame, 0) for frame in made] == [None, None, MESSAGE]


def test_two_frames_for_one_place_differ() -> None:
    made = frames(MESSAGE)
    assembler = Assembler(LIMIT)
    assembler.take(made[0], 0)
    with frame_error():
        assembler.take(reframed(message_id(MESSAGE), 0, 3, b"other"), 0)
    assembler.take(made[0], 0)
    with frame_error():
        assembler.take(reframed(message_id(MESSAGE), 1, 4, b"other"), 0)


def test_t14_frames_of_two_messages_with_one_prefix_never_mix() -> None:
    # As if two messages had the same first four bytes of SHA-256: the whole hash decides.
    id = message_id(b"A" * 1_000)
    assembler = Assembler(LIMIT)
    assembler.take(reframed(id, 0, 2, b"A" * 640), 0)
    with frame_error():
        assembler.take(reframed(id, 1, 2, b"B" * 360), 0)


def test_t15_at_most_four_assemblies_and_no_more_bytes_than_asked_for() -> None:
    assembler = Assembler(700)
    first = frames(MESSAGE)
    assembler.take(first[0], 0)
    with pytest.raises(Malformed, match="E_SIZE"):
        assembler.take(first[1], 0)
    assembler = Assembler(LIMIT)
    for number in range(5):
        assembler.take(frames(bytes([number]) * 700)[0], 0)
    assert len(assembler._open) == 4
    assert assembler.take(frames(b"\0" * 700)[1], 0) is None  # the oldest was dropped


@pytest.mark.parametrize("message", [b"", b"x" * (64 * 640 + 1)])
def test_what_does_not_fit_into_frames(message: bytes) -> None:
    with frame_error():
        frames(message)


def test_the_largest_message() -> None:
    message = b"x" * (64 * 640)
    assembler = Assembler(len(message))
    assert [assembler.take(frame, 0) for frame in frames(message)][-1] == message


# --- QR ---


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"AB", "BB8"),
        (b"Hello!!", "%69 VD92EX0"),
        (b"base-45", "UJCLQE7W581"),
        (b"ietf!", "QED8WEX0"),
        (b"", ""),
    ],
)
def test_base45_as_rfc_9285_shows(data: bytes, text: str) -> None:
    assert base45(data) == text
    assert unbase45(text) == data


@given(st.binary(max_size=700))
def test_base45_both_ways(data: bytes) -> None:
    assert unbase45(base45(data)) == data


@pytest.mark.parametrize("text", ["A", "AAAA", "::", ":::", "GGW", "a0", "É0", "BB8 "])
def test_what_is_no_base45(text: str) -> None:
    with frame_error():
        unbase45(text)


def test_qr_texts_carry_a_message_and_fit_a_code() -> None:
    texts = qr_texts(MESSAGE)
    assert len(texts) == 3
    assert len(texts[0]) == 982
    assembler = Assembler(LIMIT)
    assert [assembler.take(open_qr(text), 0) for text in texts][-1] == MESSAGE
    with frame_error():
        open_qr(texts[0].removeprefix("DT1:"))


# --- NFC ---


def card(
    answer: Callable[[bytes], bytes] = lambda message: message[::-1], limit: int = LIMIT
) -> ApduResponder:
    return ApduResponder(answer, limit)


@pytest.mark.parametrize("size", [0, 1, 254, 255, 256, 314, 510, 511, 3_000])
def test_t16_commands_are_chained_and_answers_fetched(size: int) -> None:
    sizes: list[int] = []
    responder = card()

    def transmit(command: bytes) -> bytes:
        response = responder.process(command)
        sizes.append(max(len(command), len(response)))
        return response

    message = bytes(number % 251 for number in range(size))
    select_application(transmit)
    assert exchange_apdus(message, transmit) == message[::-1]
    assert exchange_apdus(message, transmit) == message[::-1]
    assert max(sizes) <= 261


def test_a_commit_takes_two_commands() -> None:
    responder = card(lambda message: b"")
    commands: list[bytes] = []

    def transmit(command: bytes) -> bytes:
        commands.append(command)
        return responder.process(command)

    select_application(transmit)
    exchange_apdus(b"c" * 314, transmit)
    assert len(commands) == 3


@pytest.mark.parametrize(
    ("command", "status"),
    [
        (b"", "6d00"),
        (b"\x80\xc2\0", "6d00"),
        (b"\x80\xc2\0\0\x05abc", "6d00"),
        (b"\0\xa4\x04\0\x03abc", "6d00"),
        (b"\x80\x99\0\0\x01a", "6d00"),
    ],
)
def test_strange_commands_get_an_error(command: bytes, status: str) -> None:
    responder = card()
    responder.process(bytes.fromhex("00a40400") + bytes([len(APPLICATION_ID)]) + APPLICATION_ID)
    assert responder.process(command).hex() == status


def test_nothing_before_selection_and_not_too_much_after() -> None:
    responder = card(limit=300)
    with frame_error():
        exchange_apdus(b"x", responder.process)
    select_application(responder.process)
    with frame_error():
        exchange_apdus(b"x" * 301, responder.process)
    assert exchange_apdus(b"abc", responder.process) == b"cba"
    with frame_error():
        select_application(lambda command: b"")


# --- BLE ---


@pytest.mark.parametrize("mtu", [23, 185, 517])
def test_t16_packets_of_any_mtu_carry_the_same_bytes(mtu: int) -> None:
    packets = ble_packets(MESSAGE, mtu)
    assert max(map(len, packets)) <= mtu - 3
    receiver = BleReceiver(LIMIT)
    for _ in range(2):
        results = [receiver.take(packet) for packet in packets]
        assert results == [None] * (len(packets) - 1) + [MESSAGE]


def test_a_ble_message_that_is_long_or_wrong_starts_the_link_anew() -> None:
    receiver = BleReceiver(100)
    with pytest.raises(Malformed, match="E_SIZE"):
        receiver.take(ble_packets(b"x" * 101, 185)[0])
    good = ble_packets(b"hello", 185)[0]
    with frame_error():
        receiver.take(good[:-1] + b"?")
    with frame_error():
        receiver.take(good + b"?")
    assert receiver.take(good[:6]) is None
    assert receiver.take(good[6:]) == b"hello"


# --- bad links ---


def link(name: bytes = b"a", /, **faults: int) -> LinkSimulator:
    return LinkSimulator(SeededEntropy(5), name, Faults(**faults))


def test_a_good_link_changes_nothing() -> None:
    packets = frames(MESSAGE)
    good = link()
    assert good.carry(packets) == packets
    assert (good.sent, good.arrived, good.sent_bytes) == (3, 3, sum(map(len, packets)))


def test_the_same_seed_and_name_misbehave_the_same() -> None:
    faults = {"drop": 200, "repeat": 200, "swap": 200, "corrupt": 200, "delay": 100}
    packets = [bytes([number]) * 9 for number in range(40)]
    one = link(**faults).carry(packets)
    assert one == link(**faults).carry(packets)
    assert one != link(b"b", **faults).carry(packets)


@pytest.mark.parametrize(
    ("faults", "expected"),
    [
        ({"drop": 1_000}, []),
        ({"cut": 1_000}, []),
        ({"repeat": 1_000}, [b"a", b"a", b"b", b"b"]),
        ({"delay": 1_000}, []),
        ({"swap": 1_000}, [b"b", b"a"]),
    ],
)
def test_each_fault(faults: dict[str, int], expected: list[bytes]) -> None:
    assert link(**faults).carry([b"a", b"b"]) == expected


def test_what_was_late_comes_with_the_next() -> None:
    slow = link(delay=1_000)
    slow.carry([b"a"])
    assert slow.carry([b"b"]) == [b"a"]


def test_corruption_flips_one_bit() -> None:
    (changed,) = link(corrupt=1_000).carry([b"abc"])
    assert sum((one ^ other).bit_count() for one, other in zip(changed, b"abc", strict=True)) == 1
    assert link(corrupt=1_000).carry([b""]) == [b""]


def worlds() -> Iterator[dict[str, int]]:
    yield {"drop": 300}
    yield {"drop": 200, "repeat": 300, "swap": 500, "delay": 200}
    yield {"corrupt": 300}
    yield {"drop": 150, "corrupt": 150, "cut": 100, "swap": 300}


@pytest.mark.parametrize("faults", list(worlds()))
def test_a_message_shown_in_a_loop_arrives_or_does_not_but_never_changes(faults: dict[str, int]) -> None:
    arrived = [link(bytes([name]), **faults).deliver(MESSAGE, LIMIT, 0) for name in range(20)]
    assert set(arrived) == {MESSAGE}
    hopeless = link(drop=1_000)
    assert hopeless.deliver(MESSAGE, LIMIT, 0, rounds=3) is None
