"""Room is counted in transactions and in bytes; what is refused takes none, and what leaves gives back what it took."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cbdc.errors import Unavailable
from cbdc.ledger.room import Room


def refusal(room: Room, transactions: Sequence[bytes]) -> Unavailable:
    """How these are refused."""
    with pytest.raises(Unavailable) as refused:
        room.enter(transactions)
    return refused.value


def test_who_comes_when_it_is_full_is_told_so_and_takes_nothing() -> None:
    room = Room(3, 100)
    taken = room.enter([b"a", b"b"])
    told = refusal(room, [b"c", b"d"])
    assert (told.code, told.facts) == ("E_BUSY", {"waiting": 2, "capacity": 3})
    assert (room.inside, room.inside_bytes) == (2, 2)
    assert room.enter([b"c"]) == (1, 1), "the last place"
    assert refusal(room, [b""]).code == "E_BUSY"
    room.leave(*taken)
    assert (room.inside, room.inside_bytes) == (1, 1)
    assert room.enter([b"c", b"d"]) == (2, 2)


def test_what_is_too_long_beside_those_inside_is_told_so_and_takes_nothing() -> None:
    room = Room(100, 10)
    taken = room.enter([b"12345", b"67"])
    told = refusal(room, [b"1234"])
    assert (told.code, told.facts) == ("E_BUSY_BYTES", {"waiting_bytes": 7, "capacity_bytes": 10})
    assert (room.inside, room.inside_bytes) == (2, 7)
    assert room.enter([b"123"]) == (1, 3), "the last bytes"
    room.leave(*taken)
    assert room.enter([b"1234"]) == (1, 4)


def test_what_is_longer_than_all_the_room_enters_alone() -> None:
    room = Room(2, 10)
    taken = room.enter([b"1234567890"] * 5)
    assert taken == (2, 10)
    assert refusal(room, [b""]).code == "E_BUSY"
    room.leave(*taken)
    assert (room.inside, room.inside_bytes) == (0, 0)


def test_one_call_takes_no_more_than_it_may() -> None:
    room = Room(10, 100, most=4, most_bytes=30)
    assert room.enter([b"1234567890"] * 6) == (4, 30)
    assert room.enter([b"1"]) == (1, 1), "the rest is for others"
    assert Room(3, 20, most=4, most_bytes=30).enter([b"1234567890"] * 6) == (3, 20)


def test_a_closed_room_lets_nobody_in_and_everybody_out() -> None:
    room = Room(1, 10)
    taken = room.enter([b"a"])
    room.close()
    assert refusal(room, [b"a"]).code == "E_PIPELINE_CLOSED", "whether it is full or not"
    room.leave(*taken)
    assert room.inside == 0
    assert refusal(room, [b"a"]).code == "E_PIPELINE_CLOSED"


@given(st.lists(st.lists(st.binary(max_size=6), max_size=6), max_size=20), st.data())
def test_there_is_never_more_inside_than_there_is_room_for(
    calls: list[list[bytes]], data: st.DataObject
) -> None:
    room = Room(7, 15, most=4, most_bytes=9)
    inside: list[tuple[int, int]] = []
    for call in calls:
        while inside and data.draw(st.booleans()):
            room.leave(*inside.pop(data.draw(st.integers(0, len(inside) - 1))))
        try:
            inside.append(room.enter(call))
        except Unavailable:
            assert inside, "an empty room takes anything"
        assert room.inside == sum(count for count, _ in inside) <= 7
        assert room.inside_bytes == sum(size for _, size in inside) <= 15
    for taken in inside:
        room.leave(*taken)
    assert (room.inside, room.inside_bytes) == (0, 0)
