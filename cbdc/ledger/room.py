"""Room: how many transactions are inside at once, and how long they are together.

    room = Room(capacity=4_000, capacity_bytes=128 << 20)
    taken = room.enter([bytes...])
    try:
        ...
    finally:
        room.leave(*taken)

Whoever takes transactions from many counts them here before any work, and refuses who comes when it is full. A call
that is longer than one may be enters as if it were just that long; else it could never enter.
"""

from collections.abc import Sequence
from threading import Lock

from cbdc.errors import Unavailable


class Room:
    """See the module's text. One call takes room for `most` transactions of `most_bytes` together, and for no more."""

    def __init__(
        self,
        capacity: int,
        capacity_bytes: int,
        *,
        most: int | None = None,
        most_bytes: int | None = None,
    ) -> None:
        """Room for `capacity` transactions (1 or more) of `capacity_bytes` together (1 or more)."""
        assert capacity >= 1
        assert capacity_bytes >= 1
        self._capacity, self._capacity_bytes = capacity, capacity_bytes
        self._most = capacity if most is None else min(most, capacity)
        self._most_bytes = capacity_bytes if most_bytes is None else min(most_bytes, capacity_bytes)
        self._lock = Lock()
        self.inside = self.inside_bytes = 0
        self.closed = False

    def enter(self, transactions: Sequence[bytes]) -> tuple[int, int]:
        """Take room for these, or for as many and as long ones as one call may have; how many and how long that is.

        Raises E_BUSY when they are too many beside those inside, E_BUSY_BYTES when too long, E_PIPELINE_CLOSED.
        """
        count = min(len(transactions), self._most)
        size_bytes = min(sum(map(len, transactions)), self._most_bytes)
        with self._lock:
            if self.closed:
                raise Unavailable("E_PIPELINE_CLOSED")
            if self.inside + count > self._capacity:
                raise Unavailable("E_BUSY", waiting=self.inside, capacity=self._capacity)
            if self.inside_bytes + size_bytes > self._capacity_bytes:
                raise Unavailable(
                    "E_BUSY_BYTES", waiting_bytes=self.inside_bytes, capacity_bytes=self._capacity_bytes
                )
            self.inside += count
            self.inside_bytes += size_bytes
        return count, size_bytes

    def leave(self, count: int, size_bytes: int) -> None:
        """Give back what `enter` took."""
        with self._lock:
            self.inside -= count
            self.inside_bytes -= size_bytes

    def close(self) -> None:
        """Let nobody in from now on; who is inside stays until he leaves."""
        with self._lock:
            self.closed = True
