"""A watch over calls to a server that may never answer: it cuts the line of a call that lasts too long.

A server whose cluster went on without it still accepts connections, and waits for a standby that will never confirm.
Its line is not broken, so no time limit of the network or of the server ends that wait; the client has to. No clock is
read: the watch looks once in `seconds`, and cuts a call that it sees for the second time, so that a call is given
between one and two such spans.
"""

import contextlib
import os
import socket
from threading import Event, Lock, Thread
from typing import Protocol


class Line(Protocol):
    """What is cut: a connection's socket."""

    def fileno(self) -> int:
        """The number of its file."""
        ...


class Watch:
    """Watches one line at a time; `begin` and `end` stand around each call. A daemon thread, started on first use."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._calls = 0
        self._under_way: tuple[int, Line] | None = None
        self._lock = Lock()
        self._over = Event()
        self._thread: Thread | None = None

    def begin(self, line: Line) -> None:
        """A call on this line begins."""
        if self._thread is None:
            self._thread = Thread(target=self._run, name="patience", daemon=True)
            self._thread.start()
        with self._lock:
            self._calls += 1
            self._under_way = (self._calls, line)

    def end(self) -> None:
        """It has ended, one way or the other."""
        with self._lock:
            self._under_way = None

    def stop(self) -> None:
        """Watch no more."""
        self._over.set()

    def _run(self) -> None:
        seen = 0
        while not self._over.wait(self._seconds):
            with self._lock:
                call = self._under_way
                if call is not None and call[0] == seen:
                    _cut(call[1])
                    # Once: whoever called may take a while to say that it has ended.
                    self._under_way = None
                seen = 0 if call is None else call[0]


def _cut(line: Line) -> None:
    # Each kind of line has errors of its own for one that is closed already, and none may end the watch. What is
    # shut is a copy of the file, so that the connection still owns its own; both see the end of the line.
    with contextlib.suppress(Exception), socket.socket(fileno=os.dup(line.fileno())) as copy:
        copy.shutdown(socket.SHUT_RDWR)
