"""The same bytes through every carrier, at 0 to 30 % of everything that goes wrong (T1 to T5, T13, T14, T16)."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest

from cbdc.keys import ED25519, ES256
from offline.carriers import (
    BleCarrier,
    Blocks,
    FileCarrier,
    LinkLost,
    NfcCarrier,
    Passage,
    QrCarrier,
    Times,
    pieces_of,
)
from offline.link import Faults, ble_packets, qr_texts
from tests.offline.carried import ENTROPY, LOSSES, MAKES, conversation, faults
from tests.vectors.case import load
from tests.vectors.generate import MAKERS


@lru_cache(maxsize=1)
def messages() -> tuple[tuple[str, bytes], ...]:
    """What `_messages` gives, made once."""
    return tuple(_messages())


def _messages() -> Iterator[tuple[str, bytes]]:
    """Every message of both flows in both algorithms, and every bundle and message of the vectors that is right."""
    for near in (False, True):
        for algorithm in (ED25519, ES256):
            for name, passage in conversation(near, algorithm)[1]:
                assert passage.message is not None
                yield f"{name}-{algorithm}", passage.message
    for name in MAKERS:
        for one in load(name)["cases"]:
            if (
                one["check"] in ("bundle", "offer", "payment", "message", "commit", "batch")
                and one["expect"] == "ok"
            ):
                yield f"{name}-{one['id']}", bytes.fromhex(one["bytes"])


@pytest.mark.slow
@pytest.mark.parametrize("loss", [0, 100, 300])
@pytest.mark.parametrize("kind", MAKES)
def test_t16_every_message_arrives_as_it_was(kind: str, loss: int) -> None:
    found = messages()
    assert len(found) > 100
    carrier = MAKES[kind](b"%d" % loss, loss)
    for name, message in found:
        for _ in range(20):
            passage = carrier.send(message)
            assert passage.message in (message, None), name
            if passage.message is not None:
                break
        assert passage.message == message, name
        assert passage.sent >= passage.pieces >= 1
        assert passage.sent_bytes >= len(message)


@pytest.mark.parametrize("loss", [0, 100, 300])
@pytest.mark.parametrize("kind", MAKES)
@pytest.mark.parametrize("near", [False, True], ids=["flow-Q", "flow-I"])
def test_t1_to_t5_both_flows_over_every_carrier(near: bool, kind: str, loss: int) -> None:
    _, passed = conversation(near, ES256, MAKES[kind](b"flow", loss))
    assert len(passed) >= (5 if near else 3)
    if loss == 0:
        assert all(passage.message is not None for _, passage in passed)


@pytest.mark.slow
def test_loss_costs_time_and_never_bytes_of_money() -> None:
    message = bytes(range(256)) * 8
    for kind in ("qr", "nfc", "ble-23", "ble-517", "file"):
        costs = [
            sum(MAKES[kind](b"%d" % number, loss).send(message).microseconds for number in range(40))
            for loss in LOSSES
        ]
        assert costs[0] < costs[2] < costs[4], kind


def test_the_same_seed_takes_the_same() -> None:
    for kind, make in MAKES.items():
        one, other = make(b"a", 200), make(b"a", 200)
        assert [one.send(b"m" * 900) for _ in range(3)] == [other.send(b"m" * 900) for _ in range(3)], kind


# --- what a message costs where nothing is lost ---


@pytest.mark.parametrize("size", [1, 254, 255, 256, 314, 640, 641, 4_096, 24_576])
def test_pieces_are_those_of_the_protocol(size: int) -> None:
    message = bytes(size)
    counted = {mtu: pieces_of(message, mtu) for mtu in (23, 185, 517)}
    assert (
        QrCarrier(ENTROPY, b"p", Faults()).send(message).pieces == len(qr_texts(message)) == counted[23]["qr"]
    )
    assert NfcCarrier(ENTROPY, b"p", Faults()).send(message).pieces == counted[23]["nfc"] + 1
    for mtu, counts in counted.items():
        passage = BleCarrier(ENTROPY, b"p", Faults(), mtu).send(message)
        assert passage.pieces == len(ble_packets(message, mtu)) == counts["ble"]
        assert passage.sent == 2 * passage.pieces


def test_t16_a_commit_over_nfc_and_over_the_narrowest_ble_link() -> None:
    (commit,) = [passage.message for name, passage in conversation(True, ED25519)[1] if name == "COMMIT"]
    assert commit is not None
    one_part = commit[: 314 + 6]
    assert NfcCarrier(ENTROPY, b"c", Faults()).send(one_part).pieces == 3
    assert BleCarrier(ENTROPY, b"c", Faults(), 23).send(one_part).message == one_part


def test_seconds_are_rounded_up() -> None:
    for microseconds, seconds in (
        (0, "0.0"),
        (1, "0.1"),
        (100_000, "0.1"),
        (100_001, "0.2"),
        (12_340_000, "12.4"),
    ):
        assert Passage(None, 0, 0, 0, microseconds).seconds == seconds


def test_time_follows_the_assumed_speeds() -> None:
    slow = Times(qr_frame=1_000_000)
    assert QrCarrier(ENTROPY, b"t", Faults(), slow).send(b"x").microseconds == 1_000_000
    assert QrCarrier(ENTROPY, b"t", Faults()).send(b"x" * 1_281).microseconds == 3 * Times().qr_frame


# --- links that never let anything through ---


@pytest.mark.parametrize("kind", MAKES)
def test_t13_where_nothing_comes_through_nothing_is_made_up(kind: str) -> None:
    dead = Faults(drop=1_000)
    carriers: dict[str, Any] = {
        "qr": QrCarrier(ENTROPY, b"d", dead, rounds=3),
        "nfc": NfcCarrier(ENTROPY, b"d", dead, tries=3),
        "ble-23": BleCarrier(ENTROPY, b"d", dead, 23, tries=3),
        "ble-517": BleCarrier(ENTROPY, b"d", dead, 517, tries=3),
        "ble-sealed": BleCarrier(
            ENTROPY, b"d", dead, engage=QrCarrier(ENTROPY, b"d", dead, rounds=2), tries=3
        ),
        "file": FileCarrier(ENTROPY, b"d", dead, tries=3),
    }
    for _ in range(2):
        passage = carriers[kind].send(b"m" * 700)
        assert passage.message is None
        assert passage.sent > 0


def test_t14_a_code_that_is_always_blurred_is_never_taken_for_another() -> None:
    assert QrCarrier(ENTROPY, b"b", Faults(corrupt=1_000), rounds=40).send(b"m" * 700).message is None


def test_a_lost_connection_is_begun_anew_with_another_code() -> None:
    """A sealed connection that broke is not mended: the next message goes over a new channel."""
    carrier = BleCarrier(ENTROPY, b"x", faults(300), 185, engage=QrCarrier(ENTROPY, b"x", Faults()), tries=2)
    codes: set[str] = set()
    arrived = lost = 0
    for _ in range(60):
        passage = carrier.send(b"one message")
        arrived += passage.message == b"one message"
        lost += passage.message is None
        codes.add(carrier.code)
    assert arrived > 0
    assert lost > 0
    assert len(codes) > 1


def test_blocks_reach_the_other_side_once_and_in_order() -> None:
    got: list[bytes] = []

    def receive(block: bytes) -> bytes:
        got.append(block)
        return block[::-1]

    blocks = Blocks(ENTROPY, b"blocks", faults(300), receive, tries=500)
    sent = [b"block %d" % number for number in range(60)]
    assert [blocks.exchange(block) for block in sent] == [block[::-1] for block in sent]
    assert got == sent
    assert blocks.sent > 2 * len(sent)
    with pytest.raises(LinkLost):
        Blocks(ENTROPY, b"none", Faults(drop=1_000), receive, tries=4).exchange(b"x")
