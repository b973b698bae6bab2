"""The process dies at every write point of a payment, of either way and with either end, and goes on afterwards.

What a customer or a bank can see is then what it would have been: the books, the tokens, every message that was sent,
with its moment.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest

from cbdc.rails.correspondent import Hold
from cbdc.rails.corridor import CorridorPlan, Outage
from tests.cbdc.institutions import ident
from tests.cbdc.rails.scene import NOON, PLAN, Scene
from tests.sizes import some

ACCOUNT = Scene().account
DOWN = 400_000
PLANS: dict[str, tuple[CorridorPlan, bool]] = {
    "whole": (PLAN, False),
    "held, then sent back": (replace(PLAN, holds={"acme inc": Hold(5_000, False)}), False),
    "closed account": (replace(PLAN, closed=frozenset({ACCOUNT})), False),
    "against payment": (PLAN, True),
    "against payment, refused": (replace(PLAN, margin_seconds=100_000), True),
    "against payment, silent": (
        replace(PLAN, outages=[Outage(PLAN.addresses.maker, NOON, NOON + DOWN)]),
        True,
    ),
    "against payment, late": (
        replace(PLAN, outages=[Outage(PLAN.addresses.maker, NOON + 61, NOON + DOWN)]),
        True,
    ),
    "against payment, no claim": (
        replace(PLAN, outages=[Outage(PLAN.addresses.exchange, NOON + 1, NOON + DOWN)]),
        True,
    ),
}


class Stop(BaseException):
    """The process ends here."""


def play(scene: Scene, swapped: bool) -> None:
    if swapped:
        scene.swap()
    else:
        scene.order()
    scene.run(9)


def seen(scene: Scene) -> tuple[object, ...]:
    """Everything that anybody can see at the end."""
    scene.check_rest()
    books = [
        {account.path: amount for account, amount in books.balances().items() if amount}
        for books in (scene.home.books, scene.abroad.books, scene.shelves.nostro, scene.shelves.maker)
    ]
    uetr = scene.corridor.desk.find(ident("one")) or scene.corridor.exchange.find(ident("one"))
    assert uetr is not None
    tokens = [
        [(token.amount_tiyn, token.lock.wire()) for _, token in system.ledger.owned(kid)]
        for system, kid in (
            (scene.home, scene.payer.public.kid),
            (scene.home, scene.home.keys.get("market maker").public.kid),
            (scene.abroad, scene.corridor.payees[scene.account]),
        )
    ]
    sizes = scene.home.ledger.size, scene.abroad.ledger.size
    return books, tokens, sizes, scene.corridor.network.track(uetr.uetr), uetr.state


def counting(found: list[str]) -> Callable[[str], None]:
    return found.append


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANS)
def test_a_crash_at_every_write_point_changes_nothing(name: str) -> None:
    plan, swapped = PLANS[name]
    points: list[str] = []
    scene = Scene(plan, checkpoint=counting(points))
    play(scene, swapped)
    whole = seen(scene)
    assert len(points) > 20
    for stop_at in some(range(1, len(points) + 1), 3, begin=list(PLANS).index(name)):
        left = [stop_at]

        def checkpoint(point: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] == 0:
                raise Stop

        scene = Scene(plan, checkpoint=checkpoint)
        with pytest.raises(Stop):
            play(scene, swapped)
        scene.again()
        play(scene, swapped)
        assert seen(scene) == whole, f"stopped at write point {stop_at} ({points[stop_at - 1]})"
