"""The encrypted channel: both suites; records changed, replayed, reordered, reflected; and whoever stands between."""

import copy
import pickle
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc import canonical
from cbdc.errors import Malformed, Refused
from cbdc.ports import SeededEntropy
from offline import channel
from offline.channel import P256, SUITES, X25519, Channel, Inviter, Joiner

ENTROPY = SeededEntropy(3)
BOTH = list(SUITES)


PRIME = 2**256 - 2**224 + 2**192 + 2**96 - 1
OFFSET = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
# The smallest number that is no x of a point on P-256.
OFF_CURVE = b"\2" + next(
    x for x in range(1, 99) if pow(x**3 - 3 * x + OFFSET, (PRIME - 1) // 2, PRIME) != 1
).to_bytes(32, "big")


def refused(code: str) -> Any:
    return pytest.raises((Malformed, Refused), match=f"^{code}:")


def pair(suite: int = X25519, id: bytes = b"1") -> tuple[Channel, Channel]:
    """(the payee's channel, the payer's channel)."""
    inviter = Inviter(ENTROPY, b"inviter" + id, suite)
    joiner = Joiner(ENTROPY, b"joiner" + id, inviter.engagement)
    reveal, near = inviter.accept(joiner.answer)
    return near, joiner.finish(reveal)


@pytest.mark.parametrize("suite", BOTH)
def test_both_sides_read_each_other_and_see_the_same_digits(suite: int) -> None:
    payee, payer = pair(suite)
    assert payee.code == payer.code
    assert len(payee.code) == 4
    assert payee.code.isdigit()
    for number in range(3):
        assert payer.open(payee.seal(b"hello %d" % number)) == b"hello %d" % number
        assert payee.open(payer.seal(b"")) == b""


@pytest.mark.parametrize("suite", BOTH)
def test_what_is_said_is_not_seen(suite: int) -> None:
    payee, _ = pair(suite)
    message = b"one thousand tenge" * 3
    record = payee.seal(message)
    assert len(record) == len(message) + channel.NUMBER_BYTES + channel.TAG_BYTES
    assert message[:8] not in record
    assert payee.seal(message)[4:] != record[4:]


@pytest.mark.parametrize("suite", BOTH)
def test_another_invitation_has_other_keys_and_another_code(suite: int) -> None:
    codes = {pair(suite, bytes([number]))[0].code for number in range(20)}
    assert len(codes) > 15
    one, other = pair(suite, b"1")[0], pair(suite, b"2")[1]
    with refused("E_CHANNEL_SEAL"):
        other.open(one.seal(b"x"))


# --- replay, order, reflection, tampering ---


def test_replay_is_refused_and_the_next_record_still_counts() -> None:
    payee, payer = pair()
    first, second = payee.seal(b"one"), payee.seal(b"two")
    assert payer.open(first) == b"one"
    for _ in range(3):
        with refused("E_CHANNEL_ORDER"):
            payer.open(first)
    assert payer.open(second) == b"two"


def test_reordering_and_skipping_are_refused() -> None:
    payee, payer = pair()
    records = [payee.seal(bytes([number])) for number in range(4)]
    for early in (records[1], records[3]):
        with refused("E_CHANNEL_ORDER"):
            payer.open(early)
    assert [payer.open(record) for record in records] == [bytes([number]) for number in range(4)]


def test_a_reflected_record_is_refused() -> None:
    payee, payer = pair()
    own = payee.seal(b"pay me")
    with refused("E_CHANNEL_SEAL"):
        payee.open(own)
    assert payer.open(own) == b"pay me"


def test_every_changed_bit_is_seen() -> None:
    payee, payer = pair()
    record = payee.seal(b"one thousand")
    for bit in range(8 * len(record)):
        changed = bytearray(record)
        changed[bit // 8] ^= 1 << bit % 8
        with refused("E_CHANNEL_SEAL"):
            payer.open(bytes(changed))
    assert payer.open(record) == b"one thousand"


@pytest.mark.parametrize("cut", range(33))
def test_a_cut_or_longer_record_is_refused(cut: int) -> None:
    payee, payer = pair()
    record = payee.seal(b"one thousand!")
    assert len(record) == 33
    with refused("E_CHANNEL_SEAL"):
        payer.open(record[:cut])
    with refused("E_CHANNEL_SEAL"):
        payer.open(record + bytes(cut + 1))


@given(st.lists(st.sampled_from(range(5)), max_size=12))
def test_property_only_the_records_in_their_order_come_through(order: list[int]) -> None:
    payee, payer = pair()
    records = [payee.seal(bytes([number])) for number in range(5)]
    came: list[int] = []
    for place in order:
        if place == len(came):
            came.append(payer.open(records[place])[0])
        else:
            with refused("E_CHANNEL_ORDER"):
                payer.open(records[place])
    assert came == list(range(len(came)))


# --- a nonce is never used twice ---


def test_an_invitation_makes_one_channel() -> None:
    inviter = Inviter(ENTROPY, b"once")
    joiner = Joiner(ENTROPY, b"j", inviter.engagement)
    reveal, _ = inviter.accept(joiner.answer)
    for answer in (joiner.answer, Joiner(ENTROPY, b"k", inviter.engagement).answer):
        with refused("E_CHANNEL_USED"):
            inviter.accept(answer)
    joiner.finish(reveal)
    with refused("E_CHANNEL_USED"):
        joiner.finish(reveal)


def test_a_channel_is_neither_saved_nor_copied() -> None:
    payee, _ = pair()
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            copied(payee)


def test_numbers_end_before_they_repeat() -> None:
    payee, _ = pair()
    payee._sent = channel.MAX_RECORDS - 1
    assert payee.seal(b"last")[:4] == b"\xff" * 4
    for _ in range(2):
        with refused("E_CHANNEL_USED"):
            payee.seal(b"x")


def test_numbers_of_records_rise() -> None:
    payee, _ = pair()
    numbers = [int.from_bytes(payee.seal(b"same")[:4], "big") for _ in range(50)]
    assert numbers == list(range(1, 51))


# --- engagements, answers and reveals that are none ---


@pytest.mark.parametrize("suite", BOTH)
def test_keys_that_are_none(suite: int) -> None:
    wrong = {
        X25519: [bytes(32), b"\1" + bytes(31), bytes(33), b"\2" + bytes(32)],
        P256: [bytes(32), bytes(33), b"\2" + b"\xff" * 32, b"\5" + bytes(32), OFF_CURVE],
    }[suite]
    inviter = Inviter(ENTROPY, b"k", suite)
    values: Any = canonical.decode(inviter.engagement)
    for key in wrong:
        with refused("E_CHANNEL_KEY"):
            Joiner(ENTROPY, b"j", canonical.encode([*values[:3], key, values[4]]))
        with refused("E_CHANNEL_KEY"):
            inviter.accept(canonical.encode([49, key, bytes(32)]))
    inviter.accept(Joiner(ENTROPY, b"j", inviter.engagement).answer)


@pytest.mark.parametrize("place", range(5))
def test_engagements_that_are_none(place: int) -> None:
    values: Any = canonical.decode(Inviter(ENTROPY, b"k").engagement)
    for other in (3, b"", b"x" * 31, [], "x"):
        changed = [*values[:place], other, *values[place + 1 :]]
        with pytest.raises(Malformed):
            Joiner(ENTROPY, b"j", canonical.encode(changed))
    with pytest.raises(Malformed):
        Joiner(ENTROPY, b"j", canonical.encode(values[:place]))


def test_messages_at_the_wrong_place() -> None:
    inviter = Inviter(ENTROPY, b"k")
    joiner = Joiner(ENTROPY, b"j", inviter.engagement)
    for wrong in (inviter.engagement, b"", b"\x90", joiner.answer[:-1], bytes(300)):
        with pytest.raises(Malformed):
            inviter.accept(wrong)
        with pytest.raises(Malformed):
            joiner.finish(wrong)
    with pytest.raises(Malformed):
        Joiner(ENTROPY, b"j", joiner.answer)


# --- whoever stands between ---


@pytest.mark.parametrize("suite", BOTH)
def test_another_reveal_than_the_committed_one_is_refused(suite: int) -> None:
    inviter = Inviter(ENTROPY, b"k", suite)
    joiner = Joiner(ENTROPY, b"j", inviter.engagement)
    reveal, _ = inviter.accept(joiner.answer)
    with refused("E_CHANNEL_KEY"):
        joiner.finish(canonical.encode([50, bytes(32)]))
    joiner.finish(reveal)


@pytest.mark.parametrize("suite", BOTH)
def test_who_stands_between_shows_two_codes(suite: int) -> None:
    """M answers the payee in the payer's place and invites the payer in the payee's: it reads all, and shows it."""
    same = 0
    for number in range(60):
        id = bytes([number])
        payee = Inviter(ENTROPY, b"payee" + id, suite)
        between_invites = Inviter(ENTROPY, b"between" + id, suite)
        between_joins = Joiner(ENTROPY, b"between" + id, payee.engagement)
        payer = Joiner(ENTROPY, b"payer" + id, between_invites.engagement)
        reveal, near = payee.accept(between_joins.answer)
        between_joins.finish(reveal)
        forged, _ = between_invites.accept(payer.answer)
        same += payer.finish(forged).code == near.code
    assert same == 0


def test_who_changes_the_answer_is_not_understood() -> None:
    inviter = Inviter(ENTROPY, b"k")
    joiner = Joiner(ENTROPY, b"j", inviter.engagement)
    values: Any = canonical.decode(joiner.answer)
    reveal, payee = inviter.accept(canonical.encode([*values[:2], bytes(32)]))
    payer = joiner.finish(reveal)
    assert payee.code != payer.code
    with refused("E_CHANNEL_SEAL"):
        payer.open(payee.seal(b"x"))
