"""The line in a front end: batches of what came meanwhile, in order, failures told to all, nobody left waiting."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Unavailable
from cbdc.http.front_line import Line
from tests.cbdc.gates import PATIENCE, Step, eventually


def sender_of() -> Step[int, int]:
    """Takes batches, waits at a gate, answers each item with its double."""
    return Step(lambda items: [2 * item for item in items])


def line(sender: Callable[[list[int]], list[int]], senders: int = 1, most: int = 100) -> Line[int, int]:
    return Line(sender, senders, most, 1_000, lambda item: 1)


def test_one_alone_goes_at_once() -> None:
    sender = sender_of()
    assert line(sender).send([3, 4]) == [6, 8]
    assert sender.given == [[3, 4]]


def test_those_who_come_meanwhile_share_the_next_batch() -> None:
    sender = sender_of()
    one = line(sender)
    with ThreadPoolExecutor(6) as threads:
        with sender.held():
            first = threads.submit(one.send, [0])
            eventually(lambda: sender.given == [[0]])
            others = [threads.submit(one.send, [number, number]) for number in range(1, 6)]
            eventually(lambda: len(one._waiting) == 5)
        assert first.result(PATIENCE) == [0]
        assert [other.result(PATIENCE) for other in others] == [[2 * n, 2 * n] for n in range(1, 6)]
    assert len(sender.given) == 2
    assert one._free == 1


def test_two_senders_are_under_way_at_once_and_no_third() -> None:
    sender = sender_of()
    one = line(sender, senders=2)
    with ThreadPoolExecutor(4) as threads:
        with sender.held():
            asked = [threads.submit(one.send, [number]) for number in range(4)]
            eventually(lambda: len(one._waiting) == 2)
            assert len(sender.given) == 2
        assert sorted(answer.result(PATIENCE)[0] for answer in asked) == [0, 2, 4, 6]
    assert one._free == 2


def test_a_batch_is_bounded_but_what_one_caller_brings_stays_together() -> None:
    sender = sender_of()
    one = line(sender, most=3)
    with ThreadPoolExecutor(5) as threads:
        with sender.held():
            asked = [threads.submit(one.send, [1])]
            eventually(lambda: len(sender.given) == 1)
            for size in (2, 2, 5):
                waiting = len(one._waiting)
                asked.append(threads.submit(one.send, [1] * size))
                eventually(lambda waiting=waiting: len(one._waiting) == waiting + 1)
        assert [len(answer.result(PATIENCE)) for answer in asked] == [1, 2, 2, 5]
    assert [len(batch) for batch in sender.given] == [1, 2, 2, 5]


def test_a_failure_is_told_to_all_who_were_in_the_batch_and_to_nobody_else() -> None:
    sender = sender_of()
    one = line(sender)
    with ThreadPoolExecutor(3) as threads:
        with sender.held():
            first = threads.submit(one.send, [1])
            eventually(lambda: len(sender.given) == 1)
            others = [threads.submit(one.send, [2]), threads.submit(one.send, [3])]
            eventually(lambda: len(one._waiting) == 2)
            sender.failure = Unavailable("E_DRAINING")
        with pytest.raises(Unavailable, match="E_DRAINING"):
            first.result(PATIENCE)
        assert [other.result(PATIENCE) for other in others] == [[4], [6]]
    assert one.send([5]) == [10]


def test_who_is_interrupted_while_he_sends_leaves_nobody_waiting() -> None:
    sender = sender_of()
    one = line(sender)
    sender.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        one.send([1])
    assert one._free == 1
    assert one.send([2]) == [4]


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), min_size=1, max_size=12), st.integers(1, 3)
)
def test_everybody_gets_his_own_answers(parties: list[list[int]], senders: int) -> None:
    one = line(sender_of(), senders, most=3)
    with ThreadPoolExecutor(len(parties)) as threads:
        assert list(threads.map(one.send, parties)) == [[2 * n for n in party] for party in parties]
    assert (one._free, len(one._waiting)) == (senders, 0)
