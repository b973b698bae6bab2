"""The power goes out while a desk works: a kept world, killed at its n-th write point and opened again."""

from collections.abc import Callable
from pathlib import Path

from cbdc.http.server import Limits
from cbdc.ports import ManualClock, SeededEntropy
from tests.site.visitor import START
from wallets.site.app import Options
from wallets.site.whole import Whole
from wallets.site.world import World

MANY = 1_000_000


class Killed(BaseException):
    """The power went out."""


class Bomb:
    """A checkpoint that kills at the n-th write point after it was armed."""

    def __init__(self) -> None:
        self.left = -1

    def __call__(self, point: str) -> None:
        if self.left > 0:
            self.left -= 1
            if self.left == 0:
                raise Killed(point)


def kept(folder: Path, bomb: Bomb, start: int = START) -> Whole:
    """A whole server over the world kept in a folder; whoever opened it closes its world."""
    clock = ManualClock(start)
    world = World(clock, 7, folder, "", bomb)
    options = Options(per_second=MANY, burst=MANY, show_passcodes=True)
    return Whole(world, SeededEntropy(7), clock, options, limits=Limits(MANY, MANY))


def killed_at(
    place: int,
    folder: Path,
    before: Callable[[Whole], None],
    do: Callable[[Whole], None],
    start: int = START,
) -> tuple[Whole, bool]:
    """The world after `do` was killed at its n-th write point, opened again, and whether it was killed."""
    bomb = Bomb()
    whole = kept(folder, bomb, start)
    before(whole)
    bomb.left = place
    try:
        do(whole)
        was_killed = False
    except Killed:
        was_killed = True
    bomb.left = -1
    whole.world.close()
    return kept(folder, Bomb(), start), was_killed
