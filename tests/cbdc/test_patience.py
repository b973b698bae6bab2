"""The watch over calls that last too long: each is cut once, and whatever its line says then, the next is watched."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from cbdc.ledger.patience import Watch

LOOK_SECONDS = 0.01


class Closed(Exception):
    """What a line's own library says of a line that is closed."""


class Noted:
    """A line that counts how often it is asked for its file; it is `gone` from the second time on, or at once."""

    def __init__(self, gone: bool = False) -> None:
        self.near, self.far = socket.socketpair()
        self.asked = 0
        self.looked_at = threading.Event()
        self._gone = gone

    def fileno(self) -> int:
        self.asked += 1
        self.looked_at.set()
        if self._gone or self.asked > 1:
            raise Closed
        return self.near.fileno()

    def close(self) -> None:
        self.near.close()
        self.far.close()


@pytest.fixture
def watch() -> Iterator[Watch]:
    made = Watch(LOOK_SECONDS)
    yield made
    made.stop()


@pytest.mark.parametrize("gone", [True, False])
def test_a_line_that_is_gone_does_not_end_the_watch(watch: Watch, gone: bool) -> None:
    first, second = Noted(gone), Noted()
    watch.begin(first)
    assert first.looked_at.wait(60)
    time.sleep(LOOK_SECONDS * 5)  # the caller is held up before it says that the call has ended
    watch.end()
    second.far.settimeout(60)
    watch.begin(second)
    assert second.far.recv(1) == b"", "it was cut"
    assert (first.asked, second.asked) == (1, 1)
    for line in (first, second):
        line.close()
