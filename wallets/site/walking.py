"""The walker: one thread that takes the steps of a simulated day, one at a time, and can be stopped between any two.

Every step is taken under the world's lock, and between two steps the lock is free, so pages and wallets go on being
served. How far a day is stands in the world itself: a walker that is stopped, or a server that dies, leaves a day that
anybody can go on with.
"""

from threading import Event, Thread
from weakref import WeakKeyDictionary, ref

from cbdc.errors import Unavailable
from wallets.site import living
from wallets.site.world import World

PAUSE_SECONDS = 0.05


class Walker:
    """The walker of one world. `problem` is what was unavailable when it stopped by itself."""

    def __init__(self, world: World) -> None:
        self._world = ref(world)
        self._stop = Event()
        self._thread: Thread | None = None
        self.problem: Unavailable | None = None
        world.jobs.at_close.append(self.close)

    @property
    def is_walking(self) -> bool:
        """Whether steps are being taken."""
        return self._thread is not None and self._thread.is_alive() and not self._stop.is_set()

    def start(self) -> None:
        """Walk on with the present day; nothing when it is walking already."""
        if self.is_walking:
            return
        world = self._world()
        assert world is not None, "a world outlives its walker"
        self._stop, self.problem = Event(), None
        self._thread = Thread(target=self._walk, args=(world, self._stop), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take no further step. Whoever calls may hold the world's lock."""
        self._stop.set()

    def wait(self, seconds: int) -> None:
        """Wait until it has stopped, without the world's lock: for tests and for programs."""
        if self._thread is not None:
            self._thread.join(seconds)

    def close(self) -> None:
        """Stop, and wait until the last step is done."""
        self.stop()
        self.wait(60)

    def _walk(self, world: World, stop: Event) -> None:
        system = world.system
        while not stop.is_set():
            with world.doing():
                # What was true outside the lock may be over: a fresh start, a stop, the day's end.
                day = living.present_day(world) if world.system is system else None
                if stop.is_set() or day is None or day.is_over:
                    return
                try:
                    living.take_step(world, day)
                except Unavailable as problem:
                    self.problem = problem
                    return
            stop.wait(PAUSE_SECONDS)


_WALKERS: "WeakKeyDictionary[World, Walker]" = WeakKeyDictionary()


def walker_of(world: World) -> Walker:
    """The walker of a world."""
    if world not in _WALKERS:
        _WALKERS[world] = Walker(world)
    return _WALKERS[world]
