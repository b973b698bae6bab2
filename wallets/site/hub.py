"""The event hub: who waits for news gets it without asking again and again.

A browser keeps one connection open and is told "something of yours changed", with the number of entries of the journal
and nothing else; it then asks what, with its own proof. A console is told when anything changed at all. Nobody is woken
for news of somebody else, so two hundred wallets may listen at once.

A subscriber who does not listen loses nothing but single events: it holds at most one pending piece of news, and a
later one takes the place of an earlier one.
"""

import threading
from collections.abc import Iterable, Iterator

from cbdc.errors import Unavailable

EVERYTHING = b""
BEAT_SECONDS = 15
MOST_SUBSCRIBERS = 400


class Subscriber:
    """One who waits for news of a key, or of EVERYTHING."""

    def __init__(self, kid: bytes) -> None:
        self.kid = kid
        self._news = threading.Event()
        self._number = 0
        self.closed = False

    def tell(self, number: int) -> None:
        """There is news as of this number."""
        self._number = number
        self._news.set()

    def close(self) -> None:
        """Wake the waiter for the last time."""
        self.closed = True
        self._news.set()

    def wait(self, seconds: int) -> int | None:
        """The number of the newest news, or None when there was none for so long."""
        if not self._news.wait(seconds):
            return None
        self._news.clear()
        return self._number


class Hub:
    """All who wait, by key id."""

    def __init__(self, most: int = MOST_SUBSCRIBERS) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[bytes, list[Subscriber]] = {}
        self._most = most
        self._count = 0
        self._closed = False

    @property
    def count(self) -> int:
        """How many wait."""
        return self._count

    def subscribe(self, kid: bytes) -> Subscriber:
        """A new subscriber; E_SITE_LISTENERS when there are too many."""
        with self._lock:
            if self._count >= self._most or self._closed:
                raise Unavailable("E_SITE_LISTENERS", limit=self._most)
            subscriber = Subscriber(kid)
            self._waiting.setdefault(kid, []).append(subscriber)
            self._count += 1
            return subscriber

    def leave(self, subscriber: Subscriber) -> None:
        """The subscriber is gone."""
        with self._lock:
            row = self._waiting.get(subscriber.kid, [])
            if subscriber in row:
                row.remove(subscriber)
                self._count -= 1
                if not row:
                    del self._waiting[subscriber.kid]

    def tell(self, kids: Iterable[bytes], number: int) -> None:
        """News for the holders of these keys, and for whoever waits for everything."""
        with self._lock:
            for kid in {*kids, EVERYTHING}:
                for subscriber in self._waiting.get(kid, ()):
                    subscriber.tell(number)

    def close(self) -> None:
        """Nobody waits any longer: the server stops."""
        with self._lock:
            self._closed = True
            for row in self._waiting.values():
                for subscriber in row:
                    subscriber.close()

    def stream(self, subscriber: Subscriber, number: int) -> Iterator[str]:
        """Server-sent events until the reader goes away: `changed` with a number, and a comment as a heartbeat.

        The first event comes at once, so that a reader that connects again hears of what it missed.
        """
        try:
            yield f"retry: 2000\nevent: changed\ndata: {number}\n\n"
            while True:
                news = subscriber.wait(BEAT_SECONDS)
                if subscriber.closed:
                    return
                yield ": still here\n\n" if news is None else f"event: changed\ndata: {news}\n\n"
        finally:
            self.leave(subscriber)
