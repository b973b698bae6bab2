"""Kill at every write: what is left is before or after, and the same call again ends like the run nobody touched.

A kill is an exception that nothing catches, thrown before or after a write of the books or the cabinet. The stores
survive it; every object above them is made anew.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from cbdc.accounts import Books
from cbdc.accounts_store import MemoryBooks
from cbdc.cabinet import MemoryCabinet
from cbdc.ledger.memory import MemoryStore
from cbdc.system import Stores
from tests.cbdc.cards.scene import CardScene, check, settle
from tests.cbdc.cards.test_faults import FLOWS, finish
from tests.sizes import some


class Killed(BaseException):
    """The process died here."""


class Deaths:
    """A checkpoint that kills at the so-many-th write from now; 0 never, and only counts."""

    def __init__(self) -> None:
        self.at = 0
        self.count = 0

    def arm(self, at: int) -> None:
        self.at, self.count = at, 0

    def __call__(self, name: str) -> None:
        self.count += 1
        if self.count == self.at:
            raise Killed


def stores(deaths: Deaths) -> Stores:
    return Stores(MemoryStore(), Books(MemoryBooks(deaths)), MemoryCabinet(deaths))


def picture(scene: CardScene) -> tuple[object, ...]:
    """All that a run leaves behind, but for the order of things."""
    books = {account.path: amount for account, amount in scene.system.books.balances().items() if amount}
    # A network that has stood in already does not wait again, so an advice may come some seconds earlier.
    payments = sorted((p.key, replace(p, time=0).encode()) for p in scene.issuer.payments.all())
    sales = sorted((s.id, s.encode()) for s in scene.acquirer.sales.all())
    return books, payments, sales, scene.pocket(), scene.shop_tokens()


def played(name: str, at: int, deaths: Deaths, after: Callable[[CardScene], None]) -> tuple[object, ...]:
    """Play a flow, killed at its write number `at`, opened again and played again."""
    flow = FLOWS[name]
    kept = stores(deaths)
    deaths.arm(0)
    scene = CardScene(stand_in_tiyn=flow.stand_in_tiyn, stores=kept)
    faults = dict.fromkeys(flow.always, ("lost",))
    scene.faults.plan(faults)  # type: ignore[arg-type]
    deaths.arm(at)
    try:
        flow.play(scene)
        assert at == 0, f"there is no write number {at}"
    except Killed:
        deaths.arm(0)
        scene = CardScene(stand_in_tiyn=flow.stand_in_tiyn, stores=kept, clock=scene.clock)
        scene.issuer.resume()
        scene.faults.plan(faults)  # type: ignore[arg-type]
        flow.play(scene)
    after(scene)
    finish(scene)
    check(scene)
    settle(scene)
    check(scene)
    return picture(scene)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FLOWS))
def test_a_kill_at_any_write_changes_nothing(name: str) -> None:
    deaths = Deaths()
    writes: list[int] = []
    untouched = played(name, 0, deaths, lambda scene: writes.append(deaths.count))
    assert writes[0] > 10
    for at in some(range(1, writes[0] + 1), 3, begin=sorted(FLOWS).index(name)):
        assert played(name, at, deaths, lambda scene: None) == untouched, f"killed at write {at}"
