"""Frames of the byte channel: cut, damaged or among noise, a frame is whole or it is none (5.7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.element_frames import MOST_BYTES, Frame, FrameReader


def test_a_frame_comes_out_as_it_went_in() -> None:
    frames = [Frame(7, 1, b""), Frame(2**32 - 1, 2**32 - 1, b"x" * MOST_BYTES), Frame(0, 0, b"\xd7\x02" * 9)]
    assert FrameReader().take(b"".join(frame.encode() for frame in frames)) == frames


def test_a_stream_may_be_cut_anywhere() -> None:
    frames = [Frame(1, 5, b"one"), Frame(2, 6, b"two")]
    data = b"noise\xd7" + frames[0].encode() + b"\xd7\xd7more noise" + frames[1].encode()
    for cut in range(len(data) + 1):
        reader = FrameReader()
        assert reader.take(data[:cut]) + reader.take(data[cut:]) == frames, cut
    reader = FrameReader()
    assert [found for place in range(len(data)) for found in reader.take(data[place : place + 1])] == frames


def test_a_changed_bit_makes_it_no_frame() -> None:
    good, after = Frame(3, 9, b"command"), Frame(3, 10, b"next" * 60)
    data = good.encode()
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        # What follows is found, at the latest when enough has come to know that the damaged one is none.
        found = FrameReader().take(bytes(changed) + after.encode() + after.encode())
        assert good not in found
        assert after in found, bit


def test_more_than_a_frame_can_hold_is_a_bug() -> None:
    with pytest.raises(AssertionError):
        Frame(1, 1, b"x" * (MOST_BYTES + 1)).encode()


@given(st.binary(max_size=400))
def test_noise_is_passed_over(noise: bytes) -> None:
    reader = FrameReader()
    reader.take(noise)
    assert len(reader._held) <= MOST_BYTES + 16
    # Two at the end, because noise may look like the head of a frame that swallows the first.
    found = reader.take(Frame(1, 2, b"x" * 255).encode() * 2)
    assert Frame(1, 2, b"x" * 255) in found
