"""What the fuzzer found, each as a test of its own, so that it is never lost again."""

from dataclasses import replace

import pytest

from cbdc.errors import Malformed, Refused
from offline.link import ApduResponder, exchange_apdus, select_application
from tests.offline.centre import Centre


def test_a_card_that_always_promises_more_comes_to_an_end() -> None:
    """Target `reader`: a hostile card answered 61xx for ever, and the reader collected for ever."""
    asked: list[bytes] = []

    def hostile(command: bytes) -> bytes:
        asked.append(command)
        assert len(asked) < 100, "the reader asks for ever"
        return b"x" * 255 + b"\x61\xff"

    with pytest.raises(Malformed, match="E_SIZE"):
        exchange_apdus(b"m", hostile, 10_000)
    with pytest.raises(Malformed, match="E_FRAME"):
        exchange_apdus(b"m", lambda command: b"\x61\xff")
    last = iter([b"x" * 200 + b"\x61\x01", b"y\x90\x00"])
    with pytest.raises(Malformed, match="E_SIZE"):
        exchange_apdus(b"m", lambda command: next(last), 200)


@pytest.mark.parametrize("size", [200, 255, 256, 1_000])
def test_an_answer_of_just_the_limit_is_taken(size: int) -> None:
    card = ApduResponder(lambda message: b"a" * size, 1_000)
    select_application(card.process)
    assert exchange_apdus(b"m", card.process, size) == b"a" * size


def test_settlement_answers_only_the_device_itself_also_again() -> None:
    """Target `statement`: a request of the same content and any signature got the device's acknowledgement."""
    centre = Centre()
    ayan = centre.device("ayan")
    request = centre.declare(ayan, 1)
    forged = replace(request, signature=request.signature[:-1] + bytes([request.signature[-1] ^ 1]))
    with pytest.raises(Refused, match="E_SIG"):
        centre.reconciler.sync(forged)
    answer = centre.reconciler.sync(request)
    with pytest.raises(Refused, match="E_SIG"):
        centre.reconciler.sync(forged)
    assert centre.reconciler.sync(request) == answer
